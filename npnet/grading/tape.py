"""The true gradients, from the tape of ``npnet.tensors``."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.truth import Upstream
from npnet.tensors import dtypes_and_sizes
from npnet.tensors.autograd import replay, vjp
from npnet.tensors.tape import LAST, Node
from npnet.tensors.tensor_class import MODE, Tensor, new, wrap

Key = Node | Tensor


class TapeGraph:
    """A graph of the stand-in's tape: see ``npnet.grading.truth.Graph``."""

    def __init__(self, root: Node, named: Mapping[str, Tensor]) -> None:
        loss = _probe(root)
        reached = _reached(root)
        keys: dict[Key, str] = {}
        self._tensors: dict[str, Tensor] = {}
        for name, tensor in named.items():
            key = _key(tensor)
            # Two names of one tensor: the first counts.
            if key in reached and key not in keys:
                keys[key] = name
                self._tensors[name] = tensor
        if root not in keys:
            keys[root] = "loss" if "loss" not in keys.values() else "the loss"
            self._tensors[keys[root]] = loss
        self.root = keys[root]
        ordered = sorted(keys, key=lambda key: key.order if isinstance(key, Node) else -1)
        leaves = {key: np.array(key._a) for key in reached if isinstance(key, Tensor) and key._req}
        again = replay([loss], leaves, np.dtype("float64"))
        self._again = {keys[key]: again.of(_of(key)) for key in ordered}
        self.values = {keys[key]: np.array(self._again[keys[key]]._a) for key in ordered}
        self.leaves = {name for key, name in keys.items() if isinstance(key, Tensor)}
        self.readers = _readers(keys)
        self.dtype = str(root.out.dtype)

    def tensor(self, name: str) -> Tensor:
        """The notebook's tensor."""
        return self._tensors[name]

    def gradients(self, names: Iterable[str], upstream: Upstream) -> dict[str, Array]:
        """The gradients of names; the graph is cut at tensors whose gradients are given."""
        names = list(names)
        given = {self.root: np.ones(self.values[self.root].shape), **upstream}
        found = {}
        for name in names:
            cut = [one for one in given if one != name]
            seeds = [self._again[one] for one in cut]
            [array] = vjp(seeds, [given[one] for one in cut], [self._again[name]], seeds)
            if name == self.root:
                array = given[name]
            found[name] = np.zeros(self.values[name].shape) if array is None else array
        return found


class Tape:
    """``npnet.tensors`` in place of torch: see ``npnet.grading.truth.Backend``."""

    def is_tensor(self, value: Any) -> bool:
        """Whether an object is a tensor."""
        return isinstance(value, Tensor)

    def array(self, value: Any) -> Array:
        """A copy of a tensor's numbers."""
        return np.array(value._a)

    def tensor(self, array: Array, grad: Array | None = None) -> Tensor:
        """A new tensor that is in no graph."""
        made = wrap(np.array(array))
        if grad is not None:
            made._grad = wrap(np.array(grad))
        return made

    def leaf(self, array: Array) -> Tensor:
        """A new tensor that requires a gradient."""
        made = wrap(np.array(array))
        made._req = True
        return made

    @contextlib.contextmanager
    def computing(self, dtype: str) -> Iterator[None]:
        """Record nothing; new floats have this dtype."""
        before, kind = MODE.grad, dtypes_and_sizes.DEFAULT.numpy
        MODE.grad, dtypes_and_sizes.DEFAULT.numpy = False, np.dtype(dtype)
        try:
            yield
        finally:
            MODE.grad, dtypes_and_sizes.DEFAULT.numpy = before, kind

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Record operations."""
        before, MODE.grad = MODE.grad, True
        try:
            yield
        finally:
            MODE.grad = before

    def passes(self) -> int:
        """The number of the node at which the last backward pass began."""
        return -1 if LAST.root is None else LAST.root.order

    def graph(self, namespace: Mapping[str, Any], nodes: Sequence[ast.stmt]) -> TapeGraph | None:
        """The graph of the last backward pass."""
        return None if LAST.root is None else TapeGraph(LAST.root, _named(namespace, nodes))

    def graph_of(
        self, loss: Any, namespace: Mapping[str, Any], nodes: Sequence[ast.stmt]
    ) -> TapeGraph | None:
        """The graph that made this tensor."""
        node = loss.grad_fn if isinstance(loss, Tensor) else None
        return None if node is None else TapeGraph(node, _named(namespace, nodes))


def _named(namespace: Mapping[str, Any], nodes: Sequence[ast.stmt]) -> dict[str, Tensor]:
    """The tensors by name. A loop variable names a tensor only if no other name does."""
    loops = {
        name.id
        for node in nodes
        for loop in ast.walk(node)
        if isinstance(loop, ast.For)
        for name in ast.walk(loop.target)
        if isinstance(name, ast.Name)
    }
    return {
        name: value
        for name, value in sorted(namespace.items(), key=lambda item: item[0] in loops)
        if isinstance(value, Tensor) and value._req and not name.startswith("_")
    }


def _probe(node: Node) -> Tensor:
    """A tensor that represents a node."""
    made = new(Tensor)
    made._a, made._node, made._req = node.out, node, True
    return made


def _of(key: Key) -> Tensor:
    return _probe(key) if isinstance(key, Node) else key


def _key(tensor: Tensor) -> Key:
    node = tensor.grad_fn
    return tensor if node is None else node


def _reached(root: Node) -> set[Key]:
    found: set[Key] = {root}
    waiting: list[Key] = [root]
    while waiting:
        key = waiting.pop()
        for edge in key.edges if isinstance(key, Node) else ():
            if edge is not None and edge not in found:
                found.add(edge)
                waiting.append(edge)
    return found


def _readers(keys: Mapping[Key, str]) -> dict[str, set[str]]:
    """For each named tensor, the named tensors that read it, with no named tensor between."""
    found: dict[str, set[str]] = {name: set() for name in keys.values()}
    for key, name in keys.items():
        seen: set[Key] = {key}
        waiting: list[Key] = [key]
        while waiting:
            one = waiting.pop()
            edges: Sequence[Key | None] = one.edges if isinstance(one, Node) else ()
            for edge in edges:
                if edge is None or edge in seen:
                    continue
                seen.add(edge)
                if edge in keys:
                    found[keys[edge]].add(name)
                else:
                    waiting.append(edge)
    return found
