"""Taking, writing and adding values by index: ``gather``, ``scatter``, ``index_add`` and others."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.indexing import (
    GATHER,
    INDEX_ADD,
    INDEX_SELECT,
    MASKED_SELECT,
    PUT,
    PUT_SUM,
    SCATTER,
    SCATTER_ADD,
    largest,
    scatter_add,
)
from npnet.derivatives.operation import Operation
from npnet.tensors.dtypes_and_sizes import I64
from npnet.tensors.in_place import write
from npnet.tensors.indexing import key_part
from npnet.tensors.interface import axis_of, both, method, plain
from npnet.tensors.missing import not_supported
from npnet.tensors.tape import renamed, run
from npnet.tensors.tensor_class import MODE, Tensor, changed, wrap


def _along(shape: tuple[int, ...], index: Array, axis: int) -> tuple[Array, ...]:
    """The full key for an index along one axis, as in ``gather`` and ``scatter``."""
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
    """The values at which the mask is True, as a vector."""
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
    try:
        array = _checked_range(name, x, axis, index)
    except IndexError as why:
        raise (why if x.ndim < 2 else RuntimeError(str(why))) from None
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
    wanted = (*x.shape[:axis], array.size, *x.shape[axis + 1 :]) if x.ndim else ()
    if source._a.shape != wanted:
        raise RuntimeError(
            f"{name}(): source has shape {list(source._a.shape)}, wanted {list(wanted)}, one "
            "slice for each index"
        )
    if alpha != 1:
        source = source * alpha
    key: Any = array
    if axis or not x.ndim:
        key = (slice(None),) * axis + (array,) if x.ndim else ()
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
    ):  # the usual case in training loops, without other checks
        scatter_add(x, rows, source._a)
        changed(self)
        return self
    args, tensors = _index_add("index_add_", self, dim, index, source, alpha)
    if MODE.grad and (self._req or tensors[1]._req):
        return write(self, INDEX_ADD, args, tensors)
    scatter_add(args[0], args[2], args[1])
    changed(self)
    return self


@method("index_copy_")
def index_copy_(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Write slices along an axis by number."""
    key = (slice(None),) * axis_of(dim, self._a.ndim) + (index._a.copy(),)
    return renamed(
        write(self, PUT, (self._a, source._a, key), (self, source)), "IndexCopyBackward0"
    )


@method("index_fill_")
def index_fill_(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Fill slices with a number."""
    key = (slice(None),) * axis_of(dim, self._a.ndim) + (index._a.copy(),)
    return renamed(
        write(self, PUT, (self._a, plain(value), key), (self, None)), "IndexFillBackward0"
    )


@method("index_put_")
def index_put_(self: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """``x[indices] = values``; with ``accumulate``, the values are added, also at repeats."""
    key = tuple(key_part(one) for one in indices)
    if accumulate:
        return write(self, PUT_SUM, (self._a, values._a, key), (self, values))
    return write(self, PUT, (self._a, values._a, key), (self, values))


@both("nonzero")
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of values that are not 0, one in each row."""
    places = np.nonzero(input._a) if input._a.ndim else ()
    if as_tuple:
        return tuple(wrap(place) for place in places)
    return wrap(np.argwhere(input._a))


@both("argwhere")
def argwhere(input: Tensor) -> Tensor:
    """``nonzero``."""
    return nonzero(input)
