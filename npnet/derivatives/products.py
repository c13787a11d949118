"""Matrix products, each with its derivatives."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.operation import Operation, no_derivative


def _swapped(x: Array) -> Array:
    return x.swapaxes(-1, -2)


# fmt: off
MM: Final = Operation("MmBackward0", lambda x, y: x @ y,  # (n, m) @ (m, k) -> (n, k)
    lambda g, _o, _x, y: g @ y.T,
    lambda g, _o, x, _y: x.T @ g)
MV: Final = Operation("MvBackward0", lambda x, y: x @ y,  # (n, m) @ (m,) -> (n,)
    lambda g, _o, _x, y: np.outer(g, y),
    lambda g, _o, x, _y: x.T @ g)
DOT: Final = Operation("DotBackward0", lambda x, y: x @ y,  # (m,) @ (m,) -> ()
    lambda g, _o, _x, y: g * y,
    lambda g, _o, x, _y: g * x)
BMM: Final = Operation("BmmBackward0", lambda x, y: x @ y,  # (…, n, m) @ (…, m, k) -> (…, n, k)
    lambda g, _o, _x, y: g @ _swapped(y),
    lambda g, _o, x, _y: _swapped(x) @ g)
# (n, k), or what broadcasts to it, + (n, m) @ (m, k) -> (n, k)
ADDMM: Final = Operation("AddmmBackward0", lambda b, x, y: x @ y + b,
    lambda g, _o, _b, _x, _y: g,
    lambda g, _o, _b, _x, y: g @ y.T,
    lambda g, _o, _b, x, _y: x.T @ g)
# fmt: on


def einsum_derivative(place: int) -> Any:
    """The derivative with respect to the operand at this place: einsum of g and the others."""

    def derivative(g: Array, _o: Array, *arguments: Any) -> Array:
        *arrays, spec = arguments
        inputs, output = spec
        mine = inputs[place]
        others = [array for at, array in enumerate(arrays) if at != place]
        names = [names for at, names in enumerate(inputs) if at != place]
        seen = set(output).union(*names)
        # A letter that no other operand has was summed, so the gradient is the same along it.
        alone = "".join(letter for letter in dict.fromkeys(mine) if letter not in seen)
        sizes = dict(zip(mine, arrays[place].shape, strict=True))
        if len(set(mine)) < len(mine):
            raise no_derivative("einsum with a repeated letter")
        ones = [np.ones([sizes[letter] for letter in alone], g.dtype)] if alone else []
        pattern = ",".join([output, *names, *([alone] if alone else [])]) + "->" + mine
        return np.einsum(pattern, g, *others, *ones, optimize=True)

    return derivative


def einsum_name(inputs: list[str], output: str) -> str:
    """The last operation of torch's own einsum: a sum, a product of elements or of matrices."""
    if len(inputs) == 1:
        return "SumBackward1" if len(output) < len(inputs[0]) else "PermuteBackward0"
    return "MulBackward0" if set("".join(inputs)) == set(output) else "ViewBackward0"
