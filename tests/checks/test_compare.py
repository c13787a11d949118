"""Comparing named arrays: what fails, and by which rule."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import frozen as array
from numpy.typing import DTypeLike

import npnet
from npnet.base.arrays import Array
from npnet.base.errors import InputError
from npnet.checks.compare import K_REFERENCE, K_TRUTH, compare, zero_scales
from npnet.checks.report import Row

EPS32 = float(np.finfo(np.float32).eps)
EPS64 = float(np.finfo(np.float64).eps)


def row_of(ours: object, reference: object, **options: Any) -> Row:
    (row,) = compare({"bnvar": ours}, {"bnvar": reference}, **options).rows
    return row


class Tensor:
    """Like a tensor of torch for NumPy: it must be detached, and then gives an array."""

    def __init__(self, values: Array, device: str = "cpu") -> None:
        self.values, self.device = values, device

    def __array__(self, *_: object, **__: object) -> Array:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def detach(self) -> "Tensor":
        return self

    def numpy(self) -> Array:
        if self.device != "cpu":
            raise TypeError("can't convert cuda:0 device type tensor to numpy.\nUse Tensor.cpu().")
        return self.values


# Rows that fail before any value is judged

WANTED = array([[1, 2, 3]])
AMISS: dict[str, tuple[object, object, str, str]] = {
    "None": (None, WANTED, "None", "ours is None, wanted an array"),
    "rerun": (WANTED, None, "None", "forward pass ran again after the backward"),
    "keepdims": (
        array([1, 2, 3]),
        WANTED,
        "shape",
        "shape (3,), wanted (1, 3) like reference: sum with keepdims=True",
    ),
    "transposed": (WANTED.T, WANTED, "shape", "wanted (1, 3) like reference: transpose it"),
    "not summed": (np.ones((4, 3)), np.ones(3), "shape", ": sum it over the axis that the forward"),
    "not summed to one row": (np.ones((4, 3)), np.ones((1, 3)), "shape", ": sum it over the axis"),
    "other rows": (np.ones((4, 3)), np.ones((2, 3)), "shape", "shape (4, 3), wanted (2, 3)"),
    "other shape": (np.ones((4, 3)), np.ones((2, 5)), "shape", "(4, 3), wanted (2, 5)"),
    "other rank": (np.ones(3), np.ones((2, 3)), "shape", "shape (3,), wanted (2, 3)"),
    "no entries": (np.ones((0, 3)), np.ones((0, 3)), "empty", "shape (0, 3) has no entries"),
    "complex": (WANTED * 1j, WANTED, "dtype", "ours is complex64, wanted floats"),
    "object": (
        WANTED,
        [["a", None]],
        "dtype",
        "reference is a list that holds a str, wanted floats",
    ),
    "string": ("1.0", WANTED, "dtype", "ours is a str of dtype <U3, wanted floats"),
    "ragged": ([[1], [2, 3]], WANTED, "unreadable", "ours is a list, wanted an array"),
    "cuda": (Tensor(WANTED, "cuda"), WANTED, "unreadable", "cuda:0 device type tensor to numpy."),
    "integers": ([[1, 2, 3]], WANTED, "dtype", "dtype int64, wanted float32 like reference"),
    "widened": (
        WANTED.astype(np.float64),
        WANTED,
        "dtype",
        "dtype float64, wanted float32 like reference: a wider operand widened it",
    ),
    "widened and wrong": (WANTED + np.float64(1), WANTED, "dtype", "a wider operand widened it"),
    "widened and nan": (WANTED * np.float64(np.nan), WANTED, "dtype", "operand widened it"),
    "byte order": (WANTED.astype(">f4"), WANTED, "dtype", "dtype >f4, wanted float32"),
    "narrowed": (WANTED, WANTED.astype(np.float64), "dtype", "float32, wanted float64"),
    "nan": ([[1, np.nan, np.nan]], [[1.0, 2, 3]], "not finite", "2 of 3 entries are not finite"),
    "their nan": ([[1.0, 2]], [[1, np.nan]], "not finite", "(0, 1): ours 2, reference nan"),
    "same nan": ([[1.0, np.nan]], [[1, np.nan]], "not finite", "ours nan, reference nan"),
    "same inf": ([[1.0, np.inf]], [[1, np.inf]], "not finite", "ours inf, reference inf"),
}


@pytest.mark.parametrize("kind", AMISS)
def test_an_unusable_array_gets_a_failing_row_with_the_reason(kind: str) -> None:
    ours, reference, verdict, reason = AMISS[kind]
    row = row_of(ours, reference)
    assert row.verdict == verdict
    assert reason in row.reason
    assert not row.exact or kind == "same inf"
    assert not row.blind


@pytest.mark.parametrize(
    "kind", ["other rows", "other shape", "other rank", "integers", "byte order", "narrowed"]
)
def test_no_advice_is_given_where_none_is_known(kind: str) -> None:
    ours, reference, *_ = AMISS[kind]
    assert row_of(ours, reference).reason.endswith("like reference")


@pytest.mark.parametrize("rule", [{}, {"rtol": 1.0, "atol": 100.0}, {"K": 1e300}])
def test_no_bound_accepts_unusable_arrays(rule: dict[str, float]) -> None:
    for ours, reference, verdict, _ in AMISS.values():
        assert row_of(ours, reference, **rule).verdict == verdict


@pytest.mark.parametrize(
    ("truth", "reason"),
    [
        ({}, "truth has no such name"),
        ({"bnvar": None}, "truth is None"),
        ({"bnvar": WANTED}, "truth is float32 of shape (1, 3), wanted float64 of (1, 3)"),
        ({"bnvar": np.ones(3)}, "truth is float64 of shape (3,), wanted float64 of (1, 3)"),
        ({"bnvar": np.full((1, 3), np.nan)}, "reference 1, truth nan"),
    ],
)
def test_a_truth_that_cannot_judge_fails_the_row(truth: dict[str, Any], reason: str) -> None:
    row = row_of(WANTED, WANTED, truth=truth)
    assert row.verdict in ("truth", "None", "not finite")
    assert reason in row.reason


def test_a_reference_that_is_not_finite_is_not_excused_by_a_truth() -> None:
    truth = {"bnvar": array([0, 0, 0], np.float64)}
    row = row_of(array([1, 2, 9]), array([1, np.inf, 0]), truth=truth, K=1)
    assert row.worst is not None
    assert (row.verdict, row.worst.index, row.blind) == ("not finite", (1,), False)


def test_the_scale_is_that_of_the_finite_entries_and_0_for_none() -> None:
    assert row_of([1.0, np.inf], [-2.0, np.inf]).scale == 2
    assert row_of([np.nan], [np.nan]).scale == 0


def test_nothing_stops_the_rest_and_the_references_order_is_kept() -> None:
    ours = {"new": WANTED, "h": WANTED[0], "logits": WANTED, "probs": WANTED}
    reference = {"logits": WANTED, "counts": WANTED, "h": WANTED, "probs": None, "emb": WANTED}
    report = compare(ours, reference)
    assert [(row.name, row.verdict) for row in report.rows] == [
        ("logits", "ok"),
        ("counts", "missing"),
        ("h", "shape"),
        ("probs", "None"),
        ("emb", "missing"),
        ("new", "extra"),
    ]
    assert [row.name for row in report.failures] == ["counts", "h", "probs", "emb", "new"]


def test_comparing_nothing_is_not_passing() -> None:
    report = compare({}, {})
    assert not report.passed
    assert str(report) == "nothing was compared"


# Figures


def test_equal_arrays_are_exact_approximate_and_ok() -> None:
    row = row_of(WANTED, WANTED.copy())
    assert (row.exact, row.approximate, row.maxdiff, row.max_ulp) == (True, True, 0, 0)
    assert (row.scale, row.bad, row.total, row.verdict, row.reason) == (3, 0, 3, "ok", "")


def test_the_worst_entry_comes_with_both_values() -> None:
    row = row_of([[1.0, -2.0], [3.0, 4.5]], [[1.0, -2.5], [3.0, 4.0]])
    assert row.worst is not None
    assert (row.worst.index, row.worst.ours, row.worst.reference) == ((0, 1), -2.0, -2.5)
    assert (row.maxdiff, row.scale, row.bad, row.total) == (0.5, 4.0, 2, 4)
    assert "worst at (0, 1): ours -2, reference -2.5, off by 0.5" in row.reason
    worse = row_of([1.0, 2.5, 4.0], [1.0, 2.0, 3.0]).worst
    assert worse is not None
    assert (worse.index, worse.ours, worse.reference) == ((2,), 4.0, 3.0)


def test_values_are_printed_with_enough_digits_to_differ() -> None:
    assert "ours 0.1234567891, reference 0.123456789," in row_of(0.1234567891, 0.123456789).reason


def test_ulps_are_those_of_the_larger_value_in_the_coarser_dtype() -> None:
    next_up = np.nextafter(array([1.0, 4.0]), array(9.0))
    assert row_of(next_up, array([1.0, 4.0])).max_ulp == 1
    assert row_of(-next_up, array([-1.0, -4.0])).max_ulp == 1
    assert row_of(next_up.astype(np.float64), array([1.0, 4.0])).max_ulp == 1
    assert row_of(next_up.astype(np.float64), np.array([1.0, 4.0])).max_ulp == 2.0**29


def test_one_ulp_below_a_power_of_two_is_half_a_unit_of_it() -> None:
    below = np.nextafter(array(1.0), array(0.0))
    for sign in (1, -1):
        assert row_of(sign * below, array(sign)).max_ulp == 0.5
        assert row_of(array(sign), sign * below).max_ulp == 0.5


def test_differences_of_float32_are_not_rounded_to_float32() -> None:
    assert row_of(array([1.0]), array([2.0**-30])).maxdiff == 1 - 2.0**-30


def test_a_zero_equals_its_negative() -> None:
    assert row_of([0.0], [-0.0]).exact


def test_a_scalar_is_compared_like_any_array() -> None:
    assert row_of(array(2.0), array(2.0)).verdict == "ok"
    row = row_of(array(2.0), array(3.0))
    assert row.worst is not None
    assert (row.verdict, row.worst.index, row.total) == ("WRONG", (), 1)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_])
def test_integers_must_be_equal_under_every_rule(dtype: DTypeLike) -> None:
    ones, mixed = array([1, 1, 1], dtype), array([1, 0, 1], dtype)
    assert row_of(ones, ones).verdict == "ok"
    for rule in ({}, {"rtol": 9.0, "atol": 9.0}, {"truth": {}, "K": 9.0}):
        row = row_of(mixed, ones, **rule)
        assert (row.verdict, row.bad, row.maxdiff, row.max_ulp) == ("WRONG", 1, 1.0, None)
        assert row.bound == 0


def test_integers_that_are_equal_in_float64_still_differ() -> None:
    row = row_of([0, 2**53 + 1], [0, 2**53])
    assert row.worst is not None
    assert (row.verdict, row.bad, row.worst.index) == ("WRONG", 1, (1,))
    assert "ours 9007199254740993, reference 9007199254740992" in row.reason


def test_tensors_are_detached_and_a_missing_grad_is_just_none() -> None:
    assert row_of(WANTED, Tensor(WANTED)).exact
    torch = pytest.importorskip("torch")
    ours = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    assert row_of(ours, WANTED).exact
    assert row_of(WANTED, ours.grad).verdict == "None"


# The three rules


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_a_truth_the_bound_is_k_eps_of_the_largest_entry(dtype: DTypeLike) -> None:
    eps = float(np.finfo(dtype).eps)
    reference = array([0.0, -4.0], dtype)
    assert row_of(array([4 * K_REFERENCE * eps, -4], dtype), reference).verdict == "ok"
    assert row_of(array([5 * K_REFERENCE * eps, -4], dtype), reference).verdict == "WRONG"
    assert row_of(array([5 * K_REFERENCE * eps, -4], dtype), reference, K=160).verdict == "ok"


@pytest.mark.parametrize("K", [K_TRUTH, 16.0])
def test_with_a_truth_ours_may_err_k_times_as_much_as_the_reference(K: float) -> None:
    truth = {"bnvar": array([1.0, 0.5], np.float64)}
    reference = array([1.0 + 2.0**-10, 0.5])
    inside, outside = array([1, 0.5 + K * 2.0**-10]), array([1, 0.5 + 1.01 * K * 2.0**-10])
    assert row_of(inside, reference, truth=truth, K=K).verdict == "ok"
    assert row_of(outside, reference, truth=truth, K=K).verdict == "WRONG"
    if K == K_TRUTH:
        assert row_of(outside, reference, truth=truth).verdict == "WRONG"


def test_with_a_truth_k_eps_of_ours_is_always_allowed() -> None:
    truth = {"bnvar": array([1.0], np.float64)}
    for dtype, eps in ((np.float32, EPS32), (np.float64, EPS64)):
        reference = array([1.0], dtype)
        assert row_of(array([1 + 8 * eps], dtype), reference, truth=truth).verdict == "ok"
        assert row_of(array([1 + 9 * eps], dtype), reference, truth=truth).verdict == "WRONG"


def test_a_scale_above_the_largest_entry_takes_its_place() -> None:
    truth, reference = {"bnvar": array([1.0], np.float64)}, array([1.0])
    for scale, most in ((0.5, 8), (4.0, 32)):
        for given, allowed in (({"truth": truth}, most), ({"K": 8}, most)):
            options: dict[str, Any] = {**given, "scales": {"bnvar": scale}}
            assert row_of(array([1 + allowed * EPS32]), reference, **options).verdict == "ok"
            assert row_of(array([1 + 1.1 * allowed * EPS32]), reference, **options).bad == 1


def test_a_truth_judges_floats_of_two_widths_and_the_report_still_says_so() -> None:
    truth = {"bnvar": array([1.0], np.float64)}
    row = row_of(array([1.0], np.float64), array([1.0]), truth=truth)
    assert row.verdict == "ok"
    assert row.reason.startswith("dtype float64, wanted float32")


def test_with_a_truth_the_worst_entry_is_the_one_furthest_from_it() -> None:
    truth = {"bnvar": array([1.0, 1.0], np.float64)}
    row = row_of(array([1.5, 1.75]), array([0.5, 1.5]), truth=truth, K=1)
    assert row.worst is not None
    assert (row.verdict, row.maxdiff, row.worst.index, row.worst.truth) == ("WRONG", 1, (1,), 1)


def test_floats_of_two_widths_are_bounded_by_the_coarser() -> None:
    assert row_of(np.array([1 + EPS32]), array([1.0])).bad == 0
    assert row_of(array([1.0]), np.array([1 + EPS32])).bad == 0


def test_tolerances_hold_entry_by_entry() -> None:
    reference = np.array([1000.0, 1.0])
    assert row_of([1009.0, 1.0], reference, rtol=0.01, atol=0.0).verdict == "ok"
    row = row_of([1009.0, 1.5], reference, rtol=0.01, atol=0.0)
    assert row.worst is not None
    assert (row.bad, row.worst.index, row.bound) == (1, (1,), 0.01)
    assert row_of([1009.0, 1.5], reference, rtol=0.0, atol=9.0).verdict == "ok"


NAMED = {"b2": WANTED}


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({}, "max|ours - reference| <= 128 x eps x max|reference|"),
        (
            {"truth": NAMED},
            "max|ours - truth| <= 8 x max(max|reference - truth|, eps x max|truth|)",
        ),
        ({"rtol": 0.01, "atol": 2}, "|ours - reference| <= 2 + 0.01 x |reference| at every entry"),
        (
            {"zero_scales": {"b1": 1.0}, "K": 9},
            (
                "max|ours - reference| <= 9 x eps x max|reference|; "
                "(zero): sum|summands| for max|reference|"
            ),
        ),
        (
            {"truth": NAMED, "scales": {"b1": 1.0}},
            (
                "max|ours - truth| <= 8 x max(max|reference - truth|, eps x scale), scale "
                "max|truth| or, if larger, the size of its rounding errors"
            ),
        ),
    ],
)
def test_the_rule_is_said_in_words(options: dict[str, Any], rule: str) -> None:
    assert compare(NAMED, NAMED, **options).rule == rule


REFUSED: dict[str, Callable[[], object]] = {
    "rtol is 0.1 and atol is None, wanted both": lambda: compare(NAMED, NAMED, rtol=0.1),
    "rtol is None and atol is 0.1, wanted both": lambda: compare(NAMED, NAMED, atol=0.1),
    "with truth, K, zero_scales or scales, wanted one": lambda: compare(
        NAMED, NAMED, rtol=0, atol=0, K=1
    ),
    "with truth, K, zero_scales or scales, wanted one rule": lambda: compare(
        NAMED, NAMED, rtol=0, atol=0, truth=NAMED
    ),
    "rule: the tolerances alone": lambda: compare(NAMED, NAMED, rtol=0, atol=0, zero_scales={}),
    "zero_scales is a list": lambda: compare(NAMED, NAMED, zero_scales=[]),  # type: ignore[arg-type]
    "labels is ('a', 1)": lambda: compare(NAMED, NAMED, labels=("a", 1)),  # type: ignore[arg-type]
    "atol is -1, wanted": lambda: compare(NAMED, NAMED, rtol=0, atol=-1),
    "K is '8', wanted": lambda: compare(NAMED, NAMED, K="8"),  # type: ignore[arg-type]
    "K is nan, wanted": lambda: compare(NAMED, NAMED, K=np.nan),
    "scales is nan": lambda: compare(NAMED, NAMED, scales={"b1": np.nan}),
    "scales is a list": lambda: compare(NAMED, NAMED, scales=[]),  # type: ignore[arg-type]
    "zero_scales is inf": lambda: compare(NAMED, NAMED, zero_scales={"b1": np.inf}),
    "truth is a list": lambda: compare(NAMED, NAMED, truth=[]),  # type: ignore[arg-type]
    "ours is an ndarray": lambda: compare(WANTED, NAMED),  # type: ignore[arg-type]
    "reference is a dict, wanted": lambda: compare(NAMED, {3: WANTED}),  # type: ignore[dict-item]
    "labels is 'ab'": lambda: compare(NAMED, NAMED, labels="ab"),  # type: ignore[arg-type]
    "zero_scales: hprebn is None": lambda: zero_scales(NAMED),
    "hprebn is float32 of shape (3,)": lambda: zero_scales({"hprebn": WANTED[0]}),
    "hprebn is int64 of shape (1, 2)": lambda: zero_scales({"hprebn": [[1, 2]]}),
    "wanted a matrix of finite floats": lambda: zero_scales({"hprebn": [[1.0, np.inf]]}),
    "gradients is a list": lambda: zero_scales([]),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("message", REFUSED)
def test_arguments_that_do_not_fit_together_are_refused(message: str) -> None:
    with pytest.raises(InputError) as caught:
        REFUSED[message]()
    assert message in str(caught.value)


def test_only_judges_the_fused_gradients_with_the_zero_scale_of_all(
    network: Callable[..., tuple[npnet.Parameters, Array, Array]],
) -> None:
    params, X, Y = network(3, np.float32, n=32)
    _, fused = npnet.loss_and_gradients(params, X, Y)
    grads = npnet.backward(npnet.forward(params, X, Y))
    report = npnet.compare(fused, grads, only=fused)
    assert report.passed
    assert [row.name for row in report.rows] == list(fused)
    assert [row.name for row in report.rows if row.zero_scale is not None] == ["b1"]
    wrong = npnet.compare({**fused, "b1": fused["b1"] + 1}, grads, only="b1")
    assert [row.verdict for row in wrong.rows] == ["WRONG"]


def test_only_names_what_one_of_the_two_sides_has() -> None:
    a, b = {"x": np.ones(2)}, {"y": np.ones(2)}
    verdicts = {row.name: row.verdict for row in npnet.compare(a, b, only=["x", "y"]).rows}
    assert verdicts == {"x": "extra", "y": "missing"}
    with pytest.raises(npnet.InputError, match=r"only has 'z'.* wanted some of y, x"):
        npnet.compare(a, b, only=["x", "z"])
