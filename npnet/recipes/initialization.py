"""Drawing the seven parameters in a recipe's order."""

from __future__ import annotations

import numpy as np

from npnet.base.arrays import Array
from npnet.base.errors import InputError
from npnet.network.names import PARAMETER_NAMES, shape_of
from npnet.network.parameters import Parameters
from npnet.recipes.draw import Draw
from npnet.recipes.recipe import Recipe
from npnet.torch_rng.generator import Generator


def draw_parameters(recipe: Recipe, V: int, generator: Generator) -> Parameters:
    """Draw the parameters as ``recipe.draws`` says, in that order, for ``V`` characters.

    Drawn and scaled in float32, as torch does by default, whatever ``recipe.dtype``, then cast.
    A parameter that the recipe does not mention (only ``b1`` can be left out) is all zeros.
    Draws with a seed of their own leave ``generator`` alone.

    Raises:
        InputError: ``V`` is below 2 (the end mark and at least one character), or a draw leaves
            the range of float32.
    """
    if V < 2:
        raise InputError(f"draw_parameters: {V} characters, wanted 2 or more: . and a letter")
    sizes = {"V": V, "E": recipe.embedding, "T": recipe.block_size, "H": recipe.hidden}
    others: dict[int | None, Generator] = {
        draw.seed: Generator(draw.seed) for draw in recipe.draws if draw.seed is not None
    }
    drawn = {
        draw.name: _draw(draw, shape_of(draw.name, sizes), others.get(draw.seed, generator))
        for draw in recipe.draws
    }
    drawn.setdefault("b1", np.zeros(recipe.hidden, np.float32))
    for name, array in drawn.items():
        if not np.isfinite(array).all():
            raise InputError(f"draws: {name} leaves the range of float32, wanted a smaller scale")
    return Parameters(**{name: drawn[name].astype(recipe.dtype) for name in PARAMETER_NAMES})


def _draw(draw: Draw, shape: tuple[int, ...], generator: Generator) -> Array:
    if draw.constant is not None:
        return np.full(shape, draw.constant, np.float32)
    return draw.scaled(generator.randn(*shape), fan_in=shape[0])
