"""A second Python process, which does work for this one and answers in JSON, one message a line.

Other people's code can loop, exit or crash. It runs in a second process, and this one watches it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any

Message = dict[str, Any]

LEAVE = 3.0  # seconds that a process has to end by itself, after its input is closed


class ChildProcess:
    """A process that runs ``python -m module arguments``, and the messages that it sends.

    Args:
        module: the module to run. It answers with JSON lines on its standard output.
        arguments: its command line.
        folder: its working folder; None: that of this process.
        environment: variables to set besides those of this process.

    Use as a context manager: the process is ended when the block ends.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        *,
        folder: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        # With -P, Python does not take a random.py in the working folder for the library's module.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(os.path.abspath(p) for p in sys.path if p),
                **(environment or {}),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
            start_new_session=True,  # Ctrl-C reaches only this process, and this process decides
        )
        assert self._process.stdout is not None
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(
            target=_read, args=(self._process.stdout, self._lines), daemon=True
        )
        self._reader.start()

    def __enter__(self) -> ChildProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.end()
        else:
            self.kill()

    def end(self) -> None:
        """Close the input of the process, let it finish by itself, and kill it if it does not."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(LEAVE)
        self.kill()

    def kill(self) -> None:
        """End the process at once, even if it is busy, and its copies."""
        if hasattr(os, "killpg") and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # it leads a group of its own
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdout, self._process.stdin):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def send(self, **message: Any) -> None:
        """Send the process a message. If it has ended, nothing happens: ``receive`` says so."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            print(json.dumps(message), file=self._process.stdin, flush=True)

    def receive(self, seconds: float) -> Message | None:
        """The next message; None if none comes in time.

        When the process has ended, the message is ``{"kind": "ended", "text": why}``.
        """
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return None
        if line:
            message: Message = json.loads(line)
            return message
        self._lines.put("")  # for the next call of receive
        return {"kind": "ended", "text": _death(self._process.wait())}

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the process, as Ctrl-C would."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)


def _read(stream: IO[str], lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def _death(code: int) -> str:
    if code < 0:
        return f"it crashes Python ({signal.Signals(-code).name})"
    return f"it ends the process, with exit code {code}"
