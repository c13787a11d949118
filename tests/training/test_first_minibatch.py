"""The first minibatch is the one that training uses, for every way to split and to draw."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import npnet
from npnet.base.arrays import Ints
from npnet.cli.check import first_minibatch
from npnet.training import sgd
from npnet.training.fit import first_batch
from npnet.training.running_norm import first_logits

SMALL = dataclasses.replace(
    npnet.RECIPES["lecture-64"], name="small", hidden=5, batch=8, steps=3, dtype="float64"
)
CHANGES: dict[str, dict[str, Any]] = {
    "plain": {},
    "examples split by the run's generator": {"split": "examples"},
    "examples split by a seed of their own": {"split": "examples", "split_seed": 7},
    "drawn over fewer examples": {"batch_over": 20},
    "drawn before the parameters": {"batch_first": True},
    "one minibatch, drawn before the parameters": {"batch_first": True, "batch_once": True},
    "one minibatch for every step": {"batch_once": True},
    "two shuffles": {"shuffles": 2},
    "all of it": {"split": "examples", "batch_over": 20, "batch_first": True},
}


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Ints, Ints]]:
    """The minibatches that training prepares, noted as it does."""
    noted: list[tuple[Ints, Ints]] = []

    def noting(examples: Ints, rows: Ints) -> tuple[Ints, Ints]:
        X, Y = minibatches(examples, rows)
        noted.extend(zip(X.copy(), Y.copy(), strict=True))
        return X, Y

    minibatches = sgd.minibatches
    monkeypatch.setattr(sgd, "minibatches", noting)
    return noted


@pytest.mark.parametrize("change", CHANGES)
def test_the_first_minibatch_is_the_one_that_training_takes(
    change: str, taken: list[tuple[Ints, Ints]], small_words: list[str]
) -> None:
    recipe = dataclasses.replace(SMALL, **CHANGES[change])
    params, X, Y = first_batch(recipe, small_words)
    losses = npnet.fit(recipe, small_words).losses
    np.testing.assert_array_equal(X, taken[0][0])
    np.testing.assert_array_equal(Y, taken[0][1])
    loss = npnet.forward(params, X, Y, recipe.eps).loss
    assert abs(loss - losses[0]) < 1e-13 * loss


@pytest.mark.parametrize("change", CHANGES)
def test_check_judges_the_minibatch_that_training_takes(
    change: str, taken: list[tuple[Ints, Ints]], small_words: list[str]
) -> None:
    recipe = dataclasses.replace(SMALL, **CHANGES[change])
    values = first_minibatch(recipe, small_words)
    npnet.fit(recipe, small_words)
    np.testing.assert_array_equal(values.X, taken[0][0])
    np.testing.assert_array_equal(values.Y, taken[0][1])


def test_the_changes_give_different_minibatches(small_words: list[str]) -> None:
    rows = {
        change: first_batch(dataclasses.replace(SMALL, **CHANGES[change]), small_words)[1].tobytes()
        for change in CHANGES
    }
    # One minibatch that serves every step is the first of many.
    assert rows.pop("one minibatch for every step") == rows["plain"]
    once = rows.pop("one minibatch, drawn before the parameters")
    assert once == rows["drawn before the parameters"]
    assert len({*rows.values()}) == len(rows)


@pytest.mark.parametrize(
    "changes", [{}, {"variance": "biased"}, {"training_statistics": "running"}]
)
def test_the_first_logits_are_those_of_the_forward_pass(
    changes: dict[str, Any], small_words: list[str]
) -> None:
    recipe = dataclasses.replace(SMALL, eps=0.25, statistics="running-var", **changes)
    params, X, Y = first_batch(recipe, small_words)
    params.bngain[...], params.bnbias[...] = 1.5, 0.25
    params.b1[...] = np.arange(5)  # which averages do not take out again
    v = npnet.forward(params, X, Y, recipe.eps)
    raw = {"biased": v.bndiff * (v.bnvar * 7 / 8 + 0.25) ** -0.5, "unbiased": v.bnraw}
    if recipe.training_statistics == "running":
        raw["unbiased"] = v.hprebn * 1.25**-0.5  # averages begin at mean 0 and variance 1
    h = np.tanh(1.5 * raw[recipe.variance] + 0.25)
    logits = first_logits(recipe, params, X)
    np.testing.assert_allclose(logits, h @ params.W2 + params.b2, rtol=1e-12)
