"""Training: its steps, how it stops, and the running statistics that it keeps."""

import dataclasses
import sys

import numpy as np
import pytest
from conftest import SHORT, begun, locked
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import DivergedError, InputError
from npnet.training.fit import cuts
from npnet.training.running_norm import Running
from npnet.training.sgd import AHEAD, compact, minibatches, stretches, train_blocks


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
    ours, X, Y, generator = begun(recipe)
    theirs, _, _, same = begun(recipe)
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
    params, X, Y, generator = begun(recipe)
    before = params.copy()
    for _ in npnet.train(recipe, params, X, Y, generator):
        pass
    assert np.array_equal(params.W2, before.W2)
    # b1's gradient is rounding noise, too small to move it.
    moved = set(recipe.trained) - {"b1"}
    assert not any(np.array_equal(params[name], before[name]) for name in moved)


def test_blocks_take_the_same_steps_as_records() -> None:
    one, X, Y, generator = begun()
    losses = [record.loss for record in npnet.train(SHORT, one, X, Y, generator)]
    many, _, _, other = begun()
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
    monkeypatch.setattr(sys.modules["npnet.training.sgd"], "NOTED", noted)
    stopped, X, Y, generator = begun()
    training = npnet.train(SHORT, stopped, X, Y, generator)
    for _ in range(taken):
        next(training)
    training.close()  # type: ignore[attr-defined]
    whole, _, _, other = begun()
    for _ in npnet.train(dataclasses.replace(SHORT, steps=taken), whole, X, Y, other):
        pass
    assert all(np.array_equal(stopped[name], whole[name]) for name in whole)
    assert generator.randint(0, 99, (4,)).tolist() == other.randint(0, 99, (4,)).tolist()


@pytest.mark.parametrize("taken", [1, AHEAD + 5, SHORT.steps])
def test_a_batch_for_all_steps_is_drawn_only_once(taken: int) -> None:
    recipe = dataclasses.replace(SHORT, batch_once=True)
    params, X, Y, generator = begun(recipe)
    _, _, _, other = begun(recipe)
    training = npnet.train(recipe, params, X, Y, generator)
    losses = [next(training).loss for _ in range(taken)]
    training.close()  # type: ignore[attr-defined]
    rows = other.randint(0, len(X), (recipe.batch,))
    assert generator.randint(0, 99, (4,)).tolist() == other.randint(0, 99, (4,)).tolist()
    assert losses[-1] <= losses[0]
    loss, _ = npnet.loss_and_gradients(params, X[rows], Y[rows], recipe.eps)
    assert loss < losses[0]


def test_rows_cannot_be_drawn_over_more_examples_than_there_are() -> None:
    params, X, Y, generator = begun()
    recipe = dataclasses.replace(SHORT, batch_over=len(X) + 1)
    with pytest.raises(InputError, match=f"batch_over is {len(X) + 1}, wanted at most {len(X)}"):
        next(npnet.train(recipe, params, X, Y, generator))


@pytest.mark.parametrize("every", [1, AHEAD])
def test_a_loss_that_is_not_finite_stops_training_by_its_step(every: int) -> None:
    recipe = dataclasses.replace(SHORT, rates=((0, 0.1), (70, 1e30)))
    params, X, Y, generator = begun(recipe)
    losses: list[float] = []
    blocks = train_blocks(recipe, params, X, Y, generator, every=every)
    with pytest.raises(DivergedError, match="smaller rate") as caught:
        losses.extend(loss for block in blocks for loss in block)
    assert caught.value.step == len(losses) > 70
    assert f"step {len(losses)}" in str(caught.value)
    assert np.isfinite(losses).all()
    assert all(np.isfinite(array).all() for array in params.values())


def test_read_only_parameters_are_refused_with_the_way_out() -> None:
    params, X, Y, generator = begun()
    locked(params.W1)
    with pytest.raises(InputError, match=r"params\.W1 is read-only.*copy"):
        next(npnet.train(SHORT, params, X, Y, generator))


def test_training_under_running_statistics_keeps_its_own_averages_if_given_none() -> None:
    recipe = dataclasses.replace(SHORT, statistics="running-var", training_statistics="running")
    alone, X, Y, generator = begun(recipe)
    watched, _, _, other = begun(recipe)
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
    params, X, Y, generator = begun(recipe)
    _, _, _, same = begun(recipe)
    rows = same.randint(0, len(X), (recipe.batch,))
    values = npnet.forward(params, X[rows], Y[rows], recipe.eps)
    running = Running.begin(recipe)
    for _ in npnet.train(recipe, params, X, Y, generator, running=running):
        pass
    share = 1.0 if kind == "last-batch" else 0.1
    stats = running.statistics(recipe.eps)
    np.testing.assert_allclose(stats.mean, share * values.bnmeani, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(stats.var, (1 - share) + share * values.bnvar, rtol=1e-12)


@pytest.mark.parametrize("V", [2, 256, 257, 65_536, 65_537])
def test_examples_are_packed_in_as_few_bytes_as_hold_every_character(V: int) -> None:
    X = np.array([[0, V - 1], [V - 1, 1], [1, 0]])
    Y = np.array([V - 1, 0, 1])
    rows = np.array([[2, 0], [1, 1]])
    examples = compact(X, Y, V)
    assert examples.dtype == np.min_scalar_type(V - 1)
    contexts, targets = minibatches(examples, rows)
    np.testing.assert_array_equal(contexts, X[rows])
    np.testing.assert_array_equal(targets, Y[rows])


@pytest.mark.parametrize("noted", [1, AHEAD + 1, 1024])
def test_a_training_that_goes_on_and_is_closed_gives_back_what_it_did_not_use(
    noted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["npnet.training.sgd"], "NOTED", noted)
    params, X, Y, generator = begun()
    _, _, _, other = begun()
    blocks = train_blocks(SHORT, params, X, Y, generator, every=1, start=40)
    for _ in range(AHEAD + 3):
        next(blocks)
    blocks.close()
    other.randint(0, len(X), (AHEAD + 3, SHORT.batch))
    assert generator.randint(0, 99, (4,)).tolist() == other.randint(0, 99, (4,)).tolist()


@given(st.integers(0, 300), st.integers(1, 300), st.integers(1, 64), st.none() | st.integers(1, 90))
def test_stretches_of_steps_follow_each_other_and_cross_no_cut(
    start: int, steps: int, most: int, cut: int | None
) -> None:
    end = start + steps
    found = list(stretches(start, end, most, cut))
    assert [first for first, _ in found] == [start, *(first + count for first, count in found)][:-1]
    assert sum(count for _, count in found) == steps
    for first, count in found:
        last = first + count
        assert 1 <= count <= most
        assert cut is None or first // cut == (last - 1) // cut
        # None is shorter than it has to be.
        assert count == most or last == end or (cut is not None and last % cut == 0)


def test_a_whole_set_is_cut_at_80_and_90_percent() -> None:
    counts = (3, 10, 13, 19, 28)
    assert [cuts(count, "int") for count in counts] == [
        (2, 2),
        (8, 9),
        (10, 11),
        (15, 17),
        (22, 25),
    ]
    # The rounded-down sizes leave 1, 0, 1, 2 and 2 over, which go to the first parts.
    assert [cuts(count, "random_split") for count in counts] == [
        *((3, 3), (8, 9), (11, 12), (16, 18), (23, 26)),
    ]
