"""The standard streams of a notebook's cells: output becomes messages, and input is refused."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

FLUSH = 0.2  # seconds between two messages with printed text
MOST_PRINTED = 2_000_000  # the most characters of a cell's output

Send = Callable[..., None]


class Stream(io.TextIOBase):
    """Standard output or standard error of the cells: written text becomes messages.

    Args:
        kind: ``stdout`` or ``stderr``.
        send: a function that sends a message.
        line: a function that returns the current line of the running cell.
    """

    encoding = "utf-8"

    def __init__(self, kind: str, send: Send, line: Callable[[], int]) -> None:
        self.kind, self.send, self.line = kind, send, line
        self.pending: list[str] = []
        self.lines: list[int] = []
        self.taken = 0  # characters that this cell has written
        self.begins = True  # whether the next character begins a line
        self.last = time.monotonic()

    def begin(self) -> None:
        """Begin a cell."""
        self.taken, self.begins = 0, True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        left = MOST_PRINTED - self.taken
        if left > 0 and text:
            kept = text[:left]
            self.taken += len(kept)
            if left <= len(text):
                kept += f"\n(cut after {MOST_PRINTED:,} characters)\n"
            if self.begins or "\n" in kept:
                ended = kept.endswith("\n")
                begun = self.begins + kept.count("\n") - ended
                if begun:
                    self.lines += [self.line()] * begun
                self.begins = ended
            self.pending.append(kept)
            if time.monotonic() - self.last > FLUSH:
                self.flush()
        return len(text)

    def flush(self) -> None:
        text, self.pending = "".join(self.pending), []
        lines, self.lines = self.lines, []
        self.last = time.monotonic()
        if text:
            self.send(kind="output", output=self.kind, text=text, lines=lines)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        raise io.UnsupportedOperation("a notebook's output has no file number")


class NoInput(io.TextIOBase):
    """Standard input, on which nobody types."""

    def readline(self, *_: Any) -> str:  # type: ignore[override]
        raise EOFError("input() is not possible here: nobody is there to type")

    read = readline
