"""Showing a picture in a window of matplotlib, for zooming. Only this module uses pyplot."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from npnet.base.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def open_figure(**options: Any) -> Figure:
    """A new figure, which ``show`` will open in a window; ``options`` are those of ``Figure``.

    Raises:
        InputError: there is no display, or matplotlib finds no library that can open windows.
    """
    try:
        from matplotlib import pyplot

        figure = pyplot.figure(**options)
        if figure.canvas.required_interactive_framework is not None:
            return figure
        pyplot.close(figure)
        why = f"matplotlib's backend is {pyplot.get_backend()}, which has no windows"
    # Without a display, each toolkit raises an error of its own class.
    except Exception as error:
        why = str(error).partition("\n")[0]
    shown = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if sys.platform.startswith("linux") and not shown:
        what = "there is no display here: look at the picture that is written without --show"
    elif os.environ.get("MPLBACKEND"):
        what = f"the environment has MPLBACKEND={os.environ['MPLBACKEND']}: take it out"
    else:
        what = "install tkinter, or: pip install PyQt6"
    raise InputError(f"--show: no window can be opened ({why}), wanted one: {what}")


def show() -> None:
    """Open the windows of all figures, and wait until they are closed."""
    from matplotlib import pyplot

    pyplot.show(block=True)
    pyplot.close("all")
