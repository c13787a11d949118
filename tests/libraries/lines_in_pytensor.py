"""The network in PyTensor: its twenty lines, and pytensor.grad."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

# fmt: off
LINES: dict[str, Callable[[Any], Any]] = {
    "emb":            lambda v: v.C[v.X],
    "embcat":         lambda v: v.emb.reshape((v.n, -1)),
    "hprebn":         lambda v: v.embcat @ v.W1 + v.b1,
    "bnmeani":        lambda v: v.hprebn.mean(0, keepdims=True),
    "bndiff":         lambda v: v.hprebn - v.bnmeani,
    "bndiff2":        lambda v: v.bndiff**2,
    "bnvar":          lambda v: v.bndiff2.sum(0, keepdims=True) / (v.n - 1),
    # A number that float32 does not hold exactly would make this float64.
    "bnvar_inv":      lambda v: (v.bnvar + np.asarray(v.eps, v.bnvar.dtype)) ** -0.5,
    "bnraw":          lambda v: v.bndiff * v.bnvar_inv,
    "hpreact":        lambda v: v.bngain * v.bnraw + v.bnbias,
    "h":              lambda v: pt.tanh(v.hpreact),
    "logits":         lambda v: v.h @ v.W2 + v.b2,
    "logit_maxes":    lambda v: v.logits.max(1, keepdims=True),
    "norm_logits":    lambda v: v.logits - v.logit_maxes,
    "counts":         lambda v: pt.exp(v.norm_logits),
    "counts_sum":     lambda v: v.counts.sum(1, keepdims=True),
    "counts_sum_inv": lambda v: v.counts_sum**-1,
    "probs":          lambda v: v.counts * v.counts_sum_inv,
    "logprobs":       lambda v: pt.log(v.probs),
    "loss":           lambda v: -v.logprobs[np.arange(v.n), v.Y].mean(),
}
# fmt: on


def gradients(total: Callable[[dict[str, Any]], Any], leaves: dict[str, Any]) -> dict[str, Any]:
    """The gradients of ``total(leaves)``, a scalar, with respect to every leaf."""
    inputs = {name: pt.TensorType(a.dtype, a.shape)(name) for name, a in leaves.items()}
    grads = pytensor.grad(total(inputs), list(inputs.values()), disconnected_inputs="ignore")
    # Compiling takes longer than computing at these sizes: Python's own linker.
    options = {"mode": "FAST_COMPILE", "on_unused_input": "ignore"}
    found = pytensor.function(list(inputs.values()), grads, **options)
    return dict(zip(leaves, found(*leaves.values()), strict=True))
