"""Stochastic gradient descent: minibatches, steps, rates. This module prints nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Generator as Yielding
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from npnet.base.arguments import an, checked
from npnet.base.arrays import Floats, Ints
from npnet.base.errors import DivergedError, InputError, kind_of
from npnet.network.fast import Workspace
from npnet.network.parameters import Parameters, check_batch
from npnet.recipes.recipe import Recipe
from npnet.torch_rng.generator import Generator
from npnet.training.running_norm import Running, RunningNorm

# How many minibatches are drawn and prepared at once, and at most how many numbers (4 MB of
# float32) are in their one-hot rows and logits. A large vocabulary or batch gives fewer
# minibatches.
AHEAD = 64
AHEAD_NUMBERS = 1 << 20
# The steps between two saved states of the generator. From a state, any later step can be reached.
# Saving one takes 35 µs; after every 64 steps, that would be 1 % of the time.
NOTED = 1024


class Record(NamedTuple):
    """One step of training: its number (from 0), its loss before the update, and its rate."""

    step: int
    loss: float
    lr: float


@checked(g=an(Generator, "an npnet.Generator"), running=an(Running, "an npnet.Running"))
def train(
    recipe: Recipe,
    params: Parameters,
    X: ArrayLike,
    Y: ArrayLike,
    g: Generator,
    *,
    running: Running | None = None,
) -> Iterator[Record]:
    """Train ``params`` in place, yielding a record for every step.

    Args:
        recipe: steps, batch, rates, eps and what is trained.
        params: changed in place. When the record of a step is yielded, the step has been taken.
        X, Y: the training set, (N, T) and (N,).
        g: draws ``recipe.batch`` row indices for each step with ``randint``, as torch does, or only
            once if the recipe says so. Between two records, ``g`` is some steps ahead. When the
            iterator ends or is closed, its state is the same as after drawing step by step.
        running: running averages to update at every step, or None.

    Yields:
        ``Record(step, loss, lr)``; the loss is that of the minibatch before the update.

    Raises:
        DivergedError: at the first loss that is not finite, with ``params`` as they were
            before that step.
        InputError: parameters and training set do not fit, or the parameters are read-only.
    """
    step = 0
    blocks = train_blocks(recipe, params, X, Y, g, every=1, running=running)
    with contextlib.closing(blocks):
        for losses in blocks:
            yield Record(step, float(losses[0]), recipe.rate(step))
            step += 1


def train_blocks(
    recipe: Recipe,
    params: Parameters,
    X: ArrayLike,
    Y: ArrayLike,
    g: Generator,
    *,
    every: int = AHEAD,
    running: Running | None = None,
    start: int = 0,
    cut: int | None = None,
) -> Yielding[Floats, None, None]:
    """Train as ``train`` does, but yield blocks of ``every`` losses instead of records.

    The steps are those of ``train``, bit for bit. ``params`` and ``running`` are up to date at
    each yield. A block can be shorter than ``every``: the last block, and one at the end of a
    prepared stretch of at most ``AHEAD`` minibatches. The errors are those of ``train``. If a loss
    is not finite, the finite losses of its block are yielded first, with ``params`` as they were
    before the block. ``start`` is the number of the first step if a run continues; ``params``,
    ``g`` and ``running`` must be as they were before this step. No block crosses a multiple of
    ``cut``, if given.
    """
    Recipe.of(recipe)
    # Parameters made from a mapping here would be trained and then lost
    if not isinstance(params, Parameters):
        raise InputError(f"train: params are {kind_of(params)}, wanted npnet.Parameters")
    X, Y = check_batch("train", params, X, Y)
    for name, array in params.items():
        if not array.flags.writeable:
            raise InputError(
                f"train: params.{name} is read-only, wanted arrays to change in place: "
                "train params.copy()"
            )
    workspace: Workspace | RunningNorm
    if recipe.training_statistics == "running":
        running = Running.begin(recipe) if running is None else running
        workspace = RunningNorm(params, recipe.trained, running, recipe.eps)
    else:
        averaged = running is not None
        workspace = Workspace(
            params,
            recipe.batch,
            recipe.eps,
            recipe.trained,
            averaged=averaged,
            biased=recipe.variance == "biased",
        )
    once = draw_rows(recipe, len(X), g) if recipe.batch_once else None
    numbers = params.sizes["V"] * recipe.batch * (recipe.block_size + 2)
    ahead = max(1, min(AHEAD, AHEAD_NUMBERS // numbers))
    examples = compact(X, Y, params.sizes["V"])
    before, since = g.get_state(), start
    for first, count in stretches(start, recipe.steps, ahead, cut):
        if first - since >= NOTED:
            before, since = g.get_state(), first
        rows = draw_rows(recipe, len(X), g, count) if once is None else once.repeat(count, axis=0)
        workspace.load(*minibatches(examples, rows))
        done = 0
        try:
            for begin in range(0, count, every):
                end = min(begin + every, count)
                # numbers that are not finite are found in the losses
                with np.errstate(all="ignore"):
                    for k in range(begin, end):
                        workspace.step(k, recipe.rate(first + k))
                        if running is not None:
                            running.update(workspace.mean, workspace.var)
                    losses = workspace.losses(begin, end)
                finite = np.isfinite(losses)
                good = end - begin if finite.all() else int(finite.argmin())
                if good == end - begin:
                    workspace.store(params)
                done = begin + good
                if good:
                    yield losses[:good]
                if good < end - begin:
                    step = first + done
                    loss = float(losses[good])
                    raise DivergedError(step, loss, recipe.rate(max(step - 1, 0)), recipe.eps)
        finally:
            # as if the numbers of steps that were not taken had not been drawn
            if done < count and once is None:
                g.set_state(before)
                draw_rows(recipe, len(X), g, first + done - since)


def stretches(start: int, end: int, most: int, cut: int | None) -> Iterator[tuple[int, int]]:
    """First step and length of stretches from ``start`` to ``end``; none crosses ``cut``."""
    first = start
    while first < end:
        count = min(most, end - first)
        if cut is not None:
            count = min(count, cut - first % cut)
        yield first, count
        first += count


def draw_rows(recipe: Recipe, examples: int, g: Generator, count: int = 1) -> Ints:
    """Draw the row indices (count, n) of ``count`` minibatches, out of this number of examples.

    Raises:
        InputError: as ``rows_below``.
    """
    return g.randint(0, rows_below(recipe, examples), (count, recipe.batch))


def rows_below(recipe: Recipe, examples: int) -> int:
    """The number below which row indices are drawn.

    Raises:
        InputError: the recipe draws them from more examples than there are.
    """
    over = examples if recipe.batch_over is None else recipe.batch_over
    if over > examples:
        raise InputError(
            f"train: batch_over is {over}, wanted at most {examples}: "
            "there are no more training examples to draw from"
        )
    return over


def compact(X: Ints, Y: Ints, V: int) -> Ints:
    """Contexts and targets (N, T+1) in the smallest type that holds indices below V.

    For names, an example is then 4 bytes instead of 32, and all examples fit into the cache.
    """
    examples = np.empty((len(X), X.shape[1] + 1), np.min_scalar_type(V - 1))
    examples[:, :-1], examples[:, -1] = X, Y
    return examples


def minibatches(examples: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Contexts (K, n, T) and targets (K, n) of these ``rows`` (K, n) of ``compact``."""
    picked = examples.take(rows, 0).astype(np.intp)
    return picked[..., :-1], picked[..., -1]
