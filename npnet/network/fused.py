"""The loss and the seven gradients, with formulas that were simplified on paper.

Exercise 4 of the lecture: one formula is the gradient through softmax and cross-entropy, another
the gradient through batch normalisation. Only what training needs is kept.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from npnet.base.arguments import an, require
from npnet.base.arrays import Floats, Ints, read_array
from npnet.base.equality import equal
from npnet.base.errors import InputError
from npnet.network.parameters import Parameters, check_batch, check_eps


def loss_and_gradients(
    params: Parameters | Mapping[str, ArrayLike], X: ArrayLike, Y: ArrayLike, eps: float = 1e-5
) -> tuple[Floats, Parameters]:
    """The loss of a batch and its gradient with respect to each parameter.

    Args:
        params: the seven parameters, all float32 or all float64.
        X: context indices (n, T), n of 2 or more.
        Y: target indices (n,).
        eps: added to the variance in batch normalisation.

    Returns:
        The loss, a scalar of the parameters' dtype, and the gradients as ``Parameters``.
        Both are finite for any finite logits.

    Raises:
        InputError: parameters or batch do not fit together, eps is below 0.
    """
    params = Parameters.of(params)
    X, Y = check_batch("loss_and_gradients", params, X, Y)

    emb = params.C[X]  # (n, T, E)
    embcat = emb.reshape(len(X), -1)  # (n, T·E)
    hprebn = embcat @ params.W1 + params.b1  # (n, H)
    hpreact, saved = batch_norm(hprebn, params.bngain, params.bnbias, eps)  # (n, H)
    h = np.tanh(hpreact)  # (n, H)
    logits = h @ params.W2 + params.b2  # (n, V)
    loss, dlogits = cross_entropy(logits, Y)  # (), (n, V)

    dh = dlogits @ params.W2.T  # (n, H)
    dW2 = h.T @ dlogits  # (H, V)
    db2 = dlogits.sum(0)  # (V,)
    dhpreact = (1 - h**2) * dh  # (n, H)
    dhprebn, dbngain, dbnbias = batch_norm_backward(dhpreact, saved)  # (n, H), (1, H), (1, H)
    dembcat = dhprebn @ params.W1.T  # (n, T·E)
    dW1 = embcat.T @ dhprebn  # (T·E, H)
    db1 = dhprebn.sum(0)  # (H,)
    demb = dembcat.reshape(emb.shape)  # (n, T, E)
    dC = np.zeros_like(params.C)  # (V, E)
    np.add.at(dC, X, demb)  # a character in several places gets the sum of their gradients

    gradients = Parameters(C=dC, W1=dW1, b1=db1, W2=dW2, b2=db2, bngain=dbngain, bnbias=dbnbias)
    return loss, gradients


def cross_entropy(logits: Floats, Y: Ints) -> tuple[Floats, Floats]:
    """Softmax and mean negative log likelihood at once, forward and backward.

    Args:
        logits: (n, V), float32 or float64.
        Y: target indices (n,).

    Returns:
        The loss, a scalar of the logits' dtype, and ``dlogits`` (n, V), which is
        (softmax(logits) − onehot(Y)) / n. The largest logit of each row is subtracted first, and
        only the logarithm of the sum is taken. So ``dlogits`` is finite for any finite logits. The
        loss is finite too, unless the differences in a row are too large for the dtype.

    Raises:
        InputError: shapes that do not fit, no rows, a target outside 0 to V-1.
    """
    logits, Y = read_array("cross_entropy: logits", logits), read_array("cross_entropy: Y", Y)
    fits = logits.ndim == 2 and Y.shape == logits.shape[:1] and logits.size
    if not fits or logits.dtype.kind != "f":
        raise InputError(
            f"cross_entropy: logits have shape {logits.shape} and dtype {logits.dtype}, Y has "
            f"shape {Y.shape}, wanted floats (n, V) and (n,) with a row or more"
        )
    n, V = logits.shape
    if not np.issubdtype(Y.dtype, np.integer) or Y.min() < 0 or Y.max() >= V:
        raise InputError(
            f"cross_entropy: Y is {Y.dtype} from {Y.min()} to {Y.max()}, wanted "
            f"integers from 0 to {V - 1}"
        )
    rows = np.arange(n)
    norm_logits = logits - logits.max(1, keepdims=True)  # (n, V)
    counts = np.exp(norm_logits)  # (n, V)
    counts_sum = counts.sum(1, keepdims=True)  # (n, 1)
    loss = (np.log(counts_sum[:, 0]) - norm_logits[rows, Y]).mean()
    dlogits = counts / counts_sum  # (n, V), softmax so far
    dlogits[rows, Y] -= 1
    dlogits /= n
    return loss, dlogits


class BatchNormSaved(NamedTuple):
    """The values of the forward pass that ``batch_norm_backward`` needs."""

    bnraw: Floats  # (n, H)
    bnvar_inv: Floats  # (1, H)
    bngain: Floats  # (1, H)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and equal(tuple(self), tuple(other))


SAVED = an(BatchNormSaved, "the second result of npnet.batch_norm")


def batch_norm(
    hprebn: Floats, bngain: Floats, bnbias: Floats, eps: float = 1e-5
) -> tuple[Floats, BatchNormSaved]:
    """Batch normalisation with Bessel's correction: mean 0, variance 1, then gain and bias.

    Args:
        hprebn: (n, H), n of 2 or more.
        bngain, bnbias: (1, H).
        eps: added to the variance.

    Returns:
        ``hpreact`` (n, H), and the values that ``batch_norm_backward`` needs.

    Raises:
        InputError: shapes that do not fit, fewer than 2 rows, or eps is below 0.
    """
    hprebn = read_array("batch_norm: hprebn", hprebn)
    bngain = read_array("batch_norm: bngain", bngain)
    bnbias = read_array("batch_norm: bnbias", bnbias)
    if (
        hprebn.ndim != 2
        or len(hprebn) < 2
        or {bngain.shape, bnbias.shape} != {(1, hprebn.shape[1])}
    ):
        raise InputError(
            f"batch_norm: hprebn has shape {hprebn.shape}, bngain {bngain.shape}, bnbias "
            f"{bnbias.shape}, wanted (n, H), (1, H), (1, H) with n of 2 or more"
        )
    bndiff = hprebn - hprebn.mean(0, keepdims=True)  # (n, H)
    bnvar = (bndiff**2).sum(0, keepdims=True) / (len(hprebn) - 1)  # (1, H)
    bnvar_inv = (bnvar + check_eps("batch_norm", eps)) ** -0.5  # (1, H)
    bnraw = bndiff * bnvar_inv  # (n, H)
    return bngain * bnraw + bnbias, BatchNormSaved(bnraw, bnvar_inv, bngain)


def batch_norm_backward(dhpreact: Floats, saved: BatchNormSaved) -> tuple[Floats, Floats, Floats]:
    """The gradients of ``batch_norm`` in one formula, through mean and variance too.

    Args:
        dhpreact: gradient with respect to ``hpreact`` (n, H).
        saved: the second result of ``batch_norm``.

    Returns:
        ``dhprebn`` (n, H), ``dbngain`` (1, H), ``dbnbias`` (1, H).

    Raises:
        InputError: ``dhpreact`` has another shape than ``hpreact`` had.
    """
    require("batch_norm_backward", "saved", saved, SAVED)
    bnraw, bnvar_inv, bngain = saved
    dhpreact = read_array("batch_norm_backward: dhpreact", dhpreact)
    if dhpreact.shape != bnraw.shape:
        raise InputError(
            f"batch_norm_backward: dhpreact has shape {dhpreact.shape}, wanted {bnraw.shape} "
            "like hpreact"
        )
    n = len(bnraw)
    dbnbias = dhpreact.sum(0, keepdims=True)  # (1, H)
    dbngain = (dhpreact * bnraw).sum(0, keepdims=True)  # (1, H)
    dhprebn = bngain * bnvar_inv / n * (n * dhpreact - dbnbias - n / (n - 1) * bnraw * dbngain)
    return dhprebn, dbngain, dbnbias
