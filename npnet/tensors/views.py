"""Views in other shapes: reshaped, transposed, expanded. They share memory, as in torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.operation import Operation
from npnet.derivatives.shapes import (
    EXPAND,
    PERMUTE,
    SQUEEZE,
    SQUEEZE_DIM,
    TRANSPOSE,
    UNSAFE_VIEW,
    UNSQUEEZE,
    VIEW,
    T,
    _reshaped,
    _transposed,
)
from npnet.tensors.interface import axis_of, both, function, method, sizes_of
from npnet.tensors.missing import not_supported
from npnet.tensors.tape import node_of, renamed, run, view_of
from npnet.tensors.tensor_class import MODE, Tensor


def view(tensor: Tensor, op: Operation, argument: Any) -> Tensor:
    """A view, with its node if recording is on."""
    x = tensor._a
    out = op.forward(x, argument)
    made = view_of(tensor, out, op.forward, argument)
    if MODE.grad and tensor._req:
        made._req = True
        made._node = node_of(op, (x, argument), (tensor,), out)
    return made


def _full_shape(name: str, x: Array, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with -1 replaced.

    Raises:
        RuntimeError: the sizes do not fit the number of elements.
    """
    if shape and shape[-1] == -1 and min(shape) == -1:
        known = -math.prod(shape)
        if known > 0 and x.size % known == 0:
            return (*shape[:-1], x.size // known)
    known = math.prod(size for size in shape if size != -1)
    if any(size < -1 for size in shape):
        raise RuntimeError(f"invalid shape dimension {min(shape)}")
    if shape.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if -1 in shape:
        if known == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the "
                "unspecified dimension size -1 can be any value and is ambiguous"
            )
        if x.size % known == 0:
            return tuple(x.size // known if size == -1 else size for size in shape)
    elif known == x.size:
        return shape
    raise RuntimeError(
        f"shape '{list(shape)}' is invalid for input of size {x.size}: {name} keeps the number of "
        "elements"
    )


def _shares(x: Array, shape: tuple[int, ...]) -> bool:
    if x.flags.c_contiguous or not x.size:
        return True
    try:
        x.reshape(shape, copy=False)
    except TypeError:  # NumPy 2.0 has no such argument
        return bool(np.shares_memory(x, x.reshape(shape)))
    except ValueError:
        return False
    return True


@method("view")
def view_as_shape(self: Tensor, *shape: Any) -> Tensor:
    """The same memory in another shape.

    Raises:
        RuntimeError: the order in memory does not allow it; ``reshape`` makes a copy then.
    """
    x = self._a
    if len(shape) == 1 and type(shape[0]) is not int:
        if isinstance(shape[0], tuple):
            shape = shape[0]
        elif hasattr(shape[0], "itemsize") and not isinstance(shape[0], Tensor):
            raise not_supported("Tensor.view(dtype)")
    for size in shape:
        if type(size) is not int or size < -1:
            break
    else:  # numbers, as usual in a training loop
        if x.flags.c_contiguous and x.size:
            try:
                out = x.reshape(shape)
            except ValueError:
                _full_shape("view", x, shape)
                raise
            if self._req and MODE.grad:
                return view(self, VIEW, out.shape)
            return view_of(self, out, _reshaped, out.shape)
    wanted = _full_shape("view", x, sizes_of(shape))
    if not _shares(x, wanted):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return view(self, VIEW, wanted)


@both("reshape")
def reshape(input: Tensor, *shape: Any, **more: Any) -> Tensor:
    """The tensor in another shape: a view if the order in memory allows it, else a copy."""
    if "shape" in more:
        shape = (more.pop("shape"),)
    x = input._a
    wanted = _full_shape("reshape", x, sizes_of(shape))
    if _shares(x, wanted):
        return view(input, VIEW, wanted)
    return run(UNSAFE_VIEW, (x, wanted), (input,))


@method("view_as")
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """``view`` in the shape of another tensor."""
    return view_as_shape(self, other._a.shape)


@method("reshape_as")
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """``reshape`` in the shape of another tensor."""
    return reshape(self, other._a.shape)


@both("flatten")
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from ``start_dim`` to ``end_dim`` as one axis."""
    shape = input._a.shape
    first, last = axis_of(start_dim, len(shape)), axis_of(end_dim, len(shape))
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if shape and first == last:
        return input
    joined = math.prod(shape[first : last + 1])
    return reshape(input, (*shape[:first], joined, *shape[last + 1 :]))


@both("unflatten")
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One axis as several axes."""
    shape = input._a.shape
    axis = axis_of(dim, len(shape))
    sizes = list(sizes)
    if -1 in sizes:
        sizes[sizes.index(-1)] = shape[axis] // -math.prod(sizes)
    return view_as_shape(input, (*shape[:axis], *sizes, *shape[axis + 1 :]))


@both("ravel")
def ravel(input: Tensor) -> Tensor:
    """All values in one axis."""
    return reshape(input, -1)


@both("squeeze")
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """The tensor without all axes of size 1, or without these of them."""
    shape = input._a.shape
    if dim is None:
        return view(input, SQUEEZE, tuple(size for size in shape if size != 1))
    chosen = [
        axis_of(one, len(shape)) for one in (dim if isinstance(dim, (tuple, list)) else [dim])
    ]
    kept = tuple(size for axis, size in enumerate(shape) if axis not in chosen or size != 1)
    return view(input, SQUEEZE_DIM, kept)


@both("unsqueeze")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """The tensor with a new axis of size 1."""
    shape = input._a.shape
    axis = axis_of(dim, len(shape) + 1)
    return view(input, UNSQUEEZE, (*shape[:axis], 1, *shape[axis:]))


@both("permute")
def permute(input: Tensor, *dims: Any, **more: Any) -> Tensor:
    """The axes in another order."""
    order = sizes_of((more.pop("dims"),) if "dims" in more else dims)
    ndim = input._a.ndim
    if len(order) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {ndim} is not equal "
            f"to len(dims) = {len(order)}"
        )
    axes = tuple(axis_of(axis, ndim) for axis in order)
    if len(set(axes)) < len(axes):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return view(input, PERMUTE, axes)


@both("transpose", "swapaxes", "swapdims")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes exchanged."""
    ndim = input._a.ndim
    axes = list(range(ndim))
    first, second = axis_of(dim0, ndim), axis_of(dim1, ndim)
    if ndim:
        axes[first], axes[second] = second, first
    return view(input, TRANSPOSE, tuple(axes))


@both("movedim", "moveaxis")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Axes moved to other places."""
    if not input._a.ndim:
        return permute(input)
    places = list(range(input._a.ndim))
    moved = np.moveaxis(np.empty([1 + place for place in places]), source, destination).shape
    return permute(input, [size - 1 for size in moved])


@both("t")
def t(input: Tensor) -> Tensor:
    """The transposed tensor, which has at most two axes."""
    if input._a.ndim > 2:
        raise RuntimeError(
            f"t() expects a tensor with <= 2 dimensions, but self is {input._a.ndim}D: use .mT"
        )
    return view(input, T, tuple(reversed(range(input._a.ndim))))


def _turned(self: Tensor) -> Tensor:
    if self._a.ndim == 2 and not (MODE.grad and self._req):
        return view_of(self, self._a.T, _transposed, (1, 0))
    return view(self, PERMUTE, tuple(range(self._a.ndim))[::-1])


def _matrix_turned(self: Tensor) -> Tensor:
    if not self._a.ndim:
        return view(self, PERMUTE, ())
    if self._a.ndim < 2:
        raise RuntimeError("tensor.mT is only supported on matrices or batches of matrices")
    return transpose(self, -2, -1)


Tensor.T = property(_turned)  # type: ignore[attr-defined]
Tensor.mT = property(_matrix_turned)  # type: ignore[attr-defined]


@method("t_")
def t_(self: Tensor) -> Tensor:
    """``t`` in place."""
    turned = renamed(t(self), "TBackward1")
    self._a, self._node = turned._a, turned._node
    return self


@method("expand")
def expand(self: Tensor, *sizes: Any) -> Tensor:
    """Axes of size 1 repeated, without a copy."""
    x, wanted = self._a, sizes_of(sizes)
    lead = len(wanted) - x.ndim
    shape = tuple(
        x.shape[axis - lead] if size == -1 and axis >= lead else size
        for axis, size in enumerate(wanted)
    )
    if lead < 0:
        raise RuntimeError(
            f"expand: the number of sizes provided ({len(wanted)}) must be greater or equal to the "
            f"number of dimensions in the tensor ({x.ndim})"
        )
    for axis, size in enumerate(shape):
        if size < 0 or (axis >= lead and x.shape[axis - lead] not in (1, size)):
            raise RuntimeError(
                f"The expanded size of the tensor ({size}) must match the existing size "
                f"({x.shape[axis - lead] if axis >= lead else 1}) at non-singleton dimension "
                f"{axis}.  Target sizes: {list(wanted)}.  Tensor sizes: {list(x.shape)}"
            )
    return view(self, EXPAND, shape)


@method("expand_as")
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """``expand`` to the shape of another tensor."""
    return expand(self, other._a.shape)


@both("broadcast_to")
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """``expand``."""
    return expand(input, size)


@function("broadcast_tensors")
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors, expanded to one shape."""
    shape = np.broadcast_shapes(*(tensor._a.shape for tensor in tensors))
    return tuple(t if t._a.shape == shape else expand(t, shape) for t in tensors)
