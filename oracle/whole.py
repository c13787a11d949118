"""The whole forward pass and one backward pass, with every gradient kept."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

from npnet.network.names import PARAMETER_NAMES, VALUE_NAMES
from oracle.lines import GRADIENT_NAMES, LINES, Array, array_of, leaves
from oracle.tables import run


def whole(
    params: Mapping[str, ArrayLike], X: ArrayLike, Y: ArrayLike, eps: float = 1e-5
) -> tuple[dict[str, Any], dict[str, Array]]:
    """A forward and a backward pass over one batch.

    Args:
        params: the seven parameters, all float32 or all float64; other entries are ignored.
        X: context indices (n, T), n of 2 or more.
        Y: target indices (n,).
        eps: added to the variance; a plain number.

    Returns:
        ``values``: the 7 parameters, ``X``, ``Y``, ``eps`` (a float) and the 20 values;
        ``grads``: the gradients of the loss at the 26 names of ``oracle.lines.GRADIENT_NAMES``,
        in that order. Both in the parameters' dtype, sharing no memory with the arguments.

    Raises:
        InputError: a parameter is missing, or a shape, dtype or index does not fit.

    The last lines take the logarithm of probabilities, as in the lecture: if a probability
    underflows to 0, the loss is infinite and gradients are nan.
    """
    v = leaves("oracle.whole", {**params, "X": X, "Y": Y, "eps": eps}, PARAMETER_NAMES)
    run(LINES, v)
    v.loss.backward()
    values = {name: getattr(v, name) for name in (*PARAMETER_NAMES, "X", "Y", *VALUE_NAMES)}
    grads = {name: array_of(getattr(v, name).grad) for name in GRADIENT_NAMES}
    return {name: array_of(value) for name, value in values.items()} | {"eps": v.eps}, grads
