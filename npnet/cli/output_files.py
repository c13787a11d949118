"""The rule for files that commands write: no existing file is replaced without --force.

A new run folder has only new files. A picture inside the folder of a run may be replaced, because
it shows only this run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from npnet.base.errors import InputError
from npnet.base.files import new_folder
from npnet.training.runs import ROOT, new_numbered

PICTURES = (".png", ".svg", ".pdf")


def check_new_file(path: Path, *, force: bool, who: str) -> None:
    """Check before the work that its file can be written.

    Args:
        path: the file that the command will write.
        force: whether an existing file may be replaced.
        who: the option or the command, for the message.

    Raises:
        InputError: ``path`` is a folder, or an existing file and ``force`` is False, or its folder
            does not exist.
    """
    if os.path.isdir(path):
        raise InputError(f"{who}: {path} is a folder, wanted a new file: name one in it")
    if not os.path.isdir(path.parent):
        raise InputError(f"{who}: no folder {path.parent} for {path}, wanted one: make it first")
    if os.path.lexists(path) and not force and not _is_picture_of_a_run(path):
        raise InputError(
            f"{who}: {path}: exists already, wanted a new name, or --force to replace it"
        )


def check_new_picture(path: Path, *, force: bool, who: str) -> None:
    """The same for a picture, whose name must end in .png, .svg or .pdf."""
    if path.suffix.lower() not in PICTURES:
        raise InputError(f"{who}: {path}, wanted a name that ends in .png, .svg or .pdf")
    check_new_file(path, force=force, who=who)


def same_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two names mean the same file."""
    return os.path.realpath(one) == os.path.realpath(other)


def _is_picture_of_a_run(path: Path) -> bool:
    return path.suffix.lower() in PICTURES and os.path.isfile(path.parent / "recipe.json")


@contextlib.contextmanager
def new_run_folder(out: Path | None, name: str) -> Iterator[Path]:
    """Make the folder ``out``, or the next ``runs/NAME-NNN``; it is removed after an InputError.

    Raises:
        InputError: the folder cannot be made, or ``out`` exists already.
    """
    folder = new_folder(out) if out else new_numbered(ROOT, name.replace("/", "-"))
    try:
        yield folder
    except InputError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
