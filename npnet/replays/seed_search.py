"""The search for lost seeds in blocks: a block's result depends only on the sessions and its range.

One search can serve many sessions: the words and normals of a chunk of seeds are computed once,
and the tests of every session read them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from npnet.base import blas
from npnet.base.errors import InputError
from npnet.replays.seed_cells import Cell
from npnet.replays.seed_tests import SeedTest, compiled_tests, printed_share
from npnet.torch_rng.many_normals import NormalLayout
from npnet.torch_rng.many_seeds import SEEDS, Streams, Words

CHUNK = 8192  # seeds whose words and normals are held at once
# seeds in one piece of work: about half a second, which is lost if the process is killed
BLOCK = 1 << 19
FEW = 64  # with fewer seeds left, the tests of a later cell take more time than they save
HELD = 1 << 23  # words that are held at once: 32 MB, and as much for their normals
LEAST = 64
VERSION = 1  # the version of the search's rules; a progress file of another version is refused


class Candidate(NamedTuple):
    """A seed that fits a session so far, and how often each of its cells had run before."""

    session: int
    seed: int
    reruns: tuple[int, ...]


@dataclass(frozen=True)
class Session:
    """The cells of one notebook session, in the order in which they ran, and a name for people."""

    name: str
    cells: tuple[Cell, ...]

    def __post_init__(self) -> None:
        if not self.cells or not self.cells[0].lost:
            raise InputError(f"{self.name}: no lost draws in its first cell, wanted one or more")


def expected(cells: Sequence[Cell]) -> float:
    """How many of 2^32 seeds are expected to remain after a session's first minibatches.

    All numbers of earlier executions up to the limit are tried. The right seed is not counted.
    """
    return SEEDS * math.prod((cell.reruns + 1) * printed_share(cell) for cell in cells)


class _First(NamedTuple):
    """A session's first cell after some earlier executions: the index of its layout."""

    session: int
    earlier: int
    layout: int


class Search:
    """Sessions prepared for searching: tests, layouts, and the words that they need.

    Args:
        sessions: the sessions whose seeds are searched for.
        about: everything else that the result depends on, as text; it is part of the digest.
        chunk: how many seeds' words are in memory at once; fewer if the figures need many words.

    Attributes:
        digest: a digest of everything that the result depends on.
    """

    def __init__(self, sessions: Sequence[Session], *, about: str = "", chunk: int = CHUNK) -> None:
        self.sessions = tuple(sessions)
        self.digest = _digest(self.sessions, about)
        with blas.limited(1):
            self.tests = [
                [compiled_tests(cell, model=place == 0) for place, cell in enumerate(session.cells)]
                for session in self.sessions
            ]
        layouts: dict[tuple[Any, ...], int] = {}
        self.layouts: list[NormalLayout] = []
        self.firsts: list[_First] = []
        for place, session in enumerate(self.sessions):
            cell = session.cells[0]
            for earlier in range(cell.reruns + 1):
                layout = cell.layout(cell.skip or 0, earlier)
                key = (cell.sizes, cell.draw_dtype, cell.skip or 0, earlier)
                if key not in layouts:
                    layouts[key] = len(self.layouts)
                    self.layouts.append(layout)
                self.firsts.append(_First(place, earlier, layouts[key]))
        self.streams = Streams(run for layout in self.layouts for run in layout.runs)
        self.chunk = max(LEAST, min(chunk, HELD // max(self.streams.count, 1)))
        self._words: Words | None = None
        self._normals: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_words": None, "_normals": None}

    def block(self, first: int, end: int) -> list[Candidate]:
        """The candidates among the seeds from ``first`` to ``end`` − 1."""
        kept: dict[_First, list[Words]] = {each: [] for each in self.firsts}
        # numbers that are not finite fail the tests; no warning is needed
        with np.errstate(all="ignore"):
            for start in range(first, end, self.chunk):
                count = min(self.chunk, end - start)
                seeds = np.arange(start, start + count, dtype=np.uint64).astype(np.uint32)
                for each, passing in self._chunk(seeds):
                    kept[each].append(seeds[passing])
            return [
                candidate
                for each in self.firsts
                for candidate in self._confirmed(each, np.concatenate(kept[each]))
            ]

    def _chunk(self, seeds: Words) -> Iterator[tuple[_First, Any]]:
        n = len(seeds)
        if self._words is None or self._words.shape[1] != n:
            self._words = np.empty((self.streams.count, n), np.uint32)
            most = max(layout.total for layout in self.layouts)
            self._normals = np.empty((most, n), np.float32)
        words = self.streams.words(seeds, self._words)
        for place, layout in enumerate(self.layouts):
            normals = layout.fast_normals(self.streams, words, self._normals[: layout.total])
            for each in self.firsts:
                if each.layout == place:
                    yield each, _passing(self.tests[each.session][0], normals)

    def _confirmed(self, each: _First, seeds: Words) -> Iterator[Candidate]:
        cells = self.sessions[each.session].cells
        start = cells[0].skip or 0
        fitting = _fitting(cells[0], start, each.earlier, seeds)
        found: list[tuple[int, tuple[int, ...]]] = [
            (int(seed), (each.earlier,)) for seed in fitting
        ]
        end = cells[0].layout(start, each.earlier).end
        for (
            seed,
            reruns,
        ) in self._later(each.session, 1, end, found):
            yield Candidate(each.session, seed, reruns)

    def _later(
        self, session: int, place: int, end: int, found: list[tuple[int, tuple[int, ...]]]
    ) -> list[tuple[int, tuple[int, ...]]]:
        """The entries of ``found`` that fit the cells from ``place`` on.

        ``end``: the first word of the stream that is not used yet.
        """
        cells = self.sessions[session].cells
        if place == len(cells) or not found:
            return found
        cell, tests = cells[place], self.tests[session][place]
        start = end if cell.skip is None else cell.skip
        fitting = []
        for earlier in range(cell.reruns + 1):
            layout = cell.layout(start, earlier)
            seeds = np.array([seed for seed, _ in found], np.uint64).astype(np.uint32)
            passing = np.arange(len(seeds))
            if len(seeds) >= FEW and tests:
                streams = Streams(layout.runs)
                pieces = []
                for first in range(0, len(seeds), self.chunk):
                    words = streams.words(seeds[first : first + self.chunk])
                    normals = layout.fast_normals(streams, words)
                    pieces.append(first + _passing(tests, normals))
                passing = np.concatenate(pieces)
            exact = set(_fitting(cell, start, earlier, seeds[passing]).tolist())
            mine = [(seed, (*reruns, earlier)) for seed, reruns in found if seed in exact]
            fitting += self._later(session, place + 1, layout.end, mine)
        return fitting


def _passing(tests: Sequence[SeedTest], normals: Any) -> Any:
    """The columns of ``normals`` that pass every test."""
    kept = None
    for test in tests:
        if kept is None:
            kept = test.passing(normals)
        elif len(kept):
            kept = kept[test.passing(normals[:, kept])]
    return np.arange(normals.shape[1]) if kept is None else kept


def _fitting(cell: Cell, start: int, earlier: int, seeds: Words) -> Words:
    """The ``seeds`` whose ordinary forward pass reproduces every figure of the cell."""
    if not len(seeds) or not (cell.losses or cell.probs):
        return seeds
    layout = cell.layout(start, earlier)
    streams = Streams(layout.runs)
    fitting = []
    for first in range(0, len(seeds), CHUNK):
        piece = seeds[first : first + CHUNK]
        normals = layout.exact_normals(streams, streams.words(piece))
        fits = [cell.fits(cell.parameters(column)) for column in normals.T]
        fitting.append(piece[np.array(fits, bool)])
    return np.concatenate(fitting)


def _digest(sessions: Sequence[Session], about: str) -> str:
    digest = hashlib.sha256(f"{VERSION} {about} ".encode())
    for cell in itertools.chain.from_iterable(session.cells for session in sessions):
        for field in dataclasses.fields(cell):
            if field.name not in ("fixed", "X", "Y"):
                digest.update(f"{field.name} {getattr(cell, field.name)!r} ".encode())
        for name, array in [*sorted(cell.fixed.items()), ("X", cell.X), ("Y", cell.Y)]:
            digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    digest.update(repr([(session.name, len(session.cells)) for session in sessions]).encode())
    return digest.hexdigest()


# The search that this worker unpickled last. Older ones are dropped, to save memory.
_ready: dict[str, Search] = {}


def run_block(packed: bytes, digest: str, first: int, end: int) -> list[Candidate]:
    """``Search.block`` in another process: ``packed`` is the pickle of a ``Search``."""
    if digest not in _ready:
        _ready.clear()
        _ready[digest] = pickle.loads(packed)
    with blas.limited(1):
        return _ready[digest].block(first, end)
