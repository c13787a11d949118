"""Batch-norm statistics that take the batch's place after training, and the loss of a split."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from npnet.base.arrays import Array, Floats, Ints
from npnet.base.errors import InputError
from npnet.checks.array_error import read_array
from npnet.network.parameters import Parameters, check_batch, check_eps

# Rows that are taken at once, and the numbers (16 MB of float32) that a layer of them may have:
# with a large vocabulary or hidden layer it is fewer rows. So memory does not grow with examples.
BLOCK = 2048
BLOCK_NUMBERS = 1 << 22
# Contexts repeat: 182,625 examples of names hold some 6,000 different ones. They are counted in a
# table if it has at most this many places (16 MB), and the network sees each one only once.
PLACES = 1 << 21

UNTRAINED = "wanted finite numbers: take a model whose training went well"


@dataclass(frozen=True)
class Statistics:
    """Mean and variance of ``hprebn``, to be used by evaluation and sampling.

    Attributes:
        mean, var: (1, H), the variance with Bessel's correction.
        eps: added to the variance.

    Raises:
        InputError: mean and var are not two arrays (1, H) of floats, or eps is below 0.
    """

    mean: Floats
    var: Floats
    eps: float

    def __post_init__(self) -> None:
        mean = read_array("Statistics: mean", self.mean)
        var = read_array("Statistics: var", self.var)
        fits = mean.ndim == 2 and len(mean) == 1 and mean.shape == var.shape
        if not fits or {mean.dtype.kind, var.dtype.kind} != {"f"}:
            raise InputError(
                f"Statistics: mean is {mean.dtype} of shape {mean.shape} and var {var.dtype} of "
                f"shape {var.shape}, wanted floats of shape (1, H) both: keepdims=True"
            )
        eps = check_eps("Statistics", self.eps)
        for name, entry in (("mean", mean), ("var", var), ("eps", eps)):
            object.__setattr__(self, name, entry)


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
        InputError: parameters and contexts do not fit, fewer than 2 rows, or a result that is
            not finite.
    """
    params = params if isinstance(params, Parameters) else Parameters(**params)
    X = read_array("calibrate: X", X)
    X, _ = check_batch("calibrate", params, X, np.zeros(X.shape[:1], np.int64))
    if len(X) < 2:
        raise InputError("calibrate: 1 row, wanted 2 or more: the variance divides by N-1")
    contexts, repeats = _distinct([*X.T], params.sizes["V"])
    count = 0
    mean = np.zeros((1, params.sizes["H"]))
    squares = np.zeros_like(mean)  # sum of squared distances from the mean
    with np.errstate(all="ignore"):  # what is not finite is found below
        for rows in _blocks(len(contexts), params):
            hprebn = _hprebn(params, contexts[rows]).astype(np.float64)
            weights = repeats[rows]
            weight = int(weights.sum())
            block_mean = weights @ hprebn / weight
            shift = block_mean - mean
            squares += weights @ (hprebn - block_mean) ** 2
            squares += shift**2 * (count * weight / (count + weight))
            count += weight
            mean += shift * (weight / count)
        var = (squares / (count - 1)).astype(params.dtype)
        stats = Statistics(mean.astype(params.dtype), var, eps)
    _refuse_infinite("calibrate", stats)
    return stats


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
        The loss in nats an example, computed in the wider dtype of parameters and
        statistics, averaged in float64.

    Raises:
        InputError: parameters, statistics and examples do not fit together, or a loss that is
            not finite.
    """
    params = params if isinstance(params, Parameters) else Parameters(**params)
    X, Y = check_batch("evaluate", params, X, Y)
    # A context with its target is counted like a context that is longer by one.
    examples, repeats = _distinct([*X.T, Y], params.sizes["V"])
    total = 0.0
    with np.errstate(all="ignore"):  # what is not finite is found below
        network = Folded(params, stats, len(examples))
        for rows in _blocks(len(examples), params):
            contexts, targets = examples[rows, :-1], examples[rows, -1]
            # Examples of one context lie side by side, and the network sees it once.
            first = np.r_[True, (contexts[1:] != contexts[:-1]).any(1)]
            logits = network.logits(contexts[first])
            taken = surprise(logits, first.cumsum() - 1, targets).astype(np.float64)
            total += float(repeats[rows] @ taken)
    if not math.isfinite(total):
        raise InputError(f"evaluate: the loss is {total}, {UNTRAINED}")
    return total / len(X)


def predict(params: Parameters, stats: Statistics, X: Ints) -> Floats:
    """The logits (N, V) of contexts (N, T) under fixed statistics.

    Raises:
        InputError: the statistics are of another width than the parameters, or not finite.
    """
    return Folded(params, stats, len(X)).logits(X).T


class Folded:
    """The network under fixed statistics, made ready for so many contexts.

    The whole normalisation is then one scale and one shift a unit, which go into W1. And hprebn
    is a sum over the places of a context, of which each character gives its part: where many
    contexts have the same characters in their first half, or in their second, what these give is
    looked up rather than multiplied: 182,625 examples of T = 4 take 77 ms in place of 104, and the
    different ones of T = 3 5.5 in place of 5.9 (H = 200, one thread, AVX-512 kernels).

    Args:
        params, stats: as for ``predict``.
        count: how many contexts are expected.

    Raises:
        InputError: as ``predict``.
    """

    def __init__(self, params: Parameters, stats: Statistics, count: int) -> None:
        sizes = params.sizes
        T, E, H, V = (sizes[axis] for axis in "TEHV")
        if stats.mean.shape != (1, H):
            raise InputError(
                f"predict: statistics of shape {stats.mean.shape}, wanted (1, {H}): "
                "they belong to another network"
            )
        _refuse_infinite("predict", stats)
        scale = params.bngain * (stats.var + stats.eps) ** -0.5  # (1, H)
        self.params = params
        self.W1 = params.W1 * scale  # (T·E, H)
        self.shift = (params.b1 - stats.mean) * scale + params.bnbias  # (1, H)
        # Stretches of a context, and a table (V^length, H) for each; the first has the shift.
        self.tables: list[tuple[slice, Floats]] = []
        longer = -(-T // 2)
        if 2 * V**longer <= count and V**longer * H <= BLOCK_NUMBERS:
            parts = params.C @ self.W1.reshape(T, E, H)  # (T, V, H)
            for stretch in (slice(longer), slice(longer, T))[:T]:
                table = np.zeros_like(self.shift) if self.tables else self.shift
                for part in parts[stretch]:
                    table = (table[:, None] + part).reshape(-1, H)
                self.tables.append((stretch, table))

    def logits(self, X: Ints) -> Floats:
        """Of contexts (N, T): (V, N), a row for each class, for softmax is faster along memory."""
        p = self.params
        if self.tables:
            V = p.sizes["V"]
            h, *rest = (table.take(_places([*X.T[at]], V), 0) for at, table in self.tables)
            for other in rest:
                h += other
        else:
            h = p.C.take(X, 0).reshape(len(X), -1) @ self.W1
            h += self.shift
        np.tanh(h, h)
        return np.add((h @ p.W2).T, p.b2[:, None], order="C")


def surprise(logits: Floats, columns: Ints, targets: Ints) -> Floats:
    """Minus the log probability of ``targets`` (M,) in these ``columns`` (M,) of logits (V, N)."""
    norm_logits = logits - logits.max(0)
    counts_sum = np.exp(norm_logits).sum(0)
    taken: Floats = np.log(counts_sum).take(columns) - norm_logits[targets, columns]
    return taken


def _hprebn(params: Parameters, X: Ints) -> Array:
    hprebn: Array = params.C.take(X, 0).reshape(len(X), -1) @ params.W1 + params.b1
    return hprebn


def _blocks(count: int, params: Parameters) -> Iterator[slice]:
    widest = max(len(params.W1), *params.sizes.values())
    rows = max(1, min(BLOCK, BLOCK_NUMBERS // widest))
    return (slice(start, start + rows) for start in range(0, count, rows))


def _refuse_infinite(who: str, stats: Statistics) -> None:
    # An infinite variance would make zeros of a hidden unit, and no loss would show it.
    if not (np.isfinite(stats.mean).all() and 0 <= stats.var.min() <= stats.var.max() < np.inf):
        raise InputError(f"{who}: statistics that are not finite, {UNTRAINED}")


def _distinct(columns: Sequence[Ints], V: int) -> tuple[Ints, Ints]:
    """The different rows (K, width) of indices below V, in order, and how often each occurs.

    Where a table of all possible rows would be too large, the rows as they are, once each.
    """
    width = len(columns)
    if V**width > PLACES:
        return np.column_stack(columns), np.ones(len(columns[0]), np.int64)
    counts = np.bincount(_places(columns, V))
    places = np.flatnonzero(counts > 0)  # of truth values in a quarter of the time
    return places[:, None] // V ** np.arange(width - 1, -1, -1) % V, counts[places]


def _places(columns: Sequence[Ints], V: int) -> Ints:
    """Where rows of indices below V, given by columns, stand in a list of all such rows."""
    return functools.reduce(lambda place, column: place * V + column, columns)
