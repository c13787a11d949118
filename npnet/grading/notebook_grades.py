"""Grading a notebook: every hand-written gradient alone, the forward pass and the training loop."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from npnet.base.arguments import NUMBER, PATH, checked
from npnet.grading.grade_messages import STAND_IN
from npnet.grading.verdicts import RIGHT, VERDICTS, Finding, GradientVerdict
from npnet.notebooks.read import read_notebook
from npnet.notebooks.run import Options, Ran, Session, run_notebook

PATIENCE = 300.0  # seconds to wait for the next verdict


@dataclass(frozen=True, repr=False)
class NotebookGrades:
    """The grades of a notebook.

    Attributes:
        path: the file of the notebook.
        gradients: a verdict for each hand-written gradient, in the order of the notebook.
        findings: findings about forward pass, training, calibration and evaluation.
        problem: why there are no grades; "" if there are.
    """

    path: str
    gradients: tuple[GradientVerdict, ...]
    findings: tuple[Finding, ...]
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong. Gradients that are unfinished or did not run do not count."""
        if self.problem:
            return False
        return not any(one.fails for one in self.gradients) and not any(
            finding.wrong for finding in self.findings
        )

    @property
    def footer(self) -> str:
        """One line: how many gradients have each verdict."""
        if self.problem:
            return f"not graded: {self.problem}"
        counts = [(word, sum(one.verdict == word for one in self.gradients)) for word in VERDICTS]
        words = ", ".join(f"{count} {word}" for word, count in counts if count)
        missed = sum(bool(one.fails and one.passes_cmp) for one in self.gradients)
        count = f"{len(self.gradients)} gradient{'s' * (len(self.gradients) != 1)}"
        text = f"{count}: {words}" if words else "no gradient was found"
        return text + (f"; {missed} of the wrong ones pass torch.allclose" if missed else "")

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        from npnet.grading.grade_text import grade_text

        return grade_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from npnet.grading.grade_text import grade_html

        return grade_html(self)

    def content(self) -> dict[str, Any]:
        """The grades as plain values."""
        return {
            "notebook": self.path,
            "passed": self.passed,
            "problem": self.problem,
            "right": sum(one.verdict == RIGHT for one in self.gradients),
            "gradients": [{**vars(one), "fails": one.fails} for one in self.gradients],
            "findings": [vars(finding) for finding in self.findings],
        }

    def to_json(self) -> str:
        """The grades as JSON."""
        return json.dumps(self.content(), indent=1, ensure_ascii=False)


@checked(path=PATH, seconds=NUMBER, words=PATH)
def grade_notebook(
    path: str | os.PathLike[str],
    *,
    seconds: float | None = None,
    words: str | os.PathLike[str] | None = None,
) -> NotebookGrades:
    """Run a notebook on NumPy alone, and judge every hand-written gradient in it.

    The lines of each gradient run on new copies of their inputs: once with the true upstream
    gradients, then with random ones. The true gradients come from the tape of the notebook's own
    forward pass. The notebook's code runs in another process, with your permissions.

    Args:
        path: ``.ipynb``, ``.py``, or an export as Markdown or text.
        seconds: the time limit for one cell, which is then interrupted; None: an hour.
        words: a file that replaces a corpus that is not found.

    Returns:
        The grades: true if nothing is wrong. ``print`` them, or let a notebook display them.

    Raises:
        InputError: the file cannot be read as a notebook.
    """
    options = Options(words=None if words is None else Path(words))
    if seconds is not None:
        options.seconds = seconds
    notebook = read_notebook(path)
    grades = Grading(str(path))
    for _ in run_notebook(notebook, grades.asked(options), grades.after(len(notebook.cells))):
        pass
    return grades.result()


class Grading:
    """Asks for the grades at the end of a run.

    Args:
        path: the path of the notebook.
        grader: ``module:function`` of a function that makes a ``Grader``.
    """

    def __init__(self, path: str, grader: str = STAND_IN) -> None:
        self.path, self.grader = path, grader
        self._found: list[GradientVerdict | Finding] = []
        self._problem = "the notebook's process ended before its last cell"

    def asked(self, options: Options) -> Options:
        """The options for a process that can grade."""
        return replace(options, grader=self.grader)

    def after(self, cells: int) -> Any:
        """Called by ``run_notebook`` after each cell; after the last one, ask for the grades."""
        count = 0

        def ask(session: Session, _: Ran) -> None:
            nonlocal count
            count += 1
            if count == cells:
                self._problem = ""
                self._found = list(self._received(session))

        return ask

    def result(self) -> NotebookGrades:
        """The grades, after the run."""
        gradients = tuple(one for one in self._found if isinstance(one, GradientVerdict))
        findings = tuple(one for one in self._found if isinstance(one, Finding))
        return NotebookGrades(self.path, gradients, findings, self._problem)

    def _received(self, session: Session) -> Iterator[GradientVerdict | Finding]:
        for message in session.ask("grade", PATIENCE):
            match message:
                case {"kind": "grade", "what": "gradient", "entries": entries}:
                    yield GradientVerdict(**entries)
                case {"kind": "grade", "entries": entries}:
                    yield Finding(**entries)
                case {"kind": "graded"}:
                    return
                case {"kind": "ended", "text": text}:
                    self._problem = text
                    return
                case None:
                    self._problem = f"no verdict came within {PATIENCE:g} s"
                    return
