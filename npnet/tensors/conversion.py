"""Copying tensors, converting and describing their number types, and filling them in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.derivatives import elementwise as table
from npnet.tensors.dtypes_and_sizes import ALIASES, ALL, DEFAULT, OF, TYPE_NAMES, dtype, numpy_of
from npnet.tensors.dtypes_and_sizes import dtype as Dtype
from npnet.tensors.dtypes_and_sizes import result_type as promoted_type
from npnet.tensors.in_place import refuse_leaf, write
from npnet.tensors.interface import both, function, method, no_more, plain
from npnet.tensors.missing import device as Device
from npnet.tensors.missing import on_cpu
from npnet.tensors.tape import run
from npnet.tensors.tensor_class import MODE, Tensor, alias, changed


@both("clone")
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy, through which gradients pass."""
    return run(table.CLONE, (input._a,), (input,))


@both("detach")
def detach(input: Tensor) -> Tensor:
    """A tensor with the same memory that is not in the graph."""
    return alias(input)


@method("detach_")
def detach_(self: Tensor) -> Tensor:
    """Take this tensor out of the graph."""
    self._node, self._req = None, False
    return self


@method("requires_grad_")
def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Set ``requires_grad``."""
    self.requires_grad = requires_grad
    return self


def to(self: Tensor, kind: Any) -> Tensor:
    """The tensor in another type, or itself if it has it."""
    wanted = numpy_of(kind)
    if self._a.dtype == wanted:
        return self
    return run(table.CAST, (self._a, wanted), (self,))


@method("to")
def to_any(
    self: Tensor, *wanted: Any, dtype: Any = None, device: Any = None, **more: Any
) -> Tensor:
    """The tensor in another type; every device except the CPU is refused."""
    copy = more.pop("copy", False)
    more.pop("non_blocking", None)
    no_more("to", more)
    found = self
    for one in (*wanted, device, dtype):
        if one is None or isinstance(one, bool):
            continue
        if isinstance(one, Tensor):
            found = to(found, one.dtype)
        elif isinstance(one, (str, Device, int)):
            on_cpu(one)
        else:
            found = to(found, one)
    return clone(found) if copy and found is self else found


def _converter(name: str, kind: Dtype) -> None:
    def convert(self: Tensor) -> Tensor:
        return to(self, kind)

    convert.__name__ = name
    method(name)(convert)


for _name, _kind in ALIASES.items():
    _converter(_name, _kind)
_converter("byte", next(kind for kind in ALL if repr(kind) == "torch.uint8"))


@method("cpu")
def cpu(self: Tensor) -> Tensor:
    """The tensor itself."""
    return self


@method("cuda")
def cuda(self: Tensor, device: Any = None) -> Tensor:
    """Refused: there is no GPU here."""
    on_cpu("cuda")
    return self


@method("type")
def type_(self: Tensor, dtype: Any = None) -> Any:
    """The name of the type, or the tensor in another one."""
    if dtype is None:
        return f"torch.{TYPE_NAMES[self.dtype]}Tensor"
    if isinstance(dtype, str):
        by_name = {f"torch.{name}Tensor": kind for kind, name in TYPE_NAMES.items()}
        return to(self, by_name[dtype])
    return to(self, dtype)


@method("type_as")
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor in the type of another one."""
    return to(self, other.dtype)


@method("is_floating_point")
@function("is_floating_point")
def is_floating_point(input: Tensor) -> bool:
    """Whether the type is a float type."""
    return input._a.dtype.kind == "f"


@function("is_tensor")
def is_tensor(obj: Any) -> bool:
    """Whether it is a tensor."""
    return isinstance(obj, Tensor)


@function("numel")
def numel(input: Tensor) -> int:
    """The number of elements."""
    return input._a.size


@function("result_type")
def result_type(tensor1: Any, tensor2: Any) -> Dtype:
    """The type that an operation of two tensors or numbers has."""
    pair = [one._a if isinstance(one, Tensor) else one for one in (tensor1, tensor2)]
    return OF[promoted_type(pair)]


@function("promote_types")
def promote_types(type1: Dtype, type2: Dtype) -> Dtype:
    """The smallest type that holds both."""
    return OF[promoted_type([np.zeros(1, type1.numpy), np.zeros(1, type2.numpy)])]


# --- filled in place ------------------------------------------------------------------------------


@method("copy_")
def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Write the values of another tensor into this one; they are broadcast."""
    x = self._a
    try:
        np.broadcast_to(src._a, x.shape)
    except ValueError:
        raise RuntimeError(
            f"The size of tensor a {list(x.shape)} must match the size of tensor b "
            f"{list(src._a.shape)}"
        ) from None
    if MODE.grad and (self._req or src._req):
        return write(self, table.COPY, (x, src._a), (self, src))
    x[...] = src._a
    changed(self)
    return self


@method("fill_")
def fill_(self: Tensor, value: Any) -> Tensor:
    """Write one number everywhere."""
    second = value if isinstance(value, Tensor) else None
    number = value._a if isinstance(value, Tensor) else plain(value)
    if MODE.grad and (self._req or (second is not None and second._req)):
        op = table.FILL_NUMBER if second is None else table.FILL
        return write(self, op, (self._a, number), (self, second))
    self._a[...] = number
    changed(self)
    return self


@method("zero_")
def zero_(self: Tensor) -> Tensor:
    """Write zeros everywhere."""
    if MODE.grad and self._req:
        return write(self, table.ZERO, (self._a,), (self,))
    return fill_(self, 0)


@method("set_")
def set_(self: Tensor, source: Tensor) -> Tensor:
    """Give this tensor the memory of another one."""
    if MODE.grad:
        refuse_leaf(self)
    self._a = source._a
    changed(self)
    return self


@function("finfo")
class finfo:
    """The limits of a float type: ``bits``, ``eps``, ``max``, ``min``, ``tiny``, ``resolution``.

    Raises:
        TypeError: it is not a float type.
    """

    def __init__(self, type: dtype | None = None) -> None:
        kind = DEFAULT.float if type is None else type
        if not kind.is_floating_point:
            raise TypeError(
                f"torch.finfo() requires a floating point input type, got {kind!r}: "
                "torch.iinfo takes integers"
            )
        found = np.finfo(kind.numpy)
        self.bits = int(found.bits)
        self.eps, self.max, self.min = float(found.eps), float(found.max), float(found.min)
        self.tiny = self.smallest_normal = float(found.tiny)
        self.resolution = float(f"1e-{found.precision}")
        self.dtype = repr(kind).removeprefix("torch.")

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


@function("iinfo")
class iinfo:
    """The limits of an integer type: ``bits``, ``max``, ``min``.

    Raises:
        TypeError: it is not an integer type.
    """

    def __init__(self, type: dtype) -> None:
        if type.is_floating_point or type.numpy.kind == "b":
            raise TypeError(
                f"torch.iinfo() requires an integer input type, got {type!r}: "
                "torch.finfo takes floats"
            )
        found = np.iinfo(type.numpy)
        self.bits, self.max, self.min = int(found.bits), int(found.max), int(found.min)
        self.dtype = repr(type).removeprefix("torch.")

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
