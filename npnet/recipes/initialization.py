"""Drawing the seven parameters in a recipe's order."""

from __future__ import annotations

import numpy as np

from npnet.base.arguments import SIZE, an, checked
from npnet.base.arrays import Array
from npnet.base.errors import InputError
from npnet.network.names import PARAMETER_NAMES, shape_of
from npnet.network.parameters import Parameters
from npnet.recipes.draw import Draw
from npnet.recipes.recipe import Recipe
from npnet.torch_rng.generator import Generator


@checked(V=SIZE, generator=an(Generator, "an npnet.Generator"))
def draw_parameters(recipe: Recipe, V: int, generator: Generator) -> Parameters:
    """Draw the parameters as ``recipe.draws`` says, in that order, for ``V`` characters.

    They are drawn and scaled in ``recipe.draw_dtype`` (float32 unless torch's default was changed)
    and then cast to ``recipe.dtype``. If the recipe leaves out ``b1``, it is all zeros. No other
    parameter can be left out. A draw with its own seed does not use ``generator``.

    Raises:
        InputError: ``V`` is below 2 (the end mark and at least one character), a drawn number is
            beyond the range of float32, or a seed is lost.
    """
    if Recipe.of(recipe).lost:
        raise InputError(
            f"draws: the seed of {', '.join(recipe.lost)} is lost, wanted a number: "
            "npnet recover finds it from the printed figures"
        )
    if V < 2:
        raise InputError(f"draw_parameters: {V} characters, wanted 2 or more: . and a letter")
    sizes = {"V": V, "E": recipe.embedding, "T": recipe.block_size, "H": recipe.hidden}
    others: dict[int | str | None, Generator] = {}
    drawn = {"b1": np.zeros(recipe.hidden, recipe.draw_dtype)}
    for draw in recipe.draws:
        source = generator
        if isinstance(draw.seed, int):
            source = others.setdefault(draw.seed, Generator(draw.seed))
        source.rand(draw.skip or 0)  # one word for each number
        shape = draw.shape or shape_of(draw.name, sizes)
        array = _draw(draw, shape, source, recipe.draw_dtype)
        if draw.used:
            drawn[draw.name] = array
    with np.errstate(over="ignore"):
        cast = {name: drawn[name].astype(recipe.dtype) for name in PARAMETER_NAMES}
    for name, array in cast.items():
        if not np.isfinite(array).all():
            raise InputError(f"draws: {name} leaves the range of float32, wanted a smaller scale")
    return Parameters(**cast)


def _draw(draw: Draw, shape: tuple[int, ...], generator: Generator, dtype: str) -> Array:
    if draw.constant is not None:
        return np.full(shape, draw.constant, dtype)
    return draw.scaled(generator.randn(*shape, dtype=np.dtype(dtype)), fan_in=shape[0])
