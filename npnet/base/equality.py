"""Equality of objects that hold arrays: True or False, instead of an array of bools."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np


def equal(one: Any, other: Any) -> bool:
    """Whether two values are the same, including every entry of every array in them.

    Arrays are the same if dtype, shape and all entries are the same. A nan equals a nan, so that a
    copy always equals its original. Mappings, tuples and lists are compared entry by entry; the
    order of a mapping does not matter. Other values are compared by ``==``.
    """
    if isinstance(one, np.ndarray | np.generic) or isinstance(other, np.ndarray | np.generic):
        return _equal_arrays(one, other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        pairs = zip(one, other, strict=False)
        return type(one) is type(other) and len(one) == len(other) and all(map(_same, pairs))
    return bool(one == other)


def _same(pair: tuple[Any, Any]) -> bool:
    return equal(*pair)


def _equal_arrays(one: Any, other: Any) -> bool:
    if not all(isinstance(side, np.ndarray | np.generic) for side in (one, other)):
        return False
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")


class EqualFields:
    """For dataclasses with ``eq=False``: objects of one class whose fields are ``equal`` are equal.

    Fields with ``compare=False`` do not count.

    They have no hash, because arrays can change.
    """

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        names = [field.name for field in fields if field.compare]
        return all(equal(getattr(self, name), getattr(other, name)) for name in names)


class ReadOnlyFields(EqualFields):
    """For frozen dataclasses with ``eq=False``: arrays among the fields are read-only views.

    Without this, ``stats.mean -= 1`` would change the array and raise an error after that.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            object.__setattr__(self, field.name, read_only(getattr(self, field.name)))


def read_only(entry: Any) -> Any:
    """A read-only view of an array; any other object is returned unchanged."""
    if isinstance(entry, np.ndarray) and entry.flags.writeable:
        entry = entry.view()
        entry.setflags(write=False)  # takes half the time of flags.writeable = False
    return entry
