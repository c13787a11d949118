"""`npnet train`: a new run, or an older run continued from its last checkpoint."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base import blas
from npnet.base.arrays import Floats
from npnet.base.errors import DivergedError, InputError
from npnet.cli import train_several
from npnet.cli.grid import grid_of
from npnet.cli.output_files import new_run_folder
from npnet.cli.parser import OUT, add_json, add_threads, number, whole_number
from npnet.cli.progress import Progress, progress
from npnet.cli.recipe_options import add_recipe_options, corpus_from, source_from
from npnet.cli.signals import Interrupted, signals_caught
from npnet.cli.workers import add_workers
from npnet.corpora.datasets import split_words
from npnet.recipes.recipe import Recipe
from npnet.training.checkpoint import digest, read_checkpoint, write_checkpoint
from npnet.training.fit import Training
from npnet.training.run_folders import is_several
from npnet.training.runs import (
    Run,
    locked,
    losses_line,
    read_eval_every,
    read_recipe,
    read_words_of,
    require_space,
    versions,
    versions_of,
    write_history,
    write_recipe,
    write_words,
)
from npnet.training.several import PIECE

EVERY = 10_000  # steps between two printed lines, as in the lecture
# Seconds between two checkpoints. Writing one takes about 20 ms after 200,000 steps, which is 0.2 %
# of the time.
INTERVAL = 10.0

# Options that are only for a new run.
NEW_ONLY = (
    "recipe",
    "words",
    "column",
    "separator",
    "encoding",
    "hidden",
    "batch",
    "seed",
    "seeds",
    "eval_every",
    "set",
    "out",
)


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    train = commands.add_parser(
        "train",
        help="train a model and keep it in a new run folder",
        description="Train a model and keep it in a new run folder.\n\nWith --seeds N, or with "
        "several values in --set, such as hidden=64,128, several models are trained into one "
        "folder, in several processes. --seeds trains the recipe from N seeds: parameters and "
        "minibatches differ, the split is the same. --set trains a recipe for each value.",
    )
    add_recipe_options(train)
    train.add_argument(
        "--out", type=Path, metavar="FOLDER", help=f"{OUT} (default: runs/RECIPE-NNN)"
    )
    train.add_argument(
        "--resume", type=Path, metavar="RUN", help="continue this run; only --steps may be raised"
    )
    train.add_argument(
        "--checkpoint",
        type=number,
        metavar="SECONDS",
        help=f"time from one checkpoint to the next (default: {INTERVAL:g}; {PIECE:g} for several "
        "runs)",
    )
    train.add_argument(
        "--eval-every",
        type=whole_number,
        nargs="?",
        const=0,
        metavar="N",
        help="measure train and dev loss after every N steps (default: as often as takes less "
        "than 2 %% of the time)",
    )
    train.add_argument(
        "--seeds",
        type=whole_number,
        metavar="N",
        help="how many seeds; the first is --seed",
    )
    add_workers(train)
    add_threads(train)
    train.add_argument("--quiet", action="store_true", help="print nothing but the run's folder")
    add_json(train)
    train.set_defaults(command=train_command)


def train_command(options: argparse.Namespace) -> int:
    """`npnet train`."""
    if options.threads < 1:
        raise InputError(f"--threads: got {options.threads}, wanted 1 or more")
    if options.checkpoint is not None and not options.checkpoint >= 0:
        raise InputError(f"--checkpoint: got {options.checkpoint}, wanted 0 seconds or more")
    if options.eval_every is not None and options.eval_every < 0:
        raise InputError(f"--eval-every: got {options.eval_every}, wanted 1 step or more")
    if options.resume and is_several(options.resume):
        _refuse_new(options)
        return train_several.train(options, options.resume)
    if not options.resume and (grid := grid_of(options)) is not None:
        return train_several.train(options, train_several.begin(options, grid))
    for name in ("jobs", "dask"):
        if getattr(options, name) is not None:
            raise InputError(f"--{name}: got one run, wanted several: --seeds N, or --set KEY=A,B")
    folder, training = _resumed(options) if options.resume else _new_run(options)
    with locked(folder):
        return _train(options, folder, training())


def _new_run(options: argparse.Namespace) -> tuple[Path, Callable[[], Training]]:
    recipe, publication = source_from(options)
    words = corpus_from(options, publication).words
    # This finds all errors of recipe and words before the folder is made.
    training = Training(recipe, words, eval_every=options.eval_every)
    if not (options.quiet or options.json):
        tell_repeats(recipe, words)
    with new_run_folder(options.out, recipe.name) as folder:
        require_space(folder, recipe)
        write_recipe(folder, recipe, training.eval_every)
        write_words(folder, training.words)
    return folder, lambda: training


def tell_repeats(recipe: Recipe, words: Sequence[str]) -> None:
    """Print how many test words are also training words, which makes the test loss too low."""
    if recipe.split != "words" or len(set(words)) == len(words):
        return
    seed = recipe.shuffle_seed if recipe.shuffles else None
    train, _, test = split_words(words, seed, times=max(1, recipe.shuffles))
    both = sum(word in known for known in [set(train)] for word in test)
    if both:
        print(
            f"npnet: {both:,} of {len(test):,} test words are training words too: --unique keeps "
            "one of each",
            file=sys.stderr,
        )


def _refuse_new(options: argparse.Namespace) -> None:
    given = [name for name in NEW_ONLY if getattr(options, name) is not None]
    given += [name for name in ("fold", "unique") if getattr(options, name)]
    if given:
        raise InputError(
            f"--resume: got --{given[0].replace('_', '-')} as well, wanted --steps at most: a run "
            "keeps the recipe and the words that it began with"
        )


def _resumed(options: argparse.Namespace) -> tuple[Path, Callable[[], Training]]:
    _refuse_new(options)
    folder = options.resume
    if not os.path.isfile(folder / "recipe.json"):
        raise InputError(f"--resume: {folder} has no recipe.json, wanted the folder of a run")

    def training() -> Training:
        recipe, words = read_recipe(folder / "recipe.json"), read_words_of(folder)
        checkpoint, refused = read_checkpoint(folder, recipe, digest(words))
        if checkpoint is None and refused:
            raise InputError(
                f"{'; '.join(refused)}: no checkpoint to go on from, begin a new run with "
                f"--recipe {shlex.quote(str(folder / 'recipe.json'))} "
                f"--words {shlex.quote(str(folder / 'words.txt'))}"
            )
        for sentence in refused:
            print(f"npnet: {sentence}", file=sys.stderr)
        began_with = versions_of(folder)
        if began_with not in ({}, versions()):
            print(
                f"npnet: began with {began_with}, goes on with {versions()}: bits may differ",
                file=sys.stderr,
            )
        # recipe.json gets new steps only with the results. Until then, the checkpoint has the
        # number of
        # steps.
        steps = recipe.steps if checkpoint is None else max(recipe.steps, checkpoint.recipe.steps)
        steps = steps if options.steps is None else options.steps
        recipe = dataclasses.replace(recipe, steps=steps)
        require_space(folder, recipe)
        return Training(recipe, words, checkpoint, eval_every=read_eval_every(folder))

    return folder, training


def _train(options: argparse.Namespace, folder: Path, training: Training) -> int:
    recipe, silent = training.recipe, options.quiet or options.json
    if not silent:
        print(
            f"{recipe.name}: {len(training.words):,} words, {recipe.steps:,} steps of "
            f"{recipe.batch} examples, {recipe.hidden} hidden units"
        )
        if training.done == recipe.steps:
            print("all steps are taken: --steps N goes further")
        elif training.done:
            print(f"going on after {training.done:,} steps")
    begun, started = training.done, time.perf_counter()
    try:
        with (
            blas.limited(options.threads),
            signals_caught() as caught,
            _shown(recipe.steps, training.done, silent) as show,
        ):
            interval = INTERVAL if options.checkpoint is None else options.checkpoint
            training.run(_checkpoints(training, folder, interval, caught, show))
            write_checkpoint(folder, training.checkpoint())
            run = training.finish()
    except Interrupted as stop:
        return _stopped(folder, training, stop)
    except DivergedError as error:
        if error.losses is not None and not (folder / "model.npz").exists():
            # The loss that is not finite is the last one, so that a plot can show where the run
            # diverged.
            ended = np.append(error.losses, error.losses.dtype.type(error.loss))
            write_history(folder, recipe, ended)
            print(f"{folder}: keeps the recipe and the losses so far", file=sys.stderr)
        raise
    seconds = time.perf_counter() - started
    run.write(folder)
    _report(options, folder, run, seconds, recipe.steps - begun, training.evaluating)
    return 0


def _checkpoints(
    training: Training,
    folder: Path,
    interval: float,
    caught: list[int],
    show: Callable[[int, Floats], None],
) -> Callable[[int, Floats], None]:
    """Show progress, write a checkpoint when it is time, and stop after a signal."""
    last = time.monotonic()

    def watch(first: int, losses: Floats) -> None:
        nonlocal last
        show(first, losses)
        if caught or time.monotonic() - last >= interval:
            write_checkpoint(folder, training.checkpoint())
            last = time.monotonic()
        if caught:
            raise Interrupted(caught[0])

    return watch


def _stopped(folder: Path, training: Training, stop: Interrupted) -> int:
    if not (folder / "model.npz").exists():  # otherwise the results of fewer steps would remain
        write_history(folder, training.recipe, training.losses[: training.done])
    print(
        f"\nnpnet: stopped after {training.done:,} of {training.recipe.steps:,} steps; "
        f"go on with: npnet train --resume {shlex.quote(str(folder))}",
        file=sys.stderr,
    )
    return 128 + stop.signum


@contextlib.contextmanager
def _shown(steps: int, done: int, silent: bool) -> Iterator[Callable[[int, Floats], None]]:
    """Show progress: a bar on a terminal; in a pipe, a line every 10,000 steps."""
    if silent:
        yield lambda first, losses: None
        return
    with progress(steps, done=done, loss=True) as shown:
        yield lambda first, losses: _show(shown, steps, first, losses)


def _show(shown: Progress, steps: int, first: int, losses: Floats) -> None:
    shown.update(first + len(losses), float(losses[-1]))
    if shown.bar:
        return
    width = max(7, len(str(steps)))
    for step in range(-(-first // EVERY) * EVERY, first + len(losses), EVERY):
        shown.print(f"{step:{width}d}/{steps:{width}d}: {losses[step - first]:.4f}")


def _report(
    options: argparse.Namespace,
    folder: Path,
    run: Run,
    seconds: float,
    steps: int,
    evaluating: float,
) -> None:
    names = run.sample()
    if options.json:
        figures = {
            "run": str(folder),
            "recipe": run.recipe.name,
            "steps": run.recipe.steps,
            "seconds": round(seconds, 2),
            "split_losses": dict(run.split_losses),
            **({"evaluated": run.evaluations.tolist()} if len(run.evaluations) else {}),
            "samples": names,
        }
        print(json.dumps(figures, indent=2, ensure_ascii=False))
    elif options.quiet:
        print(folder)
    else:
        print(f"{seconds:.1f} s, {steps / seconds:,.0f} steps a second")
        if len(run.evaluations):
            print(
                f"train and dev loss measured {len(run.evaluations)} times in {evaluating:.2f} s, "
                f"{100 * evaluating / seconds:.1f} % of the time"
            )
        print(losses_line(run.split_losses))
        print("\n".join(names))
        print(f"{folder}: model, history, samples and loss.png")
