"""Options of both programs: one name has one meaning and accepts the same things everywhere."""

import argparse
import hashlib
import io
import itertools
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import slow_but

import npnet
from npnet.cli import main, make_parser
from npnet.cli.parser import Parser, commands_of
from npnet.corpora.known import shipped_corpus
from npnet.recipes.recipe import Recipe
from npnet.training import fit

pytest.importorskip("torch")

from oracle.cli import main as oracle
from oracle.cli import make_parser as make_oracle_parser
from oracle.replay import Start, replay
from oracle.replay import begin as torch_begin

COMMANDS = commands_of(make_parser()) | commands_of(make_oracle_parser())

# What each option means, in every command that has it.
MEANINGS = {
    "--atol": "absolute tolerance; needs --rtol",
    "--answer": "the derivation and our code, after the question",
    "--batch": "rows of a minibatch",
    "--big-endian": "the numbers of raw files are big endian",
    "--block-size": "context length of --show",
    "--checkpoint": "time from one checkpoint to the next",
    "--column": "the column with the words, by its title or number",
    "--column-major": "the numbers of raw files are in column order",
    "--count": "how many names",
    "--csv": "write both losses of every step",
    "--data": "also write what is drawn into this file",
    "--dask": "run on the cluster of this dask scheduler instead",
    "--default-seed": "seed of torch's default generator, before the first cell",
    "--default-word": "let a cell begin at this word of the seed's stream, as npnet recover says; "
    "may be given several times",
    "--download": "fetch a corpus into the cache folder and check its SHA-256",
    "--dtype": "type of all numbers",
    "--encoding": "how the file is written, such as cp1252 or utf-16",
    "--eval-every": "measure train and dev loss after every N steps",
    "--figures": "draw the pictures into this folder",
    "--finite": "use finite differences, and allow for their error",
    "--fold": "make all words lower case",
    "--force": "replace existing files",
    "--format": "the files to write: npz, raw, npy, safetensors, json; give it again for several",
    "--from": "first seed",
    "--golden": "of your own network: also write its inputs, values and right gradients into this "
    "new folder, for programs in any language",
    "--grade": "judge every gradient that is written by hand, each alone",
    "--growth": "instead: time and memory for corpora of these numbers of sampled names",
    "--help": "show this help message and exit",
    "--hidden": "hidden units",
    "--html": "write the report as one HTML page",
    "--in": "a file or folder to look for corpora in, before NPNET_CORPORA and the cache",
    "--jobs": "how many processes",
    "--join": "all logs are parts of one run, in this order",
    "--json": "print the result as JSON",
    "--label": "name of a run in the legend; one for each run, in their order",
    "--large": "up to 1,024 rows and 4,096 hidden units, not 64 and 40",
    "--level": "1: a question, 2: the rule, 3: the formula",
    "--limit": "largest gap that passes",
    "--log": "a logarithmic axis",
    "--loss": "column of the losses, by its title or number; may be given many times",
    "--losses-are": "what the logs contain, if they could be either",
    "--lines": "each line alone, with random upstream gradients: also finds what the loss hides",
    "--max-length": "cut longer names and mark them with …",
    "--networks": "how many networks",
    "--notebook": "as a Jupyter notebook whose cells judge themselves",
    "--only": "only these, separated by commas",
    "--out": "where to write the result",
    "--planted": "of your own network: put mistakes into right gradients, and show that they are "
    "found",
    "--plot": "also draw the figures into a new PNG, SVG or PDF file",
    "--precision": "judge by the eps of this precision: float64, float32, tf32, float16, bfloat16",
    "--problem": "your own problem: an npz, safetensors or JSON file with C W1 b1 W2 b2 bngain "
    "bnbias X Y, and eps if it is not 1e-5",
    "--progress": "file for the progress, from which the same command continues",
    "--quick": "1 s a row instead of 10, and no compile: under a minute",
    "--quiet": "print nothing but the run's folder",
    "--read": "report what the file holds, and run nothing",
    "--recipe": ", ".join(npnet.RECIPES)
    + "; the JSON file of a recipe; a run's folder; or a publication's TOML file",
    "--recover": "instead: the time for each seed that npnet recover tries, and the memory it "
    "needs",
    "--reference": "the golden set to compare with, as npnet golden or oracle golden writes it",
    "--reruns": "try up to K earlier runs of the cell that draws, for each file",
    "--resume": "continue this run; only --steps may be raised",
    "--rtol": "relative tolerance; needs --atol",
    "--sampler": "whose random numbers torch.multinomial uses; mkl: those of torch 2.0 to 2.6",
    "--seconds": "seconds for each figure, function or cell",
    "--seed": "seed of the random numbers, as torch.manual_seed takes it",
    "--seeds": "how many seeds; the first is --seed",
    "--separator": "what separates the columns: a character, tab or blanks",
    "--set": "any other field of the recipe, such as dtype=float64 or "
    "'rates=[[0, 0.1], [5000, 0.01]]'; may be given many times",
    "--short": "one set of shapes, float32 only",
    "--show": "print the word's contexts and targets",
    "--smooth": "ema:0.99 for an exponential mean with this weight of the past; none for no mean",
    "--solution": "show our own function instead, for the sheet",
    "--start": "letters that every name begins with",
    "--step": "column of the steps, by its title or number; row to number the rows",
    "--steps": "training steps",
    "--temperature": "above 1 for more varied names, below 1 for more common ones",
    "--threads": "threads of BLAS",
    "--title": "title of the picture",
    "--tables": "random tables of lines and npnet.Lines instead, with sizes of 1, ties, saturated "
    "functions, and several right ways to write each gradient",
    "--to": "last seed",
    "--unique": "keep each word once",
    "--values": "a file or folder with the values of your forward pass, all or some: they are "
    "judged too, and the gradients are then judged for these values",
    "--watch": "do it again whenever a file changes, until Ctrl-C",
    "--why": "explain what is not bit-equal",
    "--window": "steps that each point averages",
    "--x": "the horizontal axis",
    "--write": "write copies of the files with seed and skip filled in",
    "--words": "UTF-8 text with one word a line, or CSV; - for standard input; or the name of a "
    "corpus that `npnet data` lists",
}


def options_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        for name in action.option_strings:
            if name.startswith("--") and action.help != argparse.SUPPRESS:
                yield name, action


# Plotting programs call it so; the other is a question about a word.
PLOT = {"--show": "also open a window to zoom in"}


def meaning(action: argparse.Action) -> str:
    """The help without its default and examples, which differ from command to command."""
    text = (action.help or "").replace("%(default)g", str(action.default))
    text = re.sub(r" ?\(default: [^)]*\)", "", text)
    return re.sub(r"(separated by commas), such as .*", r"\1", text)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_means_the_same_in_every_command(command: str) -> None:
    found = {name: meaning(action) for name, action in options_of(COMMANDS[command])}
    meanings = MEANINGS | (PLOT if command == "npnet plot" else {})
    assert found == {name: meanings.get(name) for name in found}


def test_an_option_has_one_type_everywhere() -> None:
    kinds: dict[str, set[object]] = {}
    for called, command in COMMANDS.items():
        for name, action in options_of(command):
            if called != "npnet plot" or name not in PLOT:
                kinds.setdefault(name, set()).add((action.type, type(action)))
    assert {name: found for name, found in kinds.items() if len(found) > 1} == {}


def test_the_table_of_meanings_has_no_option_that_is_gone() -> None:
    assert {name for each in COMMANDS.values() for name, _ in options_of(each)} == {*MEANINGS}


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("command", ["npnet", "oracle", *COMMANDS])
def test_help_fits_the_terminal(command: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    programs = {"npnet": make_parser(), "oracle": make_oracle_parser()}
    text = (programs | COMMANDS)[command].format_help()
    assert max(map(len, text.splitlines())) <= width
    said = " ".join(text.split())
    for _, action in options_of((programs | COMMANDS)[command]):
        assert action.help
        words = action.help.replace("%(default)g", "1e-05").replace("%%", "%").split()
        assert " ".join(words) in said, "no word is broken"


# Commands that report figures print them as JSON too; the others print text or write a file.
TEXT_ONLY = {
    "npnet explain",
    "npnet exercise",
    "npnet exercise new",
    "npnet exercise hint",
    "npnet exercise mistakes",
    "npnet help",
}


def test_every_command_that_reports_figures_has_json() -> None:
    without = {
        name for name, parser in COMMANDS.items() if "--json" not in dict(options_of(parser))
    }
    assert without == TEXT_ONLY


# What makes a recipe

SMALL = npnet.Recipe("small", hidden=5, batch=9, steps=12, seed=3, rates=((0, 0.1), (4, 0.05)))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_words: list[str]) -> Path:
    """A folder with a recipe in every form, and words; no big corpora."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NPNET_CORPORA", raising=False)
    monkeypatch.setenv("NPNET_CACHE", str(tmp_path / "no cache"))
    Path("w.txt").write_text("\n".join(small_words) + "\n", encoding="utf-8")
    Path("small.json").write_text(SMALL.to_json(), encoding="utf-8")
    npnet.fit(SMALL, small_words).save("run", plot=False)
    recipe = (
        '[recipe]\nname = "small"\nhidden = 5\nbatch = 9\nsteps = 12\nseed = 3\n'
        "rates = [[0, 0.1], [4, 0.05]]\n"
    )
    Path("bare.toml").write_text(recipe, encoding="utf-8")
    Path("small.toml").write_text(
        'source = "a test"\n'
        f'[corpus]\nname = "none"\nsha256 = "{"0" * 64}"\n'
        f"{recipe}"
        '[printed]\nlosses = { 0 = "3.3" }\n',
        encoding="utf-8",
    )
    return tmp_path


FORMS = ("small.json", "run", "run/recipe.json", "small.toml", "bare.toml")
TAKERS = (
    "train --quiet --out new",
    "check",
    "page new.html",
    "oracle check",
    "oracle accuracy --seeds 1",
    "oracle golden new",
    "oracle lockstep",
)


def run(command: str, *options: str) -> int:
    program, *arguments = command.split()
    if program == "oracle":
        return oracle([*arguments, *options])
    return main([program, *arguments, *options])


# The fast tests: each command with one form, and one command with each form.
@pytest.mark.parametrize(
    ("command", "form"),
    slow_but(
        itertools.product(TAKERS, FORMS),
        [*((taker, "small.json") for taker in TAKERS), *(("check", form) for form in FORMS)],
    ),
)
def test_every_command_reads_every_form_of_a_recipe(
    here: Path, monkeypatch: pytest.MonkeyPatch, command: str, form: str
) -> None:
    taken: list[Recipe] = []
    begin = fit.begin

    def noted(recipe: Recipe, words: list[str]) -> fit.Start:
        taken.append(recipe)
        return begin(recipe, words)

    monkeypatch.setattr(fit, "begin", noted)
    monkeypatch.setattr("oracle.lockstep.npnet_begin", noted)

    def noted_by_torch(recipe: Recipe, words: list[str]) -> Start:
        taken.append(recipe)
        return torch_begin(recipe, words)

    monkeypatch.setattr("oracle.golden.begin", noted_by_torch)
    assert run(command, "--recipe", form, "--words", "w.txt", "--set", "decay=0.999") == 0
    assert taken
    for recipe in taken:
        assert replace(recipe, dtype="float32") == replace(SMALL, decay=0.999)


def test_options_change_the_recipe_that_was_named(here: Path) -> None:
    options = ("--hidden", "6", "--batch", "11", "--seed", "8", "--steps", "7")
    assert run("train --quiet --out new", "--recipe", "run", "--words", "w.txt", *options) == 0
    changed = replace(SMALL, hidden=6, batch=11, seed=8, steps=7)
    assert npnet.load_run("new").recipe == changed


def test_a_publication_without_its_corpus_takes_npnets_and_says_so(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train --quiet --out new", "--recipe", "small.toml") == 0
    said = capsys.readouterr().err
    assert said == "small: none was not found, taking the corpus that comes with npnet\n"
    assert list(npnet.load_run("new").words) == npnet.default_words()


def test_a_publication_brings_its_corpus(
    here: Path, small_words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = hashlib.sha256(Path("w.txt").read_bytes()).hexdigest()
    text = Path("small.toml").read_text(encoding="utf-8").replace("0" * 64, sha256)
    Path("small.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("NPNET_CORPORA", str(here))
    assert run("train --quiet --out new", "--recipe", "small.toml") == 0
    assert list(npnet.load_run("new").words) == small_words


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--recipe", "lectur"), "--recipe: got 'lectur', wanted one of lecture"),
        (("--recipe", "lectur"), ": did you mean lecture?"),
        (("--set", "hiden=3"), "--set: no field 'hiden', did you mean hidden?"),
        (("--set", "dtype=float32"), "--set dtype: got float32, wanted float64"),
        (("--batch", "4"), "--batch: got 4, wanted 8 or more"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_nearest(
    here: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], says: str
) -> None:
    assert run("check", *options) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "fields",
    [
        {"split": "examples"},
        {"split": "examples", "split_seed": 5},
        {"batch_over": 40},
        {"batch_first": True, "steps": 3},
        {"shuffles": 0},
        {"batch_once": True},
    ],
    ids=str,
)
def test_check_takes_the_first_minibatch_that_torch_draws(
    here: Path, capsys: pytest.CaptureFixture[str], small_words: list[str], fields: dict[str, Any]
) -> None:
    options = [text for key in fields for text in ("--set", f"{key}={json.dumps(fields[key])}")]
    assert run("check", "--recipe", "run", "--words", "w.txt", "--json", *options) == 0
    figures = json.loads(capsys.readouterr().out)
    reference = replay(replace(SMALL, dtype="float64", **fields), small_words, steps=0)
    assert figures["loss"] == pytest.approx(float(reference.values["loss"]), rel=1e-12)


# Words


def test_replay_takes_the_words_that_train_takes(
    monkeypatch: pytest.MonkeyPatch, names_txt: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(os.environ["NPNET_CORPORA"], "names.txt")
    replayed = ["replay", "part3", "--steps", "1", "--words"]
    shown = []
    with file.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        for words in ("names.txt", str(file), "-"):
            assert main([*replayed, words]) == 0
            shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] == shown[2]
    assert len(names_txt) == 32_033


def test_replay_refuses_other_words_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"anna\n")))
    assert main(["replay", "part3", "--words", "-"]) == 2
    assert "standard input has " in capsys.readouterr().err


def test_the_shipped_corpus_has_a_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for words in ([], ["--words", "names.csv"], ["--words", str(shipped_corpus())]):
        assert main(["data", "--show", "anna", *words]) == 0
        shown.append(capsys.readouterr())
    assert shown[0] == shown[1] == shown[2]


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("check --rows 9 --recipe run --words w.txt", 0, "npnet check: --rows is now --batch"),
        (
            "page new.html --rows 9 --recipe run --words w.txt",
            0,
            "npnet page: --rows is now --batch",
        ),
        ("oracle bench --rows nothing", 2, "oracle bench: --rows is now --only"),
        ("oracle bench --rows nothing", 2, "--only: got 'nothing', wanted "),
    ],
)
def test_an_older_name_is_taken_and_the_new_one_said(
    here: Path, capsys: pytest.CaptureFixture[str], command: str, code: int, says: str
) -> None:
    assert run(command) == code
    assert says in capsys.readouterr().err


# Files that are there

WRITERS = (
    ("plot run --out {}", "it.png"),
    ("page {} --recipe run --words w.txt", "it.html"),
    ("exercise new {}", "it.py"),
    ("oracle lockstep run --words w.txt --plot {}", "it.svg"),
    ("oracle lockstep run --words w.txt --csv {}", "it.csv"),
    ("oracle golden {} --recipe run --words w.txt --npz", "it"),
)


@pytest.mark.parametrize(
    ("command", "name"), slow_but(WRITERS, [pair for pair in WRITERS if "lockstep" not in pair[0]])
)
def test_a_file_that_is_there_is_replaced_only_with_force(
    here: Path, capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    command = command.format(name)
    assert run(command) == 0
    written = contents(Path(name))
    for file in written:
        if not file.endswith("manifest.json"):
            Path(file).write_bytes(b"mine")
    mine = contents(Path(name))
    assert run(command) == 2
    assert "--force to replace it" in capsys.readouterr().err
    assert contents(Path(name)) == mine
    assert run(f"{command} --force") == 0
    assert contents(Path(name)) == written


def contents(path: Path) -> dict[str, bytes]:
    files = path.rglob("*") if path.is_dir() else [path]
    return {str(file): file.read_bytes() for file in files if file.is_file()}


def test_a_picture_in_its_runs_folder_may_be_redrawn(here: Path) -> None:
    assert run("plot run --out run/loss.png") == 0
    shutil.copy("run/loss.png", "loss.png")
    assert run("plot run --out loss.png") == 2
    assert run("plot run --out run/recipe.json --force") == 2


def test_parsers_keep_one_line_errors_in_every_command() -> None:
    assert all(isinstance(parser, Parser) for parser in COMMANDS.values())
