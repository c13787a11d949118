"""Logs in JSON: lists, lists of pairs, columns, records, JSON lines, Hugging Face's state.

Records can also be dicts as Python prints them, one on each line: Hugging Face's Trainer does this.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from npnet.base.errors import InputError, shown
from npnet.plotting.columns import Choice, Pick, choose, is_loss, listed
from npnet.plotting.content import Content
from npnet.plotting.curves import TRAIN, Reading
from npnet.plotting.records import Table

EPOCH_1990 = 6e8  # seconds; in TensorBoard's export, larger numbers are wall times
DEEPEST = 4
# Python prints these without quotes
NOT_FINITE = re.compile(r"(?<=[:,\[] )(-?(?:nan|inf))(?=\s*[,}\]])")


def read_json(content: Content, reading: Reading) -> Table:
    """The losses of a JSON file or of JSON lines.

    Raises:
        InputError: it is not JSON, or has no losses.
    """
    text = content.whole_text().lstrip("\ufeff")
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        records = list(_lines(content, text, error))
        table = table_of_records(records, content, reading, "line")
        last = text.count("\n") + 1
        if not text.endswith("\n") and records[-1][0] < last:
            table.notes.append(f"{content.name} line {last}: half a record, left out")
        return table
    # A file of one line is read as JSON lines too: it can be one record.
    return table_of(found, content.name, content.stem, reading)


def _lines(content: Content, text: str, whole: Exception) -> Iterator[tuple[int, Any]]:
    """Number and record of each line that is not blank. The last line can be half written."""
    lines = text.split("\n")
    records = 0
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped:
            continue
        try:
            record = json.loads(stripped)
        except (json.JSONDecodeError, RecursionError) as error:
            record = literal(stripped)
            if record is None:
                if number == len(lines) and records:
                    continue  # no line end: a program was still writing it
                at = whole if not records and isinstance(whole, json.JSONDecodeError) else error
                line_number = at.lineno if at is whole and hasattr(at, "lineno") else number
                raise InputError(
                    f"{content.name} line {line_number}: no JSON "
                    f"({getattr(error, 'msg', 'brackets without end')}), wanted one record a line, "
                    "or one whole JSON: mend that line"
                ) from None
        records += 1
        yield number, record


def literal(text: str) -> Any:
    """The value of a Python literal in brackets; None if the text is not one."""
    text = NOT_FINITE.sub(r"'\1'", text)
    try:
        return ast.literal_eval(text) if text.startswith(("{", "[")) else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def table_of(found: Any, source: str, stem: str, reading: Reading, depth: int = 0) -> Table:
    """The table of losses in the value of a JSON file, or in an object of a Python program.

    Raises:
        InputError: there is no such table.
    """
    content = Named(source, stem)
    if isinstance(found, Mapping):
        found = {str(key): value for key, value in found.items()}
        history = found.get("log_history")
        if isinstance(history, Sequence) and not isinstance(history, str):
            return _trainer_state(history, content, reading)
        columns = {
            key: entry for key, value in found.items() if (entry := _column(value)) is not None
        }
        if columns and (reading.loss or any(map(is_loss, columns))):
            return table_of_columns(columns, content, reading)
        if series := _series(found):
            return table_of_records(series, content, reading, "entry")
        if found and all(_is_number(key) and _is_number(v) for key, v in found.items()):
            pairs = [(float(key), float(value)) for key, value in found.items()]
            return table_of_pairs(np.array(pairs), content)
        inner = [v for v in found.values() if isinstance(v, Mapping | list) and v]
        with_losses = [v for v in inner if isinstance(v, list) and _has_loss(v[0])]
        only = with_losses if len(with_losses) == 1 else inner
        if len(only) == 1 and depth < DEEPEST:
            return table_of(only[0], source, stem, reading, depth + 1)
        if any(is_loss(key) and _is_number(v) for key, v in _flat(found).items()) and not columns:
            return table_of_records([(1, found)], content, reading, "entry")
        raise InputError(
            f"{source}: got entries {listed(list(found))}, wanted losses: a list of numbers, "
            "records with a loss, or columns with one"
        )
    if not isinstance(found, list | tuple):
        raise InputError(f"{source}: got {shown(found)}, wanted losses: a list, or records")
    if not found:
        raise InputError(f"{source}: no losses, wanted one or more")
    if all(isinstance(entry, Mapping) for entry in found):
        return table_of_records(list(enumerate(found, 1)), content, reading, "entry")
    if all(isinstance(entry, list | tuple) for entry in found):
        return table_of_pairs(_matrix(found, source), content)
    return _single(found, content)


class Named:
    """A name for messages, in place of the content of a file."""

    def __init__(self, name: str, stem: str) -> None:
        self.name, self.stem = name, stem


def _has_loss(record: Any) -> bool:
    return isinstance(record, Mapping) and any(is_loss(key) for key in _flat(record))


def _series(found: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Records from Sacred's metrics, which have steps and values for each name."""
    records = [
        (place, {"step": step, name: value})
        for name, series in found.items()
        if isinstance(series, Mapping) and {"steps", "values"} <= series.keys()
        for place, (step, value) in enumerate(
            zip(series["steps"], series["values"], strict=False), 1
        )
    ]
    return records if any(is_loss(name) for _, record in records for name in record) else []


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return not isinstance(value, str) or "_" not in value


def _column(value: Any) -> Any:
    """A list of numbers from a list or a pandas column as JSON; None for other values."""
    if isinstance(value, Mapping) and value and all(str(k).isdecimal() for k in value):
        value = [value[key] for key in sorted(value, key=int)]
    if isinstance(value, list | tuple) and value:
        return value if all(v is None or _is_number(v) for v in value) else None
    return None


def _single(found: Sequence[Any], content: Named | Content) -> Table:
    """The table of a list of losses. JSON writes null for nan."""
    losses = np.empty(len(found))
    for place, value in enumerate(found):
        if value is not None and not _is_number(value):
            raise InputError(
                f"{content.name} entry {place + 1}: {shown(value)}, wanted a number: "
                "mend that entry, or leave it out"
            )
        losses[place] = math.nan if value is None else float(value)
    rows = np.arange(losses.size)
    choice = Choice((Pick(0, TRAIN),), None)
    return Table(
        content.name, content.stem, [""], choice, {0: (rows, losses)}, losses.size, place="entry"
    )


def _matrix(found: Sequence[Any], source: str) -> Any:
    widths = {len(entry) for entry in found}
    if len(widths) != 1 or not all(_is_number(value) for entry in found for value in entry):
        raise InputError(
            f"{source}: lists that are not all of two numbers, wanted pairs of step and loss"
        )
    return np.array([[float(value) for value in entry] for entry in found])


def table_of_pairs(matrix: Any, content: Named | Content) -> Table:
    """The table of pairs (step, loss), or of TensorBoard's triples (wall time, step, value)."""
    width = matrix.shape[1]
    rows = np.arange(len(matrix))
    columns = {place: (rows, np.ascontiguousarray(matrix[:, place])) for place in range(width)}
    step = matrix[:, width - 2] if width > 1 else matrix[:, 0]
    counts = bool((step == np.floor(step)).all())
    titles = {2: ["step", ""], 3: ["wall time", "step", ""]}.get(width)
    triple = width == 3 and bool((matrix[:, 0] > EPOCH_1990).all())
    if titles is None or not counts or (width == 3 and not triple):
        raise InputError(
            f"{content.name}: {len(matrix):,} rows of {width} numbers, wanted pairs of a whole "
            "step and a loss: name the columns, as in a CSV with titles"
        )
    choice = Choice((Pick(width - 1, TRAIN),), width - 2, time=0 if triple else None)
    said = "wall time, step and loss" if triple else "step and loss"
    note = f"{content.name}: {width} numbers a row are taken as {said}"
    return Table(
        content.name,
        content.stem,
        titles,
        choice,
        columns,
        len(matrix),
        place="entry",
        notes=[note],
    )


def table_of_columns(
    columns: Mapping[str, Any], content: Named | Content, reading: Reading
) -> Table:
    """The table of columns by name. A missing entry is None, or a nan before other numbers."""
    choice = choose(list(columns), content.name, reading)
    titles = list(columns)
    lengths = {titles[index]: len(columns[titles[index]]) for index in choice.indices}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{title} {length:,}" for title, length in list(lengths.items())[:4])
        raise InputError(
            f"{content.name}: columns of different lengths ({said}), wanted one entry of each for "
            "a step: choose one with --loss COLUMN"
        )
    found = {}
    for index in choice.indices:
        values = columns[titles[index]]
        here = [place for place, value in enumerate(values) if value is not None]
        numbers = np.array([float(values[place]) for place in here], np.float64)
        found[index] = (np.array(here, np.int64), numbers)
    count = max(lengths.values())
    return Table(content.name, content.stem, titles, choice, found, count, place="entry")


def _flat(record: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """A record without inner records: ``{"train": {"loss": 2}}`` becomes ``{"train.loss": 2}``."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            if name.count(".") < DEEPEST:
                flat |= _flat(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def _trainer_state(history: Sequence[Any], content: Named, reading: Reading) -> Table:
    """Hugging Face's log, without its last entry, which is the mean over the whole training."""
    records = [
        (place, entry) for place, entry in enumerate(history, 1) if isinstance(entry, Mapping)
    ]
    return table_of_records(without_summary(records), content, reading, "entry")


def without_summary(records: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """The records without the summary of the training that Hugging Face's Trainer adds."""
    return [(place, r) for place, r in records if "train_runtime" not in r] or records


def table_of_records(
    records: Sequence[tuple[int, Any]], content: Named | Content, reading: Reading, place: str
) -> Table:
    """The table of records, which are its rows; each has some of the columns."""
    if not records:
        raise InputError(f"{content.name}: no losses, wanted one record or more")
    flats = []
    for line, record in records:
        if not isinstance(record, Mapping):
            if all(_is_number(each) for _, each in records):
                return _single([each for _, each in records], content)
            raise InputError(
                f"{content.name} {place} {line}: {shown(record)}, wanted a record with a loss"
            )
        flats.append((line, _flat({str(key): value for key, value in record.items()})))
    titles = list(dict.fromkeys(title for _, flat in flats for title in flat))
    choice = choose(titles, content.name, reading)
    found: dict[int, tuple[list[int], list[float]]] = {i: ([], []) for i in choice.indices}
    strict: set[int | None] = {pick.index for pick in choice.picks}
    strict.add(choice.step)
    for row, (line, flat) in enumerate(flats):
        for index, (rows, values) in found.items():
            value = flat.get(titles[index])
            if value is None:
                continue
            if not _is_number(value):
                if index not in strict:
                    continue
                raise InputError(
                    f"{content.name} {place} {line}: {titles[index]} {shown(value)}, wanted a "
                    f"number: mend that {place}, or leave it out"
                )
            rows.append(row)
            values.append(float(value))
    columns = {i: (np.array(r, np.int64), np.array(v, np.float64)) for i, (r, v) in found.items()}
    lines = [line for line, _ in flats]
    return Table(
        content.name, content.stem, titles, choice, columns, len(flats), lines, place=place
    )
