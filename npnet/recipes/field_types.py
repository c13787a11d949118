"""Converting the values of a recipe's fields: JSON has lists for tuples, and 1 for 1.0."""

from __future__ import annotations

import dataclasses
import operator
from typing import Any

from npnet.base.errors import InputError, shown
from npnet.base.suggestions import nearest
from npnet.recipes.draw import Draw


def refusal(field: str, got: object, wanted: str) -> InputError:
    """The error for a field with a value that it cannot have."""
    return InputError(f"{field}: got {shown(got)}, wanted {wanted}")


def whole_number(field: str, got: Any) -> int:
    """``got`` as an int; InputError if it is not a whole number."""
    try:
        if not isinstance(got, bool):
            return operator.index(got)
    except TypeError:
        pass
    raise refusal(field, got, "a whole number")


def number(field: str, got: Any) -> float:
    """``got`` as a float; InputError if it is not a number, or beyond the range of float64."""
    if isinstance(got, bool | str) or not hasattr(got, "__float__"):
        raise refusal(field, got, "a number")
    try:
        return float(got)
    # an array, or an int of hundreds of digits
    except (TypeError, ValueError, OverflowError) as error:
        raise refusal(field, got, "a number in the range of float64") from error


def text(field: str, got: object) -> str:
    """``got`` itself; InputError if it is not text."""
    if not isinstance(got, str):
        raise refusal(field, got, "text")
    return got


def true_or_false(field: str, got: object) -> bool:
    """``got`` itself; InputError if it is not a bool."""
    if not isinstance(got, bool):
        raise refusal(field, got, "true or false")
    return got


def draws(field: str, got: object) -> tuple[Draw, ...]:
    """``Draw`` objects, or their entries from JSON or TOML, as a tuple; errors as ``Draw``."""
    if not isinstance(got, list | tuple):
        raise refusal(field, got, "a list of entries, one a parameter")
    return tuple(entry if isinstance(entry, Draw) else _draw(field, entry) for entry in got)


def _draw(field: str, got: Any) -> Draw:
    known = [each.name for each in dataclasses.fields(Draw)]
    for key in got if isinstance(got, dict) else ():
        if key not in known and (near := nearest(str(key), known)):
            raise InputError(
                f"{field}: {got.get('name', 'an entry')} has the unknown key {key!r}, "
                f"did you mean {near}?"
            )
    try:
        return Draw(**got)
    except TypeError as error:
        wanted = f'some of {", ".join(known)}, such as {{"name": "W2", "scale": ["* 0.1"]}}'
        raise refusal(field, got, wanted) from error
