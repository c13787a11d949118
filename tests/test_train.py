"""Training, statistics, evaluation and sampling."""

import dataclasses
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import locked

import npnet
from npnet import DivergedError, InputError, Recipe
from npnet.arrays import Array
from npnet.statistics import BLOCK, Folded
from npnet.train import AHEAD, Running, train_blocks

Make = Callable[..., tuple[npnet.Parameters, Array, Array]]
Model = tuple[npnet.Parameters, npnet.Statistics, npnet.Vocabulary]
SHORT = Recipe("short", hidden=12, batch=8, steps=2 * AHEAD + 21, rates=((0, 0.1), (50, 0.02)))


def start(recipe: Recipe = SHORT) -> tuple[npnet.Parameters, Array, Array, npnet.Generator]:
    words = ["anna", "bob", "zoe", "ada", "mia", "otto", "nina", "ava", "noor", "ben"] * 2
    vocab = npnet.Vocabulary.from_words(words)
    X, Y = npnet.build_dataset(words, vocab, recipe.block_size)
    generator = npnet.Generator(recipe.seed)
    params = npnet.draw_parameters(recipe, vocab.size, generator)
    return params, locked(X), locked(Y), generator


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["lecture", "frozen-b1", "part3"])
def test_training_is_the_textbook_loop(dtype: str, name: str) -> None:
    recipe = dataclasses.replace(
        npnet.RECIPES[name],
        hidden=12,
        batch=8,
        steps=150,
        rates=((0, 0.1), (50, 0.02)),
        dtype=dtype,
    )
    ours, X, Y, generator = start(recipe)
    theirs, _, _, same = start(recipe)
    theirs = theirs.astype("float64")
    for record in npnet.train(recipe, ours, X, Y, generator):
        rows = same.randint(0, len(X), (recipe.batch,))
        loss, gradients = npnet.loss_and_gradients(theirs, X[rows], Y[rows], recipe.eps)
        for parameter in recipe.trained:
            theirs[parameter][...] -= (0.1 if record.step < 50 else 0.02) * gradients[parameter]
        tolerance = 2e-6 if dtype == "float32" else 1e-12
        assert record.loss == pytest.approx(loss, abs=tolerance)
        assert record.lr == (0.1 if record.step < 50 else 0.02)
    assert record.step == 149
    for parameter in theirs:
        assert ours[parameter].dtype == dtype
        largest = np.abs(theirs[parameter]).max()
        gap = np.abs(ours[parameter] - theirs[parameter]).max()
        assert gap <= (1e-5 if dtype == "float32" else 1e-13) * largest, parameter


def test_an_untrained_parameter_keeps_its_bits() -> None:
    recipe = dataclasses.replace(
        SHORT,
        draws=tuple(dataclasses.replace(draw, trained=draw.name != "W2") for draw in SHORT.draws),
    )
    params, X, Y, generator = start(recipe)
    before = params.copy()
    for _ in npnet.train(recipe, params, X, Y, generator):
        pass
    assert np.array_equal(params.W2, before.W2)
    # b1's gradient is rounding noise, too small to move it.
    moved = set(recipe.trained) - {"b1"}
    assert not any(np.array_equal(params[name], before[name]) for name in moved)


def test_blocks_take_the_same_steps_as_records() -> None:
    one, X, Y, generator = start()
    losses = [record.loss for record in npnet.train(SHORT, one, X, Y, generator)]
    many, _, _, other = start()
    blocks = list(train_blocks(SHORT, many, X, Y, other))
    assert np.concatenate(blocks).tolist() == losses
    assert [len(block) for block in blocks] == [AHEAD, AHEAD, 21]
    assert all(np.array_equal(one[name], many[name]) for name in one)
    assert generator.randint(0, 99, (4,)).tolist() == other.randint(0, 99, (4,)).tolist()


@pytest.mark.parametrize("noted", [1, AHEAD + 1, 1024])
@pytest.mark.parametrize("taken", [1, AHEAD - 1, AHEAD, AHEAD + 5, 2 * AHEAD + 1])
def test_a_closed_training_leaves_parameters_and_generator_at_its_last_step(
    taken: int, noted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["npnet.train"], "NOTED", noted)
    stopped, X, Y, generator = start()
    training = npnet.train(SHORT, stopped, X, Y, generator)
    for _ in range(taken):
        next(training)
    training.close()  # type: ignore[attr-defined]
    whole, _, _, other = start()
    for _ in npnet.train(dataclasses.replace(SHORT, steps=taken), whole, X, Y, other):
        pass
    assert all(np.array_equal(stopped[name], whole[name]) for name in whole)
    assert generator.randint(0, 99, (4,)).tolist() == other.randint(0, 99, (4,)).tolist()


@pytest.mark.parametrize("taken", [1, AHEAD + 5, SHORT.steps])
def test_a_batch_that_is_drawn_once_is_drawn_once_however_many_steps(taken: int) -> None:
    recipe = dataclasses.replace(SHORT, batch_once=True)
    params, X, Y, generator = start(recipe)
    _, _, _, other = start(recipe)
    training = npnet.train(recipe, params, X, Y, generator)
    losses = [next(training).loss for _ in range(taken)]
    training.close()  # type: ignore[attr-defined]
    rows = other.randint(0, len(X), (recipe.batch,))
    assert generator.randint(0, 99, (4,)).tolist() == other.randint(0, 99, (4,)).tolist()
    assert losses[-1] <= losses[0]
    loss, _ = npnet.loss_and_gradients(params, X[rows], Y[rows], recipe.eps)
    assert loss < losses[0]


def test_rows_cannot_be_drawn_over_more_examples_than_there_are() -> None:
    params, X, Y, generator = start()
    recipe = dataclasses.replace(SHORT, batch_over=len(X) + 1)
    with pytest.raises(InputError, match=f"batch_over is {len(X) + 1}, wanted at most {len(X)}"):
        next(npnet.train(recipe, params, X, Y, generator))


@pytest.mark.parametrize("every", [1, AHEAD])
def test_a_loss_that_is_not_finite_stops_training_by_its_step(every: int) -> None:
    recipe = dataclasses.replace(SHORT, rates=((0, 0.1), (70, 1e30)))
    params, X, Y, generator = start(recipe)
    losses: list[float] = []
    blocks = train_blocks(recipe, params, X, Y, generator, every=every)
    with pytest.raises(DivergedError, match="smaller rate") as caught:
        losses.extend(loss for block in blocks for loss in block)
    assert caught.value.step == len(losses) > 70
    assert f"step {len(losses)}" in str(caught.value)
    assert np.isfinite(losses).all()
    assert all(np.isfinite(array).all() for array in params.values())


def test_read_only_parameters_are_refused_with_the_way_out() -> None:
    params, X, Y, generator = start()
    locked(params.W1)
    with pytest.raises(InputError, match=r"params\.W1 is read-only.*copy"):
        next(npnet.train(SHORT, params, X, Y, generator))


def test_training_under_running_statistics_keeps_its_own_averages_if_given_none() -> None:
    recipe = dataclasses.replace(SHORT, statistics="running-var", training_statistics="running")
    alone, X, Y, generator = start(recipe)
    watched, _, _, other = start(recipe)
    losses = [record.loss for record in npnet.train(recipe, alone, X, Y, generator)]
    running = Running.begin(recipe)
    records = npnet.train(recipe, watched, X, Y, other, running=running)
    assert [record.loss for record in records] == losses
    assert np.abs(running.mean).max() > 0
    assert all(np.array_equal(alone[name], watched[name]) for name in alone)


def test_running_statistics_move_by_the_momentum() -> None:
    running = Running.begin(dataclasses.replace(SHORT, statistics="running-std", momentum=0.25))
    mean, var = np.full(12, 2.0, "f"), np.full(12, 9.0, "f")
    running.update(mean, var)
    running.update(mean, var)
    np.testing.assert_allclose(running.mean, 2 * (1 - 0.75**2))
    np.testing.assert_allclose(running.spread, 3 - 2 * 0.75**2)
    np.testing.assert_allclose(running.statistics(0.5).var, running.spread[None, :] ** 2)
    assert running.statistics(0.5).eps == 0.5


@pytest.mark.parametrize("kind", ["running-var", "last-batch"])
def test_running_statistics_are_those_of_the_minibatches(kind: str) -> None:
    recipe = dataclasses.replace(SHORT, statistics=kind, momentum=0.1, steps=1, dtype="float64")
    params, X, Y, generator = start(recipe)
    _, _, _, same = start(recipe)
    rows = same.randint(0, len(X), (recipe.batch,))
    values = npnet.forward(params, X[rows], Y[rows], recipe.eps)
    running = Running.begin(recipe)
    for _ in npnet.train(recipe, params, X, Y, generator, running=running):
        pass
    share = 1.0 if kind == "last-batch" else 0.1
    stats = running.statistics(recipe.eps)
    np.testing.assert_allclose(stats.mean, share * values.bnmeani, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(stats.var, (1 - share) + share * values.bnvar, rtol=1e-12)


@pytest.mark.parametrize("rows", [2, BLOCK, BLOCK + 1, 2 * BLOCK + 7])
def test_calibration_is_the_whole_sets_mean_and_variance(rows: int, network: Make) -> None:
    params, X, Y = network(n=rows, dtype=np.float64)
    stats = npnet.calibrate(params, X, eps=0.01)
    hprebn = npnet.forward(params, X, Y).hprebn
    np.testing.assert_allclose(stats.mean, hprebn.mean(0, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(stats.var, hprebn.var(0, ddof=1, keepdims=True), rtol=1e-12)
    assert stats.mean.shape == stats.var.shape == (1, 5)
    assert stats.eps == 0.01


def test_calibration_does_not_cancel_far_from_zero(network: Make) -> None:
    params, X, _ = network(n=2 * BLOCK, dtype=np.float64)
    far = npnet.Parameters(**{**params, "b1": params.b1 + 1e6})
    near, moved = npnet.calibrate(params, X), npnet.calibrate(far, X)
    np.testing.assert_allclose(moved.var, near.var, rtol=1e-9)
    np.testing.assert_allclose(moved.mean - 1e6, near.mean, atol=1e-9)


@pytest.mark.parametrize("rows", [2, BLOCK + 3])
def test_evaluation_under_the_batchs_own_statistics_is_the_batch_loss(
    rows: int, network: Make
) -> None:
    params, X, Y = network(n=rows, dtype=np.float64)
    stats = npnet.calibrate(params, X, eps=1e-5)
    loss = npnet.forward(params, X, Y, eps=1e-5).loss
    assert npnet.evaluate(params, stats, X, Y) == pytest.approx(loss, rel=1e-12)


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows went through the network, each time that some were sent."""
    rows: list[int] = []

    logits = Folded.logits

    def counted(network: Folded, X: Array) -> Array:
        rows.append(len(X))
        return logits(network, X)

    monkeypatch.setattr(Folded, "logits", counted)
    return rows


@pytest.mark.parametrize("T", [1, 2, 3, 5])
def test_what_is_looked_up_for_many_contexts_is_what_is_multiplied_for_few(
    T: int, network: Make
) -> None:
    params, X, Y = network(n=500, V=6, T=T, dtype=np.float64)
    stats = npnet.calibrate(params, X)
    many, few = (Folded(params, stats, count) for count in (2 * 6 ** ((T + 1) // 2), 1))
    fewer = Folded(params, stats, 2 * 6 ** ((T + 1) // 2) - 1)
    assert [bool(each.tables) for each in (many, fewer, few)] == [True, False, False]
    np.testing.assert_allclose(many.logits(X), few.logits(X), rtol=1e-12, atol=1e-14)
    values = npnet.forward(params, X, Y, eps=stats.eps)
    np.testing.assert_allclose(many.logits(X).T, values.logits, rtol=1e-9, atol=1e-12)


def test_tables_are_not_larger_than_a_block_may_be(
    network: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, X, _ = network(n=500, V=6, T=3, H=5)
    stats = npnet.calibrate(params, X)
    monkeypatch.setattr("npnet.statistics.BLOCK_NUMBERS", 6**2 * 5 - 1)
    assert not Folded(params, stats, 500).tables
    monkeypatch.setattr("npnet.statistics.BLOCK_NUMBERS", 6**2 * 5)
    assert Folded(params, stats, 500).tables


@pytest.mark.parametrize(("V", "seen"), [(128, 1), (129, 3)])
def test_an_example_is_seen_once_as_long_as_a_table_of_them_has_at_most_2_to_the_21_places(
    V: int, seen: int, network: Make, predicted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    params, _, _ = network(V=V, T=2)
    stats = npnet.Statistics(np.zeros((1, 5)), np.ones((1, 5)), 1e-5)
    monkeypatch.setattr("npnet.statistics.BLOCK", 1)
    npnet.evaluate(params, stats, np.full((3, 2), V - 1), np.zeros(3, int))
    assert predicted == [1] * seen


@pytest.mark.parametrize(("numbers", "seen"), [(1, [1] * 9), (24, [4, 4, 1]), (54, [9])])
def test_blocks_have_as_many_rows_as_the_widest_layer_may_have_numbers(
    numbers: int,
    seen: list[int],
    network: Make,
    predicted: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    params, _, Y = network(n=9)
    X = np.column_stack([np.arange(9) % 6, np.arange(9) // 6, np.zeros(9, int)])
    stats = npnet.calibrate(params, X)
    loss = npnet.evaluate(params, stats, X, Y)
    predicted.clear()
    monkeypatch.setattr("npnet.statistics.BLOCK_NUMBERS", numbers)
    np.testing.assert_allclose(npnet.calibrate(params, X).var, stats.var)
    assert npnet.evaluate(params, stats, X, Y) == pytest.approx(loss)
    assert predicted == seen


@pytest.mark.parametrize("places", [0, npnet.statistics.PLACES])
def test_distinct_contexts_change_no_figure(
    places: int, network: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("npnet.statistics.PLACES", places)
    params, X, Y = network(n=2 * BLOCK + 7, dtype=np.float64)
    stats = npnet.calibrate(params, X)
    hprebn = npnet.forward(params, X, Y).hprebn
    np.testing.assert_allclose(stats.var, hprebn.var(0, ddof=1, keepdims=True), rtol=1e-12)
    loss = npnet.forward(params, X, Y).loss
    assert npnet.evaluate(params, stats, X, Y) == pytest.approx(loss, rel=1e-12)


def test_evaluation_of_huge_logits_is_finite(network: Make) -> None:
    params, X, Y = network()
    wild = npnet.Parameters(**{**params, "W2": params.W2 * 1e5})
    assert np.isfinite(npnet.evaluate(wild, npnet.calibrate(wild, X), X, Y))


def test_statistics_keep_the_parameters_dtype_and_a_plain_eps(network: Make) -> None:
    params, X, _ = network(dtype=np.float32)
    stats = npnet.calibrate(params, X, eps=np.float64(1e-5))
    assert stats.mean.dtype == stats.var.dtype == np.float32
    assert type(stats.eps) is float


def test_plain_mappings_and_lists_will_do(network: Make) -> None:
    params, X, Y = network()
    stats, plain = npnet.calibrate(params, X), npnet.calibrate(dict(params), X.tolist())
    assert np.array_equal(plain.mean, stats.mean)
    assert np.array_equal(plain.var, stats.var)
    loss = npnet.evaluate(dict(params), stats, X.tolist(), Y.tolist())
    assert loss == npnet.evaluate(params, stats, X, Y)


@pytest.mark.parametrize(
    ("mean", "var"),
    [
        ((), ()),
        ((1,), (1,)),
        ((5,), (5,)),
        ((5, 5), (5, 5)),
        ((1, 1, 5), (1, 1, 5)),
        ((1, 5), (5,)),
        ((1, 5), (2, 5)),
        ((1, 5), (1, 4)),
    ],
)
def test_statistics_are_one_row_each(mean: tuple[int, ...], var: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="keepdims"):
        npnet.Statistics(np.zeros(mean), np.ones(var), 1e-5)


def test_statistics_are_floats_and_eps_a_finite_number_from_0_on() -> None:
    row = np.ones((1, 5))
    assert npnet.Statistics(row, row, 0).eps == 0
    for mean, var in ((row.astype(int), row), (row, row.astype(int))):
        with pytest.raises(InputError, match="int64"):
            npnet.Statistics(mean, var, 1e-5)
    for eps in (-1e-9, np.inf, np.nan):
        with pytest.raises(InputError, match="eps"):
            npnet.Statistics(row, row, eps)


@pytest.mark.parametrize(
    ("name", "value"),
    [("mean", np.nan), ("mean", np.inf), ("var", np.nan), ("var", np.inf), ("var", -1.0)],
)
def test_statistics_that_are_not_finite_evaluate_nothing(
    name: str, value: float, network: Make
) -> None:
    params, X, Y = network()
    stats = npnet.calibrate(params, X)
    entry = getattr(stats, name).copy()
    entry[0, 3] = value
    with pytest.raises(InputError, match="not finite"):
        npnet.evaluate(params, dataclasses.replace(stats, **{name: entry}), X, Y)


def test_a_unit_that_never_varies_has_statistics_too(network: Make) -> None:
    params, X, Y = network()
    still = npnet.Statistics(np.zeros((1, 5)), np.zeros((1, 5)), 1e-5)
    assert np.isfinite(npnet.evaluate(params, still, X, Y))


def test_figures_that_are_not_finite_are_refused(network: Make) -> None:
    params, X, Y = network()
    stats = npnet.calibrate(params, X)
    with pytest.raises(InputError, match="calibrate: statistics that are not finite"):
        npnet.calibrate({**params, "W1": params.W1 * 1e200}, X)
    with pytest.raises(InputError, match="evaluate: the loss is nan"):
        npnet.evaluate({**params, "b2": params.b2 * np.nan}, stats, X, Y)


def test_statistics_of_another_network_are_refused(network: Make) -> None:
    params, X, Y = network()
    other, _, _ = network(H=6)
    with pytest.raises(InputError, match="another network"):
        npnet.evaluate(params, npnet.calibrate(other, X), X, Y)
    with pytest.raises(InputError, match="divides by N-1"):
        npnet.calibrate(params, X[:1])


@pytest.fixture
def model() -> Model:
    params, X, Y, generator = start()
    for _ in npnet.train(SHORT, params, X, Y, generator):
        pass
    vocab = npnet.Vocabulary.from_chars("abdeimnotrvz")
    return params, npnet.calibrate(params, X), vocab


def plainly_sampled(
    model: Model, generator: npnet.Generator, start: str, temperature: float
) -> list[str]:
    """Thirty names, with a forward pass for each character."""
    params, stats, vocab = model
    names = []
    for _ in range(30):
        context, name = [0, 0, 0, *map(int, vocab.encode(start))][-3:], start
        while True:
            h = params.C[context].reshape(1, -1) @ params.W1 + params.b1 - stats.mean
            h = np.tanh(params.bngain * h / np.sqrt(stats.var + stats.eps) + params.bnbias)
            logits = (h @ params.W2 + params.b2)[0].astype("float64") / temperature
            probs = (np.exp(logits) / np.exp(logits).sum()).astype("float32")
            index = generator.multinomial(probs)
            if index == 0:
                break
            context, name = [*context[1:], index], name + vocab.chars[index]
        names.append(name)
    return names


@pytest.mark.parametrize(("start", "temperature"), [("", 1.0), ("a", 0.5), ("zoen", 2.0)])
def test_names_are_drawn_as_a_plain_loop_draws_them(
    model: Model, start: str, temperature: float
) -> None:
    one, other = npnet.Generator(7), npnet.Generator(7)
    ours = npnet.sample(*model, 30, one, start=start, temperature=temperature)
    assert ours == plainly_sampled(model, other, start, temperature)
    assert len(set(ours)) > 3
    assert one.randint(0, 99, (4,)).tolist() == other.randint(0, 99, (4,)).tolist()


@pytest.mark.parametrize(
    ("together", "rows"), [(12, 1), (13, 13), (168, 13), (169, 169), (2196, 169), (99999, 13**3)]
)
def test_contexts_go_together_that_share_a_beginning_and_are_not_too_many(
    together: int,
    rows: int,
    model: Model,
    predicted: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = npnet.sample(*model)
    predicted.clear()
    monkeypatch.setattr(sys.modules["npnet.sample"], "TOGETHER", together)
    assert npnet.sample(*model) == names
    assert set(predicted) == {rows}
    assert len(predicted) <= 13**3 / rows


@pytest.mark.parametrize("most", [1, 169, 5 * 169 - 1, 5 * 169, 10**6])
def test_all_probabilities_are_forgotten_before_they_are_too_many(
    most: int, model: Model, predicted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["npnet.sample"], "TOGETHER", 13)
    monkeypatch.setattr(sys.modules["npnet.sample"], "REMEMBERED", most)
    # Contexts that differ in the last character are computed together, 13 rows of 13.
    known: set[str] = set()
    computed = 0
    for name in npnet.sample(*model):
        for place in range(len(name) + 1):
            beginning = f"...{name}"[place : place + 2]
            if beginning not in known:
                if 169 * (len(known) + 1) > most:
                    known.clear()
                known.add(beginning)
                computed += 1
    assert predicted == [13] * computed


class Watched(npnet.Generator):
    """A generator that notes which exponentials are drawn."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.drawn: list[tuple[Any, Any]] = []

    def exponential(self, *shape: Any, dtype: Any = np.float32) -> Any:
        self.drawn.append((shape, dtype))
        return super().exponential(*shape, dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("bound", "value", "rows"),
    [("DRAWN_NUMBERS", 40, 3), ("DRAWN_NUMBERS", 5, 1), ("DRAWS", 2, 2), ("DRAWS", 256, 256)],
)
def test_how_much_is_drawn_ahead_changes_no_name_and_no_state(
    bound: str, value: int, rows: int, dtype: Any, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, stats, vocab = model
    one, other = Watched(7), Watched(7)
    names = npnet.sample(params.astype(dtype), stats, vocab, 30, one)
    monkeypatch.setattr(sys.modules["npnet.sample"], bound, value)
    assert npnet.sample(params.astype(dtype), stats, vocab, 30, other) == names
    assert other.drawn[0] == ((rows, 13), dtype)
    assert all(drawn == dtype for _, drawn in one.drawn + other.drawn)
    assert one.randint(0, 99, (4,)).tolist() == other.randint(0, 99, (4,)).tolist()


def test_a_model_that_diverged_draws_no_names(model: Model) -> None:
    params, stats, vocab = model
    C = params.C.copy()
    C[3] = np.nan
    with pytest.raises(InputError, match="not finite"):
        npnet.sample({**params, "C": C}, stats, vocab)


def test_the_default_generator_is_the_lectures(model: Model) -> None:
    assert npnet.sample(*model) == npnet.sample(*model, generator=npnet.Generator(2147483657))


def test_there_are_as_many_names_as_asked_for_20_if_nothing_is_said(model: Model) -> None:
    assert len(npnet.sample(*model)) == 20
    assert npnet.sample(*model, count=0) == []


def test_the_temperature_is_1_if_nothing_is_said(model: Model) -> None:
    assert npnet.sample(*model, 500) == npnet.sample(*model, 500, temperature=1.0)


def test_plain_mappings_of_parameters_can_be_sampled(model: Model) -> None:
    params, stats, vocab = model
    assert npnet.sample(dict(params), stats, vocab) == npnet.sample(*model)


def test_a_beginning_is_of_the_vocabulary(model: Model) -> None:
    with pytest.raises(InputError, match="'x'"):
        npnet.sample(*model, start="x")


def test_a_name_that_reaches_the_bound_is_cut_and_marked(model: Model) -> None:
    params, stats, vocab = model
    endless = npnet.Parameters(
        **{**params, "b2": params.b2 - 1e4 * (np.arange(13) == 0).astype("f")}
    )
    hundred = npnet.sample(endless, stats, vocab, count=1)
    names = [npnet.sample(endless, stats, vocab, count=1, max_length=most) for most in (1, 9, 100)]
    assert [len(name) for (name,) in names] == [2, 10, 101]
    assert all(name.endswith("…") for (name,) in names)
    assert names[-1] == hundred


def test_a_low_temperature_gives_the_likeliest_name_each_time(model: Model) -> None:
    for low in (1e-3, 5e-324):
        assert len(set(npnet.sample(*model, count=8, temperature=low))) == 1
    assert len(set(npnet.sample(*model, count=8, temperature=3.0))) > 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"count": -1}, "count -1, wanted 0 or more"),
        ({"temperature": 0.0}, "temperature 0.0, wanted a finite number above 0"),
        ({"temperature": np.nan}, "temperature nan, wanted"),
        ({"temperature": np.inf}, "temperature inf, wanted"),
        ({"max_length": 0}, "max_length 0, wanted 1 or more"),
        ({"start": "a."}, "start 'a.' contains '.', the mark that ends every word"),
        ({"start": "ada", "max_length": 2}, "start 'ada' has 3 characters and max_length is 2,"),
    ],
)
def test_sampling_refuses_what_makes_no_sense(
    model: Model, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=f"^sample: {re.escape(says)}"):
        npnet.sample(*model, **arguments)


def test_a_beginning_may_be_as_long_as_the_bound(model: Model) -> None:
    assert set(npnet.sample(*model, 5, start="ada", max_length=3)) == {"ada…"}


def test_sampling_refuses_another_vocabulary(model: Model) -> None:
    params, stats, _ = model
    with pytest.raises(InputError, match="another corpus"):
        npnet.sample(params, stats, npnet.Vocabulary.from_chars("ab"))
