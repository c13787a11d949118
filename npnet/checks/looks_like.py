"""Finding a simple cause that explains the numbers of a wrong array, except for rounding.

A cause is named only if the array would be right without it, by the same rule that refused the
array. A right array has no cause, and no cause is a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from npnet.base.arrays import Array
from npnet.checks.array_error import largest, named
from npnet.checks.report import Report, Row
from npnet.checks.stored import ENOUGH, PRECISION_EPS, looks_half

Rule = Callable[[Mapping[str, object], Sequence[str], float], Report]

# Arrays with these verdicts are explained.
EXPLAINED = ("WRONG", "shape", "not finite")

BIG_ENDIAN = "the other byte order: try --big-endian, or swap the bytes (NumPy's .byteswap())"
COLUMNS = (
    "column-major memory, as Fortran, Julia, MATLAB and Eigen have it: try --column-major, or "
    "write it row by row"
)
ROWS = "row-major memory that was read by columns: leave out --column-major"
BOTH = "column-major memory in the other byte order: try --column-major --big-endian"
TRANSPOSED = "its transpose: write {name}.T"
SINGLE = "float32 accuracy in {dtype}: try --precision float32"
HALF = "{kind}, {bits} bits of precision: try --precision {kind}"
ROUNDED = (
    "products of factors rounded to 11 bits, TF32 or float16: switch that off, or try "
    "--precision tf32"
)


def explain(
    report: Report, ours: Mapping[str, Array], right: Mapping[str, Array], eps: float, rule: Rule
) -> Report:
    """``report`` with ``looks_like`` in those failing rows that have a simple cause.

    Args:
        report: a failed comparison.
        ours: its arrays that can be read.
        right: the right arrays, in float64 if possible.
        eps: the eps of the rule.
        rule: a function that compares arrays by the same rule, with any eps.
    """
    suspects = [row for row in report.failures if row.verdict in EXPLAINED and row.name in ours]
    if not suspects:
        return report

    def passes(name: str, array: Array, unit: float = eps) -> bool:
        return rule({name: array}, [name], unit).passed

    n, V = right["logits"].shape
    T, E = right["emb"].shape[1:]
    sizes = {"n": n, "V": V, "H": right["h"].shape[1], "T": T, "E": E}
    with np.errstate(all="ignore"):  # the numbers can be anything
        causes = _causes(suspects, ours, right, sizes, eps, passes)

    def told(row: Row) -> Row:
        return replace(row, looks_like=causes[row.name]) if row.name in causes else row

    return replace(report, rows=tuple(map(told, report.rows)))


def is_stored_otherwise(row: Row) -> bool:
    """Whether a row's numbers are right, but in another order in memory."""
    return any(cause in row.looks_like for cause in (BIG_ENDIAN, COLUMNS, ROWS, BOTH))


def _causes(
    suspects: Sequence[Row],
    ours: Mapping[str, Array],
    right: Mapping[str, Array],
    sizes: Mapping[str, int],
    eps: float,
    passes: Callable[..., bool],
) -> dict[str, str]:
    """The cause of each row that has one, by name."""
    kind = _half(suspects, ours, eps, passes)
    if kind:
        text = HALF.format(kind=kind, bits=8 if kind == "bfloat16" else 11)
        return {row.name: f"looks like {text}" for row in suspects}
    causes: dict[str, str] = {}
    for row in suspects:
        # otherwise the array is only rounding, which looks like anything
        if row.zero_scale is None:
            found = next(_of_one(row.name, ours[row.name], right, sizes, eps, passes), "")
            causes |= {row.name: f"looks like {found}"} if found else {}
    left = [row for row in suspects if row.name not in causes and row.verdict == "WRONG"]
    text = _of_precision(left, ours, right, eps, passes) if left else ""
    return causes | {row.name: f"looks like {text}" for row in left if text}


def _of_one(
    name: str,
    mine: Array,
    right: Mapping[str, Array],
    sizes: Mapping[str, int],
    eps: float,
    passes: Callable[..., bool],
) -> Iterator[str]:
    """The causes that explain one array, beginning with the likeliest."""
    wanted = right[name]
    if mine.dtype.kind != "f" or mine.size != wanted.size:
        return
    if mine.shape != wanted.shape:
        if mine.shape == wanted.shape[::-1] and passes(name, mine.T):
            yield TRANSPOSED.format(name=name)
        return
    if not mine.any() and wanted.any():
        yield "zeros: it was never computed, or never written"
        return
    swapped = mine.byteswap()
    if passes(name, swapped):
        yield BIG_ENDIAN
    if min(mine.shape, default=1) > 1 and mine.ndim > 1:
        if mine.shape == mine.shape[::-1] and passes(name, mine.T):
            yield TRANSPOSED.format(name=name)
        if passes(name, _by_columns(mine)):
            yield COLUMNS
        if passes(name, _by_columns(swapped)):
            yield BOTH
        if passes(name, mine.ravel(order="F").reshape(mine.shape)):
            yield ROWS
    if not np.isfinite(mine).all():
        return
    yield from _of_factor(name, mine, wanted, sizes, eps, passes)
    for other, array in right.items():
        fits = other != name and array.shape == mine.shape and _differ(array, wanted, eps)
        if fits and passes(other, mine):
            yield f"that of {other}, not of {name}"


def _by_columns(array: Array) -> Array:
    """The same memory, read as if it were in column order."""
    return np.ascontiguousarray(array).reshape(array.shape[::-1]).T


def _of_factor(
    name: str,
    mine: Array,
    wanted: Array,
    sizes: Mapping[str, int],
    eps: float,
    passes: Callable[..., bool],
) -> Iterator[str]:
    factor = ratio(mine, wanted)
    if not factor or not np.isfinite(factor):
        return
    with np.errstate(all="ignore"):
        undone = (mine / np.float64(factor)).astype(mine.dtype)
    if not passes(name, undone):
        return
    # How exactly the factor can be seen in the numbers.
    words = named(factor, sizes, max(64 * eps, 1e-12))
    if "=" in words or ":" in words or len(np.unique(np.abs(wanted[wanted != 0]))) > 2:
        yield f"the right one times {words}"


def ratio(mine: Array, right: Array) -> float:
    """The factor times ``right`` that is nearest to ``mine``; 0 if there is none."""
    one, other = mine.astype(np.float64).ravel(), right.astype(np.float64).ravel()
    scale = largest(other)
    if not scale:
        return 0.0
    one, other = one / scale, other / scale
    return float(one @ other / (other @ other))


def _differ(one: Array, other: Array, eps: float) -> bool:
    """Whether two right arrays differ by more than rounding."""
    return largest(one - other) > 1e4 * eps * max(largest(one), largest(other))


def _half(
    rows: Sequence[Row], ours: Mapping[str, Array], eps: float, passes: Callable[..., bool]
) -> str:
    """The half precision that all these arrays have, if they are right by its eps."""
    kind = looks_half(ours[row.name] for row in rows)
    unit = PRECISION_EPS[kind] if kind else 0.0
    fits = unit > eps and all(passes(row.name, ours[row.name], unit) for row in rows)
    return kind if fits else ""


def _of_precision(
    left: Sequence[Row],
    ours: Mapping[str, Array],
    right: Mapping[str, Array],
    eps: float,
    passes: Callable[..., bool],
) -> str:
    """Another precision that explains all arrays which have no other cause."""
    single, tf32 = PRECISION_EPS["float32"], PRECISION_EPS["tf32"]
    if eps < single and all(passes(row.name, ours[row.name], single) for row in left):
        return SINGLE.format(dtype=ours[left[0].name].dtype)
    if eps != single:
        return ""
    pairs = [(ours[row.name], right[row.name]) for row in left if row.zero_scale is None]
    noise = pairs and all(_is_noise(mine, wanted) for mine, wanted in pairs)
    if noise and all(passes(row.name, ours[row.name], tf32) for row in left):
        return ROUNDED
    return ""


def _is_noise(mine: Array, wanted: Array) -> bool:
    """Whether the error is as small as that of TF32, and has both signs, as rounding errors do."""
    error = mine.astype(np.float64) - wanted
    known = error != 0
    if np.count_nonzero(known) < ENOUGH:
        return False
    above = np.count_nonzero(error[known] * wanted[known] > 0) / np.count_nonzero(known)
    small = largest(error) <= 4 * PRECISION_EPS["tf32"] * largest(wanted)
    return bool(small and 0.2 < above < 0.8 and abs(ratio(mine, wanted) - 1) < 2.0**-11)
