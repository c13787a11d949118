"""Real torch's autograd gives the same verdicts on notebooks as npnet's own tape."""

from pathlib import Path

import pytest
from exercise_notebook import (
    BATCH,
    CALIBRATION,
    COMPARE,
    EVALUATION,
    EXERCISE_2,
    EXERCISE_3,
    FORWARD,
    NETWORK,
    SETUP,
    TRAINING,
    cells_with,
    write_notebook,
)
from made_notebooks import GRADIENTS, MADE, PARAMETERS, Made, cells_of, write_words
from other_networks import OTHER_NETWORKS
from right_gradients import MORE_RIGHT, WHOLE
from written_gradients import MISTAKES, RIGHT_FORMS

pytest.importorskip("torch")

from npnet.notebooks.read import read_notebook
from npnet.notebooks.run import Options
from oracle.cli import main
from oracle.notebook_grades import disagreements, grade_by_both

EXERCISES = [*cells_with(), EXERCISE_2, EXERCISE_3]


def agree(path: Path, cells: list[str], least: int) -> None:
    notebook = read_notebook(write_notebook(path, cells))
    ours, theirs = grade_by_both(notebook, Options(default_seed=1))
    assert disagreements(ours, theirs) == []
    assert len(theirs.gradients) >= least


AT_A_TIME = 15  # notebooks to a forward pass: some of them change its tensors
SMALL = [
    (
        "import torch\ng = torch.Generator().manual_seed(1)\nx = torch.randn((5, 3), generator=g)\n"
        "A = torch.randn((3, 4), generator=g)\nA.requires_grad = True"
    ),
    (
        "y = x @ A\nz = torch.tanh(y)\ns = z.sum(0)\nloss = (s * s).sum()\n"
        "for t in (y, z, s): t.retain_grad()\nloss.backward()"
    ),
    (
        "ds = 2 * s\ndz = ds.expand(5, 4)\ndy = dz * (1 - z**2)\ndA = x.T @ dy\n"
        "for d, t in ((ds, s), (dz, z), (dy, y), (dA, A)):\n  print(torch.allclose(d, t.grad))"
    ),
    (
        "dz = ds\nprint(torch.allclose(dz, z.grad))\ndy = dz * (1 - z)\n"
        "print(torch.allclose(dy, y.grad))"
    ),
]


@pytest.mark.slow
def test_torch_agrees_on_a_small_network(tmp_path: Path) -> None:
    agree(tmp_path / "small.ipynb", SMALL, 6)


@pytest.mark.slow
def test_torch_agrees_on_all_own_notebooks(tmp_path: Path) -> None:
    write_words(tmp_path)
    cells = cells_of(Made(()))
    for number, one in enumerate(MADE.values()):
        if number % AT_A_TIME == AT_A_TIME - 1:
            cells += [PARAMETERS, FORWARD, GRADIENTS]
        cells += one.cells
    agree(tmp_path / "made.ipynb", cells, 110)


@pytest.mark.slow
def test_torch_agrees_on_other_networks(tmp_path: Path) -> None:
    cells = [cell for text in OTHER_NETWORKS.values() for cell in text.strip().split("\n\n")]
    agree(tmp_path / "networks.ipynb", cells, 110)


@pytest.mark.slow
def test_torch_agrees_on_other_ways_and_whole_exercises(tmp_path: Path) -> None:
    ways = [cell for way in list(MORE_RIGHT.values())[::3] for cell in way.cells]
    whole = [cell for name in ("caches", "layers of classes") for cell in WHOLE[name]]
    cells = [*cells_with(), *ways, SETUP, COMPARE, NETWORK, BATCH, *whole]
    agree(tmp_path / "ways.ipynb", cells, 90)


@pytest.mark.slow
def test_torch_agrees_on_every_mistake(tmp_path: Path) -> None:
    wrong = [f"{code}\ncmp('{name[1:]}', {name}, {name[1:]})" for name, code, _ in MISTAKES]
    agree(tmp_path / "mistakes.ipynb", EXERCISES + wrong, 28 + len(wrong))


@pytest.mark.slow
def test_torch_agrees_on_every_right_form(tmp_path: Path) -> None:
    right = [
        f"{code}\ncmp('{name[1:]}', {name}, {name[1:]})"
        for name, codes in RIGHT_FORMS.items()
        for code in codes
    ]
    agree(tmp_path / "right.ipynb", EXERCISES + right, 28 + len(right))


@pytest.mark.slow
def test_torch_agrees_on_the_training_loop(tmp_path: Path) -> None:
    loop = TRAINING.replace("-lr * grad", "lr * grad").replace("db2 = dlogits", "db2 = 2 * dlogits")
    agree(tmp_path / "training.ipynb", [SETUP, loop, CALIBRATION, EVALUATION], 13)


@pytest.mark.slow
def test_the_command_says_that_the_two_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_notebook(tmp_path / "exercise.ipynb", EXERCISES)
    assert main(["notebook", str(path), "--grade"]) == 0
    assert "npnet's own verdicts are the same" in capsys.readouterr().out
