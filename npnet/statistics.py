"""Batch-norm statistics that take the batch's place after training, and the loss of a split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from npnet.arrays import Array, Floats, Ints
from npnet.errors import InputError
from npnet.parameters import Parameters, check_batch

# Rows that are taken at once. Their hidden layer is the largest array made here, 3 MB at
# H = 200, whatever the number of examples.
BLOCK = 4096


@dataclass(frozen=True)
class Statistics:
    """Mean and variance of ``hprebn``, to be used by evaluation and sampling.

    Attributes:
        mean, var: (1, H), the variance with Bessel's correction.
        eps: added to the variance.
    """

    mean: Floats
    var: Floats
    eps: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "eps", float(self.eps))
        shapes = np.shape(self.mean), np.shape(self.var)
        if len(shapes[0]) != 2 or shapes[0][0] != 1 or shapes[0] != shapes[1]:
            raise InputError(
                f"Statistics: mean has shape {shapes[0]} and var {shapes[1]}, wanted (1, H) both: "
                "keepdims=True"
            )


def calibrate(
    params: Parameters | Mapping[str, ArrayLike], X: ArrayLike, eps: float = 1e-5
) -> Statistics:
    """Mean and unbiased variance of ``hprebn`` over a whole training set.

    Args:
        params: the seven parameters.
        X: context indices (N, T), N of 2 or more.
        eps: handed on to the statistics.

    Returns:
        Statistics in the parameters' dtype. Accumulated in float64, block by block, by the
        pairwise update of Chan, Golub and LeVeque (1979), which does not cancel.

    Raises:
        InputError: parameters and contexts do not fit, or fewer than 2 rows.
    """
    params = params if isinstance(params, Parameters) else Parameters(**params)
    X = np.asarray(X)
    X, _ = check_batch("calibrate", params, X, np.zeros(len(X), np.int64))
    if len(X) < 2:
        raise InputError("calibrate: 1 row, wanted 2 or more: the variance divides by N-1")
    count = 0
    mean = np.zeros((1, params.sizes["H"]))
    squares = np.zeros_like(mean)  # sum of squared distances from the mean
    for rows in _blocks(len(X)):
        hprebn = _hprebn(params, X[rows]).astype(np.float64)
        block_mean = hprebn.mean(0, keepdims=True)
        shift = block_mean - mean
        squares += ((hprebn - block_mean) ** 2).sum(0, keepdims=True)
        squares += shift**2 * (count * len(hprebn) / (count + len(hprebn)))
        count += len(hprebn)
        mean += shift * (len(hprebn) / count)
    dtype = params.dtype
    return Statistics(mean.astype(dtype), (squares / (count - 1)).astype(dtype), eps)


def evaluate(
    params: Parameters | Mapping[str, ArrayLike], stats: Statistics, X: ArrayLike, Y: ArrayLike
) -> float:
    """Mean cross-entropy of a split, with ``stats`` in place of the batch's own statistics.

    Args:
        params: the seven parameters.
        stats: of ``calibrate``, or kept during training.
        X: context indices (N, T).
        Y: target indices (N,).

    Returns:
        The loss in nats an example, computed in the parameters' dtype, averaged in float64.

    Raises:
        InputError: parameters, statistics and examples do not fit together.
    """
    params = params if isinstance(params, Parameters) else Parameters(**params)
    X, Y = check_batch("evaluate", params, X, Y)
    total = 0.0
    for rows in _blocks(len(X)):
        total += float(_surprise(predict(params, stats, X[rows]), Y[rows]).sum(dtype=np.float64))
    return total / len(X)


def predict(params: Parameters, stats: Statistics, X: Ints) -> Floats:
    """The logits (N, V) of contexts (N, T) under fixed statistics.

    Raises:
        InputError: the statistics are of another width than the parameters.
    """
    H = params.sizes["H"]
    if stats.mean.shape != (1, H):
        raise InputError(
            f"predict: statistics of shape {stats.mean.shape}, wanted (1, {H}): "
            "they belong to another network"
        )
    bnvar_inv = (stats.var + stats.eps) ** -0.5
    bnraw = (_hprebn(params, X) - stats.mean) * bnvar_inv
    h = np.tanh(params.bngain * bnraw + params.bnbias)
    logits: Floats = h @ params.W2 + params.b2
    return logits


def _hprebn(params: Parameters, X: Ints) -> Array:
    hprebn: Array = params.C[X].reshape(len(X), -1) @ params.W1 + params.b1
    return hprebn


def _surprise(logits: Floats, Y: Ints) -> Floats:
    """Minus the log probability of each target (N,)."""
    norm_logits = logits - logits.max(1, keepdims=True)
    logsum = np.log(np.exp(norm_logits).sum(1))
    surprise: Floats = logsum - norm_logits[np.arange(len(Y)), Y]
    return surprise


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, count, BLOCK))
