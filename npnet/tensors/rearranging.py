"""Splitting tensors (views) and joining, repeating, flipping and rolling them (copies)."""

from __future__ import annotations

import itertools
from typing import Any

from npnet.base.arrays import Array
from npnet.derivatives.shapes import (
    DIAG_EMBED,
    DIAGONAL,
    FLIP,
    REPEAT,
    REPEAT_EACH,
    ROLL,
    TRIL,
    TRIU,
    joined,
    joining,
    layer,
    stacked,
    stretch,
)
from npnet.tensors.dtypes_and_sizes import result_type
from npnet.tensors.interface import axis_of, both, function, method, sizes_of, tensor_argument
from npnet.tensors.missing import not_supported
from npnet.tensors.tape import renamed, run
from npnet.tensors.tensor_class import Tensor
from npnet.tensors.views import reshape, view


@both("diagonal")
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A view of the diagonal."""
    ndim = input._a.ndim
    return view(input, DIAGONAL, (offset, axis_of(dim1, ndim), axis_of(dim2, ndim)))


@both("narrow")
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A view of a stretch along an axis."""
    axis = axis_of(dim, input._a.ndim)
    if not input._a.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if not 0 <= start <= start + length <= input._a.shape[axis]:
        raise RuntimeError(
            f"start ({start}) + length ({length}) exceeds dimension size ({input._a.shape[axis]})."
        )
    return input[(slice(None),) * axis + (slice(start, start + length),)]


@both("select")
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """A view of one slice of an axis."""
    return input[(slice(None),) * axis_of(dim, input._a.ndim) + (index,)]


@both("unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices of an axis."""
    if not input._a.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    axis = axis_of(dim, input._a.ndim)
    return tuple(
        renamed(select(input, axis, place), "UnbindBackward0")
        for place in range(input._a.shape[axis])
    )


@both("split")
def split(input: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts along an axis, all of one size or of these sizes."""
    if not input._a.ndim:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    size = input._a.shape[axis_of(dim, input._a.ndim)]
    parts = split_size_or_sections
    if isinstance(parts, int):
        starts = list(range(0, size, parts)) if size else [0]
        return tuple(
            renamed(narrow(input, dim, s, min(parts, size - s)), "SplitBackward0") for s in starts
        )
    if sum(parts) != size:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's size "
            f"at dimension {dim}), but got split_sizes={list(parts)}"
        )
    starts = [0, *itertools.accumulate(parts)]
    return tuple(
        renamed(narrow(input, dim, s, n), "SplitWithSizesBackward0")
        for s, n in zip(starts, parts, strict=False)
    )


@both("chunk")
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most this many parts of one size."""
    if not input._a.ndim:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    size = input._a.shape[axis_of(dim, input._a.ndim)]
    return split(input, max(1, -(-size // chunks)), dim)


@both("tensor_split")
def tensor_split(input: Tensor, sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Exactly this many parts, whose sizes differ by at most 1; or parts cut at these places."""
    if not input._a.ndim:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, got 0 axes")
    axis = axis_of(dim, input._a.ndim)
    if isinstance(sections, int):
        if sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
        least, more = divmod(input._a.shape[axis], sections)
        cuts = [least * place + min(place, more) for place in range(1, sections)]
    else:
        cuts = sections.tolist() if isinstance(sections, Tensor) else list(sections)
    before = (slice(None),) * axis
    return tuple(
        input[(*before, slice(start, stop))]
        for start, stop in zip([0, *cuts], [*cuts, None], strict=True)
    )


def _together(name: str, tensors: Any) -> tuple[list[Tensor], list[Array]]:
    tensors = [tensor_argument(name, tensor) for tensor in tensors]
    if not tensors:
        refusal = ValueError if "cat" in name else RuntimeError
        raise refusal(f"{name}: expected a non-empty list of Tensors")
    kind = result_type([tensor._a for tensor in tensors])
    return tensors, [tensor._a.astype(kind, copy=False) for tensor in tensors]


@function("cat", "concat", "concatenate")
def cat(tensors: Any, dim: int = 0, **more: Any) -> Tensor:
    """Tensors one after another along an axis."""
    dim = more.pop("axis", dim)
    found, arrays = _together("torch.cat()", tensors)
    if any(array.ndim == 0 for array in arrays):
        raise RuntimeError("zero-dimensional tensor cannot be concatenated: use torch.stack")
    kept = [place for place, array in enumerate(arrays) if array.shape != (0,)] or [0]
    arrays, found = [arrays[place] for place in kept], [found[place] for place in kept]
    axis = axis_of(dim, arrays[0].ndim)
    op = joining("CatBackward0", joined, stretch, len(arrays))
    try:
        return run(op, (*arrays, axis), found)
    except ValueError as why:
        raise RuntimeError(
            f"Sizes of tensors must match except in dimension {axis}. {why}"
        ) from None


@function("stack")
def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors of one shape along a new axis."""
    found, arrays = _together("stack", tensors)
    axis = axis_of(dim, arrays[0].ndim + 1)
    op = joining("StackBackward0", stacked, layer, len(arrays))
    try:
        return run(op, (*arrays, axis), found)
    except ValueError:
        shapes = [list(array.shape) for array in arrays]
        raise RuntimeError(
            f"stack expects each tensor to be equal size, but got {shapes}"
        ) from None


@function("hstack")
def hstack(tensors: Any) -> Tensor:
    """``cat`` along axis 1; for vectors, along axis 0."""
    tensors = [reshape(t, 1) if t._a.ndim == 0 else t for t in tensors]
    return cat(tensors, 0 if tensors[0]._a.ndim <= 1 else 1)


@function("vstack", "row_stack")
def vstack(tensors: Any) -> Tensor:
    """``cat`` along axis 0; vectors become rows."""
    return cat([t if t._a.ndim > 1 else reshape(t, 1, -1) for t in tensors], 0)


diagonal_of = diagonal


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
