"""Checking the gradient of any function: right ones pass, mistakes and bad input are found."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import locked
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet import InputError, check_gradient
from npnet.base.arrays import Array

X = locked(np.random.default_rng(0).standard_normal((3, 4)))


def dtanh(x: Array) -> Array:
    return 1 - np.tanh(x) ** 2


RIGHT: dict[str, tuple[Any, ...]] = {
    "each entry": (np.tanh, dtanh, X),
    "an array": (np.tanh, dtanh(X), X),
    "a list": (lambda x: (x**2).sum(), [2.0, 4.0], [1.0, 2.0]),
    "one number": (lambda x: x**3, lambda x: 3 * x**2, 0.5),
    "a loss": (lambda x: np.log(np.exp(x).sum()), lambda x: np.exp(x) / np.exp(x).sum(), X),
    "a Jacobian": (lambda x: x[:2] @ x.T, None, X),
    "a backward pass": (lambda x: x @ X.T, lambda x, up: up @ X, X),
    "two arguments": (lambda a, b: a @ b, lambda a, b, up: (up @ b.T, a.T @ up), X, X.T),
    "integers too": (
        lambda table, rows: table[rows].sum(),
        lambda table, rows: (np.bincount(rows, minlength=3)[:, None] * np.ones((3, 4)), None),
        X,
        np.array([2, 0, 2]),
    ),
    "a second derivative": (dtanh, lambda x: -2 * np.tanh(x) * dtanh(x), X),
    "no complex numbers": (np.abs, np.sign, X),
    "a function of Python's": (math.sin, math.cos, 0.5),
    "a kink": (lambda x: np.maximum(x, 0), lambda x: 0.5 * (x == 0) + (x > 0), np.array([0.0, 1])),
    "noise of sums": (lambda x: np.sum(x - x.mean()) + x[0, 0], None, X),
}


def jacobian(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """The exact Jacobian, column by column, of a polynomial of the second degree."""

    def df(x: Array) -> Array:
        unit = np.eye(x.size).reshape(x.size, *x.shape)
        columns = [(f(x + 0.5 * e) - f(x - 0.5 * e)) for e in unit]
        return np.stack(columns, -1).reshape(np.shape(f(x)) + x.shape)

    return df


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", RIGHT)
def test_a_right_gradient_passes(case: str, dtype: str) -> None:
    f, df, *arguments = RIGHT[case]
    df = jacobian(f) if df is None else df
    if isinstance(arguments[0], np.ndarray):
        arguments = [each.astype(dtype) if each.dtype == float else each for each in arguments]
    if isinstance(df, np.ndarray):
        df = df.astype(dtype)
    report = check_gradient(f, df, *arguments)
    assert report.passed, report


@settings(max_examples=25)
@given(error=st.floats(1e-12, 10), dtype=st.sampled_from(["float32", "float64"]))
def test_a_small_error_is_found(error: float, dtype: str) -> None:
    error = max(error, 1e-5) if dtype == "float32" else error
    x = X.astype(dtype)
    assert not check_gradient(np.tanh, lambda x: dtanh(x) * (1 + error), x)
    assert not check_gradient(np.tanh, lambda x: dtanh(x) + error, x)


def test_rows_have_the_names_of_the_arguments() -> None:
    report = check_gradient(lambda a, b: (a * b).sum(), lambda a, b: (b, 2 * a), X, X)
    assert [(row.name, row.verdict) for row in report.rows] == [("a", "ok"), ("b", "WRONG")]
    report = check_gradient(np.multiply, lambda a, b: (b, a), X, X)
    assert [row.name for row in report.rows] == ["x1", "x2"]


def test_the_report_says_how_it_was_compared() -> None:
    assert "by finite differences: the complex step is not" in str(
        check_gradient(np.abs, np.sign, X)
    )
    kink = check_gradient(np.abs, np.sign, np.array([0.0, 1.0]))
    assert kink.passed
    assert "1 of 2 entries left out, first (0,): there is a kink" in str(kink)
    assert "<= 128 x eps x max" in check_gradient(np.tanh, dtanh, X).rule
    assert "<= 3 x eps x max" in check_gradient(np.tanh, dtanh, X, K=3).rule
    assert "max|truth|" in check_gradient(np.tanh, dtanh, X.astype("float32")).rule


def test_a_coarser_precision_is_judged_by_its_own_eps() -> None:
    rounded = np.round(dtanh(X) * 256) / 256
    assert not check_gradient(np.tanh, rounded, X)
    report = check_gradient(np.tanh, rounded, X, eps=2**-8)
    assert report.passed
    assert report.rule == "max|ours - reference| <= 8 x 0.00390625 x max|reference|"
    assert not check_gradient(np.tanh, 1.1 * rounded, X, eps=2**-8)


def test_a_wrong_shape_says_which_are_possible() -> None:
    report = check_gradient(lambda x: x.sum(0), lambda x: np.ones(3), X)
    assert report.rows[0].verdict == "shape"
    assert "df has shape (3,), wanted (3, 4) for a result of this shape" in report.rows[0].reason
    assert "(4, 3, 4) (the Jacobian)" in report.rows[0].reason
    assert check_gradient(np.sum, np.ones((4, 3)), X).rows[0].verdict == "shape"
    assert check_gradient(np.tanh, lambda x: None, X).rows[0].verdict == "None"


count = iter(range(10**6))


def adding(x: Array) -> Array:
    x += 1
    return x


REFUSED: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "f that draws": ((lambda x: x * next(count), X, X), {}, "f gives other numbers when it runs"),
    "df that draws": ((np.tanh, lambda x: x * next(count), X), {}, "df gives other numbers"),
    "f that changes x": ((adding, X, X), {}, "f changes an array that it was given, wanted a new"),
    "df that changes x": ((np.tanh, adding, X), {}, "df changes an array that it was given"),
    "f that raises": ((lambda x: x @ x, X, X), {}, "f raised ValueError: matmul"),
    "df that raises": ((np.tanh, lambda x: x @ x, X), {}, "df raised ValueError: matmul"),
    "f that gives None": ((lambda x: None, X, X), {}, "f returned None, wanted an array"),
    "f that gives text": ((lambda x: "a", X, X), {}, "f: its result is a str"),
    "f that gives integers": ((lambda x: x > 0, X, X), {}, r"f returns bool of shape \(3, 4\), wa"),
    "f that gives nan": ((lambda x: x * np.nan, X, X), {}, "f is not finite everywhere"),
    "no function": ((X, X, X), {}, "f is an ndarray, wanted a function"),
    "integers alone": ((np.tanh, X, 3), {}, "no argument of floats, wanted one to differentiate"),
    "two dtypes": (
        (np.add, (X, X), X, X.astype("float32")),
        {},
        "arguments in float32 and float64, wanted all in float32 or all in float64",
    ),
    "half floats": ((np.tanh, X, X.astype("float16")), {}, "arguments in float16, wanted all in"),
    "text": ((np.tanh, X, "text"), {}, "argument 1 is a str"),
    "nan": ((np.tanh, X, [np.nan]), {}, "argument 1 is not finite or empty"),
    "too few gradients": ((np.add, (X,), X, X), {}, "df gives 1 for 2 arguments, wanted"),
    "one gradient for two": ((np.add, X, X, X), {}, "df is an ndarray, wanted a tuple of 2"),
    "K below 0": ((np.tanh, dtanh, X), {"K": -1}, "K is -1, wanted a number above 0"),
    "eps of text": ((np.tanh, dtanh, X), {"eps": "a"}, "eps is 'a', wanted a number above 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_checked_is_refused_in_words(case: str) -> None:
    arguments, options, message = REFUSED[case]
    with pytest.raises(InputError, match=f"^check_gradient: {message}"):
        check_gradient(*arguments, **options)


HARD: dict[str, tuple[Callable[[Array], Any], Callable[[Array], Any], Array]] = {
    "a norm": (np.linalg.norm, lambda x: x / np.linalg.norm(x), X),
    "a deviation": (np.std, lambda x: (x - x.mean()) / x.size / np.std(x), X),
    "logaddexp": (lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x)), X),
    "a small penalty": (
        lambda x: (x**2).sum() + 1e-6 * np.abs(x).sum(),
        lambda x: 2 * x + 1e-6 * np.sign(x),
        X,
    ),
    "tiny and huge": (np.log, lambda x: 1 / x, np.array([1e-200, 1e-30, 1.0, 1e30])),
    "fast oscillations": (np.sin, np.cos, 1e6 * X),
    "a branch": (
        lambda x: x**2 if x.sum() > 0 else -(x**2),
        lambda x: 2 * x if x.sum() > 0 else -2 * x,
        X,
    ),
    "nothing": (lambda x: 0 * x + 1, lambda x: 0 * x, X),
}


@pytest.mark.parametrize("case", HARD)
def test_functions_that_are_hard_to_differentiate_are_judged_rightly(case: str) -> None:
    f, df, x = HARD[case]
    assert check_gradient(f, df, x)
    assert not check_gradient(f, lambda x: df(x) * 1.001 + 1e-3 * (df(x) == 0), x)


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0])
def test_differences_of_small_float32_numbers_are_judged_by_their_error(scale: float) -> None:
    x = (X * scale).astype(np.float32)
    # logaddexp takes no complex numbers.
    assert check_gradient(lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x)), x)


def test_integers_and_bools_are_derivatives_too() -> None:
    assert check_gradient(np.sum, np.ones((3, 4), int), X)
    assert check_gradient(np.max, lambda x: x == x.max(), X)
    assert not check_gradient(np.max, lambda x: x == x.min(), X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_softmax_over_one_class_passes(dtype: str) -> None:
    x = np.linspace(-3, 3, 5).reshape(5, 1).astype(dtype)

    def softmax(z: Any) -> Any:
        return np.exp(z) / np.exp(z).sum(1, keepdims=True)

    def backward(z: Any, up: Any) -> Any:  # zero, but for the rounding of 0.3 + 0.7
        p = softmax(z) * z.dtype.type(0.9) + softmax(z) * z.dtype.type(0.1)
        return p * (up - (p * up).sum(1, keepdims=True))

    report = check_gradient(softmax, backward, x)
    assert report, report
    assert not check_gradient(softmax, lambda z, up: softmax(z) * up, x)
