"""The gradient of the maximum if several logits of a row are equal and largest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array, UnusableArray, read_array
from npnet.checks.report import Report

# How far a share may be outside of 0 to 1, because of rounding.
SLACK = 1e-3

AMONG = "where several logits of a row are equal and largest, "
AS_OTHERS = "shares the gradient of the maximum among them, as torch.amax and JAX do"
SHARED = f"{AMONG}it {AS_OTHERS}, or gives it to another one than torch's .max(1): right too"


class Shares(NamedTuple):
    """How the gradient of each row's maximum is given to the logits.

    Attributes:
        largest: (n, V), which logits are the largest of their row.
        got: (n, V), what each logit gets beside the direct path.
        share: (n, V), the same as a share of dlogit_maxes; 0 for those that are not largest.
    """

    largest: Array
    got: Array
    share: Array

    @property
    def tied(self) -> Array:
        """(n,), the rows with several largest logits."""
        return np.asarray(self.largest.sum(1) > 1)

    def between(self, slack: float) -> bool:
        """No share is negative or above 1."""
        share = self.share[self.tied]
        return bool(np.isfinite(share).all() and (share >= -slack).all()) and bool(
            (share <= 1 + slack).all()
        )


def shares(dlogits: Array, logits: Array, direct: Array, passed_on: Array) -> Shares:
    """What each logit gets of the gradient of the maximum.

    Args:
        dlogits, logits: (n, V).
        direct: dnorm_logits, (n, V).
        passed_on: dlogit_maxes, (n, 1).
    """
    largest = logits == logits.max(1, keepdims=True)
    got = dlogits - direct
    with np.errstate(all="ignore"):
        return Shares(largest, got, np.where(largest, got / passed_on, 0.0))


def accept_shared(
    report: Report,
    ours: Mapping[str, object],
    values: Mapping[str, Any],
    given: Mapping[str, Any],
    passes: Callable[[Array], bool],
) -> Report:
    """``report``, in which dlogits is accepted if it differs only at ties.

    The derivative of a maximum is not unique if several entries are largest: any shares that are
    not negative and add up to 1 are right.

    Args:
        ours: the gradients of single lines.
        values, given: the values and the upstream gradients that each line gets.
        passes: a function that says whether an array is right as dlogits.
    """
    row = next((row for row in report.failures if row.name == "logits"), None)
    if row is None or row.verdict != "WRONG":
        return report
    try:
        mine = read_array("ours", ours["logits"])
    except UnusableArray:
        return report
    logits, passed_on = np.asarray(values["logits"]), np.asarray(given["logit_maxes"], np.float64)
    direct = np.asarray(given["norm_logits"], np.float64)
    found = shares(mine, logits, direct, passed_on)
    tied, largest = found.tied, found.largest
    if not tied.any() or not passed_on[tied].all() or not found.between(SLACK):
        return report
    # The same, with all of it at the first of the largest, as torch gives it.
    got = np.where(largest, found.got, 0.0)[tied]
    as_torch = mine.copy()
    as_torch[tied] = np.where(largest[tied], direct[tied], mine[tied])
    first = logits.argmax(1)[tied]
    as_torch[tied, first] = direct[tied, first] + got.sum(1)
    if not passes(as_torch):
        return report
    accepted = replace(row, verdict="ok", reason=SHARED)
    rows = tuple(accepted if each is row else each for each in report.rows)
    return replace(report, rows=rows)
