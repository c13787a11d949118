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
    """Has the entries of ``values`` as attributes, and notes in ``read`` which were asked for."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return self.values[name]


@cache
def reads() -> Mapping[str, frozenset[str]]:
    """For each of the twenty lines, in their order, those of the 27 names that it reads."""
    params = Parameters(**{name: np.ones(shape_of(name, SMALLEST)) for name in PARAMETER_NAMES})
    values = forward(params, [[0], [1]], [0, 1])
    found = {}
    for name, line in LINES.items():
        noting = Noting(values)
        line(cast(Values, noting))
        found[name] = frozenset(noting.read & NAMES.keys())
    return found


@cache
def readers(name: str) -> tuple[str, ...]:
    """The forward lines that read ``name``, in the order in which they run."""
    return tuple(line for line, read in reads().items() if name in read)
