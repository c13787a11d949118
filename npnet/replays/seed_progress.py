"""Running a search over a range of seeds, with any executor, and keeping its place in a file."""

from __future__ import annotations

import concurrent.futures
import json
import os
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from npnet.base.errors import InputError, shown
from npnet.base.files import replacing
from npnet.replays.seed_search import BLOCK, Candidate, Search, run_block
from npnet.torch_rng.many_seeds import SEEDS

SAVED = 20.0  # seconds between two writes of the progress file, so much can be lost
IN_FLIGHT = 2  # blocks a worker that wait or run: the next one is there when one is done

Range = tuple[int, int]


class State(NamedTuple):
    """How far a search is.

    Attributes:
        done: seeds that were tried, of all in the range.
        wanted: seeds in the range.
        seconds: that the search has taken, earlier runs of it included.
        found: the candidates so far.
    """

    done: int
    wanted: int
    seconds: float
    found: tuple[Candidate, ...]


class Progress:
    """The ranges that a search has done and what it found there, in a small JSON file.

    Args:
        digest: of the search. A file of another search is refused.
        path: of the file; None to keep everything in memory.

    Raises:
        InputError: the file is unreadable, no progress file, or of another search.
    """

    def __init__(self, digest: str, path: str | os.PathLike[str] | None = None) -> None:
        self.digest, self.path = digest, None if path is None else Path(path)
        self.ranges: list[Range] = []
        self.found: list[Candidate] = []
        self.seconds = 0.0
        if self.path is not None and self.path.exists():
            self._read(self.path)

    def _read(self, path: Path) -> None:
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            digest = entries["digest"]
            ranges = [(int(first), int(end)) for first, end in entries["ranges"]]
            found = [
                Candidate(int(session), int(seed), tuple(int(k) for k in reruns))
                for session, seed, reruns in entries["found"]
            ]
            seconds = float(entries["seconds"])
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}, wanted a progress file") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: no progress file of a search ({error}): name another, or delete it"
            ) from error
        if digest != self.digest:
            raise InputError(
                f"{path}: is of another search (digest {shown(digest)[:14]}…, wanted "
                f"{self.digest[:12]}…): name another file, or delete it to begin again"
            )
        self.ranges, self.found, self.seconds = _joined(ranges), found, seconds

    def add(self, first: int, end: int, found: list[Candidate]) -> None:
        """Note a block as done."""
        self.ranges = _joined([*self.ranges, (first, end)])
        self.found = sorted({*self.found, *found})

    def save(self) -> None:
        """Write the file, whole or not at all.

        Raises:
            InputError: it cannot be written.
        """
        if self.path is None:
            return
        entries = {
            "digest": self.digest,
            "ranges": self.ranges,
            "found": self.found,
            "seconds": round(self.seconds, 1),
        }
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps(entries) + "\n", encoding="utf-8")

    def missing(self, first: int, end: int) -> list[Range]:
        """What is left to do of the seeds from ``first`` to ``end`` − 1."""
        left = []
        for start, stop in self.ranges:
            if first < start:
                left.append((first, min(start, end)))
            first = max(first, stop)
            if first >= end:
                break
        if first < end:
            left.append((first, end))
        return [(start, stop) for start, stop in left if start < stop]


def _joined(ranges: list[Range]) -> list[Range]:
    joined: list[Range] = []
    for first, end in sorted(ranges):
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((first, end))
    return joined


def run(
    search: Search,
    first: int = 0,
    end: int = SEEDS,
    *,
    executor: concurrent.futures.Executor | None = None,
    workers: int | None = None,
    path: str | os.PathLike[str] | None = None,
    block: int = BLOCK,
    watch: Callable[[State], None] | None = None,
) -> State:
    """Try the seeds from ``first`` to ``end`` − 1 and return the candidates among them.

    The answer depends neither on the executor nor on the number of workers.

    Args:
        search: what is searched for.
        executor: that runs the blocks; None: this thread.
        workers: how many blocks the executor runs at once; None: what it says, or 2.
        path: of the progress file, which is read first if it is there; None for none.
        block: seeds of one piece of work.
        watch: called after every block.

    Raises:
        InputError: a range that is none, or a progress file that cannot be used.
    """
    if not 0 <= first < end <= SEEDS:
        raise InputError(f"seeds: got {first} to {end}, wanted a range within 0 to {SEEDS}")
    progress = Progress(search.digest, path)
    blocks = _blocks(progress.missing(first, end), block)
    begun, before, saved = time.monotonic(), progress.seconds, time.monotonic()

    def state() -> State:
        left = sum(stop - start for start, stop in progress.missing(first, end))
        found = tuple(each for each in progress.found if first <= each.seed < end)
        return State(end - first - left, end - first, progress.seconds, found)

    try:
        for start, stop, found in _results(search, blocks, executor, workers):
            progress.add(start, stop, found)
            progress.seconds = before + time.monotonic() - begun
            if time.monotonic() - saved >= SAVED:
                progress.save()
                saved = time.monotonic()
            if watch is not None:
                watch(state())
    finally:
        progress.save()
    return state()


def _blocks(ranges: list[Range], block: int) -> Iterator[Range]:
    for first, end in ranges:
        for start in range(first, end, block):
            yield start, min(start + block, end)


def _results(
    search: Search,
    blocks: Iterator[Range],
    executor: concurrent.futures.Executor | None,
    workers: int | None,
) -> Iterator[tuple[int, int, list[Candidate]]]:
    packed = pickle.dumps(search)
    if executor is None:
        for first, end in blocks:
            yield first, end, run_block(packed, search.digest, first, end)
        return
    most = IN_FLIGHT * (workers or int(getattr(executor, "_max_workers", 2)))
    waiting: dict[concurrent.futures.Future[Any], Range] = {}
    try:
        while True:
            while len(waiting) < most and (each := next(blocks, None)) is not None:
                waiting[executor.submit(run_block, packed, search.digest, *each)] = each
            if not waiting:
                return
            done, _ = concurrent.futures.wait(
                waiting, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                first, end = waiting.pop(future)
                yield first, end, future.result()
    finally:
        for future in waiting:
            future.cancel()
