"""Judging a sheet once, or whenever it is saved: its code runs in other processes.

These processes are stopped if they hang.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from npnet.base.child_process import ChildProcess, Message
from npnet.base.errors import InputError
from npnet.learn.calls import Attempt
from npnet.learn.exercises import EXERCISES
from npnet.learn.grading import Grades, judge
from npnet.learn.grading_inputs import RANDOM, REAL
from npnet.learn.sheet import read_sheet
from npnet.learn.sheet_parts import fingerprints
from npnet.learn.sheet_process import unpacked
from npnet.learn.time_limit import SECONDS, still_running
from npnet.learn.training import STEPS, TRAINING, Curve, recall, remember, trainable

START = 60.0  # seconds in which a process must start, before it runs any code of the learner


def check_sheet(
    path: str | os.PathLike[str],
    *,
    seconds: float = SECONDS,
    steps: int = STEPS,
    names: Sequence[str] = (),
) -> Grades:
    """Judge the functions of a sheet. The file is not changed.

    Args:
        path: the sheet.
        seconds: how long one function may run before it is stopped.
        steps: for how many steps exercise 4 trains; 0: none. A training that the same function
            has already made is not repeated.
        names: the exercises to judge; empty: all exercises in the sheet.

    Raises:
        InputError: the sheet is missing, is not Python or does not run; or it has no exercise, an
            unknown one, or not all exercises in ``names``.
    """
    path = Path(path)
    read_sheet(path)
    attempts: dict[str, Attempt] = {}
    losses: list[float] = []
    training, problem = False, ""
    pending: list[str] | None = None
    key = fingerprints(path).get(TRAINING.name, "")
    known = recall(key, steps) if key and steps else None
    trained = 0 if known else steps
    while pending is None or pending:
        for message in _conversation(path, pending or names, trained, seconds):
            match message["kind"]:
                case "refused":
                    raise InputError(message["text"])
                case "names":
                    pending = _wanted(path, message["names"], names) if pending is None else pending
                case "attempt":
                    attempts[message["name"]] = unpacked(message)
                    pending = [name for name in pending or () if name != message["name"]]
                case "training":
                    training = True
                case "losses":
                    losses += message["losses"]
                case "trained":
                    problem = message["problem"]
                    if not problem and key:
                        remember(key, steps, losses)
                case "ended" if pending is None:
                    raise InputError(f"{path}: when it is loaded, {message['text']}")
                case "ended" if training and "backward" in attempts:
                    problem = f"step {len(losses)} or soon after: {message['text']}"
                case "ended" if pending:
                    name, *pending = pending
                    text: str = message["text"]
                    attempts[name] = Attempt(failures=dict.fromkeys((*REAL, *RANDOM), text))
    marks = [judge(EXERCISES[name], attempts[name]) for name in EXERCISES if name in attempts]
    if known and trainable(TRAINING, attempts.get(TRAINING.name, Attempt())):
        training, losses = True, known
    curve = Curve.beside_ours(losses, steps, problem) if training else None
    return Grades(tuple(marks), curve)


def _wanted(path: Path, found: Sequence[str], names: Sequence[str]) -> list[str]:
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"{path}: it has no function {missing[0]}, wanted one of its own")
    return [name for name in found if not names or name in names]


def _conversation(
    path: Path, names: Sequence[str], steps: int, seconds: float
) -> Iterator[Message]:
    """The messages of a process that runs the sheet; after an error, the last one is ``ended``."""
    with ChildProcess("npnet.learn.sheet_process", [str(path), str(steps), *names]) as process:
        patience = START
        while True:
            message = process.receive(patience)
            if message is None:
                process.kill()
                message = {"kind": "ended", "text": still_running(patience)}
            yield message
            if message["kind"] in ("done", "refused", "ended"):
                return
            patience = seconds


PAUSE = 0.3  # seconds between two looks at the file


def watched(
    path: Path,
    *,
    names: Sequence[str] = (),
    seconds: float = SECONDS,
    steps: int = STEPS,
    pause: float = PAUSE,
) -> Iterator[Grades | InputError]:
    """Yield the grades of a sheet, and then, for ever, the grades of the functions that change.

    Args:
        path: the sheet.
        names: the exercises to judge; empty: all of them.
        seconds, steps: as for ``check_sheet``.
        pause: seconds between two looks at the file.

    Yields:
        The grades of the new or changed functions, or the error of the sheet.

    Raises:
        InputError: the sheet cannot be judged when the watch begins.
    """
    judged: Mapping[str, str] = {}
    first = True
    while True:
        try:
            now = fingerprints(path)
            changed = [name for name in now if now[name] != judged.get(name)]
            changed = [name for name in changed if not names or name in names]
            if first or changed or (judged and not now):
                wanted = names if first else changed
                yield check_sheet(path, seconds=seconds, steps=steps, names=wanted)
            judged = now
        except InputError as error:
            if first:
                raise
            if judged:
                yield error
            judged = {}
        first = False
        time.sleep(pause)
