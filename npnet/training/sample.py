"""New names, character by character, from a trained model."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator as Yielding
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from npnet.base.arguments import NUMBER, SIZE, TEXT, an, checked
from npnet.base.arrays import Floats
from npnet.base.errors import InputError
from npnet.corpora.words import END, Vocabulary
from npnet.network.parameters import Parameters
from npnet.torch_rng.generator import ENGINES, Generator
from npnet.training.batchnorm import UNTRAINED, Statistics
from npnet.training.evaluation import predict

# Follows a name that was cut off at ``max_length``.
CUT = "…"
# Contexts that differ only in their last characters go through the network together, at most this
# many: names need most of them, and 729 rows take as long as ten calls of one row.
TOGETHER = 1000
# Probabilities that are kept (16 MB of float32). The lecture's model rarely needs a tenth.
REMEMBERED = 1 << 22
# Characters whose exponentials are drawn at once, and the most numbers that are drawn at once.
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
    """Sample ``count`` names, one draw of ``torch.multinomial`` a character.

    Args:
        params: the seven parameters.
        stats: in place of the batch's mean and variance.
        vocab: the characters of the rows of ``params.C``.
        count: how many names, 0 or more.
        generator: draws; None is a new ``Generator(2147483657)``, the lecture's.
        start: the beginning that every name continues, from the vocabulary.
        temperature: logits are divided by it; below 1 names are more common, above 1 more varied.
        max_length: longer names are cut to this number of characters and end in ``…``.
        sampler: whose random numbers choose the characters: ``torch``, or ``mkl``, as torch 2.0 to
            2.6 on x86.

    Returns:
        The names, without end marks; names may be empty and may repeat.

    Raises:
        InputError: an argument out of range, a start outside the vocabulary, with an end mark or
            longer than ``max_length``; parameters, statistics and vocabulary that do not fit
            together.
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
        next(draws)  # runs to its first yield
        for _ in range(count):
            indices = list(beginning)
            context = tuple(([0] * T + indices)[-T:])
            while (short := len(indices) < max_length) and (index := draws.send(table[context])):
                indices.append(index)
                context = (*context[1:], index)
            names.append(vocab.decode(indices) + ("" if short else CUT))
    return names


def unnormalised(params: Parameters) -> tuple[Parameters, Statistics]:
    """The network with its batch normalisation left out: tanh(embcat · W1 + b1) · W2 + b2."""
    zeros, ones = (np.full_like(params.bngain, value) for value in (0, 1))
    arrays = {**params, "bngain": ones, "bnbias": zeros}
    return Parameters(**arrays), Statistics(zeros, ones, 0.0)


class _Table(dict[tuple[int, ...], Floats]):
    """The probabilities (V,) after each context; those not met before are computed."""

    def __init__(self, params: Parameters, stats: Statistics, temperature: float) -> None:
        super().__init__()
        self.params, self.stats, self.temperature = params, stats, temperature

    def __missing__(self, context: tuple[int, ...]) -> Floats:
        V, T = self.params.sizes["V"], len(context)
        shared = T
        while shared and V ** (T - shared + 1) <= TOGETHER:
            shared -= 1
        lasts = itertools.product(range(V), repeat=T - shared)
        contexts = [(*context[:shared], *last) for last in lasts]
        with np.errstate(all="ignore"):  # what is not finite is found below
            logits = predict(self.params, self.stats, np.array(contexts))
            # The largest is subtracted first and the rest is divided in float64: then no
            # temperature is too low or too high.
            norm_logits = (logits - logits.max(1, keepdims=True)) / np.float64(self.temperature)
            counts = np.exp(norm_logits.astype(logits.dtype))
            probs = counts / counts.sum(1, keepdims=True)
        if not np.isfinite(probs).all():
            raise InputError(f"sample: probabilities that are not finite, {UNTRAINED}")
        if V * (len(self) + len(contexts)) > REMEMBERED:
            self.clear()
        self.update(zip(contexts, probs, strict=True))
        return self[context]


def _draws(
    generator: Generator, V: int, dtype: np.dtype[Any], sampler: str
) -> Yielding[int, Floats, None]:
    """Draw as ``generator.multinomial`` does, index after index for probabilities sent in.

    That is the largest of p / q for one exponential q a class. The q are drawn many rows at a
    time; when it is closed, the generator stands where single draws would have left it.
    """
    ratios, index = np.empty(V, dtype), 0
    while sampler == "mkl":  # seeded anew for each character: nothing to draw ahead
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
