"""Mistakes in a notebook are refused, and the causes of nine of ten are named."""

from pathlib import Path

import pytest
from exercise_notebook import FORWARD, LINES, cells_with, lines_with, write_notebook
from wrong_gradients import WRONG, Wrong, tuned

import npnet
from npnet.grading.verdicts import ALIAS, IGNORED, SHAPE, GradientVerdict

Judged = dict[str, GradientVerdict]
AT_A_TIME = 20  # mistakes for a forward pass: the time for their causes is limited


def judged(path: Path, names: list[str]) -> Judged:
    """The verdicts on mistakes, each in a cell of its own after right gradients."""
    cells, owners = cells_with(), {}
    for number, name in enumerate(names):
        if number % AT_A_TIME == AT_A_TIME - 1:
            cells += [FORWARD, lines_with()]
        cells.append(WRONG[name].cell)
        owners[len(cells)] = name
        cells.append(LINES[WRONG[name].gradient])
    found = npnet.grade_notebook(write_notebook(path, cells)).gradients
    return {
        owners[one.cell]: one
        for one in found
        if one.cell in owners and one.gradient == WRONG[owners[one.cell]].gradient
    }


def told(one: GradientVerdict) -> str:
    """What is said of the cause; of some verdicts the reason is one."""
    alone = one.verdict in (ALIAS, SHAPE, IGNORED)
    return f"{one.cause} {one.verdict} {one.reason}" if alone else one.cause


def named(mistake: Wrong, one: GradientVerdict) -> bool:
    return any(words.lower() in told(one).lower() for words in mistake.said)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return judged(tmp_path_factory.mktemp("wrong") / "wrong.ipynb", list(WRONG))


@pytest.mark.slow
def test_every_mistake_is_refused(verdicts: Judged) -> None:
    assert [name for name in WRONG if name not in verdicts] == []
    assert [name for name, one in verdicts.items() if not one.fails] == []


@pytest.mark.slow
@pytest.mark.parametrize("half", [True, False])
def test_nine_of_ten_causes_are_named(verdicts: Judged, half: bool) -> None:
    ours = [name for name in WRONG if tuned(name) == half]
    assert len(ours) >= 100
    missed = [name for name in ours if not named(WRONG[name], verdicts[name])]
    assert len(missed) <= 0.1 * len(ours), missed


@pytest.mark.slow
def test_a_wrong_cause_is_rarely_named(verdicts: Judged) -> None:
    wrong = [n for n, one in verdicts.items() if one.cause and not named(WRONG[n], one)]
    assert len(wrong) <= 0.03 * len(WRONG), wrong


def test_a_few_mistakes_are_refused_and_named(tmp_path: Path) -> None:
    few = ["twice h", "dC overwrites", "fused softmax, one after the division"]
    found = judged(tmp_path / "few.ipynb", few)
    assert [name for name in few if not found[name].fails] == []
    assert [name for name in few if not named(WRONG[name], found[name])] == []
