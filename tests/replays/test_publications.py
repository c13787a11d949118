"""Publications that come with npnet, first batches given by their rows, the README's example."""

import dataclasses
import hashlib
import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

import npnet
from npnet import Draw, InputError, Recipe
from npnet.cli import main
from npnet.recipes.publication import (
    PRINTED,
    SPLITS,
    Publication,
    find_publication,
    read_publication,
    shipped,
)
from npnet.replays.replay import replay

# Those that come with npnet


@pytest.mark.parametrize("name", shipped())
def test_a_recipe_is_what_a_publication_runs(name: str) -> None:
    publication = find_publication(name)
    assert publication.recipe == npnet.RECIPES[name]
    assert publication.recipe.name == name


def test_nine_publications_come_with_npnet() -> None:
    assert list(shipped()) == [
        "constant-gain",
        "lecture-first-batch",
        "part3",
        "random-gain",
        "rerun-200",
        "rerun-64",
        "unseeded-101-steps",
        "unseeded-first-batch",
        "unseeded-log",
    ]


@pytest.mark.parametrize("name", ["constant-gain", "random-gain"])
def test_a_first_batch_needs_no_corpus(name: str) -> None:
    figures = replay(find_publication(name))
    assert [(figure.step, figure.match) for figure in figures] == [(0, "equal")]
    assert figures[0].edge == (name == "random-gain")


# With the seeds that npnet recover finds.
@pytest.mark.parametrize("name", ["lecture-first-batch", "rerun-64", "unseeded-first-batch"])
def test_what_a_lost_generator_drew_is_printed_again(name: str) -> None:
    figures = replay(find_publication(name))
    assert {figure.match for figure in figures} <= {"equal", "±1"}
    fused = next(figure for figure in figures if figure.what == "cross_entropy")
    assert fused.digits == 7
    assert {figure.match for figure in figures if figure.what == "probs"} <= {"equal"}


def test_two_losses_of_101_steps_are_those_below_a_longer_log(names_txt: list[str]) -> None:
    figures = replay(find_publication("unseeded-101-steps"), names_txt)
    assert [figure.what for figure in figures] == ["train", "val", "parameters"]
    assert all(figure.reproduced for figure in figures)


# The log of unseeded-log, all its figures equal, is the README's first example, which a test runs.
@pytest.mark.slow
def test_a_log_of_a_lost_generator_is_replayed_to_the_last_name(names_txt: list[str]) -> None:
    figures = replay(find_publication("rerun-200"), names_txt)
    assert len(figures) == 43
    assert all(figure.reproduced for figure in figures)
    assert all(figure.match == "equal" for figure in figures if figure.what == "name")
    assert sum(figure.match == "equal" for figure in figures if figure.what == "loss") >= 19


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
    corpus = npnet.corpora.known.shipped_corpus()
    assert hashlib.sha256(corpus.read_bytes()).hexdigest() == figures["sha256"]
    recipe = dataclasses.replace(npnet.RECIPES["part3"], steps=200)
    run = npnet.fit(recipe, npnet.default_words())
    for step, loss in figures["losses"].items():
        assert run.losses[int(step)] == pytest.approx(float(loss), abs=2e-6), step
    for split, loss in figures["split_losses"].items():
        assert run.split_losses[split] == pytest.approx(float(loss), abs=2e-6), split


# Rows in the place of a corpus


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
        (["nowhere"], "wanted one of constant-gain, lecture-first-batch, part3"),
        (["."], ".: Is a directory"),
        (["part3"], "part3.toml: corpus.sha256: no file with SHA-256 0a30b5557f19… (names.txt)"),
        (["part3"], "npnet data --download names.txt"),
        (["part3", "--words", "words.txt"], "part3.toml: corpus.sha256: words.txt has "),
        (["part3", "--words", "nowhere"], "nowhere: No such file"),
        (["part3", "--steps", "0"], "replay: 0 steps, wanted 1 or more"),
        (
            ["--steps", "3"],
            "replay: no publication, wanted one of constant-gain, lecture-first-batch",
        ),
        (["--words", "words.txt"], "replay: no publication, wanted one of constant-gain, lecture"),
        (["late.toml", "--steps", "3"], "late.toml: 3 steps, wanted more than 5"),
        (["rows.toml", "--words", "words.txt"], "rows.toml: got words (words.txt), wanted none"),
        (["latin.toml"], "latin.toml: no TOML ('utf-8' codec"),
        (["deep.toml"], "deep.toml: no TOML"),
        (["other.toml"], "other.toml: corpus.sha256: no file with SHA-256 ffffffffffff… (mine)"),
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


def test_the_guide_names_every_key_and_every_field() -> None:
    guide = Path(npnet.__file__).parent / "guide"
    pages = [(guide / f"{topic}.md").read_text(encoding="utf-8") for topic in ("replay", "recipes")]
    named = set(re.findall(r"`([a-z_0-9]+)(?: = [^`]*)?`", " ".join(pages)))
    fields = {field.name for kind in (Recipe, Draw) for field in dataclasses.fields(kind)}
    assert fields <= named
    assert {*PRINTED, *SPLITS, "chars", "rows", "files", "fold", "unique", "sort", "lines"} <= named


def test_the_guides_example_is_a_publication() -> None:
    guide = Path(npnet.__file__).parent / "guide"
    for topic in ("replay", "recover"):
        text = (guide / f"{topic}.md").read_text(encoding="utf-8")
        example = re.findall(r"```toml title=mine.toml\n(.*?)```", text, re.DOTALL)[0]
        assert tomllib.loads(example)["recipe"]["hidden"] == 64
