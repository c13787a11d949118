"""Recognising files that are not word lists by their lines: tables, JSON, HTML, dictionaries."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from npnet.base.errors import InputError

# The share of the lines that must look like another kind of file. Real lists have some odd lines.
MOST = 0.9
# In a dictionary, this share of the words is enough: many words have no flags.
SOME = 0.3
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SEPARATORS |= {":": "colons", "=": "equals signs"}
TAG = re.compile(r"\s*</?[A-Za-z!][^<>]*>.*|.*</[A-Za-z]+>\s*")
FLAGS = re.compile(r"[^\s/]+/[A-Za-z0-9,~]+(\s.*)?")
COUNTED = re.compile(r"\S+\s+\d[\d.,]*")
COUNTED_FIRST = re.compile(r"\s*\d[\d.,]*\s+\S+")
NUMBER = re.compile(r"[-+]?\d[\d.,]*")
BULLET = re.compile(r"\s*[-*+\u2022]\s+\S.*")
RULE = re.compile(r"[\s|:+=-]*[=-]{2,}[\s|:+=-]*")  # the line below the titles of a Markdown table
SPACED = re.compile(r"\s*\S+ {2,}\S.*")  # aligned columns
COMMENT = re.compile(r"\s*(#|//|%|--\s).*")
# Files that are not text, by their first bytes, and what to do with them.
PACKED = {
    b"\x1f\x8b": "is packed by gzip: unpack it first",
    b"PK\x03\x04": "is a zip file, as spreadsheets are too: unpack it, or save it as CSV",
    b"\xfd7zXZ": "is packed by xz: unpack it first",
    b"%PDF": "is a PDF: save its text",
    b"{\\rtf": "is a text with formats (RTF): save it as plain text",
}
JSON = re.compile(r'\s*(\[\s*["\[{]|\{\s*"|\[\s*$|\{\s*$)')


def refuse_other_kinds(lines: Sequence[str], source: str) -> None:
    """Refuse lines that are not words; the message says what to type.

    Args:
        lines: the lines of a text that is read with one word on each line.
        source: the name of the text in messages.

    Raises:
        InputError: most of the lines are those of a table, of JSON, of HTML, of a dictionary
            with flags or of numbers.
    """
    told = [line for line in lines if line.strip()]
    if not told:
        return
    if JSON.match(told[0]) and told[-1].rstrip().endswith(("]", "}", "],", "},")):
        raise InputError(f"{source}: is JSON, wanted one word a line: write its words so")
    if _share(told, TAG) > 0.5 or re.match(r"\s*<(!doctype|html)", told[0], re.IGNORECASE):
        raise InputError(f"{source}: is a page of HTML, wanted one word a line: save its text")
    _refuse_separators(told, source, SEPARATORS)
    if _holds(told, BULLET, MOST):
        raise InputError(
            f"{source}: is a list with a mark before each word, wanted words alone: "
            "--separator blanks --column 2 takes them"
        )
    if _holds(told, FLAGS, SOME):
        raise InputError(
            f"{source}: is a dictionary with flags behind its words, wanted words alone: "
            "--separator / --column 1 leaves the flags away"
        )
    for pattern, column in ((COUNTED, 1), (COUNTED_FIRST, 2)):
        if _holds(told, pattern, MOST):
            raise InputError(
                f"{source}: is a list of words with numbers, wanted words alone: "
                f"--separator blanks --column {column} takes them"
            )
    if _holds(told, NUMBER, MOST):
        raise InputError(f"{source}: is a list of numbers, wanted one word a line")
    if _holds(told, SPACED, MOST):
        raise InputError(
            f"{source}: is a table of columns between blanks, wanted one word a line: choose its "
            "words with --separator blanks --column 1, or another number (--separator none: it is "
            "no table)"
        )
    _refuse_first_line(told, source)


def refuse_packed(data: bytes, source: str) -> None:
    """Refuse files that are not text.

    Raises:
        InputError: the first bytes are those of another kind of file.
    """
    for first, what in PACKED.items():
        if data.startswith(first):
            raise InputError(f"{source}: {what}")


def is_rule(cells: Sequence[str]) -> bool:
    """Whether a row is the line below the titles of a Markdown table."""
    return RULE.fullmatch("|".join(cells)) is not None


def _refuse_first_line(told: Sequence[str], source: str) -> None:
    """Refuse a first line that is not like the others: a count, or a comment."""
    first, *others = told
    if not others:
        return
    if NUMBER.fullmatch(first.strip()) and not any(NUMBER.fullmatch(line) for line in others):
        raise InputError(
            f"{source}, line 1: {first.strip()[:20]}, which is no word but a count as dictionaries "
            "have it: --separator / --column 1 leaves it and any flags away (--separator none: it "
            "is a word)"
        )
    if COMMENT.fullmatch(first) and _share(others, COMMENT) < 1 - MOST:
        raise InputError(
            f"{source}, line 1: {first.strip()[:30]!r}, which looks like a comment: take it out "
            "(--separator none: it is a word)"
        )


def refuse_other_separators(lines: Sequence[str], source: str) -> None:
    """Refuse the lines of a CSV file whose separator is not the comma.

    Raises:
        InputError: most lines have the same number of another separator, and no comma.
    """
    told = [line for line in lines if line.strip()]
    if sum("," in line for line in told) < (1 - MOST) * len(told):
        others = {each: name for each, name in SEPARATORS.items() if each != ","}
        _refuse_separators(told, source, others)


def refuse_numbers(words: Sequence[str], source: str) -> None:
    """Refuse a column of numbers.

    Raises:
        InputError: most of the words are numbers.
    """
    if words and _holds(words, NUMBER, MOST):
        raise InputError(
            f"{source}: the column holds numbers such as {words[-1]!r:.40}, wanted words: choose "
            "another with --column, by its title or number"
        )


def _refuse_separators(told: Sequence[str], source: str, separators: Mapping[str, str]) -> None:
    for separator, name in separators.items():
        counts = [line.count(separator) for line in told]
        usual = max(set(counts), key=counts.count, default=0)
        if usual and counts.count(usual) >= MOST * len(counts):
            shown = {"\t": "tab"}.get(separator, f"'{separator}'")
            raise InputError(
                f"{source}: is a table of {usual + 1} columns between {name}, wanted one word a "
                f"line: choose its words with --separator {shown} --column 1, or another number "
                "or title (--separator none: it is no table)"
            )


def _share(lines: Sequence[str], pattern: re.Pattern[str]) -> float:
    return sum(pattern.fullmatch(line) is not None for line in lines) / len(lines)


def _holds(lines: Sequence[str], pattern: re.Pattern[str], least: float) -> bool:
    """Whether ``_share`` is at least this. Lists of words are done after a few lines."""
    others = 0
    for line in lines:
        if pattern.fullmatch(line) is None:
            others += 1
            if len(lines) - others < least * len(lines):
                return False
    return True
