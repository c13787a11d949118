"""The judge's rule for one gradient of any function, against a numerical one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array, Floats, UnusableArray, read_array
from npnet.checks.array_error import eps, largest
from npnet.checks.called_functions import Unmade
from npnet.checks.compare import K_REFERENCE, K_TRUTH, compare
from npnet.checks.differentiate import Derivative
from npnet.checks.report import Report, Row

LABELS = ("ours", "reference")

# In a whole backward pass, our error may be this many times the error of the numerical gradient,
# which is computed in another way: forwards, one entry at a time. In 200 small networks, the
# largest ratio was 14.
K_WHOLE = 32.0

# If the error of a derivative by differences is so many times the usual error, or the derivative
# itself, there is a kink nearby, and the entry is left out.
UNCLEAR = 100.0
UNCLEAR_SHARE = 1e-4


class Rule(NamedTuple):
    """How our gradient of one name is judged.

    Attributes:
        reference: the numerical gradient, in our dtype.
        truth: the same in float64, if ours is float32; else None.
        error: the error of each entry of the reference; 0 for the complex step.
        K: the allowed error, in units of eps or of the reference's error.
        zero_scale: the sum of |summands|, for a gradient that is mathematically zero.
        left_out: entries without a derivative, which are not compared.
        measured: whether ``error`` is the allowed error itself, in place of the truth's bound.
        why: the reason for this, in words for the row.
    """

    reference: Floats
    truth: Floats | None
    error: Floats
    K: float
    zero_scale: float | None
    left_out: Array
    measured: bool = False
    why: str = ""

    @property
    def own_error(self) -> float:
        """The largest error of the entries that are compared."""
        return float(self.error[~self.left_out].max(initial=0))


def rule_for(
    narrow: Sequence[Derivative],
    wide: Sequence[Derivative] | None,
    K: float,
    zero_scale: float | None = None,
) -> Rule:
    """The rule for a gradient that is the sum of some derivatives.

    Args:
        narrow: the derivatives in our dtype.
        wide: the same in float64, if our dtype is float32.
        K: the allowed error, in units of the reference's own error if there is ``wide``; else in
            units of eps.
        zero_scale: as in ``Rule``.
    """
    reference = np.asarray(sum(one.gradient for one in narrow))
    truth = None if wide is None else np.asarray(sum(one.gradient for one in wide))
    if truth is not None:
        # Complex numbers can overflow where real numbers do not: 1 / (1 + exp(100)) in complex64.
        reference = np.where(np.isfinite(reference), reference, truth).astype(reference.dtype)
    error = np.asarray(sum(one.error for one in wide or narrow))
    left_out = np.zeros(reference.shape, bool)
    if error.any():
        size = largest(reference if truth is None else truth)
        known = error[np.isfinite(error)]
        usual = float(np.quantile(known, 0.1, method="lower")) if known.size else 0.0
        left_out = error > max(UNCLEAR * usual, UNCLEAR_SHARE * size)
        K = max(K, K_REFERENCE)  # rounded from float64, the reference has no error to go by
    left_out |= ~np.isfinite(error)
    return Rule(reference, truth, error, K, zero_scale, left_out)


def judge(name: str, ours: object, rule: Rule) -> Row:
    """The row of one gradient."""
    if rule.left_out.any():
        # Both sides get the same number there: at a kink, float32 may take another branch.
        unknown = rule.left_out & ~np.isfinite(_goal(rule))
        goal = np.where(unknown, 0, _goal(rule))
        rule = rule._replace(
            reference=np.where(rule.left_out, goal, rule.reference).astype(rule.reference.dtype),
            truth=None if rule.truth is None else goal,
        )
        ours = _patched(ours, rule)
    scales = {} if rule.zero_scale is None else {name: rule.zero_scale}
    mine, reference = {name: ours}, {name: rule.reference}
    if rule.truth is not None and not rule.own_error:
        report = compare(
            mine, reference, truth={name: rule.truth}, K=rule.K, zero_scales=scales, labels=LABELS
        )
    elif rule.own_error:  # the error of differences, or a measured one
        size = max(largest(rule.reference), rule.zero_scale or 0)
        allowed = rule.K * eps(rule.reference) * size + rule.own_error
        report = compare(mine, reference, rtol=0, atol=allowed, labels=LABELS)
    else:
        report = compare(mine, reference, K=rule.K, zero_scales=scales, labels=LABELS)
    row = report.rows[0]
    if rule.why and row.ok:
        row = replace(row, reason=rule.why)
    if row.ok and rule.truth is not None and _is_wider(ours, rule.reference):
        why = "dtype float64, wanted float32: a wider operand widened it"
        row = replace(row, verdict="dtype", reason=why)
    if rule.left_out.any():
        row = replace(row, reason=_and(row.reason, _left_out(rule)))
    return row


def rule_text(precise: bool, differences: bool, zero: bool, K: float) -> str:
    """The rule in words.

    Args:
        precise: whether there is a truth.
        differences: whether some references are computed by differences.
        zero: whether some gradients are mathematically zero.
    """
    if precise:
        text = f"max|ours - truth| <= {K:g} x max(max|reference - truth|, eps x max|truth|)"
    else:
        text = f"max|ours - reference| <= {K:g} x eps x max|reference|"
    if differences:
        text += "; by differences: + their own error"
    return text + ("; (zero): sum|summands| for max" if zero else "")


def growth(values: Mapping[str, Any]) -> float:
    """How much larger the rounding errors of sums are if they have more than 32 summands."""
    longest = max((max(np.shape(value), default=1) for value in values.values()), default=1)
    return max(1.0, float(np.sqrt(longest / 32)))


def default_K(precise: bool) -> float:
    """The K of ``npnet.compare``, times ``growth``."""
    return K_TRUTH if precise else K_REFERENCE


def judge_all(
    ours: Mapping[str, object],
    rules: Mapping[str, Rule],
    look: Callable[[str, Row], Iterable[Rule]],
) -> Report:
    """A report with a row for each rule.

    Args:
        look: a function that is called for a name that failed. It returns milder rules, if there is
            a reason for them; they are tried in order.
    """
    rows = []
    for name, rule in rules.items():
        if name not in ours:
            rows.append(Row(name=name, verdict="missing", reason="ours has no such name"))
            continue
        entry = ours[name]
        if isinstance(entry, Unmade):
            rows.append(Row(name=name, verdict=entry.verdict, reason=str(entry)))
            continue
        row = judge(name, entry, rule)
        if row.verdict in ("WRONG", "not finite"):
            for milder in look(name, row):
                row = judge(name, ours[name], milder)
                if row.ok:
                    break
        rows.append(row)
    precise = any(rule.truth is not None for rule in rules.values())
    K = min((rule.K for rule in rules.values()), default=0.0)
    text = rule_text(
        precise,
        any(rule.own_error for rule in rules.values()),
        any(rule.zero_scale is not None for rule in rules.values()),
        K,
    )
    return Report(tuple(rows), text, LABELS)


def _patched(ours: object, rule: Rule) -> object:
    """Ours, with the reference's entries where there is no derivative, so that these agree."""
    try:
        array = read_array("ours", ours)
    except UnusableArray:
        return ours
    if array.shape != rule.reference.shape:
        return ours
    return np.where(rule.left_out, _goal(rule), array).astype(array.dtype)


def _left_out(rule: Rule) -> str:
    """Which entries are not compared, and why: a kink, or a reference that is not finite."""
    unknown = rule.left_out & ~np.isfinite(rule.error)
    reasons = [
        (rule.left_out & ~unknown, "there is a kink there, and no derivative"),
        (unknown, "the numerical derivative is not finite there"),
    ]
    parts = []
    for entries, why in reasons:
        if count := int(entries.sum()):
            first = tuple(map(int, np.argwhere(entries)[0]))
            parts.append(f"{count} of {entries.size} entries left out, first {first}: {why}")
    return "; ".join(parts)


def _goal(rule: Rule) -> Floats:
    return rule.reference if rule.truth is None else rule.truth


def _is_wider(ours: object, reference: Floats) -> bool:
    return getattr(getattr(ours, "dtype", None), "name", "") == "float64" != reference.dtype


def _and(first: str, second: str) -> str:
    return f"{first}; {second}" if first else second
