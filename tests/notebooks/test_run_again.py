"""A cell that differs is tried again: as older torch, and with cells before it left out."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import Any

import made_notebooks as made
import numpy as np
import pytest

import npnet.tensors as torch
from npnet.cli import main
from npnet.notebooks.again import Before, EarlierLoop, in_a_copy
from npnet.notebooks.read import read_notebook
from npnet.notebooks.run import Options, run_notebook

START = "import torch\ng = torch.Generator().manual_seed(5)\nseen = []\np = torch.ones(26)"
SAMPLE = """
letters = [chr(97 + torch.multinomial(p, 1, generator=g).item()) for _ in range(12)]
seen.append(letters)
print(''.join(letters))
"""
CELLS = [START, SAMPLE, "print(len(seen), seen[0][0] == letters[0])"]


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook that stores what torch 2.0 to 2.6 prints."""
    file = tmp_path_factory.mktemp("older") / "older.ipynb"
    file.write_text(made.ipynb(CELLS), encoding="utf-8")
    ran = run_notebook(read_notebook(file), Options(sampler="mkl"))
    texts = ["".join(output.text for output in cell.outputs) for cell in ran]
    cells = [
        (code, [made.stream(text)] if text else []) for code, text in zip(CELLS, texts, strict=True)
    ]
    file.write_text(made.ipynb(cells), encoding="utf-8")
    return file


def test_names_of_older_torch_are_explained(
    older: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["notebook", str(older)]) == 0
    printed = capsys.readouterr().out
    assert "equal with --sampler mkl" in " ".join(printed.split())
    assert "1 equal, 1 different" in printed  # the list has one entry: the trial is not seen


def test_names_of_no_sampler_have_no_reason(
    older: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = next(output.text for cell in read_notebook(older).cells for output in cell.outputs)
    changed = tmp_path / "changed.ipynb"
    text = older.read_text(encoding="utf-8")
    changed.write_text(text.replace(names.strip(), names.strip()[::-1]), encoding="utf-8")
    assert main(["notebook", str(changed)]) == 1
    printed = capsys.readouterr().out
    assert "no reason is known" in printed
    assert "sampler" not in printed


def test_cells_that_had_not_run_again_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "order.ipynb"
    cells: list[Any] = ["m = [3.5]", "n = 1", "m = m + [7.25]"]
    write = "open('log.txt', 'a').write('x')"
    for shown, stored in (("m + [n]", "[3.5, 1]"), ("m", "[3.5]"), (write, "7")):
        cells.append((shown, [made.result(stored)]))
    file.write_text(made.ipynb(cells), encoding="utf-8")
    assert main(["notebook", str(file)]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "order: equal if cell 3 is left out" in printed
    assert "order: equal if cells 3, 4 are left out" in printed
    assert printed.count("no reason is known") == 1
    assert "[3.5, 7.25, 1]" in printed  # the run itself left nothing out
    assert file.with_name("log.txt").read_text(encoding="utf-8") == "x"  # and wrote once


def test_names_and_generators_are_put_back() -> None:
    g = torch.Generator().manual_seed(3)
    names = {"g": g, "x": 1}
    before = Before(names)

    def drawn() -> list[Any]:
        both = torch.rand(2, generator=g).tolist(), torch.rand(2).tolist()
        return [*both, random.random(), np.random.rand()]  # noqa: NPY002

    first = drawn()
    names |= {"x": 2, "y": 3}
    before.restore()
    assert names == {"g": g, "x": 1}
    assert drawn() == first


def test_a_loop_begins_where_an_earlier_run_of_it_began() -> None:
    kept = torch.get_rng_state()
    torch.manual_seed(9)
    first = torch.rand(40).tolist()
    w = torch.zeros(2)
    loop = EarlierLoop.begins(Before({"w": w}))
    loop.add(1, "w.data += torch.rand(20)[:2]\nfor i in range(9):\n    w.data += 1")
    w.data += torch.rand(20)[:2]
    assert loop.stopped(3, 0) == []  # nothing has run below it
    loop.add(2, "w")
    assert [number for number, _ in loop.stopped(3, 2)] == [1, 2]
    assert loop.stopped(3, 3) == []  # so many words were not drawn before
    loop.restore(1)
    assert (w.tolist(), torch.rand(20).tolist()) == ([0, 0], first[20:])
    torch.set_rng_state(kept)


def test_a_copy_that_fails_or_is_slow_gives_nothing() -> None:
    assert in_a_copy(lambda: ["a", 1], 5) == ["a", 1]
    assert in_a_copy(lambda: 1 / 0, 5) is None
    assert in_a_copy(lambda: time.sleep(5), 0.05) is None
    left = in_a_copy(lambda: signal.getitimer(signal.ITIMER_REAL)[0], 1000)
    assert 900 < left <= 1000


# What a trial may not do: each line with the path of a file and that of a folder.
EFFECTS = [
    *("open(file, 'w')", "open(file, 'a')", "open(file, 'r+')", "open(new, 'x')"),
    *("os.open(file, os.O_RDWR)", "os.open(file, os.O_TRUNC)", "os.open(new, os.O_CREAT)"),
    *("os.remove(file)", "os.unlink(file)", "os.rename(file, new)", "os.replace(file, new)"),
    *("os.mkdir(new)", "os.rmdir(folder)", "os.link(file, new)", "os.symlink(file, new)"),
    *(
        "os.chmod(file, 0o600)",
        "os.chown(file, -1, -1)",
        "os.utime(file)",
        "os.truncate(file, 0)",
        "os.kill(os.getpid(), 0)",
    ),
    *("shutil.copyfile(file, new)", "shutil.move(file, new)", "shutil.rmtree(folder)"),
    *("os.system('true')", "subprocess.run(['true'])", "os.fork() or os._exit(0)"),
    *("os.posix_spawn('/bin/true', ['true'], {})", "os.execv('/bin/true', ['true'])"),
    *("sqlite3.connect(new)", "socket.create_connection(('127.0.0.1', 9))"),
    *("urllib.request.urlopen('data:,')",),
]


@pytest.mark.parametrize("effect", EFFECTS)
def test_a_copy_changes_nothing_outside_of_itself(effect: str, tmp_path: Path) -> None:
    file, folder = tmp_path / "file.txt", tmp_path / "folder"
    file.write_text("kept", encoding="utf-8")
    folder.mkdir()
    names: dict[str, Any] = {"file": file, "folder": folder, "new": tmp_path / "new"}
    exec("import os, shutil, socket, sqlite3, subprocess, urllib.request", names)

    def refused() -> str:
        try:
            eval(effect, names)
        except PermissionError as error:
            return str(error)
        return "was done"

    assert "a trial of a cell changes nothing" in str(in_a_copy(refused, 20))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.txt", "folder"]
    assert in_a_copy(file.read_text, 20) == "kept"


def test_a_cell_that_ran_twice_runs_twice(tmp_path: Path) -> None:
    words = list("abcdefgh")
    for _ in range(2):  # each time with the seed of the cell
        random.Random(1).shuffle(words)
    shuffle = "import random\nrandom.seed(1)\nrandom.shuffle(words)\nprint(words)"
    cells = [
        ("words = list('abcdefgh')", []),
        (shuffle, [made.stream(f"{words}\n")]),
        ("words[0]", [made.result(repr(words[0]))]),
    ]
    file = tmp_path / "twice.ipynb"
    file.write_text(made.ipynb(cells), encoding="utf-8")
    first, twice, last = run_notebook(read_notebook(file))
    assert twice.outputs[0].text == f"{words}\n"
    assert twice.notes == ["it runs 2 times here: its output is that of the last"]
    assert last.outputs[0].text == repr(words[0])
    assert last.shuffle == {"seed": 1, "times": 2}
    assert not first.notes
