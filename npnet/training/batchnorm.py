"""Batch-norm statistics for use after training, and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from npnet.base.arrays import Array, Floats, Ints, read_array
from npnet.base.equality import ReadOnlyFields
from npnet.base.errors import InputError
from npnet.network.parameters import Parameters, check_batch, check_eps
from npnet.training.distinct_rows import blocks, distinct

UNTRAINED = "wanted finite numbers: take a model whose training went well"


@dataclass(frozen=True, eq=False)
class Statistics(ReadOnlyFields):
    """Mean and variance of ``hprebn``, for evaluation and sampling.

    Attributes:
        mean, var: (1, H), read-only. The variance is divided by n − 1 (Bessel's correction).
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
        super().__post_init__()


def calibrate(
    params: Parameters | Mapping[str, ArrayLike], X: ArrayLike, eps: float = 1e-5
) -> Statistics:
    """Mean and unbiased variance of ``hprebn`` over a whole training set.

    Args:
        params: the seven parameters.
        X: context indices (N, T), N of 2 or more.
        eps: kept in the statistics.

    Returns:
        Statistics in the parameters' dtype. They are accumulated in float64, block by block, by
        the pairwise update of Chan, Golub and LeVeque (1979), which has no cancellation.

    Raises:
        InputError: parameters and contexts do not fit, there are fewer than 2 rows, or a result
            is not finite.
    """
    params = Parameters.of(params)
    X = read_array("calibrate: X", X)
    X, _ = check_batch("calibrate", params, X, np.zeros(X.shape[:1], np.int64))
    if len(X) < 2:
        raise InputError("calibrate: 1 row, wanted 2 or more: the variance divides by N-1")
    contexts, repeats = distinct([*X.T], params.sizes["V"])
    count = 0
    mean = np.zeros((1, params.sizes["H"]))
    squares = np.zeros_like(mean)  # sum of squared distances from the mean
    with np.errstate(all="ignore"):  # results that are not finite are found below
        for rows in blocks(len(contexts), params):
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
    refuse_infinite("calibrate", stats)
    return stats


def _hprebn(params: Parameters, X: Ints) -> Array:
    hprebn: Array = params.C.take(X, 0).reshape(len(X), -1) @ params.W1 + params.b1
    return hprebn


def refuse_infinite(who: str, stats: Statistics) -> None:
    # With an infinite variance a hidden unit would always be 0, and the loss would stay finite.
    if not (np.isfinite(stats.mean).all() and 0 <= stats.var.min() <= stats.var.max() < np.inf):
        raise InputError(f"{who}: statistics that are not finite, {UNTRAINED}")
