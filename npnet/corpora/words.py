"""Reading word lists: text with one word on each line, or a column of a table."""

import codecs
import csv
import io
import os
import re
import reprlib
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from npnet.base.arguments import (
    PATH,
    SWITCH,
    TEXT,
    Kind,
    checked,
    or_none,
)
from npnet.base.errors import InputError, shown
from npnet.corpora.kinds import (
    is_rule,
    refuse_numbers,
    refuse_other_kinds,
    refuse_other_separators,
    refuse_packed,
)

END = "."  # ends every word and fills the contexts before its first character; index 0

# Which lines of a text are words. "words": lines that are not blank, without spaces at either end.
# "splitlines" and "split": every line unchanged, empty lines too, as Python's text.splitlines() or
# text.split("\\n") gives them.
LINES = ("words", "splitlines", "split")

FEWEST_WORDS = 10  # a file with fewer is most often the wrong file

# The end mark, control characters, line and paragraph separators, a byte order mark inside a word,
# lone surrogates (UTF-8 has no bytes for them), non-breaking and zero-width spaces, soft hyphens
# and direction marks. Joiners are allowed: Persian and Indian scripts need them.
FORBIDDEN = re.compile(
    r"[.\x00-\x1f\x7f-\xa0\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202f\u2060\u2066-\u2069"
    r"\ufeff\ud800-\udfff]"
)

# Names that --separator accepts in place of a character; "none": the text is not a table.
NAMED_SEPARATORS = {"tab": "\t", "blanks": " ", "blank": " ", "none": None}

# Titles of a column of words, in lower case.
TITLE = re.compile(
    r"(.* )?(first|last|sur|given|full|family|user|nick|fore|middle|vor|nach)?(names?|words?)"
)

FilePath = str | os.PathLike[str]


@dataclass(frozen=True)
class Words:
    """The words of one file, and how many lines were changed or left out."""

    words: list[str]  # in the file's order, repeats kept
    blank: int  # lines or rows without a word
    trimmed: int  # words that had spaces at either end
    composed: int = 0  # words whose accents were separate characters, unlike those of other words


@checked(
    path=PATH,
    fold=SWITCH,
    column=or_none(Kind("a title or a number", lambda got: isinstance(got, str | int))),
    lines=TEXT,
    separator=TEXT,
    encoding=TEXT,
)
def read_words(
    path: FilePath,
    *,
    fold: bool = False,
    column: str | None = None,
    lines: str = LINES[0],
    separator: str | None = None,
    encoding: str = "utf-8",
) -> list[str]:
    """Return the words of a file, as ``load_words`` finds them."""
    return load_words(
        path, fold=fold, column=column, lines=lines, separator=separator, encoding=encoding
    ).words


def load_words(
    path: FilePath,
    *,
    fold: bool = False,
    column: str | None = None,
    lines: str = LINES[0],
    separator: str | None = None,
    encoding: str = "utf-8",
) -> Words:
    """Read a word list: UTF-8 text with one word a line, or a table.

    A file is a table if its name ends in ``.csv``, or if ``column`` or ``separator`` is given.
    ``column`` is the title or the number (from 1) of the column with the words. Without ``column``,
    it is the column whose title is ``name`` or ``word`` or ends in this word, such as ``First
    Name`` (capitals do not matter). If there is no such title, it is the first column, and the
    first row is a word like the others. ``separator`` separates the cells: a character, ``tab``,
    ``blanks``, or ``none`` for a text that only looks like a table. ``-`` reads standard input. A
    byte order mark and Windows line ends are accepted.

    A text that is a table, JSON, HTML, a dictionary with flags or a list of numbers is refused.
    If only some words have accents as separate characters, these are composed (NFC).

    ``lines`` says which lines are words. ``words``: lines that are not blank, without blanks around
    them. ``splitlines`` or ``split``: every line, as Python's ``text.splitlines()`` or
    ``text.split("\\n")`` gives it. An empty line is then an empty word. With ``split``, the text
    after the last line end is a word too, usually an empty one.

    ``fold`` lower-cases by ``str.lower``, as the lecture does. ``str.casefold`` is for comparing
    and changes spellings (ß to ss), which the samples would then show.

    Raises InputError, with the line number if a line is the cause: the file cannot be read, is not
    UTF-8, has no such column or fewer than 10 words, or a word contains the end mark or an
    invisible character such as a tab or a line separator.
    """
    if lines not in LINES:
        raise InputError(f"load_words: lines={lines!r}, wanted one of {', '.join(LINES)}")
    source = "standard input" if os.fspath(path) == "-" else os.fspath(path) or "''"
    text = _read(path, source, encoding)
    if separator is not None and len(separator) != 1 and separator not in NAMED_SEPARATORS:
        raise InputError(
            f"--separator: got {shown(separator)}, wanted one character, tab, blanks or none"
        )
    is_table = column is not None or Path(path).suffix.lower() == ".csv" or separator is not None
    if is_table and separator != "none":
        if separator is None:
            refuse_other_separators(text.split("\n"), source)
        cells = _cells(text, source, column, NAMED_SEPARATORS.get(separator or ",", separator))
    else:
        kept = text if lines == "split" else text.removesuffix("\n")
        parts = kept.split("\n")
        if separator is None and lines == LINES[0]:
            refuse_other_kinds(parts, source)
            title = " ".join(re.findall(r"[^\W_]+", parts[0].lower()))
            if TITLE.fullmatch(title) and title not in ("name", "word") and len(parts) > 1:
                raise InputError(
                    f"{source}, line 1: {shown(parts[0].strip())}, which looks like a title: "
                    "--column 1 takes the words below it (--separator none: it is a word)"
                )
        cells = enumerate(parts, start=1)

    words = []
    blank = trimmed = 0
    for line, cell in cells:
        content = cell.removesuffix("\r")
        word = content.strip() if lines == LINES[0] else content
        if not word and lines == LINES[0]:
            blank += 1
            continue
        if "\ufffd" in word:
            raise InputError(
                f"{source}, line {line}: {shown(word)} contains U+FFFD, which stands for a lost "
                "letter: save the file again from where its letters are right"
            )
        if found := FORBIDDEN.search(word):
            raise InputError(f"{source}, line {line}: {why_forbidden(word, found[0])}")
        trimmed += word != content
        words.append(word.lower() if fold else word)
    if len(words) < FEWEST_WORDS:
        raise InputError(
            f"{source}: {len(words)} words, wanted {FEWEST_WORDS} or more: is it the right file?"
        )
    if is_table:
        refuse_numbers(words, source)
    if lines != LINES[0] or "".join(words).isascii():
        return Words(words, blank, trimmed)
    composed = [unicodedata.normalize("NFC", word) for word in words]
    apart = sum(old != new for old, new in zip(words, composed, strict=True))
    whole = any(
        old == new != unicodedata.normalize("NFD", new)
        for old, new in zip(words, composed, strict=True)
    )
    if apart and whole:
        return Words(composed, blank, trimmed, apart)
    return Words(words, blank, trimmed)


def _read(path: FilePath, source: str, encoding: str) -> str:
    try:
        if os.fspath(path) != "-":
            data = Path(path).read_bytes()
        elif sys.stdin is None:
            raise InputError(f"{source}: closed, wanted words, one a line: name a file instead")
        else:
            data = sys.stdin.buffer.read()
        refuse_packed(data, source)
        return data.removeprefix(codecs.BOM_UTF8).decode(encoding).removeprefix("\ufeff")
    except LookupError:
        raise InputError(
            f"--encoding: got {shown(encoding)}, wanted one that Python knows, such as cp1252"
        ) from None
    except OSError as error:
        raise InputError(f"{source}: {error.strerror}, wanted a file of words") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        wide = error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        raise InputError(
            f"{source}, line {line}: byte 0x{error.object[error.start]:02x}, wanted "
            f"{'UTF-8' if encoding == 'utf-8' else encoding}: save the file with that encoding, or "
            f"name its own, {'--encoding utf-16' if wide else 'such as --encoding cp1252'}"
        ) from None


def _cells(
    text: str, source: str, column: str | None, separator: str | None
) -> Iterator[tuple[int, str]]:
    """Yield, for each row, its first line and its word; "" if the row is too short."""
    if separator == "/":
        # A dictionary begins with the number of its words.
        text = re.sub(r"\A\d+\s*\n", "\n", text)
    # Strict: otherwise, after a quotation mark that is not closed, the rest of the file is one
    # cell.
    reader = csv.reader(
        io.StringIO(text, newline=""),
        strict=True,
        delimiter=separator or ",",
        skipinitialspace=separator == " ",
    )
    following = 1
    place = None
    try:
        for row in reader:
            line, following = following, reader.line_num + 1
            if place is None and any(row):
                place, has_titles = _find_column([cell.strip() for cell in row], source, column)
                if has_titles:
                    continue
            if separator == "|" and is_rule(row):
                continue
            yield line, "" if place is None or place >= len(row) else row[place]
    except csv.Error as error:
        hint = "look for a quotation mark that is not closed"
        raise InputError(f"{source}, line {following}: {error}: {hint}") from None


def _find_column(first_row: list[str], source: str, column: str | None) -> tuple[int, bool]:
    """Return the column of the words, and whether the first row has the titles."""
    titles = [" ".join(re.findall(r"[^\W_]+", cell.lower())) for cell in first_row]
    known = [place for place, title in enumerate(titles) if TITLE.fullmatch(title)]
    if column is not None:
        number = column.isdecimal() and 1 <= int(column) <= len(first_row)
        if first_row.count(column) == 1 and not number:
            return first_row.index(column), True
        if column in first_row and not number:
            raise InputError(
                f"{source}: {first_row.count(column)} columns are called {column!r}: "
                "type the number of one of them, such as --column 1"
            )
        if number:
            return int(column) - 1, bool(known)
        raise InputError(f"{source}: no column {column!r}, only {', '.join(first_row)}")
    for title in ("name", "word"):
        if title in titles:
            return titles.index(title), True
    if len(known) > 1:
        found = ", ".join(first_row[place] for place in known)
        raise InputError(f"{source}: {len(known)} columns of words, {found}: choose with --column")
    return (known[0], True) if known else (0, False)


def refuse_unwritable(words: Sequence[str], who: str) -> None:
    """Raise InputError for words that ``load_words`` would not read back from a file."""
    if FORBIDDEN.search("".join(words)):
        word, found = next((word, found) for word in words if (found := FORBIDDEN.search(word)))
        raise InputError(f"{who}: {why_forbidden(word, found[0])}")


def why_forbidden(word: str, character: str) -> str:
    if character == END:
        return f"{reprlib.repr(word)} contains {END!r}, the mark that ends every word: take it out"
    return f"{reprlib.repr(word)} contains the invisible U+{ord(character):04X}: take it out"
