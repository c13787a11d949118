"""Moving means of losses: over a window of steps, or exponential as in TensorBoard."""

from __future__ import annotations

import re

import numpy as np

from npnet.base.arrays import Floats, Ints
from npnet.base.errors import InputError, shown

WINDOW = 1000  # steps, as in the lecture
# A window has at most this share of a run's points, so that even 25 epochs give a curve.
SHARE = 20
# A smooth curve is computed at no more points than a screen shows.
MOST_POINTS = 2000
# If the largest value is more than this many times the usual one, a running sum loses digits.
LARGEST_RATIO = 1e6


def smooth(
    steps: Floats, values: Floats, window: int | None = None, weight: float | None = None
) -> tuple[Floats, Floats]:
    """A smooth curve: steps, and the mean around each of them.

    Args:
        steps: (points,), increasing.
        values: (points,). Values that are not finite are left out of the means. After the last
            finite value there is no mean.
        window: number of steps, 1 or more: a mean is over all points at most half a window away
            on each side. None: 1,000, or the steps of a twentieth of the points if that is less.
        weight: the weight of the past in an exponential mean, from 0 to below 1, in place of the
            window. As in TensorBoard, the mean is divided by 1 - weight**n, so that the beginning
            is not too low.

    Returns:
        Steps and means, both (n,) float64, with n about 2,000 at most. The first and the last step
        are among them. A mean is nan if its window has no finite value.

    Raises:
        InputError: the shapes differ, the steps do not increase, or the window or the weight is out
            of range.
    """
    steps, values = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    if steps.ndim != 1 or steps.shape != values.shape:
        raise InputError(
            f"smooth: steps {steps.shape} and values {values.shape}, wanted one axis of one length"
        )
    if not (np.diff(steps) > 0).all():
        raise InputError("smooth: steps that do not increase: sort them, with one value for each")
    if window is not None and not window >= 1:
        raise InputError(f"smooth: window {window}, wanted 1 step or more")
    if weight is not None and not 0 <= weight < 1:
        raise InputError(f"smooth: weight {weight}, wanted 0 or more, below 1")
    finite = np.flatnonzero(np.isfinite(values))
    if not finite.size:
        return steps[:1], np.full(steps[:1].shape, np.nan)
    shown_at = _spread(finite[-1] + 1)
    if weight is not None:
        return steps[shown_at], _exponential(values[: finite[-1] + 1], weight)[shown_at]
    half = (adapted(steps) if window is None else window) / 2
    first: Ints = np.searchsorted(steps, steps[shown_at] - half, side="left").astype(np.int64)
    last: Ints = np.searchsorted(steps, steps[shown_at] + half, side="left").astype(np.int64)
    last = np.maximum(last, shown_at + 1)
    return steps[shown_at], _means(values, first, last)


def adapted(steps: Floats) -> float:
    """The window for a run with these steps: 1,000, or less if the run has few points or steps."""
    if steps.size < 2:
        return 1
    a_twentieth = (steps[-1] - steps[0]) / (steps.size - 1) * max(1, steps.size // SHARE)
    return min(float(WINDOW), float(a_twentieth)) if a_twentieth >= 1 else float(a_twentieth)


def parsed(text: str) -> tuple[int | None, float | None]:
    """Window and weight from ``--smooth``: ``ema:0.99``, a number of steps, or ``none``.

    Raises:
        InputError: the text is none of these.
    """
    if text == "none":
        return 1, None
    if match := re.fullmatch(r"ema:(0?\.\d+|0|0\.)", text):
        return None, float(match[1])
    if text.isdecimal() and int(text) >= 1:
        return int(text), None
    raise InputError(f"--smooth: got {shown(text)}, wanted ema:0.99, a number of steps, or none")


def _spread(count: int) -> Ints:
    """The indices of at most ``MOST_POINTS`` of ``count`` points, with the first and the last."""
    if count <= MOST_POINTS:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, MOST_POINTS).round().astype(np.int64))


def _means(values: Floats, first: Ints, last: Ints) -> Floats:
    finite = np.isfinite(values)
    kept = np.where(finite, values, 0)
    usual = np.median(np.abs(kept[finite]))
    if np.abs(kept).max() > LARGEST_RATIO * max(usual, np.finfo(float).tiny):
        # After one loss of 4e38, a running sum would have no digits left for the other losses.
        return np.array(
            [_mean(values[a:b]) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
        )
    sums = np.concatenate([[0.0], np.cumsum(kept)])
    counts = np.concatenate([[0], np.cumsum(finite)])
    number = counts[last] - counts[first]
    total = sums[last] - sums[first]
    means: Floats = np.full(number.shape, np.nan)
    return np.divide(total, number, out=means, where=number > 0)  # type: ignore[no-any-return]


def _mean(values: Floats) -> float:
    kept = values[np.isfinite(values)]
    with np.errstate(over="ignore"):
        return float(kept.mean()) if kept.size else float("nan")


def _exponential(values: Floats, weight: float) -> Floats:
    means = np.empty(values.size)
    mean, left = 0.0, 1.0
    for place, value in enumerate(values.tolist()):
        if value - value == 0:  # finite
            mean = weight * mean + (1 - weight) * value
            left *= weight
        means[place] = mean / (1 - left) if left < 1 else float("nan")
    return means
