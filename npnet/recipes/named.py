"""The recipes that have a name: the lecture's, the published ones, and variants of them."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from npnet.recipes.draw import Draw
from npnet.recipes.recipe import Recipe

# These files contain the published recipes and their printed figures.
PUBLICATIONS = Path(__file__).parent / "publications"


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
