"""Stored numbers: names of dtypes, bytes as numbers, and the precision of numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.base.errors import InputError, shown

# The distance from 1 to the next larger number. GPUs round the factors of a float32 product to
# TF32: 10 bits after the point, as in float16.
PRECISION_EPS = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "tf32": 2.0**-10,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
}
HALVES = {"float16", "bfloat16"}

# How many different mantissas are needed to tell the precision. One of 2**13 float32 numbers fits
# into float16 by chance, and numbers such as 0, 1 and 0.5 always do.
ENOUGH = 16


def looks_half(arrays: Iterable[Array]) -> str:
    """``float16``, ``bfloat16`` or ``tf32`` if all these wider floats fit into it.

    Returns:
        The name; "" if they do not, or if there are too few numbers to tell.
    """
    numbers = [
        array[np.isfinite(array) & (array != 0)].astype(np.float64)
        for array in arrays
        if array.dtype.kind == "f" and array.dtype.itemsize > 2
    ]
    flat = np.unique(np.abs(np.concatenate(numbers))) if numbers else np.zeros(0)
    mantissas, _ = np.frexp(flat)
    if len(np.unique(mantissas)) < ENOUGH:
        return ""
    # The mantissa from frexp is at least 0.5; with 8 bits, it is a multiple of 1/256.
    if (np.mod(mantissas * 2**8, 1) == 0).all():
        return "bfloat16"
    with np.errstate(over="ignore"):
        fits = (flat.astype(np.float16) == flat).all()
    if fits:
        return "float16"
    # The numbers have the bits of float16, but are too large or too small for it.
    return "tf32" if (np.mod(mantissas * 2**11, 1) == 0).all() else ""


# The names of dtypes in other programs, in lower case -> NumPy's name. NumPy has no bfloat16: these
# numbers are the upper halves of float32 numbers.
DTYPES = {
    **dict.fromkeys(("float64", "f64", "double"), "float64"),
    **dict.fromkeys(("float32", "f32", "float", "single"), "float32"),
    **dict.fromkeys(("float16", "f16", "half"), "float16"),
    **dict.fromkeys(("bfloat16", "bf16"), "bfloat16"),
    **{f"int{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **dict.fromkeys(("bool", "boolean"), "bool"),
}


class Stored(NamedTuple):
    """An array of a file. ``dtype``: as it is stored; "" if the file does not say it.

    A bfloat16 array is read as float32, which holds the same numbers.
    """

    array: Array
    dtype: str


class StoredType(NamedTuple):
    """A dtype (NumPy's name, or bfloat16), and the byte order of its numbers, < or >."""

    name: str
    order: Literal["<", ">"]

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype for reading the bytes."""
        return np.dtype("uint16" if self.name == "bfloat16" else self.name).newbyteorder(self.order)


def stored_type(text: object) -> StoredType:
    """The dtype that ``text`` names: ``float32``, ``F32``, ``bf16``; ``<f4`` or ``>f4`` as NumPy.

    Raises:
        InputError: it is none of these.
    """
    if isinstance(text, str):
        name = DTYPES.get(text.removeprefix("torch.").lower())
        if name:
            return StoredType(name, "<")
        if text[:1] in ("<", ">", "|") and len(text) == 3 and text[1:].isalnum():
            try:
                name = np.dtype(text[1:]).name
            except TypeError:
                name = None
            if name in DTYPES:
                return StoredType(name, ">" if text[0] == ">" else "<")
    raise InputError(
        f"dtype {shown(text)}, wanted float64, float32, float16, bfloat16, a type of integers or "
        "bool"
    )


def shape_from(value: object) -> tuple[int, ...]:
    """A shape from a file: a list of whole numbers, 0 or more.

    Raises:
        InputError: ``value`` is something else.
    """
    fits = isinstance(value, list | tuple) and len(value) <= 32
    if not fits or not all(type(size) is int and 0 <= size < 2**48 for size in value):  # type: ignore[attr-defined]
        raise InputError(f"shape {shown(value)}, wanted a list of sizes such as [32, 27]")
    return tuple(value)  # type: ignore[arg-type]


def from_bytes(data: bytes, kind: StoredType, shape: Sequence[int]) -> Stored:
    """The array in these bytes, in C order.

    Raises:
        InputError: the length does not fit ``kind`` and ``shape``.
    """
    wanted = math.prod(shape) * kind.numpy.itemsize
    if len(data) != wanted:
        raise InputError(
            f"{len(data)} bytes, wanted {wanted}: {kind.name} of shape {tuple(shape)}, "
            f"{'little' if kind.order == '<' else 'big'} endian, in C order, without a header"
        )
    numbers = np.frombuffer(data, kind.numpy).reshape(tuple(shape))
    numbers = numbers.astype(kind.numpy.newbyteorder("="))
    return Stored(widened(numbers) if kind.name == "bfloat16" else numbers, kind.name)


def widened(bits: Array) -> Array:
    """The float32 numbers of bfloat16 bits (uint16): a bfloat16 is the upper half of a float32."""
    return np.ascontiguousarray(bits.astype(np.uint32) << 16).view(np.float32).reshape(bits.shape)


def narrowed(array: Array) -> Array:
    """The bfloat16 bits (uint16) of finite float32 numbers, rounded to the nearest."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32).reshape(array.shape)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (rounded >> np.uint32(16)).astype(np.uint16)
