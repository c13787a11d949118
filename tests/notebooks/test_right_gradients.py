"""Right gradients in a notebook are called right, in whatever way they are written."""

from pathlib import Path

import pytest
from exercise_notebook import (
    BATCH,
    COMPARE,
    NETWORK,
    SETUP,
    cells_with,
    write_notebook,
)
from right_gradients import MORE_RIGHT, WHOLE

import npnet
from npnet.grading.verdicts import RIGHT, GradientVerdict

Found = dict[str, list[GradientVerdict]]


def graded(path: Path, start: list[str], ways: dict[str, list[str]]) -> Found:
    """The verdicts by the way of the cell that they stand in."""
    cells, owners = list(start), [""] * len(start)
    for name, more in ways.items():
        cells += more
        owners += [name] * len(more)
    found: Found = {}
    for one in npnet.grade_notebook(write_notebook(path, cells)).gradients:
        found.setdefault(owners[one.cell - 1], []).append(one)
    return found


def whole(path: Path, *names: str) -> Found:
    ways = {name: list(WHOLE[name]) for name in names}
    return graded(path, [SETUP, COMPARE, NETWORK, BATCH], ways)


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Every way in one notebook, after the lecture's own gradients."""
    path = tmp_path_factory.mktemp("right") / "right.ipynb"
    return graded(path, cells_with(), {name: way.cells for name, way in MORE_RIGHT.items()})


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE_RIGHT)
def test_a_right_way_is_called_right(ways: Found, name: str) -> None:
    assert set(MORE_RIGHT[name].gradients) <= {one.gradient for one in ways[name]}
    assert [one for one in ways[name] if one.verdict != RIGHT] == []


@pytest.mark.slow
def test_whole_exercises_are_called_right(tmp_path: Path) -> None:
    found = whole(tmp_path / "whole.ipynb", *WHOLE)
    assert {one.verdict for ones in found.values() for one in ones} == {RIGHT}
    least = dict.fromkeys(WHOLE, 13) | {"layers of classes": 6}
    assert [name for name in WHOLE if len(found[name]) < least[name]] == []


def test_values_cached_in_the_forward_pass_are_judged_unrounded(tmp_path: Path) -> None:
    found = whole(tmp_path / "caches.ipynb", "caches")["caches"]
    assert [(one.gradient, one.verdict) for one in found if one.verdict != RIGHT] == []
    assert len(found) == 13
