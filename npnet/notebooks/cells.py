"""The parts of a notebook; they are the same for every file format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

OutputKind = Literal["stdout", "stderr", "result", "plotted", "error", "picture", "text"]


@dataclass(frozen=True)
class Output:
    """One stored output of a cell.

    Attributes:
        kind: ``stdout`` and ``stderr`` are printed text, ``result`` is the value of the last
            expression, ``plotted`` such a value of matplotlib, ``error`` an exception, ``picture``
            an image, ``text`` the output in a text export, which does not tell the kinds apart.
        text: the text. For an error, the line of the exception; for a picture, its plain text.
        exception: the class name of an error, else None.
        lines: for an output of this run: for each line of the text, the line of the cell that
            printed it, from 1; 0 if that is not known.
    """

    kind: OutputKind
    text: str
    exception: str | None = None
    lines: tuple[int, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One code cell.

    Attributes:
        number: its place among the code cells, from 1.
        source: the code as in the file, with magics.
        outputs: the outputs that are stored below it.
        execution_count: the number in ``In [n]``, or None.
        stored: whether the file can have outputs (a ``.py`` file cannot).
    """

    number: int
    source: str
    outputs: tuple[Output, ...] = ()
    execution_count: int | None = None
    stored: bool = True

    @property
    def title(self) -> str:
        """The first line of the cell with code, or else with text, for a report."""
        lines = [line.strip() for line in self.source.splitlines() if line.strip()]
        return lines[0] if lines else "(empty)"


@dataclass(frozen=True)
class Notebook:
    """A notebook file.

    Attributes:
        path: the file.
        form: ``ipynb 4``, ``ipynb 3``, ``percent script``, ``script``, ``Markdown export`` or
            ``text export``.
        cells: the code cells, in the order of the file.
    """

    path: Path
    form: str
    cells: tuple[Cell, ...]

    @property
    def outputs(self) -> int:
        """The number of stored outputs."""
        return sum(len(cell.outputs) for cell in self.cells)

    @property
    def in_order(self) -> bool:
        """Whether the execution counts run from 1 to N, as in one clean run."""
        counts = [cell.execution_count for cell in self.cells if cell.source.strip()]
        return counts == list(range(1, len(counts) + 1))
