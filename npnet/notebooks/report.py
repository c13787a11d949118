"""The report on a notebook: its outputs compared with those of a run, reasons, and what to do."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from npnet.notebooks.cells import Cell, Notebook, Output
from npnet.notebooks.dependence import Causes, Dependence, Lines, order_of
from npnet.notebooks.outputs import DIFFERENT, EQUAL, NEAR, NOT_RUN, Comparison, compare_outputs
from npnet.notebooks.reasons import Explanation, Reason, explained, unseeded_text
from npnet.notebooks.run import Ran

VERDICTS = (EQUAL, NEAR, DIFFERENT, NOT_RUN)


@dataclass(frozen=True)
class CellReport:
    """One cell: its run, and its outputs compared with the stored ones, if there are any."""

    ran: Ran
    comparison: Comparison | None
    explanation: Explanation

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reasons why the outputs are not equal."""
        return self.explanation.reasons

    @property
    def explained(self) -> bool:
        """Whether it differs, and all differences are unavoidable in a new run."""
        return (
            self.comparison is not None
            and self.comparison.verdict in (DIFFERENT, NOT_RUN)
            and self.explanation.complete
        )

    @property
    def fails(self) -> bool:
        """Whether it should be equal and is not."""
        if self.comparison is None:
            return False
        if self.comparison.verdict in (EQUAL, NEAR):
            return False
        return not self.explained


@dataclass
class NotebookReport:
    """All cells of a notebook that were run, in order."""

    notebook: Notebook
    cells: list[CellReport] = field(default_factory=list)
    _known: Dependence = field(default_factory=Dependence)
    _lines: dict[int, tuple[Cell, Lines]] = field(default_factory=dict)

    def add(self, ran: Ran) -> CellReport:
        """Add one more cell."""
        lines = self._known.add(ran)
        self._lines[ran.cell.number] = ran.cell, lines
        comparison = None
        if ran.cell.outputs:
            whole = ran.stopped is None and not ran.nothing_left
            comparison = compare_outputs(ran.cell.outputs, ran.outputs, whole)

        def order(causes: Causes) -> str:
            below = self.notebook.cells[ran.cell.number :]
            return order_of(ran.cell, causes, self._lines, below)

        found = explained(comparison, ran, lines, order) if comparison else Explanation()
        report = CellReport(ran, comparison, found)
        self.cells.append(report)
        return report

    @property
    def default_seed(self) -> int | None:
        """The seed of torch's default generator when the run began."""
        return self.cells[0].ran.default_seed if self.cells else None

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the run."""
        return any(cell.ran.interrupted for cell in self.cells)

    @property
    def passed(self) -> bool:
        """Whether everything is equal that can be equal."""
        return not any(cell.fails for cell in self.cells)

    @property
    def counts(self) -> dict[str, int]:
        """How many outputs have each verdict."""
        found = [cell.comparison.verdict for cell in self.cells if cell.comparison]
        return {verdict: found.count(verdict) for verdict in VERDICTS}

    @property
    def numbers(self) -> tuple[int, int]:
        """How many numbers are equal, and how many were compared."""
        compared = [cell.comparison for cell in self.cells if cell.comparison]
        return sum(c.equal_numbers for c in compared), sum(c.numbers for c in compared)

    def lost_seed(self) -> bool:
        """Whether outputs differ because torch's default generator, and no other, had no seed."""
        draws = [draw for cell in self.cells for draw in cell.ran.draws]
        return all(draw.source == "torch" for draw in draws) and any(
            reason.kind == "unseeded" for cell in self.cells for reason in cell.reasons
        )

    def advice(self) -> list[str]:
        """Lines on what to do next."""
        path = shlex.quote(str(self.notebook.path))
        lines = []
        if self.lost_seed():
            from npnet.notebooks.networks import networks

            line = "torch's default generator was never seeded"
            if any(network.lost for network in networks(self)):
                line += f"; the printed figures may show its seed: npnet recover {path}"
            else:
                line += ": call torch.manual_seed, and another run prints the same"
            lines.append(line)
        python = [d for cell in self.cells for d in cell.ran.draws if d.source == "python"]
        if python:
            lines.append(
                f"nothing can bring back {unseeded_text(python)}: call random.seed before it"
            )
        if not self.notebook.in_order and any(c.execution_count for c in self.notebook.cells):
            lines.append("its cells were last run in another order than they stand")
        return lines

    def to_json(self) -> str:
        """The report as JSON."""
        return json.dumps(self.content(), indent=1)

    def content(self) -> dict[str, Any]:
        """The report as plain values."""
        equal, compared = self.numbers
        return {
            "notebook": str(self.notebook.path),
            "form": self.notebook.form,
            "passed": self.passed,
            "verdicts": self.counts,
            "numbers": {"compared": compared, "equal": equal},
            "advice": self.advice(),
            "cells": [_cell(cell) for cell in self.cells],
        }


def summary(report: NotebookReport) -> str:
    """One line: how many outputs are equal, and how many numbers."""
    counts = report.counts
    outputs = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    equal, compared = report.numbers
    cells = len(report.cells)
    failed = sum(
        cell.ran.error is not None or cell.ran.stopped is not None for cell in report.cells
    )
    as_stored = sum(cell.ran.fails_as_stored for cell in report.cells)
    text = f"{cells - failed} of {cells} cells ran"
    if as_stored:
        text += f", {as_stored} failed as stored"
    if not outputs:
        return f"{text}; no output is stored to compare with"
    return f"{text}; outputs: {outputs}; {equal} of {compared} numbers equal"


def differences_table(report: NotebookReport) -> list[list[str]]:
    """The numbers that differ, as rows of cell, line, what, stored, here and verdict."""
    rows = []
    for cell in report.cells:
        for d in cell.comparison.differences if cell.comparison else ():
            verdict = NEAR if d.near else DIFFERENT
            rows.append(
                [str(cell.ran.cell.number), str(d.line), d.what, d.stored, d.fresh, verdict]
            )
    return rows


def _cell(cell: CellReport) -> dict[str, Any]:
    ran, comparison = cell.ran, cell.comparison
    return {
        "number": ran.cell.number,
        "execution_count": ran.cell.execution_count,
        "source": ran.cell.source,
        "seconds": ran.seconds,
        "stopped": ran.stopped,
        "error": ran.error.text if ran.error else None,
        "line": ran.line,
        "skipped": list(ran.skipped),
        "notes": ran.notes,
        "unseeded": [vars(draw) for draw in ran.draws[:100]],
        "stored": [_output(output) for output in ran.cell.outputs],
        "printed": [_output(output) for output in ran.outputs],
        "verdict": comparison.verdict if comparison else None,
        "remark": comparison.remark if comparison else "",
        "differences": _differences(comparison.differences if comparison else ()),
        "reasons": [vars(reason) for reason in cell.reasons],
    }


def _differences(differences: Iterable[Any]) -> list[dict[str, Any]]:
    return [vars(difference) for difference in differences]


def _output(output: Output) -> dict[str, Any]:
    return {"kind": output.kind, "text": output.text, "exception": output.exception}
