"""`oracle lockstep`: NumPy and torch train side by side."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from npnet.base.arrays import Floats
from npnet.base.errors import InputError
from npnet.cli.word_options import add_word_options, words_from
from npnet.recipes.publication import Publication, read_publication, shipped
from npnet.recipes.recipe import RECIPES, Recipe
from npnet.replays.replay import words_of
from npnet.training.runs import read_recipe
from oracle.lockstep import SIDES, Lockstep, lockstep
from oracle.threads import one_thread

LINES = 20  # printed on the way
OFTEN = 64  # steps from one look of the bar to the next
VERSIONS = {
    "numpy": np.__version__,
    "torch": torch.__version__,
    "cpu_capability": torch.backends.cpu.get_cpu_capability(),
}

Watch = Callable[[int, float, float], None]


class Side(NamedTuple):
    """One of the two as ``npnet.plots`` takes it."""

    recipe: Recipe
    losses: Floats
    split_losses: dict[str, float]


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "lockstep",
        help="train in NumPy and in torch side by side, the losses' gap at every step",
        description="NumPy and torch run one recipe side by side, each drawing and training on "
        "its own from the same seed. Exit code 1 if their losses ever lie further apart than the "
        "limit; the 26 gradients of the first such step are then compared.",
    )
    parser.add_argument(
        "recipe",
        metavar="NAME|FILE",
        help=f"{', '.join(RECIPES)}; a publication's TOML file, or a recipe's JSON file",
    )
    parser.add_argument("--steps", type=int, metavar="N", help="default: all that the recipe has")
    add_word_options(
        parser, default="a publication's corpus, found by its SHA-256; else the one of npnet"
    )
    parser.add_argument(
        "--limit", type=float, default=1e-5, metavar="GAP", help="default: %(default)g"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw both curves and their gap, PNG or SVG"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write both losses of every step")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(command=lockstep_command)


def lockstep_command(options: argparse.Namespace) -> int:
    """`oracle lockstep`."""
    recipe, publication = _found(options.recipe)
    _check_files(options)
    words = _words(options, publication)
    steps = recipe.steps if options.steps is None else options.steps
    watching = contextlib.nullcontext() if options.json else _watching(recipe, words, steps)
    with one_thread(), watching as watch:
        both = lockstep(recipe, words, steps=steps, limit=options.limit, watch=watch)
    if options.csv:
        both.write_csv(options.csv)
    if options.plot and len(both.npnet):
        _draw(both, options.limit, options.plot)
    if options.json:
        print(json.dumps(_figures(both, len(words), options.limit), indent=1))
    else:
        print(_summary(both, options.limit))
    return int(both.crossing is not None or bool(both.diverged))


def _found(name: str) -> tuple[Recipe, Publication | None]:
    if name in RECIPES and name not in shipped():
        return RECIPES[name], None
    path = shipped().get(name, Path(name))
    if not path.exists():
        raise InputError(
            f"lockstep: got {name!r}, wanted one of {', '.join(RECIPES)}, a publication's TOML "
            "file or a recipe's JSON file"
        )
    if path.suffix == ".json":
        return read_recipe(path), None
    publication = read_publication(path)
    return publication.recipe, publication


def _words(options: argparse.Namespace, publication: Publication | None) -> list[str]:
    """Those that the options name, or the publication's, or npnet's own."""
    if options.words is None and (options.fold or options.column):
        given = "--fold" if options.fold else "--column"
        raise InputError(f"lockstep: {given} without --words, wanted the file that it is said of")
    if publication is None or options.words is not None:
        return words_from(options)
    words = words_of(publication)
    if words is None:
        raise InputError(
            f"{publication.file}: none of its [corpus] at hand, wanted words: name a file with "
            "--words"
        )
    return words


def _check_files(options: argparse.Namespace) -> None:
    """Refuse before the run what could not be written after it."""
    if options.plot and options.plot.suffix.lower() not in (".png", ".svg"):
        raise InputError(f"--plot: {options.plot}, wanted a name that ends in .png or .svg")
    for option, path in (("--plot", options.plot), ("--csv", options.csv)):
        if path and not path.parent.is_dir():
            raise InputError(f"{option}: {path.parent} is no folder, wanted one to write into")


def _draw(both: Lockstep, limit: float, path: Path) -> None:
    from npnet.plotting import plots

    pair = (Side(both.recipe, both.npnet, {}), Side(both.recipe, both.torch, {}))
    window = min(1000, max(1, len(both.npnet) // 40))
    plots.save(plots.gaps(pair, limit=limit, window=window, labels=SIDES), path)


@contextlib.contextmanager
def _watching(recipe: Recipe, words: Sequence[str], steps: int) -> Iterator[Watch]:
    """Lines on the way; on a terminal a bar below them."""
    if not sys.stdout.isatty():
        yield _lines(lambda text: print(text, flush=True), recipe, words, steps)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=None),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TextColumn("{task.fields[speed]:,.0f} steps/s"),
        TimeRemainingColumn(),
    )
    started = time.perf_counter()
    # A console of its own: rich's takes every terminal for the first that it saw.
    with Progress(*columns, transient=True, console=Console()) as progress:
        task = progress.add_task("lockstep", total=steps, speed=0.0)
        say = partial(progress.console.print, markup=False, highlight=False, soft_wrap=True)
        lines = _lines(say, recipe, words, steps)

        def watch(step: int, ours: float, theirs: float) -> None:
            lines(step, ours, theirs)
            if step % OFTEN == 0:
                speed = (step + 1) / (time.perf_counter() - started)
                progress.update(task, completed=step + 1, speed=speed)

        yield watch


def _lines(say: Callable[[str], None], recipe: Recipe, words: Sequence[str], steps: int) -> Watch:
    """Say what runs, once it does, and some of its steps."""
    every = max(1, steps // LINES)

    def watch(step: int, ours: float, theirs: float) -> None:
        if step == 0:
            say(
                f"{recipe.name}: {len(words):,} words, {steps:,} steps of {recipe.batch} examples, "
                f"{recipe.hidden} hidden units, {recipe.dtype}"
            )
            say(", ".join(f"{program} {version}" for program, version in VERSIONS.items()))
            say(_line("step", *SIDES, "gap"))
        if step % every == 0:
            say(_row(step, ours, theirs))

    return watch


def _line(step: str, ours: str, theirs: str, gap: str) -> str:
    return f"{step:>10}  {ours:>12}  {theirs:>12}  {gap:>8}"


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
