"""Where a gradient of a table has no single right value: at a tie, or a ReLU at 0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from npnet.base.arrays import Array, Floats
from npnet.checks import line_numerical
from npnet.checks.differentiate import EPS, RERUNS, Terms, complex_step, shaken_step, sizes
from npnet.checks.line_numerical import wide
from npnet.checks.line_rules import Rule, rule_for
from npnet.checks.lines import Lines

# A slope jumps if it changes by this many times its rounding error.
ROUNDING = 32
# How far beside the kink that is measured, relative to each entry.
BESIDE = 1e-6


def has_kinks(
    table: Lines, values: Mapping[str, Any], name: str, weights: Mapping[str, Floats], whole: bool
) -> Array:
    """Where ``name`` has no derivative: a bool for each entry."""
    x = np.asarray(values[name], np.float64)
    kinks = np.zeros(x.shape, bool)
    for terms in line_numerical.runs(table, values, name, weights, whole):
        kinks |= jumps(terms, x)
    return kinks


def left_out(
    table: Lines,
    values: Mapping[str, Any],
    name: str,
    weights: Mapping[str, Floats],
    rule: Rule,
    *,
    whole: bool,
) -> Iterator[Rule]:
    """The rule without the entries where there is no derivative; nothing if there are none."""
    kinks = has_kinks(table, values, name, weights, whole)
    if (kinks & ~rule.left_out).any():
        yield rule._replace(left_out=rule.left_out | kinks)


def lines_with_kinks(table: Lines, values: Mapping[str, Any]) -> dict[str, Array]:
    """What has kinks in a line that reads it: name -> where.

    Random upstream gradients show them all; in those of a backward pass, two kinks may cancel.
    """
    weights = {key: wide(entry) for key, entry in table.upstream(values).items()}
    kinks = {name: has_kinks(table, values, name, weights, whole=False) for name in table.named}
    return {name: where for name, where in kinks.items() if where.any()}


def from_choice(
    table: Lines,
    values: Mapping[str, Any],
    name: str,
    found: Mapping[str, Any],
    kinked: Mapping[str, Array],
    rule: Rule,
) -> Iterator[Rule]:
    """The rule for a gradient that follows from ours at a kink further on.

    At a kink several gradients are right. So the numerical gradient begins with the one that was
    chosen there.

    Args:
        found: our gradients of a whole backward pass.
        kinked: of ``lines_with_kinks``.
    """
    after = line_numerical.depends(table, name)
    cuts = [other for other in kinked if other in after]
    if not (cuts or name in kinked) or not _usable(table, found, (*cuts, *table.outputs)):
        return
    narrow = line_numerical.from_cuts(table, values, name, found, cuts)
    precise = None
    if rule.truth is not None:
        widened = [
            {key: wide(entry) for key, entry in side.items()}
            for side in (values, {key: found[key] for key in (*cuts, *table.outputs)})
        ]
        precise = [line_numerical.from_cuts(table, widened[0], name, widened[1], cuts)]
    cut = rule_for([narrow], precise, rule.K, rule.zero_scale)
    yield cut._replace(left_out=cut.left_out | kinked.get(name, np.zeros((), bool)))


def _usable(table: Lines, found: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    return all(getattr(found.get(key), "shape", None) == table.shapes[key] for key in names)


def jumps(terms: Terms, x: Floats) -> Array:
    """Where the slopes ahead of an entry and behind it differ by more than rounding.

    Nowhere for a function that takes no complex numbers.
    """
    try:
        with np.errstate(all="ignore"):
            ahead, behind = complex_step(terms, x), complex_step(terms, x, backwards=True)
    except Exception:  # the function is any code
        return np.zeros(x.shape, bool)
    jump = np.abs(ahead - behind)
    if not jump.any():
        return np.zeros(x.shape, bool)
    # Beside the kink, rounding takes no other branch.
    beside = x + BESIDE * np.random.default_rng(0).standard_normal(x.shape) * sizes(x)
    with np.errstate(all="ignore"):
        runs = [shaken_step(terms, beside, salt) for salt in range(RERUNS)]
    return np.asarray(jump > ROUNDING * (np.std(runs, axis=0) + EPS * np.abs(ahead)))
