"""Curves, which are the result of reading a log; and the options for reading it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from npnet.base.arrays import Floats
from npnet.base.equality import ReadOnlyFields
from npnet.recipes.recipe import Recipe

# What a curve shows. The other curves of a run are drawn with its training loss.
TRAIN, VALIDATION, TEST = "train", "validation", "test"
# The losses of two whole splits during a run of npnet with --eval-every.
TRAIN_SET, DEV = "train set", "dev"
# How a log holds its losses: unchanged, or as logarithms, as in the lecture's list ``lossi``.
WRITTEN = ("plain", "log10")
# In place of a column of steps: the numbers of the rows, from 0.
ROW = "row"


class Result(Protocol):
    """A run in memory. ``losses`` is (steps,) and begins with the loss of step 0."""

    @property
    def recipe(self) -> Recipe: ...
    @property
    def losses(self) -> Floats: ...
    @property
    def split_losses(self) -> Mapping[str, float]: ...

    # Some results also have ``evaluations`` (count, 3) and ``times`` (count, 2), as a ``Run`` does.


@dataclass(frozen=True)
class Reading:
    """How to read a log, where the log itself does not say it.

    Attributes:
        loss: titles of columns with losses, or their numbers from 1.
        step: title of the column with the steps, or its number; ``row`` numbers the rows.
        separator: the separator between two cells of a row.
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
        name: the name of the run.
        steps, losses: (points,) float64; the steps increase.
        rates: (first step, learning rate) pairs.
        split_losses: the losses of the splits, of a finished run.
        split: ``train``, ``validation`` or ``test``; of a run of npnet, ``train`` are its
            minibatches, ``train set`` and ``dev`` the losses of these splits.
        notes: how the log was changed for the curve, one sentence for each change.
        recipe: the recipe of a run of npnet.
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
        """The first step after the last finite loss; None if the last loss is finite."""
        finite = np.flatnonzero(np.isfinite(self.losses))
        after = int(finite[-1]) + 1 if finite.size else 0
        return float(self.steps[after]) if after < self.steps.size else None
