"""Statistics of the whole training set, and evaluation under them."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

import npnet
from npnet import InputError
from npnet.base.arrays import Array
from npnet.training.distinct_rows import BLOCK
from npnet.training.evaluation import Folded

Make = Callable[..., tuple[npnet.Parameters, Array, Array]]


@pytest.mark.parametrize("rows", [2, BLOCK, BLOCK + 1, 2 * BLOCK + 7])
def test_calibration_is_the_whole_sets_mean_and_variance(rows: int, network: Make) -> None:
    params, X, Y = network(n=rows, dtype=np.float64)
    stats = npnet.calibrate(params, X, eps=0.01)
    hprebn = npnet.forward(params, X, Y).hprebn
    np.testing.assert_allclose(stats.mean, hprebn.mean(0, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(stats.var, hprebn.var(0, ddof=1, keepdims=True), rtol=1e-12)
    assert stats.mean.shape == stats.var.shape == (1, 5)
    assert stats.eps == 0.01


def test_calibration_does_not_cancel_far_from_zero(network: Make) -> None:
    params, X, _ = network(n=2 * BLOCK, dtype=np.float64)
    far = npnet.Parameters(**{**params, "b1": params.b1 + 1e6})
    near, moved = npnet.calibrate(params, X), npnet.calibrate(far, X)
    np.testing.assert_allclose(moved.var, near.var, rtol=1e-9)
    np.testing.assert_allclose(moved.mean - 1e6, near.mean, atol=1e-9)


@pytest.mark.parametrize("rows", [2, BLOCK + 3])
def test_evaluation_under_the_batchs_own_statistics_is_the_batch_loss(
    rows: int, network: Make
) -> None:
    params, X, Y = network(n=rows, dtype=np.float64)
    stats = npnet.calibrate(params, X, eps=1e-5)
    loss = npnet.forward(params, X, Y, eps=1e-5).loss
    assert npnet.evaluate(params, stats, X, Y) == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("T", [1, 2, 3, 5])
def test_what_is_looked_up_for_many_contexts_is_what_is_multiplied_for_few(
    T: int, network: Make
) -> None:
    params, X, Y = network(n=500, V=6, T=T, dtype=np.float64)
    stats = npnet.calibrate(params, X)
    many, few = (Folded(params, stats, count) for count in (2 * 6 ** ((T + 1) // 2), 1))
    fewer = Folded(params, stats, 2 * 6 ** ((T + 1) // 2) - 1)
    assert [bool(each.tables) for each in (many, fewer, few)] == [True, False, False]
    np.testing.assert_allclose(many.logits(X), few.logits(X), rtol=1e-12, atol=1e-14)
    values = npnet.forward(params, X, Y, eps=stats.eps)
    np.testing.assert_allclose(many.logits(X).T, values.logits, rtol=1e-9, atol=1e-12)


def test_tables_are_not_larger_than_a_block_may_be(
    network: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, X, _ = network(n=500, V=6, T=3, H=5)
    stats = npnet.calibrate(params, X)
    monkeypatch.setattr("npnet.training.evaluation.BLOCK_NUMBERS", 6**2 * 5 - 1)
    assert not Folded(params, stats, 500).tables
    monkeypatch.setattr("npnet.training.evaluation.BLOCK_NUMBERS", 6**2 * 5)
    assert Folded(params, stats, 500).tables


@pytest.mark.parametrize(("V", "seen"), [(128, 1), (129, 3)])
def test_an_example_is_seen_once_as_long_as_a_table_of_them_has_at_most_2_to_the_21_places(
    V: int, seen: int, network: Make, predicted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    params, _, _ = network(V=V, T=2)
    stats = npnet.Statistics(np.zeros((1, 5)), np.ones((1, 5)), 1e-5)
    monkeypatch.setattr("npnet.training.distinct_rows.BLOCK", 1)
    npnet.evaluate(params, stats, np.full((3, 2), V - 1), np.zeros(3, int))
    assert predicted == [1] * seen


@pytest.mark.parametrize(("numbers", "seen"), [(1, [1] * 9), (48, [4, 4, 1]), (108, [9])])
def test_blocks_have_as_many_rows_as_the_widest_layer_may_have_numbers(
    numbers: int,
    seen: list[int],
    network: Make,
    predicted: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    params, _, Y = network(n=9)
    X = np.column_stack([np.arange(9) % 6, np.arange(9) // 6, np.zeros(9, int)])
    stats = npnet.calibrate(params, X)
    loss = npnet.evaluate(params, stats, X, Y)
    predicted.clear()
    monkeypatch.setattr("npnet.training.distinct_rows.BLOCK_NUMBERS", numbers)
    np.testing.assert_allclose(npnet.calibrate(params, X).var, stats.var)
    assert npnet.evaluate(params, stats, X, Y) == pytest.approx(loss)
    assert predicted == seen


@pytest.mark.parametrize("places", [0, npnet.training.distinct_rows.PLACES])
def test_distinct_contexts_change_no_figure(
    places: int, network: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("npnet.training.distinct_rows.PLACES", places)
    params, X, Y = network(n=2 * BLOCK + 7, dtype=np.float64)
    stats = npnet.calibrate(params, X)
    hprebn = npnet.forward(params, X, Y).hprebn
    np.testing.assert_allclose(stats.var, hprebn.var(0, ddof=1, keepdims=True), rtol=1e-12)
    loss = npnet.forward(params, X, Y).loss
    assert npnet.evaluate(params, stats, X, Y) == pytest.approx(loss, rel=1e-12)


def test_evaluation_of_huge_logits_is_finite(network: Make) -> None:
    params, X, Y = network()
    wild = npnet.Parameters(**{**params, "W2": params.W2 * 1e5})
    assert np.isfinite(npnet.evaluate(wild, npnet.calibrate(wild, X), X, Y))


def test_statistics_keep_the_parameters_dtype_and_a_plain_eps(network: Make) -> None:
    params, X, _ = network(dtype=np.float32)
    stats = npnet.calibrate(params, X, eps=np.float64(1e-5))
    assert stats.mean.dtype == stats.var.dtype == np.float32
    assert type(stats.eps) is float


def test_plain_mappings_and_lists_will_do(network: Make) -> None:
    params, X, Y = network()
    stats, plain = npnet.calibrate(params, X), npnet.calibrate(dict(params), X.tolist())
    assert np.array_equal(plain.mean, stats.mean)
    assert np.array_equal(plain.var, stats.var)
    loss = npnet.evaluate(dict(params), stats, X.tolist(), Y.tolist())
    assert loss == npnet.evaluate(params, stats, X, Y)


@pytest.mark.parametrize(
    ("mean", "var"),
    [
        ((), ()),
        ((1,), (1,)),
        ((5,), (5,)),
        ((5, 5), (5, 5)),
        ((1, 1, 5), (1, 1, 5)),
        ((1, 5), (5,)),
        ((1, 5), (2, 5)),
        ((1, 5), (1, 4)),
    ],
)
def test_statistics_are_one_row_each(mean: tuple[int, ...], var: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="keepdims"):
        npnet.Statistics(np.zeros(mean), np.ones(var), 1e-5)


def test_statistics_are_floats_and_eps_a_finite_number_from_0_on() -> None:
    row = np.ones((1, 5))
    assert npnet.Statistics(row, row, 0).eps == 0
    for mean, var in ((row.astype(int), row), (row, row.astype(int))):
        with pytest.raises(InputError, match="int64"):
            npnet.Statistics(mean, var, 1e-5)
    for eps in (-1e-9, np.inf, np.nan):
        with pytest.raises(InputError, match="eps"):
            npnet.Statistics(row, row, eps)


@pytest.mark.parametrize(
    ("name", "value"),
    [("mean", np.nan), ("mean", np.inf), ("var", np.nan), ("var", np.inf), ("var", -1.0)],
)
def test_statistics_that_are_not_finite_evaluate_nothing(
    name: str, value: float, network: Make
) -> None:
    params, X, Y = network()
    stats = npnet.calibrate(params, X)
    entry = getattr(stats, name).copy()
    entry[0, 3] = value
    with pytest.raises(InputError, match="not finite"):
        npnet.evaluate(params, dataclasses.replace(stats, **{name: entry}), X, Y)


def test_a_unit_that_never_varies_has_statistics_too(network: Make) -> None:
    params, X, Y = network()
    still = npnet.Statistics(np.zeros((1, 5)), np.zeros((1, 5)), 1e-5)
    assert np.isfinite(npnet.evaluate(params, still, X, Y))


def test_figures_that_are_not_finite_are_refused(network: Make) -> None:
    params, X, Y = network()
    stats = npnet.calibrate(params, X)
    with pytest.raises(InputError, match="calibrate: statistics that are not finite"):
        npnet.calibrate({**params, "W1": params.W1 * 1e200}, X)
    with pytest.raises(InputError, match="evaluate: the loss is nan"):
        npnet.evaluate({**params, "b2": params.b2 * np.nan}, stats, X, Y)


def test_statistics_of_another_network_are_refused(network: Make) -> None:
    params, X, Y = network()
    other, _, _ = network(H=6)
    with pytest.raises(InputError, match="another network"):
        npnet.evaluate(params, npnet.calibrate(other, X), X, Y)
    with pytest.raises(InputError, match="divides by N-1"):
        npnet.calibrate(params, X[:1])
