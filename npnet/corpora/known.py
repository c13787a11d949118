"""The corpora that npnet knows: the shipped one, and published ones, found by checksum."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from npnet.base.errors import InputError
from npnet.corpora.words import FilePath, read_words

SHIPPED = "names.csv"
# Its folder in an installed package, and in a checkout.
SHIPPED_FOLDERS = (Path(__file__).parents[1] / "data", Path(__file__).parents[2] / "data")

# Larger files are not hashed when only the checksum is known. This is about nine million names.
LARGEST = 64 * 2**20  # bytes

BY_HAND = "put a copy in a folder and set NPNET_CORPORA to that folder"


@dataclass(frozen=True)
class Corpus:
    """A published word list, identified by its checksum."""

    name: str
    sha256: str
    size: int  # bytes
    words: int
    fold: bool  # whether it is lower-cased before use
    url: str | None
    note: str

    @property
    def how(self) -> str:
        """How to get the corpus: a command or an instruction."""
        return (
            f"npnet data --download {self.name}, or {BY_HAND}"
            if self.url
            else f"no download is known: {BY_HAND}"
        )


KNOWN = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="names.txt",
            sha256="0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
            size=228_145,
            words=32_033,
            fold=False,
            url="https://raw.githubusercontent.com/karpathy/makemore/master/names.txt",
            note="the lecture's own list",
        ),
        Corpus(
            name="indian_names.txt",
            sha256="9b20ccc6238476f82bbf40470c8af6bed4a22dc5cbf8754647cd6a881574ea72",
            size=488_074,
            words=53_982,
            fold=True,
            url=None,
            note="capitalised in the file, lower-cased before use",
        ),
    )
}


class Row(NamedTuple):
    """One line of ``listing``."""

    name: str
    words: int
    checksum: str  # the first 12 digits of the SHA-256
    found: Path | None
    how: str  # how to get it


def default_words() -> list[str]:
    """Return the words of the shipped corpus. Raises InputError if it is not there."""
    path = shipped_corpus()
    return [*_words_of(path, path.stat().st_mtime_ns)]


@cache
def _words_of(path: Path, _changed: int) -> list[str]:
    """The words of a file, read again only if it was changed since."""
    return read_words(path)


def shipped_corpus() -> Path:
    """Return the path of the shipped corpus. Raises InputError if it is not there."""
    for folder in SHIPPED_FOLDERS:
        if (folder / SHIPPED).is_file():
            return folder / SHIPPED
    places = " or ".join(str(folder) for folder in SHIPPED_FOLDERS)
    raise InputError(f"default_words: no {SHIPPED} in {places}: install npnet again")


def cache_folder() -> Path:
    """Return the folder for downloads: NPNET_CACHE, or npnet's in the user's cache folder."""
    if chosen := os.environ.get("NPNET_CACHE"):
        return Path(os.path.expanduser(chosen))
    import pooch

    return Path(pooch.os_cache("npnet"))


def find_corpus(sha256: str, extra: Iterable[FilePath] = ()) -> Path | None:
    """Return a file with this SHA-256, whatever its name, or None.

    The search goes through ``extra`` (files or folders), the folder that the environment variable
    NPNET_CORPORA names, the cache folder, and the shipped corpus, in this order. Folders inside
    these folders are not searched. Raises InputError if a named file or folder does not exist.
    """
    sha256 = sha256.lower()
    size = next((known.size for known in KNOWN.values() if known.sha256 == sha256), None)
    for path in _candidates(extra):
        if _matches(path, sha256, size):
            return path
    return None


def _candidates(extra: Iterable[FilePath]) -> Iterator[Path]:
    for place in extra:
        yield from _files(Path(place), "find_corpus")
    if folder := os.environ.get("NPNET_CORPORA"):
        yield from _files(Path(os.path.expanduser(folder)), "NPNET_CORPORA")
    if os.path.exists(cache := cache_folder()):
        yield from _files(cache, "cache folder")
    yield from (folder / SHIPPED for folder in SHIPPED_FOLDERS)


def _files(place: Path, who: str) -> list[Path]:
    try:
        return [place] if place.is_file() else sorted(place.iterdir())
    except OSError as error:
        raise InputError(
            f"{who}: {place}: {error.strerror}, wanted a folder of word lists"
        ) from None


def _matches(path: Path, sha256: str, size: int | None) -> bool:
    # Sizes are compared first, so that other large files are not read. A file that cannot be read
    # does not match.
    try:
        if not path.is_file():
            return False
        actual = path.stat().st_size
        if actual != size if size is not None else actual > LARGEST:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def known_words(name: str, extra: Iterable[FilePath] = ()) -> list[str]:
    """Return the words of a known corpus, lower-cased if ``Corpus.fold`` says so.

    ``extra`` as for ``find_corpus``. Raises InputError if it is not found; the message says how to
    get it.
    """
    corpus = _known(name)
    path = find_corpus(corpus.sha256, extra)
    if path is None:
        raise InputError(f"{name}: no file with SHA-256 {corpus.sha256[:12]}…: {corpus.how}")
    return read_words(path, fold=corpus.fold)


def _known(name: str) -> Corpus:
    if name not in KNOWN:
        raise InputError(f"{name!r} is no known corpus, wanted one of {', '.join(KNOWN)}")
    return KNOWN[name]


def download(name: str, *, folder: FilePath | None = None) -> Path:
    """Fetch a known corpus into ``folder`` (the cache folder by default) and return its path.

    An existing file with the right checksum is kept. A download with another checksum is thrown
    away. Raises InputError if the name is unknown, the corpus has no address, the network or the
    folder cannot be used, or the checksum differs; the message says what else to do.
    """
    corpus = _known(name)
    if corpus.url is None:
        raise InputError(f"download: {name}: {corpus.how}")
    target = cache_folder() if folder is None else Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"download: {target}: {error.strerror}, wanted a folder to write to: "
            "set NPNET_CACHE to another"
        ) from None
    import pooch

    # Pooch would write a line to stderr. Its logger is not in the tree of loggers, so a level that
    # is set after its first line has no effect.
    logger = pooch.get_logger()
    disabled, logger.disabled = logger.disabled, True
    try:
        return Path(pooch.retrieve(corpus.url, corpus.sha256, fname=name, path=target))
    except (OSError, ValueError) as error:  # the errors of requests are OSErrors
        reason = "another checksum" if isinstance(error, ValueError) else type(error).__name__
        raise InputError(
            f"download: {reason} from {corpus.url}, wanted the file with SHA-256 "
            f"{corpus.sha256[:12]}…: {BY_HAND}, or use the shipped corpus"
        ) from error
    finally:
        logger.disabled = disabled


def listing(extra: Iterable[FilePath] = ()) -> list[Row]:
    """Return one row for the shipped corpus and one for each known corpus, found or not.

    ``extra`` as for ``find_corpus``. Raises InputError as ``find_corpus`` and ``default_words`` do.
    """
    shipped = shipped_corpus()
    checksum = hashlib.sha256(shipped.read_bytes()).hexdigest()
    rows = [Row(SHIPPED, len(default_words()), checksum[:12], shipped, "shipped with npnet")]
    extra = list(extra)
    for corpus in KNOWN.values():
        found = find_corpus(corpus.sha256, extra)
        rows.append(Row(corpus.name, corpus.words, corpus.sha256[:12], found, corpus.how))
    return rows
