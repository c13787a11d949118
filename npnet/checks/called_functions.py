"""Calling functions of the user: they read only what exists, and their errors are reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npnet.base.arrays import Array, UnusableArray, read_array
from npnet.base.errors import InputError
from npnet.base.suggestions import nearest
from npnet.network.graph import Noting

Function = Callable[..., Any]

CHANGES = "changes an array that it was given, wanted a new one: copy it first, as in x = x.copy()"


class NotThere(AttributeError):
    """A function asked for a name that does not exist, or assigned to one."""


class Handed(Noting):
    """``v`` or ``d`` as a function gets it: entries as attributes and by name, read-only.

    Args:
        label: ``v`` or ``d``.
        entries: the arrays by name.
        later: names that will exist later -> the line or function that makes them.
        read: a set to which the names that are asked for are added.
    """

    __slots__ = ("_label", "_later")

    def __init__(
        self, label: str, entries: Mapping[str, Any], later: Mapping[str, str], read: set[str]
    ) -> None:
        object.__setattr__(self, "_entries", entries)
        object.__setattr__(self, "_read", read)
        object.__setattr__(self, "_label", label)
        object.__setattr__(self, "_later", later)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._entries:
            return super().__getattr__(name)
        asked = f"reads {self._label}.{name}, "
        if name in self._later:
            raise NotThere(f"{asked}which {self._later[name]}")
        near = nearest(name, self._entries)
        which = f"did you mean {near}?" if near else f"wanted one of {', '.join(self._entries)}"
        raise NotThere(f"{asked}which is nowhere: {which}")

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        raise NotThere(f"writes to {self._label}.{name}, wanted a result that is returned")


def call(who: str, function: Function, *views: Handed) -> Any:
    """The result of a function for ``v``, or for ``v`` and ``d``.

    Raises:
        InputError: the function raised an error, asked for a name that does not exist, or changed
            its arguments.
    """
    try:
        with np.errstate(all="ignore"):  # numbers that are not finite are found in the result
            return function(*views)
    except NotThere as error:
        raise InputError(f"{who} {error}") from error
    except Exception as error:  # the function can raise any error
        if "read-only" in str(error):
            raise InputError(f"{who} {CHANGES}") from error
        shapes = ", ".join(
            f"{name} {np.shape(view._entries[name])}"
            for view in views
            for name in sorted(view._read & view._entries.keys())
        )
        after = f", after it read {shapes}" if shapes else ""
        said = str(error).partition("\n")[0]
        raise InputError(f"{who} raised {type(error).__name__}: {said}{after}") from error


def read_result(who: str, result: Any) -> Array:
    """A result as a new array.

    Raises:
        InputError: the result is None, or not an array of real numbers.
    """
    if result is None:
        raise InputError(f"{who} returned None, wanted an array: is its return missing?")
    try:
        return np.array(read_array(f"{who}: its result", result))
    except UnusableArray as error:
        raise InputError(str(error)) from error


class Unmade(AttributeError, ValueError):
    """Replaces a gradient whose function raised an error; reading it raises the error again.

    ``verdict``: one word for a report's column.
    """

    verdict = "unreadable"

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise self

    def __getattr__(self, _: str) -> Any:
        raise self


def made(name: str, function: Function, v: Any, d: Any) -> Any:
    """The gradient that a function returns, read-only; ``Unmade`` if it raises an error."""
    try:
        with np.errstate(all="ignore"):  # the report has a verdict for it
            result = function(v, d)
    except Unmade as earlier:
        return earlier
    except NotThere as error:
        return Unmade(f"d{name} {error}")
    except Exception as error:  # the functions can raise any error
        if "read-only" in str(error):
            return Unmade(f"d{name} {CHANGES}")
        return Unmade(f"d{name} raised {type(error).__name__}: {error}")
    return locked({name: result})[name]


def locked(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays as read-only views: a function that changes its inputs raises."""
    views = {}
    for name, entry in entries.items():
        views[name] = entry
        if isinstance(entry, np.ndarray):
            views[name] = entry.view()
            views[name].flags.writeable = False
    return views
