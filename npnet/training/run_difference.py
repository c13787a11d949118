"""Is one recipe better than another, or only its seed? The dev losses of several seeds compared."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from npnet.base.arrays import Floats
from npnet.base.errors import InputError
from npnet.recipes.recipe import Recipe
from npnet.training.run_folders import is_several, run_folders, without_seed
from npnet.training.runs import diverged_at, read_recipe, read_split_losses, read_words_of

LEVEL = 0.95
RESAMPLES = 10_000
FEWEST = 6  # with fewer seeds, no resampling can be right in 95 % of all cases
SPLIT = "dev"


@dataclass(frozen=True)
class Side:
    """The runs of one recipe.

    Attributes:
        name: the name of its folder.
        recipe: the recipe of its first run.
        losses: the dev loss of each seed whose run has finished.
        left_out: the runs that do not count, and why.
        words: the words of its first run.
    """

    name: str
    recipe: Recipe
    losses: dict[int, float]
    left_out: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def mean(self) -> float:
        """The mean dev loss."""
        return float(np.mean(list(self.losses.values())))


@dataclass(frozen=True)
class Difference:
    """How much better B is than A.

    Attributes:
        a, b: the two sides.
        better_by: A's mean dev loss minus B's: above 0 if B is better.
        interval: the 95 % bootstrap interval of ``better_by``.
        paired: whether both have the same seeds, so that the runs of each seed are compared.
    """

    a: Side
    b: Side
    better_by: float
    interval: tuple[float, float]
    paired: bool

    @property
    def seen(self) -> bool:
        """Whether the interval does not contain 0."""
        return not self.interval[0] <= 0 <= self.interval[1]

    def __str__(self) -> str:
        digits = _digits(self.interval[1] - self.interval[0], self.better_by)
        counts = len(self.a.losses), len(self.b.losses)
        seeds = f"{counts[0]} and {counts[1]} seeds"
        if counts[0] == counts[1]:
            seeds = f"{counts[0]} seeds each"
        seeds += "" if self.paired else ", not paired: the seeds differ"
        low, high = self.interval
        if low == high == 0:
            return f"No difference can be seen: the dev losses are the same, {seeds}"
        if not self.seen:
            ends = " and ".join(_better(end, digits) for end in (low, high))
            return f"No difference can be seen: 95 % between {ends}, {seeds}"
        if self.better_by < 0:
            low, high = -high, -low
        return (
            f"{'B' if self.better_by > 0 else 'A'} is better by {abs(self.better_by):.{digits}f}, "
            f"95 % between {low:.{digits}f} and {high:.{digits}f}, {seeds}"
        )


def _digits(width: float, size: float) -> int:
    """How many decimals show the first digit of the interval's width; at least 3."""
    scale = width or abs(size) or 1e-3
    return min(max(3, -math.floor(math.log10(scale))), 9)


def _better(end: float, digits: int) -> str:
    return f"{'B' if end > 0 else 'A'} better by {abs(end):.{digits}f}"


def read_side(path: str | os.PathLike[str]) -> Side:
    """The runs of one recipe, from a folder of several seeds or from the folder of one run.

    Raises:
        InputError: there is no finished run, or the folder has several recipes.
    """
    folder = Path(path)
    if not is_several(folder) and not os.path.isfile(folder / "recipe.json"):
        raise InputError(
            f"{folder}: no runs in it, wanted a folder of npnet train --seeds, or of one run"
        )
    folders = run_folders(folder) if is_several(folder) else [folder]
    recipes = [read_recipe(each / "recipe.json") for each in folders]
    if any(without_seed(each) != without_seed(recipes[0]) for each in recipes):
        inner = sorted({each.parent for each in folders} - {folder}) or folders
        raise InputError(
            f"{folder}: holds several recipes, wanted one with its seeds: compare "
            f"{inner[0]} with {inner[-1]}"
        )
    losses: dict[int, float] = {}
    left_out = []
    for each, recipe in zip(folders, recipes, strict=True):
        if (each / "model.npz").is_file():
            losses[recipe.seed] = read_split_losses(each / "losses.json")[SPLIT]
        else:
            step = diverged_at(each)
            why = "has not finished" if step is None else f"diverged at step {step:,}"
            left_out.append(f"{each} {why}")
    if not losses:
        raise InputError(f"{folder}: no finished run ({left_out[0]}), wanted some: npnet train")
    return Side(str(folder), recipes[0], losses, tuple(left_out), read_words_of(folders[0]))


def compare_runs(a: str | os.PathLike[str], b: str | os.PathLike[str]) -> Difference:
    """The difference of two recipes' dev losses, with a bootstrap interval.

    If both have the same seeds, each seed is compared with itself: runs of one seed have the same
    parameters and minibatches, as far as the recipes allow, and their losses rise and fall
    together. The interval is the expanded percentile interval of Hesterberg (2015), section 3.3:
    the plain one is too narrow for few seeds.

    Args:
        a, b: folders of ``npnet train --seeds``.

    Raises:
        InputError: a folder cannot be read, a side has only one seed, or the sides have different
            words.
    """
    one, other = read_side(a), read_side(b)
    if one.words != other.words:
        raise InputError(
            f"compare-runs: {one.name} and {other.name} were trained on other words: losses on "
            "different words cannot be compared"
        )
    alone = [side.name for side in (one, other) if len(side.losses) < 2]
    if alone:
        raise InputError(
            f"compare-runs: {' and '.join(alone)}: one finished seed, so that nothing can be said: "
            f"dev losses {one.mean:.4f} and {other.mean:.4f} may differ by the seed alone; train "
            "several: npnet train --recipe RUN --seeds 8"
        )
    both = one.losses.keys() & other.losses.keys()
    if len(both) >= 2 and len(both) == min(len(one.losses), len(other.losses)):
        one, other = _only(one, both), _only(other, both)
    paired = one.losses.keys() == other.losses.keys()
    left = np.array([one.losses[seed] for seed in sorted(one.losses)])
    right = np.array([other.losses[seed] for seed in sorted(other.losses)])
    interval = bootstrap(left - right) if paired else bootstrap(left, right)
    return Difference(one, other, float(left.mean() - right.mean()), interval, paired)


def _only(side: Side, seeds: Collection[int]) -> Side:
    """A side with only the seeds that the other has too: pairs tell more than all seeds."""
    more = [seed for seed in side.losses if seed not in seeds]
    if not more:
        return side
    told = f"{side.name}: seeds that only this side has are left out: {', '.join(map(str, more))}"
    kept = {seed: loss for seed, loss in side.losses.items() if seed in seeds}
    return dataclasses.replace(side, losses=kept, left_out=(*side.left_out, told))


def bootstrap(first: Floats, second: Floats | None = None) -> tuple[float, float]:
    """The bootstrap interval at 95 % of a mean, or of the difference of two means.

    Args:
        first: (n,) float64; for pairs, their differences.
        second: (m,) float64, not paired with ``first``.

    Returns:
        The lower and the upper end. The same numbers always give the same interval.
    """
    samples = [first] if second is None else [first, second]
    generator = np.random.default_rng(0)
    means = [
        each[generator.integers(0, each.size, (RESAMPLES, each.size))].mean(1) for each in samples
    ]
    resampled = means[0] if second is None else means[0] - means[1]
    # Resampled means vary less than real means, by (n-1)/n, and few seeds give an inexact spread
    # (Student's t). Quantiles further out correct both.
    spreads = [float(each.var(ddof=1)) / each.size for each in samples]
    narrow = sum(v * (each.size - 1) / each.size for v, each in zip(spreads, samples, strict=True))
    if not narrow:
        return float(resampled.min()), float(resampled.max())
    freedom = sum(spreads) ** 2 / sum(
        v**2 / (each.size - 1) for v, each in zip(spreads, samples, strict=True)
    )
    reach = student((1 + LEVEL) / 2, freedom) * math.sqrt(sum(spreads) / narrow)
    tail = 0.5 * math.erfc(reach / math.sqrt(2))
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


def student(share: float, freedom: float) -> float:
    """The quantile of Student's t: this ``share`` of all values, above 0.5, lies below it.

    With t = sqrt(freedom)·tan(angle), the angle has the density cos(angle)^(freedom - 1). This
    density has no long tail, and it is integrated numerically.
    """
    angles = np.linspace(0, np.pi / 2, 20_001)
    density = np.cos(angles).clip(min=0) ** (freedom - 1)
    sums = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    angle = float(np.interp((share - 0.5) * 2 * sums[-1], sums, angles))
    return math.sqrt(freedom) * math.tan(angle)


def warnings_of(difference: Difference) -> Sequence[str]:
    """The reasons to doubt a comparison, each a sentence."""
    a, b = difference.a, difference.b
    told = list(a.left_out) + list(b.left_out)
    if _split_of(a.recipe) != _split_of(b.recipe):
        told.append("the two split the words in different ways, so that their dev words differ")
    fewest = min(len(a.losses), len(b.losses))
    if fewest < FEWEST:
        told.append(
            f"{fewest} seeds are few: such an interval is wrong more often than in 5 % of all "
            f"cases; {FEWEST} or more are wanted, 8 are usual"
        )
    return told


def _split_of(recipe: Recipe) -> tuple[object, ...]:
    """The fields of a recipe that decide which words or examples are in the dev split."""
    seed = recipe.seed if recipe.split_seed is None else recipe.split_seed
    drawn = None if recipe.split == "words" else seed
    return recipe.split, recipe.shuffle_seed, recipe.shuffles, recipe.rounding, drawn


def figures_of(difference: Difference) -> dict[str, object]:
    """A comparison as plain values, for JSON."""
    sides = {
        name: {
            "folder": side.name,
            "seeds": list(side.losses),
            "dev": list(side.losses.values()),
            "mean": side.mean,
            "left_out": list(side.left_out),
        }
        for name, side in (("A", difference.a), ("B", difference.b))
    }
    better = ("B" if difference.better_by > 0 else "A") if difference.seen else None
    return {
        **sides,
        "b_better_by": difference.better_by,
        "interval": list(difference.interval),
        "level": LEVEL,
        "paired": difference.paired,
        "better": better,
        "words": str(difference),
        "warnings": list(warnings_of(difference)),
    }
