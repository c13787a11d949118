"""Timing two programs in alternation, and the rows of a table of such timings.

A ratio compares two measurements that follow each other directly: if the machine is slow for a
while, it slows both. Two clocks are read: the processor time of the process, which other programs
hardly change, and the wall clock.
"""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npnet.base.arrays import Floats

SLICE = 0.03  # one side works for about this many seconds, then the other side
FEWEST = 3  # rounds
CLOCKS = ("processor", "wall")


class Pair(NamedTuple):
    """One row: the seconds that both sides took in each round, by both clocks.

    Attributes:
        name, against: the name of the row, and the program that npnet is compared with.
        unit: the unit of work, such as a step.
        ours, theirs: (rounds, 2): processor time and wall clock time for one unit.
        difference: the difference between the first results of both; for names, how many differ.
        hidden, batch: H and n of a training step, else 0.
    """

    name: str
    against: str
    unit: str
    ours: Floats
    theirs: Floats
    difference: float
    hidden: int = 0
    batch: int = 0

    @property
    def ratios(self) -> Floats:
        """(rounds, 2): their time divided by ours."""
        return self.theirs / self.ours


class Spread(NamedTuple):
    """Lower quartile, median, upper quartile."""

    lower: float
    median: float
    upper: float


class Memory(NamedTuple):
    """One row: the peak memory of a command, in bytes."""

    name: str
    what: str
    peak: int


class Skipped(NamedTuple):
    """A row that could not be measured here, and why."""

    name: str
    against: str
    why: str


Row = Pair | Memory | Skipped


def alternate(
    ours: Callable[[], object], theirs: Callable[[], object], seconds: float
) -> tuple[Floats, Floats]:
    """The times of one call on both sides, each (rounds, 2): processor time and wall clock.

    The sides alternate, and they take turns in beginning a round. Both should have run before.
    With 0 seconds each side runs once.
    """
    sides = (ours, theirs)
    once = [_timed(side, 1) for side in sides]
    if seconds == 0:
        times = np.array([once])
        return times[:, 0], times[:, 1]
    repeats = [max(1, math.ceil(SLICE / max(wall, 1e-6))) for _, wall in once]
    rounds: list[list[tuple[float, float]]] = []
    end = time.perf_counter() + seconds
    while len(rounds) < FEWEST or time.perf_counter() < end:
        first = len(rounds) % 2
        taken = {place: _timed(sides[place], repeats[place]) for place in (first, 1 - first)}
        rounds.append([taken[0], taken[1]])
    times = np.array(rounds)
    return times[:, 0], times[:, 1]


def _timed(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        work()
    return (
        (time.process_time() - processor) / repeats,
        (time.perf_counter() - wall) / repeats,
    )


def figures(row: Row) -> dict[str, Any]:
    """A row as plain numbers, for JSON: seconds, bytes and ratios."""
    if not isinstance(row, Pair):
        return row._asdict()
    shown = row._asdict() | {"rounds": len(row.ours)}
    for side in ("ours", "theirs", "ratios"):
        times = getattr(row, side)
        shown[side] = {
            clock: {**quartiles(times[:, place])._asdict(), "rounds": times[:, place].tolist()}
            for place, clock in enumerate(CLOCKS)
        }
    return shown


def quartiles(values: Floats) -> Spread:
    """Median and quartiles of ``values`` (rounds,)."""
    lower, median, upper = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return Spread(lower, median, upper)
