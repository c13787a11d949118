"""Writing a golden set: completely, or not at all."""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.errors import InputError
from npnet.base.files import unwritable
from npnet.checks.containers import CONTAINERS, encode
from npnet.checks.golden import FORMAT, PLACES, VERSION, checksum, is_golden
from npnet.checks.reference import Problem

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
