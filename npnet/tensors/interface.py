"""Offering functions as ``torch.NAME`` and ``Tensor.NAME``, and reading their arguments.

Arguments are axes, sizes, and operands in the type of torch's promotion rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.reductions import Axes
from npnet.tensors.dtypes_and_sizes import DEFAULT, F32, result_type
from npnet.tensors.missing import not_for, not_supported
from npnet.tensors.tensor_class import Tensor, wrap

F = TypeVar("F", bound=Callable[..., Any])
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {}  # the functions that are offered as torch.NAME


def function(*names: str) -> Callable[[F], F]:
    """Offer a function as torch.NAME."""

    def register(made: F) -> F:
        for name in names:
            FUNCTIONS[name] = made
        return made

    return register


def method(*names: str) -> Callable[[F], F]:
    """Offer a function as Tensor.NAME."""

    def register(made: F) -> F:
        for name in names:
            setattr(Tensor, name, made)
        return made

    return register


def both(*names: str) -> Callable[[F], F]:
    """Offer a function as torch.NAME and as Tensor.NAME."""

    def register(made: F) -> F:
        return function(*names)(method(*names)(made))

    return register


def tensor_argument(who: str, value: Any) -> Tensor:
    """The value, if it is a tensor.

    Raises:
        TypeError: it is not a tensor.
    """
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{who}(): the argument is {type(value).__name__}, wanted a Tensor: "
            "make one with torch.tensor(…)"
        )
    return value


def as_float(array: Array) -> Array:
    """The array, or its copy in the default float type if it holds integers or bools."""
    return array if array.dtype is F32 or array.dtype.kind == "f" else array.astype(DEFAULT.numpy)


def no_more(name: str, more: dict[str, Any]) -> None:
    for key, value in more.items():
        if key == "out" and value is not None:
            raise not_supported(f"{name}(out=...)")
        if key not in ("layout", "pin_memory", "memory_format", "out"):
            raise TypeError(f"{name}() got an unexpected keyword argument {key!r}")


def axes_of(dim: Any, ndim: int) -> Axes:
    """Axes from 0 on, in order; None for all of them.

    Raises:
        IndexError: the tensor does not have an axis.
        RuntimeError: an axis is there twice.
    """
    if dim is None:
        return None
    if type(dim) is int and 0 <= dim < ndim:  # by far the most frequent
        return (dim,)
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
    """For each axis, the distance in memory to the next element, in elements."""
    found = tuple(step // self._a.itemsize for step in self._a.strides)
    return found if dim is None else found[dim]


@method("is_contiguous")
def is_contiguous(self: Tensor) -> bool:
    """Whether the values follow each other in memory."""
    return self._a.flags.c_contiguous


@method("contiguous")
def contiguous(self: Tensor) -> Tensor:
    """The tensor, or a copy if its values are not in order in memory."""
    return self if self._a.flags.c_contiguous else self.clone()


@method("data_ptr")
def data_ptr(self: Tensor) -> int:
    """The address of the first value."""
    return self._a.ctypes.data


@method("storage_offset")
def storage_offset(self: Tensor) -> int:
    """The index of a view's first element in the memory of its base."""
    base = self if self._base is None else self._base
    return (self._a.ctypes.data - base._a.ctypes.data) // self._a.itemsize


@method("element_size")
def element_size(self: Tensor) -> int:
    """Bytes of one value."""
    return self._a.itemsize


NUMBERS: Final = (int, float, bool, np.generic)
Method = Callable[..., Any]


def operands(x: Any, y: Any) -> tuple[Any, Any]:
    """Arrays and Python numbers; arrays are converted to the type of torch's promotion rule."""
    kind = result_type((x, y))
    x = x.astype(kind, copy=False) if isinstance(x, np.ndarray) else kind.type(x)
    if isinstance(y, np.ndarray):
        return x, y.astype(kind, copy=False)
    return x, kind.type(y)


def plain(value: Any) -> Any:
    """A Python number made of a NumPy number, so that it does not decide the result's type."""
    return value.item() if isinstance(value, np.generic) else value


def mismatch(x: Any, y: Any, why: ValueError) -> Exception:
    """Torch's error for shapes that do not broadcast."""
    a, b = np.shape(x), np.shape(y)
    for back in range(1, min(len(a), len(b)) + 1):
        one, other = a[-back], b[-back]
        if one != other and 1 not in (one, other):
            axis = max(len(a), len(b)) - back
            return RuntimeError(
                f"The size of tensor a ({one}) must match the size of tensor b ({other}) at "
                f"non-singleton dimension {axis}: the shapes are {list(a)} and {list(b)}"
            )
    return why


def _refuse_divisor(kernel: str, x: Any, y: Any) -> None:
    """Refuse bools, and whole numbers divided by 0, as torch does."""
    kind = np.asarray(x).dtype.kind
    if kind == "b":
        raise not_for(f"{kernel}_cpu", "'Bool'")
    if kind in "ui" and np.any(np.equal(y, 0)):
        raise RuntimeError("ZeroDivisionError: a division of whole numbers by 0")


def remainder_of(x: Any, y: Any) -> Any:
    """The remainder, with the sign of y."""
    _refuse_divisor("remainder", x, y)
    return np.remainder(x, y)


def checked(name: str, apply: Method) -> Method:
    """The operator as a function or method, which accepts only numbers and tensors."""

    def call(input: Any, other: Any) -> Any:
        found = apply(input if isinstance(input, Tensor) else wrap_number(input), other)
        if found is NotImplemented:
            raise TypeError(
                f"{name}(): argument 'other' must be Tensor or a number, not {type(other).__name__}"
            )
        return found

    call.__name__ = name
    return call


def wrap_number(value: Any) -> Tensor:
    """A number as a tensor without axes."""
    if not isinstance(value, NUMBERS):
        raise TypeError(f"wanted a Tensor or a number, got {type(value).__name__}")
    return wrap(np.asarray(plain(value), result_type((plain(value),))))


def floored(x: Any, y: Any) -> Any:
    """``x // y``."""
    _refuse_divisor("div_floor", x, y)
    return np.floor_divide(x, y)
