"""Measuring how many digits a right gradient of a table loses, if the bound by eps is too narrow.

The inputs of a gradient are changed by about one eps, several times. The largest change of the
result is the size of its rounding error. A mistake does not change the result in this way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from npnet.base.arrays import Array, Floats, Named
from npnet.checks.array_error import largest
from npnet.checks.called_functions import locked, made
from npnet.checks.line_rules import Rule
from npnet.checks.lines import Lines

# The number of runs with slightly changed numbers that measure the rounding error; and the allowed
# error of a gradient, in units of the measured one.
RERUNS = 4
K_CANCELLED = 32.0
# A gradient alone gets exact numbers, so all errors are its own.
K_ALONE = 4.0
# A function that compares two values can take another branch when they change: this is not a
# rounding error. If a result changes by more than this share, it is accepted only if the change is
# small compared with the largest gradient: a few eps.
MOST_LOST = 1e-3
FEW_EPS = 1e3

WHY = "few digits are left: what is added cancels"

Moves = Callable[[Any], Any]
# A function that computes a gradient again from changed numbers. It also returns the size of the
# largest gradient of the same run.
Way = Callable[[Moves], tuple[Any, float]]


def rounding_whole(
    table: Lines, name: str, rule: Rule, functions: Mapping[str, Any], dtype: str
) -> Iterator[Rule]:
    """The rule for a gradient of a whole backward pass that lost digits by cancellation.

    The backward pass runs again, with all inputs and all gradients changed a little; and once more
    with every value changed by itself, as if each had its own rounding error.
    """

    def again(move: Moves, values_too: bool) -> tuple[Any, float]:
        inputs = {key: move(table.inputs[key]) for key in table.inputs if key in table.active}
        values: Mapping[str, Any] = table.at(**inputs).forward(dtype)
        found: dict[str, Any] = dict(table.start(values))
        if values_too:
            values = locked({key: move(entry) for key, entry in values.items()})
        for key, function in functions.items():
            found[key] = move(made(key, function, *table.views(values, found, key)))
        return found[name], max(map(_size, found.values()))

    yield from _milder(rule, dtype, lambda m: again(m, False), lambda m: again(m, True))


def rounding_alone(
    table: Lines,
    name: str,
    rule: Rule,
    function: Any,
    values: Named,
    upstream: Mapping[str, Floats],
) -> Iterator[Rule]:
    """The same for a gradient alone: its values and upstream gradients are changed a little.

    Then the values are also computed from changed inputs, because a value near 0 can be nothing but
    rounding error.
    """
    dtype = dtype_of(table, values)

    def again(move: Moves, inputs_too: bool) -> tuple[Any, float]:
        here: Mapping[str, Any] = values
        if inputs_too:
            inputs = {key: move(table.inputs[key]) for key in table.inputs if key in table.active}
            here = table.at(**inputs).forward(dtype)
        here = locked({key: move(entry) for key, entry in here.items()})
        above = locked({key: move(entry) for key, entry in upstream.items()})
        return made(name, function, *table.views(here, above, name)), max(
            map(_size, above.values())
        )

    yield from _milder(rule, dtype, None, lambda m: again(m, False), K_ALONE)
    yield from _milder(rule, dtype, None, lambda m: again(m, True), K_ALONE)


def dtype_of(table: Lines, values: Named) -> str:
    """The dtype of the floats of a forward pass."""
    return str(values[table.outputs[0]].dtype)


def _milder(
    rule: Rule, dtype: str, consistent: Way | None, single: Way, K: float = K_CANCELLED
) -> Iterator[Rule]:
    """The rule with a bound from the measured loss of digits; nothing if few are lost.

    Args:
        consistent: changes the numbers that all values depend on, so that equal values stay equal.
        single: changes each value by itself, so that a branch can change.
        K: the allowed error, in units of the measured rounding error.
    """
    goal = rule.reference if rule.truth is None else rule.truth
    eps, size = float(np.finfo(dtype).eps), largest(goal)
    moved, beside = _spread(single, ~rule.left_out, dtype)
    little = moved <= max(MOST_LOST * size, FEW_EPS * eps * beside)
    spread = moved if little else 0.0
    if consistent is not None:
        spread = max(spread, _spread(consistent, ~rule.left_out, dtype)[0])
    if spread > eps * max(size, rule.zero_scale or 0):
        error = np.maximum(rule.error, K * spread)
        yield rule._replace(reference=np.asarray(goal, dtype), error=error, measured=True, why=WHY)


def _spread(way: Way, kept: Array, dtype: str) -> tuple[float, float]:
    """The change of a gradient if its inputs change by one eps; and the largest gradient's size."""
    rng, eps = np.random.default_rng(0), float(np.finfo(dtype).eps)

    def move(entry: Any) -> Any:
        if getattr(getattr(entry, "dtype", None), "kind", "") != "f":
            return entry
        moved = np.asarray(entry) * (1 + eps * rng.choice([-1, 1], np.shape(entry)))
        return np.asarray(moved, dtype)

    results, beside = [], 0.0
    for _ in range(RERUNS):
        result, size = way(move)
        if getattr(result, "shape", None) != kept.shape:
            return 0.0, 0.0
        results.append(np.asarray(result, np.float64)[kept])
        beside = max(beside, size)
    return max(float(np.ptp(pair, 0).max(initial=0)) for pair in pairwise(results)), beside


def _size(entry: Any) -> float:
    """The largest |entry|; 0 if it is not an array of floats."""
    return largest(entry) if getattr(getattr(entry, "dtype", None), "kind", "") == "f" else 0.0
