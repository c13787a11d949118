"""The gradient of the maximum if several logits of a row are equal and largest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from npnet.base.arrays import Array, UnusableArray, read_array
from npnet.checks.report import Report

# How far a share may be outside of 0 to 1, because of rounding.
SLACK = 1e-3

SHARED = (
    "where several logits of a row are equal and largest, it shares the gradient of the maximum "
    "among them, as torch.amax and JAX do, or gives it to another one than torch's .max(1): right "
    "too"
)


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
    logits, passed_on = np.asarray(values["logits"]), np.asarray(given["logit_maxes"], np.float64)
    largest = logits == logits.max(1, keepdims=True)
    tied = largest.sum(1) > 1
    if row is None or row.verdict != "WRONG" or not tied.any() or not passed_on[tied].all():
        return report
    try:
        mine = read_array("ours", ours["logits"])
    except UnusableArray:
        return report
    direct = np.asarray(given["norm_logits"], np.float64)
    got = np.where(largest, mine - direct, 0.0)
    share = got[tied] / passed_on[tied]
    if not np.isfinite(share).all() or share.min() < -SLACK or share.max() > 1 + SLACK:
        return report
    # The same gradient, with the whole share at the first largest entry, as in torch.
    as_torch = mine.copy()
    as_torch[tied] = np.where(largest[tied], direct[tied], mine[tied])
    first = logits.argmax(1)[tied]
    as_torch[tied, first] = direct[tied, first] + got[tied].sum(1)
    if not passes(as_torch):
        return report
    accepted = replace(row, verdict="ok", reason=SHARED)
    rows = tuple(accepted if each is row else each for each in report.rows)
    return replace(report, rows=rows)
