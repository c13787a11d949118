"""The exercises as a Jupyter notebook: each cell judges the function that it defines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from npnet.learn.exercises import EXERCISES, PARTS, STUB, Exercise, network_in_words, write_new
from npnet.learn.time_limit import SECONDS

WORDS = """\
# The backward pass by hand

{count} functions to write, in any order. Run a cell (Shift+Enter), and the function in it is
judged, alone. For a hint: `!npnet exercise hint dcounts` in a cell of its own.

Every function gets `v`, the values of the forward pass below (`v.probs`, `v.W2`, `v.X`), and `d`,
the gradients that are computed before it (`d.logprobs`, `d.probs`); `d.loss` is 1. It returns the
gradient of the loss with respect to its value: a new array in the shape and dtype of that value.
Every line that reads a value begins a path from it to the loss. A function that runs for more than
{seconds:g} seconds is ended, except on Windows.

```
{network}
```
"""

CODE = """\
import numpy as np

import npnet"""

EACH = """\
{stub}


npnet.grade({{"{name}": {name}}})"""

ALL = """\
npnet.grade(
    {{
{entries}
    }}
)"""


def notebook() -> str:
    """A new notebook: JSON of nbformat 4.5, for any Python 3 kernel with npnet."""
    words = WORDS.format(count=len(EXERCISES), seconds=SECONDS, network=network_in_words())
    cells = [_cell("words", words), _cell("imports", CODE, code=True)]
    for number, title in enumerate(PARTS, 1):
        cells.append(_cell(f"exercise-{number}", f"## Exercise {number}: {title}"))
        cells += [
            _cell(exercise.name, _stub(exercise), code=True)
            for exercise in EXERCISES.values()
            if exercise.part == number
        ]
    entries = "\n".join(f'        "{name}": {name},' for name in EXERCISES)
    cells.append(_cell("all", "## All of them\n\nRun the cells above first."))
    cells.append(_cell("grades", ALL.format(entries=entries), code=True))
    content = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def write_notebook(path: Path) -> None:
    """Write a new notebook to ``path``.

    Raises:
        InputError: ``path`` exists already (it is not changed), or the file cannot be written.
    """
    write_new(path, notebook())


def _stub(exercise: Exercise) -> str:
    stub = STUB.format(name=exercise.name, task=exercise.task).strip()
    return EACH.format(stub=stub, name=exercise.name)


def _cell(name: str, text: str, *, code: bool = False) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "code" if code else "markdown",
        "id": name,
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    return cell | {"execution_count": None, "outputs": []} if code else cell
