"""Torch's normal numbers for many seeds at once, from the words of ``many_seeds``.

``exact_normals`` gives the numbers of ``Generator.randn``, in float32 bit for bit.
``fast_normals`` gives numbers close to them, in a third of the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npnet.base.arrays import Floats
from npnet.torch_rng import cephes
from npnet.torch_rng.many_seeds import Streams, Words, merged

Singles = NDArray[np.float32]

LONG = 16  # randn draws this many values or more in blocks of 16; fewer in pairs
PAIR = 4  # the words of a pair of normals, which needs two float64 uniforms

_LOW_24 = np.array(0xFFFFFF, np.uint32)


@dataclass(frozen=True)
class _Block:
    """``count`` blocks of 16 normals: computed from ``word`` on, stored from ``place`` on."""

    word: int
    count: int
    place: int


@dataclass(frozen=True)
class _Pair:
    """Two normals from the words at ``word``; ``cosine`` and ``sine`` are their places.

    A place is None if that normal is not wanted.
    """

    word: int
    cosine: int | None
    sine: int | None


class NormalLayout:
    """Which words each draw of ``randn`` uses, and where its normals are stored.

    Args:
        sizes: the number of normals of each draw, in the order of the draws.
        dtype: float32 or float64, of all draws.
        skip: how many words of the stream were used before.
        before: the sizes of draws of earlier executions of the same cell. They come after the
            skipped words, and their normals are not wanted.

    Attributes:
        total: how many normals there are.
        runs: the words that are needed, as ``Streams`` takes them.
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
        self._width = self.dtype.itemsize // 4  # the words of one uniform in a long draw
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
        self.runs = merged(self._words_of(part) for part in self._parts)
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
        """Nearly the same normals, (total, n) float32: within 2e-6 + 3e-6 · |normal|."""
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
                    # The numbers are below 2^24, so int32 can hold them; every CPU converts int32
                    # fast.
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
    """Write normals (16, n) into ``out``, from uniforms times 2^24, which are overwritten."""
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
