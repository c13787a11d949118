"""Every number of a run in one frozen dataclass."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from npnet.base.arguments import MAPPING, require
from npnet.base.errors import InputError, shown
from npnet.base.suggestions import nearest
from npnet.network.names import PARAMETER_NAMES
from npnet.recipes.draw import LOST, Draw
from npnet.recipes.field_checks import check_fields
from npnet.recipes.field_types import draws, number, text, true_or_false, whole_number
from npnet.recipes.rates import Rates, rate_at, read_rates

# Other names in notebooks for the fields.
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


@dataclass(frozen=True)
class Recipe:
    """Every hyperparameter of a run. ``dataclasses.replace`` makes variants.

    Attributes:
        name: the name of the run in its folder and in plots.
        block_size, embedding, hidden: T, E, H.
        draws: the parameters in the order in which they are drawn, and numbers that are not used.
            All seven parameters are there. Only ``b1`` may be left out; it is then all zeros and
            not trained.
        draw_dtype: the dtype in which they are drawn and scaled: ``float32``, torch's default, or
            ``float64``, after ``torch.set_default_dtype(torch.float64)``. The two draw different
            numbers.
        seed: the seed of the run's generator. It draws, in this order: the permutation of words or
            examples, if there is one without its own seed; the parameters; the minibatches.
        shuffle_seed, shuffles: ``random.Random(shuffle_seed)`` shuffles the words ``shuffles``
            times in a row, with the same seed each time. 0 keeps the order of the file.
        split: what is cut at 80 % and 90 %: the ``words``; or, in an order that torch's
            ``randperm`` draws, the ``permuted-words`` or the ``examples``.
        split_seed: the seed of a separate generator for that permutation; None: the run's
            generator.
        rounding: how the cuts are rounded: ``int`` is ``int(0.8 * N)`` and ``int(0.9 * N)``,
            ``random_split`` is the rule of torch's ``random_split``, which gives the remaining
            examples to the first parts.
        batch: rows of a minibatch, n.
        batch_over: indices of rows are drawn from 0 up to this number, which is not included;
            None: the number of training examples.
        batch_once: whether one minibatch is drawn and used for every step.
        batch_first: whether the minibatches of all steps are drawn before the parameters.
        steps: training steps.
        rates: (first step, learning rate) pairs; a rate is used until the next pair's step. Or a
            formula of the step ``i``, such as ``"0.01 + 0.09 * exp(-1.3 * i / 200000)"``, computed
            in float64 as Python does.
        decay: the rate of step i is multiplied by decay to the power of i; 1 changes nothing.
        eps: added to the variance in batch normalisation; 0 is the plain standard deviation.
        statistics: the mean and variance that evaluation uses: ``whole-set`` (calibration over
            the training set), ``running-var`` or ``running-std`` (an average of the batches'
            variances or standard deviations), ``last-batch`` (the last minibatch), ``own-rows``
            (calibration over the split that is evaluated; names are then sampled with the
            statistics of the training set).
        training_statistics: the mean and variance that normalise a minibatch in training: those
            of the minibatch itself (``batch``), or the ``running`` averages of all minibatches
            before it. No gradient flows through the averages.
        variance: the variance that normalises a minibatch in training: ``unbiased``, or
            ``biased``, divided by n, as ``nn.BatchNorm1d`` does. The running averages are always
            averages of unbiased variances.
        momentum: the weight of the newest batch in the running averages.
        dtype: ``float32`` or ``float64``, of the parameters and of all arithmetic with them.
        sample_seed: the seed of the generator that samples names.
        sampler: the exponentials that choose the characters: those of ``torch``, or of ``mkl``,
            which torch 2.0 to 2.6 used on x86.
        sampling: ``normalised``, or ``plain``: names are sampled from the network without its
            batch normalisation, gain and bias.

    Raises:
        InputError: a field of the wrong type or with an impossible value.
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
    rates: Rates = ((0, 0.1), (100_000, 0.01))
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
        for field in dataclasses.fields(self):
            value = _converted(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        check_fields(self)

    @property
    def trained(self) -> tuple[str, ...]:
        """The names of the parameters that training updates, in the lecture's order."""
        trained = {draw.name for draw in self.draws if draw.trained}
        return tuple(name for name in PARAMETER_NAMES if name in trained)

    def rate(self, step: int) -> float:
        """The learning rate of ``step``, counted from 0.

        Raises:
            InputError: the formula gives no number of 0 or more at this step.
        """
        rate = rate_at(self.rates, step)
        return rate if self.decay == 1 else rate * self.decay**step

    @property
    def lost(self) -> tuple[str, ...]:
        """The names of the draws whose generator's seed is not known."""
        return tuple(draw.name for draw in self.draws if draw.seed == LOST)

    def found(self, seed: int, skip: int) -> Recipe:
        """The recipe with ``seed`` for the lost draws; the first of them skips ``skip`` words."""
        draws, words = [], skip
        for draw in self.draws:
            if draw.seed == LOST:
                draw, words = dataclasses.replace(draw, seed=seed, skip=words or None), 0
            draws.append(draw)
        return dataclasses.replace(self, draws=tuple(draws))

    @classmethod
    def of(cls, recipe: Recipe) -> Recipe:
        """``recipe``, if it is one.

        Raises:
            InputError: it is not a Recipe, but the name of one, for example.
        """
        if not isinstance(recipe, cls):
            raise InputError(
                f"recipe: got {shown(recipe)}, wanted an npnet.Recipe, such as "
                'npnet.RECIPES["lecture"]'
            )
        return recipe

    def to_json(self) -> str:
        """The recipe as JSON text that ``from_json`` reads back to an equal recipe."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str, source: str = "recipe") -> Recipe:
        """A recipe from the JSON text of ``to_json``; a missing field has its default.

        Raises:
            InputError: the text is not a JSON object, a field is unknown, or a value has a wrong
                type or is impossible. The message begins with ``source``.
        """
        try:
            entries = json.loads(text)
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"{source}: no JSON ({error}), wanted the JSON of a recipe") from error
        if not isinstance(entries, dict):
            raise InputError(f"{source}: wanted a JSON object with the fields of a recipe")
        # other entries in the recipe.json of a run
        notes = ("made_with", "began_with", "eval_every")
        return cls.from_entries(
            {key: value for key, value in entries.items() if key not in notes}, source
        )

    @classmethod
    def from_entries(cls, entries: Mapping[str, Any], source: str = "recipe") -> Recipe:
        """A recipe from plain values, as JSON and TOML hold them; errors as ``from_json``."""
        require("Recipe.from_entries", "entries", entries, MAPPING)
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


# For each declared type of a field: the function that converts a value to it.
_READERS: Mapping[str, Callable[[str, Any], object]] = {
    "int": whole_number,
    "float": number,
    "str": text,
    "bool": true_or_false,
    "Rates": lambda field, got: read_rates(got),
    "tuple[Draw, ...]": draws,
}


def _converted(field: dataclasses.Field[Any], got: object) -> object:
    kind, _, optional = str(field.type).partition(" | ")
    return None if optional and got is None else _READERS[kind](field.name, got)
