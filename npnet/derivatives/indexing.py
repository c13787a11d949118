"""Reading and writing by index, gathers and scatters, each with its derivatives beside it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.operation import KEPT, Operation


def _select(array: Array, key: Any) -> Array:
    return array[key]


def scatter_add(target: Array, key: Any, values: Array) -> None:
    """``target[key] += values`` where repeated places add up, one after another."""
    if type(key) is np.ndarray and key.dtype.kind in "ui" and target.flags.c_contiguous:
        # Rows by number: as single numbers, which NumPy adds much faster than rows.
        places = _places_of_rows(len(target), target.size, key)
        if type(values) is not np.ndarray or values.size != places.size:
            values = np.broadcast_to(values, key.shape + target.shape[1:])
        np.add.at(target.reshape(-1), places, values.reshape(-1))
    elif type(key) is np.ndarray and key.dtype.kind == "b":
        target[key] += values
    else:
        np.add.at(target, key, values)


def _places_of_rows(count: int, size: int, rows: Array) -> Array:
    """Where the entries of these rows are in the memory of ``size`` numbers in ``count`` rows."""
    if size <= MOST_PLACES:
        # A table to take from costs a quarter of sums and products.
        return _all_places(count, size).take(rows, 0).reshape(-1)
    width = size // count
    rows = np.where(rows < 0, rows + count, rows).reshape(-1, 1)
    return (rows * width + np.arange(width)).reshape(-1)


MOST_PLACES: Final = 1 << 15


@lru_cache(16)
def _all_places(count: int, size: int) -> Array:
    return np.arange(size).reshape(count, size // max(count, 1))


def _gathered_gradient(g: Array, _o: Array, x: Array, key: Any) -> Array:
    found = np.zeros(x.shape, g.dtype)
    scatter_add(found, key, g)
    return found


def _selected_gradient(g: Array, _o: Array, x: Array, key: Any) -> Array:
    found = np.zeros(x.shape, g.dtype)
    found[key] = g
    return found


def _put(x: Array, value: Any, key: Any) -> Array:
    found = np.array(x)
    found[key] = value
    return found


def _put_rest(g: Array, _o: Array, _x: Array, _value: Any, key: Any) -> Array:
    found = np.array(g)
    found[key] = 0
    return found


def _put_part(g: Array, _o: Array, _x: Array, _value: Any, key: Any) -> Array:
    return g[key]


def _put_sum(x: Array, value: Any, key: Any) -> Array:
    found = x.copy()
    scatter_add(found, key, value)
    return found


SELECT: Final = Operation("SelectBackward0", _select, _selected_gradient)
SLICE: Final = Operation("SliceBackward0", _select, _selected_gradient)
UNSQUEEZE: Final = Operation("UnsqueezeBackward0", _select, _selected_gradient)
UNBIND: Final = Operation("UnbindBackward0", _select, _selected_gradient)
ALIAS: Final = Operation("AliasBackward0", _select, _selected_gradient)
INDEX: Final = Operation("IndexBackward0", _select, _gathered_gradient)
PUT: Final = Operation("IndexPutBackward0", _put, _put_rest, _put_part)
PUT_SUM: Final = Operation(
    "IndexPutBackward0", _put_sum, lambda g, _o, _x, _value, _key: g, _put_part
)
SET: Final = Operation("CopySlices", _put, _put_rest, _put_part)
for _op in (SELECT, SLICE, UNSQUEEZE, UNBIND, ALIAS):
    _op.reads = ((),)
INDEX.reads = ((KEPT,),)
PUT.reads, PUT_SUM.reads, SET.reads = ((KEPT,), (KEPT,)), ((KEPT,), (KEPT,)), ((), ())


def _scatter_put(x: Array, value: Any, key: Any) -> Array:
    found = np.array(x)
    found[key] = _leading(value, key)
    return found


def _scatter_sum(x: Array, value: Any, key: Any) -> Array:
    found = x.copy()
    np.add.at(found, key, _leading(value, key))
    return found


def _leading(value: Any, key: Any) -> Any:
    """The part of a source that an index, which may be smaller, refers to."""
    if np.ndim(value) == 0:
        return value
    shape = np.broadcast_shapes(*(part.shape for part in key))
    return value[tuple(slice(size) for size in shape)]


def _source_gradient(g: Array, _o: Array, _x: Array, value: Any, key: Any) -> Array:
    if np.ndim(value) == 0:
        return np.asarray(g[key].sum())
    found = np.zeros(value.shape, g.dtype)
    part = g[key]
    found[tuple(slice(size) for size in part.shape)] = part
    return found


def _key_gradient(g: Array, _o: Array, x: Array, key: Any) -> Array:
    found = np.zeros(x.shape, g.dtype)
    np.add.at(found, key, g)
    return found


GATHER: Final = Operation("GatherBackward0", _select, _key_gradient)
INDEX_SELECT: Final = Operation("IndexSelectBackward0", _select, _key_gradient)
MASKED_SELECT: Final = Operation("MaskedSelectBackward0", _select, _key_gradient)
SCATTER: Final = Operation("ScatterBackward0", _scatter_put, _put_rest, _source_gradient)
SCATTER_ADD: Final = Operation(
    "ScatterAddBackward0", _scatter_sum, lambda g, _o, _x, _v, _key: g, _source_gradient
)
INDEX_ADD: Final = Operation(
    "IndexAddBackward0",
    _put_sum,
    lambda g, _o, _x, _v, _key: g,
    lambda g, _o, _x, _v, key: g[key],
)
for _op in (GATHER, INDEX_SELECT, MASKED_SELECT):
    _op.reads = ((KEPT,),)
for _op in (SCATTER, SCATTER_ADD, INDEX_ADD):
    _op.reads = ((KEPT,), (KEPT,))


def largest(places: Array) -> int:
    """The largest of int64 numbers; one below 0, seen as unsigned, is larger than any place."""
    seen = places.reshape(-1).view(np.uint64)
    return int(seen[seen.argmax()])  # much faster than max()
