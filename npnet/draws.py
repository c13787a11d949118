"""How one parameter comes to be: drawn and scaled, or constant; trained, or left alone."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from npnet.arrays import Floats
from npnet.errors import InputError
from npnet.names import PARAMETER_NAMES

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

    Raises:
        InputError: an unknown name, an operation that is none, a constant with a scale.
    """

    name: str
    scale: tuple[str, ...] = ()
    constant: float | None = None
    trained: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", tuple(self.scale))
        if self.name not in PARAMETER_NAMES:
            raise InputError(
                f"draws: {self.name!r} is no parameter, wanted one of {', '.join(PARAMETER_NAMES)}"
            )
        if self.constant is not None and self.scale:
            raise InputError(
                f"draws: {self.name} has a constant and a scale, wanted one of them: "
                "a constant is used as it stands"
            )
        if self.constant is not None and not math.isfinite(self.constant):
            raise InputError(f"draws: {self.name} is {self.constant}, wanted a finite constant")
        for step in self.scale:
            self._operand(step, fan_in=1)

    def scaled(self, normals: Floats, fan_in: int) -> Floats:
        """Apply the scale to float32 ``normals``, rounding after every operation as torch does."""
        for step in self.scale:
            operation, operand = self._operand(step, fan_in)
            normals = operation(normals, np.float32(operand))
        return normals

    def _operand(self, step: str, fan_in: int) -> tuple[np.ufunc, float]:
        match = _SCALE.fullmatch(step.strip())
        if match is None:
            raise InputError(
                f"draws: {self.name} has the scale step {step!r}, wanted an operation such as "
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
        if not math.isfinite(operand) or (match["operation"] == "/" and operand == 0):
            raise InputError(
                f"draws: {self.name} has the scale step {step!r}, which divides by 0 or leaves "
                "the range of numbers: wanted a finite operand"
            )
        return _OPERATIONS[match["operation"]], operand
