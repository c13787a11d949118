"""Different rows of indices and how often each occurs; blocks of rows that fit into memory."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from npnet.base.arrays import Ints
from npnet.network.parameters import Parameters

# The most rows that are computed at once, and the most numbers of one layer (16 MB of float32):
# with a large vocabulary or hidden layer fewer rows are taken. So memory does not grow with
# the number of examples.
BLOCK = 2048
BLOCK_NUMBERS = 1 << 22
# Contexts repeat: 182,625 examples of names hold some 6,000 different ones. They are counted in a
# table if it has at most this many places (16 MB), and the network sees each one only once.
PLACES = 1 << 21


def blocks(count: int, params: Parameters) -> Iterator[slice]:
    widest = max(len(params.W1), *params.sizes.values())
    rows = max(1, min(BLOCK, BLOCK_NUMBERS // widest))
    return (slice(start, start + rows) for start in range(0, count, rows))


def distinct(columns: Sequence[Ints], V: int) -> tuple[Ints, Ints]:
    """The different rows (K, width) of indices below V, in order, and how often each occurs.

    If a table of all possible rows would be too large, the given rows are returned, each counted
    once.
    """
    width = len(columns)
    if V**width > PLACES:
        return np.column_stack(columns), np.ones(len(columns[0]), np.int64)
    counts = np.bincount(places(columns, V))
    taken = np.flatnonzero(counts > 0)  # on bools, this takes a quarter of the time
    return taken[:, None] // V ** np.arange(width - 1, -1, -1) % V, counts[taken]


def places(columns: Sequence[Ints], V: int) -> Ints:
    """The places of rows of indices below V, given by columns, in the list of all such rows."""
    return functools.reduce(lambda place, column: place * V + column, columns)
