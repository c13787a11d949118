"""The judge: its rule, its two tables, and whom it blames."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import GRADIENTS, InputError
from npnet.base.arrays import Array

pytest.importorskip("torch")

import oracle
from npnet.checks.isolation import Isolation
from oracle.judge import chained, end_to_end, first_wrong, per_line
from oracle.mistakes import network

pytestmark = pytest.mark.usefixtures("one_thread")

Function = Callable[[Any, Any], Array]


def scaled(name: str, factor: float) -> dict[str, Function]:
    """The table with one gradient a little too large."""
    return {**GRADIENTS, name: lambda v, d: GRADIENTS[name](v, d) * factor}


def test_end_to_end_the_footer_names_the_two_that_are_zero_by_mathematics() -> None:
    report = end_to_end(*network())
    assert set(report.blind) == {"b1", "logit_maxes"}
    assert "26 of 26 ok" in report.footer
    assert "(zero by mathematics)" in report.footer


def test_line_by_line_nothing_is_zero() -> None:
    report = per_line(oracle.whole(*network())[0])
    assert report.footer == "26 of 26 ok; all-zero gradients would pass for: none"


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_gradient_a_ten_thousandth_too_large_is_refused(name: str) -> None:
    batch = network()
    alone = per_line(oracle.whole(*batch)[0], scaled(name, 1.0001))
    assert [row.name for row in alone.failures] == [name]
    seen = {row.name for row in end_to_end(*batch, functions=scaled(name, 1.0001)).failures}
    assert (name in seen) == (name not in ("b1", "logit_maxes"))


def test_the_bound_is_a_few_times_torchs_own_error() -> None:
    values, _ = oracle.whole(*network())
    for row in per_line(values).rows:
        assert row.scale is not None
        assert row.bound is not None
        assert row.bound < 8 * 64 * 2**-23 * row.scale, row.name


def test_the_truth_has_digits_that_float32_has_not() -> None:
    batch = network()
    for report in (end_to_end(*batch), per_line(oracle.whole(*batch)[0])):
        truths = [row.worst.truth for row in report.rows if row.worst is not None]
        assert sum(truth != float(np.float32(truth)) for truth in truths if truth is not None) > 20


def test_each_function_is_given_what_the_table_made_before() -> None:
    doubled = chained(scaled("logits", 2.0), npnet.forward(*network()))
    right = npnet.backward(npnet.forward(*network()))
    for name in ("h", "hprebn", "C"):
        np.testing.assert_array_equal(doubled[name], 2 * right[name])
    np.testing.assert_array_equal(doubled["norm_logits"], right["norm_logits"])


def test_a_name_that_the_table_lacks_fails_with_those_that_need_it() -> None:
    table = {name: function for name, function in GRADIENTS.items() if name != "embcat"}
    rows = {row.name: row for row in end_to_end(*network(), functions=table).failures}
    assert rows.keys() == {"embcat", "emb", "C"}
    assert rows["embcat"].verdict == "missing"


@pytest.mark.parametrize("judge", ["end to end", "line by line"])
def test_widened_gradients_are_refused(judge: str) -> None:
    def widened(v: Any, d: Any) -> Array:
        return GRADIENTS["C"](v, d).astype(np.float64)

    table = {**GRADIENTS, "C": widened}
    batch = network()
    report = (
        end_to_end(*batch, functions=table)
        if judge == "end to end"
        else per_line(oracle.whole(*batch)[0], table)
    )
    [row] = report.failures
    assert (row.name, row.verdict) == ("C", "dtype")
    assert "float64, wanted float32" in row.reason


def test_a_value_that_is_not_finite_is_a_row_and_no_warning() -> None:
    table = {**GRADIENTS, "probs": lambda v, d: d.logprobs / (v.probs - v.probs)}
    [row] = per_line(oracle.whole(*network())[0], table).failures
    assert (row.name, row.verdict) == ("probs", "not finite")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tolerances_take_the_judges_place(dtype: Any) -> None:
    batch = network(0, dtype)
    values, _ = oracle.whole(*batch)
    assert end_to_end(*batch, rtol=1e-3, atol=1e-5)
    assert not end_to_end(*batch, rtol=0.0, atol=0.0)
    assert per_line(values, rtol=1e-3, atol=1e-5)
    assert not per_line(values, rtol=0.0, atol=0.0)
    with pytest.raises(InputError, match="wanted both or neither"):
        end_to_end(*batch, rtol=1e-3)
    with pytest.raises(InputError, match="wanted both or neither"):
        per_line(values, atol=1e-3)


def test_a_batch_that_does_not_fit_is_refused() -> None:
    params, X, Y = network()
    with pytest.raises(InputError, match="forward: X has shape"):
        end_to_end(params, X[:, :2], Y)
    values, _ = oracle.whole(params, X, Y)
    with pytest.raises(InputError, match=r"oracle\.cut: .*W2"):
        per_line({name: value for name, value in values.items() if name != "W2"})
    with pytest.raises(InputError, match="upstream: no bnraw, wanted what"):
        per_line({name: value for name, value in values.items() if name != "bnraw"})


def test_the_first_wrong_line_is_separated_from_lines_that_inherit() -> None:
    batch = network()
    table = {**scaled("bnvar", 2.0), "W1": lambda v, d: v.embcat.T @ d.hprebn / len(v.embcat)}
    isolation = first_wrong(
        end_to_end(*batch, functions=table), per_line(oracle.whole(*batch)[0], table)
    )
    inherited = ("bndiff2", "bndiff", "hprebn", "embcat", "emb", "C")
    assert isolation == (("bnvar", "W1"), inherited, (), ())
    assert str(isolation) == (
        "the first wrong line is dbnvar; wrong by themselves too: W1; wrong only because "
        "their inputs are: bndiff2, bndiff, hprebn, embcat, emb, C"
    )


def test_gradients_of_wrong_values_are_not_called_wrong() -> None:
    isolation = Isolation(alone=(), inherited=(), unexplained=("h", "C"))
    assert str(isolation).startswith("wrong end to end, though right line by line: h, C: ")
    assert "values of the forward pass" in str(isolation)


def test_each_of_two_mistakes_explains_only_its_own_readers() -> None:
    batch = network()
    table = {**scaled("b2", 2.0), "embcat": scaled("embcat", 2.0)["embcat"]}
    alone = per_line(oracle.whole(*batch)[0], table)
    assert first_wrong(end_to_end(*batch, functions=table), alone) == (
        ("b2", "embcat"),
        ("emb", "C"),
        (),
        (),
    )


def test_only_lines_that_depend_on_the_wrong_line_inherit() -> None:
    batch = network()
    chain = end_to_end(*batch, functions={**scaled("logits", 2.0), "b1": lambda v, d: v.b1 + 1})
    alone = per_line(oracle.whole(*batch)[0], scaled("bngain", 2.0))
    isolation = first_wrong(chain, alone)
    assert isolation[:2] == (("bngain",), ())
    assert isolation.unexplained[:2] == ("logits", "h")
    assert "b1" in isolation.unexplained
    assert str(isolation).startswith(
        "the first wrong line is dbngain; wrong end to end, though right line by line: logits, h,"
    )
