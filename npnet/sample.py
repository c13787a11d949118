"""New names, character by character, from a trained model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from npnet.arrays import Floats
from npnet.corpus import Vocabulary
from npnet.errors import InputError
from npnet.generator import Generator
from npnet.parameters import Parameters
from npnet.statistics import Statistics, predict

# Put behind a name that reached the bound before the model ended it.
CUT = "…"


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
) -> list[str]:
    """Sample ``count`` names, one draw of ``torch.multinomial`` a character.

    Args:
        params: the seven parameters.
        stats: in place of the batch's mean and variance.
        vocab: the characters of the rows of ``params.C``.
        count: how many names, 0 or more.
        generator: draws; None is a new ``Generator(2147483657)``, the lecture's.
        start: the beginning that every name continues, from the vocabulary.
        temperature: logits are divided by it; below 1 plainer names, above 1 wilder ones.
        max_length: characters at which a name is cut off; ``…`` marks those that were.

    Returns:
        The names, without end marks; names may be empty and may repeat.

    Raises:
        InputError: an argument out of range, a start outside the vocabulary, parameters,
            statistics and vocabulary that do not fit together.
    """
    params = params if isinstance(params, Parameters) else Parameters(**params)
    generator = Generator(2147483647 + 10) if generator is None else generator
    if params.sizes["V"] != vocab.size:
        raise InputError(
            f"sample: the vocabulary has {vocab.size} characters, wanted {params.sizes['V']} "
            "as the parameters have: they belong to another corpus"
        )
    if count < 0 or max_length < 1 or not 0 < temperature < np.inf:
        raise InputError(
            f"sample: count {count}, max_length {max_length}, temperature {temperature}, "
            "wanted 0 or more, 1 or more, above 0"
        )
    T = params.sizes["T"]
    beginning = [int(index) for index in vocab.encode(start)]
    # Names share most of their contexts, so each distinct one goes through the network once.
    known: dict[tuple[int, ...], Floats] = {}
    names = []
    for _ in range(count):
        indices = list(beginning)
        context = tuple(([0] * T + indices)[-T:])
        while len(indices) < max_length:
            if context not in known:
                logits = predict(params, stats, np.array([context]))[0]
                known[context] = softmax(logits / temperature)
            index = generator.multinomial(known[context])
            if index == 0:
                break
            indices.append(index)
            context = (*context[1:], index)
        else:
            names.append(vocab.decode(indices) + CUT)
            continue
        names.append(vocab.decode(indices))
    return names


def softmax(logits: Floats) -> Floats:
    """Probabilities (V,) of logits (V,), the largest logit moved to 0 first."""
    counts = np.exp(logits - logits.max())
    probs: Floats = counts / counts.sum()
    return probs
