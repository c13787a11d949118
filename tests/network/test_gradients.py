"""The 26 gradients before the oracle: each line alone, and all of them chained."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from conftest import locked, random_network
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import GRADIENTS
from npnet.base.arrays import Array
from npnet.checks.compare import zero_scales

pytest.importorskip("torch")

import oracle
from oracle.judge import end_to_end, per_line, upstream
from oracle.mistakes import LECTURE, network

pytestmark = pytest.mark.usefixtures("one_thread")

# Lines whose readable formula is torch's order of operations too.
SAME_BITS = ("logprobs", "probs", "counts_sum", "counts", "norm_logits", "logits",
             "bnraw", "bndiff2", "bndiff", "hprebn", "emb")  # fmt: skip

LARGER = (
    {"n": 24, "T": 3, "E": 8, "H": 24, "V": 24},
    {"n": 2000, "T": 2, "E": 5, "H": 33, "V": 9},
    LECTURE,
)


def shown(sizes: Mapping[str, int]) -> str:
    return " ".join(f"{letter}={size}" for letter, size in sizes.items())


def alone(values: Mapping[str, Any], seed: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """What our lines, and torch's, make of torch's values and random upstream gradients."""
    above = upstream(values, seed)
    v = npnet.Values({key: locked(np.asarray(value)) for key, value in values.items()})
    d = npnet.Gradients({key: locked(array) for key, array in above.items()})
    return {name: function(v, d) for name, function in GRADIENTS.items()}, oracle.cut(values, above)


@given(
    seed=st.integers(0, 2**32),
    tied=st.booleans(),
    n=st.integers(2, 9),
    V=st.integers(2, 8),
    E=st.integers(1, 5),
    T=st.integers(1, 4),
    H=st.integers(1, 6),
)
def test_each_line_alone_is_what_torch_says(seed: int, tied: bool, **sizes: int) -> None:
    params, X, Y = random_network(np.random.default_rng(seed), **sizes)
    if tied:  # every logit is its bias, and all but the first are equal
        b2 = np.ones(sizes["V"])
        b2[0] = 0
        params = npnet.Parameters(**{**params, "W2": np.zeros_like(params.W2), "b2": b2})
    values, _ = oracle.whole(params, X, Y)
    # A line's terms may cancel for one upstream, so four say what its rounding is measured by.
    runs = [alone(values, seed + more) for more in range(4)]
    for name in GRADIENTS:
        scale = max(np.abs(torchs[name]).max() for _, torchs in runs)
        for ours, torchs in runs:
            assert ours[name].shape == torchs[name].shape, name
            assert ours[name].dtype == np.float64, name
            assert np.abs(ours[name] - torchs[name]).max() <= 1e-12 * scale, name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "sizes",
    [
        {"n": 2, "T": 1, "E": 4, "H": 6, "V": 5},
        {"n": 3, "T": 4, "E": 1, "H": 9, "V": 8},
        *LARGER,
    ],
    ids=shown,
)
def test_the_judge_passes_every_line(sizes: dict[str, int], dtype: Any) -> None:
    for seed in range(4):
        values, _ = oracle.whole(*network(seed, dtype, sizes))
        report = per_line(values, seed=seed)
        assert report, report
        assert not report.blind


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "sizes",
    [{"n": 8, "T": 4, "E": 2, "H": 9, "V": 8}, *LARGER],
    ids=shown,
)
def test_the_judge_passes_all_of_them_chained(sizes: dict[str, int], dtype: Any) -> None:
    for seed in range(4):
        report = end_to_end(*network(seed, dtype, sizes))
        assert report, report
        assert set(report.blind) == {"b1", "logit_maxes"}


@pytest.mark.parametrize("name", ["lecture", "lecture-64", "constant-gain", "random-gain"])
def test_in_float64_all_are_within_1e_14_of_their_scale_over_20_seeds(name: str) -> None:
    recipe = npnet.RECIPES[name]
    rng = np.random.default_rng(0)
    for seed in range(20):
        drawn = npnet.draw_parameters(recipe, 27, npnet.Generator(seed)).astype(np.float64)
        X, Y = rng.integers(0, 27, (recipe.batch, 3)), rng.integers(0, 27, recipe.batch)
        values, reference = oracle.whole(drawn, X, Y, recipe.eps)
        ours = npnet.backward(npnet.forward(drawn, X, Y, recipe.eps))
        noise = zero_scales(reference)
        for gradient, array in reference.items():
            scale = noise.get(gradient, np.abs(array).max())
            assert np.abs(ours[gradient] - array).max() <= 1e-14 * scale, (seed, gradient)
        lines, torchs = alone(values, seed)
        for gradient, array in torchs.items():
            assert np.abs(lines[gradient] - array).max() <= 1e-14 * np.abs(array).max(), gradient


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_fused_pass_has_torchs_gradients(dtype: Any) -> None:
    params, X, Y = network(0, dtype, LECTURE)
    values, reference = oracle.whole(params, X, Y)
    loss, ours = npnet.loss_and_gradients(params, X, Y)
    scales = zero_scales(reference)
    report = npnet.compare(
        ours, {name: reference[name] for name in ours}, zero_scales={"b1": scales["b1"]}
    )
    assert report, report
    assert abs(loss - values["loss"]) <= 4 * np.finfo(dtype).eps * loss


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [2, 24, 33, 50])
def test_lines_written_as_torch_computes_them_are_bit_equal(n: int, dtype: Any) -> None:
    values, _ = oracle.whole(*network(n, dtype, {**LECTURE, "n": n}))
    ours, torchs = alone(values, n)
    for name in SAME_BITS:
        np.testing.assert_array_equal(ours[name], torchs[name], err_msg=name)


def test_a_plain_mapping_of_values_has_the_same_gradients() -> None:
    values = npnet.forward(*random_network(np.random.default_rng(0)))
    ours, plain = npnet.backward(values), npnet.backward(dict(values))
    assert all(np.array_equal(ours[name], plain[name]) for name in GRADIENTS)


def test_of_equal_largest_logits_the_first_gets_the_gradient() -> None:
    values, _ = oracle.whole(*network())
    tied = np.flatnonzero(values["logits"][:, 0] == values["logit_maxes"][:, 0])
    assert 0 < len(tied) < len(values["logits"])
    ours, torchs = alone(values, 0)
    passed_on = torchs["logits"] != upstream(values, 0)["norm_logits"]
    assert passed_on[tied, 0].all()
    assert (passed_on.sum(1) == 1).all()
    np.testing.assert_array_equal(ours["logits"], torchs["logits"])


def test_a_row_of_C_sums_every_repeat() -> None:
    params, X, Y = network(0, np.float64)
    X = np.zeros_like(X)
    values, _ = oracle.whole(params, X, Y)
    lines, torchs = alone(values, 0)
    np.testing.assert_allclose(lines["C"], torchs["C"], rtol=1e-12)
    np.testing.assert_allclose(lines["C"][0], upstream(values, 0)["emb"].sum((0, 1)), rtol=1e-12)
    assert not lines["C"][1:].any()
