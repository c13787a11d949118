"""Judging a notebook's hand-written gradients by torch's autograd and by npnet's tape."""

from __future__ import annotations

from dataclasses import replace

from npnet.grading.grade_messages import STAND_IN
from npnet.grading.notebook_grades import Grading, NotebookGrades
from npnet.notebooks.cells import Notebook
from npnet.notebooks.run import Options, run_notebook

TORCH = "oracle.notebook_truth:grader"


def grade_by_both(notebook: Notebook, options: Options) -> tuple[NotebookGrades, NotebookGrades]:
    """The grades by npnet's stand-in, and those by real torch.

    Raises:
        InputError: a process cannot be started.
    """
    return (
        _graded(notebook, replace(options, torch="numpy"), STAND_IN),
        _graded(notebook, replace(options, torch="torch"), TORCH),
    )


def _graded(notebook: Notebook, options: Options, grader: str) -> NotebookGrades:
    grading = Grading(str(notebook.path), grader)
    after = grading.after(len(notebook.cells))
    for _ in run_notebook(notebook, grading.asked(options), after):
        pass
    return grading.result()


def disagreements(ours: NotebookGrades, theirs: NotebookGrades) -> list[str]:
    """The differences between the two, one line for each."""
    if ours.problem or theirs.problem:
        return [f"not graded: {text}" for text in (ours.problem, theirs.problem) if text]
    sides = [
        {(one.gradient, one.cell, one.line): one.verdict for one in grades.gradients}
        for grades in (ours, theirs)
    ]
    found = []
    for key in dict.fromkeys((*sides[1], *sides[0])):
        mine, other = (side.get(key, "not found") for side in sides)
        if mine != other:
            found.append(f"{key[0]} in cell {key[1]}: npnet says {mine}, torch says {other}")
    told = [{(one.about, one.text) for one in grades.findings} for grades in (ours, theirs)]
    ours_alone, theirs_alone = told[0] - told[1], told[1] - told[0]
    for who, alone in (("npnet", ours_alone), ("torch", theirs_alone)):
        found += [f"only {who} says of the {about}: {text}" for about, text in sorted(alone)]
    return found
