"""The exponential numbers of Intel MKL, which torch 2.0 to 2.6 drew on x86.

MKL's generator MCG31m1 is x_{i+1} = 1132489760 · x_i mod (2^31 − 1) (Intel, Vector Statistics
Notes, "MCG31m1"); its exponentials are −ln(x_i / (2^31 − 1)), in float64.
"""

import numpy as np
from numpy.typing import NDArray

from npnet.base.arrays import Floats

MULTIPLIER = 1132489760
MODULUS = 2**31 - 1
PIECE = 1 << 20  # how many numbers are computed at once


def exponentials(word: int, count: int) -> Floats:
    """``count`` exponential numbers (count,), float64, of a generator seeded with ``word``."""
    first = word % MODULUS or 1
    out = np.empty(count)
    powers = _powers(min(count, PIECE))
    for start in range(0, count, PIECE):
        piece = out[start : start + PIECE]
        states = powers[: piece.size] * np.uint64(first) % np.uint64(MODULUS)
        np.negative(np.log(states / MODULUS), out=piece)
        first = int(states[-1]) * MULTIPLIER % MODULUS
    return out


def _powers(count: int) -> NDArray[np.uint64]:
    """The powers 0 … count−1 of MULTIPLIER, modulo MODULUS. Their products fit into 62 bits."""
    powers = np.ones(1, np.uint64)
    while powers.size < count:
        factor = np.uint64(pow(MULTIPLIER, powers.size, MODULUS))
        powers = np.concatenate([powers, powers * factor % np.uint64(MODULUS)])
    return powers[:count]
