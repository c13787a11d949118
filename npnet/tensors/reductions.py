"""Sums, means, variances, maxima and what else makes fewer numbers out of many."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.tensors.autograd import KEPT, Operation, renamed, run
from npnet.tensors.dtypes import F32, F64, FLOATS, I64, numpy_of
from npnet.tensors.missing import not_for
from npnet.tensors.sizes import PAIRS, ValuesIndices
from npnet.tensors.sums import summed
from npnet.tensors.tensor_class import Tensor, as_float, both, function, tensor_argument, wrap

Axes = tuple[int, ...] | None


def axes_of(dim: Any, ndim: int) -> Axes:
    """Axes from 0 on, in order; None for all of them.

    Raises:
        IndexError: an axis that the tensor does not have.
        RuntimeError: one twice.
    """
    if dim is None:
        return None
    if isinstance(dim, (tuple, list)):
        if not dim:
            return None
        found = tuple(sorted(axis_of(one, ndim) for one in dim))
        if len(set(found)) < len(found):
            raise RuntimeError(f"dim {found[0]} appears multiple times in the list of dims")
        return found if ndim else None
    axis = axis_of(dim, ndim)
    return (axis,) if ndim else None


def axis_of(dim: Any, ndim: int) -> int:
    """The axis from 0 on. A tensor without axes counts as having one, as torch does."""
    if type(dim) is not int:
        if isinstance(dim, (bool, float, str)) or not hasattr(dim, "__index__"):
            raise TypeError(f"dim: got {dim!r}, wanted an int")
        dim = dim.__index__()
    most = ndim or 1
    if not -most <= dim < most:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-most}, {most - 1}], "
            f"but got {dim})"
        )
    return int(dim + most if dim < 0 else dim)


def spelled(name: str, more: dict[str, Any], dim: Any, keepdim: bool) -> tuple[Any, bool]:
    """``axis`` for ``dim`` and ``keepdims`` for ``keepdim``, which torch takes too."""
    for key in more:
        if key == "axis":
            dim = more[key]
        elif key == "keepdims":
            keepdim = more[key]
        else:
            raise TypeError(f"{name}() got an unexpected keyword argument {key!r}")
    return dim, keepdim


def spread(g: Array, shape: tuple[int, ...], axes: Axes, keepdim: bool) -> Array:
    """The gradient of a reduction, at every place that was reduced."""
    found = np.empty(shape, g.dtype)
    if axes is not None and not keepdim and shape:
        g = g.reshape([1 if axis in axes else size for axis, size in enumerate(shape)])
    found[...] = g
    return found


def count(shape: tuple[int, ...], axes: Axes) -> int:
    """How many numbers become one."""
    return math.prod(shape if axes is None else [shape[axis] for axis in axes])


def _mean(x: Array, axes: Axes, keepdim: bool) -> Array:
    found = summed(x, axes, keepdim)
    size = len(x) if axes == (0,) else count(x.shape, axes)
    if found.ndim:
        found /= size  # a float as any other number: rounded to the type of x first
        return found
    return np.asarray(found / x.dtype.type(size))


@lru_cache(16)
def _ones(size: int) -> Array:
    ones = np.ones(size)
    ones.flags.writeable = False
    return ones


def _variance(x: Array, axes: Axes, correction: float, keepdim: bool) -> Array:
    # Torch keeps the running mean and sum of squares in double, and rounds once.
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
        # After rounding to float32 the order does not show, and BLAS is twice as fast.
        ones = _ones(size)
        middle: Array = ones @ wide
        middle /= size
        wide -= middle
        np.multiply(wide, wide, wide)
        squares = ones @ wide
        if keepdim:
            squares = squares[None]
    else:
        wide -= np.asarray(np.add.reduce(wide, axis, keepdims=True)) / (size or math.nan)
        np.multiply(wide, wide, out=wide)
        squares = np.asarray(wide.sum(axis, keepdims=keepdim))
    divisor = max(size - correction, 0)
    return np.asarray(np.true_divide(squares, divisor), x.dtype)


def _variance_gradient(
    g: Array, _o: Array, x: Array, axes: Axes, correction: float, keepdim: bool
) -> Array:
    size = count(x.shape, axes)
    factor = 2.0 / (size - correction) if size != correction else math.nan
    return (factor * spread_narrow(g, x.shape, axes, keepdim)) * (x - _mean(x, axes, True))


def spread_narrow(g: Array, shape: tuple[int, ...], axes: Axes, keepdim: bool) -> Array:
    """The gradient with its reduced axes back, of size 1."""
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
    # Products of all others, from the left and from the right, so that zeros divide nothing.
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
    """The gradient put where the values were taken from, zeros elsewhere."""
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
# One derivative each; a name that begins with _ is not read, so it is not saved.
SUM = Operation("SumBackward0", lambda x: summed(x, None, False),
    lambda g, _o, x: np.broadcast_to(g, x.shape))
SUM_DIM = Operation("SumBackward1", summed,
    lambda g, _o, x, axes, keepdim: spread(g, x.shape, axes, keepdim))
MEAN = Operation("MeanBackward0", lambda x: _mean(x, None, False),
    lambda g, _o, x: np.broadcast_to(g, x.shape) / x.size)
MEAN_DIM = Operation("MeanBackward1", _mean,
    lambda g, _o, x, axes, keepdim: spread(
        np.asarray(g / (count(x.shape, axes) or math.nan)), x.shape, axes, keepdim))
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
    lambda g, _o, x, axis, keepdim, index: at_index(g, x.shape, axis, keepdim, index))
MIN_DIM = Operation("MinBackward0", _taken,
    lambda g, _o, x, axis, keepdim, index: at_index(g, x.shape, axis, keepdim, index))
MEDIAN_DIM = Operation("MedianBackward1", _taken,
    lambda g, _o, x, axis, keepdim, index: at_index(g, x.shape, axis, keepdim, index))
SORT = Operation("SortBackward0", _taken,
    lambda g, _o, x, axis, keepdim, index: at_index(g, x.shape, axis, keepdim, index))
TOPK = Operation("TopkBackward0", _taken,
    lambda g, _o, x, axis, keepdim, index: at_index(g, x.shape, axis, keepdim, index))
CUMSUM = Operation("CumsumBackward0", lambda x, axis: np.cumsum(x, axis) if x.ndim else x.copy(),
    lambda g, _o, x, axis: np.flip(np.cumsum(np.flip(g, axis), axis), axis) if x.ndim else g)
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
# Of these only the shape of x is used, which no change in place touches.
for _op in (SUM, SUM_DIM, MEAN, MEAN_DIM, CUMSUM):
    _op.reads = ((),)
for _op in (MAX_DIM, MIN_DIM, MEDIAN_DIM, SORT, TOPK):
    _op.reads = ((KEPT,),)


def _to(array: Array, dtype: Any) -> Array:
    return array if dtype is None else array.astype(numpy_of(dtype), copy=False)


@both("sum")
def sum_(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, **more: Any
) -> Tensor:
    """The sum over all or some axes; integers and bools become int64."""
    if type(input) is not Tensor:
        tensor_argument("sum", input)
    if more:
        dim, keepdim = spelled("sum", more, dim, keepdim)
    x = input._a
    if dtype is not None:
        input = input.to(dtype)
        x = input._a
    elif x.dtype not in FLOATS:
        x = x.astype(I64, copy=False)
    if dim is None:
        return run(SUM, (x,), (input,)) if not keepdim else run(SUM_DIM, (x, None, True), (input,))
    axes = (0,) if dim == 0 and type(dim) is int and x.ndim else axes_of(dim, x.ndim)
    return run(SUM_DIM, (x, axes, keepdim), (input,))


@both("mean")
def mean(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, **more: Any
) -> Tensor:
    """The mean over all or some axes: the sum divided by the count."""
    tensor_argument("mean", input)
    if more:
        dim, keepdim = spelled("mean", more, dim, keepdim)
    if dtype is not None:
        input = input.to(dtype)
    x = input._a
    if x.dtype not in FLOATS:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {input.dtype}: write x.float().mean()"
        )
    if dim is None and not keepdim:
        return run(MEAN, (x,), (input,))
    return run(MEAN_DIM, (x, axes_of(dim, x.ndim), keepdim), (input,))


def _moment(name: str, op: Operation) -> Callable[..., Tensor]:
    def apply(
        input: Tensor,
        dim: Any = None,
        unbiased: bool = True,
        keepdim: bool = False,
        *,
        correction: float | None = None,
        **more: Any,
    ) -> Tensor:
        tensor_argument(name, input)
        if more:
            dim, keepdim = spelled(name, more, dim, keepdim)
        if isinstance(dim, bool):  # x.var(False): the first place is unbiased, too
            dim, unbiased = None, dim
        x = input._a
        if x.dtype not in FLOATS:
            raise RuntimeError(
                f"{name} only supports floating point tensors, got {input.dtype}: write "
                f"x.float().{name}()"
            )
        if correction is None:
            correction = 1 if unbiased else 0
        return run(op, (x, axes_of(dim, x.ndim), correction, keepdim), (input,))

    apply.__name__ = name
    return apply


var = both("var")(_moment("var", VAR))
std = both("std")(_moment("std", STD))


@function("var_mean")
def var_mean(input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False) -> Any:
    """Variance and mean."""
    return (
        renamed(var(input, dim, unbiased, keepdim), "VarMeanBackward0"),
        renamed(mean(input, dim, keepdim), "VarMeanBackward0"),
    )


@function("std_mean")
def std_mean(input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False) -> Any:
    """Standard deviation and mean."""
    return (
        renamed(std(input, dim, unbiased, keepdim), "StdMeanBackward0"),
        renamed(mean(input, dim, keepdim), "StdMeanBackward0"),
    )


@both("prod")
def prod(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, **more: Any
) -> Tensor:
    """The product over all numbers or one axis."""
    dim, keepdim = spelled("prod", more, dim, keepdim)
    x = _to(tensor_argument("prod", input)._a, dtype)
    if x.dtype not in FLOATS:
        x = x.astype(I64, copy=False)
    made = run(PROD, (x, axes_of(dim, x.ndim), keepdim), (input,))
    return made if dim is None else renamed(made, "ProdBackward1")


def first_largest(x: Array, axis: int) -> Array:
    """The first index of the largest value along an axis; nan counts as the largest."""
    return np.asarray(x.argmax(axis) if x.ndim else 0, I64)


def first_smallest(x: Array, axis: int) -> Array:
    """The first index of the smallest value along an axis; nan counts as the smallest."""
    return np.asarray(x.argmin(axis) if x.ndim else 0, I64)


def _extreme(name: str) -> Callable[..., Any]:
    largest = name == "max"
    pick = first_largest if largest else first_smallest
    over_all, over_dim = (MAX_ALL, MAX_DIM) if largest else (MIN_ALL, MIN_DIM)

    def apply(input: Tensor, dim: Any = None, keepdim: bool = False, **more: Any) -> Any:
        x = tensor_argument(name, input)._a
        if "other" in more:
            dim = more.pop("other")
        if more:
            dim, keepdim = spelled(name, more, dim, keepdim)
        if isinstance(dim, Tensor):
            from npnet.tensors.arithmetic import maximum, minimum

            return (maximum if largest else minimum)(input, dim)
        if dim is None:
            if not x.size:
                raise RuntimeError(
                    f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
                    "Specify the reduction dim with the 'dim' argument."
                )
            return run(over_all, (x, None, False), (input,))
        axis = axis_of(dim, x.ndim)
        if x.ndim and not x.shape[axis]:
            raise IndexError(
                f"{name}(): Expected reduction dim {axis} to have non-zero size: the tensor has "
                f"shape {list(x.shape)}"
            )
        index = pick(x, axis)
        if keepdim and x.ndim:
            index = np.expand_dims(index, axis)
        values = run(over_dim, (x, axis, keepdim, index), (input,))
        return PAIRS[name](values, wrap(index))

    apply.__name__ = name
    return apply


max_ = both("max")(_extreme("max"))
min_ = both("min")(_extreme("min"))


def _not_empty(name: str, x: Array, axes: Axes) -> None:
    if x.size:
        return
    if axes is None:
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify "
            "the reduction dim with the 'dim' argument."
        )
    for axis in axes:
        if not x.shape[axis]:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")


@both("amax")
def amax(input: Tensor, dim: Any = (), keepdim: bool = False, **more: Any) -> Tensor:
    """The largest value; a gradient is shared among those that tie."""
    dim, keepdim = spelled("amax", more, dim, keepdim)
    _not_empty("amax", input._a, axes_of(dim, input._a.ndim))
    return run(AMAX, (input._a, axes_of(dim, input._a.ndim), keepdim), (input,))


@both("amin")
def amin(input: Tensor, dim: Any = (), keepdim: bool = False, **more: Any) -> Tensor:
    """The smallest value; a gradient is shared among those that tie."""
    dim, keepdim = spelled("amin", more, dim, keepdim)
    _not_empty("amin", input._a, axes_of(dim, input._a.ndim))
    return run(AMIN, (input._a, axes_of(dim, input._a.ndim), keepdim), (input,))


def _arg(name: str, pick: Callable[[Array, int], Array]) -> Callable[..., Tensor]:
    def apply(input: Tensor, dim: Any = None, keepdim: bool = False, **more: Any) -> Tensor:
        x = tensor_argument(name, input)._a
        dim, keepdim = spelled(name, more, dim, keepdim)
        if x.dtype.kind == "b":
            raise RuntimeError(f"{name}(): does not support bool input: use .int() first")
        if dim is None:
            if not x.size:
                raise IndexError(f"{name}(): Expected reduction dim to be specified")
            index = pick(x.reshape(-1), 0)
            return wrap(index.reshape((1,) * x.ndim) if keepdim else index)
        axis = axis_of(dim, x.ndim)
        if x.ndim and not x.shape[axis]:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
        index = pick(x, axis)
        return wrap(np.expand_dims(index, axis) if keepdim and x.ndim else index)

    apply.__name__ = name
    return apply


argmax = both("argmax")(_arg("argmax", first_largest))
argmin = both("argmin")(_arg("argmin", first_smallest))


def _whether(name: str, ufunc: Any) -> Callable[..., Tensor]:
    def apply(input: Tensor, dim: Any = None, keepdim: bool = False, **more: Any) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not "
                f"{type(input).__name__}: comparing with None gives a plain False; is a .grad "
                "still None?"
            )
        dim, keepdim = spelled(name, more, dim, keepdim)
        x = input._a
        out = ufunc.reduce(x != 0, axes_of(dim, x.ndim), keepdims=keepdim)
        return wrap(np.asarray(out, np.uint8 if x.dtype == np.uint8 else bool))

    apply.__name__ = name
    return apply


all_ = both("all")(_whether("all", np.logical_and))
any_ = both("any")(_whether("any", np.logical_or))


@both("count_nonzero")
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many values are not 0."""
    return wrap(np.asarray(np.count_nonzero(input._a, axes_of(dim, input._a.ndim)), I64))


@both("cumsum")
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running sums along an axis."""
    x = _to(input._a, dtype)
    if x.dtype not in FLOATS:
        x = x.astype(I64, copy=False)
    return run(CUMSUM, (x, axis_of(dim, x.ndim)), (input,))


@both("logsumexp")
def logsumexp(input: Tensor, dim: Any, keepdim: bool = False, **more: Any) -> Tensor:
    """The logarithm of the sum of exponentials."""
    dim, keepdim = spelled("logsumexp", more, dim, keepdim)
    x = as_float(input._a)
    return run(LOGSUMEXP, (x, axes_of(dim, x.ndim), keepdim), (input,))


@both("norm")
def norm(input: Tensor, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The root of the sum of squares, or with another p the general norm."""
    x = tensor_argument("norm", input)._a
    if x.dtype not in FLOATS:
        raise RuntimeError("norm(): expected a floating point tensor: write x.float().norm()")
    if p in (2, "fro", None):
        return run(NORM, (x, axes_of(dim, x.ndim), keepdim), (input,))
    if p == 1:
        return renamed(sum_(input.abs(), dim, keepdim), "LinalgVectorNormBackward0")
    if p == float("inf"):
        return amax(input.abs(), () if dim is None else dim, keepdim)
    return sum_(input.abs().pow(p), dim, keepdim).pow(1.0 / p)


@both("median")
def median(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The lower median."""
    x = input._a
    if x.dtype.kind == "b" and (x.size or dim is None):
        raise not_for("median_out", "'Bool'")
    if dim is None:
        if not x.size:
            if x.dtype.kind == "f":
                return renamed(sum_(input) + math.nan, "MedianBackward0")
            return wrap(np.asarray(np.iinfo(x.dtype).min, x.dtype))
        return renamed(median(input.reshape(-1), 0).values, "MedianBackward0")
    axis = axis_of(dim, x.ndim)
    if not x.ndim:
        index = np.zeros((), I64)
        return PAIRS["median"](run(MEDIAN_DIM, (x, 0, True, index), (input,)), wrap(index))
    if not x.shape[axis]:
        raise IndexError(f"median(): Expected reduction dim {axis} to have non-zero size.")
    order = np.argsort(x, axis, kind="stable")
    middle = np.full(np.delete(x.shape, axis), (x.shape[axis] - 1) // 2)
    if x.dtype.kind == "f":  # one nan makes the median nan: it is sorted last, the first is taken
        nans = np.isnan(x)
        middle = np.where(nans.any(axis), (~nans).sum(axis), middle)
    index = np.take_along_axis(order, np.expand_dims(middle, axis), axis).squeeze(axis)
    if keepdim:
        index = np.expand_dims(index, axis)
    return PAIRS["median"](run(MEDIAN_DIM, (x, axis, keepdim, index), (input,)), wrap(index))


def _ordered(x: Array, axis: int, descending: bool) -> Array:
    if not x.ndim:
        return np.zeros((), I64)
    if descending:
        flipped = np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)
        return x.shape[axis] - 1 - flipped
    return np.argsort(x, axis, kind="stable")


@both("sort")
def sort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool | None = None
) -> ValuesIndices:
    """Values in order along an axis, and where they were."""
    x = input._a
    axis = axis_of(dim, x.ndim)
    index = _ordered(x, axis, descending)
    values = run(SORT, (x, axis, True, index), (input,))
    if stable is not None:
        renamed(values, "SortBackward1")
    return PAIRS["sort"](values, wrap(index))


@both("argsort")
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that ``sort`` gives."""
    return wrap(_ordered(input._a, axis_of(dim, input._a.ndim), descending))


@both("topk")
def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> ValuesIndices:
    """The k largest (or smallest) values along an axis, in order, and where they were."""
    x = input._a
    axis = axis_of(dim, x.ndim)
    if x.dtype.kind == "b":
        raise RuntimeError("topk does not support bool dtypes on CPU: use .int() first")
    if k > (x.shape[axis] if x.ndim else 1):
        raise RuntimeError("selected index k out of range: there are fewer values than that")
    index = _ordered(x, axis, largest)
    index = np.take(index, range(k), axis) if x.ndim else index
    return PAIRS["topk"](run(TOPK, (x, axis, True, index), (input,)), wrap(index))


@both("unique")
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
) -> Any:
    """The distinct values in order."""
    values, inverse, counts = np.unique(input._a, return_inverse=True, return_counts=True)
    found = [wrap(values)]
    if return_inverse:
        found.append(wrap(inverse.reshape(input._a.shape)))
    if return_counts:
        found.append(wrap(counts))
    return found[0] if len(found) == 1 else tuple(found)


@both("bincount")
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number from 0 on occurs."""
    if input._a.ndim != 1 or (input._a.size and input._a.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    return wrap(np.bincount(input._a, None if weights is None else weights._a, minlength))


@both("histc")
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Counts of values in equal bins, as floats."""
    x = input._a
    low, high = (x.min(), x.max()) if min == max == 0 and x.size else (min, max)
    return wrap(np.histogram(x, bins, (float(low), float(high)))[0].astype(x.dtype))


@function("histogram")
def histogram(input: Tensor, bins: int = 100, *, density: bool = False) -> Any:
    """Counts (or densities) of values in equal bins, and the edges of the bins."""
    hist, edges = np.histogram(input._a, bins, density=density)
    from npnet.tensors.sizes import Histogram

    return Histogram(wrap(hist.astype(input._a.dtype)), wrap(edges.astype(input._a.dtype)))
