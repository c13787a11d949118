"""The numerical gradients of a table, from its lines, without the hand-written gradients.

One entry of one value is changed at a time, and the lines that depend on it run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from npnet.base import blas
from npnet.base.arrays import Array, Floats
from npnet.checks.differentiate import Derivative, Terms, derivative
from npnet.checks.lines import Lines

# A function that differentiates with respect to one name. Arguments: the name, the terms, its
# array.
Method = Callable[[str, Terms, Floats], Derivative]


class Entries:
    """``v`` for running lines again: its entries can be read and set, as attributes or by name."""

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self.__dict__.update(entries)

    def __getitem__(self, name: str) -> Any:
        return self.__dict__[name]


def paths(table: Lines, name: str) -> dict[str, tuple[str, ...]]:
    """The kept lines that ``name`` flows into: line -> the skipped lines before it, in order."""
    changed, found = {name}, {}
    for line, read in table.reads.items():
        if line not in table.active or not read & changed:
            continue
        if line in table.skip:
            changed.add(line)
        else:
            found[line] = tuple(other for other in table.lines if other in changed - {name})
    return found


def any_method(name: str, terms: Terms, x: Floats) -> Derivative:
    """The derivative by the complex step, or by differences if that does not work."""
    return derivative(terms, x)


def path(
    table: Lines,
    values: Mapping[str, Any],
    name: str,
    line: str,
    weight: Floats,
    method: Method = any_method,
) -> Derivative:
    """The part of a gradient that comes through one line, for the upstream gradient ``weight``."""
    run = [*paths(table, name)[line], line]
    return method(name, _terms(table, values, name, run, {line: weight}), values[name])


def alone(
    table: Lines,
    values: Mapping[str, Any],
    upstream: Mapping[str, Floats],
    method: Method = any_method,
) -> dict[str, dict[str, Derivative]]:
    """Each gradient alone, in parts: name -> line that reads it -> the part through this line.

    A hand-written gradient must return the sum of these parts, for these values and upstream
    gradients.
    """
    with blas.limited():
        return {
            name: {
                line: path(table, values, name, line, upstream[line], method)
                for line in paths(table, name)
            }
            for name in table.named
        }


def whole(
    table: Lines,
    values: Mapping[str, Any],
    start: Mapping[str, Floats],
    method: Method = any_method,
) -> dict[str, Derivative]:
    """The gradients of a whole backward pass that begins with the gradients ``start``."""
    with blas.limited():
        return {
            name: method(name, whole_terms(table, values, name, start), values[name])
            for name in table.named
        }


def whole_terms(
    table: Lines, values: Mapping[str, Any], name: str, start: Mapping[str, Floats]
) -> Terms:
    """The outputs, times ``start``, as a function of ``name`` alone."""
    run = depends(table, name)
    reached = {line: start[line] for line in start if line in run}
    return _terms(table, values, name, run, reached)


def depends(table: Lines, name: str, cuts: Iterable[str] = ()) -> dict[str, None]:
    """The lines that depend on ``name``, in order; not through ``cuts``."""
    changed = {name}
    found: dict[str, None] = {}
    for line, read in table.reads.items():
        if read & changed:
            found[line] = None
            if line not in cuts:
                changed.add(line)
    return found


def from_cuts(
    table: Lines,
    values: Mapping[str, Any],
    name: str,
    gradients: Mapping[str, Floats],
    cuts: Iterable[str],
) -> Derivative:
    """The gradient of a backward pass that begins with given gradients of ``cuts``.

    Args:
        gradients: of ``cuts``, and of the outputs.
    """
    run = depends(table, name, cuts)
    weights = {line: gradients[line] for line in run if line in cuts or line in table.outputs}
    return derivative(_terms(table, values, name, run, weights, cuts), values[name])


def wide(entry: Any) -> Any:
    """Floats in float64; anything else as it is."""
    floats = getattr(getattr(entry, "dtype", None), "kind", "") == "f"
    return np.asarray(entry, np.float64) if floats else entry


def runs(
    table: Lines, values: Mapping[str, Any], name: str, weights: Mapping[str, Floats], whole: bool
) -> list[Terms]:
    """The terms of a gradient: of a whole backward pass, or of each line that reads ``name``."""
    if whole:
        return [whole_terms(table, values, name, weights)]
    return [
        _terms(table, values, name, [*skipped, line], {line: weights[line]})
        for line, skipped in paths(table, name).items()
    ]


def _terms(
    table: Lines,
    values: Mapping[str, Any],
    name: str,
    run: Iterable[str],
    weights: Mapping[str, Floats],
    cuts: Iterable[str] = (),
) -> Terms:
    """The results of the lines ``run``, times ``weights``, as a function of ``name``.

    What reads one of ``cuts`` reads it as it is in ``values``.
    """
    functions = [(line, table.lines[line]) for line in run]
    finite = {line: np.isfinite(values[line]) for line in weights}  # masked entries are -inf

    def terms(moved: Array) -> Array:
        v = Entries(values)
        setattr(v, name, moved)
        results = {}
        with np.errstate(all="ignore"):
            for line, function in functions:
                results[line] = np.asanyarray(function(v))
                if line not in cuts:
                    setattr(v, line, results[line])
        added = [
            weight[finite[line]] * results[line][finite[line]] for line, weight in weights.items()
        ]
        return added[0] if len(added) == 1 else np.concatenate(added or [np.zeros(1)])

    return terms
