"""How many digits a right gradient of a table loses: measured, where a bound by eps is too narrow.

What a gradient is made of is moved by one eps, a few times. How far the result moves is the size of
its rounding error. A mistake moves it no further.
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

# This many runs with slightly other numbers measure the rounding error, and a gradient may be off
# by this many times as much.
RERUNS = 4
K_CANCELLED = 32.0
# Alone, a gradient gets exact numbers, and all errors are its own.
K_ALONE = 4.0
# A function that compares two values may take another branch when they move: that is no rounding
# error. So a result that moves by more than this share of it is excused only if that is little
# beside the largest gradient: by a few eps.
MOST_LOST = 1e-3
FEW_EPS = 1e3

WHY = "few digits are left: what is added cancels"

Moves = Callable[[Any], Any]
# Computes a gradient again from what is moved; returns also the size of the largest beside it.
Way = Callable[[Moves], tuple[Any, float]]


def rounding_whole(
    table: Lines, name: str, rule: Rule, functions: Mapping[str, Any], dtype: str
) -> Iterator[Rule]:
    """The rule for a gradient of a whole backward pass that lost digits to cancellation.

    The backward pass runs again, with all inputs and all gradients on the way moved; and with all
    values moved as well, each by itself, as if each had its own rounding error.
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
    """The same for a gradient alone: its values and upstream gradients are moved.

    Then the values are computed from moved inputs, because a value near 0 may be all rounding.
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
    """The rule with a bound that follows the lost digits; nothing if few are lost.

    Args:
        consistent: moves what all values follow from, so that equal values stay equal.
        single: moves each value by itself, so that a branch may change.
        K: how many times the measured rounding error a gradient may be off.
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
    """How far a gradient moves when what it is made of moves by one eps; the largest beside it."""
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
    """The largest |entry|; 0 for what is no array of floats."""
    return largest(entry) if getattr(getattr(entry, "dtype", None), "kind", "") == "f" else 0.0
