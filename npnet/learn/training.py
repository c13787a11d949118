"""Exercise 4: a training run with the learner's gradients; finished trainings are kept."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Floats, UnusableArray, read_array
from npnet.corpora.known import default_words
from npnet.learn.calls import Attempt, Failure, Function, quiet, said
from npnet.learn.exercises import EXERCISES, Exercise
from npnet.learn.grading_inputs import RANDOM, REAL, RECIPE, Inputs, cases
from npnet.network.forward import Values, forward
from npnet.network.names import PARAMETER_NAMES
from npnet.network.parameters import Parameters
from npnet.recipes.recipe import Recipe
from npnet.training.fit import Start, begin
from npnet.training.sgd import AHEAD, draw_rows, train_blocks

STEPS = 3000
ROWS = 6  # how many lines the table has; each is a mean over the same number of steps

TRAINING = EXERCISES["backward"]


@dataclass(frozen=True)
class Side:
    """One of the two runs, in the form that ``npnet.plots.losses`` takes."""

    recipe: Recipe
    losses: Floats
    split_losses: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Curve:
    """The losses of two trainings: one with the learner's backward pass, one with ours.

    Attributes:
        yours, ours: (steps,), the minibatch losses; yours is shorter if it ended early.
        problem: why yours ended early; "" if it did not.
    """

    yours: Floats
    ours: Floats
    problem: str = ""

    @classmethod
    def beside_ours(cls, yours: Iterable[float], steps: int, problem: str = "") -> Curve:
        """The learner's losses, and those of our own training for ``steps`` steps."""
        recipe, start = _begin(steps)
        blocks = train_blocks(recipe, start.params, *start.examples["train"], start.generator)
        ours = np.concatenate(list(blocks))
        return cls(np.asarray(list(yours), ours.dtype), ours, problem)

    def __str__(self) -> str:
        """A table of the mean losses of some stretches, side by side."""
        lines = [f"  mean loss of steps{'yours':>15}{'ours':>10}"]
        size = -(-len(self.ours) // ROWS)
        for first in range(0, len(self.ours), size):
            stretch = slice(first, first + size)
            last = min(first + size, len(self.ours)) - 1
            means = (_mean(self.yours[stretch]), _mean(self.ours[stretch]))
            lines.append(f"  {first:8,} to {last:8,}   {means[0]:>10}{means[1]:>10}")
        return "\n".join([*lines, f"  {self.problem}"] if self.problem else lines)

    def figures(self) -> dict[str, Any]:
        """For JSON: the steps of each run, the mean losses of the last tenth, and the problem."""
        last = len(self.ours) - len(self.ours) // 10
        both = {"yours": self.yours, "ours": self.ours}
        return {
            "steps": {name: len(losses) for name, losses in both.items()},
            "last tenth": {
                name: float(losses[last:].mean()) if len(losses) > last else None
                for name, losses in both.items()
            },
            "problem": self.problem,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Draw both curves, yours over ours, into a PNG, SVG or PDF file.

        Raises:
            InputError: the suffix is another one, or the file cannot be written.
        """
        from npnet.plotting import plots

        sides = {"ours": Side(RECIPE, self.ours), "yours": Side(RECIPE, self.yours)}
        shown = {name: side for name, side in sides.items() if len(side.losses)}
        window = max(1, len(self.ours) // 30)
        plots.save(plots.losses(shown.values(), window=window, labels=shown), path)


def _mean(losses: Floats) -> str:
    return f"{losses.mean():.4f}" if len(losses) else "-"


def _begin(steps: int) -> tuple[Recipe, Start]:
    recipe = dataclasses.replace(RECIPE, steps=steps)
    return recipe, begin(recipe, default_words())


def trainable(exercise: Exercise, found: Attempt) -> bool:
    """Whether training is possible: there are seven gradients, with the right shapes."""
    if exercise is not TRAINING or any(label in found.failures for label in (*REAL, *RANDOM)):
        return False
    values = cases()[REAL[0]].values
    gradients = found.results.get(REAL[0], {})
    return bool(gradients) and all(
        gradients[name].shape == values[name].shape for name in PARAMETER_NAMES
    )


def train(function: Function, steps: int) -> Iterator[list[float]]:
    """Train with the learner's gradients, and yield the losses of some steps at a time.

    Raises:
        Failure: the function fails, or the losses are no longer finite.
    """
    recipe, start = _begin(steps)
    X, Y = start.examples["train"]
    shown = {name: array.view() for name, array in start.params.items()}
    for array in shown.values():
        array.flags.writeable = False
    read_only = Parameters(**shown)
    for first in range(0, steps, AHEAD):
        losses: list[float] = []
        problem = ""
        with quiet():
            for rows in draw_rows(recipe, len(Y), start.generator, min(AHEAD, steps - first)):
                values = forward(read_only, X[rows], Y[rows], recipe.eps)
                if not np.isfinite(values.loss):
                    problem = f"the loss of step {first + len(losses)} is {values.loss}"
                    break
                losses.append(float(values.loss))
                try:
                    _update(start.params, recipe.rate(first), function, values)
                except (Exception, SystemExit) as error:
                    problem = f"step {first + len(losses) - 1}: {said(error, function)}"
                    break
        yield losses
        if problem:
            raise Failure(problem)


def _update(params: Parameters, rate: float, function: Function, values: Values) -> None:
    answers = function(Inputs("v", values), Inputs("d", {"loss": 1.0}))
    for name, answer in zip(PARAMETER_NAMES, answers, strict=True):
        gradient = read_array(f"d{name}", answer)
        if gradient.shape != params[name].shape:
            raise UnusableArray(
                "shape", f"d{name}: shape {gradient.shape}, wanted {params[name].shape}"
            )
        params[name][...] -= rate * gradient


MOST = 20  # how many trainings are kept


def folder() -> Path:
    """The folder for these files: the system's cache folder."""
    import pooch

    return Path(pooch.os_cache("npnet"))


def recall(key: str, steps: int) -> list[float] | None:
    """The losses of an earlier training with a function of this fingerprint, if there was one."""
    losses = _read().get(f"{key} {steps}")
    return losses if isinstance(losses, list) else None


def remember(key: str, steps: int, losses: Sequence[float]) -> None:
    """Keep the losses of a whole training; if no file can be written, nothing is kept."""
    kept = {**_read(), f"{key} {steps}": list(losses)}
    newest = dict(list(kept.items())[-MOST:])
    try:
        folder().mkdir(parents=True, exist_ok=True)
        _file().write_text(json.dumps(newest), encoding="utf-8")
    except OSError:
        pass


def _file() -> Path:
    return folder() / "trainings.json"


def _read() -> dict[str, list[float]]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
