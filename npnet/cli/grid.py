"""`--set KEY=V1,V2,V3` and `--seeds N`: the recipes that one command trains."""

from __future__ import annotations

import argparse
import itertools
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from npnet.base.errors import InputError, shown
from npnet.cli.recipe_options import assigned, source_from
from npnet.recipes.publication import Publication
from npnet.recipes.recipe import Recipe
from npnet.training.run_folders import Tree, of_seeds

MOST_RUNS = 10_000
LONGEST = 60  # the most characters of a folder's name
BRACKETS = {"[": "]", "(": ")", "{": "}"}


class Grid(NamedTuple):
    """The runs of one command, by the names of their folders, and the seeds and values of them."""

    runs: Tree
    first: Recipe
    publication: Publication | None


def grid_of(options: argparse.Namespace) -> Grid | None:
    """The recipes for all values of --set and --seeds; None if the options ask for one run.

    Raises:
        InputError: a recipe is impossible, or there are too many.
    """
    axes = [(key, values_of(key, value)) for key, value in map(assigned, options.set or ())]
    varied = [(key, values) for key, values in axes if len(values) > 1]
    if options.seeds is None and not varied:
        return None
    seeds: int | list[int] | None = options.seeds
    if any(key == "seed" for key, _ in varied):
        if options.seeds is not None or options.seed is not None:
            other = "--seed" if options.seeds is None else "--seeds"
            raise InputError(f"--set seed: got {other} as well, wanted only one of them")
        seeds = [_seed(value) for value in dict(axes)["seed"]]
        axes = [(key, values[:1] if key == "seed" else values) for key, values in axes]
        varied = [(key, values) for key, values in varied if key != "seed"]
    count = 1
    for _, values in varied:
        count *= len(values)
    if count * (seeds if isinstance(seeds, int) else len(seeds or [0])) > MOST_RUNS:
        raise InputError(
            f"--set: more than {MOST_RUNS:,} runs, wanted fewer: fewer values or seeds"
        )
    recipes: dict[str, Recipe] = {}
    publication = None
    for chosen in itertools.product(*(values for _, values in axes)):
        own = [f"{key}={value}" for (key, _), value in zip(axes, chosen, strict=True)]
        recipe, publication = source_from(argparse.Namespace(**{**vars(options), "set": own}))
        if recipe in recipes.values():
            raise InputError(f"--set: got {', '.join(own)} twice, wanted values that differ")
        told = [(axes[i][0], value) for i, value in enumerate(chosen) if len(axes[i][1]) > 1]
        recipes[_folder_name(told, recipes)] = recipe
    first = next(iter(recipes.values()))
    if seeds is None:
        return Grid(recipes, first, publication)
    by_seed = {name: of_seeds(recipe, seeds) for name, recipe in recipes.items()}
    first = next(iter(next(iter(by_seed.values())).values()))
    return Grid(by_seed if varied else next(iter(by_seed.values())), first, publication)


def values_of(key: str, text: str) -> list[str]:
    """The values of ``V1,V2,V3``: the text is cut at commas outside of brackets and quotes.

    ``[[0, 0.1], [5000, 0.01]]`` and ``max(0.01, 0.1 * exp(-i))`` are therefore one value each. A
    name is never cut.

    Raises:
        InputError: one of several values is empty.
    """
    if key == "name":
        return [text]
    values, depth, quoted = [""], 0, False
    for char in text:
        if char == '"':
            quoted = not quoted
        elif not quoted:
            depth += (char in BRACKETS) - (char in BRACKETS.values())
        if char == "," and depth <= 0 and not quoted:
            values.append("")
        else:
            values[-1] += char
    values = [value.strip() for value in values] if len(values) > 1 else values
    if len(values) > 1 and not all(values):
        raise InputError(
            f"--set {key}: got {shown(text)}, wanted a value before and after each comma"
        )
    return values


def _seed(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise InputError(f"--set seed: got {shown(value)}, wanted whole numbers") from None


def _folder_name(told: Sequence[tuple[str, str]], taken: dict[str, Recipe]) -> str:
    """A name of letters, digits, dots and dashes for the values of one recipe."""
    parts = []
    for key, value in told:
        plain = json.loads(value) if value.startswith('"') and value.endswith('"') else value
        parts.append(f"{key}-" + re.sub(r"[^A-Za-z0-9.+-]+", "-", str(plain)).strip("-"))
    name = "_".join(parts)[:LONGEST].rstrip("-._")
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name}-{number}", number + 1
    return unique
