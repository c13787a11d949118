"""Sums in torch's order of operations, so that float32 results agree in the last bit.

Torch adds rows of numbers in blocks of 16 or more, and the sums of blocks in blocks again (a
cascade, ATen's SumKernel.cpp). It reads memory in vectors of 8 numbers, four vectors at a time. If
there are fewer than four vectors, it reads four rows at a time instead: it first sums every fourth
row, then adds the four sums. This was found by comparison with torch: one thread, AVX2 and AVX-512.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from npnet.base.arrays import Array

F32: Final = np.dtype(np.float32)
F64: Final = np.dtype(np.float64)
LANES: Final = {4: 8, 8: 4, 2: 16}  # numbers in a vector of 32 bytes, by their size
AT_ONCE: Final = 4
LEVELS: Final = 4


def plain(rows: Array) -> Array:
    """The sum over axis 0, one row after another."""
    return np.asarray(np.add.reduce(rows, 0))


def cascade(rows: Array) -> Array:
    """The sum over axis 0 of (n, …), in blocks, in blocks of blocks, and so on."""
    size = len(rows)
    if size <= 16:
        return plain(rows)
    step = 1 << max(4, (size - 1).bit_length() // LEVELS)
    if size == 2 * step:  # the usual minibatch, without a loop
        blocks = np.add.reduce(rows.reshape(2, step, *rows.shape[1:]), 1)
        return np.asarray(blocks[0] + blocks[1])
    total: Array | None = None
    for level in range(LEVELS):
        full = len(rows) // step if level < LEVELS - 1 else 0
        rest = rows[full * step :]
        if len(rest):
            part = plain(rest)
            total = part if total is None else total + part
        if not full:
            break
        blocks = rows[: full * step].reshape(full, step, *rows.shape[1:])
        rows = np.asarray(np.add.reduce(blocks, 1))
    assert total is not None
    return total


def by_fours(rows: Array) -> Array:
    """The sum over axis 0 of (n, …): four sums, each of every fourth row, and then their sum."""
    quads = len(rows) // AT_ONCE
    if not quads:
        return plain(rows)
    full = quads * AT_ONCE
    if full == len(rows) <= 64 and rows.ndim == 2:  # blocks of 16 are one each
        parts = np.add.reduce(rows.reshape(quads, AT_ONCE, -1))
        return np.asarray(np.add.reduce(parts))
    parts = cascade(rows[:full].reshape(quads, AT_ONCE, *rows.shape[1:]))
    if full == len(rows):
        return plain(parts)
    total = parts[0]
    for row in rows[full:]:
        total = total + row
    return np.asarray(total + parts[1] + parts[2] + parts[3])


def outer(rows: Array) -> Array:
    """The sum over axis 0 of a contiguous (n, m), m > 1: the columns are side by side in memory."""
    count, columns = rows.shape
    lanes = LANES[rows.itemsize]
    together = AT_ONCE * lanes if columns >= lanes else AT_ONCE
    left_over = columns % together
    if left_over == columns and count >= AT_ONCE:
        return by_fours(rows)
    found = cascade(rows)
    if left_over and count >= AT_ONCE:
        found[columns - left_over :] = by_fours(rows[:, columns - left_over :])
    return found


def _minibatch(rows: Array, columns: int) -> Array:
    """``outer`` of 32 float32 rows without loops, because training steps spend much time here."""
    blocks: Array = np.add.reduce(rows.reshape(2, 16, columns), 1)
    found: Array = blocks[0] + blocks[1]
    left_over = columns % 32
    if left_over:
        start = columns - left_over
        parts: Array = np.add.reduce(rows.reshape(8, 4, columns)[:, :, start:])
        np.add.reduce(parts, 0, out=found[start:])
    return found


def inner(rows: Array) -> Array:
    """The sum over the last axis of a contiguous (m, n): along memory."""
    count, size = rows.shape
    lanes = LANES[rows.itemsize]
    vectors = size // lanes
    if not vectors:
        return by_fours(rows.T)
    width = vectors * lanes
    parts = by_fours(rows[:, :width].reshape(count, vectors, lanes).transpose(1, 0, 2))
    if width == size:
        total, first = parts[:, 0], 1
    else:
        total, first = plain(rows[:, width:].T), 0
    for lane in range(first, lanes):
        total = total + parts[:, lane]
    return total


def summed(x: Array, axes: tuple[int, ...] | None, keepdims: bool) -> Array:
    """The sum of floats over these axes (None: all), in torch's order if that is known."""
    if axes == (0,) and x.ndim == 2 and x.flags.c_contiguous:
        count, columns = x.shape  # by far the most frequent
        if count == 32 and columns >= 32 and x.dtype is F32:
            found = _minibatch(x, columns)
            return found[None] if keepdims else found
        if count and columns > 1 and x.dtype.kind == "f":
            found = outer(x)
            return found[None] if keepdims else found
    if axes is None:
        axes = tuple(range(x.ndim))
    last = len(axes)
    if x.dtype.kind == "f" and x.size > 1 and last and x.flags.c_contiguous:
        if axes == tuple(range(x.ndim - last, x.ndim)):
            kept = x.shape[: x.ndim - last]
            found = inner(x.reshape(math.prod(kept), -1))
            return found.reshape(kept + (1,) * last if keepdims else kept)
        if axes == tuple(range(last)):
            kept = x.shape[last:]
            rows = x.reshape(-1, math.prod(kept))
            found = inner(rows.reshape(1, -1)) if rows.shape[1] == 1 else outer(rows)
            return found.reshape((1,) * last + kept if keepdims else kept)
    return np.asarray(x.sum(axes, keepdims=keepdims))
