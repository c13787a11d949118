"""How long a learner's function may run, and stopping one that never ends."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

SECONDS = 10.0  # for one function, all its calls together; a right one takes some milliseconds

AGAIN = 0.1  # seconds from one ring to the next, for a loop that catches whatever is raised in it


class TimeIsUp(BaseException):
    """The time of a function is over. No ``Exception``, which its own code might catch."""


def still_running(seconds: float) -> str:
    """What is said of a function that was ended after ``seconds``."""
    return f"it still runs after {seconds:g} s: an endless loop?"


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End what runs inside after ``seconds``, where the system has a timer that can.

    That is in the main thread, where notebooks run their cells, and on all systems but Windows;
    elsewhere there is no limit. ``math.inf`` is none either. A timer of the caller's own goes on
    afterwards.

    Raises:
        TimeIsUp: the time is over; the message is that of ``still_running``.
    """
    able = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    if not able or math.isinf(seconds):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        if not over:
            raise TimeIsUp(still_running(seconds))

    over = False
    begun = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            # One that is overdue rings at once.
            left = max(left - (time.monotonic() - begun), 1e-6)
            signal.setitimer(signal.ITIMER_REAL, left, interval)
