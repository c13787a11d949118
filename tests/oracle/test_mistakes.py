"""The checker is checked: every planted mistake is refused, and nothing that is right."""

from typing import Any

import numpy as np
import pytest
from conftest import slow_but

import npnet
from npnet import GRADIENTS
from npnet.checks.compare import compare
from npnet.network.names import PARAMETER_NAMES, VALUE_NAMES

pytest.importorskip("torch")

import oracle
from npnet.checks.called_functions import Unmade
from oracle.judge import chained, end_to_end, first_wrong, per_line, upstream
from oracle.mistakes import LECTURE, MISTAKES, Mistake, network, rerun
from oracle.selftest import RUNS, selftest

pytestmark = pytest.mark.usefixtures("one_thread")

# The gradients that these lose are zero by mathematics, or their upstream is 1 or zero.
UNSEEN_END_TO_END = {
    ("logprobs", "the upstream gradient is taken for 1"),
    ("logit_maxes", "the sign is wrong"),
    ("logit_maxes", "zeros are written down"),
    ("logit_maxes", "all zeros"),
    ("logits", "the path through the maximum is forgotten"),
    ("logits", "the path through the maximum is subtracted"),
    ("logits", "the maximum passes its gradient to the target's entry"),
    ("logits", "softmax and cross-entropy are undone at once"),
    ("logits", "the maximum passes its gradient to all entries"),
    ("logits", "each of several equal largest logits gets all of it"),
    ("logits", "several equal largest logits share it"),
    ("logits", "the last of several equal largest logits gets it"),
    ("bnmeani", "what is summed lacks the path through bndiff2"),
    ("hprebn", "minus the mean of dbndiff for dbnmeani / n"),
    ("hprebn", "the whole normalisation is undone at once"),
    ("b1", "zeros are written down"),
    ("b1", "a mean for the sum"),
    ("b1", "all zeros"),
}


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    """Torch's forward pass of the network on which every mistake shows."""
    return oracle.whole(*network())[0]


def label(mistake: Mistake) -> str:
    return f"{mistake.gradient}: {mistake.what}"


def test_there_are_many_and_zeros_for_each_gradient() -> None:
    assert len(set(map(label, MISTAKES))) == len(MISTAKES) >= 26 + 45
    assert {m.gradient for m in MISTAKES if m.what == "all zeros"} == set(GRADIENTS)
    assert {m.gradient for m in MISTAKES if m.what != "all zeros"} == set(GRADIENTS)


def test_an_axis_gone_wrong_still_fits_where_they_are_tried() -> None:
    params, X, _ = network()
    assert len({len(X), *params.W1.shape, *params.W2.shape, len(params.C)}) == 1


FIRST = [*{mistake.gradient: mistake for mistake in reversed(MISTAKES)}.values()]


# The fast tests: one mistake in each gradient.
@pytest.mark.parametrize(
    "mistake", slow_but([(each,) for each in MISTAKES], [(each,) for each in FIRST]), ids=label
)
def test_a_planted_mistake_is_refused_and_found(mistake: Mistake, values: dict[str, Any]) -> None:
    alone = per_line(values, mistake.table)
    assert [row.name for row in alone.failures] == [mistake.gradient]
    chain = end_to_end(*network(), functions=mistake.table)
    unseen = (mistake.gradient, mistake.what) in UNSEEN_END_TO_END
    assert chain.passed == unseen
    isolation = first_wrong(chain, alone)
    assert isolation.alone == (mistake.gradient,)
    order = list(GRADIENTS)
    for name in isolation.inherited:
        assert order.index(name) > order.index(mistake.gradient)


@pytest.mark.slow
def test_in_float64_every_mistake_is_found_too() -> None:
    values, _ = oracle.whole(*network(0, np.float64))
    passed = [label(mistake) for mistake in MISTAKES if per_line(values, mistake.table)]
    assert passed == ["logprobs: np.zeros makes float64", "C: np.zeros makes float64"]


@pytest.mark.slow
def test_every_mistake_is_found_on_other_batches_too() -> None:
    for seed in range(1, 4):
        values, _ = oracle.whole(*network(seed))
        assert not [label(mistake) for mistake in MISTAKES if per_line(values, mistake.table)]


@pytest.mark.parametrize("dtype", slow_but([np.float32, np.float64], [np.float32]))
def test_nothing_right_is_refused_over_20_seeds(dtype: Any) -> None:
    for seed in range(20):
        batch = network(seed, dtype, LECTURE)
        chain = end_to_end(*batch)
        alone = per_line(oracle.whole(*batch)[0], seed=seed)
        assert chain, chain
        assert alone, alone
        assert str(first_wrong(chain, alone)) == "no line is wrong"


def test_a_forward_pass_rerun_after_the_backward_is_told_as_such() -> None:
    params, X, Y = network()
    ours = chained(GRADIENTS, npnet.forward(params, X, Y))
    rows = {row.name: row for row in compare(ours, rerun(params, X, Y)).rows}
    for name in VALUE_NAMES[:-1]:
        assert rows[name].verdict == "None", name
        assert "ran again after the backward" in rows[name].reason
    assert all(rows[name].verdict != "None" for name in PARAMETER_NAMES)


def test_the_upstream_is_random_and_never_ones(values: dict[str, Any]) -> None:
    drawn = upstream(values, 0)
    assert tuple(drawn) == VALUE_NAMES
    assert drawn["loss"] != 1
    assert all(len(np.unique(array)) == array.size for array in drawn.values())
    assert (upstream(values, 1)["h"] != drawn["h"]).all()


@pytest.mark.slow  # its table is checked by fast tests of the command
def test_the_self_test_shows_what_others_let_through() -> None:
    result = selftest(rtol=0.0, atol=0.0)
    assert result.passed
    assert len(result.trials) == len(MISTAKES) + 1
    trials = {(trial.gradient, trial.what): trial for trial in result.trials}
    unseen = {key for key, trial in trials.items() if not trial.end_to_end}
    assert unseen == UNSEEN_END_TO_END
    lost = trials["bnmeani", "keepdims is forgotten"]
    assert lost.caught
    assert not lost.by_tolerance["allclose"], "(H,) broadcasts against (1, H)"
    divided = trials["bndiff2", "n for n - 1"].by_tolerance
    assert divided["allclose"]
    assert not divided["1e-2"]
    # A check that refuses right gradients of b1 has not found that they are zeros.
    assert not trials["b1", "all zeros"].by_tolerance["rtol 0 atol 0"]
    assert result.false_alarms["rtol 0 atol 0"] == RUNS
    assert result.false_alarms["per line"] == result.false_alarms["end to end"] == 0
    assert result.false_alarms["allclose"] > 0


def test_the_self_test_fails_when_the_judge_misses_one(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Mistake("h", "none at all", GRADIENTS["h"])
    monkeypatch.setattr("oracle.selftest.MISTAKES", (right,))
    result = selftest()
    assert not result.trials[0].caught
    assert not result.passed


def test_a_function_that_raises_spoils_its_own_row_and_those_that_need_it() -> None:
    def broken(v: Any, d: Any) -> Any:
        raise KeyError("no such thing")

    params, X, Y = network()
    chain = end_to_end(params, X, Y, functions={**GRADIENTS, "hprebn": broken})
    rows = {row.name: row for row in chain.failures}
    assert set(rows) == {"hprebn", "embcat", "W1", "b1", "emb", "C"}
    for row in rows.values():
        assert row.verdict == "unreadable"
        assert "dhprebn raised KeyError: 'no such thing'" in row.reason
    assert "dhprebn raised KeyError" in str(chain)


def test_a_gradient_that_was_not_made_raises_its_error() -> None:
    dh: Any = Unmade("dh raised")
    with pytest.raises(Unmade, match="dh raised"):
        dh * np.ones(2)
    with pytest.raises(Unmade, match="dh raised"):
        np.ones(2) @ dh
    with pytest.raises(Unmade, match="dh raised"):
        dh.sum(0)
