"""`npnet train`: a new run, or one that goes on where it stopped."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from npnet.base import blas
from npnet.base.arrays import Floats
from npnet.base.errors import DivergedError, InputError
from npnet.base.files import new_folder
from npnet.cli.word_options import add_word_options, words_from
from npnet.recipes.recipe import RECIPES, Recipe
from npnet.training.checkpoint import digest, read_checkpoint, write_checkpoint
from npnet.training.fit import Training
from npnet.training.runs import (
    ROOT,
    Run,
    locked,
    losses_line,
    new_numbered,
    read_recipe,
    read_words_of,
    room_for,
    versions,
    versions_of,
    write_history,
    write_recipe,
    write_words,
)

EVERY = 10_000  # steps from one printed line to the next, as in the lecture
# Seconds from one checkpoint to the next. Writing one takes some 20 ms at the end of 200,000
# steps, so that is 0.2 % of the time.
INTERVAL = 10.0

NEW_ONLY = ("recipe", "words", "column", "hidden", "batch", "seed", "set", "out")


class Interrupted(Exception):
    """A signal asked training to stop; the checkpoint is written."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    names = ", ".join(RECIPES)
    train = commands.add_parser("train", help="train a model and keep it in a new run folder")
    train.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help=f"{names}; or a JSON file such as a run's recipe.json (default: lecture)",
    )
    add_word_options(train)
    train.add_argument("--steps", type=int, metavar="N", help="training steps")
    train.add_argument("--hidden", type=int, metavar="H", help="hidden units")
    train.add_argument("--batch", type=int, metavar="n", help="rows of a minibatch")
    train.add_argument("--seed", type=int, help="of the generator, as torch.manual_seed takes it")
    train.add_argument(
        "--set",
        action="append",
        metavar="KEY=VALUE",
        help="any other field of the recipe, such as --set dtype=float64 "
        "--set 'rates=[[0, 0.1], [5000, 0.01]]'",
    )
    train.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/RECIPE-NNN")
    train.add_argument(
        "--resume", type=Path, metavar="RUN", help="go on with this run; --steps may be raised"
    )
    train.add_argument(
        "--checkpoint",
        type=float,
        default=INTERVAL,
        metavar="SECONDS",
        help=f"time from one checkpoint to the next (default: {INTERVAL:g})",
    )
    train.add_argument("--threads", type=int, default=1, metavar="N", help="of BLAS (default: 1)")
    train.add_argument("--quiet", action="store_true", help="print nothing but the run's folder")
    train.add_argument("--json", action="store_true", help="print the figures as JSON")
    train.set_defaults(command=train_command)


def train_command(options: argparse.Namespace) -> int:
    """`npnet train`."""
    if options.threads < 1 or not options.checkpoint >= 0:
        raise InputError(
            f"train: got --threads {options.threads} and --checkpoint {options.checkpoint}, "
            "wanted 1 or more and 0 or more"
        )
    folder, training = _going_on(options) if options.resume else _beginning(options)
    with locked(folder):
        return _train(options, folder, training())


def _beginning(options: argparse.Namespace) -> tuple[Path, Callable[[], Training]]:
    recipe = _recipe(options)
    words = words_from(options)
    # All that can be wrong with recipe and words is found before the folder is made.
    training = Training(recipe, words)
    name = recipe.name.replace("/", "-")
    folder = new_folder(options.out) if options.out else new_numbered(ROOT, name)
    try:
        room_for(folder, recipe)
        write_recipe(folder, recipe)
        write_words(folder, training.words)
    except InputError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder, lambda: training


def _going_on(options: argparse.Namespace) -> tuple[Path, Callable[[], Training]]:
    given = [name for name in NEW_ONLY if getattr(options, name) is not None]
    given += ["fold"] * options.fold
    if given:
        raise InputError(
            f"--resume: got --{given[0]} as well, wanted --steps at most: a run goes on with the "
            "recipe and the words that it began with"
        )
    folder = options.resume
    if not os.path.isfile(folder / "recipe.json"):
        raise InputError(f"--resume: {folder} has no recipe.json, wanted the folder of a run")

    def training() -> Training:
        recipe, words = read_recipe(folder / "recipe.json"), read_words_of(folder)
        checkpoint, refused = read_checkpoint(folder, recipe, digest(words))
        if checkpoint is None and refused:
            raise InputError(
                f"{'; '.join(refused)}: no checkpoint to go on from, begin a new run of "
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
        # recipe.json changes with the results, at the end; until then the checkpoint knows how
        # many steps are wanted.
        steps = recipe.steps if checkpoint is None else max(recipe.steps, checkpoint.recipe.steps)
        steps = steps if options.steps is None else options.steps
        recipe = dataclasses.replace(recipe, steps=steps)
        room_for(folder, recipe)
        return Training(recipe, words, checkpoint)

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
            _signals() as caught,
            _watching(recipe, training.done, silent) as show,
        ):
            training.run(_keeping(training, folder, options.checkpoint, caught, show))
            write_checkpoint(folder, training.checkpoint())
            run = training.finish()
    except Interrupted as stop:
        return _stopped(folder, training, stop)
    except DivergedError as error:
        if error.losses is not None and not (folder / "model.npz").exists():
            write_history(folder, recipe, error.losses)
            print(f"{folder}: keeps the recipe and the losses so far", file=sys.stderr)
        raise
    seconds = time.perf_counter() - started
    run.write(folder)
    _report(options, folder, run, seconds, recipe.steps - begun)
    return 0


def _keeping(
    training: Training,
    folder: Path,
    interval: float,
    caught: list[int],
    show: Callable[[int, Floats], None],
) -> Callable[[int, Floats], None]:
    """Show progress, take a checkpoint when it is time, stop when a signal was caught."""
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


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM in a list, to be looked at between steps; the second one acts."""
    caught: list[int] = []
    watched = (signal.SIGINT, signal.SIGTERM)
    try:
        before = {signum: signal.getsignal(signum) for signum in watched}
        for signum in watched:
            signal.signal(signum, lambda signum, _: _catch(signum, caught, before))
    except ValueError:  # not in the main thread, which alone may ask for signals
        yield caught
        return
    try:
        yield caught
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _catch(signum: int, caught: list[int], before: dict[signal.Signals, Any]) -> None:
    caught.append(signum)
    for each, handler in before.items():
        signal.signal(each, handler)


def _stopped(folder: Path, training: Training, stop: Interrupted) -> int:
    if not (folder / "model.npz").exists():  # else the results of fewer steps stay as they are
        write_history(folder, training.recipe, training.losses[: training.done])
    print(
        f"\nnpnet: stopped after {training.done:,} of {training.recipe.steps:,} steps; "
        f"go on with: npnet train --resume {shlex.quote(str(folder))}",
        file=sys.stderr,
    )
    return 128 + stop.signum


def _recipe(options: argparse.Namespace) -> Recipe:
    """The recipe that the options of a new run ask for."""
    name = options.recipe or "lecture"
    named = RECIPES.get(name)
    if named is None and not os.path.exists(name):
        raise InputError(
            f"--recipe: got {name!r}, wanted one of {', '.join(RECIPES)}, or a JSON file"
        )
    recipe = named or read_recipe(Path(name))
    entries = json.loads(recipe.to_json())
    for assignment in options.set or ():
        key, equals, value = assignment.partition("=")
        if not equals:
            raise InputError(f"--set: got {assignment!r}, wanted KEY=VALUE such as eps=0")
        with contextlib.suppress(ValueError, RecursionError):
            # What is no JSON is text, such as float64.
            value = json.loads(value)
        entries[key] = value
    for key in ("steps", "hidden", "batch", "seed"):
        if getattr(options, key) is not None:
            entries[key] = getattr(options, key)
    return Recipe.from_entries(entries, "recipe")


@contextlib.contextmanager
def _watching(recipe: Recipe, done: int, silent: bool) -> Iterator[Callable[[int, Floats], None]]:
    """Show progress: a bar on a terminal, in a pipe a line every 10,000 steps."""
    if silent:
        yield lambda first, losses: None
    elif sys.stdout.isatty():
        with _bar(recipe, done) as watch:
            yield watch
    else:
        width = max(7, len(str(recipe.steps)))

        def watch(first: int, losses: Floats) -> None:
            for step in range(-(-first // EVERY) * EVERY, first + len(losses), EVERY):
                line = f"{step:{width}d}/{recipe.steps:{width}d}: {losses[step - first]:.4f}"
                print(line, flush=True)

        yield watch


@contextlib.contextmanager
def _bar(recipe: Recipe, begun: int) -> Iterator[Callable[[int, Floats], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=None),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TextColumn("{task.fields[speed]:,.0f} steps/s"),
        TimeRemainingColumn(),
    )
    started = time.perf_counter()
    # A console of its own: rich's takes every terminal for the first that it saw.
    with Progress(*columns, console=Console()) as progress:
        task = progress.add_task(
            "train", total=recipe.steps, completed=begun, loss=float("nan"), speed=0.0
        )

        def watch(first: int, losses: Floats) -> None:
            done = first + len(losses)
            speed = (done - begun) / (time.perf_counter() - started)
            progress.update(task, completed=done, loss=float(losses[-1]), speed=speed)

        yield watch


def _report(
    options: argparse.Namespace, folder: Path, run: Run, seconds: float, steps: int
) -> None:
    names = run.sample()
    if options.json:
        figures = {
            "run": str(folder),
            "recipe": run.recipe.name,
            "steps": run.recipe.steps,
            "seconds": round(seconds, 2),
            "split_losses": dict(run.split_losses),
            "samples": names,
        }
        print(json.dumps(figures, indent=2, ensure_ascii=False))
    elif options.quiet:
        print(folder)
    else:
        print(f"{seconds:.1f} s, {steps / seconds:,.0f} steps a second")
        print(losses_line(run.split_losses))
        print("\n".join(names))
        print(f"{folder}: model, history, samples and loss.png")
