"""The bytes of a log, from a file (packed or not) or from standard input; and their kind."""

from __future__ import annotations

import gzip
import io
import os
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from npnet.base.errors import InputError, shown

STANDARD_INPUT = "standard input"
HEAD = 1 << 16
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # control sequences of terminals
# The largest size, unpacked, of a log that is read as a whole; tables are read in parts.
MOST_BYTES = 1 << 30
GZIP = b"\x1f\x8b"
# Files that are not logs, by their first bytes, and what to do with them.
OTHERS = {
    b"BZh": "is packed by bzip2: unpack it first",
    b"\xfd7zXZ": "is packed by xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "is packed by zstd: unpack it first",
    b"\x89PNG": "is a picture",
    b"%PDF": "is a PDF",
    b"\x80\x02": "is a pickle, which could run anything: save it as JSON or npy",
    b"\x80\x03": "is a pickle, which could run anything: save it as JSON or npy",
    b"\x80\x04": "is a pickle, which could run anything: save it as JSON or npy",
    b"\x80\x05": "is a pickle, which could run anything: save it as JSON or npy",
    b"\x89HDF": "is an HDF5 file: save its losses as CSV",
    b"<!DOCTYPE": "is a page of HTML: save its table as CSV",
    b"<!doctype": "is a page of HTML: save its table as CSV",
    b"<html": "is a page of HTML: save its table as CSV",
    b"<?xml": "is XML: save its losses as CSV",
    b"PAR1": "is a Parquet file: save it as CSV",
    b"SQLite": "is a database: save its losses as CSV",
    b":W&B": "is wandb's own record: download the run's chart as CSV",
}


@dataclass(frozen=True)
class Content:
    """The content of one log, unpacked. Messages have its ``name``; the run is called ``stem``."""

    name: str
    stem: str
    path: Path | None
    data: bytes | None
    packed: bool
    head: bytes

    @property
    def encoding(self) -> str:
        """The encoding of the text: UTF-16, or one that has the same bytes for numbers."""
        if self.head.startswith((b"\xff\xfe", b"\xfe\xff")):
            return "utf-16"
        return "utf-8-sig"

    @contextmanager
    def stream(self) -> Iterator[BinaryIO]:
        """The unpacked bytes as a stream, from the beginning."""
        try:
            with self._raw() as raw:
                yield gzip.GzipFile(fileobj=raw) if self.packed else raw  # type: ignore[misc]
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(
                f"{self.name}: is packed by gzip and damaged or cut off ({error}): "
                "unpack what there is with gzip -dc, and name that"
            ) from error
        except OSError as error:
            raise unreadable(self.name, error) from error

    def _raw(self) -> BinaryIO:
        if self.data is not None:
            return io.BytesIO(self.data)
        assert self.path is not None
        return self.path.open("rb")

    @contextmanager
    def text(self) -> Iterator[io.TextIOBase]:
        """The text. Bytes that are not UTF-8 are read as Windows-1252 or Latin-1."""
        with self.stream() as stream:
            yield io.TextIOWrapper(stream, self.encoding, errors="replace", newline="")

    def whole(self) -> bytes:
        """All bytes.

        Raises:
            InputError: there are more than ``MOST_BYTES``.
        """
        with self.stream() as stream:
            data = stream.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise InputError(
                f"{self.name}: more than {MOST_BYTES:,} bytes, wanted fewer: save it as CSV"
            )
        return data

    def whole_text(self) -> str:
        """The whole text."""
        return self.whole().decode(self.encoding, errors="replace")


def content_of(path: str | os.PathLike[str]) -> Content:
    """Open a log; ``-`` is standard input.

    Raises:
        InputError: it cannot be read, is empty, or its first bytes are those of another kind of
            file.
    """
    name = os.fspath(path)
    file: Path | None = None
    data = None
    try:
        if name == "-":
            if sys.stdin is None:
                raise InputError(f"{STANDARD_INPUT}: closed, wanted a log: name a file instead")
            name, stem, data = STANDARD_INPUT, STANDARD_INPUT, sys.stdin.buffer.read()
            start = data[:2]
        else:
            file = Path(name)
            stem = stem_of(file)
            with file.open("rb") as opened:
                # A file that is not a regular one, such as <(command), can be read only once.
                if not file.is_file():
                    data = opened.read()
                start = opened.read(2) if data is None else data[:2]
    except OSError as error:
        raise unreadable(name, error) from error
    except ValueError as error:
        raise InputError(f"{shown(name)}: {error}, wanted the name of a log") from error
    content = Content(name, stem, file, data, start == GZIP, b"")
    with content.stream() as stream:
        head = stream.read(HEAD)
    for first, what in OTHERS.items():
        if head.startswith(first):
            raise InputError(f"{name}: {what}")
    return Content(name, stem, file, data, start == GZIP, head)


def stem_of(path: Path) -> str:
    """The name of a file without its endings."""
    return (path.stem if path.suffix.lower() != ".gz" else Path(path.stem).stem) or path.name


def without_colours(text: str) -> str:
    """The text without the control sequences that set colours and move the cursor."""
    return COLOURS.sub("", text) if "\x1b" in text else text


def unreadable(name: str, error: OSError) -> InputError:
    """The error for a log that the system cannot open or read."""
    why = error.strerror or str(error)
    return InputError(f"{shown(name)[1:-1]}: {why}, wanted a log of losses or a run's folder")
