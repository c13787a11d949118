"""Finding printed figures that no run can give: typing errors, or figures of two runs mixed."""

from __future__ import annotations

import itertools
import math

import numpy as np

from npnet.base.errors import InputError
from npnet.recipes.publication import Publication
from npnet.replays.seed_cells import Interval

# Two ways to compute one loss (in parts, or fused) differ only by rounding.
ROUNDING = 100.0


def check_row_lengths(publication: Publication, size: int) -> None:
    """Check that every printed row of the softmax has ``size`` figures.

    Raises:
        InputError: a row has another number; the message names the file, the row and both numbers.
    """
    for row, told in publication.printed.probs.items():
        if len(told) != size:
            raise InputError(
                f"{publication.file}: printed.probs_row: got {len(told)} figures, wanted {size}, "
                f"one for each character and the end mark (row {row})"
            )


def check_contradictions(publication: Publication) -> None:
    """Check that the figures of step 0 do not contradict each other, before a search begins.

    Raises:
        InputError: a row of the softmax does not sum to 1, or two forms of the first loss differ
            by more than their digits.
    """
    printed, recipe, file = publication.printed, publication.recipe, publication.file
    for row, told in printed.probs.items():
        figures = [Interval.of(figure, recipe.dtype) for figure in told]
        total = math.fsum(figure.middle for figure in figures)
        if abs(total - 1) > math.fsum(figure.reach for figure in figures):
            raise InputError(
                f"{file}: printed.probs_row: the figures of row {row} sum to {total:.4f}, wanted "
                "1, as those of a softmax do: look for a figure that is mistyped"
            )
    losses = [
        (figure, Interval.of(figure, recipe.dtype, recipe.batch if what == "sum" else 1))
        for what, figure in printed.of_step(0)
    ]
    for (one, first), (other, second) in itertools.combinations(losses, 2):
        rounding = ROUNDING * float(np.finfo(recipe.dtype).eps) * abs(first.middle)
        if abs(first.middle - second.middle) > first.reach + second.reach + rounding:
            raise InputError(
                f"{file}: printed: got {one} and {other} for the loss of step 0, wanted figures "
                "of one run: no seed gives both"
            )
