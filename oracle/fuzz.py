"""Judging right and wrong gradients of many random networks, to test the judge."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from npnet.base.errors import InputError
from npnet.checks.report import Report
from npnet.network.forward import Values, forward
from npnet.network.gradients import GRADIENTS, Gradients
from oracle.judge import end_to_end, per_line, upstream
from oracle.libraries import largest_share
from oracle.mistakes import MISTAKES, Mistake
from oracle.networks import SMALL, Network, random_network

WAYS = (
    ("whole", "float32"),
    ("lines", "float32"),
    ("whole", "float64"),
    ("lines", "float64"),
)

# A mistake counts if it changes its gradient by this share of the largest entry. It may change
# nothing: a gradient that loses repeats is right if a batch has no repeated characters.
SEEN = 1e-3

# With equal largest logits, these other choices are right too.
RIGHT = (
    "several equal largest logits share it",
    "the last of several equal largest logits gets it",
)
PLANTED = tuple(mistake for mistake in MISTAKES if mistake.what not in RIGHT)


class Refused(NamedTuple):
    """A right gradient that was refused, or a wrong one that was not.

    Attributes:
        seed: ``oracle.networks.random_network(seed)`` is the network.
        sizes, kind: the sizes and the kind of this network.
        way: ``whole`` or ``lines``.
        dtype: float32 or float64.
        gradient: its name.
        reason: the judge's reason; or the mistake that it missed.
    """

    seed: int
    sizes: dict[str, int]
    kind: str
    way: str
    dtype: str
    gradient: str
    reason: str


class Fuzz(NamedTuple):
    """The result: what was tried, and which verdicts of the judge are wrong.

    Attributes:
        networks: the number of networks.
        sets: way and dtype -> the number of judged sets of 26 right gradients.
        kinds: the number of networks of each kind.
        refused: right gradients that were refused.
        closest: way and dtype -> largest error over its bound among right gradients, the gradient,
            and the network's seed.
        planted: how many wrong gradients were judged, line by line in float32.
        missed: wrong gradients that passed.
    """

    networks: int
    sets: dict[tuple[str, str], int]
    kinds: dict[str, int]
    refused: list[Refused]
    closest: dict[tuple[str, str], tuple[float, str, int]]
    planted: int
    missed: list[Refused]

    @property
    def passed(self) -> bool:
        """Whether no right gradient was refused and no wrong one missed."""
        return not (self.refused or self.missed)


def fuzz(seeds: Iterable[int], largest: Mapping[str, int] = SMALL) -> Fuzz:
    """Judge npnet's gradients of a random network for each seed, end to end and line by line.

    Every second network gets a planted mistake as well, and every fourth is judged in float64 too.

    Args:
        seeds: the seeds of the networks, each 0 or more.
        largest: the largest sizes n, T, E, H, V.

    Raises:
        InputError: there are no seeds.
    """
    kinds: dict[str, int] = {}
    refused: list[Refused] = []
    missed: list[Refused] = []
    sets = dict.fromkeys(WAYS, 0)
    closest = dict.fromkeys(WAYS, (0.0, "", -1))
    networks = planted = 0
    for seed in seeds:
        drawn = random_network(seed, largest)
        networks += 1
        kinds[drawn.kind] = kinds.get(drawn.kind, 0) + 1
        for dtype in ("float32", "float64")[: 1 + (seed % 4 == 0)]:
            batch = drawn.params.astype(dtype), drawn.X, drawn.Y
            values = forward(*batch)
            reports = {"whole": end_to_end(*batch), "lines": per_line(values, seed=seed)}
            for way, report in reports.items():
                sets[way, dtype] += 1
                refused += [
                    Refused(seed, drawn.sizes, drawn.kind, way, dtype, row.name, row.reason)
                    for row in report.failures
                ]
                closest[way, dtype] = max(closest[way, dtype], (*largest_share(report), seed))
            if dtype == "float32" and seed % 2:
                one, two = _plant(values, seed, drawn, reports["lines"])
                planted += one
                missed += two
    if not networks:
        raise InputError("fuzz: no seeds, wanted one or more")
    return Fuzz(networks, sets, kinds, refused, closest, planted, missed)


def _plant(
    values: Mapping[str, Any], seed: int, drawn: Network, right: Report
) -> tuple[bool, list[Refused]]:
    """Whether the seed's mistake changes anything here; and the mistake if the judge misses it.

    A gradient that is all rounding error shows no mistake: where every tanh is saturated, 1 - h² is
    a few eps. The report of the right gradients says so: zeros would pass for it.
    """
    mistake = PLANTED[seed // 2 % len(PLANTED)]
    name = mistake.gradient
    blind = {row.name for row in right.rows if row.blind}
    if name in blind or not _seen(mistake, values, seed):
        return False, []
    if name in {row.name for row in per_line(values, mistake.table, seed=seed).failures}:
        return True, []
    return True, [Refused(seed, drawn.sizes, drawn.kind, "lines", "float32", name, mistake.what)]


def _seen(mistake: Mistake, values: Mapping[str, Any], seed: int) -> bool:
    v, d = Values(values), Gradients(upstream(values, seed))
    right = GRADIENTS[mistake.gradient](v, d)
    try:
        with np.errstate(all="ignore"):
            wrong = np.asarray(mistake.function(v, d))
    except Exception:  # the code of a mistake can raise any error
        return True
    if wrong.shape != right.shape:
        return True
    with np.errstate(all="ignore"):
        return not float(np.abs(wrong - right).max()) <= SEEN * float(np.abs(right).max())
