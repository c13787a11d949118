"""Reading and writing the file formats of named arrays: npz, npy, raw, safetensors, JSON.

``npz``, ``safetensors`` and ``json`` hold many arrays in a file, ``npy`` and ``raw`` one each.

In JSON, an array is a number, a (nested) list of numbers, or an object with ``dtype``, ``shape``
and either ``data`` (a flat or nested list of numbers, or a base64 text) or ``base64`` (a text). The
bytes are little endian in C order; a dtype such as ``>f4`` says big endian. Any other object is a
group: its arrays get names such as ``grads/W1``.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import json
import math
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from npnet.base.arrays import Array
from npnet.base.errors import InputError, kind_of, shown
from npnet.base.npz import MOST_BYTES, read_npy, read_npz
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
            yield name, _described(entry) if isinstance(entry, dict) else _without_dtype(entry)
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


def _without_dtype(entry: Any) -> Stored:
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


# Formats with many arrays in one file, and formats with one.
MANY = ("npz", "safetensors", "json")
ONE = ("npy", "raw")
CONTAINERS = ("npz", "raw", "npy", "safetensors", "json")

# The suffixes of raw files.
SUFFIXES = {
    "float32": "f32",
    "float64": "f64",
    "int64": "i64",
    "float16": "f16",
    "bfloat16": "bf16",
}

PICKLE = "a pickle, which is never opened: write it with numpy.savez or safetensors"

WITHOUT_SAFETENSORS = (
    "safetensors files need the package safetensors, which is not installed, wanted it: "
    "pip install safetensors"
)


def content(array: Array) -> bytes:
    """The bytes of a raw file for this array: little endian, C order."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def encode(container: str, arrays: Mapping[str, Array]) -> bytes:
    """The bytes of a file with these arrays; ``npy`` and ``raw`` have exactly one.

    Raises:
        InputError: the package for safetensors is not installed.
    """
    if container == "json":
        return encode_json(arrays)
    if container == "raw":
        [array] = arrays.values()
        return content(array)
    if container == "safetensors":
        if find_spec("safetensors") is None:
            raise InputError(WITHOUT_SAFETENSORS)
        import safetensors.numpy

        # safetensors writes the memory as it is, without looking at order and strides.
        plain = {
            name: np.array(array, array.dtype.newbyteorder("="), order="C")
            for name, array in arrays.items()
        }
        return bytes(safetensors.numpy.save(plain))
    buffer = io.BytesIO()
    if container == "npz":
        named: dict[str, Any] = dict(arrays)
        # Not compressed: compression saves 5 % for random digits, and takes seconds for large
        # networks.
        np.savez(buffer, **named)
    else:
        [array] = arrays.values()
        np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def decode(path: Path) -> dict[str, Stored]:
    """The arrays of a file with many arrays, by name. Its first bytes tell the format.

    Raises:
        InputError: the file is missing, damaged, larger than ``MOST_BYTES`` or of another kind.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: wanted at most {MOST_BYTES:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, wanted a file or folder of arrays") from error
    try:
        if data[:2] == b"PK":
            if b"/data.pkl" in data[:200]:
                raise InputError(f"is a file of torch.save, {PICKLE}")
            return {name: _plain(array) for name, array in read_npz(path, data).items()}
        if data[:6] == b"\x93NUMPY":
            return {path.stem: decode_npy(path, data)}
        if data[8:9] == b"{" and data[:1] != b"{":
            return decode_safetensors(data)
        if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
            return decode_json(data)
        raise InputError(
            f"is {_kind(data)}, wanted an npz, safetensors or JSON file of arrays, or a folder of "
            ".npy or raw files"
        )
    except InputError as error:
        said = str(error)
        raise InputError(said if said.startswith(f"{path}: ") else f"{path}: {said}") from error


def _kind(data: bytes) -> str:
    """The kind of a file by its first bytes, in words."""
    if not data:
        return "empty"
    if data[:1] == b"\x80":
        return PICKLE
    if data[:4] == b"\x89HDF":
        return "an HDF5 file"
    return "of an unknown kind"


def decode_npy(path: Path, data: bytes) -> Stored:
    """The array of an npy file.

    Raises:
        InputError: as ``read_npy``.
    """
    return _plain(read_npy(path, data))


def _plain(array: Array) -> Stored:
    return Stored(array, array.dtype.name)


def decode_safetensors(data: bytes) -> dict[str, Stored]:
    """The arrays of a safetensors file, whose header its own package checks.

    Raises:
        InputError: the package is not installed, the file is damaged, or gradients cannot have one
            of its dtypes.
    """
    if find_spec("safetensors") is None:
        raise InputError(WITHOUT_SAFETENSORS)
    import safetensors

    try:
        entries = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise InputError(f"is damaged, wanted a safetensors file: {error}") from error
    found = {}
    for name, entry in entries:
        try:
            kind = stored_type(entry["dtype"])
            found[name] = from_bytes(bytes(entry["data"]), kind, entry["shape"])
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
    return found
