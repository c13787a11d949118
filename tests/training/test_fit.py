"""``npnet.fit`` for every field of a recipe, compared with the same run in plain loops."""

import dataclasses
import math
import random
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import Draw, Recipe
from npnet.base.arrays import Array
from npnet.network.names import PARAMETER_NAMES
from npnet.training.fit import examples_of

TINY = Recipe(
    "tiny",
    block_size=2,
    embedding=2,
    hidden=3,
    batch=4,
    steps=6,
    rates=((0, 0.5), (3, 0.2)),
    momentum=0.25,
    dtype="float64",
)
WORDS = ["anna", "bob", "zoe", "ada", "mia", "otto", "nina", "ava", "noor", "ben"] * 2
SEEDED = tuple(
    dataclasses.replace(draw, seed=5 if draw.name in ("W1", "b2", "bngain") else None)
    for draw in TINY.draws
)
HALF_TRAINED = (
    Draw("W2", ("* 0.01",)),
    Draw("C", trained=False),
    Draw("W1", ("/ sqrt(fan_in)",)),
    Draw("bngain", constant=1.5, trained=False),
    Draw("b2", ("* 0",)),
    Draw("bnbias", constant=0.0),
)
VARIANTS: list[dict[str, Any]] = [
    {},
    {"shuffles": 3},
    {"shuffles": 0},
    {"split": "examples"},
    {"split": "examples", "split_seed": 7, "shuffles": 0},
    {"split": "permuted-words", "shuffles": 0},
    {"split": "permuted-words", "split_seed": 5},
    {"variance": "biased"},
    {"variance": "biased", "statistics": "running-std", "eps": 0.5},
    {"statistics": "own-rows"},
    {"rates": "0.3 * exp(-i / 4)"},
    {"batch_over": 5},
    {"batch_once": True},
    {"batch_first": True},
    {"batch_first": True, "batch_once": True, "split": "examples", "batch_over": 9},
    {"decay": 0.5},
    {"eps": 0.0, "statistics": "running-std"},
    {"statistics": "running-var"},
    {"statistics": "last-batch"},
    {"statistics": "running-var", "training_statistics": "running"},
    {"statistics": "running-std", "training_statistics": "running", "eps": 0.5},
    {"draws": SEEDED},
    {"draws": HALF_TRAINED},
    {"block_size": 1, "embedding": 5, "hidden": 1, "batch": 2},
    {"block_size": 5, "embedding": 1, "hidden": 9, "batch": 17},
]


def notebook(recipe: Recipe, words: list[str]) -> tuple[list[float], dict[str, float]]:
    """Losses and split losses of a run in plain loops, differentiated by complex steps.

    Nothing but the recipe's numbers and the generator is npnet's.
    """
    words = list(words)
    chars = "." + "".join(sorted(set("".join(words))))
    for _ in range(recipe.shuffles):
        random.Random(recipe.shuffle_seed).shuffle(words)
    generator = npnet.Generator(recipe.seed)

    def rows_of(some: list[str]) -> list[tuple[list[int], int]]:
        rows = []
        for word in some:
            context = [0] * recipe.block_size
            for char in word + ".":
                rows.append((context, chars.index(char)))
                context = [*context[1:], chars.index(char)]
        return rows

    everything: list[Any] = words
    if recipe.split != "words":
        own = recipe.split_seed is None
        splitter = generator if own else npnet.Generator(recipe.split_seed or 0)
        everything = rows_of(words) if recipe.split == "examples" else words
        everything = [everything[place] for place in splitter.randperm(len(everything))]
    first, second = int(0.8 * len(everything)), int(0.9 * len(everything))
    parts = [everything[:first], everything[first:second], everything[second:]]
    if recipe.split != "examples":
        parts = [rows_of(part) for part in parts]
    splits = [[np.array(side) for side in zip(*part, strict=True)] for part in parts]
    X, Y = splits[0]

    def draw_rows() -> Array:
        return generator.randint(0, recipe.batch_over or len(X), (recipe.batch,))

    minibatches = []
    if recipe.batch_first:
        minibatches = [draw_rows() for _ in range(1 if recipe.batch_once else recipe.steps)]

    V, E, T, H = len(chars), recipe.embedding, recipe.block_size, recipe.hidden
    shapes = dict(zip(PARAMETER_NAMES, [(V, E), (T * E, H), (H,), (H, V), (V,)], strict=False))
    shapes |= {"bngain": (1, H), "bnbias": (1, H)}
    params: dict[str, Array] = {"b1": np.zeros(H, complex)}
    others = {draw.seed: npnet.Generator(int(draw.seed)) for draw in recipe.draws if draw.seed}
    for draw in recipe.draws:
        shape = shapes[draw.name]
        if draw.constant is not None:
            params[draw.name] = np.full(shape, draw.constant, complex)
        else:
            normals = others.get(draw.seed or 0, generator).randn(*shape)
            params[draw.name] = draw.scaled(normals, shape[0]).astype(complex)

    def hidden_of(X: Array) -> Array:
        return params["C"][X].reshape(len(X), -1) @ params["W1"] + params["b1"]

    def loss_of(X: Array, Y: Array, mean: Array | None, var: Array | None) -> Any:
        hprebn = hidden_of(X)
        if mean is None or var is None:
            mean = hprebn.mean(0)
            var = ((hprebn - mean) ** 2).sum(0) / (len(X) - (recipe.variance == "unbiased"))
        bnraw = (hprebn - mean) / np.sqrt(var + recipe.eps)
        h = np.tanh(params["bngain"] * bnraw + params["bnbias"])
        logits = h @ params["W2"] + params["b2"]
        return (np.log(np.exp(logits).sum(1)) - logits[np.arange(len(Y)), Y]).mean()

    mean, spread = np.zeros(H), np.ones(H)
    power = 2 if recipe.statistics == "running-std" else 1
    losses = []
    for step in range(recipe.steps):
        if len(minibatches) <= step and not (minibatches and recipe.batch_once):
            minibatches.append(draw_rows())
        rows = minibatches[0 if recipe.batch_once else step]
        used = (mean, spread**power) if recipe.training_statistics == "running" else (None, None)
        losses.append(loss_of(X[rows], Y[rows], *used).real)
        batch = hidden_of(X[rows]).real
        gradients = {name: np.zeros(array.shape) for name, array in params.items()}
        for name, array in params.items():
            for place in np.ndindex(array.shape):
                array[place] += 1e-30j
                gradients[name][place] = loss_of(X[rows], Y[rows], *used).imag / 1e-30
                array[place] -= 1e-30j
        if isinstance(recipe.rates, str):
            rate = eval(recipe.rates, {"exp": math.exp, "i": step})
        else:
            rate = [rate for start, rate in recipe.rates if start <= step][-1]
        for draw in recipe.draws:
            if draw.trained:
                params[draw.name] -= rate * recipe.decay**step * gradients[draw.name]
        new = 1 if recipe.statistics == "last-batch" else recipe.momentum
        mean = (1 - new) * mean + new * batch.mean(0)
        spread = (1 - new) * spread + new * batch.var(0, ddof=1) ** (1 / power)
    if recipe.statistics == "whole-set":
        mean, spread = hidden_of(X).real.mean(0), hidden_of(X).real.var(0, ddof=1)
    if recipe.statistics == "own-rows":
        own_rows = [hidden_of(X).real for X, _ in splits]
        used_by = [(own.mean(0), own.var(0, ddof=1)) for own in own_rows]
    else:
        used_by = [(mean, spread**power)] * 3
    kept = [
        loss_of(X, Y, mean, var).real for (X, Y), (mean, var) in zip(splits, used_by, strict=True)
    ]
    return losses, dict(zip(("train", "dev", "test"), kept, strict=True))


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: " ".join(changes) or "plain")
def test_fit_does_what_the_recipe_says(changes: dict[str, Any]) -> None:
    recipe = dataclasses.replace(TINY, **changes)
    run = npnet.fit(recipe, WORDS)
    losses, split_losses = notebook(recipe, WORDS)
    np.testing.assert_allclose(run.losses, losses, rtol=1e-9)
    assert run.split_losses == pytest.approx(split_losses, rel=1e-9)


@pytest.mark.parametrize("changes", VARIANTS[1:], ids=lambda changes: " ".join(changes))
def test_every_variant_is_another_run(changes: dict[str, Any]) -> None:
    plain, other = npnet.fit(TINY, WORDS), npnet.fit(dataclasses.replace(TINY, **changes), WORDS)
    assert plain.split_losses != other.split_losses


@pytest.mark.parametrize("split_seed", [None, 7])
def test_a_runs_splits_can_be_made_again(split_seed: int | None) -> None:
    recipe = dataclasses.replace(TINY, split="examples", split_seed=split_seed)
    run = npnet.fit(recipe, WORDS)
    examples = examples_of(recipe, run.words, run.vocab)
    again = {name: npnet.evaluate(run.params, run.stats, *both) for name, both in examples.items()}
    assert again == run.split_losses
