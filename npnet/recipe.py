"""Every number of a run in one frozen dataclass, and the recipes that have a name."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from npnet.draws import Draw
from npnet.errors import InputError
from npnet.names import PARAMETER_NAMES

STATISTICS = ("whole-set", "running-var", "running-std", "last-batch")

_LAYERS = (
    Draw("C"),
    Draw("W1", ("* 5/3", "/ sqrt(fan_in)")),
    Draw("b1", ("* 0.1",)),
    Draw("W2", ("* 0.1",)),
    Draw("b2", ("* 0.1",)),
)


@dataclass(frozen=True)
class Recipe:
    """Every hyperparameter of a run. ``dataclasses.replace`` makes variants.

    Attributes:
        name: what the run's folder and the plots call it.
        block_size, embedding, hidden: T, E, H.
        draws: the parameters in the order in which they are drawn; all seven, of which ``b1``
            may be left out (it is then zeros and not trained).
        seed: of the generator that draws parameters first and minibatches after them.
        shuffle_seed: of the shuffle of the words before the split.
        batch: rows of a minibatch, n.
        steps: training steps.
        rates: (first step, learning rate) pairs; a rate holds until the next pair's step.
        eps: added to the variance in batch normalisation; 0 is the plain standard deviation.
        statistics: what takes the batch's place in evaluation: ``whole-set`` (calibration over
            the training set), ``running-var`` or ``running-std`` (an average of the batches'
            variances or standard deviations), ``last-batch`` (the last minibatch, for contrast).
        momentum: weight of the newest batch in the running statistics.
        dtype: ``float32`` or ``float64``, of the parameters and of all arithmetic on them.
        sample_seed: of the generator that draws the sampled names.

    Raises:
        InputError: a field of the wrong type or an impossible value.
    """

    name: str
    block_size: int = 3
    embedding: int = 10
    hidden: int = 200
    draws: tuple[Draw, ...] = (
        *_LAYERS,
        Draw("bngain", ("* 0.1", "+ 1")),
        Draw("bnbias", ("* 0.1",)),
    )
    seed: int = 2147483647
    shuffle_seed: int = 42
    batch: int = 32
    steps: int = 200_000
    rates: tuple[tuple[int, float], ...] = ((0, 0.1), (100_000, 0.01))
    eps: float = 1e-5
    statistics: str = "whole-set"
    momentum: float = 0.001
    dtype: str = "float32"
    sample_seed: int = 2147483647 + 10

    def __post_init__(self) -> None:
        _coerce(self)
        self._check(isinstance(self.name, str) and self.name.strip(), "name", "a name")
        for field in ("block_size", "embedding", "hidden", "steps"):
            self._check(getattr(self, field) >= 1, field, "1 or more")
        self._check(self.batch >= 2, "batch", "2 or more: Bessel's correction divides by n-1")
        self._check(-(2**63) <= self.seed < 2**64, "seed", "-2^63 to 2^64-1, as torch")
        self._check(
            -(2**63) <= self.sample_seed < 2**64, "sample_seed", "-2^63 to 2^64-1, as torch"
        )
        self._check(math.isfinite(self.eps) and self.eps >= 0, "eps", "0 or a little more")
        self._check(0 < self.momentum <= 1, "momentum", "above 0, at most 1")
        self._check(self.statistics in STATISTICS, "statistics", f"one of {', '.join(STATISTICS)}")
        self._check(self.dtype in ("float32", "float64"), "dtype", "float32 or float64")
        firsts = [first for first, _ in self.rates]
        self._check(
            firsts[:1] == [0] and all(a < b for a, b in itertools.pairwise(firsts)),
            "rates",
            "(first step, rate) pairs from step 0 on, in rising order",
        )
        self._check(
            all(math.isfinite(rate) and rate >= 0 for _, rate in self.rates),
            "rates",
            "rates of 0 or more",
        )
        names = [draw.name for draw in self.draws]
        self._check(
            len(set(names)) == len(names) and {*names, "b1"} == set(PARAMETER_NAMES),
            "draws",
            f"each of {', '.join(PARAMETER_NAMES)} once (b1 may be left out)",
        )

    def _check(self, holds: object, field: str, wanted: str) -> None:
        if not holds:
            raise _refusal(field, getattr(self, field), wanted)

    @property
    def trained(self) -> tuple[str, ...]:
        """The names of the parameters that training updates, in the lecture's order."""
        trained = {draw.name for draw in self.draws if draw.trained}
        return tuple(name for name in PARAMETER_NAMES if name in trained)

    def rate(self, step: int) -> float:
        """The learning rate of ``step``, counted from 0."""
        return next(rate for first, rate in reversed(self.rates) if first <= step)

    def to_json(self) -> str:
        """The recipe as JSON text that ``from_json`` reads back to an equal recipe."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str, source: str = "recipe") -> Recipe:
        """A recipe from the JSON text of ``to_json``; fields left out take their defaults.

        Raises:
            InputError: no JSON object, an unknown field, a wrong type, an impossible value; the
                message begins with ``source``.
        """
        try:
            entries = json.loads(text)
        except ValueError as error:
            raise InputError(f"{source}: no JSON ({error}), wanted the JSON of a recipe") from error
        if not isinstance(entries, dict):
            raise InputError(f"{source}: wanted a JSON object with the fields of a recipe")
        return cls.from_entries(entries, source)

    @classmethod
    def from_entries(cls, entries: Mapping[str, Any], source: str = "recipe") -> Recipe:
        """A recipe from plain values, as JSON and TOML hold them; errors as ``from_json``."""
        fields = {field.name for field in dataclasses.fields(cls)}
        unknown = [key for key in entries if key not in fields]
        if unknown:
            raise InputError(
                f"{source}: unknown field {unknown[0]!r}, "
                f"wanted some of {', '.join(sorted(fields))}"
            )
        try:
            return cls(**{"name": "unnamed", **entries})
        except InputError as error:
            raise InputError(f"{source}: {error}") from error


def _refusal(field: str, got: object, wanted: str) -> InputError:
    return InputError(f"{field}: got {got!r}, wanted {wanted}")


def _coerce(recipe: Recipe) -> None:
    """Bring every field to its one type: JSON has lists for tuples and 1 for 1.0."""
    for field in dataclasses.fields(recipe):
        got = getattr(recipe, field.name)
        value: object
        if field.type == "int":
            value = _integer(field.name, got)
        elif field.type == "float":
            value = _number(field.name, got)
        elif field.type == "str":
            if not isinstance(got, str):
                raise _refusal(field.name, got, "text")
            value = got
        elif field.name == "rates":
            value = _rates(got)
        else:
            value = _draws(got)
        object.__setattr__(recipe, field.name, value)


def _integer(field: str, got: Any) -> int:
    if isinstance(got, bool) or not hasattr(got, "__index__"):
        raise _refusal(field, got, "a whole number")
    return int(got)


def _number(field: str, got: Any) -> float:
    if isinstance(got, bool | str) or not hasattr(got, "__float__"):
        raise _refusal(field, got, "a number")
    return float(got)


def _rates(got: Any) -> tuple[tuple[int, float], ...]:
    try:
        return tuple((_integer("rates", first), _number("rates", rate)) for first, rate in got)
    except (TypeError, ValueError) as error:
        raise _refusal("rates", got, "pairs such as [[0, 0.1], [100000, 0.01]]") from error


def _draws(got: Any) -> tuple[Draw, ...]:
    try:
        return tuple(draw if isinstance(draw, Draw) else Draw(**draw) for draw in got)
    except TypeError as error:
        raise _refusal(
            "draws", got, 'entries such as {"name": "W2", "scale": ["* 0.1"]}'
        ) from error


def _constant(name: str, value: float) -> Draw:
    return Draw(name, constant=value)


_CONSTANT_GAIN = Recipe(
    "constant-gain", draws=(*_LAYERS, _constant("bngain", 1.1), _constant("bnbias", 0.0))
)

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe("lecture"),
            Recipe("lecture-64", hidden=64),
            _CONSTANT_GAIN,
            Recipe(
                "random-gain",
                hidden=64,
                draws=(*_LAYERS, Draw("bngain"), Draw("bnbias", ("* 0.1",))),
            ),
            dataclasses.replace(
                _CONSTANT_GAIN,
                name="frozen-b1",
                draws=(
                    *_LAYERS[:2],
                    Draw("b1", ("* 0.1",), trained=False),
                    Draw("W2", ("* 0.01",)),
                    *_CONSTANT_GAIN.draws[4:],
                ),
            ),
            Recipe(
                "part3",
                draws=(
                    *_LAYERS[:2],
                    Draw("W2", ("* 0.01",)),
                    Draw("b2", ("* 0",)),
                    _constant("bngain", 1.0),
                    _constant("bnbias", 0.0),
                ),
                eps=0.0,
                statistics="running-std",
            ),
            Recipe("indian-names", hidden=64, seed=6942069420, shuffle_seed=69),
        )
    }
)
