"""The verdicts on the functions of a sheet, each alone."""

import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import verdicts

import npnet
from npnet import InputError
from npnet.learn.grading import ERROR, ONLY_HERE, RIGHT, WRONG, grade
from npnet.learn.grading_inputs import EVEN_SIZES, ODD_SIZES, cases
from npnet.learn.mistakes_shown import MISTAKES

Function = Callable[[Any, Any], Any]


def graded(name: str, function: Function) -> Any:
    return grade({name: function}, steps=0).marks[0]


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
        ("db1", lambda v, d: np.zeros_like(v.b1), "batch normalisation removes any bias"),
        ("dlogit_maxes", lambda v, d: np.zeros_like(v.logit_maxes), "softmax stays the same"),
        ("dlogits", lambda v, d: d.norm_logits.copy(), "softmax stays the same"),
        (
            "dbnmeani",
            lambda v, d: -(v.bnvar_inv * d.bnraw).sum(0, keepdims=True),
            "distances from a mean sum to 0",
        ),
        ("dhprebn", lambda v, d: d.bndiff - d.bndiff.mean(0), "dbnmeani is minus the sum"),
        ("dlogits", lambda v, d: npnet.cross_entropy(v.logits, v.Y)[1], "comes from softmax"),
        (
            "dbnraw",
            lambda v, d: d.h * (1 - v.h**2) * v.bngain,
            "reads d.h, which is the gradient",
        ),
    ],
)
def test_right_on_this_minibatch_only_names_the_identity(
    name: str, made: Function, why: str
) -> None:
    mark = graded(name, made)
    assert mark.verdict == ONLY_HERE
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
    counted = graded("dC", lambda v, d: np.zeros_like(v.C, dtype=int))
    assert counted.verdict == WRONG
    assert "dtype int64, wanted float64" in counted.reason


def test_a_solution_that_knows_the_size_of_the_batch_is_found_out() -> None:
    mark = graded("dhprebn", lambda v, d: d.bndiff + d.bnmeani / 32)
    assert mark.verdict == ONLY_HERE
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
        seven = [gradients[name] for name in npnet.network.names.PARAMETER_NAMES]
        return [*seven[:3], seven[3] * 2, *seven[4:]]

    mark = graded("backward", backward)
    assert "1 of 7 wrong: W2; W2: " in mark.reason
    few = graded("backward", lambda v, d: [v.C])
    assert "returns 1 of them, wanted a list of 7" in few.reason


def test_a_training_that_goes_wrong_ends_in_a_message() -> None:
    def climbing(v: Any, d: Any) -> Any:
        return [-200 * npnet.backward(v)[name] for name in npnet.network.names.PARAMETER_NAMES]

    def weary(v: Any, d: Any) -> Any:
        calls.append(1)
        if len(calls) > 20:
            raise RuntimeError("enough")
        return [npnet.backward(v)[name] for name in npnet.network.names.PARAMETER_NAMES]

    calls: list[int] = []
    lost = grade({"backward": climbing}, steps=300).curve
    assert lost is not None
    assert re.match(r"the loss of step \d+ is (inf|nan)", lost.problem)
    tired = grade({"backward": weary}, steps=64).curve
    assert tired is not None
    assert re.match(r"step \d+: line \d+: RuntimeError: enough", tired.problem)
    assert tired.problem in str(tired)


def test_gradients_that_lose_their_shape_in_training_end_in_a_message() -> None:
    def flat_at_last(v: Any, d: Any) -> Any:
        calls.append(1)
        gradients = [npnet.backward(v)[name] for name in npnet.network.names.PARAMETER_NAMES]
        return [each.ravel() for each in gradients] if len(calls) > 20 else gradients

    calls: list[int] = []
    curve = grade({"backward": flat_at_last}, steps=64).curve
    assert curve is not None
    assert re.fullmatch(r"step \d+: .*dC: shape \(270,\), wanted \(27, 10\).*", curve.problem), (
        curve.problem
    )


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
        ([1], "grade: got a list, wanted a mapping"),
        ({"dlogitz": np.sum}, r"grade: no 'dlogitz', did you mean dlogits\?"),
        ({"h": np.sum, "dh": np.sum}, "are one, wanted one of the two"),
        ({"dh": 3}, "dh is an int, wanted a function"),
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


def test_the_dozen_mistakes_are_each_refused() -> None:
    said = {mistake.done: mistake.says() for mistake in MISTAKES}
    assert len(said) == 12
    for words in (
        "only the last position",
        "one of several repeats",
        "keepdims=True is missing",
        "n stands where n - 1 belongs",
        "factor n / (n - 1) is missing",
        "wanted (1, 64) like reference",
        ".grad is None",
        "with those of 32",
        "logits have shape (32, 3, 10)",
        "removes any bias",
        "path through logit_maxes is missing",
        "lacks the path through bndiff2",
    ):
        assert sum(words in text for text in said.values()) == 1, words


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("share", "verdict"), [(0.9, RIGHT), (1.1, WRONG), (100.0, WRONG)])
def test_an_answer_may_be_off_by_1024_eps(share: float, verdict: str, sign: int) -> None:
    off = sign * share * 1024 * 2.0**-52  # nothing to a float32
    answer = {"dh": lambda v, d: d.logits @ v.W2.T * (1 + off)}
    assert verdicts(grade(answer, steps=0)) == {"dh": verdict}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("share", "verdict"), [(0.9, RIGHT), (1.1, WRONG)])
def test_in_float32_an_answer_to_float64_may_be_off_by_64_eps(
    share: float, verdict: str, sign: int
) -> None:
    factor = 1 + sign * share * 64 * 2.0**-23
    answer = {"dprobs": lambda v, d: (d.logprobs / v.probs * factor).astype(np.float32)}
    assert verdicts(grade(answer, steps=0)) == {"dprobs": verdict}
