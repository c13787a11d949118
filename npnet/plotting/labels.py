"""The names of the runs in a picture: their labels, or what differs between them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npnet.base.errors import InputError
from npnet.plotting.curves import Curve
from npnet.recipes.recipe import Recipe

MOST_FIELDS = 3  # if more fields of the recipes differ, they are too long for a name
# The most letters of a name in the legend; longer names could push the axes out of the figure.
LONGEST_NAME = 36


@dataclass(frozen=True)
class Labelled:
    """The curves of one run, and its name. ``source``: the number of its source."""

    name: str
    curves: tuple[Curve, ...]
    source: int
    path: str | None

    @property
    def recipe(self) -> Recipe | None:
        """The recipe of a run of npnet; None for other runs."""
        return self.curves[0].recipe


def labelled(
    curves: Sequence[Sequence[Curve]],
    paths: Sequence[str | None],
    labels: str | Iterable[str] | None,
) -> list[Labelled]:
    """The runs of all sources, each with a name.

    Args:
        curves: the curves of each source.
        paths: the path of each source; None for a source in memory.
        labels: one for each run, or one for each source.

    Raises:
        InputError: a wrong number of labels.
    """
    runs: list[Labelled] = []
    for number, (found, path) in enumerate(zip(curves, paths, strict=True)):
        for name in dict.fromkeys(curve.name for curve in found):
            own = tuple(curve for curve in found if curve.name == name)
            runs.append(Labelled(name, own, number, path))
    if labels is None:
        names = _names(runs)
    else:
        given = [labels] if isinstance(labels, str) else list(labels)
        if len(given) == len(runs):
            names = given
        elif len(given) == len(curves):
            names = [f"{given[run.source]} {run.name}" for run in runs]
        else:
            raise InputError(
                f"losses: {len(given)} labels, wanted one for each of {len(runs)} runs"
            )
    return [
        dataclasses.replace(run, name=short(name)) for run, name in zip(runs, names, strict=True)
    ]


def short(name: str) -> str:
    """The name as one short line. Both ends are kept: similar names often differ at the end."""
    line = " ".join(str(name).split())
    half = LONGEST_NAME // 2
    return line if len(line) <= LONGEST_NAME else f"{line[:half]}…{line[1 - half :]}"


def _names(runs: Sequence[Labelled]) -> list[str]:
    names = [run.name for run in runs]
    recipes = [run.recipe for run in runs if run.recipe is not None]
    if len(recipes) > 1:
        several = any(run.curves[0].members for run in runs)
        different = iter(_differences(recipes, ("seed", "split_seed") if several else ()))
        names = [
            name if run.recipe is None else next(different) or name
            for name, run in zip(names, runs, strict=True)
        ]
    names = _by_path(names, runs)
    seen: dict[str, int] = {}
    for place, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            names[place] = f"{name} ({seen[name]})"
    return names


def _differences(recipes: Sequence[Recipe], besides: tuple[str, ...] = ()) -> list[str]:
    """For each recipe, a text of its differences from the others; empty if it would be too long.

    ``besides``: fields that do not count, such as the seed if several seeds are averaged.
    """
    unnamed = ("name", *besides)
    fields = [field.name for field in dataclasses.fields(Recipe) if field.name not in unnamed]
    values = [{name: getattr(recipe, name) for name in fields} for recipe in recipes]
    differ = [name for name in fields if any(each[name] != values[0][name] for each in values)]
    if not 1 <= len(differ) <= MOST_FIELDS or "draws" in differ:
        return [""] * len(recipes)
    return [", ".join(_told(name, each[name]) for name in differ) for each in values]


def _told(name: str, value: Any) -> str:
    if name == "rates" and not isinstance(value, str):
        rates = [f"{rate:g}" for _, rate in value]
        if len(rates) == 1:
            return f"rate {rates[0]}"
        return "rates " + ", ".join(
            rates[:1]
            + [
                f"{rate} from {first:,}"
                for (first, _), rate in zip(value[1:], rates[1:], strict=True)
            ]
        )
    return (
        f"{name.replace('_', ' ')} {value:g}"
        if isinstance(value, float)
        else f"{name.replace('_', ' ')} {value}"
    )


def _by_path(names: list[str], runs: Sequence[Labelled]) -> list[str]:
    """The names; if several files have the same name, with the folders in which they differ."""
    for name in {name for name in names if names.count(name) > 1}:
        places = [place for place, each in enumerate(names) if each == name]
        paths = [_path_of(runs[place], runs) for place in places]
        if None in paths or len(set(paths)) < len(paths):
            continue
        parts = [Path(os.path.abspath(path or "")).parts for path in paths]
        ends = [part[_alike(parts) :] for part in parts]
        common = _alike([end[::-1] for end in ends])
        for place, end in zip(places, ends, strict=True):
            names[place] = "/".join(end[: len(end) - common]) or name
    return names


def _path_of(run: Labelled, runs: Sequence[Labelled]) -> str | None:
    """The path of a run's source; with the name of the run if the source has several."""
    several = sum(each.source == run.source for each in runs) > 1
    return os.path.join(run.path, run.name) if several and run.path is not None else run.path


def _alike(parts: Sequence[Sequence[str]]) -> int:
    """How many parts all paths have in common at their beginning."""
    count = 0
    for each in zip(*parts, strict=False):
        if len(set(each)) > 1:
            break
        count += 1
    return count
