"""Published first-batch losses, from a seed and 32 rows of text alone."""

import numpy as np
import pytest

import npnet
from npnet.recipes.publication import Batch, find_publication


def published(name: str) -> tuple[Batch, str]:
    """The rows that a publication carries, and the loss of step 0 that was printed."""
    publication = find_publication(name)
    assert publication.batch is not None
    return publication.batch, publication.printed.losses[0]


@pytest.mark.parametrize("name", ["constant-gain", "random-gain"])
def test_the_published_loss_comes_from_the_seed(name: str) -> None:
    recipe = npnet.RECIPES[name]
    batch, printed = published(name)
    vocab = npnet.Vocabulary.from_chars(batch.chars)
    params = npnet.draw_parameters(recipe, vocab.size, npnet.Generator(recipe.seed))
    rows = np.array([vocab.encode(row) for row in batch.rows])
    loss, _ = npnet.loss_and_gradients(params, rows[:, :3], rows[:, 3], recipe.eps)
    assert f"{loss:.4f}" == printed
    assert f"{npnet.forward(params, rows[:, :3], rows[:, 3], recipe.eps).loss:.4f}" == printed


@pytest.mark.parametrize("name", ["constant-gain", "random-gain"])
def test_the_rows_are_those_that_the_generator_picks(name: str, names_txt: list[str]) -> None:
    recipe = npnet.RECIPES[name]
    vocab = npnet.Vocabulary.from_words(names_txt)
    words, _, _ = npnet.split_words(names_txt, recipe.shuffle_seed)
    X, Y = npnet.build_dataset(words, vocab, recipe.block_size)
    generator = npnet.Generator(recipe.seed)
    npnet.draw_parameters(recipe, vocab.size, generator)
    picked = generator.randint(0, len(X), (recipe.batch,))
    rows = tuple(vocab.decode([*X[row], Y[row]]) for row in picked)
    assert rows == published(name)[0].rows
