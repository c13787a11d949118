"""Tables in text: CSV with any separator, aligned columns, and lists of numbers.

The first line that is not a comment has the titles, unless it has only numbers. This line also
shows the separator; a table that mixes separators is refused. If the separator is not a comma,
commas inside numbers are decimal commas.
"""

from __future__ import annotations

import csv
import itertools
import os
import re
import warnings
import zlib
from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Floats, Ints
from npnet.base.errors import InputError, shown
from npnet.plotting.columns import Choice, Pick, choose, find_title, listed
from npnet.plotting.content import Content
from npnet.plotting.curves import ROW, TRAIN, Reading
from npnet.plotting.records import Table

BLANKS = " "
SEPARATORS = {"tab": "\t", "\\t": "\t", "blank": BLANKS, "space": BLANKS, "blanks": BLANKS}
NAMES = {"\t": "tabs", BLANKS: "blanks", ",": "commas", ";": "semicolons", "|": "bars"}
COMMENT = re.compile(r"\s*(#|//|%)")
EXCEL = re.compile(r"sep=(.)\s*", re.IGNORECASE)
MISSING = {"", "NA", "N/A", "n/a", "null", "<NA>", "-", "--", "–", "—"}
PART_OF_ALL = re.compile(r"(\d+)\s*/\s*\d+")  # a step such as 3/25
THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+")
RULE = re.compile(r"[\s|:+=-]*[=-]{2,}[\s|:+=-]*")  # the line below the titles of a Markdown table


class Start(NamedTuple):
    """The beginning of a table: how its rows are split, and its titles.

    ``lines``: how many lines come before the first row of numbers. If there are no titles,
    ``titles`` are empty strings and ``untitled`` is True.
    """

    separator: str
    titles: list[str]
    lines: int
    title_line: int
    untitled: bool
    commented: bool


def read_table(content: Content, reading: Reading) -> Table:
    """The columns of losses, steps, rates and times.

    Raises:
        InputError: as ``choose``; or separators are mixed, a row has more cells than titles, or a
            cell is not a number. The message has the line, and what to do.
    """
    with content.text() as text:
        start = _start(content, text, reading)
    where = f"{content.name} line {start.title_line}"
    notes: list[str] = []
    if start.untitled:
        choice = _untitled(len(start.titles), where, reading, notes, content.name)
    else:
        choice = choose(start.titles, where, reading)
    fast = _fast(content, start)
    if fast is not None:
        rows = np.arange(len(fast))
        columns: dict[int, tuple[Ints, Floats]] = {
            index: (rows, np.ascontiguousarray(fast[:, index])) for index in choice.indices
        }
        table = Table(content.name, content.stem, start.titles, choice, columns, len(fast))
        table.first = start.lines + 1
        table.notes = notes
    else:
        table = _Rows(content, start, choice, notes).read()
    if start.untitled and len(start.titles) == 2 and choice.step is not None:
        _check_counting(table, where, reading)
    return table


def _start(content: Content, text: Iterable[str], reading: Reading) -> Start:
    comment = ""
    separator = SEPARATORS.get(reading.separator or "", reading.separator)
    if separator is not None and len(separator) != 1:
        raise InputError(
            f"--separator: got {shown(reading.separator)}, wanted one character, tab or blanks"
        )
    for number, line in enumerate(text, 1):
        said = EXCEL.fullmatch(line)
        if said and separator is None:
            separator = said[1]
            continue
        if not line.strip() or said or RULE.fullmatch(line):
            continue
        if COMMENT.match(line):
            comment = line
            continue
        line = line.rstrip("\r\n")
        if separator is None:
            separator = _separator(line, f"{content.name} line {number}")
        cells = split(line, separator)
        if not all(_looks_like_a_number(cell) or cell in MISSING for cell in cells):
            return Start(separator, cells, number, number, False, bool(comment))
        if cells[0] == "" and cells[1:] == [str(place) for place in range(len(cells) - 1)]:
            # pandas writes numbers as titles of columns that have none.
            return Start(separator, [""] * len(cells), number, number, True, bool(comment))
        titles = split(re.sub(COMMENT, "", comment).strip(), separator)
        if len(titles) != len(cells):
            titles = re.sub(COMMENT, "", comment).replace(",", " ").split()
        named = len(titles) == len(cells) and not any(map(_looks_like_a_number, titles))
        titles = titles if named else [""] * len(cells)
        return Start(separator, titles, number - 1, number, not named, bool(comment))
    raise InputError(f"{content.name} line 1: got nothing, wanted titles and rows of losses")


def split(line: str, separator: str) -> list[str]:
    """The cells of a line."""
    if separator == BLANKS:
        return line.split()
    if separator == "|":
        line = line.strip().strip("|")
    try:
        row = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        row = line.split(separator)
    return [cell.strip() for cell in row]


def _separator(line: str, where: str) -> str:
    bare = re.sub(r'"[^"]*"', "", line)
    found = [each for each in "\t;|," if each in bare]
    numbers = not re.search(r"[A-Za-z]{2}", bare.replace("nan", "").replace("inf", ""))
    if numbers and "," in found and len(found) > 1:
        found.remove(",")  # decimal commas
    if len(found) > 1:
        first, second = found[:2]
        raise InputError(
            f"{where}: {NAMES[first]} and {NAMES[second]}, wanted one separator: "
            f"choose with --separator {shown(first)} or --separator {shown(second)}"
        )
    return found[0] if found else BLANKS


def _looks_like_a_number(cell: str) -> bool:
    try:
        float(cell.replace(",", ".", 1))
    except ValueError:
        return False
    return True


def _untitled(width: int, where: str, reading: Reading, notes: list[str], name: str) -> Choice:
    titles = [""] * width
    if reading.loss:
        picks = tuple(
            Pick(
                find_title(each, titles, where, "--loss"),
                TRAIN,
                each if len(reading.loss) > 1 else None,
            )
            for each in reading.loss
        )
        step = None
        if reading.step not in (None, ROW):
            step = find_title(str(reading.step), titles, where, "--step")
        elif reading.step is None and width > 1:
            raise InputError(
                f"{where}: {width} columns without titles, wanted --step NUMBER with --loss: "
                "or number the rows with --step row"
            )
        return Choice(picks, step)
    if width == 1:
        return Choice((Pick(0, TRAIN),), None)
    if width == 2 and reading.step is None:
        notes.append(f"{name}: no titles: column 1 is taken as the step, column 2 as the loss")
        return Choice((Pick(1, TRAIN),), 0)
    raise InputError(
        f"{where}: {width} columns without titles, wanted titles, or the numbers of the columns: "
        f"--step 1 --loss {min(width, 2)}, for example"
    )


def _check_counting(table: Table, where: str, reading: Reading) -> None:
    """Check that the first of two columns without titles counts: it is then the step."""
    if reading.loss:
        return
    assert table.choice.step is not None
    steps = table.columns[table.choice.step][1]
    if (steps != np.floor(steps)).any() or (np.diff(steps) <= 0).any():
        raise InputError(
            f"{where}: 2 columns without titles, and the first does not count: "
            "name them by their numbers, such as --step 1 --loss 2"
        )


def _fast(content: Content, start: Start) -> Floats | None:
    """All cells of a table that has only numbers, by NumPy's reader; None for other tables.

    All columns are read, so that a row with too many cells is noticed.
    """
    if content.path is None or content.data is not None or content.encoding != "utf-8-sig":
        return None
    if start.separator not in ("\t", ",", ";") or start.commented:
        return None
    if content.packed and content.path.suffix.lower() != ".gz":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # titles and no rows
            values: Floats = np.loadtxt(
                os.path.abspath(content.path),
                delimiter=start.separator,
                comments=None,
                skiprows=start.lines,
                ndmin=2,
                quotechar='"',
                encoding="utf-8-sig",
            )
    except (ValueError, OSError, EOFError, zlib.error):
        return None
    return values if values.shape[1] == len(start.titles) and len(values) else None


class _Rows:
    """Reads the rows of a table one by one, with all the irregular lines that logs can have."""

    def __init__(self, content: Content, start: Start, choice: Choice, notes: list[str]) -> None:
        self.content, self.start, self.choice, self.notes = content, start, choice, notes
        self.wanted = choice.indices
        self.found = {index: (array("q"), array("d")) for index in self.wanted}
        self.lines = array("q")
        self.again: set[int] = set()
        self.comma: int | None = None
        self.point: int | None = None
        self.last = 0  # the last line that is not blank
        self.faulty_end: InputError | None = None
        # Other columns are not checked, but every row needs a number in a column of losses.
        self.strict: set[int | None] = {pick.index for pick in choice.picks}
        self.strict |= {choice.step, choice.rate}

    def read(self) -> Table:
        for line, cells, complete in self._cells():
            if not any(cells) or (
                line != self.start.title_line and RULE.fullmatch("|".join(cells))
            ):
                continue
            if cells == self.start.titles and not self.start.untitled:
                self.again.add(len(self.lines))
                if len(self.again) == 1:
                    self.notes.append(
                        f"{self.content.name} line {line}: the titles again: left out"
                    )
                continue
            try:
                values = self._values(line, cells)
            except InputError:
                # A program that was killed leaves half a row at the end.
                if complete:
                    raise
                self.notes.append(f"{self.content.name} line {line}: half a row, left out")
                continue
            for index, value in values:
                rows, numbers = self.found[index]
                rows.append(len(self.lines))
                numbers.append(value)
            self.lines.append(line)
        if self.comma is not None:
            self.notes.append(f"{self.content.name}: its commas are read as decimal points")
        columns = {
            index: (np.array(rows, np.int64), np.array(values, np.float64))
            for index, (rows, values) in self.found.items()
        }
        return Table(
            self.content.name,
            self.content.stem,
            self.start.titles,
            self.choice,
            columns,
            len(self.lines),
            self.lines,
            again=frozenset(self.again),
            notes=self.notes,
        )

    def _cells(self) -> Iterator[tuple[int, list[str], bool]]:
        """Number and cells of each line, and whether the line has a line end."""
        separator, name = self.start.separator, self.content.name
        with self.content.text() as text:
            skipped = itertools.islice(text, self.start.lines, None)
            if separator in (BLANKS, "|"):
                for number, row in enumerate(skipped, self.start.lines + 1):
                    if not COMMENT.match(row):
                        yield number, split(row.rstrip("\r\n"), separator), row.endswith("\n")
                return
            ended = True

            def noted() -> Iterator[str]:
                nonlocal ended
                for line in skipped:
                    ended = line.endswith(("\n", "\r"))
                    yield line

            reader = csv.reader(noted(), delimiter=separator, skipinitialspace=True)
            try:
                for cells in reader:
                    if cells and not COMMENT.match(cells[0]):
                        line = self.start.lines + reader.line_num
                        yield line, [cell.strip() for cell in cells], ended
            except csv.Error as error:
                line = self.start.lines + reader.line_num
                raise InputError(f"{name} line {line}: {error}: mend that line") from error

    def _values(self, line: int, cells: list[str]) -> list[tuple[int, float]]:
        width = len(self.start.titles)
        if len(cells) != width:
            self._check_width(line, cells)
        found = []
        for index in self.wanted:
            cell = cells[index] if index < len(cells) else ""
            if cell in MISSING:
                continue
            if index == self.choice.step and (part := PART_OF_ALL.fullmatch(cell)):
                cell = part[1]
            try:
                value = float(cell)
                pointed = "." in cell
                if "_" in cell:
                    raise ValueError
            except ValueError:
                if index not in self.strict:
                    continue
                value, pointed = self._comma(line, index, cell), False
            if pointed and self.point is None and index in self.strict:
                self.point = line
                self._refuse_both(line, cell)
            found.append((index, value))
        return found

    def _check_width(self, line: int, cells: list[str]) -> None:
        titles, where = self.start.titles, f"{self.content.name} line {line}"
        others = [each for each in "\t;|," if each != self.start.separator and each in cells[0]]
        if len(cells) == 1 and others and len(titles) > 1:
            raise InputError(
                f"{where}: separated by {NAMES[others[0]]}, and line {self.start.title_line} by "
                f"{NAMES.get(self.start.separator, self.start.separator)}, wanted one separator: "
                "mend that line"
            )
        extra = cells[len(titles) :]
        if not any(extra) and self.start.separator != BLANKS and len(cells) > len(titles):
            return
        if len(cells) > len(titles) or self.start.separator == BLANKS:
            what = "titles" if not self.start.untitled else "cells"
            got = f"{len(cells)} cell{'s' * (len(cells) != 1)}"
            known = f"{len(titles)} {what}"
            known += f" ({listed(titles)})" if not self.start.untitled else ""
            hint = "mend that line, or leave it out"
            if len(cells) > len(titles) and self.start.separator == ",":
                hint = "if commas are decimal commas, write points, or separate by semicolons"
            elif len(extra) == 1 and not self.lines and not self.start.untitled:
                hint = (
                    f"if its first column has no title, write one into line {self.start.title_line}"
                )
            raise InputError(
                f"{where}: {got}, and line {self.start.title_line} has {known}: {hint}"
            )

    def _comma(self, line: int, index: int, cell: str) -> float:
        """A number with a decimal comma."""
        title = self.start.titles[index] or str(index + 1)
        where = f"{self.content.name} line {line}"
        try:
            if self.start.separator == "," or "," not in cell or "." in cell or "_" in cell:
                raise ValueError
            value = float(cell.replace(",", "."))
        except ValueError:
            raise InputError(
                f"{where}: {title} {shown(cell)}, wanted a number: mend that line, or leave it out"
            ) from None
        if index == self.choice.step and THOUSANDS.fullmatch(cell):
            raise InputError(
                f"{where}: {title} {shown(cell)}, which could be a thousand or one: "
                "write it without a comma, or number the rows with --step row"
            )
        self.comma = line if self.comma is None else self.comma
        self._refuse_both(line, cell)
        return value

    def _refuse_both(self, line: int, cell: str) -> None:
        if self.comma is not None and self.point is not None:
            other = self.comma if self.point == line else self.point
            raise InputError(
                f"{self.content.name} line {line}: {shown(cell)}, and other decimals on line "
                f"{other}, wanted commas or points alone: mend one of them"
            )
