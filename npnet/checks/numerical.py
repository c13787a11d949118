"""The 26 gradients computed from the forward lines alone, without the gradient formulas or torch.

Every function here changes one entry of one value at a time, and runs the forward lines that depend
on this value again, so that the change takes every path to the loss. ``npnet.network.gradients`` is
not used.

``complex_step`` and ``finite_differences`` differentiate the loss. The gradients of the loss with
respect to ``logit_maxes`` and ``b1`` are 0, and the path of ``logits`` through the maximum adds 0,
so these functions cannot find a mistake there. ``cut`` can, because it differentiates every line
alone.
"""

from collections.abc import Mapping
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike

from npnet.base.arrays import Floats, Ints
from npnet.base.errors import InputError
from npnet.checks import differentiate, line_numerical
from npnet.checks.differentiate import Derivative, Terms, difference_steps, differences
from npnet.checks.line_check import network
from npnet.network.forward import Values
from npnet.network.names import NAMES, PARAMETER_NAMES, VALUE_NAMES, shape_of
from npnet.network.parameters import Parameters, check_batch

# The backward pass begins here.
LOSS = {"loss": np.ones(())}

NO_ERROR = np.zeros(())

# All names except the loss, beginning with the last value.
WITNESSED = (*VALUE_NAMES[-2::-1], *PARAMETER_NAMES)

# The forward pass takes logarithms or reciprocals of these values, so their scale is their own
# size. For a value below TINY, the step would underflow.
POSITIVE = ("bnvar_inv", "counts", "counts_sum", "counts_sum_inv", "probs")
TINY = 1e-280


class Differences(NamedTuple):
    """Gradients by differences, with a bound for their error.

    Attributes:
        gradients: name -> float64 array in the shape of the value, for all 26.
        errors: name -> the largest error that an entry should have, a float.
    """

    gradients: dict[str, Floats]
    errors: dict[str, float]


def complex_step(values: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    """The gradients of the loss by f'(x) = Im f(x + is) / s.

    Nothing is subtracted, so nothing cancels. The error of the formula is proportional to s², and s
    is 1e-20 times the scale of the value (see ``finite_differences``). Every forward line accepts
    complex numbers unchanged: NumPy orders them by their real parts first, so that ``max`` finds
    the same maximum.

    Args:
        values: the result of ``npnet.forward`` for float64 parameters.

    Returns:
        The 26 gradients, float64, in the shapes of the values.

    Raises:
        InputError: a value is missing, is not float64, is not finite or has another shape; or a
            probability is below 1e-280.

    Source: W. Squire and G. Trapp, Using complex variables to estimate derivatives of real
    functions, SIAM Review 40 (1998).
    """
    v = _checked("complex_step", values)
    found = line_numerical.whole(network(), v, LOSS, _complex_step_of(v))
    return {name: found[name].gradient for name in WITNESSED}


def cut(values: Mapping[str, ArrayLike], upstream: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    """Each of the 26 gradients for its own lines alone, by the complex step.

    An entry of a value is changed. Only the lines that read this value run again; all other values
    stay the same. The sum of ⟨upstream gradient of the result, result⟩ over these lines is
    differentiated. The result equals ``npnet.GRADIENTS[name](values, upstream)``, for any upstream
    gradients.

    Args:
        values: as for ``complex_step``.
        upstream: an array of the value's shape for each of the 20 values, a number for
            ``loss``. Random numbers find most mistakes.

    Returns:
        As ``complex_step``, but the rows of ``logits`` that ``ties`` returns are nan.

    Raises:
        InputError: as ``complex_step``; an upstream gradient is missing or has another shape.
    """
    v = _checked("cut", values)
    missing = [name for name in VALUE_NAMES if name not in upstream]
    if missing:
        raise InputError(f"cut: upstream without {', '.join(missing)}, wanted all 20 values")
    weights = {name: np.asarray(upstream[name]) for name in VALUE_NAMES}
    for name, weight in weights.items():
        if weight.shape != np.shape(v[name]) or weight.dtype.kind not in "fiu":
            raise InputError(
                f"cut: upstream {name} is {weight.dtype} of shape {weight.shape}, wanted real "
                f"numbers of shape {np.shape(v[name])} like {name}"
            )
    paths = line_numerical.alone(network(), v, weights, _complex_step_of(v))
    alone = {
        name: np.asarray(sum(path.gradient for path in paths[name].values())) for name in WITNESSED
    }
    alone["logits"][ties(v)] = np.nan
    return alone


def ties(values: Mapping[str, ArrayLike]) -> Ints:
    """The indices (count,), int64, of the rows of ``logits`` that have several largest entries.

    In these rows, the line ``logit_maxes`` has no derivative. The loss has one, because softmax
    does not depend on the number that is subtracted: ``complex_step`` and ``finite_differences``
    are right in these rows too.

    Raises:
        InputError: the values have no logits (n, V).
    """
    logits = np.asarray(values.get("logits", np.nan))
    if logits.ndim != 2:
        raise InputError(f"ties: logits of shape {logits.shape}, wanted (n, V)")
    return np.flatnonzero((logits == logits.max(1, keepdims=True)).sum(1) > 1)


def finite_differences(values: Mapping[str, ArrayLike], step: float | None = None) -> Differences:
    """The gradients of the loss by f'(x) = (f(x + s) - f(x - s)) / 2s, and their error.

    s is the power of two nearest to ``step`` times the scale of the value, so that x ± s is exact.
    The scale is |x| for values that must stay positive, bnvar + eps for the variance and its
    summands, and the larger of |x| and 1 for all others.

    The error of an entry has two parts. The first part is the error of the formula, which is
    proportional to s². Doubling s adds three times that part, and the bound allows all of this. The
    second part is the rounding noise of the losses, divided by s. The noise is estimated from the
    losses' fourth differences, in which only noise remains. The bound allows six standard
    deviations, because it must cover thousands of entries, and at least eps times the loss or 1.

    Args:
        values: as for ``complex_step``.
        step: above 0, below 0.25; by default the cube root of eps, 6e-6, where the two parts
            of the error are about equal.

    Returns:
        The gradients, float64, and the error of each.

    Raises:
        InputError: as ``complex_step``; or the step is out of range.

    Source of the noise estimate: J. Moré and S. Wild, Estimating computational noise, SIAM
    Journal on Scientific Computing 33 (2011).
    """
    v = _checked("finite_differences", values)
    step = differentiate.STEP if step is None else float(step)
    if not 0 < step < 0.25:
        raise InputError(f"finite_differences: step {step}, wanted one above 0 and below 0.25")

    def method(name: str, terms: Terms, x: Floats) -> Derivative:
        s = difference_steps(x, _scale(v, name), step)
        return Derivative(*differences(terms, x, s), trouble="asked for")

    found = line_numerical.whole(network(), v, LOSS, method)
    return Differences(
        {name: found[name].gradient for name in WITNESSED},
        {name: float(found[name].error.max()) for name in WITNESSED},
    )


def _scale(v: Values, name: str) -> Floats:
    """The scale of each entry, in the shape of the value."""
    scale: Floats = v[name]
    if name in ("bnvar", "bndiff2"):
        scale = np.broadcast_to(v["bnvar"] + v["eps"], scale.shape)
    elif name not in POSITIVE:
        scale = np.maximum(np.abs(scale), 1)
    return scale


def _complex_step_of(v: Values) -> line_numerical.Method:
    """A function that makes the complex step, with the scales of ``v``."""

    def method(name: str, terms: Terms, x: Floats) -> Derivative:
        return Derivative(differentiate.complex_step(terms, x, _scale(v, name)), NO_ERROR, "")

    return method


def _checked(who: str, values: Mapping[str, ArrayLike]) -> Values:
    """The values as float64 arrays, with X, Y and eps, after checking names, dtypes and shapes."""
    missing = [name for name in (*NAMES, "X", "Y", "eps") if name not in values]
    if missing:
        raise InputError(f"{who}: without {', '.join(missing)}, wanted all that forward returns")
    params = Parameters(**{name: values[name] for name in PARAMETER_NAMES})
    X, Y = check_batch(who, params, values["X"], values["Y"])
    sizes = {**params.sizes, "n": len(Y)}
    v = {name: np.asarray(values[name]) for name in NAMES}
    for name, array in v.items():
        if array.dtype != np.float64:
            raise InputError(
                f"{who}: {name} is {array.dtype}, wanted float64: take the forward pass of "
                'params.astype("float64")'
            )
        if array.shape != shape_of(name, sizes):
            raise InputError(
                f"{who}: {name} has shape {array.shape}, wanted {shape_of(name, sizes)}, that is "
                f"{NAMES[name].shape}"
            )
        if not np.isfinite(array).all():
            raise InputError(f"{who}: {name} is not finite everywhere, wanted numbers to move")
        if name in POSITIVE and array.min() < TINY:
            raise InputError(
                f"{who}: {name} holds {array.min()}, wanted {TINY} or more: the logits of a row "
                "lie too far apart"
            )
    return Values({**v, "X": X, "Y": Y, "eps": float(cast(float, values["eps"]))})
