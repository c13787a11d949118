"""Sizes as arguments, and a tensor's shape and memory."""

from __future__ import annotations

from typing import Any

from npnet.tensors.attach import both, method
from npnet.tensors.axes import axis_of
from npnet.tensors.tensor_class import Tensor


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
