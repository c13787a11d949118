"""`oracle notebook` and `npnet notebook` on the same notebooks: every tensor is torch's."""

from __future__ import annotations

import json
from pathlib import Path

import made_notebooks as made
import numpy as np
import pytest
from made_notebooks import MADE

pytest.importorskip("torch")

from npnet.notebooks.read import read_notebook
from npnet.notebooks.run import Options
from oracle.cli import main
from oracle.notebook import compare_notebook, tensor_difference


@pytest.mark.slow
def test_every_tensor_of_the_made_notebooks_is_torchs(tmp_path: Path) -> None:
    made.write_words(tmp_path)
    cells = list(made.cells_of(made.Made(())))
    for name, one in MADE.items():
        # The forward pass makes what the notebook before this one has changed.
        cells += [f"# {name}", made.PARAMETERS, made.FORWARD, made.GRADIENTS, *one.cells]
    file = tmp_path / "all.ipynb"
    file.write_text(made.ipynb(cells), encoding="utf-8")
    pairs = list(compare_notebook(read_notebook(file), Options()))
    wrong = {
        pair.theirs.cell.number: (pair.theirs.cell.source, pair.errors, pair.differences)
        for pair in pairs
        if not pair.agrees
    }
    assert wrong == {}
    assert sum(pair.tensors for pair in pairs) > 5_000
    exceptions = [pair.errors[1] for pair in pairs if pair.errors[1]]
    assert sorted(exceptions) == sorted(
        kind for one in MADE.values() for kind in one.raises if kind
    )


@pytest.mark.parametrize(
    ("theirs", "text"),
    [
        (np.ones((2, 2), np.float32), "shape"),
        (np.ones(2), "dtype"),
        (np.full(2, 2, np.float32), "by 1"),
        (np.array([1, np.nan], np.float32), "nan"),
        (None, "only the stand-in"),
    ],
)
def test_a_difference_says_what_differs(theirs: np.ndarray | None, text: str) -> None:
    found = tensor_difference("x", np.ones(2, np.float32), theirs)
    assert found is not None
    assert text in found.text
    assert not found.is_rounding


def test_a_unit_of_the_last_place_is_rounding() -> None:
    one = np.ones(2, np.float32)
    found = tensor_difference("x", one, np.nextafter(one, np.float32(2)))
    assert found is not None
    assert found.is_rounding
    assert tensor_difference("x", one, one.copy()) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cells", "code"),
    [(["import torch", "x = torch.ones(3)"], 0), (["import torch"], 1)],
)
def test_a_run_without_a_tensor_shows_nothing(
    cells: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "small.ipynb"
    file.write_text(made.ipynb(cells), encoding="utf-8")
    assert main(["notebook", str(file), "--json"]) == code
    assert json.loads(capsys.readouterr().out)["passed"] == (code == 0)


@pytest.mark.slow
def test_each_cell_has_a_line_and_what_differs_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [
        "import torch\nx = torch.ones(3)",
        "y = x * 2",
        "first = torch.__version__\nx = x + ('npnet' in first)",
        "if 'npnet' in first:\n    raise ValueError('here alone')",
    ]
    file = tmp_path / "small.ipynb"
    file.write_text(made.ipynb(cells), encoding="utf-8")
    assert main(["notebook", str(file)]) == 1
    lines = " ".join(capsys.readouterr().out.split())
    assert "1 equal 1 of 1 bit for bit import torch" in lines
    assert "2 equal 2 of 2 bit for bit y = x * 2" in lines
    assert "3 differs 1 of 2 bit for bit" in lines
    assert "x: " in lines
    assert "stand-in: ValueError: here alone torch: no exception" in lines
    assert "2 of 4 cells agree" in lines
    assert "the first that differs: x in cell 3" in lines


def test_a_file_that_is_no_notebook_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plain.txt"
    file.write_text("words", encoding="utf-8")
    assert main(["notebook", str(file)]) == 2
    assert "no cell found" in capsys.readouterr().err
