"""``x[key]`` and ``x[key] = value`` by torch's rules.

Numbers, slices, ``...`` and ``None`` give views. Tensors, lists, ranges and masks give copies. A
tensor of one integer without axes counts as a number. Keys are converted into keys for NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.elementwise import COPY
from npnet.derivatives.indexing import (
    ALIAS,
    INDEX,
    PUT,
    SELECT,
    SET,
    SLICE,
    UNBIND,
    UNSQUEEZE,
    _select,
)
from npnet.derivatives.operation import Operation
from npnet.tensors.dtypes_and_sizes import FLOATS, I64
from npnet.tensors.in_place import write
from npnet.tensors.interface import NUMBERS, method, plain
from npnet.tensors.tape import record, view_of
from npnet.tensors.tensor_class import MODE, Tensor, changed, new

INT: Final = int


def key_part(value: Any) -> Any:
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


def parted(key: Any, ndim: int) -> tuple[tuple[Any, ...] | None, Any]:
    """(basic key or None, advanced key or None), to apply one after the other."""
    if isinstance(key, tuple) or (
        isinstance(key, list) and any(isinstance(part, (slice, type(None))) for part in key)
    ):
        parts = [key_part(part) for part in key]
    else:
        parts = [key_part(key)]
    arrays = [isinstance(part, np.ndarray) for part in parts]
    if not any(arrays):
        return (*parts, ...) if Ellipsis not in parts else tuple(parts), None
    if len(parts) == 1:
        return None, parts[0]
    if all(arrays):
        return None, tuple(parts)
    # Numbers, slices and None first; the axes of the arrays do not change.
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
        # The node of a view is like that of any other operation.
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
    # Loops over rows and entries use numbers. For these, the view is made here, without other
    # calls.
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
    basic, advanced = parted(key, self._a.ndim)
    found = self
    if basic is not None:
        found = _viewed(self, basic, _name(basic))
    return found if advanced is None else _gathered(found, advanced)


def _pair(tensor: Tensor, key: tuple[Any, Any]) -> tuple[Array, Array] | None:
    """The flat indices of ``x[range(n), Y]`` for floats that are not recorded; else None.

    ``dlogits[range(n), Y] -= 1`` reads and writes in this way, which saves 5 µs of a step.
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
        return _numbers(rows), columns._a
    return None


@lru_cache(16)
def _numbers(rows: range) -> Array:
    found = np.arange(rows.start, rows.stop, rows.step)
    found.flags.writeable = False
    return found


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
        basic, advanced = parted(key, self._a.ndim)
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
            changed(self)
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
