"""Records that a program printed as Python's dicts, alone or among other lines and bars."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from npnet.base.errors import InputError
from npnet.plotting.columns import is_loss
from npnet.plotting.content import Content
from npnet.plotting.curves import Reading
from npnet.plotting.json_logs import literal, table_of_records, without_summary
from npnet.plotting.records import Table

PRINTED = re.compile(r"\{'.*\}\s*$")


def is_printed_records(text: str) -> bool:
    """Whether the text has lines with a dict that has a loss, as Python prints a dict."""
    return any(is_loss(str(key)) for _, record in _printed(text) for key in record or ())


def read_printed_records(content: Content, reading: Reading) -> Table:
    """The losses of dicts printed among other lines, as Hugging Face's Trainer does.

    Raises:
        InputError: as ``table_of_records``.
    """
    text = content.whole_text()
    records = []
    for number, record in _printed(text):
        if record is None:
            raise InputError(
                f"{content.name} line {number}: a dict with more than numbers and text, "
                "wanted {'loss': 2.1, …}: mend that line, or leave it out"
            )
        records.append((number, record))
    table = table_of_records(without_summary(records), content, reading, "line")
    *before, last = text.split("\n")
    if "{'" in last and not PRINTED.search(last):
        table.notes.append(f"{content.name} line {len(before) + 1}: half a record, left out")
    return table


def _printed(text: str) -> Iterator[tuple[int, Mapping[Any, Any] | None]]:
    """Line and dict of each text that looks like a dict; None for a dict with other values."""
    for number, line in enumerate(text.split("\n"), 1):
        for part in line.split("\r") if "{'" in line else []:
            if found := PRINTED.search(part):
                record = literal(found[0].strip())
                yield number, record if isinstance(record, Mapping) else None
