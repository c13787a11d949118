"""The inputs for a learner's function: a real minibatch with its gradients, and random numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from npnet.base.arrays import Array, Named
from npnet.corpora.known import default_words
from npnet.learn.exercises import Exercise
from npnet.network.forward import LINES, Values, forward
from npnet.network.gradients import GRADIENTS, Gradients, backward
from npnet.network.names import PARAMETER_NAMES, shape_of
from npnet.network.parameters import Parameters
from npnet.recipes.named import RECIPES
from npnet.training.fit import first_batch

RECIPE = RECIPES["lecture-64"]

# All sizes differ, also from T·E, so that one axis cannot be taken for another.
ODD_SIZES = {"n": 7, "T": 3, "E": 4, "H": 5, "V": 6}
# All sizes are equal, also T·E, so that every matrix product runs here, even if its shapes do not
# fit elsewhere. Its numbers then show what was multiplied.
EVEN_SIZES = {"n": 6, "T": 2, "E": 3, "H": 6, "V": 6}


class Inputs(Named):
    """``v`` or ``d`` for one function. Its ``seen`` lists the entries that were read."""

    def __init__(self, label: str, entries: Mapping[str, Any]) -> None:
        super().__init__(entries)
        self.__dict__["label"] = label
        self.__dict__["seen"] = set()

    def __getitem__(self, name: str) -> Any:
        self.seen.add(name)
        return super().__getitem__(name)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("_entries", {}):
            return self[name]
        raise AttributeError(f"{self.label} has no {name}{self._instead(name)}")

    def changed(self, entries: Mapping[str, Any]) -> list[str]:
        """The names whose arrays differ from those of ``entries``."""
        return [name for name in self if not np.array_equal(self._entries[name], entries[name])]

    def _instead(self, name: str) -> str:
        plain = name.removeprefix("d")
        if plain in GRADIENTS and plain != name:
            return f", but it may have d.{plain}" if self.label == "d" else f": see d.{plain}"
        if self.label == "d" and name in GRADIENTS:
            return " here: that gradient is not made before this one"
        return f" here: it has {', '.join(self)}"


@dataclass(frozen=True)
class Case:
    """One set of inputs: values of a forward pass, and gradients for them (``loss`` is 1).

    ``label`` says where the inputs come from, and their dtype.
    """

    label: str
    values: Values
    gradients: Gradients

    def inputs(self, exercise: Exercise) -> tuple[Inputs, Inputs]:
        """``v`` and ``d`` for one call: read-only copies."""
        v = {name: _copy(self.values[name]) for name in exercise.reads}
        d = {name: _copy(self.gradients[name]) for name in ("loss", *exercise.upstream)}
        return Inputs("v", v), Inputs("d", d)

    def answers(self, exercise: Exercise) -> dict[str, Array]:
        """The results of our own solution: name -> gradient."""
        arrays = exercise.solution(self.values, self.gradients)
        return dict(zip(exercise.gradients, arrays, strict=True))

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each axis letter."""
        V, E = self.values.C.shape
        n, T = self.values.X.shape
        return {"n": n, "T": T, "E": E, "H": self.values.W1.shape[1], "V": V}


REAL = ("a minibatch, float64", "a minibatch, float32")
RANDOM = ("random, float64", "random, float32")
EVEN = "random and square, float64"
# Rows of logits have two or three equal largest entries. Only for dlogits.
TIED = "random with equal largest logits, float64"
# The cases whose numbers tell mistakes apart: all their gradients are random.
TELLING = (RANDOM[0], EVEN)


@cache
def cases() -> Mapping[str, Case]:
    """The six cases by label."""
    made = [
        *(_real(label, dtype) for label, dtype in zip(REAL, ("float64", "float32"), strict=True)),
        *(
            _random(label, dtype, ODD_SIZES)
            for label, dtype in zip(RANDOM, ("float64", "float32"), strict=True)
        ),
        _random(EVEN, "float64", EVEN_SIZES),
        _tied(),
    ]
    return {case.label: case for case in made}


def _real(label: str, dtype: str) -> Case:
    params, X, Y = first_batch(RECIPE, default_words())
    values = forward(params.astype(dtype), X, Y, RECIPE.eps)
    return Case(label, values, Gradients({"loss": 1.0, **backward(values)}))


def _random(label: str, dtype: str, sizes: Mapping[str, int]) -> Case:
    """Values of a forward pass with random parameters, and a random gradient for each value."""
    rng = np.random.default_rng(2147483647)

    def draw(names: Iterable[str]) -> dict[str, Array]:
        return {name: rng.standard_normal(shape_of(name, sizes)).astype(dtype) for name in names}

    params = Parameters(**draw(PARAMETER_NAMES))
    X = rng.integers(0, sizes["V"], (sizes["n"], sizes["T"]))
    values = forward(params, X, rng.integers(0, sizes["V"], sizes["n"]), RECIPE.eps)
    return Case(label, values, Gradients({"loss": 1.0, **draw(GRADIENTS)}))


def _tied() -> Case:
    """The random case, with equal largest logits in every row."""
    case = _random(TIED, "float64", ODD_SIZES)
    v = SimpleNamespace(**case.values)
    v.logits = case.values.logits.copy()
    for row, logits in enumerate(v.logits):
        first = logits.argmax()
        for away in range(1, 2 + row % 2):
            logits[(first + away) % len(logits)] = logits[first]
    after = [*LINES][[*LINES].index("logits") + 1 :]
    for name in after:
        setattr(v, name, LINES[name](cast(Values, v)))
    return Case(TIED, Values(vars(v)), case.gradients)


def tried(exercise: Exercise) -> Iterable[Case]:
    """The cases on which an exercise is judged."""
    return [case for label, case in cases().items() if label != TIED or exercise.name == "dlogits"]


def _copy(entry: Any) -> Any:
    if not isinstance(entry, np.ndarray):
        return entry
    copy = entry.copy()
    copy.flags.writeable = False
    return copy
