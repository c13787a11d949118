"""The tape: the record of each operation and each view."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.operation import NOTHING, OUT, Operation
from npnet.tensors.tensor_class import CHANGES, MODE, Tensor, new, owner


class Node:
    """One recorded operation.

    Attributes:
        op: the operation.
        args: the arguments of its forward function.
        edges: for each derivative, the node or leaf from which its argument comes; None if this
            needs no gradient.
        tensors: the tensors at the beginning of ``args``, None for plain numbers and for copied
            values; empty if no derivative reads an argument.
        result: the tensor with the result, if a derivative reads it.
        stamp: the count of ``CHANGES`` when the operation was recorded.
        order: the number of the node; later nodes have higher numbers.
        freed: whether a backward pass without ``retain_graph`` went through it.
    """

    __slots__ = (
        *("__weakref__", "_a", "args", "edges", "freed", "op", "order", "result", "stamp"),
        *("tensors", "watchers"),
    )

    _a: Array  # the result
    op: Operation
    args: tuple[Any, ...]
    edges: list[Node | Tensor | None]
    tensors: Sequence[Tensor | None]
    result: weakref.ref[Tensor] | None
    stamp: int
    watchers: list[weakref.ref[Tensor]] | None
    order: int
    freed: bool

    def name(self) -> str:
        """The operation's name, as ``grad_fn.name()`` in torch."""
        name = self.op.name
        return name if name[-1].isdigit() or "_" in name else f"torch::autograd::{name}"

    @property
    def out(self) -> Array:
        """The values of the result."""
        return self._a

    @property
    def inputs(self) -> tuple[Node | Tensor, ...]:
        """The nodes and leaves from which the arguments come."""
        return tuple(edge for edge in self.edges if edge is not None)

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """As in torch: the nodes to which the gradients flow; None if one ends here."""
        return tuple((_Accumulate(e) if isinstance(e, Tensor) else e, 0) for e in self.edges)

    def touched(self) -> bool:
        """Whether a tensor that the derivatives may read has been changed in place since."""
        for tensor in self.tensors:
            if tensor is not None and owner(tensor)._changed > self.stamp:
                return True
        result = None if self.result is None else self.result()
        return result is not None and owner(result)._changed > self.stamp

    def saved(self) -> Iterator[Tensor | None]:
        """The tensors that the derivatives read; None for values that cannot change any more."""
        for made_by, reads in zip(self.edges, self.op.reads, strict=False):
            for place in reads if made_by is not None else ():
                if place == OUT:
                    yield None if self.result is None else self.result()
                elif place < 0:
                    yield None  # KEPT
                elif place < len(self.tensors):
                    yield self.tensors[place]

    def __repr__(self) -> str:
        return f"<{self.op.name} object at {id(self):#x}>"


class _Accumulate:
    """The entry of ``next_functions`` for a leaf."""

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


class Tape:
    """The nodes of the last backward pass, latest first, and the result at which it began."""

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
    """Record an operation. ``tensors``: those at the beginning of ``args``; None for numbers.

    ``result``: the new tensor for ``out``, if it exists already.
    """
    edges: list[Node | Tensor | None] = []
    for tensor in tensors:
        if tensor is None or not tensor._req:
            edges.append(None)
            continue
        if tensor._view is not None:
            edge(tensor)
        made_by = tensor._node
        edges.append(tensor if made_by is None else made_by)
    node = _new_node(Node)
    node.op, node.args, node._a, node.edges = op, args, out, edges
    node.tensors = tensors if op.reads_arguments else ()
    node.result = None if result is None or not op.reads_result else weakref.ref(result)
    node.watchers, node.freed, node.stamp = None, False, CHANGES.count
    node.order = next(_orders)  # after the nodes of views among its arguments, which can be new
    return node


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
    """Keep the tensor into which an operation has written: later changes matter to the node."""
    if node.op.reads_result:
        node.result = weakref.ref(owner(result))


def renamed(tensor: Tensor, name: str) -> Tensor:
    """The tensor, whose operation gets the name that torch gives to several operations together."""
    node = tensor._node
    if node is not None:
        node.op = node.op.renamed(name)
    return tensor


def run(op: Operation, args: tuple[Any, ...], tensors: Sequence[Tensor | None]) -> Tensor:
    """Compute an operation, and record it if a gradient is required."""
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
    """A view, which shares the tensor's memory: ``function(tensor's array, argument)``."""
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


# The operations for a part of a base (through any chain of views), and for a base of which a part
# was written.
VIEW: Final = Operation(
    "AsStridedBackward0", lambda base, view: seen(view, base), _view_gradient, saves=NOTHING
)
