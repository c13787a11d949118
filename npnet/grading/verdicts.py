"""The verdicts on a hand-written gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RIGHT = "right"
ONLY_HERE = "right on this minibatch only"
WRONG = "wrong"
SHAPE = "wrong shape that broadcasts"
ALIAS = "changes another variable"
WRONG_TENSOR = "compared with the wrong tensor"
IGNORED = "upstream gradient ignored"
COPIED = "taken from autograd"
UNFINISHED = "unfinished"
NOT_RUN = "not run"

# In this order, a summary counts them.
VERDICTS = (
    *(RIGHT, ONLY_HERE, WRONG, SHAPE, ALIAS, WRONG_TENSOR, IGNORED),
    *(COPIED, UNFINISHED, NOT_RUN),
)
FAILS = frozenset((ONLY_HERE, WRONG, SHAPE, ALIAS, WRONG_TENSOR, IGNORED))


@dataclass(frozen=True, kw_only=True)
class GradientVerdict:
    """One hand-written gradient.

    Attributes:
        gradient: the variable.
        tensor: the tensor whose gradient it should be.
        cell, line: the place of its last statement, both from 1.
        verdict: one of the verdicts above.
        reason: what is wrong, in figures, or what happened.
        cause: the probable cause, or "".
        kind: the kind of the cause, or "".
        remark: a remark on a right gradient, or "".
        lecture: the name of the tensor in the lecture, or "".
        exercise: 1 for a single line, 2 and 3 for the fused ones, 4 for the training loop.
        passes_cmp: whether the lecture's check says "approximate: True".
        code: the statements that make it.
    """

    gradient: str
    tensor: str
    cell: int
    line: int
    verdict: str
    reason: str = ""
    cause: str = ""
    kind: str = ""
    remark: str = ""
    lecture: str = ""
    exercise: int = 1
    passes_cmp: bool | None = None
    code: str = ""

    @property
    def fails(self) -> bool:
        """Whether it is wrong in any way."""
        return self.verdict in FAILS

    @staticmethod
    def of(entries: Mapping[str, Any]) -> GradientVerdict:
        """The verdict from the entries that ``vars`` made of it."""
        return GradientVerdict(**entries)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A finding on the notebook that does not belong to a single gradient.

    Attributes:
        about: ``forward pass``, ``training``, ``calibration`` or ``evaluation``.
        text: the finding in words.
        wrong: whether it is a mistake; if not, it is only information.
        cell, line: its place, or 0.
    """

    about: str
    text: str
    wrong: bool = True
    cell: int = 0
    line: int = 0
