"""Other people's machines: strict warnings, other encodings and locales, spaces in every path."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import pytest
from conftest import GOLDEN

import npnet

# Latin, Turkish dotted and dotless, Devanagari, and a letter beyond 16 bits.
NAMES = [
    "zoë",
    "éva",
    "ışıl",
    "İpek",
    "naïma",
    "नेहा",
    "𝒜da",
    "müge",
    "señora",
    "łucja",
    "ärla",
]
ACCENTED = [name + ending for ending in ("", "n", "li") for name in NAMES]

NOTHING: Mapping[str, str] = {}

# Python's own encoding is then that of the locale, which is ASCII: whatever is read or written
# without saying how would fail or differ.
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
ENVIRONMENTS = {
    "C": {"LC_ALL": "C"},
    "ASCII files and terminal": ASCII,
    "ASCII terminal": {"PYTHONIOENCODING": "ascii"},
    "Latin-1 terminal": {"PYTHONIOENCODING": "latin-1"},
    "Turkish": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "LANGUAGE": "tr"},
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with spaces and accents in its name, and a word list in it."""
    folder = tmp_path / "my höme folder"
    folder.mkdir()
    (folder / "my words.txt").write_text("\n".join(ACCENTED), encoding="utf-8")
    return folder


def environment(home: Path, changes: Mapping[str, str] = NOTHING) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LC_", "LANG", "XDG_", "NPNET_", *ASCII, "PYTHONIOENCODING"))
    }
    # Matplotlib takes a second to look through the fonts, and keeps what it found there.
    fonts = {"MPLCONFIGDIR": matplotlib.get_configdir()}
    return {**inherited, **fonts, "HOME": str(home), **changes}


def npnet_in(
    home: Path, *arguments: str, python: Sequence[str] = (), changes: Mapping[str, str] = NOTHING
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *python, "-m", "npnet", *arguments],
        cwd=home,
        env=environment(home, changes),
        capture_output=True,
        check=False,
    )


# Several commands in one process, each as the console script runs it, a semicolon after each. What
# each prints ends in a null character and its exit code, what it says in a null character.
IN_TURN = """
import sys
from npnet.cli import entry

given = sys.argv[1:]
while given:
    end = given.index(";")
    sys.argv[1:], given = given[:end], given[end + 1:]
    try:
        entry()
    except SystemExit as end:
        print(f"\\0{end.code or 0}", flush=True)
        print("\\0", file=sys.stderr, flush=True)
"""


def in_turn(
    home: Path,
    commands: Sequence[Sequence[str]],
    python: Sequence[str] = (),
    changes: Mapping[str, str] = NOTHING,
) -> list[tuple[int, bytes, bytes]]:
    """The exit code of each command, what it printed, and what it said on stderr."""
    arguments = [argument for command in commands for argument in (*command, ";")]
    done = subprocess.run(
        [sys.executable, *python, "-c", IN_TURN, *arguments],
        cwd=home,
        env=environment(home, changes),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = done.stderr.split(b"\0\n")
    printed = re.split(rb"\0(\d+)\n", done.stdout)
    assert len(said) == len(commands) + 1
    assert len(printed) == 2 * len(commands) + 1
    return [(int(printed[2 * k + 1]), printed[2 * k], said[k]) for k in range(len(commands))]


TRAIN = ("train", "--words", "my words.txt", "--steps", "70", "--hidden", "4")


# In ASCII alone everything can go wrong that can go wrong in the others.
@pytest.mark.slow
@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_an_accented_corpus_gives_the_same_run_in_any_locale(kind: str, home: Path) -> None:
    trained, sampled = in_turn(
        home, [(*TRAIN, "--out", "my rün"), ("sample", "my rün")], changes=ENVIRONMENTS[kind]
    )
    assert trained[0] == 0, trained
    # Matplotlib may say where it keeps its fonts, or that it lacks some.
    assert b"Traceback" not in trained[2]
    recipe = dataclasses.replace(npnet.RECIPES["lecture"], steps=70, hidden=4)
    ours, theirs = npnet.fit(recipe, ACCENTED), npnet.load_run(home / "my rün")
    assert theirs.words == ours.words
    assert theirs.vocab == ours.vocab
    assert theirs.losses.tobytes() == ours.losses.tobytes()
    names = (home / "my rün" / "samples.txt").read_text(encoding="utf-8").splitlines()
    assert names == ours.sample()
    encoding = "ascii" if "ASCII" in kind else "latin-1" if "Latin" in kind else "utf-8"
    printed = "\n".join([*names, ""]).encode(encoding, "backslashreplace")
    assert sampled == (0, printed, b"")


def test_errors_about_letters_that_cannot_be_shown_are_one_line(home: Path) -> None:
    command = ("data", "--show", "Ω", "--words", "my words.txt")
    done = npnet_in(home, *command, changes=ENVIRONMENTS["ASCII terminal"])
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert rb"'\u03a9' in '\u03a9', wanted characters out of" in done.stderr


def test_an_ascii_terminal_shows_all_output_of_commands(home: Path) -> None:
    commands = ["--help", "train --help", "sample --help", "replay --help", "replay", "data"]
    commands += ["--version"]
    split = [command.split() for command in commands]
    for command, result in zip(
        commands, in_turn(home, split, changes=ENVIRONMENTS["ASCII terminal"]), strict=True
    ):
        code, printed, said = result
        assert (code, said) == (0, b""), command
        assert printed.isascii(), command
        assert printed.strip(), command


@pytest.mark.slow  # the fast tests run the commands in their own process, where warnings are errors
def test_no_command_warns(home: Path) -> None:
    golden = str(GOLDEN)
    commands = [
        (*TRAIN, "--out", "my run", "--set", "statistics=running-std"),
        ("train", "--resume", "my run", "--steps", "90", "--quiet"),
        ("sample", "my run", "--count", "3"),
        ("eval", "my run", "--json"),
        ("plot", "my run", "--out", "a plot.svg"),
        ("check", "--words", "my words.txt", "--hidden", "2", "--batch", "8"),
        ("judge", f"{golden}/gradient.f32.npz", "--reference", golden),
        ("replay", "constant-gain"),
    ]
    results = in_turn(home, commands, python=("-W", "error"))
    for command, (code, _, said) in zip(commands, results, strict=True):
        assert (code, said) == (0, b""), command


@pytest.mark.slow
def test_every_file_is_opened_with_its_encoding_said(home: Path) -> None:
    telling = ("-X", "warn_default_encoding", "-W", "always::EncodingWarning")
    package = str(Path(npnet.__file__).parent)
    commands = [(*TRAIN, "--out", "my run"), ("eval", "my run"), ("replay",), ("data",)]
    for code, _, said in in_turn(home, commands, python=telling):
        assert code == 0, said
        # Matplotlib has some of its own.
        warnings = [line for line in said.decode().splitlines() if "EncodingWarning" in line]
        assert not [line for line in warnings if line.startswith(package)]


@pytest.mark.slow
def test_a_path_with_spaces_can_be_pasted_from_what_is_said(home: Path) -> None:
    command = "train --steps 9000000 --hidden 4 --checkpoint 0.01 --quiet"
    process = subprocess.Popen(
        [sys.executable, "-m", "npnet", *command.split(), "--out", "my run"],
        cwd=home,
        env=environment(home),
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (home / "my run" / "checkpoint.bin").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    command = said.partition("go on with: npnet ")[2]
    assert command == "train --resume 'my run'\n"
    resumed = subprocess.run(
        f"{sys.executable} -m npnet {command.strip()} --steps 10",
        cwd=home,
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "this run has taken" in resumed.stderr


def test_the_cache_is_found_in_a_home_with_spaces(home: Path) -> None:
    program = "from npnet.corpora.known import cache_folder; print(ascii(str(cache_folder())))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ascii(str(home))[1:-1] in done.stdout


TESTS = Path(__file__).parents[1]

READ_ONLY = """
import os, sys
checkout, out, tests = sys.argv[1:]
sys.path[:0] = [checkout, tests]

from permissions import obeyed

with obeyed():
    from npnet.cli import main
    assert sys.modules["npnet"].__file__.startswith(checkout)
    sys.exit(main(["train", "--steps", "70", "--quiet", "--out", os.path.join(out, "run")]))
"""


@pytest.mark.slow
def test_a_checkout_in_which_nobody_may_write_is_enough() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkout, out = folder / "checkout", folder / "out"
        source = Path(npnet.__file__).parent
        shutil.copytree(source, checkout / "npnet", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(source.parent / "data", checkout / "data")
        out.mkdir()
        before = sorted(checkout.rglob("*"))
        for path in (checkout, *before):
            path.chmod(0o555 if path.is_dir() else 0o444)
        command = [
            sys.executable,
            "-W",
            "error",
            "-c",
            READ_ONLY,
            str(checkout),
            str(out),
            str(TESTS),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert (out / "run" / "model.npz").is_file()
        assert sorted(checkout.rglob("*")) == before
        for path in (checkout, *before):
            path.chmod(0o755)
