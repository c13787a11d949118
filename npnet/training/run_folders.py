"""A folder of several runs: a recipe from several seeds, or several recipes.

The folder contains one folder for each run, and ``runs.json``, which lists the runs. For a grid of
recipes with several seeds each, it contains one such folder of several runs for each recipe.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from npnet.base.errors import InputError, shown
from npnet.base.files import new_folder
from npnet.recipes.recipe import Recipe
from npnet.training.runs import require_space, write_recipe, write_text, write_words

FILE = "runs.json"
SEEDS, RECIPES = "seeds", "recipes"  # the words for what the runs of a folder differ in
MOST_SEEDS = 10_000

# The runs of a folder by name: recipes, or mappings from names to recipes.
Tree = Mapping[str, "Recipe | Mapping[str, Recipe]"]


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """``recipe`` with another seed for parameters and minibatches, and the same split.

    The own seed of a draw changes by the same number.
    """
    if seed == recipe.seed:
        return recipe
    apart = seed - recipe.seed
    drawn = tuple(
        dataclasses.replace(draw, seed=(draw.seed + apart) % 2**64)
        if isinstance(draw.seed, int)
        else draw
        for draw in recipe.draws
    )
    own = recipe.split_seed
    # The run's generator draws the permutation first; a new generator of this seed draws the same.
    split_seed = recipe.seed if own is None and recipe.split != "words" else own
    return dataclasses.replace(recipe, seed=seed, draws=drawn, split_seed=split_seed)


def without_seed(recipe: Recipe) -> Recipe:
    """The recipe without its seeds, for comparing recipes of several seeds."""
    draws = tuple(
        dataclasses.replace(draw, seed=0) if isinstance(draw.seed, int) else draw
        for draw in recipe.draws
    )
    return dataclasses.replace(recipe, name="any", seed=0, draws=draws, split_seed=None)


def of_seeds(recipe: Recipe, seeds: int | Iterable[int]) -> dict[str, Recipe]:
    """One recipe from several seeds, by the names of their folders.

    Args:
        recipe: its own seed is the first.
        seeds: the number of seeds, which follow the recipe's own; or the seeds themselves.

    Raises:
        InputError: there is no seed, there are too many, or one is there twice.
    """
    if isinstance(seeds, int):
        if not 1 <= seeds <= MOST_SEEDS:
            raise InputError(f"seeds: got {seeds}, wanted 1 to {MOST_SEEDS:,}")
        seeds = range(recipe.seed, recipe.seed + seeds)
    listed = list(seeds)
    made = {f"seed-{seed}": with_seed(recipe, seed) for seed in listed}
    if not made or len(made) < len(listed):
        raise InputError(f"seeds: got {shown(listed)}, wanted one or more, each once")
    return made


def make_runs(
    folder: str | os.PathLike[str],
    runs: Tree,
    words: Sequence[str],
    eval_every: int | None = None,
) -> Path:
    """Make a folder for several runs that have not begun.

    Args:
        folder: does not exist yet, or is empty.
        runs: recipes by the names of their folders, or by two names: of a recipe, and of a seed.
        words: the corpus of all of them.
        eval_every: as for ``fit``.

    Raises:
        InputError: the folder cannot be made, or there is no space for the results.
    """
    folder = Path(folder)
    if not (folder.is_dir() and not any(folder.iterdir())):
        new_folder(folder)
    nested = any(isinstance(run, Mapping) for run in runs.values())
    for name, run in runs.items():
        if isinstance(run, Mapping):
            make_runs(folder / name, run, words, eval_every)
        else:
            new_folder(folder / name)
            require_space(folder, run)
            write_recipe(folder / name, run, eval_every)
            write_words(folder / name, tuple(words))
    kind = SEEDS if not nested and _are_seeds(runs) else RECIPES
    # This file is written last: a folder that has it is complete.
    write_text(folder / FILE, json.dumps({"differ_in": kind, "runs": list(runs)}, indent=2))
    return folder


def _are_seeds(runs: Tree) -> bool:
    return all(isinstance(run, Recipe) and name == f"seed-{run.seed}" for name, run in runs.items())


def is_several(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is one of several runs."""
    return os.path.isfile(Path(folder) / FILE)


def run_folders(folder: str | os.PathLike[str]) -> list[Path]:
    """The folders of all runs in a folder of several runs.

    Raises:
        InputError: it is not such a folder, or its ``runs.json`` is damaged.
    """
    path = Path(folder) / FILE
    try:
        names = json.loads(path.read_text(encoding="utf-8"))["runs"]
        below = [Path(folder) / name for name in names]
    except OSError as error:
        raise InputError(f"{folder}: no {FILE} in it, wanted a folder of several runs") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: damaged ({error}), wanted what npnet train wrote") from error
    return [run for each in below for run in (run_folders(each) if is_several(each) else [each])]
