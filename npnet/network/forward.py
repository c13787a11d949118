"""The forward pass, one step a line. Everything else in npnet takes it apart or runs it."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from npnet.base.arrays import Array, Named
from npnet.base.errors import InputError
from npnet.network.parameters import Parameters, check_batch, check_eps

# The twenty values in the order in which they are computed, each with its shape. `v` holds the
# parameters, the batch X (n, T) and Y (n,), eps, and the values of the lines above.
# fmt: off
LINES: dict[str, Callable[[Any], Array]] = {
    "emb":            lambda v: v.C[v.X],                                       # (n, T, E)
    "embcat":         lambda v: v.emb.reshape(len(v.emb), -1),                  # (n, T·E)
    "hprebn":         lambda v: v.embcat @ v.W1 + v.b1,                         # (n, H)
    "bnmeani":        lambda v: v.hprebn.mean(0, keepdims=True),                # (1, H)
    "bndiff":         lambda v: v.hprebn - v.bnmeani,                           # (n, H)
    "bndiff2":        lambda v: v.bndiff**2,                                    # (n, H)
    "bnvar":          lambda v: v.bndiff2.sum(0, keepdims=True) / (len(v.bndiff2) - 1),  # (1, H)
    "bnvar_inv":      lambda v: (v.bnvar + v.eps)**-0.5,                        # (1, H)
    "bnraw":          lambda v: v.bndiff * v.bnvar_inv,                         # (n, H)
    "hpreact":        lambda v: v.bngain * v.bnraw + v.bnbias,                  # (n, H)
    "h":              lambda v: np.tanh(v.hpreact),                             # (n, H)
    "logits":         lambda v: v.h @ v.W2 + v.b2,                              # (n, V)
    "logit_maxes":    lambda v: v.logits.max(1, keepdims=True),                 # (n, 1)
    "norm_logits":    lambda v: v.logits - v.logit_maxes,                       # (n, V)
    "counts":         lambda v: np.exp(v.norm_logits),                          # (n, V)
    "counts_sum":     lambda v: v.counts.sum(1, keepdims=True),                 # (n, 1)
    "counts_sum_inv": lambda v: v.counts_sum**-1,                               # (n, 1)
    "probs":          lambda v: v.counts * v.counts_sum_inv,                    # (n, V)
    "logprobs":       lambda v: np.log(v.probs),                                # (n, V)
    "loss":           lambda v: -v.logprobs[np.arange(len(v.Y)), v.Y].mean(),   # ()
}
# fmt: on


class Values(Named):
    """All that a forward pass made: seven parameters, twenty values, ``X``, ``Y`` and ``eps``."""


def forward(
    params: Parameters | Mapping[str, ArrayLike], X: ArrayLike, Y: ArrayLike, eps: float = 1e-5
) -> Values:
    """Run the twenty lines over one batch.

    Args:
        params: the seven parameters, all float32 or all float64.
        X: context indices (n, T), integers below V. n is 2 or more.
        Y: target indices (n,), integers below V.
        eps: added to the variance; a plain number.

    Returns:
        The values in the parameters' dtype, shapes as in ``npnet.network.names``.

    Raises:
        InputError: parameters or batch do not fit together, eps is below 0.

    The lines are cut for learning: they take the logarithm of probabilities that may have
    underflowed to 0. ``npnet.loss_and_gradients`` is safe for any logits.
    """
    params = params if isinstance(params, Parameters) else Parameters(**params)
    X, Y = check_batch("forward", params, X, Y)
    if len(Y) < 2:
        raise InputError(
            "forward: a batch of 1, wanted 2 rows or more: the variance divides by n-1"
        )
    v = SimpleNamespace(**params, X=X, Y=Y, eps=check_eps("forward", eps))
    for name, line in LINES.items():
        setattr(v, name, line(v))
    return Values(vars(v))
