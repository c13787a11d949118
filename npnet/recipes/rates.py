"""The learning rates of a recipe: a table of steps and rates, or a formula."""

from __future__ import annotations

import bisect
import itertools
import math
from typing import Any

from npnet.recipes.arithmetic import Formula, parsed
from npnet.recipes.field_types import number, refusal, whole_number

Rates = tuple[tuple[int, float], ...] | str

SHOWN_RATES = 50  # when a recipe is made, its formula of the rate is tried at this many steps


def read_rates(got: Any) -> Rates:
    """(first step, rate) pairs from anything that yields them, or a formula, unchanged.

    Raises:
        InputError: neither pairs of a whole number and a number, nor a formula of the step ``i``.
    """
    if isinstance(got, str):
        try:
            _formula(got)
        except ValueError as error:
            wanted = f"a formula of the step i, such as '0.1 * exp(-i / 50000)': {error}"
            raise refusal("rates", got, wanted) from error
        return got
    wanted = "pairs such as [[0, 0.1], [100000, 0.01]]"
    try:
        return tuple((whole_number("rates", first), number("rates", rate)) for first, rate in got)
    except (TypeError, ValueError) as error:
        raise refusal("rates", got, wanted) from error


def check_rates(rates: Rates, steps: int) -> None:
    """Check pairs, and a formula at some 50 of the ``steps``.

    Raises:
        InputError: pairs that do not begin at step 0 or do not rise, or a rate that is negative or
            not finite.
    """
    if isinstance(rates, str):
        for step in {*range(0, steps, -(-steps // SHOWN_RATES)), steps - 1}:
            rate_at(rates, step)
        return
    firsts = [first for first, _ in rates]
    if firsts[:1] != [0] or any(a >= b for a, b in itertools.pairwise(firsts)):
        raise refusal("rates", rates, "(first step, rate) pairs from step 0 on, in rising order")
    if not all(math.isfinite(rate) and rate >= 0 for _, rate in rates):
        raise refusal("rates", rates, "rates of 0 or more")


def rate_at(rates: Rates, step: int) -> float:
    """The rate of ``step``, counted from 0.

    Raises:
        InputError: the formula gives no number of 0 or more at this step.
    """
    if not isinstance(rates, str):
        return rates[bisect.bisect_right(rates, (step, math.inf)) - 1][1]
    try:
        rate = _formula(rates)({"i": float(step)})
    except (ArithmeticError, ValueError, TypeError) as error:
        wanted = f"a rate, it cannot be computed at step {step} ({error})"
        raise refusal("rates", rates, wanted) from error
    if not 0 <= rate < math.inf:
        raise refusal("rates", rates, f"rates of 0 or more: at step {step} it is {rate}")
    return rate


def _formula(text: str) -> Formula:
    return parsed(text, ("i",))
