"""Running npnet and torch side by side: one recipe, and each side draws and trains by itself.

Both sides take one step at a time, and only their losses are kept in memory. At the first step
whose losses differ too much, the gradients are compared at once, because both sides still have the
parameters of this step.
"""

import copy
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from npnet.base.equality import EqualFields
from npnet.base.errors import DivergedError, InputError
from npnet.base.files import replacing
from npnet.checks.compare import compare
from npnet.checks.report import Report
from npnet.network.forward import forward
from npnet.network.gradients import backward
from npnet.network.names import PARAMETER_NAMES
from npnet.network.parameters import Parameters
from npnet.recipes.recipe import Recipe
from npnet.training.fit import begin as npnet_begin
from npnet.training.sgd import draw_rows
from npnet.training.sgd import train as npnet_train
from oracle.lines import Array
from oracle.replay import Running, begin, train
from oracle.whole import whole

SIDES = ("npnet", "torch")


class Taken(NamedTuple):
    """One step of one side."""

    rows: Array  # (n,), its minibatch
    loss: float  # before its update
    params: Mapping[str, Array]  # before its update; the next step overwrites them


class Side(NamedTuple):
    """One of the two sides during training."""

    X: Array  # (N, T), its training set
    Y: Array  # (N,)
    params: dict[str, Array]  # as drawn; training does not change them
    steps: Iterator[Taken]


class Crossing(NamedTuple):
    """The first step at which the two losses differ by more than the limit.

    ``report`` compares npnet's 26 gradients for the minibatch of this step with torch's, each for
    the parameters of its side before the update. It is None for a recipe that normalises by running
    averages in training, because the 26 gradients are for normalisation by the minibatch.
    """

    step: int
    report: Report | None


@dataclass(frozen=True, eq=False)
class Lockstep(EqualFields):
    """The result of both sides.

    Attributes:
        recipe: the recipe of both sides.
        npnet, torch: (steps,) in the recipe's dtype: the loss of every step, before its update. If
            a side diverged, there are fewer steps than in the recipe.
        unlike: the names of ``X``, ``Y`` (the training set) and the seven drawn parameters that are
            not equal in every bit.
        strays: the first step whose two minibatches have different rows, or None.
        crossing: the first step over the limit, or None.
        diverged: the sides whose next loss is not finite.
    """

    recipe: Recipe
    npnet: Array
    torch: Array
    unlike: tuple[str, ...]
    strays: int | None
    crossing: Crossing | None
    diverged: tuple[str, ...]

    @property
    def gaps(self) -> Array:
        """|npnet - torch| of every step, (steps,) float64, exact for float32 losses."""
        gaps: Array = np.abs(self.npnet.astype(np.float64) - self.torch)
        return gaps

    def write_csv(self, path: Path) -> None:
        """Write step, both losses and their gap, so that the same floats can be read back."""
        rows = zip(self.npnet, self.torch, self.gaps, strict=True)
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write(f"step,{','.join(SIDES)},gap\n")
            file.writelines(
                f"{step},{ours!s},{theirs!s},{gap!s}\n"
                for step, (ours, theirs, gap) in enumerate(rows)
            )


def lockstep(
    recipe: Recipe,
    words: Sequence[str],
    *,
    steps: int | None = None,
    limit: float = 1e-5,
    watch: Callable[[int, float, float], None] | None = None,
) -> Lockstep:
    """Run a recipe in npnet and in torch, step by step.

    Args:
        recipe: every number of the run.
        words: at least 10, without the end mark ``.``.
        steps: stop after this number, from 1 to ``recipe.steps``; None: all steps.
        limit: the largest allowed gap, 0 or more, in nats.
        watch: called after every step with its number and the losses of npnet and torch.

    Raises:
        InputError: the words, the number of steps or the limit cannot be used.
    """
    steps = recipe.steps if steps is None else steps
    if not 1 <= steps <= recipe.steps:
        raise InputError(f"lockstep: steps {steps}, wanted 1 to {recipe.steps} as the recipe has")
    if not 0 <= limit < math.inf:
        raise InputError(f"lockstep: limit {limit}, wanted a number of 0 or more, such as 1e-5")
    sides = (_npnet_side(recipe, words), _torch_side(recipe, words))
    losses = np.empty((2, steps), recipe.dtype)
    strays, crossing, diverged, done = None, None, [], 0
    for step in range(steps):
        taken = []
        for name, side in zip(SIDES, sides, strict=True):
            try:
                taken.append(next(side.steps))
            except DivergedError:
                diverged.append(name)
        if diverged:
            break
        ours, theirs = taken
        losses[:, step] = ours.loss, theirs.loss
        done += 1
        if strays is None and not np.array_equal(ours.rows, theirs.rows):
            strays = step
        if crossing is None and abs(ours.loss - theirs.loss) > limit:
            crossing = Crossing(step, _compared(recipe, sides, ours, theirs))
        if watch is not None:
            watch(step, ours.loss, theirs.loss)
    return Lockstep(
        recipe=recipe,
        npnet=losses[0, :done],
        torch=losses[1, :done],
        unlike=_unlike(*sides),
        strays=strays,
        crossing=crossing,
        diverged=tuple(diverged),
    )


def _npnet_side(recipe: Recipe, words: Sequence[str]) -> Side:
    _, examples, params, generator = npnet_begin(recipe, words)
    X, Y = examples["train"]
    # a copy draws the same rows, because training does not return them
    again = copy.copy(generator)

    def rows() -> Iterator[Array]:
        if recipe.batch_once:
            yield from itertools.repeat(draw_rows(recipe, len(X), again)[0])
        while True:
            yield draw_rows(recipe, len(X), again)[0]

    trained = params.copy()
    losses = (record.loss for record in npnet_train(recipe, trained, X, Y, generator))
    return Side(X, Y, dict(params), _taken(trained, zip(rows(), losses, strict=False)))


def _torch_side(recipe: Recipe, words: Sequence[str]) -> Side:
    _, examples, params, minibatches = begin(recipe, words)
    X, Y = examples["train"]
    trained = {name: array.copy() for name, array in params.items()}
    steps = train(recipe, trained, X, Y, minibatches, Running(recipe))
    return Side(X, Y, params, _taken(trained, ((step.rows, step.loss) for step in steps)))


def _taken(params: Mapping[str, Array], steps: Iterator[tuple[Array, float]]) -> Iterator[Taken]:
    """Steps that change ``params``, each with a copy of the parameters before it."""
    before = {name: array.copy() for name, array in params.items()}
    for rows, loss in steps:
        yield Taken(rows, loss, before)
        for name, array in params.items():
            before[name][...] = array


def _unlike(ours: Side, theirs: Side) -> tuple[str, ...]:
    pairs = {"X": (ours.X, theirs.X), "Y": (ours.Y, theirs.Y)}
    pairs |= {name: (ours.params[name], theirs.params[name]) for name in PARAMETER_NAMES}
    return tuple(name for name, pair in pairs.items() if not np.array_equal(*pair))


def _compared(
    recipe: Recipe, sides: tuple[Side, Side], ours: Taken, theirs: Taken
) -> Report | None:
    if recipe.training_statistics == "running":
        return None
    (X, Y, *_), (X_torch, Y_torch, *_) = sides
    values = forward(Parameters(**ours.params), X[ours.rows], Y[ours.rows], recipe.eps)
    _, reference = whole(theirs.params, X_torch[theirs.rows], Y_torch[theirs.rows], recipe.eps)
    return compare(backward(values), reference, labels=SIDES)
