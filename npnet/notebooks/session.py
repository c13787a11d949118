"""The process in which a notebook's cells run, one after another in one namespace.

It reads JSON messages, a line each, and answers in the same way (``npnet.base.child_process``):

* ``{"kind": "start", ...}`` with the options of ``Session``; the answer is ``ready``.
* ``{"kind": "cell", "number": 3, "source": "..."}``; the answers are ``output`` messages as they
  are printed, and at the end ``done``.
* ``{"kind": "tensors", "path": "..."}`` writes every tensor that has a name into an npz file.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import linecache
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.notebooks.corpus_files import CorpusFiles
from npnet.notebooks.display import shown
from npnet.notebooks.magics import plain_python
from npnet.notebooks.random_sources import RandomSources
from npnet.notebooks.stand_ins import (
    MissingModule,
    PyPlot,
    install_ipython,
    install_pyplot,
    install_tqdm,
)

FLUSH = 0.2  # seconds after which what is printed is sent on
MOST_PRINTED = 2_000_000  # characters of a cell that are kept

Send = Callable[..., None]


class _Stream:
    """Standard output or standard error of the cells: what is written becomes messages."""

    encoding = "utf-8"

    def __init__(self, kind: str, send: Send) -> None:
        self.kind, self.send = kind, send
        self.pending: list[str] = []
        self.sent = 0
        self.last = time.monotonic()

    def write(self, text: str) -> int:
        self.pending.append(str(text))
        if time.monotonic() - self.last > FLUSH:
            self.flush()
        return len(text)

    def flush(self) -> None:
        text, self.pending = "".join(self.pending), []
        self.last = time.monotonic()
        if text and self.sent < MOST_PRINTED:
            self.sent += len(text)
            self.send(kind="output", output=self.kind, text=text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        raise OSError("a notebook's output has no file number")


class _NoInput:
    """Standard input: nobody is there to type."""

    def readline(self, *_: Any) -> str:
        raise EOFError("input() is not possible here: nobody is there to type")

    read = readline


class Session:
    """One namespace, and the cells that run in it.

    Args:
        send: sends a message.
        torch: ``numpy`` for the stand-in, ``torch`` for the installed package.
        words: a file that takes the place of corpora that are not found.
        figures: a folder for real pictures; None draws nothing.
        default_seed: of torch's default generator, before the first cell.
    """

    def __init__(
        self,
        send: Send,
        *,
        torch: str = "numpy",
        words: str | None = None,
        figures: str | None = None,
        default_seed: int | None = None,
    ) -> None:
        self.send = send
        self.streams = (_Stream("stdout", send), _Stream("stderr", send))
        self.namespace: dict[str, Any] = {"__name__": "__main__", "__doc__": None}
        self.results: dict[int, Any] = {}
        self.figures = Path(figures) if figures else None
        self.pyplot: PyPlot | None = None
        CorpusFiles(Path(words) if words else None, self._note).install()
        install_tqdm()
        install_ipython(self._display)
        if self.figures is None:
            self.pyplot = install_pyplot()
        else:
            os.environ["MPLBACKEND"] = "Agg"
        if torch == "numpy":
            import npnet.tensors

            sys.modules.update(npnet.tensors.modules())
        self.sources = RandomSources(stand_in=torch == "numpy")
        if default_seed is not None:
            # The installed torch, where the caller wants it, is the notebook's and not npnet's.
            importlib.import_module("torch").manual_seed(default_seed)
            self.sources.default_is_seeded()
        self.namespace.update(display=self._display, get_ipython=lambda: None, Out=self.results)

    def run(self, number: int, source: str) -> None:
        """Run a cell and send what comes of it."""
        plain = plain_python(source)
        name = f"cell {number}"
        linecache.cache[name] = (len(plain.source), None, plain.source.splitlines(True), name)
        self.sources.begin(number, plain.source)
        for stream in self.streams:
            stream.sent = 0
        started = time.perf_counter()
        if self.pyplot is not None:
            self.pyplot.calls.clear()
        outcome: dict[str, Any] = {}
        try:
            value = self._execute(plain.source, name)
            if value is not None and not plain.source.rstrip().endswith(";"):
                self.results[number] = value
                self.namespace["_"] = value
                self._display(value)
        except BaseException as error:
            outcome = _failure(error, name)
        for stream in self.streams:
            stream.flush()
        if outcome:
            self.send(kind="output", output="error", text=outcome["text"], **outcome["details"])
        for path in self._pictures(number):
            self.send(kind="output", output="picture", text=path)
        self.send(
            kind="done",
            number=number,
            seconds=time.perf_counter() - started,
            skipped=plain.skipped,
            draws=self.sources.end(),
        )

    def tensors(self) -> dict[str, Array]:
        """Every tensor that a name of the notebook means, as arrays."""
        found = {}
        for name, value in self.namespace.items():
            if name.startswith("_") or not hasattr(value, "requires_grad"):
                continue
            found[name] = np.array(value.detach().numpy())
        return found

    def _execute(self, source: str, name: str) -> Any:
        tree = ast.parse(source, name)
        for place, statement in enumerate(tree.body):
            tree.body[place] = self._lenient(statement)
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        stdio = sys.stdout, sys.stderr, sys.stdin
        sys.stdout, sys.stderr, sys.stdin = *self.streams, _NoInput()
        try:
            exec(compile(tree, name, "exec"), self.namespace)
            if not isinstance(last, ast.Expr):
                return None
            expression = ast.Expression(last.value)
            return eval(compile(expression, name, "eval"), self.namespace)
        finally:
            sys.stdout, sys.stderr, sys.stdin = stdio

    def _lenient(self, statement: ast.stmt) -> ast.stmt:
        """An import at the top of a cell that fails only when the module is used.

        People import what they do not need, and the cell should run on. An import inside ``try``
        is left alone: it asks whether the module is there.
        """
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            return statement
        if isinstance(statement, ast.ImportFrom):
            modules = [statement.module or ""]
            names = [alias.asname or alias.name for alias in statement.names]
        else:
            modules = [alias.name for alias in statement.names]
            names = [alias.asname or alias.name.partition(".")[0] for alias in statement.names]
        missing = [name for name in modules if name and not _is_there(name.partition(".")[0])]
        if not missing or "*" in names:
            return statement
        self._note(f"{missing[0].partition('.')[0]} is not installed: its uses will fail")
        for name in names:
            self.namespace[name] = MissingModule(missing[0])
        return ast.copy_location(ast.Pass(), statement)

    def _display(self, *values: Any) -> None:
        for value in values:
            for stream in self.streams:
                stream.flush()
            self.send(kind="output", output="result", text=shown(value))

    def _note(self, text: str) -> None:
        self.send(kind="note", text=text)

    def _pictures(self, number: int) -> Iterator[str]:
        if self.pyplot is not None:
            if self.pyplot.calls:
                yield f"drawn with {', '.join(dict.fromkeys(self.pyplot.calls))}"
            return
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is None or self.figures is None:
            return
        for place, figure in enumerate(pyplot.get_fignums(), 1):
            path = self.figures / f"cell-{number:02}-{place}.png"
            pyplot.figure(figure).savefig(path, dpi=110)
            yield str(path)
        pyplot.close("all")


def _is_there(module: str) -> bool:
    try:
        return module in sys.modules or importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _failure(error: BaseException, name: str) -> dict[str, Any]:
    """An exception as Jupyter stores it, and the line of the cell where it was raised."""
    kind = type(error).__name__
    if isinstance(error, SyntaxError) and error.filename == name:
        line, text = error.lineno, error.msg
    else:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == name]
        line, text = (lines[-1] if lines else None), str(error)
    return {"text": f"{kind}: {text}", "details": {"exception": kind, "line": line}}


def main() -> None:
    """Answer messages until the other side closes the channel."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    orders = os.fdopen(os.dup(0), encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    session: Session | None = None

    def send(**message: Any) -> None:
        print(json.dumps(message), file=answers, flush=True)

    while line := _next(orders):
        message = json.loads(line)
        kind = message.pop("kind")
        if kind == "start":
            sys.path.insert(0, os.getcwd())
            session = Session(send, **message)
            send(kind="ready")
        elif session is None:
            raise RuntimeError(f"{kind} before start")
        elif kind == "cell":
            session.run(**message)
        elif kind == "tensors":
            np.savez(message["path"], **session.tensors())  # type: ignore[arg-type]
            send(kind="tensors", path=message["path"])


def _next(orders: IO[str]) -> str:
    while True:
        try:
            return orders.readline()
        except KeyboardInterrupt:  # it came when no cell was running
            continue


if __name__ == "__main__":
    main()
