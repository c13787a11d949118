"""Numbers at the edge of what floats hold, and corpora of odd shapes: a right answer or a stop."""

import dataclasses
import json
import tracemalloc
from collections.abc import Callable
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import slow_but

import npnet
from npnet import DivergedError, InputError, Recipe
from npnet.base.arrays import Array
from npnet.cli import main
from npnet.training.fit import Training

Make = Callable[..., tuple[npnet.Parameters, Array, Array]]
SMALL = Recipe("small", hidden=8, batch=8, steps=100, rates=((0, 0.1),))
# A seventh of the words are one letter, which makes a whole minibatch of 2 the same context.
TINY_WORDS = ["a", "b", "a", "b", "ab", "ba", "a"] * 3

both = pytest.mark.parametrize("dtype", ["float32", "float64"])
# Of the large families the fast tests run float32, whose range is the smaller one.
mostly_float32 = pytest.mark.parametrize("dtype", slow_but(["float32", "float64"], ["float32"]))


def changed(params: npnet.Parameters, **changes: Array) -> npnet.Parameters:
    return npnet.Parameters(**{**params, **changes})


def finite(*arrays: Any) -> bool:
    return all(np.isfinite(array).all() for array in arrays)


# Logits


def surprise(row: list[float], target: int) -> Decimal:
    """Minus the log probability of the target, in 60 digits."""
    with localcontext(prec=60):
        apart = [Decimal(logit) - Decimal(max(row)) for logit in row]
        total = sum((logit.exp() for logit in apart if logit > -10_000), Decimal(0))
        return total.ln() - apart[target]


@both
@pytest.mark.parametrize("target", [0, 1, 2])
@pytest.mark.parametrize(
    "row",
    [
        [0.0, 0.0, 0.0],
        [1e4, 0.0, -1e4],
        [88.7, -88.7, 0.0],  # exp is at the edge of float32
        [710.0, 709.0, -745.0],  # and of float64
        [1e30, 1e30, -1e30],
        [1.6e38, -1.6e38, 0.0],
        [1e-40, 0.0, -1e-40],
    ],
)
def test_the_loss_of_extreme_logits_is_right(row: list[float], target: int, dtype: str) -> None:
    logits, eps = np.array([row], dtype), np.finfo(dtype).eps
    loss, dlogits = npnet.cross_entropy(logits, np.array([target]))
    truth = surprise(logits[0].tolist(), target)
    assert loss.dtype == dlogits.dtype == dtype
    assert abs(Decimal(float(loss)) - truth) <= Decimal(4 * float(eps)) * (truth + 1)
    probs = [(-surprise(logits[0].tolist(), place)).exp() for place in range(3)]
    for place, prob in enumerate(probs):
        error = abs(Decimal(float(dlogits[0, place])) - (prob - (place == target)))
        assert error <= 4 * Decimal(float(eps))


@both
@pytest.mark.parametrize("size", [1e3, 1e15, 1e30])
def test_training_evaluation_and_sampling_hold_where_logits_are_huge(
    size: float, dtype: str
) -> None:
    recipe = dataclasses.replace(SMALL, dtype=dtype, rates=((0, 1e-6 / size),), steps=3)
    training = Training(recipe, npnet.default_words()[:50])
    training.params.W2[...] *= size
    training.run()
    run = training.finish()
    assert finite(training.losses, *run.params.values(), *run.split_losses.values())
    assert run.losses.max() > size / 100
    X, Y = training.examples["train"]
    loss, gradients = npnet.loss_and_gradients(run.params, X, Y)
    assert finite(loss, *gradients.values())
    assert len(run.sample()) == 20


@both
def test_any_temperature_gives_names(dtype: str) -> None:
    run = npnet.fit(dataclasses.replace(SMALL, dtype=dtype), npnet.default_words()[:50])
    for temperature in (1e-300, 1e-45, 1e-20, 1.0, 1e20, 1e300):
        model = run.params, run.stats, run.vocab
        names = npnet.sample(*model, count=30, temperature=temperature, max_length=8)
        assert (len(set(names)) == 1) == (temperature < 1)


# A column without variance


@both
def test_a_unit_that_is_the_same_in_all_rows_learns_its_bias_alone(
    dtype: str, network: Make
) -> None:
    params, X, Y = network(dtype=dtype, n=20)
    params = changed(params, W1=params.W1 * (np.arange(5) != 2))
    loss, gradients = npnet.loss_and_gradients(params, X, Y, eps=1e-5)
    values = npnet.forward(params, X, Y, eps=1e-5)
    hand = npnet.backward(values)
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    assert loss == pytest.approx(values.loss, rel=tolerance)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, hand[name], atol=100 * tolerance)
    # All rows are b1 there, but for the last digit of their mean.
    np.testing.assert_allclose(values.hpreact[:, 2], params.bnbias[0, 2], atol=100 * tolerance)
    assert abs(gradients.bngain[0, 2]) <= 100 * tolerance
    assert abs(gradients.bnbias[0, 2]) > 1e-3


@both
@pytest.mark.parametrize(
    ("training", "statistics"),
    [
        *(("batch", kind) for kind in ("whole-set", "running-var", "running-std", "last-batch")),
        *(("running", kind) for kind in ("running-var", "running-std")),
    ],
)
def test_a_dead_unit_trains_if_eps_is_above_0(training: str, statistics: str, dtype: str) -> None:
    dead = tuple(npnet.Draw(d.name, ("* 0",)) if d.name == "C" else d for d in SMALL.draws)
    recipe = dataclasses.replace(
        SMALL, draws=dead, statistics=statistics, training_statistics=training, dtype=dtype
    )
    run = npnet.fit(recipe, npnet.default_words()[:50])
    assert finite(run.losses, *run.params.values(), *run.split_losses.values())


@both
def test_without_eps_a_dead_unit_stops_training_by_its_step(dtype: str) -> None:
    dead = tuple(npnet.Draw(d.name, ("* 0",)) if d.name == "C" else d for d in SMALL.draws)
    recipe = dataclasses.replace(SMALL, draws=dead, eps=0.0, dtype=dtype)
    with pytest.raises(DivergedError, match=r"step 0 is nan.*smaller parameters, or eps above 0"):
        npnet.fit(recipe, npnet.default_words()[:50])


@both
def test_without_eps_two_rows_of_one_context_stop_training_by_their_step(dtype: str) -> None:
    recipe = dataclasses.replace(SMALL, batch=2, eps=0.0, steps=1000, dtype=dtype)
    with pytest.raises(DivergedError, match="or eps above 0 for units") as caught:
        npnet.fit(recipe, TINY_WORDS)
    step = caught.value.step
    assert caught.value.losses is not None
    assert len(caught.value.losses) == step
    assert finite(caught.value.losses)
    training = Training(recipe, TINY_WORDS)
    X, _ = training.examples["train"]
    rows = training.generator.randint(0, len(X), (step + 1, 2))
    same = (X[rows[:, 0]] == X[rows[:, 1]]).all(1)
    assert same.tolist() == [False] * step + [True]
    whole = npnet.fit(dataclasses.replace(recipe, eps=1e-5), TINY_WORDS)
    assert finite(whole.losses, *whole.split_losses.values())


# Rates


@mostly_float32
@pytest.mark.parametrize("rate", [1e3, 1e20, 1e38, 1e300, 1.7e308])
@pytest.mark.parametrize("steps", [1, 2, 100])
@pytest.mark.parametrize("statistics", ["whole-set", "running-std"])
def test_a_huge_rate_is_a_model_or_a_stop(
    rate: float, steps: int, statistics: str, dtype: str
) -> None:
    recipe = dataclasses.replace(
        SMALL, rates=((0, rate),), steps=steps, statistics=statistics, dtype=dtype
    )
    try:
        run = npnet.fit(recipe, npnet.default_words()[:50])
    except DivergedError as error:
        said, losses, step = str(error), error.losses, error.step
    else:
        assert finite(run.losses, *run.params.values(), *run.split_losses.values())
        assert len(run.sample(3)) == 3
        assert rate < 1e300
        return
    assert f"try a smaller rate than {rate:g}" in said
    assert losses is not None
    assert 1 <= len(losses) == step <= steps
    assert finite(losses)


def test_a_last_step_that_leaves_no_model_is_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    train = ["train", "--steps", "3", "--hidden", "4", "--quiet", "--out", "run", "--set"]
    assert main([*train, "rates=[[0, 0.1], [2, 1e300]]"]) == 1
    said = capsys.readouterr().err
    assert "the loss of step 3 is nan" in said
    assert "Traceback" not in said
    # The titles, the losses of three steps, and the one that is not finite.
    assert len(Path("run/history.csv").read_text().splitlines()) == 1 + 3 + 1
    assert not Path("run/model.npz").exists()


def test_a_parameter_beyond_numbers_is_a_stop_though_no_loss_shows_it() -> None:
    training = Training(SMALL, npnet.default_words()[:50])
    training.run()
    training.params.bnbias[0, 0] = np.inf  # the tanh of which is 1
    X, Y = training.examples["train"]
    stats = npnet.calibrate(training.params, X)
    assert np.isfinite(npnet.evaluate(training.params, stats, X, Y))
    with pytest.raises(DivergedError, match="the loss of step 100 is nan") as caught:
        training.finish()
    assert caught.value.losses is not None
    assert len(caught.value.losses) == 100


@both
@pytest.mark.parametrize("rate", [0.0, 5e-324, 1e-60])
def test_a_rate_of_nearly_nothing_changes_nothing(rate: float, dtype: str) -> None:
    recipe = dataclasses.replace(SMALL, rates=((0, rate),), dtype=dtype)
    training = Training(recipe, npnet.default_words()[:50])
    before = training.params.copy()
    training.run()
    assert all(np.array_equal(training.params[name], before[name]) for name in before)
    assert finite(training.losses)


# Parameters


@mostly_float32
@pytest.mark.parametrize("scale", ["* 1e20", "* 3e38", "* 1e-30", "* 0"])
@pytest.mark.parametrize("name", ["C", "W1", "W2", "b2", "bngain", "bnbias"])
def test_parameters_of_any_size_are_a_model_or_a_stop(name: str, scale: str, dtype: str) -> None:
    draws = tuple(npnet.Draw(d.name, (scale,)) if d.name == name else d for d in SMALL.draws)
    recipe = dataclasses.replace(SMALL, draws=draws, dtype=dtype, steps=20)
    try:
        run = npnet.fit(recipe, npnet.default_words()[:50])
    except InputError as error:
        said = str(error)
        assert "leaves the range of float32" in said
    except DivergedError as error:
        assert error.step <= 20  # noqa: PT017
        assert "wanted a finite number" in str(error)  # noqa: PT017
    else:
        assert finite(run.losses, *run.params.values(), *run.split_losses.values())
        assert len(run.sample(3)) == 3


def test_a_model_that_is_not_finite_is_refused_by_all_that_use_it(network: Make) -> None:
    params, X, Y = network(n=9)
    stats = npnet.calibrate(params, X)
    vocab = npnet.Vocabulary.from_chars("abcde")
    for number in (np.nan, np.inf, 1e200):
        broken = changed(params, W1=np.full_like(params.W1, number))
        with pytest.raises(InputError, match="calibrate: statistics that are not finite"):
            npnet.calibrate(broken, X)
        if number != 1e200:
            with pytest.raises(InputError, match="evaluate: the loss is nan"):
                npnet.evaluate(broken, stats, X, Y)
            with pytest.raises(InputError, match="sample: probabilities that are not finite"):
                npnet.sample(broken, stats, vocab)
        spoilt = npnet.Statistics(stats.mean, np.full_like(stats.var, np.inf), 1e-5)
        with pytest.raises(InputError, match="predict: statistics that are not finite"):
            npnet.evaluate(params, spoilt, X, Y)


# Corpora


def test_a_vocabulary_of_two_learns_the_one_name_there_is() -> None:
    run = npnet.fit(dataclasses.replace(SMALL, batch=2, steps=1500), ["a"] * 20)
    assert run.vocab.size == 2
    assert max(run.split_losses.values()) < 0.02
    names = run.sample(100)
    assert names.count("a") > 90
    assert set("".join(names)) <= {"a"}


def test_words_of_one_letter_have_the_loss_of_their_letters() -> None:
    words = ["a"] * 60 + ["b"] * 30 + ["c"] * 10
    run = npnet.fit(dataclasses.replace(SMALL, shuffles=0, batch=32, steps=3000), words)
    # The first 80 words, of which 60 are a and 20 are b; after a letter the word always ends.
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) / 2
    assert run.split_losses["train"] == pytest.approx(entropy, abs=0.02)
    assert {"a", "b"} <= {*run.sample(100)}


def test_a_word_of_ten_thousand_letters_is_learnt_and_sampled(tmp_path: Path) -> None:
    word = "ab" * 5000
    run = npnet.fit(dataclasses.replace(SMALL, shuffles=0, steps=800), [word, *["ab" * 9] * 9])
    assert run.split_losses["train"] < 0.1
    [long] = npnet.sample(run.params, run.stats, run.vocab, 1, start=word, max_length=10_001)
    assert long.startswith(word)
    assert npnet.load_run(run.save(tmp_path / "run", plot=False)).words[0] == word


def test_five_thousand_characters_take_modest_memory() -> None:
    chars = [chr(0x4E00 + place) for place in range(4999)]
    words = ["".join(chars[place : place + 5]) for place in range(0, 4999, 5)]
    recipe = dataclasses.replace(SMALL, batch=32, steps=5)
    tracemalloc.start()
    try:
        training = Training(recipe, words)
        training.run()
        _, trained = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        run = training.finish()
        _, finished = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        names = run.sample(3)
        _, sampled = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert run.vocab.size == 5000
    assert len(names) == 3
    assert run.split_losses["train"] == pytest.approx(np.log(5000), abs=1)
    # A matrix of all characters by all characters would take 100 MB.
    assert trained < 20e6
    assert finished < 80e6
    assert sampled < 60e6


def test_batches_of_two_have_the_gradients_of_the_twenty_lines(network: Make) -> None:
    for seed in range(20):
        params, X, Y = network(seed, dtype=np.float64, n=2)
        loss, gradients = npnet.loss_and_gradients(params, X, Y)
        values = npnet.forward(params, X, Y)
        hand = npnet.backward(values)
        assert loss == pytest.approx(values.loss, rel=1e-13)
        scale = max(float(np.abs(gradient).max()) for gradient in hand.values())
        for name, gradient in gradients.items():
            np.testing.assert_allclose(gradient, hand[name], rtol=0, atol=1e-9 * scale)


def test_figures_of_a_diverged_run_are_json_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    train = ["train", "--steps", "5", "--hidden", "4", "--json", "--out", "run", "--set"]
    assert main([*train, "rates=[[0, 1e300]]"]) == 1
    assert capsys.readouterr().out == ""
    assert main(["train", "--steps", "5", "--hidden", "4", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["split_losses"]) == {"train", "dev", "test"}
