"""Measuring how many digits a right gradient of a table loses, if the bound by eps is too narrow.

The gradient runs again in an arithmetic that rounds at random (``npnet.checks.shaken``). How far
its results spread is the size of its rounding error. A mistake makes them spread no further.

Functions of other libraries do not use this arithmetic. They run in float32 and in float64 with
the same numbers, and the difference is the rounding error of float32. That of float64 is smaller
by the ratio of the two eps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np

from npnet.base.arrays import Floats, Named
from npnet.checks import line_numerical
from npnet.checks.array_error import largest
from npnet.checks.called_functions import locked, made
from npnet.checks.differentiate import RERUNS, Derivative, Terms, shaken_step
from npnet.checks.line_rules import Rule
from npnet.checks.lines import Lines
from npnet.checks.report import Row
from npnet.checks.shaken import moved, shaken

# A gradient may be off by this many times the measured spread. A rounding error is evenly
# distributed within half a unit in the last place, which makes a standard deviation of 0.29 units.
# A run moves each result by a whole unit, and the results of the runs spread by as much. So four
# spreads are 14 standard deviations of the error of a right gradient. Eight runs know the spread
# only roughly (Student's t, 7 degrees of freedom): a right one is refused once in 400,000. In 700
# random tables, the error of right gradients alone was at most 0.84 spreads.
K_ALONE = 4.0
# In a whole backward pass, another right program may add and multiply in another way at every step:
# as in ``K_WHOLE``. By the usual ways of NumPy, the largest error was 1.6 spreads.
K_CANCELLED = 32.0
# Digits are lost if the spread is this many eps of the largest entry: then 8 eps, the least that
# rules without a measured bound allow, are 7 standard deviations of the error of a right gradient.
LOST = 4
# A function that compares two values may take another branch when they move: that is no rounding
# error. So a result that moves by more than this share of it is excused only if that is little
# beside the largest gradient: by a few eps.
MOST_LOST = 1e-3
FEW_EPS = 1e3

WHY = "few digits are left: what is added cancels"

# Computes a gradient in the arithmetic of one salt.
Way = Callable[[int], Any]


def rounding_whole(
    table: Lines,
    name: str,
    rule: Rule,
    functions: Mapping[str, Any],
    values: Named,
    start: Mapping[str, Floats],
    row: Row,
    branches: bool,
) -> Iterator[Rule]:
    """The milder rules for a gradient of a whole backward pass that lost digits.

    First the forward pass and the hand-written gradients run again. Then the numerical gradient
    does: what it loses, others may lose too.

    Args:
        branches: whether there are kinks on the way, where moved numbers take another branch.
    """
    dtype = dtype_of(table, values)
    beside = max(map(largest, start.values()), default=0.0)

    def by_hand(salt: int) -> Any:
        entries = _forward(table, values, salt, table.lines)
        found: dict[str, Any] = {key: shaken(entry, salt) for key, entry in start.items()}
        nonlocal beside
        for key, function in functions.items():
            found[key] = shaken(made(key, function, *table.views(entries, found, key)), salt)
            beside = max(beside, _size(found[key]))
            if key == name:
                break
        return found[name]

    def numerical(salt: int) -> Any:
        entries = {key: shaken(entry, salt) for key, entry in values.items()}
        terms = line_numerical.whole_terms(table, entries, name, start)
        return shaken_step(terms, values[name], salt)

    def coarse(salt: int) -> Any:
        runs = []
        for kind in ("float32", "float64"):
            entries = _coarse(values, salt, kind)
            found: dict[str, Any] = dict(_coarse(start, salt, kind))
            for key, function in functions.items():
                found[key] = made(key, function, *table.views(entries, found, key))
                if key == name:
                    break
            runs.append(found[name])
        return _in_eps_of(dtype, *runs)

    for way in (by_hand, numerical, coarse):
        # The numerical gradient runs once for each entry: only where its rounding may be the cause.
        far = not branches and (row.error or 0) > K_CANCELLED * _most(rule, dtype, beside)
        if way is numerical and far:
            continue
        spread = _spread(way, rule, centred=way is not coarse)
        if not branches or spread <= _most(rule, dtype, beside):
            yield from _milder(rule, dtype, K_CANCELLED, spread)


def rounding_alone(
    table: Lines,
    name: str,
    rule: Rule,
    function: Any,
    values: Named,
    upstream: Mapping[str, Floats],
    row: Row,
) -> Iterator[Rule]:
    """The same for a gradient alone, whose values and upstream gradients are exact.

    Only the results of the lines that read ``name`` are computed again, because the numerical
    gradient does so too: their rounding error is in the gradient that uses them.
    """
    dtype = dtype_of(table, values)
    paths = line_numerical.paths(table, name)
    readers = {*paths, *(line for skipped in paths.values() for line in skipped)}
    beside = max(map(largest, upstream.values()), default=0.0)
    most = _most(rule, dtype, beside)
    if row.error is not None and row.error > K_ALONE * most:
        return

    def by_hand(salt: int) -> Any:
        here = locked(_forward(table, values, salt, readers))
        above = locked({key: shaken(entry, salt) for key, entry in upstream.items()})
        return made(name, function, *table.views(here, above, name))

    def numerical(salt: int) -> Any:
        entries = {key: shaken(entry, salt) for key, entry in values.items()}

        def stepped(_: str, terms: Terms, x: Floats) -> Derivative:
            return Derivative(shaken_step(terms, np.asarray(x), salt), np.zeros(()), "")

        found = [
            line_numerical.path(table, entries, name, line, upstream[line], stepped)
            for line in paths
        ]
        return sum(each.gradient for each in found)

    def coarse(salt: int) -> Any:
        runs = [
            made(
                name,
                function,
                *table.views(_coarse(values, salt, kind), _coarse(upstream, salt, kind), name),
            )
            for kind in ("float32", "float64")
        ]
        return _in_eps_of(dtype, *runs)

    for way in (by_hand, numerical, coarse):
        spread = _spread(way, rule, centred=way is not coarse)
        yield from _milder(rule, dtype, K_ALONE, spread if spread <= most else 0.0)


def rounding_alike(rule: Rule, terms: Terms, x: Floats, upstream: Floats) -> Iterator[Rule]:
    """The same for a gradient of which only the numbers are known: as much as the numerical one."""
    dtype, spread = str(x.dtype), _spread(lambda salt: shaken_step(terms, x, salt), rule, True)
    if spread <= _most(rule, dtype, largest(upstream)):
        yield from _milder(rule, dtype, K_ALONE, spread)


def dtype_of(table: Lines, values: Named) -> str:
    """The dtype of the floats of a forward pass."""
    return str(values[table.outputs[0]].dtype)


def _most(rule: Rule, dtype: str, beside: float) -> float:
    """The largest spread that is rounding for sure; ``beside`` is the largest other gradient."""
    return max(MOST_LOST * largest(_goal(rule)), FEW_EPS * float(np.finfo(dtype).eps) * beside)


def _size(entry: Any) -> float:
    """The largest |entry|; 0 if it is not an array of floats."""
    return largest(entry) if getattr(getattr(entry, "dtype", None), "kind", "") == "f" else 0.0


def _goal(rule: Rule) -> Floats:
    return rule.reference if rule.truth is None else rule.truth


def _milder(rule: Rule, dtype: str, K: float, spread: float) -> Iterator[Rule]:
    """The rule with a bound that follows the lost digits; nothing if few are lost."""
    eps, size = float(np.finfo(dtype).eps), largest(_goal(rule))
    if spread > LOST * eps * max(size, rule.zero_scale or 0):
        error = np.maximum(rule.error, K * spread)
        yield rule._replace(
            reference=np.asarray(_goal(rule), dtype), error=error, measured=True, why=WHY
        )


def _forward(table: Lines, values: Named, salt: int, lines: Collection[str]) -> dict[str, Any]:
    """The values in the arithmetic of a salt, with the results of ``lines`` computed again."""
    entries = {key: shaken(entry, salt) for key, entry in values.items()}
    for line in table.lines:
        if line in lines and line in table.active:
            function, v = table.lines[line], line_numerical.Entries(entries)
            found = made(line, lambda v, _, function=function: function(v), v, None)
            if getattr(found, "shape", None) == np.shape(values[line]):
                entries[line] = shaken(found, salt)
    return entries


def _coarse(entries: Mapping[str, Any], salt: int, dtype: str) -> dict[str, Any]:
    """Numbers that float32 has, near the entries, in a dtype; for the salt 0 the nearest."""
    found = {}
    for key, entry in entries.items():
        found[key] = entry
        if getattr(getattr(entry, "dtype", None), "kind", "") == "f":
            near = np.asarray(entry, np.float32)
            found[key] = (moved(near, salt) if salt else near).astype(dtype)
    return locked(found)


def _in_eps_of(dtype: str, coarse: Any, fine: Any) -> Any:
    """The error of a result in float32, made as small as it is in ``dtype``."""
    if [getattr(one, "dtype", None) for one in (coarse, fine)] != [np.float32, np.float64]:
        return None
    return (coarse - fine) * float(np.finfo(dtype).eps / np.finfo(np.float32).eps)


def _spread(way: Way, rule: Rule, centred: bool) -> float:
    """How far a gradient's entries spread when it runs again: the largest standard deviation.

    Args:
        centred: around their mean, not around 0.
    """
    kept, results = ~rule.left_out, []
    for salt in range(RERUNS):
        try:
            with np.errstate(all="ignore"):
                result = way(salt)
        except Exception:  # functions that take no such arrays, or no complex numbers
            return 0.0
        if getattr(result, "shape", None) != kept.shape:
            return 0.0
        results.append(np.asarray(result, np.float64)[kept])
    with np.errstate(all="ignore"):
        if centred:
            return largest(np.std(results, axis=0, ddof=1))
        return largest(np.sqrt(np.mean(np.square(results), axis=0)))
