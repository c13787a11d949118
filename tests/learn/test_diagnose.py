"""Planted mistakes, written by hand: each is refused, and the right cause is named.

None of them comes from what ``npnet.learn.mutants`` makes: they are what a person would type.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import npnet
from npnet.learn.calls import TORCH
from npnet.learn.common_mistakes import slips
from npnet.learn.exercises import EXERCISES
from npnet.learn.grading import BY_CHANCE, ERROR, WRONG, Mark, grade
from npnet.learn.grading_inputs import RANDOM, cases
from npnet.learn.mistakes import n_for_n_minus_1, only_last_position, repeats_lost
from npnet.learn.notation import compute, names_for

Function = Callable[[Any, Any], Any]


def targets(v: Any, value: float) -> Any:
    dlogprobs = np.zeros_like(v.logprobs)
    dlogprobs[np.arange(len(v.Y)), v.Y] = value
    return dlogprobs


def every_column(v: Any, d: Any) -> Any:
    dlogprobs = np.zeros_like(v.logprobs)
    dlogprobs[:, v.Y] = -1.0 / len(v.Y)
    return dlogprobs


def double_zeros(v: Any, d: Any) -> Any:
    dlogprobs = np.zeros(v.logprobs.shape)
    dlogprobs[range(len(v.Y)), v.Y] = -1.0 / len(v.Y)
    return dlogprobs


def maximum_at_target(v: Any, d: Any) -> Any:
    dlogits = d.norm_logits.copy()
    dlogits[range(len(v.Y)), v.Y] += d.logit_maxes.ravel()
    return dlogits


def softmax_here(v: Any, d: Any) -> Any:
    dlogits = v.probs.copy()
    dlogits[range(len(v.Y)), v.Y] -= 1
    return dlogits / len(v.Y)


def overwritten(v: Any, d: Any) -> Any:
    dlogits = d.norm_logits.copy()
    dlogits[range(len(v.Y)), v.logits.argmax(1)] = d.logit_maxes.ravel()
    return dlogits


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


def all_but_the_last(v: Any, d: Any) -> Any:
    dC = np.zeros_like(v.C)
    np.add.at(dC, v.X[:-1], d.emb[:-1])
    return dC


def averaged(v: Any, d: Any) -> Any:
    return np.stack([
        d.emb[c == v.X].mean(0) if (c == v.X).any() else np.zeros_like(row)
        for c, row in enumerate(v.C)
    ])  # fmt: skip


def double_embedding(v: Any, d: Any) -> Any:
    dC = np.zeros(v.C.shape)
    np.add.at(dC, v.X, d.emb)
    return dC


def undivided(v: Any, d: Any) -> Any:
    e = np.exp(v.logits - v.logits.max(1, keepdims=True))
    dlogits = e / e.sum(1, keepdims=True)
    dlogits[range(len(v.Y)), v.Y] -= 1
    return dlogits


def softmax_alone(v: Any, d: Any) -> Any:
    e = np.exp(v.logits)
    return e / e.sum(1, keepdims=True) / len(v.Y)


def plus_one(v: Any, d: Any) -> Any:
    e = np.exp(v.logits)
    return (e / e.sum(1, keepdims=True) + np.eye(e.shape[1], dtype=e.dtype)[v.Y]) / len(v.Y)


def normalised(v: Any, d: Any, bessel: Any = None, first: int = 1, gain: int = 1) -> Any:
    n = len(v.bnraw)
    bessel = n / (n - 1) if bessel is None else bessel
    inner = n * d.hpreact - first * d.hpreact.sum(0)
    inner = inner - bessel * v.bnraw * (d.hpreact * v.bnraw).sum(0)
    return (v.bngain if gain else 1) * v.bnvar_inv / n * inner


def seven(**wrong: Function) -> Function:
    """A backward pass with one line replaced."""

    def backward(v: Any, d: Any) -> list[Any]:
        made: dict[str, Any] = {"loss": d.loss}
        for name, line in npnet.GRADIENTS.items():
            made[name] = wrong.get(name, line)(v, npnet.Gradients(made))
        return [made[name] for name in ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias")]

    return backward


# Each wrong solution, as an expression of v and d or as a function, with words of the cause that
# must be named.
PLANTED: dict[str, dict[str | Function, str]] = {
    "dlogprobs": {
        "targets(v, -1)": "division by len(Y) is missing",
        "targets(v, 1 / len(v.Y))": "minus sign is missing",
        "targets(v, -1 / v.logprobs.shape[1])": "number of columns stands where n",
        "targets(v, -1 / 32)": "32 stands where n",
        "-np.ones_like(v.logprobs) / len(v.Y)": "every entry",
        every_column: "columns of all targets",
        double_zeros: "np.zeros",
    },
    "dprobs": {
        "1 / v.probs": "upstream gradient dlogprobs is left out",
        "d.logprobs * v.probs": "dlogprobs * probs stands",
        "d.logprobs * v.logprobs": "logprobs",
        "-d.logprobs / v.probs": "times -1",
        "d.logprobs / v.probs**2": "probs**2",
    },
    "dcounts_sum_inv": {
        "v.counts * d.probs": "sum over axis 1 is missing",
        "(v.counts * d.probs).sum(1)": "keepdims=True is missing",
        "(v.counts * d.probs).sum(0, keepdims=True)": "axis 0 where axis 1",
        "(v.counts * d.probs).mean(1, keepdims=True)": "mean stands where the sum",
        "(v.probs * d.probs).sum(1, keepdims=True)": "probs stands where counts",
    },
    "dcounts_sum": {
        "v.counts_sum**-2 * d.counts_sum_inv": "minus sign is missing",
        "-v.counts_sum_inv * d.counts_sum_inv": "power 2 is missing",
        "d.counts_sum_inv / v.counts_sum": "power 2 is missing",
        "-(v.counts_sum**-2)": "dcounts_sum_inv is left out",
    },
    "dcounts": {
        "v.counts_sum_inv * d.probs": "road through counts_sum is missing",
        "d.probs * v.counts_sum_inv + d.counts_sum / v.counts.shape[1]": "1/V",
        "np.ones_like(v.counts) * d.counts_sum": "road through probs is missing",
        "d.probs * v.counts_sum_inv - d.counts_sum": "sign before dcounts_sum",
        "d.probs * v.counts_sum + d.counts_sum": "counts_sum stands where counts_sum_inv",
    },
    "dnorm_logits": {
        "v.norm_logits * d.counts": "norm_logits stands where counts",
        "v.probs * d.counts": "probs stands where counts",
        "d.counts.copy()": "factor counts is missing",
        "0 * d.counts": "all zeros",
        "np.exp(v.counts) * d.counts": "np.exp(counts) stands",
    },
    "dlogit_maxes": {
        "np.zeros_like(v.logit_maxes)": "zeros",
        "d.norm_logits.sum(1, keepdims=True)": "minus sign is missing",
        "-d.norm_logits.sum(1)": "keepdims=True is missing",
    },
    "dlogits": {
        "d.norm_logits.copy()": "road through logit_maxes is missing",
        "d.norm_logits + d.logit_maxes": "factor largest is missing",
        maximum_at_target: "target's entry",
        softmax_here: "at once",
        overwritten: "adds up",
    },
    "dh": {
        "d.logits @ v.W2": "W2 stands where W2.T belongs",
        "v.W2 @ d.logits.T": "the factors changed places",
    },
    "dW2": {
        "d.logits.T @ v.h": "h stands where h.T belongs",
        "v.h @ d.logits": "h stands where h.T belongs",
        "v.h.T @ d.logits / len(v.h)": "1/n",
        "-v.h.T @ d.logits": "times -1",
        "v.hpreact.T @ d.logits": "hpreact stands where h",
    },
    "db2": {
        "d.logits.sum(0, keepdims=True)": "keepdims=True is too much",
        "d.logits.mean(0)": "mean stands",
        "d.logits.copy()": "sum over axis 0 is missing",
    },
    "dhpreact": {
        "(1 - v.hpreact**2) * d.h": "hpreact stands where h",
        "(1 - v.h) * d.h": "power 2 is missing",
        "(1 - 2 * v.h) * d.h": "2 * h stands where h**2",
        "(1 + v.h * v.h) * d.h": "sign before h**2",
        "v.h * (1 - v.h) * d.h": "sigmoid",
        "(1 - np.tanh(v.h) ** 2) * d.h": "once more",
        "1 - v.h**2": "dh is left out",
    },
    "dbngain": {
        "(v.bnraw * d.hpreact).sum(1, keepdims=True)": "axis 1 where axis 0",
        "(v.bnraw * d.hpreact).sum(0)": "keepdims=True is missing",
        "(v.bndiff * d.hpreact).sum(0, keepdims=True)": "bndiff stands where bnraw",
        "d.hpreact.sum(0, keepdims=True)": "factor bnraw is missing",
    },
    "dbnbias": {
        "d.hpreact.sum(axis=0)": "keepdims=True is missing",
        "d.hpreact.sum(keepdims=True)": "all is summed",
    },
    "dbnraw": {
        "d.hpreact * 1": "factor bngain is missing",
        "d.hpreact / v.bngain": "hpreact",
    },
    "dbnvar_inv": {
        "(v.bnraw * d.bnraw).sum(0, keepdims=True)": "bnraw stands where bndiff",
        "(v.hprebn * d.bnraw).sum(0, keepdims=True)": "hprebn stands where bndiff",
        "v.bndiff * d.bnraw": "sum over axis 0 is missing",
    },
    "dbnvar": {
        "-0.5 * v.bnvar**-1.5 * d.bnvar_inv": "eps is missing",
        "-0.5 * (v.bnvar + v.eps) ** -0.5 * d.bnvar_inv": "power -0.5 stands",
        "-0.5 * v.bnvar_inv**2 * d.bnvar_inv": "power -1 stands",
        "0.5 * (v.bnvar + v.eps) ** -1.5 * d.bnvar_inv": "minus sign is missing",
        "-((v.bnvar + v.eps) ** -1.5) * d.bnvar_inv": "1.0 stands where 0.5",
    },
    "dbndiff2": {
        "np.ones_like(v.bndiff2) / len(v.bndiff2) * d.bnvar": "n stands where n - 1",
        "d.bnvar / (len(v.bndiff2) - 1)": "n rows gets its own",
        "np.ones_like(v.bndiff2) * d.bnvar": "division by",
    },
    "dbndiff": {
        "v.bnvar_inv * d.bnraw": "road through bndiff2 is missing",
        "v.bnvar_inv * d.bndiff2 + 2 * v.bndiff * d.bnraw": "changed places",
        "v.bnvar * d.bnraw + 2 * v.bndiff * d.bndiff2": "bnvar stands where bnvar_inv",
        "2 * v.bndiff * d.bndiff2": "road through bnraw is missing",
        "v.bnvar_inv * d.bnraw + v.bndiff * d.bndiff2": "factor 2 is missing",
        "v.bnvar_inv * d.bnraw + 2 * v.bndiff2 * d.bndiff2": "bndiff**2 stands where bndiff",
    },
    "dbnmeani": {
        "-d.bndiff.sum(0)": "keepdims=True is missing",
        "d.bndiff.sum(0, keepdims=True)": "minus sign is missing",
        "-d.bndiff.mean(0, keepdims=True)": "mean stands",
        "-(d.bnraw * v.bnvar_inv).sum(0, keepdims=True)": "road through bndiff2",
    },
    "dhprebn": {
        "d.bndiff + 0": "road through bnmeani is missing",
        "d.bndiff + d.bnmeani": "division by len(hprebn) is missing",
        "d.bndiff + d.bnmeani / (len(v.hprebn) - 1)": "n - 1 stands where n",
        "d.bndiff - d.bnmeani / len(v.hprebn)": "sign before dbnmeani",
        "d.bndiff - d.bndiff.mean(0)": "mean of dbndiff",
        "normalised(v, d)": "at once",
    },
    "dembcat": {
        "d.hprebn @ v.W1": "W1 stands where W1.T belongs",
    },
    "dW1": {
        "d.hprebn.T @ v.embcat": "dhprebn.T stands where dhprebn belongs",
        "v.embcat.T @ d.hpreact": "dhpreact stands where dhprebn",
        "v.embcat.T @ np.ones_like(d.hprebn)": "dhprebn is left out",
    },
    "db1": {
        "np.zeros_like(v.b1)": "zeros",
        "d.hprebn.mean(0)": "mean stands where the sum",
        "d.hprebn.sum(0, keepdims=True)": "keepdims=True is too much",
    },
    "demb": {
        "d.embcat.reshape(len(v.emb), *v.emb.shape[:0:-1]).swapaxes(1, 2)": "T and E changed",
        "d.embcat * 1": "reshape is missing",
    },
    "dC": {
        assigned: "one place alone",
        repeats_lost: "one place alone",
        only_last_position: "last position",
        last_row: "last row",
        all_but_the_last: "last row",
        averaged: "mean over the places",
        double_embedding: "np.zeros",
    },
    "dlogits_at_once": {
        undivided: "dlogits /= n is missing",
        softmax_alone: "dlogits[rows, Y] -= 1 is missing",
        plus_one: "dlogits[rows, Y] += 1",
    },
    "dhprebn_at_once": {
        "normalised(v, d, bessel=1)": "factor n / (n - 1) is missing",
        "normalised(v, d, first=0)": "dbnbias is missing",
        "normalised(v, d, gain=0)": "factor bngain is missing",
    },
    "backward": {
        seven(bndiff2=n_for_n_minus_1): "n stands where n - 1",
        seven(C=repeats_lost): "one place alone",
        seven(bndiff=lambda v, d: v.bnvar_inv * d.bnraw): "road through bndiff2",
    },
}
ALL = [(name, made, cause) for name, some in PLANTED.items() for made, cause in some.items()]


def mark_of(name: str, made: str | Function) -> Mark:
    def evaluated(v: Any, d: Any) -> Any:
        return eval(str(made), globals(), {"v": v, "d": d})

    return grade({name: evaluated if isinstance(made, str) else made}, steps=0).marks[0]


@pytest.fixture(scope="module")
def marks() -> list[Mark]:
    return [mark_of(name, made) for name, made, _ in ALL]


def test_every_line_and_every_exercise_has_planted_mistakes() -> None:
    assert set(PLANTED) == set(EXERCISES)
    assert len(ALL) >= 100


def test_every_planted_mistake_is_refused(marks: list[Mark]) -> None:
    assert [mark.name for mark in marks if mark.verdict not in (WRONG, BY_CHANCE, ERROR)] == []


def test_the_right_cause_is_named_for_nine_of_ten(marks: list[Mark]) -> None:
    pairs = zip(ALL, marks, strict=True)
    missed = [
        (name, made, mark.cause) for (name, made, cause), mark in pairs if cause not in mark.cause
    ]
    assert len(missed) <= 0.1 * len(ALL), missed


def test_no_cause_is_given_for_certain_that_is_a_guess(marks: list[Mark]) -> None:
    # Facts: what was read, what dtype came out, what the numbers are.
    facts = ("it never reads", "from float32", "the numbers are right", "it is all zeros")
    causes = [mark.cause for mark in marks if mark.cause]
    assert all("looks like" in cause or cause.startswith(facts) for cause in causes)


def test_a_formula_that_is_said_to_look_alike_is_wrong_itself(marks: list[Mark]) -> None:
    """It gives the learner's numbers, so it must not give ours."""
    for name in PLANTED:
        exercise, case = EXERCISES[name], cases()[RANDOM[0]]
        if len(exercise.gradients) > 1:
            continue
        gradient = exercise.gradients[0]
        right = case.answers(exercise)[gradient]
        names = names_for(case.values, case.gradients)
        for slip in slips(name):
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
