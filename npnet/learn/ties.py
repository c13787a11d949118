"""The gradient of the maximum if several logits of a row are equal and largest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.learn.grading_inputs import Case

SAME = 1e-9  # the allowed part of the largest entry, as in the diagnosis

SHARED = (
    "right; where several logits of a row are equal and largest, yours shares the gradient of the "
    "maximum among them, as torch.amax and JAX do; torch's .max(1), as in the lecture, gives it to "
    "one of them"
)


class Tie(NamedTuple):
    """Whether the gradient of the maximum is right for ties, and what to say about it."""

    right: bool
    said: str = ""


def judge_ties(dlogits: Array, case: Case) -> Tie:
    """Judge ``dlogits`` where rows have several equal largest logits.

    The derivative of a maximum is not unique there. The first may get the gradient, or the last, or
    all may share it, but each row must pass on its gradient exactly once.
    """
    v, d = case.values, case.gradients
    wanted = d.norm_logits.shape
    if dlogits.shape != wanted:
        return Tie(False, f"shape {dlogits.shape}, wanted {wanted}")
    passed = dlogits - d.norm_logits
    largest = v.logits == v.logit_maxes
    bound = SAME * np.abs(d.logit_maxes).max()
    total = passed.sum(1, keepdims=True)
    share = np.where(largest, passed / d.logit_maxes, 0)
    if np.abs(np.where(largest, 0, passed)).max() > bound or not np.isfinite(dlogits).all():
        return Tie(False, "an entry that is not the largest gets a part of dlogit_maxes")
    if np.abs(passed - largest * d.logit_maxes).max() <= bound:
        return Tie(
            False,
            "where several logits of a row are equal and largest, each of them gets all of "
            "dlogit_maxes, so that it counts twice or more: logits.argmax(1) picks one",
        )
    if np.abs(total - d.logit_maxes).max() > bound or share.min() < -SAME:
        return Tie(
            False,
            "where several logits of a row are equal and largest, what they get does not add up "
            "to dlogit_maxes",
        )
    return Tie(True, SHARED if ((share > SAME) & (share < 1 - SAME)).any() else "")
