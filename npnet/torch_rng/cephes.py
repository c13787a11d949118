"""Logarithm, sine and cosine in single precision, as torch's vectorised ``randn`` computes them.

They are Moshier's Cephes functions (logf, sinf, cosf) as torch's AVX2 and AVX-512 kernels compute
them (ATen/native/cpu/avx_mathfun.h): a product that is added to a sum is not rounded first. NumPy's
own functions give other last bits, and a run would not start from torch's numbers.
"""

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]


def _singles(*numbers: float) -> tuple[np.float32, ...]:
    return tuple(np.float32(number) for number in numbers)


HALF, SQRT_HALF, LN2_HIGH, LN2_LOW = _singles(0.5, 0.5**0.5, 0.693359375, -2.12194440e-4)
LN_SERIES = _singles(
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
FOUR_OVER_PI = np.float32(1.27323954473516)
# pi/4 in three parts, each so short that its product with the octant is (nearly) exact.
QUARTER_PI = _singles(0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8)
SIN_SERIES = _singles(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COS_SERIES = _singles(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)


def fma(a: Singles, b: Singles | np.float32, c: Singles | np.float32) -> Singles:
    """a·b + c with one rounding to float32.

    The product is exact in float64. The sum is rounded in float64 and once more by the cast to
    float32. In rare cases this could differ from a single rounding. It does not differ for any of
    the 2^24 logarithms, sines and cosines that ``randn`` can need (a slow test compares them all
    with torch).
    """
    exact = np.multiply(a, b, dtype=np.float64)
    exact += c
    return exact.astype(np.float32)


def log(x: Singles) -> Singles:
    """The natural logarithm of float32 ``x`` > 0, any shape with at least one axis."""
    mantissa, exponent = np.frexp(x)  # x = mantissa · 2^exponent, mantissa in [1/2, 1)
    low = mantissa < SQRT_HALF
    e = (exponent - low).astype(np.float32)
    r = (mantissa - 1) + np.where(low, mantissa, np.float32(0))  # x = (1 + r) · 2^e
    z = r * r
    y = fma(r, LN_SERIES[0], LN_SERIES[1])
    for coefficient in LN_SERIES[2:]:
        y = fma(y, r, coefficient)
    y = fma(y * r, z, e * LN2_LOW) - HALF * z
    return fma(e, LN2_HIGH, r + y)


def sin_cos(x: Singles) -> tuple[Singles, Singles]:
    """Sine and cosine of float32 ``x`` in [0, 2·pi), any shape with at least one axis."""
    octant = ((x * FOUR_OVER_PI).astype(np.int32) + 1) & ~1  # rounded to even: |r| <= pi/4
    r, j = x, octant.astype(np.float32)
    for part in QUARTER_PI:
        r = fma(j, -part, r)
    z = r * r
    c = fma(fma(z, COS_SERIES[0], COS_SERIES[1]), z, COS_SERIES[2]) * z
    c = fma(c, z, -HALF * z) + 1
    s = fma(fma(z, SIN_SERIES[0], SIN_SERIES[1]), z, SIN_SERIES[2]) * z
    s = fma(s, r, r)

    odd_quadrant = (octant & 2) != 0
    sine, cosine = np.where(odd_quadrant, c, s), np.where(odd_quadrant, s, c)
    sine = np.where(octant & 4, -sine, sine)
    cosine = np.where((octant - 2) & 4, cosine, -cosine)
    return sine, cosine
