"""Repeated, flipped, rolled and triangular copies."""

from __future__ import annotations

from typing import Any

from npnet.derivatives.shapes import DIAG_EMBED, FLIP, REPEAT, REPEAT_EACH, ROLL, TRIL, TRIU
from npnet.tensors.attach import both, method
from npnet.tensors.axes import axis_of
from npnet.tensors.missing import not_supported
from npnet.tensors.shapes import sizes_of
from npnet.tensors.splits_and_joins import diagonal as diagonal_of
from npnet.tensors.tape import renamed, run
from npnet.tensors.tensor_class import Tensor
from npnet.tensors.views import reshape


@method("repeat")
def repeat(self: Tensor, *sizes: Any) -> Tensor:
    """Copies side by side along every axis."""
    repeats = sizes_of(sizes)
    if len(repeats) < self._a.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            "tensor"
        )
    return run(REPEAT, (self._a, repeats), (self,))


@both("tile")
def tile(input: Tensor, *dims: Any) -> Tensor:
    """``repeat`` with leading ones."""
    repeats = sizes_of(dims)
    return repeat(input, (1,) * (input._a.ndim - len(repeats)) + repeats)


@both("repeat_interleave")
def repeat_interleave(input: Tensor, repeats: Any, dim: int | None = None) -> Tensor:
    """Each slice of an axis several times."""
    if dim is None:
        input, dim = reshape(input, -1), 0
    axis = axis_of(dim, input._a.ndim)
    counts = repeats._a if isinstance(repeats, Tensor) else repeats
    return renamed(run(REPEAT_EACH, (input._a, counts, axis), (input,)), "ViewBackward0")


@both("flip")
def flip(input: Tensor, *dims: Any, **more: Any) -> Tensor:
    """A copy with the values along axes in reverse order."""
    order = sizes_of((more.pop("dims"),) if "dims" in more else dims)
    if not input._a.ndim:
        return renamed(input.clone(), "FlipBackward0")
    return run(FLIP, (input._a, tuple(axis_of(d, input._a.ndim) for d in order)), (input,))


@both("roll")
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """A copy with the values shifted along axes; values at the end go to the beginning."""
    return run(ROLL, (input._a, shifts, dims), (input,))


def _matrix(name: str, input: Tensor) -> None:
    if input._a.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")


@both("tril")
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Zeros above a diagonal."""
    _matrix("tril", input)
    return run(TRIL, (input._a, diagonal), (input,))


@both("triu")
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Zeros below a diagonal."""
    _matrix("triu", input)
    return run(TRIU, (input._a, diagonal), (input,))


@both("diag")
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or a matrix with this diagonal."""
    if input._a.ndim == 1:
        return diag_embed(input, diagonal)
    if input._a.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input._a.ndim}D")
    return renamed(diagonal_of(input, diagonal).clone(), "DiagonalBackward0_copy")


@both("diag_embed")
def diag_embed(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with this diagonal."""
    if input._a.ndim != 1:
        raise not_supported("diag_embed of more than one axis")
    return run(DIAG_EMBED, (input._a, offset), (input,))
