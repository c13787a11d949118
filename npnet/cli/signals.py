"""Ctrl-C and SIGTERM while a command trains: finished work is kept, then the command stops."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any


class Interrupted(Exception):
    """A signal has stopped the training; its checkpoint is written."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


@contextlib.contextmanager
def signals_caught() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM in a list, which is read between steps; a second acts at once."""
    caught: list[int] = []
    watched = (signal.SIGINT, signal.SIGTERM)
    try:
        before = {signum: signal.getsignal(signum) for signum in watched}
        for signum in watched:
            signal.signal(signum, lambda signum, _: _catch(signum, caught, before))
    except ValueError:  # only the main thread can receive signals
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
