"""The options that name the words which a command works on."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from npnet.base.errors import InputError
from npnet.corpora.known import KNOWN, SHIPPED, default_words, find_corpus, known_words
from npnet.corpora.known import shipped_corpus as shipped_file
from npnet.corpora.words import load_words

OWN = "the corpus that comes with npnet"
STANDARD_INPUT = "standard input"


def add_words_option(parser: argparse.ArgumentParser, default: str = OWN) -> None:
    """Add --words alone, for a command whose publication says how its words are read."""
    parser.add_argument(
        "--words",
        metavar="FILE",
        help="UTF-8 text with one word a line, or CSV; - for standard input; or the name of a "
        f"corpus that `npnet data` lists (default: {default})",
    )


def add_word_options(parser: argparse.ArgumentParser, default: str = OWN) -> None:
    """Add --words, --fold and --column."""
    add_words_option(parser, default)
    parser.add_argument("--fold", action="store_true", help="make all words lower case")
    parser.add_argument("--column", metavar="NAME", help="the column of a CSV file with the words")


def is_known(name: str) -> bool:
    """Whether ``name`` is that of a corpus which npnet knows, and no file here is called so."""
    return (name in KNOWN or name == SHIPPED) and not Path(name).exists()


def words_from(options: argparse.Namespace) -> list[str]:
    """The words that the options name; blank lines and trimmed words are counted on stderr.

    Raises:
        InputError: no such file or corpus, or no words that can be used.
    """
    name = options.words
    known = name is not None and is_known(name)
    if options.column is not None and (name is None or known):
        raise InputError(f"--column: got {options.column!r}, wanted --words with a CSV file")
    if name is None or known:
        corpus = default_words() if name in (None, SHIPPED) else known_words(name)
        return [word.lower() for word in corpus] if options.fold else corpus
    words = load_words(name, fold=options.fold, column=options.column)
    done = []
    if words.blank:
        done.append(f"dropped {words.blank} blank line{'s' * (words.blank > 1)}")
    if words.trimmed:
        done.append(f"trimmed blanks around {words.trimmed} word{'s' * (words.trimmed > 1)}")
    if done:
        print(f"{described(options)}: {', '.join(done)}", file=sys.stderr)
    return list(words.words)


@contextlib.contextmanager
def word_file(name: str | None) -> Iterator[Path | None]:
    """The file that ``--words`` names, for a command that compares its SHA-256; None for None.

    Raises:
        InputError: a known corpus that is not at hand; standard input is closed.
    """
    if name is None:
        yield None
    elif is_known(name):
        known_words(name) if name in KNOWN else default_words()  # says what to do if it is missing
        yield find_corpus(KNOWN[name].sha256) if name in KNOWN else shipped_file()
    elif name == "-":
        if sys.stdin is None:
            raise InputError(f"{STANDARD_INPUT}: closed, wanted words: name a file instead")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, STANDARD_INPUT)
            file.write_bytes(sys.stdin.buffer.read())
            yield file
    else:
        yield Path(name)


def described(options: argparse.Namespace) -> str:
    """What ``--words`` names, for a line of output."""
    if options.words is None:
        return OWN
    return STANDARD_INPUT if options.words == "-" else str(options.words)
