"""An operation: a forward function with its derivatives.

Every derivative is called as ``derivative(g, out, *arguments)``: the upstream gradient, the
operation's result, the arguments that the forward function got. It returns the gradient with
respect to its argument **before** the sum over broadcast axes. This sum is the same for all
operations, and the backward pass does it in one place.

A derivative does not read a parameter whose name begins with ``_``. Torch saves the parameters that
a derivative reads; changing one in place between the forward and the backward pass is an error. If
a derivative needs only the shape of a parameter, or only indices, the table says so by
``saves=NOTHING`` or ``saves=INDICES``.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

from npnet.base.arrays import Array

Derivative = Callable[..., Array]
OUT = -1  # a derivative that has this among its places reads the result
KEPT = -2  # it reads indices that the operation copied, so that later changes do not matter
NOTHING: tuple[int, ...] = ()
INDICES = (KEPT,)


class Operation:
    """A forward function and its derivatives.

    Attributes:
        name: the name that torch prints in ``grad_fn``, such as ``MulBackward0``.
        forward: a function of arrays and plain arguments that returns one array.
        derivatives: one for each of the first arguments.
        reads: for each derivative, the places of the arguments that it reads, ``OUT`` for the
            result. By default these are its parameters that do not begin with ``_``.
        reads_arguments, reads_result: whether any derivative does.
    """

    __slots__ = ("derivatives", "forward", "name", "reads", "reads_arguments", "reads_result")

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        *derivatives: Derivative,
        saves: tuple[int, ...] | None = None,
    ) -> None:
        self.name, self.forward = name, forward
        reads = (_places(one) if saves is None else saves for one in derivatives)
        self.derive(derivatives, tuple(reads))

    def derive(
        self, derivatives: tuple[Derivative, ...], reads: tuple[tuple[int, ...], ...]
    ) -> None:
        """Set the derivatives, and the places that each of them reads."""
        self.derivatives, self.reads = derivatives, reads
        places = [place for one in reads for place in one]
        self.reads_arguments, self.reads_result = max(places, default=OUT) >= 0, OUT in places

    def renamed(self, name: str) -> Operation:
        """The same operation under another name."""
        made = copy.copy(self)
        made.name = name
        return made

    def __repr__(self) -> str:
        return f"<Operation {self.name}>"


def _places(derivative: Derivative) -> tuple[int, ...]:
    """The places (numbers of arguments, or OUT) that a derivative reads, by its parameters."""
    names = list(inspect.signature(derivative).parameters)[1:]  # without g
    return tuple(place - 1 for place, name in enumerate(names) if not name.startswith("_"))


def no_derivative(what: str) -> NotImplementedError:
    """The error when an operation without a derivative is asked for its gradient."""
    return NotImplementedError(
        f"the gradient of {what} is not in npnet.tensors: write the line in another way, or run "
        "it with torch"
    )
