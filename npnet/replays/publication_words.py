"""Finding the words of a publication, with advice if they are not found."""

from __future__ import annotations

import hashlib
from pathlib import Path

from npnet.base.errors import InputError
from npnet.corpora.known import BY_HAND, KNOWN, find_corpus
from npnet.corpora.words import FilePath
from npnet.recipes.publication import Publication
from npnet.replays.printed_figures import shortened


def words_of(
    publication: Publication, file: FilePath | None = None, *, steps: int | None = None
) -> list[str] | None:
    """The words that ``replay`` needs, from ``file`` or from a corpus that ``find_corpus`` finds.

    Returns:
        The words; None if they are not found and the rows of the publication's batch are enough.

    Raises:
        InputError: no corpus with the publication's checksum was found, or ``file`` has another.
    """
    publication = shortened(publication, steps)
    wanted = publication.corpus
    if wanted is None:
        if file is not None:
            raise InputError(
                f"{publication.file}: got words ({file}), wanted none: it has no [corpus]"
            )
        return None
    if file is not None:
        if len(wanted.files) > 1:
            raise InputError(
                f"{publication.file}: corpus.files: {len(wanted.files)} files, wanted no --words: "
                "put them into a folder that NPNET_CORPORA names"
            )
        path = Path(file)
        checksum = _checksum(path)
        if checksum != wanted.sha256:
            raise InputError(
                f"{publication.file}: corpus.sha256: {path} has {checksum[:12]}…, wanted "
                f"{wanted.sha256[:12]}… ({wanted.name}): {_way_to(wanted.sha256)}"
            )
        return wanted.words([path])
    paths = [find_corpus(each.sha256) for each in wanted.files]
    found = [path for path in paths if path is not None]
    if len(found) == len(paths):
        return wanted.words(found)
    if publication.batch is not None and publication.printed.of_first_batch:
        return None
    name, sha256 = wanted.files[paths.index(None)]
    raise InputError(
        f"{publication.file}: corpus.sha256: no file with SHA-256 {sha256[:12]}… ({name}) was "
        f"found: {_way_to(sha256)}"
    )


def found_files(publication: Publication) -> list[Path] | None:
    """The files of the publication's corpus, if all of them are found; else None."""
    if publication.corpus is None:
        return None
    paths = [find_corpus(each.sha256) for each in publication.corpus.files]
    found = [path for path in paths if path is not None]
    return found if len(found) == len(paths) else None


def _checksum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, wanted a file of words") from error


def _way_to(sha256: str) -> str:
    for known in KNOWN.values():
        if known.sha256 == sha256 and known.url is not None:
            return f"npnet data --download {known.name}, or {BY_HAND}"
    return BY_HAND
