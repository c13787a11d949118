"""A problem with torch's answers, and the rules that compare any program's gradients with them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from npnet.base.arrays import Array, Named, read_array
from npnet.base.equality import EqualFields
from npnet.base.errors import InputError, kind_of
from npnet.checks.compare import K_TRUTH, compare, zero_scales
from npnet.checks.report import Report, Row
from npnet.checks.rounding import rounding_scales
from npnet.network.forward import Values
from npnet.network.gradients import GRADIENTS, Gradients
from npnet.network.names import PARAMETER_NAMES, VALUE_NAMES

T = TypeVar("T")

PRECISIONS = ("float32", "float64")

# The arrays that a problem has in both precisions. `line`: each gradient computed alone, from the
# values of the forward pass and the random `upstream`.
KINDS = {
    "parameter": PARAMETER_NAMES,
    "value": VALUE_NAMES,
    "gradient": tuple(GRADIENTS),
    "upstream": VALUE_NAMES,
    "line": tuple(GRADIENTS),
}

# Without a finer truth: ours may be K_TRUTH times the rounding errors away from the truth, and so
# may the reference.
K_BOTH = 2 * K_TRUTH


def judge_by_truth(
    ours: Mapping[str, object],
    reference: Mapping[str, Array],
    truth: Mapping[str, Array],
    scales: Mapping[str, float],
    *,
    lines: bool,
    labels: tuple[str, str],
) -> Report:
    """Compare float32 gradients of a batch with a float64 truth; torch's error sets the bound.

    Where torch's error is small by luck, the size of the rounding errors sets it.

    A gradient that was widened to float64 is wrong too. Numbers without a dtype, such as nested
    lists, are accepted.

    Args:
        ours, reference, truth, labels: as ``npnet.compare`` takes them.
        scales: the sizes of the rounding errors, of ``rounding_scales``.
        lines: whether each line is taken alone; else ``truth`` has a whole backward pass.
    """
    report = compare(
        ours,
        reference,
        truth=truth,
        zero_scales={} if lines else zero_scales(truth),
        scales=scales,
        labels=labels,
    )

    def typed(row: Row) -> Row:
        fits = not row.ok or _dtype(ours[row.name]) in ("", reference[row.name].dtype.name)
        return row if fits else replace(row, verdict="dtype")

    return replace(report, rows=tuple(map(typed, report.rows)))


def _dtype(entry: object) -> str:
    """The dtype's name of an array or tensor; empty if it has none or cannot be read."""
    try:
        return read_array("ours", entry).dtype.name if hasattr(entry, "dtype") else ""
    except InputError:
        return ""


@dataclass(frozen=True, eq=False)
class Reference(EqualFields):
    """Torch's 26 gradients, and the rule by which others are compared with them.

    Attributes:
        gradients: torch's gradients in the precision in which ours are compared.
        truth: the same in float64; None if ``gradients`` are float64 themselves.
        lines: whether each line is taken alone, from random upstream gradients; else they are
            those of a whole backward pass, where two are mathematically zero.
        values: the float64 values of the forward pass, from which the size of the rounding errors
            is computed.
        given: the float64 gradients that each function is given: the upstream gradients of
            single lines, else the gradients themselves.
    """

    gradients: Named
    truth: Named | None
    lines: bool
    values: Mapping[str, Any]
    given: Mapping[str, Any]

    def judge(
        self,
        ours: Mapping[str, object],
        only: str | Iterable[str] | None = None,
        labels: tuple[str, str] = ("ours", "torch"),
    ) -> Report:
        """Compare by the rules of ``npnet.compare``: with a truth in float32, without in float64.

        If all arrays are float64, they are compared with the float64 truth itself. If only some
        are float64, these are wrong.

        Args:
            ours: name -> gradient, all 26 and nothing else. Names may have the lecture's d.
            only: one name or several of the 26, to compare only these.
            labels: the names of the two sides in the report.

        Raises:
            InputError: ``ours`` is not a mapping or has a name twice, ``only`` is empty or has an
                unknown name.
        """
        ours = plain_names(ours)
        reference: Mapping[str, Array] = self.gradients
        if only is not None:
            wanted = gradient_names(only)
            reference = {name: reference[name] for name in wanted}
            ours = {name: ours[name] for name in wanted if name in ours}
        precise = self.gradients if self.truth is None else self.truth
        if self.truth is None or {*map(_dtype, ours.values())} == {"float64"}:
            goal = {name: precise[name] for name in reference}
            zero = {} if self.lines else zero_scales(precise)
            scales = self._scales(np.float64)
            return compare(ours, goal, K=K_BOTH, zero_scales=zero, scales=scales, labels=labels)
        scales = self._scales(np.float32)
        return judge_by_truth(ours, reference, self.truth, scales, lines=self.lines, labels=labels)

    def _scales(self, dtype: type[np.floating[Any]]) -> dict[str, float]:
        eps = float(np.finfo(dtype).eps)
        return rounding_scales(self.values, self.given, eps, lines=self.lines)


@dataclass(frozen=True, eq=False)
class Problem(EqualFields):
    """Parameters and a batch, with the values and gradients that torch computes for them.

    Attributes:
        about: how they were made, and the versions of npnet and torch.
        sizes: the sizes of the axes n, T, E, H, V.
        batch: X (n, T) and Y (n,) in int64, eps as a float.
        arrays: the arrays by kind and precision, such as ``arrays["gradient", "float32"].logits``;
            ``KINDS`` lists kinds and names.
    """

    about: Mapping[str, Any]
    sizes: Mapping[str, int]
    batch: Named
    arrays: Mapping[tuple[str, str], Named]

    def values(self, precision: str = "float64") -> Values:
        """Parameters, batch and the twenty values, as ``npnet.forward`` returns them."""
        parameters, values = self.arrays["parameter", precision], self.arrays["value", precision]
        return Values({**parameters, **self.batch, **values})

    def upstream(self, precision: str = "float64") -> Gradients:
        """Random upstream gradients of the twenty values, for computing each line alone."""
        return Gradients(self.arrays["upstream", precision])

    def whole(self, precision: str = "float64") -> Reference:
        """The reference for a whole backward pass in ``precision``."""
        return self._reference("gradient", precision)

    def lines(self, precision: str = "float64") -> Reference:
        """The reference for each gradient alone, from ``values`` and ``upstream``."""
        return self._reference("line", precision)

    def _reference(self, kind: str, precision: str) -> Reference:
        lines, truth = kind == "line", self.arrays[kind, "float64"]
        return Reference(
            self.arrays[kind, precision],
            truth if precision == "float32" else None,
            lines,
            self.values(),
            self.upstream() if lines else truth,
        )


def plain_name(name: str) -> str:
    """``logits`` for ``dlogits``: no name of the 26 begins with a d itself."""
    return name[1:] if name[:1] == "d" and name[1:] in GRADIENTS else name


def plain_names(arrays: Mapping[str, T]) -> Mapping[str, T]:
    """``arrays`` under the names of the 26: the lecture's d is removed where there is one.

    Raises:
        InputError: it is not a mapping from names, or two entries are the same gradient.
    """
    if not isinstance(arrays, Mapping) or not all(isinstance(name, str) for name in arrays):
        raise InputError(f"gradients are {kind_of(arrays)}, wanted a mapping name -> array")
    plain = {plain_name(name): array for name, array in arrays.items()}
    if len(plain) < len(arrays):
        twice = next(name for name in plain if name in arrays and f"d{name}" in arrays)
        raise InputError(f"{twice} and d{twice} are the same gradient, wanted one of the two")
    return plain


def gradient_names(names: str | Iterable[str]) -> tuple[str, ...]:
    """One or several of the 26, without the lecture's d, in the order in which they are computed.

    Raises:
        InputError: there are none, or one is unknown.
    """
    plain = {plain_name(name) for name in ([names] if isinstance(names, str) else names)}
    unknown = plain - GRADIENTS.keys()
    if unknown or not plain:
        raise InputError(
            f"{', '.join(sorted(unknown)) or 'no name'}: none of the 26 gradients, wanted some of "
            f"{', '.join(GRADIENTS)}"
        )
    return tuple(name for name in GRADIENTS if name in plain)


def next_step(report: Report) -> str:
    """Two lines for a failed comparison: where to look first, and the command that helps."""
    wrong = {row.name: row for row in report.failures}
    first = next((name for name in GRADIENTS if name in wrong), None)
    if first is None:
        name = next(iter(wrong), "all")
        return f"first wrong: {name}, none of the 26 gradients\nnext: npnet explain"
    return f"first wrong in the order of computation: {first}\nnext: npnet explain {first}"
