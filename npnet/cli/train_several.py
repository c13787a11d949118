"""`npnet train --seeds N` and `--set KEY=V1,V2`: several runs into one folder."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.errors import InputError
from npnet.base.tables import table
from npnet.cli.grid import Grid
from npnet.cli.output_files import new_run_folder
from npnet.cli.progress import Progress, progress
from npnet.cli.recipe_options import corpus_from
from npnet.cli.signals import signals_caught
from npnet.cli.workers import Workers, check_workers, workers_of
from npnet.recipes.recipe import Recipe
from npnet.training.fit import SPLIT_NAMES, Training
from npnet.training.run_folders import make_runs, run_folders
from npnet.training.runs import diverged_at, losses_line, read_recipe, read_split_losses
from npnet.training.several import PIECE, State, steps_of, train_runs


def begin(options: argparse.Namespace, grid: Grid) -> Path:
    """Make the folder for the runs that --seeds and --set ask for, without training any.

    Raises:
        InputError: options, recipes or words cannot be used.
    """
    check_workers(options)
    words = corpus_from(options, grid.publication).words
    runs = [each for run in grid.runs.values() for each in _recipes(run)]
    for recipe in runs:
        # This finds all errors of recipe and words before the folder is made.
        Training(recipe, words, eval_every=options.eval_every)
    with new_run_folder(options.out, grid.first.name) as folder:
        return make_runs(folder, grid.runs, words, options.eval_every)


def _recipes(run: Recipe | Mapping[str, Recipe]) -> list[Recipe]:
    return [run] if isinstance(run, Recipe) else list(run.values())


def train(options: argparse.Namespace, folder: Path) -> int:
    """Train the unfinished runs in a folder, and report."""
    check_workers(options)
    silent = options.quiet or options.json
    done, wanted = steps_of(folder, options.steps)
    started = time.perf_counter()
    with (
        # If everything is done, no processes are needed.
        nullcontext(Workers(None, 1))
        if done == wanted
        else workers_of(options, "train") as workers,
        signals_caught() as caught,
        _shown(done, wanted, silent) as shown,
    ):
        if not silent:
            shown.print(
                f"{folder}: {len(run_folders(folder))} runs of {wanted:,} steps in all, "
                f"{workers.at_once} at a time"
            )
            if done == wanted:
                shown.print("all steps are taken: --steps N goes further")
            elif done:
                shown.print(f"going on after {done:,} steps")

        def watch(state: State) -> None:
            shown.update(state.done, state.loss)
            if state.finished is not None and not silent:
                shown.print(f"{state.finished.relative_to(folder)}: {_result(state.finished)}")

        complete = train_runs(
            folder,
            steps=options.steps,
            executor=workers.executor,
            workers=workers.at_once,
            seconds=PIECE if options.checkpoint is None else options.checkpoint,
            threads=options.threads,
            stop=lambda: bool(caught),
            watch=watch,
        )
    if not complete:
        taken, _ = steps_of(folder, options.steps)
        print(
            f"\nnpnet: stopped after {taken:,} of {wanted:,} steps; "
            f"go on with: npnet train --resume {shlex.quote(str(folder))}",
            file=sys.stderr,
        )
        return 128 + caught[0]
    seconds = time.perf_counter() - started
    if done < wanted:
        _draw(folder)
    if options.json:
        print(json.dumps(_figures(folder, seconds), indent=2, ensure_ascii=False))
    elif options.quiet:
        print(folder)
    else:
        if done < wanted:
            print(f"{seconds:.1f} s, {(wanted - done) / seconds:,.0f} steps a second")
        print(_table(folder))
        print(f"{folder}: {len(run_folders(folder))} runs and loss.png")
    return 1 if any(diverged_at(path) is not None for path in run_folders(folder)) else 0


def _draw(folder: Path) -> None:
    """Draw one picture of all runs, as `npnet plot` does; no picture if all diverged."""
    from npnet.plotting import drawn, plots

    with contextlib.suppress(InputError):
        plots.save(plots.draw(drawn.drawn(folder)), folder / "loss.png")


@contextlib.contextmanager
def _shown(done: int, wanted: int, silent: bool) -> Iterator[Progress]:
    if silent:
        yield Progress(False, lambda text: None, lambda done, loss=0.0: None)
        return
    with progress(wanted, done=done, loss=True) as shown:
        yield shown


def _result(path: Path) -> str:
    step = diverged_at(path)
    if step is not None:
        return f"diverged at step {step:,}"
    return losses_line(read_split_losses(path / "losses.json"))


def _groups(folder: Path) -> dict[str, list[Path]]:
    """The runs of each recipe: in the folder of its seeds, or a folder for each run."""
    groups: dict[str, list[Path]] = {}
    for path in run_folders(folder):
        own = path.parent if path.name.startswith("seed-") else path
        groups.setdefault(str(own.relative_to(folder)), []).append(path)
    return groups


def _losses(paths: list[Path]) -> dict[str, list[float]]:
    found = [read_split_losses(p / "losses.json") for p in paths if diverged_at(p) is None]
    return {split: [each[split] for each in found] for split in SPLIT_NAMES if found}


def _table(folder: Path) -> str:
    """A table with a line for each recipe: means over its seeds, and the range of dev losses."""
    rows = [["recipe", "seeds", *SPLIT_NAMES, "dev from", "to", ""]]
    for name, paths in _groups(folder).items():
        losses, bad = _losses(paths), sum(diverged_at(path) is not None for path in paths)
        cells = [f"{np.mean(losses[split]):.4f}" if losses else "-" for split in SPLIT_NAMES]
        ends = [f"{end(losses['dev']):.4f}" if losses else "-" for end in (min, max)]
        called = read_recipe(paths[0] / "recipe.json").name if name == "." else name
        rows.append(
            [called, str(len(paths) - bad), *cells, *ends, f"{bad} diverged" if bad else ""]
        )
    return table(rows, "<>>>>>><")


def _figures(folder: Path, seconds: float) -> dict[str, Any]:
    runs = []
    for name, paths in _groups(folder).items():
        for path in paths:
            recipe, step = read_recipe(path / "recipe.json"), diverged_at(path)
            runs.append(
                {
                    "run": str(path),
                    "recipe": recipe.name if name == "." else name,
                    "seed": recipe.seed,
                    "steps": recipe.steps,
                    "diverged_at": step,
                    "split_losses": read_split_losses(path / "losses.json") if step is None else {},
                }
            )
    return {"folder": str(folder), "seconds": round(seconds, 2), "runs": runs}
