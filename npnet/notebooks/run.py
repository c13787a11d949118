"""Running a notebook in another process, cell by cell."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npnet.base.child_process import ChildProcess, Message
from npnet.base.errors import InputError
from npnet.notebooks.cells import Cell, Notebook, Output
from npnet.notebooks.fewer_steps import EarlierRun, FewerSteps
from npnet.notebooks.magics import plain_python
from npnet.notebooks.outputs import DIFFERENT, EQUAL, compare_outputs, is_same_exception

SECONDS = 3600.0  # for one cell; 200,000 steps with a double loop take some minutes
START = 60.0  # seconds in which the process must start
CTRL_C = "stopped by Ctrl-C"
PATIENCE = 5.0  # seconds in which an interrupted cell must end
QUICK = 10.0  # a cell that took fewer seconds may run again
MOST_LEFT_OUT = 3  # at most this many cells before it are then left out
OLDER = "mkl"  # the sampler of torch 2.0 to 2.6
MOST_RUNS = 3  # of a cell, which ran again before its output was stored
DIGIT_TRIALS = 4  # runs of a cell: one as it was, the others with other last digits


@dataclass(frozen=True)
class UnseededDraw:
    """A draw that no seed decides.

    Attributes:
        source: ``torch``, ``python`` or ``numpy``: whose default generator it was.
        kind: the function, such as ``randn``.
        cell, line: the place of the draw, both from 1.
        name: the name that the line assigns, or None.
        before, after: for torch, how many words of the stream were used before and after it.
        shape: for torch, the drawn shape.
    """

    source: str
    kind: str
    cell: int
    line: int
    name: str | None = None
    before: int = 0
    after: int = 0
    shape: tuple[int, ...] = ()


@dataclass
class Ran:
    """The run of one cell.

    Attributes:
        cell: the cell.
        outputs: all outputs (printed text, values, exceptions, pictures), in order.
        seconds: how long it took.
        line: the line of the cell in which an exception was raised.
        draws: its draws without a seed.
        torch_draws: its first two hundred draws with torch, with or without a seed.
        drawn: the drawn tensors, as found by ``npnet.notebooks.drawn``.
        rates: the (first step, rate) pairs of its training loop, or None if they are not known.
        files: the files that it opened for reading.
        shuffle: how often Python's ``random`` has shuffled since it was seeded (``times``), and the
            ``seed``, None if nobody chose it.
        default_seed: the seed of torch's default generator when the run began.
        sampler: whose exponentials multinomial used.
        sampled: whether it drew with multinomial.
        older: its output with the sampler of torch 2.0 to 2.6, if that was tried.
        left_out: the cells before it without which it prints the stored output, if that was tried.
        earlier: the run of a training loop before it after which it prints what is stored.
        older_order: whether it does so with the sampler of torch 2.0 to 2.6.
        rounded: its outputs with changed last binary digits, if that was tried.
        notes: lines on files that were replaced by others.
        skipped: magics and shell lines that were not run.
        stopped: why the cell did not run to its end, if the reason is not its own exception.
        interrupted: whether Ctrl-C came while it ran, or while it was tried again.
    """

    cell: Cell
    outputs: list[Output] = field(default_factory=list)
    seconds: float = 0.0
    line: int | None = None
    draws: list[UnseededDraw] = field(default_factory=list)
    torch_draws: list[dict[str, Any]] = field(default_factory=list)
    drawn: list[dict[str, Any]] = field(default_factory=list)
    rates: list[list[float]] | None = None
    files: list[str] = field(default_factory=list)
    shuffle: dict[str, Any] = field(default_factory=lambda: {"seed": None, "times": 0})
    default_seed: int | None = None
    sampler: str = "torch"
    sampled: bool = False
    older: list[Output] | None = None
    left_out: list[int] = field(default_factory=list)
    older_order: bool = False
    rounded: list[list[Output]] = field(default_factory=list)
    earlier: EarlierRun | None = None
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    stopped: str | None = None
    interrupted: bool = False

    @property
    def error(self) -> Output | None:
        """The exception that ended the cell, or None."""
        return next((output for output in self.outputs if output.kind == "error"), None)

    @property
    def fails_as_stored(self) -> bool:
        """Whether it ended with an exception of the class that is stored."""
        return self.error is not None and any(
            output.kind == "error" and is_same_exception(output, self.error)
            for output in self.cell.outputs
        )

    @property
    def nothing_left(self) -> bool:
        """Whether all its lines are magics and shell lines, which are not run."""
        lines = (line.strip() for line in plain_python(self.cell.source).source.splitlines())
        return bool(self.skipped) and all(
            line in ("", "pass") or line.startswith("#") for line in lines
        )


@dataclass
class Options:
    """How a notebook is run.

    Attributes:
        torch: ``numpy`` for npnet's stand-in, ``torch`` for the installed package.
        seconds: the time limit for one cell, which is then interrupted.
        words: a file that replaces corpora that are not found.
        figures: a folder for real pictures.
        default_seed: the seed of torch's default generator.
        starts: number of a cell -> the word of the default generator's stream at which it begins;
            needs ``default_seed``.
        sampler: whose exponentials ``torch.multinomial`` uses: ``torch``, or ``mkl``, as torch 2.0
            to 2.6 on x86.
        grader: ``module:function`` of a function that makes the grader in the notebook's process;
            with it, the notebook can be graded at the end.
        printed: called with each piece of text that a cell prints.
    """

    torch: str = "numpy"
    seconds: float = SECONDS
    words: Path | None = None
    figures: Path | None = None
    default_seed: int | None = None
    starts: Mapping[int, int] = field(default_factory=dict)
    sampler: str = "torch"
    grader: str | None = None
    printed: Callable[[Cell, str], None] | None = None


def run_notebook(
    notebook: Notebook,
    options: Options | None = None,
    after: Callable[[Session, Ran], None] | None = None,
) -> Iterator[Ran]:
    """Run every cell, and yield the run of each as soon as it is done.

    A cell that fails does not stop the run. If a cell ends the process, the cells after it are
    yielded as stopped.

    Args:
        notebook: the notebook to run.
        options: how to run it.
        after: called after each cell with the session, which can be asked for the tensors.

    Raises:
        InputError: the process cannot be started, or the pictures' folder cannot be made.
    """
    options = options or Options()
    with Session(notebook, options) as session:
        for cell in notebook.cells:
            ran = session.run(cell)
            session.try_again(ran)
            session.before.append(cell.number)
            session.trials.ran(cell, ran.seconds)
            if after is not None and not session.ended:
                after(session, ran)
            yield ran


class Session:
    """The process in which a notebook runs, seen from outside."""

    def __init__(self, notebook: Notebook, options: Options) -> None:
        self.options = options
        self.ended: str | None = None
        self.before: list[int] = []  # the numbers of the cells before the last one
        self.unseeded = False  # whether any cell drew without a seed
        self.trials = FewerSteps(notebook.cells)
        figures = options.figures
        if figures is not None:
            try:
                figures.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"--figures {figures}: {error.strerror}") from error
        self._child = ChildProcess(
            "npnet.notebooks.session",
            folder=notebook.path.resolve().parent,
            environment={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        self._child.send(
            kind="start",
            torch=options.torch,
            words=os.fspath(options.words.resolve()) if options.words else None,
            figures=os.fspath(figures.resolve()) if figures else None,
            default_seed=options.default_seed,
            sampler=options.sampler,
            grader=options.grader,
        )
        answer = self._child.receive(START)
        if answer is None or answer["kind"] != "ready":
            self._child.kill()
            why = answer["text"] if answer else f"no answer in {START:g} s"
            raise InputError(f"{notebook.path}: its process did not start: {why}")
        self.default_seed: int | None = answer["default_seed"]

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._child.__exit__(kind)

    def run(self, cell: Cell) -> Ran:
        """Run one cell to its end, or to its time limit."""
        ran = Ran(cell, default_seed=self.default_seed, sampler=self.options.sampler)
        if self.ended is not None:
            ran.stopped = self.ended
            return ran
        start = self.options.starts.get(cell.number)
        if start is not None:
            self._child.send(kind="skip", words=start)
        self._child.send(kind="cell", number=cell.number, source=cell.source)
        begun = time.monotonic()
        limit = begun + self.options.seconds
        try:
            while not self._take(ran, self._child.receive(max(0.0, limit - time.monotonic()))):
                if ran.stopped is None and time.monotonic() >= limit:
                    ran.stopped = (
                        f"stopped after {self.options.seconds:g} s: --seconds gives a cell more"
                    )
                    self._child.interrupt()
                    limit += PATIENCE
                elif ran.stopped is not None and time.monotonic() >= limit:
                    self._child.kill()
                    self.ended = f"the process was ended in cell {cell.number}: it did not stop"
                    return ran
        except KeyboardInterrupt:
            ran.stopped, ran.interrupted = CTRL_C, True
            self.ended = f"not run: {CTRL_C}"
            self._child.kill()
            ran.seconds = time.monotonic() - begun
        return ran

    def try_again(self, ran: Ran) -> None:
        """Run a cell again in a copy of the process, if it does not print the stored output.

        If a number is close to the stored one, the cell first runs with changed last digits. If it
        sampled, it runs as with torch 2.0 to 2.6. Then it runs once or twice more, and then as if
        up to three cells before it had not run, because people run cells in any order; then as if
        the training loop before it had stopped sooner.
        """
        if (
            self.options.torch != "numpy"
            or not ran.cell.outputs
            or ran.stopped is not None
            or ran.seconds > QUICK
            or compare_outputs(ran.cell.outputs, ran.outputs, True).verdict != DIFFERENT
        ):
            return
        if self._try_other_digits(ran):
            return
        samplers = [self.options.sampler]
        if ran.sampled and OLDER not in samplers:
            samplers.append(OLDER)
            ran.older = self._again(ran, OLDER, 0)
            if _is_stored(ran, ran.older):
                return
        if not self.unseeded and self._try_more_runs(ran):
            return
        if self.unseeded:  # with other draws, no output would be the same
            return
        for count in range(1, min(len(self.before), MOST_LEFT_OUT) + 1):
            for sampler in samplers:
                if self.ended is not None:
                    return
                if _is_stored(ran, self._again(ran, sampler, count)):
                    ran.left_out, ran.older_order = self.before[-count:], sampler == OLDER
                    return

        def fewer(steps: int | None, reruns: int, seconds: float) -> list[Output] | None:
            return self._trial(ran, seconds, kind="fewer", steps=steps, reruns=reruns)

        ran.earlier = self.trials.explain(ran.cell, ran.seconds, fewer)

    def _try_more_runs(self, ran: Ran) -> bool:
        """Whether a second or third run of the cell gives the stored output; it then stays so.

        A cell that shuffles the words shuffles the shuffled words when it runs again. All cells
        below it need what it made last.
        """
        if ran.seconds > QUICK / 4 or self.options.grader or ran.cell.number in self.options.starts:
            return False
        for more in range(1, MOST_RUNS):
            seconds = PATIENCE + 3 * more * ran.seconds
            outputs = self._trial(ran, seconds, kind="more", times=more)
            if _is_stored(ran, outputs):
                for _ in range(more):
                    vars(ran).update(vars(self.run(ran.cell)))
                ran.notes.append(f"it runs {more + 1} times here: its output is that of the last")
                return True
            if outputs is None or compare_outputs(ran.outputs, outputs, True).verdict == EQUAL:
                break
        return False

    def _try_other_digits(self, ran: Ran) -> bool:
        """See what rounding changes, if anything is that close; true if all differences are."""
        differences = compare_outputs(ran.cell.outputs, ran.outputs, True).differences
        close = [difference.near or difference.close for difference in differences]
        if not any(close) or ran.seconds > QUICK / DIGIT_TRIALS:
            return False
        for digits in range(DIGIT_TRIALS):
            outputs = self._again(ran, self.options.sampler, 0, digits)
            if outputs is None or self.ended is not None:
                break
            if digits:
                ran.rounded.append(outputs)
            elif compare_outputs(ran.outputs, outputs, True).verdict != EQUAL:
                return False  # it changes what it reads: a second run cannot be compared
        return all(close)

    def _again(self, ran: Ran, sampler: str, left_out: int, digits: int = 0) -> list[Output] | None:
        seconds = PATIENCE + 3 * ran.seconds
        options = {"sampler": sampler, "left_out": left_out, "digits": digits}
        return self._trial(ran, seconds, kind="again", **options)

    def _trial(self, ran: Ran, seconds: float, **message: Any) -> list[Output] | None:
        """The output of the cell in the copy; None if there is none."""
        if self.ended is not None:
            return None
        self._child.send(seconds=seconds, **message)
        try:
            answer = self._child.receive(seconds + PATIENCE)
        except KeyboardInterrupt:
            ran.interrupted = True  # the cell itself has run to its end
            self.ended = f"not run: {CTRL_C}"
            self._child.kill()
            return None
        if answer is None or answer["kind"] != "again":
            self.ended = f"not run: after cell {ran.cell.number} the process does not answer"
            self._child.kill()
            return None
        if answer["outputs"] is None:
            return None
        again = Ran(ran.cell)
        for message in answer["outputs"]:
            self._take(again, message, live=False)
        return again.outputs

    def ask(self, kind: str, patience: float) -> Iterator[Message | None]:
        """Send a message of this kind, and yield the answers; None if none comes in time."""
        self._child.send(kind=kind)
        while True:
            yield self._child.receive(patience)

    def tensors(self, path: Path) -> Path:
        """Let the process write every tensor with a name to an npz file."""
        self._child.send(kind="tensors", path=os.fspath(path))
        while (answer := self._child.receive(START)) is not None:
            if answer["kind"] == "tensors":
                return path
            if answer["kind"] == "ended":
                break
        raise InputError("the notebook's process did not give its tensors")

    def _take(self, ran: Ran, message: Message | None, live: bool = True) -> bool:
        """Add a message to the run of the cell; return True at its end."""
        if message is None:
            return False
        match message:
            case {"kind": "output", "output": kind, "text": text}:
                lines = tuple(message.get("lines", ()))
                last = ran.outputs[-1] if ran.outputs else None
                if kind == "error":
                    ran.line = message["line"]
                    ran.outputs.append(Output("error", text, message["exception"], lines))
                elif last and last.kind == kind and kind in ("stdout", "stderr"):
                    ran.outputs[-1] = _joined(last, text, lines)
                else:
                    ran.outputs.append(Output(kind, text, None, lines))
                if live and kind == "stdout" and self.options.printed is not None:
                    self.options.printed(ran.cell, text)
            case {"kind": "note", "text": text}:
                ran.notes.append(text)
            case {"kind": "done"}:
                ran.seconds, ran.skipped = message["seconds"], message["skipped"]
                ran.torch_draws, ran.drawn = message["torch_draws"], message["drawn"]
                ran.rates = message["rates"]
                ran.files, ran.shuffle = message["files"], message["shuffle"]
                ran.sampled = message["sampled"]
                ran.draws = [_draw(ran.cell.number, entry) for entry in message["draws"]]
                self.unseeded |= bool(ran.draws)
                return True
            case {"kind": "ended", "text": text}:
                ran.stopped = text
                self.ended = f"not run: in cell {ran.cell.number} {text}"
                return True
        return False


def _is_stored(ran: Ran, outputs: list[Output] | None) -> bool:
    if outputs is None:
        return False
    return compare_outputs(ran.cell.outputs, outputs, True).verdict == EQUAL


def _joined(before: Output, text: str, lines: tuple[int, ...]) -> Output:
    """Printed text and the text after it; ``lines`` are of the lines that begin in the latter."""
    return Output(before.kind, before.text + text, None, (*before.lines, *lines))


def _draw(cell: int, entry: dict[str, Any]) -> UnseededDraw:
    shape = tuple(entry.pop("shape", ()))
    return UnseededDraw(cell=cell, shape=shape, **entry)
