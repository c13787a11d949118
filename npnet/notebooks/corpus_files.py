"""Giving a notebook a corpus that npnet knows, in place of missing files and downloads.

A notebook opens ``names.txt`` or downloads it; on this machine the list can be in another place, or
missing. An existing file is opened as usual. For a missing file, a known corpus of this name is
found by its checksum; if there is none, the notebook gets the words that the caller named.
"""

from __future__ import annotations

import builtins
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from npnet.corpora.known import KNOWN, Corpus, find_corpus

_READING = re.compile(r"^r?[bt]?$|^[bt]?r$")
MOST_OPENED = 100  # the names of at most this many files of a cell are kept


class CorpusFiles:
    """Replaces ``open`` and downloads while a notebook runs.

    Args:
        words: a file that replaces any missing file, or None.
        said: called with a line of text each time a file is replaced by another.
    """

    def __init__(self, words: Path | None, said: Callable[[str], None]) -> None:
        self.words, self.said = words, said
        self._open = io.open
        self.opened: list[str] = []

    def install(self) -> None:
        """Replace ``open``, ``urlopen`` and ``urlretrieve``."""
        builtins.open = self.open
        io.open = self.open
        import urllib.request

        urllib.request.urlopen = self.urlopen
        urllib.request.urlretrieve = self.urlretrieve  # type: ignore[assignment]

    def open(self, file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        """Like ``open``, but searches for a missing file that is opened for reading."""
        try:
            opened = self._open(file, mode, *arguments, **options)
            if _READING.match(mode) and isinstance(file, str | os.PathLike):
                self._note(os.fspath(file))
            return opened
        except FileNotFoundError as error:
            if not _READING.match(mode) or not isinstance(file, str | os.PathLike):
                raise
            found = self._found(os.fspath(file))
            if found is None:
                raise FileNotFoundError(
                    error.errno,
                    f"{error.strerror}; to run this notebook on words of your own: --words FILE",
                    os.fspath(file),
                ) from None
            self._note(os.fspath(found))
            return self._open(found, mode, *arguments, **options)

    def _note(self, path: str | bytes) -> None:
        if len(self.opened) < MOST_OPENED:
            self.opened.append(os.path.abspath(os.fsdecode(path)))

    def urlopen(self, url: Any, *_: Any, **__: Any) -> Any:
        """The download of a known corpus, as an open response; other downloads are errors."""
        found = self._download(str(getattr(url, "full_url", url)))
        self._note(os.fspath(found))
        return self._open(found, "rb")

    def urlretrieve(self, url: str, filename: str | None = None, *_: Any) -> tuple[str, None]:
        """A download to a file. It is not written, because ``open`` will find the corpus."""
        found = self._download(url)
        self._note(os.fspath(found))
        return (filename or str(found)), None

    def _download(self, address: str) -> Path:
        found = self._found(address.rpartition("/")[2])
        if found is None:
            raise OSError(
                f"{address}: a notebook's downloads are not run here: save the file beside the "
                "notebook, or give it with --words FILE"
            )
        return found

    def _found(self, name: str) -> Path | None:
        base = re.split(r"[/\\]", name)[-1].lower()
        corpus = _named(base)
        found = find_corpus(corpus.sha256) if corpus else None
        if found is None and self.words is not None:
            found = self.words
        if found is None:
            if corpus:
                self.said(f"{name} is not here: {corpus.how}")
            return None
        self.said(f"{name} is answered by {corpus.name if corpus else found}")
        return found


def _named(base: str) -> Corpus | None:
    """The known corpus that a file name means; ``Names (1).txt`` and ``indian-names.txt`` too."""
    plain = re.sub(r"[^a-z]", "", re.sub(r"\(\d+\)", "", base).rpartition(".")[0] or base)
    for corpus in KNOWN.values():
        if plain == re.sub(r"[^a-z]", "", corpus.name.rpartition(".")[0]):
            return corpus
    return None
