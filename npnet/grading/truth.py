"""The interface to the true gradients: a recorded forward pass, cut at the tensors with names."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from npnet.base.arrays import Array

Upstream = Mapping[str, Array]


class Graph(Protocol):
    """A forward pass that was run and differentiated by the notebook itself.

    Attributes:
        values: the value of every tensor with a name, in float64, in the order of computation.
        readers: for each of them, the named tensors that are computed from it with no other named
            tensor between.
        leaves: the names of tensors that no operation made, such as parameters.
        root: the name of the loss.
        dtype: the float type in which the notebook computed.
    """

    values: dict[str, Array]
    readers: dict[str, set[str]]
    leaves: set[str]
    root: str
    dtype: str

    def tensor(self, name: str) -> Any:
        """The notebook's tensor with this name."""

    def gradients(self, names: Iterable[str], upstream: Upstream) -> dict[str, Array]:
        """The gradients of ``names`` if the gradients of other named tensors are given.

        The loss has the gradient 1. The gradients in ``upstream`` replace those of their tensors.
        All are float64; a tensor without a path to the loss has zeros.
        """


class Backend(Protocol):
    """The tensor library that the notebook uses."""

    def is_tensor(self, value: Any) -> bool:
        """Whether an object is a tensor."""

    def array(self, value: Any) -> Array:
        """A copy of a tensor's numbers."""

    def tensor(self, array: Array, grad: Array | None = None) -> Any:
        """A new tensor that is in no graph, with this ``.grad``."""

    def leaf(self, array: Array) -> Any:
        """A new tensor that requires a gradient."""

    def computing(self, dtype: str) -> contextlib.AbstractContextManager[None]:
        """Record nothing, and make new floats in this dtype."""

    def passes(self) -> int:
        """A number that changes with every ``backward()``."""

    def graph(self, namespace: Mapping[str, Any], nodes: Sequence[ast.stmt]) -> Graph | None:
        """The graph of the last ``backward()``, with the names that its tensors have now.

        ``nodes``: the statements that ran before.
        """

    def recording(self) -> contextlib.AbstractContextManager[None]:
        """Record operations, even inside ``no_grad``."""

    def graph_of(
        self, loss: Any, namespace: Mapping[str, Any], nodes: Sequence[ast.stmt]
    ) -> Graph | None:
        """The graph that made this tensor, with the names that its tensors have now."""


def later(graph: Graph, name: str) -> set[str]:
    """The named tensors that are computed from this one, directly or not."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for reader in graph.readers.get(waiting.pop(), ()):
            if reader not in found:
                found.add(reader)
                waiting.append(reader)
    return found


def drawn_upstream(
    graph: Graph,
    name: str,
    read: Iterable[str],
    true: Upstream,
    rng: np.random.Generator,
    independent: bool,
    sparse: bool = False,
    entries: bool = False,
) -> dict[str, Array] | None:
    """Random gradients for the tensors whose gradients the code for ``name`` reads.

    They have the size of the true gradients. Gradients of tensors that are not computed from
    ``name`` follow from the others, as in any backward pass.

    Args:
        graph: the forward pass.
        name: the tensor whose gradient is judged.
        read: the tensors whose gradients are read.
        true: the true gradient of each of them.
        rng: the random generator.
        independent: whether to draw all of them. If not, only gradients of tensors from which no
            other one is computed are drawn, and the rest follow from these.
        sparse: whether they are zero at the places where the true gradients are zero.
        entries: whether each entry has the size of the true entry, not only each gradient.

    Returns:
        The gradients by name, or None if none can be drawn.
    """
    read = [one for one in read if one != name]
    after = later(graph, name)
    free = [one for one in read if one in after]
    if not independent:
        free = [one for one in free if not any(other in later(graph, one) for other in free)]
    free = [one for one in free if one != graph.root]
    if not free:
        return None
    drawn = {}
    for one in free:
        size = float(np.sqrt(np.mean(np.square(true[one])))) or 1.0
        # A gradient that is mathematically zero is rounding noise; a gradient of this size would be
        # lost
        # in others. The median is used because probabilities near zero make some gradients huge.
        usual = np.median([float(np.abs(array).max(initial=0)) for array in true.values()])
        size = max(size, 1e-6 * float(usual))
        scale = np.abs(true[one]) if entries else size
        drawn[one] = scale * rng.standard_normal(true[one].shape)
        if sparse:
            drawn[one][true[one] == 0] = 0
    rest = [one for one in read if one not in drawn]
    return {**drawn, **graph.gradients(rest, drawn)}
