"""A right gradient is never called wrong, however it is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from right_solutions import RIGHT_WAYS, made, right_ways

from npnet.learn.exercises import EXERCISES
from npnet.learn.grading import ONLY_HERE, RIGHT, WRONG, Mark, grade
from npnet.learn.grading_inputs import TIED, cases
from npnet.learn.remarks import judge_ties
from npnet.learn.sheet_check import check_sheet


def mark_of(exercise: str, function: Callable[[Any, Any], Any]) -> Mark:
    return grade({exercise: function}, steps=0).marks[0]


def test_there_are_many_ways_for_every_exercise() -> None:
    assert set(RIGHT_WAYS) == set(EXERCISES)
    assert len({*right_ways()}) >= 200


@pytest.mark.parametrize("exercise", EXERCISES)
def test_no_right_way_is_called_wrong(exercise: str) -> None:
    marks = [mark_of(exercise, made(code)) for code in RIGHT_WAYS[exercise]]
    assert [f"{mark.verdict}: {mark.reason}" for mark in marks if mark.verdict != RIGHT] == []


def eye(v: Any, d: Any) -> Any:
    return -np.eye(v.logprobs.shape[1])[v.Y] / len(v.Y)


def narrow(v: Any, d: Any) -> Any:
    return (d.logprobs / v.probs).astype(np.float32)


def test_another_precision_is_right_with_a_remark() -> None:
    mark = mark_of("dlogprobs", eye)
    assert mark.verdict == RIGHT
    assert "dlogprobs is float64 where float32 came in: np.eye makes float64" in mark.remark
    assert mark.remark in str(grade({"dlogprobs": eye})).replace("\n      ", " ")
    mark = mark_of("dprobs", narrow)
    assert (mark.verdict, "float32 where float64 came in" in mark.remark) == (RIGHT, True)


def test_a_mistake_does_not_hide_in_a_coarser_precision() -> None:
    mark = mark_of("dprobs", lambda v, d: (d.logprobs / v.probs * 1.00001).astype(np.float32))
    assert mark.verdict == WRONG


def test_the_sheet_names_what_makes_float64_too(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.py"
    sheet.write_text(
        "import numpy as np\n"
        "def dbnbias(v, d):\n    return np.ones((1, len(d.hpreact))) @ d.hpreact\n"
    )
    (mark,) = check_sheet(sheet).marks
    assert (mark.verdict, "np.ones makes float64" in mark.remark) == (RIGHT, True)


MASK = "m = v.logits == v.logit_maxes\nd.norm_logits + "


def test_a_maximum_shared_among_ties_is_right_and_said() -> None:
    mark = mark_of("dlogits", made(MASK + "m * d.logit_maxes / m.sum(1, keepdims=True)"))
    assert mark.verdict == RIGHT
    assert "amax" in mark.remark
    first = mark_of("dlogits", made(RIGHT_WAYS["dlogits"][0]))
    assert (first.verdict, first.remark) == (RIGHT, "")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("m * d.logit_maxes", "counts twice"),
        ("(m & (m.sum(1, keepdims=True) == 1)) * d.logit_maxes", "does not add up"),
        ("np.where(m, d.logit_maxes / (1 + (m.sum(1, keepdims=True) > 1)), 0)", "does not add up"),
    ],
)
def test_a_maximum_that_ties_count_twice_is_not(code: str, said: str) -> None:
    mark = mark_of("dlogits", made(MASK + code))
    assert mark.verdict == ONLY_HERE
    assert said in mark.reason


@pytest.mark.parametrize("off", [0.0, 1e-12, 1e-7, -1e-7, 1e-5])
def test_ties_are_judged_to_nine_digits(off: float) -> None:
    case = cases()[TIED]
    v, d = case.values, case.gradients
    largest = v.logits == v.logit_maxes
    shares = largest / largest.sum(1, keepdims=True) * d.logit_maxes
    right = abs(off) < 1e-9
    assert judge_ties(d.norm_logits + shares * (1 + off), case).right == right
    elsewhere = ~largest * np.abs(d.logit_maxes).max()
    assert judge_ties(d.norm_logits + shares + off * elsewhere, case).right == right
