"""New names, character by character, from a trained model."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator as Yielding
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from npnet.base.arguments import NUMBER, SIZE, TEXT, an, checked
from npnet.base.arrays import Floats
from npnet.base.errors import InputError
from npnet.corpora.datasets import Vocabulary
from npnet.corpora.words import END
from npnet.network.parameters import Parameters
from npnet.torch_rng.generator import ENGINES, Generator
from npnet.training.batchnorm import UNTRAINED, Statistics
from npnet.training.evaluation import predict

# The mark after a name that was cut off at ``max_length``.
CUT = "…"
# Contexts that differ only in their last characters go through the network together, but at most
# this many. Names need most of them, and 729 rows take only as long as ten calls with one row.
TOGETHER = 1000
# The most probabilities in memory (16 MB of float32). The lecture's model rarely needs a tenth.
REMEMBERED = 1 << 22
# How many characters' exponentials are drawn at once, and at most how many numbers.
DRAWS = 256
DRAWN_NUMBERS = 1 << 18


@checked(
    stats=an(Statistics, "npnet.Statistics"),
    vocab=an(Vocabulary, "an npnet.Vocabulary"),
    count=SIZE,
    generator=an(Generator, "an npnet.Generator"),
    start=TEXT,
    temperature=NUMBER,
    max_length=SIZE,
    sampler=TEXT,
)
def sample(
    params: Parameters | Mapping[str, ArrayLike],
    stats: Statistics,
    vocab: Vocabulary,
    count: int = 20,
    generator: Generator | None = None,
    *,
    start: str = "",
    temperature: float = 1.0,
    max_length: int = 100,
    sampler: str = "torch",
) -> list[str]:
    """Sample ``count`` names, with one draw of ``torch.multinomial`` for each character.

    Args:
        params: the seven parameters.
        stats: used in place of the batch's mean and variance.
        vocab: the characters of the rows of ``params.C``.
        count: the number of names, 0 or more.
        generator: draws the characters; None: a new ``Generator(2147483657)``, as in the lecture.
        start: characters of the vocabulary with which every name begins.
        temperature: logits are divided by it. Below 1, names are more usual; above 1, more varied.
        max_length: longer names are cut to this number of characters and end in ``…``.
        sampler: whose random numbers choose the characters: ``torch``, or ``mkl``, as torch 2.0 to
            2.6 on x86.

    Returns:
        The names, without end marks; names may be empty and may repeat.

    Raises:
        InputError: an argument is out of range; ``start`` has a character that is not in the
            vocabulary, has an end mark or is longer than ``max_length``; or parameters, statistics
            and vocabulary do not fit together.
    """
    params = Parameters.of(params)
    generator = Generator(2147483647 + 10) if generator is None else generator
    if params.sizes["V"] != vocab.size:
        raise InputError(
            f"sample: the vocabulary has {vocab.size} characters, wanted {params.sizes['V']} "
            "as the parameters have: they belong to another corpus"
        )
    if count < 0:
        raise InputError(f"sample: count {count}, wanted 0 or more")
    if max_length < 1:
        raise InputError(f"sample: max_length {max_length}, wanted 1 or more")
    if not 0 < temperature < np.inf:
        raise InputError(f"sample: temperature {temperature}, wanted a finite number above 0")
    if END in start:
        raise InputError(
            f"sample: start {start!r} contains {END!r}, the mark that ends every word: take it out"
        )
    if len(start) > max_length:
        raise InputError(
            f"sample: start {start!r} has {len(start)} characters and max_length is {max_length}, "
            "wanted a start of at most that length"
        )
    T = params.sizes["T"]
    beginning = [int(index) for index in vocab.encode(start)]
    table = _Table(params, stats, temperature)
    names = []
    if sampler not in ENGINES:
        raise InputError(f"sample: sampler {sampler!r}, wanted one of {', '.join(ENGINES)}")
    with contextlib.closing(_draws(generator, vocab.size, params.dtype, sampler)) as draws:
        next(draws)  # runs the generator function to its first yield
        for _ in range(count):
            indices = list(beginning)
            context = tuple(([0] * T + indices)[-T:])
            while (short := len(indices) < max_length) and (index := draws.send(table[context])):
                indices.append(index)
                context = (*context[1:], index)
            names.append(vocab.decode(indices) + ("" if short else CUT))
    return names


def unnormalised(params: Parameters) -> tuple[Parameters, Statistics]:
    """The network without its batch normalisation: tanh(embcat · W1 + b1) · W2 + b2."""
    zeros, ones = (np.full_like(params.bngain, value) for value in (0, 1))
    arrays = {**params, "bngain": ones, "bnbias": zeros}
    return Parameters(**arrays), Statistics(zeros, ones, 0.0)


class _Table(dict[tuple[int, ...], Floats]):
    """The probabilities (V,) after each context, computed when a context occurs first."""

    def __init__(self, params: Parameters, stats: Statistics, temperature: float) -> None:
        super().__init__()
        self.params, self.stats, self.temperature = params, stats, temperature
        self.blocks: dict[tuple[int, ...], Floats] = {}

    def __missing__(self, context: tuple[int, ...]) -> Floats:
        V, T = self.params.sizes["V"], len(context)
        shared = T
        while shared and V ** (T - shared + 1) <= TOGETHER:
            shared -= 1
        first, last = context[:shared], context[shared:]
        if first not in self.blocks:
            if (len(self.blocks) + 1) * V ** (T - shared + 1) > REMEMBERED:
                self.clear()
                self.blocks.clear()
            self.blocks[first] = self._block(first, (V,) * (T - shared))
        self[context] = self.blocks[first][last]
        return self[context]

    def _block(self, first: tuple[int, ...], lasts: tuple[int, ...]) -> Floats:
        """The probabilities, (*lasts, V), after all contexts that begin with ``first``."""
        ends = np.indices(lasts).reshape(len(lasts), math.prod(lasts)).T
        contexts = np.hstack([np.tile(np.array(first, np.int64), (len(ends), 1)), ends])
        with np.errstate(all="ignore"):  # results that are not finite are found below
            logits = predict(self.params, self.stats, contexts)
            # The largest logit is subtracted first, and the division is in float64, so that no
            # temperature is too low or too high.
            norm_logits = (logits - logits.max(1, keepdims=True)) / np.float64(self.temperature)
            counts = np.exp(norm_logits.astype(logits.dtype))
            probs = counts / counts.sum(1, keepdims=True)
        if not np.isfinite(probs).all():
            raise InputError(f"sample: probabilities that are not finite, {UNTRAINED}")
        block: Floats = probs.reshape(*lasts, -1)
        return block


def _draws(
    generator: Generator, V: int, dtype: np.dtype[Any], sampler: str
) -> Yielding[int, Floats, None]:
    """Yield the index that ``generator.multinomial`` draws, for each row of probabilities sent in.

    The index is that of the largest p / q, with one exponential q for each class. The q of many
    rows are drawn at once. When this function is closed, the generator's state is the same as after
    single draws.
    """
    ratios, index = np.empty(V, dtype), 0
    # MKL's generator is seeded again for each character, so nothing can be drawn ahead
    while sampler == "mkl":
        probs = yield index
        np.divide(probs, generator.exponential(V, dtype=dtype, engine="mkl"), ratios)
        index = int(ratios.argmax())
    rows = max(1, min(DRAWS, DRAWN_NUMBERS // V))
    while True:
        before, used = generator.get_state(), 0
        try:
            for q in generator.exponential(rows, V, dtype=dtype):
                probs = yield index
                used += 1
                np.divide(probs, q, ratios)
                index = int(ratios.argmax())
        finally:
            if used < rows:
                generator.set_state(before)
                generator.exponential(used, V, dtype=dtype)
