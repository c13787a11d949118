"""Reading and writing the file formats of named arrays: npz, npy, raw, safetensors and JSON.

``npz``, ``safetensors`` and ``json`` hold many arrays in a file, ``npy`` and ``raw`` one each.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.errors import InputError
from npnet.base.npz import MOST_BYTES, read_npy, read_npz
from npnet.checks.json_arrays import decode_json, encode_json
from npnet.checks.stored import Stored, from_bytes, stored_type

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
