"""Gradients without some rows, columns or positions: loops that end too early or overwrite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from npnet.base.arrays import Array
from npnet.learn.exercises import Exercise
from npnet.learn.grading_inputs import cases
from npnet.learn.notation import compute, names_for
from npnet.learn.wrong_formulas import Mutant
from npnet.network.names import NAMES

Answers = Mapping[str, Array]
Same = Callable[[Array, Array], bool]

# The mistake in words -> the part that is used.
PARTS: dict[str, slice] = {
    "the last {} is left out: does a loop end too early?": slice(None, -1),
    "the first {} is left out: does a loop begin at 1?": slice(1, None),
    "only the first {} is used": slice(0, 1),
    "only the last {} is used: does a loop overwrite, or is the indentation wrong?": slice(
        -1, None
    ),
}
WORDS = {"n": "row of the batch", "V": "column", "T": "position", "H": "column", "E": "column"}
ALL = slice(None)


def of_rows(
    exercise: Exercise, got: Answers, right: Answers, wrong: tuple[Mutant, ...], same: Same
) -> tuple[str, str] | None:
    """The kind of mistake and its words, if a missing part of the rows is the only mistake."""
    name = exercise.gradients[0]
    return _of_entries(name, got, right, wrong, same) or _of_sums(exercise, got, same)


def _of_entries(
    name: str, got: Answers, right: Answers, wrong: tuple[Mutant, ...], same: Same
) -> tuple[str, str] | None:
    """Gradients that are right in some entries; the others are zero, or as in a known mistake."""
    if any(got[label].shape != right[label].shape for label in got):
        return None
    for axis, letter in enumerate(NAMES[name].axes):
        if letter == "1":
            continue
        word = "character" if name == "C" and letter == "V" else WORDS.get(letter, "column")
        for said, part in PARTS.items():
            if not all(_right_in(got[label], right[label], axis, part, same) for label in got):
                continue
            rest = {label: _outside(array, axis, part) for label, array in got.items()}
            if not any(map(np.any, rest.values())):
                return "rows", said.format(word)
            for mutant in wrong:
                others = {label: _computed(mutant.code, name, label) for label in got}
                if all(
                    other is not None
                    and other.shape == got[label].shape
                    and same(rest[label], _outside(other, axis, part))
                    for label, other in others.items()
                ):
                    return "rows", f"{said.format(word)} Elsewhere {mutant.said}"
    return None


def _right_in(got: Array, right: Array, axis: int, part: slice, same: Same) -> bool:
    index = (ALL,) * axis + (part,)
    return same(got[index], right[index])


def _outside(array: Array, axis: int, part: slice) -> Array:
    taken = np.arange(array.shape[axis])[part]
    return np.delete(array, taken, axis)


def _of_sums(exercise: Exercise, got: Answers, same: Same) -> tuple[str, str] | None:
    """Gradients whose sum runs over only a part of its axis."""
    name = exercise.gradients[0]
    summed = dict.fromkeys(
        letter
        for read in (*exercise.reads, *exercise.upstream)
        if read in NAMES
        for letter in NAMES[read].axes
        if letter in WORDS and letter not in NAMES[name].axes
    )
    code = compile("\n".join(exercise.code), exercise.name, "exec")
    for letter in summed:
        for said, part in PARTS.items():
            values = {label: _over(letter, part, label) for label in got}
            if all(
                same(array, np.asarray(compute(code, values[label], f"d{name}")))
                for label, array in got.items()
            ):
                return "rows", said.format(WORDS[letter])
    return None


def _over(letter: str, part: slice, label: str) -> dict[str, Array]:
    case = cases()[label]
    scope = names_for(case.values, case.gradients)
    axes = {**{name: NAMES[name].axes for name in NAMES}, "X": ("n", "T"), "Y": ("n",)}
    axes |= {f"d{name}": NAMES[name].axes for name in NAMES}
    return {name: _cut(array, axes.get(name, ()), letter, part) for name, array in scope.items()}


def _cut(array: Array, axes: tuple[str, ...], letter: str, part: slice) -> Array:
    if letter not in axes:
        return array
    return array[(ALL,) * axes.index(letter) + (part,)]


def _computed(code: str, name: str, label: str) -> Array | None:
    case = cases()[label]
    try:
        return np.asarray(compute(code, names_for(case.values, case.gradients), f"d{name}"))
    except Exception:  # a wrong formula can be one that cannot run
        return None


def likely(mutants: tuple[Mutant, ...]) -> Iterator[Mutant]:
    """The known mistakes that the entries that a loop does not reach may follow."""
    return (mutant for mutant in mutants if mutant.kind in ("path", "term", "spread"))
