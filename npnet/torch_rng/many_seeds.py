"""The words of MT19937 for thousands of seeds at once. They equal the words of ``Generator``.

The first axis of every array is the word, the last axis the seed, so that each operation runs over
contiguous numbers of thousands of seeds. Only the words that are needed are computed. The engine
regenerates its 624 words again and again. A new word depends on three words of the previous
regeneration, or on two of them and one new word. Seeding must start at the first word, but it stops
at the last one that is needed.

The rules are those of MT19937 (Matsumoto and Nishimura 1998, with the seeding of 2002).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npnet.base.errors import InputError

Words = NDArray[np.uint32]

STATE = 624  # words of the engine's state
SHIFT = 397  # new word i is computed from the words i, i + 1 and i + SHIFT
AHEAD = STATE - SHIFT  # from this word on, the third of these three is a new word
SEEDS = 2**32

# How many words are computed at once. Eight words of 8,192 seeds are 256 kB, and three such arrays
# fit into the second-level cache of a processor.
ROWS = 8


def _constants(*numbers: int) -> tuple[Words, ...]:
    # Arrays without axes, because NumPy would convert a Python number again in each of a million
    # calls.
    return tuple(np.array(number, np.uint32) for number in numbers)


_ONE, _7, _11, _15, _18, _30 = _constants(1, 7, 11, 15, 18, 30)
_UPPER, _LOWER, _MATRIX = _constants(0x80000000, 0x7FFFFFFF, 0x9908B0DF)
_MASK_7, _MASK_15 = _constants(0x9D2C5680, 0xEFC60000)
(_MULTIPLIER,) = _constants(1812433253)
_COUNTERS = _constants(*range(STATE))


@dataclass(frozen=True)
class _Piece:
    """Words ``start`` to ``stop`` of the state, which are computed at once.

    ``out``: their first row in the result; None if only other words need them.
    ``kept``: whether other words need them.
    """

    start: int
    stop: int
    out: int | None
    kept: bool


class Streams:
    """Chosen words of the streams of many seeds.

    Args:
        runs: the wanted words, as (first, end) pairs in any order; they may overlap.
    """

    def __init__(self, runs: Iterable[tuple[int, int]]) -> None:
        self.runs = merged(runs)
        self.count = sum(stop - start for start, stop in self.runs)
        self._seeded, self._pieces = _planned(self.runs)
        self._space: tuple[Words, Words, Words] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_space": None}

    def row(self, word: int) -> int:
        """The row of a wanted word; words of one run are in consecutive rows."""
        before = 0
        for start, stop in self.runs:
            if start <= word < stop:
                return before + word - start
            before += stop - start
        raise InputError(f"Streams: word {word}, wanted one of {self.runs}")

    def words(self, seeds: Words, out: Words | None = None) -> Words:
        """The words (count, n) of these ``seeds`` (n,), uint32, in rising order."""
        n = len(seeds)
        if out is None:
            out = np.empty((self.count, n), np.uint32)
        state, left, right = self._workspace(n)
        self._seed(seeds, state, left[0], right[0])
        for piece in self._pieces:
            a, b = piece.start, piece.stop
            t, odd = left[: b - a], right[: b - a]
            new = t if piece.out is None else out[piece.out : piece.out + b - a]
            after = state[:1] if a == STATE - 1 else state[a + 1 : b + 1]
            far = state[a + SHIFT : b + SHIFT] if a < AHEAD else state[a - AHEAD : b - AHEAD]
            np.bitwise_and(after, _LOWER, odd)
            np.bitwise_and(state[a:b], _UPPER, t)
            np.bitwise_or(t, odd, t)
            np.right_shift(t, _ONE, t)
            np.bitwise_xor(t, far, t)
            np.bitwise_and(odd, _ONE, odd)
            np.multiply(odd, _MATRIX, odd)
            np.bitwise_xor(t, odd, new)
            if piece.kept:
                state[a:b] = new
            if piece.out is not None:
                _temper(new, t)
        return out

    def _workspace(self, n: int) -> tuple[Words, Words, Words]:
        if self._space is None or self._space[0].shape[1] != n:
            shapes = (STATE, n), (ROWS, n), (ROWS, n)
            state, left, right = (np.empty(shape, np.uint32) for shape in shapes)
            self._space = state, left, right
        return self._space

    def _seed(self, seeds: Words, state: Words, other: Words, scratch: Words) -> None:
        word = seeds
        for i, needed in enumerate(self._seeded):
            if i == 0:
                if needed:
                    state[0] = seeds
                continue
            np.right_shift(word, _30, scratch)
            np.bitwise_xor(scratch, word, scratch)
            np.multiply(scratch, _MULTIPLIER, scratch)
            word = state[i] if needed else other
            np.add(scratch, _COUNTERS[i], word)


def _temper(words: Words, scratch: Words) -> None:
    np.right_shift(words, _11, scratch)
    np.bitwise_xor(words, scratch, words)
    np.left_shift(words, _7, scratch)
    np.bitwise_and(scratch, _MASK_7, scratch)
    np.bitwise_xor(words, scratch, words)
    np.left_shift(words, _15, scratch)
    np.bitwise_and(scratch, _MASK_15, scratch)
    np.bitwise_xor(words, scratch, words)
    np.right_shift(words, _18, scratch)
    np.bitwise_xor(words, scratch, words)


def merged(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The runs in rising order; runs that touch or overlap are joined."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(runs):
        if not 0 <= start <= stop:
            raise InputError(f"Streams: words {start} to {stop}, wanted 0 or more, in rising order")
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        elif start < stop:
            merged.append((start, stop))
    return merged


def _planned(runs: list[tuple[int, int]]) -> tuple[list[bool], list[_Piece]]:
    """The words of the seeding that are needed, and the pieces of the regenerations in order."""
    last = max((stop for _, stop in runs), default=0)
    generations = -(-last // STATE)
    wanted = np.zeros((generations + 1, STATE), bool)
    for start, stop in runs:
        wanted.reshape(-1)[STATE + start : STATE + stop] = True
    used = np.zeros_like(wanted)  # needed by other words
    for g in range(generations, 0, -1):
        for i in range(STATE - 1, -1, -1):
            if wanted[g, i] or used[g, i]:
                used[g - 1, i] = True
                used[(g, 0) if i == STATE - 1 else (g - 1, i + 1)] = True
                used[(g - 1, i + SHIFT) if i < AHEAD else (g, i - AHEAD)] = True
    pieces, out = [], 0
    for g in range(1, generations + 1):
        for start, stop in _stretches(wanted[g], used[g]):
            shown, kept = bool(wanted[g, start]), bool(used[g, start])
            pieces.append(_Piece(start, stop, out if shown else None, kept))
            out += (stop - start) * shown
    needed = used[0].tolist()
    while needed and not needed[-1]:
        needed.pop()
    return needed, pieces


def _stretches(wanted: NDArray[np.bool], used: NDArray[np.bool]) -> Iterator[tuple[int, int]]:
    """The needed words of one regeneration, in stretches that can be computed at once."""
    # A word must not depend on a new word of its own stretch.
    ends = {0, AHEAD, 2 * AHEAD, STATE - 1, STATE}
    kinds = 2 * wanted.astype(np.int64) + used
    ends.update((1 + np.flatnonzero(np.diff(kinds))).tolist())
    for start, stop in itertools.pairwise(sorted(ends)):
        if kinds[start]:
            for first in range(start, stop, ROWS):
                yield first, min(first + ROWS, stop)
