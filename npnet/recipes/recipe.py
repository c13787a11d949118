"""Every number of a run in one frozen dataclass, and the recipes that have a name."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import json
import math
import operator
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from npnet.base.errors import InputError, shown
from npnet.base.suggestions import nearest
from npnet.network.names import PARAMETER_NAMES
from npnet.recipes.arithmetic import Formula, parsed
from npnet.recipes.draw import LOST, Draw

STATISTICS = ("whole-set", "running-var", "running-std", "last-batch", "own-rows")
SPLITS = ("words", "permuted-words", "examples")
# Values of the fields that know only a few.
CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "split": SPLITS,
        "rounding": ("int", "random_split"),
        "statistics": STATISTICS,
        "training_statistics": ("batch", "running"),
        "variance": ("unbiased", "biased"),
        "dtype": ("float32", "float64"),
        "draw_dtype": ("float32", "float64"),
        "sampling": ("normalised", "plain"),
        "sampler": ("torch", "mkl"),
    }
)
# What notebooks call the fields.
SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "rate": "rates",
        "lr": "rates",
        "lrs": "rates",
        "learning_rate": "rates",
        "schedule": "rates",
        "n_hidden": "hidden",
        "hidden_size": "hidden",
        "n_embd": "embedding",
        "batch_size": "batch",
        "context": "block_size",
        "context_length": "block_size",
        "max_steps": "steps",
        "iterations": "steps",
        "parameters": "draws",
        "epsilon": "eps",
        "manual_seed": "seed",
        "random_seed": "shuffle_seed",
    }
)
MOMENTUM = 0.001
SHOWN_RATES = 50  # steps at which a formula of the rate is tried when a recipe is made
LONGEST_NAME = 60
MOST_SHUFFLES = 1000
LARGEST_EPS = 1e30  # times the rows of a batch, it is still a float32
LARGEST_GROWTH = 300  # powers of ten between the first rate and the last: float64 ends at 308

# Published recipes stand in these files, beside the figures that were printed.
PUBLICATIONS = Path(__file__).parent / "publications"


@dataclass(frozen=True)
class Recipe:
    """Every hyperparameter of a run. ``dataclasses.replace`` makes variants.

    Attributes:
        name: what the run's folder and the plots call it.
        block_size, embedding, hidden: T, E, H.
        draws: the parameters in the order in which they are drawn; all seven, of which ``b1``
            may be left out (it is then zeros and not trained), and numbers that are not used.
        draw_dtype: in which they are drawn and scaled: ``float32``, torch's default, or
            ``float64``, after ``torch.set_default_dtype(torch.float64)``, which is another stream.
        seed: of the run's generator. It draws, in this order: the permutation of words or
            examples, if there is one that has no seed of its own; the parameters; the minibatches.
        shuffle_seed, shuffles: the words are shuffled by a fresh ``random.Random(shuffle_seed)``,
            ``shuffles`` times in a row; 0 times keeps the order of the file.
        split: what is cut at 80 % and 90 %: ``words``, or after a ``randperm`` of torch's
            ``permuted-words`` or ``examples``.
        split_seed: of a generator for that permutation alone; None: the run's generator.
        rounding: of the cuts: ``int(0.8 * N)`` and ``int(0.9 * N)``, or those of torch's
            ``random_split``, which gives what is left over to the first parts.
        batch: rows of a minibatch, n.
        batch_over: a row's index is drawn below this number; None: below the number of training
            examples.
        batch_once: whether one minibatch is drawn and serves every step.
        batch_first: whether the minibatches of all steps are drawn before the parameters.
        steps: training steps.
        rates: (first step, learning rate) pairs; a rate holds until the next pair's step. Or a
            formula of the step ``i``, such as ``"0.01 + 0.09 * exp(-1.3 * i / 200000)"``, computed
            in float64 as Python would.
        decay: every step multiplies the rate by it once more; 1 leaves ``rates`` as they stand.
        eps: added to the variance in batch normalisation; 0 is the plain standard deviation.
        statistics: what takes the batch's place in evaluation: ``whole-set`` (calibration over
            the training set), ``running-var`` or ``running-std`` (an average of the batches'
            variances or standard deviations), ``last-batch`` (the last minibatch), ``own-rows``
            (calibration over the split that is evaluated; names are then sampled with those of
            the training set).
        training_statistics: what normalises a minibatch in training: its own (``batch``), or the
            ``running`` averages of the minibatches before it, through which no gradient flows.
        variance: that normalises a minibatch in training: ``unbiased``, or ``biased``, divided
            by n, as ``nn.BatchNorm1d`` does. Averages of them are of unbiased ones in both cases.
        momentum: weight of the newest batch in the running statistics.
        dtype: ``float32`` or ``float64``, of the parameters and of all arithmetic on them.
        sample_seed: of the generator that draws the sampled names.
        sampler: whose exponentials choose the characters: ``torch``, or ``mkl``, those of torch
            2.0 to 2.6 on x86.
        sampling: ``normalised``, or ``plain``: names come from the network without its batch
            normalisation, gain and bias.

    Raises:
        InputError: a field of the wrong type or an impossible value.
    """

    name: str
    block_size: int = 3
    embedding: int = 10
    hidden: int = 200
    draws: tuple[Draw, ...] = (
        Draw("C"),
        Draw("W1", ("* 5/3", "/ sqrt(fan_in)")),
        Draw("b1", ("* 0.1",)),
        Draw("W2", ("* 0.1",)),
        Draw("b2", ("* 0.1",)),
        Draw("bngain", ("* 0.1", "+ 1")),
        Draw("bnbias", ("* 0.1",)),
    )
    draw_dtype: str = "float32"
    seed: int = 2147483647
    shuffle_seed: int = 42
    shuffles: int = 1
    split: str = "words"
    split_seed: int | None = None
    rounding: str = "int"
    batch: int = 32
    batch_over: int | None = None
    batch_once: bool = False
    batch_first: bool = False
    steps: int = 200_000
    rates: tuple[tuple[int, float], ...] | str = ((0, 0.1), (100_000, 0.01))
    decay: float = 1.0
    eps: float = 1e-5
    statistics: str = "whole-set"
    training_statistics: str = "batch"
    variance: str = "unbiased"
    momentum: float = MOMENTUM
    dtype: str = "float32"
    sample_seed: int = 2147483647 + 10
    sampler: str = "torch"
    sampling: str = "normalised"

    def __post_init__(self) -> None:
        _coerce(self)
        # A folder is called so, and systems allow 255 bytes, of which UTF-8 takes up to 4 a letter.
        name = self.name.strip() and self.name.isprintable() and len(self.name) <= LONGEST_NAME
        self._check(name, "name", f"a name of at most {LONGEST_NAME} printable characters")
        for field in ("block_size", "embedding", "hidden", "steps"):
            self._check(1 <= getattr(self, field) < 2**31, field, "1 or more, below 2^31")
        for field in ("seed", "sample_seed", "split_seed"):
            got = getattr(self, field)
            self._check(got is None or -(2**63) <= got < 2**64, field, "-2^63 to 2^64-1, as torch")
        self._check(abs(self.shuffle_seed) < 2**64, "shuffle_seed", "one between -2^64 and 2^64")
        self._check(0 <= self.shuffles <= MOST_SHUFFLES, "shuffles", f"0 to {MOST_SHUFFLES}")
        for field, choices in CHOICES.items():
            self._check(getattr(self, field) in choices, field, f"one of {', '.join(choices)}")
        self._check(
            self.split_seed is None or self.split != "words",
            "split_seed",
            'split = "examples" with it, or "permuted-words": words are shuffled with shuffle_seed',
        )
        enough = 2 <= self.batch < 2**31
        self._check(enough, "batch", "2 or more, below 2^31: Bessel's correction divides by n-1")
        over = self.batch_over
        self._check(over is None or 1 <= over < 2**31, "batch_over", "1 or more, below 2^31")
        self._check_rates()
        self._check(
            self.decay > 0 and self.steps * math.log10(self.decay) < LARGEST_GROWTH,
            "decay",
            "above 0, and not so far above 1 that the rate leaves the range of numbers",
        )
        self._check(
            0 <= self.eps <= LARGEST_EPS, "eps", f"0 or a little more, at most {LARGEST_EPS:g}"
        )
        self._check(0 < self.momentum <= 1, "momentum", "above 0, at most 1")
        self._check(
            self.variance == "unbiased" or self.training_statistics == "batch",
            "variance",
            'training_statistics = "batch" with it: averages of the minibatches are unbiased',
        )
        self._check(
            self.training_statistics == "batch" or self.statistics.startswith("running"),
            "training_statistics",
            "statistics = running-var or running-std with it, which say what is averaged",
        )
        self._check_draws()

    def _check_rates(self) -> None:
        if isinstance(self.rates, str):
            for step in {*range(0, self.steps, -(-self.steps // SHOWN_RATES)), self.steps - 1}:
                self.rate(step)
            return
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

    def _check_draws(self) -> None:
        names = [draw.name for draw in self.draws]
        wanted = f"each of {', '.join(PARAMETER_NAMES)} once (b1 may be left out)"
        missing = [name for name in PARAMETER_NAMES if name not in (*names, "b1")]
        if missing:
            raise InputError(f"draws: {' and '.join(missing)} missing, wanted {wanted}")
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise InputError(
                f"draws: {twice[0]} is there {names.count(twice[0])} times, wanted {wanted}"
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
        """The learning rate of ``step``, counted from 0.

        Raises:
            InputError: the formula gives none of 0 or more at this step.
        """
        if isinstance(self.rates, str):
            rate = self._computed_rate(self.rates, step)
        else:
            rate = self.rates[bisect.bisect_right(self.rates, (step, math.inf)) - 1][1]
        return rate if self.decay == 1 else rate * self.decay**step

    def _computed_rate(self, formula: str, step: int) -> float:
        try:
            rate = _rate_formula(formula)({"i": float(step)})
        except (ArithmeticError, ValueError, TypeError) as error:
            wanted = f"a rate, it cannot be computed at step {step} ({error})"
            raise _refusal("rates", formula, wanted) from error
        if not 0 <= rate < math.inf:
            raise _refusal("rates", formula, f"rates of 0 or more: at step {step} it is {rate}")
        return rate

    @property
    def lost(self) -> tuple[str, ...]:
        """The names of the draws whose generator's seed is not known."""
        return tuple(draw.name for draw in self.draws if draw.seed == LOST)

    def found(self, seed: int, skip: int) -> Recipe:
        """The recipe with ``seed`` for the lost draws, ``skip`` words before the first of them."""
        draws, words = [], skip
        for draw in self.draws:
            if draw.seed == LOST:
                draw, words = dataclasses.replace(draw, seed=seed, skip=words or None), 0
            draws.append(draw)
        return dataclasses.replace(self, draws=tuple(draws))

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
        except (ValueError, RecursionError) as error:
            raise InputError(f"{source}: no JSON ({error}), wanted the JSON of a recipe") from error
        if not isinstance(entries, dict):
            raise InputError(f"{source}: wanted a JSON object with the fields of a recipe")
        notes = ("made_with", "began_with")  # what recipe.json of a run has besides
        return cls.from_entries(
            {key: value for key, value in entries.items() if key not in notes}, source
        )

    @classmethod
    def from_entries(cls, entries: Mapping[str, Any], source: str = "recipe") -> Recipe:
        """A recipe from plain values, as JSON and TOML hold them; errors as ``from_json``."""
        fields = [field.name for field in dataclasses.fields(cls)]
        unknown = [key for key in entries if key not in fields]
        if unknown:
            near = SYNONYMS.get(unknown[0]) or nearest(unknown[0], fields)
            wanted = f"did you mean {near}?" if near else f"wanted some of {', '.join(fields)}"
            raise InputError(f"{source}: unknown field {unknown[0]!r}, {wanted}")
        try:
            return cls(**{"name": "unnamed", **entries})
        except InputError as error:
            raise InputError(f"{source}: {error}") from error


def _refusal(field: str, got: object, wanted: str) -> InputError:
    return InputError(f"{field}: got {shown(got)}, wanted {wanted}")


def _coerce(recipe: Recipe) -> None:
    """Bring every field to its one type: JSON has lists for tuples and 1 for 1.0."""
    for field in dataclasses.fields(recipe):
        got = getattr(recipe, field.name)
        value: object
        kind, _, optional = str(field.type).partition(" | ")
        if optional == "None" and got is None:
            value = None
        elif kind == "int":
            value = _integer(field.name, got)
        elif kind == "float":
            value = _number(field.name, got)
        elif kind == "str":
            value = _instance(field.name, got, str, "text")
        elif kind == "bool":
            value = _instance(field.name, got, bool, "true or false")
        elif field.name == "rates":
            value = _rates(got)
        else:
            value = _draws(got)
        object.__setattr__(recipe, field.name, value)


def _integer(field: str, got: Any) -> int:
    try:
        if not isinstance(got, bool):
            return operator.index(got)
    except TypeError:
        pass
    raise _refusal(field, got, "a whole number")


def _number(field: str, got: Any) -> float:
    if isinstance(got, bool | str) or not hasattr(got, "__float__"):
        raise _refusal(field, got, "a number")
    try:
        return float(got)
    except (TypeError, OverflowError) as error:  # an array, a number of hundreds of digits
        raise _refusal(field, got, "a number in the range of float64") from error


def _instance(field: str, got: Any, kind: type, wanted: str) -> Any:
    if not isinstance(got, kind):
        raise _refusal(field, got, wanted)
    return got


def _rate_formula(text: str) -> Formula:
    return parsed(text, ("i",))


def _rates(got: Any) -> tuple[tuple[int, float], ...] | str:
    if isinstance(got, str):
        try:
            _rate_formula(got)
        except ValueError as error:
            wanted = "a formula of the step i, such as '0.1 * exp(-i / 50000)'"
            raise _refusal("rates", got, f"{wanted}: {error}") from error
        return got
    try:
        return tuple((_integer("rates", first), _number("rates", rate)) for first, rate in got)
    except (TypeError, ValueError) as error:
        raise _refusal("rates", got, "pairs such as [[0, 0.1], [100000, 0.01]]") from error


def _draws(got: Any) -> tuple[Draw, ...]:
    if not isinstance(got, list | tuple):
        raise _refusal("draws", got, "a list of entries, one a parameter")
    return tuple(entry if isinstance(entry, Draw) else _draw(entry) for entry in got)


def _draw(got: Any) -> Draw:
    known = [field.name for field in dataclasses.fields(Draw)]
    for key in got if isinstance(got, dict) else ():
        if key not in known and (near := nearest(str(key), known)):
            raise InputError(
                f"draws: {got.get('name', 'an entry')} has the unknown key {key!r}, "
                f"did you mean {near}?"
            )
    try:
        return Draw(**got)
    except TypeError as error:
        wanted = f'some of {", ".join(known)}, such as {{"name": "W2", "scale": ["* 0.1"]}}'
        raise _refusal("draws", got, wanted) from error


def _published() -> dict[str, Recipe]:
    recipes = {}
    for path in sorted(PUBLICATIONS.glob("*.toml")):
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["recipe"]
        recipes[path.stem] = Recipe.from_entries({"name": path.stem, **entries}, path.name)
    return recipes


def _named() -> dict[str, Recipe]:
    published = _published()
    changed = {"b1": Draw("b1", ("* 0.1",), trained=False), "W2": Draw("W2", ("* 0.01",))}
    frozen_b1 = dataclasses.replace(
        published["constant-gain"],
        name="frozen-b1",
        draws=tuple(changed.get(draw.name, draw) for draw in published["constant-gain"].draws),
    )
    recipes = (
        Recipe("lecture"),
        Recipe("lecture-64", hidden=64),
        *published.values(),
        frozen_b1,
        Recipe("indian-names", hidden=64, seed=6942069420, shuffle_seed=69),
    )
    return {recipe.name: recipe for recipe in recipes}


RECIPES: Mapping[str, Recipe] = MappingProxyType(_named())
