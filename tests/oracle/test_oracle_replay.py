"""npnet's runs against torch's own: the same seeds, the same numbers."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import locked, slow_but

import npnet
from npnet import DivergedError, Draw, InputError, Recipe
from npnet.base.arrays import Array
from npnet.network.names import PARAMETER_NAMES
from npnet.recipes.field_checks import STATISTICS
from npnet.recipes.publication import find_publication
from npnet.replays.replay import replay as npnet_replay
from npnet.training.fit import begin as npnet_begin
from npnet.training.fit import cuts
from npnet.training.sgd import draw_rows as npnet_rows

pytest.importorskip("torch")

import oracle
from oracle.initialization import cut, dataset, draw_parameters, draw_rows, seeded
from oracle.replay import Running, Stats, begin, calibrate, sample, split_loss, train

pytestmark = pytest.mark.usefixtures("one_thread")

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

# Each changes what a run does: every field that the lecture leaves alone, and other sizes.
SHORT = Recipe("short", hidden=24, batch=16, steps=90, rates=((0, 0.1), (50, 0.01)))
NO_B1 = tuple(draw for draw in SHORT.draws if draw.name != "b1")
SEEDED = tuple(
    replace(draw, seed={"W1": 5, "b2": 5, "bnbias": 5, "W2": SHORT.seed}.get(draw.name))
    for draw in SHORT.draws
)
SKIPPED = tuple(
    replace(draw, seed=9, skip=700 if draw.name == "bngain" else None)
    if draw.name.startswith("bn")
    else draw
    for draw in SHORT.draws
)
UNUSED = (SHORT.draws[0], Draw("b3", ("* 0.1",), shape=(7,)), *SHORT.draws[1:])
ONE_NUMBER = tuple(
    replace(draw, scale=("* ((5/3)/sqrt(30))",)) if draw.name == "W1" else draw
    for draw in SHORT.draws
)
VARIANTS: list[dict[str, Any]] = [
    {"shuffles": 0},
    {"shuffles": 3, "shuffle_seed": 7},
    {"split": "examples"},
    {"split": "examples", "split_seed": 7, "shuffles": 0},
    {"split": "permuted-words", "rounding": "random_split", "shuffles": 0},
    {"split": "permuted-words", "split_seed": 3},
    {"split": "examples", "rounding": "random_split"},
    {"rates": "0.01 + 0.09 * exp(-1.3 * i / 70)"},
    {"rates": "0.1 if i < 30 else 0.1 * cos(pi * (i - 30) / 200) ** 2", "decay": 0.999},
    {"statistics": "own-rows"},
    {"sampling": "plain"},
    {"variance": "biased"},
    {"variance": "biased", "statistics": "running-var", "momentum": 0.1, "eps": 0.01},
    {"draw_dtype": "float64"},
    {"draws": SKIPPED},
    {"draws": UNUSED},
    {"draws": ONE_NUMBER},
    {"batch_over": 100},
    {"batch_once": True},
    {"batch_first": True},
    {"batch_first": True, "batch_once": True, "split": "examples", "batch_over": 90},
    {"decay": 0.99},
    {"eps": 0.0, "statistics": "running-std", "momentum": 0.1},
    {"statistics": "running-var", "training_statistics": "running"},
    {"statistics": "running-std", "training_statistics": "running", "eps": 0.1},
    {"draws": SEEDED},
    {"draws": NO_B1},
    {"block_size": 1, "embedding": 2, "hidden": 7, "batch": 5},
    {"block_size": 8, "embedding": 24, "batch": 64},
    {"block_size": 5, "hidden": 512, "draws": NO_B1},
]


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
    rows = [draw_rows(recipe, 182_625, torchs, 1)[0] for _ in range(100)]
    np.testing.assert_array_equal(ours.randint(0, 182_625, (100, recipe.batch)), rows)


@pytest.mark.parametrize("block_size", [1, 3, 8])
def test_the_training_set_is_that_of_the_lectures_loop(words: list[str], block_size: int) -> None:
    vocab = npnet.Vocabulary.from_words(words)
    ours = npnet.build_dataset(words, vocab, block_size)
    for array, reference in zip(ours, dataset(words, vocab.chars, block_size), strict=True):
        np.testing.assert_array_equal(array, reference, strict=True)


@pytest.mark.parametrize("steps", [200, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("name", "dtype"), [("lecture", "float32"), ("lecture", "float64"), ("part3", "float32")]
)
def test_losses_and_running_statistics_keep_step_with_torch(
    examples: tuple[Array, Array], name: str, dtype: str, steps: int
) -> None:
    rates = ((0, 0.1), (steps // 2, 0.01))
    recipe = replace(npnet.RECIPES[name], dtype=dtype, steps=steps, rates=rates)
    ours, torchs = npnet.Generator(recipe.seed), seeded(recipe.seed)
    params, reference = npnet.draw_parameters(recipe, 27, ours), draw_parameters(recipe, 27, torchs)
    running, average = npnet.Running.begin(recipe), Running(recipe)
    records = npnet.train(recipe, params, *examples, ours, running=running)
    rows = draw_rows(recipe, len(examples[0]), torchs, recipe.steps)
    torchs_steps = train(recipe, reference, *examples, rows, average)
    for record, step in zip(records, torchs_steps, strict=True):
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
    for part, XY in begin(recipe, words).examples.items():
        assert abs(run.split_losses[part] - split_loss(run.params, reference, *XY)) <= BOUND[dtype]


@pytest.mark.parametrize("dtype", slow_but(["float32", "float64"], ["float32"]))
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


@pytest.mark.parametrize("dtype", slow_but(["float32", "float64"], ["float32"]))
@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: " ".join(changes))
def test_torch_does_the_same_for_every_recipe(
    small_words: list[str], changes: dict[str, Any], dtype: str
) -> None:
    recipe = replace(SHORT, **changes, dtype=dtype)
    ours, torchs = npnet_begin(recipe, small_words), begin(recipe, small_words)
    for part, examples in ours.examples.items():
        for array, torchs_own in zip(examples, torchs.examples[part], strict=True):
            np.testing.assert_array_equal(array, torchs_own, strict=True, err_msg=part)
    for name in PARAMETER_NAMES:
        np.testing.assert_array_equal(ours.params[name], torchs.params[name], strict=True)

    run, reference = npnet.fit(recipe, small_words), oracle.replay(recipe, small_words)
    count = 1 if recipe.batch_once else recipe.steps
    rows = npnet_rows(recipe, len(ours.examples["train"][1]), ours.generator, count)
    np.testing.assert_array_equal(np.broadcast_to(rows, (90, recipe.batch)), reference.minibatches)
    assert np.abs(run.losses - reference.losses).max() <= LOCKSTEP[dtype]
    assert gap(run.stats.mean, reference.stats.mean) <= BOUND[dtype]
    assert gap(run.stats.var, reference.stats.var) <= BOUND[dtype]
    for part, loss in run.split_losses.items():
        assert abs(loss - reference.split_losses[part]) <= LOCKSTEP[dtype]
    assert run.sample(5) == reference.samples(5)


@pytest.mark.slow
def test_every_variant_is_another_run(small_words: list[str]) -> None:
    short = replace(SHORT, steps=20)
    runs = [oracle.replay(replace(short, **changes), small_words) for changes in ({}, *VARIANTS)]
    told = {(*run.split_losses.values(), *run.samples(5)) for run in runs}
    assert len(told) == len(runs)


def test_words_are_cut_where_random_split_cuts_them() -> None:
    for count in [*range(10, 400), 32_033]:
        train, dev, _ = cut(list(map(str, range(count))), "random_split").values()
        assert cuts(count, "random_split") == (len(train), len(train) + len(dev))
    assert cuts(32_033, "random_split") == (25_627, 25_627 + 3_203)


@pytest.mark.parametrize("first", [True, False])
def test_more_rows_than_there_are_are_refused(small_words: list[str], first: bool) -> None:
    recipe = replace(SHORT, batch_over=10_000, batch_first=first)
    with pytest.raises(InputError, match=r"^oracle: batch_over is 10000, wanted at most \d+"):
        oracle.replay(recipe, small_words, steps=0)


PUBLICATION = """
source = "A notebook in torch."
[corpus]
name = "words.txt"
sha256 = "{sha256}"
[recipe]
block_size = 4
embedding = 6
hidden = 20
batch = 24
steps = 150
shuffles = 2
split = "examples"
batch_first = true
batch_over = 300
decay = 0.995
eps = 0.0
statistics = "running-std"
momentum = 0.05
draws = [
    {{ name = "W2", scale = ["* 0.01"], seed = 3 }},
    {{ name = "C" }},
    {{ name = "W1", scale = ["* 5/3", "/ sqrt(fan_in)"] }},
    {{ name = "b2", scale = ["* 0"], seed = 3 }},
    {{ name = "bngain", constant = 1.0, trained = false }},
    {{ name = "bnbias", constant = 0.0 }},
]
[printed]
losses = {losses}
split_losses = {split_losses}
parameters = "{parameters}"
targets = "{targets}"
names = {names}
"""


def test_what_torch_prints_of_a_publication_is_replayed_in_every_digit(
    tmp_path: Path, small_words: list[str]
) -> None:
    path = tmp_path / "notebook.toml"
    figures: dict[str, Any] = {"losses": '{ 0 = "1" }', "split_losses": "{}", "names": "[]"}
    figures |= {"sha256": "0" * 64, "parameters": "1", "targets": " ".join("0" * 24)}
    path.write_text(PUBLICATION.format(**figures), encoding="utf-8")
    recipe = find_publication(str(path)).recipe
    run = oracle.replay(recipe, small_words)
    losses = ", ".join(f'{step} = "{run.losses[step]:.4f}"' for step in range(0, 150, 10))
    split_losses = (f'{part} = "{loss:.4f}"' for part, loss in run.split_losses.items())
    figures |= {
        "losses": f"{{ {losses} }}",
        "split_losses": f"{{ {', '.join(split_losses)} }}",
        "parameters": str(sum(run.trained[name].size for name in recipe.trained)),
        "targets": " ".join(map(str, run.first_batch.Y)),
        "names": json.dumps(run.samples(5)),
    }
    path.write_text(PUBLICATION.format(**figures), encoding="utf-8")
    replayed = npnet_replay(find_publication(str(path)), small_words)
    assert all(figure.match == "equal" or figure.edge for figure in replayed)
    assert len(replayed) == 15 + 3 + 1 + 1 + 5


def test_what_is_trained_ends_where_torch_ends_and_the_rest_stays(small_words: list[str]) -> None:
    recipe = replace(ODD, dtype="float64", steps=200)
    run, reference = npnet.fit(recipe, small_words), oracle.replay(recipe, small_words)
    for name in PARAMETER_NAMES:
        assert gap(run.params[name], reference.trained[name]) <= 1e-12, name
    np.testing.assert_array_equal(reference.trained["C"], reference.params["C"])
    assert not np.array_equal(reference.trained["W1"], reference.params["W1"])


@pytest.mark.parametrize(("trained", "count"), [(False, 100), (True, 1000)])
@pytest.mark.parametrize("dtype", slow_but(["float32", "float64"], ["float32"]))
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
    recipe = replace(LECTURE, hidden=16, steps=40, rates=((0, 0.1), (7, 1e38), (8, 0.5)))
    with pytest.raises(DivergedError) as ours:
        npnet.fit(recipe, small_words)
    with pytest.raises(DivergedError) as torchs:
        oracle.replay(recipe, small_words)
    assert ours.value.step == torchs.value.step == 8
    for error in (ours.value, torchs.value):  # the step before took the rate that was too large
        assert "try a smaller rate than 1e+38" in str(error)
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
        next(train(LECTURE, params, *examples, [np.arange(32)], Running(LECTURE)))


@pytest.mark.slow  # each reads and evaluates 32,033 words as the notebook does, in plain loops
@pytest.mark.parametrize(
    ("name", "loss"), [("constant-gain", "3.8279"), ("random-gain", "3.3399"), ("part3", "3.3239")]
)
def test_torch_gives_the_published_first_losses(names_txt: list[str], name: str, loss: str) -> None:
    run = oracle.replay(npnet.RECIPES[name], names_txt, steps=1)
    assert f"{run.losses[0]:.4f}" == f"{run.values['loss']:.4f}" == loss


@pytest.mark.parametrize("module", ["__init__", "lines", "whole", "initialization", "replay"])
def test_the_oracle_takes_nothing_from_npnet_but_names_and_recipes(module: str) -> None:
    source = Path(oracle.__file__).with_name(f"{module}.py").read_text(encoding="utf-8")
    taken = set(re.findall(r"^\s*(?:from|import) (npnet\S*)", source, re.MULTILINE))
    allowed = "network.names", "recipes.recipe", "base.errors", "base.equality"
    assert taken <= {f"npnet.{module}" for module in allowed}
