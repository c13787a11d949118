"""The streams of many seeds at once: what ``Generator`` draws from each of thousands of seeds.

The first axis of every array is the word (or the normal), the last one the seed, so that each
operation runs over contiguous numbers of thousands of seeds. Only what the wanted words need is
computed: a word of a regeneration needs three words of the one before it (or two, and one of its
own), and the seeding rule, which has to be followed from the first word on, stops at the last word
that is needed. The words equal those of ``Generator``; so do the normals of ``exact_normals``.
``fast_normals`` are close to them and take a third of the time.

The rules are those of MT19937 (Matsumoto and Nishimura 1998, with the seeding of 2002).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npnet.base.arrays import Array, Floats
from npnet.base.errors import InputError
from npnet.torch_rng import cephes

Words = NDArray[np.uint32]
Singles = NDArray[np.float32]

STATE = 624  # words of the engine's state
SHIFT = 397  # a new word is made of the words i, i + 1 and i + SHIFT
AHEAD = STATE - SHIFT  # from this word on, the third of them is one of the new words
SEEDS = 2**32

# Words that are made at once. Eight of them, of 8,192 seeds, are 256 kB, so that the three arrays
# that their steps use fit into a processor's second cache.
ROWS = 8
LONG = 16  # from this many values on, randn works in blocks of 16; below, in pairs
PAIR = 4  # words of a pair of normals: two float64 uniforms


def _constants(*numbers: int) -> tuple[Words, ...]:
    # Arrays without axes: NumPy converts a Python number anew in each of a million calls.
    return tuple(np.array(number, np.uint32) for number in numbers)


_ONE, _7, _11, _15, _18, _30 = _constants(1, 7, 11, 15, 18, 30)
_UPPER, _LOWER, _MATRIX = _constants(0x80000000, 0x7FFFFFFF, 0x9908B0DF)
_MASK_7, _MASK_15, _LOW_24 = _constants(0x9D2C5680, 0xEFC60000, 0xFFFFFF)
(_MULTIPLIER,) = _constants(1812433253)
_COUNTERS = _constants(*range(STATE))


@dataclass(frozen=True)
class _Piece:
    """Words ``start`` to ``stop`` of the state that are made at once.

    ``out``: the first of their rows in the result, None if only other words need them.
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
        self.runs = _merged(runs)
        self.count = sum(stop - start for start, stop in self.runs)
        self._seeded, self._pieces = _planned(self.runs)
        self._space: tuple[Words, Words, Words] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_space": None}

    def row(self, word: int) -> int:
        """The row in which a wanted word stands; words of one run stand in consecutive rows."""
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


def _merged(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
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
    """Which words of the seeding are needed, and the pieces of the regenerations in order."""
    last = max((stop for _, stop in runs), default=0)
    generations = -(-last // STATE)
    wanted = np.zeros((generations + 1, STATE), bool)
    for start, stop in runs:
        wanted.reshape(-1)[STATE + start : STATE + stop] = True
    used = np.zeros_like(wanted)  # by other words
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
    """Words of one regeneration that can be made at once, in order, those not needed left out."""
    # None may read a new word of its own stretch.
    ends = {0, AHEAD, 2 * AHEAD, STATE - 1, STATE}
    kinds = 2 * wanted.astype(np.int64) + used
    ends.update((1 + np.flatnonzero(np.diff(kinds))).tolist())
    for start, stop in itertools.pairwise(sorted(ends)):
        if kinds[start]:
            for first in range(start, stop, ROWS):
                yield first, min(first + ROWS, stop)


@dataclass(frozen=True)
class _Block:
    """Blocks of 16 normals: ``count`` of them from word ``word``, to place ``place`` and on."""

    word: int
    count: int
    place: int


@dataclass(frozen=True)
class _Pair:
    """Two normals, of the words from ``word``; a place is None where one is not wanted."""

    word: int
    cosine: int | None
    sine: int | None


class NormalLayout:
    """Where ``randn`` takes its words, draw after draw, and where it puts its normals.

    Args:
        sizes: how many normals each draw has, in the order in which they are drawn.
        dtype: float32 or float64, of all of them.
        skip: words of the stream that were used before.
        before: sizes of draws that follow the skipped words and whose normals are not wanted:
            earlier executions of the same cell.

    Attributes:
        total: how many normals there are.
        runs: the words that they need, for ``Streams``.
        end: the word after the last draw.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        dtype: str = "float32",
        skip: int = 0,
        before: Sequence[int] = (),
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.total = sum(sizes)
        self._width = self.dtype.itemsize // 4  # words of a uniform of a long draw
        self._parts: list[_Block | _Pair] = []
        word, place = skip, -sum(before)
        spare: int | None = None  # the words of a pair whose sine the next short draw takes
        for size in (*before, *sizes):
            if size >= LONG:
                word = self._long(word, size, place)
            else:
                word, spare = self._short(word, size, place, spare)
            place += size
        self.end = word
        self.runs = _merged(self._words_of(part) for part in self._parts)
        self._space: tuple[Words, Singles] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_space": None}

    def _workspace(self, n: int) -> tuple[Words, Singles]:
        if self._space is None or self._space[0].shape[1] != n:
            self._space = np.empty((LONG, n), np.uint32), np.empty((LONG, n), np.float32)
        return self._space

    def _long(self, word: int, size: int, place: int) -> int:
        blocks, left_over = divmod(size, LONG)
        if place >= 0:
            self._parts.append(_Block(word, blocks, place))
        word += size * self._width
        if left_over:
            if place >= 0:
                self._parts.append(_Block(word, 1, place + size - LONG))
            word += LONG * self._width
        return word

    def _short(self, word: int, size: int, place: int, spare: int | None) -> tuple[int, int | None]:
        end = place + size
        if size and spare is not None:
            if place >= 0:
                self._parts.append(_Pair(spare, None, place))
            spare, place = None, place + 1
        for first in range(place, end, 2):
            second = first + 1 if first + 1 < end else None
            if first >= 0:
                self._parts.append(_Pair(word, first, second))
            if second is None:
                spare = word
            word += PAIR
        return word, spare

    def _words_of(self, part: _Block | _Pair) -> tuple[int, int]:
        count = PAIR if isinstance(part, _Pair) else part.count * LONG * self._width
        return part.word, part.word + count

    def exact_normals(self, streams: Streams, words: Words) -> Floats:
        """The normals (total, n) of ``words``, as ``Generator.randn`` gives them."""
        out = np.empty((self.total, words.shape[1]), self.dtype)
        for part in self._parts:
            start, stop = self._words_of(part)
            chosen = words[streams.row(start) : streams.row(stop - 1) + 1]
            if isinstance(part, _Pair):
                _exact_pair(chosen, part, out)
            else:
                rows = LONG * self._width
                for k in range(part.count):
                    place = part.place + k * LONG
                    block = chosen[k * rows : (k + 1) * rows]
                    out[place : place + LONG] = _exact_block(block, self.dtype)
        return out

    def fast_normals(self, streams: Streams, words: Words, out: Singles | None = None) -> Singles:
        """Nearly the same normals, (total, n) float32: within 2e-6, and 3e-6 of their size."""
        if out is None:
            out = np.empty((self.total, words.shape[1]), np.float32)
        low, uniforms = self._workspace(words.shape[1])
        for part in self._parts:
            start, stop = self._words_of(part)
            first = streams.row(start)
            chosen = words[first : first + stop - start]
            if isinstance(part, _Pair):
                _fast_pair(chosen, part, out)
                continue
            for k in range(part.count):
                place = part.place + k * LONG
                if self._width == 1:
                    np.bitwise_and(chosen[k * LONG : (k + 1) * LONG], _LOW_24, low)
                    # Below 2^24, so that int32 holds them, which every CPU can convert fast.
                    uniforms[:] = low.view(np.int32)
                    _fast_block(uniforms, out[place : place + LONG])
                else:
                    block = chosen[2 * k * LONG : 2 * (k + 1) * LONG]
                    out[place : place + LONG] = _exact_block(block, self.dtype)
        return out


def _doubles(words: Words) -> Floats:
    """float64 uniforms (k, n) of words (2k, n), the high half first."""
    long = (words[0::2].astype(np.uint64) << np.uint64(32)) | words[1::2]
    return (long % 2**53) * 2.0**-53


def _exact_block(words: Words, dtype: np.dtype[Any]) -> Floats:
    """``Generator._normals`` for one block of every seed: (16, n)."""
    if dtype == np.float32:
        uniforms = (words & _LOW_24).astype(np.float32) * np.float32(2.0**-24)
        log_u1 = cephes.log(1 - uniforms[:8])
        sine, cosine = cephes.sin_cos(np.float32(2 * math.pi) * uniforms[8:])
    else:
        doubles = _doubles(words)
        log_u1, angle = np.log(1 - doubles[:8]), 2 * math.pi * doubles[8:]
        sine, cosine = np.sin(angle), np.cos(angle)
    radius = np.sqrt(-2 * log_u1)
    return np.concatenate([radius * cosine, radius * sine]) + 0


def _exact_pair(words: Words, pair: _Pair, out: Floats) -> None:
    # Python's functions, as in Generator: NumPy's may differ from them in the last bit.
    for seed, (u1, u2) in enumerate(_doubles(words).T.tolist()):
        radius, angle = math.sqrt(-2 * math.log1p(-u2)), 2 * math.pi * u1
        if pair.cosine is not None:
            out[pair.cosine, seed] = radius * math.cos(angle) + 0.0
        if pair.sine is not None:
            out[pair.sine, seed] = radius * math.sin(angle) + 0.0


def _fast_pair(words: Words, pair: _Pair, out: Singles) -> None:
    u1, u2 = _doubles(words)
    radius, angle = np.sqrt(-2 * np.log1p(-u2)), 2 * math.pi * u1
    if pair.cosine is not None:
        out[pair.cosine] = radius * np.cos(angle)
    if pair.sine is not None:
        out[pair.sine] = radius * np.sin(angle)


_MINUS_UNIT = np.array(-(2.0**-24), np.float32)
_TURN = np.array(2 * math.pi * 2.0**-24, np.float32)
_MINUS_2, _1 = np.array(-2, np.float32), np.array(1, np.float32)


def _fast_block(uniforms: Singles, out: Singles) -> None:
    """Normals (16, n) into ``out`` of uniforms (16, n) times 2^24, which are used up."""
    radius, angle = uniforms[:8], uniforms[8:]
    np.multiply(radius, _MINUS_UNIT, radius)
    np.add(radius, _1, radius)
    np.log(radius, radius)
    np.multiply(radius, _MINUS_2, radius)
    np.sqrt(radius, radius)
    np.multiply(angle, _TURN, angle)
    np.cos(angle, out[:8])
    np.sin(angle, out[8:])
    np.multiply(out[:8], radius, out[:8])
    np.multiply(out[8:], radius, out[8:])


def exact_normals(seeds: Array, layout: NormalLayout) -> Floats:
    """The normals (total, n) that ``Generator`` draws from each of the ``seeds`` (n,)."""
    streams = Streams(layout.runs)
    words = streams.words(np.asarray(seeds).astype(np.uint32))
    return layout.exact_normals(streams, words)
