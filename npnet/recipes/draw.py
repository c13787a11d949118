"""One draw of a recipe: a parameter is drawn and scaled, or constant; trained or not."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from npnet.base.arrays import Floats
from npnet.base.errors import InputError, shown
from npnet.base.suggestions import nearest
from npnet.network.names import PARAMETER_NAMES
from npnet.recipes.arithmetic import parsed

LARGEST = float(np.finfo(np.float32).max)  # parameters are drawn and scaled in float32
LOST = "lost"  # in place of a seed, if nobody seeded the generator
MOST_SKIPPED = 1 << 32
MOST_NUMBERS = 1 << 27  # the most numbers of a draw that the network does not use: 512 MB

# Other names in notebooks for the gain and the bias of batch normalisation.
SYNONYMS = {"gamma": "bngain", "gain": "bngain", "beta": "bnbias", "bias": "bnbias"}

_OPERATIONS = {"*": np.multiply, "/": np.divide, "+": np.add, "-": np.subtract}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?"
_PLAIN = re.compile(rf"{_NUMBER}(?:\s*/\s*{_NUMBER})?|fan_in|sqrt\(fan_in\)")


@dataclass(frozen=True)
class Draw:
    """One entry of a recipe's ordered list of draws.

    Attributes:
        name: one of the seven parameters, or another name for numbers that the notebook draws and
            the network does not use. Such a draw needs a ``shape``.
        scale: the operations on the standard normal numbers, in order, each computed in the dtype
            of the draws, as in ``("* 5/3", "/ sqrt(fan_in)")``. An operation is ``*``, ``/``,
            ``+`` or ``-`` and then a number, a fraction of two numbers, ``fan_in``,
            ``sqrt(fan_in)``, or a formula of these in parentheses. The formula is computed to one
            number first: ``("* ((5/3)/sqrt(fan_in))",)``. fan_in is the length of the parameter's
            first axis. ``("* 0",)`` draws numbers and then sets them to zero.
        constant: the value of every entry, without a draw; None to draw.
        trained: whether training updates the parameter. For a name that the network does not use:
            whether its numbers are counted as trained.
        seed: the seed of a separate generator for this draw; None for the generator of the run.
            Draws of one recipe with the same seed share one generator, one draw after the other.
            ``"lost"`` means a generator that nobody seeded. Such a recipe cannot be run until
            ``npnet recover`` finds the seed.
        skip: how many 32-bit words the separate generator gave to earlier cells, before this draw.
            None is 0. For a lost seed, None means: continue where the file before this one ends.
        shape: the shape of a draw that the network does not use.

    Raises:
        InputError: a name or an operation is unknown, a value has the wrong type or is out of
            range, or a constant has a scale or a seed.
    """

    name: str
    scale: tuple[str, ...] = ()
    constant: float | None = None
    trained: bool = True
    seed: int | str | None = None
    skip: int | None = None
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        self._check_name()
        self._check(
            isinstance(self.scale, list | tuple) and all(isinstance(s, str) for s in self.scale),
            "scale",
            'a list of operations such as ["* 0.1"]',
        )
        object.__setattr__(self, "scale", tuple(self.scale))
        self._check(isinstance(self.trained, bool), "trained", "true or false")
        if self.seed is not None and not (isinstance(self.seed, str) and self.seed == LOST):
            whole = type(self.seed) is int and -(2**63) <= self.seed < 2**64
            self._check(whole, "seed", 'a whole number from -2^63 to 2^64-1, as torch, or "lost"')
        if self.skip is not None:
            words = type(self.skip) is int and 0 <= self.skip < MOST_SKIPPED
            self._check(words, "skip", "a number of words, 0 or more")
            self._check(self.seed is not None, "skip", "a seed with it: it skips in that stream")
        if self.constant is not None:
            number = type(self.constant) in (int, float) and abs(self.constant) <= LARGEST
            self._check(number, "constant", "a number in the range of float32")
            if self.scale or self.seed is not None:
                raise InputError(
                    f"draws: {self.name} has a constant and a {'scale' if self.scale else 'seed'}, "
                    "wanted one of them: a constant is used unchanged and not drawn"
                )
        for step in self.scale:
            self._operand(step, fan_in=1)

    def _check(self, holds: bool, key: str, wanted: str) -> None:
        if not holds:
            got = getattr(self, key)
            raise InputError(f"draws: {self.name} has the {key} {shown(got)}, wanted {wanted}")

    def _check_name(self) -> None:
        if isinstance(self.name, str) and self.name in PARAMETER_NAMES:
            self._check(self.shape is None, "shape", f"none: the network decides {self.name}'s")
            return
        known = ", ".join(PARAMETER_NAMES)
        if self.shape is None or not isinstance(self.name, str) or not self.name.isidentifier():
            said = str(self.name)
            capitals = {name.lower(): name for name in PARAMETER_NAMES}
            near = capitals.get(said.lower()) or SYNONYMS.get(said)
            near = near or nearest(said, PARAMETER_NAMES)
            wanted = f"did you mean {near}?" if near else f"wanted one of {known}"
            raise InputError(
                f"draws: {shown(self.name)} is no parameter, {wanted} (numbers that are drawn and "
                "not used need a name and a shape)"
            )
        sizes = isinstance(self.shape, list | tuple) and self.shape
        fits = sizes and all(type(size) is int and size >= 1 for size in self.shape)
        self._check(
            bool(fits and math.prod(self.shape) <= MOST_NUMBERS),
            "shape",
            f"a list of sizes such as [200], at most {MOST_NUMBERS:,} numbers",
        )
        object.__setattr__(self, "shape", tuple(self.shape))
        self._check(self.constant is None, "constant", "none: it is drawn and not used")

    @property
    def used(self) -> bool:
        """Whether the draw is a parameter of the network."""
        return self.name in PARAMETER_NAMES

    def scaled(self, normals: Floats, fan_in: int) -> Floats:
        """Apply the scale to ``normals``, and round to their dtype after every operation."""
        # draw_parameters raises an error for results that are too large
        with np.errstate(all="ignore"):
            for step in self.scale:
                operation, operand = self._operand(step, fan_in)
                normals = operation(normals, normals.dtype.type(operand))
        return normals

    def _operand(self, step: str, fan_in: int) -> tuple[np.ufunc, float]:
        sign, text = step.strip()[:1], step.strip()[1:].strip()
        if sign not in _OPERATIONS or not (_PLAIN.fullmatch(text) or _in_parentheses(text)):
            raise InputError(
                f"draws: {self.name} has the scale step {shown(step)}, wanted {_advice(sign, text)}"
            )
        try:
            operand = parsed(text, ("fan_in",))({"fan_in": float(fan_in)})
        except ArithmeticError:
            operand = math.nan
        except ValueError as error:
            raise InputError(
                f"draws: {self.name} has the scale step {shown(step)}: {error}"
            ) from error
        divides_by_0 = sign == "/" and np.float32(operand) == 0
        if not abs(operand) <= LARGEST or divides_by_0:
            raise InputError(
                f"draws: {self.name} has the scale step {shown(step)}, which divides by 0 or "
                "leaves the range of float32: wanted another operand"
            )
        return _OPERATIONS[sign], operand


def _in_parentheses(text: str) -> bool:
    """Whether one pair of parentheses encloses the whole text."""
    depth = 0
    for place, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth <= 0:
            return place > 0 and place == len(text) - 1
    return False


def _advice(sign: str, text: str) -> str:
    try:
        parsed(text, ("fan_in",))
    except ValueError:
        text = ""
    if sign not in _OPERATIONS or not text:
        return "an operation such as '* 0.1', '* 5/3', '/ sqrt(fan_in)' or '+ 1'"
    steps = re.fullmatch(r"\(?([^()]+)\)?\s*([*/])\s*(.+)", text)
    two = (
        f"; for two operations, ['{sign} {steps[1].strip()}', '{steps[2]} {steps[3]}']"
        if steps
        else ""
    )
    return f"parentheses around it for one operation by one number: '{sign} ({text})'{two}"
