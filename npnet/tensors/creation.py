"""Making new tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.tensors.conversion import to
from npnet.tensors.dtypes_and_sizes import DEFAULT, I64, OF, number_type, numpy_of
from npnet.tensors.interface import (
    FUNCTIONS,
    function,
    method,
    no_more,
    plain,
    sizes_of,
    tensor_argument,
)
from npnet.tensors.missing import on_cpu
from npnet.tensors.tensor_class import Tensor, wrap


def finish(array: Array, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A new leaf."""
    on_cpu(device)
    made = wrap(array)
    if requires_grad:
        made.requires_grad = True
    return made


def array_of(data: Any, dtype: Any = None) -> Array:
    """A new array of numbers, nested lists, arrays or tensors.

    Raises:
        ValueError: lists have different lengths, a tensor in a list has several numbers, the data
            are text, or a number is too large.
        TypeError: lists and numbers are mixed.
        RuntimeError: an entry is not a number.
    """
    wanted = None if dtype is None else numpy_of(dtype)
    if isinstance(data, Tensor):
        return data._a.astype(data._a.dtype if wanted is None else wanted)
    if isinstance(data, (np.ndarray, np.generic)):
        array = np.array(data)
        _known(array.dtype)
        return array.astype(wanted) if wanted is not None else array
    plainly = _without_tensors(data)
    try:
        array = np.array(plainly)
    except ValueError:
        raise _ragged(data) from None
    if array.dtype.kind not in "biuf" or array.dtype == np.uint64:
        raise _no_numbers(data, array)
    if wanted is None:
        if array.dtype.kind == "f" or not array.size:
            wanted = max((DEFAULT.numpy, *_float_types(data)), key=lambda kind: kind.itemsize)
        elif array.dtype.kind in "iu":
            wanted = I64
        else:
            wanted = array.dtype
    return array.astype(wanted, copy=False)


def _without_tensors(data: Any) -> Any:
    if isinstance(data, Tensor):
        if data._a.size != 1:
            # For whole numbers, torch calls __index__.
            raise (ValueError if data._a.dtype.kind == "f" else TypeError)(
                "only one element tensors can be converted to Python scalars: torch.stack joins "
                "tensors"
            )
        return data._a.item()
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], (Tensor, list, tuple)):
        first = data[0]
        if isinstance(first, Tensor) or any(isinstance(one, Tensor) for one in data):
            return [_without_tensors(one) for one in data]
        if first and isinstance(first[0], (Tensor, list, tuple)):
            return [_without_tensors(one) for one in data]
    return data


def _float_types(data: Any) -> list[np.dtype[Any]]:
    """The float types of the tensors in a list; the result has the widest of them."""
    if isinstance(data, Tensor):
        return [data._a.dtype] if data._a.dtype.kind == "f" else []
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], (Tensor, list, tuple)):
        return [kind for one in data for kind in _float_types(one)]
    return []


def _no_numbers(data: Any, array: Array) -> Exception:
    """The error for data from which NumPy makes no numbers, or numbers too large for torch."""
    if array.dtype.kind in "US":
        if isinstance(data, str):
            return TypeError("new(): invalid data type 'str': wanted numbers, got a string")
        return ValueError("too many dimensions 'str': wanted numbers, got strings")
    numbers = (bool, int, float, np.generic)
    strange = [one for one in array.flat if not isinstance(one, numbers)]
    if not strange:
        if all(-(2**63) <= int(one) < 2**63 for one in array.flat):
            return RuntimeError("tensor: whole numbers and floats of different sizes")
        return ValueError("Overflow when unpacking long long: wanted a number from -2^63 to 2^63-1")
    remark = ": a value that is still None?" if strange[0] is None else ", wanted numbers"
    return RuntimeError(f"Could not infer dtype of {type(strange[0]).__name__}{remark}")


def _ragged(data: Any) -> Exception:
    depth, level = 0, [data]
    while level and all(isinstance(one, (list, tuple)) for one in level):
        wanted = len(level[0])
        for one in level:
            if len(one) != wanted:
                return ValueError(
                    f"expected sequence of length {wanted} at dim {depth} (got {len(one)})"
                )
        level = [entry for one in level for entry in one]
        depth += 1
    return TypeError("tensor: the data are lists in some places and numbers in others")


def _known(kind: np.dtype[Any]) -> None:
    if kind not in OF:
        raise TypeError(
            f"can't convert np.ndarray of type {kind}. The only supported types are: float64, "
            "float32, float16, int64, int32, int16, int8, uint8, and bool."
        )


@function("tensor")
def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A new tensor of numbers, nested lists or arrays, which are copied."""
    return finish(array_of(data, dtype), requires_grad, device)


@function("as_tensor", "asarray")
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of the data, without a copy where that is possible."""
    on_cpu(device)
    if isinstance(data, Tensor):
        return data if dtype is None else to(data, dtype)
    if isinstance(data, np.ndarray) and dtype is None:
        return from_numpy(data)
    return wrap(array_of(data, dtype))


@function("from_numpy")
def from_numpy(ndarray: Array) -> Tensor:
    """A tensor that shares an array's memory."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    _known(ndarray.dtype)
    return wrap(ndarray)


@function("scalar_tensor")
def scalar_tensor(s: Any, *, dtype: Any = None, **more: Any) -> Tensor:
    """A tensor without axes, of the default type."""
    return wrap(np.asarray(s, DEFAULT.numpy if dtype is None else numpy_of(dtype)))


def _filled(name: str, value: Any) -> Any:
    def make(
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **more: Any,
    ) -> Tensor:
        shape = sizes_of((more.pop("size"),) if "size" in more else size)
        no_more(name, more)
        if any(one < 0 for one in shape):
            raise RuntimeError(f"{name}: got a negative size in {list(shape)}")
        kind = DEFAULT.numpy if dtype is None else numpy_of(dtype)
        made = np.zeros(shape, kind) if value == 0 else np.full(shape, value, kind)
        return finish(made, requires_grad, device)

    make.__name__ = name
    return make


zeros = function("zeros", "empty")(_filled("zeros", 0))
ones = function("ones")(_filled("ones", 1))


@function("full")
def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One number everywhere."""
    value = fill_value.item() if isinstance(fill_value, Tensor) else plain(fill_value)
    kind = number_type(value) if dtype is None else numpy_of(dtype)
    return finish(np.full(sizes_of((size,)), value, kind), requires_grad, device)


def _like(name: str, value: Any) -> Any:
    def make(
        input: Tensor,
        *,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **more: Any,
    ) -> Tensor:
        no_more(name, more)
        x = tensor_argument(name, input)._a
        kind = x.dtype if dtype is None else numpy_of(dtype)
        made = np.zeros(x.shape, kind) if value == 0 else np.full(x.shape, value, kind)
        return finish(made, requires_grad, device)

    make.__name__ = name
    return make


zeros_like = function("zeros_like", "empty_like")(_like("zeros_like", 0))
ones_like = function("ones_like")(_like("ones_like", 1))


@function("full_like")
def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One number everywhere, in the shape and type of another tensor."""
    kind = input._a.dtype if dtype is None else numpy_of(dtype)
    return finish(np.full(input._a.shape, plain(fill_value), kind), requires_grad, device)


@method("new_zeros", "new_empty")
def new_zeros(self: Tensor, *size: Any, dtype: Any = None, **more: Any) -> Tensor:
    """Zeros of this tensor's type."""
    return zeros(*size, dtype=self.dtype if dtype is None else dtype, **more)


@method("new_ones")
def new_ones(self: Tensor, *size: Any, dtype: Any = None, **more: Any) -> Tensor:
    """Ones of this tensor's type."""
    return ones(*size, dtype=self.dtype if dtype is None else dtype, **more)


@method("new_full")
def new_full(self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None) -> Tensor:
    """One number everywhere, of this tensor's type."""
    return full(size, fill_value, dtype=self.dtype if dtype is None else dtype)


@method("new_tensor")
def new_tensor(self: Tensor, data: Any, *, dtype: Any = None) -> Tensor:
    """A tensor of this tensor's type."""
    return tensor(data, dtype=self.dtype if dtype is None else dtype)


@function("arange")
def arange(
    *bounds: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **more: Any
) -> Tensor:
    """Numbers from ``start`` (0) to before ``end`` by ``step`` (1), as range; floats too."""
    start, end, step = 0, more.pop("end", None), more.pop("step", 1)
    if len(bounds) == 1 and end is None:
        end = bounds[0]
    elif bounds:
        start = bounds[0]
        end = bounds[1] if len(bounds) > 1 else end
        step = bounds[2] if len(bounds) > 2 else step
    start = more.pop("start", start)
    no_more("arange", more)
    start, end, step = (
        value.item() if isinstance(value, Tensor) else plain(value) for value in (start, end, step)
    )
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype is None:
        floats = any(isinstance(value, float) for value in (start, end, step))
        kind = DEFAULT.numpy if floats else I64
    else:
        kind = numpy_of(dtype)
    count = math.ceil((end - start) / step)
    values = start + step * np.arange(count, dtype=np.float64 if kind.kind == "f" else np.int64)
    return finish(values.astype(kind), requires_grad, device)


@function("linspace")
def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` numbers from start to end, both included."""
    kind = DEFAULT.numpy if dtype is None else numpy_of(dtype)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    if steps == 1:
        return finish(np.full(1, plain(start), kind), requires_grad, device)
    if not steps:
        return finish(np.zeros(0, kind), requires_grad, device)
    # From both ends to the middle, as in torch, whose multiply-add rounds once. Whole numbers are
    # truncated from float64.
    first, last = kind.type(plain(start)), kind.type(plain(end))
    wide = np.float64
    narrow = kind.type if kind.kind == "f" else wide
    step = wide((narrow(last) - narrow(first)) / narrow(steps - 1))
    places = np.arange(steps)
    up = wide(first) + step * places
    down = wide(last) - step * (steps - 1 - places)
    return finish(np.where(places < steps // 2, up, down).astype(kind), requires_grad, device)


@function("logspace")
def logspace(start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None) -> Tensor:
    """``base`` to the powers that ``linspace`` gives."""
    kind = DEFAULT.numpy if dtype is None else numpy_of(dtype)
    powers = np.linspace(float(start), float(end), steps)
    return wrap(np.power(float(base), powers).astype(kind))


@function("eye")
def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal."""
    kind = DEFAULT.numpy if dtype is None else numpy_of(dtype)
    return finish(np.eye(n, m, dtype=kind), requires_grad, device)


@function("tril_indices")
def tril_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """The places on and below a diagonal."""
    return wrap(np.stack(np.tril_indices(row, offset, col)))


@function("triu_indices")
def triu_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """The places on and above a diagonal."""
    return wrap(np.stack(np.triu_indices(row, offset, col)))


@function("meshgrid")
def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise RuntimeError('torch.meshgrid: indexing must be one of "xy" or "ij"')
    axes = list(range(len(tensors)))  # the axis of each one
    if indexing == "xy" and len(axes) > 1:
        axes[:2] = 1, 0
    sizes = [tensors[axes.index(place)]._a.size for place in range(len(axes))]
    return tuple(
        one.reshape([-1 if place == axis else 1 for place in range(len(axes))]).expand(sizes)
        for one, axis in zip(tensors, axes, strict=True)
    )


@function("cartesian_prod")
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of entries, one a row."""
    for one in tensors:
        if one._a.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(one._a.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    columns = [grid.reshape(-1) for grid in meshgrid(*tensors)]
    made: Tensor = FUNCTIONS["stack"](columns, 1)
    return made
