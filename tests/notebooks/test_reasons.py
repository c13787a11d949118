"""Which differences between a stored and a fresh output count as rounding that has grown."""

import pytest

from npnet.notebooks.outputs import Difference, is_drift


@pytest.mark.parametrize(
    ("stored", "fresh", "expected"),
    [
        ("2.00000", "2.00003", True),
        ("2.00000", "2.00005", False),
        ("-2.00000", "-2.00003", True),
        ("0.50000", "0.50003", False),  # the share of the number counts, not the difference
        ("50000", "50000.5", False),  # a count does not drift
        ("2.0", "nan", False),
    ],
)
def test_drift_is_a_small_share_of_a_decimal_number(
    stored: str, fresh: str, expected: bool
) -> None:
    assert is_drift(Difference(1, stored, fresh, False, "loss")) is expected
