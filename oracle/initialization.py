"""Everything random of a recipe, in torch: splits, parameters, minibatches."""

import itertools
import math
import operator
import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch

from npnet.base.errors import InputError
from npnet.network.names import PARAMETER_NAMES, shape_of
from npnet.recipes.recipe import Recipe
from oracle.lines import Array, array_of

Whole = TypeVar("Whole", list[str], Array)
OPERATIONS = {"*": operator.mul, "/": operator.truediv, "+": operator.add, "-": operator.sub}


def seeded(seed: int) -> torch.Generator:
    """Torch's CPU generator, as every notebook makes it."""
    return torch.Generator().manual_seed(seed)


def cut(whole: Whole) -> dict[str, Whole]:
    """``train``, ``dev`` and ``test`` of words, or of rows: cut at 80 % and 90 %."""
    n1 = int(0.8 * len(whole))
    n2 = int(0.9 * len(whole))
    return {"train": whole[:n1], "dev": whole[n1:n2], "test": whole[n2:]}


def dataset(words: Sequence[str], chars: str, block_size: int) -> tuple[Array, Array]:
    """Contexts (N, T) and targets (N,), one for each character and each end of a word."""
    X, Y = window_lists(words, chars, block_size)
    return np.array(X, np.int64), np.array(Y, np.int64)


def window_lists(
    words: Sequence[str], chars: str, block_size: int
) -> tuple[list[list[int]], list[int]]:
    """The same as lists, appended to character by character as in the lecture."""
    stoi = {ch: ix for ix, ch in enumerate(chars)}
    X, Y = [], []
    for word in words:
        context = [0] * block_size
        for ch in word + ".":
            ix = stoi[ch]
            X.append(context)
            Y.append(ix)
            context = context[1:] + [ix]  # noqa: RUF005
    return X, Y


def split_examples(
    recipe: Recipe, words: Sequence[str], chars: str, g: torch.Generator
) -> dict[str, tuple[Array, Array]]:
    """Contexts and targets of the three splits.

    ``g`` is the run's own generator. It permutes the examples if the recipe splits examples and
    has no seed for it.
    """
    words = list(words)
    for _ in range(recipe.shuffles):  # each time that the notebook's cell ran, it seeded first
        random.Random(recipe.shuffle_seed).shuffle(words)
    if recipe.split == "words":
        return {part: dataset(some, chars, recipe.block_size) for part, some in cut(words).items()}
    X, Y = dataset(words, chars, recipe.block_size)
    if recipe.split_seed is not None:
        g = seeded(recipe.split_seed)
    perm = array_of(torch.randperm(len(X), generator=g))
    return {part: (X[rows], Y[rows]) for part, rows in cut(perm).items()}


def draw_parameters(recipe: Recipe, V: int, g: torch.Generator) -> dict[str, Array]:
    """The seven parameters for ``V`` characters, in the recipe's order.

    Drawn from ``g``, but for draws with a seed: those with the same one share a generator of
    theirs. Drawn and scaled in float32 whatever the recipe's dtype, then cast to it. A ``b1``
    that the recipe leaves out is zeros.
    """
    sizes = {"V": V, "E": recipe.embedding, "T": recipe.block_size, "H": recipe.hidden}
    others: dict[int, torch.Generator] = {}
    params = {"b1": torch.zeros(recipe.hidden)}
    for draw in recipe.draws:
        shape = shape_of(draw.name, sizes)
        if draw.constant is not None:
            params[draw.name] = torch.full(shape, draw.constant, dtype=torch.float32)
            continue
        if draw.seed is not None and draw.seed not in others:
            others[draw.seed] = seeded(draw.seed)
        source = g if draw.seed is None else others[draw.seed]
        drawn = torch.randn(shape, generator=source, dtype=torch.float32)
        for step in draw.scale:
            operation, operand = OPERATIONS[step.strip()[0]], step.strip()[1:].strip()
            drawn = operation(drawn, _operand(operand, fan_in=shape[0]))
        params[draw.name] = drawn
    return {name: array_of(params[name]).astype(recipe.dtype) for name in PARAMETER_NAMES}


def _operand(text: str, fan_in: int) -> float:
    if text == "fan_in":
        return float(fan_in)
    if text == "sqrt(fan_in)":
        return math.sqrt(fan_in)
    over, _, under = text.partition("/")
    return float(over) / float(under or 1)


def draw_rows(recipe: Recipe, N: int, g: torch.Generator, count: int) -> Array:
    """The rows (count, n) of ``count`` minibatches, out of ``N`` examples.

    Raises:
        InputError: the recipe draws them over more than ``N``.
    """
    over = N if recipe.batch_over is None else recipe.batch_over
    if over > N:
        raise InputError(
            f"oracle: batch_over is {over}, wanted at most {N}, the number of training examples"
        )
    return array_of(torch.randint(0, over, (count, recipe.batch), generator=g))


def draw_all(
    recipe: Recipe, V: int, N: int, g: torch.Generator
) -> tuple[dict[str, Array], Iterator[Array]]:
    """The parameters, and the rows (n,) of each step's minibatch, in the recipe's order.

    Minibatches after the parameters are drawn one by one, when they are needed; those before
    the parameters are all drawn at once.
    """
    once = recipe.batch_once
    if recipe.batch_first:
        rows = iter(draw_rows(recipe, N, g, 1 if once else recipe.steps))
        params = draw_parameters(recipe, V, g)
    else:
        params = draw_parameters(recipe, V, g)
        rows = (draw_rows(recipe, N, g, 1)[0] for _ in range(recipe.steps))
    return params, itertools.repeat(next(rows), recipe.steps) if once else rows
