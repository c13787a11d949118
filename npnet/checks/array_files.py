"""Reading gradients and values of other programs, in any of the file formats and with any names."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.base.errors import InputError, shown
from npnet.base.npz import MOST_BYTES
from npnet.checks.array_names import plain_name, recognise, without_values
from npnet.checks.containers import SUFFIXES, decode, decode_npy
from npnet.checks.stored import (
    DTYPES,
    HALVES,
    PRECISION_EPS,
    Stored,
    StoredType,
    from_bytes,
    shape_from,
    stored_type,
)
from npnet.network.gradients import GRADIENTS
from npnet.network.names import NAMES, shape_of

SUFFIX_DTYPES = {suffix: dtype for dtype, suffix in SUFFIXES.items()}

MOST_FILES = 1000  # the most files of a folder


class Layout(NamedTuple):
    """How to read the numbers of raw files: by default in C order and little endian."""

    column_major: bool = False
    big_endian: bool = False


class Theirs(NamedTuple):
    """The arrays of another program that are compared in one precision.

    Attributes:
        arrays: the arrays by our names, if these were recognised; else by theirs.
        precision: ``float32`` or ``float64``: the precision of torch's arrays.
        judged_as: the precision whose eps is used, one of ``PRECISION_EPS``.
        said: remarks, one sentence each, such as which names were read as others.
    """

    arrays: dict[str, Array]
    precision: str
    judged_as: str
    said: tuple[str, ...]


def read_raw(path: Path, dtype: str, shape: tuple[int, ...]) -> Array:
    """The array of a raw file.

    Raises:
        InputError: the file is missing, or its length does not fit ``dtype`` and ``shape``.
    """
    return _read_raw(path, stored_type(dtype), shape).array


def _read_raw(path: Path, kind: StoredType, shape: tuple[int, ...]) -> Stored:
    wanted = math.prod(shape) * kind.numpy.itemsize
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size == wanted else b""
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}, wanted {kind.name} of shape {shape}"
        ) from error
    if size != wanted:
        fits = [
            name
            for name in SUFFIXES
            if "float" in name and math.prod(shape) * StoredType(name, "<").numpy.itemsize == size
        ]
        hint = f": {' or '.join(fits)} has this length" if fits else ""
        raise InputError(
            f"{path}: {size} bytes, wanted {wanted}: {kind.name} of shape {shape}, little endian, "
            f"in C order, without a header{hint}"
        )
    return from_bytes(data, kind, shape)


def read_theirs(
    path: str | os.PathLike[str],
    sizes: Mapping[str, int],
    *,
    known: Iterable[str] | None = None,
    shared: bool = False,
    precision: str | None = None,
    layout: Layout = Layout(),  # noqa: B008
) -> list[Theirs]:
    """Arrays of another program, in one part for each precision in which they are compared.

    Args:
        path: an npz, npy, safetensors or JSON file; or a folder with files NAME.npy, or with raw
            files: NAME.f32, NAME.f64, NAME.f16 or NAME.bf16, whose shapes follow from ``sizes``,
            or any that a ``manifest.json`` lists, with name, dtype, shape and file. Raw numbers
            are little endian, in C order.
        sizes: the sizes of the problem.
        known: the names of the values to read; None: gradients are read.
        shared: whether the file may also have values, which are then left out.
        precision: one of ``PRECISION_EPS``, by which all arrays are judged; None: the precision
            in which they are stored.
        layout: how raw files are read.

    Raises:
        InputError: the file is missing, damaged or of another kind, two entries are the same
            array, the length of a raw file does not fit, or floats of several precisions are
            mixed where one is needed.
    """
    path = Path(path)
    names = tuple(GRADIENTS) if known is None else tuple(known)
    parts = _folder(path, sizes, names, layout) if path.is_dir() else [decode(path)]
    if shared:
        parts = [{name: part[name] for name in without_values(part)} for part in parts]
    if not any(parts):
        raise InputError(f"{path}: holds no array, wanted some by name")
    try:
        return [_theirs(part, sizes, names, known is None, precision) for part in parts if part]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_gradients(
    path: str | os.PathLike[str], sizes: Mapping[str, int]
) -> dict[str, Mapping[str, Array]]:
    """Gradients of another program, by the precision in which they are compared.

    The same as ``read_theirs``, without its remarks.
    """
    return {theirs.precision: theirs.arrays for theirs in read_theirs(path, sizes)}


def _theirs(
    part: Mapping[str, Stored],
    sizes: Mapping[str, int],
    known: tuple[str, ...],
    gradient: bool,
    asked: str | None,
) -> Theirs:
    raw = {name: array for name, (array, _) in part.items()}
    arrays, said = recognise(raw, sizes, known, gradient=gradient)
    if not gradient:
        arrays = {name: array for name, array in arrays.items() if name in known}
        if not arrays:
            raise InputError(f"has {', '.join(raw)}, wanted some of {', '.join(known)}")
    floats = {
        dtype or array.dtype.name for array, dtype in part.values() if array.dtype.kind == "f"
    }
    if strange := floats - PRECISION_EPS.keys():
        raise InputError(f"has {', '.join(sorted(strange))}, wanted float32 or float64")
    if asked is None and floats & HALVES and len(floats) > 1:
        raise InputError(
            f"has {' and '.join(sorted(floats))}, wanted one precision: --precision "
            f"{min(floats & HALVES)} judges all by that"
        )
    judged_as = asked or (floats.pop() if len(floats) == 1 else "float32")
    precision = "float64" if judged_as == "float64" else "float32"
    # If all are float64 and another precision is asked for, they are cast. One float64 among others
    # is a mistake.
    wide = all(array.dtype == np.float64 for array in arrays.values() if array.dtype.kind == "f")
    for name, array in arrays.items():
        half = array.dtype == np.float16
        if half or (asked and wide and precision == "float32" and array.dtype.kind == "f"):
            with np.errstate(over="ignore"):
                arrays[name] = array.astype(np.float32)
    if judged_as != precision:
        said = (*said, f"judged by the eps of {judged_as}, {PRECISION_EPS[judged_as]:.2g}")
    return Theirs(arrays, precision, judged_as, said)


def _folder(
    path: Path, sizes: Mapping[str, int], known: tuple[str, ...], layout: Layout
) -> list[dict[str, Stored]]:
    files = [each for each in sorted(path.rglob("*")) if each.is_file()]
    parts: dict[str, dict[str, Stored]] = {}
    if len(files) > MOST_FILES:
        raise InputError(f"{path}: {len(files)} files, wanted at most {MOST_FILES}")
    if sum(each.stat().st_size for each in files) > MOST_BYTES:
        raise InputError(f"{path}: wanted at most {MOST_BYTES:,} bytes")
    if path / "manifest.json" in files:
        return [_listed(path / "manifest.json", layout)]
    if named := [each for each in files if each.suffix == ".npy"]:
        for each in named:
            # The names of golden sets: W1.f32.npy and W1.f64.npy.
            full = each.relative_to(path).with_suffix("").as_posix()
            stem, _, suffix = full.rpartition(".")
            dtype = SUFFIX_DTYPES.get(suffix, "")
            name = stem if dtype else full
            parts.setdefault(dtype, {})[name] = decode_npy(each, each.read_bytes())
        return [*parts.values()]
    for each in files:
        if each.suffix[1:] in SUFFIX_DTYPES and each.parent == path:
            kind = stored_type(SUFFIX_DTYPES[each.suffix[1:]])
            name = plain_name(each.stem, known)
            # A file with an unknown name is refused later; until then, any shape is accepted.
            count = each.stat().st_size // kind.numpy.itemsize
            shape = shape_of(name, sizes) if name in NAMES else (count,)
            stored = _read_raw(each, kind._replace(order=_order(kind, layout)), shape)
            parts.setdefault(kind.name, {})[each.stem] = _laid_out(stored, layout)
    if not parts:
        raise InputError(
            f"{path}: holds no file NAME.npy, NAME.f32 or NAME.f64, wanted one for each array, or "
            "a manifest.json that lists them"
        )
    order = ("float32", "float64", "float16", "bfloat16", "int64")
    return [parts[name] for name in order if name in parts]


def _order(kind: StoredType, layout: Layout) -> Literal["<", ">"]:
    return ">" if layout.big_endian else kind.order


def _laid_out(stored: Stored, layout: Layout) -> Stored:
    """The array; if ``layout`` says that its numbers are in column order, in this order."""
    if not layout.column_major:
        return stored
    array = stored.array
    return stored._replace(array=array.ravel().reshape(array.shape[::-1]).T)


def _listed(path: Path, layout: Layout) -> dict[str, Stored]:
    """The arrays in the list of a manifest, each in a raw file in the same folder."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, wanted a list of arrays") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no JSON, wanted a list of arrays") from error
    entries = manifest.get("arrays") if isinstance(manifest, dict) else manifest
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise InputError(
            f'{path}: wanted {{"arrays": [{{"name": …, "dtype": …, "shape": […]}}, …]}}'
        )
    if any("sha256" in each for each in entries):
        raise InputError(
            f"{path}: is that of a golden set, which has torch's answers, wanted your arrays"
        )
    found: dict[str, Stored] = {}
    for entry in entries:
        name = entry.get("name")
        if not isinstance(name, str) or not name or name in found:
            raise InputError(f"{path}: name {shown(name)}, wanted a text, and every name once")
        try:
            kind, shape = stored_type(entry.get("dtype")), shape_from(entry.get("shape"))
            file = path.parent / _file_name(entry.get("file", _default(path.parent, name, kind)))
        except InputError as error:
            raise InputError(f"{path}: {shown(name)}: {error}") from error
        stored = _read_raw(file, kind._replace(order=_order(kind, layout)), shape)
        found[name] = _laid_out(stored, layout)
    return found


def _default(folder: Path, name: str, kind: StoredType) -> str:
    """The file of an array without a file name: NAME.f32 or similar if it exists, or NAME.bin."""
    suffix = SUFFIXES.get(kind.name, next(key for key, to in DTYPES.items() if to == kind.name))
    return f"{name}.{suffix}" if (folder / f"{name}.{suffix}").is_file() else f"{name}.bin"


def _file_name(file: object) -> str:
    """The name of a file in the manifest's folder; a path to any other place is refused."""
    if not isinstance(file, str) or not file or file in (".", "..") or {*file} & {*"/\\:\0"}:
        raise InputError(f"file {shown(file)}, wanted the name of a file beside the manifest")
    return file
