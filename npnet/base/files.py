"""Writing a file completely or not at all: a temporary file is written, flushed and renamed."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from npnet.base.errors import InputError


@contextlib.contextmanager
def replacing(
    path: str | os.PathLike[str], before: str | os.PathLike[str] | None = None
) -> Iterator[Path]:
    """Yield an empty temporary file, which becomes ``path`` when the block ends.

    The temporary file is in the same folder and has ``path``'s suffix. If the block raises, the
    temporary file is removed and ``path`` stays as it was. A reader sees the old file or the new
    one, never a part. ``before``: the old file is moved to this path as soon as the new one is
    safe on the disk.

    Raises:
        InputError: the folder cannot be written to, or the disk is full.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(
            suffix=path.suffix, prefix=f".{path.stem}-", dir=path.parent
        )
        os.close(handle)
    except OSError as error:
        raise unwritable(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files that only their owner can read; a result gets the usual permissions.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        if before is not None and path.exists():
            path.replace(before)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Flush the renames in ``folder`` to the disk. Windows cannot do this and does not need it."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def unwritable(path: Path, error: OSError) -> InputError:
    """The error for a file or folder that cannot be written."""
    return InputError(
        f"{path}: cannot be written ({error.strerror or error}): "
        "name a folder of yours with free space"
    )


def new_folder(path: str | os.PathLike[str]) -> Path:
    """Make the folder ``path`` and its parents. It must not exist yet.

    Raises:
        InputError: it exists, or cannot be made.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True)
    except FileExistsError as error:
        raise InputError(
            f"{path}: exists already, wanted a new name: npnet never overwrites a folder"
        ) from error
    except OSError as error:
        raise unwritable(path, error) from error
    return path
