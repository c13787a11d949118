"""Judging a sheet from outside: its code runs in processes that are ended when they hang."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from npnet.base.child_process import ChildProcess, Message
from npnet.base.errors import InputError
from npnet.learn.calls import Attempt
from npnet.learn.exercises import EXERCISES
from npnet.learn.grading import Grades, judge
from npnet.learn.grading_inputs import RANDOM, REAL
from npnet.learn.sheet import read_sheet
from npnet.learn.sheet_process import unpacked
from npnet.learn.training import STEPS, Curve

SECONDS = 10.0  # for one function, all its calls together; a right one takes some milliseconds
START = 60.0  # for a process to begin, with nothing of the learner's in it yet


def check_sheet(
    path: str | os.PathLike[str], *, seconds: float = SECONDS, steps: int = STEPS
) -> Grades:
    """Judge the functions of a sheet, which is only read.

    Args:
        path: the sheet.
        seconds: how long one function may take before it is ended.
        steps: how long exercise 4 trains; 0 does not train.

    Raises:
        InputError: the sheet is missing, is no Python, does not run, or holds no exercise or an
            unknown one.
    """
    path = Path(path)
    read_sheet(path)
    attempts: dict[str, Attempt] = {}
    losses: list[float] = []
    training, problem = False, ""
    pending: list[str] | None = None
    while pending is None or pending:
        for message in _conversation(path, pending or (), steps, seconds):
            match message["kind"]:
                case "refused":
                    raise InputError(message["text"])
                case "names":
                    pending = message["names"] if pending is None else pending
                case "attempt":
                    attempts[message["name"]] = unpacked(message)
                    pending = [name for name in pending or () if name != message["name"]]
                case "training":
                    training = True
                case "losses":
                    losses += message["losses"]
                case "trained":
                    problem = message["problem"]
                case "ended" if pending is None:
                    raise InputError(f"{path}: when it is loaded, {message['text']}")
                case "ended" if training and "backward" in attempts:
                    problem = f"step {len(losses)} or soon after: {message['text']}"
                case "ended" if pending:
                    name, *pending = pending
                    text: str = message["text"]
                    attempts[name] = Attempt(failures=dict.fromkeys((*REAL, *RANDOM), text))
    marks = [judge(EXERCISES[name], attempts[name]) for name in EXERCISES if name in attempts]
    curve = Curve.beside_ours(losses, steps, problem) if training else None
    return Grades(tuple(marks), curve)


def _conversation(
    path: Path, names: Sequence[str], steps: int, seconds: float
) -> Iterator[Message]:
    """What a process says that runs the sheet; if it goes wrong, an ``ended`` comes last."""
    with ChildProcess("npnet.learn.sheet_process", [str(path), str(steps), *names]) as process:
        patience = START
        while True:
            message = process.receive(patience)
            if message is None:
                text = f"it still runs after {patience:g} s: an endless loop?"
                message = {"kind": "ended", "text": text}
            yield message
            if message["kind"] in ("done", "refused", "ended"):
                return
            patience = seconds
