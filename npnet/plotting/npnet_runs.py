"""Runs of npnet as curves: in memory, in their folders, and several seeds of one recipe."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from npnet.base.arrays import Floats
from npnet.base.errors import InputError
from npnet.base.npz import read_npz
from npnet.plotting.curves import DEV, TRAIN, TRAIN_SET, Curve, Result
from npnet.recipes.recipe import Recipe

CHECKPOINTS = ("checkpoint.bin", "checkpoint-before.bin")
SEVERAL = "runs.json"

# Reads the files of one run; the name is that of the run.
Read = Callable[[list[Path], str], list[Curve]]


class NoLog(InputError):
    """A folder without a log."""


class NotYet(NoLog):
    """A run that has not written any loss so far."""


@dataclasses.dataclass(frozen=True)
class _Written:
    """What a checkpoint, or the files of a finished run, say of its losses."""

    losses: Floats
    evaluations: Floats
    times: Floats


def curves_of_result(result: Result) -> list[Curve]:
    """The curves of a run of npnet in memory: its minibatches, and the splits if it has them.

    Raises:
        InputError: its losses are not one for each step.
    """
    try:
        recipe, split_losses = result.recipe, result.split_losses
        values = np.asarray(result.losses, np.float64)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"losses: {result!r:.60} is no result of a run: {error}") from error
    if values.ndim != 1 or not values.size:
        raise InputError(f"losses: {recipe.name}: losses {values.shape}, wanted one for each step")
    curve = Curve(
        recipe.name,
        np.arange(0.0, values.size),
        values,
        _rates(recipe),
        split_losses,
        recipe=recipe,
    )
    none = np.empty((0, 3))
    evaluations, times = (getattr(result, name, none) for name in ("evaluations", "times"))
    return _timed([curve, *_of_splits(curve, np.asarray(evaluations))], np.asarray(times))


def _rates(recipe: Recipe) -> list[tuple[float, float]]:
    firsts = [0] if isinstance(recipe.rates, str) else [first for first, _ in recipe.rates]
    return [(step, recipe.rate(step)) for step in firsts]


def _of_splits(curve: Curve, evaluations: Floats) -> list[Curve]:
    """The losses of two splits over time, from rows of steps taken, train and dev loss."""
    if not len(evaluations):
        return []
    steps, train, dev = evaluations.T.astype(np.float64)
    return [
        Curve(curve.name, steps, losses, split=split, recipe=curve.recipe)
        for split, losses in ((TRAIN_SET, train), (DEV, dev))
    ]


def _timed(curves: list[Curve], times: Floats) -> list[Curve]:
    """The curves with the time of each step, between those that were noted."""
    if not len(times):
        return curves
    steps, seconds = np.vstack([[0.0, 0.0], times]).T
    return [
        dataclasses.replace(curve, seconds=np.interp(curve.steps, steps, seconds))
        for curve in curves
    ]


def run_curves(folder: Path, read: Read) -> list[Curve]:
    """A run of npnet: finished, in training, or killed before it wrote its history.

    Raises:
        NotYet: there is no loss of it so far.
        InputError: a file of it is damaged.
    """
    split_losses = _split_losses(folder / "losses.json")
    recipe = _recipe(folder / "recipe.json")
    name = folder.resolve().name
    written, refused = _of_checkpoint(folder)
    finished = (folder / "model.npz").exists()
    curve = None
    if (folder / "history.csv").is_file():
        [curve, *_] = read([folder / "history.csv"], name)
    if curve is None or (written is not None and written.losses.size > curve.losses.size):
        if written is None or not written.losses.size:
            why = f": {refused[0]}" if refused else ""
            raise NotYet(
                f"{folder}: neither history.csv nor a checkpoint with losses in it{why}: wait "
                "until the run has written one"
            )
        losses = written.losses
        curve = Curve(name, np.arange(0.0, losses.size), losses)
        if recipe is not None:
            curve = dataclasses.replace(curve, rates=_rates(recipe))
        note = f"{folder}: {losses.size:,} steps of its last checkpoint: it has not finished"
        curve, split_losses = dataclasses.replace(curve, notes=(note,)), {}
        finished = False
    elif finished or written is None or curve.losses.size >= written.losses.size:
        evaluations = _list(folder / "evaluations.csv", 3)
        times = _list(folder / "times.csv", 2)
        if len(times) or len(evaluations) or written is None:
            written = _Written(curve.losses, evaluations, times)
    ended = finished or curve.diverged is not None
    curve = dataclasses.replace(
        curve, name=name, split_losses=split_losses, recipe=recipe, split=TRAIN, ended=ended
    )
    if written is None:
        return [curve]
    splits = [dataclasses.replace(c, ended=ended) for c in _of_splits(curve, written.evaluations)]
    return _timed([curve, *splits], written.times)


def several_curves(folder: Path, below: Callable[[Path], list[Curve]]) -> list[Curve]:
    """The runs of a folder of ``npnet train --seeds`` or ``--set``.

    Several seeds of one recipe become one run, whose curves are their means.

    Args:
        below: reads a folder in it.

    Raises:
        NotYet: none of them has a loss so far.
        InputError: its ``runs.json`` is damaged.
    """
    path = folder / SEVERAL
    try:
        entries = json.loads(path.read_bytes())
        seeds, names = entries["differ_in"] == "seeds", [str(name) for name in entries["runs"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: damaged ({error}), wanted what npnet train wrote") from error
    found: list[list[Curve]] = []
    waiting = 0
    for name in names:
        try:
            found.append(below(folder / name))
        except NotYet:
            waiting += 1
    if not found:
        raise NotYet(f"{folder}: none of {len(names)} runs has written a loss so far: wait a while")
    called = folder.resolve().name
    notes = (f"{called}: {waiting} of {len(names)} runs have not begun",) if waiting else ()
    if not seeds:
        curves = [curve for each in found for curve in each]
        curves[0] = dataclasses.replace(curves[0], notes=(*curves[0].notes, *notes))
        return curves
    runs = [[dataclasses.replace(curve, name=called) for curve in each] for each in found]
    return mean_curves(runs, notes, ended=not waiting)


def mean_curves(
    runs: Sequence[Sequence[Curve]], notes: tuple[str, ...] = (), *, ended: bool = True
) -> list[Curve]:
    """The mean curves of several seeds of one recipe, over the steps that all of them have.

    Seeds that diverged do not count, unless all did.
    """
    bad = [run for run in runs if run[0].diverged is not None]
    good = [run for run in runs if run[0].diverged is None]
    name = runs[0][0].name
    if bad and good:
        steps = ", ".join(f"{run[0].diverged:,.10g}" for run in bad[:3])
        more = ", …" if len(bad) > 3 else ""
        told = f"{name}: {len(bad)} of {len(runs)} seeds diverged, at step {steps}{more}"
        notes += (f"{told}: the mean is that of the other {len(good)}",)
    good = good or bad
    shortest = min(run[0].steps.size for run in good)
    longest = max(run[0].steps.size for run in good)
    if shortest < longest:
        notes += (f"{name}: drawn as far as all {len(good)} seeds are, {shortest:,} steps",)
    ended = ended and all(run[0].ended is not False for run in runs)
    curves = []
    for split in (curve.split for curve in good[0]):
        own = [curve for run in good for curve in run if curve.split == split]
        mean = _mean(own, ended=ended)
        if len(own) == len(good) and mean.steps.size:
            curves.append(mean)
    curves[0] = dataclasses.replace(curves[0], notes=notes)
    return curves


def _mean(curves: Sequence[Curve], *, ended: bool) -> Curve:
    steps = curves[0].steps
    for curve in curves[1:]:
        steps = np.intersect1d(steps, curve.steps)
    members = tuple(_at(curve, steps) for curve in curves)
    finished = [curve.split_losses for curve in curves if curve.split_losses]
    clocks = [each.seconds for each in members if each.seconds is not None]
    return dataclasses.replace(
        curves[0],
        steps=steps,
        losses=np.mean([each.losses for each in members], axis=0),
        split_losses={
            split: float(np.mean([losses[split] for losses in finished])) for split in finished[0]
        }
        if len(finished) == len(curves)
        else {},
        seconds=np.mean(clocks, axis=0) if len(clocks) == len(members) else None,
        members=members,
        ended=ended,
        notes=(),
    )


def _at(curve: Curve, steps: Floats) -> Curve:
    places = np.searchsorted(curve.steps, steps)
    seconds = None if curve.seconds is None else curve.seconds[places]
    return dataclasses.replace(curve, steps=steps, losses=curve.losses[places], seconds=seconds)


def _of_checkpoint(folder: Path) -> tuple[_Written | None, list[str]]:
    """The lists of the newest whole checkpoint: a checksum, a line end and an npz file."""
    refused: list[str] = []
    for name in CHECKPOINTS:
        path = folder / name
        if not path.is_file():
            continue
        try:
            check, _, body = path.read_bytes().partition(b"\n")
            if check != hashlib.sha256(body).hexdigest().encode():
                raise InputError(f"{path}: is damaged")
            entries = read_npz(path, body)
            written = _Written(
                entries["losses"].astype(np.float64),
                entries.get("evaluations", np.empty((0, 3))),
                entries.get("times", np.empty((0, 2))),
            )
            if written.losses.ndim == 1:
                return written, refused
            raise InputError(f"{path}: losses {written.losses.shape}")
        except (InputError, OSError, KeyError, ValueError) as error:
            refused.append(str(error).partition("\n")[0])
    return None, refused


def _recipe(path: Path) -> Recipe | None:
    """The recipe of a run; without one its curve is drawn all the same."""
    try:
        entries = json.loads(path.read_bytes())
        known = {field.name for field in dataclasses.fields(Recipe)}
        return Recipe.from_entries({k: v for k, v in entries.items() if k in known}, str(path))
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _split_losses(path: Path) -> dict[str, float]:
    try:
        entries = json.loads(path.read_bytes()) if os.path.exists(path) else {}
        return {split: float(loss) for split, loss in entries.items()}
    # The last two: a number of hundreds of digits, brackets within brackets without end.
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f'{path}: {error}, wanted losses like {{"train": 2.07}}') from error


def _list(path: Path, columns: int) -> Floats:
    """The rows of evaluations.csv or times.csv; none if there is no such file."""
    if not path.exists():
        return np.empty((0, columns))
    try:
        _, *lines = path.read_text(encoding="utf-8").splitlines()
        rows = [[float(cell) for cell in line.split(",")] for line in lines]
        return np.array(rows, np.float64).reshape(-1, columns)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: damaged ({error}), wanted {columns} numbers a line") from error
