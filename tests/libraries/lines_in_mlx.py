"""The network in MLX: its twenty lines, and mlx.core.grad."""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

mx.set_default_device(mx.cpu)  # a GPU has no float64
DTYPES = {"float32": mx.float32, "float64": mx.float64}

# fmt: off
LINES: dict[str, Callable[[Any], Any]] = {
    "emb":            lambda v: v.C[mx.array(v.X)],
    "embcat":         lambda v: v.emb.reshape(v.n, -1),
    "hprebn":         lambda v: v.embcat @ v.W1 + v.b1,
    "bnmeani":        lambda v: v.hprebn.mean(0, keepdims=True),
    "bndiff":         lambda v: v.hprebn - v.bnmeani,
    "bndiff2":        lambda v: v.bndiff**2,
    "bnvar":          lambda v: v.bndiff2.sum(0, keepdims=True) / (v.n - 1),
    "bnvar_inv":      lambda v: (v.bnvar + v.eps) ** -0.5,
    "bnraw":          lambda v: v.bndiff * v.bnvar_inv,
    "hpreact":        lambda v: v.bngain * v.bnraw + v.bnbias,
    "h":              lambda v: mx.tanh(v.hpreact),
    "logits":         lambda v: v.h @ v.W2 + v.b2,
    "logit_maxes":    lambda v: v.logits.max(1, keepdims=True),
    "norm_logits":    lambda v: v.logits - v.logit_maxes,
    "counts":         lambda v: mx.exp(v.norm_logits),
    "counts_sum":     lambda v: v.counts.sum(1, keepdims=True),
    "counts_sum_inv": lambda v: v.counts_sum**-1,
    "probs":          lambda v: v.counts * v.counts_sum_inv,
    "logprobs":       lambda v: mx.log(v.probs),
    "loss":           lambda v: -v.logprobs[mx.arange(v.n), mx.array(v.Y)].mean(),
}
# fmt: on


def gradients(total: Callable[[dict[str, Any]], Any], leaves: dict[str, Any]) -> dict[str, Any]:
    """The gradients of ``total(leaves)``, a scalar, with respect to every leaf."""
    arrays = {name: mx.array(array, DTYPES[str(array.dtype)]) for name, array in leaves.items()}
    return {name: np.array(array) for name, array in mx.grad(total)(arrays).items()}
