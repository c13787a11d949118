"""`npnet exercise mistakes`: twelve common mistakes, and what the checks say about each."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from typing import NamedTuple

from npnet.base.errors import InputError
from npnet.checks.compare import compare
from npnet.corpora.known import default_words
from npnet.learn.explain import WIDTH
from npnet.learn.grading import grade
from npnet.learn.grading_inputs import RECIPE, cases
from npnet.learn.wrong_gradients import wrong_gradient
from npnet.network.fused import cross_entropy
from npnet.network.gradients import GRADIENTS
from npnet.training.batchnorm import calibrate
from npnet.training.evaluation import evaluate
from npnet.training.fit import begin
from npnet.training.sgd import train_blocks


class Mistake(NamedTuple):
    """A mistake, and what npnet says about it."""

    done: str
    says: Callable[[], str]


def _graded(exercise: str, what: str) -> Callable[[], str]:
    """What the grader says about a mistake in the catalogue."""
    wrong = wrong_gradient(exercise, what)

    def says() -> str:
        mark = grade({exercise: wrong.function}).marks[0]
        return f"{exercise}: {mark.verdict}\n{mark.reason}\n{mark.cause}"

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
        "The loop for dC is indented so that only the last context position is used.",
        _graded("dC", "only the last position, and one of its repeats, is used"),
    ),
    Mistake(
        "dC[X] += demb, which loses repeats.",
        _graded("dC", "dC[X] += demb keeps one of several repeats"),
    ),
    Mistake("dbnmeani is summed without keepdims.", _graded("dbnmeani", "keepdims is forgotten")),
    Mistake("n stands where n - 1 belongs, in dbndiff2.", _graded("dbndiff2", "n for n - 1")),
    Mistake(
        "The same in the fused form: the factor n / (n - 1) is missing.",
        _graded("dhprebn_at_once", "the factor n / (n - 1) is forgotten"),
    ),
    Mistake("A check is called with (H,) for (1, H), which broadcasts silently.", _broadcast),
    Mistake(
        "The forward pass is rerun after the backward pass, so that the reference's .grad is None.",
        _rerun,
    ),
    Mistake("Calibration over the last minibatch instead of the training set.", _last_minibatch),
    Mistake(
        "The evaluation feeds the embedding to the loss instead of the logits.",
        _embedding_for_logits,
    ),
    Mistake(
        "db1 is written down as zeros, because that is what comes out.",
        _graded("db1", "zeros are written down"),
    ),
    Mistake(
        "The path through the maximum is missing in dlogits.",
        _graded("dlogits", "the path through the maximum is forgotten"),
    ),
    Mistake(
        "The path through bndiff2 is missing in dbnmeani.",
        _graded("dbnmeani", "what is summed lacks the path through bndiff2"),
    ),
)


def report(width: int = WIDTH) -> Iterator[str]:
    """Each mistake, and what npnet says about it, in lines of at most ``width`` if possible."""
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
