"""The network in tinygrad: its twenty lines, and backward."""

from collections.abc import Callable
from typing import Any

from tinygrad import Tensor

# fmt: off
LINES: dict[str, Callable[[Any], Any]] = {
    "emb":            lambda v: v.C[Tensor(v.X)],
    "embcat":         lambda v: v.emb.reshape(v.n, -1),
    "hprebn":         lambda v: v.embcat @ v.W1 + v.b1,
    "bnmeani":        lambda v: v.hprebn.mean(0, keepdim=True),
    "bndiff":         lambda v: v.hprebn - v.bnmeani,
    "bndiff2":        lambda v: v.bndiff**2,
    "bnvar":          lambda v: v.bndiff2.sum(0, keepdim=True) / (v.n - 1),
    "bnvar_inv":      lambda v: (v.bnvar + v.eps) ** -0.5,
    "bnraw":          lambda v: v.bndiff * v.bnvar_inv,
    "hpreact":        lambda v: v.bngain * v.bnraw + v.bnbias,
    "h":              lambda v: v.hpreact.tanh(),
    "logits":         lambda v: v.h @ v.W2 + v.b2,
    "logit_maxes":    lambda v: v.logits.max(1, keepdim=True),
    "norm_logits":    lambda v: v.logits - v.logit_maxes,
    "counts":         lambda v: v.norm_logits.exp(),
    "counts_sum":     lambda v: v.counts.sum(1, keepdim=True),
    "counts_sum_inv": lambda v: v.counts_sum**-1,
    "probs":          lambda v: v.counts * v.counts_sum_inv,
    "logprobs":       lambda v: v.probs.log(),
    "loss":           lambda v: -v.logprobs[Tensor.arange(v.n), Tensor(v.Y)].mean(),
}
# fmt: on


def gradients(total: Callable[[dict[str, Any]], Any], leaves: dict[str, Any]) -> dict[str, Any]:
    """The gradients of ``total(leaves)``, a scalar, with respect to every leaf."""
    tensors = {name: Tensor(array) for name, array in leaves.items()}
    grads = total(tensors).gradient(*tensors.values())
    return {name: grad.numpy() for name, grad in zip(tensors, grads, strict=True)}
