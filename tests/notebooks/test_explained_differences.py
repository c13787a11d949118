"""What differs from the stored outputs, and why: each cell has one kind of difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import made_notebooks as made
import numpy as np
import pytest

import npnet.tensors as torch
from npnet.cli import main
from npnet.notebooks.cells import Cell, Output
from npnet.notebooks.drawn import drawn_tensors, rates_of
from npnet.notebooks.last_digits import ROUNDING, LastDigits
from npnet.notebooks.outputs import Difference
from npnet.notebooks.random_sources import _assigned
from npnet.notebooks.reasons import _changed_by_rounding, _is_among, _is_last_place
from npnet.notebooks.run import Ran

START = "import torch\nimport matplotlib.pyplot as plt\ntorch.manual_seed(1)"
TRAIN = """
w = torch.ones(3, requires_grad=True)
class Net:
    def parameters(self): return [w]
net = Net()
parameters = [p for one in [net] for p in one.parameters()]
for _ in range(3):
    (w * torch.randn(3)).sum().backward()
    for p in parameters: p.data -= 0.1 * p.grad
"""
# name -> source, stored outputs, verdict, kinds of the reasons
CELLS: dict[str, tuple[str, list[dict[str, Any]], str, list[str]]] = {
    "shell": ("!pip install torch", [made.stream("Collecting torch\n")], "not run", ["skipped"]),
    "seeds": (START, [made.result("<torch._C.Generator at 0x7f12>")], "equal", []),
    "noise": (
        "x = torch.randn(200, 30)\nprint((x - x.mean(0)).mean().item())",
        [made.stream("4.1e-09\n")],
        "different",
        ["rounding"],
    ),
    "close": (
        "print(f'{x.abs().mean():.5f}')\nprint('and', 0.5)",
        [made.stream("0.79012\nand 0.51\n")],
        "different",
        ["none known"],
    ),
    "object": (
        "class Thing: pass\nThing()",
        [made.result("<__main__.Thing at 0x7fab>")],
        "equal",
        [],
    ),
    "plot": ("plt.title('a')", [made.result("Text(0.5, 1.0, 'b')")], "equal", []),
    "fails": ("1 / 0", [made.raised("ZeroDivisionError", "division by zero")], "equal", []),
    "foo": ("torch.foo", [made.raised("AttributeError", "no attribute")], "equal", []),
    "version": ("print(torch.__version__)", [made.stream("2.0.1\n")], "different", ["machine"]),
    "drift": (
        f"{TRAIN}print('loss', net.parameters()[0][0].item())",
        [made.stream("loss 0.0\n")],  # replaced by a number that is a little off
        "different",
        ["drift"],
    ),
    "missing": ("torch.no_such(x)", [made.stream("1\n")], "different", ["none known"]),
    "moved": ("torch.rand(1)", [made.result("tensor([0.1234])")], "different", ["failed before"]),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON report of that notebook; its page is written too."""
    folder = tmp_path_factory.mktemp("explained")
    file, page = folder / "mine.ipynb", folder / "page.html"
    torch.manual_seed(1)
    torch.randn(200, 30)
    names: dict[str, Any] = {"torch": torch}
    exec(TRAIN, names)
    drifted = float(np.float32(names["w"][0].item()) * np.float32(1.00001))
    pairs: list[Any] = []
    for name, (source, outputs, _, _) in CELLS.items():
        text = f"loss {drifted}\n"
        pairs.append((source, [made.stream(text)] if name == "drift" else outputs))
    file.write_text(made.ipynb(pairs), encoding="utf-8")
    out = folder / "report.json"
    with pytest.MonkeyPatch.context() as patch, out.open("w") as stream:
        patch.setattr("sys.stdout", stream)
        assert main(["notebook", str(file), "--html", str(page), "--json"]) == 1
    assert "Collecting torch" in page.read_text(encoding="utf-8")
    return dict(json.loads(out.read_text()))


@pytest.mark.parametrize("name", CELLS)
def test_each_kind_of_difference_is_told(name: str, report: dict[str, Any]) -> None:
    cell = report["cells"][list(CELLS).index(name)]
    _, _, verdict, kinds = CELLS[name]
    assert cell["verdict"] == verdict
    assert [reason["kind"] for reason in cell["reasons"]] == kinds, cell["reasons"]


def test_figures_draws_pictures_with_matplotlib(tmp_path: Path) -> None:
    file, folder = tmp_path / "mine.ipynb", tmp_path / "pictures"
    file.write_text(made.ipynb(["import matplotlib.pyplot as plt\nplt.plot([1, 2])"]))
    assert main(["notebook", str(file), "--figures", str(folder)]) == 0
    assert [path.name for path in folder.iterdir()] == ["cell-01-1.png"]


def test_a_line_with_several_draws_names_each() -> None:
    line = "a = torch.randn(2, 3); z = torch.zeros(2); b = torch.randn(4) * 0.1"
    assert _assigned(line) == {1: ["a", "b"]}
    draws = [
        {"kind": "randn", "line": 1, "seed": None, "shape": shape, "before": 0, "after": 0}
        for shape in ([2, 3], [4])
    ]
    found = {entry["name"]: entry["shape"] for entry in drawn_tensors(line, draws, vars(torch))}
    assert found["a"] == [2, 3]
    assert found["b"] == [4]


@pytest.mark.parametrize(
    ("stored", "fresh", "others", "expected"),
    [
        ("1.0000016", "1.0", "1.0000001", True),
        ("1.0000017", "1.0", "1.0000001", False),
        ("False", "True", "False", True),
        ("False", "True", "True", False),
    ],
)
def test_rounding_explains_what_other_digits_reach(
    stored: str, fresh: str, others: str, expected: bool
) -> None:
    ran = Ran(Cell(1, ""), [Output("stdout", f"a {fresh}\n")])
    ran.rounded = [[Output("stdout", f"a {others}\n")]]
    difference = Difference(1, stored, fresh, False, "a", fresh_line=1)
    assert _is_among(difference, _changed_by_rounding(ran)) is expected


@pytest.mark.parametrize(
    ("stored", "fresh", "expected"),
    [
        ("2.950624465942383", "2.9506242275238037", True),
        ("2.950624465942383", "2.950626", False),
        ("2.9506", "2.9507", False),
        ("nan", "2.950624465942383", False),
        ("1e+300000000", "2.950624465942383", False),
    ],
)
def test_neighbours_in_float32_are_rounding(stored: str, fresh: str, expected: bool) -> None:
    assert _is_last_place(Difference(1, stored, fresh, False, "loss")) is expected


def test_other_last_digits_stay_within_one_unit() -> None:
    digits = LastDigits(1)
    array = np.array([0.1, 2.5, 3.0, np.inf, -1e-30], np.float32)
    moved = np.array([digits.changed(array) for _ in range(50)])
    assert moved.dtype == np.float32
    assert (moved[:, 2:4] == array[2:4]).all()
    steps = np.unique((moved[:, 0] - array[0]) / np.spacing(array[0]))
    assert steps.tolist() == [-1, 0, 1]
    before = [operation.forward for operation in ROUNDING]
    tensor = torch.tensor([[0.1, 0.2]])
    digits.change((), {"t": [tensor], "n": 3})
    assert abs(tensor.numpy() - np.array([[0.1, 0.2]])).max() < 3e-8
    assert [operation.forward for operation in ROUNDING] == before


LOOP = "for i in range(6):\n    {}\n    for p in parameters:\n        p.data += {}"


@pytest.mark.parametrize(
    ("line", "update", "rates"),
    [
        ("lr = 0.1 if i < 4 else 0.01", "-lr * p.grad", [[0, 0.1], [4, 0.01]]),
        ("lr = top", "-lr * p.grad", [[0, 0.5]]),
        ("pass", "-0.2 * p.grad", [[0, 0.2]]),
        ("if i < 2: alpha = 1\n    else: alpha = 2 ** -1", "p.grad * -alpha", [[0, 1], [2, 0.5]]),
        ("lr = schedule(i)", "-lr * p.grad", None),
        ("pass", "-lr * clip * p.grad", None),
        ("pass", "step", None),
    ],
)
def test_the_rates_of_a_training_loop_are_read(
    line: str, update: str, rates: list[list[float]] | None
) -> None:
    assert rates_of(LOOP.format(line, update), {"top": 0.5, "schedule": len}) == rates


def test_cells_without_a_training_loop_have_no_rates() -> None:
    assert rates_of("for i in range(3): print(i)", {}) is None
    assert rates_of("for i in", {}) is None
