"""The two gradients that are mathematically zero, and mistakes that a comparison cannot see."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, DTypeLike

import npnet
from npnet.base.arrays import Array
from npnet.checks.compare import compare, zero_scales

EPS32 = float(np.finfo(np.float32).eps)


def array(values: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
    """A read-only array: comparing must not write to it."""
    made = np.array(values, dtype)
    made.flags.writeable = False
    return made


def end_to_end(dtype: DTypeLike, seed: int = 0) -> dict[str, Array]:
    """The gradients of a tiny network that this module needs: sums that cancel."""
    draw = np.random.default_rng(seed)
    hprebn = draw.standard_normal((8, 3))
    norm_logits = draw.standard_normal((8, 5))
    hprebn = array(hprebn - hprebn.mean(0), dtype)
    norm_logits = array(norm_logits - norm_logits.mean(1, keepdims=True), dtype)
    return {
        "norm_logits": norm_logits,
        "logit_maxes": array(-norm_logits.sum(1, keepdims=True), dtype),
        "hprebn": hprebn,
        "b1": array(hprebn.sum(0), dtype),
    }


def test_zero_scales_are_the_largest_sums_of_absolute_summands() -> None:
    hprebn, norm_logits = array([[1, -4], [-2, 3]]), array([[1, -1, 3], [0, 0, -4]])
    assert zero_scales({"hprebn": hprebn, "norm_logits": norm_logits}) == {
        "b1": 7.0,
        "logit_maxes": 5.0,
    }


def test_zero_scales_are_summed_in_float64_and_0_for_no_entries() -> None:
    small = array([[0.5], [2.0**-30]])
    assert zero_scales({"hprebn": small, "norm_logits": array(np.ones((0, 5)))}) == {
        "b1": 0.5 + 2.0**-30,
        "logit_maxes": 0.0,
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("with_truth", [False, True])
def test_a_whole_set_of_gradients_passes_with_other_noise(
    dtype: DTypeLike, with_truth: bool
) -> None:
    reference = end_to_end(dtype)
    eps = float(np.finfo(dtype).eps)
    ours = {**reference, "b1": reference["b1"] - array([3 * eps, 0, -eps], dtype)}
    truth = {name: entry.astype(np.float64) for name, entry in reference.items()}
    truth |= {name: np.zeros_like(truth[name]) for name in ("b1", "logit_maxes")}
    report = compare(ours, reference, truth=truth if with_truth else None)
    assert report.passed
    assert report.blind == ("logit_maxes", "b1")
    marked = {row.name for row in report.rows if row.zero_scale is not None}
    assert marked == {"b1", "logit_maxes"}
    assert report.footer == (
        "4 of 4 ok; all-zero gradients would pass for: logit_maxes, b1 (zero by mathematics)"
    )


def test_zero_by_mathematics_is_no_free_pass() -> None:
    reference = end_to_end(np.float32)
    assert not compare({**reference, "b1": reference["b1"] + array(0.01)}, reference).passed


def test_all_zeros_pass_for_exactly_the_blind_names() -> None:
    reference = end_to_end(np.float32)
    report = compare({name: np.zeros_like(entry) for name, entry in reference.items()}, reference)
    assert {row.name for row in report.rows if row.ok} == set(report.blind) == {"b1", "logit_maxes"}


def test_line_by_line_nothing_is_zero_by_mathematics_and_nothing_blind() -> None:
    draw = np.random.default_rng(1)
    expected = {name: array(draw.standard_normal(g.shape)) for name, g in end_to_end("f4").items()}
    report = compare(expected, expected)
    assert report.passed
    assert all(row.zero_scale is None for row in report.rows)
    assert report.footer == "4 of 4 ok; all-zero gradients would pass for: none"


def test_fused_gradients_alone_hear_that_b1_is_zero(network: Any) -> None:
    params, X, Y = network(dtype=np.float32)
    _, ours = npnet.loss_and_gradients(params, X, Y)
    whole = npnet.backward(npnet.forward(params, X, Y))
    reference = {name: whole[name] for name in ours}
    (row,) = compare(ours, reference).failures
    assert (row.name, row.reason.endswith("zero by mathematics: give zero_scales")) == ("b1", True)
    assert compare(ours, reference, zero_scales=zero_scales(whole)).passed


@pytest.mark.parametrize("name", ["b1", "logit_maxes"])
def test_names_of_other_networks_are_not_called_zero(name: str) -> None:
    (row,) = compare({name: array([0, 0, 0])}, {name: array([EPS32, 0, 0])}).rows
    assert (row.verdict, "mathematics" in row.reason) == ("WRONG", False)


def test_two_trained_b1_are_not_called_zero(network: Any) -> None:
    params, *_ = network(dtype=np.float32)
    other = params.copy()
    other.b1 += 1
    (row,) = compare(params, other).failures
    assert "mathematics" not in row.reason


def test_a_truth_of_all_names_gives_the_zero_scales_for_some() -> None:
    truth = {name: entry.astype(np.float64) for name, entry in end_to_end("f8").items()}
    report = compare({"b1": array([EPS32, 0, 0])}, {"b1": array([0, 0, 0])}, truth=truth)
    assert report.passed
    assert report.rows[0].zero_scale == zero_scales(truth)["b1"]


def test_noise_of_many_eps_is_still_noise() -> None:
    reference = end_to_end(np.float32)
    scale = zero_scales(reference)["b1"]
    noisy = {**reference, "b1": array([20 * EPS32 * scale, 0, 0])}
    assert compare(reference, noisy).blind == ("logit_maxes", "b1")


def test_noise_ends_at_128_eps_of_its_scale() -> None:
    whole = {
        "hprebn": array([[1, -4], [-2, 3]]),
        "norm_logits": array([[0.0]]),
        "logit_maxes": array([[0.0]]),
    }
    for eps, marked in ((128, 7.0), (129, None)):
        noisy = {**whole, "b1": array([7 * eps * EPS32, 0])}
        assert compare(noisy, noisy).rows[-1].zero_scale == marked


def test_if_one_of_the_two_is_no_noise_neither_is_taken_for_it() -> None:
    whole = end_to_end(np.float32)
    for entry in (whole["b1"] + 1, array([0, 0, 0], np.int64)):
        odd = {**whole, "b1": entry}
        report = compare(odd, odd)
        assert report.passed
        assert all(row.zero_scale is None for row in report.rows)


def test_zero_scales_that_were_given_are_not_asked_for() -> None:
    (row,) = compare({"b1": array([1])}, {"b1": array([0])}, zero_scales={"b1": 1.0}).rows
    assert (row.verdict, "give zero_scales" in row.reason) == ("WRONG", False)


def test_tolerances_know_no_zero_scales() -> None:
    reference = end_to_end(np.float32)
    report = compare(reference, reference, rtol=0.0, atol=1e-3)
    assert report.blind == ("logit_maxes", "b1")
    assert all(row.zero_scale is None for row in report.rows)


def test_an_empty_mapping_turns_zero_scales_off() -> None:
    whole = end_to_end(np.float32)
    report = compare({**whole, "b1": whole["b1"] + 1}, whole, zero_scales={})
    assert report.blind == ()
    (row,) = report.failures
    assert (row.name, "zero_scales" in row.reason) == ("b1", False)


@pytest.mark.parametrize("broken", [None, array([[np.nan, 1]]), array([1.0])])
def test_a_broken_source_of_zero_scales_is_a_row_and_no_error(broken: Array | None) -> None:
    whole = {**end_to_end(np.float32), "hprebn": broken}
    report = compare(whole, whole, K=0)
    verdicts = {row.name: row.verdict for row in report.rows}
    assert verdicts["b1"] == "ok"
    assert all(row.zero_scale is None for row in report.rows)


def test_a_reference_of_zeros_is_blind_unless_the_dtype_fails_it() -> None:
    assert compare({"h": array([0])}, {"h": array([0])}).blind == ("h",)
    assert compare({"h": array([0], np.float64)}, {"h": array([0])}).blind == ()


def test_small_gradients_differ_from_gradients_that_are_mathematically_zero() -> None:
    report = compare(
        {"C": array([1.0]), "h": array([0.0])},
        {"C": array([1.0]), "h": array([0.0])},
        rtol=0.0,
        atol=0.5,
    )
    assert report.footer.endswith("would pass for: h (no larger than the bound)")
