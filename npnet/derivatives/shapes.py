"""Views, repeats and joins, each with its derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.operation import NOTHING, Operation


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


# fmt: off
# The same memory in another shape. x.shape is all that a derivative needs of x.
VIEW = Operation("ViewBackward0", _reshaped, _back, saves=NOTHING)
UNSAFE_VIEW = Operation("UnsafeViewBackward0", _reshaped, _back, saves=NOTHING)
SQUEEZE = Operation("SqueezeBackward0", _reshaped, _back, saves=NOTHING)
SQUEEZE_DIM = Operation("SqueezeBackward1", _reshaped, _back, saves=NOTHING)
UNSQUEEZE = Operation("UnsqueezeBackward0", _reshaped, _back, saves=NOTHING)
PERMUTE = Operation("PermuteBackward0", _transposed, _unturned, saves=NOTHING)
TRANSPOSE = Operation("TransposeBackward0", _transposed, _unturned, saves=NOTHING)
T = Operation("TBackward0", _transposed, _unturned, saves=NOTHING)
EXPAND = Operation("ExpandBackward0", _expanded,
    lambda g, _o, _x, _shape: g,  # of o's shape; the tape sums it to x's
    saves=NOTHING)
DIAGONAL = Operation("DiagonalBackward0", _diagonal, _diagonal_gradient, saves=NOTHING)
# fmt: on


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


def stretch(place: int) -> Callable[..., Array]:
    """The derivative of a join of tensors with respect to the one at this place."""

    def derivative(g: Array, _o: Array, *arguments: Any) -> Array:
        *arrays, axis = arguments
        start = sum(array.shape[axis] for array in arrays[:place])
        stop = start + arrays[place].shape[axis]
        return g[(slice(None),) * axis + (slice(start, stop),)]

    return derivative


def layer(place: int) -> Callable[..., Array]:
    def derivative(g: Array, _o: Array, *arguments: Any) -> Array:
        axis = arguments[-1]
        return g[(slice(None),) * axis + (place,)]

    return derivative


def joined(*arguments: Any) -> Array:
    *arrays, axis = arguments
    return np.concatenate(arrays, axis)


def stacked(*arguments: Any) -> Array:
    *arrays, axis = arguments
    return np.stack(arrays, axis)


def joining(name: str, forward: Any, derivative: Any, count: int) -> Operation:
    """The operation that joins ``count`` tensors, with one derivative for each."""
    op = Operation(name, forward)
    op.derive(tuple(derivative(place) for place in range(count)), ((),) * count)
    return op


# fmt: off
# New memory: o is larger than x (REPEAT, REPEAT_EACH, DIAG_EMBED) or has its shape.
REPEAT: Final = Operation("RepeatBackward0", np.tile, _tiled_gradient, saves=NOTHING)
REPEAT_EACH: Final = Operation("RepeatInterleaveBackward0", np.repeat,
    _repeated_gradient, saves=NOTHING)
FLIP: Final = Operation("FlipBackward0", lambda x, axes: np.flip(x, axes).copy(),
    lambda g, _o, _x, axes: np.flip(g, axes), saves=NOTHING)
ROLL: Final = Operation("RollBackward0", np.roll,
    lambda g, _o, _x, shifts, axes: np.roll(g, np.negative(shifts).tolist(), axes), saves=NOTHING)
TRIL: Final = Operation("TrilBackward0", np.tril,
    lambda g, _o, _x, k: np.tril(g, k), saves=NOTHING)
TRIU: Final = Operation("TriuBackward0", np.triu,
    lambda g, _o, _x, k: np.triu(g, k), saves=NOTHING)
DIAG_EMBED: Final = Operation("DiagEmbedBackward0", np.diag,
    lambda g, _o, _x, k: np.diag(g, k), saves=NOTHING)
# fmt: on
