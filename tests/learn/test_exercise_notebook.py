"""The exercises as a notebook: its form, its verdicts, and functions that never end."""

import importlib.util
import itertools
import json
import math
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import npnet
from npnet import InputError
from npnet.cli import main
from npnet.learn.exercise_notebook import notebook
from npnet.learn.exercises import EXERCISES, shown_solution
from npnet.learn.grading import ERROR, RIGHT, UNSOLVED, Grades
from npnet.learn.sheet_check import check_sheet
from npnet.learn.time_limit import TimeIsUp, time_limit

# Runs a notebook as Jupyter does, and checks its form.
EXECUTE = """
import sys, nbclient, nbformat
made = nbformat.read(sys.argv[1], as_version=4)
nbformat.validate(made)
nbclient.NotebookClient(made, timeout=60, kernel_name="python3").execute()
nbformat.write(made, sys.argv[1])
"""

ENDLESS = "def dprobs(v, d):\n    while v.probs.any():\n        pass\n"
WRONG_ONE = "def db2(v, d):\n    return d.logits.mean(0)\n"


def cells(kind: str = "code") -> list[dict[str, Any]]:
    return [cell for cell in json.loads(notebook())["cells"] if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def filled(functions: dict[str, str], seconds: float) -> dict[str, Any]:
    """A new notebook in which some functions are written, and the time is shorter."""
    made: dict[str, Any] = json.loads(notebook())
    for cell in made["cells"]:
        if cell["id"] in functions:
            grade = source(cell).splitlines()[-1]
            assert grade.startswith("npnet.grade(")
            short = f"{grade.removesuffix(')')}, seconds={seconds:g})"
            cell["source"] = f"{functions[cell['id']]}\n\n{short}"
    return made


def test_the_notebook_has_a_cell_for_every_exercise_in_order() -> None:
    names = [cell["id"] for cell in cells()]
    assert names == ["imports", *EXERCISES, "grades"]
    for cell in cells()[1:-1]:
        assert re.findall(r"^def (\w+)\(v, d\):", source(cell), re.MULTILINE) == [cell["id"]]
        assert source(cell).endswith(f'npnet.grade({{"{cell["id"]}": {cell["id"]}}})')
    assert all(f"## Exercise {part}: " in notebook() for part in (1, 2, 3, 4))


def test_the_notebook_needs_npnet_alone_and_gives_no_answer() -> None:
    text = "\n".join(map(source, cells()))
    imported = re.findall(r"^(?:import|from) .*", text, re.MULTILINE)
    assert imported == ["import numpy as np", "import npnet"]
    shown = (text + "\n".join(map(source, cells("markdown")))).replace(" ", "")
    for exercise in EXERCISES.values():
        answers = [line.replace(" ", "") for line in exercise.code if line.startswith("d")]
        assert not any(answer in shown for answer in answers)


def test_the_notebook_has_the_form_that_jupyter_reads() -> None:
    made = json.loads(notebook())
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in made["cells"]]
    assert len({*ids}) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", each) for each in ids)
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells())


def test_a_new_notebook_runs_and_all_is_unsolved() -> None:
    scope: dict[str, Any] = {}
    for cell in cells()[:-1]:
        exec(source(cell), scope)
    grades: Grades = eval(source(cells()[-1]), scope)
    assert [mark.name for mark in grades.marks] == [*EXERCISES]
    assert {mark.verdict for mark in grades.marks} == {UNSOLVED}


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("nbclient", "ipykernel")),
    reason="needs nbclient and ipykernel: pip install nbclient ipykernel",
)
@pytest.mark.slow
def test_jupyter_runs_the_notebook_and_every_cell_judges_itself(tmp_path: Path) -> None:
    right = {
        name: shown_solution(EXERCISES[name]) for name in ("dlogprobs", "dC", "dhprebn_at_once")
    }
    made = filled({**right, "dprobs": ENDLESS, "db2": WRONG_ONE}, 0.5)
    path = tmp_path / "exercises.ipynb"
    # The cell with all of them would wait for the endless one once more.
    made["cells"] = [cell for cell in made["cells"] if cell["id"] != "grades"]
    path.write_text(json.dumps(made), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, path], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    outputs = {
        cell["id"]: "".join(output["data"]["text/plain"])
        for cell in json.loads(path.read_text("utf-8"))["cells"]
        if cell["cell_type"] == "code"
        for output in cell["outputs"]
    }
    assert [*outputs] == [*EXERCISES]
    found = {name: text.splitlines()[1].split()[:2] for name, text in outputs.items()}
    unsolved = {name: [name, UNSOLVED] for name in EXERCISES}
    wrong = {"dprobs": ["dprobs", ERROR], "db2": ["db2", "WRONG"]}
    assert found == unsolved | {name: [name, RIGHT] for name in right} | wrong
    said = " ".join(outputs["dprobs"].split())
    assert re.search(r"line [23]: it still runs after 0\.5 s: an endless loop\?", said)


def test_the_command_writes_the_notebook_and_replaces_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["exercise", "new", "--notebook"]) == 0
    assert Path("exercises.ipynb").read_text("utf-8") == notebook()
    assert main(["exercise", "new", "--notebook"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["exercise", "new", "mine.ipynb", "--notebook"]) == 0
    assert main(["exercise", "new", "mine.ipynb", "--notebook", "--force"]) == 0


def test_a_name_that_does_not_fit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["mine.py", "--notebook"], ["mine.ipynb"]):
        assert main(["exercise", "new", *words]) == 2
        assert "wanted a name that ends in" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


def test_a_notebook_is_no_sheet_to_check(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_text(notebook(), encoding="utf-8")
    with pytest.raises(InputError, match="a notebook, wanted an exercise sheet"):
        check_sheet(path)


# The time limit


def endless(v: Any, d: Any) -> Any:
    while v.h.any():
        try:
            _ = d.loss / 0
        except Exception:
            continue


def test_an_endless_loop_ends_in_a_message_and_the_others_are_judged() -> None:
    grades = npnet.grade({"dprobs": endless, "dh": npnet.GRADIENTS["h"]}, seconds=0.2)
    looping, other = grades.marks
    assert (looping.verdict, other.verdict) == (ERROR, RIGHT)
    assert re.match(r"line \d+: it still runs after 0\.2 s: an endless loop\?$", looping.reason), (
        looping.reason
    )
    assert not grades.passed


def test_a_loop_that_catches_everything_ends_too() -> None:
    def dprobs(v: Any, d: Any) -> Any:
        while v.h.any():
            try:
                _ = d.loss / 0
            except:  # noqa: E722
                continue

    [mark] = npnet.grade({"dprobs": dprobs}, seconds=0.1).marks
    assert "an endless loop?" in mark.reason


@pytest.mark.slow
def test_an_endless_loop_in_training_ends_too() -> None:
    calls = itertools.count()

    def seven(v: Any, d: Any) -> Any:
        # The first calls judge it; it trains in those after them.
        while next(calls) > 40:
            pass
        return EXERCISES["backward"].solution(v, d)

    grades = npnet.grade({"backward": seven}, steps=200, seconds=0.5)
    assert grades.curve is not None
    assert re.search(r"it still runs after 0\.5 s: an endless loop\?", str(grades.curve))


def test_a_time_limit_leaves_the_callers_own_timer_as_it_was() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(TimeIsUp), time_limit(0.02):
            threading.Event().wait()
        until = time.monotonic() + 10
        while not rung and time.monotonic() < until:
            time.sleep(0.01)
        assert rung == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("seconds", [1e-3, math.inf])
def test_outside_the_main_thread_and_for_infinity_nothing_is_ended(seconds: float) -> None:
    verdicts: list[str] = []

    def grade() -> None:
        def dh(v: Any, d: Any) -> Any:
            time.sleep(0.01)
            return d.logits @ v.W2.T

        verdicts.extend(mark.verdict for mark in npnet.grade({"dh": dh}, seconds=seconds).marks)

    if math.isinf(seconds):
        grade()
    else:
        thread = threading.Thread(target=grade)
        thread.start()
        thread.join()
    assert verdicts == [RIGHT]


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_a_time_that_is_not_above_0_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match=r"grade: seconds=.*, wanted a number above 0"):
        npnet.grade({"dh": npnet.GRADIENTS["h"]}, seconds=seconds)
