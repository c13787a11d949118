"""The options by which commands are told what words to work on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from npnet.base.errors import InputError
from npnet.corpora.known import KNOWN, default_words, known_words
from npnet.corpora.words import load_words


def add_word_options(
    parser: argparse.ArgumentParser, default: str = "the corpus that comes with npnet"
) -> None:
    """Add --words, --fold and --column."""
    parser.add_argument(
        "--words",
        metavar="FILE",
        help="UTF-8 text, a word a line, or CSV; - for standard input; or the name of a corpus "
        f"that `npnet data` lists (default: {default})",
    )
    parser.add_argument("--fold", action="store_true", help="lower-case the words")
    parser.add_argument("--column", metavar="NAME", help="the column of a CSV file")


def words_from(options: argparse.Namespace) -> list[str]:
    """The words that the options name; what was dropped on the way is said on stderr."""
    known = options.words in KNOWN and not Path(options.words).exists()
    if options.column is not None and (options.words is None or known):
        raise InputError(f"--column: got {options.column!r}, wanted --words with a table's file")
    if options.words is None or known:
        corpus = known_words(options.words) if known else default_words()
        return [word.lower() for word in corpus] if options.fold else corpus
    words = load_words(options.words, fold=options.fold, column=options.column)
    done = []
    if words.blank:
        done.append(f"dropped {words.blank} blank line{'s' * (words.blank > 1)}")
    if words.trimmed:
        done.append(f"trimmed blanks around {words.trimmed} word{'s' * (words.trimmed > 1)}")
    if done:
        source = "standard input" if options.words == "-" else options.words
        print(f"{source}: {', '.join(done)}", file=sys.stderr)
    return list(words.words)
