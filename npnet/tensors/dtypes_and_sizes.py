"""Number types, shapes and named pairs of results, with torch's names and rules.

A ``dtype`` is one NumPy type with torch's name. The rule of promotion is torch's. The highest
category (bool < integer < float) decides first. Within a category, operands with axes decide. A
tensor without axes counts only if its category is higher, and a Python number counts last.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np

from npnet.base.arrays import Array


class dtype:
    """One number type, such as ``torch.float32``. ``numpy`` is the same type in NumPy."""

    __slots__ = ("_name", "category", "itemsize", "numpy")

    def __init__(self, name: str, numpy: type[np.generic], category: int) -> None:
        self._name, self.numpy, self.category = name, np.dtype(numpy), category
        self.itemsize = self.numpy.itemsize

    @property
    def is_floating_point(self) -> bool:
        """Whether it is a float type; only such tensors can have gradients."""
        return self.category == FLOAT

    @property
    def is_complex(self) -> bool:
        """False: there are no complex tensors here."""
        return False

    @property
    def is_signed(self) -> bool:
        """Whether the type has numbers below 0."""
        return self.numpy.kind in "if"

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return by_name, (self._name,)


BOOL, INTEGER, FLOAT = 0, 1, 2

bool_: Final = dtype("bool", np.bool_, BOOL)
uint8: Final = dtype("uint8", np.uint8, INTEGER)
int8: Final = dtype("int8", np.int8, INTEGER)
int16: Final = dtype("int16", np.int16, INTEGER)
int32: Final = dtype("int32", np.int32, INTEGER)
int64: Final = dtype("int64", np.int64, INTEGER)
float16: Final = dtype("float16", np.float16, FLOAT)
float32: Final = dtype("float32", np.float32, FLOAT)
float64: Final = dtype("float64", np.float64, FLOAT)

ALL: Final = (bool_, uint8, int8, int16, int32, int64, float16, float32, float64)
OF: Final[dict[np.dtype[Any], dtype]] = {kind.numpy: kind for kind in ALL}
# Torch's other names, and the names of types in its error messages and in Tensor.type().
ALIASES: Final = {
    "bool": bool_,
    "short": int16,
    "int": int32,
    "long": int64,
    "half": float16,
    "float": float32,
    "double": float64,
}
TYPE_NAMES: Final = {
    bool_: "Bool",
    uint8: "Byte",
    int8: "Char",
    int16: "Short",
    int32: "Int",
    int64: "Long",
    float16: "Half",
    float32: "Float",
    float64: "Double",
}

F32: Final = np.dtype(np.float32)
F64: Final = np.dtype(np.float64)
I64: Final = np.dtype(np.int64)
B8: Final = np.dtype(np.bool_)
# Read only once. NumPy always returns these objects, so that `is` can compare them.
FLOATS: Final = frozenset((np.dtype(np.float16), F32, F64))


class _Default:
    """The type of new floats: one object, because ``set_default_dtype`` changes it for all."""

    def __init__(self) -> None:
        self.float = float32
        self.numpy = F32


DEFAULT: Final = _Default()


def by_name(name: str) -> dtype:
    """The dtype with this name; pickles call this function."""
    return next(kind for kind in ALL if kind._name == name)


def get_default_dtype() -> dtype:
    """``torch.get_default_dtype()``: float32 unless it was set."""
    return DEFAULT.float


def set_default_dtype(d: dtype) -> None:
    """``torch.set_default_dtype(d)``: the type of floats made from Python numbers from now on.

    Raises:
        TypeError: d is not a float type.
    """
    if not isinstance(d, dtype) or d.category != FLOAT:
        raise TypeError(
            f"set_default_dtype: got {d!r}, only floating-point types are supported as the "
            "default type: give torch.float32 or torch.float64"
        )
    DEFAULT.float, DEFAULT.numpy = d, d.numpy


def numpy_of(kind: Any) -> np.dtype[Any]:
    """The NumPy type of a dtype; Python's float, int and bool mean the same types as in torch."""
    if isinstance(kind, dtype):
        return kind.numpy
    if kind is float:
        return F64
    if kind is int:
        return I64
    if kind is bool:
        return B8
    raise TypeError(f"dtype: got {kind!r}, wanted a torch.dtype such as torch.float32")


def number_type(value: Any) -> np.dtype[Any]:
    """The type that a Python number has as a tensor."""
    if isinstance(value, (bool, np.bool_)):
        return B8
    return I64 if isinstance(value, (int, np.integer)) else DEFAULT.numpy


_CATEGORY: Final = {"b": BOOL, "i": INTEGER, "u": INTEGER, "f": FLOAT}


def result_type(operands: Iterable[Any]) -> np.dtype[Any]:
    """The type of a result by torch's rule; operands are arrays and Python numbers."""
    # Operands with axes, operands without axes, Python numbers. A later group counts only if its
    # category is higher.
    found: list[np.dtype[Any] | None] = [None, None, None]
    for operand in operands:
        if isinstance(operand, np.ndarray):
            place, kind = (0 if operand.ndim else 1), operand.dtype
        else:
            place, kind = 2, number_type(operand)
        before = found[place]
        found[place] = kind if before is None else promoted(before, kind)
    result: np.dtype[Any] | None = None
    for kind_or_none in found:
        if kind_or_none is None:
            continue
        if result is None or _CATEGORY[kind_or_none.kind] > _CATEGORY[result.kind]:
            result = kind_or_none
    assert result is not None
    return result


def promoted(one: np.dtype[Any], other: np.dtype[Any]) -> np.dtype[Any]:
    """The smallest type that holds both; an integer beside a float takes the float's type."""
    if one is other or one == other:
        return one
    if one.kind == "f" and other.kind != "f":
        return one
    if other.kind == "f" and one.kind != "f":
        return other
    return np.promote_types(one, other)


def type_name(array: Array) -> str:
    """``Float`` and so on, as torch's messages name types."""
    return TYPE_NAMES[OF[array.dtype]]


class Size(tuple[int, ...]):
    """A shape. It is printed as in torch: ``torch.Size([32, 27])``."""

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        return math.prod(self)

    def __getitem__(self, key: Any) -> Any:
        found = tuple.__getitem__(self, key)
        return Size(found) if isinstance(key, slice) else found

    def __add__(self, other: Any) -> Any:
        return Size(tuple(self) + tuple(other))

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    __str__ = __repr__


class _Values(NamedTuple):
    values: Any
    indices: Any


class ValuesIndices(_Values):
    """A pair of values and indices, which is printed as ``torch.return_types.max(…)``."""

    __slots__ = ()
    _called = ""

    def __repr__(self) -> str:
        pair = f"values={self.values!r},\nindices={self.indices!r}"
        return f"torch.return_types.{self._called}(\n{pair})"

    __str__ = __repr__


class _Max(ValuesIndices):
    _called = "max"


class _Min(ValuesIndices):
    _called = "min"


class _Sort(ValuesIndices):
    _called = "sort"


class _Topk(ValuesIndices):
    _called = "topk"


class _Median(ValuesIndices):
    _called = "median"


class _Cummax(ValuesIndices):
    _called = "cummax"


PAIRS: dict[str, type[ValuesIndices]] = {
    kind._called: kind for kind in (_Max, _Min, _Sort, _Topk, _Median, _Cummax)
}


class Histogram(NamedTuple):
    """The result of ``torch.histogram``."""

    hist: Any
    bin_edges: Any
