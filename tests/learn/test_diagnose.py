"""The mistakes of the catalogue, as people type them: each is refused, and its cause is named."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import npnet
from npnet.learn.calls import TORCH
from npnet.learn.diagnose import known_mistakes
from npnet.learn.exercises import EXERCISES
from npnet.learn.grading import ERROR, ONLY_HERE, RIGHT, WRONG, Mark, grade
from npnet.learn.grading_inputs import RANDOM, cases
from npnet.learn.notation import compute, names_for
from npnet.learn.wrong_gradients import WRONG_GRADIENTS, wrong_gradient

Function = Callable[[Any, Any], Any]


def maximum_at_target(v: Any, d: Any) -> Any:
    dlogits = d.norm_logits.copy()
    dlogits[range(len(v.Y)), v.Y] += d.logit_maxes.ravel()
    return dlogits


def softmax_here(v: Any, d: Any) -> Any:
    dlogits = v.probs.copy()
    dlogits[range(len(v.Y)), v.Y] -= 1
    return dlogits / len(v.Y)


def assigned(v: Any, d: Any) -> Any:
    dC = np.zeros_like(v.C)
    for i in range(v.X.shape[0]):
        for t in range(v.X.shape[1]):
            dC[v.X[i, t]] = d.emb[i, t]
    return dC


def last_row(v: Any, d: Any) -> Any:
    dC = np.zeros_like(v.C)
    for k in range(len(v.X)):
        row = v.X[k]
    for j, ix in enumerate(row):
        dC[ix] += d.emb[k, j]
    return dC


def averaged(v: Any, d: Any) -> Any:
    return np.stack([
        d.emb[c == v.X].mean(0) if (c == v.X).any() else np.zeros_like(row)
        for c, row in enumerate(v.C)
    ])  # fmt: skip


def seven(**wrong: str) -> Function:
    """A backward pass with one line replaced by a mistake of the catalogue."""
    lines = {**npnet.GRADIENTS}
    for exercise, what in wrong.items():
        lines[exercise.removeprefix("d")] = wrong_gradient(exercise, what).function

    def backward(v: Any, d: Any) -> list[Any]:
        made: dict[str, Any] = {"loss": d.loss}
        for name, line in lines.items():
            made[name] = line(v, npnet.Gradients(made))
        return [made[name] for name in ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias")]

    return backward


def only_last_position(v: Any, d: Any) -> Any:
    """The last line stands one level of indentation too far to the left."""
    dC = np.zeros_like(v.C)
    for k in range(v.X.shape[0]):
        for j in range(v.X.shape[1]):
            ix = v.X[k, j]
        dC[ix] += d.emb[k, j]
    return dC


def unit_loss(v: Any, d: Any) -> Any:
    dlogprobs = np.zeros_like(v.logprobs)
    dlogprobs[range(len(v.Y)), v.Y] = -1.0 / v.logprobs.shape[1]
    return dlogprobs


# Mistakes of the catalogue that the diagnosis knows, spelled in another way than there.
OTHER_SPELLINGS: dict[Function, tuple[str, str]] = {
    maximum_at_target: ("dlogits", "target's entry"),
    softmax_here: ("dlogits", "at once"),
    assigned: ("dC", "one of several repeats"),
    last_row: ("dC", "last row"),
    averaged: ("dC", "mean over the places"),
    only_last_position: ("dC", "last position"),
    unit_loss: ("dlogprobs", "number of columns stands where n"),
    seven(dbndiff2="n for n - 1"): ("backward", "n stands where n - 1"),
    seven(dC="dC[X] += demb keeps one of several repeats"): (
        "backward",
        "one of several repeats",
    ),
    seven(dbndiff="the path through bndiff2 is forgotten"): ("backward", "path through bndiff2"),
}
ALL = [
    *((wrong.exercise, wrong.function, wrong.named) for wrong in WRONG_GRADIENTS if wrong.named),
    *((name, function, named) for function, (name, named) in OTHER_SPELLINGS.items()),
]


def mark_of(name: str, made: str | Function) -> Mark:
    def evaluated(v: Any, d: Any) -> Any:
        return eval(str(made), globals(), {"v": v, "d": d})

    return grade({name: evaluated if isinstance(made, str) else made}, steps=0).marks[0]


@pytest.fixture(scope="module")
def marks() -> list[Mark]:
    return [mark_of(name, made) for name, made, _ in ALL]


def test_every_line_and_every_exercise_has_planted_mistakes() -> None:
    assert {name for name, _, _ in ALL} == set(EXERCISES)
    assert len(ALL) >= 100


def test_every_planted_mistake_is_refused(marks: list[Mark]) -> None:
    assert [mark.name for mark in marks if mark.verdict not in (WRONG, ONLY_HERE, ERROR)] == []


# Of these the diagnosis knows no cause; it says nothing rather than something wrong.
WITHOUT_CAUSE = {
    ("dprobs", "logprobs for 1 / probs"),
    ("dcounts", "a mean for the sum in the path through counts_sum"),
    ("dhpreact", "twice h for its square"),
    ("dbndiff", "the upstream gradients changed places"),
}


def test_the_right_cause_is_named_but_for_four(marks: list[Mark]) -> None:
    known = [wrong for wrong in WRONG_GRADIENTS if wrong.named]
    missed = {
        (wrong.exercise, wrong.what): mark.cause
        for wrong, mark in zip(known, marks, strict=False)
        if wrong.named not in mark.cause
    }
    assert {name: cause for name, cause in missed.items() if cause} == {}
    assert set(missed) <= WITHOUT_CAUSE


def test_another_spelling_has_the_same_cause(marks: list[Mark]) -> None:
    others = marks[-len(OTHER_SPELLINGS) :]
    for (name, named), mark in zip(OTHER_SPELLINGS.values(), others, strict=True):
        assert named in mark.cause, (name, mark.cause)


@pytest.mark.parametrize("off", [1e-6, 1e-8, 1e-11])
def test_a_gradient_that_is_off_by_a_little_is_wrong(off: float) -> None:
    mark = mark_of("dprobs", f"d.logprobs / v.probs * (1 + {off})")
    assert mark.verdict == WRONG
    # Below SAME no cause is known: nothing but rounding is that near.
    assert mark.cause == (f"looks like the right gradient times {1 + off}" if off > 1e-9 else "")


@pytest.mark.parametrize("off", [2**-52, 2**-49, 2**-46])
def test_a_gradient_that_is_off_by_rounding_is_right(off: float) -> None:
    def dprobs(v: Any, d: Any) -> Any:
        right = d.logprobs / v.probs
        return right * right.dtype.type(1 + off)

    assert mark_of("dprobs", dprobs).verdict == RIGHT


def test_a_mistake_that_is_rounded_otherwise_has_the_same_cause() -> None:
    mark = mark_of("dcounts", "d.probs / v.counts_sum * (1 + 2**-49)")
    assert "path through counts_sum is missing" in mark.cause


def test_no_cause_is_given_for_certain_that_is_a_guess(marks: list[Mark]) -> None:
    # Facts: what was read, what dtype came out, what the numbers are.
    facts = ("it never reads", "from float32", "the numbers are right", "it is all zeros")
    causes = [mark.cause for mark in marks if mark.cause]
    assert all("looks like" in cause or cause.startswith(facts) for cause in causes)


def test_a_formula_in_a_diagnosis_is_wrong_itself(marks: list[Mark]) -> None:
    """It gives the learner's numbers, so it must not give ours."""
    for name in EXERCISES:
        exercise, case = EXERCISES[name], cases()[RANDOM[0]]
        if len(exercise.gradients) > 1:
            continue
        gradient = exercise.gradients[0]
        right = case.answers(exercise)[gradient]
        names = names_for(case.values, case.gradients)
        for slip in known_mistakes(name):
            wrong = compute(slip.code, names, f"d{gradient}")
            assert wrong.shape != right.shape or not np.allclose(wrong, right), slip


@pytest.mark.parametrize(
    "said",
    [
        "a.sum(0, keepdim=True)",
        "d.logprobs.t()",
        "d.logprobs.clone()",
        "d.logprobs.float()",
        "d.logprobs.unsqueeze(0)",
        "v.probs.pow(2)",
        "torch.ones(3)",
        "d.logprobs.view(2, -1)",
    ],
)
def test_words_of_torch_are_answered_with_numpys(said: str) -> None:
    mark = mark_of("dprobs", said.replace("a.", "v.probs."))
    assert mark.verdict == ERROR
    assert any(word in mark.reason for word in TORCH.values()), mark.reason


def test_a_missing_transpose_is_named_by_what_belongs_there() -> None:
    mark = mark_of("dW2", "d.logits.T @ v.h")
    assert mark.cause.endswith(
        "the factors changed places; h stands where h.T belongs and dlogits.T stands where "
        "dlogits belongs"
    )


def test_a_constant_factor_is_named_by_the_sizes() -> None:
    for factor, words in {
        "2": "times 2",
        "0.5": "times 1/2",
        "len(v.Y)": "times n",
        "1 / len(v.Y)": "times 1/n",
        "(1 - 1 / len(v.Y))": "times (n - 1)/n",
        "-len(v.Y) / v.probs.shape[1]": "times -n/V",
        "np.exp(d.loss)": "times np.e",
        "1.7": "times 1.7",
    }.items():
        mark = mark_of("dnorm_logits", f"v.counts * d.counts * {factor}")
        assert mark.cause.endswith(words), mark.cause
