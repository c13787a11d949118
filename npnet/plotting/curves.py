"""The result of reading a log, which is curves; and the options for reading it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from npnet.base.arrays import Floats
from npnet.base.equality import ReadOnlyFields
from npnet.recipes.recipe import Recipe

# What a curve shows. All others of a run are drawn beside its training loss.
TRAIN, VALIDATION, TEST = "train", "validation", "test"
# Of a run of npnet with --eval-every: the losses of two whole splits over time.
TRAIN_SET, DEV = "train set", "dev"
# How losses are written: as they are, or as the lecture keeps them in its list ``lossi``.
WRITTEN = ("plain", "log10")
# In place of a column: the rows, numbered from 0.
ROW = "row"


class Result(Protocol):
    """A run in memory: ``losses`` is (steps,), that of step 0 first."""

    @property
    def recipe(self) -> Recipe: ...
    @property
    def losses(self) -> Floats: ...
    @property
    def split_losses(self) -> Mapping[str, float]: ...

    # Of some results too: ``evaluations`` (count, 3) and ``times`` (count, 2), as of a ``Run``.


@dataclass(frozen=True)
class Reading:
    """How the user wants a log to be read, if the log itself does not say it.

    Attributes:
        loss: titles of columns with losses, or their numbers from 1.
        step: title of the column with the steps, or its number; ``row`` numbers the rows.
        separator: between two cells of a row.
        losses_are: ``plain`` or ``log10``; None: refuse logs that could be either.
    """

    loss: tuple[str, ...] = ()
    step: str | None = None
    separator: str | None = None
    losses_are: str | None = None


@dataclass(frozen=True, eq=False)
class Curve(ReadOnlyFields):
    """One curve to draw.

    Attributes:
        name: of the run.
        steps, losses: (points,) float64; the steps increase.
        rates: (first step, learning rate) pairs.
        split_losses: of a finished run.
        split: ``train``, ``validation`` or ``test``; of a run of npnet, ``train`` are its
            minibatches, ``train set`` and ``dev`` the losses of these splits.
        notes: what was done to the log, a sentence each.
        recipe: of a run of npnet.
        seconds: (points,), when each loss was written; None if the log does not say.
        members: the curves of several seeds; this curve is their mean.
        ended: whether the run has ended; None if the log does not say.
    """

    name: str
    steps: Floats
    losses: Floats
    rates: Sequence[tuple[float, float]] = ()
    split_losses: Mapping[str, float] = field(default_factory=dict)
    split: str = TRAIN
    notes: tuple[str, ...] = ()
    recipe: Recipe | None = None
    seconds: Floats | None = None
    members: tuple[Curve, ...] = ()
    ended: bool | None = None

    @property
    def diverged(self) -> float | None:
        """The first step of those at the end whose losses are nan or infinite."""
        finite = np.flatnonzero(np.isfinite(self.losses))
        after = int(finite[-1]) + 1 if finite.size else 0
        return float(self.steps[after]) if after < self.steps.size else None
