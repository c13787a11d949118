"""Planted mistakes that a check of this network must find, and a batch in which each has an effect.

They are the mistakes for the 26 lines in ``npnet.learn.wrong_gradients``, and zeros for each line.
Each replaces one function of ``npnet.GRADIENTS`` and leaves the other 25 unchanged.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from torch import Tensor

from npnet.base.arrays import Ints
from npnet.learn.wrong_gradients import WRONG_GRADIENTS
from npnet.network.gradients import GRADIENTS, Gradient
from npnet.network.names import PARAMETER_NAMES, shape_of
from npnet.network.parameters import Parameters
from oracle.lines import GRADIENT_NAMES, LINES, leaves
from oracle.tables import run


class Mistake(NamedTuple):
    """``function`` replaces the right one for ``gradient``; ``what``: the mistake in words."""

    gradient: str
    what: str
    function: Gradient

    @property
    def table(self) -> dict[str, Gradient]:
        """All 26 functions, with this wrong one."""
        return {**GRADIENTS, self.gradient: self.function}


def _zeros(name: str) -> Gradient:
    return lambda v, d: np.zeros_like(v[name])


MISTAKES = (
    *(
        Mistake(wrong.gradient, wrong.what, wrong.function)
        for wrong in WRONG_GRADIENTS
        if wrong.gradient in GRADIENTS
    ),
    *(Mistake(name, "all zeros", _zeros(name)) for name in GRADIENTS),
)

# All sizes are equal, so that a wrong axis or transposition still fits.
SIZES = {"n": 24, "T": 3, "E": 8, "H": 24, "V": 24}
LECTURE = {"n": 32, "T": 3, "E": 10, "H": 200, "V": 27}


def network(
    seed: int = 0, dtype: DTypeLike = np.float32, sizes: Mapping[str, int] = SIZES
) -> tuple[Parameters, Ints, Ints]:
    """Parameters and a batch, X (n, T) and Y (n,), for which every mistake has an effect.

    Parameters are scaled as in the lecture. The first two characters always have the same logits,
    which are the largest in some rows.
    """
    rng = np.random.default_rng(seed)
    scales = {"C": 1, "W1": 5 / 3 / (sizes["T"] * sizes["E"]) ** 0.5}
    drawn = {
        name: rng.standard_normal(shape_of(name, sizes)) * scales.get(name, 0.1)
        for name in PARAMETER_NAMES
    }
    drawn["bngain"] += 1
    drawn["W2"][:, :2] = 0
    drawn["b2"][:2] = 0.6
    X = rng.integers(0, sizes["V"], (sizes["n"], sizes["T"]))
    Y = rng.integers(0, sizes["V"], sizes["n"])
    return Parameters(**{name: array.astype(dtype) for name, array in drawn.items()}), X, Y


def rerun(
    params: Mapping[str, ArrayLike], X: ArrayLike, Y: ArrayLike, eps: float = 1e-5
) -> dict[str, Tensor | None]:
    """Torch's gradients, read after the forward pass has run once more.

    This mistake is in the reference: the names now mean new tensors without a backward pass, and
    ``.grad`` is None for all except the parameters.
    """
    v = leaves("oracle.mistakes", {**params, "X": X, "Y": Y, "eps": eps}, PARAMETER_NAMES)
    for again in (False, True):
        run(LINES, v)
        if not again:
            v.loss.backward()
    return {name: getattr(v, name).grad for name in GRADIENT_NAMES}
