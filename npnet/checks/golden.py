"""Golden sets: a problem and torch's answers, in a folder that programs in any language can read.

``manifest.json`` lists every array with kind, name, dtype, shape and SHA-256. The arrays are in:

* ``npz``: ``batch.npz`` has X, Y and eps; ``KIND.f32.npz`` and ``KIND.f64.npz`` have the others;
* ``safetensors`` and ``json``: the same files with these suffixes;
* ``raw``: ``raw/KIND/NAME.f32`` and ``.f64`` (X and Y ``.i64``) have the numbers alone, little
  endian, in C order;
* ``npy``: ``npy/KIND/NAME.f32.npy`` and so on, one for each array.

``oracle golden`` writes a set in some of these formats; ``npnet golden`` writes the set that comes
with npnet. Reading does not need torch. Nothing in a file is executed: no pickle is read, and no
path is taken from a manifest.
"""

import contextlib
import hashlib
import json
import os
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array, Named
from npnet.base.errors import InputError
from npnet.base.files import unwritable
from npnet.checks.array_files import read_raw
from npnet.checks.containers import CONTAINERS, MANY, ONE, SUFFIXES, content, decode, encode
from npnet.checks.reference import KINDS, PRECISIONS, Problem
from npnet.corpora.known import SHIPPED_FOLDERS
from npnet.network.names import shape_of

FORMAT = "npnet golden"
VERSION = 2


class Place(NamedTuple):
    """The place of an array in a golden set."""

    kind: str
    name: str
    dtype: str

    def file(self, container: str) -> str:
        """The file with this array, which may have other arrays of the same kind and dtype."""
        if container in MANY:
            suffix = "" if self.kind == "batch" else f".{SUFFIXES[self.dtype]}"
            return f"{self.kind}{suffix}.{container}"
        ending = ".npy" if container == "npy" else ""
        return f"{container}/{self.kind}/{self.name}.{SUFFIXES[self.dtype]}{ending}"

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape of the array, for the sizes of n, T, E, H, V."""
        batch = {"X": (sizes["n"], sizes["T"]), "Y": (sizes["n"],), "eps": ()}
        return batch[self.name] if self.kind == "batch" else shape_of(self.name, sizes)

    def entry(self, sizes: Mapping[str, int], containers: Iterable[str]) -> dict[str, Any]:
        """The entry of the array in the manifest, without the checksum."""
        files = {container: self.file(container) for container in containers}
        return {**self._asdict(), "shape": list(self.shape(sizes)), **files}


PLACES = (
    Place("batch", "X", "int64"),
    Place("batch", "Y", "int64"),
    Place("batch", "eps", "float64"),
    *(
        Place(kind, name, dtype)
        for kind, names in KINDS.items()
        for dtype in PRECISIONS
        for name in names
    ),
)


def shipped_set() -> Path:
    """The folder of the golden set that comes with npnet: the lecture's, with 8 hidden units.

    Raises:
        InputError: it is not there.
    """
    for folder in SHIPPED_FOLDERS:
        if (folder / "golden").is_dir():
            return folder / "golden"
    places = " or ".join(str(folder) for folder in SHIPPED_FOLDERS)
    raise InputError(f"golden: no folder golden in {places}: install npnet again")


def checksum(array: Array) -> str:
    """SHA-256 of ``content``, the same for an npz file and a raw file."""
    return hashlib.sha256(content(array)).hexdigest()


def is_golden(folder: Path) -> bool:
    """Whether all files in ``folder`` are of a golden set; it may be damaged or old."""
    known = {"manifest.json", *(place.file(way) for place in PLACES for way in CONTAINERS)}
    try:
        with (folder / "manifest.json").open("rb") as manifest:
            if FORMAT.encode() not in manifest.read(100):
                return False
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    except OSError:
        return False
    folders = {*ONE, *(f"{way}/{place.kind}" for place in PLACES for way in ONE)}
    return files <= known | folders


def read_golden(folder: str | os.PathLike[str]) -> Problem:
    """Read a golden set and check all of it: format, files, dtypes, shapes, checksums.

    Raises:
        InputError: there is no golden set, it has another format, or one of its files is missing,
            damaged or unknown. The message names the file and the command that writes the set
            again.
    """
    folder = Path(folder)
    new = is_golden(folder) or not (folder.exists() and any(folder.glob("*")))
    rebuild = ["oracle", "golden", str(folder) if new else "NEW_FOLDER"]
    try:
        manifest = _read_manifest(folder / "manifest.json")
        rebuild += _printable(manifest.pop("options", None))
        return _read_arrays(folder, manifest)
    except InputError as error:
        raise InputError(f"{error}; to write one: {shlex.join(rebuild)}") from error


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, wanted that of a golden set") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no JSON, wanted the manifest of a golden set") from error
    entries = manifest if isinstance(manifest, dict) else {}
    mark = entries.pop("format", None), entries.pop("version", None)
    if mark != (FORMAT, VERSION):
        raise InputError(
            f"{path}: format {mark[0]!r}, version {mark[1]!r}, wanted {FORMAT!r}, {VERSION}"
        )
    return entries


def _printable(options: object) -> list[str]:
    """The ``options`` of a manifest, if they have no control characters."""
    texts = options if isinstance(options, list) else []
    return texts if all(isinstance(text, str) and text.isprintable() for text in texts) else []


def _read_arrays(folder: Path, manifest: dict[str, Any]) -> Problem:
    sizes, containers = manifest.pop("sizes", None), manifest.pop("containers", None)
    listed = containers if isinstance(containers, list) else []
    known = listed and listed == [way for way in CONTAINERS if way in listed]
    if not _are_sizes(sizes) or not known:
        raise InputError(f"{folder / 'manifest.json'}: sizes {sizes!r}, containers {containers!r}")
    sums = _checksums(folder / "manifest.json", manifest.pop("arrays", None), sizes, containers)
    arrays: dict[tuple[str, str], dict[str, Array]] = {}
    for container in containers:
        reader = _from_raw if container == "raw" else _decoded
        read = reader(folder, container, sizes)
        for place, array in read.items():
            if checksum(array) != sums[place]:
                raise InputError(
                    f"{folder / place.file(container)}: {place.kind} {place.name} is damaged: "
                    "its SHA-256 is not that of the manifest"
                )
            array.flags.writeable = False
            arrays.setdefault((place.kind, place.dtype), {})[place.name] = array
    indices, eps = arrays.pop(("batch", "int64")), arrays.pop(("batch", "float64"))["eps"]
    return Problem(
        about=manifest,
        sizes=sizes,
        batch=Named({**indices, "eps": float(eps)}),
        arrays={key: Named(kind) for key, kind in arrays.items()},
    )


def _are_sizes(sizes: object) -> bool:
    return (
        isinstance(sizes, dict)
        and sizes.keys() == {"n", "T", "E", "H", "V"}
        and all(type(size) is int and size > 0 for size in sizes.values())
    )


def _checksums(
    path: Path, entries: Any, sizes: Mapping[str, int], containers: list[str]
) -> dict[Place, str]:
    sums = {}
    found = entries if isinstance(entries, list) else []
    for place, entry in zip(PLACES, [*found, *[None] * len(PLACES)], strict=False):
        sums[place] = entry.pop("sha256", "") if isinstance(entry, dict) else ""
        if entry != place.entry(sizes, containers):
            raise InputError(
                f"{path}: has no entry, or another one, where version {VERSION} has "
                f"{place.kind} {place.name} {place.dtype}"
            )
    if len(found) > len(PLACES):
        raise InputError(f"{path}: lists {len(found)} arrays, version {VERSION} has {len(PLACES)}")
    return sums


def _decoded(folder: Path, container: str, sizes: Mapping[str, int]) -> dict[Place, Array]:
    read = {}
    for file in dict.fromkeys(place.file(container) for place in PLACES):
        stored = decode(folder / file)
        places = [place for place in PLACES if place.file(container) == file]
        for place in places:
            key = place.name if container in MANY else (folder / file).stem
            if key not in stored:
                raise InputError(f"{folder / file}: {place.name} is missing")
            (array, _), shape = stored[key], place.shape(sizes)
            if array.dtype != place.dtype or array.shape != shape:
                raise InputError(
                    f"{folder / file}: {place.name} is {array.dtype} of shape {array.shape}, "
                    f"wanted {place.dtype} of shape {shape}"
                )
            read[place] = array
        if len(stored) > len(places):
            raise InputError(f"{folder / file}: has {len(stored)} arrays, wanted {len(places)}")
    return read


def _from_raw(folder: Path, container: str, sizes: Mapping[str, int]) -> dict[Place, Array]:
    return {
        place: read_raw(folder / place.file(container), place.dtype, place.shape(sizes))
        for place in PLACES
    }


DEFAULT = ("npz", "raw")


def write(
    problem: Problem,
    folder: Path,
    containers: Sequence[str] = DEFAULT,
    options: Sequence[str] = (),
) -> None:
    """Write a golden set.

    Args:
        folder: new, empty, or a golden set, which is then replaced.
        containers: some of ``CONTAINERS``.
        options: the options of ``oracle golden``, written into the manifest so that the set can be
            written again.

    Raises:
        InputError: the folder holds other things, or cannot be written.
    """
    arrays = {
        place: np.asarray(
            problem.batch[place.name]
            if place.kind == "batch"
            else problem.arrays[place.kind, place.dtype][place.name]
        )
        for place in PLACES
    }
    with _replacing(folder) as temporary:
        for container in containers:
            files: dict[str, dict[str, Array]] = {}
            for place, array in arrays.items():
                files.setdefault(place.file(container), {})[place.name] = array
            for file, named in files.items():
                _write(temporary / file, encode(container, named))
        head = {
            "format": FORMAT,
            "version": VERSION,
            **problem.about,
            "options": [*options],
            "sizes": problem.sizes,
            "containers": [name for name in CONTAINERS if name in containers],
        }
        entries = [
            {**place.entry(problem.sizes, head["containers"]), "sha256": checksum(array)}
            for place, array in arrays.items()
        ]
        _write(temporary / "manifest.json", _manifest(head, entries).encode())


def _manifest(head: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> str:
    """JSON with one line for each field and each array."""
    lines = [f" {json.dumps(key)}: {json.dumps(field)}" for key, field in head.items()]
    arrays = ",\n".join(f"  {json.dumps(entry)}" for entry in entries)
    return "{\n" + ",\n".join(lines) + ',\n "arrays": [\n' + arrays + "\n ]\n}\n"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Files are not flushed to the disk one by one, which takes seconds for 200 files. If a power
    # cut
    # leaves a file incomplete, the checksums of the manifest show it.
    path.write_bytes(data)


@contextlib.contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder next to ``folder``, which it replaces if the block has no error."""
    folder = folder.resolve()
    if folder.exists() and not is_golden(folder) and not _is_empty(folder):
        raise InputError(
            f"{folder}: holds other things, wanted a new folder, an empty one, or a golden set "
            "to replace: name another"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
            new, old = Path(beside) / "new", Path(beside) / "old"
            new.mkdir()
            yield new
            replaces = folder.exists()
            if replaces:
                folder.rename(old)
            try:
                new.rename(folder)
            except BaseException:
                if replaces:
                    old.rename(folder)
                raise
    except OSError as error:
        raise unwritable(folder, error) from error


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
