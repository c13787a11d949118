"""A dozen mistakes of published notebooks and of those who learn from them, and what is said."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from npnet.base.errors import InputError
from npnet.checks.compare import compare
from npnet.corpora.known import default_words
from npnet.learn.explain import WIDTH
from npnet.learn.grading import grade
from npnet.learn.grading_inputs import RECIPE, cases
from npnet.network.fused import cross_entropy
from npnet.network.gradients import GRADIENTS
from npnet.training.batchnorm import calibrate
from npnet.training.evaluation import evaluate
from npnet.training.fit import begin
from npnet.training.sgd import train_blocks


class Mistake(NamedTuple):
    """What was done, and what npnet says when it meets it."""

    done: str
    says: Callable[[], str]


def only_last_position(v: Any, d: Any) -> Any:
    """The last line stands one level of indentation too far to the left."""
    dC = np.zeros_like(v.C)
    for k in range(v.X.shape[0]):
        for j in range(v.X.shape[1]):
            ix = v.X[k, j]
        dC[ix] += d.emb[k, j]
    return dC


def repeats_lost(v: Any, d: Any) -> Any:
    """An index that stands twice in X is written to twice, from the same old value."""
    dC = np.zeros_like(v.C)
    dC[v.X] += d.emb
    return dC


def n_for_n_minus_1(v: Any, d: Any) -> Any:
    """The variance as if it were biased."""
    return np.ones_like(v.bndiff2) * d.bnvar / len(v.bndiff2)


def no_bessel(v: Any, d: Any) -> Any:
    """The fused form of a biased variance."""
    n = len(v.bnraw)
    inner = n * d.hpreact - d.hpreact.sum(0) - v.bnraw * (d.hpreact * v.bnraw).sum(0)
    return v.bngain * v.bnvar_inv / n * inner


def _graded(name: str, function: Callable[[Any, Any], Any]) -> Callable[[], str]:
    def says() -> str:
        mark = grade({name: function}).marks[0]
        return f"{name}: {mark.verdict}\n{mark.reason}\n{mark.cause}"

    return says


def _rerun() -> str:
    gradients = {name: cases()["a minibatch, float32"].gradients[name] for name in GRADIENTS}
    rows = compare(gradients, dict.fromkeys(GRADIENTS)).rows
    return f"all {len(rows)}: {rows[0].verdict}\n{rows[0].reason}"


def _broadcast() -> str:
    right = cases()["a minibatch, float32"].gradients.bnbias
    row = compare({"bnbias": right[0]}, {"bnbias": right}).rows[0]
    return f"bnbias: {row.verdict}\n{row.reason}"


def _last_minibatch() -> str:
    """Dev losses after a short training, by two calibrations."""
    _, examples, params, generator = begin(RECIPE, default_words())
    X, Y = examples["train"]
    blocks = train_blocks(RECIPE, params, X, Y, generator)
    steps = sum(len(next(blocks)) for _ in range(20))
    blocks.close()
    whole, last = (evaluate(params, calibrate(params, rows), *examples["dev"])
                   for rows in (X, X[-RECIPE.batch :]))  # fmt: skip
    return (
        f"dev loss after {steps:,} steps: {whole:.4f} with statistics of all {len(X):,} training "
        f"examples, {last:.4f} with those of {RECIPE.batch}\n"
        "calibrate and evaluate take the training set; a run's folder keeps the statistics"
    )


def _embedding_for_logits() -> str:
    values = cases()["a minibatch, float32"].values
    try:
        cross_entropy(values.emb, values.Y)
    except InputError as error:
        return str(error)
    raise AssertionError("an embedding was taken for logits")


MISTAKES = (
    Mistake(
        "The loop for dC is indented so that only the last context position accumulates.",
        _graded("dC", only_last_position),
    ),
    Mistake("dC[X] += demb, which loses repeats.", _graded("dC", repeats_lost)),
    Mistake(
        "dbnmeani is summed without keepdims.",
        _graded("dbnmeani", lambda v, d: -d.bndiff.sum(0)),
    ),
    Mistake("n stands where n - 1 belongs, in dbndiff2.", _graded("dbndiff2", n_for_n_minus_1)),
    Mistake(
        "The same in the fused form: the factor n / (n - 1) is missing.",
        _graded("dhprebn_at_once", no_bessel),
    ),
    Mistake("A check is called with (H,) for (1, H), which broadcasts silently.", _broadcast),
    Mistake(
        "The forward pass is rerun after the backward, so that the reference's .grad is None.",
        _rerun,
    ),
    Mistake("Calibration over the last minibatch instead of the training set.", _last_minibatch),
    Mistake(
        "The evaluation feeds the embedding to the loss instead of the logits.",
        _embedding_for_logits,
    ),
    Mistake(
        "db1 is written down as zeros, because that is what comes out.",
        _graded("db1", lambda v, d: np.zeros_like(v.b1)),
    ),
    Mistake(
        "dlogits goes without the road through the maximum.",
        _graded("dlogits", lambda v, d: d.norm_logits.copy()),
    ),
    Mistake(
        "dbnmeani is made without the road through bndiff2.",
        _graded("dbnmeani", lambda v, d: -(v.bnvar_inv * d.bnraw).sum(0, keepdims=True)),
    ),
)


def report(width: int = WIDTH) -> Iterator[str]:
    """Each mistake, and what npnet says about it, in lines of at most ``width`` where they can."""
    for number, mistake in enumerate(MISTAKES, 1):
        yield textwrap.fill(f"{number:2}. {mistake.done}", width, subsequent_indent=" " * 4)
        for line in mistake.says().splitlines():
            yield textwrap.fill(
                line,
                width,
                initial_indent=" " * 6,
                subsequent_indent=" " * 8,
                break_long_words=False,
                break_on_hyphens=False,
            )
