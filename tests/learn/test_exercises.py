"""The sheet: its text, and how a sheet with solutions is run and judged."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import slow_but, verdicts

import npnet
from npnet import InputError
from npnet.cli import main
from npnet.learn import training
from npnet.learn.calls import attempt
from npnet.learn.exercises import EXERCISES, sheet, shown_solution, write_sheet
from npnet.learn.grading import RIGHT, UNSOLVED, WRONG, Grades
from npnet.learn.grading_inputs import EVEN
from npnet.learn.notation import code_of
from npnet.learn.sheet_check import check_sheet, watched
from npnet.learn.sheet_process import packed, unpacked

AT_ONCE = """
import numpy as np

def dlogits_at_once(v, d):
    e = np.exp(v.logits - v.logits.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    p[np.arange(len(v.Y)), v.Y] -= 1
    return p / len(v.Y)

def dhprebn_at_once(v, d):
    n = len(v.bnraw)
    bessel = n / (n - 1) * v.bnraw * (d.hpreact * v.bnraw).sum(0)
    return v.bngain * v.bnvar_inv / n * (n * d.hpreact - d.hpreact.sum(0) - bessel)

class Made:
    loss = 1.0

def backward(v, d):
    made = Made()
    for name, line in LINES.items():
        setattr(made, name, line(v, made))
    return [made.C, made.W1, made.b1, made.W2, made.b2, made.bngain, made.bnbias]
"""

# A sheet on which all is right.
SOLVED = "\n\n".join(
    [
        AT_ONCE,
        *map(code_of, npnet.GRADIENTS.values()),
        f"LINES = {{name: globals()['d' + name] for name in {[*npnet.GRADIENTS]}}}",
    ]
)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """Write a sheet."""

    def write(text: str) -> Path:
        path = tmp_path / "sheet.py"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(autouse=True)
def nothing_remembered(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A new folder for the finished trainings of each test."""
    kept = tmp_path_factory.mktemp("kept")
    monkeypatch.setattr(training, "folder", lambda: kept)
    return kept


def test_the_sheet_has_a_stub_for_every_exercise_in_the_lectures_order() -> None:
    stubs = re.findall(r"^def (\w+)\(v, d\):", sheet(), re.MULTILINE)
    lines = [f"d{name}" for name in npnet.GRADIENTS]
    assert stubs == [*lines, "dlogits_at_once", "dhprebn_at_once", "backward"] == [*EXERCISES]
    assert re.findall(r"^# Exercise (\d): ", sheet(), re.MULTILINE) == ["1", "2", "3", "4"]


def test_the_sheet_gives_no_answer_away_and_imports_numpy_alone() -> None:
    text = sheet().replace(" ", "")
    for exercise in EXERCISES.values():
        answers = [line.replace(" ", "") for line in exercise.code if line.startswith("d")]
        assert not any(answer in text for answer in answers)
    assert re.findall(r"^(?:import|from) .*", sheet(), re.MULTILINE) == ["import numpy as np"]


def test_a_new_sheet_is_all_unsolved_and_nothing_is_wrong(tmp_path: Path) -> None:
    write_sheet(tmp_path / "new.py")
    grades = check_sheet(tmp_path / "new.py")
    assert {*verdicts(grades).values()} == {UNSOLVED}
    assert grades.passed
    assert grades.progress == "0/26"


def test_new_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.py"
    path.write_text("mine")
    assert main(["exercise", "new", str(path)]) == 2
    assert path.read_text() == "mine"
    assert "exists already" in capsys.readouterr().err
    assert main(["exercise", "new", str(tmp_path / "no folder" / "x.py")]) == 2


def test_a_solved_sheet_is_right_and_trains_as_we_do(written: Callable[[str], Path]) -> None:
    path = written(SOLVED)
    before = path.read_bytes(), path.stat().st_mtime_ns
    grades = check_sheet(path, steps=200)
    assert {*verdicts(grades).values()} == {RIGHT}, str(grades)
    assert grades.progress == "26/26"
    assert grades.curve is not None
    np.testing.assert_allclose(grades.curve.yours, grades.curve.ours, rtol=1e-4)
    assert grades.curve.ours[-50:].mean() < grades.curve.ours[:50].mean() - 0.2
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [*path.parent.iterdir()] == [path]


def test_an_attempt_survives_the_way_between_two_processes() -> None:
    found = attempt(EXERCISES["dh"], lambda v, d: d.logits @ v.W2)
    again = unpacked(json.loads(json.dumps(packed(found))))
    assert again.failures == found.failures
    assert again.seen == found.seen == {"v.W2", "d.logits"}
    np.testing.assert_array_equal(again.results[EVEN]["h"], found.results[EVEN]["h"])
    assert again.results[EVEN]["h"].dtype == np.float64


LOOPS = """
def dlogprobs(v, d):
    while True:
        print("x" * 100)

def dnorm_logits(v, d):
    return v.counts * d.counts
"""
HOSTILE = """
import os, sys

def dprobs(v, d):
    os._exit(3)

def dcounts_sum_inv(v, d):
    os.kill(os.getpid(), 9)

def dcounts_sum(v, d):
    sys.exit(0)

def dcounts(v, d):
    return dcounts(v, d)

def dnorm_logits(v, d):
    print("still here")
    return v.counts * d.counts

def dlogit_maxes(v, d):
    sys.stdout.close()
    return -d.norm_logits.sum(1, keepdims=True)

def dlogits(v, d):
    raise NotImplementedError

def dh(v, d):
    input("name? ")
"""


@pytest.mark.slow  # an endless loop at the top of a sheet is a fast test
def test_a_sheet_that_loops_is_judged_to_its_end(written: Callable[[str], Path]) -> None:
    marks = {mark.name: mark for mark in check_sheet(written(LOOPS), seconds=2).marks}
    assert marks["dlogprobs"].reason == "it still runs after 2 s: an endless loop?"
    assert marks["dnorm_logits"].verdict == RIGHT


@pytest.mark.slow
def test_a_sheet_that_exits_and_crashes_is_judged_to_its_end(
    written: Callable[[str], Path],
) -> None:
    marks = {mark.name: mark for mark in check_sheet(written(HOSTILE)).marks}
    said = {name: mark.reason for name, mark in marks.items()}
    assert said["dprobs"] == "it ends the process, with exit code 3"
    assert said["dcounts_sum_inv"] == "it crashes Python (SIGKILL)"
    assert said["dcounts_sum"] == "line 11: it ends the program (sys.exit)"
    assert "RecursionError" in said["dcounts"]
    assert (marks["dnorm_logits"].verdict, marks["dnorm_logits"].printed) == (RIGHT, "still here\n")
    assert marks["dlogit_maxes"].verdict == RIGHT
    assert marks["dlogits"].verdict == UNSOLVED
    assert "EOFError" in said["dh"]


BAD_SHEETS = [
    ("def softmax(v, d:\n    pass", r"line 1: no Python \("),
    ("a\0b", "no Python"),
    ("import nothing_of_this_name\n", "line 1: ModuleNotFoundError: No module named"),
    ("\nx = 1 / 0\n", "line 2: ZeroDivisionError"),
    ("import sys\nsys.exit(0)\n", "ends the program"),
    ("import os\nos._exit(5)\n", "when it is loaded, it ends the process, with exit code 5"),
    (
        "def dlogitz(v, d):\n    return 1\n",
        "line 1: dlogitz is no exercise, did you mean dlogits",
    ),
    ("def dlogit(vals, grads):\n    return 1\n", "dlogit is no exercise"),
    (
        "def fancy(v, d):\n    return 1\n",
        "fancy is no exercise, give a helper other parameters",
    ),
    ("dh = 3\n", "dh is an int, wanted a function"),
    ("def softmax(x):\n    return x\n", "holds none of the 29 functions"),
    ("", "holds none of the 29 functions"),
]


@pytest.mark.parametrize(("text", "said"), slow_but(BAD_SHEETS, BAD_SHEETS[:3] + BAD_SHEETS[6:7]))
def test_a_bad_sheet_is_refused_in_one_message(
    written: Callable[[str], Path], text: str, said: str
) -> None:
    with pytest.raises(InputError, match=said) as refusal:
        check_sheet(written(text), seconds=5)
    assert "\n" not in str(refusal.value)
    assert "sheet.py" in str(refusal.value)


@pytest.mark.slow
def test_an_endless_loop_at_the_top_of_a_sheet_ends(written: Callable[[str], Path]) -> None:
    with pytest.raises(InputError, match=r"when it is loaded, it still runs after 0\.5 s"):
        check_sheet(written("while True: pass"), seconds=0.5)


def test_a_sheet_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.py: No such file .* npnet exercise new"):
        check_sheet(tmp_path / "missing.py")
    with pytest.raises(
        InputError, match=r"Is a directory, wanted an exercise sheet: name its file$"
    ):
        check_sheet(tmp_path)
    (tmp_path / "latin.py").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="no UTF-8 text"):
        check_sheet(tmp_path / "latin.py")


def test_a_sheet_may_import_its_neighbours_but_they_hide_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def half(x):\n    return x / 2\n")
    (tmp_path / "random.py").write_text("raise RuntimeError('not the library')\n")
    sheet = tmp_path / "sheet.py"
    sheet.write_text(
        "import random\nfrom mine import half\n\n"
        "def softmax(x, axis):\n    return x\n\n"
        "def dprobs(v, d):\n    return half(2 * d.logprobs / v.probs)\n"
    )
    assert verdicts(check_sheet(sheet)) == {"dprobs": RIGHT}
    assert {path.name for path in tmp_path.iterdir()} == {"mine.py", "random.py", "sheet.py"}


def test_exit_codes_and_json(
    written: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = written("def dh(v, d):\n    return d.logits @ v.W2.T\n")
    assert main(["exercise", "check", str(path)]) == 0
    assert "1/26" in capsys.readouterr().out
    path = written("def dh(v, d):\n    return 2 * d.logits @ v.W2.T\n")
    assert main(["exercise", "check", str(path), "--json"]) == 1
    figures = json.loads(capsys.readouterr().out)
    assert figures["marks"][0]["verdict"] == WRONG
    assert figures["marks"][0]["cause"].endswith("times 2")
    assert main(["exercise", "check", str(path.parent / "none.py")]) == 2
    assert main(["exercise", "check", str(path), "--seconds", "0"]) == 2
    assert main(["exercise", "check", str(path), "--plot", "x.png"]) == 2
    assert not Path("x.png").exists()


@pytest.mark.slow
def test_the_plot_is_drawn_on_demand(
    written: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(SOLVED)
    picture = path.parent / "loss.png"
    arguments = ["exercise", "check", str(path), "--steps", "100", "--plot", str(picture)]
    assert main(arguments) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "mean loss of steps" in capsys.readouterr().out


@pytest.mark.slow
def test_the_commands_run_as_a_user_runs_them(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONWARNINGS": "error"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "npnet", "exercise", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    assert run("new").returncode == 0
    done = run("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(
        "0/26 lines; functions: 29 unsolved\n"
        "next: dlogprobs, for a hint: npnet exercise hint dlogprobs\n"
    )


def test_a_typo_in_one_function_does_not_stop_the_others(
    written: Callable[[str], Path],
) -> None:
    path = written(
        "import numpy as np\n\n"
        "def dprobs(v, d):\n    return d.logprobs / v.probs\n\n"
        "def dh(v, d)\n    return d.logits @ v.W2.T\n\n"
        "def db2(v, d):\n    return (d.logits.sum(0)\n\n"
        "def dW2(v, d):\n    return v.h.T @ d.logits\n"
    )
    marks = {mark.name: mark for mark in check_sheet(path).marks}
    assert (marks["dprobs"].verdict, marks["dW2"].verdict) == (RIGHT, RIGHT)
    assert re.match(r"line 6: no Python \(expected ':'\)", marks["dh"].reason)
    assert re.match(r"line 10: no Python \('\(' was never closed\)", marks["db2"].reason)


OF_THE_LECTURE = [
    ("d.logprobs / probs", "write v.probs"),
    ("dlogits / v.probs", "write d.logits"),
    ("d.logprobs / n", r"write len\(v.Y\)"),
    ("d.logprobs[range(len(Yb)), Yb]", "write v.Y"),
    ("np.ones(vocab_size)", r"write len\(v.C\)"),
    ("dprobs / v.probs", "your function; the gradient is d.probs"),
]


@pytest.mark.parametrize(("line", "said"), slow_but(OF_THE_LECTURE, OF_THE_LECTURE[:2]))
def test_a_name_of_the_lecture_is_answered_with_the_sheets(
    line: str, said: str, written: Callable[[str], Path]
) -> None:
    (mark,) = check_sheet(
        written(f"import numpy as np\ndef dprobs(v, d):\n    return {line}\n")
    ).marks
    assert re.search(said, mark.reason), mark.reason


def test_a_size_written_as_a_number_is_told_that_sizes_differ(
    written: Callable[[str], Path],
) -> None:
    path = written(
        "import numpy as np\nn = 32\n"
        "def dlogprobs(v, d):\n    g = np.zeros_like(v.logprobs)\n"
        "    g[range(n), v.Y] = -1 / n\n    return g\n"
        "def dhprebn(v, d):\n    return d.bndiff + d.bnmeani / n\n"
    )
    for mark in check_sheet(path).marks:
        assert "sizes differ from case to case" in mark.reason, mark


def test_what_is_printed_is_said_to_be_so_once(written: Callable[[str], Path]) -> None:
    path = written("def dprobs(v, d):\n    print('a\\nb')\n    return d.logprobs / v.probs\n")
    assert str(check_sheet(path)).count("printed:") == 1


def test_colours_are_for_a_terminal_alone(written: Callable[[str], Path]) -> None:
    grades = check_sheet(written("def dprobs(v, d):\n    return d.logprobs / v.probs\n"))
    assert "\033[32mright\033[0m" in grades.text(colour=True)
    assert "\033" not in str(grades)


def test_one_function_can_be_checked_alone(
    written: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(
        "def dprobs(v, d):\n    return v.probs\n\ndef dh(v, d):\n    return d.logits @ v.W2.T\n"
    )
    assert main(["exercise", "check", str(path), "h"]) == 0
    out = capsys.readouterr().out
    assert "dh" in out
    assert "dprobs" not in out
    assert main(["exercise", "check", str(path), "dW1"]) == 2
    assert "it has no function dW1" in capsys.readouterr().err
    assert main(["exercise", "check", str(path), "dlogitz"]) == 2
    assert "did you mean dlogits" in capsys.readouterr().err
    assert main(["exercise", "check", str(path), str(path)]) == 2


def test_the_next_exercise_is_suggested(written: Callable[[str], Path]) -> None:
    stub = "\n\ndef dlogprobs(v, d):\n    ...\n"
    text = "def dprobs(v, d):\n    return d.logprobs / v.probs\n" + stub
    assert check_sheet(written(text)).next_step.startswith("next: dlogprobs, for a hint:")
    wrong = text.replace("/ v.probs", "* v.probs")
    assert check_sheet(written(wrong)).next_step.startswith("next: dprobs")


@pytest.mark.slow
def test_our_solutions_paste_into_a_sheet_and_are_right(written: Callable[[str], Path]) -> None:
    text = "\n\n".join(map(shown_solution, EXERCISES.values()))
    grades = check_sheet(written(f"import numpy as np\n\n{text}\n"), steps=20)
    assert {*verdicts(grades).values()} == {RIGHT}, str(grades)
    assert "you have written backpropagation by hand" in grades.next_step


@pytest.mark.slow
def test_exercise_4_trains_only_when_it_changed(
    written: Callable[[str], Path], nothing_remembered: Path
) -> None:
    path = written(f"import numpy as np\n\n{shown_solution(EXERCISES['backward'])}\n")
    first = check_sheet(path, steps=30)
    kept = (nothing_remembered / "trainings.json").read_text()
    assert len(json.loads(kept)) == 1
    path.write_text(path.read_text() + "\n# a comment\n\ndef dprobs(v, d):\n    return 1\n")
    again = check_sheet(path, steps=30)
    assert (nothing_remembered / "trainings.json").read_text() == kept
    assert first.curve is not None
    assert again.curve is not None
    np.testing.assert_array_equal(first.curve.yours, again.curve.yours)
    path.write_text(path.read_text().replace("0.5", "0.25"))
    check_sheet(path, steps=30)
    assert len(json.loads((nothing_remembered / "trainings.json").read_text())) == 2


@pytest.mark.slow
def test_a_watched_sheet_is_judged_again_where_it_changed(
    written: Callable[[str], Path],
) -> None:
    path = written("def dprobs(v, d):\n    return v.probs\n\ndef dh(v, d):\n    return v.h\n")
    watch = watched(path, pause=0.01)
    first = next(watch)
    assert isinstance(first, Grades)
    assert [*verdicts(first)] == ["dprobs", "dh"]
    path.write_text(path.read_text().replace("return v.h", "return d.logits @ v.W2.T"))
    second = next(watch)
    assert isinstance(second, Grades)
    assert verdicts(second) == {"dh": RIGHT}
    path.write_text("x = (\n")
    assert isinstance(next(watch), InputError)
    path.write_text("def dh(v, d):\n    return d.logits @ v.W2.T\n")
    third = next(watch)
    assert isinstance(third, Grades)
    assert verdicts(third) == {"dh": RIGHT}
