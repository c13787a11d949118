"""Measures of the difference between two arrays, and words for simple ratios of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

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


# The ratio of a wrong array to the right one -> the mistake in words.
MEANINGS = {
    "-1": "the sign",
    "2": "added twice",
    "1/2": "a factor 2 is missing",
    "n": "a division by n is missing",
    "1/n": "divided by n once too often",
    "V": "a division by V is missing",
    "1/V": "divided by V once too often",
    "H": "a division by H is missing",
    "1/H": "divided by H once too often",
    "(n - 1)/n": "n for n - 1",
    "n/(n - 1)": "n - 1 for n",
}
LETTERS = ("n", "V", "H", "T", "E")


def ratios(sizes: Mapping[str, int]) -> dict[str, float]:
    """Quotients of sizes and small numbers, without 1: in words, and as numbers."""
    atoms = {"1": 1.0, "2": 2.0}
    atoms |= {letter: float(sizes[letter]) for letter in LETTERS if letter in sizes}
    if sizes.get("n", 0) > 2:
        atoms["(n - 1)"] = sizes["n"] - 1.0
    found = {"-1": -1.0}
    for (above, one), (below, other) in itertools.product(atoms.items(), repeat=2):
        if above != below:
            words = above.strip("()") if below == "1" else f"{above}/{below}"
            found[words] = one / other
            found[f"-{above}" if below == "1" else f"-{words}"] = -one / other
    return found


def named(ratio: float, sizes: Mapping[str, int], tolerance: float) -> str:
    """A ratio in words: ``0.96875 = 31/32 = (n - 1)/n: n for n - 1``; without a name, the number.

    Args:
        ratio: the ratio of a wrong array to the right one.
        sizes: the sizes of n, V, H, T, E.
        tolerance: the allowed relative difference between the ratio and one with a name.
    """
    near = {
        words: value
        for words, value in ratios(sizes).items()
        if math.isclose(value, ratio, rel_tol=tolerance)
    }
    if not near:
        return f"{ratio:.6g}"
    best = min(near.values(), key=lambda value: abs(value - ratio))
    equal = [words for words, value in near.items() if math.isclose(value, best, rel_tol=1e-12)]
    # If a size equals another one or a small number, all simple meanings are listed.
    shortest = min(map(_parts, equal))
    words = [each for each in equal if _parts(each) == shortest]
    letters = [each for each in words if not each.strip("-").replace("/", "").isdigit()]
    meaning = " or ".join(MEANINGS[each] for each in words if each in MEANINGS)
    parts = dict.fromkeys([f"{best:.6g}", _fraction(best)])
    text = " = ".join([*parts, *([" or ".join(letters)] if letters else [])])
    return f"{text}: {meaning}" if meaning else text


def _parts(words: str) -> int:
    return len(words.replace("(", "").replace(")", "").replace("-", " ").replace("/", " ").split())


def _fraction(value: float) -> str:
    """A ratio of small whole numbers as ``31/32``."""
    for below in range(1, 10_000):
        above = round(value * below)
        if above and math.isclose(above / below, value, rel_tol=1e-12):
            return f"{above}" if below == 1 else f"{above}/{below}"
    return f"{value:.6g}"
