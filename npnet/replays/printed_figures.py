"""Printed figures: the ones that a short replay can give, and the comparison digit by digit."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np

from npnet.base.errors import InputError
from npnet.recipes.publication import Publication

# Correct runs that round differently differ by about this much. Between float32 and float64, the
# 200,000 losses of part3 differ by 1.0e-6 in the median, 3.1e-6 at the 90th percentile and 1.1e-5
# at most. If a number is this close to the middle between two printed figures, a correct run can
# print either of them.
EDGE = 3e-6

EQUAL, NEAR, DRIFT, DIFFERS = "equal", "±1", "drift", "DIFFERS"


@dataclass(frozen=True)
class Figure:
    """A printed figure compared with ours.

    Attributes:
        what: ``loss``, ``cross_entropy``, ``sum``, ``probs``, ``train``, ``dev``, ``val``,
            ``test``, ``parameters``, ``targets``, ``rows``, ``name``.
        step: the step of a loss; the row of a softmax; else None.
        published: the figure as it was printed.
        ours: our figure; a loss has four more digits.
        match: ``equal`` in every digit, ``±1`` in the last digit, ``drift`` if the same run in
            another order of summation differs from ours by as much, or ``DIFFERS``.
        edge: whether our figure is so close to the middle between two last digits that another
            order of summation can print the other digit. False if the last digit is so fine that
            every number would be that close.
        digits: how many significant digits were compared, if the dtype holds fewer than were
            printed; else None.
    """

    what: str
    step: int | None
    published: str
    ours: str
    match: str
    edge: bool = False
    digits: int | None = None

    @property
    def reproduced(self) -> bool:
        """Whether the figure is accepted as the same: every match except ``DIFFERS``."""
        return self.match != DIFFERS


def shortened(publication: Publication, steps: int | None) -> Publication:
    """The publication with only the figures that are known after ``steps`` steps.

    Raises:
        InputError: ``steps`` is below 1, or no figure is left.
    """
    if steps is None or steps >= publication.recipe.steps:
        return publication
    if steps < 1:
        raise InputError(f"replay: {steps} steps, wanted 1 or more")
    short = dataclasses.replace(publication, printed=publication.printed.below(steps))
    if not short.printed.count:
        first = min(publication.printed.steps, default=publication.recipe.steps)
        raise InputError(
            f"{publication.file}: {steps} steps, wanted more than {first}: no figure comes before"
        )
    return short


def compare(what: str, step: int | None, published: str, ours: float, dtype: str) -> Figure:
    """Compare a printed number with ours, rounded to the printed digits.

    A float can be printed with more digits than its dtype holds. Significant digits after the 7th
    of a float32 and after the 16th of a float64 are not compared.
    """
    with localcontext(prec=100):
        told = Decimal(published)
        decimals = -int(told.as_tuple().exponent)
        held = np.finfo(dtype).precision + 1
        digits = held if told.adjusted() + decimals + 1 > held else None
        unit = Decimal(1).scaleb(-decimals if digits is None else told.adjusted() - held + 1)
        if not math.isfinite(ours):
            return Figure(what, step, published, str(ours), DIFFERS, digits=digits)
        exact = Decimal(ours)
        units = abs(exact.quantize(unit) - told.quantize(unit)) / unit
        match = EQUAL if units == 0 else NEAR if units == 1 else DIFFERS
        to_edge = abs(exact / unit % 1 - Decimal("0.5")) * unit
        # every number is within unit / 2 of a printed figure
        edge = to_edge < Decimal(EDGE) < unit / 2
        more = f"{ours:.{max(0, -int(unit.adjusted())) + 4}f}"
    return Figure(what, step, published, more, match, edge, digits)


def exact(what: str, published: str, ours: str) -> Figure:
    return Figure(what, None, published, ours, EQUAL if published == ours else DIFFERS)
