"""Publications: reading them, running them, and whatever a recipe can say, in plain loops."""

import dataclasses
import hashlib
import json
import random
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import Draw, InputError, Recipe
from npnet.arrays import Array
from npnet.cli import main
from npnet.fit import examples_of
from npnet.names import PARAMETER_NAMES
from npnet.publication import Publication, find_publication, read_publication, shipped
from npnet.replay import compare, replay, words_of

TINY = Recipe(
    "tiny",
    block_size=2,
    embedding=2,
    hidden=3,
    batch=4,
    steps=6,
    rates=((0, 0.5), (3, 0.2)),
    momentum=0.25,
    dtype="float64",
)
WORDS = ["anna", "bob", "zoe", "ada", "mia", "otto", "nina", "ava", "noor", "ben"] * 2
SEEDED = tuple(
    dataclasses.replace(draw, seed=5 if draw.name in ("W1", "b2", "bngain") else None)
    for draw in TINY.draws
)
HALF_TRAINED = (
    Draw("W2", ("* 0.01",)),
    Draw("C", trained=False),
    Draw("W1", ("/ sqrt(fan_in)",)),
    Draw("bngain", constant=1.5, trained=False),
    Draw("b2", ("* 0",)),
    Draw("bnbias", constant=0.0),
)
VARIANTS: list[dict[str, Any]] = [
    {},
    {"shuffles": 3},
    {"shuffles": 0},
    {"split": "examples"},
    {"split": "examples", "split_seed": 7, "shuffles": 0},
    {"batch_over": 5},
    {"batch_once": True},
    {"batch_first": True},
    {"batch_first": True, "batch_once": True, "split": "examples", "batch_over": 9},
    {"decay": 0.5},
    {"eps": 0.0, "statistics": "running-std"},
    {"statistics": "running-var"},
    {"statistics": "last-batch"},
    {"statistics": "running-var", "training_statistics": "running"},
    {"statistics": "running-std", "training_statistics": "running", "eps": 0.5},
    {"draws": SEEDED},
    {"draws": HALF_TRAINED},
    {"block_size": 1, "embedding": 5, "hidden": 1, "batch": 2},
    {"block_size": 5, "embedding": 1, "hidden": 9, "batch": 17},
]


def notebook(recipe: Recipe, words: list[str]) -> tuple[list[float], dict[str, float]]:
    """Losses and split losses of a run in plain loops, differentiated by complex steps.

    Nothing but the recipe's numbers and the generator is npnet's.
    """
    words = list(words)
    chars = "." + "".join(sorted(set("".join(words))))
    shuffler = random.Random(recipe.shuffle_seed)
    for _ in range(recipe.shuffles):
        shuffler.shuffle(words)
    generator = npnet.Generator(recipe.seed)

    def rows_of(some: list[str]) -> list[tuple[list[int], int]]:
        rows = []
        for word in some:
            context = [0] * recipe.block_size
            for char in word + ".":
                rows.append((context, chars.index(char)))
                context = [*context[1:], chars.index(char)]
        return rows

    everything: list[Any] = words
    if recipe.split == "examples":
        own = recipe.split_seed is None
        splitter = generator if own else npnet.Generator(recipe.split_seed or 0)
        examples = rows_of(words)
        everything = [examples[place] for place in splitter.randperm(len(examples))]
    first, second = int(0.8 * len(everything)), int(0.9 * len(everything))
    parts = [everything[:first], everything[first:second], everything[second:]]
    if recipe.split == "words":
        parts = [rows_of(part) for part in parts]
    splits = [[np.array(side) for side in zip(*part, strict=True)] for part in parts]
    X, Y = splits[0]

    def draw_rows() -> Array:
        return generator.randint(0, recipe.batch_over or len(X), (recipe.batch,))

    minibatches = []
    if recipe.batch_first:
        minibatches = [draw_rows() for _ in range(1 if recipe.batch_once else recipe.steps)]

    V, E, T, H = len(chars), recipe.embedding, recipe.block_size, recipe.hidden
    shapes = dict(zip(PARAMETER_NAMES, [(V, E), (T * E, H), (H,), (H, V), (V,)], strict=False))
    shapes |= {"bngain": (1, H), "bnbias": (1, H)}
    params: dict[str, Array] = {"b1": np.zeros(H, complex)}
    others = {draw.seed: npnet.Generator(draw.seed) for draw in recipe.draws if draw.seed}
    for draw in recipe.draws:
        shape = shapes[draw.name]
        if draw.constant is not None:
            params[draw.name] = np.full(shape, draw.constant, complex)
        else:
            normals = others.get(draw.seed or 0, generator).randn(*shape)
            params[draw.name] = draw.scaled(normals, shape[0]).astype(complex)

    def hidden_of(X: Array) -> Array:
        return params["C"][X].reshape(len(X), -1) @ params["W1"] + params["b1"]

    def loss_of(X: Array, Y: Array, mean: Array | None, var: Array | None) -> Any:
        hprebn = hidden_of(X)
        if mean is None or var is None:
            mean = hprebn.mean(0)
            var = ((hprebn - mean) ** 2).sum(0) / (len(X) - 1)
        bnraw = (hprebn - mean) / np.sqrt(var + recipe.eps)
        h = np.tanh(params["bngain"] * bnraw + params["bnbias"])
        logits = h @ params["W2"] + params["b2"]
        return (np.log(np.exp(logits).sum(1)) - logits[np.arange(len(Y)), Y]).mean()

    mean, spread = np.zeros(H), np.ones(H)
    power = 2 if recipe.statistics == "running-std" else 1
    losses = []
    for step in range(recipe.steps):
        if len(minibatches) <= step and not (minibatches and recipe.batch_once):
            minibatches.append(draw_rows())
        rows = minibatches[0 if recipe.batch_once else step]
        used = (mean, spread**power) if recipe.training_statistics == "running" else (None, None)
        losses.append(loss_of(X[rows], Y[rows], *used).real)
        batch = hidden_of(X[rows]).real
        gradients = {name: np.zeros(array.shape) for name, array in params.items()}
        for name, array in params.items():
            for place in np.ndindex(array.shape):
                array[place] += 1e-30j
                gradients[name][place] = loss_of(X[rows], Y[rows], *used).imag / 1e-30
                array[place] -= 1e-30j
        rate = [rate for start, rate in recipe.rates if start <= step][-1]
        for draw in recipe.draws:
            if draw.trained:
                params[draw.name] -= rate * recipe.decay**step * gradients[draw.name]
        new = 1 if recipe.statistics == "last-batch" else recipe.momentum
        mean = (1 - new) * mean + new * batch.mean(0)
        spread = (1 - new) * spread + new * batch.var(0, ddof=1) ** (1 / power)
    if recipe.statistics == "whole-set":
        mean, spread = hidden_of(X).real.mean(0), hidden_of(X).real.var(0, ddof=1)
    kept = [loss_of(X, Y, mean, spread**power).real for X, Y in splits]
    return losses, dict(zip(("train", "dev", "test"), kept, strict=True))


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: " ".join(changes) or "plain")
def test_fit_does_what_the_recipe_says(changes: dict[str, Any]) -> None:
    recipe = dataclasses.replace(TINY, **changes)
    run = npnet.fit(recipe, WORDS)
    losses, split_losses = notebook(recipe, WORDS)
    np.testing.assert_allclose(run.losses, losses, rtol=1e-9)
    assert run.split_losses == pytest.approx(split_losses, rel=1e-9)


@pytest.mark.parametrize("changes", VARIANTS[1:], ids=lambda changes: " ".join(changes))
def test_every_variant_is_another_run(changes: dict[str, Any]) -> None:
    plain, other = npnet.fit(TINY, WORDS), npnet.fit(dataclasses.replace(TINY, **changes), WORDS)
    assert plain.split_losses != other.split_losses


@pytest.mark.parametrize("split_seed", [None, 7])
def test_a_runs_splits_can_be_made_again(split_seed: int | None) -> None:
    recipe = dataclasses.replace(TINY, split="examples", split_seed=split_seed)
    run = npnet.fit(recipe, WORDS)
    examples = examples_of(recipe, run.words, run.vocab)
    again = {name: npnet.evaluate(run.params, run.stats, *both) for name, both in examples.items()}
    assert again == run.split_losses


# Those that come with npnet


@pytest.mark.parametrize("name", shipped())
def test_a_recipe_is_what_a_publication_runs(name: str) -> None:
    publication = find_publication(name)
    assert publication.recipe == npnet.RECIPES[name]
    assert publication.recipe.name == name


def test_three_publications_come_with_npnet() -> None:
    assert list(shipped()) == ["constant-gain", "part3", "random-gain"]


@pytest.mark.parametrize("name", ["constant-gain", "random-gain"])
def test_a_first_batch_needs_no_corpus(name: str) -> None:
    figures = replay(find_publication(name))
    assert [(figure.step, figure.match) for figure in figures] == [(0, "equal")]
    assert figures[0].edge == (name == "random-gain")


@pytest.mark.parametrize("name", ["constant-gain", "random-gain"])
def test_with_its_corpus_a_first_batch_also_picks_its_rows(name: str, names_txt: list[str]) -> None:
    figures = replay(find_publication(name), names_txt)
    assert [(figure.what, figure.match) for figure in figures] == [
        ("loss", "equal"),
        ("rows", "equal"),
    ]


@pytest.mark.slow
def test_part3_prints_the_lectures_log(names_txt: list[str]) -> None:
    figures = replay(find_publication("part3"), names_txt)
    losses = [figure for figure in figures if figure.what == "loss"]
    assert len(losses) == 20
    assert all(figure.match in ("equal", "±1") for figure in figures)
    assert sum(figure.match == "equal" for figure in losses) >= 19
    ours = {figure.what: float(figure.ours) for figure in figures}
    assert abs(ours["train"] - 2.06741452) < 5e-7
    assert abs(ours["dev"] - 2.10568404) < 5e-7


def test_part3_on_the_shipped_corpus_gives_what_torch_printed() -> None:
    figures = json.loads(Path(__file__).with_name("part3_figures.json").read_text("utf-8"))
    corpus = npnet.library.shipped_corpus()
    assert hashlib.sha256(corpus.read_bytes()).hexdigest() == figures["sha256"]
    recipe = dataclasses.replace(npnet.RECIPES["part3"], steps=200)
    run = npnet.fit(recipe, npnet.default_words())
    for step, loss in figures["losses"].items():
        assert run.losses[int(step)] == pytest.approx(float(loss), abs=2e-6), step
    for split, loss in figures["split_losses"].items():
        assert run.split_losses[split] == pytest.approx(float(loss), abs=2e-6), split


# Comparing digits


@pytest.mark.parametrize(
    ("published", "ours", "match", "edge", "digits", "shown"),
    [
        ("2.0199", 2.01987, "equal", False, None, "2.01987000"),
        ("2.0199", 2.0198521, "equal", True, None, "2.01985210"),
        ("2.0199", 2.0198494, "±1", True, None, "2.01984940"),
        ("2.0199", 2.0201, "DIFFERS", False, None, "2.02010000"),
        ("2.0199", float("nan"), "DIFFERS", False, None, "nan"),
        ("3", 2.6, "equal", False, None, "2.6000"),
        ("3", 4.4, "±1", False, None, "4.4000"),
        ("9.9999", 10.00004, "±1", False, None, "10.00004000"),
        ("0.0", 0.04, "equal", False, None, "0.04000"),
        ("2.0674145221710205", 2.0674149, "equal", False, 7, "2.0674149000"),
        ("2.0674145221710205", 2.0674158, "±1", False, 7, "2.0674158000"),
        ("2.0674145221710205", 2.0674190, "DIFFERS", False, 7, "2.0674190000"),
        ("12.345678", 12.3456801, "equal", False, 7, "12.345680100"),
        ("123456789", 123456800, "equal", False, 7, "123456800.0000"),
    ],
)
def test_figures_match_in_the_digits_that_were_printed(
    published: str, ours: float, match: str, edge: bool, digits: int | None, shown: str
) -> None:
    figure = compare("loss", 0, published, ours, "float32")
    assert (figure.match, figure.digits, figure.ours) == (match, digits, shown)
    assert figure.edge == edge


def test_float64_holds_more_digits_than_float32() -> None:
    published, ours = "2.0674145221710205", 2.0674145221710299
    assert compare("train", None, published, ours, "float32").match == "equal"
    assert compare("train", None, published, ours, "float64").match == "DIFFERS"
    assert compare("train", None, published, 2.0674145221710205, "float64").digits == 16


# Files of one's own

TOML = """
source = "A notebook of my own."

[corpus]
name = "words.txt"
sha256 = "{sha256}"

[recipe]
hidden = 4
batch = 5
steps = 120
statistics = "running-var"
draws = [
    {{ name = "C" }},
    {{ name = "W1", scale = ["/ sqrt(fan_in)"] }},
    {{ name = "W2", scale = ["* 0.1"], seed = 3 }},
    {{ name = "b2", constant = 0 }},
    {{ name = "bngain", constant = 1.0, trained = false }},
    {{ name = "bnbias", constant = 0.0 }},
]

[printed]
parameters = "{parameters}"
targets = "{targets}"
names = {names}

[printed.losses]
0 = "{first}"
110 = "{later}"

[printed.split_losses]
dev = "{dev}"
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_words: list[str]) -> Write:
    """``write(**figures)`` makes a publication of 60 words with true figures but for those."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NPNET_CORPORA", str(tmp_path))
    Path("words.txt").write_text("\n".join(small_words), encoding="utf-8")
    figures = {
        "sha256": hashlib.sha256(Path("words.txt").read_bytes()).hexdigest(),
        "first": "9.9",
        "later": "9.9",
        "dev": "9.9",
        "parameters": "1",
        "targets": "0 0 0 0 0",
        "names": "[]",
    }
    path = Path("mine.toml")
    path.write_text(TOML.format(**figures), encoding="utf-8")
    recipe = read_publication(path).recipe
    run = npnet.fit(recipe, small_words)
    X, Y = examples_of(recipe, small_words, run.vocab)["train"]
    generator = npnet.Generator(recipe.seed)
    npnet.draw_parameters(recipe, run.vocab.size, generator)
    targets = Y[generator.randint(0, len(X), (5,))]
    figures |= {
        "first": f"{run.losses[0]:.4f}",
        "later": str(float(run.losses[110])),
        "dev": f"{run.split_losses['dev']:.3f}",
        "parameters": str(sum(run.params[name].size for name in ("C", "W1", "W2", "b2", "bnbias"))),
        "targets": ", ".join(map(str, targets)),
        "names": json.dumps(run.sample(3)),
    }

    def make(**changes: str) -> Path:
        path.write_text(TOML.format(**{**figures, **changes}), encoding="utf-8")
        return path

    return make


def test_replay_prints_every_figure_beside_ours(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(write())]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "mine: A notebook of my own."
    assert printed[1].split() == ["step", "published", "ours", "match"]
    labels = [line.split()[0] for line in printed[2:-2]]
    assert labels == ["0", "110", "dev", "parameters", "targets", "name", "name", "name"]
    assert printed[3].endswith("in 7 digits")  # every number is near an edge of the 7th
    assert printed[-2] == "losses: 1 of 2 equal in every digit, 1 in the 7 that float32 holds"
    edges = sum(line.endswith("edge") for line in printed[:-2])
    assert printed[-1] == (
        "7 of 8 equal in every digit, 1 in the 7 that float32 holds, 0 within one unit of the "
        f"last, 0 differ; {edges} on a rounding edge"
    )


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"first": "9.9999"}, 1, "holds, 0 within one unit of the last, 1 differ"),
        ({"parameters": "1"}, 1, "DIFFERS"),
        ({"targets": "0 0 0 0 0"}, 1, "DIFFERS"),
        ({"names": '["zzz"]'}, 1, "DIFFERS"),
        ({"dev": "9"}, 1, "DIFFERS"),
    ],
)
def test_a_figure_that_differs_is_exit_1(
    write: Write, capsys: pytest.CaptureFixture[str], changes: dict[str, str], code: int, says: str
) -> None:
    assert main(["replay", str(write(**changes))]) == code
    assert says in capsys.readouterr().out


def test_one_unit_of_the_last_digit_is_a_match(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write()
    first = read_publication(path).printed.losses[0]
    write(first=f"{float(first) + 1e-4:.4f}")
    assert main(["replay", str(path), "--steps", "1"]) == 0
    assert "±1" in capsys.readouterr().out


def test_the_short_form_stops_at_its_last_line(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(write()), "--steps", "110", "--json"]) == 0
    short = json.loads(capsys.readouterr().out)
    assert short["publication"] == "mine"
    assert [row["what"] for row in short["figures"]] == ["loss", "parameters", "targets"]
    assert main(["replay", str(write()), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["figures"][0] == short["figures"][0]


def test_the_short_form_says_what_it_leaves_out(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write())
    for steps, more in ((110, 111), (111, 120)):
        assert main(["replay", path, "--steps", str(steps)]) == 0
        last = capsys.readouterr().out.splitlines()[-1]
        count = 3 if steps == 110 else 4
        assert last == f"the first {count} of 8 figures; more from --steps {more} on"
    assert main(["replay", path, "--steps", "120"]) == 0
    assert "more from" not in capsys.readouterr().out


def test_the_list_counts_what_a_replay_shows_and_the_steps_that_it_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["replay"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if line.startswith(" ")) <= 60
    assert any("the first batch alone, no corpus" in line for line in lines)
    assert main(["replay", "--json"]) == 0
    for row in json.loads(capsys.readouterr().out):
        if row["rows"]:
            publication = find_publication(row["name"])
            assert row["figures"] == len(replay(publication, words_of(publication)))
            assert row["steps"] == 1


def test_rows_appear_as_their_steps_are_done(write: Write, small_words: list[str]) -> None:
    events: list[Any] = []
    replay(
        read_publication(write()),
        small_words,
        watch=lambda first, losses: events.append(first + len(losses)),
        seen=lambda figure: events.append(figure.what),
    )
    assert events == ["loss", 64, "loss", 120, "dev", "parameters", "targets", *["name"] * 3]


def test_minibatches_drawn_first_are_those_of_the_whole_run(
    write: Write, small_words: list[str]
) -> None:
    path = write()
    text = path.read_text(encoding="utf-8").replace("[recipe]", "[recipe]\nbatch_first = true")
    path.write_text(text, encoding="utf-8")
    publication = read_publication(path)
    whole, short = replay(publication, small_words), replay(publication, small_words, steps=1)
    assert short[0] == whole[0]


def test_a_terminal_shows_the_same_rows_above_a_bar(
    write: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["replay", str(write())]) == 0
    printed = capsys.readouterr().out
    assert printed.count("equal") == 10
    assert "7 of 8 equal" in printed


def test_words_may_be_named(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Path("words.txt").rename(elsewhere / "w")
    assert main(["replay", str(path)]) == 2
    assert main(["replay", str(path), "--words", str(elsewhere / "w")]) == 0


def test_folded_words_are_those_of_the_lower_cased_file(
    write: Write, small_words: list[str]
) -> None:
    text = "\n".join(small_words).title().encode()
    Path("titled.txt").write_bytes(text)
    path = write(sha256=hashlib.sha256(text).hexdigest() + '"\nfold = true\n# "')
    assert words_of(read_publication(path)) == small_words


def test_replay_lists_what_can_be_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{name}: figures" in printed for name in shipped())
    assert main(["replay", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(shipped())
    assert [row["rows"] for row in rows] == [True, False, True]


# Errors

ROWS = '[batch]\nchars = "ab"\nrows = "...a ..a. ...b ..b. ...z"\n'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("source", "sauce", "sauce: unknown key, wanted source, corpus"),
        ('source = "A notebook of my own."', "", "source: got nothing, wanted words on where"),
        ('"A notebook of my own."', '" "', "source: got ' '"),
        ("[corpus]", "[corpus", "no TOML"),
        ("[corpus]", "[corpus]\nurl = 3", "corpus.url: unknown key, wanted name, sha256, fold"),
        ('name = "words.txt"', "", "corpus.name: got nothing, wanted a name"),
        ('sha256 = "', 'sha256 = "x', "corpus.sha256: got 'x"),
        ("[corpus]", "[corpus]\nfold = 1", "corpus.fold: got 1, wanted true or false"),
        ("[recipe]", "[recipes]", "recipes: unknown key"),
        ("hidden = 4", "hiden = 4", "[recipe]: unknown field 'hiden'"),
        ("hidden = 4", "hidden = 0", "[recipe]: hidden: got 0, wanted 1 or more"),
        ("hidden = 4", "hidden = 1979-05-27", "[recipe]: hidden: got datetime.date"),
        ('scale = ["* 0.1"]', 'scale = ["* x"]', "[recipe]: draws: W2 has the scale step '* x'"),
        ("seed = 3", "sede = 3", "[recipe]: draws: got {'name': 'W2'"),
        ("[printed]", "[printed]\nloss = 3", "printed.loss: unknown key, wanted losses"),
        ('parameters = "', "parameters = 3 #", "printed.parameters: got 3, wanted a number in q"),
        ('targets = "', 'targets = "5, ', "printed.targets: got '5, "),
        ('targets = "', 'targets = "-', "wanted 5 indices in quotes, as recipe.batch says"),
        ("names = [", "names = [3, ", "printed.names: got [3, "),
        ("0 = ", "120 = ", "printed.losses: got '120', wanted a step from 0 to 119"),
        ("0 = ", "00 = ", "printed.losses: got '00', wanted a step"),
        ("0 = ", "zero = ", "printed.losses: got 'zero', wanted a step"),
        ("0 = ", "0 = 3.1 #", "printed.losses.0: got 3.1, wanted a figure in quotes"),
        ("0 = ", '0 = "3,1" #', "printed.losses.0: got '3,1', wanted a figure in quotes"),
        ("dev = ", "all = ", "printed.split_losses.all: unknown key, wanted train, dev, test"),
        ("[printed.split_losses]", "[printed.split_losses]\ntest = 2.1", "split_losses.test: got"),
        ("[recipe]", f"{ROWS}[recipe]", "batch.rows: got '...z', wanted 3 characters of"),
        ("[recipe]", "[batch]\n[recipe]", "batch.rows: got nothing, wanted rows"),
        ("[recipe]", "batch = 3\n[recipe]", "corpus.batch: unknown key"),
    ],
)
def test_what_a_file_cannot_say_is_refused_by_file_and_key(
    write: Write, capsys: pytest.CaptureFixture[str], old: str, new: str, says: str
) -> None:
    path = write()
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert main(["replay", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("npnet: mine.toml: ")
    assert says in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


BATCH = """
source = "x"
[recipe]
batch = 2
{recipe}
[batch]
chars = "ab"
rows = "...a ..{target}"
{printed}
"""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"printed": ""}, "printed: got nothing, wanted at least one printed figure"),
        ({"printed": "[printed]"}, "printed: got {}, wanted at least one"),
        ({"printed": "printed = 3"}, "batch.printed: unknown key"),
        ({"printed": '[printed.losses]\n1 = "2"'}, "corpus: got nothing, wanted a table [corpus]"),
        ({"printed": '[printed]\nnames = ["a"]'}, "corpus: got nothing"),
        ({"target": "ac"}, "batch.rows: got '..ac', wanted 3 characters"),
        ({"target": "a"}, "batch.rows: got '..a', wanted 3 characters"),
        ({"target": "ab ...b"}, "batch.rows: got 3, wanted 2 rows"),
        ({"recipe": "batch_first = true"}, "batch.rows: got 2, wanted a [corpus] in its place"),
        ({"recipe": 'split = "examples"'}, "batch.rows: got 2, wanted a [corpus] in its place"),
        ({"recipe": "[[recipe.draws]]"}, "[recipe]: draws: got {}"),
    ],
)
def test_rows_that_cannot_be_run_are_refused(
    tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    figures = {"recipe": "", "target": "ab", "printed": '[printed.losses]\n0 = "1.1"'}
    path = tmp_path / "rows.toml"
    path.write_text(BATCH.format(**{**figures, **changes}), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        read_publication(path)
    assert str(caught.value).startswith(str(path))


def rows_of_two(folder: Path, recipe: str) -> Publication:
    path = folder / "rows.toml"
    printed = '[printed]\nparameters = "9"\ntargets = "1 2"\nlosses = { 0 = "1.1" }'
    path.write_text(BATCH.format(recipe=recipe, target="ab", printed=printed), encoding="utf-8")
    return read_publication(path)


@pytest.mark.parametrize("training", ["batch", "running"])
def test_rows_are_run_under_the_statistics_of_training(tmp_path: Path, training: str) -> None:
    kind = f'training_statistics = "{training}"\nstatistics = "running-var"'
    publication = rows_of_two(tmp_path, f"hidden = 3\nsplit_seed = 1\nsplit = 'examples'\n{kind}")
    recipe = publication.recipe
    figures = {figure.what: figure for figure in replay(publication)}
    params = npnet.draw_parameters(recipe, 3, npnet.Generator(recipe.seed))
    X, Y = np.array([[0, 0, 0], [0, 0, 1]]), np.array([1, 2])
    fixed = npnet.Statistics(np.zeros((1, 3), "f"), np.ones((1, 3), "f"), recipe.eps)
    batch = float(npnet.loss_and_gradients(params, X, Y)[0])
    loss = batch if training == "batch" else npnet.evaluate(params, fixed, X, Y)
    assert float(figures["loss"].ours) == pytest.approx(loss, abs=1e-5)
    assert figures["parameters"].ours == str(sum(array.size for array in params.values()))
    assert figures["targets"].match == "equal"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "wanted one of constant-gain, part3, random-gain, or a file"),
        (["."], ".: Is a directory"),
        (["part3"], "part3.toml: corpus.sha256: no file with SHA-256 0a30b5557f19… (names.txt)"),
        (["part3"], "npnet data --download names.txt"),
        (["part3", "--words", "words.txt"], "part3.toml: corpus.sha256: words.txt has "),
        (["part3", "--words", "nowhere"], "nowhere: No such file"),
        (["part3", "--steps", "0"], "replay: 0 steps, wanted 1 or more"),
        (["--steps", "3"], "replay: no publication, wanted one of constant-gain, part3, random-g"),
        (["--words", "words.txt"], "replay: no publication, wanted one of constant-gain, part3"),
        (["late.toml", "--steps", "3"], "late.toml: 3 steps, wanted more than 5"),
        (["rows.toml", "--words", "words.txt"], "rows.toml: no [corpus], wanted no words"),
        (["latin.toml"], "latin.toml: no TOML ('utf-8' codec"),
        (["deep.toml"], "deep.toml: no TOML"),
        (["other.toml"], "other.toml: corpus.sha256: no file with SHA-256 ffffffffffff… (mine) at"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NPNET_CACHE", str(tmp_path))
    monkeypatch.delenv("NPNET_CORPORA", raising=False)
    Path("words.txt").write_text("anna\nbob\n", encoding="utf-8")
    rows_of_two(tmp_path, "")
    Path("latin.toml").write_bytes(b'source = "\xe9"')
    Path("deep.toml").write_text(f"source = {'[' * 5000}", encoding="utf-8")
    corpus = f'[corpus]\nname = "mine"\nsha256 = "{"f" * 64}"\n[recipe]\n[printed.losses]\n'
    Path("late.toml").write_text(f'source = "x"\n{corpus}5 = "1"\n7 = "1"', encoding="utf-8")
    Path("other.toml").write_text(f'source = "x"\n{corpus}5 = "1"', encoding="utf-8")
    assert main(["replay", *arguments]) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.err.count("\n") == 1


def test_characters_other_than_the_corpus_has_are_refused(write: Write) -> None:
    path = write()
    text = path.read_text(encoding="utf-8").replace("[recipe]", f"{ROWS}[recipe]")
    path.write_text(text.replace("..z", "..a"), encoding="utf-8")
    publication = read_publication(path)
    with pytest.raises(InputError, match=r"mine\.toml: batch\.chars: got '\.ab', wanted '\.abc"):
        replay(publication, words_of(publication))


def test_without_words_only_a_first_batch_can_be_run(write: Write) -> None:
    with pytest.raises(InputError, match=r"mine\.toml: got no words, wanted those of its \[cor"):
        replay(read_publication(write()))


def test_the_readmes_example_is_a_publication_with_every_key(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    example = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)[0]
    path = tmp_path / "mine.toml"
    path.write_text(example, encoding="utf-8")
    printed = read_publication(path).printed
    assert all((printed.losses, printed.split_losses, printed.parameters, printed.targets))
    everything = tomllib.loads(re.sub(r"(?m)^# (?=\w+ =)", "", example))["recipe"]
    assert set(everything) == {field.name for field in dataclasses.fields(Recipe)}
    keys = {key for draw in everything["draws"] for key in draw}
    assert keys == {field.name for field in dataclasses.fields(Draw)}
