"""Properties of every rule of comparison, for any entries."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from conftest import frozen as array
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import DTypeLike

from npnet.base.arrays import Array
from npnet.checks.compare import compare
from npnet.checks.report import Report

ENTRIES = st.floats(0.125, 1.0, width=32) | st.floats(-1.0, -0.125, width=32)
MATRICES = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda shape: st.lists(ENTRIES, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]).map(
        lambda entries: array(np.reshape(entries, shape), np.float64)
    )
)
RULES = st.sampled_from(["reference", "truth", "tolerances", "zero"])


def judged(rule: str, ours: Array, reference: Array, scale: float = 1.0) -> Report:
    """The row of one name, by a rule whose absolute numbers are multiplied by ``scale``."""
    options: dict[str, Mapping[str, Any]] = {
        "reference": {},
        "truth": {"truth": {"b1": reference.astype(np.float64)}},
        "tolerances": {"rtol": 1e-6, "atol": 1e-6 * scale},
        "zero": {"zero_scales": {"b1": 3.0 * scale}},
    }
    return compare({"b1": ours}, {"b1": reference}, **options[rule])


@given(
    MATRICES,
    RULES,
    st.floats(-9, 0),
    st.sampled_from([np.float32, np.float64]),
    st.integers(-60, 60),
)
def test_a_power_of_two_on_both_sides_changes_no_verdict(
    reference: Array, rule: str, digits: float, dtype: DTypeLike, exponent: int
) -> None:
    scale = 2.0**exponent
    reference = array(reference, dtype)
    ours = array(
        reference * (1 + 10.0**digits * np.cos(np.arange(reference.size)).reshape(reference.shape)),
        dtype,
    )
    (plain,) = judged(rule, ours, reference).rows
    (scaled,) = judged(
        rule, array(ours * scale, dtype), array(reference * scale, dtype), scale
    ).rows
    assert plain.worst is not None
    assert scaled.worst is not None
    assert (plain.verdict, plain.bad, plain.max_ulp, plain.worst.index, plain.blind) == (
        scaled.verdict,
        scaled.bad,
        scaled.max_ulp,
        scaled.worst.index,
        scaled.blind,
    )


@given(MATRICES, RULES, st.data(), st.floats(-17, 1), st.floats(0, 5))
def test_a_larger_error_never_turns_wrong_into_ok(
    reference: Array, rule: str, data: st.DataObject, digits: float, more: float
) -> None:
    place = data.draw(st.integers(0, reference.size - 1))
    reports = []
    for exponent in (digits, digits + more):
        ours = reference.copy()
        ours.flat[place] += 10.0**exponent
        reports.append(judged(rule, ours, reference))
    assert reports[0].passed or not reports[1].passed


@given(MATRICES, RULES, st.data(), st.floats(0.001, 1000))
def test_a_single_corrupted_entry_is_found_with_its_values(
    reference: Array, rule: str, data: st.DataObject, error: float
) -> None:
    place = data.draw(st.integers(0, reference.size - 1))
    ours = reference.copy()
    ours.flat[place] += error
    report = judged(rule, ours, reference)
    (row,) = report.rows
    index = tuple(int(axis) for axis in np.unravel_index(place, reference.shape))
    assert row.worst is not None
    assert (row.verdict, row.bad, row.worst.index) == ("WRONG", 1, index)
    assert (row.worst.ours, row.worst.reference) == (ours[index], reference[index])
    assert f"at {index}: ours " in " ".join(str(report).split())


@given(MATRICES, RULES, st.data(), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_nothing_passes_with_an_entry_that_is_not_finite(
    reference: Array, rule: str, data: st.DataObject, value: float
) -> None:
    place = data.draw(st.integers(0, reference.size - 1))
    broken = reference.copy()
    broken.flat[place] = value
    for ours, theirs in ((broken, reference), (reference, broken), (broken, broken)):
        report = judged(rule, ours, theirs)
        assert not report.passed
        assert report.rows[0].verdict == "not finite"
        assert report.rows[0].worst is not None
        assert report.rows[0].worst.index == np.unravel_index(place, reference.shape)
