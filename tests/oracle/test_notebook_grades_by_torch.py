"""Real torch's autograd gives the same verdicts on notebooks as npnet's own tape."""

import sys
from pathlib import Path

import pytest

from npnet.notebooks.read import read_notebook
from npnet.notebooks.run import Options
from oracle.cli import main
from oracle.notebook_grades import disagreements, grade_by_both

sys.path.insert(0, str(Path(__file__).parents[1] / "notebooks"))

from exercise_notebook import (
    CALIBRATION,
    EVALUATION,
    EXERCISE_2,
    EXERCISE_3,
    SETUP,
    TRAINING,
    cells_with,
    write_notebook,
)
from written_gradients import MISTAKES, RIGHT_FORMS

pytestmark = pytest.mark.slow

EXERCISES = [*cells_with(), EXERCISE_2, EXERCISE_3]


def agree(path: Path, cells: list[str], found: int) -> None:
    notebook = read_notebook(write_notebook(path, cells))
    ours, theirs = grade_by_both(notebook, Options(default_seed=1))
    assert disagreements(ours, theirs) == []
    assert len(theirs.gradients) == found


def test_torch_agrees_on_every_mistake(tmp_path: Path) -> None:
    wrong = [f"{code}\ncmp('{name[1:]}', {name}, {name[1:]})" for name, code, _ in MISTAKES]
    agree(tmp_path / "mistakes.ipynb", EXERCISES + wrong, 28 + len(wrong))


def test_torch_agrees_on_every_right_form(tmp_path: Path) -> None:
    right = [
        f"{code}\ncmp('{name[1:]}', {name}, {name[1:]})"
        for name, codes in RIGHT_FORMS.items()
        for code in codes
    ]
    agree(tmp_path / "right.ipynb", EXERCISES + right, 28 + len(right))


def test_torch_agrees_on_the_training_loop(tmp_path: Path) -> None:
    loop = TRAINING.replace("-lr * grad", "lr * grad").replace("db2 = dlogits", "db2 = 2 * dlogits")
    agree(tmp_path / "training.ipynb", [SETUP, loop, CALIBRATION, EVALUATION], 13)


def test_the_command_says_that_the_two_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_notebook(tmp_path / "exercise.ipynb", EXERCISES)
    assert main(["notebook", str(path), "--grade"]) == 0
    assert "npnet's own verdicts are the same" in capsys.readouterr().out
