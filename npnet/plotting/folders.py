"""Folders that hold logs: runs of npnet, Lightning, Hugging Face, TensorBoard, and others."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from npnet.base.arrays import Floats
from npnet.base.errors import InputError
from npnet.base.npz import read_npz
from npnet.plotting.columns import listed, split_of, words_of
from npnet.plotting.content import unreadable
from npnet.plotting.curves import TRAIN, Curve
from npnet.plotting.python_logs import curve_of_result
from npnet.recipes.recipe import Recipe

CHECKPOINTS = ("checkpoint.bin", "checkpoint-before.bin")
# What programs call their logs, in the order in which they are looked for.
LOGS = ["metrics.csv", "trainer_state.json", "history.csv", "log.csv", "progress.csv", "main.log"]
LOGS += ["training.log", "train.log", "log.txt", "history.json", "metrics.jsonl", "metrics.json"]
ENDINGS = (".csv", ".tsv", ".jsonl", ".log", ".npy", ".txt", ".json", ".npz")
DEEPEST = 4

# Reads the files of one run; the name is that of the run.
Read = Callable[[list[Path], str], list[Curve]]


def read_folder(folder: Path, read: Read, depth: int = 0) -> list[Curve]:
    """The curves of all runs in a folder.

    Args:
        read: reads the log that was found, of one file or of event files that go together.

    Raises:
        InputError: there is no log in it, or it cannot be said which file is the log.
    """
    try:
        entries = sorted(folder.iterdir(), key=_natural)
    except OSError as error:
        raise unreadable(str(folder), error) from error
    names = {entry.name for entry in entries}
    called = folder.resolve().name
    if names & {"recipe.json", *CHECKPOINTS} or {"history.csv", "losses.json"} <= names:
        return [_run(folder, read)]
    found = [name for name in LOGS if name in names or f"{name}.gz" in names]
    if found:
        name = found[0] if found[0] in names else f"{found[0]}.gz"
        return read([folder / name], called)
    events = [entry for entry in entries if "tfevents" in entry.name and entry.is_file()]
    inner = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    states = [each for each in inner if (each / "trainer_state.json").is_file()]
    if states and all(each.name.startswith("checkpoint") for each in states):
        return read([states[-1] / "trainer_state.json"], called)
    curves: list[Curve] = []
    if events:
        own = _or_none(lambda: read(events, called)) if inner else read(events, called)
        curves += own or []
    if not events:
        files = [e for e in entries if e.is_file() and e.name.removesuffix(".gz").endswith(ENDINGS)]
        tables = [e for e in files if e.name.removesuffix(".gz").endswith(ENDINGS[:5])]
        likely = tables or files
        if len(likely) == 1:
            return read(likely, called)
        if likely:
            raise InputError(
                f"{folder}: {len(likely)} files could be the log, "
                f"{listed([each.name for each in likely])}: name one of them"
            )
    for each in inner if depth < DEEPEST else []:
        try:
            below = read_folder(each, read, depth + 1)
        except NoLog:
            continue
        curves += _renamed(below, folder, each)
    if not curves:
        raise NoLog(f"{folder}: no log in it, wanted a run's folder, or one with a log of losses")
    return curves


class NoLog(InputError):
    """A folder without a log."""


def _or_none(read: Callable[[], list[Curve]]) -> list[Curve] | None:
    try:
        return read()
    except InputError:
        return None  # the folders below have the losses, as with add_scalars


def _renamed(curves: list[Curve], folder: Path, inner: Path) -> list[Curve]:
    """Curves of an inner folder: of a split of the outer's run, or of a run of their own."""
    split = split_of(inner.name)
    if split is not None and len(curves) == 1 and len(words_of(inner.name)) <= 3:
        name = folder.resolve().name
        return [dataclasses.replace(curves[0], name=name, split=split)]
    return curves


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorts version_2 before version_10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part)
        for part in re.split(r"(\d+)", path.name)
    ]


def _run(folder: Path, read: Read) -> Curve:
    """A run of npnet: finished, in training, or killed before it wrote its history."""
    history = folder / "history.csv"
    split_losses = _split_losses(folder / "losses.json")
    recipe = _recipe(folder / "recipe.json")
    name = folder.resolve().name
    losses, refused = _of_checkpoint(folder)
    curve = None
    if history.is_file():
        [curve, *_] = read([history], name)
    if curve is None or (losses is not None and losses.size > curve.losses.size):
        if losses is None or not losses.size:
            why = f": {refused[0]}" if refused else ""
            raise InputError(
                f"{folder}: neither history.csv nor a checkpoint with losses in it{why}: wait "
                "until the run has written one"
            )
        if recipe is None:
            curve = Curve(name, np.arange(0.0, losses.size), losses)
        else:
            curve = curve_of_result(_Unfinished(recipe, losses))
        note = f"{folder}: {losses.size:,} steps of its last checkpoint: it has not finished"
        curve = dataclasses.replace(curve, notes=(note,))
        split_losses = {}
    return dataclasses.replace(
        curve, name=name, split_losses=split_losses, recipe=recipe, split=TRAIN
    )


@dataclasses.dataclass(frozen=True)
class _Unfinished:
    recipe: Recipe
    losses: Floats
    split_losses: dict[str, float] = dataclasses.field(default_factory=dict)


def _of_checkpoint(folder: Path) -> tuple[Floats | None, list[str]]:
    """The losses of the newest whole checkpoint: a checksum, a line end and an npz file."""
    refused: list[str] = []
    for name in CHECKPOINTS:
        path = folder / name
        if not path.is_file():
            continue
        try:
            check, _, body = path.read_bytes().partition(b"\n")
            if check != hashlib.sha256(body).hexdigest().encode():
                raise InputError(f"{path}: is damaged")
            losses = read_npz(path, body)["losses"].astype(np.float64)
            if losses.ndim == 1:
                return losses, refused
            raise InputError(f"{path}: losses {losses.shape}")
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
