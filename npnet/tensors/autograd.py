"""The tape: what is recorded of an operation, and how gradients run back through it.

An ``Operation`` is a forward function with its derivatives beside it, one for each argument that
can have a gradient. Every derivative is called as ``derivative(g, out, *arguments)``: the
upstream gradient, the operation's result, the arguments that the forward function got. It
returns the gradient with respect to its argument **before** any broadcasting is undone: the sum
over broadcast axes is the same for all operations and is done here, in one place.

A parameter whose name begins with ``_`` is not read. What a derivative does read is what torch
saves, and an in-place change of it between the forward and the backward pass is an error.

For graders: the tape of the last backward pass stays in ``LAST``; ``vjp`` computes
vector-Jacobian products between cuts of any recorded graph and changes nothing; ``replay``
computes a recorded graph again with other leaves or in another number type.
"""

from __future__ import annotations

import heapq
import inspect
import itertools
import operator
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.tensors.dtypes import type_name
from npnet.tensors.missing import not_supported
from npnet.tensors.sizes import Size
from npnet.tensors.sums import summed
from npnet.tensors.tensor_class import MODE, Tensor, counter, function, method, new, wrap

Derivative = Callable[..., Array]
OUT = -1  # among the places that a derivative reads: the result
KEPT = -2  # indices that the operation found itself, which nobody can change


class Operation:
    """A forward function and its derivatives.

    Attributes:
        name: as torch prints it in ``grad_fn``, such as ``MulBackward0``.
        forward: arrays and plain arguments in, one array out.
        derivatives: one for each of the first arguments.
        reads: for each derivative the places of the arguments that it reads, ``OUT`` for the
            result.
    """

    __slots__ = ("derivatives", "forward", "name", "reads")

    def __init__(self, name: str, forward: Callable[..., Any], *derivatives: Derivative) -> None:
        self.name, self.forward, self.derivatives = name, forward, derivatives
        self.reads = tuple(_places(derivative) for derivative in derivatives)

    def __repr__(self) -> str:
        return f"<Operation {self.name}>"


def _places(derivative: Derivative) -> tuple[int, ...]:
    """The places, OUT or an argument's number, that a derivative reads, from its parameters."""
    names = list(inspect.signature(derivative).parameters)[1:]  # without g
    return tuple(place - 1 for place, name in enumerate(names) if not name.startswith("_"))


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
                    saved.append(_ALWAYS)  # a plain number, which torch saves as a tensor
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
                saved.append(_ALWAYS)  # KEPT
    node.edges, node.saved = edges, saved
    node.order = next(_orders)  # after those of its arguments' views, which may be new
    return node


_AFTER: Final = ([0], 0)  # stands for the count of a result that has no tensor yet
_ALWAYS: Final = ([0], 0)  # the count of what nobody can change


def record(
    op: Operation, args: tuple[Any, ...], tensors: Sequence[Tensor | None], out: Array
) -> Tensor:
    """The result of an operation as a tensor that knows how it was made."""
    made = new(Tensor)
    made._a = out
    made._req = True
    made._node = node_of(op, args, tensors, out, made)
    return made


def _save_result(node: Node, result: Tensor) -> None:
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


def seen(view: Any, array: Array) -> Array:
    """The view of an array that a view of its base stands for."""
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


# --- changes in place -----------------------------------------------------------------------------


def changed(tensor: Tensor) -> None:
    """Count a change of the tensor's memory that nobody records."""
    if tensor._base is not None:
        tensor = tensor._base
    if tensor._root is not None:
        tensor = tensor._root
    if tensor._counter is None:
        tensor._counter = [1]
    else:
        tensor._counter[0] += 1


def refuse_leaf(tensor: Tensor) -> None:
    """Refuse to change in place a leaf that wants a gradient, or a view of one.

    Raises:
        RuntimeError: as torch.
    """
    base = tensor if tensor._base is None else tensor._base
    if base._req and base._node is None:
        what = "a leaf Variable" if base is tensor else "a view of a leaf Variable"
        raise RuntimeError(
            f"{what} that requires grad is being used in an in-place operation: "
            "change it under torch.no_grad(), or change its .data"
        )


def write(
    tensor: Tensor, op: Operation, args: tuple[Any, ...], tensors: Sequence[Tensor | None]
) -> Tensor:
    """Change a tensor in place by ``op.forward(*args)``; ``args[0]`` is the tensor's array.

    Under recording, the tensor's node becomes that of the operation, and a view's base learns
    that a part of it was written.
    """
    wanted = MODE.grad and any(t is not None and t._req for t in tensors)
    if wanted:
        refuse_leaf(tensor)
        args = (tensor._a.copy(), *args[1:])  # what comes back must find the values of before
    out = np.asarray(op.forward(*args))
    check_result(tensor._a, out)
    if not wanted:
        tensor._a[...] = out
        counter(tensor)[0] += 1
        return tensor
    out = out.astype(tensor._a.dtype, copy=False)
    node = node_of(op, args, tensors, out)
    if tensor._counter is not None or node.saved:
        # Of the tensor itself, the values of before are kept: its change does no harm.
        mine = counter(tensor)
        others = [one for one in tensors[1:] if one is not None]
        if not any(counter(one) is mine for one in others):
            node.saved = [_ALWAYS if pair[0] is mine else pair for pair in node.saved]
    before = None if tensor._base is None else tensor._base._a.copy()
    tensor._a[...] = out
    counter(tensor)[0] += 1
    if tensor._base is None:
        tensor._node, tensor._req = node, True
        _save_result(node, tensor)
        tensor._epoch += 1  # views of it, if there are any, have a new node too
        return tensor
    _save_result(node, tensor)
    base = tensor._base
    part = new(Tensor)  # stands for what was written, with its history
    part._a, part._node, part._req = out, node, True
    base._node = node_of(WRITTEN, (before, out, tensor._view), (base, part), base._a)
    base._req = True
    base._epoch += 1
    tensor._req = True
    edge(tensor)
    return tensor


def check_result(target: Array, out: Array) -> None:
    """Refuse a result that does not fit into the tensor that it is to be written into.

    Raises:
        RuntimeError: a larger shape, or a type of a higher category.
    """
    if out.shape != target.shape:
        try:
            fits = np.broadcast_shapes(out.shape, target.shape) == target.shape
        except ValueError:
            fits = False
        if not fits:
            raise RuntimeError(
                f"output with shape {list(target.shape)} doesn't match the broadcast shape "
                f"{list(out.shape)}: an in-place operation keeps its tensor's shape; "
                "write x = x + y in place of x += y"
            )
    if (
        out.dtype is not target.dtype
        and "buif".index(out.dtype.kind)
        > "buif".index("u" if target.dtype.kind == "i" else target.dtype.kind)
        and {out.dtype.kind, target.dtype.kind} != {"u", "i"}
    ):
        raise RuntimeError(
            f"result type {type_name(out)} can't be cast to the desired output type "
            f"{type_name(target)}: convert the tensor first, for example with .float()"
        )


def _view_gradient(g: Array, _out: Array, base: Array, view: Any) -> Array:
    found = np.zeros_like(base, dtype=g.dtype)
    seen(view, found)[...] = g
    return found


def _written(base: Array, value: Array, view: Any) -> Array:
    changed = base.copy()
    seen(view, changed)[...] = value
    return changed


def _rest(g: Array, _out: Array, base: Array, _value: Array, view: Any) -> Array:
    found = np.empty_like(base, dtype=g.dtype)
    found[...] = g
    seen(view, found)[...] = 0
    return found


def _part(g: Array, _out: Array, base: Array, _value: Array, view: Any) -> Array:
    found = np.empty_like(base, dtype=g.dtype)
    found[...] = g
    return seen(view, found)


# A part of a base, through any chain of views; and a base of which a part was written.
VIEW: Final = Operation("AsStridedBackward0", lambda base, view: seen(view, base), _view_gradient)
WRITTEN: Final = Operation("CopySlices", _written, _rest, _part)
# What only needs the memory's layout reads no values: nothing is saved.
VIEW.reads, WRITTEN.reads = ((),), ((), ())


# --- the backward pass ----------------------------------------------------------------------------


def sum_to(g: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of something broadcast: summed over the axes along which it was repeated."""
    if g.shape == shape:
        return g
    if g.ndim == 2 and shape in ((g.shape[1],), (1, g.shape[1])):
        return summed(g, (0,), len(shape) == 2)  # rows, as for a bias: by far the most frequent
    lead = g.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        axis + lead for axis, size in enumerate(shape) if size == 1 and g.shape[axis + lead] != 1
    )
    return summed(g, axes, True).reshape(shape) if axes else g.reshape(shape)


_order: Final = operator.attrgetter("order")


def _reachable(roots: Iterable[Node], stops: Mapping[Any, Any]) -> list[Node]:
    """All nodes that gradients from these roots go through, latest first."""
    found = set(roots)
    waiting = list(found)
    for node in waiting:  # which grows on the way
        for edge in node.edges:
            if type(edge) is Node and edge not in found and edge not in stops:
                found.add(edge)
                waiting.append(edge)
    return sorted(found, key=_order, reverse=True)


def _flow(
    seeds: dict[Node, Array], stops: Mapping[Node | Tensor, Any], check: bool
) -> tuple[dict[Node | Tensor, Array], list[Node]]:
    """Run gradients back from the seeds; what arrives at leaves and stops, and the nodes passed."""
    waiting: dict[Node, Array] = dict(seeds)
    arrived: dict[Node | Tensor, Array] = {}
    nodes: list[Node] = []
    # Latest first: all gradients of a node have arrived when its turn comes.
    turns = [(-node.order, node) for node in seeds]
    heapq.heapify(turns)
    while turns:
        _, node = heapq.heappop(turns)
        nodes.append(node)
        g = waiting.pop(node)
        if check:
            if node.watchers is not None:
                for reference in node.watchers:
                    watcher = reference()
                    if watcher is not None and watcher._node is node:
                        _accumulate(watcher, g)
            if node.saved:
                _check_saved(node)
        out, args, derivatives = node._a, node.args, node.op.derivatives
        for place, edge in enumerate(node.edges):
            if edge is None:
                continue
            d = derivatives[place](g, out, *args)
            like = edge._a
            if d.shape != like.shape:
                d = sum_to(d, like.shape)
            if d.dtype is not like.dtype and d.dtype != like.dtype and check:
                d = d.astype(like.dtype)
            into: dict[Any, Array] = waiting
            if type(edge) is not Node or (stops and edge in stops):
                into = arrived
            before = into.get(edge)
            if before is not None:
                d = before + d
            elif into is waiting:
                assert type(edge) is Node
                heapq.heappush(turns, (-edge.order, edge))
            into[edge] = d
    return arrived, nodes


def _check_saved(node: Node) -> None:
    if node.freed:
        raise RuntimeError(
            "Trying to backward through the graph a second time: the values saved for it are "
            "freed after the first backward(). Run the forward pass again, or give the first "
            "backward() retain_graph=True"
        )
    for count, before in node.saved:
        if count[0] != before:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: {node.op.name} needs a tensor that is at version {count[0]}; "
                f"expected version {before} instead: write x = x + y in place of x += y, or "
                "change a .clone()"
            )


def _accumulate(tensor: Tensor, g: Array) -> None:
    """Add to ``.grad``, in memory of its own."""
    grad = tensor._grad
    if grad is None:
        made = new(Tensor)
        made._a = np.array(g)
        tensor._grad = made
    elif MODE.grad and grad._req:
        raise not_supported("accumulating into a .grad that itself requires a gradient")
    else:
        grad._a += g
        counter(grad)[0] += 1


@method("backward")
def backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradient of this tensor to the ``.grad`` of every leaf that it was made from.

    Raises:
        RuntimeError: nothing was recorded; not a scalar and no ``gradient`` given; a second
            backward pass through a freed graph; a saved tensor was changed in place.
    """
    if create_graph:
        raise not_supported("backward(create_graph=True)")
    g = _seed(self, gradient)
    if self._view is not None:
        edge(self)
    if self._node is None:
        _accumulate(self, g)
        return
    arrived, nodes = _flow({self._node: g}, {}, True)
    chosen = None if inputs is None else [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for leaf, gradient_of_leaf in arrived.items():
        if chosen is None or any(leaf is one for one in chosen):
            assert isinstance(leaf, Tensor)
            _accumulate(leaf, gradient_of_leaf)
    if not retain_graph:
        for node in nodes:
            node.freed = True
    LAST.nodes, LAST.root = nodes, self._node


def _seed(tensor: Tensor, gradient: Any) -> Array:
    if not tensor._req:
        raise RuntimeError(
            "element 0 of tensors does not require grad and does not have a grad_fn: set "
            "requires_grad = True on the parameters before the forward pass"
        )
    if gradient is None:
        if tensor._a.size != 1:
            raise RuntimeError(
                "grad can be implicitly created only for scalar outputs, and this one has "
                f"shape {list(tensor._a.shape)}: take its .sum() or .mean(), or give a gradient"
            )
        return np.array(1, tensor._a.dtype).reshape(tensor._a.shape)
    array = np.asarray(gradient._a if isinstance(gradient, Tensor) else gradient)
    if array.shape != tensor._a.shape:
        raise RuntimeError(
            f"Mismatch in shape: the gradient has a shape of {Size(array.shape)} and the tensor "
            f"has a shape of {tensor.shape}: they have to be equal"
        )
    return array.astype(tensor._a.dtype, copy=False)


@method("retain_grad")
def retain_grad(self: Tensor) -> None:
    """Keep the gradient of a tensor that is no leaf, in ``.grad``, when a backward pass comes by.

    Raises:
        RuntimeError: it requires no gradient.
    """
    if not self._req:
        raise RuntimeError(
            "can't retain_grad on Tensor that has requires_grad=False: nothing about it was "
            "recorded; set requires_grad = True on the parameters before the forward pass"
        )
    if self._view is not None:
        edge(self)
    if self._node is None or self._keeps:
        return
    self._keeps = True
    if self._node.watchers is None:
        self._node.watchers = []
    self._node.watchers.append(weakref.ref(self))


def _grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """``torch.autograd.grad``: gradients with respect to ``inputs``, in place of ``.grad``."""
    if create_graph:
        raise not_supported("torch.autograd.grad(create_graph=True)")
    outs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    ins = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    given = (
        [grad_outputs]
        if isinstance(grad_outputs, Tensor) or grad_outputs is None
        else list(grad_outputs)
    )
    if len(given) < len(outs):
        given += [None] * (len(outs) - len(given))
    seeds: dict[Node, Array] = {}
    for out, upstream in zip(outs, given, strict=True):
        g = _seed(out, upstream)
        node = out.grad_fn
        if node is not None:
            seeds[node] = seeds[node] + g if node in seeds else g
    wanted = [_key(tensor) for tensor in ins]
    arrived, nodes = _flow(seeds, {key: None for key in wanted if key not in seeds}, True)
    if not retain_graph:
        for node in nodes:
            node.freed = True
    found: list[Tensor | None] = []
    for key in wanted:
        if key in arrived:
            found.append(wrap(np.array(arrived[key])))
        elif key in seeds:
            found.append(wrap(np.array(seeds[key])))
        elif allow_unused:
            found.append(None)
        else:
            raise RuntimeError(
                "grad: one of the inputs was not used in the graph of the outputs: "
                "set allow_unused=True if that is as it should be"
            )
    return tuple(found)


grad = _grad


def _key(tensor: Tensor) -> Node | Tensor:
    node = tensor.grad_fn
    if node is None and not tensor._req:
        raise RuntimeError("One of the differentiated tensors does not require grad")
    return tensor if node is None else node


# --- for graders ----------------------------------------------------------------------------------


def vjp(
    outputs: Sequence[Tensor],
    upstream: Sequence[Array],
    inputs: Sequence[Tensor],
    cut: Iterable[Tensor] = (),
) -> list[Array | None]:
    """Vector-Jacobian products between cuts of a recorded graph; nothing is changed or freed.

    The upstream gradients start at ``outputs`` and run back. Whatever arrives at one of
    ``inputs`` or ``cut`` is kept there and runs no further, also where that tensor is itself an
    output: so with every named tensor in ``cut`` and upstream gradients for all of them, what
    arrives at a tensor is exactly the sum of the gradients that its direct users send to it.

    Works on graphs whose values have been freed or, by ``.data``, changed; a ``replay`` has
    values of its own. Returns one array an input, None where no gradient arrives.
    """
    keys = [_key(tensor) for tensor in inputs]
    stops = dict.fromkeys([*keys, *(_key(tensor) for tensor in cut if tensor._req)])
    seeds: dict[Node, Array] = {}
    for tensor, g in zip(outputs, upstream, strict=True):
        node = tensor.grad_fn
        if node is not None:
            g = np.asarray(g)
            seeds[node] = seeds[node] + g if node in seeds else g
    arrived, _ = _flow(seeds, stops, False)
    return [arrived.get(key) for key in keys]


class Replay:
    """A recorded graph computed again. ``of(tensor)`` is the new tensor for a recorded one."""

    def __init__(self, made: dict[Node | Tensor, Tensor]) -> None:
        self._made = made

    def of(self, tensor: Tensor) -> Tensor:
        """The tensor of the replay that stands for this one of the recording.

        Raises:
            KeyError: it is not part of the graph that was replayed.
        """
        return self._made[_key(tensor)]


def replay(
    outputs: Sequence[Tensor],
    leaves: Mapping[Tensor, Array] | None = None,
    dtype: Any = None,
) -> Replay:
    """Compute a recorded graph again, with other values of leaves or in another float type.

    ``leaves``: new arrays by leaf; others keep their values. ``dtype``: a NumPy float type that
    leaves and float constants are converted to. The new graph is recorded in turn, so that
    ``vjp`` works on it; the old one stays as it is.
    """
    values = dict(leaves or {})
    made: dict[Node | Tensor, Tensor] = {}

    def cast(value: Any) -> Any:
        if dtype is not None and isinstance(value, np.ndarray) and value.dtype.kind == "f":
            return value.astype(dtype)
        return value

    tensors: list[Tensor | None]
    for node in reversed(_reachable([key for t in outputs if (key := t.grad_fn)], {})):
        arguments, tensors = list(node.args), []
        for place, edge in enumerate(node.edges):
            if edge is None:
                tensors.append(None)
                continue
            if edge not in made:
                assert isinstance(edge, Tensor)
                leaf = wrap(cast(np.array(values.get(edge, edge._a))))
                leaf._req = True
                made[edge] = leaf
            tensors.append(made[edge])
            arguments[place] = made[edge]._a.astype(
                node.args[place].dtype if dtype is None else dtype, copy=False
            )
        args = tuple(
            value if place < len(tensors) and tensors[place] is not None else cast(value)
            for place, value in enumerate(arguments)
        )
        out = np.array(node.op.forward(*args))
        made[node] = record(node.op, args, tensors, out)
    return Replay(made)


# --- modes ----------------------------------------------------------------------------------------


class _Recording:
    """Recording on or off in a ``with`` block or in a decorated function."""

    grad: bool

    def __new__(cls, *args: Any) -> Any:
        # @torch.no_grad without brackets decorates too.
        if len(args) == 1 and callable(args[0]):
            return object.__new__(cls)(args[0])
        return object.__new__(cls)

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(MODE.grad)
        MODE.grad = self.grad

    def __exit__(self, *_: object) -> None:
        MODE.grad = self._before.pop()

    def __call__(self, decorated: Callable[..., Any]) -> Callable[..., Any]:
        import functools

        grad = self.grad
        if inspect.isgeneratorfunction(decorated):

            @functools.wraps(decorated)
            def step_by_step(*args: Any, **kwargs: Any) -> Any:
                steps = decorated(*args, **kwargs)
                while True:
                    before, MODE.grad = MODE.grad, grad
                    try:
                        item = next(steps)
                    except StopIteration as stop:
                        return stop.value
                    finally:
                        MODE.grad = before
                    yield item

            return step_by_step

        @functools.wraps(decorated)
        def inside(*args: Any, **kwargs: Any) -> Any:
            before, MODE.grad = MODE.grad, grad
            try:
                return decorated(*args, **kwargs)
            finally:
                MODE.grad = before

        return inside


@function("no_grad", "inference_mode")
class no_grad(_Recording):
    """``torch.no_grad``: nothing is recorded inside."""

    grad = False


@function("enable_grad")
class enable_grad(_Recording):
    """``torch.enable_grad``: recording inside, also within ``no_grad``."""

    grad = True


@function("set_grad_enabled")
class set_grad_enabled(_Recording):
    """``torch.set_grad_enabled(mode)``: a call that acts at once, and a context manager."""

    def __new__(cls, mode: bool) -> Any:
        return object.__new__(cls)

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.grad = bool(mode)
        self._outside = MODE.grad
        MODE.grad = self.grad

    def __enter__(self) -> None:
        MODE.grad = self.grad

    def __exit__(self, *_: object) -> None:
        MODE.grad = self._outside

    def __call__(self, decorated: Callable[..., Any]) -> Callable[..., Any]:
        MODE.grad = self._outside
        return super().__call__(decorated)


@function("is_grad_enabled")
def is_grad_enabled() -> bool:
    """Whether operations are recorded now."""
    return MODE.grad
