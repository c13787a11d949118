"""The catalogue of wrong gradients: mistakes that people make in this exercise.

Several come from published notebooks. Everything that needs a wrong gradient selects from here:
the diagnosis of a learner's function, ``npnet exercise mistakes``, ``oracle selftest`` and the
tests of all three.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.learn.notation import plain
from npnet.learn.wrong_gradients_table import TABLE
from npnet.network.forward import Values
from npnet.network.gradients import Gradients

Function = Callable[[Values, Gradients], Array]


class WrongGradient(NamedTuple):
    """One mistake.

    Attributes:
        exercise: the function with the mistake, such as ``dprobs``.
        what: the mistake in words.
        code: the body of a function of ``v`` and ``d``, as a learner writes it; its last line is
            the expression that is returned.
        named: words that the diagnosis must say. Empty if the sheet names no cause: because the
            verdict says it already, or because the gradient is right except for its precision or
            for the way in which equal largest logits share it.
        kind: a word for the kind of mistake, if it is not a single edit of the right formula
            (``npnet.learn.wrong_formulas``) and the diagnosis must know it from here; else empty.
    """

    exercise: str
    what: str
    code: str
    named: str
    kind: str

    @property
    def gradient(self) -> str:
        """The name without the lecture's d, as in ``npnet.GRADIENTS``."""
        return self.exercise.removeprefix("d")

    @property
    def function(self) -> Function:
        """The mistake as a function of ``v`` and ``d``."""
        return _compiled(self.exercise, self.code)

    @property
    def statements(self) -> tuple[str, ...]:
        """The code in the lecture's notation, with a name for the result."""
        *first, last = self.code.splitlines()
        named = () if last == self.exercise else (f"{self.exercise} = {plain(last)}",)
        return (*map(plain, first), *named)


@cache
def _compiled(name: str, code: str) -> Function:
    *first, last = code.splitlines()
    scope: dict[str, Function] = {}
    body = "\n".join(f"    {line}" for line in (*first, f"return {last}"))
    exec(f"def {name}(v, d):\n{body}", {"np": np}, scope)
    return scope[name]


WRONG_GRADIENTS = tuple(
    WrongGradient(exercise, what, code, named, *(kind or [""]))
    for exercise, entries in TABLE.items()
    for what, code, named, *kind in entries
)


def wrong_gradient(exercise: str, what: str) -> WrongGradient:
    """The mistake in an exercise that is described by these words.

    Raises:
        KeyError: there is no such mistake.
    """
    found = {(entry.exercise, entry.what): entry for entry in WRONG_GRADIENTS}
    return found[exercise, what]
