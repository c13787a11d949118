"""The forward pass as a table: twenty lines, each with the shape of its result."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from npnet.base.arrays import Floats, Ints, Named
from npnet.base.errors import InputError
from npnet.network.parameters import Parameters, check_batch, check_eps


class Values(Named):
    """The inputs of a forward pass, and the twenty values that it computes.

    The shapes are those of ``npnet.network.names``. The parameters, ``X`` (n, T), ``Y`` (n,) and
    ``eps`` come first.
    """

    C: Floats
    W1: Floats
    b1: Floats
    W2: Floats
    b2: Floats
    bngain: Floats
    bnbias: Floats
    X: Ints
    Y: Ints
    eps: float
    emb: Floats
    embcat: Floats
    hprebn: Floats
    bnmeani: Floats
    bndiff: Floats
    bndiff2: Floats
    bnvar: Floats
    bnvar_inv: Floats
    bnraw: Floats
    hpreact: Floats
    h: Floats
    logits: Floats
    logit_maxes: Floats
    norm_logits: Floats
    counts: Floats
    counts_sum: Floats
    counts_sum_inv: Floats
    probs: Floats
    logprobs: Floats
    loss: Floats


# The twenty values in the order in which they are computed. `v` holds the parameters, the batch
# X (n, T) and Y (n,), eps, and the values of the lines above; any object with these attributes
# will do.
# fmt: off
LINES: dict[str, Callable[[Values], Floats]] = {
    "emb":            lambda v: v.C[v.X],                                                # (n, T, E)
    "embcat":         lambda v: v.emb.reshape(len(v.emb), -1),                           # (n, T·E)
    "hprebn":         lambda v: v.embcat @ v.W1 + v.b1,                                  # (n, H)
    "bnmeani":        lambda v: v.hprebn.mean(0, keepdims=True),                         # (1, H)
    "bndiff":         lambda v: v.hprebn - v.bnmeani,                                    # (n, H)
    "bndiff2":        lambda v: v.bndiff**2,                                             # (n, H)
    "bnvar":          lambda v: v.bndiff2.sum(0, keepdims=True) / (len(v.bndiff2) - 1),  # (1, H)
    "bnvar_inv":      lambda v: (v.bnvar + v.eps)**-0.5,                                 # (1, H)
    "bnraw":          lambda v: v.bndiff * v.bnvar_inv,                                  # (n, H)
    "hpreact":        lambda v: v.bngain * v.bnraw + v.bnbias,                           # (n, H)
    "h":              lambda v: np.tanh(v.hpreact),                                      # (n, H)
    "logits":         lambda v: v.h @ v.W2 + v.b2,                                       # (n, V)
    "logit_maxes":    lambda v: v.logits.max(1, keepdims=True),                          # (n, 1)
    "norm_logits":    lambda v: v.logits - v.logit_maxes,                                # (n, V)
    "counts":         lambda v: np.exp(v.norm_logits),                                   # (n, V)
    "counts_sum":     lambda v: v.counts.sum(1, keepdims=True),                          # (n, 1)
    "counts_sum_inv": lambda v: v.counts_sum**-1,                                        # (n, 1)
    "probs":          lambda v: v.counts * v.counts_sum_inv,                             # (n, V)
    "logprobs":       lambda v: np.log(v.probs),                                         # (n, V)
    "loss":           lambda v: -v.logprobs[np.arange(len(v.Y)), v.Y].mean(),            # ()
}
# fmt: on


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

    The lines are written for learning. ``logprobs`` is the logarithm of probabilities, which can
    underflow to 0. ``npnet.loss_and_gradients`` is safe for any logits.
    """
    params = Parameters.of(params)
    X, Y = check_batch("forward", params, X, Y)
    if len(Y) < 2:
        raise InputError(
            "forward: a batch of 1, wanted 2 rows or more: the variance divides by n-1"
        )
    v: Any = SimpleNamespace(**params, X=X, Y=Y, eps=check_eps("forward", eps))
    for name, line in LINES.items():
        setattr(v, name, line(v))
    return Values(vars(v))
