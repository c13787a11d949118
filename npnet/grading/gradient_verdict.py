"""The whole verdict on a gradient: its numbers, its exercise, and why it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npnet.base.arrays import Array
from npnet.grading.causes import Causes
from npnet.grading.judge_gradient import Judge
from npnet.grading.pairs import USE
from npnet.grading.segments import Target
from npnet.grading.truth import Backend
from npnet.grading.verdicts import IGNORED, ONLY_HERE, RIGHT, SHAPE, WRONG, GradientVerdict

EXPLAINED = (WRONG, SHAPE, ONLY_HERE, IGNORED)
LARGEST_BATCH = 5000


def verdict(
    judge: Judge, causes: Causes, target: Target, part: int | None = None
) -> GradientVerdict:
    """The verdict on one gradient. ``part``: its exercise, if it is known."""
    judged = judge.judge(target)
    exercise = causes.exercise(judged)
    tie = causes.tie(target, judged) if judged.verdict == RIGHT else None
    if tie is not None and not tie.right:
        judged.verdict, judged.reason, judged.remark = ONLY_HERE, tie.said, ""
    elif tie is not None and tie.said:
        judged.remark = tie.said
    cause = causes.cause(target, judged) if judged.verdict in EXPLAINED else None
    segment = judge.segment
    made = judged.part.units
    if USE in target.name and len(made) > 1:  # its last statement was only added for the comparison
        made = made[:-1]
    last = made[-1] if made else segment.units[target.first]
    return GradientVerdict(
        gradient=target.name,
        tensor=judged.tensor,
        cell=last.cell,
        line=last.line,
        verdict=judged.verdict,
        reason=judged.reason,
        cause=cause.text if cause else "",
        kind=cause.kind if cause else "",
        remark=judged.remark,
        lecture=causes.roles.get(judged.tensor, ""),
        exercise=part or (exercise.part if exercise else 1),
        passes_cmp=judged.passes_cmp,
        code=judged.part.code,
    )


def integers(backend: Backend, namespace: Mapping[str, Any]) -> dict[str, Array]:
    """The tensors of integers that are not larger than a batch."""
    found = {}
    for name, value in namespace.items():
        if not backend.is_tensor(value) or name.startswith("_"):
            continue
        if 1 <= value.ndim <= 2 and len(value) <= LARGEST_BATCH:
            array = backend.array(value)
            if array.dtype.kind in "iu" and array.size:
                found[name] = array
    return found
