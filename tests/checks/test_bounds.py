"""The bounds of each judge: an error just below is accepted, an error just above is refused."""

from typing import Any

import numpy as np
import pytest
from conftest import frozen

from npnet.checks.check_gradient import check_gradient
from npnet.checks.differentiate import Derivative, differences
from npnet.checks.line_golden import made_golden
from npnet.checks.line_rounding import _milder, _most
from npnet.checks.line_rules import rule_for
from npnet.checks.lines import Lines
from npnet.checks.planted import _verdict

EPS = {"float32": 2.0**-23, "float64": 2.0**-52}
SIDES = pytest.mark.parametrize(("share", "right"), [(0.9, True), (1.2, False), (-1.2, False)])
W = [[0.5, -2.0, 1.25], [1.5, 0.75, -1.0]]
X = [[1.0, 0.25, -0.5], [2.0, -1.5, 0.125]]


def scaled(by: float, dtype: str) -> Any:
    """A factor in this dtype that differs from 1 by this many eps."""
    return np.dtype(dtype).type(1 + by * EPS[dtype])


@SIDES
@pytest.mark.parametrize(("dtype", "K"), [("float64", 128), ("float32", 8)])
def test_check_gradient_allows_k_eps(dtype: str, K: float, share: float, right: bool) -> None:
    x, w = frozen(X, dtype), frozen(W, dtype)

    def passes(**options: Any) -> bool:
        k = options.get("K", K)
        return bool(
            check_gradient(lambda x: x * w, lambda x: w * scaled(share * k, dtype), x, **options)
        )

    assert passes() == right
    assert passes(K=20) == right


@SIDES
def test_check_gradient_allows_eight_of_a_given_eps(share: float, right: bool) -> None:
    x, w = frozen(X, np.float64), frozen(W, np.float64)
    found = check_gradient(lambda x: x * w, w * (1 + share * 8 * 1e-3), x, eps=1e-3)
    assert bool(found) == right


def table(factor: float = 1.0) -> Lines:
    """y = x · w, and the loss is its sum; the gradient of x is multiplied by a factor."""
    return Lines(
        {"y": lambda v: v.x * v.w, "loss": lambda v: v.y.sum()},
        {"x": np.array(X), "w": np.array(W)},
        gradients={
            "y": lambda v, d: np.broadcast_to(d.loss, v.y.shape),
            "x": lambda v, d: d.y * v.w * v.w.dtype.type(factor),
            "w": lambda v, d: d.y * v.x,
        },
    )


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("dtype", "alone", "whole"),
    [("float64", (115, 192), (115, 512)), ("float32", (7, 48), (28, 320))],
)
def test_a_table_refuses_what_its_rounding_does_not_explain(
    dtype: str, alone: tuple[int, int], whole: tuple[int, int], sign: int
) -> None:
    # Beyond K eps the rounding error is measured: how far x's gradient moves if its factors do.
    for off, wrong in zip(alone, ([], ["x"]), strict=True):
        found = table(scaled(sign * off, dtype)).check(dtype)
        assert [row.name for row in found.alone.failures] == wrong
    for off, wrong in zip(whole, ([], ["x"]), strict=True):
        found = table(scaled(sign * off, dtype)).check(dtype)
        assert [row.name for row in found.whole.failures] == wrong


@SIDES
@pytest.mark.parametrize(("dtype", "alone", "whole"), [("float64", 128, 128), ("float32", 8, 32)])
def test_a_golden_set_allows_k_eps_alone_and_as_a_whole(
    dtype: str, alone: float, whole: float, share: float, right: bool
) -> None:
    golden = made_golden(table())
    for lines, kind, K in ((True, "line", alone), (False, "gradient", whole)):
        given = dict(golden.arrays[kind, dtype])
        given["x"] = given["x"] * scaled(share * K, dtype)
        assert golden.judge(given, lines=lines).passed == right


@pytest.mark.parametrize(
    ("usual", "error", "unclear"),
    [(1e-9, 0.9e-4, False), (1e-9, 1.1e-4, True), (1e-5, 0.9e-3, False), (1e-5, 1.1e-3, True)],
)
def test_a_derivative_with_a_large_error_of_its_own_is_unclear(
    usual: float, error: float, unclear: bool
) -> None:
    # A hundred times the usual error, and a ten-thousandth of the largest derivative.
    errors = frozen([usual] * 9 + [error], np.float64)
    rule = rule_for([Derivative(frozen(np.linspace(0.1, 1, 10), np.float64), errors, "")], None, 8)
    assert rule.left_out.tolist() == [False] * 9 + [unclear]
    assert rule.own_error == (usual if unclear else error)
    assert rule.K == 128  # that of a reference without an error of its own


@pytest.mark.parametrize("slope", [1.0, 1.005, 1.01])
def test_a_small_kink_has_no_derivative_either(slope: float) -> None:
    def f(x: Any) -> Any:
        return np.where(x > 0, 1.01 * x, x)

    x = frozen([-1, 0, 2], np.float64)
    found = check_gradient(f, lambda x: np.array([1, slope, 1.01]), x)
    assert found.passed
    assert not check_gradient(f, lambda x: np.array([1.01, slope, 1.01]), x)


def test_a_measured_spread_widens_the_bound_within_limits() -> None:
    right, eps = frozen([0.5, -2.0], np.float64), EPS["float64"]
    rule = rule_for([Derivative(right, np.zeros(2), "")], None, 128)
    # A thousandth of the largest entry, or a thousand eps of the largest gradient beside it.
    assert _most(rule, "float64", 1.0) == pytest.approx(2e-3)
    assert _most(rule, "float64", 1e13) == pytest.approx(1e16 * eps)
    # Four eps of the largest entry are no loss of digits.
    assert [*_milder(rule, "float64", 32.0, 3.9 * 2 * eps)] == []
    (milder,) = _milder(rule, "float64", 32.0, 4.1 * 2 * eps)
    assert milder.own_error == pytest.approx(32 * 4.1 * 2 * eps)


def test_a_planted_mistake_may_change_nothing_be_missed_or_caught() -> None:
    right = frozen(W, np.float64)
    rule = rule_for([Derivative(right, np.zeros(right.shape), "")], None, 128)
    found = [_verdict("x", right * (1 + off * EPS["float64"]), rule) for off in (2, 30, 300)]
    assert found == ["no change", "missed", "caught"]


def test_differences_beside_a_kink_have_a_large_error() -> None:
    x = frozen([0.0, 1.0], np.float64)
    slopes, errors = differences(np.abs, x, frozen([2.0**-13] * 2, np.float64))
    assert slopes.tolist() == [0, 1]
    assert errors[0] >= 1
    assert errors[1] < 1e-9
