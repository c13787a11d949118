"""Sums, means, variances, maxima and other reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.operation import Operation
from npnet.derivatives.reductions import (
    AMAX,
    AMIN,
    CUMSUM,
    LOGSUMEXP,
    MAX_ALL,
    MAX_DIM,
    MEAN,
    MEAN_DIM,
    MIN_ALL,
    MIN_DIM,
    NORM,
    PROD,
    STD,
    SUM,
    SUM_DIM,
    VAR,
    Axes,
)
from npnet.tensors.comparisons import maximum, minimum
from npnet.tensors.dtypes_and_sizes import F32, FLOATS, I64, PAIRS, numpy_of
from npnet.tensors.interface import (
    as_float,
    axes_of,
    axis_of,
    both,
    function,
    spelled,
    tensor_argument,
)
from npnet.tensors.tape import renamed, run, run_one
from npnet.tensors.tensor_class import Tensor, wrap


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
    elif x.dtype is not F32 and x.dtype not in FLOATS:
        x = x.astype(I64, copy=False)
    if dim is None:
        return run_one(SUM_DIM, (x, None, True), input) if keepdim else run_one(SUM, (x,), input)
    return run_one(SUM_DIM, (x, axes_of(dim, x.ndim), keepdim), input)


@both("mean")
def mean(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, **more: Any
) -> Tensor:
    """The mean over all or some axes: the sum divided by the count."""
    if type(input) is not Tensor:
        tensor_argument("mean", input)
    if more:
        dim, keepdim = spelled("mean", more, dim, keepdim)
    if dtype is not None:
        input = input.to(dtype)
    x = input._a
    if x.dtype is not F32 and x.dtype not in FLOATS:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {input.dtype}: write x.float().mean()"
        )
    if dim is None and not keepdim:
        return run_one(MEAN, (x,), input)
    return run_one(MEAN_DIM, (x, axes_of(dim, x.ndim), keepdim), input)


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
        if type(input) is not Tensor:
            tensor_argument(name, input)
        if more:
            dim, keepdim = spelled(name, more, dim, keepdim)
        if isinstance(dim, bool):  # x.var(False): the first argument can also be unbiased
            dim, unbiased = None, dim
        x = input._a
        if x.dtype is not F32 and x.dtype not in FLOATS:
            raise RuntimeError(
                f"{name} only supports floating point tensors, got {input.dtype}: write "
                f"x.float().{name}()"
            )
        if correction is None:
            correction = 1 if unbiased else 0
        return run_one(op, (x, axes_of(dim, x.ndim), correction, keepdim), input)

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
    """The largest value; if several are equal, they share the gradient."""
    dim, keepdim = spelled("amax", more, dim, keepdim)
    _not_empty("amax", input._a, axes_of(dim, input._a.ndim))
    return run(AMAX, (input._a, axes_of(dim, input._a.ndim), keepdim), (input,))


@both("amin")
def amin(input: Tensor, dim: Any = (), keepdim: bool = False, **more: Any) -> Tensor:
    """The smallest value; if several are equal, they share the gradient."""
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
    """The square root of the sum of squares; with another p, the p-norm."""
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
