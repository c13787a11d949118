"""Networks drawn by hypothesis: right gradients of all shapes pass, wrong ones shrink to a case."""

import builtins
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import npnet
from npnet import GRADIENTS, InputError
from npnet.network.names import PARAMETER_NAMES

pytest.importorskip("torch")

from oracle.testing import Case, assert_gradients, cases

pytestmark = pytest.mark.usefixtures("one_thread")


@given(cases())
@settings(max_examples=15)
def test_npnets_gradients_of_any_network_are_right(case: Case) -> None:
    v = case.values()
    params = {name: v[name] for name in PARAMETER_NAMES}
    assert_gradients(npnet.backward(npnet.forward(params, v.X, v.Y, v.eps)), case.whole())
    lines = {name: function(v, case.upstream()) for name, function in GRADIENTS.items()}
    assert_gradients(lines, case.lines())


@given(cases(kinds=["untrained"]), st.sampled_from(["h", "bndiff2", "C"]))
@settings(max_examples=6)
def test_a_factor_of_a_thousandth_is_refused_for_any_network(case: Case, name: str) -> None:
    wrong = {name: GRADIENTS[name](case.values(), case.upstream()) * np.asarray(1.001, "f4")}
    with pytest.raises(AssertionError, match=f"first wrong in the order of computation: {name}"):
        assert_gradients(wrong, case.lines(), only=name)


def test_what_fails_shrinks_to_the_smallest_network() -> None:
    case = find(cases(), lambda case: case.problem.sizes["H"] > 2, settings=settings(database=None))
    assert case.problem.sizes == {"n": 2, "T": 1, "E": 1, "H": 3, "V": 2}
    assert repr(case) == "<untrained, float32, n=2, T=1, E=1, H=3, V=2, seed 0>"


@given(cases(n=5, T=1, E=2, H=3, V=4, kinds=["tied"], precisions=["float64"]))
@settings(max_examples=5)
def test_sizes_kinds_and_precisions_are_those_that_were_wanted(case: Case) -> None:
    most = {"n": 5, "T": 1, "E": 2, "H": 3, "V": 4}
    assert all(size <= most[letter] for letter, size in case.problem.sizes.items())
    assert (case.kind, case.precision) == ("tied", "float64")
    assert case.values().C.dtype == np.float64
    logits = case.values().logits
    assert np.array_equal(logits[:, 0], logits[:, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 1}, "n is 1, wanted 2 or more"),
        ({"H": 0}, "H is 0, wanted 1 or more"),
        ({"kinds": ["odd"]}, "wanted some of untrained, trained"),
        ({"precisions": []}, "wanted some of float32, float64"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cases(**options)


def test_without_hypothesis_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "hypothesis":
            raise ModuleNotFoundError(name="hypothesis")
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ModuleNotFoundError, match="pip install hypothesis"):
        cases()
