"""Array types, arrays from any object that a user hands in, and the read-only mapping of arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npnet.base.arguments import MAPPING, require
from npnet.base.equality import equal, read_only
from npnet.base.errors import InputError, with_article

Array = NDArray[Any]
Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]


class Named(Mapping[str, Any]):
    """A mapping from names to arrays that can be read but not changed.

    Every entry is also an attribute: ``values["bnraw"] is values.bnraw``. Arrays are held as
    read-only views, not copied. Two mappings are equal if they have the same names and arrays
    (dtype, shape, entries). There is no hash.
    """

    def __init__(self, entries: Mapping[str, Any]) -> None:
        require(type(self).__name__, "", entries, MAPPING)
        self.__dict__["_entries"] = {name: self._held(entry) for name, entry in entries.items()}

    @staticmethod
    def _held(entry: Any) -> Any:
        """The entry as the mapping keeps it."""
        return read_only(entry)

    def __getitem__(self, name: str) -> Any:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return equal(self._entries, other)

    def __getattr__(self, name: str) -> Any:
        # Called only when the ordinary look-up fails. Copying and unpickling ask for attributes
        # before the entries exist; without this check they would call this method for ever.
        entries = self.__dict__.get("_entries", {})
        if name in entries:
            return entries[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}; it has {', '.join(entries)}")

    # Python runs `p.W1 -= x` in two steps: the array changes in place, then the same array is
    # assigned to the name. Only the assignment of another object is an error. A read-only array
    # raises in the first step.
    def __setattr__(self, name: str, value: object) -> None:
        if name not in self._entries or value is not self._entries[name]:
            raise AttributeError(self._refusal(name, f".{name}"))

    def __setitem__(self, name: str, value: object) -> None:
        if name not in self._entries or value is not self._entries[name]:
            raise TypeError(self._refusal(name, f"[{name!r}]"))

    def _refusal(self, name: str, place: str) -> str:
        refusal = f"{type(self).__name__} is read-only: {name!r} cannot be set"
        entry = self._entries.get(name)
        if isinstance(entry, np.ndarray) and entry.flags.writeable:
            refusal += f": to change its numbers, assign to {place}[...], or use {place} -="
        return refusal

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is read-only: {name!r} cannot be deleted")

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Copies and pickles hold fresh arrays, which are writable.
        Named.__init__(self, state["_entries"])

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._entries]

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {np.shape(entry)}" for name, entry in self._entries.items())
        return f"{type(self).__name__}({shapes})"


class UnusableArray(InputError):
    """The argument is not an array of numbers. ``verdict``: one word for a report's column."""

    def __init__(self, verdict: str, reason: str) -> None:
        super().__init__(reason)
        self.verdict = verdict


def read_array(side: str, entry: Any) -> Array:
    """A NumPy array made of an array, a number, a nested list or a tensor.

    Args:
        side: who gave the array, for the message.
        entry: anything. A tensor (an object with ``detach``) leaves its graph and its device.

    Raises:
        UnusableArray: NumPy cannot read it, it has masked entries, or it does not hold floats,
            integers or bools. The message names its Python type.
    """
    if entry is None:
        raise UnusableArray("None", f"{side} is None, wanted an array")
    if type(entry) is np.ndarray and entry.dtype.kind in "fiub":
        return entry  # what nearly every call gets, without the questions below
    kind = _type_name(entry)
    try:
        tensor = hasattr(entry, "detach")
        array = np.asarray(_off_the_graph(entry) if tensor else entry)
        # Of the package ml_dtypes; NumPy itself has none. A dtype's name takes a microsecond.
        if array.dtype.kind not in "fiub" and array.dtype.name == "bfloat16":
            array = array.astype(np.float32)
        masked = int(np.sum(entry.mask)) if isinstance(entry, np.ma.MaskedArray) else 0
    # This can be any object, and its methods can raise any error.
    except Exception as error:
        said = str(error).partition("\n")[0]
        reason = said if isinstance(error, _SAID) else f"{type(error).__name__}: {said}"
        raise UnusableArray(
            "unreadable", f"{side} is {with_article(kind)}, wanted an array: {reason}{_how(entry)}"
        ) from None
    if masked:
        raise UnusableArray(
            "unreadable",
            f"{side} is a MaskedArray with {masked} entries masked, wanted numbers everywhere: "
            "use .filled(number)",
        )
    if array.dtype.kind not in "fiub":
        raise UnusableArray(
            "dtype",
            f"{side} is {_contents(kind, array)}, wanted floats, integers or bools{_how(entry)}",
        )
    return array


# The errors by which NumPy and torch say what they cannot read. For other errors, the message
# names the class too.
_SAID = (TypeError, ValueError, RuntimeError)


def _off_the_graph(tensor: Any) -> Any:
    """The numbers of a tensor with torch's methods, as an array in the memory of the CPU."""
    tensor = tensor.detach()
    for method in ("cpu", "resolve_conj", "resolve_neg"):
        if hasattr(tensor, method):
            tensor = getattr(tensor, method)()
    if str(getattr(tensor, "dtype", "")).endswith("bfloat16") and hasattr(tensor, "float"):
        tensor = tensor.float()  # NumPy has no bfloat16
    return tensor.numpy() if hasattr(tensor, "numpy") else tensor


def _type_name(entry: Any) -> str:
    """The name of an object's class, with its package unless this is Python or NumPy."""
    kind = type(entry)
    package = kind.__module__.partition(".")[0]
    plain = package in ("builtins", "numpy", "__main__")
    return kind.__name__ if plain else f"{package}.{kind.__name__}"


# Methods by which the arrays of other libraries become NumPy arrays, or numbers.
_CONVERTING = ("numpy", "to_numpy", "asnumpy", "get", "eval", "tolist")


def _how(entry: Any) -> str:
    """How to convert an object of an unknown class: the end of a message."""
    if isinstance(entry, np.ndarray | np.generic | list | tuple | dict | str | bytes):
        return ""
    # The class is asked, because an object can have an attribute of any name.
    found = next((name for name in _CONVERTING if callable(getattr(type(entry), name, None))), "")
    if found:
        return f": convert it, perhaps with .{found}()"
    return ": np.from_dlpack converts it" if hasattr(type(entry), "__dlpack__") else ""


def _contents(kind: str, array: Array) -> str:
    """The contents of an object, in words, if NumPy does not read them as numbers."""
    if array.dtype.kind == "O" and array.ndim and array.size:
        return (
            f"{with_article(kind)} that holds {with_article(_type_name(array.flat[_odd(array)]))}"
        )
    if array.dtype.kind == "O":
        return with_article(kind)
    return str(array.dtype) if kind == "ndarray" else f"{with_article(kind)} of dtype {array.dtype}"


def _odd(array: Array) -> int:
    """The index of the first object that is no number; 0 if all are numbers."""
    numbers = (bool, int, float, np.number)
    return next((i for i, item in enumerate(array.flat) if not isinstance(item, numbers)), 0)
