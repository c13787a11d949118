"""The process in which a notebook's cells run, one after another in one namespace.

It reads JSON messages, one on each line, and answers in the same way
(``npnet.base.child_process``):

* ``{"kind": "start", ...}`` with the options of ``Session``; the answer is ``ready``.
* ``{"kind": "cell", "number": 3, "source": "..."}``; the answers are ``output`` messages as they
  are printed, and at the end ``done``.
* ``{"kind": "again", "sampler": "mkl", "left_out": 0, "digits": 0, "seconds": 5}`` runs the last
  cell again in a copy of the process, without ``left_out`` cells before it, and if ``digits`` is
  not 0, with other last digits; the answer, ``again``, has its outputs, or None.
* ``{"kind": "fewer", "steps": 101, "reruns": 0, "seconds": 5}`` does so with the last training loop
  and the cells after it, the loop stopped after 101 steps; None: without its ``break``.
* ``{"kind": "more", "times": 1, "seconds": 5}`` runs the last cell once more in a copy.
* ``{"kind": "skip", "words": 560}`` puts torch's default generator at this word of its stream.
* ``{"kind": "grade"}`` judges the gradients by hand of the cells so far: ``grade`` messages, then
  ``graded``.
* ``{"kind": "tensors", "path": "..."}`` writes every tensor that has a name into an npz file.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import linecache
import os
import signal
import sys
import threading
import time
import traceback
import types
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np

from npnet.base.arrays import Array
from npnet.notebooks.corpus_files import CorpusFiles
from npnet.notebooks.display import shown
from npnet.notebooks.drawn import drawn_tensors, rates_of
from npnet.notebooks.magics import plain_python
from npnet.notebooks.random_sources import RandomSources
from npnet.notebooks.stand_ins import (
    MissingModule,
    PyPlot,
    Recorder,
    Shell,
    install_ipython,
    install_pyplot,
    install_tqdm,
)
from npnet.notebooks.streams import MOST_PRINTED, NoInput, Send, Stream

if TYPE_CHECKING:
    from npnet.notebooks.again import EarlierLoop

MOST_LEFT_OUT = 3  # ``again`` can leave out at most this many cells before a cell
WORDS_AT_ONCE = 1 << 20  # for skipping words: an index of randint uses one word of 32 bits


class Grader(Protocol):
    """Runs the statements of cells, and judges them at the end, as in ``npnet.grading``."""

    def execute(
        self, body: list[ast.stmt], last: ast.expr | None, name: str, namespace: dict[str, Any]
    ) -> Any:
        """Run the statements of a cell, and return the value of its last expression."""

    def send_grades(self, send: Send) -> None:
        """Send each verdict as a message."""


class Session:
    """One namespace, and the cells that run in it.

    Args:
        send: a function that sends a message.
        torch: ``numpy`` for the stand-in, ``torch`` for the installed package.
        words: a file that replaces corpora that are not found.
        figures: a folder for real pictures; None: nothing is drawn.
        default_seed: the seed of torch's default generator before the first cell.
        sampler: ``torch`` or ``mkl``: whose exponentials the stand-in's multinomial uses.
        grader: ``module:function`` of a function that makes a ``Grader``, for grading the notebook
            at its end; None: it is not graded.
    """

    def __init__(
        self,
        send: Send,
        *,
        torch: str = "numpy",
        words: str | None = None,
        figures: str | None = None,
        default_seed: int | None = None,
        sampler: str = "torch",
        grader: str | None = None,
    ) -> None:
        self.send = send
        self.streams = tuple(Stream(kind, send, self._line) for kind in ("stdout", "stderr"))
        # The names of the cells are in a module, so that their classes can be pickled.
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        sys.argv = [""]
        self.namespace: dict[str, Any] = vars(main)
        self.name = ""  # the file name of the running cell in tracebacks
        self.results: dict[int, Any] = {}
        self.figures = Path(figures) if figures else None
        self.pyplot: PyPlot | None = None
        self.files = CorpusFiles(Path(words) if words else None, self._note)
        self.files.install()
        install_tqdm()
        install_ipython(self._display)
        if self.figures is None:
            self.pyplot = install_pyplot()
        else:
            os.environ["MPLBACKEND"] = "Agg"
        if torch == "numpy":
            import npnet.tensors

            sys.modules.update(npnet.tensors.modules())
            npnet.tensors.random.set_sampler(sampler)
        self.sources = RandomSources(stand_in=torch == "numpy")
        self.default_seed = default_seed
        if default_seed is not None:
            self.skip(0)
        self.grader: Grader | None = None
        if grader:  # importing the grader takes four times as long as everything else
            module, _, name = grader.partition(":")
            self.grader = getattr(importlib.import_module(module), name)()
        self.stand_in = torch == "numpy"
        self.last: tuple[int, str] = (0, "")  # the last cell
        self.loop: EarlierLoop | None = None  # the last training loop
        # the state before each of the last cells
        self.before: deque[Any] = deque(maxlen=MOST_LEFT_OUT + 1)
        self.namespace.update(display=self._display, get_ipython=Shell, Out=self.results)

    def run(self, number: int, source: str) -> None:
        """Run a cell and send its outputs."""
        self._remember(number, source)
        plain = plain_python(source)
        self.name = f"cell {number}"
        lines = plain.source.splitlines(True)
        linecache.cache[self.name] = (len(plain.source), None, lines, self.name)
        self.sources.begin(number, plain.source)
        self.files.opened.clear()
        for stream in self.streams:
            stream.begin()
        started = time.perf_counter()
        if self.pyplot is not None:
            self.pyplot.calls.clear()
        outcome: dict[str, Any] = {}
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            value = self._execute(plain.source, self.name)
            if value is not None and not plain.source.rstrip().endswith(";"):
                self.results[number] = value
                self.namespace["_"] = value
                self._show(value, _last_line(plain.source))
        except BaseException as error:
            outcome = _failure(error, self.name)
        finally:
            # An interrupt from now on was meant for the cell that has ended.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        seconds = time.perf_counter() - started
        for stream in self.streams:
            stream.flush()
        if outcome:
            self.send(kind="output", output="error", **outcome)
        for path in self._pictures(number):
            self.send(kind="output", output="picture", text=path)
        draws = self.sources.torch_draws
        self.send(
            kind="done",
            number=number,
            seconds=seconds,
            skipped=plain.skipped,
            draws=self.sources.end(),
            torch_draws=draws,
            sampled=self.sources.sampled,
            drawn=drawn_tensors(plain.source, draws, self.namespace),
            rates=rates_of(plain.source, self.namespace),
            files=list(dict.fromkeys(self.files.opened)),
            shuffle=self.sources.shuffle,
        )

    def _remember(self, number: int, source: str) -> None:
        """Keep the cell, and the state that ``again`` has to restore."""
        self.last = number, source
        if self.stand_in:
            from npnet.notebooks.again import Before, EarlierLoop
            from npnet.notebooks.stopped_loops import has_training_loop

            before = Before(self.namespace)
            self.before.append(before)
            if has_training_loop(source):
                self.loop = EarlierLoop.begins(before)
            if self.loop is not None:
                self.loop.add(number, source)

    def again(self, sampler: str, left_out: int, digits: int, seconds: float) -> None:
        """Run the last cell again with this sampler, as if ``left_out`` cells had not run."""
        befores = list(self.before)[-1 - left_out :]

        def begin() -> None:
            befores[0].restore()
            sys.modules["npnet.tensors.random"].set_sampler(sampler)
            if digits:
                from npnet.notebooks.last_digits import ROUNDING, LastDigits

                LastDigits(digits).change(ROUNDING, self.namespace)

        self._try(begin, [self.last] if befores else [], seconds)

    def more(self, times: int, seconds: float) -> None:
        """Run the last cell this many times more."""
        self._try(lambda: None, [self.last] * times, seconds)

    def fewer(self, steps: int | None, reruns: int, seconds: float) -> None:
        """Run the last training loop again with other steps, and the cells after it."""
        loop = self.loop
        cells = [] if loop is None else loop.stopped(steps, reruns)
        self._try(lambda: loop.restore(reruns) if loop else None, cells, seconds)

    def _try(self, begin: Callable[[], None], cells: list[tuple[int, str]], seconds: float) -> None:
        """Send what the last of these cells prints when they run in a copy of the process."""
        from npnet.notebooks.again import in_a_copy

        def work() -> list[dict[str, Any]]:
            messages: list[dict[str, Any]] = []
            begin()
            self.figures = self.grader = None
            self.send = lambda **message: messages.append(message)
            for stream in self.streams:
                stream.send = self.send
            for number, source in cells:
                messages.clear()
                self.run(number, source)
            return [message for message in messages if message["kind"] == "output"]

        outputs = in_a_copy(work, seconds) if cells else None
        self.send(kind="again", outputs=outputs)

    def skip(self, words: int) -> None:
        """Start the default generator's stream again, and continue from this word of it."""
        # Only the notebook uses the installed torch, if the caller wants it; npnet does not.
        torch = importlib.import_module("torch")
        torch.manual_seed(self.default_seed)
        self.sources.default_is_seeded()
        for start in range(0, words, WORDS_AT_ONCE):
            torch.randint(0, 2, (min(WORDS_AT_ONCE, words - start),))

    def tensors(self) -> dict[str, Array]:
        """Every tensor with a name in the notebook, and its ``.grad``, as arrays."""
        tensor = sys.modules["torch"].Tensor
        found = {}
        for name, value in list(self.namespace.items()):
            if name.startswith("_") or not isinstance(value, tensor):
                continue
            found[name] = np.array(value.detach().numpy())
            grad = value.grad if value.is_leaf or value.retains_grad else None
            if grad is not None:
                found[f"{name}.grad"] = np.array(grad.detach().numpy())
        return found

    def _line(self) -> int:
        """The current line of the running cell (not of a function that it calls); 0 if unknown."""
        frame = sys._getframe(1)
        line = 0
        while frame is not None:
            if frame.f_code.co_filename == self.name:
                line = frame.f_lineno
            frame = frame.f_back  # type: ignore[assignment]
        return line

    def _execute(self, source: str, name: str) -> Any:
        tree = ast.parse(source, name)
        for place, statement in enumerate(tree.body):
            tree.body[place] = self._lenient(statement)
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        stdio = sys.stdout, sys.stderr, sys.stdin
        sys.stdout, sys.stderr, sys.stdin = *self.streams, NoInput()
        try:
            if self.grader is not None:
                value = last.value if isinstance(last, ast.Expr) else None
                return self.grader.execute(tree.body, value, name, self.namespace)
            exec(compile(tree, name, "exec"), self.namespace)
            if not isinstance(last, ast.Expr):
                return None
            expression = ast.Expression(last.value)
            return eval(compile(expression, name, "eval"), self.namespace)
        finally:
            sys.stdout, sys.stderr, sys.stdin = stdio

    def _lenient(self, statement: ast.stmt) -> ast.stmt:
        """The code of a cell, in which a missing module is an error only when it is used.

        People import modules that they do not need, and the cell should continue. An import inside
        ``try`` is not changed: it tests whether the module exists.
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
            self._show(value, self._line())

    def _show(self, value: Any, line: int) -> None:
        text = shown(value)
        for stream in self.streams:
            stream.flush()
            stream.begins = True
        if len(text) > MOST_PRINTED:
            text = text[:MOST_PRINTED] + "…"
        lines = [line] * (text.count("\n") + 1)
        output = "plotted" if isinstance(value, Recorder) else "result"
        self.send(kind="output", output=output, text=text, lines=lines)

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


def _last_line(source: str) -> int:
    """The first line of the last statement."""
    return ast.parse(source).body[-1].lineno


def _failure(error: BaseException, name: str) -> dict[str, Any]:
    """An exception as Jupyter stores it, and the line of the cell in which it was raised."""
    kind = type(error).__name__
    if isinstance(error, SyntaxError) and error.filename == name:
        line, text = error.lineno, error.msg
    else:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == name]
        line, text = (lines[-1] if lines else None), _words_of(error)
    return {"text": f"{kind}: {text}", "exception": kind, "line": line}


def _words_of(error: BaseException) -> str:
    try:
        return str(error)[:MOST_PRINTED]
    except Exception:  # a class of the notebook can raise an error even here
        return ""


def main() -> None:
    """Answer messages until the other side closes the channel."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    orders = os.fdopen(os.dup(0), encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    session: Session | None = None
    one_at_a_time = threading.Lock()  # threads of a notebook print too
    # The notebook's own module becomes __main__ in place of this one.
    sys.modules["npnet.notebooks.session"] = sys.modules["__main__"]

    def send(**message: Any) -> None:
        with one_at_a_time:
            answers.write(json.dumps(message) + "\n")
            answers.flush()

    while line := _next(orders):
        message = json.loads(line)
        kind = message.pop("kind")
        if kind == "start":
            sys.path.insert(0, os.getcwd())
            session = Session(send, **message)
            send(kind="ready", default_seed=session.sources.default_seed)
        elif session is None:
            raise RuntimeError(f"{kind} before start")
        elif kind == "cell":
            session.run(**message)
        elif kind == "again":
            session.again(**message)
        elif kind == "fewer":
            session.fewer(**message)
        elif kind == "more":
            session.more(**message)
        elif kind == "skip":
            session.skip(**message)
        elif kind == "grade":
            if session.grader is not None:
                session.grader.send_grades(send)
            send(kind="graded")
        elif kind == "tensors":
            np.savez(message["path"], **session.tensors())  # type: ignore[arg-type]
            send(kind="tensors", path=message["path"])


def _next(orders: IO[str]) -> str:
    while True:
        try:
            return orders.readline()
        except KeyboardInterrupt:  # the interrupt came when no cell was running
            continue


if __name__ == "__main__":
    main()
