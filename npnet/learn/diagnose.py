"""Finding out why a gradient is wrong: which wrong formula gives the learner's numbers?

Two formulas that agree on random values and random upstream gradients of two sizes count as the
same. The learner may still have written something else, so the report says "looks like".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from npnet.base.arrays import Array
from npnet.checks.array_error import largest
from npnet.learn.calls import Attempt, quiet
from npnet.learn.exercises import EXERCISES, Exercise
from npnet.learn.grading_inputs import EVEN, RANDOM, Case, cases
from npnet.learn.notation import compute, forward_lines, names_for
from npnet.learn.remarks import tolerance
from npnet.learn.wrong_families import families, with_more
from npnet.learn.wrong_formulas import Mutant, double_mutants, mutants, rare
from npnet.learn.wrong_gradients import WRONG_GRADIENTS
from npnet.learn.wrong_rows import likely, of_rows
from npnet.network.gradients import GRADIENTS
from npnet.network.graph import readers
from npnet.network.names import PARAMETER_NAMES

# Two ways to compute the same gradient may differ by this part of the largest entry. Rounding in
# float64 is about 1e-15; the smallest mistake, a forgotten eps, changes the gradient by 1e-6.
SAME = 1e-9
NOTHING = 1e-12  # smaller parts of the right gradient are rounding: the true value is zero

# The cases whose numbers tell mistakes apart: all their gradients are random.
TELLING = (RANDOM[0], EVEN)

Answers = Mapping[str, Array]  # by the label of the case


@dataclass(frozen=True)
class Cause:
    """The probable cause of a wrong gradient.

    Attributes:
        kind: a word for the kind of mistake.
        text: the cause in words; it says "looks like" if it is a guess.
    """

    kind: str
    text: str


@cache
def known_mistakes(name: str) -> tuple[Mutant, ...]:
    """The known mistakes in an exercise that are more than one edit of the right formula."""
    return tuple(
        Mutant(entry.kind, entry.what, entry.statements[-1], "\n".join(entry.statements))
        for entry in WRONG_GRADIENTS
        if entry.exercise == name and entry.kind
    )


def diagnose(exercise: Exercise, attempt: Attempt) -> Cause | None:
    """The likeliest cause of a wrong answer, or None if no known mistake gives its numbers.

    Args:
        exercise: the exercise.
        attempt: the results of the learner's function; they are wrong in one case or more.
    """
    with quiet():
        if len(exercise.gradients) > 1:
            return _of_seven(attempt)
        name = exercise.gradients[0]
        got = {case: attempt.results[case][name] for case in TELLING if case in attempt.results}
        return _of_one(exercise, got, attempt) if got else None


def _of_one(exercise: Exercise, got: Answers, attempt: Attempt) -> Cause | None:
    name = exercise.gradients[0]
    right = {label: cases()[label].answers(exercise)[name] for label in got}
    wrong = (*known_mistakes(exercise.name), *mutants(exercise.name))
    if all(_same(got[label], right[label]) for label in got):
        if all(got[label].shape == right[label].shape for label in got):
            return None
        wrong = tuple(mutant for mutant in wrong if mutant.kind == "keepdims")
        return _of_wrong(name, got, wrong) or Cause(
            "shape", "the numbers are right, the shape is not"
        )
    if not any(map(np.any, got.values())):
        return _of_wrong(name, got, known_mistakes(exercise.name)) or Cause(
            "zero", "it is all zeros"
        )
    if all(largest(got[label]) <= NOTHING * largest(right[label]) for label in got):
        return _of_nothing(name, got, right, wrong)
    common = tuple(mutant for mutant in wrong if rare(mutant) <= 1)
    rarer = tuple(mutant for mutant in wrong if rare(mutant) > 1)
    return (
        _of_wrong(name, got, known_mistakes(exercise.name))
        or _of_wrong(name, got, families(exercise.name))
        or _of_wrong(name, got, common)
        or _of_part(exercise, got, right)
        or _of_factor(got, right, "the right gradient")
        or _of_wrong(name, got, rarer)
        or _of_wrong(name, got, with_more(exercise.name))
        or _of_scaled(name, got, mutants(exercise.name))
        or _of_wrong(name, got, double_mutants(exercise.name))
        or _of_reading(exercise, attempt)
    )


def _of_nothing(name: str, got: Answers, right: Answers, wrong: Iterable[Mutant]) -> Cause | None:
    """A wrong formula whose result is mathematically zero, like the learner's."""
    for mutant in sorted(wrong, key=lambda mutant: mutant.kind != "sums"):
        values = {label: _value(mutant, cases()[label], name) for label in got}
        if all(
            value is not None
            and value.shape == got[label].shape
            and largest(value) <= NOTHING * largest(right[label])
            for label, value in values.items()
        ):
            return Cause(mutant.kind, f"looks like {mutant.statement}: {mutant.said}")
    return Cause("zero", "it is zero, except for rounding")


def _of_part(exercise: Exercise, got: Answers, right: Answers) -> Cause | None:
    """A cause with rows, columns or positions that are left out."""
    paths = tuple(likely(mutants(exercise.name)))
    found = of_rows(exercise, got, right, paths, _same)
    return Cause(found[0], f"it looks like this: {found[1]}") if found else None


def _same(one: Array, other: Array) -> bool:
    """Whether two arrays are equal, except for rounding, axes of length 1, and broadcasting."""
    if np.squeeze(one).shape == np.squeeze(other).shape:
        one, other = np.squeeze(one), np.squeeze(other)
    try:
        other = np.broadcast_to(other, one.shape)
    except ValueError:
        return False
    if not np.isfinite(one).all():
        return False
    bound = tolerance(one, SAME) * largest(other)
    return bool(np.max(np.abs(one - other), initial=0) <= bound)


def _of_wrong(name: str, got: Answers, wrong: Iterable[Mutant]) -> Cause | None:
    """The first wrong formula that gives the learner's numbers."""
    for mutant in wrong:
        values = ((array, _value(mutant, cases()[label], name)) for label, array in got.items())
        if all(value is not None and _same(array, value) for array, value in values):
            return Cause(mutant.kind, f"looks like {mutant.statement}: {mutant.said}")
    return None


def _value(mutant: Mutant, case: Case, name: str) -> Array | None:
    """The result of a wrong formula for a case; None if it cannot run."""
    try:
        names = names_for(case.values, case.gradients)
        return np.asarray(compute(mutant.code, names, f"d{name}"))
    except Exception:  # not the learner's error: a wrong formula can be one that cannot run
        return None


def _of_scaled(name: str, got: Answers, wrong: Iterable[Mutant]) -> Cause | None:
    """A wrong formula, multiplied by a factor."""
    for mutant in wrong:
        if mutant.kind == "coefficient":  # with another factor, it could be any power
            continue
        values = {label: _value(mutant, cases()[label], name) for label in got}
        known = {label: value for label, value in values.items() if value is not None}
        cause = _of_factor(got, known, mutant.statement) if len(known) == len(got) else None
        if cause:
            return Cause(f"{mutant.kind}, {cause.kind}", f"{cause.text}: {mutant.said}")
    return None


def _of_factor(got: Answers, base: Answers, what: str) -> Cause | None:
    """The right gradient times one factor, with its name if sizes or small numbers make it."""
    found = {}
    for label, array in got.items():
        one, other = np.squeeze(array), np.squeeze(base[label])
        if one.shape != other.shape or not np.any(other):
            return None
        factor = float((one * other).sum() / (other * other).sum())
        if not factor or not _same(one, factor * other):
            return None
        found[label] = factor
    for words, values in _factors(found):
        if all(math.isclose(found[label], values[label], rel_tol=SAME) for label in found):
            kind = "sign" if words == "-1" else "factor"
            return Cause(kind, f"looks like {what} times {words}")
    first, *others = found.values()
    same = all(math.isclose(first, other, rel_tol=SAME) for other in others)
    return Cause("factor", f"looks like {what} times {first:.9g}") if same else None


def _factors(labels: Iterable[str]) -> Iterator[tuple[str, dict[str, float]]]:
    """Quotients of sizes and small numbers: in words, and their value in each case."""
    sizes = {label: cases()[label].sizes for label in labels}
    atoms = {str(number): dict.fromkeys(sizes, float(number)) for number in (1, 2, 3)}
    for letter in ("n", "V", "H", "T", "E"):
        atoms[letter] = {label: float(of[letter]) for label, of in sizes.items()}
    atoms["np.e"] = dict.fromkeys(sizes, math.e)  # exp(1), from d.loss or from ones
    atoms["(n - 1)"] = {label: of["n"] - 1.0 for label, of in sizes.items()}
    for (above, one), (below, other) in itertools.product(atoms.items(), repeat=2):
        for sign in (1, -1):
            words = above if below == "1" else f"{above}/{below}"
            values = {label: sign * one[label] / other[label] for label in sizes}
            yield ("-" if sign < 0 else "") + words, values


def _of_reading(exercise: Exercise, attempt: Attempt) -> Cause | None:
    """A name that the function must read, but does not: certain, but not a formula."""
    name = exercise.gradients[0]
    needed = [line for line in readers(name) if line != "loss"] if exercise.part == 1 else []
    missing = [line for line in needed if f"d.{line}" not in attempt.seen]
    if not missing:
        return None
    kind = "path" if len(missing) < len(needed) else "upstream"
    lines = " and ".join(forward_lines()[line] for line in missing)
    never = " and ".join(f"d.{line}" for line in missing)
    return Cause(kind, f"it never reads {never}, though {name} is read by {lines}")


def _of_seven(attempt: Attempt) -> Cause | None:
    """The one line of the 26 that gives these seven gradients if it alone is wrong."""
    if TELLING[0] not in attempt.results:
        return None
    got = attempt.results[TELLING[0]]
    swapped = _order_of_seven(got)
    if swapped:
        return swapped
    found = list(_wrong_lines(got))
    if not found:
        return None
    likeliest = min(found, key=rare)
    return Cause(
        likeliest.kind, f"looks like one line like {likeliest.statement}: {likeliest.said}"
    )


def _order_of_seven(got: Mapping[str, Array]) -> Cause | None:
    """The seven right gradients in another order."""
    right = cases()[TELLING[0]].answers(EXERCISES["backward"])
    scale = max(map(largest, right.values()))  # db1 is zero, except for rounding
    places = {
        name: next((other for other in right if _alike(array, right[other], scale)), None)
        for name, array in got.items()
    }
    if None in places.values() or all(name == place for name, place in places.items()):
        return None
    if len({*places.values()}) < len(places):
        return None
    order = ", ".join(f"d{place}" for place in places.values())
    return Cause("order", f"the order of the list is wrong: it looks like {order}")


def _alike(one: Array, other: Array, scale: float) -> bool:
    bound = tolerance(one, SAME) * scale
    return one.shape == other.shape and bool(np.max(np.abs(one - other)) <= bound)


def _wrong_lines(got: Mapping[str, Array]) -> Iterator[Mutant]:
    scope = names_for(cases()[TELLING[0]].values, {"loss": 1.0})
    order = list(GRADIENTS)
    programs = [compile("\n".join(EXERCISES[f"d{name}"].code), name, "exec") for name in order]
    for place, name in enumerate(order):
        for mutant in (
            *known_mistakes(f"d{name}"),
            *families(f"d{name}"),
            *mutants(f"d{name}"),
        ):
            trial = dict(scope)
            try:
                exec(mutant.code, trial)
                for program in programs[place + 1 :]:
                    exec(program, trial)
            except Exception:  # as in _value: the wrong formula cannot run
                continue
            if _same_seven(got, {one: trial[f"d{one}"] for one in PARAMETER_NAMES}):
                yield mutant
        exec(programs[place], scope)


def _same_seven(got: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    # Each difference is divided by the largest entry of all, because db1 itself is zero.
    scale = max(map(largest, other.values()))
    return all(
        got[name].shape == np.shape(array)
        and np.max(np.abs(got[name] - array)) <= SAME * scale  # False if an entry is nan
        for name, array in other.items()
    )
