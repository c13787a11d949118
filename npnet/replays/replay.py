"""Running a publication and comparing its printed figures with ours. This module prints nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from npnet.base.arrays import Floats, Ints
from npnet.base.errors import InputError
from npnet.corpora.datasets import Vocabulary
from npnet.network.fused import cross_entropy
from npnet.network.parameters import Parameters
from npnet.recipes.initialization import draw_parameters
from npnet.recipes.publication import SPLITS, Publication
from npnet.recipes.recipe import Recipe
from npnet.replays.contradictions import check_row_lengths
from npnet.replays.drift import within_drift
from npnet.replays.printed_figures import (
    DIFFERS,
    EQUAL,
    NEAR,
    Figure,
    compare,
    exact,
    shortened,
)
from npnet.torch_rng.generator import Generator
from npnet.training.fit import examples_of, first_batch, fit
from npnet.training.running_norm import first_logits


def replay(
    publication: Publication,
    words: Sequence[str] | None = None,
    *,
    steps: int | None = None,
    watch: Callable[[int, Floats], None] | None = None,
    seen: Callable[[Figure], None] | None = None,
) -> list[Figure]:
    """Run a publication and compare every printed figure.

    Args:
        publication: what to run.
        words: the corpus; None: the rows of the publication's batch are used.
        steps: for a short replay: only losses of steps below this, no split losses and no names.
        watch: called now and then during training, as ``npnet.fit`` does.
        seen: called with each figure as soon as it is compared.

    Returns:
        The figures: losses, split losses, parameters, targets, rows, names.

    Raises:
        InputError: the words cannot be used, or no figure is left to compare.
        DivergedError: a loss is not finite.
    """
    publication = shortened(publication, steps)
    figures: list[Figure] = []

    def add(figure: Figure) -> None:
        figures.append(figure)
        if seen is not None:
            seen(figure)

    if words is None:
        for figure in _of_batch(publication):
            add(figure)
        return figures

    recipe, printed = needed(publication), publication.printed
    check_rows(publication, words)
    pending = printed.steps

    def compare_losses(first: int, losses: Floats) -> None:
        while pending and pending[0] < first + len(losses):
            step = pending.pop(0)
            for figure in _of_step(publication, step, float(losses[step - first])):
                add(figure)
        if watch is not None:
            watch(first, losses)

    run = fit(recipe, words, watch=compare_losses)
    for split, published in printed.split_losses.items():
        add(compare(split, None, published, run.split_losses[SPLITS[split]], recipe.dtype))
    if printed.parameters is not None:
        add(exact("parameters", printed.parameters, _trained(recipe, run.params)))
    if printed.targets or printed.probs or publication.batch is not None:
        params, X, Y = first_batch(recipe, words)
        for figure in _of_softmax(publication, params, X, Y):
            add(figure)
        if printed.targets:
            add(exact("targets", _spaced(printed.targets), _spaced(Y.tolist())))
        if publication.batch is not None:
            _check_chars(publication, run.vocab)
            rows = (run.vocab.decode(row) for row in np.column_stack([X, Y]))
            add(exact("rows", _spaced(publication.batch.rows), _spaced(rows)))
    for published, ours in zip(printed.names, run.sample(len(printed.names)), strict=True):
        add(exact("name", published, ours))
    return within_drift(publication, run, figures)


def advice(figures: Sequence[Figure]) -> str | None:
    """The usual causes if every loss differs from step 0 on; None if some loss agrees."""
    losses = [figure for figure in figures if figure.what in ("loss", "cross_entropy", "sum")]
    from_start = losses and losses[0].step == 0 and not any(each.reproduced for each in losses)
    if not from_start:
        return None
    return (
        "every loss differs, from step 0 on: the run began with other draws. Look at the seed, at "
        "a draw without generator=g (its seed is lost: npnet recover), at the order of the draws, "
        "at the dtype, at a GPU (which draws other numbers), at the corpus and its shuffling"
    )


def needed(publication: Publication) -> Recipe:
    """The recipe with only as many steps as the figures need."""
    recipe, printed = publication.recipe, publication.printed
    ahead = recipe.batch_first and not recipe.batch_once  # the parameters depend on the steps
    if printed.split_losses or printed.names or ahead:
        return recipe
    return dataclasses.replace(recipe, steps=max(printed.steps, default=0) + 1)


def check_rows(publication: Publication, words: Sequence[str]) -> None:
    """Raise InputError if ``batch_over`` is more than the training examples of these words."""
    recipe = publication.recipe
    if recipe.batch_over is None:
        return
    count = len(examples_of(recipe, words, Vocabulary.from_words(words))["train"][1])
    if recipe.batch_over > count:
        raise InputError(
            f"{publication.file}: [recipe]: batch_over: got {recipe.batch_over}, wanted at most "
            f"{count}, the number of training examples"
        )


def _of_batch(publication: Publication) -> Iterator[Figure]:
    """The figures of the first minibatch, computed from its printed rows."""
    recipe, printed, batch = publication.recipe, publication.printed, publication.batch
    if batch is None or not printed.of_first_batch:
        raise InputError(f"{publication.file}: got no words, wanted those of its [corpus]")
    vocab = Vocabulary(batch.chars)
    params = draw_parameters(recipe, vocab.size, Generator(recipe.seed))
    rows = np.array([vocab.encode(row) for row in batch.rows])
    X, Y = rows[:, :-1], rows[:, -1]
    loss, _ = cross_entropy(first_logits(recipe, params, X), Y)
    yield from _of_step(publication, 0, float(loss))
    if printed.parameters is not None:
        yield exact("parameters", printed.parameters, _trained(recipe, params))
    yield from _of_softmax(publication, params, X, Y)
    if printed.targets:
        yield exact("targets", _spaced(printed.targets), _spaced(Y.tolist()))


def _of_step(publication: Publication, step: int, loss: float) -> Iterator[Figure]:
    recipe = publication.recipe
    for what, published in publication.printed.of_step(step):
        ours = loss * recipe.batch if what == "sum" else loss
        yield compare(what, step, published, ours, recipe.dtype)


def _of_softmax(publication: Publication, params: Parameters, X: Ints, Y: Ints) -> Iterator[Figure]:
    """One figure for each printed row of the first softmax; its match is the worst of the row."""
    recipe = publication.recipe
    if not publication.printed.probs:
        return
    logits = first_logits(recipe, params, X)
    counts = np.exp(logits - logits.max(1, keepdims=True))
    probs = counts / counts.sum(1, keepdims=True)
    check_row_lengths(publication, probs.shape[1])
    for row, told in publication.printed.probs.items():
        each = [
            compare("probs", row, published, float(p), recipe.dtype)
            for published, p in zip(told, probs[row], strict=True)
        ]
        worst = max((figure.match for figure in each), key=(EQUAL, NEAR, DIFFERS).index)
        ours = (
            f"{float(p):.{len(published.partition('.')[2])}f}"
            for published, p in zip(told, probs[row], strict=True)
        )
        yield Figure("probs", row, _spaced(told), _spaced(ours), worst)


def _check_chars(publication: Publication, vocab: Vocabulary) -> None:
    if publication.batch is not None and publication.batch.chars != vocab.chars:
        raise InputError(
            f"{publication.file}: batch.chars: got {publication.batch.chars!r}, wanted "
            f"{vocab.chars!r} as the corpus has"
        )


def _trained(recipe: Recipe, params: Parameters) -> str:
    unused = (math.prod(draw.shape) for draw in recipe.draws if draw.shape and draw.trained)
    return str(sum(params[name].size for name in recipe.trained) + sum(unused))


def _spaced(values: Iterable[object]) -> str:
    return " ".join(map(str, values))
