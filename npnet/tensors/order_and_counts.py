"""Medians, sorting, distinct values and counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.reductions import MEDIAN_DIM, SORT, TOPK
from npnet.tensors.dtypes_and_sizes import I64, PAIRS, Histogram, ValuesIndices
from npnet.tensors.interface import axis_of, both, function
from npnet.tensors.missing import not_for
from npnet.tensors.reductions import sum_
from npnet.tensors.tape import renamed, run
from npnet.tensors.tensor_class import Tensor, wrap


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
    # if there is a nan, the median is nan; nans are sorted last, and the first one is taken
    if x.dtype.kind == "f":
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
    """The values in order along an axis, and their indices."""
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
    """The k largest (or smallest) values along an axis, in order, and their indices."""
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
    """How often each of the numbers 0, 1, 2, … occurs."""
    if input._a.ndim != 1 or (input._a.size and input._a.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    return wrap(np.bincount(input._a, None if weights is None else weights._a, minlength))


@both("histc")
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Counts of values in equal bins, as floats."""
    x = input._a
    if x.dtype.kind != "f":
        raise not_for("histogram_cpu", input.dtype)
    low, high = (x.min(), x.max()) if min == max == 0 and x.size else (min, max)
    if not np.isfinite([low, high]).all():
        raise RuntimeError(f"torch.histc: range of [{low}, {high}] is not finite")
    return wrap(np.histogram(x, bins, (float(low), float(high)))[0].astype(x.dtype))


@function("histogram")
def histogram(input: Tensor, bins: int = 100, *, density: bool = False) -> Any:
    """Counts (or densities) of values in equal bins, and the edges of the bins."""
    if input._a.dtype.kind != "f":
        raise not_for("histogramdd", input.dtype)
    hist, edges = np.histogram(input._a, bins, density=density)
    return Histogram(wrap(hist.astype(input._a.dtype)), wrap(edges.astype(input._a.dtype)))
