"""Finding which wrong gradients are wrong by themselves, and which only because of others."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from npnet.checks.report import Report

Reads = Mapping[str, frozenset[str]]


class Isolation(NamedTuple):
    """Where a table of gradients is wrong.

    Attributes:
        alone: gradients that are wrong with right inputs, in the order in which they run.
        inherited: gradients that are right with right inputs, but wrong end to end because they
            read one of ``alone``.
        unexplained: gradients that are right with right inputs, wrong end to end, and read none of
            ``alone``.
        forward: the values of the forward pass that differ, if those were compared.
    """

    alone: tuple[str, ...]
    inherited: tuple[str, ...]
    unexplained: tuple[str, ...]
    forward: tuple[str, ...] = ()

    def __str__(self) -> str:
        says = []
        if self.forward:
            says.append(f"the forward pass differs from {self.forward[0]} on")
        if self.alone:
            first, *others = self.alone
            says.append(f"the first wrong line is d{first}")
            if others:
                says.append(f"wrong by themselves too: {', '.join(others)}")
        if self.inherited:
            says.append(f"wrong only because their inputs are: {', '.join(self.inherited)}")
        if self.unexplained:
            says.append(
                f"wrong end to end, though right line by line: {', '.join(self.unexplained)}: "
                "compare the values of the forward pass"
            )
        return "; ".join(says) or "no line is wrong"


def isolate(end_to_end: Report, per_line: Report, reads: Reads) -> Isolation:
    """Separate wrong lines from right lines that only have wrong inputs.

    Args:
        reads: forward line -> the names that it reads.
    """
    alone = tuple(row.name for row in per_line.failures)
    others = [row.name for row in end_to_end.failures if row.name not in alone]
    given = _given(alone, reads)
    return Isolation(
        alone,
        tuple(name for name in others if name in given),
        tuple(name for name in others if name not in given),
    )


def _given(sources: Iterable[str], reads: Reads) -> set[str]:
    """The gradients that depend on some of ``sources``, directly or through others.

    The gradient of a line's result flows into the gradients of everything that the line reads.
    """
    found: set[str] = set()
    waiting = [*sources]
    while waiting:
        # A parameter is not the result of a line, so its gradient flows nowhere.
        read = reads.get(waiting.pop(), frozenset()) - found
        found |= read
        waiting += read
    return found
