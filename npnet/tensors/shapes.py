"""Views, transpositions, repeats, joins and splits. Views share memory, as torch's do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.tensors.autograd import Operation, node_of, renamed, run, view_of
from npnet.tensors.dtypes import result_type
from npnet.tensors.missing import not_supported
from npnet.tensors.reductions import axis_of
from npnet.tensors.tensor_class import (
    MODE,
    Tensor,
    both,
    function,
    method,
    tensor_argument,
)


def sizes_of(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """``(2, 3)`` for ``2, 3`` and for ``(2, 3)``."""
    for size in sizes:
        if type(size) is not int:
            break
    else:
        return sizes
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    found = []
    for size in sizes:
        if isinstance(size, bool) or not hasattr(size, "__index__"):
            raise TypeError(f"size: got {size!r}, wanted whole numbers")
        found.append(size.__index__())
    return tuple(found)


# --- views ----------------------------------------------------------------------------------------


def _reshaped(x: Array, shape: tuple[int, ...]) -> Array:
    return x.reshape(shape)


def _transposed(x: Array, axes: tuple[int, ...]) -> Array:
    return x.transpose(axes)


def _expanded(x: Array, shape: tuple[int, ...]) -> Array:
    found = np.broadcast_to(x, shape)
    if x.flags.writeable and found.ndim:
        found = np.lib.stride_tricks.as_strided(x, shape, found.strides)
    return found


def _diagonal(x: Array, place: tuple[int, int, int]) -> Array:
    offset, first, second = place
    first, second = first % x.ndim, second % x.ndim
    rows, columns = x.shape[first], x.shape[second]
    length = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    start = [0] * x.ndim
    start[first], start[second] = max(-offset, 0), max(offset, 0)
    kept = [axis for axis in range(x.ndim) if axis not in (first, second)]
    corner = x[tuple(slice(begin, None) for begin in start)]
    return np.lib.stride_tricks.as_strided(
        corner,
        (*(x.shape[axis] for axis in kept), length),
        (*(x.strides[axis] for axis in kept), x.strides[first] + x.strides[second]),
    )


def _diagonal_gradient(g: Array, _o: Array, x: Array, place: tuple[int, int, int]) -> Array:
    found = np.zeros(x.shape, g.dtype)
    _diagonal(found, place)[...] = g
    return found


def _unturned(g: Array, _o: Array, _x: Array, axes: tuple[int, ...]) -> Array:
    return g.transpose(np.argsort(axes))


def _back(g: Array, _o: Array, x: Array, _shape: Any) -> Array:
    return g.reshape(x.shape)


def _view_operation(name: str, forward: Any, derivative: Any) -> Operation:
    op = Operation(name, forward, derivative)
    op.reads = ((),)  # only the shape
    return op


VIEW = _view_operation("ViewBackward0", _reshaped, _back)
UNSAFE_VIEW = _view_operation("UnsafeViewBackward0", _reshaped, _back)
SQUEEZE = _view_operation("SqueezeBackward0", _reshaped, _back)
SQUEEZE_DIM = _view_operation("SqueezeBackward1", _reshaped, _back)
UNSQUEEZE = _view_operation("UnsqueezeBackward0", _reshaped, _back)
PERMUTE = _view_operation("PermuteBackward0", _transposed, _unturned)
TRANSPOSE = _view_operation("TransposeBackward0", _transposed, _unturned)
T = _view_operation("TBackward0", _transposed, _unturned)
# The gradient has the result's shape; the tape sums it to the argument's.
EXPAND = _view_operation("ExpandBackward0", _expanded, lambda g, _o, _x, _shape: g)
DIAGONAL = _view_operation("DiagonalBackward0", _diagonal, _diagonal_gradient)


def view(tensor: Tensor, op: Operation, argument: Any) -> Tensor:
    """A view, with its node if recorded."""
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
        RuntimeError: the memory's order does not allow it; ``reshape`` copies then.
    """
    if len(shape) == 1 and hasattr(shape[0], "itemsize") and not isinstance(shape[0], Tensor):
        raise not_supported("Tensor.view(dtype)")
    x = self._a
    if len(shape) == 1 and isinstance(shape[0], tuple):
        shape = shape[0]
    for size in shape:
        if type(size) is not int or size < -1:
            break
    else:  # numbers: what a training loop says, step by step
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
    """Another shape: a view where the memory's order allows it, else a copy."""
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
    """Axes from ``start_dim`` to ``end_dim`` made one."""
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
    """One axis made several."""
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
    """Without axes of size 1, all or these."""
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
    """With a new axis of size 1."""
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
    """Transposed, of at most two axes."""
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
    """All expanded to one shape."""
    shape = np.broadcast_shapes(*(tensor._a.shape for tensor in tensors))
    return tuple(t if t._a.shape == shape else expand(t, shape) for t in tensors)


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
    """Stretches of an axis, of one size or of these sizes."""
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
    """At most this many stretches of one size."""
    if not input._a.ndim:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    size = input._a.shape[axis_of(dim, input._a.ndim)]
    return split(input, max(1, -(-size // chunks)), dim)


@both("tensor_split")
def tensor_split(input: Tensor, sections: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Exactly this many stretches, of sizes that differ by at most 1."""
    size = input._a.shape[axis_of(dim, input._a.ndim)]
    least, more = divmod(size, sections)
    return split(input, [least + (place < more) for place in range(sections)], dim)


# --- copies ---------------------------------------------------------------------------------------


def _tiled_gradient(g: Array, _o: Array, x: Array, repeats: tuple[int, ...]) -> Array:
    shape = (1,) * (len(repeats) - x.ndim) + x.shape
    pairs = [size for pair in zip(repeats, shape, strict=True) for size in pair]
    return np.asarray(np.add.reduce(g.reshape(pairs), tuple(range(0, len(pairs), 2)))).reshape(
        x.shape
    )


def _repeated_gradient(g: Array, _o: Array, x: Array, repeats: Any, axis: int) -> Array:
    found = np.zeros(x.shape, g.dtype)
    places = np.repeat(np.arange(x.shape[axis]), repeats)
    key: Any = (slice(None),) * axis + (places,)
    np.add.at(found, key, g)
    return found


def _stretch(place: int) -> Callable[..., Array]:
    """The derivative of a join with respect to the tensor at this place."""

    def derivative(g: Array, _o: Array, *arguments: Any) -> Array:
        *arrays, axis = arguments
        start = sum(array.shape[axis] for array in arrays[:place])
        stop = start + arrays[place].shape[axis]
        return g[(slice(None),) * axis + (slice(start, stop),)]

    return derivative


def _layer(place: int) -> Callable[..., Array]:
    def derivative(g: Array, _o: Array, *arguments: Any) -> Array:
        axis = arguments[-1]
        return g[(slice(None),) * axis + (place,)]

    return derivative


def _joined(*arguments: Any) -> Array:
    *arrays, axis = arguments
    return np.concatenate(arrays, axis)


def _stacked(*arguments: Any) -> Array:
    *arrays, axis = arguments
    return np.stack(arrays, axis)


def _joining(name: str, forward: Any, derivative: Any, count: int) -> Operation:
    """A join of ``count`` tensors: as many derivatives."""
    op = Operation(name, forward)
    op.derivatives = tuple(derivative(place) for place in range(count))
    op.reads = ((),) * count
    return op


REPEAT: Final = _view_operation("RepeatBackward0", np.tile, _tiled_gradient)
REPEAT_EACH: Final = _view_operation("RepeatInterleaveBackward0", np.repeat, _repeated_gradient)
FLIP: Final = _view_operation(
    "FlipBackward0",
    lambda x, axes: np.flip(x, axes).copy(),
    lambda g, _o, _x, axes: np.flip(g, axes),
)
ROLL: Final = _view_operation(
    "RollBackward0",
    lambda x, shifts, axes: np.roll(x, shifts, axes),
    lambda g, _o, _x, shifts, axes: np.roll(
        g, -shifts if isinstance(shifts, int) else [-shift for shift in shifts], axes
    ),
)
TRIL: Final = _view_operation("TrilBackward0", np.tril, lambda g, _o, _x, k: np.tril(g, k))
TRIU: Final = _view_operation("TriuBackward0", np.triu, lambda g, _o, _x, k: np.triu(g, k))


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
    """A copy with axes turned around."""
    order = sizes_of((more.pop("dims"),) if "dims" in more else dims)
    if not input._a.ndim:
        return renamed(input.clone(), "FlipBackward0")
    return run(FLIP, (input._a, tuple(axis_of(d, input._a.ndim) for d in order)), (input,))


@both("roll")
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """A copy with the values shifted along axes, around the end."""
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
    return renamed(globals()["diagonal"](input, diagonal).clone(), "DiagonalBackward0_copy")


DIAG_EMBED: Final = _view_operation(
    "DiagEmbedBackward0", np.diag, lambda g, _o, _x, k: np.diag(g, k)
)


@both("diag_embed")
def diag_embed(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with this diagonal."""
    if input._a.ndim != 1:
        raise not_supported("diag_embed of more than one axis")
    return run(DIAG_EMBED, (input._a, offset), (input,))


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
    op = _joining("CatBackward0", _joined, _stretch, len(arrays))
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
    op = _joining("StackBackward0", _stacked, _layer, len(arrays))
    try:
        return run(op, (*arrays, axis), found)
    except ValueError:
        shapes = [list(array.shape) for array in arrays]
        raise RuntimeError(
            f"stack expects each tensor to be equal size, but got {shapes}"
        ) from None


@function("hstack")
def hstack(tensors: Any) -> Tensor:
    """``cat`` along axis 1, of vectors along axis 0."""
    tensors = [reshape(t, 1) if t._a.ndim == 0 else t for t in tensors]
    return cat(tensors, 0 if tensors[0]._a.ndim <= 1 else 1)


@function("vstack", "row_stack")
def vstack(tensors: Any) -> Tensor:
    """``cat`` along axis 0, vectors as rows."""
    return cat([t if t._a.ndim > 1 else reshape(t, 1, -1) for t in tensors], 0)


# --- about shapes ---------------------------------------------------------------------------------


@method("size")
def size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or one size of it."""
    return self.shape if dim is None else self._a.shape[axis_of(dim, self._a.ndim)]


@method("dim", "ndimension")
def dim_(self: Tensor) -> int:
    """The number of axes."""
    return self._a.ndim


@both("numel")
@method("nelement")
def numel(input: Tensor) -> int:
    """The number of elements."""
    return input._a.size


@method("stride")
def stride(self: Tensor, dim: int | None = None) -> Any:
    """How many elements further in memory the next one along each axis is."""
    found = tuple(step // self._a.itemsize for step in self._a.strides)
    return found if dim is None else found[dim]


@method("is_contiguous")
def is_contiguous(self: Tensor) -> bool:
    """Whether the values follow each other in memory."""
    return self._a.flags.c_contiguous


@method("contiguous")
def contiguous(self: Tensor) -> Tensor:
    """The tensor, or a copy in order if its memory is in another one."""
    return self if self._a.flags.c_contiguous else self.clone()


@method("data_ptr")
def data_ptr(self: Tensor) -> int:
    """The address of the first value."""
    return self._a.ctypes.data


@method("storage_offset")
def storage_offset(self: Tensor) -> int:
    """Where in its base's memory a view begins, in elements."""
    base = self if self._base is None else self._base
    return (self._a.ctypes.data - base._a.ctypes.data) // self._a.itemsize


@method("element_size")
def element_size(self: Tensor) -> int:
    """Bytes of one value."""
    return self._a.itemsize
