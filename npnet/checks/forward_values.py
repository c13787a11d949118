"""Judging the forward pass of another program: where its values differ from torch's, and how.

"Their" values are those of the other program. Each line is also judged alone, from their values of
the lines before it, so that a line that is wrong by itself is not confused with lines that are
wrong because of it. If their result is a constant times the right one, or the result for another
eps, we know what they compute, and can judge their gradients for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.checks.array_error import named
from npnet.checks.compare import compare
from npnet.checks.line_check import widened
from npnet.checks.looks_like import explain, is_stored_otherwise, ratio
from npnet.checks.reference import Problem
from npnet.checks.report import Report, Row
from npnet.checks.rounding import FUNCTION, ROUNDED, VALUES, Errors
from npnet.checks.stored import PRECISION_EPS
from npnet.network.forward import LINES
from npnet.network.names import PARAMETER_NAMES, VALUE_NAMES

KNOWN = (*PARAMETER_NAMES, *VALUE_NAMES)

# The allowed error of a value, in units of its rounding errors: for one line alone, and for the
# whole pass, in which our errors and torch's add up.
K_VALUES = 16.0

NOT_FINITE = "not finite"  # said of a line


class Deviation(NamedTuple):
    """A line whose result is not what it should be for their own values.

    Attributes:
        name: the name of the result.
        said: how it differs; "" if that is unknown.
        factor: the factor by which it is too large, if it is known what they compute.
        eps: the eps with which it was computed, if another eps explains it.
        ignores: a value that the line should read but does not.
    """

    name: str
    said: str
    factor: float | None = None
    eps: float | None = None
    ignores: str = ""

    @property
    def known(self) -> bool:
        return self.factor is not None


class Forward(NamedTuple):
    """The verdict on a forward pass.

    Attributes:
        report: the comparison of their values with torch's; values that they do not have are left
            out.
        deviations: the lines that are wrong by themselves, in the order in which they run.
        values: their values, in their dtype. Values that they do not have are computed from the
            others.
    """

    report: Report
    deviations: tuple[Deviation, ...]
    values: dict[str, Any]

    @property
    def wrong(self) -> tuple[str, ...]:
        """The values that differ from torch's, in the order in which they are computed."""
        failed = {row.name for row in self.report.failures}
        return tuple(name for name in KNOWN if name in failed)

    def __str__(self) -> str:
        if not self.wrong:
            return "the forward pass is right"
        first, *_ = self.wrong
        if first in PARAMETER_NAMES:
            names = ", ".join(name for name in self.wrong if name in PARAMETER_NAMES)
            return f"the parameters are not those of the problem: {names}"
        deviations = {deviation.name: deviation for deviation in self.deviations}
        if first not in deviations:
            row = next(row for row in self.report.rows if row.name == first)
            how = "though its line is right for their values: compare the batch"
            how = row.verdict if row.verdict != "WRONG" else how
            return f"the forward pass differs from {first} on ({row.looks_like or how})"
        text = f"the forward pass differs from {_told(deviations.pop(first))}"
        return text + "".join(f", and {_told(other)}" for other in deviations.values())


def _told(deviation: Deviation) -> str:
    return f"{deviation.name} on ({deviation.said or 'no constant ratio'})"


def judge_values(
    problem: Problem,
    theirs: Mapping[str, Array],
    precision: str,
    labels: tuple[str, str] = ("theirs", "torch"),
) -> Forward:
    """Compare values of a forward pass with torch's, and each line with its own inputs.

    Args:
        problem: the problem of the golden set.
        theirs: some of the seven parameters and twenty values; other names are ignored.
        precision: one of ``PRECISION_EPS``.
        labels: the names of the two sides in the report.
    """
    dtype = "float64" if precision == "float64" else "float32"
    eps = PRECISION_EPS[precision]
    given = {name: theirs[name] for name in KNOWN if name in theirs}
    torch, truth = dict(problem.values(dtype)), dict(problem.values("float64"))
    scales = value_scales(truth, eps, lines=False)

    def rule(arrays: Mapping[str, object], names: Sequence[str], unit: float) -> Report:
        return _compared(arrays, {name: torch[name] for name in names}, truth, scales, unit, labels)

    report = rule(given, tuple(given), eps)
    if not report:
        report = explain(report, given, {name: truth[name] for name in KNOWN}, eps, rule)
    values: dict[str, Any] = dict(problem.batch)
    values |= {name: problem.arrays["parameter", dtype][name] for name in PARAMETER_NAMES}
    deviations = []
    # Without values of another shape, and values that are right except for how they are stored.
    usable = {
        row.name: given[row.name]
        for row in report.rows
        if row.verdict in ("ok", "WRONG", "not finite") and not is_stored_otherwise(row)
    }
    values |= {name: array for name, array in usable.items() if name in PARAMETER_NAMES}
    with np.errstate(all="ignore"):
        for name, line in LINES.items():
            right = np.asarray(line(SimpleNamespace(**values)))  # type: ignore[arg-type]
            if name not in usable:
                values[name] = right.astype(dtype)
                continue
            found = _deviation(name, usable[name], values, problem.sizes, dtype, eps)
            if found is not None:
                deviations.append(found)
            values[name] = usable[name].astype(dtype)
    return Forward(_told_once(report, deviations), tuple(deviations), values)


def _told_once(report: Report, deviations: Sequence[Deviation]) -> Report:
    """``report`` with one common reason for all values that are wrong because of others."""
    failed = {row.name for row in report.failures}
    first = next((name for name in KNOWN if name in failed), "")
    own = {first, *(deviation.name for deviation in deviations)}

    def told(row: Row) -> Row:
        if row.verdict != "WRONG" or row.name in own:
            return row
        return replace(row, reason="right for their values before it", looks_like="")

    return replace(report, rows=tuple(map(told, report.rows)))


def _compared(
    arrays: Mapping[str, object],
    reference: Mapping[str, Array],
    truth: Mapping[str, Any],
    scales: Mapping[str, float],
    eps: float,
    labels: tuple[str, str],
) -> Report:
    double = all(np.asarray(array).dtype == np.float64 for array in reference.values())
    precise = {name: np.asarray(truth[name]) for name in reference}
    return compare(
        arrays,
        precise if double else reference,
        truth=None if double else precise,
        K=K_VALUES,
        zero_scales={},
        scales=scales,
        coarse_eps=eps,
        labels=labels,
    )


def _deviation(
    name: str,
    mine: Array,
    values: Mapping[str, Any],
    sizes: Mapping[str, int],
    dtype: str,
    eps: float,
) -> Deviation | None:
    """How the result of a line differs from the right one for their values; None if it is right."""
    narrow = SimpleNamespace(**values)
    wide = SimpleNamespace(**widened(values))
    line: Any = LINES[name]
    setattr(wide, name, np.asarray(line(wide), np.float64))
    own = value_scales(vars(wide), eps, lines=True, only=name)

    def passes(array: Array, **changed: Any) -> bool:
        here = np.asarray(line(SimpleNamespace(**{**vars(narrow), **changed})), dtype)
        truth = np.asarray(line(SimpleNamespace(**{**vars(wide), **changed})), np.float64)
        return _compared(
            {name: array}, {name: here}, {name: truth}, own, eps, ("theirs", "torch")
        ).passed

    if passes(mine):
        return None
    right: Array = getattr(wide, name)
    if not np.isfinite(right).all() and np.array_equal(np.isfinite(mine), np.isfinite(right)):
        return None  # wrong because of the values before it
    if not np.isfinite(mine).all() or not np.isfinite(right).all():
        return Deviation(name, "" if np.isfinite(mine).all() else NOT_FINITE)
    factor = ratio(mine, right)
    if factor and passes((mine / np.float64(factor)).astype(mine.dtype)):
        words = named(factor, sizes, max(64 * eps, 1e-12))
        if mine.size > 2 or ":" in words or words.count("=") > 1:
            return Deviation(name, f"ratio {words}", factor)
    if name == "norm_logits" and passes((mine - wide.logit_maxes).astype(mine.dtype)):
        return Deviation(name, "logit_maxes is not subtracted", 1.0, ignores="logit_maxes")
    if name == "bnvar_inv":
        # Computed from their results, which must all give the same eps.
        found = float(np.median(mine.astype(np.float64) ** -2.0 - wide.bnvar))
        for near in (_rounded(found), found):
            if 0 <= near < np.inf and passes(mine, eps=near):
                return Deviation(name, f"eps {near:.3g} for {values['eps']:.3g}", 1.0, near)
    offset = float(np.mean(mine - right))
    if mine.size > 2 and passes((mine - offset).astype(mine.dtype)):
        return Deviation(name, f"off by the constant {offset:.6g}", 1.0)
    return Deviation(name, "")


def _rounded(number: float) -> float:
    """The number with two digits, as people write an eps."""
    return float(f"{number:.1e}")


def value_scales(
    values: Mapping[str, Any], eps: float, *, lines: bool, only: str = ""
) -> dict[str, float]:
    """For each of the twenty values, the size of its rounding errors in units of eps.

    Args:
        values: the parameters, the batch and the values of a forward pass, in float64.
        eps: the eps of the dtype whose errors these are.
        lines: whether each line is taken alone, from exact inputs.
        only: the only line to compute; None: all.
    """
    v = SimpleNamespace(**{name: np.asarray(value) for name, value in values.items()})
    _, kind, count = np.unique(v.X, axis=0, return_inverse=True, return_counts=True)
    e = Errors(eps=eps, alike=np.asarray(count[kind.reshape(-1, 1)], np.float64))
    scales = {}
    with np.errstate(all="ignore"):
        for name, of_value in VALUES.items():
            # the maximum of exact numbers is exact
            if only and (name != only or name == "logit_maxes"):
                continue
            squares = of_value(v, e)
            if not lines:
                setattr(e, name, squares)
            scales[name] = float(np.sqrt(np.max(squares)))
        if not only:
            # The last two values, whose errors are in no gradient.
            logprobs = e.probs / v.probs**2 + FUNCTION * v.logprobs**2
            scales["logprobs"] = float(np.sqrt(np.max(logprobs)))
            targets = logprobs[np.arange(len(v.Y)), v.Y] if np.ndim(logprobs) else logprobs
            scales["loss"] = float(np.sqrt(np.max(targets) + ROUNDED * v.loss**2))
    return {name: scale for name, scale in scales.items() if np.isfinite(scale)}
