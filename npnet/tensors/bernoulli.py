"""``bernoulli`` and dropout: zeros and ones, bit for bit as torch draws them.

If there is one probability, a float64 uniform number is drawn for each value. For a tensor of
probabilities, the uniform numbers have its type. A value is 1 if its number is below its
probability. This was measured with torch 2.13 on an AMD processor. On an Intel processor, torch may
draw the numbers for one probability with MKL.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.elementwise import DRAWN, DRAWN_BY, DRAWN_FOR
from npnet.tensors.dtypes_and_sizes import FLOATS
from npnet.tensors.generators import Counted, Generator
from npnet.tensors.in_place import write
from npnet.tensors.interface import FUNCTIONS, NUMBERS, both, function, method, tensor_argument
from npnet.tensors.missing import not_for, not_supported
from npnet.tensors.random import draw
from npnet.tensors.tape import renamed, run
from npnet.tensors.tensor_class import Tensor, wrap


@both("bernoulli")
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Ones with the probabilities in ``input``, or with ``p`` in the shape and type of ``input``.

    Raises:
        RuntimeError: a probability is below 0 or above 1.
    """
    x = tensor_argument("bernoulli", input)._a
    if p is not None:
        return run(DRAWN_FOR, (x, _draw(x, _probability(p), generator)._a), (input,))
    if not x.size:
        drawn = wrap(x.copy())
    elif x.dtype in FLOATS and x.dtype != np.float16:
        drawn = _draw(x, _probabilities(x), generator)
    else:
        raise not_for("bernoulli_tensor_cpu_p_", input.dtype)
    return run(DRAWN, (x, drawn._a), (input,))


@method("bernoulli_")
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Write ones with this probability, or with these, and zeros elsewhere, in place."""
    if isinstance(p, Tensor):
        if p._a.dtype not in FLOATS:
            raise not_for("bernoulli_tensor_cpu_p_", p.dtype)
        chances = np.broadcast_to(_probabilities(p._a), self._a.shape)
        drawn = _draw(self._a, chances, generator)
        return write(self, DRAWN_BY, (self._a, p._a, drawn._a), (self, p))
    drawn = _draw(self._a, _probability(p), generator)
    made = write(self, DRAWN, (self._a, drawn._a), (self,))
    return renamed(made, "BernoulliBackward2")


@function("dropout")
def dropout(input: Tensor, p: float = 0.5, train: bool = True) -> Tensor:
    """Zeros with probability p, and all other values divided by 1 − p; ``input`` if not ``train``.

    Raises:
        RuntimeError: p is below 0 or above 1, or the tensor has whole numbers.
    """
    if not isinstance(p, NUMBERS) or not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
    return dropped(input, p, train, False)


def dropped(input: Tensor, p: float, train: bool, inplace: bool) -> Tensor:
    """``dropout``, in place or not."""
    x = tensor_argument("dropout", input)._a
    if not train or p == 0 or not x.size:
        return input
    if p == 1:
        factors = wrap(np.zeros((), x.dtype))
    elif x.dtype.kind != "f":
        raise RuntimeError(
            "result type Float can't be cast to the desired output type: convert with .float()"
        )
    else:
        factors = _draw(x, 1 - p, None)
        factors._a /= 1 - p
    made: Tensor = FUNCTIONS["mul"](input, factors) if not inplace else input.mul_(factors)
    return made


def _draw(like: Array, chances: Any, generator: Generator | None) -> Tensor:
    """Zeros and ones in the shape and type of an array."""

    def make(core: Counted) -> Array:
        if isinstance(chances, np.ndarray):
            drawn = core.rand(like.shape, dtype=chances.dtype) < chances
            return drawn.astype(like.dtype)
        # In the order of memory, from the axis with the longest steps to that with the shortest.
        axes = sorted(range(like.ndim), key=lambda axis: -like.strides[axis])
        shape = tuple(like.shape[axis] for axis in axes)
        drawn = np.asarray(core.rand(shape, dtype=np.float64) < chances, like.dtype)
        return drawn.transpose(np.argsort(axes)) if axes else drawn

    return draw("bernoulli", generator, make)


def _probability(p: Any) -> float:
    if not isinstance(p, NUMBERS):
        raise TypeError(f"bernoulli: p is {type(p).__name__}, wanted a number from 0 to 1")
    chance = float(p)
    if not 0 <= chance <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    return chance


def _probabilities(chances: Array) -> Array:
    if not ((chances >= 0) & (chances <= 1)).all():
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    if chances.dtype == np.float16:
        raise not_supported("bernoulli of float16 probabilities")
    return chances
