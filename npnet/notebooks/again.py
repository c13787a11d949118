"""Running a cell again in a copy of the process, for example without the cells before it.

The copy restores the names and the random generators from before the cell, or from before a cell
above it. It runs the cell and returns its output. The run itself is not affected: the copy can read
files, but it cannot write any, start a program or use the network.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npnet.notebooks.stopped_loops import stopped_after
from npnet.tensors.random import Generator, default_generator
from npnet.tensors.tensor_class import Tensor

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Python's audit events for everything else that would change something outside of the process.
EFFECTS = {
    *("os.chmod", "os.chown", "os.exec", "os.fork", "os.kill", "os.link", "os.mkdir"),
    *("os.posix_spawn", "os.remove", "os.rename", "os.rmdir", "os.spawn", "os.symlink"),
    *("os.system", "os.truncate", "os.utime", "pty.spawn", "shutil.copyfile", "shutil.move"),
    *("shutil.rmtree", "socket.connect", "sqlite3.connect", "subprocess.Popen", "urllib.Request"),
}
MOST_FILES = 1024  # a process usually has at most this many file numbers
MOST_COPIED = 1 << 18  # numbers of a tensor: more than the parameters of such networks have


class Before:
    """Names and random generators at the beginning of a cell.

    The objects are kept, not copies of them. Only the values of float tensors, such as parameters,
    are copied, because a training loop changes them in place.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.names = dict(namespace)
        found = [default_generator, *self.names.values()]
        floats = [
            one
            for one in self.names.values()
            if type(one) is Tensor and one._base is None and one._a.dtype.kind == "f"
        ]
        self.values = [(one, one._a, one._a.copy()) for one in floats if one._a.size <= MOST_COPIED]
        self.generators = [(one, one.get_state()) for one in found if type(one) is Generator]
        self.python = random.getstate()
        self.numpy = np.random.get_state()  # noqa: NPY002 notebooks draw from this one

    def restore(self) -> None:
        """Restore the names and the generators."""
        self.namespace.clear()
        self.namespace.update(self.names)
        for tensor, array, values in self.values:
            tensor._a = array
            if array.flags.writeable:
                array[...] = values
        for generator, state in self.generators:
            generator.set_state(state)
        random.setstate(self.python)
        np.random.set_state(self.numpy)  # noqa: NPY002


@dataclass
class EarlierLoop:
    """The last cell with a training loop, and the cells after it, so that they can run again.

    Attributes:
        before: names and generators from before the cell.
        seed, start: the seed of torch's default generator, and how many of its words were used
            then.
        words: how many of its words the cell drew; None until the cell has ended.
        cells: numbers and sources of the cell with the loop and all cells after it.
    """

    before: Before
    seed: int
    start: int
    words: int | None = None
    cells: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def begins(cls, before: Before) -> EarlierLoop:
        """Begin at the cell that starts now."""
        return cls(before, default_generator.initial_seed(), default_generator.used)

    def add(self, number: int, source: str) -> None:
        """Add a cell that starts: the one with the loop, or one below it."""
        if self.cells and self.words is None:
            same = default_generator.initial_seed() == self.seed
            self.words = default_generator.used - self.start if same else 0
        self.cells.append((number, source))

    def stopped(self, steps: int | None, reruns: int) -> list[tuple[int, str]]:
        """The cells, with the loop stopped; nothing if that is impossible."""
        back = reruns * (self.words or 0)
        (number, source), *below = self.cells
        changed = stopped_after(source, steps)
        if changed is None or not below or (reruns and not 0 < back <= self.start):
            return []
        return [(number, changed), *below]

    def restore(self, reruns: int) -> None:
        """Restore names and generators to a time when the cell had run ``reruns`` times less."""
        self.before.restore()
        if reruns:
            default_generator.manual_seed(self.seed)
            default_generator.core.rand(self.start - reruns * (self.words or 0))


def in_a_copy(work: Callable[[], Any], seconds: float) -> Any:
    """The result of ``work`` in a copy of this process, as plain values of JSON.

    None if it fails, if it takes longer than ``seconds``, or if the system cannot copy processes.
    """
    if not hasattr(os, "fork"):
        return None
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            # The copy closes the channels of the process, so that nobody waits for the copy to end.
            os.closerange(3, writing)
            os.closerange(writing + 1, MOST_FILES)
            # its signal ends the copy when the time is over
            signal.setitimer(signal.ITIMER_REAL, seconds)
            with os.fdopen(writing, "w") as answer:
                sys.addaudithook(_refuse_effects)
                json.dump(work(), answer)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    return json.loads(text) if status == 0 else None


def _refuse_effects(event: str, details: tuple[Any, ...]) -> None:
    if event in EFFECTS or (event == "open" and details[2] & WRITING):
        raise PermissionError(f"{event}: a trial of a cell changes nothing outside of itself")
