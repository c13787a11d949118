"""Named arrays as JSON: nested lists of numbers, or numbers or base64 with a dtype and a shape.

An array is a number, a (nested) list of numbers, or an object with ``dtype`` and ``shape`` and with
``data``, a flat or nested list of numbers or a base64 text, or ``base64``, a text. Its bytes are
little endian in C order; a dtype such as ``>f4`` says big endian. Any other object is a group: its
arrays get names such as ``grads/W1``.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from npnet.base.arrays import Array
from npnet.base.errors import InputError, kind_of, shown
from npnet.checks.stored import Stored, from_bytes, shape_from, stored_type

# The keys of an object that is an array, not a group.
KEYS = {"dtype", "shape", "data", "base64"}

# A decimal number of at most this many digits can be a printed float32; a float64 needs 15 to 17.
DIGITS = 9

MOST_AXES = 32


def encode_json(arrays: Mapping[str, Array]) -> bytes:
    """JSON with dtype, shape and flat numbers for each array, each in one line.

    The numbers have the fewest digits that give the same array again. bfloat16 must be given as
    uint16.
    """
    lines = []
    for name, array in arrays.items():
        # Bools are written as 0 or 1, which every program reads as numbers.
        numbers = array.astype(np.uint8) if array.dtype == bool else array
        head = {"dtype": array.dtype.name, "shape": [*array.shape]}
        entry = json.dumps({**head, "data": numbers.ravel().tolist()}, allow_nan=False)
        lines.append(f" {json.dumps(name)}: {entry}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def decode_json(content: bytes) -> dict[str, Stored]:
    """The arrays of a JSON file by name.

    Raises:
        InputError: the file is not JSON, or has two entries with one name, NaN, a list with rows of
            different lengths, an entry that is not a number, or a base64 text of a wrong length.
    """
    try:
        # Numbers are read as floats. A whole number becomes a float, or is refused below.
        entries = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_once,
            parse_constant=_no_number,
        )
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        said = str(error).partition("\n")[0]
        raise InputError(f"no JSON ({said}), wanted an object of named arrays") from error
    if not isinstance(entries, dict):
        raise InputError(f"{kind_of(entries)}, wanted an object whose keys are the names")
    return dict(_arrays("", entries))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{shown(twice)} is there twice, wanted every name once")
    return entries


def _no_number(constant: str) -> NoReturn:
    raise InputError(
        f"{constant} is no JSON number, wanted finite ones: a gradient that is not finite is "
        "wrong; as base64 it can be judged"
    )


def _arrays(prefix: str, entries: dict[str, Any]) -> Iterator[tuple[str, Stored]]:
    for key, entry in entries.items():
        name = prefix + key
        if isinstance(entry, dict) and not _is_array(entry):
            yield from _arrays(f"{name}/", entry)
            continue
        try:
            yield name, _described(entry) if isinstance(entry, dict) else _plain(entry)
        except InputError as error:
            raise InputError(f"{shown(name)}: {error}") from error


def _is_array(entry: dict[str, Any]) -> bool:
    """Whether an object is an array: it has a key such as ``data`` whose value is not an object."""
    return any(key in KEYS and not isinstance(held, dict) for key, held in entry.items())


def _described(entry: dict[str, Any]) -> Stored:
    missing = {"dtype", "shape"} - entry.keys()
    held = entry.get("base64", entry.get("data"))
    if missing or held is None or {"data", "base64"} <= entry.keys():
        raise InputError(
            f"has {', '.join(map(shown, entry))}, wanted dtype, shape, and data or base64"
        )
    kind, shape = stored_type(entry["dtype"]), shape_from(entry["shape"])
    if isinstance(held, str):
        try:
            return from_bytes(base64.b64decode(held, validate=True), kind, shape)
        except (binascii.Error, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"its text is no base64: {error}") from error
    numbers = _numbers(held)
    flat = numbers.ndim <= 1 or not numbers.size
    if numbers.size != math.prod(shape) or not (flat or numbers.shape == shape):
        raise InputError(f"data of shape {numbers.shape}, wanted {shape} or the same numbers flat")
    # bfloat16 is read as float32, which holds every bfloat16. It is not checked that the numbers
    # are bfloat16.
    dtype = "float32" if kind.name == "bfloat16" else kind.name
    with np.errstate(over="ignore"):
        array = numbers.astype(dtype)
    if np.dtype(dtype).kind != "f" and not np.array_equal(array, numbers):
        raise InputError(f"numbers that {kind.name} does not hold, wanted whole ones in its range")
    return Stored(array.reshape(shape), kind.name)


def _plain(entry: Any) -> Stored:
    """Numbers without a dtype: float32 if none has more digits than a float32, else float64."""
    numbers = _numbers(entry).astype(np.float64)
    with np.errstate(over="ignore"):
        single = numbers.astype(np.float32)
    # Some programs widen a float32 before they print it; others print only its own digits.
    others = numbers[numbers != single]
    narrow = np.isfinite(single).all() and all(_digits(float(x)) <= DIGITS for x in others)
    return Stored(single if narrow else numbers, "")


def _digits(number: float) -> int:
    """The number of decimal digits in the shortest text of a number."""
    mantissa = repr(number).lower().partition("e")[0]
    return len(mantissa.replace(".", "").replace("-", "").strip("0"))


def _numbers(entry: Any) -> Array:
    shape = _shape(entry)
    flat: list[Any] = [entry]
    for _ in shape:
        flat = [item for part in flat for item in part]
    if flat and all(type(item) is int for item in flat):
        for dtype in (np.int64, np.uint64):
            with contextlib.suppress(OverflowError):
                return np.array(flat, dtype).reshape(shape)
    try:
        numbers = np.array([float(item) for item in flat])
    except OverflowError:
        numbers = np.array([np.inf])
    if not np.isfinite(numbers).all():
        raise InputError("holds a number beyond float64, wanted finite ones")
    return numbers.reshape(shape)


def _shape(entry: Any, depth: int = 0) -> tuple[int, ...]:
    """The shape of nested lists; all rows must have the same length."""
    if isinstance(entry, list):
        if depth == MOST_AXES:
            raise InputError(f"lists in lists more than {MOST_AXES} deep, wanted an array")
        if len(parts := {_shape(part, depth + 1) for part in entry}) > 1:
            raise InputError(
                f"rows of different lengths or depths, {' and '.join(map(str, sorted(parts)[:2]))},"
                " wanted an array"
            )
        return (len(entry), *(parts.pop() if parts else ()))
    if isinstance(entry, bool) or not isinstance(entry, int | float):
        hint = ": JavaScript writes NaN as null" if entry is None else ""
        raise InputError(f"holds {shown(entry)}, wanted numbers{hint}")
    return ()
