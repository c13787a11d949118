"""Array types, reading what a user calls an array, and the read-only mapping of named arrays."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npnet.base.errors import InputError

Array = NDArray[Any]
Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]


class Named(Mapping[str, Any]):
    """A mapping from names to arrays that can be read but not changed.

    Every entry is also an attribute: ``values["bnraw"] is values.bnraw``.
    """

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self.__dict__["_entries"] = dict(entries)

    def __getitem__(self, name: str) -> Any:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __getattr__(self, name: str) -> Any:
        # Only reached when ordinary look-up fails. Copying and unpickling ask for attributes
        # before the entries exist, and must not send this into a circle.
        entries = self.__dict__.get("_entries", {})
        if name in entries:
            return entries[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}; it has {', '.join(entries)}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is read-only: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is read-only: {name!r} cannot be deleted")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._entries]

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {np.shape(entry)}" for name, entry in self._entries.items())
        return f"{type(self).__name__}({shapes})"


class UnusableArray(InputError):
    """What was given is no array of numbers. ``verdict``: one word for a report's column."""

    def __init__(self, verdict: str, reason: str) -> None:
        super().__init__(reason)
        self.verdict = verdict


def read_array(side: str, entry: Any) -> Array:
    """An array, number, nested list or tensor as NumPy reads it.

    Args:
        side: whose it is, for the message.
        entry: anything. What has ``detach`` is a tensor and leaves its graph first.

    Raises:
        UnusableArray: it is None, cannot be read, or is not made of floats, integers or bools.
    """
    if entry is None:
        raise UnusableArray("None", f"{side} is None, wanted an array")
    try:
        array = np.asarray(entry.detach().numpy() if hasattr(entry, "detach") else entry)
    except (TypeError, ValueError, RuntimeError) as error:
        said = str(error).partition("\n")[0]
        raise UnusableArray(
            "unreadable", f"{side} is a {type(entry).__name__}, wanted an array: {said}"
        ) from None
    if array.dtype.kind not in "fiub":
        raise UnusableArray("dtype", f"{side} is {array.dtype}, wanted floats, integers or bools")
    return array
