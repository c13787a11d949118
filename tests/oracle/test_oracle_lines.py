"""The oracle's lines, alone and chained, against complex steps through npnet's forward lines."""

from collections.abc import Callable, Mapping
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import SIZES, random_network
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import InputError
from npnet.base.arrays import Array
from npnet.network.forward import LINES
from npnet.network.names import PARAMETER_NAMES, VALUE_NAMES, shape_of

pytest.importorskip("torch")

import oracle
import oracle.lines
from oracle.lines import GRADIENT_NAMES

STEP = 1e-20  # of the complex step; its square is lost in rounding
LARGE = {"n": 32, "V": 27, "E": 10, "T": 3, "H": 64}

READS = {
    "emb": {"C"},
    "embcat": {"emb"},
    "hprebn": {"embcat", "W1", "b1"},
    "bnmeani": {"hprebn"},
    "bndiff": {"hprebn", "bnmeani"},
    "bndiff2": {"bndiff"},
    "bnvar": {"bndiff2"},
    "bnvar_inv": {"bnvar"},
    "bnraw": {"bndiff", "bnvar_inv"},
    "hpreact": {"bngain", "bnraw", "bnbias"},
    "h": {"hpreact"},
    "logits": {"h", "W2", "b2"},
    "logit_maxes": {"logits"},
    "norm_logits": {"logits", "logit_maxes"},
    "counts": {"norm_logits"},
    "counts_sum": {"counts"},
    "counts_sum_inv": {"counts_sum"},
    "probs": {"counts", "counts_sum_inv"},
    "logprobs": {"probs"},
    "loss": {"logprobs"},
}


def random_upstream(seed: int, sizes: Mapping[str, int] = SIZES) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape_of(name, sizes)) for name in VALUE_NAMES}


def stepped(values: Mapping[str, Any], name: str, direction: Array) -> Any:
    """The values, with a small imaginary step from ``name`` in a direction."""
    return SimpleNamespace(**{**values, name: values[name] + 1j * STEP * direction})


@given(
    seed=st.integers(0, 2**32),
    n=st.integers(2, 9),
    V=st.integers(2, 8),
    E=st.integers(1, 5),
    T=st.integers(1, 4),
    H=st.integers(1, 6),
)
def test_cut_differentiates_every_line_alone(seed: int, **sizes: int) -> None:
    values = npnet.forward(*random_network(np.random.default_rng(seed), **sizes))
    upstream = random_upstream(seed, sizes)
    expected = oracle.cut(values, upstream)
    for name in GRADIENT_NAMES:
        direction = np.random.default_rng(seed).standard_normal(values[name].shape)
        v = stepped(values, name, direction)
        S = sum((upstream[line] * LINES[line](v)).sum() for line in VALUE_NAMES)
        terms = expected[name] * direction
        assert abs(terms.sum() - S.imag / STEP) <= 1e-12 * (1 + np.abs(terms).sum()), name


@pytest.mark.parametrize("seed", range(3))
def test_whole_differentiates_the_loss_at_every_name(seed: int) -> None:
    params, X, Y = random_network(np.random.default_rng(seed))
    values, grads = oracle.whole(params, X, Y)
    for name in GRADIENT_NAMES:
        direction = np.random.default_rng(seed).standard_normal(grads[name].shape)
        v = stepped(values, name, direction)
        first = VALUE_NAMES.index(name) + 1 if name in VALUE_NAMES else 0
        for line in VALUE_NAMES[first:]:
            setattr(v, line, LINES[line](v))
        terms = grads[name] * direction
        assert abs(terms.sum() - v.loss.imag / STEP) <= 1e-14 * (1 + np.abs(terms).sum()), name


@pytest.mark.parametrize("line", VALUE_NAMES)
def test_an_upstream_reaches_what_its_line_reads_and_nothing_else(line: str) -> None:
    values = npnet.forward(*random_network(np.random.default_rng(0)))
    upstream = random_upstream(0)
    alone = {name: upstream[name] * (name == line) for name in VALUE_NAMES}
    expected = oracle.cut(values, alone)
    assert {name for name, gradient in expected.items() if gradient.any()} == READS[line]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cut_under_the_gradients_of_whole_gives_them_back(dtype: Any) -> None:
    values, grads = oracle.whole(*random_network(np.random.default_rng(1), dtype, **LARGE))
    expected = oracle.cut(values, {**grads, "loss": 1.0})
    for name, gradient in grads.items():
        np.testing.assert_array_equal(expected[name], gradient, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_values_of_whole_are_those_of_npnet(dtype: Any) -> None:
    batch = random_network(np.random.default_rng(2), dtype, **LARGE)
    values, _ = oracle.whole(*batch, eps=0.1)
    ours = npnet.forward(*batch, eps=0.1)
    assert set(values) == set(ours)
    assert values["eps"] == ours.eps == 0.1
    for name in (*PARAMETER_NAMES, "X", "Y", *VALUE_NAMES):
        assert (values[name].shape, values[name].dtype) == (ours[name].shape, ours[name].dtype)
        gap, largest = np.abs(values[name] - ours[name]).max(), np.abs(ours[name]).max()
        assert gap <= 64 * np.finfo(dtype).eps * largest, name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_have_the_shapes_and_the_dtype_of_the_values(dtype: Any) -> None:
    values, grads = oracle.whole(*random_network(np.random.default_rng(3), dtype))
    expected = oracle.cut(values, random_upstream(3))
    for gradients in (grads, expected):
        assert tuple(gradients) == GRADIENT_NAMES
        for name, gradient in gradients.items():
            assert gradient.shape == shape_of(name, SIZES), name
            assert gradient.dtype == dtype, name


def test_results_share_no_memory() -> None:
    params, X, Y = random_network(np.random.default_rng(4))
    values, grads = oracle.whole(params, X, Y)
    values.pop("eps")
    arrays = [*params.values(), X, Y, *values.values(), *grads.values()]
    assert not any(np.may_share_memory(one, other) for one, other in combinations(arrays, 2))


def test_the_tables_hold_the_names_in_their_order() -> None:
    assert tuple(oracle.lines.LINES) == VALUE_NAMES
    assert tuple(npnet.GRADIENTS) == GRADIENT_NAMES


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("probs"), "missing probs"),
        (lambda v: v.pop("eps"), "missing eps"),
        (lambda v: v.update(bngain=v["bngain"][0]), r"bngain has shape \(5,\), wanted \(1, 5\)"),
        (lambda v: v.update(h=v["h"][:1]), r"h has shape \(1, 5\), wanted \(7, 5\)"),
        (lambda v: v.update(h=v["h"].astype("f")), "h is float32 where C is float64"),
        (lambda v: v.update(C=v["C"].astype(int)), "C is int64, wanted all in"),
        (lambda v: v.update(C=v["C"][0]), r"C has shape \(4,\), wanted \(V, E\)"),
        (lambda v: v.update(X=v["X"][:, 0]), r"X has shape \(7,\), wanted \(n, T\)"),
        (lambda v: v.update(X=v["X"][:1]), "sizes .*'n': 1.* the variance divides by n-1"),
        (lambda v: v.update(X=v["X"][:, :0]), "sizes .*'T': 0.* wanted none of 0"),
        (lambda v: v.update(X=v["X"] * 1.0), "X is float64, wanted integers"),
        (lambda v: v.update(Y=v["Y"] - 6), "Y holds indices from -"),
        (lambda v: v.update(X=v["X"] + 6), "X holds indices from .* wanted 0 to 5"),
        (lambda v: v.update(Y=v["Y"][:6]), r"Y has shape \(6,\), wanted \(7,\)"),
    ],
)
def test_values_that_do_not_fit_are_refused(change: Change, message: str) -> None:
    values = dict(npnet.forward(*random_network(np.random.default_rng(5))))
    change(values)
    with pytest.raises(InputError, match=rf"^oracle\.cut: {message}"):
        oracle.cut(values, random_upstream(5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda u: u.pop("loss"), "upstream: missing loss"),
        (lambda u: u.update(bnmeani=u["bnmeani"][0]), r"upstream bnmeani has shape \(5,\)"),
        (lambda u: u.update(loss=np.ones(1)), r"upstream loss has shape \(1,\).* wanted \(\)"),
        (lambda u: u.update(h=u["h"] * 1j), "upstream h .* complex128"),
    ],
)
def test_an_upstream_that_does_not_fit_is_refused(change: Change, message: str) -> None:
    values = npnet.forward(*random_network(np.random.default_rng(5)))
    upstream = random_upstream(5)
    change(upstream)
    with pytest.raises(InputError, match=rf"^oracle\.cut: {message}"):
        oracle.cut(values, upstream)


def test_whole_speaks_for_itself() -> None:
    params, X, Y = random_network(np.random.default_rng(6))
    with pytest.raises(InputError, match=r"^oracle\.whole: missing b1"):
        oracle.whole({name: params[name] for name in params if name != "b1"}, X, Y)
