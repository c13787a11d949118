"""Converting the key of ``x[key]`` by torch's rules into a key for NumPy."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from npnet.tensors.dtypes import I64
from npnet.tensors.tensor_class import Tensor

INT: Final = int


def key_part(value: Any) -> Any:
    """One part of a key for NumPy; ``_Advanced`` parts come as arrays."""
    if type(value) is Tensor:
        array = value._a
        if array.dtype.kind in "iu" and array.dtype != np.uint8:
            return INT(array) if not array.ndim else array.copy()
        if array.dtype.kind == "b" or array.dtype == np.uint8:
            return array.astype(bool)
        raise IndexError(
            f"tensors used as indices must be long, int, byte or bool tensors, got {value.dtype}: "
            "convert with .long()"
        )
    if isinstance(value, slice):
        bounds = [
            None if bound is None else _bound(bound)
            for bound in (value.start, value.stop, value.step)
        ]
        if bounds[2] is not None and bounds[2] <= 0:
            raise ValueError(
                "step must be greater than zero: use .flip(dim) to turn an axis around"
            )
        return slice(*bounds)
    if value is None or value is Ellipsis:
        return value
    if isinstance(value, range):
        return np.arange(value.start, value.stop, value.step)
    if isinstance(value, (bool, np.bool_)):
        return np.asarray(value)
    if isinstance(value, (list, tuple)):
        array = np.asarray(
            [one.tolist() if isinstance(one, Tensor) else _listed(one) for one in value]
        )
        if not array.size:
            return array.astype(I64)
        if array.dtype.kind not in "iub":
            raise IndexError(f"index {value!r}: wanted whole numbers or bools")
        return array
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "iub":
            raise IndexError("arrays used as indices must hold integers or bools")
        return value if value.ndim else value.item()
    if hasattr(value, "__index__"):
        return value.__index__()
    if isinstance(value, str):
        raise TypeError(f"an index is the string {value!r}, wanted a number, a slice or a tensor")
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
        f"indices (got {type(value).__name__})"
    )


def _listed(value: Any) -> Any:
    if isinstance(value, range):
        return list(value)
    if isinstance(value, list):
        return [_listed(one) for one in value]
    return value


def _bound(value: Any) -> int:
    if hasattr(value, "__index__"):
        return value.__index__()
    raise TypeError(
        f"slice indices must be integers or None or have an __index__ method, got {value!r}"
    )


def parted(key: Any, ndim: int) -> tuple[tuple[Any, ...] | None, Any]:
    """(basic key or None, advanced key or None), to apply one after the other."""
    if isinstance(key, tuple) or (
        isinstance(key, list) and any(isinstance(part, (slice, type(None))) for part in key)
    ):
        parts = [key_part(part) for part in key]
    else:
        parts = [key_part(key)]
    arrays = [isinstance(part, np.ndarray) for part in parts]
    if not any(arrays):
        return (*parts, ...) if Ellipsis not in parts else tuple(parts), None
    if len(parts) == 1:
        return None, parts[0]
    if all(arrays):
        return None, tuple(parts)
    # Numbers, slices and None first; the axes of the arrays do not change.
    taken = sum(
        part.ndim if array and part.dtype.kind == "b" else 1
        for part, array in zip(parts, arrays, strict=True)
        if part is not None and part is not Ellipsis
    )
    if taken > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    basic: list[Any] = []
    advanced: list[Any] = []
    for part, array in zip(parts, arrays, strict=True):
        if array:
            width = part.ndim if part.dtype.kind == "b" else 1
            basic += [slice(None)] * width
            advanced.append(part)
        elif part is Ellipsis:
            basic += [slice(None)] * (ndim - taken)
            advanced += [slice(None)] * (ndim - taken)
        else:
            basic.append(part)
            if part is None or isinstance(part, slice):
                advanced.append(slice(None))
    trivial = all(isinstance(part, slice) and part == slice(None) for part in basic)
    return None if trivial else tuple(basic), tuple(advanced)
