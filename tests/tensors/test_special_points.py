"""Derivatives at kinks, at zeros and at nan are those of torch."""

from typing import Any

import numpy as np
import pytest

import npnet.tensors

NAN = float("nan")

# An expression of x and y, both, and the gradients of its sum with respect to each.
POINTS: dict[str, tuple[list[float], list[float], list[float], list[float]]] = {
    "torch.maximum(x, y)": ([1, 2, 3], [1, 3, 2], [0.5, 0, 1], [0.5, 1, 0]),
    "torch.minimum(x, y)": ([1, 2, 3], [1, 3, 2], [0.5, 1, 0], [0.5, 0, 1]),
    "torch.fmax(x, y)": (
        [NAN, 1, NAN, 2, 2],
        [1, NAN, NAN, 2, 3],
        [0, 1, 1, 1, 0],
        [1, 0, 0, 0, 1],
    ),
    "torch.fmin(x, y)": (
        [NAN, 1, NAN, 2, 2],
        [1, NAN, NAN, 2, 1],
        [0, 1, 1, 1, 0],
        [1, 0, 0, 0, 1],
    ),
    "torch.fmod(x, y)": ([-5.5, 5.5, 5.5], [2, -2, 2], [1, 1, 1], [2, 2, -2]),
    "torch.remainder(x, y)": ([-5.5, 5.5, 5.5], [2, -2, 2], [1, 1, 1], [3, 3, -2]),
    "torch.atan2(x, y)": ([0, 0, 2], [0, 2, 0], [0, 0.5, 0], [0, 0, -0.5]),
    "x**y": ([0, 0, 4], [0, 2, 0.5], [0, 0, 0.25], [0, 0, 4 * 0.6931471805599453]),
    "torch.where(x < y, x, y)": ([1, 2, 3], [1, 3, 2], [0, 1, 0], [1, 0, 1]),
    "x.clamp(0, 1) + 0 * y": ([-1, 0, 0.5, 1, 2], [0] * 5, [0, 1, 1, 1, 0], [0] * 5),
    "x.abs() + y.relu()": ([-2, 0, 2], [-2, 0, 2], [-1, 0, 1], [0, 0, 1]),
    "x.sign() + y**0": ([-2, 0, 2], [-2, 0, 2], [0, 0, 0], [0, 0, 0]),
    "x.max() + y.amax(0)": ([3, 3, 1], [2, 1, 2], [0.5, 0.5, 0], [0.5, 0, 0.5]),
    "x.min() + y.amin(0)": ([3, 1, 1], [1, 2, 1], [0, 0.5, 0.5], [0.5, 0, 0.5]),
    "x.max(0)[0] + y.min(0)[0]": ([3, 3, 1], [2, 2, 1], [1, 0, 0], [0, 0, 1]),
    "x.prod() + y.prod()": ([0, 2, 3], [2, 3, 4], [6, 0, 0], [12, 8, 6]),
    "x.prod() + y.std(0)": ([0, 0, 3], [2, 2, 2], [0, 0, 0], [0, 0, 0]),
    "x.norm() + y.norm()": ([0, 0], [3, 4], [0, 0], [0.6, 0.8]),
    "x.nan_to_num() + y.trunc()": ([NAN, 1], [0.5, -0.5], [0, 1], [0, 0]),
    "x.roll(1) * y": ([1, 2, 3], [10, 20, 30], [20, 30, 10], [3, 1, 2]),
    "x.cumsum(0) * y": ([1, 2, 3], [10, 20, 30], [60, 50, 30], [1, 3, 6]),
    "torch.diag(x, 1).sum() + torch.diag(y, -1)[1, 0]": ([1, 2], [3, 4], [1, 1], [1, 0]),
}


@pytest.fixture(params=["npnet.tensors", "torch"])
def torch(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param)


@pytest.mark.parametrize("expression", POINTS)
def test_a_derivative_at_a_special_point_is_torchs(expression: str, torch: Any) -> None:
    x, y, *wanted = POINTS[expression]
    tensors = {
        name: torch.tensor([float(one) for one in numbers], dtype=torch.float64).requires_grad_()
        for name, numbers in (("x", x), ("y", y))
    }
    eval(expression, {"torch": torch, **tensors}).sum().backward()
    found = [tensor.grad.tolist() for tensor in tensors.values()]
    assert found == [pytest.approx(each, rel=1e-15, abs=0) for each in wanted]


def test_a_target_that_is_ignored_gives_its_row_no_gradient(torch: Any) -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, NAN], [0.0, 0.0]], requires_grad=True)
    loss = torch.nn.functional.nll_loss(x, torch.tensor([0, -100, 1]))
    loss.backward()
    assert x.grad.tolist() == [[-0.5, 0], [0, 0], [0, -0.5]]
    assert loss.item() == 0


def test_one_number_written_to_several_places_gets_their_sum(torch: Any) -> None:
    one, x = torch.tensor(2.0, requires_grad=True), torch.zeros(1, 3)
    x[0, torch.tensor([0, 2])] = one
    (x * 5).sum().backward()
    assert one.grad.item() == 10


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_of_any_width_have_torchs_bits(dtype: str) -> None:
    theirs = pytest.importorskip("torch")
    rng = np.random.default_rng(7)
    for width in (*range(1, 42), 64, 127, 300):
        array = rng.standard_normal((5, width)).astype(dtype)
        for axis in (0, 1, None):
            ours, torchs = npnet.tensors.tensor(array), theirs.tensor(array)
            mine, wanted = (x.sum() if axis is None else x.sum(axis) for x in (ours, torchs))
            assert mine.tolist() == wanted.tolist(), f"{width} columns, axis {axis}"
