"""Reading npz files from unknown sources: no pickle, and no more memory than the arrays need.

``np.load`` allocates as much memory as the header of an array says, and unpacks zip files of any
size. Here the header must agree with the length of the data, and that length has a limit.
"""

import io
import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from npnet.base.arrays import Array
from npnet.base.errors import InputError

# The limit for all arrays of a file, unpacked: 64 million float64 numbers, 8,000 times as many as
# the lecture's network has; a zip file of half a megabyte can unpack to as much.
MOST_BYTES = 512 * 2**20

# What np.savez and np.savez_compressed write. Other kinds could need any amount of memory.
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

KINDS = "fiubcSU"  # of dtypes: numbers and text

HEADERS: dict[tuple[int, int], Any] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}


def read_npz(path: Path, content: bytes | None = None) -> dict[str, Array]:
    """All arrays of an npz file by name, in the machine's byte order.

    Args:
        path: the file; messages name it.
        content: its bytes, if they were read already.

    Raises:
        InputError: the file is missing, damaged, empty, larger than ``MOST_BYTES`` or of another
            kind, or an array holds something else than numbers and text.
    """
    try:
        with zipfile.ZipFile(path if content is None else io.BytesIO(content)) as file:
            members = file.infolist()
            size = sum(member.file_size for member in members)
            if not members or size > MOST_BYTES:
                raise InputError(
                    f"{len(members)} arrays of {size:,} bytes unpacked, wanted one or more and at "
                    f"most {MOST_BYTES:,} bytes: np.savez writes it"
                )
            return {each.filename.removesuffix(".npy"): _array(file, each) for each in members}
    # For a damaged file, numpy, zipfile, zlib and the tokenizer raise errors of many classes.
    except Exception as error:
        said = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise InputError(f"{path}: cannot be read as an npz file of arrays: {said}") from error


def read_npy(path: str | Path, content: bytes) -> Array:
    """The array of an npy file, in the machine's byte order.

    Args:
        path: the name of the file in messages.
        content: its bytes.

    Raises:
        InputError: as ``read_npz``.
    """
    try:
        return _read(io.BytesIO(content), len(content), "its array")
    # As for npz files: errors of many classes.
    except Exception as error:
        said = str(error).partition("\n")[0]
        raise InputError(f"{path}: cannot be read as an npy file of numbers: {said}") from error


def _array(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    if member.compress_type not in COMPRESSIONS:
        raise InputError(f"{member.filename} is compressed in a way that np.savez does not use")
    with file.open(member) as stream:
        # Without this size, zipfile would unpack the whole member before it checks its size.
        return _read(stream, member.file_size, member.filename)


def _read(stream: IO[bytes], size: int, name: str) -> Array:
    version = npy.read_magic(stream)
    if version not in HEADERS:
        raise InputError(f"{name} is of version {version} of the npy format")
    shape, fortran, dtype = HEADERS[version](stream)
    data = bytearray(stream.read(size))
    if dtype.kind not in KINDS or not dtype.itemsize:
        raise InputError(f"{name} is of dtype {dtype}, wanted numbers or text")
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise InputError(f"{name} holds {len(data)} bytes, not {dtype} of shape {shape}")
    array: Array = np.ndarray(shape, dtype, data, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)
