"""npnet's own network as a table of lines, like a user's own network."""

from functools import cache

from npnet.checks.lines import Lines
from npnet.network.forward import LINES
from npnet.network.gradients import GRADIENTS
from npnet.network.names import PARAMETERS, ZERO, shape_of

SIZES = {"n": 4, "T": 2, "E": 2, "H": 3, "V": 5}


@cache
def network() -> Lines:
    """The twenty lines and the 26 gradients, with a small random batch.

    ``network().at(C=…, W1=…, X=…, Y=…, eps=…)`` is the same for another batch.
    """
    shapes = {entry.name: shape_of(entry.name, SIZES) for entry in PARAMETERS}
    batch = {"X": (SIZES["n"], SIZES["T"]), "Y": (SIZES["n"],)}
    return Lines(
        LINES,
        {**shapes, **batch},
        gradients=GRADIENTS,
        integers=dict.fromkeys(batch, SIZES["V"]),
        constants={"eps": 1e-5},
        zero=ZERO,
    )
