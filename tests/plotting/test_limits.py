"""The losses that a picture must show, and the numbers and times in its table."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from npnet.plotting.drawn import _loss, _time, limits
from npnet.plotting.smoothing import adapted


def drawn(means: list[float], *, diverged: int | None = None, **band: list[float]) -> Any:
    """A curve with the fields that its limits need."""
    low, high = (np.array(band[name]) if name in band else None for name in ("low", "high"))
    curve = SimpleNamespace(diverged=diverged)
    return SimpleNamespace(means=np.array(means, float), curve=curve, low=low, high=high)


def test_the_limits_are_those_of_all_curves_and_bands() -> None:
    curves = [drawn([3, 2.5]), drawn([2.8, 2.2], low=[2.6, 2.1], high=[3.2, 2.4])]
    assert limits(curves, log=False) == (2.1, 3.2)
    assert limits([drawn([np.nan, 2, np.inf])], log=False) == (2, 2)
    assert limits([drawn([np.nan])], log=False) is None
    assert limits([drawn([-1, 0, 2])], log=False) == (-1, 2)
    assert limits([drawn([-1, 0, 2])], log=True) == (2, 2)


@pytest.mark.parametrize(("top", "shown"), [(29.9, 29.9), (30.1, 3.0)])
def test_ten_times_the_smallest_top_is_an_explosion(top: float, shown: float) -> None:
    # Half of the curve is near its top, so that no entry of it stands out in the curve itself.
    curves = [drawn([3, 2]), drawn([2.5, top, top])]
    assert limits(curves, log=False) == (2, shown)
    assert limits(curves, log=True) == (2, top)


@pytest.mark.parametrize(("peak", "shown"), [(29.9, 29.9), (30.1, 3.0)])
def test_ten_times_the_usual_loss_of_a_curve_is_left_out(peak: float, shown: float) -> None:
    assert limits([drawn([3, 3, 3, 3, peak])], log=False) == (3, shown)


@pytest.mark.parametrize(
    ("first", "peak", "shown"),
    [(6, 59, 59), (6, 61, 6), (500, 2900, 2900), (500, 3100, 500)],
)
def test_a_large_first_loss_widens_what_is_usual(first: float, peak: float, shown: float) -> None:
    # Up to a hundred times the median; what is below ten times that is shown.
    assert limits([drawn([first, 3, 3, 3, 3, peak])], log=False) == (3, shown)


@pytest.mark.parametrize(
    ("end", "wanted"), [([1.1, 5.9], (1.1, 5.9)), ([0.9, 6.1], (2, 3)), ([2.5, 6.1], (2, 3))]
)
def test_a_diverged_curve_is_shown_within_limits_of_others(
    end: list[float], wanted: tuple[float, float]
) -> None:
    found = limits([drawn([3, 2]), drawn(end, diverged=7)], log=False)
    assert found == wanted
    assert limits([drawn(end, diverged=7)], log=False) == (min(end), max(end))


@pytest.mark.parametrize(
    ("points", "apart", "window"),
    [
        (200_000, 1, 1000),
        (20_000, 1, 1000),
        (19_999, 1, 999),
        (200, 1, 10),
        (25, 1, 1),
        (25, 40, 40),
    ],
)
def test_a_mean_is_over_a_thousand_steps_or_a_twentieth_of_the_points(
    points: int, apart: int, window: float
) -> None:
    assert adapted(np.arange(points) * float(apart)) == pytest.approx(window, rel=1e-12)


def test_losses_have_four_decimals_and_times_a_unit_that_fits() -> None:
    assert [_loss(value) for value in (None, 2.07109, -999.9, 1000.0, 12345678.0)] == [
        *("-", "2.0711", "-999.9000", "1000", "1.235e+07"),
    ]
    seconds = [None, 0.1234, 12.34, 119.0, 120.0, 7199 - 31, 7200.0, 3600 * 30 + 300]
    assert [_time(each) for each in seconds] == [
        *("-", "0.123 s", "12.3 s", "119 s", "2 min", "119 min", "2 h 0 min", "30 h 5 min"),
    ]
