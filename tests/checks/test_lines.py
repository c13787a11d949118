"""Networks of users: the examples of the guide, what a table finds out, and what it judges."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from own_networks import changed, networks, programs

import npnet
from npnet.base.arrays import Array
from npnet.checks.line_check import each_alone, in_order, network, rules_alone, rules_whole
from npnet.learn.wrong_gradients import WRONG_GRADIENTS

NAMES = ("attention_head", "two_layers", "convolution", "rms_norm", "swish")
every_network = pytest.mark.parametrize("name", NAMES)


def test_the_page_has_these_networks() -> None:
    assert set(networks()) == set(NAMES) == {name.removesuffix(".py") for name in programs()}


@every_network
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_right_gradients_pass_alone_and_end_to_end(name: str, dtype: str) -> None:
    checked = networks()[name].check(dtype, seed=1)
    assert checked, checked
    assert checked.first_wrong is None
    assert not checked.differences
    assert not checked.alone.blind
    assert [row.name for row in checked.alone.rows] == list(networks()[name].gradients)


@every_network
def test_planted_mistakes_are_all_caught(name: str) -> None:
    planted = networks()[name].planted(seed=2)
    assert planted.passed, planted
    assert all(trial.whole != "missed" for trial in planted.trials), planted


MISTAKES: dict[str, tuple[str, str, Callable[[Any, Any], Array], set[str]]] = {
    "the gradient of softmax without its sum": (
        "attention_head",
        "e",
        lambda v, d: d.att / v.e.sum(2, keepdims=True),
        {"scores", "q", "k", "x", "Wq", "Wk"},
    ),
    "the path through k left out": (
        "attention_head",
        "x",
        lambda v, d: d.q @ v.Wq.T + d.val @ v.Wv.T,
        set(),
    ),
    "the variance of another axis": (
        "two_layers",
        "var",
        lambda v, d: -0.5 * (v.var + v.eps) ** -1.5 * d.inv.mean(0),
        {"diff", "z", "W1", "b1", "x"},  # a variance moves no mean
    ),
    "half of GELU's derivative": (
        "two_layers",
        "y",
        lambda v, d: 0.5 * (1 + v.t) * d.h,
        {"gain", "bias", "norm", "inv", "var", "diff", "mean", "z", "W1", "b1", "x"},
    ),
    "a kernel that is turned round": (
        "convolution",
        "patches",
        lambda v, d: np.einsum("fckl,nfij->ncijkl", v.K[..., ::-1], d.z),
        {"x"},
    ),
    "eps left out": (
        "rms_norm",
        "square",
        lambda v, d: -0.5 * v.square**-1.5 * d.inv,
        {"x"},
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_separated_from_gradients_that_inherit_it(mistake: str) -> None:
    name, gradient, function, spoiled = MISTAKES[mistake]
    table = networks()[name]
    checked = changed(table, gradients={**table.gradients, gradient: function}).check()
    assert not checked
    assert checked.first_wrong == gradient
    assert checked.isolation.alone == (gradient,)
    assert set(checked.isolation.inherited) == spoiled
    assert checked.isolation.unexplained == ()
    assert f"the first wrong line is d{gradient}" in str(checked)


def test_our_own_network_is_a_table_like_any_other() -> None:
    for dtype in ("float64", "float32"):
        checked = network().check(dtype)
        assert checked, checked
        assert set(checked.whole.blind) == {"b1", "logit_maxes"}
        assert not checked.alone.blind
    assert network().planted().passed


@pytest.mark.parametrize("rows", [2, 3])
def test_right_gradients_of_few_rows_pass(rows: int) -> None:
    rng = np.random.default_rng(rows)
    drawn = {
        name: rng.standard_normal(network().shapes[name])
        for name in npnet.Parameters.__annotations__
    }
    batch = {"X": rng.integers(0, 5, (rows, 2)), "Y": rng.integers(0, 5, rows)}
    for dtype in ("float64", "float32"):
        checked = network().at(**drawn, **batch).check(dtype)
        assert checked, checked


def test_a_saturated_softmax_passes_with_few_digits_left() -> None:
    head = networks()["attention_head"]
    rng = np.random.default_rng(4)
    inputs = {name: 2.3 * rng.standard_normal(np.shape(head.inputs[name])) for name in head.inputs}
    checked = head.at(**inputs).check()
    assert checked, checked
    assert "few digits are left: what is added cancels" in str(checked.whole)
    # What is lost is measured, and no mistake is excused by it.
    gradients = dict(head.gradients)
    gradients["scores"] = lambda v, d: head.gradients["scores"](v, d) * (1 + 1e-5)
    mistaken = npnet.Lines(head.lines, inputs, gradients=gradients, constants=head.constants)
    assert "scores" in {row.name for row in mistaken.check().whole.failures}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["attention_head", "two_layers", "convolution", "rms_norm"])
def test_right_gradients_of_many_sizes_of_numbers_pass(name: str) -> None:
    table = networks()[name]
    for seed in range(10):
        rng = np.random.default_rng(seed)
        scale = 10 ** rng.uniform(-2, 0.2)
        inputs = {
            key: scale * rng.standard_normal(np.shape(array))
            for key, array in table.inputs.items()
            if key not in table.integers
        }
        for dtype in ("float64", "float32"):
            checked = table.at(**inputs).check(dtype, seed)
            assert checked, checked


@pytest.mark.slow
def test_every_known_mistake_of_our_network_is_found() -> None:
    net, missed = network(), []
    values = net.forward("float32")
    upstream, start = net.upstream(values), net.start(values)
    alone, _ = rules_alone(net, values, upstream)
    whole = rules_whole(net, values, start)
    for wrong in WRONG_GRADIENTS:
        if wrong.gradient in net.gradients:
            functions = {**net.gradients, wrong.gradient: wrong.function}
            if each_alone(net, values, upstream, alone, functions) and in_order(
                net, values, start, whole, functions
            ):
                missed.append(wrong.what)
    # Without a tie there is no mistake in these.
    assert len(missed) == 3
    assert all("equal largest" in what for what in missed)


def table(lines: Any, inputs: Any = None, **options: Any) -> npnet.Lines:
    """A table of few lines, with the input x (3, 4)."""
    return npnet.Lines(lines, {"x": (3, 4)} if inputs is None else inputs, **options)


def test_a_table_derives_shapes_reads_and_outputs() -> None:
    net = table({"h": lambda v: v.x * 2, "mask": lambda v: v.h > 0, "out": lambda v: v["h"].sum(0)})
    assert net.shapes == {"x": (3, 4), "h": (3, 4), "mask": (3, 4), "out": (4,)}
    assert net.reads == {"h": {"x"}, "mask": {"h"}, "out": {"h"}}
    assert net.outputs == ("out",)
    assert net.named == ("h", "x")
    assert np.array_equal(net.forward()["out"], 2 * net.inputs["x"].sum(0))
    assert net.forward("float32")["out"].dtype == np.float32


def test_names_of_mappings_are_free_for_lines() -> None:
    net = table(
        {
            "keys": lambda v: v.x * 2,
            "values": lambda v: v.keys + v.x,
            "items": lambda v: v.values**2,
        },
        gradients={
            "values": lambda v, d: 2 * v.values * d.items,
            "keys": lambda v, d: d.values,
            "x": lambda v, d: d.values + 2 * d.keys,
        },
    )
    assert net.check()


def test_several_outputs_begin_the_backward_pass_together() -> None:
    net = table(
        {"h": lambda v: np.sin(v.x), "one": lambda v: v.h.sum(), "two": lambda v: v.h**2},
        gradients={
            "h": lambda v, d: d.one + 2 * v.h * d.two,
            "x": lambda v, d: np.cos(v.x) * d.h,
        },
    )
    assert net.outputs == ("one", "two")
    assert net.check()
    assert net.planted()


def test_lines_without_complex_numbers_are_checked_by_differences() -> None:
    erf = np.vectorize(math.erf)
    net = table(
        {
            "size": lambda v: np.abs(v.x),
            "h": lambda v: v.x * 0.5 * (1 + erf(v.x / 2**0.5)),
            "cast": lambda v: np.array(v.h, dtype=float) * v.size,
            "out": lambda v: np.vdot(v.cast, v.h) + 0 * v.cast,
        },
        gradients={
            "cast": lambda v, d: d.out.sum() * v.h,
            "h": lambda v, d: v.size * d.cast + d.out.sum() * v.cast,
            "size": lambda v, d: v.h * d.cast,
            "x": lambda v, d: (
                np.sign(v.x) * d.size
                + (0.5 * (1 + erf(v.x / 2**0.5)) + v.x * np.exp(-(v.x**2) / 2) / (2 * np.pi) ** 0.5)
                * d.h
            ),
        },
    )
    checked = net.check()
    assert checked, checked
    assert {"x", "h"} <= set(checked.differences)
    assert "line size: the complex step is not its derivative" in checked.differences["x"]
    assert "line h: ComplexWarning" in checked.differences["x"]
    assert "finite differences for" in str(checked)
    wrong = changed(net, gradients={**net.gradients, "size": lambda v, d: v.h * d.cast * 1.0001})
    assert wrong.check().first_wrong == "size"


def test_differences_also_judge_float32() -> None:
    net = table(
        {"size": lambda v: np.abs(v.x), "out": lambda v: (v.size**3).sum()},
        gradients={
            "size": lambda v, d: 3 * v.size**2 * d.out,
            "x": lambda v, d: np.sign(v.x) * d.size,
        },
    )
    checked = net.check("float32")
    assert checked, checked
    assert set(checked.differences) == {"x"}
    wrong = {**net.gradients, "x": lambda v, d: np.sign(v.x) * d.size * 1.0001}
    assert changed(net, gradients=wrong).check("float32").first_wrong == "x"


def relu(kinks: Array) -> npnet.Lines:
    return table(
        {"h": lambda v: np.maximum(v.x, 0), "out": lambda v: (v.h**2).sum() + v.h.sum()},
        {"x": kinks},
        gradients={
            "h": lambda v, d: d.out * (2 * v.h + 1),
            "x": lambda v, d: (v.x > 0) * d.h,
        },
    )


def test_an_entry_without_derivative_is_left_out_with_a_remark() -> None:
    checked = relu(np.array([[1.0, 0.0, -2.0], [0.0, 3.0, -1.0]])).check()
    assert checked, checked
    (row,) = (row for row in checked.alone.rows if row.name == "x")
    assert row.reason.startswith("2 of 6 entries left out, first (0, 1): there is a kink there")
    assert not relu(np.array([1.0, -2.0])).check().alone.rows[1].reason


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("part", [0.6, -0.6])
def test_values_whose_squares_overflow_are_checked(dtype: str, part: float) -> None:
    scale = float(np.finfo(dtype).max) ** part
    net = table(
        {"y": lambda v: v.x * scale, "out": lambda v: v.y * (1 / scale)},
        {"x": (3, 2)},
        gradients={"y": lambda v, d: d.out * (1 / scale), "x": lambda v, d: d.y * scale},
    )
    checked = net.check(dtype)
    assert checked, checked
    wrong = changed(net, gradients={**net.gradients, "x": lambda v, d: d.y * (1.001 * scale)})
    assert wrong.check(dtype).first_wrong == "x"


def test_a_derivative_that_overflows_is_no_kink() -> None:
    net = table(
        {"out": lambda v: np.exp(np.abs(v.x))},
        {"x": np.array([0.5, 709.782, 1.0])},
        gradients={"x": lambda v, d: d.out * np.exp(np.abs(v.x)) * np.sign(v.x)},
    )
    (row,) = net.check().alone.rows
    assert (
        "1 of 3 entries left out, first (1,): the numerical derivative is not finite" in row.reason
    )
    assert "kink" not in row.reason


def test_a_mistake_near_a_kink_is_still_found() -> None:
    net = relu(np.array([1.0, 0.0, -2.0]))
    wrong = changed(net, gradients={**net.gradients, "x": lambda v, d: 1.0 * d.h})
    assert wrong.check().first_wrong == "x"


def test_a_gradient_may_be_a_line_and_have_a_gradient() -> None:
    net = table(
        {
            "h": lambda v: np.tanh(v.x @ v.W),
            "dz": lambda v: v.u * (1 - v.h**2),  # the gradient of the line h
            "dx": lambda v: v.dz @ v.W.T,
        },
        {"x": (3, 4), "W": (4, 2), "u": (3, 2)},
        gradients={
            "dz": lambda v, d: d.dx @ v.W,
            "u": lambda v, d: d.dz * (1 - v.h**2),
            "h": lambda v, d: -2 * v.h * v.u * d.dz,
            "W": lambda v, d: d.dx.T @ v.dz + v.x.T @ (d.h * (1 - v.h**2)),
            "x": lambda v, d: d.h * (1 - v.h**2) @ v.W.T,
        },
    )
    assert net.check(), net.check()
    assert net.planted()


def test_zero_by_mathematics_is_declared_and_verified() -> None:
    lines = {
        "z": lambda v: v.x + v.b,
        "c": lambda v: v.z - v.z.mean(0),
        "out": lambda v: (v.c**3).sum(),
    }
    gradients = {
        "c": lambda v, d: 3 * v.c**2 * d.out,
        "z": lambda v, d: d.c - d.c.mean(0),
        "x": lambda v, d: d.z,
        "b": lambda v, d: d.z.sum(0),
    }
    inputs = {"x": (6, 4), "b": (4,)}
    net = table(lines, inputs, gradients=gradients, zero={"b": ("z", 0)})
    assert net.check().whole.blind == ("b",)
    verdicts = [trial.whole for trial in net.planted().trials if trial.gradient == "b"]
    assert set(verdicts) == {"no change"}
    with pytest.raises(npnet.InputError, match="zero has x, but its gradient is as large as"):
        table(lines, inputs, gradients=gradients, zero={"x": ("z", 0)}).check()


def test_a_mistake_that_changes_nothing_is_not_counted() -> None:
    net = table(
        {"out": lambda v: (v.S * v.S).sum()},
        {"S": np.array([[1.0, 2.0], [2.0, 5.0]])},
        gradients={"S": lambda v, d: 2 * v.S * d.out},
    )
    verdicts = {trial.mistake: trial.alone for trial in net.planted().trials}
    assert verdicts["rows and columns exchanged"] == "no change"
    assert verdicts["the other sign"] == "caught"
    assert "1 change nothing" in net.planted().footer


def test_a_report_of_a_check_is_also_json() -> None:
    checked = networks()["attention_head"].check()
    content = json.loads(checked.to_json())
    assert content["passed"] is True
    assert len(content["alone"]["rows"]) == len(content["whole"]["rows"]) == 10
    kinds = ("alone", "inherited", "unexplained", "forward")
    assert content["first_wrong"] == {kind: [] for kind in kinds}


def test_gradients_by_hand_run_in_their_order() -> None:
    net = networks()["rms_norm"]
    made, numerical = net.backward(), net.numerical()
    assert list(made) == list(net.gradients)
    assert npnet.compare(made, {name: numerical[name] for name in made})


def test_a_gradient_that_fails_is_a_row_and_others_are_judged() -> None:
    net = networks()["rms_norm"]
    bad: dict[str, Callable[[Any, Any], Any]] = {
        "norm": lambda v, d: d.gate @ v.W,
        "inv": lambda v, d: None,
        "gain": lambda v, d: d.norm.sum(0),
        "x": lambda v, d: np.multiply(v.x, 2, out=v.x),
        "W": lambda v, d: d.wrong,
    }
    rows = {
        row.name: row for row in changed(net, gradients={**net.gradients, **bad}).check().alone.rows
    }
    assert "dnorm raised ValueError: matmul" in rows["norm"].reason
    assert rows["inv"].verdict == "None"
    assert rows["gain"].verdict == "shape"
    assert "changes an array that it was given" in rows["x"].reason
    assert "dW reads d.wrong, which is nowhere" in rows["W"].reason
    assert rows["gate"].ok
