"""The values that the fields of a recipe can have: one table from fields to checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from npnet.base.errors import InputError
from npnet.network.names import PARAMETER_NAMES
from npnet.recipes.field_types import refusal
from npnet.recipes.rates import check_rates

if TYPE_CHECKING:
    from npnet.recipes.recipe import Recipe

STATISTICS = ("whole-set", "running-var", "running-std", "last-batch", "own-rows")
SPLITS = ("words", "permuted-words", "examples")
LONGEST_NAME = 60
MOST_SHUFFLES = 1000
LARGEST_EPS = 1e30  # the largest eps; multiplied by the rows of a batch, it is still a float32
# at most this many powers of ten between the first rate and the last; float64 ends at 308
LARGEST_GROWTH = 300


class Check(NamedTuple):
    """A condition on one field.

    Attributes:
        holds: a function of the field's value and the whole recipe: whether the value can be used.
        wanted: the possible values, in words for the message.
    """

    holds: Callable[[Any, Recipe], object]
    wanted: str


def _from(least: int, *, optional: bool = False) -> Check:
    return Check(
        lambda value, recipe: (optional and value is None) or least <= value < 2**31,
        f"{least} or more, below 2^31",
    )


def _one_of(*choices: str) -> Check:
    return Check(lambda value, recipe: value in choices, f"one of {', '.join(choices)}")


_SEED = Check(
    lambda value, recipe: value is None or -(2**63) <= value < 2**64, "-2^63 to 2^64-1, as torch"
)

CHECKS: Mapping[str, tuple[Check, ...]] = MappingProxyType(
    {
        "name": (
            # The run's folder has this name. Systems allow 255 bytes, and a letter has up to 4 in
            # UTF-8.
            Check(
                lambda name, recipe: (
                    name.strip() and name.isprintable() and len(name) <= LONGEST_NAME
                ),
                f"a name of at most {LONGEST_NAME} printable characters",
            ),
        ),
        "block_size": (_from(1),),
        "embedding": (_from(1),),
        "hidden": (_from(1),),
        "steps": (_from(1),),
        "seed": (_SEED,),
        "sample_seed": (_SEED,),
        "split_seed": (
            _SEED,
            Check(
                lambda seed, recipe: seed is None or recipe.split != "words",
                'split = "examples" with it, or "permuted-words": words are shuffled with '
                "shuffle_seed",
            ),
        ),
        "shuffle_seed": (
            Check(lambda seed, recipe: abs(seed) < 2**64, "one between -2^64 and 2^64"),
        ),
        "shuffles": (
            Check(lambda count, recipe: 0 <= count <= MOST_SHUFFLES, f"0 to {MOST_SHUFFLES}"),
        ),
        "split": (_one_of(*SPLITS),),
        "rounding": (_one_of("int", "random_split"),),
        "statistics": (_one_of(*STATISTICS),),
        "training_statistics": (
            _one_of("batch", "running"),
            Check(
                lambda kind, recipe: kind == "batch" or recipe.statistics.startswith("running"),
                "statistics = running-var or running-std with it, which say what is averaged",
            ),
        ),
        "variance": (
            _one_of("unbiased", "biased"),
            Check(
                lambda kind, recipe: kind == "unbiased" or recipe.training_statistics == "batch",
                'training_statistics = "batch" with it: averages of the minibatches are unbiased',
            ),
        ),
        "dtype": (_one_of("float32", "float64"),),
        "draw_dtype": (_one_of("float32", "float64"),),
        "sampling": (_one_of("normalised", "plain"),),
        "sampler": (_one_of("torch", "mkl"),),
        "batch": (
            Check(
                lambda rows, recipe: 2 <= rows < 2**31,
                "2 or more, below 2^31: Bessel's correction divides by n-1",
            ),
        ),
        "batch_over": (_from(1, optional=True),),
        "decay": (
            Check(
                lambda decay, recipe: (
                    decay > 0 and recipe.steps * math.log10(decay) < LARGEST_GROWTH
                ),
                "above 0, and not so far above 1 that the rate grows beyond the range of numbers",
            ),
        ),
        "eps": (
            Check(
                lambda eps, recipe: 0 <= eps <= LARGEST_EPS,
                f"0 or a little more, at most {LARGEST_EPS:g}",
            ),
        ),
        "momentum": (Check(lambda weight, recipe: 0 < weight <= 1, "above 0, at most 1"),),
    }
)


def check_fields(recipe: Recipe) -> None:
    """Check every field.

    Raises:
        InputError: a value that its field cannot have; the message names field and value.
    """
    for field, checks in CHECKS.items():
        value = getattr(recipe, field)
        for check in checks:
            if not check.holds(value, recipe):
                raise refusal(field, value, check.wanted)
    check_rates(recipe.rates, recipe.steps)
    _check_draws(recipe)


def _check_draws(recipe: Recipe) -> None:
    names = [draw.name for draw in recipe.draws]
    wanted = f"each of {', '.join(PARAMETER_NAMES)} once (b1 may be left out)"
    missing = [name for name in PARAMETER_NAMES if name not in (*names, "b1")]
    if missing:
        raise InputError(f"draws: {' and '.join(missing)} missing, wanted {wanted}")
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise InputError(
            f"draws: {twice[0]} is there {names.count(twice[0])} times, wanted {wanted}"
        )
