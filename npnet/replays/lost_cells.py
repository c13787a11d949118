"""Publications with a lost seed: the data that a search needs, and filling in the seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from npnet.base.arrays import Ints
from npnet.base.errors import InputError
from npnet.corpora.datasets import Vocabulary
from npnet.network.names import shape_of
from npnet.recipes.draw import LOST, Draw
from npnet.recipes.initialization import draw_parameters
from npnet.recipes.publication import Publication
from npnet.recipes.recipe import Recipe
from npnet.replays.contradictions import check_contradictions, check_row_lengths
from npnet.replays.seed_cells import Cell, Interval
from npnet.torch_rng.generator import Generator
from npnet.training.fit import begin
from npnet.training.sgd import draw_rows


def cell_of(publication: Publication, words: Sequence[str] | None, reruns: int = 0) -> Cell:
    """The data that a search needs: known parameters, first minibatch and printed figures.

    Args:
        publication: some of its draws have ``seed = "lost"``.
        words: its corpus; None: the rows of its batch are used.
        reruns: how many earlier executions of its drawing cell are tried at most.

    Raises:
        InputError: no draw is lost, there is a skip between lost draws, the words cannot be used,
            or figures contradict each other.
    """
    recipe, printed = publication.recipe, publication.printed
    lost = tuple(draw for draw in recipe.draws if draw.seed == LOST)
    if not any(draw.used for draw in lost):
        raise InputError(
            f'{publication.file}: [recipe] draws: none has seed = "lost", wanted one or more: '
            "there is nothing to find"
        )
    if any(draw.skip for draw in lost[1:]):
        raise InputError(
            f"{publication.file}: [recipe] draws: {lost[1].name} and others have a skip, wanted it "
            f"at {lost[0].name} alone, the first of the lost draws"
        )
    known = dataclasses.replace(recipe, draws=tuple(_stand_ins(recipe)))
    if words is None:
        if publication.batch is None:
            raise InputError(f"{publication.file}: got no words, wanted those of its [corpus]")
        vocab = Vocabulary(publication.batch.chars)
        params = draw_parameters(known, vocab.size, Generator(known.seed))
        rows = np.array([vocab.encode(row) for row in publication.batch.rows])
        X, Y = rows[:, :-1], rows[:, -1]
    else:
        _, examples, params, generator = begin(known, words)
        X, Y = examples["train"]
        picked: Ints = draw_rows(known, len(X), generator)[0]
        X, Y = X[picked], Y[picked]
    check_row_lengths(publication, params.sizes["V"])
    check_contradictions(publication)
    names = {draw.name for draw in lost}
    return Cell(
        lost=lost,
        shapes=tuple(draw.shape or shape_of(draw.name, params.sizes) for draw in lost),
        fixed={name: value for name, value in params.items() if name not in names},
        shape=params.sizes,
        X=X,
        Y=Y,
        eps=recipe.eps,
        dtype=recipe.dtype,
        draw_dtype=recipe.draw_dtype,
        own_statistics=recipe.training_statistics == "batch",
        biased=recipe.variance == "biased",
        losses=tuple(
            Interval.of(figure, recipe.dtype, recipe.batch if what == "sum" else 1)
            for what, figure in printed.of_step(0)
        ),
        probs={
            row: tuple(Interval.of(figure, recipe.dtype) for figure in figures)
            for row, figures in printed.probs.items()
        },
        skip=lost[0].skip,
        reruns=reruns,
    )


def _stand_ins(recipe: Recipe) -> list[Draw]:
    """The draws, with zeros for the lost parameters and without lost draws that nothing uses."""
    return [
        dataclasses.replace(draw, seed=None, skip=None, scale=(), constant=0.0)
        if draw.seed == LOST
        else draw
        for draw in recipe.draws
        if draw.used or draw.seed != LOST
    ]


def with_seed(publication: Publication, seed: int, skip: int) -> Publication:
    """The publication with its lost seed filled in, ready for ``replay``."""
    draws, first = [], True
    for draw in publication.recipe.draws:
        if draw.seed == LOST:
            draw = dataclasses.replace(draw, seed=seed, skip=skip if first else None)
            first = False
        draws.append(draw)
    recipe = dataclasses.replace(publication.recipe, draws=tuple(draws))
    return dataclasses.replace(publication, recipe=recipe)


def lost_again(publication: Publication) -> Publication:
    """The publication as it was before its lost seeds were found.

    Every draw with its own seed gets ``seed = "lost"`` and loses its skip.
    """
    draws = tuple(
        draw if draw.seed is None else dataclasses.replace(draw, seed=LOST, skip=None)
        for draw in publication.recipe.draws
    )
    recipe = dataclasses.replace(publication.recipe, draws=draws)
    return dataclasses.replace(publication, recipe=recipe)
