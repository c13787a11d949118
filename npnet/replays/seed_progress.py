"""Running a search over a range of seeds with any executor, and saving its progress in a file."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

from npnet.base.errors import InputError, shown
from npnet.base.executors import results
from npnet.base.files import replacing
from npnet.replays.seed_search import BLOCK, Candidate, Search, run_block
from npnet.torch_rng.many_seeds import SEEDS

# seconds between two writes of the progress file; a crash loses at most this much work
SAVED = 20.0

Range = tuple[int, int]


class State(NamedTuple):
    """The progress of a search.

    Attributes:
        done: how many seeds of the range were tried.
        wanted: how many seeds the range has.
        seconds: how long the search took so far, including earlier runs of it.
        found: the candidates so far.
        judged: how many candidates were trained; training starts when all seeds are tried.
    """

    done: int
    wanted: int
    seconds: float
    found: tuple[Candidate, ...]
    judged: int = 0


class Progress:
    """The ranges that a search has tried and the candidates found there, in a small JSON file.

    ``verdicts`` says for each trained candidate whether it reproduces the later figures too.

    Args:
        digest: the digest of the search. The file of another search raises InputError.
        path: the path of the file; None: everything is kept in memory.

    Raises:
        InputError: the file is unreadable, not a progress file, or belongs to another search.
    """

    def __init__(self, digest: str, path: str | os.PathLike[str] | None = None) -> None:
        self.digest, self.path = digest, None if path is None else Path(path)
        self.ranges: list[Range] = []
        self.found: list[Candidate] = []
        self.verdicts: dict[Candidate, bool] = {}
        self.seconds = 0.0
        self._saved = self._ticked = time.monotonic()
        if self.path is not None and self.path.exists():
            self._read(self.path)

    def _read(self, path: Path) -> None:
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            digest = entries["digest"]
            ranges = [(int(first), int(end)) for first, end in entries["ranges"]]
            found = [_candidate(entry) for entry in entries["found"]]
            verdicts = {_candidate(entry): bool(fits) for entry, fits in entries["verdicts"]}
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
        self.verdicts = verdicts

    def add(self, first: int, end: int, found: list[Candidate]) -> None:
        """Note that a block is done."""
        self.ranges = _joined([*self.ranges, (first, end)])
        self.found = sorted({*self.found, *found})

    def save(self) -> None:
        """Write the file; if writing fails, the old file stays.

        Raises:
            InputError: it cannot be written.
        """
        self._saved = time.monotonic()
        if self.path is None:
            return
        entries = {
            "digest": self.digest,
            "ranges": self.ranges,
            "found": self.found,
            "verdicts": list(self.verdicts.items()),
            "seconds": round(self.seconds, 1),
        }
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps(entries) + "\n", encoding="utf-8")

    def start(self) -> None:
        """Count the seconds from now on."""
        self._ticked = time.monotonic()

    def tick(self) -> None:
        """Add the seconds since the last call, and ``save`` every few seconds."""
        now = time.monotonic()
        self.seconds += now - self._ticked
        self._ticked = now
        if time.monotonic() - self._saved >= SAVED:
            self.save()

    def missing(self, first: int, end: int) -> list[Range]:
        """The ranges among the seeds ``first`` to ``end`` − 1 that are not tried yet."""
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


def _candidate(entry: Any) -> Candidate:
    session, seed, reruns = entry
    return Candidate(int(session), int(seed), tuple(int(k) for k in reruns))


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
    progress: Progress,
    first: int = 0,
    end: int = SEEDS,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    block: int = BLOCK,
    watch: Callable[[State], None] | None = None,
) -> State:
    """Try the seeds from ``first`` to ``end`` − 1 and return the candidates among them.

    The answer depends neither on the executor nor on the number of workers.

    Args:
        search: the prepared search.
        progress: the ranges already tried; it is updated and saved.
        executor: runs the blocks; None: this thread does.
        workers: how many blocks the executor runs at once; None: the number that the executor has,
            or 2 if it does not tell.
        block: how many seeds a block has.
        watch: called after every block.

    Raises:
        InputError: an impossible range, or a progress file that cannot be written.
    """
    if not 0 <= first < end <= SEEDS:
        raise InputError(f"seeds: got {first} to {end}, wanted a range within 0 to {SEEDS}")
    packed = pickle.dumps(search)
    blocks = _blocks(progress.missing(first, end), block)
    tasks = ((each, (packed, search.digest, *each)) for each in blocks)

    def state() -> State:
        left = sum(stop - start for start, stop in progress.missing(first, end))
        found = tuple(each for each in progress.found if first <= each.seed < end)
        judged = sum(each in progress.verdicts for each in found)
        return State(end - first - left, end - first, progress.seconds, found, judged)

    with _timed(progress):
        for (start, stop), found in results(run_block, tasks, executor, workers):
            progress.add(start, stop, found)
            progress.tick()
            if watch is not None:
                watch(state())
    return state()


def judge(
    state: State,
    progress: Progress,
    verdict: Callable[..., bool],
    arguments: Callable[[Candidate], tuple[Any, ...]],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    watch: Callable[[State], None] | None = None,
) -> list[Candidate]:
    """The candidates of ``state`` for which ``verdict`` is true.

    Args:
        verdict: called in the executor with the ``arguments`` of a candidate.

    The other arguments and the errors are those of ``run``.
    """
    waiting = (each for each in state.found if each not in progress.verdicts)
    tasks = ((each, arguments(each)) for each in waiting)
    with _timed(progress):
        for candidate, fits in results(verdict, tasks, executor, workers):
            progress.verdicts[candidate] = fits
            progress.tick()
            if watch is not None:
                judged = sum(each in progress.verdicts for each in state.found)
                watch(state._replace(judged=judged, seconds=progress.seconds))
    return [each for each in state.found if progress.verdicts[each]]


@contextlib.contextmanager
def _timed(progress: Progress) -> Iterator[None]:
    """Measure the time of the ``with`` block, and save the progress even if an error ends it."""
    progress.start()
    try:
        yield
    finally:
        progress.tick()
        progress.save()


def _blocks(ranges: list[Range], block: int) -> Iterator[Range]:
    for first, end in ranges:
        for start in range(first, end, block):
            yield start, min(start + block, end)
