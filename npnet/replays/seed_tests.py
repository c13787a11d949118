"""Tests that a lost seed must pass, cheap ones first, for thousands of seeds at once.

A test drops only seeds that cannot be the lost one. It compares an approximation with a printed
figure, and it allows for ±1 in the last printed digit and for the error of the approximation. The
error of float32 has a fixed bound. The error of the model of the loss is measured on random normals
when the test is prepared. The remaining seeds go through the ordinary forward pass.
"""

from __future__ import annotations

from typing import Protocol

from npnet.base.arrays import Floats
from npnet.replays.seed_cells import Cell, Interval
from npnet.replays.seed_losses import LossModelTest, LossTest, loss_share, loss_spread
from npnet.replays.seed_rows import Indices, RowTest

# A model is made for cells with at most this many lost numbers. Its Hessian has that many rows
# and columns.
MODEL_NUMBERS = 512
ENOUGH = 1e-3  # if a row leaves a smaller share than this, a model of the loss saves no time
USEFUL = 0.7  # a model that leaves a larger share than this saves no time


class SeedTest(Protocol):
    """A test of seeds.

    Attributes:
        what: the test in words.
        cost: about how many microseconds a seed takes on one core. The tests are ordered by it.
        share: the expected share of all seeds that pass.
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
        model: whether to make a model of the loss where it saves time; making it takes seconds.
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
    """The estimated share of seeds that fit the figures of a cell's first minibatch.

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
