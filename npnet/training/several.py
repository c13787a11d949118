"""Training of several runs in one folder, with any executor.

A run is trained in pieces of some seconds. A piece is a pure function of recipe, words and
checkpoint, so any executor can do the work, on other machines too. Only this module writes files.
If the process ends, for any reason, the finished pieces are kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npnet.base import blas
from npnet.base.arrays import Floats
from npnet.base.errors import DivergedError, InputError
from npnet.base.executors import results
from npnet.recipes.recipe import Recipe
from npnet.training.checkpoint import Checkpoint, digest, read_checkpoint, write_checkpoint
from npnet.training.fit import Training
from npnet.training.run_folders import is_several, make_runs, of_seeds, run_folders
from npnet.training.runs import (
    Run,
    diverged_at,
    load_run,
    locked,
    read_eval_every,
    read_recipe,
    read_words_of,
    write_history,
)

PIECE = 3.0  # seconds of a piece, which are lost when a process is killed


class State(NamedTuple):
    """How far several runs are.

    Attributes:
        done, wanted: steps of all of them.
        finished: the run that has ended just now, if one has: its folder.
        run: its results; None if it diverged.
        loss: the loss of the newest step.
    """

    done: int
    wanted: int
    finished: Path | None = None
    run: Run | None = None
    loss: float = float("nan")


class Piece(NamedTuple):
    """What a piece of training gives back: a checkpoint, a finished run, or how it diverged."""

    checkpoint: Checkpoint | None = None
    run: Run | None = None
    diverged: Floats | None = None


class _Pause(Exception):
    """The time of a piece is over."""


def fit_seeds(
    recipe: Recipe,
    words: Sequence[str],
    folder: str | os.PathLike[str],
    *,
    seeds: int | Iterable[int] = 8,
    executor: Executor | None = None,
    workers: int | None = None,
    eval_every: int | None = None,
    watch: Callable[[State], None] | None = None,
) -> list[Run]:
    """Train a recipe from several seeds into one folder; go on where an earlier call stopped.

    Args:
        recipe, words: as for ``fit``. The seed decides parameters and minibatches; the split is
            that of the recipe's own seed in all runs.
        folder: new, or that of an earlier call with the same recipe, words and seeds.
        seeds: how many, counted on from the recipe's own; or the seeds themselves.
        executor, workers, watch: as ``train_runs``.
        eval_every: as for ``fit``.

    Returns:
        The runs in the order of their seeds, without those that diverged.

    Raises:
        InputError: recipe or words that cannot be used; a folder with something else in it.
    """
    runs = of_seeds(Recipe.of(recipe), seeds)
    folder = Path(folder)
    if is_several(folder):
        kept = {path.name: read_recipe(path / "recipe.json") for path in run_folders(folder)}
        mine = {name: dataclasses.replace(each, steps=1) for name, each in runs.items()}
        if mine != {name: dataclasses.replace(each, steps=1) for name, each in kept.items()}:
            raise InputError(f"{folder}: holds runs of other recipes or seeds, name a new folder")
        if any(read_words_of(path) != tuple(words) for path in run_folders(folder)[:1]):
            raise InputError(f"{folder}: holds runs on other words, name a new folder")
    else:
        # This finds what is wrong with them before the folder is made.
        Training(recipe, words, eval_every=eval_every)
        make_runs(folder, runs, words, eval_every)
    train_runs(folder, steps=recipe.steps, executor=executor, workers=workers, watch=watch)
    return [load_run(path) for path in run_folders(folder) if diverged_at(path) is None]


def train_runs(
    folder: str | os.PathLike[str],
    *,
    steps: int | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    seconds: float = PIECE,
    threads: int = 1,
    stop: Callable[[], bool] | None = None,
    watch: Callable[[State], None] | None = None,
) -> bool:
    """Train what is not finished of several runs.

    Args:
        folder: of ``make_runs``.
        steps: of each run; None: as its recipe says.
        executor: any ``concurrent.futures.Executor``, of processes rather than of threads; None:
            this process alone.
        workers: how many pieces of work it does at once; None: the number that it tells, or 2.
        seconds: of training in one piece.
        threads: of BLAS, for each worker.
        stop: called after every piece; if it returns True, no new piece begins.
        watch: called after every piece.

    Returns:
        Whether all runs have ended: finished or diverged.

    Raises:
        InputError: as ``Training``; another process trains one of the runs.
    """
    folder = Path(folder)
    common: dict[str, Sequence[str]] = {}
    runs = {path: _standing(path, steps, common) for path in run_folders(folder)}
    waiting = deque(path for path, run in runs.items() if not run.ended)
    wanted = sum(run.recipe.steps for run in runs.values())

    def next_task() -> tuple[Path, tuple[Any, ...]]:
        path = waiting.popleft()
        if path not in held:
            held[path] = contextlib.ExitStack()
            held[path].enter_context(locked(path))
            locks.push(held[path])
        run = runs[path]
        return path, (run.recipe, run.words, run.checkpoint, seconds, threads, run.eval_every)

    held: dict[Path, contextlib.ExitStack] = {}
    stopping = False
    with contextlib.ExitStack() as locks:
        locks.enter_context(locked(folder))
        for path, piece in results(train_piece, _Tasks(waiting, next_task), executor, workers):
            run = runs[path] = _kept(path, runs[path], piece)
            if run.ended:
                held.pop(path).close()
            stopping = stopping or (stop is not None and stop())
            if stopping:
                waiting.clear()
            elif not run.ended:
                # In front: runs end one after another, and their results are there early.
                waiting.appendleft(path)
            if watch is not None:
                done = sum(each.taken for each in runs.values())
                loss = float("nan") if run.checkpoint is None else run.checkpoint.losses[-1]
                watch(State(done, wanted, path if run.ended else None, piece.run, float(loss)))
    return all(run.ended for run in runs.values())


def steps_of(folder: str | os.PathLike[str], steps: int | None = None) -> tuple[int, int]:
    """How many steps of all runs in a folder are taken, and how many are wanted.

    Raises:
        InputError: as ``run_folders``.
    """
    runs = [_standing(path, steps, {}) for path in run_folders(folder)]
    return sum(run.taken for run in runs), sum(run.recipe.steps for run in runs)


class _Tasks(Iterator[tuple[Path, tuple[Any, ...]]]):
    """The tasks of a queue that is filled again while it is worked off."""

    def __init__(
        self, queue: deque[Path], next_task: Callable[[], tuple[Path, tuple[Any, ...]]]
    ) -> None:
        self.queue, self.next_task = queue, next_task

    def __next__(self) -> tuple[Path, tuple[Any, ...]]:
        if not self.queue:
            raise StopIteration
        return self.next_task()


def train_piece(
    recipe: Recipe,
    words: Sequence[str],
    checkpoint: Checkpoint | None,
    seconds: float,
    threads: int = 1,
    eval_every: int | None = None,
) -> Piece:
    """Train for some seconds, from a checkpoint or from the beginning.

    Returns:
        The run, if all steps are taken; its losses and the one that is not finite, if it diverged;
        else a checkpoint.

    Raises:
        InputError: as ``Training``.
    """
    begun = time.monotonic()
    training = Training(recipe, words, checkpoint, eval_every=eval_every)

    def watch(first: int, losses: Floats) -> None:
        if time.monotonic() - begun >= seconds and training.done < recipe.steps:
            raise _Pause

    with blas.limited(threads):
        try:
            training.run(watch)
            return Piece(training.checkpoint(), training.finish())
        except _Pause:
            return Piece(training.checkpoint())
        except DivergedError as error:
            before = training.losses[: training.done] if error.losses is None else error.losses
            return Piece(diverged=np.append(before, before.dtype.type(error.loss)))


class _Standing(NamedTuple):
    """A run in its folder: what it is, how far it is, and the checkpoint to go on from."""

    recipe: Recipe
    words: Sequence[str]
    eval_every: int | None
    taken: int
    ended: bool
    checkpoint: Checkpoint | None = None


def _standing(path: Path, steps: int | None, common: dict[str, Sequence[str]]) -> _Standing:
    """How a run stands; the words of many runs on one corpus are kept once, in ``common``."""
    recipe, own = read_recipe(path / "recipe.json"), read_words_of(path)
    key = digest(own)
    words = common.setdefault(key, own)
    every = read_eval_every(path)
    if diverged_at(path) is not None:
        return _Standing(recipe, words, every, recipe.steps, True)
    checkpoint, _ = read_checkpoint(path, recipe, key)
    if steps is None:
        # recipe.json changes with the results, at the end; until then the checkpoint knows.
        steps = recipe.steps if checkpoint is None else max(recipe.steps, checkpoint.recipe.steps)
    ended = (path / "model.npz").is_file() and recipe.steps == steps
    taken = steps if ended else 0 if checkpoint is None else len(checkpoint.losses)
    wanted = dataclasses.replace(recipe, steps=steps)
    return _Standing(wanted, words, every, taken, ended, None if ended else checkpoint)


def _kept(path: Path, run: _Standing, piece: Piece) -> _Standing:
    """Write a piece into its run's folder; returns how the run stands now."""
    if piece.diverged is not None:
        if not (path / "model.npz").exists():  # else the results of fewer steps stay
            write_history(path, run.recipe, piece.diverged)
        return run._replace(taken=run.recipe.steps, ended=True, checkpoint=None)
    if piece.checkpoint is not None:
        write_checkpoint(path, piece.checkpoint)
        run = run._replace(taken=len(piece.checkpoint.losses), checkpoint=piece.checkpoint)
    if piece.run is None:
        return run
    piece.run.write(path, plot=False)
    return run._replace(ended=True)
