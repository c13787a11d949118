"""The graph of the network: which names each forward line reads, found by running the lines."""

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

import numpy as np

from npnet.network.forward import LINES, Values, forward
from npnet.network.names import NAMES, PARAMETER_NAMES, shape_of
from npnet.network.parameters import Parameters

SMALLEST = {"n": 2, "T": 1, "E": 1, "H": 1, "V": 2}  # a network that is quick to run


class Noting:
    """Has ``entries`` as attributes, and notes in ``read`` which of them a line asks for.

    Its own two attributes begin with an underscore, so that any other name is free.
    """

    __slots__ = ("_entries", "_read")

    def __init__(self, entries: Mapping[str, Any], read: set[str]) -> None:
        self._entries = entries
        self._read = read

    def __getattr__(self, name: str) -> Any:
        self._read.add(name)
        return self._entries[name]


@cache
def reads() -> Mapping[str, frozenset[str]]:
    """For each of the twenty lines, in order: which of the 27 names it reads."""
    params = Parameters(**{name: np.ones(shape_of(name, SMALLEST)) for name in PARAMETER_NAMES})
    values = forward(params, [[0], [1]], [0, 1])
    found = {}
    for name, line in LINES.items():
        read: set[str] = set()
        line(cast(Values, Noting(values, read)))
        found[name] = frozenset(read & NAMES.keys())
    return found


@cache
def readers(name: str) -> tuple[str, ...]:
    """The forward lines that read ``name``, in the order in which they run."""
    return tuple(line for line, read in reads().items() if name in read)
