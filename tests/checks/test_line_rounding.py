"""Right gradients of a table that lose digits pass, and mistakes in the same tables do not."""

from typing import Any

import numpy as np
import pytest

from npnet import Lines

LOG_SOFTMAX: dict[str, Any] = {
    "lines": {
        "lp": lambda v: v.z - np.log(np.exp(v.z).sum(1, keepdims=True)),
        "out": lambda v: v.lp * v.lp,
    },
    "gradients": {
        "lp": lambda v, d: 2 * v.lp * d.out,
        "z": lambda v, d: d.lp - np.exp(v.lp) * d.lp.sum(1, keepdims=True),
    },
}
GATE: dict[str, Any] = {
    "lines": {
        "s": lambda v: 1 / (1 + np.exp(-v.z)),
        "t": lambda v: np.tanh(v.z * v.s),
        "loss": lambda v: ((v.t - 0.5) ** 2).mean(),
    },
    "gradients": {
        "t": lambda v, d: 2 * d.loss * (v.t - 0.5) / v.t.size,
        "s": lambda v, d: d.t * (1 - v.t**2) * v.z,
        "z": lambda v, d: d.t * (1 - v.t**2) * v.s + d.s * v.s * (1 - v.s),
    },
}
COSINE: dict[str, Any] = {
    "lines": {
        "dot": lambda v: (v.z * v.w).sum(1),
        "size": lambda v: np.sqrt((v.z**2).sum(1)),
        "loss": lambda v: (v.dot / v.size).mean(),
    },
    "gradients": {
        "size": lambda v, d: -d.loss * v.dot / v.size**2 / len(v.dot),
        "dot": lambda v, d: d.loss / v.size / len(v.dot),
        "z": lambda v, d: d.dot[:, None] * v.w + (d.size / v.size)[:, None] * v.z,
        "w": lambda v, d: d.dot[:, None] * v.z,
    },
}


def table(case: dict[str, Any], shape: tuple[int, ...], scale: float, seed: int) -> Lines:
    rng = np.random.default_rng(seed)
    inputs = {"z": rng.standard_normal(shape) * scale}
    if case is COSINE:
        inputs["w"] = rng.standard_normal(shape)
    return Lines(case["lines"], inputs, gradients=case["gradients"])


@pytest.mark.parametrize("seed", [14, 21])
def test_a_line_alone_may_lose_digits(seed: int) -> None:
    checked = table(LOG_SOFTMAX, (5, 5), 12, seed).check("float32")
    assert checked, checked
    assert {row.name: row for row in checked.alone.rows}["z"].reason.startswith("few digits")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scale", [1e-3, 1, 60, 200, 1e3])
def test_saturated_functions_pass(dtype: str, scale: float) -> None:
    checked = table(GATE, (3, 4), scale, 0).check(dtype)
    assert checked, checked


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_gradient_that_is_all_rounding_passes(dtype: str) -> None:
    for seed in range(6):
        checked = table(COSINE, (2, 1), 1, seed).check(dtype)  # the cosine of one number is 1 or -1
        assert checked, checked


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", [LOG_SOFTMAX, GATE, COSINE])
def test_the_same_tables_bite(case: dict[str, Any], dtype: str) -> None:
    right = table(case, (3, 4), 2, 0)
    for name, function in right.gradients.items():
        for factor in (1.001, -1, 0):

            def wrong(v: Any, d: Any, function: Any = function, factor: float = factor) -> Any:
                return function(v, d) * factor

            changed = Lines(right.lines, right.inputs, gradients={**right.gradients, name: wrong})
            assert changed.check(dtype).first_wrong == name


def test_a_branch_on_equal_values_is_no_rounding() -> None:
    x = np.random.default_rng(0).standard_normal((4, 3, 2))
    wrong = Lines(
        {"m": lambda v: v.x.max(1), "out": lambda v: v.m * v.m},
        {"x": x},
        gradients={
            "m": lambda v, d: 2 * v.m * d.out,
            "x": lambda v, d: d.m[:, None] * (v.x == v.x.min(1, keepdims=True)),
        },
    )
    assert wrong.check().first_wrong == "x"
    assert wrong.check("float32").first_wrong == "x"
