"""How one parameter comes to be: drawn and scaled, or constant; trained, or left alone."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from npnet.base.arrays import Floats
from npnet.base.errors import InputError, shown
from npnet.network.names import PARAMETER_NAMES

LARGEST = float(np.finfo(np.float32).max)  # parameters are drawn and scaled in float32

_OPERATIONS = {"*": np.multiply, "/": np.divide, "+": np.add, "-": np.subtract}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?"
_SCALE = re.compile(
    rf"(?P<operation>[*/+-])\s*(?:(?P<over>{_NUMBER})\s*/\s*(?P<under>{_NUMBER})"
    rf"|(?P<number>{_NUMBER})|(?P<sqrt>sqrt\(fan_in\))|(?P<fan_in>fan_in))"
)


@dataclass(frozen=True)
class Draw:
    """One entry of a recipe's ordered list of draws.

    Attributes:
        name: one of the seven parameters.
        scale: what is done to the standard normals, in order, each step one float32 operation,
            as in ``("* 5/3", "/ sqrt(fan_in)")``. An operation is ``*``, ``/``, ``+`` or ``-``
            and a number, a fraction of two numbers, ``fan_in`` or ``sqrt(fan_in)``, where fan_in
            is the length of the parameter's first axis. ``("* 0",)`` draws and then zeroes.
        constant: this value everywhere and nothing drawn from the generator; None to draw.
        trained: whether the steps of training update it.
        seed: of another generator, which draws it in place of the run's own; None for the run's
            own. Draws of one recipe that name the same seed share one such generator, which goes
            on from one of them to the next.

    Raises:
        InputError: an unknown name, an operation that is none, a value of the wrong type or out
            of range, a constant with a scale or a seed.
    """

    name: str
    scale: tuple[str, ...] = ()
    constant: float | None = None
    trained: bool = True
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.name not in PARAMETER_NAMES:
            raise InputError(
                f"draws: {shown(self.name)} is no parameter, wanted one of "
                f"{', '.join(PARAMETER_NAMES)}"
            )
        self._check(
            isinstance(self.scale, list | tuple) and all(isinstance(s, str) for s in self.scale),
            "scale",
            'a list of operations such as ["* 0.1"]',
        )
        object.__setattr__(self, "scale", tuple(self.scale))
        self._check(isinstance(self.trained, bool), "trained", "true or false")
        if self.seed is not None:
            whole = type(self.seed) is int and -(2**63) <= self.seed < 2**64
            self._check(whole, "seed", "a whole number from -2^63 to 2^64-1, as torch")
        if self.constant is not None:
            number = type(self.constant) in (int, float) and abs(self.constant) <= LARGEST
            self._check(number, "constant", "a number in the range of float32")
            if self.scale or self.seed is not None:
                raise InputError(
                    f"draws: {self.name} has a constant and a {'scale' if self.scale else 'seed'}, "
                    "wanted one of them: a constant is used as it stands and not drawn"
                )
        for step in self.scale:
            self._operand(step, fan_in=1)

    def _check(self, holds: bool, key: str, wanted: str) -> None:
        if not holds:
            got = getattr(self, key)
            raise InputError(f"draws: {self.name} has the {key} {shown(got)}, wanted {wanted}")

    def scaled(self, normals: Floats, fan_in: int) -> Floats:
        """Apply the scale to float32 ``normals``, rounding after every operation as torch does."""
        with np.errstate(all="ignore"):  # what becomes too large, draw_parameters refuses
            for step in self.scale:
                operation, operand = self._operand(step, fan_in)
                normals = operation(normals, np.float32(operand))
        return normals

    def _operand(self, step: str, fan_in: int) -> tuple[np.ufunc, float]:
        match = _SCALE.fullmatch(step.strip())
        if match is None:
            raise InputError(
                f"draws: {self.name} has the scale step {shown(step)}, wanted an operation such as "
                "'* 0.1', '* 5/3', '/ sqrt(fan_in)' or '+ 1'"
            )
        if match["sqrt"]:
            operand = fan_in**0.5
        elif match["fan_in"]:
            operand = float(fan_in)
        elif match["over"]:
            operand = float(match["over"]) / (float(match["under"]) or math.nan)
        else:
            operand = float(match["number"])
        divides_by_0 = match["operation"] == "/" and np.float32(operand) == 0
        if not abs(operand) <= LARGEST or divides_by_0:
            raise InputError(
                f"draws: {self.name} has the scale step {shown(step)}, which divides by 0 or "
                "leaves the range of float32: wanted another operand"
            )
        return _OPERATIONS[match["operation"]], operand
