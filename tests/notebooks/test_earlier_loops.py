"""Cells that show figures of an earlier run of the training loop, which had stopped sooner."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import made_notebooks as made
import pytest

from npnet.base.child_process import ChildProcess
from npnet.cli import main
from npnet.notebooks.read import read_notebook
from npnet.notebooks.run import Options, Ran, run_notebook
from npnet.notebooks.stopped_loops import has_training_loop, steps_to_try, stopped_after

DATA = """
import torch
import torch.nn.functional as F
g = torch.Generator().manual_seed(3)
X = torch.randn((90, 16), generator=g)
Y = torch.randint(0, 4, (90,), generator=g)
"""
LOOP = """
g = torch.Generator().manual_seed(4)
W = torch.randn((16, 4), generator=g)
gain = torch.randn((1, 16)) * 0.1 + 1  # nobody seeds this
for p in (W, gain):
    p.requires_grad = True
for i in range(400):
    ix = torch.randint(0, 90, (8,), generator=g)
    loss = F.cross_entropy((X[ix] * gain) @ W, Y[ix])
    for p in (W, gain):
        p.grad = None
    loss.backward()
    for p in (W, gain):
        p.data += -0.1 * p.grad
    if i >= 20:  # to begin with
        break
print(f'{loss.item():.4f}')
"""
BREAK = "    if i >= 20:  # to begin with\n        break"
WHOLE = LOOP.replace(BREAK, "    # if i >= 20:\n    #   break")
GAIN = "mean = (X * gain).mean(0, keepdim=True)"
SHOW = "F.cross_entropy((X * gain - mean) @ W, Y).item()"
MORE = """
with torch.no_grad():
    for step in range(150):
        for w in parts:
            w.data -= 0.01 * w
"""
BELOW = "print(parts[0].sum().item(), len(parts))"
SEED = 11


def texts(cells: Sequence[str], folder: Path) -> list[Ran]:
    file = folder / "first.ipynb"
    file.write_text(made.ipynb(cells), encoding="utf-8")
    return list(run_notebook(read_notebook(file), Options(default_seed=SEED)))


def stored(ran: Ran) -> Any:
    """A cell with what it printed."""
    outputs = [
        made.stream(one.text) if one.kind == "stdout" else made.result(one.text)
        for one in ran.outputs
    ]
    return ran.cell.source, outputs


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a notebook with three loops: a break taken out, another break, one that is back again."""
    folder = tmp_path_factory.mktemp("loops")
    start = "V = torch.ones(3, 2)\nparts = [V, -V]"
    short = MORE.replace("w\n", "w\n        if step == 100: break\n")
    kept = WHOLE.replace("range(400)", "range(60)").replace("# if i >= 20:\n    #   break", "")
    ran = texts([DATA, LOOP, GAIN, SHOW, WHOLE, start, short, BELOW, kept, GAIN, SHOW], folder)
    _, first, gain, show, whole, start_ran, _, below, _, _, last = ran
    words = max(draw["after"] for draw in first.torch_draws if draw["seed"] == SEED)
    file = folder / "mine.ipynb"
    again = LOOP.replace("range(400)", "range(60)")
    cells = [DATA, stored(whole), stored(gain), stored(show), start_ran.cell.source, MORE]
    cells += [stored(below), again, GAIN, stored(last), ("1 + 1", [made.result("3.14159")])]
    file.write_text(made.ipynb(cells), encoding="utf-8")
    options = ["--default-seed", str(SEED), "--default-word", f"2:{words}"]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(["notebook", str(file), *options])
    assert code == 1  # the last cell has no reason
    return " ".join(printed.getvalue().split())


@pytest.mark.slow
def test_a_break_that_was_taken_out_explains_the_figures(report: str) -> None:
    assert (
        "equal if the training loop of cell 2 had stopped after 21 steps, one run earlier, "
        "and cell 3 had run after it; this cell was not run again since" in report
    )


@pytest.mark.slow
def test_parameters_of_a_cell_above_are_put_back(report: str) -> None:
    assert "equal if the training loop of cell 6 had stopped after 101 steps; this cell" in report


@pytest.mark.slow
def test_a_break_that_is_back_explains_the_figures(report: str) -> None:
    assert "equal if the training loop of cell 8 had run without its break, and cell 9" in report


@pytest.mark.slow
def test_a_figure_of_no_earlier_run_has_no_reason(report: str) -> None:
    assert report.count("no reason is known") == 1


def test_ctrl_c_during_a_trial_leaves_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "stopped.ipynb"
    cells: list[Any] = ["x = 2.25", ("x", [made.result("4.5")]), ("x + 1", [made.result("3.25")])]
    file.write_text(made.ipynb(cells), encoding="utf-8")
    asked: list[str] = []
    send, receive = ChildProcess.send, ChildProcess.receive

    def sending(self: ChildProcess, **message: Any) -> None:
        asked.append(message["kind"])
        send(self, **message)

    def receiving(self: ChildProcess, seconds: float) -> Any:
        if asked[-1] == "again":
            raise KeyboardInterrupt
        return receive(self, seconds)

    monkeypatch.setattr(ChildProcess, "send", sending)
    monkeypatch.setattr(ChildProcess, "receive", receiving)
    assert main(["notebook", str(file)]) == 130
    printed = capsys.readouterr().out
    assert "4.5     2.25  different" in printed  # the cell had run
    assert "not run: stopped by Ctrl-C" in printed
    assert asked.count("again") == 1


def test_a_loop_stops_after_the_steps_that_are_asked_for() -> None:
    source = "%time\nseen = []\nfor i in range(50):\n    p.data += 1\n    seen.append(i)"
    for steps in (1, 7, 50):
        names: dict[str, Any] = {"p": type("P", (), {"data": 0})()}
        exec(stopped_after(source, steps) or "", names)
        assert names["seen"] == list(range(steps))
    assert stopped_after(source, None) is None  # there is no break to take out
    assert stopped_after("for i in range(3):\n    print(i)", 2) is None
    assert not has_training_loop("for i in (")


def test_the_steps_of_a_break_are_tried_first() -> None:
    assert list(steps_to_try(LOOP, ()))[:4] == [21, 20, None, 101]
    commented = "#if step > 1_000 : # soon\n  #  break\n  # if k == 0: break"
    assert list(steps_to_try(WHOLE, [commented]))[:5] == [21, 20, 1002, 1001, 1]
