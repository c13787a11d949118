"""Reading and writing by index, gathers and scatters, each with its derivatives."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.operation import INDICES, NOTHING, Operation


def _select(array: Array, key: Any) -> Array:
    return array[key]


def scatter_add(target: Array, key: Any, values: Array) -> None:
    """``target[key] += values``; if a place is repeated, all its values are added, in order."""
    if type(key) is np.ndarray and key.dtype.kind in "ui" and target.flags.c_contiguous:
        # Rows are added as single numbers, because NumPy adds these much faster than rows.
        places = _places_of_rows(len(target), target.size, key)
        if type(values) is not np.ndarray or values.size != places.size:
            values = np.broadcast_to(values, key.shape + target.shape[1:])
        np.add.at(target.reshape(-1), places, values.reshape(-1))
    elif type(key) is np.ndarray and key.dtype.kind == "b":
        target[key] += values
    else:
        np.add.at(target, key, values)


def _places_of_rows(count: int, size: int, rows: Array) -> Array:
    """The flat indices of the entries of ``rows``, in ``size`` numbers with ``count`` rows."""
    if size <= MOST_PLACES:
        # Taking them from a table needs a quarter of the time of computing them.
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


def _scatter_put(x: Array, value: Any, key: Any) -> Array:
    found = np.array(x)
    found[key] = _leading(value, key)
    return found


def _scatter_sum(x: Array, value: Any, key: Any) -> Array:
    found = x.copy()
    np.add.at(found, key, _leading(value, key))
    return found


def _leading(value: Any, key: Any) -> Any:
    """The part of a source that belongs to an index, which can be smaller than the source."""
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


# fmt: off
# o: x[key]; g has its shape. What is written (value) is broadcast to the shape of x[key].
SELECT: Final = Operation("SelectBackward0", _select, _selected_gradient, saves=NOTHING)
SLICE: Final = Operation("SliceBackward0", _select, _selected_gradient, saves=NOTHING)
UNSQUEEZE: Final = Operation("UnsqueezeBackward0", _select, _selected_gradient, saves=NOTHING)
UNBIND: Final = Operation("UnbindBackward0", _select, _selected_gradient, saves=NOTHING)
ALIAS: Final = Operation("AliasBackward0", _select, _selected_gradient, saves=NOTHING)
INDEX: Final = Operation("IndexBackward0", _select,
    _gathered_gradient, saves=INDICES)  # repeated indices add up
PUT: Final = Operation("IndexPutBackward0", _put,
    _put_rest,
    _put_part, saves=INDICES)
PUT_SUM: Final = Operation("IndexPutBackward0", _put_sum,
    lambda g, _o, _x, _value, _key: g,
    _put_part, saves=INDICES)
SET: Final = Operation("CopySlices", _put,
    _put_rest,
    _put_part, saves=NOTHING)
# Along one axis by number: o has the index's shape, apart from INDEX_SELECT and INDEX_ADD, which
# take or add whole slices, and MASKED_SELECT, whose o is a row of values.
GATHER: Final = Operation("GatherBackward0", _select, _key_gradient, saves=INDICES)
INDEX_SELECT: Final = Operation("IndexSelectBackward0", _select, _key_gradient, saves=INDICES)
MASKED_SELECT: Final = Operation("MaskedSelectBackward0", _select, _key_gradient, saves=INDICES)
SCATTER: Final = Operation("ScatterBackward0", _scatter_put,
    _put_rest,
    _source_gradient, saves=INDICES)
SCATTER_ADD: Final = Operation("ScatterAddBackward0", _scatter_sum,
    lambda g, _o, _x, _value, _key: g,
    _source_gradient, saves=INDICES)
INDEX_ADD: Final = Operation("IndexAddBackward0", _put_sum,
    lambda g, _o, _x, _value, _key: g,
    lambda g, _o, _x, _value, key: g[key], saves=INDICES)
# fmt: on


def largest(places: Array) -> int:
    """The largest of int64 numbers. One below 0 counts as larger than any index (as unsigned)."""
    seen = places.reshape(-1).view(np.uint64)
    return int(seen[seen.argmax()])  # much faster than max()
