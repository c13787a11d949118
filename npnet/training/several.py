"""Training several runs in one folder, with any executor.

A run is trained in pieces of some seconds. A piece is a pure function of recipe, words and
checkpoint, so any executor can compute it, on other machines too. Only this module writes files.
If the process ends for any reason, the finished pieces are kept.
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

PIECE = 3.0  # seconds of a piece of training; a process that is killed loses at most one piece


class State(NamedTuple):
    """How far several runs are.

    Attributes:
        done, wanted: the steps of all runs together.
        finished: the folder of the run that has just ended, if one has.
        run: the results of this run; None if it diverged.
        loss: the loss of the newest step.
    """

    done: int
    wanted: int
    finished: Path | None = None
    run: Run | None = None
    loss: float = float("nan")


class Piece(NamedTuple):
    """The result of a piece of training: a checkpoint, a finished run, or a run that diverged."""

    checkpoint: Checkpoint | None = None
    run: Run | None = None
    diverged: Floats | None = None


class _Pause(Exception):
    """The time for one piece is over."""


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
    """Train a recipe from several seeds into one folder, or continue an earlier call that stopped.

    Args:
        recipe, words: as for ``fit``. The seed decides parameters and minibatches. All runs have
            the split of the recipe's own seed.
        folder: new, or the folder of an earlier call with the same recipe, words and seeds.
        seeds: the number of seeds, which follow the recipe's own; or the seeds themselves.
        executor, workers, watch: as for ``train_runs``.
        eval_every: as for ``fit``.

    Returns:
        The runs in the order of their seeds, without those that diverged.

    Raises:
        InputError: recipe or words cannot be used, or the folder contains something else.
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
        # This finds errors in recipe and words before the folder is made.
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
    """Train the unfinished runs of a folder of several runs.

    Args:
        folder: made by ``make_runs``.
        steps: the steps of each run; None: as its recipe says.
        executor: any ``concurrent.futures.Executor``, of processes rather than of threads; None:
            this process alone.
        workers: how many pieces the executor computes at once; None: the number that the executor
            has, or 2 if it does not tell.
        seconds: seconds of training in one piece.
        threads: BLAS threads of each worker.
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
                # At the front: runs then end one after another, and the first results come early.
                waiting.appendleft(path)
            if watch is not None:
                done = sum(each.taken for each in runs.values())
                loss = float("nan") if run.checkpoint is None else run.checkpoint.losses[-1]
                watch(State(done, wanted, path if run.ended else None, piece.run, float(loss)))
    return all(run.ended for run in runs.values())


def steps_of(folder: str | os.PathLike[str], steps: int | None = None) -> tuple[int, int]:
    """The steps that all runs in a folder have taken, and the steps that they will take.

    Raises:
        InputError: as ``run_folders``.
    """
    runs = [_standing(path, steps, {}) for path in run_folders(folder)]
    return sum(run.taken for run in runs), sum(run.recipe.steps for run in runs)


class _Tasks(Iterator[tuple[Path, tuple[Any, ...]]]):
    """The tasks of a queue to which new tasks are added during the work."""

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
        The run, if all steps are taken. If it diverged, its losses and the one that is not finite.
        Otherwise a checkpoint.

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
    """A run in its folder: recipe, words, steps taken, and the newest checkpoint."""

    recipe: Recipe
    words: Sequence[str]
    eval_every: int | None
    taken: int
    ended: bool
    checkpoint: Checkpoint | None = None


def _standing(path: Path, steps: int | None, common: dict[str, Sequence[str]]) -> _Standing:
    """The state of a run in its folder. Equal words of many runs are kept once, in ``common``."""
    recipe, own = read_recipe(path / "recipe.json"), read_words_of(path)
    key = digest(own)
    words = common.setdefault(key, own)
    every = read_eval_every(path)
    if diverged_at(path) is not None:
        return _Standing(recipe, words, every, recipe.steps, True)
    checkpoint, _ = read_checkpoint(path, recipe, key)
    if steps is None:
        # recipe.json gets new steps only with the results; until then the checkpoint has them.
        steps = recipe.steps if checkpoint is None else max(recipe.steps, checkpoint.recipe.steps)
    ended = (path / "model.npz").is_file() and recipe.steps == steps
    taken = steps if ended else 0 if checkpoint is None else len(checkpoint.losses)
    wanted = dataclasses.replace(recipe, steps=steps)
    return _Standing(wanted, words, every, taken, ended, None if ended else checkpoint)


def _kept(path: Path, run: _Standing, piece: Piece) -> _Standing:
    """Write a piece into its run's folder; return the new state of the run."""
    if piece.diverged is not None:
        if not (path / "model.npz").exists():  # otherwise the results of fewer steps would remain
            write_history(path, run.recipe, piece.diverged)
        return run._replace(taken=run.recipe.steps, ended=True, checkpoint=None)
    if piece.checkpoint is not None:
        write_checkpoint(path, piece.checkpoint)
        run = run._replace(taken=len(piece.checkpoint.losses), checkpoint=piece.checkpoint)
    if piece.run is None:
        return run
    piece.run.write(path, plot=False)
    return run._replace(ended=True)
