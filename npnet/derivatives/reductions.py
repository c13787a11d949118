"""Sums, means, variances and maxima, each with its derivative."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.operation import INDICES, NOTHING, Operation
from npnet.derivatives.sums import F32, F64, summed

Axes = tuple[int, ...] | None


def spread(g: Array, shape: tuple[int, ...], axes: Axes, keepdim: bool) -> Array:
    """The gradient of a reduction, repeated at every place that was reduced."""
    found = np.empty(shape, g.dtype)
    if axes is not None and not keepdim and shape:
        g = g.reshape([1 if axis in axes else size for axis, size in enumerate(shape)])
    found[...] = g
    return found


def count(shape: tuple[int, ...], axes: Axes) -> int:
    """How many numbers are reduced to one."""
    return math.prod(shape if axes is None else [shape[axis] for axis in axes])


def _mean(x: Array, axes: Axes, keepdim: bool) -> Array:
    found = summed(x, axes, keepdim)
    size = len(x) if axes == (0,) else count(x.shape, axes)
    if found.ndim:
        found /= size  # a float is rounded to the type of x first, like any other number
        return found
    return np.asarray(found / x.dtype.type(size))


@lru_cache(16)
def _everywhere(value: float, size: int) -> Array:
    """(size,), in double; read-only, kept."""
    found = np.full(size, value)
    found.flags.writeable = False
    return found


def _variance(x: Array, axes: Axes, correction: float, keepdim: bool) -> Array:
    # Torch keeps the running mean and sum of squares in float64, and rounds once.
    wide = x.astype(F64)
    size = len(x) if axes == (0,) else count(x.shape, axes)
    axis = tuple(range(x.ndim)) if axes is None else axes
    if axis == tuple(range(x.ndim)) and x.ndim > 1:
        wide, axis = wide.reshape(-1), (0,)
        kept = (1,) * x.ndim if keepdim else ()
        wide -= np.add.reduce(wide) / (size or math.nan)
        np.multiply(wide, wide, out=wide)
        squares = np.asarray(np.add.reduce(wide)).reshape(kept)
    elif axis == (0,) and x.ndim == 2 and size and x.dtype is F32:
        # Rounding to float32 hides the order of additions, and BLAS is twice as fast.
        wide -= _everywhere(1 / size, size) @ wide
        wide *= wide
        squares = _everywhere(1.0, size) @ wide
        if keepdim:
            squares = squares[None]
    else:
        wide -= np.asarray(np.add.reduce(wide, axis, keepdims=True)) / (size or math.nan)
        np.multiply(wide, wide, out=wide)
        squares = np.asarray(wide.sum(axis, keepdims=keepdim))
    squares /= max(size - correction, 0)
    return squares.astype(x.dtype)


def _variance_gradient(
    g: Array, _o: Array, x: Array, axes: Axes, correction: float, keepdim: bool
) -> Array:
    size = count(x.shape, axes)
    factor = 2.0 / (size - correction) if size != correction else math.nan
    centred = x - _mean(x, axes, True)
    centred *= factor * spread_narrow(g, x.shape, axes, keepdim)
    return centred


def spread_narrow(g: Array, shape: tuple[int, ...], axes: Axes, keepdim: bool) -> Array:
    """The gradient with its reduced axes again, as axes of size 1."""
    if keepdim or not shape:
        return g
    return np.expand_dims(g, tuple(range(len(shape))) if axes is None else axes)


def _deviation_gradient(
    g: Array, o: Array, x: Array, axes: Axes, correction: float, keepdim: bool
) -> Array:
    with np.errstate(all="ignore"):
        g = np.where(o == 0, 0, g / (o * 2)).astype(g.dtype)
    return _variance_gradient(g, o, x, axes, correction, keepdim)


def _product_gradient(g: Array, _o: Array, x: Array, axes: Axes, keepdim: bool) -> Array:
    # The product of all others, from the left and from the right, because x can be 0: no division.
    axis = tuple(range(x.ndim)) if axes is None else axes
    last = np.moveaxis(x, axis, range(-len(axis), 0)) if axis else x[None]
    kept = last.shape[: last.ndim - max(len(axis), 1)]
    rows = last.reshape(*kept, math.prod(last.shape[len(kept) :]))
    ones = np.ones_like(rows[..., :1])
    left = np.concatenate([ones, np.cumprod(rows, -1)[..., :-1]], -1)
    right = np.concatenate([ones, np.cumprod(rows[..., ::-1], -1)[..., :-1]], -1)[..., ::-1]
    others = (left * right).reshape(last.shape)
    others = np.moveaxis(others, range(-len(axis), 0), axis) if axis else others[0]
    return spread_narrow(g, x.shape, axes, keepdim) * others


def _share_among_all(g: Array, o: Array, x: Array, _axes: Axes, _keepdim: bool) -> Array:
    mask = np.isnan(x) if np.isnan(o) else x == o
    return g * (mask.astype(x.dtype) / x.dtype.type(mask.sum()))


def _share_among_ties(g: Array, o: Array, x: Array, axes: Axes, keepdim: bool) -> Array:
    mask = x == spread_narrow(o, x.shape, axes, keepdim)
    g = spread_narrow(g, x.shape, axes, keepdim)
    axis = tuple(range(x.ndim)) if axes is None else axes
    shared = np.asarray(np.add.reduce(mask, axis, keepdims=True, dtype=x.dtype))
    return (g * mask) / shared


def at_index(g: Array, shape: tuple[int, ...], axis: int, keepdim: bool, index: Array) -> Array:
    """The gradient at the places from which the values were taken, zeros elsewhere."""
    found = np.zeros(shape, g.dtype)
    if not shape:
        found[...] = g
        return found
    if not keepdim:
        g, index = np.expand_dims(g, axis), np.expand_dims(index, axis)
    np.put_along_axis(found, index, g, axis)
    return found


def _taken(x: Array, axis: int, keepdim: bool, index: Array) -> Array:
    if not x.ndim:
        return x.copy()
    if not keepdim:
        index = np.expand_dims(index, axis)
    found = np.take_along_axis(x, index, axis)
    return found if keepdim else found.squeeze(axis)


def _soft_sum(x: Array, axes: Axes, keepdim: bool) -> Array:
    axis = tuple(range(x.ndim)) if axes is None else axes
    top = np.asarray(x.max(axis, keepdims=True)) if x.size else np.zeros((), x.dtype)
    top = np.where(np.isinf(top), x.dtype.type(0), top)
    found = np.log(summed(np.exp(x - top), axis, True)) + top
    return (
        found
        if keepdim
        else found.reshape([size for place, size in enumerate(x.shape) if place not in axis])
    )


# fmt: off
# o has x's shape without the axes, or with size 1 there if keepdim; axes None are all of them.
# g has o's shape, and what each derivative returns has x's.
SUM = Operation("SumBackward0", lambda x: summed(x, None, False),
    lambda g, _o, x: np.broadcast_to(g, x.shape), saves=NOTHING)
SUM_DIM = Operation("SumBackward1", summed,
    lambda g, _o, x, axes, keepdim: spread(g, x.shape, axes, keepdim), saves=NOTHING)
MEAN = Operation("MeanBackward0", lambda x: _mean(x, None, False),
    lambda g, _o, x: np.broadcast_to(g, x.shape) / x.size, saves=NOTHING)
MEAN_DIM = Operation("MeanBackward1", _mean,
    lambda g, _o, x, axes, keepdim: spread(
        np.asarray(g / (count(x.shape, axes) or math.nan)), x.shape, axes, keepdim), saves=NOTHING)
VAR = Operation("VarBackward0", _variance, _variance_gradient)
STD = Operation("StdBackward0",
    lambda x, axes, correction, keepdim: np.sqrt(_variance(x, axes, correction, keepdim)),
    _deviation_gradient)
PROD = Operation("ProdBackward0",
    lambda x, axes, keepdim: np.multiply.reduce(x, axes, keepdims=keepdim),
    _product_gradient)
MAX_ALL = Operation("MaxBackward1", lambda x, _axes, _keepdim: x.max(),
    _share_among_all)
MIN_ALL = Operation("MinBackward1", lambda x, _axes, _keepdim: x.min(),
    _share_among_all)
AMAX = Operation("AmaxBackward0", lambda x, axes, keepdim: x.max(axes, keepdims=keepdim),
    _share_among_ties)
AMIN = Operation("AminBackward0", lambda x, axes, keepdim: x.min(axes, keepdims=keepdim),
    _share_among_ties)
MAX_DIM = Operation("MaxBackward0", _taken,
    lambda g, _o, x, axis, keepdim, index: at_index(g, x.shape, axis, keepdim, index),
    saves=INDICES)
MIN_DIM = Operation("MinBackward0", _taken,
    lambda g, _o, x, axis, keepdim, index: at_index(g, x.shape, axis, keepdim, index),
    saves=INDICES)
MEDIAN_DIM = Operation("MedianBackward1", _taken,
    lambda g, _o, x, axis, keepdim, index: at_index(g, x.shape, axis, keepdim, index),
    saves=INDICES)
SORT = Operation("SortBackward0", _taken,
    lambda g, _o, x, axis, keepdim, index: at_index(g, x.shape, axis, keepdim, index),
    saves=INDICES)
TOPK = Operation("TopkBackward0", _taken,
    lambda g, _o, x, axis, keepdim, index: at_index(g, x.shape, axis, keepdim, index),
    saves=INDICES)
CUMSUM = Operation("CumsumBackward0", lambda x, axis: np.cumsum(x, axis) if x.ndim else x.copy(),
    lambda g, _o, x, axis: np.flip(np.cumsum(np.flip(g, axis), axis), axis) if x.ndim else g,
    saves=NOTHING)
LOGSUMEXP = Operation("LogsumexpBackward0", _soft_sum,
    lambda g, o, x, axes, keepdim: spread_narrow(g, x.shape, axes, keepdim)
        * np.exp(x - spread_narrow(o, x.shape, axes, keepdim)))
NORM = Operation("LinalgVectorNormBackward0",
    lambda x, axes, keepdim: np.sqrt(summed(x * x, axes, keepdim)),
    lambda g, o, x, axes, keepdim: x * np.divide(
        spread_narrow(g, x.shape, axes, keepdim), spread_narrow(o, x.shape, axes, keepdim),
        out=np.zeros_like(spread_narrow(o, x.shape, axes, keepdim)),
        where=spread_narrow(o, x.shape, axes, keepdim) != 0))
# fmt: on
