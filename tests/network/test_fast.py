"""The training step against the fused pass and the float64 truth."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from conftest import random_network
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet.base.arrays import Array
from npnet.network.fast import Workspace
from npnet.network.names import PARAMETER_NAMES

SIZES = {"n": st.integers(2, 40), "V": st.integers(2, 30), "E": st.integers(1, 6),
         "T": st.integers(1, 4), "H": st.integers(1, 20)}  # fmt: skip


def fast_gradients(params: npnet.Parameters, X: Array, Y: Array) -> tuple[float, dict[str, Array]]:
    workspace = Workspace(params, len(Y), 1e-5, PARAMETER_NAMES)
    workspace.load(X[None], Y[None])
    workspace.differentiate(0, 1.0)
    return float(workspace.losses(0, 1)[0]), workspace.gradient


@given(st.fixed_dictionaries(SIZES), st.integers(0, 2**32 - 1))
def test_in_float64_the_step_has_the_fused_gradients(sizes: dict[str, int], seed: int) -> None:
    params, X, Y = random_network(np.random.default_rng(seed), np.float64, **sizes)
    loss, fast = fast_gradients(params, X, Y)
    wanted, fused = npnet.loss_and_gradients(params, X, Y)
    assert loss == pytest.approx(wanted, rel=1e-12)
    # Two rows whose hidden units nearly agree cancel in the variance: what is left of 16 digits
    # goes with 1/deviation.
    spread = npnet.forward(params, X, Y).bnvar_inv.max()
    for name in PARAMETER_NAMES:
        scale = max(np.abs(fused[name]).max(), np.abs(fused.b2).max())
        gap = np.abs(fast[name] - fused[name]).max()
        assert gap <= 1e-12 * scale * max(1, spread) ** 2, name


@pytest.mark.parametrize("hidden", [16, 64, 200])
def test_in_float32_the_step_is_about_as_near_to_the_truth_as_the_fused_pass(hidden: int) -> None:
    recipe = dataclasses.replace(npnet.RECIPES["lecture"], hidden=hidden)
    words = npnet.default_words()
    vocab = npnet.Vocabulary.from_words(words)
    X, Y = npnet.build_dataset(words, vocab)
    errors: dict[str, list[tuple[float, float]]] = {name: [] for name in PARAMETER_NAMES}
    for seed in range(20):
        generator = npnet.Generator(seed)
        params = npnet.draw_parameters(recipe, vocab.size, generator)
        rows = generator.randint(0, len(X), (32,))
        _, truth = npnet.loss_and_gradients(params.astype("float64"), X[rows], Y[rows])
        _, fused = npnet.loss_and_gradients(params, X[rows], Y[rows])
        _, fast = fast_gradients(params, X[rows], Y[rows])
        for name in PARAMETER_NAMES:
            assert fast[name].dtype == np.float32
            errors[name].append(
                (np.abs(fast[name] - truth[name]).max(), np.abs(fused[name] - truth[name]).max())
            )
    for name, pairs in errors.items():
        ours, plain = np.median(pairs, axis=0)
        assert ours <= 2 * plain, name


@pytest.mark.parametrize(
    ("H", "units", "V", "classes"),
    [
        (1, 8, 2, 4),
        (7, 8, 4, 4),
        (8, 16, 5, 8),
        (200, 208, 27, 28),
        (1016, 1032, 27, 28),
        (1024, 1032, 28, 28),
    ],
)
def test_matrices_are_padded_only_with_a_row_for_b2(
    H: int, units: int, V: int, classes: int
) -> None:
    params, _, _ = random_network(np.random.default_rng(0), np.float32, H=H, V=V)
    workspace = Workspace(params, 4, 1e-5, PARAMETER_NAMES)
    assert workspace.blocks.W2T.shape == (classes, units)
    assert {name: array.shape for name, array in workspace.gradient.items()} == {
        name: array.shape for name, array in params.items()
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("eps", [0.0, 1e-5])
def test_padding_never_changes(eps: float, dtype: str) -> None:
    params, X, Y = random_network(np.random.default_rng(0), dtype, H=5, V=6)
    workspace = Workspace(params, len(Y), eps, PARAMETER_NAMES)
    workspace.load(np.repeat(X[None], 50, 0), np.repeat(Y[None], 50, 0))
    before = workspace.flat.copy()
    for array in workspace.params.values():
        array.fill(0)
    filled = workspace.flat.copy()  # all else
    workspace.flat[:] = before
    for k in range(50):
        workspace.step(k, 0.5)
    for array in workspace.params.values():
        array.fill(0)
    assert np.count_nonzero(filled) == 3  # the unit's 1, and two classes that are not there
    np.testing.assert_array_equal(workspace.flat, filled)


@pytest.mark.parametrize("b2", [-1e4, 1e4, -np.inf])
def test_large_biases_and_impossible_classes_give_the_fused_gradients(b2: float) -> None:
    params, X, Y = random_network(np.random.default_rng(0), np.float64, n=40, V=5)
    biases = np.full(5, b2)
    if np.isinf(b2):
        biases[:4], Y = 0.5, Y % 4
    far = npnet.Parameters(**{**params, "b2": biases})
    with np.errstate(invalid="ignore"):  # 0 · ∞, in what is not a gradient: training ignores it
        loss, fast = fast_gradients(far, X, Y)
    wanted, fused = npnet.loss_and_gradients(far, X, Y)
    assert loss == pytest.approx(wanted, rel=1e-12)
    for name in PARAMETER_NAMES:
        np.testing.assert_allclose(fast[name], fused[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", [1e4, 1e30])
def test_huge_logits_give_a_finite_loss_and_gradients(scale: float) -> None:
    params, X, Y = random_network(np.random.default_rng(0), np.float32)
    wild = npnet.Parameters(**{**params, "W2": params.W2 * np.float32(scale)})
    loss, gradients = fast_gradients(wild, X, Y)
    assert np.isfinite(loss)
    assert all(np.isfinite(array).all() for array in gradients.values())


def test_a_step_leaves_the_statistics_of_the_minibatch() -> None:
    params, X, Y = random_network(np.random.default_rng(0), np.float64)
    workspace = Workspace(params, len(Y), 1e-5, PARAMETER_NAMES, averaged=True)
    workspace.load(X[None], Y[None])
    workspace.step(0, 0.1)
    values = npnet.forward(params, X, Y)
    np.testing.assert_allclose(workspace.mean, values.bnmeani[0], rtol=1e-12)
    np.testing.assert_allclose(workspace.var, values.bnvar[0], rtol=1e-12)


@pytest.mark.parametrize("name", PARAMETER_NAMES)
def test_a_step_moves_each_trained_parameter_against_its_gradient(name: str) -> None:
    params, X, Y = random_network(np.random.default_rng(0), np.float64)
    _, gradients = npnet.loss_and_gradients(params, X, Y)
    workspace = Workspace(params, len(Y), 1e-5, {name})
    workspace.load(X[None], Y[None])
    workspace.step(0, 0.5)
    after = params.copy()
    workspace.store(after)
    for other in PARAMETER_NAMES:
        moved: Any = params[other] - 0.5 * gradients[other] if other == name else params[other]
        np.testing.assert_allclose(after[other], moved, rtol=1e-12, atol=1e-15)
