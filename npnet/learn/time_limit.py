"""The time limit for a learner's function: a function that never ends is stopped."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

# seconds for all calls of one function together; a right function takes some milliseconds
SECONDS = 10.0

AGAIN = 0.1  # seconds until the next signal, for a loop that catches the error and goes on


class TimeIsUp(BaseException):
    """The time of a function is over. It is not an ``Exception``, which the code could catch."""


def still_running(seconds: float) -> str:
    """The message for a function that was stopped after ``seconds``."""
    return f"it still runs after {seconds:g} s: an endless loop?"


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop the code inside after ``seconds``, if the system has a timer for this.

    It has one in the main thread, where notebooks run their cells, on all systems except Windows.
    Elsewhere, and for ``math.inf``, there is no limit. If the caller has set the timer before, it
    continues afterwards.

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
            # If its time has passed, it goes off at once.
            left = max(left - (time.monotonic() - begun), 1e-6)
            signal.setitimer(signal.ITIMER_REAL, left, interval)
