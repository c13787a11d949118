"""Errors that no other test covers: exit code 2 and one line, or InputError; no file is written."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import GOLDEN, copied, slow_but

import npnet
from npnet import DivergedError, InputError
from npnet.base import blas
from npnet.base.files import new_folder, replacing
from npnet.bench import growth
from npnet.cli import main
from npnet.recipes.publication import read_publication
from npnet.training.checkpoint import NEWEST, digest, read_checkpoint
from npnet.training.runs import LOCK, locked, new_numbered

G = npnet.Generator(1)
RECIPE = dataclasses.replace(npnet.RECIPES["lecture"], hidden=4, steps=5)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory, small_words: list[str]) -> Path:
    """A folder with words, tables, a finished run, one without a model, and files of no use."""
    folder = tmp_path_factory.mktemp("stocked")
    npnet.fit(RECIPE, small_words).save(folder / "run", plot=False)
    shutil.copytree(folder / "run", folder / "half")
    (folder / "half" / "model.npz").unlink()
    files = {
        "words.txt": "\n".join(small_words),
        "names.csv": "name,language\n" + "".join(f"{word},x\n" for word in small_words),
        "dots.csv": "name\n" + "a.b\n" * 12,
        "open.csv": 'name\n"anna\n',
        "few.txt": "anna\n",
        "list.json": "[1, 2]",
        "deep.json": "[" * 100_000,
        "wide.json": '{"width": 3}',
        "mine.toml": "recipe = 3",
        "steps.csv": "step,loss\n1,2\n1,2\n",
        "loss.csv": "step,loss\n0,x\n",
        "empty.csv": "step,loss\n",
    }
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    (folder / "latin.txt").write_bytes(b"zo\xeb\n" * 12)
    return folder


@pytest.fixture
def here(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(stocked)
    monkeypatch.setenv("NPNET_CACHE", str(stocked / "no cache"))
    monkeypatch.delenv("NPNET_CORPORA", raising=False)
    return stocked


def listing(folder: Path) -> dict[str, int]:
    """The files, and when they were written; but for the lock that ``--resume`` takes."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != LOCK)
    return {str(path): path.stat().st_mtime_ns for path in files}


TRAIN = [
    ("--threads 0", "--threads: got 0, wanted 1 or more"),
    ("--checkpoint -1", "--checkpoint: got -1.0, wanted 0 seconds"),
    ("--checkpoint nan", "--checkpoint: got nan"),
    ("--hidden 0", "hidden: got 0, wanted 1 or more"),
    ("--steps 2147483648", "steps: got 2147483648"),
    ("--seed 18446744073709551616", "seed: got 18446744073709551616"),
    ("--set =3", "unknown field ''"),
    ("--set dtype=int8", "dtype: got 'int8'"),
    ("--set draws=5", "draws: got 5"),
    ('--set draws=[{"name":"Q"}]', "draws: 'Q' is no parameter"),
    ('--set draws=[{"name":"C","scale":["*"]}]', "draws: C has the scale step '*'"),
    ("--set eps=1e999", "eps: got inf"),
    ("--set eps=1.1e30", "eps: got 1.1e+30, wanted 0 or a little more, at most 1e+30"),
    ("--set rates=[[0,1e999]]", "rates: got ((0, inf),)"),
    ('--set name="a\\nb"', "name: got 'a\\nb'"),
    ('--set name="\\ud800"', "name: got '\\ud800'"),
    (f"--set name={'x' * 99}", "at most 60 printable characters"),
    (f"--set rates={'[' * 9999}", "rates: got '[["),
    ("--set batch_over=10000000", "batch_over is 10000000, wanted at most"),
    ("--set batch_first=true --set batch_over=10000000", "batch_over is 10000000, wanted at most"),
    ("--set split=examples --set split_seed=x", "split_seed: got 'x'"),
    ("--recipe nowhere.json", "--recipe: got 'nowhere.json', wanted one of lecture"),
    ("--recipe .", ". has no recipe.json, wanted the folder of a run"),
    ("--recipe latin.txt", "latin.txt: no UTF-8 text"),
    ("--recipe words.txt", "words.txt: no JSON"),
    ("--recipe deep.json", "deep.json: no JSON"),
    ("--recipe list.json", "list.json: wanted a JSON object"),
    ("--recipe wide.json", "wide.json: unknown field 'width'"),
    ("--words .", ".: Is a directory, wanted a file of words"),
    ("--words few.txt", "few.txt: 1 words, wanted 10 or more"),
    ("--words latin.txt", "latin.txt, line 1: byte 0xeb, wanted UTF-8"),
    ("--words dots.csv", "dots.csv, line 2: 'a.b' contains '.'"),
    ("--words open.csv", "open.csv, line 2: "),
    ("--words names.csv --column nome", "names.csv: no column 'nome', only name, language"),
    ("--column name", "--column: got 'name', wanted --words with a CSV file"),
    ("--words names.txt --column name", "--column: got 'name', wanted --words with a CSV file"),
    ("--words names.txt", "names.txt: no file with SHA-256 0a30b5557f19"),
    ("--out run", "run: exists already"),
    ("--out words.txt", "words.txt: exists already"),
    ("--out words.txt/run", "words.txt/run: cannot be written (Not a directory)"),
    ("--resume nowhere", "nowhere has no recipe.json"),
    ("--resume words.txt", "words.txt has no recipe.json"),
    ("--resume run --seed 0", "got --seed as well"),
    ("--resume run --fold", "got --fold as well"),
    ("--resume run --set eps=0", "got --set as well"),
    ("--resume run --out other", "got --out as well"),
    ("--resume run --steps 0", "steps: got 0, wanted 1 or more"),
]
OTHERS = [
    ("sample words.txt", "words.txt: no recipe.json in it"),
    ("sample half", "model.npz: cannot be read as an npz file of arrays: No such file"),
    (f"sample {'x' * 5000}", "no recipe.json in it"),
    ("sample run --threads 0", "threads: got 0, wanted 1 or more"),
    ("sample run --seed 18446744073709551616", "Generator: seed 18446744073709551616"),
    ("sample run --count -1", "sample: count -1"),
    ("sample run --max-length 0", "max_length 0"),
    ("sample run --temperature 0", "temperature 0.0"),
    ("sample run --temperature nan", "temperature nan"),
    ("sample run --start Ω", "'Ω' in 'Ω', wanted characters out of"),
    ("eval half", "model.npz: cannot be read"),
    ("eval run --threads -1", "threads: got -1"),
    ("eval run --fold", "eval: got --fold, wanted --words with it"),
    ("eval run --column name", "eval: got --column, wanted --words"),
    ("eval run --words few.txt", "few.txt: 1 words"),
    ("plot steps.csv --x time", "steps: its log has no times, wanted some: use --x step"),
    ("plot loss.csv", "loss.csv line 2: loss 'x', wanted a number"),
    ("plot empty.csv", "empty.csv: no losses"),
    ("plot names.csv", "names.csv line 1: got name, language, wanted a column of losses"),
    ("plot words.txt --window 3", "words.txt line 1: got "),
    ("plot run --window 0", "window 0, wanted 1 step or more"),
    ("plot run --out loss.jpg", "loss.jpg, wanted a name that ends in .png, .svg or .pdf"),
    ("plot run --out words.txt/x.png", "no folder words.txt for words.txt/x.png"),
    ("data --show anna --block-size 0", "block_size=0"),
    ("data --show Ω", "'Ω' in 'Ω'"),
    ("data --show x --column name", "--column: got 'name'"),
    ("data --in nowhere", "find_corpus: nowhere: No such file"),
    ("data --download nowhere", "'nowhere' is no known corpus"),
    ("check --batch 2147483648", "batch: got 2147483648"),
    ("check --seed 18446744073709551616", "seed: got 18446744073709551616"),
    ("check --words nowhere", "nowhere: No such file"),
    (f"judge nowhere --reference {GOLDEN}", "nowhere: No such file or directory, wanted a file"),
    ("judge nowhere --reference words.txt", "words.txt/manifest.json: Not a directory"),
    (f"judge nowhere --reference {GOLDEN} --only ,", "nowhere: No such file"),
    (f"judge {GOLDEN}/gradient.f32.npz --reference {GOLDEN} --only ,", "none of the 26 gradients"),
    ("replay mine.toml", "mine.toml: recipe: got 3, wanted a table [recipe]"),
    ("replay names.csv", "names.csv: no TOML"),
    (f"replay {'x' * 5000}", "wanted one of constant-gain, "),
]


@pytest.mark.parametrize(
    ("command", "says"),
    [*((f"train {options}", says) for options, says in TRAIN), *OTHERS],
    ids=lambda text: text[:50],
)
def test_a_command_that_cannot_be_done_is_one_line_and_exit_2(
    here: Path, capsys: pytest.CaptureFixture[str], command: str, says: str
) -> None:
    before = listing(here)
    assert main(command.split()) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.err.startswith("npnet: ")
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert listing(here) == before


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("check --recipe nowhere", "--recipe: got 'nowhere'|invalid choice: 'nowhere'"),
        ("check --seeds 0", "unrecognized arguments|--seeds"),
        ("accuracy --seeds 0", "--seeds: got 0, wanted 1 or more"),
        ("check --words nowhere", "nowhere: No such file"),
        ("check --rtol 1e-3", "rtol is 0.001 and atol is None, wanted both or neither"),
        ("check --rtol nan --atol 0", "rtol is nan, wanted a finite number"),
        ("selftest --atol 1", "rtol is None and atol is 1.0, wanted both or neither"),
        ("lockstep nowhere", "lockstep: got 'nowhere', wanted one of lecture"),
        ("lockstep lecture --steps 0", "steps: got 0, wanted 1 or more"),
        ("lockstep lecture --limit nan", "limit nan, wanted a number of 0 or more"),
        (
            "lockstep lecture --csv nowhere/x.csv",
            "no folder nowhere for nowhere/x.csv, wanted one: make it first",
        ),
        ("golden words.txt/set --recipe nowhere", "--recipe: got 'nowhere'"),
        ("golden words.txt/set --words words.txt --hidden 2", "words.txt/set: cannot be written"),
        ("golden set --from few.txt", "few.txt: is of an unknown kind, wanted an npz"),
        ("golden set --from few.txt --fold", "--problem with --fold"),
        ("golden half --words words.txt --hidden 2", "half: holds other things"),
        ("bench --only nothing", "--only: got 'nothing'"),
    ],
)
def test_the_oracle_refuses_as_npnet_does(
    here: Path, capsys: pytest.CaptureFixture[str], command: str, says: str
) -> None:
    pytest.importorskip("torch")
    from oracle.cli import main as oracle

    before = listing(here)
    try:
        code: Any = oracle(command.split())
    except SystemExit as stop:  # argparse leaves in this way
        code = stop.code
    printed = capsys.readouterr()
    assert code == 2
    assert any(part in printed.err for part in says.split("|"))
    assert printed.err.splitlines()[-1].startswith("oracle")
    assert printed.out == ""
    assert listing(here) == before


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("", "npnet: got no COMMAND, which it needs (see npnet --help)"),
        ("trian", "npnet: COMMAND: got 'trian', wanted one of train, "),
        ("trian", ": did you mean train? (see npnet --help)"),
        ("sample --temp 1", "npnet sample: no option --temp, did you mean --temperature?"),
        (
            "train --count 5",
            "no option --count, which is one of npnet sample, wanted some of --help",
        ),
        ("sample --tmeperature 1", "no option --tmeperature, did you mean --temperature?"),
        ("eval --emperature 1", "no option --emperature, wanted some of --help"),
        ("sample --nope", "npnet sample: no option --nope, wanted some of --help, --threads"),
        (
            "exercise check --step=3",
            "npnet exercise check: no option --step, did you mean --steps?",
        ),
        ("exercise", "npnet exercise: got no ACTION, which it needs (see npnet exercise --help)"),
        ("explain h dh", "npnet explain: got 'dh' as well, wanted nothing more"),
        ("train --steps many", "npnet train: --steps: got 'many', wanted a whole number"),
        ("train --steps", "npnet train: --steps: got nothing, wanted a value"),
        ("sample --temperature warm", "--temperature: got 'warm', wanted a number"),
        ("exercise hint dh --level 4", "--level: got 4, wanted one of 1, 2, 3"),
        ("judge", "npnet judge: got no THEIRS, --reference, which it needs"),
        ("check --finite --lines", "--lines: got --finite as well, wanted only one of them"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], command: str, says: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(command.split())
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


@pytest.mark.parametrize("variable", ["NPNET_CORPORA", "NPNET_CACHE"])
def test_a_folder_in_the_environment_may_be_of_nobody(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str
) -> None:
    monkeypatch.setenv(variable, "~nobody-of-that-name/lists")
    code = main(["data"])
    printed = capsys.readouterr()
    if variable == "NPNET_CACHE":  # made by the first download
        assert code == 0
    else:
        assert code == 2
        assert printed.err.startswith("npnet: NPNET_CORPORA: ~nobody-of-that-name/lists: No such")
        assert printed.err.count("\n") == 1


# What a command cannot foresee


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError(13, "Permission denied", "/nowhere/x"), "/nowhere/x: Permission denied"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (MemoryError("Unable to allocate 8.00 TiB"), "not enough memory: Unable to allocate 8.00"),
        (np.exceptions.AxisError("a mistake of ours"), None),
    ],
)
def test_what_the_system_refuses_is_one_line_and_a_mistake_of_ours_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    says: str | None,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("npnet.cli.data.words_from", fail)
    if says is None:
        with pytest.raises(type(error)):
            main(["data", "--show", "anna"])
        return
    assert main(["data", "--show", "anna"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"npnet: {says}")
    assert said.count("\n") == 1


def test_an_interruption_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("npnet.cli.data.words_from", interrupt)
    assert main(["data", "--show", "anna"]) == 130
    assert capsys.readouterr().err == "npnet: interrupted\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", slow_but(["data", "data --json", "data --show anna"], ["data"]))
def test_output_that_does_not_fit_is_one_line(command: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "npnet", *command.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "npnet: No space left on device\n"


# Folders and files that cannot be written or read


def test_a_disk_that_fills_while_a_file_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "model.npz"
    target.write_text("old")

    def write() -> None:
        with replacing(target) as path:
            path.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"model\.npz: cannot be written \(No space left"):
        write()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_folders_that_cannot_be_made_locked_or_looked_into_are_named(
    tmp_path: Path, small_words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/run: cannot be written \(Not a directory\)"):
        new_folder(tmp_path / "file" / "run")
    with pytest.raises(InputError, match=r"file/lecture-001: cannot be written"):
        new_numbered(tmp_path / "file", "lecture")
    with (
        pytest.raises(InputError, match=r"file/run: cannot be written"),
        locked(tmp_path / "file" / "run"),
    ):
        pass

    def refuse(folder: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(folder))

    run = npnet.fit(RECIPE, small_words)
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match=r"cannot be written \(Permission denied\)"):
        run.save(tmp_path)


def test_an_unreadable_checkpoint_is_not_used_but_reported(tmp_path: Path) -> None:
    (tmp_path / NEWEST).mkdir()
    checkpoint, refused = read_checkpoint(tmp_path, RECIPE, digest(["anna"]))
    assert checkpoint is None
    assert refused == [f"{tmp_path / NEWEST}: is damaged, or cannot be read: it was not used"]


def test_a_run_of_words_that_a_file_cannot_hold_is_not_saved(tmp_path: Path) -> None:
    for word, name in (("an\nna", "U+000A"), ("an\ud800na", "U+D800"), ("\0", "U+0000")):
        run = npnet.fit(RECIPE, [word, *["anna", "bob"] * 9])
        with pytest.raises(InputError, match=r"^save: ") as caught:
            run.save(tmp_path / "run")
        assert name in str(caught.value)
        assert list(tmp_path.iterdir()) == []


def test_a_golden_set_that_cannot_take_its_place_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from npnet.checks.golden import read_golden, write

    folder = copied(GOLDEN, tmp_path / "set")
    rename: Callable[[Path, Path], Path] = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(18, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InputError, match="set: cannot be written"):
        write(read_golden(GOLDEN), folder, ["npz"])
    assert {path.name for path in folder.iterdir()} == {path.name for path in GOLDEN.iterdir()}
    assert list(tmp_path.iterdir()) == [folder]


# Called from Python


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: blas.limited(0).__enter__(), "threads: got 0, wanted 1 or more"),
        (lambda: npnet.fit(RECIPE, ["anna"] * 20, threads=0), "threads: got 0"),
        (lambda: npnet.fit(RECIPE, []), "no words"),
        (lambda: npnet.fit(RECIPE, "annabella"), "the str 'annabella', wanted a list of them"),
        (lambda: npnet.fit(RECIPE, ["anna"] * 5), "parts of 4, 0, 1 words"),
        (lambda: npnet.fit(RECIPE, ["a.b"] * 20), "'a.b' contains '.'"),
        (lambda: npnet.load_run("x" * 5000), "no recipe.json in it"),
        (lambda: read_publication(Path("x" * 5000)), "File name too long"),
        (lambda: npnet.plots.losses("x" * 5000), "wanted a log of losses or a run's folder"),
        (lambda: npnet.plots.losses(object()), "wanted a run's result or folder, a log"),
        (lambda: npnet.fit("lecture", ["anna"]), "recipe: got 'lecture', wanted an npnet.Recipe"),  # type: ignore[arg-type]
        (lambda: npnet.draw_parameters("x", 27, G), "recipe: got 'x', wanted an npnet.Recipe"),  # type: ignore[arg-type]
        (lambda: next(npnet.train("x", {}, 0, 0, G)), "recipe: got 'x', wanted an npnet.Recipe"),  # type: ignore[arg-type]
        (lambda: next(npnet.train(RECIPE, {}, 0, 0, G)), "train: params are a dict, wanted npnet"),  # type: ignore[arg-type]
        (lambda: npnet.forward(None, 0, 0), "Parameters: got None, wanted npnet.Parameters or a"),  # type: ignore[arg-type]
        (lambda: npnet.loss_and_gradients([1], 0, 0), "Parameters: got a list, wanted"),  # type: ignore[arg-type]
        (lambda: npnet.find_lost_seed("mine.toml"), "is a str, 'mine.toml', wanted a list: [file]"),
        (lambda: npnet.find_lost_seed([]), "find_lost_seed: got no publication"),
        (lambda: npnet.backward({}), "wanted all that npnet.forward returns"),
    ],
)
def test_a_call_that_cannot_be_done_says_what_it_wanted(
    call: Callable[[], object], says: str
) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert says in str(caught.value)


def test_a_system_that_measures_no_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    with pytest.raises(InputError, match="memory: this system does not report"):
        growth.phases("names.txt", 1)


def test_parameters_cannot_be_deleted() -> None:
    params = npnet.draw_parameters(RECIPE, 5, npnet.Generator(1))
    with pytest.raises(AttributeError, match="Parameters is read-only: 'C' cannot be deleted"):
        del params.C


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (DivergedError(7, float("inf"), 0.5), "the loss of step 7 is inf.*smaller rate than 0.5$"),
        (DivergedError(0, float("nan"), 0.5), "the loss of step 0 is nan.*draw smaller param"),
        (DivergedError(7, float("nan"), 0.5, 0.0), "rate than 0.5, or eps above 0 for units that"),
    ],
)
def test_a_divergence_names_its_step_and_a_way_out(error: DivergedError, says: str) -> None:
    with pytest.raises(DivergedError, match=says):
        raise error


def test_figures_of_any_corpus_are_valid_json(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", "run", "--json", "--count", "3"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
