"""Finding why a right gradient differs from torch's in the last bits: torch computes one step."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from npnet.network.forward import LINES as NUMPY_LINES
from npnet.network.forward import Values
from npnet.network.gradients import GRADIENTS, Gradient, Gradients
from npnet.network.names import PARAMETER_NAMES
from oracle.judge import Functions, chained, upstream
from oracle.lines import GRADIENT_NAMES, LINES, Array, array_of, cut, leaves, tensor_of
from oracle.whole import whole

SUM = "order of summation"
PRODUCT = "matrix product kernel"
POWER = "power function"
TANH = "fused multiply-add in tanh's backward"
UNKNOWN = "not known: no experiment for this line"


class Experiment(NamedTuple):
    """The suspected reason, and the gradient when torch computes that one step."""

    reason: str
    function: Gradient


def _sum(terms: Array, axis: int, keepdims: bool = True) -> Array:
    return array_of(tensor_of(terms).sum(axis, keepdim=keepdims))


def _product(left: torch.Tensor, right: torch.Tensor) -> Array:
    return array_of(left @ right)


def _power(base: Array, exponent: float) -> Array:
    return array_of(tensor_of(base) ** exponent)


def _one_minus_square(h: Array) -> Array:
    """1 - h·h rounded once, as by a fused multiply-add."""
    exact = [float(1 - Fraction(entry) ** 2) for entry in h.ravel().tolist()]
    return np.array(exact).astype(h.dtype).reshape(h.shape)


# fmt: off
EXPERIMENTS: dict[str, Experiment] = {
    "counts_sum_inv": Experiment(SUM, lambda v, d: _sum(v.counts * d.probs, 1)),
    "logit_maxes": Experiment(SUM, lambda v, d: -_sum(d.norm_logits, 1)),
    "h": Experiment(PRODUCT, lambda v, d: _product(tensor_of(d.logits), tensor_of(v.W2).T)),
    "W2": Experiment(PRODUCT, lambda v, d: _product(tensor_of(v.h).T, tensor_of(d.logits))),
    "b2": Experiment(SUM, lambda v, d: _sum(d.logits, 0, keepdims=False)),
    "hpreact": Experiment(TANH, lambda v, d: _one_minus_square(v.h) * d.h),
    "bngain": Experiment(SUM, lambda v, d: _sum(v.bnraw * d.hpreact, 0)),
    "bnbias": Experiment(SUM, lambda v, d: _sum(d.hpreact, 0)),
    "bnvar_inv": Experiment(SUM, lambda v, d: _sum(v.bndiff * d.bnraw, 0)),
    "bnvar": Experiment(POWER, lambda v, d: -0.5 * _power(v.bnvar + v.eps, -1.5) * d.bnvar_inv),
    "bnmeani": Experiment(SUM, lambda v, d: -_sum(d.bndiff, 0)),
    "embcat": Experiment(PRODUCT, lambda v, d: _product(tensor_of(d.hprebn), tensor_of(v.W1).T)),
    "W1": Experiment(PRODUCT, lambda v, d: _product(tensor_of(v.embcat).T, tensor_of(d.hprebn))),
    "b1": Experiment(SUM, lambda v, d: _sum(d.hprebn, 0, keepdims=False)),
}
# fmt: on


class Finding(NamedTuple):
    """One gradient that is not bit-equal to torch's when its line is run alone.

    Attributes:
        gradient: its name.
        reason: the suspected step.
        before: how many of its ``total`` entries are bit-equal.
        after: how many are bit-equal if torch's kernel computes the suspected step; None if no step
            is suspected.
        total: the number of entries.
    """

    gradient: str
    reason: str
    before: int
    after: int | None
    total: int


class Chain(NamedTuple):
    """An experiment on all 26 gradients in order: its name, and which of them are bit-equal."""

    what: str
    exact: tuple[str, ...]


def line_findings(values: Mapping[str, Any], seed: int = 0) -> list[Finding]:
    """One finding for each gradient that is not bit-equal line by line.

    Args:
        values: the first result of ``oracle.whole``.
        seed: the seed of the upstream gradients, as in ``oracle.judge.per_line``.
    """
    above = upstream(values, seed)
    reference = cut(values, above)
    v, d = Values(values), Gradients(above)
    findings = []
    for name, function in GRADIENTS.items():
        before, total = _equal(function(v, d), reference[name]), reference[name].size
        if before == total:
            continue
        suspected = EXPERIMENTS.get(name)
        after = _equal(suspected.function(v, d), reference[name]) if suspected else None
        reason = suspected.reason if suspected else UNKNOWN
        findings.append(Finding(name, reason, before, after, total))
    return findings


def forward_differences(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The names whose forward line gives other bits than torch's, for torch's own values."""
    v = Values(values)
    return tuple(
        name for name, line in NUMPY_LINES.items() if not np.array_equal(line(v), values[name])
    )


def chains(
    params: Mapping[str, ArrayLike], X: ArrayLike, Y: ArrayLike, eps: float = 1e-5
) -> list[Chain]:
    """The lecture's backward pass on torch's forward values, each time with more of torch's steps.

    In the last chain, torch's side changes: it differentiates ``1.0/counts_sum`` instead of the
    lecture's ``counts_sum**-1``.
    """
    values, grads = whole(params, X, Y, eps)
    v = Values(values)
    kernels = {name: try_.function for name, try_ in EXPERIMENTS.items() if try_.reason != TANH}
    with_kernels = {**GRADIENTS, **kernels}
    with_tanh = {**with_kernels, "hpreact": EXPERIMENTS["hpreact"].function}
    divided = _with_division(params, X, Y, eps)
    return [
        Chain("npnet's functions on torch's forward values", _exact(GRADIENTS, v, grads)),
        Chain("... torch's sums, products and powers", _exact(with_kernels, v, grads)),
        Chain("... and 1 - h*h rounded once", _exact(with_tanh, v, grads)),
        Chain("... but 1.0/counts_sum for counts_sum**-1", _exact(with_tanh, v, divided)),
    ]


def _with_division(
    params: Mapping[str, ArrayLike], X: ArrayLike, Y: ArrayLike, eps: float
) -> dict[str, Array]:
    v = leaves("oracle.why", {**params, "X": X, "Y": Y, "eps": eps}, PARAMETER_NAMES)
    for name, line in LINES.items():
        setattr(v, name, 1.0 / v.counts_sum if name == "counts_sum_inv" else line(v))
    made = torch.autograd.grad(v.loss, [getattr(v, name) for name in GRADIENT_NAMES])
    return {name: array_of(grad) for name, grad in zip(GRADIENT_NAMES, made, strict=True)}


def _exact(functions: Functions, v: Values, grads: Mapping[str, Array]) -> tuple[str, ...]:
    ours = chained(functions, v)
    return tuple(name for name in grads if np.array_equal(ours[name], grads[name]))


def _equal(ours: Array, reference: Array) -> int:
    return int((ours == reference).sum())
