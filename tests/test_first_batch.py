"""Published first-batch losses, from a seed and 32 rows of text alone."""

import numpy as np
import pytest

import npnet

# Context and target of the 32 rows that the seeded minibatch picks out of names.txt.
ROWS = {
    "constant-gain": "dewa rnul lly. eece elei lygr .pri ...p ..ha iya. lon. .ala hin. non. xtin "
    "bayl lah. nin. aws. ...h andy ..me rie. onst .yis ..co otil ..ev .yuv ...b ..lu ...r",
    "random-gain": ".kya iro. ...y alil anni remi dan. jax. ...m ..ay ...m .sar ..sy waun ngel "
    "...i ...l zyio ..ge melo iern ias. .nye .cha abdo .amy hwat tash ...a ..ka .ivo saa.",
}
PUBLISHED = {"constant-gain": "3.8279", "random-gain": "3.3399"}


@pytest.mark.parametrize("name", ROWS)
def test_the_published_loss_comes_from_the_seed(name: str) -> None:
    recipe = npnet.RECIPES[name]
    vocab = npnet.Vocabulary.from_chars("abcdefghijklmnopqrstuvwxyz")
    params = npnet.draw_parameters(recipe, vocab.size, npnet.Generator(recipe.seed))
    rows = np.array([vocab.encode(row) for row in ROWS[name].split()])
    loss, _ = npnet.loss_and_gradients(params, rows[:, :3], rows[:, 3], recipe.eps)
    assert f"{loss:.4f}" == PUBLISHED[name]
    assert f"{npnet.forward(params, rows[:, :3], rows[:, 3], recipe.eps).loss:.4f}" == f"{loss:.4f}"


@pytest.mark.parametrize("name", ROWS)
def test_the_rows_are_those_that_the_generator_picks(name: str, names_txt: list[str]) -> None:
    recipe = npnet.RECIPES[name]
    vocab = npnet.Vocabulary.from_words(names_txt)
    words, _, _ = npnet.split_words(names_txt, recipe.shuffle_seed)
    X, Y = npnet.build_dataset(words, vocab, recipe.block_size)
    generator = npnet.Generator(recipe.seed)
    npnet.draw_parameters(recipe, vocab.size, generator)
    picked = generator.randint(0, len(X), (recipe.batch,))
    rows = [vocab.decode([*X[row], Y[row]]) for row in picked]
    assert rows == ROWS[name].split()
