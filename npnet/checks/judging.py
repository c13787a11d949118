"""The rule for comparing the gradients of any program with those of a ``Reference``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array, UnusableArray, read_array
from npnet.base.errors import InputError, shown
from npnet.checks.compare import K_TRUTH, compare, zero_scales
from npnet.checks.looks_like import explain
from npnet.checks.report import Report, Row
from npnet.checks.rounding import rounding_scales
from npnet.checks.stored import HALVES, PRECISION_EPS
from npnet.checks.ties import accept_shared

if TYPE_CHECKING:
    from npnet.checks.reference import Reference

# Without a finer truth, ours and the reference may each differ from the true value by K_TRUTH times
# the rounding errors.
K_BOTH = 2 * K_TRUTH

IN_JAX = 'JAX has no float64 unless jax.config.update("jax_enable_x64", True) was called first; '
SINGLE = 'for float32 take the reference in float32, such as CASE.whole("float32")'


def judge(
    reference: Reference,
    ours: Mapping[str, object],
    names: Sequence[str],
    labels: tuple[str, str],
    precision: str | None,
) -> Report:
    """``Reference.judge``, for gradients under our names.

    Args:
        names: the names to compare. A name that ``ours`` does not have is missing.
        precision: as for ``Reference.judge``.
    """
    kinds = {*map(dtype_of, ours.values())} - {""}
    if precision is None and len(kinds) == 1 and kinds <= HALVES:
        [precision] = kinds
    if precision is not None and precision not in PRECISION_EPS:
        raise InputError(
            f"judge: precision {shown(precision)}, wanted one of {', '.join(PRECISION_EPS)}"
        )
    double = reference.truth is None or kinds == {"float64"} or precision == "float64"
    if precision is not None and precision != "float64":
        double = reference.truth is None
        ours = {name: _cast(entry, double) for name, entry in ours.items()}
    eps = PRECISION_EPS[precision or ("float64" if double else "float32")]

    @cache  # the causes of a failed comparison ask for it many times
    def scales(unit: float) -> dict[str, float]:
        return rounding_scales(reference.values, reference.given, unit, lines=reference.lines)

    def by_rule(arrays: Mapping[str, object], wanted: Sequence[str], unit: float) -> Report:
        return _by_rule(reference, arrays, wanted, labels, double, unit, scales(unit))

    report = by_rule(ours, names, eps)
    if report:
        return report
    if reference.lines:
        report = accept_shared(
            report,
            ours,
            reference.values,
            reference.given,
            lambda array: by_rule({"logits": array}, ["logits"], eps).passed,
        )
    report = replace(report, rows=tuple(_with_dtype(row, ours, reference) for row in report.rows))
    precise = reference.gradients if reference.truth is None else reference.truth
    return explain(report, _readable(ours), precise, eps, by_rule)


def _by_rule(
    reference: Reference,
    ours: Mapping[str, object],
    names: Sequence[str],
    labels: tuple[str, str],
    double: bool,
    eps: float,
    scales: Mapping[str, float],
) -> Report:
    """The comparison by the rule, with this eps and the size of its rounding errors."""
    precise = reference.gradients if reference.truth is None else reference.truth
    if double or reference.truth is None:
        return compare(
            ours,
            {name: precise[name] for name in names},
            K=K_BOTH,
            zero_scales={} if reference.lines else zero_scales(precise),
            scales=scales,
            coarse_eps=eps,
            labels=labels,
        )
    return judge_by_truth(
        ours,
        {name: reference.gradients[name] for name in names},
        reference.truth,
        scales,
        lines=reference.lines,
        labels=labels,
        coarse_eps=eps,
    )


def _cast(entry: object, double: bool) -> object:
    """Floats of any precision in the dtype of the reference; everything else as it is."""
    try:
        array = read_array("ours", entry)
    except UnusableArray:
        return entry
    with np.errstate(over="ignore"):
        return (
            array.astype("float64" if double else "float32") if array.dtype.kind == "f" else entry
        )


def _readable(ours: Mapping[str, object]) -> dict[str, Array]:
    found = {}
    for name, entry in ours.items():
        try:
            found[name] = read_array("ours", entry)
        except UnusableArray:
            continue
    return found


def _with_dtype(row: Row, ours: Mapping[str, object], reference: Reference) -> Row:
    """The row of a float32 array that was compared with float64, with advice."""
    entry = ours.get(row.name)
    if row.verdict != "dtype" or reference.truth is not None or dtype_of(entry) != "float32":
        return row
    jax = type(entry).__module__.partition(".")[0] in ("jax", "jaxlib")
    return replace(row, reason=f"{row.reason}: {IN_JAX if jax else ''}{SINGLE}")


def judge_by_truth(
    ours: Mapping[str, object],
    reference: Mapping[str, Array],
    truth: Mapping[str, Array],
    scales: Mapping[str, float],
    *,
    lines: bool,
    labels: tuple[str, str],
    coarse_eps: float = 0.0,
) -> Report:
    """Compare float32 gradients of a batch with a float64 truth; torch's error sets the bound.

    If torch's error is small by chance, the size of the rounding errors sets the bound.

    A gradient that was widened to float64 is wrong. Numbers without a dtype, such as nested lists,
    are accepted.

    Args:
        ours, reference, truth, labels: as for ``npnet.compare``.
        scales: the sizes of the rounding errors, from ``rounding_scales``.
        lines: whether each line is taken alone; if not, ``truth`` is a whole backward pass.
        coarse_eps: as for ``npnet.compare``.
    """
    report = compare(
        ours,
        reference,
        truth=truth,
        zero_scales={} if lines else zero_scales(truth),
        scales=scales,
        coarse_eps=coarse_eps,
        labels=labels,
    )

    def typed(row: Row) -> Row:
        fits = not row.ok or dtype_of(ours[row.name]) in ("", reference[row.name].dtype.name)
        return row if fits else replace(row, verdict="dtype")

    return replace(report, rows=tuple(map(typed, report.rows)))


def dtype_of(entry: object) -> str:
    """The name of the dtype of an array or tensor; "" if it has none or cannot be read."""
    if not hasattr(entry, "dtype"):
        return ""
    if str(entry.dtype).endswith("bfloat16"):  # bfloat16 is read as float32
        return "bfloat16"
    try:
        return read_array("ours", entry).dtype.name
    except InputError:
        return ""
