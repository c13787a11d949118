"""Finding the lecture's 27 tensors in a forward pass by their values, and mistakes in the pass.

For each line of the lecture's forward pass, the value is computed from the tensors found so far,
and the notebook's tensors are searched for it. If it is not found, they are searched for common
wrong versions of the line. If one is found, it is a mistake, and the search continues with its
value.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.truth import Graph
from npnet.network.forward import LINES
from npnet.network.names import VALUE_NAMES

CLOSE = 1e-6  # allowed part of the largest entry, for float32 constants in the notebook's own pass
EPS = (1e-5, 1e-8, 1e-6, 1e-3, 1e-12, 0.0)


@dataclass
class Recognised:
    """The tensors that were found.

    Attributes:
        names: the lecture's name -> the notebook's name.
        inputs: the notebook's names of ``X`` and ``Y``.
        sizes: the size of each axis letter.
        faults: the mistakes of the forward pass, in words.
    """

    names: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def roles(self) -> dict[str, str]:
        """The notebook's name -> the lecture's name."""
        return {name: role for role, name in self.names.items()}


def recognise(graph: Graph, integers: Mapping[str, Array]) -> Recognised:
    """Find the lecture's tensors.

    Args:
        graph: the notebook's forward pass.
        integers: its tensors of integers, by name; contexts and targets are among them.
    """
    found = Recognised()
    leaves = {name: graph.values[name] for name in graph.leaves}
    rest = {name: array for name, array in graph.values.items() if name not in leaves}
    v: Any = SimpleNamespace()
    with np.errstate(all="ignore"):
        if not _embedding(found, v, leaves, rest, integers):
            return found
        _line(found, v, rest, "embcat")
        if not _linear(found, v, leaves, rest, "W1", "b1", "hprebn", v.embcat):
            return found
        for name in ("bnmeani", "bndiff", "bndiff2"):
            _line(found, v, rest, name)
        _variance(found, v, rest)
        _inverse(found, v, rest)
        _line(found, v, rest, "bnraw")
        if not _gain(found, v, leaves, rest):
            return found
        _line(found, v, rest, "h")
        if not _linear(found, v, leaves, rest, "W2", "b2", "logits", v.h):
            return found
        for name in VALUE_NAMES[VALUE_NAMES.index("logit_maxes") : -1]:
            _line(found, v, rest, name)
        _loss(found, v, graph, integers)
    n, T = v.X.shape
    V, E = v.C.shape
    found.sizes = {"n": n, "T": T, "E": E, "H": v.W1.shape[1], "V": V}
    return found


def _embedding(
    found: Recognised,
    v: Any,
    leaves: Mapping[str, Array],
    rest: Mapping[str, Array],
    integers: Mapping[str, Array],
) -> bool:
    for (table, C), (contexts, X) in itertools.product(leaves.items(), integers.items()):
        if C.ndim != 2 or X.ndim != 2 or not X.size or X.min() < 0 or X.max() >= len(C):
            continue
        for name, array in rest.items():
            if array.size == X.size * C.shape[1] and _same(array.ravel(), C[X].ravel()):
                v.C, v.X, v.emb = C, X, C[X]
                found.names["C"], found.inputs["X"] = table, contexts
                if array.ndim == 3:
                    found.names["emb"] = name
                else:
                    found.names["embcat"] = name
                return True
    return False


def _line(found: Recognised, v: Any, rest: Mapping[str, Array], name: str) -> bool:
    """Compute a line and search for its value; return whether it was found."""
    value = np.asarray(LINES[name](v))
    place = _find(found, rest, value, name)
    setattr(v, name, value)
    if place is not None:
        found.names[name] = place
    return place is not None


def _find(found: Recognised, rest: Mapping[str, Array], value: Array, role: str) -> str | None:
    """A tensor of the notebook with this value that is still free, best with the lecture's name."""
    taken = set(found.names.values())
    for name in sorted(rest, key=lambda one: one != role):
        array = rest[name]
        if name not in taken and array.size == value.size and _same_shape(array, value):
            return name
    return None


def _linear(
    found: Recognised,
    v: Any,
    leaves: Mapping[str, Array],
    rest: Mapping[str, Array],
    weights: str,
    bias: str,
    result: str,
    value: Array,
) -> bool:
    taken = set(found.names.values())
    for name, W in leaves.items():
        if name in taken or W.ndim != 2 or len(W) != value.shape[1]:
            continue
        for other, b in [*leaves.items(), (None, np.zeros(1))]:
            if other == name or other in taken or b.size not in (1, W.shape[1]):
                continue
            made = value @ W + b.reshape(-1)
            place = _find(found, rest, made, result)
            if place is not None:
                setattr(v, weights, W)
                setattr(v, bias, b.reshape(-1))
                setattr(v, result, made)
                found.names |= {weights: name, result: place}
                if other is not None:
                    found.names[bias] = other
                return True
    return False


def _variance(found: Recognised, v: Any, rest: Mapping[str, Array]) -> None:
    if _line(found, v, rest, "bnvar"):
        return
    n = len(v.bndiff2)
    for words, value in (
        ("divides by n, where the lecture divides by n-1", v.bndiff2.sum(0, keepdims=True) / n),
        ("is a sum that nothing divides by n-1", v.bndiff2.sum(0, keepdims=True)),
        ("divides by n+1", v.bndiff2.sum(0, keepdims=True) / (n + 1)),
    ):
        place = _find(found, rest, value, "bnvar")
        if place is not None:
            found.names["bnvar"], v.bnvar = place, value
            found.faults.append(f"the variance, {place}, {words}")
            return


def _inverse(found: Recognised, v: Any, rest: Mapping[str, Array]) -> None:
    for eps in EPS:
        v.eps = eps
        if _line(found, v, rest, "bnvar_inv"):
            return
        if _find(found, rest, np.asarray(v.bndiff * v.bnvar_inv), "bnraw"):
            return
    v.eps = EPS[0]
    n = len(v.bndiff2)
    biased = v.bndiff2.sum(0, keepdims=True) / n
    versions: tuple[tuple[str, Callable[[], Array]], ...] = (
        ("has eps outside of the root", lambda: 1 / (np.sqrt(v.bnvar) + v.eps)),
        ("has no root", lambda: 1 / (v.bnvar + v.eps)),
        ("is the standard deviation itself", lambda: np.sqrt(v.bnvar + v.eps)),
        ("uses a variance that divides by n, not n-1", lambda: (biased + v.eps) ** -0.5),
    )
    for words, made in versions:
        place = _find(found, rest, made(), "bnvar_inv")
        if place is not None:
            found.names["bnvar_inv"], v.bnvar_inv = place, made()
            found.faults.append(f"one over the deviation, {place}, {words}")
            return
    _line(found, v, rest, "bnvar_inv")


def _gain(
    found: Recognised, v: Any, leaves: Mapping[str, Array], rest: Mapping[str, Array]
) -> bool:
    taken = set(found.names.values())
    free = {
        name: array.reshape(1, -1)
        for name, array in leaves.items()
        if name not in taken and array.size == v.bnraw.shape[1]
    }
    for gain, bias in itertools.permutations(free, 2):
        v.bngain, v.bnbias = free[gain], free[bias]
        value = v.bngain * v.bnraw + v.bnbias
        place = _find(found, rest, value, "hpreact")
        activated = _find(found, rest, np.tanh(value), "h")
        if place is not None or activated is not None:
            v.hpreact = value
            found.names |= {"bngain": gain, "bnbias": bias}
            if place is not None:
                found.names["hpreact"] = place
            return True
    return False


def _loss(found: Recognised, v: Any, graph: Graph, integers: Mapping[str, Array]) -> None:
    loss = float(graph.values[graph.root].reshape(-1)[0])
    n = len(v.logprobs)
    for name, Y in integers.items():
        if Y.size != n or Y.ndim > 2 or Y.min() < 0 or Y.max() >= v.logprobs.shape[1]:
            continue
        for fault, value in _losses(v, Y, name):
            if np.isclose(value, loss, rtol=CLOSE, atol=0):
                found.names["loss"], found.inputs["Y"] = graph.root, name
                v.Y = Y.reshape(-1)
                if fault:
                    found.faults.append(fault)
                return


def _losses(v: Any, Y: Array, name: str) -> Iterator[tuple[str, float]]:
    """The right loss, and the usual wrong ones with a description."""
    rows = np.arange(len(v.logprobs))
    if Y.ndim == 1:
        right = -float(v.logprobs[rows, Y].mean())
        yield "", right
        yield "the loss has no minus: going down its gradient makes the targets less likely", -right
        yield "the loss is a sum over the batch, where the lecture takes the mean", right * len(Y)
        yield "the loss is a sum over the batch, and has no minus", -right * len(Y)
        every = -float(v.logprobs[:, Y].mean())
        yield f"the loss takes column {name} of every row, not one entry of each row", every
        picked = -float(np.log(v.probs[rows, Y].mean()))
        yield "the loss is the logarithm of a mean, not the mean of logarithms", picked
        yield "the loss takes probabilities, not their logarithms", -float(v.probs[rows, Y].mean())
    else:
        fanned = -float(v.logprobs[rows, Y].mean())
        text = (
            f"{name} has the shape {Y.shape}, so that indexing with range(n) and it gives "
            f"{(len(rows), len(rows))} entries, not one of each row: use {name}.view(-1)"
        )
        yield "", -float(v.logprobs[rows, Y.reshape(-1)].mean())
        yield text, fanned
        yield f"{text}; the loss has no minus either", -fanned


def _same_shape(array: Array, value: Array) -> bool:
    shapes = [tuple(extent for extent in one.shape if extent != 1) for one in (array, value)]
    return shapes[0] == shapes[1] and _same(array.reshape(-1), value.reshape(-1))


def _same(one: Array, other: Array) -> bool:
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return False
    scale = float(np.abs(other).max(initial=0))
    return bool(np.abs(one - other).max(initial=0) <= CLOSE * scale)
