"""Parameters, the forward lines and the fused pass."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from conftest import locked, random_network
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import InputError
from npnet.base.arrays import Array
from npnet.network.forward import LINES
from npnet.network.names import NAMES, PARAMETER_NAMES, VALUE_NAMES, shape_of

Make = Callable[..., tuple[npnet.Parameters, Array, Array]]
SIZES = {"n": st.integers(2, 9), "V": st.integers(2, 8), "E": st.integers(1, 5),
         "T": st.integers(1, 4), "H": st.integers(1, 6)}  # fmt: skip


@given(sizes=st.fixed_dictionaries(SIZES), dtype=st.sampled_from([np.float32, np.float64]))
def test_every_value_has_its_shape_and_the_parameters_dtype(
    sizes: dict[str, int], dtype: Any
) -> None:
    params, X, Y = random_network(np.random.default_rng(1), dtype, **sizes)
    values = npnet.forward(params, X, Y)
    for name in VALUE_NAMES:
        assert values[name].shape == shape_of(name, sizes), name
        assert values[name].dtype == dtype, name


def test_the_lines_are_the_twenty_names_in_order() -> None:
    assert tuple(LINES) == VALUE_NAMES
    assert len(VALUE_NAMES) == 20
    assert len(NAMES) == 27


def test_the_shape_written_behind_each_line_is_its_shape() -> None:
    import npnet.network.names

    source = (Path(npnet.network.names.__file__).parent / "forward.py").read_text(encoding="utf-8")
    written = dict(re.findall(r'^    "(\w+)": .*# (\(.*\))$', source, re.MULTILINE))
    assert written == {name: NAMES[name].shape for name in VALUE_NAMES}


def test_the_values_are_those_of_a_plain_loop(network: Make) -> None:
    params, X, Y = network()
    values = npnet.forward(params, X, Y, eps=0.1)
    n, H = len(X), params.sizes["H"]
    embcat = [[params.C[c, e] for c in row for e in range(4)] for row in X]
    hprebn = [
        [sum(row[m] * params.W1[m, k] for m in range(12)) + params.b1[k] for k in range(H)]
        for row in embcat
    ]
    mean = [sum(row[k] for row in hprebn) / n for k in range(H)]
    var = [sum((row[k] - mean[k]) ** 2 for row in hprebn) / (n - 1) for k in range(H)]
    normal = [[(row[k] - mean[k]) / np.sqrt(var[k] + 0.1) for k in range(H)] for row in hprebn]
    h = np.tanh(np.array(normal) * params.bngain + params.bnbias)
    logits = h @ params.W2 + params.b2
    logprobs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    np.testing.assert_allclose(values.hprebn, hprebn, rtol=1e-12)
    np.testing.assert_allclose(values.logits, logits, rtol=1e-12)
    np.testing.assert_allclose(values.logprobs, logprobs, rtol=1e-11)
    assert values.loss == pytest.approx(-np.mean([logprobs[i, y] for i, y in enumerate(Y)]))
    assert values.eps == 0.1
    assert values.X is X or np.array_equal(values.X, X)


def test_values_cannot_be_changed(network: Make) -> None:
    values = npnet.forward(*network())
    with pytest.raises(AttributeError, match="read-only"):
        cast(Any, values).h = 0
    with pytest.raises(AttributeError, match="has no 'hpreactt'"):
        _ = values.hpreactt
    with pytest.raises(TypeError):
        values["h"] = 0


@pytest.mark.parametrize("function", [npnet.forward, npnet.loss_and_gradients])
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda p, X, Y: (p, X[:, :2], Y), "context of 3"),
        (lambda p, X, Y: (p, X, Y[:-1]), "wanted"),
        (lambda p, X, Y: (p, X[:0], Y[:0]), "no rows"),
        (lambda p, X, Y: (p, X[:1], Y[:1]), "n of 2 or more|2 rows or more"),
        (lambda p, X, Y: (p, X + 9, Y), "0 to 5"),
        (lambda p, X, Y: (p, X - 9, Y), "0 to 5"),
        (lambda p, X, Y: (p, X, Y * 0.5), "integers"),
        (lambda p, X, Y: ({**p, "b1": p.b1[:-1]}, X, Y), r"b1 has shape \(4,\), wanted \(5,\)"),
        (lambda p, X, Y: ({**p, "bngain": p.bngain[0]}, X, Y), r"bngain has shape \(5,\)"),
        (lambda p, X, Y: ({**p, "W2": p.W2.astype("f")}, X, Y), "float32 where C is float64"),
        (lambda p, X, Y: ({**p, "W1": p.W1[:-1]}, X, Y), "T·E"),
        (lambda p, X, Y: ({**p, "C": p.C.astype(int)}, X, Y), "C is int64, wanted all seven"),
        (lambda p, X, Y: ({name: p[name] for name in list(p)[1:]}, X, Y), r"missing \['C'\]"),
        (lambda p, X, Y: ({**p, "b3": p.b2}, X, Y), r"unknown \['b3'\]"),
    ],
)
def test_what_does_not_fit_is_refused(
    function: Callable[..., object], spoil: Callable[..., Any], says: str, network: Make
) -> None:
    with pytest.raises(InputError, match=says):
        function(*spoil(*network()))


def test_the_fused_loss_is_the_forward_loss(network: Make) -> None:
    params, X, Y = network(n=32, V=27, H=20)
    loss, _ = npnet.loss_and_gradients(params, X, Y)
    assert loss == pytest.approx(npnet.forward(params, X, Y).loss, rel=1e-13)


@pytest.mark.parametrize("name", PARAMETER_NAMES)
def test_the_fused_gradients_agree_with_finite_differences(name: str, network: Make) -> None:
    params, X, Y = network(3)
    _, gradients = npnet.loss_and_gradients(params, X, Y)
    numeric = np.zeros(params[name].shape)
    for place in np.ndindex(numeric.shape):
        # Five points: the error is step⁴ times the fifth derivative.
        losses = []
        for shift in (-2e-3, -1e-3, 1e-3, 2e-3):
            moved = params[name].copy()
            moved[place] += shift
            losses.append(npnet.loss_and_gradients({**params, name: moved}, X, Y)[0])
        numeric[place] = (losses[0] - 8 * losses[1] + 8 * losses[2] - losses[3]) / 12e-3
    # b1's gradient is 0, so its error is measured against the summands.
    scale = max(np.abs(numeric).max(), 1e-2)
    assert np.abs(gradients[name] - numeric).max() < 1e-8 * scale


def test_every_context_adds_to_the_gradient_of_its_characters(network: Make) -> None:
    params, X, Y = network(V=4, n=8)
    _, gradients = npnet.loss_and_gradients(params, X, Y)
    # The same network with a row of C for each of the 24 places; targets stay below 4, for the
    # other characters have logits so low that softmax gives them nothing.
    apart = npnet.Parameters(
        **{
            **params,
            "C": params.C[X.ravel()],
            "W2": np.pad(params.W2, ((0, 0), (0, 20))),
            "b2": np.pad(params.b2, (0, 20), constant_values=-1e4),
        }
    )
    _, spread = npnet.loss_and_gradients(apart, np.arange(24).reshape(8, 3), Y)
    together = [sum(spread.C[i] for i in range(24) if X.ravel()[i] == c) for c in range(4)]
    np.testing.assert_allclose(gradients.C, np.array(together), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_give_a_finite_loss_and_gradient(dtype: Any) -> None:
    logits = locked(np.array([[1e4, -1e4, 0], [-1e4, 1e4, 1e4]], dtype))
    loss, dlogits = npnet.cross_entropy(logits, np.array([1, 0]))
    assert loss == pytest.approx((2e4 + 2e4 + np.log(2)) / 2, rel=1e-6)
    np.testing.assert_allclose(dlogits, [[0.5, -0.5, 0], [-0.5, 0.25, 0.25]], atol=1e-7)
    assert loss.dtype == dlogits.dtype == dtype


def test_a_network_with_huge_weights_stays_finite(network: Make) -> None:
    params, X, Y = network(dtype=np.float32)
    wild = npnet.Parameters(**{**params, "W2": params.W2 * np.float32(1e4)})
    loss, gradients = npnet.loss_and_gradients(wild, X, Y)
    assert np.isfinite(loss)
    assert all(np.isfinite(array).all() for array in gradients.values())


def test_cross_entropy_refuses_targets_out_of_range() -> None:
    logits = np.zeros((2, 3))
    for targets in ([0, 3], [-1, 0], [0.0, 1.0]):
        with pytest.raises(InputError, match="integers from 0 to 2"):
            npnet.cross_entropy(logits, np.array(targets))
    with pytest.raises(InputError, match="wanted"):
        npnet.cross_entropy(logits, np.array([0]))


@pytest.mark.parametrize(
    ("logits", "Y"),
    [((3,), (3,)), ((2, 3, 4), (2,)), ((2, 3), (3,)), ((0, 3), (0,)), ((2, 0), (2,))],
)
def test_cross_entropy_refuses_other_shapes(logits: tuple[int, ...], Y: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="cross_entropy: logits have shape"):
        npnet.cross_entropy(np.zeros(logits), np.zeros(Y, int))


def test_cross_entropy_refuses_logits_that_are_integers() -> None:
    with pytest.raises(InputError, match="dtype int64"):
        npnet.cross_entropy(np.zeros((2, 3), np.int64), np.zeros(2, int))


def test_the_fused_forms_take_plain_lists_and_an_eps_of_1e_5() -> None:
    rng = np.random.default_rng(0)
    logits, dhpreact = rng.standard_normal((2, 5, 3))
    ones: Any = [[1.0] * 3]
    targets: Any = [0, 1, 2, 0, 1]
    loss, dlogits = npnet.cross_entropy(logits.tolist(), targets)
    wanted, dwanted = npnet.cross_entropy(logits, np.array(targets))
    assert loss == wanted
    assert np.array_equal(dlogits, dwanted)
    hpreact, saved = npnet.batch_norm(logits.tolist(), ones, ones)
    wanted, plain = npnet.batch_norm(logits, np.array(ones), np.array(ones), 1e-5)
    assert np.array_equal(hpreact, wanted)
    for ours, theirs in zip(
        npnet.batch_norm_backward(dhpreact.tolist(), saved),
        npnet.batch_norm_backward(dhpreact, plain),
        strict=True,
    ):
        assert np.array_equal(ours, theirs)


def test_batch_norm_alone_normalises_and_undoes(network: Make) -> None:
    rng = np.random.default_rng(0)
    hprebn, dhpreact = (locked(rng.standard_normal((9, 4)) * 3 + 1) for _ in range(2))
    gain, bias = locked(rng.standard_normal((1, 4))), locked(rng.standard_normal((1, 4)))
    hpreact, saved = npnet.batch_norm(hprebn, gain, bias, 0.0)
    assert saved.bnvar_inv.shape == (1, 4)
    np.testing.assert_allclose(saved.bnraw.mean(0), 0, atol=1e-15)
    np.testing.assert_allclose(saved.bnraw.var(0, ddof=1), 1, rtol=1e-14)
    np.testing.assert_allclose(hpreact, gain * saved.bnraw + bias)
    dhprebn, dbngain, dbnbias = npnet.batch_norm_backward(dhpreact, saved)
    assert dbngain.shape == dbnbias.shape == (1, 4)
    step = 1e-6
    for place in ((0, 0), (4, 2), (8, 3)):
        up, down = hprebn.copy(), hprebn.copy()
        up[place] += step
        down[place] -= step
        change = (
            npnet.batch_norm(up, gain, bias, 0.0)[0] - npnet.batch_norm(down, gain, bias, 0.0)[0]
        )
        assert (change * dhpreact).sum() / (2 * step) == pytest.approx(dhprebn[place], abs=1e-8)


@pytest.mark.parametrize(
    "shapes", [((9, 4), (4,), (1, 4)), ((1, 4), (1, 4), (1, 4)), ((9,), (1, 9), (1, 9))]
)
def test_batch_norm_refuses_shapes_that_would_broadcast(shapes: Any) -> None:
    hprebn, bngain, bnbias = (np.ones(shape) for shape in shapes)
    with pytest.raises(InputError, match="batch_norm: hprebn has shape"):
        npnet.batch_norm(hprebn, bngain, bnbias)


def test_batch_norm_backward_refuses_another_shape() -> None:
    _, saved = npnet.batch_norm(
        np.random.default_rng(0).random((5, 2)), np.ones((1, 2)), np.ones((1, 2))
    )
    with pytest.raises(InputError, match=r"wanted \(5, 2\)"):
        npnet.batch_norm_backward(np.ones((4, 2)), saved)


def test_parameters_copy_and_cast_without_sharing(network: Make) -> None:
    params, _, _ = network()
    copy = params.copy()
    copy.C[:] = 0
    assert params.C.any()
    assert params.astype("float32").dtype == np.float32
    assert params.sizes == {"V": 6, "E": 4, "T": 3, "H": 5}


def test_a_single_character_cannot_make_a_network() -> None:
    with pytest.raises(InputError, match="2 or more"):
        npnet.draw_parameters(npnet.RECIPES["lecture"], 1, npnet.Generator(0))


@pytest.mark.parametrize("more", [{}, {"T": 3}, {"E": 4}], ids=str)
def test_a_shape_needs_no_sizes_but_those_of_its_axes(more: dict[str, int]) -> None:
    assert shape_of("h", {"n": 7, "H": 5, **more}) == (7, 5)
    assert shape_of("embcat", {"n": 7, "T": 3, "E": 4}) == (7, 12)
