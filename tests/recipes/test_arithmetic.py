"""Formulas in recipes: what Python computes, and nothing but arithmetic."""

import dataclasses
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import Draw, InputError
from npnet.recipes.arithmetic import parsed

LECTURE = npnet.RECIPES["lecture"]


@pytest.mark.parametrize(
    "formula",
    [
        "0.01 + 0.09 * exp(-1.3 * i / 200000)",
        "0.1 if i < 100000 else 0.01",
        "0.1 * 0.5 ** (i // 20000)",
        "0.05 * (1 + cos(pi * i / 200000))",
        "max(0.01, 0.1 - i * 1e-6) + i % 3 * 1e-4",
        "min(sqrt(i), log(1 + i), abs(-3), 10) / 100",
        "+0.1 if i >= 10 else floor(2.5)",
    ],
)
def test_a_rate_is_what_python_computes(formula: str) -> None:
    recipe = dataclasses.replace(LECTURE, rates=formula)
    scope = {name: getattr(math, name) for name in dir(math) if not name.startswith("_")}
    for step in [*range(50), 9_999, 99_999, 100_000, 199_999]:
        assert recipe.rate(step) == eval(formula, {**scope, "i": step})


@given(st.integers(-100, 100), st.floats(-1e6, 1e6), st.integers(0, 10**6))
def test_any_numbers_come_out_as_in_python(a: int, b: float, i: int) -> None:
    text = f"({a} * i + {b!r}) * 3 - i / 7"
    assert parsed(text, ("i",))({"i": float(i)}) == eval(text, {"i": i})


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "().__class__",
        "i.real",
        "exp",
        "lambda: 1",
        "[1][0]",
        "'a' * 3",
        "True",
        "1j",
        "j",
        "exp(x=1)",
        "i = 3",
        "",
        "(" * 300 + "1" + ")" * 300,
        "1" + "+1" * 300,
        "i if i else 2",
        "1 < i < 3",
        "exp()",
        "max()",
        "10 ** 400 if i < 1 else " + "9" * 400,
    ],
)
def test_what_is_no_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(text, ("i",))
    with pytest.raises(InputError, match=r"^rates: got .*wanted a formula of the step i"):
        dataclasses.replace(LECTURE, rates=text)


def test_a_formula_has_500_characters_at_most() -> None:
    longest = "1" + " " * 497 + "+1"
    assert parsed(longest, ())({}) == 2
    with pytest.raises(ValueError, match="501 characters, wanted 500 or fewer"):
        parsed(longest + " ", ())


@pytest.mark.parametrize(
    "around",
    [
        "-{}",
        "+{}",
        "2 - {}",
        "{} - 2",
        "abs({})",
        "max(0, {})",
        "{} if i < 2 else 0",
        "0 if i < 2 else {}",
        "0 if {} < 2 else 0",
        "0 if 2 < {} else 0",
    ],
)
def test_39_operations_may_stand_within_each_other(around: str) -> None:
    def within(times: int) -> str:
        return around.format(f"({'-' * times}1)")

    assert parsed(within(38), ("i",))({"i": 1.0}) == eval(within(38), {"i": 1})
    with pytest.raises(ValueError, match="more than 40 operations within each other"):
        parsed(within(39), ("i",))


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("1 / i", "at step 0"),
        ("0.1 - i", "rates of 0 or more: at step"),
        ("exp(i)", "cannot be computed at step"),
        ("log(i)", "at step 0"),
        ("(0 - 1 - i) ** 0.5", "at step 0"),
        ("9 ** 9 ** 9 ** 9", "at step"),
        ("sqrt(i, i)", "at step 0"),
    ],
)
def test_a_rate_that_cannot_be_is_refused_with_its_step(formula: str, says: str) -> None:
    with pytest.raises(InputError, match=f"^rates: .*{says}"):
        dataclasses.replace(LECTURE, rates=formula)


def test_a_listed_rate_for_every_step_is_found_quickly() -> None:
    rates = tuple((step, 0.1 / (1 + step)) for step in range(200_000))
    recipe = dataclasses.replace(LECTURE, rates=rates)
    assert [recipe.rate(step) for step in (0, 1, 77_777, 199_999, 300_000)] == [
        rates[min(step, 199_999)][1] for step in (0, 1, 77_777, 199_999, 300_000)
    ]
    # A search from the end took a fifth of a second for each of the first steps.
    before = time.process_time()
    for step in range(2000):
        recipe.rate(step)
    assert time.process_time() - before < 2


def test_one_number_is_one_operation() -> None:
    normals = npnet.Generator(1).randn(1000)
    once = Draw("W1", ("* ((5/3)/sqrt(fan_in))",)).scaled(normals, 30)
    assert np.array_equal(once, normals * np.float32(0.3042903097250923))
    twice = Draw("W1", ("* 5/3", "/ sqrt(fan_in)")).scaled(normals, 30)
    assert not np.array_equal(once, twice)
    assert np.array_equal(once, Draw("W1", ("* ((5/3) * 30**-0.5)",)).scaled(normals, 7))


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("* (5/3)/sqrt(fan_in)", r"'\* \(\(5/3\)/sqrt\(fan_in\)\)'; for two operations, "),
        ("* (5/3)/sqrt(fan_in)", r"\['\* 5/3', '/ sqrt\(fan_in\)'\]"),
        ("* 5/3/2", r"parentheses around it for one operation by one number: '\* \(5/3/2\)'"),
        ("* (sqrt(fan_in)", "wanted an operation such as"),
        ("* 2 * 3", r"'\* \(2 \* 3\)'; for two operations, \['\* 2', '\* 3'\]$"),
        ("* 2 + 1", r"by one number: '\* \(2 \+ 1\)'$"),
        ("^ 2", r"wanted an operation such as '\* 0.1'"),
        ("* ", "wanted an operation such as"),
        ("* (cos(fan))", "'fan' is not understood"),
        ("/ (fan_in - fan_in)", "divides by 0"),
        ("* (1/(fan_in - fan_in))", "divides by 0"),
    ],
)
def test_a_scale_that_could_be_read_two_ways_is_explained(step: str, says: str) -> None:
    with pytest.raises(InputError, match=rf"^draws: W1 has the scale step .*{says}"):
        Draw("W1", (step,))
