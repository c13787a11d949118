"""The exponential numbers of MKL, which older torch sampled names with."""

import math

import numpy as np
import pytest

import npnet
from npnet import Generator, InputError
from npnet.torch_rng import mkl


def by_hand(word: int, count: int) -> list[float]:
    """The rule as it is written down, number by number."""
    state, out = word % (2**31 - 1) or 1, []
    for _ in range(count):
        out.append(-math.log(state / (2**31 - 1)))
        state = 1132489760 * state % (2**31 - 1)
    return out


@pytest.mark.parametrize("word", [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 123456789])
def test_exponentials_follow_the_rule(word: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mkl, "PIECE", 64)
    ours = mkl.exponentials(word, 300)  # NumPy's logarithm may differ from C's by 1 ulp
    np.testing.assert_array_max_ulp(ours, np.array(by_hand(word, 300)), 1)


def test_each_call_takes_one_word_of_the_generator() -> None:
    ours, words = Generator(7), Generator(7)
    for shape in ((27,), (2, 3), (1,), (1000,)):
        word = _word(words)
        drawn = ours.exponential(shape, engine="mkl")
        expected = np.array(by_hand(word, math.prod(shape)), np.float32).reshape(shape)
        np.testing.assert_array_equal(drawn, expected, strict=True)
    assert ours.exponential(0, engine="mkl").shape == (0,)  # and takes none
    np.testing.assert_array_equal(ours.rand(5), words.rand(5))


def _word(generator: Generator) -> int:
    """The next word of a generator, from its halves: spans below 2^28 are words modulo them."""
    copy = Generator(0)
    copy.set_state(generator.get_state())
    low = int(copy.randint(0, 2**16, (1,))[0])
    copy.set_state(generator.get_state())
    rest = int(copy.randint(0, 2**16 + 1, (1,))[0])
    generator.rand(1)
    # 2^16 and 2^16 + 1 have no common divisor: the two remainders say the word below their product.
    return (low + 2**16 * ((low - rest) % (2**16 + 1))) % 2**32


def test_float64_is_not_rounded() -> None:
    wide = Generator(3).exponential(50, dtype=np.float64, engine="mkl")
    narrow = Generator(3).exponential(50, engine="mkl")
    np.testing.assert_array_equal(wide.astype(np.float32), narrow, strict=True)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(InputError, match=r"^exponential: engine 'cuda', wanted one of torch, mkl"):
        Generator(1).exponential(3, engine="cuda")
    recipe = npnet.RECIPES["lecture"]
    params = npnet.draw_parameters(recipe, 27, Generator(1))
    stats = npnet.Statistics(np.zeros((1, 200), "f"), np.ones((1, 200), "f"), 1e-5)
    vocab = npnet.Vocabulary.from_chars("abcdefghijklmnopqrstuvwxyz")
    with pytest.raises(InputError, match=r"^sample: sampler 'cuda'"):
        npnet.sample(params, stats, vocab, 1, sampler="cuda")
