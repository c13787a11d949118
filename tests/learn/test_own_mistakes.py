"""Mistakes for which the grader was not made are refused, and nine of ten causes are named."""

from __future__ import annotations

import re

import pytest
from own_mistakes import OWN_MISTAKES, OwnMistake
from right_solutions import made

from npnet.learn.exercises import EXERCISES
from npnet.learn.grading import ERROR, ONLY_HERE, WRONG, Mark, grade

pytestmark = pytest.mark.slow

Marked = list[tuple[OwnMistake, Mark]]


@pytest.fixture(scope="module")
def marked() -> Marked:
    return [
        (mistake, grade({mistake.exercise: made(mistake.code)}, steps=0).marks[0])
        for mistake in OWN_MISTAKES
    ]


def named(mistake: OwnMistake, mark: Mark) -> bool:
    """Whether the right cause is named; an error or a wrong shape may name it in its reason."""
    said = mark.cause
    if not said and (mark.verdict == ERROR or "shape" in mark.reason):
        said = mark.reason
    return bool(re.search(mistake.named, said))


def test_there_are_many_in_both_halves_and_every_exercise() -> None:
    assert {mistake.exercise for mistake in OWN_MISTAKES} == set(EXERCISES)
    tuned = sum(mistake.tuned for mistake in OWN_MISTAKES)
    assert min(tuned, len(OWN_MISTAKES) - tuned) >= 100


def test_every_one_is_refused(marked: Marked) -> None:
    refused = (WRONG, ONLY_HERE, ERROR)
    assert [one.code for one, mark in marked if mark.verdict not in refused] == []


@pytest.mark.parametrize(("tuned", "least"), [(True, 0.95), (False, 0.9)])
def test_nine_of_ten_causes_are_named(tuned: bool, least: float, marked: Marked) -> None:
    half = [named(one, mark) for one, mark in marked if one.tuned == tuned]
    assert sum(half) >= least * len(half)


def test_a_wrong_cause_is_rarely_named(marked: Marked) -> None:
    wrong = [one.code for one, mark in marked if mark.cause and not named(one, mark)]
    assert len(wrong) <= 0.04 * len(marked)
