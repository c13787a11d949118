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

import inspect
from collections.abc import Callable
from typing import Any

from npnet.base.arrays import Array

Derivative = Callable[..., Array]
OUT = -1  # among the places that a derivative reads: the result
KEPT = -2  # indices that the operation copied: no later change reaches them
NOTHING: tuple[int, ...] = ()
INDICES = (KEPT,)


class Operation:
    """A forward function and its derivatives.

    Attributes:
        name: as torch prints it in ``grad_fn``, such as ``MulBackward0``.
        forward: arrays and plain arguments in, one array out.
        derivatives: one for each of the first arguments.
        reads: for each derivative the places of the arguments that it reads, ``OUT`` for the
            result; by default those of its parameters that do not begin with ``_``.
    """

    __slots__ = ("derivatives", "forward", "name", "reads")

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        *derivatives: Derivative,
        saves: tuple[int, ...] | None = None,
    ) -> None:
        self.name, self.forward, self.derivatives = name, forward, derivatives
        self.reads = tuple(_places(one) if saves is None else saves for one in derivatives)

    def __repr__(self) -> str:
        return f"<Operation {self.name}>"


def _places(derivative: Derivative) -> tuple[int, ...]:
    """The places, OUT or an argument's number, that a derivative reads, from its parameters."""
    names = list(inspect.signature(derivative).parameters)[1:]  # without g
    return tuple(place - 1 for place, name in enumerate(names) if not name.startswith("_"))


def no_derivative(what: str) -> NotImplementedError:
    """The error for a gradient that is asked of an operation that has none."""
    return NotImplementedError(
        f"the gradient of {what} is not in npnet.tensors: write the line in another way, or run "
        "it with torch"
    )
