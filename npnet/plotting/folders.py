"""Folders that hold logs: runs of npnet, Lightning, Hugging Face, TensorBoard, and others."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

from npnet.base.errors import InputError
from npnet.plotting.columns import listed, split_of, words_of
from npnet.plotting.content import unreadable
from npnet.plotting.curves import Curve
from npnet.plotting.npnet_runs import CHECKPOINTS, SEVERAL, NoLog, Read, run_curves, several_curves

# The file names that programs use for their logs, in the order of the search.
LOGS = ["metrics.csv", "trainer_state.json", "history.csv", "log.csv", "progress.csv", "main.log"]
LOGS += ["training.log", "train.log", "log.txt", "history.json", "metrics.jsonl", "metrics.json"]
ENDINGS = (".csv", ".tsv", ".jsonl", ".log", ".npy", ".txt", ".json", ".npz")
DEEPEST = 4


def read_folder(folder: Path, read: Read, depth: int = 0) -> list[Curve]:
    """The curves of all runs in a folder.

    Args:
        read: reads the log that was found: one file, or event files of one run.

    Raises:
        InputError: the folder has no log, or several files could be the log.
    """
    try:
        entries = sorted(folder.iterdir(), key=_natural)
    except OSError as error:
        raise unreadable(str(folder), error) from error
    names = {entry.name for entry in entries}
    called = folder.resolve().name
    if SEVERAL in names:
        return several_curves(folder, lambda inner: read_folder(inner, read, depth + 1))
    if names & {"recipe.json", *CHECKPOINTS} or {"history.csv", "losses.json"} <= names:
        return run_curves(folder, read)
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


def _or_none(read: Callable[[], list[Curve]]) -> list[Curve] | None:
    try:
        return read()
    except InputError:
        return None  # the folders below have the losses, as after add_scalars


def _renamed(curves: list[Curve], folder: Path, inner: Path) -> list[Curve]:
    """The curves of an inner folder: a split of the outer folder's run, or another run."""
    split = split_of(inner.name)
    if split is not None and len(curves) == 1 and len(words_of(inner.name)) <= 3:
        name = folder.resolve().name
        return [dataclasses.replace(curves[0], name=name, split=split)]
    return curves


def _natural(path: Path) -> list[tuple[int, str]]:
    """A key for sorting that puts version_2 before version_10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part)
        for part in re.split(r"(\d+)", path.name)
    ]
