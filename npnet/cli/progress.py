"""The progress bar of every command that takes many steps."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

OFTEN = 0.1  # seconds between two updates of the bar


class Progress(NamedTuple):
    """The ways in which a command shows its progress.

    Attributes:
        bar: whether there is a bar: only on a terminal.
        print: a function that prints a line, above the bar if there is one.
        update: a function of the number of steps done, and of the loss if the bar shows one.
    """

    bar: bool
    print: Callable[[str], None]
    update: Callable[..., None]


@contextlib.contextmanager
def progress(
    total: int, *, done: int = 0, loss: bool = False, unit: str = "steps"
) -> Iterator[Progress]:
    """Show a bar on a terminal while the block runs; in a pipe, lines are printed without a bar.

    Args:
        total: the number of all steps.
        done: the number of steps before this process began.
        loss: whether the bar shows the loss.
        unit: the name of a step.
    """
    if not sys.stdout.isatty():
        yield Progress(False, lambda line: print(line, flush=True), lambda done, loss=0.0: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns: list[ProgressColumn] = [
        BarColumn(bar_width=None),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TextColumn("{task.fields[speed]:,.0f} " + f"{unit}/s"),
        TimeRemainingColumn(),
    ]
    if loss:
        columns.insert(2, TextColumn("{task.fields[loss]}"))
    begun, started, updated = done, time.perf_counter(), 0.0
    # A new console, because rich's own console stays with the first terminal that it has seen.
    with RichProgress(*columns, transient=True, console=Console()) as shown:
        task = shown.add_task("", total=total, completed=done, speed=0.0, loss="")

        def update(done: int, loss: float = float("nan")) -> None:
            nonlocal updated
            now = time.perf_counter()
            if now - updated < OFTEN and done < total:
                return
            updated = now
            speed = (done - begun) / max(now - started, 1e-9)
            shown.update(task, completed=done, loss=f"loss {loss:.4f}", speed=speed)

        def line(text: str) -> None:
            shown.console.print(text, markup=False, highlight=False, soft_wrap=True)

        yield Progress(True, line, update)
