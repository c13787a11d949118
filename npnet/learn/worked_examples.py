"""An example in numbers for each exercise: two rows and three columns, small enough for paper.

Only the inputs of a line are written here. The forward line computes its result, and our own
solution computes the gradient.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from npnet.base.arrays import Array
from npnet.learn.exercises import Exercise
from npnet.learn.notation import forward_lines
from npnet.network.forward import LINES, Values
from npnet.network.gradients import Gradients
from npnet.network.graph import readers

WIDTH = 60
NOTHING = 1e-12  # smaller numbers are rounding errors of 0

# The inputs of the lines that no other line of the example computes; n = 2, T = 3, H = 3, V = 3.
GIVEN: Mapping[str, Any] = {
    "X": [[0, 1, 1], [2, 0, 1]],
    "Y": [2, 0],
    "eps": 1e-5,
    "C": [[0.5], [-1], [2]],
    "emb": [[[0.5], [-1], [-1]], [[2], [0.5], [-1]]],
    "embcat": [[0.5, -1, -1], [2, 0.5, -1]],
    "W1": [[1, 0, -2], [0.5, 1, 1], [-1, 3, 0]],
    "b1": [0.1, -0.2, 0.3],
    "hprebn": [[1, -2, 4], [3, 0, 1]],
    "bnmeani": [[2, -1, 2.5]],
    "bndiff": [[-1, -2, 1.5], [1, 2, -1.5]],
    "bndiff2": [[1, 4, 2.25], [1, 4, 2.25]],
    "bnvar": [[1, 4, 0.25]],
    "bnvar_inv": [[0.5, 1, 2]],
    "bnraw": [[-1, 0.5, 2], [1, -0.5, 1]],
    "bngain": [[1, 2, 0.5]],
    "bnbias": [[0.1, -0.2, 0.3]],
    "hpreact": [[-1, 0, 0.5], [2, -0.5, 1]],
    "h": [[-0.5, 0, 0.5], [1, -1, 0.2]],
    "W2": [[1, 0, -2], [0.5, 1, 1], [-1, 3, 0]],
    "b2": [0.1, -0.2, 0.3],
    "logits": [[1, 3, -1], [2, 0, 1]],
    "logit_maxes": [[3], [2]],
    "norm_logits": [[-2, 0, -1], [0, -0.5, -1]],
    "counts": [[1, 2, 1], [2, 5, 3]],
    "counts_sum": [[4], [10]],
    "counts_sum_inv": [[0.25], [0.1]],
    "probs": [[0.2, 0.5, 0.3], [0.1, 0.8, 0.1]],
    "logprobs": [[-1, -2, -0.5], [-3, -0.1, -4]],
}

# Upstream gradients by the shape of their value, one for each path.
UPSTREAM: Mapping[tuple[int, ...], tuple[Any, ...]] = {
    (2, 3): ([[1, -2, 0.5], [3, 1, -1]], [[0.5, 1, -1], [2, -1, 3]]),
    (2, 1): ([[2], [-1]],) * 2,
    (1, 3): ([[2, -1, 0.5]],) * 2,
    (2, 3, 1): ([[[1], [-2], [0.5]], [[3], [1], [-1]]],) * 2,
}

# Batch normalisation makes -1 and 1 from any two rows, so that two rows would not show its
# gradient.
THREE_ROWS: Mapping[str, Any] = {
    "hprebn": [[1, 0], [2, 4], [6, -1]],
    "bngain": [[1, 2]],
    "bnbias": [[0.1, -0.2]],
    "eps": 1e-5,
    "dhpreact": [[1, -2], [0.5, 1], [3, -1]],
    "X": [[0], [2], [1]],
    "Y": [2, 0, 1],
    "C": [[1, -1], [0.5, 2], [3, 1]],
    "W1": [[1, 0.5], [-1, 2]],
    "b1": [0.1, -0.2],
    "W2": [[1, 0, -2], [0.5, 1, 1]],
    "b2": [0.1, -0.2, 0.3],
}
NORMALISATION = ("hprebn", "bngain", "bnbias", "eps")
NETWORK = ("X", "Y", "C", "W1", "b1", "W2", "b2", "bngain", "bnbias", "eps")


@dataclass(frozen=True)
class WorkedExample:
    """One exercise in numbers, float64 (``X`` and ``Y``: integers).

    Attributes:
        given: name -> the inputs of the forward lines.
        lines: the forward lines that run, in their order.
        made: name -> the results of these lines.
        upstream: name -> the gradients of these results; ``loss`` is 1.
        results: name -> the gradients that the exercise asks for.
    """

    given: Mapping[str, Array]
    lines: tuple[str, ...]
    made: Mapping[str, Array]
    upstream: Mapping[str, Array]
    results: Mapping[str, Array]


def worked_example(exercise: Exercise) -> WorkedExample:
    """The example of an exercise, with the gradients of our solution."""
    if exercise.part == 1:
        lines = readers(exercise.gradients[0])
        read = [name for line in lines for name in _read(line)]
        given = {
            name: _array(name, GIVEN[name]) for name in dict.fromkeys(read) if name not in lines
        }
    elif exercise.part == 2:
        lines = tuple(name for name in LINES if name not in _before("logit_maxes"))
        given = {name: _array(name, GIVEN[name]) for name in ("logits", "Y")}
    elif exercise.part == 3:
        lines = tuple(name for name in _before("h") if name not in _before("bnmeani"))
        given = {name: _array(name, THREE_ROWS[name]) for name in NORMALISATION}
    else:
        lines = tuple(LINES)
        given = {name: _array(name, THREE_ROWS[name]) for name in NETWORK}
    v: Any = SimpleNamespace(**given)
    for line in lines:
        setattr(v, line, LINES[line](cast(Values, v)))
    made = {line: np.asarray(getattr(v, line)) for line in lines}
    upstream = _upstream(exercise, made)
    d: Any = SimpleNamespace(loss=1.0, **upstream)
    values = Values({**vars(v)})
    results = exercise.solution(values, cast(Gradients, d))
    return WorkedExample(
        given, lines, made, upstream, dict(zip(exercise.gradients, results, strict=True))
    )


def in_numbers(exercise: Exercise, width: int = WIDTH) -> str:
    """The example as small tables with three digits for each number, at most ``WIDTH`` wide.

    If the exercise is one line, the results of the lines are shown; the gradients come last.
    """
    width = min(width, WIDTH)
    example = worked_example(exercise)
    shown = [dict(example.given)]
    if exercise.part == 1:
        shown[0] |= example.made
    shown.append({f"d{name}": array for name, array in example.upstream.items()})
    if "loss" in example.made:
        shown[-1]["dloss"] = np.array(1.0)
    results = {f"d{name}": array for name, array in example.results.items()}
    said = "An example, rounded"
    if exercise.part > 2:
        said += "; three rows, since of any two rows batch normalisation makes the same"
    elif example.upstream:
        said += "; the upstream gradient is made up"
    lines = [textwrap.fill(said + ":", width)]
    for arrays in filter(None, shown):
        lines += ["", *_side_by_side(arrays, width)]
    return "\n".join([*lines, "", "gives", "", *_side_by_side(results, width)])


def _read(line: str) -> list[str]:
    """The names that a forward line reads, in the order of reading."""
    words = re.findall(r"\w+", forward_lines()[line].partition("=")[2])
    return [word for word in words if word in GIVEN]


def _before(line: str) -> tuple[str, ...]:
    return tuple(LINES)[: [*LINES].index(line)]


def _upstream(exercise: Exercise, made: Mapping[str, Array]) -> dict[str, Array]:
    if exercise.part == 1:
        return {
            line: _array(line, UPSTREAM[array.shape][path])
            for path, (line, array) in enumerate(made.items())
            if line != "loss"
        }
    return {name: _array(name, THREE_ROWS[f"d{name}"]) for name in exercise.upstream}


def _array(name: str, numbers: Any) -> Array:
    return np.array(numbers, np.int64 if name in ("X", "Y") else np.float64)


def _side_by_side(arrays: Mapping[str, Array], width: int) -> Iterator[str]:
    """Tables with their names, side by side if they fit, and empty lines between the rows."""
    row: list[list[str]] = []
    for block in (_block(name, array) for name, array in arrays.items()):
        if row and sum(len(each[0]) + 3 for each in row) + len(block[0]) > width:
            yield from [*_joined(row), ""]
            row = []
        row.append(block)
    yield from _joined(row)


def _joined(row: list[list[str]]) -> Iterator[str]:
    for place in range(max(map(len, row))):
        cells = [each[place] if place < len(each) else " " * len(each[0]) for each in row]
        yield "   ".join(cells).rstrip()


def _block(name: str, array: Array) -> list[str]:
    """A name with its shape, and the numbers below it; all lines have the same length."""
    if not np.ndim(array):
        return [f"{name} = {_number(float(array))}"]
    table = array.reshape(len(array) if array.ndim > 1 else 1, -1)
    cells = [[_number(float(entry)) for entry in row] for row in table]
    wide = max(len(cell) for row in cells for cell in row)
    lines = [
        f"{name} {array.shape}",
        *("  ".join(f"{cell:>{wide}}" for cell in row) for row in cells),
    ]
    longest = max(map(len, lines))
    return [f"{line:{longest}}" for line in lines]


def _number(entry: float) -> str:
    return "0" if abs(entry) < NOTHING else f"{entry:.3g}"
