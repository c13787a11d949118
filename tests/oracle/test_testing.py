"""Tools for other people's test suites: problems, marks, and an assert that explains."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import GRADIENTS, InputError
from npnet.checks.reference import PRECISIONS, Problem

pytest.importorskip("torch")

import torch

from oracle.testing import assert_gradients, each_gradient, problem

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "npnet" / "guide" / "testing.md"


def line(case: Problem, name: str, precision: str = "float64") -> Any:
    return GRADIENTS[name](case.values(precision), case.upstream(precision))


@each_gradient()
def test_npnets_lines_hold_one_by_one(name: str) -> None:
    for precision in PRECISIONS:
        case = problem(seed=3)
        assert_gradients({name: line(case, name, precision)}, case.lines(precision), only=name)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_npnets_backward_pass_holds(precision: str) -> None:
    for case in (problem(), problem(1, n=50, T=2, E=3, H=4, V=5)):
        v = case.values(precision)
        values = npnet.forward(
            {n: v[n] for n in npnet.network.names.PARAMETER_NAMES}, v.X, v.Y, v.eps
        )
        assert_gradients(npnet.backward(values), case.whole(precision))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("n", [1000, pytest.param(3000, marks=pytest.mark.slow)])
def test_npnets_gradients_of_many_rows_hold(n: int, precision: str) -> None:
    for seed in range(3):
        case = problem(seed, n=n)
        lines = {name: line(case, name, precision) for name in GRADIENTS}
        assert_gradients(lines, case.lines(precision))
        v = case.values(precision)
        values = npnet.forward(
            {n: v[n] for n in npnet.network.names.PARAMETER_NAMES}, v.X, v.Y, v.eps
        )
        assert_gradients(npnet.backward(values), case.whole(precision))


def test_float64_among_float32_was_widened_and_float64_altogether_is_held_to_float64() -> None:
    case = problem(seed=3)
    single = {name: line(case, name, "float32") for name in GRADIENTS}
    for widened in (single["C"].astype("f8"), torch.tensor(single["C"], dtype=torch.float64)):
        with pytest.raises(AssertionError, match="C: dtype float64, wanted float32 like torch: a"):
            assert_gradients({**single, "C": widened}, case.lines("float32"))
    wide = {name: array.astype("f8") for name, array in single.items()}
    with pytest.raises(AssertionError, match=r"wrong: .*hpreact"):
        assert_gradients(wide, case.lines("float32"))
    assert_gradients({name: line(case, name) for name in GRADIENTS}, case.lines("float32"))


def test_numbers_without_a_dtype_are_not_widened() -> None:
    case = problem(seed=3)
    for precision in PRECISIONS:
        ours = {name: line(case, name, precision) for name in GRADIENTS}
        assert_gradients(ours | {"C": ours["C"].tolist()}, case.lines(precision))
        lists = {name: array.tolist() for name, array in ours.items()}
        assert_gradients(lists, case.lines(precision))


def test_cases_are_the_26_in_the_order_of_running() -> None:
    assert each_gradient().args == ("name", tuple(GRADIENTS))
    assert each_gradient(["dC", "logits"]).args == ("name", ("logits", "C"))
    with pytest.raises(InputError, match="loss: none of the 26"):
        each_gradient(["loss"])


def test_a_problem_is_its_seed() -> None:
    case = problem(seed=8)
    assert problem(seed=8) is case
    other = problem(seed=9)
    assert not np.array_equal(case.values().C, other.values().C)
    assert not np.array_equal(case.batch.X, other.batch.X)
    assert not np.array_equal(case.upstream().logits, other.upstream().logits)
    assert not case.values().C.flags.writeable
    for name, array in case.upstream("float32").items():
        assert np.array_equal(array, case.upstream("float64")[name])
    for sizes in ({"V": 1}, {"n": 1}, {"H": 0}):
        with pytest.raises(InputError):
            problem(**sizes)


def test_a_failure_shows_the_table_the_worst_element_and_the_next_command() -> None:
    case = problem()
    ours = {name: line(case, name) for name in GRADIENTS}
    ours["bnmeani"] = ours["bnmeani"][0]
    ours["h"] = ours["h"].copy()
    ours["h"][3, 5] += 0.5
    with pytest.raises(AssertionError) as raised:
        assert_gradients(ours, case.lines())
    text = str(raised.value)
    assert all(re.search(rf"^{name} +(True|False)", text, re.MULTILINE) for name in GRADIENTS)
    said = re.search(
        r"1 of 512 entries beyond the bound, worst at \(3, 5\): ours (\S+), torch (\S+),", text
    )
    assert said
    assert np.isclose(float(said[1]) - float(said[2]), 0.5, atol=1e-4)
    assert "bnmeani: shape (16,), wanted (1, 16) like torch: sum with keepdims=True" in text
    assert "24 of 26 ok, 2 wrong: h, bnmeani" in text
    assert "first wrong in the order of computation: h\n" in text
    command = text.splitlines()[-1]
    assert command == "next: npnet explain h"
    assert "dh = dlogits @ W2.T" in npnet.explain(command.rsplit(" ", 1)[1])


def test_nothing_passes_by_being_left_out() -> None:
    case = problem()
    with pytest.raises(AssertionError, match="25 wrong"):
        assert_gradients({"h": line(case, "h")}, case.lines())
    with pytest.raises(AssertionError, match="h: ours has no such name"):
        assert_gradients({}, case.lines(), only="h")
    with pytest.raises(AssertionError, match="first wrong: dhh, none of the 26"):
        assert_gradients({"h": line(case, "h"), "dhh": 0}, {"h": case.lines().gradients.h})
    with pytest.raises(InputError, match="no name"):
        assert_gradients({}, case.lines(), only=[])


def test_ours_may_be_lists_or_tensors_and_names_have_a_d() -> None:
    case = problem()
    right = line(case, "b2")
    for ours in (right.tolist(), torch.tensor(right, requires_grad=True)):
        assert_gradients({"db2": ours}, case.lines(), only=["db2"])


def test_any_mapping_of_arrays_is_a_reference() -> None:
    case = problem()
    leaf: Any = torch.tensor(case.values().W2, requires_grad=True)
    (leaf**2).sum().backward()
    assert_gradients({"dW2": 2 * case.values().W2}, {"W2": leaf.grad})
    with pytest.raises(AssertionError, match=r"W2 .*WRONG"):
        assert_gradients({"dW2": 3 * case.values().W2}, {"W2": leaf.grad})
    with pytest.raises(InputError, match="got only= and a mapping"):
        assert_gradients({"W2": leaf}, {"W2": leaf.grad}, only="W2")
    with pytest.raises(InputError, match="gradients are a list"):
        assert_gradients([leaf], case.lines(), only="W2")  # type: ignore[arg-type]


def example() -> str:
    """The test file of the guide's page, which tests/project/test_pages.py runs as it stands."""
    [block] = re.findall(
        r"^```python title=test_mine.py\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.S
    )
    return str(block)


def test_the_guides_example_fails_when_its_gradients_are_wrong(pytester: pytest.Pytester) -> None:
    wrong = example().replace('@ v["W1"].T', '@ v["W1"].T * 2').replace("-= 1", "+= 1")
    pytester.makepyfile(test_mine=wrong)
    result = pytester.runpytest_inprocess("-q")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*next: npnet explain embcat", "*next: npnet explain logits"])
