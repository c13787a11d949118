"""Tests that a lost seed has to pass, from cheap to dear, over thousands of seeds at once.

A test may only drop a seed that cannot be the one. Each compares an approximation with what was
printed, and allows for the printed digits (the last one ±1) and for its own error: a bound for
float32, and for the model of the loss a window that is measured on random normals when the test
is made. What is left goes through the ordinary forward pass.
"""

from __future__ import annotations

from typing import Protocol

from npnet.base.arrays import Floats
from npnet.replays.seed_cells import Cell, Interval
from npnet.replays.seed_losses import LossModelTest, LossTest, loss_share, loss_spread
from npnet.replays.seed_rows import Indices, RowTest

# Lost numbers of a cell for which a model is made: its Hessian has the square of that.
MODEL_NUMBERS = 512
ENOUGH = 1e-3  # a row that leaves less than this makes a model of the loss cost more than it saves
USEFUL = 0.7  # a model that leaves more than this costs more than it saves


class SeedTest(Protocol):
    """What every test has.

    Attributes:
        what: in words, for people.
        cost: in microseconds a seed, roughly, on one core; the order of the tests follows it.
        share: of all seeds, how many it is expected to leave.
    """

    what: str
    cost: float
    share: float

    def passing(self, normals: Floats) -> Indices:
        """The columns of float32 ``normals`` (total, n) that pass."""
        ...


def compiled_tests(cell: Cell, *, model: bool) -> list[SeedTest]:
    """The tests of a cell's printed figures, in the order in which they are to be done.

    Args:
        cell: what was printed, and what it depends on.
        model: whether a model of the loss may be made, which takes seconds.
    """
    tests: list[SeedTest] = [RowTest(cell, row) for row in cell.probs]
    if cell.losses:
        known = min((test.share for test in tests), default=1.0)
        figure, spread = _finest(cell), loss_spread(cell)
        if model and known > ENOUGH and sum(cell.sizes) <= MODEL_NUMBERS and cell.own_statistics:
            modelled = LossModelTest(cell, figure, spread)
            if modelled.share < USEFUL:
                tests.append(modelled)
        tests.append(LossTest(cell, figure, spread))
    return sorted(tests, key=lambda test: test.cost / max(1 - test.share, 1e-9))


def printed_share(cell: Cell) -> float:
    """How many of all seeds the printed figures of a cell's first minibatch leave, by estimate.

    Rows of the softmax and the loss are taken to be independent of each other.
    """
    share = 1.0
    for row in cell.probs:
        share *= RowTest(cell, row).share
    if cell.losses:
        figure = _finest(cell)
        share *= loss_share(figure.middle, figure.reach, loss_spread(cell))
    return share


def _finest(cell: Cell) -> Interval:
    return min(cell.losses, key=lambda interval: interval.reach)
