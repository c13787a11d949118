"""Writing the grades of a notebook as lines of text, and as a piece of HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from npnet.grading.verdicts import Finding, GradientVerdict

if TYPE_CHECKING:
    from npnet.grading.notebook_grades import NotebookGrades

WIDTH = 100
EXERCISES = {
    1: "The gradients, one at a time",
    2: "Softmax and cross-entropy at once",
    3: "Batch normalisation at once",
    4: "The training loop",
}


def grade_text(grades: NotebookGrades, width: int = WIDTH) -> str:
    """The whole report."""
    lines: list[str] = []
    for finding in grades.findings:
        if finding.about == "forward pass":
            lines += _wrapped(f"forward pass: {_finding(finding)}", width, "")
    for exercise, title in EXERCISES.items():
        marks = [one for one in grades.gradients if one.exercise == exercise]
        told = [one for one in grades.findings if exercise == 4 and one.about != "forward pass"]
        if not marks and not told:
            continue
        lines.append(title)
        for one in marks:
            name = one.gradient if len(one.gradient) < 24 else one.gradient[:22] + "…"
            lines.append(f"  {name:24}{one.verdict:32}cell {one.cell}, line {one.line}")
            for text in details(one):
                lines += _wrapped(text, width, "      ")
        for finding in told:
            lines += _wrapped(f"{finding.about}: {_finding(finding)}", width, "  ")
    return "\n".join([*lines, grades.footer])


def details(one: GradientVerdict) -> Iterator[str]:
    """The lines below a verdict."""
    if one.reason:
        yield one.reason
    if one.cause:
        yield one.cause
    if one.remark:
        yield one.remark
    if one.fails and one.passes_cmp:
        yield "torch.allclose cannot see it: the notebook's own check says True"


def grade_html(grades: NotebookGrades) -> str:
    """The report as a piece of HTML, with a section for each gradient."""
    parts = [f'<div class="grades"><h2>Gradients by hand</h2><p>{escape(grades.footer)}</p>']
    for finding in grades.findings:
        kind = "different" if finding.wrong else "equal"
        parts.append(
            f'<div class="note"><b class="verdict {kind}">{escape(finding.about)}</b> '
            f"{escape(_finding(finding))}</div>"
        )
    for number, one in enumerate(grades.gradients):
        kind = "different" if one.fails else "equal" if one.verdict == "right" else "near"
        said = "".join(f'<div class="note">{escape(text)}</div>' for text in details(one))
        parts.append(
            f'<section aria-labelledby="gradient-{number} where-{number}"><header class="cell">'
            f'<h2 id="gradient-{number}">{escape(one.gradient)}</h2>'
            f'<b class="verdict {kind}">{escape(one.verdict)}</b>'
            f'<span id="where-{number}">gradient of {escape(one.tensor)}, cell {one.cell}, '
            f"line {one.line}</span>"
            f"</header>{said}<details><summary>its statements</summary>"
            f'<pre tabindex="0">{escape(one.code)}</pre></details></section>'
        )
    return "".join([*parts, "</div>"])


def _finding(finding: Finding) -> str:
    line = f", line {finding.line}" if finding.line else ""
    where = f" (cell {finding.cell}{line})" if finding.cell else ""
    return finding.text + where


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + ("" if indent.strip() or len(indent) > 4 else "  "),
        break_long_words=False,
        break_on_hyphens=False,
    )
