"""Measuring how much each gradient differs from the float64 truth: ours and torch's."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Ints
from npnet.base.errors import InputError
from npnet.checks.compare import zero_scales
from npnet.network.forward import forward
from npnet.network.gradients import backward
from npnet.network.parameters import Parameters
from oracle.lines import GRADIENT_NAMES
from oracle.whole import whole

Batch = tuple[Parameters, Ints, Ints]


class Accuracy(NamedTuple):
    """Medians over the batches, for one gradient.

    ``ours`` and ``torch`` are max|error| / max|truth|. For the two gradients that are
    mathematically zero, the divisor is the sum of |summands|. ``ratio`` is the median of ours /
    torch's.
    """

    gradient: str
    ours: float
    torch: float
    ratio: float


def accuracy(batches: Iterable[Batch], eps: float = 1e-5) -> tuple[list[Accuracy], float]:
    """Errors of the 26 gradients end to end, in float32, and the median of all their ratios.

    Args:
        batches: float32 parameters, X (n, T) and Y (n,) of each batch.
        eps: as for ``npnet.forward``.

    Raises:
        InputError: there are no batches, or parameters are float64, which has no finer truth.
    """
    errors = np.array([_errors(*batch, eps) for batch in batches])
    if not errors.size:
        raise InputError("accuracy: no batches, wanted one or more")
    ours, torch = errors[..., 0], errors[..., 1]  # (batches, 26) each
    # If both are exact, as in logprobs, the ratio is 1.
    ratios = np.divide(ours, torch, where=torch > 0, out=np.where(ours > 0, np.inf, 1.0))
    medians = np.median([ours, torch, ratios], axis=1).T.tolist()  # (26, 3)
    rows = [Accuracy(name, *three) for name, three in zip(GRADIENT_NAMES, medians, strict=True)]
    return rows, float(np.median(ratios))


def _errors(params: Parameters, X: Ints, Y: Ints, eps: float) -> list[list[float]]:
    if params.dtype != np.float32:
        raise InputError(f"accuracy: parameters in {params.dtype}, wanted float32: use .astype")
    ours = backward(forward(params, X, Y, eps))
    _, reference = whole(params, X, Y, eps)
    _, truth = whole(params.astype(np.float64), X, Y, eps)
    scales = {name: np.abs(array).max() for name, array in truth.items()} | zero_scales(truth)
    return [
        [float(np.abs(side[name] - truth[name]).max() / scales[name]) for side in (ours, reference)]
        for name in GRADIENT_NAMES
    ]
