"""The table of element-wise operations and their derivatives.

g: the upstream gradient. o: the result. x, y: the arguments. A name that begins with ``_`` is not
read. Shapes: x and y are broadcast to the shape of o. The gradients have that shape too; the tape
sums them to the shapes of x and y. The formulas and the order of their factors are those of torch's
derivatives.yaml, since a different order rounds differently.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.operation import Operation, no_derivative
from npnet.derivatives.sums import F64


def power(x: Any, exponent: Any) -> Any:
    """x to a Python number, as torch computes it: products and roots for usual exponents."""
    if exponent == 2:
        return x * x
    if exponent == -1:
        return 1 / x
    if exponent == -0.5:
        return 1 / np.sqrt(x)
    if exponent == 0.5:
        return np.sqrt(x)
    if exponent == 3:
        return x * x * x
    if exponent == -2:
        return 1 / (x * x)
    return np.power(x, exponent)


def lerped(x: Any, end: Any, weight: Any) -> Any:
    """From x to end, from the nearer of the two, as torch."""
    apart = end - x
    return np.where(np.abs(weight) < 0.5, x + weight * apart, end - apart * (1 - weight))


def sign(x: Array) -> Array:
    """-1, 0 or 1. The sign of nan is 0 as in torch; in NumPy it is nan."""
    return np.asarray(np.where(np.isnan(x), 0, np.sign(x)).astype(x.dtype))


def one_minus_square(h: Array) -> Array:
    """1 − h·h, rounded once: torch's vectorised tanh backward uses a fused multiply-add."""
    if h.dtype == F64:
        return 1 - h * h
    wide = h.astype(F64)
    wide *= wide
    return np.subtract(1.0, wide, wide).astype(h.dtype)


def _none(g: Array, _o: Array, *_: Any) -> Array:
    raise no_derivative("this operation (torch has none either)")


def _zero(g: Array, _o: Array, *_: Any) -> Array:
    return np.zeros_like(g)


def _power_base(g: Array, _o: Array, x: Array, exponent: Any) -> Array:
    if isinstance(exponent, np.ndarray):
        with np.errstate(all="ignore"):
            return np.where(exponent == 0, 0, g * (exponent * np.power(x, exponent - 1)))
    return np.zeros_like(x) if exponent == 0 else g * (exponent * power(x, exponent - 1))


def _power_exponent(g: Array, o: Array, x: Any, exponent: Any) -> Array:
    with np.errstate(all="ignore"):
        zero = (np.equal(x, 0)) & (np.greater_equal(exponent, 0))
        return np.where(zero, 0, g * (o * np.log(np.asarray(x, g.dtype))))


def _clamped(x: Array, low: Any, high: Any) -> Array:
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def _inside(g: Array, _o: Array, x: Array, low: Any, high: Any) -> Array:
    keep = np.ones(x.shape, bool) if low is None else x >= low
    return np.where(keep if high is None else keep & (x <= high), g, 0).astype(g.dtype)


def _over_square(g: Array, x: Array, y: Array) -> Array:
    """g / (x² + y²), and 0 at the origin."""
    square = x * x + y * y
    return np.where(square == 0, 0, g / square).astype(g.dtype)


def _whole_power(x: Array, exponent: Array) -> Array:
    """x to a power, element by element; a negative power of an integer is truncated."""
    if exponent.dtype.kind != "i" or not exponent.size or exponent.min() >= 0:
        return np.asarray(np.power(x, exponent))
    sign = np.where(exponent % 2 == 0, 1, x)
    below = np.where(x == 1, 1, np.where(x == -1, sign, 0))
    return np.where(exponent < 0, below, np.power(x, np.maximum(exponent, 0)))


def _larger(g: Array, x: Array, y: Array) -> Array:
    return np.where(x == y, g / 2, np.where(x < y, 0, g)).astype(g.dtype)


# fmt: off
# --- two arguments --------------------------------------------------------------------------------
ADD = Operation("AddBackward0", lambda x, y: x + y,
    lambda g, _o, _x, _y: g,
    lambda g, _o, _x, _y: g)
ADD_SCALED = Operation("AddBackward0", lambda x, y, alpha: x + alpha * y,
    lambda g, _o, _x, _y, alpha: g,
    lambda g, _o, _x, _y, alpha: g * alpha)
ADDCMUL = Operation("AddcmulBackward0", lambda x, y, z, value: x + value * y * z,
    lambda g, _o, _x, _y, _z, _value: g,
    lambda g, _o, _x, _y, z, value: g * (z * value),
    lambda g, _o, _x, y, _z, value: g * (y * value))
ADDCDIV = Operation("AddcdivBackward0", lambda x, y, z, value: x + value * y / z,
    lambda g, _o, _x, _y, _z, _value: g,
    lambda g, _o, _x, _y, z, value: g * (value / z),
    lambda g, _o, _x, y, z, value: -g * (value * y / (z * z)))
LERP = Operation("LerpBackward0", lerped,  # weight: a plain number
    lambda g, _o, _x, _end, weight: g * (1 - weight),
    lambda g, _o, _x, _end, weight: g * weight)
LERP_TENSOR = Operation("LerpBackward1", lerped,
    lambda g, _o, _x, _end, weight: g * (1 - weight),
    lambda g, _o, _x, _end, weight: g * weight,
    lambda g, _o, x, end, _weight: g * (end - x))
SUB = Operation("SubBackward0", lambda x, y: x - y,
    lambda g, _o, _x, _y: g,
    lambda g, _o, _x, _y: -g)
RSUB = Operation("RsubBackward1", lambda x, y: y - x,
    lambda g, _o, _x, _y: -g,
    lambda g, _o, _x, _y: g)
MUL = Operation("MulBackward0", lambda x, y: x * y,
    lambda g, _o, _x, y: g * y,
    lambda g, _o, x, _y: g * x)
DIV = Operation("DivBackward0", lambda x, y: x / y,
    lambda g, _o, _x, y: g / y,
    lambda g, _o, x, y: -g * ((x / y) / y))
POW = Operation("PowBackward0", power,  # y is a plain number
    _power_base)
POW_TENSOR = Operation("PowBackward1", _whole_power,
    _power_base,
    _power_exponent)
POW_OF_NUMBER = Operation("PowBackward2",  # x is a plain number
    lambda y, x: _whole_power(np.asarray(x), np.asarray(y)),
    lambda g, o, y, x: _power_exponent(g, o, x, y))
REMAINDER_NUMBER = Operation("RemainderBackward0", np.remainder,
    lambda g, _o, _x, _y: g)
REMAINDER = Operation("RemainderBackward1", np.remainder,
    lambda g, _o, _x, _y: g,
    lambda g, _o, x, y: -g * np.floor(x / y))
FMOD = Operation("FmodBackward0", np.fmod,
    lambda g, _o, _x, _y: g,
    lambda g, _o, x, y: -g * np.trunc(x / y))
FLOOR_DIVIDE = Operation("FloorDivideBackward0", np.floor_divide,
    _none,
    _none)
DIV_ROUNDED = Operation("DivBackward2", lambda x, y, rounded: rounded(x, y),
    _zero,
    _zero)
MAXIMUM = Operation("MaximumBackward0", np.maximum,
    lambda g, _o, x, y: _larger(g, x, y),
    lambda g, _o, x, y: _larger(g, y, x))
MINIMUM = Operation("MinimumBackward0", np.minimum,
    lambda g, _o, x, y: _larger(g, y, x),
    lambda g, _o, x, y: _larger(g, x, y))
# If one of the two arguments is nan, the result is the other one.
FMAX = Operation("FmaxBackward0", np.fmax,
    lambda g, _o, x, y: np.where((x >= y) | np.isnan(y), g, 0).astype(g.dtype),
    lambda g, _o, x, y: np.where((x >= y) | np.isnan(y), 0, g).astype(g.dtype))
FMIN = Operation("FminBackward0", np.fmin,
    lambda g, _o, x, y: np.where((x <= y) | np.isnan(y), g, 0).astype(g.dtype),
    lambda g, _o, x, y: np.where((x <= y) | np.isnan(y), 0, g).astype(g.dtype))
ATAN2 = Operation("Atan2Backward0", np.arctan2,
    lambda g, _o, x, y: _over_square(g * y, x, y),
    lambda g, _o, x, y: _over_square(g * -x, x, y))
WHERE = Operation("WhereBackward0", lambda x, y, mask: np.where(mask, x, y),
    lambda g, _o, _x, _y, mask: np.where(mask, g, 0).astype(g.dtype),
    lambda g, _o, _x, _y, mask: np.where(mask, 0, g).astype(g.dtype))
MASKED_FILL = Operation("MaskedFillBackward0", lambda x, y, mask: np.where(mask, y, x),
    lambda g, _o, _x, _y, mask: np.where(mask, 0, g).astype(g.dtype),
    lambda g, _o, _x, _y, mask: np.where(mask, g, 0).astype(g.dtype))
# --- one argument ---------------------------------------------------------------------------------
NEG = Operation("NegBackward0", np.negative,
    lambda g, _o, _x: -g)
ABS = Operation("AbsBackward0", np.abs,
    lambda g, _o, x: g * sign(x))
EXP = Operation("ExpBackward0", np.exp,
    lambda g, o, _x: g * o)
EXPM1 = Operation("Expm1Backward0", np.expm1,
    lambda g, o, _x: g * (o + 1))
LOG = Operation("LogBackward0", np.log,
    lambda g, _o, x: g / x)
LOG10 = Operation("Log10Backward0", np.log10,
    lambda g, _o, x: g / (x * math.log(10)))
LOG2 = Operation("Log2Backward0", np.log2,
    lambda g, _o, x: g / (x * math.log(2)))
LOG1P = Operation("Log1PBackward0", np.log1p,
    lambda g, _o, x: g / (x + 1))
SQRT = Operation("SqrtBackward0", np.sqrt,
    lambda g, o, _x: g / (2 * o))
RSQRT = Operation("RsqrtBackward0", lambda x: 1 / np.sqrt(x),
    lambda g, o, _x: -0.5 * g * power(o, 3))
SQUARE = Operation("PowBackward0", lambda x: x * x,
    lambda g, _o, x: g * (2 * x))
RECIPROCAL = Operation("ReciprocalBackward0", lambda x: 1 / x,
    lambda g, o, _x: -g * (o * o))
SIN = Operation("SinBackward0", np.sin,
    lambda g, _o, x: g * np.cos(x))
COS = Operation("CosBackward0", np.cos,
    lambda g, _o, x: g * -np.sin(x))
TAN = Operation("TanBackward0", np.tan,
    lambda g, o, _x: g * (1 + o * o))
ASIN = Operation("AsinBackward0", np.arcsin,
    lambda g, _o, x: g * power(-x * x + 1, -0.5))
ACOS = Operation("AcosBackward0", np.arccos,
    lambda g, _o, x: g * -power(-x * x + 1, -0.5))
ATAN = Operation("AtanBackward0", np.arctan,
    lambda g, _o, x: g / (x * x + 1))
SINH = Operation("SinhBackward0", np.sinh,
    lambda g, _o, x: g * np.cosh(x))
COSH = Operation("CoshBackward0", np.cosh,
    lambda g, _o, x: g * np.sinh(x))
TANH = Operation("TanhBackward0", np.tanh,
    lambda g, o, _x: g * one_minus_square(o))
ASINH = Operation("AsinhBackward0", np.arcsinh,
    lambda g, _o, x: g * power(x * x + 1, -0.5))
ACOSH = Operation("AcoshBackward0", np.arccosh,
    lambda g, _o, x: g * power(x * x - 1, -0.5))
ATANH = Operation("AtanhBackward0", np.arctanh,
    lambda g, _o, x: g * 1 / (1 - x * x))
FLOOR = Operation("FloorBackward0", np.floor, _zero)
CEIL = Operation("CeilBackward0", np.ceil, _zero)
ROUND = Operation("RoundBackward0", np.rint, _zero)
TRUNC = Operation("TruncBackward0", np.trunc, _zero)
SIGN = Operation("SignBackward0", lambda x: sign(x), _zero)
FRAC = Operation("FracBackward0", lambda x: x - np.trunc(x),
    lambda g, _o, _x: g)
SIGMOID = Operation("SigmoidBackward0", lambda x: 1 / (1 + np.exp(-x)),
    lambda g, o, _x: g * (1 - o) * o)
RELU = Operation("ReluBackward0", lambda x: np.where(x <= 0, x.dtype.type(0), x),
    lambda g, o, _x: np.where(o <= 0, g.dtype.type(0), g))
CLAMP = Operation("ClampBackward1", _clamped,
    _inside)
NAN_TO_NUM = Operation("NanToNumBackward0",
    lambda x, nan, posinf, neginf: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
    lambda g, _o, x, _nan, _posinf, _neginf: np.where(np.isfinite(x), g, 0).astype(g.dtype))
CLONE = Operation("CloneBackward0", lambda x: x.copy(),
    lambda g, _o, _x: g)
CAST = Operation("ToCopyBackward0", lambda x, kind: x.astype(kind),
    lambda g, _o, _x, kind: g)  # the tape converts the gradient to the argument's type
DRAWN = Operation("BernoulliBackward0", lambda _x, drawn: drawn,  # what was drawn for x
    _zero)
DRAWN_BY = Operation("BernoulliBackward1", lambda _x, _chances, drawn: drawn,
    _zero,
    _zero)
DRAWN_FOR = Operation("NotImplemented", lambda _x, drawn: drawn,
    _none)
ZERO = Operation("ZeroBackward0", np.zeros_like, _zero)
FILL_NUMBER = Operation("FillBackward2", lambda x, y: np.full_like(x, y), _zero)
COPY = Operation("CopyBackwards", lambda x, y: np.broadcast_to(y, x.shape).astype(x.dtype),
    lambda g, _o, _x, _y: np.zeros_like(g),
    lambda g, _o, _x, _y: g)
FILL = Operation("FillBackward3", lambda x, y: np.full_like(x, y),
    lambda g, _o, _x, _y: np.zeros_like(g),
    lambda g, _o, _x, _y: g)
# fmt: on
