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


S, T = 0.3, 0.7  # label smoothing, temperature


def _one_class(dz: Any) -> Lines:
    """An embedding bag with max pooling and one class, where the gradient of z is exactly 0."""

    def dC(v: Any, d: Any) -> Any:
        bag = np.zeros_like(v.emb)
        np.put_along_axis(bag, v.emb.argmax(1)[:, None], d.m[:, None], 1)
        total = np.zeros_like(v.C)
        np.add.at(total, v.X, bag)
        return total

    return Lines(
        {
            "emb": lambda v: v.C[v.X],
            "m": lambda v: v.emb.max(1),
            "z": lambda v: v.m @ v.W / T,
            "lp": lambda v: v.z - np.log(np.exp(v.z).sum(1, keepdims=True)),
            "loss": lambda v: -((1 - S) * v.lp[:, 0] + S * v.lp.mean(1)).mean(),
        },
        {"C": (6, 4), "W": (4, 1), "X": (5, 3)},
        integers={"X": 6},
        skip=["lp", "emb"],
        gradients={
            "z": dz,
            "W": lambda v, d: v.m.T @ d.z / T,
            "m": lambda v, d: d.z @ v.W.T / T,
            "C": dC,
        },
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "dz",
    [
        lambda v, d: d.loss * (np.exp(v.lp) - ((1 - S) + S / 1)) / len(v.z),
        lambda v, d: d.loss * (np.exp(v.z) / np.exp(v.z).sum(1, keepdims=True) - 1) / len(v.z),
        lambda v, d: (-d.loss * (1 - S) + d.loss * np.exp(v.lp) - d.loss * S) / len(v.z),
    ],
)
def test_a_softmax_over_one_class_passes(dz: Any, dtype: str) -> None:
    checked = _one_class(dz).check(dtype)
    assert checked, checked


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_wrong_gradient_of_one_class_is_found(dtype: str) -> None:
    wrong = _one_class(lambda v, d: d.loss * np.exp(v.lp) / len(v.z))
    assert wrong.check(dtype).first_wrong == "z"


def test_a_saturated_function_is_not_taken_for_a_kink() -> None:
    c = float(np.sqrt(2 / np.pi))

    def slope(v: Any, d: Any) -> Any:
        t = np.tanh(c * (v.x + 0.044715 * v.x**3))
        return d.out * (0.5 * (1 + t) + 0.5 * v.x * (1 - t**2) * c * (1 + 0.134145 * v.x**2))

    gelu = Lines(
        {"out": lambda v: 0.5 * v.x * (1 + np.tanh(c * (v.x + 0.044715 * v.x**3)))},
        {"x": np.linspace(-6.9, -6.91, 12).reshape(3, 4)},
        gradients={"x": slope},
    )
    checked = gelu.check()
    assert checked, checked
    assert not checked.differences


def _after_a_tie(dC: Any) -> Lines:
    """Two rows with the same tie, whose slopes cancel; the first row's maximum goes elsewhere."""
    return Lines(
        {
            "m": lambda v: v.C[v.X].max(1),
            "loss": lambda v: (v.m * np.array([[1.0], [-1.0]], v.m.dtype)).sum(),
        },
        {"C": np.full((3, 2), 0.6), "X": np.array([[0, 1], [0, 2]])},
        integers=["X"],
        gradients={
            "m": lambda v, d: d.loss * np.array([[1.0], [-1.0]], v.m.dtype) + 0 * v.m,
            "C": dC,
        },
    )


def test_another_choice_in_each_row_of_a_tie_is_right() -> None:
    def dC(v: Any, d: Any) -> Any:
        return np.stack([d.m[0], 0 * d.m[0], d.m[1]])  # the first of one row, the last of the other

    checked = _after_a_tie(dC).check()
    assert checked, checked


def _before_a_kink(dW: Any, relu: Any) -> Lines:
    """ReLU at exactly 0 in some entries, and a product before it."""
    return Lines(
        {
            "z": lambda v: v.x @ v.W,
            "s": lambda v: v.z - v.z.max(1, keepdims=True),
            "out": lambda v: np.maximum(v.s, 0) + 0.1 * v.s,
        },
        {"x": np.random.default_rng(0).standard_normal((3, 2)), "W": (2, 4)},
        skip=[],
        gradients={
            "s": relu,
            "z": lambda v, d: d.s - (v.z == v.z.max(1, keepdims=True)) * d.s.sum(1, keepdims=True),
            "W": dW,
            "x": lambda v, d: d.z @ v.W.T,
        },
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("at_zero", [np.greater, np.greater_equal])
def test_what_follows_from_a_choice_at_a_kink_is_judged(at_zero: Any, dtype: str) -> None:
    def relu(v: Any, d: Any) -> Any:
        return d.out * at_zero(v.s, 0) + d.out * 0.1

    right = _before_a_kink(lambda v, d: v.x.T @ d.z, relu).check(dtype)
    assert right, right
    wrong = _before_a_kink(lambda v, d: 1.001 * v.x.T @ d.z, relu).check(dtype)
    assert not wrong.whole.passed
    assert {row.name for row in wrong.whole.failures} == {"W"}


def test_functions_of_other_libraries_may_lose_digits() -> None:
    def opaque(v: Any, d: Any) -> Any:
        """As a library's: it rounds, and its result is a plain array."""
        lp, g = np.array(v.lp, subok=False), np.array(d.lp, subok=False)
        return g - np.exp(lp) * g.sum(1, keepdims=True)

    for seed in (14, 21):
        right = table(LOG_SOFTMAX, (5, 5), 12, seed)
        other = Lines(right.lines, right.inputs, gradients={**right.gradients, "z": opaque})
        checked = other.check("float32")
        assert checked, checked


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
def test_mistakes_in_the_same_tables_are_found(case: dict[str, Any], dtype: str) -> None:
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
