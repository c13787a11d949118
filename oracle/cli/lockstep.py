"""`oracle lockstep`: NumPy and torch train side by side."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from npnet.base.arrays import Floats
from npnet.base.errors import InputError
from npnet.base.tables import table_row
from npnet.cli.output_files import check_new_file, check_new_picture
from npnet.cli.parser import add_force, add_json, add_plot, number
from npnet.cli.progress import progress
from npnet.cli.recipe_options import KINDS, add_recipe_options, corpus_from, source_from
from npnet.recipes.named import RECIPES
from npnet.recipes.recipe import Recipe
from oracle.lockstep import SIDES, Lockstep, lockstep
from oracle.threads import one_thread

LINES = 20  # printed during the run
ALIGNS, WIDTHS = ">>>>", (10, 12, 12, 8)
VERSIONS = {
    "numpy": np.__version__,
    "torch": torch.__version__,
    "cpu_capability": torch.backends.cpu.get_cpu_capability(),
}

Watch = Callable[[int, float, float], None]


class Side(NamedTuple):
    """One side, with the attributes that ``npnet.plots`` reads."""

    recipe: Recipe
    losses: Floats
    split_losses: dict[str, float]


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "lockstep",
        help="train in NumPy and in torch side by side, with the gap of the losses at every step",
        description="NumPy and torch run one recipe side by side; each draws and trains by itself "
        "from the same seed. The exit code is 1 if the two losses of any step differ by more than "
        "the limit; the 26 gradients of the first such step are then compared.",
    )
    parser.add_argument("name", nargs="?", metavar="RECIPE", help="the same as --recipe, for short")
    add_recipe_options(parser, words="those of a publication, found by SHA-256; else npnet's own")
    parser.add_argument(
        "--limit",
        type=number,
        default=1e-5,
        metavar="GAP",
        help="largest gap that passes (default: %(default)g)",
    )
    add_plot(parser)
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write both losses of every step")
    add_force(parser)
    add_json(parser)
    parser.set_defaults(command=lockstep_command)


def lockstep_command(options: argparse.Namespace) -> int:
    """`oracle lockstep`."""
    if (options.name is None) == (options.recipe is None):
        got = "none" if options.name is None else f"{options.name} and --recipe {options.recipe}"
        raise InputError(
            f"lockstep: got {got}, wanted one recipe: {', '.join(RECIPES)}; or {KINDS}"
        )
    options.recipe = options.recipe or options.name
    recipe, publication = source_from(options, "lockstep")
    _check_files(options)
    words = corpus_from(options, publication, required=True).words
    showing = contextlib.nullcontext() if options.json else _shown(recipe, words)
    with one_thread(), showing as watch:
        both = lockstep(recipe, words, limit=options.limit, watch=watch)
    if options.csv:
        both.write_csv(options.csv)
    if options.plot and len(both.npnet):
        _draw(both, options.limit, options.plot)
    if options.json:
        print(json.dumps(_figures(both, len(words), options.limit), indent=1))
    else:
        print(_summary(both, options.limit))
    return int(both.crossing is not None or bool(both.diverged))


def _check_files(options: argparse.Namespace) -> None:
    """Check before the run that its files can be written."""
    if options.plot:
        check_new_picture(options.plot, force=options.force, who="--plot")
    if options.csv:
        check_new_file(options.csv, force=options.force, who="--csv")


def _draw(both: Lockstep, limit: float, path: Path) -> None:
    from npnet.plotting import plots

    pair = (Side(both.recipe, both.npnet, {}), Side(both.recipe, both.torch, {}))
    window = min(1000, max(1, len(both.npnet) // 40))
    plots.save(plots.gaps(pair, limit=limit, window=window, labels=SIDES), path)


@contextlib.contextmanager
def _shown(recipe: Recipe, words: Sequence[str]) -> Iterator[Watch]:
    """Print what runs, and some of its steps; on a terminal, above a progress bar."""
    every = max(1, recipe.steps // LINES)
    with progress(recipe.steps) as shown:

        def watch(step: int, ours: float, theirs: float) -> None:
            if step == 0:
                shown.print(
                    f"{recipe.name}: {len(words):,} words, {recipe.steps:,} steps of "
                    f"{recipe.batch} examples, {recipe.hidden} hidden units, {recipe.dtype}"
                )
                shown.print(", ".join(f"{name} {version}" for name, version in VERSIONS.items()))
                shown.print(_line("step", *SIDES, "gap"))
            if step % every == 0:
                shown.print(_row(step, ours, theirs))
            shown.update(step + 1)

        yield watch


def _line(*cells: str) -> str:
    return table_row(cells, ALIGNS, WIDTHS)


def _row(step: int, ours: float, theirs: float) -> str:
    return _line(str(step), f"{ours:.7f}", f"{theirs:.7f}", f"{abs(ours - theirs):.1e}")


def _figures(both: Lockstep, words: int, limit: float) -> dict[str, Any]:
    gaps, crossing = both.gaps, both.crossing
    report = crossing.report if crossing is not None else None
    worst = int(gaps.argmax()) if gaps.size else None
    return {
        "recipe": both.recipe.name,
        "words": words,
        "seed": both.recipe.seed,
        "dtype": both.recipe.dtype,
        "steps": gaps.size,
        "largest": worst if worst is None else _at(both, worst),
        "mean": float(gaps.mean()) if gaps.size else None,
        "equal": int((gaps == 0).sum()),
        "limit": limit,
        "first_over": None if crossing is None else _at(both, crossing.step),
        "gradients": None if report is None else json.loads(report.to_json()),
        "unlike": both.unlike,
        "strays": both.strays,
        "diverged": both.diverged,
        **VERSIONS,
    }


def _at(both: Lockstep, step: int) -> dict[str, float]:
    sides = {"npnet": float(both.npnet[step]), "torch": float(both.torch[step])}
    return {"step": step, **sides, "gap": float(both.gaps[step])}


def _summary(both: Lockstep, limit: float) -> str:
    lines = []
    if both.unlike:
        lines.append(f"not the same in every bit before the first step: {', '.join(both.unlike)}")
    if both.strays is not None:
        lines.append(f"other rows in the minibatch from step {both.strays:,} on")
    gaps = both.gaps
    if gaps.size:
        worst = int(gaps.argmax())
        lines.append(
            f"largest gap {gaps[worst]:.2g} at step {worst:,}, mean {gaps.mean():.2g}, "
            f"{(gaps == 0).mean():.0%} of {gaps.size:,} steps equal in every bit"
        )
    if both.diverged:
        sides = " and ".join(both.diverged)
        lines.append(f"the loss of step {gaps.size:,} is not finite in {sides}: stopped there")
    if both.crossing is None:
        lines.append(f"no gap over {limit:g}")
        return "\n".join(lines)
    step, report = both.crossing
    lines.append(f"first gap over {limit:g}:")
    lines.append(_row(step, float(both.npnet[step]), float(both.torch[step])))
    if report is None:
        lines.append("no table of gradients: the recipe normalises by running averages")
    else:
        lines.append("gradients of that minibatch, each side's from its own parameters")
        lines.append(str(report))
    return "\n".join(lines)
