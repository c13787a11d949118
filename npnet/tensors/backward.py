"""The backward pass: gradients flow back through the recorded nodes."""

from __future__ import annotations

import heapq
import operator
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.sums import summed
from npnet.tensors.dtypes_and_sizes import Size
from npnet.tensors.interface import method
from npnet.tensors.missing import not_supported
from npnet.tensors.tape import LAST, Node, edge
from npnet.tensors.tensor_class import CHANGES, MODE, Tensor, changed, new, owner, wrap


def sum_to(g: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of a broadcast array: summed over the axes along which it was repeated."""
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


def reachable(roots: Iterable[Node], stops: Mapping[Any, Any]) -> list[Node]:
    """All nodes through which gradients from these roots flow, latest first."""
    found = set(roots)
    waiting = list(found)
    for node in waiting:  # the list grows during the loop
        for made_by in node.edges:
            if type(made_by) is Node and made_by not in found and made_by not in stops:
                found.add(made_by)
                waiting.append(made_by)
    return sorted(found, key=_order, reverse=True)


def flow(
    seeds: dict[Node, Array], stops: Mapping[Node | Tensor, Any], check: bool
) -> tuple[dict[Node | Tensor, Array], list[Node]]:
    """Let gradients flow back from the seeds; the gradients of leaves and stops, and the nodes."""
    waiting: dict[Node, Array] = dict(seeds)
    arrived: dict[Node | Tensor, Array] = {}
    nodes: list[Node] = []
    # Latest first, so that all gradients of a node have arrived before it is processed.
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
                        _accumulate(watcher, g.copy())
            if node.freed or (node.stamp != CHANGES.count and node.touched()):
                _check_saved(node)
        out, args = node._a, node.args
        for source, derivative in zip(node.edges, node.op.derivatives, strict=False):
            if source is None:
                continue
            d = derivative(g, out, *args)
            like = source._a
            if d.shape != like.shape:
                d = sum_to(d, like.shape)
            if d.dtype is not like.dtype and d.dtype != like.dtype and check:
                d = d.astype(like.dtype)
            if type(source) is not Node or (stops and source in stops):
                before = arrived.get(source)
                if before is not None:
                    d = before + d
                elif d is g or d.base is not None or not d.flags.c_contiguous:
                    d = d.copy()  # what arrives has its own memory: it may become a .grad
                arrived[source] = d
            elif source in waiting:
                waiting[source] = waiting[source] + d
            else:
                waiting[source] = d
                heapq.heappush(turns, (-source.order, source))
    return arrived, nodes


def _check_saved(node: Node) -> None:
    for saved in node.saved():
        if node.freed:
            raise RuntimeError(
                "Trying to backward through the graph a second time: the values saved for it are "
                "freed after the first backward(). Run the forward pass again, or give the first "
                "backward() retain_graph=True"
            )
        if saved is not None and owner(saved)._changed > node.stamp:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: {node.op.name} needs a tensor of shape "
                f"{list(saved._a.shape)} as it was when the operation ran: write x = x + y in "
                "place of x += y, or change a .clone()"
            )


def _accumulate(tensor: Tensor, g: Array) -> None:
    """Add to ``.grad``, or make ``g``, which nothing else has, the ``.grad``."""
    grad = tensor._grad
    if grad is None:
        made = new(Tensor)
        made._a = g
        tensor._grad = made
    elif MODE.grad and grad._req:
        raise not_supported("accumulating into a .grad that itself requires a gradient")
    else:
        grad._a += g
        changed(grad)


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
        RuntimeError: nothing was recorded; the tensor is not a scalar and no ``gradient`` is given;
            the graph was freed by an earlier backward pass; or a saved tensor was changed in place.
    """
    if create_graph:
        raise not_supported("backward(create_graph=True)")
    g = _seed(self, gradient)
    if self._view is not None:
        edge(self)
    if self._node is None:
        _accumulate(self, g.copy())
        return
    arrived, nodes = flow({self._node: g}, {}, True)
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
    """Keep the gradient of a tensor that is not a leaf in ``.grad``, in every backward pass.

    Raises:
        RuntimeError: the tensor does not require a gradient.
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
    """``torch.autograd.grad``: return the gradients of ``inputs``; ``.grad`` does not change."""
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
    wanted = [key_of(tensor) for tensor in ins]
    arrived, nodes = flow(seeds, {key: None for key in wanted if key not in seeds}, True)
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


def key_of(tensor: Tensor) -> Node | Tensor:
    node = tensor.grad_fn
    if node is None and not tensor._req:
        raise RuntimeError("One of the differentiated tensors does not require grad")
    return tensor if node is None else node
