"""Losses in the memory of a Python program, and in NumPy's files.

A list, an array or a tensor of losses; a mapping of columns, such as Keras's ``history``; a frame
of pandas or polars, recognised by its interface: ``columns``, and ``frame[column]``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from npnet.base.arrays import Array, Floats, read_array
from npnet.base.errors import InputError
from npnet.base.npz import read_npy, read_npz
from npnet.plotting.columns import SPLITS, Choice, Pick, choose, is_loss, split_of
from npnet.plotting.content import Content
from npnet.plotting.curves import TRAIN, Reading
from npnet.plotting.json_logs import Named, table_of_columns, table_of_pairs
from npnet.plotting.records import Table

UNNAMED = "losses"


def is_frame(source: Any) -> bool:
    """Whether an object is a table (of pandas or polars, for example), by its interface."""
    return hasattr(source, "columns") and hasattr(source, "__getitem__")


def is_number(source: Any) -> bool:
    """Whether an object is one loss: a number, or a tensor of one."""
    return not isinstance(source, str | bytes | Mapping) and np.ndim(_array(source)) == 0


def are_numbers(source: Any) -> bool:
    """Whether a list is one of losses, not of sources."""
    return (
        isinstance(source, list | tuple)
        and bool(source)
        and all(
            isinstance(each, int | float | np.number)
            or (hasattr(each, "detach") and is_number(each))
            for each in source
        )
    )


def are_columns(source: Mapping[Any, Any]) -> bool:
    """Whether a mapping holds the columns of one run, not sources by name."""
    names = [str(name) for name in source]
    if not names or not all(_is_column(value) for value in source.values()):
        return False
    losses = [name for name in names if is_loss(name)]
    if len(losses) < len(names):
        return bool(losses) or all(name.lower() in SPLITS for name in names)
    return len({split_of(name) or TRAIN for name in losses}) == len(losses)


def _is_column(value: Any) -> bool:
    if isinstance(value, str | bytes | Mapping):
        return False
    array = _array(value)
    return array is not None and array.ndim == 1 and array.dtype.kind in "fiu"


def _array(value: Any) -> Any:
    try:
        return read_array("losses", value)
    except InputError:
        return None


def table_of_object(source: Any, reading: Reading, name: str = UNNAMED) -> Table:
    """A list, array, mapping of columns or frame as a table.

    Raises:
        InputError: it is none of these, or has no losses.
    """
    if is_frame(source):
        return _of_frame(source, reading, name)
    if isinstance(source, Mapping):
        columns = {str(key): value for key, value in source.items()}
        if all(key.lower() in SPLITS for key in columns):
            columns = {f"{key} loss": value for key, value in columns.items()}
        return table_of_columns(columns, Named(name, name), reading)
    array = read_array(name, [_item(each) for each in source] if are_numbers(source) else source)
    return _of_array(array, Named(name, name), reading)


def _item(value: Any) -> float:
    return float(value.detach() if hasattr(value, "detach") else value)


def _of_array(array: Array, content: Named | Content, reading: Reading) -> Table:
    if array.dtype.names:
        columns = {title: array[title].tolist() for title in array.dtype.names}
        return table_of_columns(columns, content, reading)
    if array.ndim == 2 and min(array.shape) == 1:
        array = array.ravel()
    if array.dtype.kind not in "fiu" or not array.size:
        raise InputError(f"{content.name}: {array.dtype} {array.shape}, wanted numbers: losses")
    if array.ndim == 2 and reading.loss:
        return _of_matrix(array.astype(np.float64), content, reading)
    if array.ndim == 2 and array.shape[1] <= 3:
        return table_of_pairs(array.astype(np.float64), content)
    if array.ndim != 1:
        raise InputError(
            f"{content.name}: an array {array.shape}, wanted losses of one axis, or pairs of "
            "step and loss: choose a column by its number, such as --loss 1 --step row"
        )
    values = array.astype(np.float64)
    choice = Choice((Pick(0, TRAIN),), None)
    own = {0: (np.arange(values.size), values)}
    return Table(content.name, content.stem, [""], choice, own, values.size, place="entry")


def _of_matrix(matrix: Floats, content: Named | Content, reading: Reading) -> Table:
    """The columns of a matrix that the user names by their numbers."""
    titles = [str(place + 1) for place in range(matrix.shape[1])]
    choice = choose(titles, content.name, reading)
    rows = np.arange(len(matrix))
    columns = {place: (rows, np.ascontiguousarray(matrix[:, place])) for place in choice.indices}
    return Table(content.name, content.stem, titles, choice, columns, len(matrix), place="entry")


def _of_frame(frame: Any, reading: Reading, name: str) -> Table:
    titles = [str(title) for title in frame.columns]
    if len(set(titles)) < len(titles):
        twice = next(title for title in titles if titles.count(title) > 1)
        raise InputError(f"{name}: two columns are called {twice!r}, wanted one: rename the other")
    columns: dict[str, Sequence[Any]] = {}
    for title, key in zip(titles, frame.columns, strict=True):
        values = _array(frame[key].to_numpy() if hasattr(frame[key], "to_numpy") else frame[key])
        if values is not None and values.dtype.kind in "fiu":
            columns[title] = values.tolist()
    index = _array(frame.index) if hasattr(frame, "index") else None
    if index is not None and index.dtype.kind in "fiu" and "index" not in columns:
        columns["index"] = index.tolist()
    # A frame has nan where a row has no number. Only a column without gaps that ends in nan
    # means that the run diverged.
    if any(_has_gaps(values) for title, values in columns.items() if is_loss(title)):
        columns = {
            title: [None if isinstance(v, float) and math.isnan(v) else v for v in values]
            for title, values in columns.items()
        }
    return table_of_columns(columns, Named(name, name), reading)


def _has_gaps(values: Sequence[Any]) -> bool:
    missing = np.isnan(np.array(values, np.float64))
    return bool((missing[:-1] & ~missing[1:]).any())


def read_numpy(content: Content, reading: Reading) -> Table:
    """The losses of an npy or npz file.

    Raises:
        InputError: it is damaged, or holds no losses.
    """
    data = content.whole()
    if not content.head.startswith(b"PK"):
        return _of_array(read_npy(content.name, data), content, reading)
    arrays = read_npz(content.path or content.name, data)  # type: ignore[arg-type]
    if len(arrays) == 1:
        [(title, array)] = arrays.items()
        named = Named(content.name, content.stem)
        table = _of_array(array, named, reading)
        return table if table.titles != [""] else _titled(table, title)
    columns = {title: array.tolist() for title, array in arrays.items() if array.ndim == 1}
    return table_of_columns(columns, content, reading)


def _titled(table: Table, title: str) -> Table:
    if title != "arr_0":
        table.titles = [title]
    return table
