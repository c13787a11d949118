"""Batch-norm statistics that take the batch's place after training, and the loss of a split."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from npnet.arrays import Array, Floats, Ints
from npnet.errors import InputError
from npnet.parameters import Parameters, check_batch

# Rows that are taken at once. Their hidden layer is the largest array made here, 3 MB at
# H = 200, whatever the number of examples.
BLOCK = 4096
# Contexts repeat: 182,625 examples of names hold some 6,000 different ones. They are counted in a
# table if it has at most this many places (16 MB), and the network sees each one only once.
PLACES = 1 << 21


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
    contexts, repeats = _distinct([*X.T], params.sizes["V"])
    count = 0
    mean = np.zeros((1, params.sizes["H"]))
    squares = np.zeros_like(mean)  # sum of squared distances from the mean
    for rows in _blocks(len(contexts)):
        hprebn = _hprebn(params, contexts[rows]).astype(np.float64)
        weights = repeats[rows]
        weight = int(weights.sum())
        block_mean = weights @ hprebn / weight
        shift = block_mean - mean
        squares += weights @ (hprebn - block_mean) ** 2
        squares += shift**2 * (count * weight / (count + weight))
        count += weight
        mean += shift * (weight / count)
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
    # A context with its target is counted like a context that is longer by one.
    examples, repeats = _distinct([*X.T, Y], params.sizes["V"])
    total = 0.0
    for rows in _blocks(len(examples)):
        contexts, targets = examples[rows, :-1], examples[rows, -1]
        # Examples of one context lie side by side, and the network sees it once.
        first = np.r_[True, (contexts[1:] != contexts[:-1]).any(1)]
        surprise = _surprise(predict(params, stats, contexts[first]))
        total += float(repeats[rows] @ surprise[first.cumsum() - 1, targets].astype(np.float64))
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
    # Fixed statistics make of the whole normalisation one scale and one shift a unit.
    scale = params.bngain * (stats.var + stats.eps) ** -0.5
    shift = (params.b1 - stats.mean) * scale + params.bnbias
    h = params.C[X].reshape(len(X), -1) @ params.W1
    h *= scale
    h += shift
    np.tanh(h, h)
    logits: Floats = h @ params.W2
    logits += params.b2
    return logits


def _hprebn(params: Parameters, X: Ints) -> Array:
    hprebn: Array = params.C[X].reshape(len(X), -1) @ params.W1 + params.b1
    return hprebn


def _surprise(logits: Floats) -> Floats:
    """Minus the log probability of every class (N, V)."""
    norm_logits = logits - logits.max(1, keepdims=True)
    surprise: Floats = np.log(np.exp(norm_logits).sum(1, keepdims=True)) - norm_logits
    return surprise


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, count, BLOCK))


def _distinct(columns: Sequence[Ints], V: int) -> tuple[Ints, Ints]:
    """The different rows (K, width) of indices below V, in order, and how often each occurs.

    Where a table of all possible rows would be too large, the rows as they are, once each.
    """
    width = len(columns)
    if V**width > PLACES:
        return np.column_stack(columns), np.ones(len(columns[0]), np.int64)
    counts = np.bincount(functools.reduce(lambda place, column: place * V + column, columns))
    places = np.flatnonzero(counts)
    return places[:, None] // V ** np.arange(width - 1, -1, -1) % V, counts[places]
