"""The whole main job in one call: from a recipe and words to a trained and measured model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from npnet import blas
from npnet.arrays import Floats, Ints
from npnet.corpus import Vocabulary, build_dataset, split_words
from npnet.errors import DivergedError
from npnet.generator import Generator
from npnet.parameters import draw_parameters
from npnet.recipe import Recipe
from npnet.runs import Run
from npnet.statistics import calibrate, evaluate
from npnet.train import Running, train_blocks


def fit(
    recipe: Recipe,
    words: Sequence[str],
    *,
    watch: Callable[[int, Floats], None] | None = None,
    threads: int = 1,
) -> Run:
    """Split ``words``, draw parameters, train, take statistics, measure the three splits.

    Args:
        recipe: every number of the run.
        words: at least 10, of any alphabet, without the end mark ``.``.
        watch: called now and then during training with the number of the first new step and
            the losses since the last call.
        threads: BLAS threads. At these sizes more than one gains nothing.

    Returns:
        The run, with a loss for every step.

    Raises:
        InputError: words or recipe that cannot be used.
        DivergedError: a loss was not finite; ``error.losses`` has those before it.
    """
    words = list(words)
    vocab = Vocabulary.from_words(words)
    examples = examples_of(recipe, words, vocab)
    X, Y = examples["train"]
    generator = Generator(recipe.seed)
    params = draw_parameters(recipe, vocab.size, generator)
    running = None if recipe.statistics == "whole-set" else Running.begin(recipe)
    losses = np.empty(recipe.steps, recipe.dtype)
    done = 0
    with blas.limited(threads):
        try:
            for block in train_blocks(recipe, params, X, Y, generator, running=running):
                losses[done : done + len(block)] = block
                done += len(block)
                if watch is not None:
                    watch(done - len(block), block)
        except DivergedError as error:
            error.losses = losses[:done]
            raise
        stats = running.statistics(recipe.eps) if running else calibrate(params, X, recipe.eps)
        split_losses = {
            split: evaluate(params, stats, *example) for split, example in examples.items()
        }
    return Run(recipe, params, stats, losses, split_losses, vocab, tuple(words))


def examples_of(
    recipe: Recipe, words: Sequence[str], vocab: Vocabulary
) -> dict[str, tuple[Ints, Ints]]:
    """Contexts and targets of ``train``, ``dev`` and ``test``, as ``recipe`` splits ``words``."""
    parts = zip(("train", "dev", "test"), split_words(words, recipe.shuffle_seed), strict=True)
    return {split: build_dataset(part, vocab, recipe.block_size) for split, part in parts}
