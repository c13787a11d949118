"""The estimated size of rounding errors, compared with the errors of real float32 programs."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import GRADIENTS
from npnet.base.arrays import Array
from npnet.checks.rounding import rounding_scales
from npnet.network.forward import LINES

EPS = float(np.finfo(np.float32).eps)
SIZES = {"n": 24, "T": 3, "E": 4, "H": 9, "V": 8}

Batch = tuple[npnet.Parameters, Array, Array]


def drawn(seed: int, n: int = 24) -> Batch:
    """A small float32 network, drawn as in the lecture."""
    rng = np.random.default_rng(seed)
    shapes = {"C": (8, 4), "W1": (12, 9), "b1": (9,), "W2": (9, 8), "b2": (8,)}
    shapes |= {"bngain": (1, 9), "bnbias": (1, 9)}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    for name in ("b1", "W2", "b2", "bnbias"):
        params[name] *= 0.1
    params["W1"] *= 0.5
    X, Y = rng.integers(0, 8, (n, 3)), rng.integers(0, 8, n)
    return npnet.Parameters(**{name: a.astype("f4") for name, a in params.items()}), X, Y


def scales_of(batch: Batch) -> tuple[dict[str, float], npnet.network.gradients.Gradients]:
    """The scales of a batch's whole backward pass, and its gradients in float64."""
    params, X, Y = batch
    values = npnet.forward(params.astype(np.float64), X, Y)
    truth = npnet.backward(values)
    return rounding_scales(values, truth, EPS, lines=False), truth


def errors_of(gradients: Any, truth: Any) -> dict[str, float]:
    """The largest error of each gradient, in eps."""
    return {name: float(np.abs(gradients[name] - truth[name]).max()) / EPS for name in GRADIENTS}


class Loops(np.ndarray[Any, Any]):
    """Sums and products of matrices that add one term after the other, as a plain loop does."""

    def sum(self, axis: int, keepdims: bool = False) -> Any:  # type: ignore[override]
        last = np.add.accumulate(np.asarray(self), axis).take([-1], axis)
        return (last if keepdims else last.squeeze(axis)).view(Loops)

    def mean(self, axis: int, keepdims: bool = False) -> Any:  # type: ignore[override]
        return self.sum(axis, keepdims) / self.dtype.type(self.shape[axis])

    def __matmul__(self, other: Any) -> Any:
        product = np.zeros((len(self), other.shape[1]), self.dtype)
        for k in range(self.shape[1]):
            product += np.asarray(self)[:, k : k + 1] * np.asarray(other)[k]
        return product.view(Loops)


def looped(batch: Batch) -> dict[str, Array]:
    """npnet's lines with the sums of ``Loops``."""
    params, X, Y = batch
    v = SimpleNamespace(X=X, Y=Y, eps=1e-5, **{n: a.copy().view(Loops) for n, a in params.items()})
    d: Any = SimpleNamespace(loss=1.0)
    for name in list(LINES)[:-1]:
        setattr(v, name, LINES[name](v))  # type: ignore[arg-type]
    for name, function in GRADIENTS.items():
        setattr(d, name, function(v, d))  # type: ignore[arg-type]
    return {name: np.asarray(getattr(d, name)) for name in GRADIENTS}


@pytest.mark.parametrize("n", [2, 3, 24, 300])
def test_right_gradients_err_by_a_few_scales_in_any_order_of_sums(n: int) -> None:
    for seed in range(8):
        batch = drawn(seed, n)
        scales, truth = scales_of(batch)
        for ours in (npnet.backward(npnet.forward(*batch)), looped(batch)):
            for name, error in errors_of(ours, truth).items():
                assert error <= 4 * scales[name], (seed, name, error, scales[name])


def test_the_scale_is_not_far_above_the_errors_either() -> None:
    shares = []
    for seed in range(30):
        batch = drawn(seed)
        scales, truth = scales_of(batch)
        errors = errors_of(npnet.backward(npnet.forward(*batch)), truth)
        shares.append([errors[name] / scales[name] for name in GRADIENTS if name != "logprobs"])
    assert np.median(shares, axis=0).min() > 0.04


def test_with_two_rows_the_scale_is_far_above_what_is_left() -> None:
    for seed in range(5):
        scales, truth = scales_of(drawn(seed, 2))
        above = {name: scales[name] / np.abs(truth[name]).max() for name in ("h", "hprebn")}
        assert above["h"] < 20
        assert above["hprebn"] > 1e5


def test_what_is_zero_by_mathematics_has_the_scale_of_what_it_sums() -> None:
    scales, truth = scales_of(drawn(1))
    for name, source in (("b1", "hprebn"), ("logit_maxes", "norm_logits")):
        largest = np.abs(truth[source]).max()
        assert largest / 10 < scales[name] < 100 * largest
        assert np.abs(truth[name]).max() < 1e-10 * scales[name]


def test_equal_rows_have_errors_that_add_up() -> None:
    params, X, Y = drawn(2, 64)
    once, _ = scales_of((params, X, Y))
    rows = np.arange(64) % 2
    alike, _ = scales_of((params, X[rows], Y[rows]))
    assert alike["b2"] > 3 * once["b2"]


def test_a_single_line_is_given_no_errors() -> None:
    params, X, Y = drawn(3)
    values = npnet.forward(params.astype(np.float64), X, Y)
    given = npnet.backward(values)
    lines = rounding_scales(values, given, EPS, lines=True)
    whole = rounding_scales(values, given, EPS, lines=False)
    assert lines["emb"] == 0
    for name in GRADIENTS:
        largest = np.abs(given[name]).max() + 1e-30
        assert lines[name] <= whole[name]
        assert name in ("b1", "logit_maxes") or lines[name] < 5 * largest, name


def test_what_overflows_has_no_scale() -> None:
    params, X, Y = drawn(4)
    values = npnet.forward(params.astype(np.float64), X, Y)
    given = {**npnet.backward(values), "h": np.full((24, 9), 1e200)}
    scales = rounding_scales(values, given, EPS, lines=True)
    assert "hpreact" not in scales
    assert scales["W1"] > 0
