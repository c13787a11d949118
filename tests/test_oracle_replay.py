"""npnet's runs against torch's own: the same seeds, the same numbers."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import locked

import npnet
from npnet import DivergedError, Draw, InputError, Recipe
from npnet.arrays import Array
from npnet.names import PARAMETER_NAMES
from npnet.recipe import STATISTICS

pytest.importorskip("torch")

import torch

import oracle
from oracle.replay import (
    Running,
    Stats,
    calibrate,
    dataset,
    draw_parameters,
    minibatch,
    sample,
    seeded,
    split,
    split_loss,
    train,
)

LECTURE = npnet.RECIPES["lecture"]
# Of a quantity computed twice from the same weights, relative to its largest entry.
BOUND = {"float32": 1e-6, "float64": 1e-12}
# Between two runs of 2,000 steps, each of which goes its own way in the last bits.
LOCKSTEP = {"float32": 2e-6, "float64": 1e-12}

# Every operation and operand, and parameters of fewer than 16 values, which torch draws by
# another rule and in pairs.
ODD = Recipe(
    "odd",
    block_size=2,
    embedding=3,
    hidden=5,
    draws=(
        Draw("bngain", ("- 0.25", "* 3e-1")),
        Draw("b1", (" * 2/7 ",)),
        Draw("C", trained=False),
        Draw("W1", ("/ fan_in", "*sqrt(fan_in)", "+ 1 / 3")),
        Draw("bnbias", constant=0.1),
        Draw("W2", ("/ 3", "* 0")),
        Draw("b2", ("/ sqrt(fan_in)",)),
    ),
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Torch's threads wait for each other more than they compute at these sizes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def words() -> list[str]:
    return npnet.default_words()[::10]


@pytest.fixture(scope="module")
def examples(words: list[str]) -> tuple[Array, Array]:
    """The training set of ``words``, read-only."""
    vocab = npnet.Vocabulary.from_words(words)
    X, Y = npnet.build_dataset(npnet.split_words(words)[0], vocab)
    return locked(X), locked(Y)


def gap(ours: Any, torchs: Any) -> float:
    """The largest difference, relative to the largest entry."""
    return float(np.abs(ours - torchs).max() / np.abs(torchs).max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("recipe", [*npnet.RECIPES.values(), ODD], ids=lambda recipe: recipe.name)
def test_parameters_and_minibatches_are_torchs_bit_for_bit(recipe: Recipe, dtype: str) -> None:
    recipe = replace(recipe, dtype=dtype)
    ours, torchs = npnet.Generator(recipe.seed), seeded(recipe.seed)
    params, reference = npnet.draw_parameters(recipe, 27, ours), draw_parameters(recipe, 27, torchs)
    for name in PARAMETER_NAMES:
        assert params[name].dtype == reference[name].dtype == dtype
        np.testing.assert_array_equal(params[name], reference[name], strict=True, err_msg=name)
    rows = [minibatch(recipe, 182_625, torchs) for _ in range(100)]
    np.testing.assert_array_equal(ours.randint(0, 182_625, (100, recipe.batch)), rows)


@pytest.mark.parametrize("block_size", [1, 3, 8])
def test_the_training_set_is_that_of_the_lectures_loop(words: list[str], block_size: int) -> None:
    vocab = npnet.Vocabulary.from_words(words)
    parts = npnet.split_words(words, seed=7)
    assert list(split(words, 7).values()) == list(parts)
    ours = npnet.build_dataset(parts[0], vocab, block_size)
    for array, reference in zip(ours, dataset(parts[0], vocab.chars, block_size), strict=True):
        np.testing.assert_array_equal(array, reference, strict=True)


@pytest.mark.parametrize(
    ("name", "dtype"), [("lecture", "float32"), ("lecture", "float64"), ("part3", "float32")]
)
def test_losses_and_running_statistics_keep_step_with_torch(
    examples: tuple[Array, Array], name: str, dtype: str
) -> None:
    recipe = replace(npnet.RECIPES[name], dtype=dtype, steps=2000, rates=((0, 0.1), (1000, 0.01)))
    ours, torchs = npnet.Generator(recipe.seed), seeded(recipe.seed)
    params, reference = npnet.draw_parameters(recipe, 27, ours), draw_parameters(recipe, 27, torchs)
    running, average = npnet.Running.begin(recipe), Running(recipe)
    records = npnet.train(recipe, params, *examples, ours, running=running)
    for record, step in zip(records, train(recipe, reference, *examples, torchs), strict=True):
        average.update(step)
        assert abs(record.loss - step.loss) <= LOCKSTEP[dtype], record.step
    stats = running.statistics(recipe.eps)
    assert gap(stats.mean, average.stats().mean) <= BOUND[dtype]
    assert gap(stats.var, average.stats().var) <= BOUND[dtype]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_statistics_and_split_losses_of_the_same_weights_agree(
    words: list[str], examples: tuple[Array, Array], dtype: str
) -> None:
    recipe = replace(LECTURE, dtype=dtype, steps=500)
    run = npnet.fit(recipe, words)
    reference = calibrate(run.params, examples[0], recipe.eps)
    assert gap(run.stats.mean, reference.mean) <= BOUND[dtype]
    assert gap(run.stats.var, reference.var) <= BOUND[dtype]
    for part, some in split(words, recipe.shuffle_seed).items():
        XY = dataset(some, run.vocab.chars, recipe.block_size)
        assert abs(run.split_losses[part] - split_loss(run.params, reference, *XY)) <= BOUND[dtype]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("statistics", STATISTICS)
def test_fit_and_replay_are_the_same_run(
    small_words: list[str], statistics: str, dtype: str
) -> None:
    recipe = replace(LECTURE, hidden=32, steps=300, statistics=statistics, dtype=dtype)
    run, reference = npnet.fit(recipe, small_words), oracle.replay(recipe, small_words)
    assert run.vocab.chars == reference.chars
    assert run.losses.dtype == reference.losses.dtype == dtype
    assert np.abs(run.losses - reference.losses).max() <= LOCKSTEP[dtype]
    assert gap(run.stats.mean, reference.stats.mean) <= BOUND[dtype]
    assert gap(run.stats.var, reference.stats.var) <= BOUND[dtype]
    for part, loss in run.split_losses.items():
        assert abs(loss - reference.split_losses[part]) <= LOCKSTEP[dtype]
    assert run.sample(20) == reference.samples(20)


def test_what_is_trained_ends_where_torch_ends_and_the_rest_stays(small_words: list[str]) -> None:
    recipe = replace(ODD, dtype="float64", steps=200)
    run, reference = npnet.fit(recipe, small_words), oracle.replay(recipe, small_words)
    for name in PARAMETER_NAMES:
        assert gap(run.params[name], reference.trained[name]) <= 1e-12, name
    np.testing.assert_array_equal(reference.trained["C"], reference.params["C"])
    assert not np.array_equal(reference.trained["W1"], reference.params["W1"])


@pytest.mark.parametrize(("trained", "count"), [(False, 100), (True, 1000)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_thousand_names_are_torchs_name_for_name(
    words: list[str], examples: tuple[Array, Array], dtype: str, trained: bool, count: int
) -> None:
    recipe = replace(LECTURE, hidden=64, steps=500, dtype=dtype)
    vocab = npnet.Vocabulary.from_words(words)
    generator = npnet.Generator(recipe.seed)
    params = npnet.draw_parameters(recipe, vocab.size, generator)
    if trained:
        list(npnet.train(recipe, params, *examples, generator))
    stats = npnet.calibrate(params, examples[0])
    names = npnet.sample(params, stats, vocab, count, npnet.Generator(recipe.sample_seed))
    reference = Stats(stats.mean, stats.var, stats.eps)
    assert names == sample(params, reference, vocab.chars, count, seeded(recipe.sample_seed))
    assert trained or any(name.endswith("…") for name in names)  # the bound is met as well


def test_a_replay_holds_its_first_batch_and_stops_where_it_is_told(small_words: list[str]) -> None:
    recipe = replace(LECTURE, hidden=16, steps=40)
    full, half, none = (oracle.replay(recipe, small_words, steps=k) for k in (None, 20, 0))
    np.testing.assert_array_equal(full.losses[:20], half.losses)
    np.testing.assert_array_equal(full.minibatches[:20], half.minibatches)
    np.testing.assert_array_equal(full.first_batch.rows, full.minibatches[0])
    assert none.losses.shape == (0,)
    values, gradients = oracle.whole(full.params, full.first_batch.X, full.first_batch.Y)
    assert full.values["loss"] == none.values["loss"] == values["loss"]
    assert abs(values["loss"] - full.losses[0]) <= 1e-6  # torch's own cross_entropy
    for name in PARAMETER_NAMES:
        np.testing.assert_array_equal(none.params[name], none.trained[name])
        np.testing.assert_array_equal(none.params[name], full.params[name])
        np.testing.assert_array_equal(full.gradients[name], gradients[name])
        assert not np.array_equal(full.params[name], full.trained[name])


def test_a_run_that_diverges_does_so_at_the_same_step(small_words: list[str]) -> None:
    recipe = replace(LECTURE, hidden=16, steps=40, rates=((0, 0.1), (7, 1e38)))
    with pytest.raises(DivergedError) as ours:
        npnet.fit(recipe, small_words)
    with pytest.raises(DivergedError) as torchs:
        oracle.replay(recipe, small_words)
    assert ours.value.step == torchs.value.step == 8
    assert ours.value.losses is not None
    assert torchs.value.losses is not None
    np.testing.assert_allclose(ours.value.losses, torchs.value.losses, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "steps", "message"),
    [
        ("emma olivia ava", None, "words that cannot be used"),
        (["emma"] * 9, None, "10 or more"),
        (["emma"] * 9 + ["a.b"], None, "end mark"),
        ([""] * 10, None, "words that cannot be used"),
        (["emma"] * 10, -1, "steps -1, wanted 0 to 200000"),
        (["emma"] * 10, 200_001, "steps 200001"),
    ],
)
def test_what_cannot_be_replayed_is_refused(words: Any, steps: int | None, message: str) -> None:
    with pytest.raises(InputError, match=rf"^oracle\.replay: .*{message}"):
        oracle.replay(LECTURE, words, steps=steps)


def test_training_refuses_parameters_that_it_cannot_change(examples: tuple[Array, Array]) -> None:
    params = draw_parameters(LECTURE, 27, seeded(0))
    locked(params["W2"])
    with pytest.raises(InputError, match="W2 is read-only"):
        next(train(LECTURE, params, *examples, seeded(0)))


@pytest.mark.parametrize(
    ("name", "loss"), [("constant-gain", "3.8279"), ("random-gain", "3.3399"), ("part3", "3.3239")]
)
def test_torch_gives_the_published_first_losses(names_txt: list[str], name: str, loss: str) -> None:
    run = oracle.replay(npnet.RECIPES[name], names_txt, steps=1)
    assert f"{run.losses[0]:.4f}" == f"{run.values['loss']:.4f}" == loss


@pytest.mark.parametrize("room", ["__init__", "lines", "whole", "replay"])
def test_the_oracle_takes_nothing_from_npnet_but_names_and_recipes(room: str) -> None:
    source = Path(oracle.__file__).with_name(f"{room}.py").read_text(encoding="utf-8")
    taken = set(re.findall(r"^\s*(?:from|import) (npnet\S*)", source, re.MULTILINE))
    assert taken <= {"npnet.names", "npnet.recipe", "npnet.errors"}
