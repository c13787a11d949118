"""The sheet, and what is said about the functions on it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import InputError
from npnet.cli import main
from npnet.learn.attempts import attempt
from npnet.learn.cases import EVEN, EVEN_SIZES, ODD_SIZES, cases
from npnet.learn.checking import check_sheet
from npnet.learn.child import packed, unpacked
from npnet.learn.exercises import EXERCISES, sheet, write_sheet
from npnet.learn.grading import BY_CHANCE, ERROR, RIGHT, UNSOLVED, WRONG, Grades, grade
from npnet.learn.mistakes import MISTAKES
from npnet.learn.notation import code_of

Function = Callable[[Any, Any], Any]

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


def verdicts(grades: Grades) -> dict[str, str]:
    return {mark.name: mark.verdict for mark in grades.marks}


def graded(name: str, function: Function) -> Any:
    return grade({name: function}, steps=0).marks[0]


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


def test_other_right_formulas_are_right() -> None:
    def dlogprobs(v: Any, d: Any) -> Any:
        onehot = np.eye(v.logprobs.shape[1], dtype=v.logprobs.dtype)[v.Y]
        return -onehot / len(v.Y)

    def dC(v: Any, d: Any) -> Any:
        onehot = np.eye(len(v.C), dtype=v.C.dtype)[v.X.ravel()]
        return onehot.T @ d["emb"].reshape(len(onehot), -1)

    others: dict[str, Function] = {
        "dlogprobs": dlogprobs,
        "dprobs": lambda v, d: d.logprobs * np.exp(-v.logprobs),
        "dcounts_sum": lambda v, d: -(v.counts_sum_inv**2) * d.counts_sum_inv,
        "dnorm_logits": lambda v, d: np.exp(v.logits - v.logit_maxes) * d.counts,
        "dh": lambda v, d: np.einsum("ij,kj->ik", d.logits, v.W2),
        "dhpreact": lambda v, d: d.h / np.cosh(v.hpreact) ** 2,
        "dbnvar": lambda v, d: d.bnvar_inv * v.bnvar_inv**3 / -2,
        "dbndiff2": lambda v, d: np.broadcast_to(d.bnvar / (len(v.X) - 1), v.bndiff2.shape),
        "C": dC,
    }
    assert {*verdicts(grade(others)).values()} == {RIGHT}, str(grade(others))


def test_one_mistake_never_reddens_another() -> None:
    functions: dict[str, Function] = dict(npnet.GRADIENTS)
    functions["logprobs"] = lambda v, d: np.ones_like(v.logprobs)
    functions["bndiff"] = lambda v, d: 1 / 0
    grades = grade(functions)
    assert {mark.name for mark in grades.marks if not mark.ok} == {"dlogprobs", "dbndiff"}
    assert grades.progress == "24/26"
    assert not grades.passed


@pytest.mark.parametrize(
    ("name", "made", "why"),
    [
        ("db1", lambda v, d: np.zeros_like(v.b1), "batch normalisation takes any bias out"),
        ("dlogit_maxes", lambda v, d: np.zeros_like(v.logit_maxes), "softmax ignores a shift"),
        ("dlogits", lambda v, d: d.norm_logits.copy(), "softmax ignores a shift"),
        (
            "dbnmeani",
            lambda v, d: -(v.bnvar_inv * d.bnraw).sum(0, keepdims=True),
            "distances from a mean sum to 0",
        ),
        ("dhprebn", lambda v, d: d.bndiff - d.bndiff.mean(0), "dbnmeani is minus the sum"),
        ("dlogits", lambda v, d: npnet.cross_entropy(v.logits, v.Y)[1], "comes from softmax"),
        ("dbnraw", lambda v, d: d.h * (1 - v.h**2) * v.bngain, "reads d.h, which no line that"),
    ],
)
def test_a_right_number_for_another_reason_names_the_identity(
    name: str, made: Function, why: str
) -> None:
    mark = graded(name, made)
    assert mark.verdict == BY_CHANCE
    assert why in mark.reason


def test_a_wrong_answer_shows_the_worst_element_both_values_and_their_ratio() -> None:
    mark = graded("dhpreact", lambda v, d: 3 * (1 - v.h**2) * d.h)
    assert mark.verdict == WRONG
    shown = re.search(r"worst at \((\d+), (\d+)\): yours (\S+), ours (\S+), ratio 3 ", mark.reason)
    assert shown
    case = cases()["a minibatch, float64"]
    assert float(shown[4]) == pytest.approx(
        case.gradients.hpreact[int(shown[1]), int(shown[2])], 1e-4
    )


def test_shape_and_dtype_are_judged_before_values() -> None:
    flat = graded("dbnmeani", lambda v, d: -d.bndiff.sum(0))
    assert "shape (64,), wanted (1, 64) like ours: sum with keepdims=True" in flat.reason
    wide = graded("dh", lambda v, d: d.logits.astype(np.float64) @ v.W2.T)
    assert wide.verdict == WRONG
    assert "dtype float64, wanted float32" in wide.reason


def test_a_solution_that_knows_the_size_of_the_batch_is_found_out() -> None:
    mark = graded("dhprebn", lambda v, d: d.bndiff + d.bnmeani / 32)
    assert mark.verdict == BY_CHANCE
    assert "the size of this batch" in mark.reason
    assert "32 stands where n belongs" in mark.cause


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda v, d: print(d.logprobs), "is the return missing"),
        (lambda v, d: v.probs.fill(0), "writes into what it was given"),
        (lambda v, d: np.add(v.probs, 1, out=d.logprobs), "TypeError|writes into"),
        (lambda v, d: d.probs, "d has no probs here: that gradient is not made before"),
        (lambda v, d: v.dlogprobs, "v has no dlogprobs: see d.logprobs"),
        (lambda v, d: d.dlogprobs, "it may have d.logprobs"),
        (lambda v, d: v.nothing, "v has no nothing here: it has C, W1"),
        (lambda v, d: sys.exit(), r"ends the program \(sys.exit\)"),
        (lambda v, d: "text", "wanted floats"),
        (lambda v, d: [[1.0], [1.0, 2.0]], "wanted an array"),
        (lambda v, d: 1j * v.probs, "complex"),
        (lambda v: v.probs, "takes 1 positional argument"),
        (lambda v, d: np.ones((200, 1, 1)) * np.ones((200, 200)), r"shape \(200, 200, 200\)"),
    ],
)
def test_what_cannot_be_judged_is_one_line(made: Function, said: str) -> None:
    mark = graded("dprobs", made)
    assert mark.verdict == ERROR
    assert re.search(said, mark.reason), mark.reason
    assert "\n" not in mark.reason


def test_an_input_that_is_changed_by_force_is_noticed() -> None:
    def forced(v: Any, d: Any) -> Any:
        v.probs.flags.writeable = True
        v.probs[:] = 1
        return d.logprobs / v.probs

    assert "it changes v.probs" in graded("dprobs", forced).reason
    assert graded("dprobs", npnet.GRADIENTS["probs"]).verdict == RIGHT


def test_an_exception_tells_the_line_it_came_from() -> None:
    def dprobs(v: Any, d: Any) -> Any:
        return helper(v.probs)

    def helper(probs: Any) -> Any:
        return probs["a"]

    line = helper.__code__.co_firstlineno + 1
    assert graded("dprobs", dprobs).reason.startswith(f"line {line}: IndexError: ")


def test_printing_is_allowed_and_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    def dprobs(v: Any, d: Any) -> Any:
        print("probs:", v.probs.shape)
        return d.logprobs / v.probs

    mark = graded("dprobs", dprobs)
    assert (mark.verdict, mark.printed) == (RIGHT, "probs: (32, 27)\n")
    assert capsys.readouterr().out == ""


def test_a_backward_pass_says_which_of_the_seven_are_wrong() -> None:
    def backward(v: Any, d: Any) -> Any:
        gradients = npnet.backward(v)
        seven = [gradients[name] for name in npnet.names.PARAMETER_NAMES]
        return [*seven[:3], seven[3] * 2, *seven[4:]]

    mark = graded("backward", backward)
    assert "1 of 7 wrong: W2; W2: " in mark.reason
    few = graded("backward", lambda v, d: [v.C])
    assert "returns 1 of them, wanted a list of 7" in few.reason


def test_a_training_that_goes_wrong_ends_in_a_message() -> None:
    def climbing(v: Any, d: Any) -> Any:
        return [-200 * npnet.backward(v)[name] for name in npnet.names.PARAMETER_NAMES]

    def weary(v: Any, d: Any) -> Any:
        calls.append(1)
        if len(calls) > 20:
            raise RuntimeError("enough")
        return [npnet.backward(v)[name] for name in npnet.names.PARAMETER_NAMES]

    calls: list[int] = []
    lost = grade({"backward": climbing}, steps=300).curve
    assert lost is not None
    assert re.match(r"the loss of step \d+ is (inf|nan)", lost.problem)
    tired = grade({"backward": weary}, steps=64).curve
    assert tired is not None
    assert re.match(r"step \d+: line \d+: RuntimeError: enough", tired.problem)
    assert tired.problem in str(tired)


def test_a_notebook_shows_the_grades_as_a_table() -> None:
    grades = grade({"dh": lambda v, d: v.W2, "dprobs": lambda v, d: "<b>"})
    assert repr(grades) == str(grades)
    html = grades._repr_html_()
    assert "<table>" in html
    assert "<b>" not in html.replace("font-weight", "")
    assert grades.footer in html


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        ([1], "grade: a list, wanted a mapping"),
        ({"dlogitz": np.sum}, r"grade: no 'dlogitz', did you mean dlogits\?"),
        ({"h": np.sum, "dh": np.sum}, "are one, wanted one of the two"),
        ({"dh": 3}, "dh is a int, wanted a function"),
    ],
)
def test_grade_refuses_what_is_no_set_of_functions(functions: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        grade(functions)


def test_a_ratio_of_nothing_has_no_sign() -> None:
    (mark,) = grade({"dbnmeani": lambda v, d: np.zeros_like(v.bnmeani)}).marks
    assert re.search(r", ratio 0\b", mark.reason)


def test_the_report_is_as_narrow_as_it_is_told() -> None:
    grades = grade({"dh": lambda v, d: v.W2})
    assert max(map(len, grades.text(50).splitlines())) <= 50
    assert grades.text(50).split() == str(grades).split()


def test_no_size_of_the_random_case_can_pass_for_another() -> None:
    sizes = [*ODD_SIZES.values(), ODD_SIZES["T"] * ODD_SIZES["E"], 1]
    assert len({*sizes}) == len(sizes)
    assert {EVEN_SIZES[letter] for letter in "nHV"} == {EVEN_SIZES["T"] * EVEN_SIZES["E"]}


def test_an_attempt_survives_the_way_between_two_processes() -> None:
    found = attempt(EXERCISES["dh"], lambda v, d: d.logits @ v.W2)
    again = unpacked(json.loads(json.dumps(packed(found))))
    assert again.failures == found.failures
    assert again.seen == found.seen == {"v.W2", "d.logits"}
    np.testing.assert_array_equal(again.results[EVEN]["h"], found.results[EVEN]["h"])
    assert again.results[EVEN]["h"].dtype == np.float64


HOSTILE = """
import ctypes, os, sys, time

def dlogprobs(v, d):
    while True:
        print("x" * 100)

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


def test_a_sheet_that_loops_exits_and_crashes_is_judged_to_its_end(
    written: Callable[[str], Path],
) -> None:
    marks = {mark.name: mark for mark in check_sheet(written(HOSTILE), seconds=2).marks}
    said = {name: mark.reason for name, mark in marks.items()}
    assert said["dlogprobs"] == "it still runs after 2 s: an endless loop?"
    assert said["dprobs"] == "it ends the process, with exit code 3"
    assert said["dcounts_sum_inv"] == "it crashes Python (SIGKILL)"
    assert said["dcounts_sum"] == "line 15: it ends the program (sys.exit)"
    assert "RecursionError" in said["dcounts"]
    assert (marks["dnorm_logits"].verdict, marks["dnorm_logits"].printed) == (RIGHT, "still here\n")
    assert marks["dlogit_maxes"].verdict == RIGHT
    assert marks["dlogits"].verdict == UNSOLVED
    assert "EOFError" in said["dh"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def dh(v, d:\n    pass", r"line 1: no Python \("),
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
        ("dh = 3\n", "dh is a int, wanted a function"),
        ("def softmax(x):\n    return x\n", "holds none of the 29 functions"),
        ("", "holds none of the 29 functions"),
    ],
)
def test_a_bad_sheet_is_refused_in_one_message(
    written: Callable[[str], Path], text: str, said: str
) -> None:
    with pytest.raises(InputError, match=said) as refusal:
        check_sheet(written(text), seconds=5)
    assert "\n" not in str(refusal.value)
    assert "sheet.py" in str(refusal.value)


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


def test_the_plot_is_drawn_on_demand(
    written: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(SOLVED)
    picture = path.parent / "loss.png"
    arguments = ["exercise", "check", str(path), "--steps", "100", "--plot", str(picture)]
    assert main(arguments) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "mean loss of steps" in capsys.readouterr().out


def test_the_dozen_mistakes_are_each_refused() -> None:
    said = {mistake.done: mistake.says() for mistake in MISTAKES}
    assert len(said) == 12
    for words in (
        "only the last position",
        "one place alone",
        "keepdims=True is missing",
        "n stands where n - 1 belongs",
        "factor n / (n - 1) is missing",
        "wanted (1, 64) like reference",
        ".grad is None",
        "with those of 32",
        "logits have shape (32, 3, 10)",
        "takes any bias out again",
        "road through logit_maxes is missing",
        "road through bndiff2 is missing",
    ):
        assert sum(words in text for text in said.values()) == 1, words


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
    assert done.stdout.endswith("0/26 lines; functions: 29 unsolved\n")
