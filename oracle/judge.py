"""Judging a table of gradient functions: all of them in order, and each line alone.

There are three results: ours in NumPy, torch's in the same dtype, and the truth, which is torch's
in float64. Our error may be a few times torch's error, so that no tolerance has to be chosen. If
torch's error is small by chance, our error may be a few times the usual size of rounding errors
(``npnet.checks.rounding``). In float64 there is no better truth, and this size alone is the bound.
"""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from npnet.base.errors import InputError
from npnet.checks.called_functions import locked, made
from npnet.checks.compare import compare, zero_scales
from npnet.checks.isolation import Isolation, isolate
from npnet.checks.judging import K_BOTH, judge_by_truth
from npnet.checks.line_check import widened
from npnet.checks.lines import draw_upstream
from npnet.checks.report import Report
from npnet.checks.rounding import rounding_scales
from npnet.network.forward import Values, forward
from npnet.network.gradients import GRADIENTS, Gradients
from npnet.network.graph import reads
from npnet.network.names import VALUE_NAMES
from npnet.network.parameters import Parameters
from oracle.lines import Array, cut
from oracle.whole import whole

Functions = Mapping[str, Callable[[Any, Any], Any]]

LABELS = ("ours", "torch")


def end_to_end(
    params: Mapping[str, ArrayLike],
    X: ArrayLike,
    Y: ArrayLike,
    eps: float = 1e-5,
    functions: Functions = GRADIENTS,
    *,
    rtol: float | None = None,
    atol: float | None = None,
) -> Report:
    """Compare the gradients of one batch; each function gets the results of those before it.

    Args:
        params: the seven parameters, all float32 or all float64.
        X, Y, eps: as for ``npnet.forward``, whose values the functions get.
        functions: gradient name -> function(v, d), in the order in which they run.
        rtol, atol: tolerances to use instead of the float64 truth, both or neither.

    Returns:
        The report. ``b1`` and ``logit_maxes`` are mathematically zero, so their rounding errors
        are judged. In batches of two rows, the gradients before batch normalisation are nothing but
        rounding errors, and are judged by their size.

    Raises:
        InputError: parameters or batch do not fit together, or rtol is given without atol.
    """
    params = Parameters.of(params)
    ours = chained(functions, forward(params, X, Y, eps))
    _, reference = whole(params, X, Y, eps)
    if rtol is not None or atol is not None:
        return compare(ours, reference, rtol=rtol, atol=atol, labels=LABELS)
    values, truth = whole(params.astype(np.float64), X, Y, eps)
    scales = rounding_scales(values, truth, float(np.finfo(params.dtype).eps), lines=False)
    if params.dtype == np.float64:
        zero = zero_scales(truth)
        return compare(ours, truth, K=K_BOTH, zero_scales=zero, scales=scales, labels=LABELS)
    return judge_by_truth(ours, reference, truth, scales, lines=False, labels=LABELS)


def per_line(
    values: Mapping[str, Any],
    functions: Functions = GRADIENTS,
    *,
    seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
) -> Report:
    """Compare each function alone, given torch's own values and random upstream gradients.

    Args:
        values: the first result of ``oracle.whole``.
        functions: gradient name -> function(v, d).
        seed: the seed for ``upstream``.
        rtol, atol: tolerances to use instead of the float64 truth, both or neither.

    Returns:
        The report. With random upstream gradients, no gradient is mathematically zero.

    Raises:
        InputError: a value is missing or does not fit, or rtol is given without atol.
    """
    above = upstream(values, seed)
    reference = cut(values, above)
    v, d = Values(locked(values)), Gradients(locked(above))
    ours = {name: made(name, function, v, d) for name, function in functions.items()}
    if rtol is not None or atol is not None:
        return compare(ours, reference, rtol=rtol, atol=atol, labels=LABELS)
    wide, wide_above = widened(values), widened(above)
    scales = rounding_scales(wide, wide_above, float(np.finfo(v.C.dtype).eps), lines=True)
    if v.C.dtype == np.float64:
        return compare(ours, reference, K=K_BOTH, zero_scales={}, scales=scales, labels=LABELS)
    truth = cut(wide, wide_above)
    return judge_by_truth(ours, reference, truth, scales, lines=True, labels=LABELS)


def upstream(values: Mapping[str, Any], seed: int) -> dict[str, Array]:
    """A random gradient for each of the 20 values (also ``loss``), in its shape and dtype.

    They are drawn as by ``npnet.checks.lines.draw_upstream``.

    Raises:
        InputError: a value is missing.
    """
    missing = [name for name in VALUE_NAMES if name not in values]
    if missing:
        raise InputError(f"upstream: no {', '.join(missing)}, wanted what oracle.whole returns")
    return draw_upstream({name: values[name] for name in VALUE_NAMES}, seed)


def chained(functions: Functions, v: Values) -> dict[str, Any]:
    """``npnet.backward`` for any table of functions; an error of a function gives ``Unmade``."""
    v = Values(locked(v))
    d = SimpleNamespace(loss=1.0)
    for name, function in functions.items():
        setattr(d, name, made(name, function, v, d))
    return {name: getattr(d, name) for name in functions}


def first_wrong(end_to_end: Report, per_line: Report) -> Isolation:
    """Separate wrong lines from right lines that only have wrong inputs."""
    return isolate(end_to_end, per_line, reads())
