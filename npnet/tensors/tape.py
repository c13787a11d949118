"""The tape: the record of each operation and each view."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.operation import NOTHING, OUT, Operation
from npnet.tensors.tensor_class import MODE, Tensor, counter, new


class Node:
    """One recorded operation.

    Attributes:
        op: the operation.
        args: what its forward function got.
        edges: for each derivative the node or leaf that its argument came from, None for one that
            needs no gradient.
        saved: (change count, value when recorded) of all tensors that the derivatives read.
        order: later nodes have higher numbers.
        freed: a backward pass went through it without ``retain_graph``.
    """

    __slots__ = ("__weakref__", "_a", "args", "edges", "freed", "op", "order", "saved", "watchers")

    _a: Array  # the result
    op: Operation
    args: tuple[Any, ...]
    edges: list[Node | Tensor | None]
    saved: list[tuple[list[int], int]]
    watchers: list[weakref.ref[Tensor]] | None
    order: int
    freed: bool

    def name(self) -> str:
        """The operation's name, as torch's ``grad_fn.name()``."""
        name = self.op.name
        return name if name[-1].isdigit() or "_" in name else f"torch::autograd::{name}"

    @property
    def out(self) -> Array:
        """The result's values."""
        return self._a

    @property
    def inputs(self) -> tuple[Node | Tensor, ...]:
        """Where the arguments came from: nodes, and leaves."""
        return tuple(edge for edge in self.edges if edge is not None)

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """As torch's: the nodes that the gradients go to; None where one ends."""
        return tuple((_Accumulate(e) if isinstance(e, Tensor) else e, 0) for e in self.edges)

    def __repr__(self) -> str:
        return f"<{self.op.name} object at {id(self):#x}>"


class _Accumulate:
    """What ``next_functions`` shows for a leaf."""

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


class Tape:
    """The nodes of the last backward pass, latest first, and the result that it began from."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.root: Node | None = None


LAST: Final = Tape()
_orders: Final = itertools.count()
_new_node: Final[Callable[[type[Node]], Node]] = object.__new__


# --- recording ------------------------------------------------------------------------------------


def node_of(
    op: Operation,
    args: tuple[Any, ...],
    tensors: Sequence[Tensor | None],
    out: Array,
    result: Tensor | None = None,
) -> Node:
    """Record an operation. ``tensors``: those that ``args`` begin with, None for plain numbers.

    ``result``: the new tensor that ``out`` is for, if there is one already.
    """
    node = _new_node(Node)
    node.op, node.args, node._a = op, args, out
    node.watchers, node.freed = None, False
    edges: list[Node | Tensor | None] = []
    saved: list[tuple[list[int], int]] = []
    for tensor, reads in zip(tensors, op.reads, strict=False):
        if tensor is None or not tensor._req:
            edges.append(None)
            continue
        if tensor._view is not None:
            edge(tensor)
        edges.append(tensor if tensor._node is None else tensor._node)
        for place in reads:
            if place >= 0:
                if place >= len(tensors):
                    continue
                read = tensors[place]
                if read is None:
                    saved.append(ALWAYS)  # a plain number, which torch saves as a tensor
                    continue
                count = read._counter
                if count is None or read._base is not None or read._root is not None:
                    count = counter(read)
                saved.append((count, count[0]))
            elif place == OUT:
                if result is None:
                    saved.append(_AFTER)
                else:
                    result._counter = count = result._counter or [0]
                    saved.append((count, 0))
            else:
                saved.append(ALWAYS)  # KEPT
    node.edges, node.saved = edges, saved
    node.order = next(_orders)  # after those of its arguments' views, which may be new
    return node


_AFTER: Final = ([0], 0)  # stands for the count of a result that has no tensor yet
ALWAYS: Final = ([0], 0)  # the count of what cannot change


def record(
    op: Operation, args: tuple[Any, ...], tensors: Sequence[Tensor | None], out: Array
) -> Tensor:
    """The result of an operation as a tensor that knows how it was made."""
    made = new(Tensor)
    made._a = out
    made._req = True
    made._node = node_of(op, args, tensors, out, made)
    return made


def save_result(node: Node, result: Tensor) -> None:
    saved = node.saved
    for place, pair in enumerate(saved):
        if pair is _AFTER:
            count = counter(result)
            saved[place] = (count, count[0])


def renamed(tensor: Tensor, name: str) -> Tensor:
    """The tensor, its operation under the name that torch gives the whole of several."""
    node = tensor._node
    if node is not None:
        op = Operation(name, node.op.forward)
        op.derivatives, op.reads = node.op.derivatives, node.op.reads
        node.op = op
    return tensor


def run(op: Operation, args: tuple[Any, ...], tensors: Sequence[Tensor | None]) -> Tensor:
    """Compute, and record if a gradient is wanted."""
    out = op.forward(*args)
    if type(out) is not np.ndarray:
        out = np.asarray(out)
    if MODE.grad and out.dtype.kind == "f":
        for tensor in tensors:
            if tensor is not None and tensor._req:
                return record(op, args, tensors, out)
    made = new(Tensor)
    made._a = out
    return made


def run_one(op: Operation, args: tuple[Any, ...], tensor: Tensor) -> Tensor:
    """``run`` for an operation of one tensor, with fewer checks."""
    out = op.forward(*args)
    if type(out) is not np.ndarray:
        out = np.asarray(out)
    if tensor._req and MODE.grad and out.dtype.kind == "f":
        return record(op, args, (tensor,), out)
    made = new(Tensor)
    made._a = out
    return made


def seen(view: Any, array: Array) -> Array:
    """The part of an array that belongs to a view: ``view`` is a tensor's ``_view``."""
    earlier, function, argument = view
    if earlier is not None:
        array = seen(earlier, array)
    return np.asarray(function(array, argument))


def view_of(tensor: Tensor, array: Array, function: Any, argument: Any) -> Tensor:
    """A tensor whose memory is the tensor's: ``function(tensor's array, argument)``."""
    made = new(Tensor)
    made._a = array
    base = tensor._base
    if base is None:
        made._base = base = tensor
        made._view = (None, function, argument)
    else:
        made._base = base
        made._view = (tensor._view, function, argument)
    made._epoch = base._epoch
    return made


def edge(view: Tensor) -> None:
    """Bring a view's node up to date: its base may have been changed through another view."""
    base = view._base
    if base is not None and base._req and view._epoch != base._epoch:
        view._node = node_of(VIEW, (base._a, view._view), (base,), view._a)
        view._epoch = base._epoch


def _view_gradient(g: Array, _out: Array, base: Array, view: Any) -> Array:
    found = np.zeros_like(base, dtype=g.dtype)
    seen(view, found)[...] = g
    return found


# A part of a base, through any chain of views; and a base of which a part was written.
VIEW: Final = Operation(
    "AsStridedBackward0", lambda base, view: seen(view, base), _view_gradient, saves=NOTHING
)
