"""Drawing everything random of a recipe in torch: splits, parameters, minibatches."""

import itertools
import math
import operator
import random
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch.utils.data import random_split

from npnet.base.errors import InputError
from npnet.network.names import PARAMETER_NAMES, shape_of
from npnet.recipes.recipe import Recipe
from oracle.lines import Array, array_of

Whole = TypeVar("Whole", list[str], Array)
OPERATIONS = {"*": operator.mul, "/": operator.truediv, "+": operator.add, "-": operator.sub}


def seeded(seed: int) -> torch.Generator:
    """A CPU generator of torch with this seed, made as in notebooks."""
    return torch.Generator().manual_seed(seed)


def cut(whole: Whole, rounding: str = "int") -> dict[str, Whole]:
    """``train``, ``dev`` and ``test`` of words, or of rows: cut at 80 % and 90 %."""
    n1 = int(0.8 * len(whole))
    n2 = int(0.9 * len(whole))
    if rounding == "random_split":
        # The sizes that torch's own random_split gives.
        numbers: Any = range(len(whole))
        pieces: list[Any] = random_split(numbers, [0.8, 0.1, 0.1], generator=seeded(0))
        n1 = len(pieces[0])
        n2 = n1 + len(pieces[1])
    return {"train": whole[:n1], "dev": whole[n1:n2], "test": whole[n2:]}


def dataset(words: Sequence[str], chars: str, block_size: int) -> tuple[Array, Array]:
    """Contexts (N, T) and targets (N,), one for each character and each end of a word."""
    X, Y = window_lists(words, chars, block_size)
    return np.array(X, np.int64), np.array(Y, np.int64)


def window_lists(
    words: Sequence[str], chars: str, block_size: int
) -> tuple[list[list[int]], list[int]]:
    """The same as lists that grow character by character, as in the lecture."""
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

    ``g`` is the generator of the run. It draws the permutation of words or examples, if the recipe
    has one without its own seed.
    """
    words = list(words)
    for _ in range(recipe.shuffles):  # the cell of a notebook sets the seed each time it runs
        random.Random(recipe.shuffle_seed).shuffle(words)
    if recipe.split_seed is not None:
        g = seeded(recipe.split_seed)
    if recipe.split == "permuted-words":
        words = [words[ix] for ix in torch.randperm(len(words), generator=g).tolist()]
    if recipe.split != "examples":
        parts = cut(words, recipe.rounding)
        return {part: dataset(some, chars, recipe.block_size) for part, some in parts.items()}
    X, Y = dataset(words, chars, recipe.block_size)
    perm = array_of(torch.randperm(len(X), generator=g))
    return {part: (X[rows], Y[rows]) for part, rows in cut(perm, recipe.rounding).items()}


def draw_parameters(recipe: Recipe, V: int, g: torch.Generator) -> dict[str, Array]:
    """The seven parameters for ``V`` characters, in the recipe's order.

    They are drawn from ``g``, except for draws with a seed; draws with the same seed share one
    generator. They are drawn and scaled in the recipe's ``draw_dtype`` and then cast to its dtype.
    If the recipe leaves out ``b1``, it is all zeros.

    Raises:
        InputError: a seed is lost.
    """
    if recipe.lost:
        raise InputError(f"oracle: the seed of {recipe.lost[0]} is lost, wanted a number")
    dtype = getattr(torch, recipe.draw_dtype)
    sizes = {"V": V, "E": recipe.embedding, "T": recipe.block_size, "H": recipe.hidden}
    others: dict[int | str, torch.Generator] = {}
    params = {"b1": torch.zeros(recipe.hidden)}
    for draw in recipe.draws:
        shape = draw.shape or shape_of(draw.name, sizes)
        if draw.constant is not None:
            params[draw.name] = torch.full(shape, draw.constant, dtype=dtype)
            continue
        if draw.seed is not None and draw.seed not in others:
            others[draw.seed] = seeded(int(draw.seed))
        source = g if draw.seed is None else others[draw.seed]
        for _ in range(draw.skip or 0):  # one word for each number
            torch.randint(0, 2, (1,), generator=source)
        drawn = torch.randn(shape, generator=source, dtype=dtype)
        for step in draw.scale:
            operation, operand = OPERATIONS[step.strip()[0]], step.strip()[1:].strip()
            drawn = operation(drawn, _operand(operand, fan_in=shape[0]))
        params[draw.name] = drawn
    return {name: array_of(params[name]).astype(recipe.dtype) for name in PARAMETER_NAMES}


def _operand(text: str, fan_in: int) -> float:
    # Python computes the formula, as in the notebook. A recipe accepts only arithmetic here.
    return float(eval(text, {"__builtins__": {}, "sqrt": math.sqrt, "fan_in": fan_in}))


def draw_rows(recipe: Recipe, N: int, g: torch.Generator, count: int) -> Array:
    """The rows (count, n) of ``count`` minibatches, out of ``N`` examples.

    Raises:
        InputError: the recipe draws them from more than ``N`` examples.
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

    Minibatches are drawn one by one, when they are needed. If the recipe draws them before the
    parameters, they are all drawn at once.
    """
    once = recipe.batch_once
    if recipe.batch_first:
        rows = iter(draw_rows(recipe, N, g, 1 if once else recipe.steps))
        params = draw_parameters(recipe, V, g)
    else:
        params = draw_parameters(recipe, V, g)
        rows = (draw_rows(recipe, N, g, 1)[0] for _ in range(recipe.steps))
    return params, itertools.repeat(next(rows), recipe.steps) if once else rows
