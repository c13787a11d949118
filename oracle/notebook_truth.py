"""The true gradients of a notebook: torch's autograd on the notebook's own graph.

The forward pass runs again in float64, with the notebook's statements, and ``torch.autograd.grad``
differentiates it. At a cut, another gradient replaces the gradient of a named tensor. The tensor
then becomes one more output, whose upstream gradient is the difference of the two.
"""

from __future__ import annotations

import ast
import contextlib
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from npnet.base.arrays import Array
from npnet.grading.effects import effects
from npnet.grading.grade_messages import Grader
from npnet.grading.slice_runs import quietly, rebound, replaced
from npnet.grading.truth import Upstream

DRAWS = ("randint", "randn", "rand", "randperm", "multinomial")


class TorchGraph:
    """A forward pass in float64: see ``npnet.grading.truth.Graph``."""

    def __init__(self, root: str, named: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
        keys: dict[Any, str] = {}
        reached = _reached(_key(named[root]))
        self._again: dict[str, Any] = {}
        for name, tensor in named.items():
            key = _key(tensor)
            if key in reached and key not in keys:
                keys[key] = name
                self._again[name] = tensor
        self._mine = mine
        order = sorted(self._again, key=lambda name: _number(self._again[name]))
        self.root = keys[_key(named[root])]
        self.values = {name: self._again[name].detach().numpy().copy() for name in order}
        self.leaves = {name for name in order if self._again[name].is_leaf}
        self.readers = _readers(keys)
        self.dtype = str(mine[root].dtype).removeprefix("torch.")

    def tensor(self, name: str) -> Any:
        """The notebook's tensor."""
        return self._mine[name]

    def gradients(self, names: Iterable[str], upstream: Upstream) -> dict[str, Array]:
        """The gradients of names; the graph is cut at tensors whose gradients are given."""
        given = {self.root: np.ones(self.values[self.root].shape), **upstream}
        order = [name for name in reversed(list(self.values)) if name in given]
        found = {}
        for name in names:
            seeds: dict[str, Any] = {}
            for one in order:
                if one == name or one in self.leaves:
                    continue
                seeds[one] = torch.from_numpy(np.array(given[one])) - self._total(one, seeds)
            if name == self.root:
                found[name] = np.array(given[name])
            else:
                found[name] = self._total(name, seeds).numpy()
        return found

    def _total(self, name: str, seeds: Mapping[str, Any]) -> Any:
        """The gradient of a tensor for these upstream gradients, over all paths."""
        wanted = self._again[name]
        if not seeds:
            return torch.zeros_like(wanted)
        [gradient] = torch.autograd.grad(
            [self._again[one] for one in seeds],
            [wanted],
            list(seeds.values()),
            retain_graph=True,
            allow_unused=True,
        )
        return torch.zeros_like(wanted) if gradient is None else gradient


class Torch:
    """Real torch: see ``npnet.grading.truth.Backend``. Counts the calls of ``backward()``."""

    def __init__(self) -> None:
        self._passes = 0
        self._root: Any = None
        original: Any = torch.Tensor.backward

        def backward(tensor: Any, *arguments: Any, **options: Any) -> Any:
            result = original(tensor, *arguments, **options)
            self._passes += 1
            self._root = tensor
            return result

        setattr(torch.Tensor, "backward", backward)  # noqa: B010 - mypy refuses an assignment

    def is_tensor(self, value: Any) -> bool:
        """Whether an object is a tensor."""
        return isinstance(value, torch.Tensor)

    def array(self, value: Any) -> Array:
        """A copy of a tensor's numbers."""
        return np.array(value.detach().numpy())

    def tensor(self, array: Array, grad: Array | None = None) -> Any:
        """A new tensor that is in no graph."""
        made = torch.from_numpy(np.array(array))
        if grad is not None:
            made.grad = torch.from_numpy(np.array(grad))
        return made

    def leaf(self, array: Array) -> Any:
        """A new tensor that requires a gradient."""
        return torch.from_numpy(np.array(array)).requires_grad_()

    @contextlib.contextmanager
    def computing(self, dtype: str) -> Iterator[None]:
        """Record nothing; new floats have this dtype."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(getattr(torch, dtype))
        try:
            with torch.no_grad():
                yield
        finally:
            torch.set_default_dtype(before)

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Record operations."""
        with torch.enable_grad():
            yield

    def passes(self) -> int:
        """How often ``backward()`` was called."""
        return self._passes

    def graph(self, namespace: Mapping[str, Any], nodes: Sequence[ast.stmt]) -> TorchGraph | None:
        """The graph of the last backward pass."""
        return None if self._root is None else self.graph_of(self._root, namespace, nodes)

    def _wider(self, namespace: Mapping[str, Any], mine: Mapping[str, Any]) -> dict[str, Any]:
        """Copies of all names in float64, so that a forward pass does not change the notebook's
        own.

        The leaves of the graph become new leaves, also in caches and objects.
        """
        leaves = [value for value in mine.values() if value.is_leaf]
        done = {id(one): self.leaf(self.array(one).astype(np.float64)) for one in leaves}

        def wider(array: Array) -> Array:
            return array.astype(np.float64) if array.dtype.kind == "f" else array

        def tensor(value: Any) -> Any:
            array = wider(self.array(value))
            return self.leaf(array) if value.requires_grad and value.is_leaf else self.tensor(array)

        names = {
            name: replaced(value, self, wider, done, tensor) for name, value in namespace.items()
        }
        for name, value in list(names.items()):
            if isinstance(value, types.FunctionType):
                names[name] = rebound(value, names)
        return names

    def graph_of(
        self, loss: Any, namespace: Mapping[str, Any], nodes: Sequence[ast.stmt]
    ) -> TorchGraph | None:
        """The graph that made this tensor, computed again in float64."""
        root = next((name for name, value in namespace.items() if value is loss), None)
        if root is None or loss.grad_fn is None:
            return None
        reached = _reached(_key(loss))
        mine = {
            name: value
            for name, value in namespace.items()
            if isinstance(value, torch.Tensor)
            and value.requires_grad
            and not name.startswith("_")
            and _key(value) in reached
        }
        made = {name for name, value in mine.items() if not value.is_leaf}
        starts = []
        for name in made:
            places = [p for p, node in enumerate(nodes) if name in effects(node).makes]
            starts += places[-1:]
        names = self._wider(namespace, mine)
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            with quietly(), torch.enable_grad():
                for node in nodes[min(starts, default=0) :]:
                    if _is_forward(node, made):
                        module = ast.fix_missing_locations(ast.Module([node], []))
                        exec(compile(module, "<forward>", "exec"), names)
        finally:
            torch.set_default_dtype(before)
        again = {
            name: names[name]
            for name in mine
            if isinstance(names.get(name), torch.Tensor)
            and names[name].requires_grad
            and names[name].dtype == torch.float64
        }
        return TorchGraph(root, again, mine) if root in again else None


def grader() -> Grader:
    """The grader of notebooks that run with real torch."""
    return Grader(Torch())


def _is_forward(node: ast.stmt, made: set[str]) -> bool:
    """Whether a statement makes tensors of the pass, and draws no numbers."""
    calls = {
        inner.func.attr
        for inner in ast.walk(node)
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute)
    }
    if calls & {*DRAWS, "backward"}:
        return False
    return bool(effects(node).makes) and not isinstance(node, ast.For | ast.While | ast.ClassDef)


def _key(tensor: Any) -> Any:
    """The node that made a tensor; for a leaf, the tensor itself."""
    return tensor if tensor.grad_fn is None else tensor.grad_fn


def _number(tensor: Any) -> int:
    return -1 if tensor.grad_fn is None else int(tensor.grad_fn._sequence_nr())


def _edges(key: Any) -> list[Any]:
    if isinstance(key, torch.Tensor):
        return []
    found = []
    for node, _ in key.next_functions:
        if node is not None:
            found.append(getattr(node, "variable", node))
    return found


def _reached(root: Any) -> set[Any]:
    found = {root}
    waiting = [root]
    while waiting:
        for edge in _edges(waiting.pop()):
            if edge not in found:
                found.add(edge)
                waiting.append(edge)
    return found


def _readers(keys: Mapping[Any, str]) -> dict[str, set[str]]:
    """For each named tensor, the named tensors that read it, with no named tensor between."""
    found: dict[str, set[str]] = {name: set() for name in keys.values()}
    for key, name in keys.items():
        seen = {key}
        waiting = [key]
        while waiting:
            for edge in _edges(waiting.pop()):
                if edge in seen:
                    continue
                seen.add(edge)
                if edge in keys:
                    found[keys[edge]].add(name)
                else:
                    waiting.append(edge)
    return found
