"""`npnet plot --watch` and `--show`: drawn again while a run trains; a window to zoom in."""

import json
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

import npnet
from npnet.cli import main
from npnet.training.checkpoint import write_checkpoint
from npnet.training.fit import Training
from npnet.training.runs import write_recipe

RECIPE = npnet.Recipe("tiny", hidden=4, batch=4, steps=200)


@pytest.fixture
def at_each_look(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``at_each_look(do, …)`` calls one function at each pause of the command."""

    def follow(*actions: Callable[[], object]) -> None:
        left = list(actions)

        def sleep(seconds: float) -> None:
            if not left:
                raise KeyboardInterrupt
            left.pop(0)()

        # The name npnet.cli.watch is the function's module; plot has it as a function.
        clock = types.SimpleNamespace(sleep=sleep, time=time.time)
        monkeypatch.setattr(sys.modules["npnet.cli.watch"], "time", clock)

    return follow


def test_watch_follows_a_run_to_its_end(
    tmp_path: Path,
    small_words: list[str],
    at_each_look: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, picture = tmp_path / "run", tmp_path / "loss.png"
    folder.mkdir()
    write_recipe(folder, RECIPE)
    training = Training(RECIPE, small_words)
    seen: list[bytes] = []

    def some_steps() -> None:
        def stop(first: int, losses: object) -> None:
            raise InterruptedError

        with pytest.raises(InterruptedError):
            training.run(stop)
        write_checkpoint(folder, training.checkpoint())

    def look() -> None:
        seen.append(picture.read_bytes())

    def end() -> None:
        training.run()
        training.finish().write(folder, plot=False)

    at_each_look(lambda: None, some_steps, look, some_steps, look, end)
    assert main(["plot", str(folder), "--watch", "--out", str(picture)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("wait until the run has written one") == 1
    rows = [line.split() for line in shown.splitlines() if line.startswith("run ")]
    assert [row[1] for row in rows if row[1].isdigit()] == ["63", "127", "199"]
    assert len({*seen, picture.read_bytes()}) == 3


def test_watch_ends_on_ctrl_c_and_survives_half_a_line(
    tmp_path: Path, at_each_look: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    log, picture = tmp_path / "log.csv", tmp_path / "loss.svg"
    log.write_text("step,loss\n0,3.5\n1,3.25\n")
    before: list[bytes] = []

    def half() -> None:
        before.append(picture.read_bytes())
        log.write_text("step,loss\n0,3.5\n1,3.25\n2,3.0,1")

    def whole() -> None:
        assert picture.read_bytes() == before[0]
        log.write_text("step,loss\n0,3.5\n1,3.25\n2,3.0\n")

    at_each_look(half, whole, lambda: None)
    assert main(["plot", str(log), "--watch", "--out", str(picture)]) == 0
    assert "3.0000" in capsys.readouterr().out
    assert main(["plot", str(log), "--watch", "--json"]) == 2
    assert main(["plot", "-", "--watch", "--out", str(tmp_path / "new.png")]) == 2
    assert "standard input" in capsys.readouterr().err


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "long.json"
    path.write_text(json.dumps((3 + np.sin(np.arange(5000.0))).tolist()))
    monkeypatch.chdir(tmp_path)
    return path


def test_show_opens_a_window_with_every_loss(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[FigureManagerBase] = []

    class Manager(FigureManagerBase):
        @classmethod
        def pyplot_show(cls, *, block: bool | None = None) -> None:
            opened.extend(map(pyplot._pylab_helpers.Gcf.figs.get, pyplot.get_fignums()))  # type: ignore[attr-defined]
            assert block

    class Canvas(FigureCanvasAgg):
        required_interactive_framework = "headless"  # what matplotlib calls a machine like CI's
        manager_class = Manager

    window = types.ModuleType("fake_window")
    window.FigureCanvas, window.FigureManager = Canvas, Manager  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fake_window", window)
    running = "matplotlib.cbook._get_running_interactive_framework"
    monkeypatch.setattr(running, lambda: "headless")
    before = mpl.get_backend()
    try:
        pyplot.switch_backend("module://fake_window")
        assert main(["plot", str(log), "--show"]) == 0
    finally:
        pyplot.switch_backend(before)
    [manager] = opened
    lines = manager.canvas.figure.axes[0].lines
    assert max(np.size(line.get_xdata()) for line in lines) == 5000
    assert Path("loss.png").exists()


@pytest.mark.parametrize(
    ("display", "backend", "said"),
    [
        ("", "", "there is no display here"),
        (":0", "agg", "the environment has MPLBACKEND=agg"),
        (":0", "", "install tkinter, or: pip install PyQt6"),
    ],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays of other systems")
def test_show_without_a_window_says_why(
    display: str,
    backend: str,
    said: str,
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {"DISPLAY": display, "WAYLAND_DISPLAY": "", "MPLBACKEND": backend}.items():
        monkeypatch.setenv(name, value)
    before = mpl.get_backend()
    pyplot.switch_backend("agg")
    try:
        assert main(["plot", str(log), "--show"]) == 2
    finally:
        pyplot.switch_backend(before)
    assert said in capsys.readouterr().err
    assert not Path("loss.png").exists()
