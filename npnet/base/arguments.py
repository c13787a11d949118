"""The types of the arguments of public functions, declared above each function.

A declaration gives only the types. The function itself checks ranges and shapes, and whether the
arguments fit together, because its messages can say more.
"""

from __future__ import annotations

import functools
import inspect
import operator
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import numpy as np

from npnet.base.errors import InputError, kind_of, shown

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Kind:
    """The values that an argument can have, and the words for them in a message."""

    wanted: str
    takes: Callable[[Any], bool]


def an(kind: type, wanted: str) -> Kind:
    """An object of one class."""
    return Kind(wanted, lambda value: isinstance(value, kind))


def or_none(kind: Kind) -> Kind:
    return Kind(f"{kind.wanted}, or None", lambda value: value is None or kind.takes(value))


def _whole(value: object) -> bool:
    if isinstance(value, bool | np.bool_):
        return False
    try:
        operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def _size(value: Any) -> bool:
    return _whole(value) and abs(operator.index(value)) < 2**31


def _number(value: object) -> bool:
    numbers = isinstance(value, int | float | np.integer | np.floating)
    return numbers and not isinstance(value, bool)


def _texts(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, bytes | np.ndarray)


def _names(value: object) -> bool:
    # An iterator can be read only once, so its entries are not checked.
    return _texts(value) and (
        not isinstance(value, Collection) or all(isinstance(each, str) for each in value)
    )


WHOLE = Kind("a whole number", _whole)
SEED = Kind("a whole number, 0 or more", lambda value: _whole(value) and value >= 0)
SIZE = Kind("a whole number below 2^31", _size)
NUMBER = Kind("a number", _number)
SWITCH = Kind("True or False", lambda value: isinstance(value, bool | np.bool_))
TEXT = an(str, "a str")
TEXTS = Kind("a str or several", _texts)
NAMES = Kind("a name or several", _names)
PATH = Kind("a path: a str or a pathlib.Path", lambda value: isinstance(value, str | os.PathLike))
MAPPING = an(Mapping, "a mapping from names")
FUNCTION = Kind("a function", callable)


def checked(**kinds: Kind) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function: arguments of a wrong kind are refused before it is called.

    Args:
        kinds: parameter -> the kind of its argument. The default value is always accepted.

    Raises:
        InputError: by the decorated function, for the first argument of a wrong kind. The
            message names the function and the parameter, and says what it got and wanted.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        who = function.__qualname__.rpartition("<locals>.")[2].removesuffix(".__init__")
        assert {*kinds} <= {*signature.parameters}, function
        # inspect's own ``bind`` takes 10 us and more: some of these functions are called in a loop.
        rules = {name: (kinds[name], signature.parameters[name].default) for name in kinds}
        in_order = [
            (name, *rules.get(name, (None, None)))
            for name, each in signature.parameters.items()
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for (name, kind, default), value in zip(in_order, args, strict=False):
                if kind is not None and value is not default:
                    require(who, name, value, kind)
            for name, value in kwargs.items():
                kind, default = rules.get(name, (None, None))
                if kind is not None and value is not default:
                    require(who, name, value, kind)
            return function(*args, **kwargs)

        return call

    return decorate


def require(who: str, name: str, value: object, kind: Kind) -> None:
    """Raise InputError unless ``value`` is of this kind. ``name``: the argument's name, if any."""
    if not kind.takes(value):
        got = kind_of(value)
        if value is not None and type(value).__module__ == "builtins":
            got = f"{got}, {shown(value)}"
        raise InputError(f"{who}: {f'{name} is' if name else 'got'} {got}, wanted {kind.wanted}")
