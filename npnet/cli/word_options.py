"""The options for the words of a command."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from npnet.base.errors import InputError
from npnet.cli.parser import SEPARATOR
from npnet.corpora.alphabet import remark_on_alphabet
from npnet.corpora.known import KNOWN, SHIPPED, default_words, find_corpus, known_words
from npnet.corpora.known import shipped_corpus as shipped_file
from npnet.corpora.words import load_words

OWN = "the corpus that comes with npnet"
STANDARD_INPUT = "standard input"
# Options that are only for files; each is None if it is not given.
FILE_OPTIONS = ("column", "separator", "encoding")


def add_words_option(parser: argparse.ArgumentParser, default: str = OWN) -> None:
    """Add only --words, for a command whose publication says how its words are read."""
    parser.add_argument(
        "--words",
        metavar="FILE",
        help="UTF-8 text with one word a line, or CSV; - for standard input; or the name of a "
        f"corpus that `npnet data` lists (default: {default})",
    )


def add_word_options(parser: argparse.ArgumentParser, default: str = OWN) -> None:
    """Add --words and the options that say how they are read."""
    add_words_option(parser, default)
    parser.add_argument("--fold", action="store_true", help="make all words lower case")
    parser.add_argument("--unique", action="store_true", help="keep each word once")
    parser.add_argument(
        "--column", metavar="NAME", help="the column with the words, by its title or number"
    )
    parser.add_argument("--separator", metavar="CHARACTER", help=SEPARATOR)
    parser.add_argument(
        "--encoding", metavar="NAME", help="how the file is written, such as cp1252 or utf-16"
    )


def how_words_are_read(options: argparse.Namespace) -> list[str]:
    """The given options of ``add_word_options`` except --words, as they are typed."""
    given = [name for name in FILE_OPTIONS if getattr(options, name) is not None]
    given += [name for name in ("fold", "unique") if getattr(options, name)]
    return [f"--{name}" for name in given]


def is_known(name: str) -> bool:
    """Whether ``name`` is the name of a known corpus, and not of a file here."""
    return (name in KNOWN or name == SHIPPED) and not Path(name).exists()


def words_from(options: argparse.Namespace) -> list[str]:
    """The words that the options name; a note on stderr counts blank lines and trimmed words.

    Raises:
        InputError: there is no such file or corpus, or its words cannot be used.
    """
    name = options.words
    known = name is not None and is_known(name)
    for each in FILE_OPTIONS:
        if getattr(options, each) is not None and (name is None or known):
            what = "a CSV file" if each == "column" else "a file"
            raise InputError(
                f"--{each}: got {getattr(options, each)!r}, wanted --words with {what}"
            )
    if name is None or known:
        corpus = default_words() if name in (None, SHIPPED) else known_words(name)
        return finished([word.lower() for word in corpus] if options.fold else corpus, options)
    words = load_words(
        name,
        fold=options.fold,
        column=options.column,
        separator=options.separator,
        encoding=options.encoding or "utf-8",
    )
    done = []
    if words.blank:
        done.append(f"dropped {words.blank} blank line{'s' * (words.blank > 1)}")
    if words.trimmed:
        done.append(f"trimmed blanks around {words.trimmed} word{'s' * (words.trimmed > 1)}")
    if words.composed:
        done.append(
            f"put the accents of {words.composed} word{'s' * (words.composed > 1)} on their "
            "letters, as others have them"
        )
    repeats = len(words.words) - len(set(words.words))
    if repeats and not options.unique:
        done.append(f"{repeats:,} repeated word{'s' * (repeats > 1)}: --unique keeps one of each")
    if done:
        print(f"{described(options)}: {', '.join(done)}", file=sys.stderr)
    if remark := remark_on_alphabet(words.words):
        print(f"{described(options)}: {remark}", file=sys.stderr)
    return finished(list(words.words), options)


def finished(words: list[str], options: argparse.Namespace) -> list[str]:
    """The words in order; with --unique, each word only where it occurs first."""
    if not options.unique:
        return words
    once = list(dict.fromkeys(words))
    if len(once) < len(words):
        print(f"dropped {len(words) - len(once):,} repeated words", file=sys.stderr)
    return once


@contextlib.contextmanager
def word_file(name: str | None) -> Iterator[Path | None]:
    """The file that ``--words`` names, for a command that compares its SHA-256; None for None.

    Raises:
        InputError: a corpus or the file is not found, or standard input is closed.
    """
    if name is None:
        yield None
    elif is_known(name):
        # its error says what to do if the corpus is missing
        known_words(name) if name in KNOWN else default_words()
        yield find_corpus(KNOWN[name].sha256) if name in KNOWN else shipped_file()
    elif name == "-":
        if sys.stdin is None:
            raise InputError(f"{STANDARD_INPUT}: closed, wanted words: name a file instead")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, STANDARD_INPUT)
            file.write_bytes(sys.stdin.buffer.read())
            yield file
    else:
        try:
            Path(name).open("rb").close()
        except OSError as error:
            raise InputError(f"--words {name}: {error.strerror}, wanted a file of words") from error
        yield Path(name)


def described(options: argparse.Namespace) -> str:
    """The words of ``--words``, described for a line of output."""
    if options.words is None:
        return OWN
    return STANDARD_INPUT if options.words == "-" else str(options.words)
