"""Words for factors that people forget or use twice, such as sizes of a network."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

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
