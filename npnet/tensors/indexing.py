"""``x[key]`` and ``x[key] = value`` by torch's rules, and gathers and scatters.

Numbers, slices, ``...`` and ``None`` give views. Tensors, lists, ranges and masks give copies. A
tensor of one integer without axes counts as a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.tensors.arithmetic import NUMBERS, plain
from npnet.tensors.autograd import (
    KEPT,
    Operation,
    changed,
    record,
    renamed,
    run,
    view_of,
    write,
)
from npnet.tensors.dtypes import FLOATS, I64
from npnet.tensors.elementwise import COPY
from npnet.tensors.missing import not_supported
from npnet.tensors.reductions import axis_of
from npnet.tensors.tensor_class import MODE, Tensor, both, counter, method, new, wrap

INT: Final = int


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


def _whole(value: Any) -> Any:
    """One part of a key for NumPy; ``_Advanced`` parts come as arrays."""
    if type(value) is Tensor:
        array = value._a
        if array.dtype.kind in "iu" and array.dtype != np.uint8:
            return INT(array) if not array.ndim else array.copy()
        if array.dtype.kind == "b" or array.dtype == np.uint8:
            return array.astype(bool)
        raise IndexError(
            f"tensors used as indices must be long, int, byte or bool tensors, got {value.dtype}: "
            "convert with .long()"
        )
    if isinstance(value, slice):
        bounds = [
            None if bound is None else _bound(bound)
            for bound in (value.start, value.stop, value.step)
        ]
        if bounds[2] is not None and bounds[2] <= 0:
            raise ValueError(
                "step must be greater than zero: use .flip(dim) to turn an axis around"
            )
        return slice(*bounds)
    if value is None or value is Ellipsis:
        return value
    if isinstance(value, range):
        return np.arange(value.start, value.stop, value.step)
    if isinstance(value, (bool, np.bool_)):
        return np.asarray(value)
    if isinstance(value, (list, tuple)):
        array = np.asarray(
            [one.tolist() if isinstance(one, Tensor) else _listed(one) for one in value]
        )
        if not array.size:
            return array.astype(I64)
        if array.dtype.kind not in "iub":
            raise IndexError(f"index {value!r}: wanted whole numbers or bools")
        return array
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "iub":
            raise IndexError("arrays used as indices must hold integers or bools")
        return value if value.ndim else value.item()
    if hasattr(value, "__index__"):
        return value.__index__()
    if isinstance(value, str):
        raise TypeError(f"an index is the string {value!r}, wanted a number, a slice or a tensor")
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
        f"indices (got {type(value).__name__})"
    )


def _listed(value: Any) -> Any:
    if isinstance(value, range):
        return list(value)
    if isinstance(value, list):
        return [_listed(one) for one in value]
    return value


def _bound(value: Any) -> int:
    if hasattr(value, "__index__"):
        return value.__index__()
    raise TypeError(
        f"slice indices must be integers or None or have an __index__ method, got {value!r}"
    )


def _parted(key: Any, ndim: int) -> tuple[tuple[Any, ...] | None, Any]:
    """(basic key or None, advanced key or None), to be applied one after the other."""
    if isinstance(key, tuple) or (
        isinstance(key, list) and any(isinstance(part, (slice, type(None))) for part in key)
    ):
        parts = [_whole(part) for part in key]
    else:
        parts = [_whole(key)]
    arrays = [isinstance(part, np.ndarray) for part in parts]
    if not any(arrays):
        return (*parts, ...) if Ellipsis not in parts else tuple(parts), None
    if len(parts) == 1:
        return None, parts[0]
    if all(arrays):
        return None, tuple(parts)
    # Numbers, slices and None first: with the arrays' axes left as they are.
    taken = sum(
        part.ndim if array and part.dtype.kind == "b" else 1
        for part, array in zip(parts, arrays, strict=True)
        if part is not None and part is not Ellipsis
    )
    if taken > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    basic: list[Any] = []
    advanced: list[Any] = []
    for part, array in zip(parts, arrays, strict=True):
        if array:
            width = part.ndim if part.dtype.kind == "b" else 1
            basic += [slice(None)] * width
            advanced.append(part)
        elif part is Ellipsis:
            basic += [slice(None)] * (ndim - taken)
            advanced += [slice(None)] * (ndim - taken)
        else:
            basic.append(part)
            if part is None or isinstance(part, slice):
                advanced.append(slice(None))
    trivial = all(isinstance(part, slice) and part == slice(None) for part in basic)
    return None if trivial else tuple(basic), tuple(advanced)


def _index_error(x: Array, why: Exception) -> Exception:
    if not x.ndim:
        return IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim tensor to a "
            "number"
        )
    return IndexError(str(why).replace("axis", "dimension").replace("array", "tensor"))


def _viewed(tensor: Tensor, key: Any, op: Operation) -> Tensor:
    x = tensor._a
    try:
        out = x[key]
    except IndexError as why:
        raise _index_error(x, why) from None
    made = view_of(tensor, out, _select, key)
    if tensor._req and MODE.grad:
        made._req = True
        # The view's node: as any other operation's.
        noted = record(op, (x, key), (tensor,), out)
        made._node = noted._node
    return made


def _name(key: Any) -> Operation:
    last: Operation = ALIAS
    for part in key if isinstance(key, tuple) else (key,):
        if part is None:
            last = UNSQUEEZE
        elif isinstance(part, slice):
            if part != slice(None) or last is ALIAS:
                last = SLICE
        elif part is not Ellipsis:
            last = SELECT
    return last


@method("__iter__")
def iterate(self: Tensor) -> Iterator[Tensor]:
    """The slices of the first axis."""
    if not self._a.ndim:
        raise TypeError("iteration over a 0-d tensor: use .item() for its number")
    return iter([_viewed(self, (place, ...), UNBIND) for place in range(len(self._a))])


@method("__getitem__")
def getitem(self: Tensor, key: Any) -> Tensor:
    """``x[key]``."""
    # What loops over rows and entries use: numbers. The view is made here, with no further call.
    kind = type(key)
    full: tuple[Any, ...] | None = None
    if kind is tuple:
        if len(key) == 2:
            if type(key[0]) is int and type(key[1]) is int:
                full = (key[0], key[1], ...)
            elif (pair := _pair(self, key)) is not None:
                return _gathered(self, pair)
    elif kind is int:
        full = (key, ...)
    elif kind is Tensor:
        index = key._a
        if index.dtype is I64:
            if index.ndim:
                return _gathered(self, index)
            full = (index.item(), ...)
    if full is not None:
        if self._req and MODE.grad:
            return _viewed(self, full, SELECT)
        made = new(Tensor)
        try:
            made._a = self._a[full]
        except IndexError as why:
            raise _index_error(self._a, why) from None
        base = self._base
        if base is None:
            made._base = base = self
            made._view = (None, _select, full)
        else:
            made._base = base
            made._view = (self._view, _select, full)
        if base._epoch:
            made._epoch = base._epoch
        return made
    basic, advanced = _parted(key, self._a.ndim)
    found = self
    if basic is not None:
        found = _viewed(self, basic, _name(basic))
    return found if advanced is None else _gathered(found, advanced)


def _pair(tensor: Tensor, key: tuple[Any, Any]) -> tuple[Array, Array] | None:
    """The places of ``x[range(n), Y]``, of floats and with nothing recorded; else None.

    ``dlogits[range(n), Y] -= 1`` reads and writes so: 5 µs of a step.
    """
    rows, columns = key
    if (
        type(rows) is range
        and type(columns) is Tensor
        and columns._a.dtype is I64
        and columns._a.ndim
        and tensor._a.dtype in FLOATS
        and not (MODE.grad and tensor._req)
    ):
        return np.arange(rows.start, rows.stop, rows.step), columns._a
    return None


def _gathered(tensor: Tensor, key: Any) -> Tensor:
    x = tensor._a
    try:
        if not x.ndim and (type(key) is not np.ndarray or key.dtype.kind != "b" or key.ndim):
            raise IndexError("too many indices for tensor of dimension 0")
        out = x.take(key, 0) if type(key) is np.ndarray and key.dtype.kind != "b" else x[key]
    except IndexError as why:
        raise IndexError(str(why).replace("axis", "dimension").replace("array", "tensor")) from None
    if MODE.grad and tensor._req:
        if type(key) is np.ndarray:
            key = key.copy()
        return record(INDEX, (x, key), (tensor,), out)
    made = new(Tensor)
    made._a = out
    return made


@method("__setitem__")
def setitem(self: Tensor, key: Any, value: Any) -> None:
    """``x[key] = value``."""
    kind = type(key)
    if (
        kind is Tensor
        and type(value) is Tensor
        and key._a.dtype is I64
        and not key._a.ndim
        and not (MODE.grad and (self._req or value._req))
    ):
        try:
            self._a[key._a.item()] = value._a
        except IndexError as why:
            raise _index_error(self._a, why) from None
        except ValueError as why:
            raise _no_room(value._a, why) from None
        changed(self)
        return
    advanced: Any = None
    basic: Any = None
    if kind is tuple and len(key) == 2 and (pair := _pair(self, key)) is not None:
        advanced = pair
    elif kind is int:
        basic = key
    elif kind is Tensor and key._a.ndim == 0 and key._a.dtype.kind == "i":
        basic = INT(key._a)
    else:
        basic, advanced = _parted(key, self._a.ndim)
    second: Tensor | None = None
    if type(value) is Tensor:
        second, filler = value, value._a
    elif isinstance(value, NUMBERS):
        filler = plain(value)
    elif isinstance(value, (list, tuple, np.ndarray)):
        raise TypeError(
            f"can't assign a {type(value).__name__} to a torch tensor: make it a tensor first, "
            "with torch.tensor(…)"
        )
    else:
        raise TypeError(f"can't assign a {type(value).__name__} to a torch.FloatTensor")
    x = self._a
    try:
        if not MODE.grad or not (self._req or (second is not None and second._req)):
            if advanced is None:
                x[basic] = filler
            else:
                target = x if basic is None else x[basic]
                if not x.ndim and not isinstance(advanced, tuple) and advanced.dtype.kind != "b":
                    raise IndexError("too many indices for tensor of dimension 0")
                target[advanced] = _fitting(x, filler)
            counter(self)[0] += 1
            return
        if advanced is None:
            if second is not None and np.shape(x[basic]) == x.shape and x[basic].base is not None:
                filler = np.broadcast_to(filler, x.shape)
                write(self, COPY, (x, filler), (self, second))
                return
            write(self, SET, (x, filler, basic), (self, second))
        elif basic is None and x.ndim == 0:
            write(self, SET, (x, filler, advanced), (self, second))
        elif basic is None:
            write(self, PUT, (x, filler, advanced), (self, second))
        else:
            part = getitem(self, basic)
            write(part, PUT, (part._a, filler, advanced), (part, second))
    except IndexError as why:
        raise _index_error(x, why) from None
    except ValueError as why:
        raise _no_room(filler, why) from None


def _no_room(value: Any, why: ValueError) -> Exception:
    return RuntimeError(
        f"shape mismatch: value tensor of shape {list(np.shape(value))} cannot be broadcast "
        f"to the indexing result: {why}"
    )


def _fitting(x: Array, value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype != x.dtype and value.ndim:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {x.dtype} for the "
            f"destination and {value.dtype} for the source: convert the value with .to(x.dtype)"
        )
    return value


# --- gathers and scatters -------------------------------------------------------------------------


def _along(shape: tuple[int, ...], index: Array, axis: int) -> tuple[Array, ...]:
    """The full key that ``gather`` and ``scatter`` mean by an index along one axis."""
    grid = list(np.ogrid[tuple(slice(size) for size in index.shape)])
    grid[axis] = index
    return tuple(grid)


def _checked_index(name: str, x: Array, axis: int, index: Tensor) -> Array:
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): index has to be a Tensor, got {type(index).__name__}")
    array = index._a
    if array.dtype != I64:
        raise RuntimeError(f"{name}(): Expected dtype int64 for index: convert it with .long()")
    size = x.shape[axis] if x.ndim else 1
    if array.size and max(array.ndim, 1) != max(x.ndim, 1):
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as input tensor: {name} got "
            f"{array.ndim} and {x.ndim}: use .view(-1, 1) or .unsqueeze(…) on the index"
        )
    for place in range(min(array.ndim, x.ndim)):
        if place != axis and array.shape[place] > x.shape[place]:
            raise RuntimeError(
                f"Size does not match at dimension {place}: {name} got an index of "
                f"{list(array.shape)} for a tensor of {list(x.shape)}, apart from dimension {axis}"
            )
    if array.size and (array.min() < 0 or array.max() >= size):
        wrong = int(array.min() if array.min() < 0 else array.max())
        raise RuntimeError(f"index {wrong} is out of bounds for dimension {axis} with size {size}")
    return array.copy()


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


@both("gather")
def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Values along an axis by number."""
    x = input._a
    axis = axis_of(dim, x.ndim)
    array = _checked_index("gather", x, axis, index)
    if not x.ndim:
        return renamed(input.reshape(array.shape).clone(), "GatherBackward0")
    if not array.size:
        return renamed(input.reshape(-1)[:0].reshape(array.shape), "GatherBackward0")
    return run(GATHER, (x, _along(x.shape, array, axis)), (input,))


@both("take_along_dim")
def take_along_dim(input: Tensor, indices: Tensor, dim: int) -> Tensor:
    """``gather`` with broadcasting."""
    axis = axis_of(dim, input._a.ndim)
    shape = list(
        np.broadcast_shapes(
            tuple(1 if place == axis else size for place, size in enumerate(input._a.shape)),
            tuple(1 if place == axis else size for place, size in enumerate(indices._a.shape)),
        )
    )
    shape[axis] = indices._a.shape[axis]
    return gather(input, dim, wrap(np.broadcast_to(indices._a, shape)))


@both("index_select")
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Whole slices along an axis by number."""
    x = input._a
    axis = axis_of(dim, x.ndim)
    if not x.ndim:
        raise RuntimeError("index_select(): a tensor without axes has one value: use .item()")
    try:
        array = _checked_range("index_select", x, axis, index)
    except IndexError as why:
        raise (why if axis == 0 and x.ndim == 1 else RuntimeError(str(why))) from None
    return run(INDEX_SELECT, (x, (slice(None),) * axis + (array.reshape(-1),)), (input,))


def largest(places: Array) -> int:
    """The largest of int64 numbers; one below 0, seen as unsigned, is larger than any place."""
    seen = places.reshape(-1).view(np.uint64)
    return int(seen[seen.argmax()])  # much faster than max()


def _checked_range(name: str, x: Array, axis: int, index: Tensor) -> Array:
    array = index._a
    if array.dtype.kind not in "iu":
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")
    array = array.copy() if array.dtype == I64 else array.astype(I64)
    size = x.shape[axis] if x.ndim else 1
    if array.size and largest(array) >= size:
        raise IndexError(f"{name}(): index out of range for dimension {axis} of size {size}")
    return array


@both("masked_select")
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The values where the mask is True, in a row."""
    x, key = np.broadcast_arrays(input._a, mask._a)
    if x.shape != input._a.shape:
        input = input.expand(x.shape)
    return run(MASKED_SELECT, (input._a, key.copy()), (input,))


def _scatter(
    name: str, input: Tensor, dim: int, index: Tensor, src: Any, adds: bool
) -> tuple[Operation, tuple[Any, ...], tuple[Tensor | None, ...]]:
    x = input._a
    axis = axis_of(dim, x.ndim)
    array = _checked_index(name, x, axis, index)
    value = src._a if isinstance(src, Tensor) else plain(src)
    if isinstance(src, Tensor) and value.dtype != x.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if isinstance(src, Tensor) and any(
        one > other for one, other in zip(array.shape, value.shape, strict=False)
    ):
        raise RuntimeError(
            f"{name}(): Expected index {list(array.shape)} to be no larger than src "
            f"{list(value.shape)}"
        )
    key = _along(x.shape, array, axis) if x.ndim else (...,)
    op = SCATTER_ADD if adds else SCATTER
    return op, (x, value, key), (input, src if isinstance(src, Tensor) else None)


@both("scatter")
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Tensor:
    """A copy with values put along an axis by number."""
    if reduce not in (None, "add"):
        raise not_supported(f"scatter(reduce={reduce!r})")
    src = value if src is None else src
    made = run(*_scatter("scatter", input, dim, index, src, reduce == "add"))
    return made if isinstance(src, Tensor) else renamed(made, "ScatterBackward1")


@method("scatter_")
def scatter_(
    self: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Tensor:
    """``scatter`` in place."""
    if reduce not in (None, "add"):
        raise not_supported(f"scatter_(reduce={reduce!r})")
    src = value if src is None else src
    made = write(self, *_scatter("scatter_", self, dim, index, src, reduce == "add"))
    return made if isinstance(src, Tensor) else renamed(made, "ScatterBackward1")


@both("scatter_add")
def scatter_add_of(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy with values added along an axis by number; repeated numbers add up."""
    return run(*_scatter("scatter_add", input, dim, index, src, True))


@method("scatter_add_")
def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """``scatter_add`` in place."""
    return write(self, *_scatter("scatter_add_", self, dim, index, src, True))


def _index_add(
    name: str, input: Tensor, dim: int, index: Tensor, source: Tensor, alpha: Any
) -> tuple[tuple[Any, ...], tuple[Tensor, Tensor]]:
    x = input._a
    axis = axis_of(dim, x.ndim)
    array = _checked_range(name, x, axis, index)
    if not x.ndim and array.ndim and array.size != 1:
        raise IndexError(f"{name}(): a tensor without axes takes one index")
    if array.ndim > 1:
        raise IndexError(
            f"{name}(): Index is supposed to be a vector, but got dim: {array.ndim} with shape "
            f"{list(array.shape)}: use index.view(-1)"
        )
    if source._a.dtype != x.dtype:
        raise RuntimeError(
            f"{name}(): self ({input.dtype}) and source ({source.dtype}) must have the same "
            "scalar type"
        )
    wanted = (*x.shape[:axis], array.size, *x.shape[axis + 1 :])
    if source._a.shape != wanted:
        raise RuntimeError(
            f"{name}(): source has shape {list(source._a.shape)}, wanted {list(wanted)}, one "
            "slice for each index"
        )
    if alpha != 1:
        source = source * alpha
    key = array if axis == 0 and x.ndim else (slice(None),) * axis + (array,)
    return (x, source._a, key), (input, source)


@both("index_add")
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """A copy with slices added along an axis by number; repeated numbers add up."""
    return run(INDEX_ADD, *_index_add("index_add", input, dim, index, source, alpha))


@method("index_add_")
def index_add_(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """``index_add`` in place."""
    x, rows = self._a, index._a
    if (
        type(dim) is int
        and dim == 0
        and alpha == 1
        and rows.dtype is I64
        and rows.ndim == 1
        and rows.size
        and x.ndim
        and x.dtype is source._a.dtype
        and x.flags.c_contiguous
        and source._a.shape == rows.shape + x.shape[1:]
        and not (MODE.grad and (self._req or source._req))
        and largest(rows) < len(x)
    ):  # what training loops do, with no further checks
        scatter_add(x, rows, source._a)
        changed(self)
        return self
    args, tensors = _index_add("index_add_", self, dim, index, source, alpha)
    if MODE.grad and (self._req or tensors[1]._req):
        return write(self, INDEX_ADD, args, tensors)
    scatter_add(args[0], args[2], args[1])
    counter(self)[0] += 1
    return self


@method("index_copy_")
def index_copy_(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Slices put along an axis by number."""
    key = (slice(None),) * axis_of(dim, self._a.ndim) + (index._a.copy(),)
    return renamed(
        write(self, PUT, (self._a, source._a, key), (self, source)), "IndexCopyBackward0"
    )


@method("index_fill_")
def index_fill_(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Slices filled with a number."""
    key = (slice(None),) * axis_of(dim, self._a.ndim) + (index._a.copy(),)
    return renamed(
        write(self, PUT, (self._a, plain(value), key), (self, None)), "IndexFillBackward0"
    )


@method("index_put_")
def index_put_(self: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """``x[indices] = values``, or with ``accumulate`` a sum that counts repeats."""
    key = tuple(_whole(one) for one in indices)
    if accumulate:
        return write(self, PUT_SUM, (self._a, values._a, key), (self, values))
    return write(self, PUT, (self._a, values._a, key), (self, values))


@both("nonzero")
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The places of values that are not 0, one a row."""
    places = np.nonzero(input._a) if input._a.ndim else ()
    if as_tuple:
        return tuple(wrap(place) for place in places)
    return wrap(np.argwhere(input._a))


@both("argwhere")
def argwhere(input: Tensor) -> Tensor:
    """``nonzero``."""
    return nonzero(input)
