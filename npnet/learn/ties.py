"""The maximum's gradient where several logits of a row are equal and largest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.checks.ties import AMONG, AS_OTHERS, shares
from npnet.learn.grading_inputs import Case

SAME = 1e-9  # of the largest entry: as in the diagnosis

SHARED = (
    f"right; {AMONG}yours {AS_OTHERS}; torch's .max(1), as in the lecture, gives it to one of them"
)
SEVERAL = f"{AMONG}each of them gets all of dlogit_maxes, so that it counts twice or more"
SUM = f"{AMONG}what they get does not add up to dlogit_maxes"


class Tie(NamedTuple):
    """What became of the maximum's gradient: whether that is right, and what to say."""

    right: bool
    said: str = ""


def judge_ties(dlogits: Array, case: Case) -> Tie:
    """Judge ``dlogits`` where rows have several equal largest logits.

    The slope of a maximum is not unique there: the first, the last, or shares of all are right,
    as long as each row passes on its gradient once.
    """
    v, d = case.values, case.gradients
    wanted = d.norm_logits.shape
    if dlogits.shape != wanted:
        return Tie(False, f"shape {dlogits.shape}, wanted {wanted}")
    found = shares(dlogits, v.logits, d.norm_logits, d.logit_maxes)
    largest, got, share = found
    bound = SAME * np.abs(d.logit_maxes).max()
    if np.abs(np.where(largest, 0, got)).max() > bound or not np.isfinite(dlogits).all():
        return Tie(False, "an entry that is not the largest gets a part of dlogit_maxes")
    if np.abs(got - largest * d.logit_maxes).max() <= bound:
        return Tie(False, f"{SEVERAL}: logits.argmax(1) picks one")
    total = got.sum(1, keepdims=True)
    if np.abs(total - d.logit_maxes).max() > bound or not found.between(SAME):
        return Tie(False, SUM)
    return Tie(True, SHARED if ((share > SAME) & (share < 1 - SAME)).any() else "")
