"""Whether a notebook's gradient and the right one are the same numbers, and how far they differ."""

import numpy as np
import pytest
from conftest import frozen

from npnet.grading.gradient_numbers import fits, passes_cmp, worst

RIGHT = frozen([[0.5, -2.0], [1.0, 0.25]], np.float64)


@pytest.mark.parametrize(
    ("dtype", "off", "right"),
    [
        ("float64", 0.9e-9, True),
        ("float64", 1.1e-9, False),  # a forgotten eps is 1e-6
        ("float32", 0.9 * 128 * 2.0**-23, True),
        ("float32", 1.1 * 128 * 2.0**-23, False),
        ("float16", 0.9 * 128 * 2.0**-10, True),
        ("float16", 1.1 * 128 * 2.0**-10, False),
    ],
)
def test_rounding_fits_and_a_mistake_does_not(dtype: str, off: float, right: bool) -> None:
    for factor in (1 + off, 1 - off):
        got = frozen(RIGHT * factor, dtype)
        assert fits(got, RIGHT, scale=2.0, dtype=dtype) == right


def test_whole_numbers_fit_only_where_they_are_equal() -> None:
    twos = frozen([2.0, 3.0], np.float64)
    assert fits(frozen([2, 3], np.int64), twos, scale=3.0, dtype="float32")
    assert not fits(frozen([2, 4], np.int64), twos, scale=3.0, dtype="float32")


def test_other_shapes_and_nan_never_fit() -> None:
    assert not fits(RIGHT[:1], RIGHT, scale=2.0, dtype="float64")
    assert not fits(frozen([np.nan], np.float64), frozen([1.0], np.float64), 1.0, "float64")


def test_the_published_comparison_is_allclose() -> None:
    assert passes_cmp(frozen(RIGHT * (1 + 9e-6), np.float64), RIGHT)
    assert not passes_cmp(frozen(RIGHT * (1 + 2e-5), np.float64), RIGHT)
    assert not passes_cmp(frozen([1, 2, 3]), frozen([1, 2]))


def test_the_worst_entry_is_named_with_its_ratio() -> None:
    got = np.array(RIGHT)
    got[1, 0] *= 1.5
    said = worst(got, RIGHT, scale=2.0)
    assert said == "1 of 4 entries, worst at (1, 0): yours 1.5, right 1, ratio 1.5"
    got[0, 1] *= 1 + 1e-10  # rounding is no bad entry
    assert worst(got, RIGHT, scale=2.0) == said
