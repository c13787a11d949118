"""A tensor prints as torch's, character for character."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import npnet.tensors as ours
from npnet.base.arrays import Array

# Torch computes infinities silently. Pytest's filters come before the one of npnet.tensors.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7)
FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)
ORDINARY = st.floats(-30, 30, width=32) | st.sampled_from([0.0, -0.0, 1.0, 1e-5, 123456.0, 5e8])


def both(array: Array, **options: Any) -> tuple[str, str]:
    return repr(ours.tensor(array, **options)), repr(torch.tensor(array, **options))


@given(arrays.arrays(st.sampled_from([np.float32, np.float64]), SHAPES, elements=FLOATS))
def test_floats_of_all_sizes_print_the_same(array: Array) -> None:
    mine, theirs = both(array)
    assert mine == theirs


@given(arrays.arrays(np.float32, SHAPES, elements=ORDINARY), st.booleans())
def test_ordinary_numbers_print_the_same(array: Array, grad: bool) -> None:
    mine, theirs = both(array, requires_grad=grad)
    assert mine == theirs


@given(arrays.arrays(st.sampled_from([np.int64, np.int32, np.uint8, np.bool_, np.float16]), SHAPES))
def test_other_types_print_the_same(array: Array) -> None:
    mine, theirs = both(array)
    assert mine == theirs


@pytest.mark.parametrize("shape", [(1001,), (32, 64), (27, 200), (2, 600), (7, 7, 30), (4137,)])
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_long_tensors_have_the_same_summary(shape: tuple[int, ...], scale: float) -> None:
    values = (np.random.default_rng(3).standard_normal(shape) * scale).astype(np.float32)
    for array in (values, np.rint(values), values > 0, np.rint(values).astype(np.int64)):
        mine, theirs = both(array)
        assert mine == theirs


@given(
    arrays.arrays(np.float32, arrays.array_shapes(max_dims=3, max_side=12), elements=ORDINARY),
    st.integers(0, 8),
    st.integers(20, 150),
    st.sampled_from([None, True, False]),
    st.integers(1, 4),
    st.sampled_from([5, 1000]),
)
def test_options_change_both_in_the_same_way(
    array: Array, precision: int, width: int, scientific: bool | None, edge: int, most: int
) -> None:
    options = {
        "precision": precision,
        "linewidth": width,
        "sci_mode": scientific,
        "edgeitems": edge,
        "threshold": most,
    }
    try:
        ours.set_printoptions(**options)
        torch.set_printoptions(**options)  # type: ignore[no-untyped-call]
        mine, theirs = both(array)
    finally:
        ours.set_printoptions(profile="default")
        torch.set_printoptions(profile="default")  # type: ignore[no-untyped-call]
    assert mine == theirs


@pytest.mark.parametrize("profile", ["short", "full", "default"])
def test_profiles_change_both_alike(profile: str) -> None:
    array = np.random.default_rng(4).standard_normal((7, 200)).astype(np.float32)
    try:
        ours.set_printoptions(profile=profile)
        torch.set_printoptions(profile=profile)  # type: ignore[no-untyped-call]
        mine, theirs = both(array)
    finally:
        ours.set_printoptions(profile="default")
        torch.set_printoptions(profile="default")  # type: ignore[no-untyped-call]
    assert mine == theirs


@pytest.mark.parametrize(
    "form",
    [
        "x.sum()",
        "-x",
        "x @ y",
        "x.max(1)",
        "x.max(1, keepdim=True)",
        "x.min(0)",
        "x.shape",
        "x.view(-1)",
        "x[0]",
        "x.sort()",
        "x.topk(1)",
        "(x.shape, x.dtype)",
        "[x[0, 0], x[0, 1]]",
        "x.T",
        "x.exp().log()",
        "f'{x[0, 0]:.3f} {x.sum()}'",
        "x.to(torch.float64)",
        "x > 0",
        "torch.device('cpu')",
        "x.clone()",
        "y",
        "x.median(0)",
        "torch.zeros(0, 3)",
    ],
)
def test_results_print_the_same(form: str) -> None:
    values = np.random.default_rng(1).standard_normal((3, 3)).astype(np.float32)
    shown = []
    for module in (ours, torch):
        names = {
            "torch": module,
            "x": module.tensor(values, requires_grad=True),
            "y": module.tensor(values),
        }
        shown.append(str(eval(form, names)))
    assert shown[0] == shown[1]


def test_a_part_written_in_place_prints_its_node() -> None:
    shown = []
    for module in (ours, torch):
        x = module.zeros(2, 2)
        x[0] = module.ones(2, requires_grad=True) * 2
        shown.append(repr(x))
    assert shown[0] == shown[1]
    assert "CopySlices" in shown[0]
