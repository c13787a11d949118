"""The forward pass in torch, with one step on each line; and each line differentiated alone."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from npnet.base.errors import InputError
from npnet.network.names import PARAMETER_NAMES, VALUE_NAMES, shape_of
from oracle.tables import each_alone

Array = NDArray[Any]

# The twenty values in the order in which they are computed, as the lecture writes them. `v` holds
# the parameters, the batch X (n, T) and Y (n,), n, eps, and the values of the lines above. Shapes
# are in npnet.network.names.
# fmt: off
LINES: dict[str, Callable[[Any], Tensor]] = {
    "emb":            lambda v: v.C[v.X],
    "embcat":         lambda v: v.emb.view(v.n, -1),
    "hprebn":         lambda v: v.embcat @ v.W1 + v.b1,
    "bnmeani":        lambda v: v.hprebn.mean(0, keepdim=True),
    "bndiff":         lambda v: v.hprebn - v.bnmeani,
    "bndiff2":        lambda v: v.bndiff**2,
    "bnvar":          lambda v: v.bndiff2.sum(0, keepdim=True) / (v.n-1),
    "bnvar_inv":      lambda v: (v.bnvar + v.eps)**-0.5,
    "bnraw":          lambda v: v.bndiff * v.bnvar_inv,
    "hpreact":        lambda v: v.bngain * v.bnraw + v.bnbias,
    "h":              lambda v: torch.tanh(v.hpreact),
    "logits":         lambda v: v.h @ v.W2 + v.b2,
    "logit_maxes":    lambda v: v.logits.max(1, keepdim=True).values,
    "norm_logits":    lambda v: v.logits - v.logit_maxes,
    "counts":         lambda v: v.norm_logits.exp(),
    "counts_sum":     lambda v: v.counts.sum(1, keepdim=True),
    "counts_sum_inv": lambda v: v.counts_sum**-1,
    "probs":          lambda v: v.counts * v.counts_sum_inv,
    "logprobs":       lambda v: v.probs.log(),
    "loss":           lambda v: -v.logprobs[range(v.n), v.Y].mean(),
}
# fmt: on

# The 26 gradients in the order in which the lecture compares them: lines from the last to the
# first; of each line, the value that it reads comes before the parameters. (bnbias is before
# bnraw.)
GRADIENT_NAMES = (
    *("logprobs", "probs", "counts_sum_inv", "counts_sum", "counts", "norm_logits"),
    *("logit_maxes", "logits", "h", "W2", "b2", "hpreact", "bngain", "bnbias", "bnraw"),
    *("bnvar_inv", "bnvar", "bndiff2", "bndiff", "bnmeani", "hprebn", "embcat", "W1", "b1"),
    *("emb", "C"),
)


def cut(values: Mapping[str, Any], upstream: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """The 26 gradients, each alone: from the values and given upstream gradients.

    The graph is cut at every name: each value becomes a leaf with the numbers that it has in
    ``values``. One backward pass differentiates S, the sum over the twenty lines of ⟨upstream
    gradient of the line's result, line(leaves)⟩. A hand-written gradient must return the gradient
    of S with respect to its leaf, for these values and upstream gradients. It does not depend on
    the other lines.

    Args:
        values: the 7 parameters, the 19 values without ``loss``, ``X`` (n, T), ``Y`` (n,) and
            ``eps``, all float32 or all float64, as ``npnet.forward`` and ``oracle.whole``
            return them. They must come from a forward pass: a hand-written gradient may use the
            result of its line (1 − h² for tanh), but torch uses the input of the line, and the two
            agree only in a forward pass.
        upstream: an array of the value's shape for each of the 20 values, a number for
            ``loss``; converted to the values' dtype. Random numbers find most mistakes.
            Gradients with respect to parameters are ignored: no line has a parameter as its result.

    Returns:
        The gradients by name, in the order of ``GRADIENT_NAMES`` and the values' dtype.

    Raises:
        InputError: a name is missing, a shape or a dtype does not fit (nothing is broadcast).
    """
    v = leaves("oracle.cut", values, (*PARAMETER_NAMES, *VALUE_NAMES[:-1]))
    _refuse_missing("oracle.cut: upstream", upstream, VALUE_NAMES)
    weights = {}
    for name in VALUE_NAMES:
        weight = np.asarray(upstream[name])
        wanted = () if name == "loss" else tuple(getattr(v, name).shape)
        if weight.shape != wanted or weight.dtype.kind not in "fiu":
            raise InputError(
                f"oracle.cut: upstream {name} has shape {weight.shape} and dtype {weight.dtype}, "
                f"wanted {wanted} and real numbers: a gradient has the shape of its value"
            )
        weights[name] = tensor_of(weight).to(v.C.dtype)
    alone = each_alone(LINES, v, GRADIENT_NAMES, weights)
    return {name: array_of(gradient) for name, gradient in alone.items()}


def leaves(who: str, entries: Mapping[str, Any], names: tuple[str, ...]) -> SimpleNamespace:
    """The object that ``LINES`` read, with copies of ``entries``.

    Each of ``names`` (also the parameters) becomes a leaf that requires its gradient; ``X``, ``Y``,
    ``eps`` and ``n`` are attributes too.

    Raises:
        InputError: a name is missing, a shape or dtype does not fit the others, there are fewer
            than two rows, or an index is out of range.
    """
    _refuse_missing(who, entries, (*names, "X", "Y", "eps"))
    arrays = {name: np.asarray(entries[name]) for name in (*names, "X", "Y")}
    for name, wanted in (("X", "(n, T)"), ("C", "(V, E)"), ("W1", "(T·E, H)")):
        if arrays[name].ndim != 2:
            raise InputError(f"{who}: {name} has shape {arrays[name].shape}, wanted {wanted}")
    n, T = arrays["X"].shape
    V, E = arrays["C"].shape
    sizes = {"n": n, "T": T, "E": E, "H": arrays["W1"].shape[1], "V": V}
    if n < 2 or 0 in sizes.values():
        raise InputError(
            f"{who}: sizes {sizes}, wanted none of 0, and n of 2 or more: the variance divides "
            "by n-1"
        )
    shapes = {name: shape_of(name, sizes) for name in names} | {"X": (n, T), "Y": (n,)}
    for name, array in arrays.items():
        if array.shape != shapes[name]:
            raise InputError(
                f"{who}: {name} has shape {array.shape}, wanted {shapes[name]} for {sizes}, "
                "with n, T from X, V, E from C and H from W1"
            )
    v = SimpleNamespace(n=n, eps=float(entries["eps"]))
    for name in names:
        setattr(v, name, _leaf(who, name, arrays[name], arrays["C"].dtype))
    for name in ("X", "Y"):
        setattr(v, name, _indices(who, name, arrays[name], V))
    return v


def tensor_of(array: ArrayLike) -> Tensor:
    """A tensor that shares no memory with ``array``, which may be read-only."""
    return torch.from_numpy(np.array(array, order="C"))


def array_of(tensor: Tensor) -> Array:
    """An array that shares no memory with ``tensor``."""
    array: Array = tensor.detach().numpy().copy()
    return array


def _leaf(who: str, name: str, array: Array, dtype: np.dtype[Any]) -> Tensor:
    if array.dtype not in (np.float32, np.float64) or array.dtype != dtype:
        where = f" where C is {dtype}" if array.dtype != dtype else ""
        raise InputError(
            f"{who}: {name} is {array.dtype}{where}, wanted all in float32 or all in float64: "
            "use .astype"
        )
    return tensor_of(array).requires_grad_()


def _indices(who: str, name: str, array: Array, V: int) -> Tensor:
    if array.dtype.kind not in "iu":
        raise InputError(f"{who}: {name} is {array.dtype}, wanted integers: rows of C")
    if array.min() < 0 or array.max() >= V:
        raise InputError(
            f"{who}: {name} holds indices from {array.min()} to {array.max()}, wanted 0 to "
            f"{V - 1}: rows of C"
        )
    return tensor_of(array.astype(np.int64))


def _refuse_missing(who: str, entries: Mapping[str, Any], wanted: tuple[str, ...]) -> None:
    missing = [name for name in wanted if name not in entries]
    if missing:
        raise InputError(f"{who}: missing {', '.join(missing)}, wanted {', '.join(wanted)}")
