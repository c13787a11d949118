"""Reading the log of any program as curves: this module chooses the reader."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from npnet.base.errors import InputError
from npnet.plotting.columns import choose
from npnet.plotting.content import Content, content_of
from npnet.plotting.curves import ROW, Curve, Reading, Result
from npnet.plotting.event_files import is_event_file, read_scalars
from npnet.plotting.folders import read_folder
from npnet.plotting.json_logs import read_json
from npnet.plotting.npnet_runs import curves_of_result
from npnet.plotting.printed_lines import is_printed, read_printed
from npnet.plotting.printed_records import is_printed_records, read_printed_records
from npnet.plotting.python_logs import (
    are_columns,
    are_numbers,
    is_frame,
    read_numpy,
    table_of_object,
)
from npnet.plotting.records import Table, curves_of
from npnet.plotting.text_tables import read_table

# A path, a run in memory, numbers, columns, a frame, or a mapping from names to any of these.
Source = str | os.PathLike[str] | Result | Mapping[Any, Any] | Any
DEFAULT = Reading()


def read_logs(source: Source, reading: Reading = DEFAULT) -> list[Curve]:
    """The curves of a log, of all runs in a folder, or of losses in memory.

    Args:
        source: a path (``-`` for standard input) or an object.
        reading: how to read the log, where it does not say it.

    Returns:
        One or more curves. The curves of one run follow each other and have its name.

    Raises:
        InputError: the log cannot be read, has no losses, or does not say which numbers they are.
            The message has file and line, what was found, and what to type.
    """
    if isinstance(source, str | os.PathLike):
        return _read_path(source, reading)
    if isinstance(source, Curve):
        return [source]
    if isinstance(source, list) and source and all(isinstance(each, Curve) for each in source):
        return list(source)
    if hasattr(source, "recipe") and hasattr(source, "losses"):
        return curves_of_result(cast(Result, source))
    # the object that fit of Keras returns
    if isinstance(history := getattr(source, "history", None), Mapping):
        source = history
    if isinstance(source, Mapping) and not are_columns(source):
        return _named(source, reading)
    if isinstance(source, list | tuple) and source and all(map(are_numbers, source)):
        source = np.array([tuple(map(float, pair)) for pair in source if len(pair) == 2])
    if are_numbers(source) or _is_table(source):
        return curves_of(table_of_object(source, reading), reading)
    raise InputError(
        f"losses: source {_short(source)}, wanted a run's result or folder, a log, a list or an "
        "array of losses, a mapping or a frame"
    )


def read_curve(source: Source) -> Curve:
    """The training curve of a log of one run.

    Raises:
        InputError: as ``read_logs``, or the log has several runs.
    """
    curves = read_logs(source)
    if len({curve.name for curve in curves}) > 1:
        raise InputError(f"{curves[0].name}: {len(curves)} curves, wanted those of one run")
    return curves[0]


def is_source(source: Any) -> bool:
    """Whether an object is one source, not a list of them."""
    return (
        isinstance(source, str | os.PathLike | Mapping | Curve)
        or hasattr(source, "recipe")
        or are_numbers(source)
        or _is_table(source)
    )


def _is_table(source: Any) -> bool:
    tensor = isinstance(source, np.ndarray) or hasattr(source, "__array__")
    return is_frame(source) or isinstance(source, Mapping) or tensor


def _short(source: Any) -> str:
    return f"{source!r:.60}".replace("\n", " ")


def _named(source: Mapping[Any, Any], reading: Reading) -> list[Curve]:
    if not source:
        raise InputError("losses: an empty mapping, wanted names with a source each")
    found = []
    for name, inner in source.items():
        curves = read_logs(inner, reading)
        runs = {curve.name for curve in curves}
        for curve in curves:
            called = str(name) if len(runs) == 1 else f"{name} {curve.name}"
            found.append(dataclasses.replace(curve, name=called, recipe=None))
    return found


def _read_path(source: str | os.PathLike[str], reading: Reading) -> list[Curve]:
    path = Path(source)
    if os.fspath(source) != "-" and os.path.isdir(path):

        def read(paths: list[Path], name: str) -> list[Curve]:
            return _read_files(paths, reading, name)

        return read_folder(path, read)
    return _read_files([source], reading, None)


def _read_files(
    paths: list[Path] | list[str | os.PathLike[str]], reading: Reading, name: str | None
) -> list[Curve]:
    """The curves of one run from one file, or from event files that continue each other."""
    contents = [content_of(path) for path in paths]
    if name is not None:
        contents = [dataclasses.replace(content, stem=name) for content in contents]
    if is_event_file(contents[0].head):
        return curves_of(_of_events(contents, reading), reading)
    return curves_of(_table(contents[0], reading), reading)


def _table(content: Content, reading: Reading) -> Table:
    head = content.head
    if head.startswith((b"\x93NUMPY", b"PK\x03\x04")):
        return read_numpy(content, reading)
    text = head.decode(content.encoding, errors="replace")
    if "\0" in text:
        raise InputError(
            f"{content.name}: not text, nor npy, npz or an event file, wanted a log of losses: "
            "save the losses as CSV or JSON"
        )
    if is_printed(text) and not reading.separator:
        return read_printed(content, reading)
    if is_printed_records(text) and not text.lstrip().startswith('{"'):
        return read_printed_records(content, reading)
    if text.lstrip().startswith(("{", "[")):
        return read_json(content, reading)
    try:
        return read_table(content, reading)
    except InputError:
        # In a long output, the first loss can be printed late.
        if len(head) < len(content.whole()) and is_printed(content.whole_text()):
            return read_printed(content, reading)
        raise


def _of_events(contents: list[Content], reading: Reading) -> Table:
    """The scalars as a table with one number in each row."""
    scalars, notes = [], []
    for content in contents:
        found, said = read_scalars(content)
        scalars += found
        notes += said
    name, tags = contents[0].name, list(dict.fromkeys(scalar.tag for scalar in scalars))
    choice = choose(tags, name, dataclasses.replace(reading, step=ROW))
    step, time = len(tags), len(tags) + 1
    choice = dataclasses.replace(choice, step=step, time=time, rate=None, epoch=None)
    rows = np.arange(len(scalars))
    columns = {
        step: (rows, np.array([float(scalar.step) for scalar in scalars])),
        time: (rows, np.array([scalar.seconds for scalar in scalars])),
    }
    for pick in choice.picks:
        here = [row for row, scalar in enumerate(scalars) if scalar.tag == tags[pick.index]]
        columns[pick.index] = (
            np.array(here, np.int64),
            np.array([scalars[row].value for row in here]),
        )
    titles = [*tags, "step", "wall time"]
    return Table(
        name, contents[0].stem, titles, choice, columns, len(scalars), place="value", notes=notes
    )
