"""Gradients of other networks than the lecture's: right ones are right, and no wrong one is."""

import pytest
from exercise_notebook import write_notebook
from other_networks import OTHER_NETWORKS

import npnet
from npnet.grading.verdicts import RIGHT, GradientVerdict


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, GradientVerdict]]:
    """All networks in one notebook: the line that completes a gradient, and the verdict on it."""
    cells = [cell for text in OTHER_NETWORKS.values() for cell in text.strip().split("\n\n")]
    path = tmp_path_factory.mktemp("networks") / "networks.ipynb"
    grades = npnet.grade_notebook(write_notebook(path, cells))
    return [(cells[one.cell - 1].splitlines()[one.line - 1], one) for one in grades.gradients]


def test_gradients_of_other_networks_are_judged_rightly(
    found: list[tuple[str, GradientVerdict]],
) -> None:
    refused = [line for line, one in found if one.fails]
    assert [line for line in refused if "# bad" not in line] == []
    lines = [line for text in OTHER_NETWORKS.values() for line in text.splitlines()]
    assert [line for line in lines if "# bad" in line and line not in refused] == []
    assert [one for _, one in found if not one.fails and one.verdict != RIGHT] == []
    assert len(found) >= 110
