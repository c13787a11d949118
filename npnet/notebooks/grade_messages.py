"""Sending grades from the process of a notebook. This code runs in that process."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from npnet.notebooks.grade import grade_run
from npnet.notebooks.verdicts import GradientVerdict
from npnet.notebooks.watch import Watch

STAND_IN = "npnet.notebooks.tape:Tape"


def watch_for(grader: str) -> Watch:
    """The ``Watch`` for the cells, with the tensor library that ``module:class`` names."""
    module, _, name = grader.partition(":")
    return Watch(getattr(importlib.import_module(module), name)())


def send_grades(watch: Watch | None, send: Callable[..., None]) -> None:
    """Judge the cells that ran, and send each verdict as a message."""
    if watch is not None:
        for found in grade_run(watch):
            what = "gradient" if isinstance(found, GradientVerdict) else "finding"
            send(kind="grade", what=what, entries=vars(found))
    send(kind="graded")
