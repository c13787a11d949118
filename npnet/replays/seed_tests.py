"""Tests that a lost seed must pass, cheap ones first, for thousands of seeds at once.

A test may only drop seeds that cannot be the lost one. It compares an approximation with a printed
figure. It allows for ±1 in the last printed digit and for its own error. For float32 that error is
a fixed bound. For the model of the loss it is measured on random normals when the test is prepared.
The remaining seeds go through the ordinary forward pass.
"""

from __future__ import annotations

from typing import Protocol

from npnet.base.arrays import Floats
from npnet.replays.seed_cells import Cell, Interval
from npnet.replays.seed_losses import LossModelTest, LossTest, loss_share, loss_spread
from npnet.replays.seed_rows import Indices, RowTest

# A model is made for cells with at most this many lost numbers: its Hessian has the square of it.
MODEL_NUMBERS = 512
ENOUGH = 1e-3  # if a row leaves a smaller share than this, a model of the loss saves no time
USEFUL = 0.7  # a model that leaves a larger share than this saves no time


class SeedTest(Protocol):
    """A test of seeds.

    Attributes:
        what: the test in words.
        cost: rough microseconds for each seed on one core; the order of the tests depends on it.
        share: the share of all seeds that it is expected to leave.
    """

    what: str
    cost: float
    share: float

    def passing(self, normals: Floats) -> Indices:
        """The columns of float32 ``normals`` (total, n) that pass."""
        ...


def compiled_tests(cell: Cell, *, model: bool) -> list[SeedTest]:
    """The tests of a cell's printed figures, in the order in which they run.

    Args:
        cell: the printed figures and everything that they depend on.
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
    """The estimated share of seeds that the figures of a cell's first minibatch leave.

    The estimate treats the rows of the softmax and the loss as independent.
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
