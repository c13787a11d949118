"""Measures of the difference between two arrays."""

import numpy as np

from npnet.base.arrays import Array


def shape_hint(got: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """The likely mistake behind a wrong shape, as the end of a message; "" if unknown."""
    if len(got) < len(wanted) and got == tuple(extent for extent in wanted if extent != 1):
        return ": sum with keepdims=True"
    if got == wanted[::-1]:
        return ": transpose it"
    pairs = zip(reversed(got), reversed(wanted), strict=False)
    if len(got) >= len(wanted) and all(one == other or other == 1 for one, other in pairs):
        return ": sum it over the axis that the forward pass broadcast"
    return ""


def distance(one: Array | float, other: Array) -> Array:
    """|one - other| for each entry, in float64 or wider.

    In narrower types, unsigned integers would wrap around and float32 would round the distance.
    """
    wide = np.result_type(one, other, np.float64)
    apart: Array = np.abs(np.subtract(one, other, dtype=wide))
    return apart


def largest(array: Array) -> float:
    """The largest finite |entry|; 0 if there is none."""
    return float(np.max(distance(0.0, array), where=np.isfinite(array), initial=0))


def eps(array: Array) -> float:
    """The distance from 1 to the next larger number of the array's dtype, a float dtype."""
    return float(np.finfo(array.dtype).eps)


def max_ulp(one: Array, other: Array) -> float:
    """The largest |one - other| in units of the last place.

    The unit of an entry is the distance to the next number at the larger of its two values, in the
    coarser of the two dtypes. The result is NaN if an entry is not finite.
    """
    coarser = one.dtype if eps(one) > eps(other) else other.dtype
    unit = np.spacing(np.maximum(np.abs(one), np.abs(other)).astype(coarser))
    return float((distance(one, other) / unit).max())
