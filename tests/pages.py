"""What the README and the guide show, run: blocks, sessions, and what has to agree.

A session is what stands below one heading of the second level: its blocks run in order, in an empty
folder of their own. The kinds of blocks:

* ``console``: each line that begins with ``$`` is run by the shell, and prints what is below it.
  A line ``…`` stands for lines that are not shown.
* ``python``: a program. A ``text`` block right after it is what it prints.
* any block with ``title=NAME`` is written to the file NAME; it is not run by itself.
* ``sh``: the two commands for a new machine, which only .ci/run runs.

Everything that is shown must be printed, digit for digit. Free are, and only here:

* timings and sizes: numbers before s, ms, µs, kB, MB or "a second"; versions of torch, NumPy;
* blocks of ``npnet bench`` and ``oracle bench``: all figures and the lines about the machine;
* the table of ``oracle libraries``: versions, and which error is largest;
* tables of ``compare``: which entries are equal, how far apart, where. This is rounding, and
  differs between CPUs; so do the number of gradients that are bit-equal to torch's, and of those
  that np.allclose refuses. Names, scales, counts and verdicts must be the same;
* where NumPy's BLAS uses other kernels than those that made the page: the column "ours" of a replay
  beyond the digits that were published, and which figures lie on a rounding edge. (From AVX2 to
  AVX-512 nothing else differed: not a loss in four digits, and not a name.)

``python tests/pages.py [PAGE…]`` runs the pages and writes into them what has changed.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from npnet.base import blas

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "npnet" / "guide").glob("*.md"))]
# What the column "ours" depends on: OpenBLAS's kernels, and NumPy's own widest instructions.
MADE_WITH = ("Haswell kernels", "X86_V4")

BENCH = r"\b(npnet|oracle) bench\b"
COMPARED = "name exact approximate maxdiff"
REPLAYED = "step published ours match"


@dataclass
class Block:
    """A fenced block of a page; ``first`` is the index of its first line among the page's."""

    kind: str
    title: str
    first: int
    lines: list[str]


@dataclass
class Step:
    """One command, and the lines that show what it prints; None: that is not shown."""

    command: str
    shown: list[str] | None
    first: int  # of the shown lines, among the page's
    program: str = ""  # of a python block
    files: dict[str, str] = field(default_factory=dict)  # written before it is run


@dataclass
class Session:
    """The steps below one heading."""

    page: Path
    heading: str
    steps: list[Step]

    @property
    def text(self) -> str:
        """All commands and programs, for rules about what a session needs."""
        return "\n".join(f"{step.command}\n{step.program}" for step in self.steps)


def blocks(lines: list[str]) -> Iterator[tuple[str, Block]]:
    """Each block of a page, with the heading that it stands below."""
    heading, opened = "", None
    for number, line in enumerate(lines):
        if opened is not None:
            if line == "```":
                yield heading, opened
                opened = None
            else:
                opened.lines.append(line)
        elif line.startswith("```"):
            kind, _, title = line[3:].partition(" title=")
            opened = Block(kind, title, number + 1, [])
        elif line.startswith("## "):
            heading = line[3:]


def sessions(page: Path) -> list[Session]:
    """The sessions of a page that run anything."""
    found: dict[str, list[Step]] = {}
    files: dict[str, str] = {}
    for heading, block in blocks(page.read_text(encoding="utf-8").splitlines()):
        steps = found.setdefault(heading, [])
        code = "\n".join(block.lines) + "\n"
        if block.title:
            files[block.title] = code
            continue
        if block.kind == "text":
            steps[-1].shown, steps[-1].first = block.lines, block.first
            continue
        new = []
        if block.kind == "console":
            new = _console_steps(block)
        elif block.kind == "python":
            new = [Step("python -W error -", None, block.first, code)]
        if new:
            new[0].files, files = files, {}
        steps += new
    return [Session(page, heading, steps) for heading, steps in found.items() if steps]


def _console_steps(block: Block) -> list[Step]:
    steps: list[Step] = []
    for number, line in enumerate(block.lines, block.first):
        if line.startswith("$ "):
            steps.append(Step(line[2:], [], number + 1))
        else:
            shown = steps[-1].shown
            assert shown is not None
            shown.append(line)
    return steps


def run(step: Step, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a step in ``folder``, with this interpreter's commands first on the path."""
    for name, text in step.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # What a page runs under pytest is judged by its own rules, not by those of this test run.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    return subprocess.run(
        step.command,
        shell=True,
        cwd=folder,
        env={**inherited, "PATH": path, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"},
        input=step.program,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def run_here(step: Step, folder: Path) -> subprocess.CompletedProcess[str]:
    """``run`` without a new process, which takes longer to start than most steps to run.

    What needs a shell is run by one, and so is what sets variables for the process.
    """
    plain = re.fullmatch(r"(npnet|oracle) [^|;&$<>]*", step.command)
    if not step.program and plain is None:
        return run(step, folder)
    for name, text in step.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    out, error = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    loaded = {*sys.modules}
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(error),
        mock.patch.dict(os.environ, COLUMNS="100"),
        mock.patch.object(sys, "path", ["", *sys.path]),
    ):
        try:
            if plain is None:
                code = 0
                exec(compile(step.program, "<stdin>", "exec"), {"__name__": "__main__"})
            else:
                code = import_module(f"{plain[1]}.cli").main(shlex.split(step.command)[1:])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 2
        except Exception:
            code = 1
            traceback.print_exc()
    for name in {*sys.modules} - loaded:  # another session may have other files of that name
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(folder)):
            del sys.modules[name]
    printed = [stream.buffer.getvalue().decode() for stream in (out, error)]
    return subprocess.CompletedProcess(step.command, code, *printed)


def briefly(step: Step) -> Step:
    """The step with a short bench: its figures are free, and only the lines are compared."""
    command = step.command.replace("bench --quick", "bench --quick --seconds 0")
    return replace(step, command=re.sub(r"(bench --growth) [\d,]+", r"\1 1000,2000", command))


def agrees(command: str, shown: list[str], printed: list[str], exact: bool | None = None) -> bool:
    """Whether ``printed`` is what ``shown`` says, but for what is free in ``command``'s output.

    ``exact``: whether this machine's kernels are those that made the page; None: find out.
    """
    if exact is None:
        exact = made_here()
    wanted, got = (compared(command, lines, exact) for lines in (shown, printed))
    pattern = "".join(r"(?:.*\n)*?" if line == "…" else re.escape(line) + r"\n" for line in wanted)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in got)) is not None


def made_here() -> bool:
    """Whether this machine computes with the same kernels as the one that made the pages."""
    kernels, instructions = MADE_WITH
    config: Any = np.show_config(mode="dicts")
    return kernels in blas.describe() and instructions in config["SIMD Extensions"]["found"]


def compared(command: str, lines: list[str], exact: bool) -> list[str]:
    """The lines as they are compared: what is free is ``#``, blanks are one, no line is empty."""
    bench = re.search(BENCH, command) is not None
    result: list[str] = []
    table = ""
    titles: list[str] = []
    for line in filter(str.strip, lines):
        plain = " ".join(line.split())
        cells = re.split(r"\s{2,}", line.strip())
        if plain.startswith(("name exact", "step published")):
            table = COMPARED if plain.startswith(COMPARED) else REPLAYED
            titles = cells
        elif table == COMPARED and len(cells) == len(titles):
            plain = _compared_row(dict(zip(titles, cells, strict=True)))
        elif table == REPLAYED and len(cells) >= 4 and not exact:
            plain = _replayed_row(cells)
        elif plain != "…":
            table = ""
        if not exact:
            plain = re.sub(r"; \d+ on a rounding edge$", "", plain)
        result.append(_measured(plain) if bench else _timed(plain))
    if bench:  # the machine stands above the line that says what was measured
        heads = [place for place, line in enumerate(result) if re.search("medians|processor", line)]
        result = ["the machine", *result[heads[0] :]] if heads else result
    return result


def _compared_row(cells: dict[str, str]) -> str:
    fixed = {"name", "bad/total", "verdict"}
    if not cells["verdict"].endswith("(zero)"):  # there the scale is rounding, too
        fixed.add("scale")
    forms = {title: cell if title in fixed else _form(cell) for title, cell in cells.items()}
    return " ".join(forms.values())


def _form(cell: str) -> str:
    """What kind of thing stands in a cell."""
    if cell in ("True", "False"):
        return "bool"
    if re.fullmatch(r"[-+.\de]+|inf|nan", cell):
        return "number"
    measured, slash, limit = cell.partition("/")  # ratio/limit: the limit is the rule's
    return f"{_form(measured)}/{limit}" if slash else cell


def _replayed_row(cells: list[str]) -> str:
    """Ours in the digits of the published figure."""
    step, published, ours, *rest = cells
    rest = [cell for cell in rest if cell != "edge"]
    if re.fullmatch(r"\d+\.\d+", published) and re.fullmatch(r"\d+\.\d+", ours):
        decimals = min(len(number.partition(".")[2]) for number in (published, ours))
        # float32 holds 7 digits: a loss printed in more has 6 decimals.
        ours = f"{float(ours):.{min(decimals, 6)}f}"
    return " ".join([step, published, ours, *rest])


def _timed(line: str) -> str:
    """``line`` without timings and versions."""
    line = re.sub(r"\d[\d,]*(\.\d+)?(?= (s|ms|µs|kB|MB|(steps )?a second)\b)", "#", line)
    # pytest's time, with minutes if it took more than one; of a long search.
    line = re.sub(r"\b\d+\.\d+s( \(\d+:\d\d:\d\d\))?|\b\d+:\d\d:\d\d\b", "#", line)
    line = re.sub(r"\d+ of 26 are bit-equal", "# of 26 are bit-equal", line)
    # A row of the scoreboard: the library's version, and its largest error over the bound.
    line = re.sub(r"^(\w+) \S+ (float\d\d( \d+ of 26){2}) \S+ \w+", r"\1 # \2 # #", line)
    # np.allclose refuses some right gradients: how many is rounding.
    line = re.sub(r"(right gradients refused, of \d+ sets \d+ \d+) \d+", r"\1 #", line)
    return re.sub(r"\b(torch|numpy) \d[\w.+]*( \([^)]*\))?", r"\1 #", line)


def _measured(line: str) -> str:
    """``line`` of a table of measurements: names alone."""
    line = re.sub(r"\d[\d,.]*( (?:s|ms|µs|min|h|MB)\b)?", "#", line)
    return re.sub(r"\s*/\s*", "/", re.sub(r"#\.\.#", "#", line))


def refreshed(shown: list[str], printed: list[str]) -> list[str]:
    """``printed``, shortened as ``shown`` is: what stood for ``…`` is left out again."""
    parts: list[list[str]] = [[]]
    for line in shown:
        if line.strip() == "…":
            parts.append([])
        else:
            parts[-1].append(line)
    if len(parts) == 1 or sum(map(len, parts)) > len(printed):
        return printed
    start, end = len(parts[0]), len(printed) - len(parts[-1])
    result = printed[:start]
    for part in parts[1:-1]:

        def likeness(place: int, part: list[str] = part) -> float:
            window = printed[place : place + len(part)]
            return difflib.SequenceMatcher(None, "\n".join(part), "\n".join(window)).ratio()

        best = max(range(start, max(start, end - len(part)) + 1), key=likeness)
        result += ["…", *printed[best : best + len(part)]]
        start = best + len(part)
    return [*result, "…", *printed[end:]]


def refresh(page: Path) -> None:
    """Write what ``page``'s commands print now into it, where that has changed."""
    lines = page.read_text(encoding="utf-8").splitlines()
    changes: list[tuple[int, int, list[str]]] = []
    for session in sessions(page):
        with tempfile.TemporaryDirectory() as folder:
            for step in session.steps:
                done = run(step, Path(folder))
                printed = (done.stdout + done.stderr).rstrip("\n").splitlines()
                shown = step.shown
                if shown is None or agrees(step.command, shown, printed):
                    continue
                changes.append((step.first, len(shown), refreshed(shown, printed)))
                print(f"{page.name}: {session.heading}: {step.command}")
    for first, count, new in reversed(changes):
        lines[first : first + count] = new
    if changes:
        page.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:] or map(str, PAGES):
        refresh(Path(name))
