"""Array types, and the read-only mapping in which values, gradients and parameters travel."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
