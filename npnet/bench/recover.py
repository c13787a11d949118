"""The cost of the search for a lost seed: time for each seed, and the memory of a process."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from statistics import median
from typing import NamedTuple

from npnet.base import blas
from npnet.bench.growth import run_apart
from npnet.recipes.publication import Printed, Publication, find_publication
from npnet.replays.lost_cells import lost_again
from npnet.replays.lost_seeds import LostSession
from npnet.replays.seed_search import CHUNK, Search
from npnet.torch_rng.many_seeds import SEEDS

EXAMPLE = "lecture-first-batch"  # its figures include a row of the softmax and a cross-entropy
AT_ONCE = 8 * CHUNK  # seeds in one measurement
FEWEST = 5

APART = """
import json, sys
from npnet.bench.recover import seconds_a_seed, sessions
what, seconds = sys.argv[1], float(sys.argv[2])
print(json.dumps(seconds_a_seed(sessions()[what].search, seconds)))
"""


class Cost(NamedTuple):
    """The cost of a search, which depends on the printed figures.

    Attributes:
        what: the figures.
        seconds: processor time for one seed, on one core with one BLAS thread.
        full: hours for all 2^32 seeds on one core.
        peak: the peak memory of the process, in bytes.
    """

    what: str
    seconds: float
    full: float
    peak: int


def sessions() -> dict[str, LostSession]:
    """The searches to measure: the name of the printed figures -> the session."""
    publication = dataclasses.replace(lost_again(find_publication(EXAMPLE)), corpus=None)
    printed = publication.printed
    row = Printed(probs=printed.probs)
    loss = Printed(cross_entropy=printed.cross_entropy)
    return {
        "a row of the softmax": LostSession([_with(publication, row)]),
        "the cross-entropy alone": LostSession([_with(publication, loss)]),
        "both": LostSession([_with(publication, printed)]),
    }


def _with(publication: Publication, printed: Printed) -> Publication:
    return dataclasses.replace(publication, printed=printed)


def recover_costs(seconds: float = 1.0) -> list[Cost]:
    """Measure the searches, each in a new process.

    Args:
        seconds: the least time to measure each search; preparing it takes some seconds more.

    Raises:
        InputError: the system does not report the peak memory of a process.
    """
    costs = []
    for what in sessions():
        out, peak = run_apart([sys.executable, "-c", APART, what, str(seconds)])
        spent = float(json.loads(out))
        costs.append(Cost(what, spent, spent * SEEDS / 3600, peak))
    return costs


def seconds_a_seed(search: Search, seconds: float) -> float:
    """The median processor time for one seed, in seconds."""
    spans: list[float] = []
    with blas.limited():
        search.block(0, CHUNK)
        end = time.perf_counter() + seconds
        while len(spans) < FEWEST or time.perf_counter() < end:
            first = len(spans) * AT_ONCE % (SEEDS - AT_ONCE)
            begun = time.process_time()
            search.block(first, first + AT_ONCE)
            spans.append((time.process_time() - begun) / AT_ONCE)
    return median(spans)
