"""Files of arrays that any program can write: npz files, or raw files with numbers alone."""

import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from npnet.base.arrays import Array
from npnet.base.errors import InputError
from npnet.base.npz import read_npz
from npnet.checks.reference import PRECISIONS, plain_name, plain_names
from npnet.network.gradients import GRADIENTS
from npnet.network.names import shape_of

CONTAINERS = ("npz", "raw")

# The suffixes of raw files.
SUFFIXES = {"float32": "f32", "float64": "f64", "int64": "i64"}


def content(array: Array) -> bytes:
    """The bytes of a raw file for this array: little endian, C order."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def read_raw(path: Path, dtype: str, shape: tuple[int, ...]) -> Array:
    """The array of a raw file.

    Raises:
        InputError: it is missing, or its length does not fit ``dtype`` and ``shape``.
    """
    little = np.dtype(dtype).newbyteorder("<")
    wanted = math.prod(shape) * little.itemsize
    try:
        size = path.stat().st_size
        numbers = path.read_bytes() if size == wanted else b""
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, wanted {dtype} of shape {shape}") from error
    if len(numbers) != wanted:
        raise InputError(
            f"{path}: {size} bytes, wanted {wanted}: {dtype} of shape {shape}, little endian, in "
            "C order, without a header"
        )
    return np.frombuffer(numbers, little).reshape(shape).astype(dtype)


def read_gradients(
    path: str | os.PathLike[str], sizes: Mapping[str, int]
) -> dict[str, Mapping[str, Array]]:
    """Gradients of another program, by the precision in which they are compared.

    Args:
        path: an npz file, which is compared in float64 if all its floats are float64, else in
            float32; or a folder with raw files NAME.f32 or NAME.f64 or both, whose shapes follow
            from ``sizes``. Names may have the lecture's d, as in dlogits.f32.
        sizes: the sizes of the problem.

    Raises:
        InputError: the file is missing, damaged or of another kind, two entries are the same
            gradient, the length of a raw file is not that of its gradient, or a float is neither
            float32 nor float64.
    """
    path = Path(path)
    if path.is_dir():
        read = {precision: _raw_gradients(path, precision, sizes) for precision in PRECISIONS}
        if not any(read.values()):
            raise InputError(f"{path}: holds no file NAME.f32 or NAME.f64, wanted one a gradient")
    else:
        arrays = read_npz(path)
        dtypes = {str(array.dtype) for array in arrays.values() if array.dtype.kind == "f"}
        if not dtypes <= {*PRECISIONS}:
            raise InputError(f"{path}: has {', '.join(dtypes)}, wanted float32 or float64")
        read = {"float64" if dtypes == {"float64"} else "float32": arrays}
    try:
        return {precision: plain_names(arrays) for precision, arrays in read.items() if arrays}
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _raw_gradients(folder: Path, precision: str, sizes: Mapping[str, int]) -> dict[str, Array]:
    arrays = {}
    for path in sorted(folder.glob(f"*.{SUFFIXES[precision]}")):
        name = plain_name(path.stem)
        # A file with an unknown name is refused later; until then any shape will do.
        count = path.stat().st_size // np.dtype(precision).itemsize
        shape = shape_of(name, sizes) if name in GRADIENTS else (count,)
        arrays[path.stem] = read_raw(path, precision, shape)
    return arrays
