"""Measuring the smallest mistake that gradient checkers find: npnet's, torch's, jax's, autograd's.

The function is tanh, and its gradient is wrong by a factor 1 + e in every entry. Each checker is
called as its documentation shows, with its own defaults.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import torch

from npnet.base.arrays import Floats
from npnet.checks.check_gradient import check_gradient
from npnet.checks.line_check import check
from npnet.checks.lines import Lines

# A function that says whether the checker finds a mistake of size e in the gradient of tanh at x.
Finds = Callable[[Floats, float], bool]

DTYPES = ("float32", "float64")
LARGEST = 1.0
# The factor between two tried sizes; the result is exact up to this factor.
FACTOR = 1.05


class Sensitivity(NamedTuple):
    """The sensitivity of one checker.

    Attributes:
        checker: its name.
        float32, float64: the smallest relative error that it finds; None if it does not find an
            error of 100%, or refuses the right gradient.
        remark: why there is none, in words.
    """

    checker: str
    float32: float | None
    float64: float | None
    remark: str


def sensitivities(seed: int = 0, entries: int = 20) -> list[Sensitivity]:
    """Every checker that is installed, npnet's first.

    Args:
        seed: the seed of the point x at which tanh is differentiated.
        entries: the number of entries of x.
    """
    rows = []
    x = np.random.default_rng(seed).standard_normal(entries)
    for name, (package, finds) in CHECKERS.items():
        if package and not find_spec(package):
            continue
        found: dict[str, float | None] = {}
        remarks = []
        for dtype in DTYPES:
            found[dtype], remark = smallest(finds, x.astype(dtype))
            remarks += [f"{dtype}: {remark}"] if remark else []
        rows.append(Sensitivity(name, **found, remark="; ".join(remarks)))
    return rows


def smallest(finds: Finds, x: Floats) -> tuple[float | None, str]:
    """The smallest relative error that is found, by bisection; or None and the reason."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gradcheck warns about float32, jax about float64
        if finds(x, 0.0):
            return None, "refuses the right gradient"
        if not finds(x, LARGEST):
            return None, "passes an error of 100%"
        low, high = 1e-18, LARGEST
        while high / low > FACTOR:
            middle = float(np.sqrt(low * high))
            low, high = (low, middle) if finds(x, middle) else (middle, high)
    return high, ""


def _wrong(x: Floats, e: float) -> Floats:
    """The derivative of tanh, too large by a factor, in the dtype of ``x``."""
    return np.asarray((1 - np.tanh(x.astype(np.float64)) ** 2) * (1 + e), x.dtype)


def _check_gradient(x: Floats, e: float) -> bool:
    return not check_gradient(np.tanh, _wrong(x, e), x)


def _lines(x: Floats, e: float) -> bool:
    table = Lines(
        {"h": lambda v: np.tanh(v.x), "out": lambda v: v.h.sum()},
        {"x": x},
        gradients={
            "h": lambda v, d: np.ones_like(v.h) * d.out,
            "x": lambda v, d: (_wrong(v.x, e) * d.h).astype(v.x.dtype),
        },
    )
    return not check(table, x.dtype.name)


def _tensor_function(e: float) -> Any:
    class WrongTanh(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = torch.tanh(x)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, *upstream: Any) -> Any:
            (y,) = ctx.saved_tensors
            return upstream[0] * (1 - y * y) * (1 + e)

    return WrongTanh.apply


def _gradcheck(x: Floats, e: float) -> bool:
    point = torch.from_numpy(x.copy()).requires_grad_()
    return not torch.autograd.gradcheck(_tensor_function(e), (point,), raise_exception=False)


def _assert_close(x: Floats, e: float) -> bool:
    point = torch.from_numpy(x.copy()).requires_grad_()
    (right,) = torch.autograd.grad(torch.tanh(point).sum(), point)
    try:
        torch.testing.assert_close(torch.from_numpy(_wrong(x, e)), right)
    except AssertionError:
        return True
    return False


def _allclose(x: Floats, e: float) -> bool:
    return not np.allclose(_wrong(x, e), 1 - np.tanh(x.astype(np.float64)) ** 2)


def _jax(x: Floats, e: float) -> bool:
    import jax
    from jax.test_util import check_grads

    tanh: Any = jax.custom_vjp(lambda x: jax.numpy.tanh(x))

    def forward(x: Any) -> Any:
        return jax.numpy.tanh(x), x

    def backward(x: Any, upstream: Any) -> Any:
        return (upstream * (1 - jax.numpy.tanh(x) ** 2) * (1 + e),)

    tanh.defvjp(forward, backward)
    with jax.enable_x64(x.dtype == np.float64):
        try:
            check_grads(tanh, (jax.numpy.asarray(x),), order=1, modes=["rev"])
        except AssertionError:
            return True
    return False


def _autograd(x: Floats, e: float) -> bool:
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    tanh: Any = primitive(lambda x: np.tanh(x))
    defvjp(tanh, lambda y, x: lambda upstream: upstream * (1 - y**2) * (1 + e))
    # This checker draws its directions from NumPy's old generator.
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    try:
        check_grads(tanh, modes=["rev"], order=1)(x)
    except AssertionError:
        return True
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return False


CHECKERS: dict[str, tuple[str, Finds]] = {
    "npnet.check_gradient": ("", _check_gradient),
    "npnet.Lines.check": ("", _lines),
    "numpy.allclose": ("", _allclose),
    "torch.testing.assert_close": ("torch", _assert_close),
    "torch.autograd.gradcheck": ("torch", _gradcheck),
    "jax.test_util.check_grads": ("jax", _jax),
    "autograd.test_util.check_grads": ("autograd", _autograd),
}
