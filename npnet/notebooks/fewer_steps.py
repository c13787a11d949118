"""Trying an earlier run of the training loop, for a cell whose figures are not the stored ones.

Each trial runs in a copy of the notebook's process (``npnet.notebooks.again``): the cell with the
loop, stopped after fewer steps, and all cells from there to the one that differs. If the cell then
prints the stored output, the trial is the explanation.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from npnet.notebooks.cells import Cell, Output
from npnet.notebooks.outputs import DIFFERENT, compare_outputs, is_drift
from npnet.notebooks.stopped_loops import has_training_loop, steps_to_try

# The cell with the loop may have run this many times before. Each run draws other numbers.
MOST_RERUNS = 2
TOGETHER = 120.0  # seconds for all trials of one loop
QUICK = 30.0  # the cells below the loop may take this many seconds in one trial
_LONG = re.compile(r"\d\.\d{4}")  # a figure that does not agree by chance


@dataclass(frozen=True)
class EarlierRun:
    """The run of a loop whose figures are stored.

    Attributes:
        cell: the number of the cell with the loop.
        steps: the number of steps after which it stopped; None: it ran to its end, without the
            ``break`` that is there now.
        reruns: how many times less the cell had run then.
        below: the cells between it and the compared cell, which had run after it.
    """

    cell: int
    steps: int | None
    reruns: int
    below: tuple[int, ...] = ()


# A function that runs a trial: the output of the last cell; None if there is none.
Ask = Callable[[int | None, int, float], list[Output] | None]


class FewerSteps:
    """The trials of a notebook's last training loop.

    Args:
        cells: the cells of the notebook.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells = {cell.number: cell for cell in cells}
        self.loop: int | None = None  # the number of the last cell with a loop
        self.below: list[int] = []
        self.seconds = 0.0  # seconds that the cells below it took
        self.left = TOGETHER
        self.known: EarlierRun | None = None  # the run that explained an earlier cell

    def ran(self, cell: Cell, seconds: float) -> None:
        """Note that a cell has run."""
        if has_training_loop(cell.source):
            self.loop, self.below, self.seconds = cell.number, [], 0.0
            self.left, self.known = TOGETHER, None
        elif self.loop is not None:
            self.below.append(cell.number)
            self.seconds += seconds

    def explain(self, cell: Cell, seconds: float, ask: Ask) -> EarlierRun | None:
        """The earlier run after which this cell prints the stored output; None if none is found."""
        stored = "".join(output.text for output in cell.outputs)
        if self.loop is None or self.loop == cell.number or not _LONG.search(stored):
            return None
        if self.seconds + seconds > QUICK:
            return None
        loop = self.cells[self.loop].source
        others = (one.source for one in self.cells.values() if one.number != self.loop)
        tries = [
            EarlierRun(self.loop, steps, reruns)
            for steps in steps_to_try(loop, others)
            for reruns in range(MOST_RERUNS + 1)
        ]
        if self.known is not None:
            tries = [self.known]
        for one in tries:
            if self.left <= 0:
                return None
            begun = time.monotonic()
            printed = ask(one.steps, one.reruns, self.left)
            self.left -= time.monotonic() - begun
            if printed is not None and _agree(cell.outputs, printed):
                self.known = EarlierRun(one.cell, one.steps, one.reruns)
                return EarlierRun(one.cell, one.steps, one.reruns, tuple(self.below))
        self.left = 0.0  # for the cells below, the same would be tried again
        return None


def _agree(stored: Sequence[Output], printed: Sequence[Output]) -> bool:
    """Whether all differences are those of float32 programs that round in another order."""
    comparison = compare_outputs(stored, printed, True)
    if comparison.verdict != DIFFERENT:
        return True
    return bool(comparison.differences) and all(
        difference.near or is_drift(difference) for difference in comparison.differences
    )
