"""Comparing two sets of named arrays, ours and a reference: every name gets a row and a verdict."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from npnet.base.arguments import NAMES, require
from npnet.base.arrays import Array, UnusableArray, read_array
from npnet.base.errors import InputError, kind_of, shown
from npnet.checks.array_error import distance, eps, largest, max_ulp, shape_hint
from npnet.checks.report import Report, Row, Worst
from npnet.network.gradients import Gradients
from npnet.network.names import ZERO
from npnet.network.parameters import Parameters

# With a float64 truth, our error may be this many times the reference's own error, or this many
# times the size of rounding errors (``scales``). The errors of correct gradients are below 4 such
# units, in whole passes and in single lines.
K_TRUTH = 8.0
# Without a truth, the two may differ by this many eps times the largest entry. In a whole backward
# pass of 32 rows, the largest difference of correct gradients was 25 eps in float32 and 20 in
# float64 (10,000 new networks), and 38 in a trained network (4,000 batches). One percent is 84,000
# eps in float32. In batches of a few rows, cancellation costs more digits (214 eps for 4 rows, a
# million for 2): compare these with a truth.
K_REFERENCE = 128.0


def compare(
    ours: Mapping[str, object],
    reference: Mapping[str, object],
    *,
    truth: Mapping[str, object] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    K: float | None = None,
    zero_scales: Mapping[str, float] | None = None,
    scales: Mapping[str, float] | None = None,
    coarse_eps: float = 0.0,
    only: str | Iterable[str] | None = None,
    labels: tuple[str, str] = ("ours", "reference"),
) -> Report:
    """Compare every array of ``ours`` with the array of the same name in ``reference``.

    Nothing is broadcast. The comparison does not stop at the first fault. A row fails if only one
    side has the name, if it is None, if shape or dtype differ, or if an entry is not finite.

    There are three rules; max is over all entries of the array:

    * with a truth: max|ours - truth| <= K x max(max|reference - truth|, eps x max|truth|), with
      the eps of our dtype and K = 8. Without ``scales``, correct gradients of a whole backward
      pass may need K of 16 or 32.
    * without a truth: max|ours - reference| <= K x eps x max|reference|, with the eps of the
      coarser of the two dtypes and K = 128.
    * with rtol and atol: |ours - reference| <= atol + rtol x |reference| for every entry.

    Integers and bools must be equal under every rule. Without a truth, a float32 and a float64
    array fail, because widening a gradient is a mistake.

    Args:
        ours, reference: name -> array, or anything that ``np.asarray`` can read; tensors are
            detached first.
        truth: name -> float64 array, for every name of floats that is compared.
        rtol, atol: both or neither; not with ``truth``, ``K``, ``zero_scales`` or ``scales``.
        K: a factor, 0 or more.
        zero_scales: name -> sum of |summands|, for gradients that are mathematically zero. It
            replaces max|truth| or max|reference|. By default the function ``zero_scales`` computes
            these sums, if the truth (or else the reference) has the gradients that it needs, and
            if its b1 and logit_maxes are only rounding noise. ``{}`` turns this off.
        scales: name -> size of the rounding errors in units of eps, as
            ``npnet.checks.rounding.rounding_scales`` computes them. They replace max|truth| or
            max|reference| where they are larger, because the parts of a sum cancel.
        coarse_eps: the eps of the precision in which ours were computed, if it is coarser than
            their dtype. It replaces eps in the rules.
        only: one name or several; other names get no row. Zero scales are still computed from the
            whole reference. So ``compare(fused, backward(values), only=fused)`` compares the seven
            gradients of a fused backward pass, including b1.
        labels: the names of the two sides in the report.

    Returns:
        The report. Its rows have the order of the reference, followed by names that only ours has;
        with ``only``, they have the order of ``only``.

    Raises:
        InputError: arguments cannot be used together. Arrays in the mappings never raise an error.
    """
    _check_names("compare: ours", ours)
    _check_names("compare: reference", reference)
    _check_names("compare: truth", {} if truth is None else truth)
    _check_names("compare: zero_scales", {} if zero_scales is None else zero_scales)
    _check_names("compare: scales", {} if scales is None else scales)
    if not isinstance(labels, tuple) or [type(label) for label in labels] != [str, str]:
        raise InputError(f"compare: labels is {shown(labels)}, wanted a tuple of two strings")
    if (rtol is None) != (atol is None):
        raise InputError(
            f"compare: rtol is {shown(rtol)} and atol is {shown(atol)}, wanted both or neither: "
            "an entry may be off by atol + rtol x |reference|"
        )
    tolerances = None
    if rtol is not None:
        if not (truth is None and K is None and zero_scales is None and scales is None):
            raise InputError(
                "compare: rtol and atol with truth, K, zero_scales or scales, wanted one rule: "
                "the tolerances alone, or none"
            )
        tolerances = _number("rtol", rtol), _number("atol", atol)
    if K is None:
        K = K_REFERENCE if truth is None else K_TRUTH
    if zero_scales is not None:
        zero_scales = {name: _number("zero_scales", scale) for name, scale in zero_scales.items()}
    elif tolerances is None:
        zero_scales = _noise(reference if truth is None else truth)
    scales = {name: _number("scales", scale) for name, scale in (scales or {}).items()}
    comparison = _Comparison(
        ours,
        reference,
        truth,
        tolerances,
        _number("K", K),
        zero_scales or {},
        scales,
        _number("coarse_eps", coarse_eps),
        labels,
    )
    names = [*reference, *(name for name in ours if name not in reference)]
    if only is not None:
        require("compare", "only", only, NAMES)
        wanted = [only] if isinstance(only, str) else list(only)
        if strange := [name for name in wanted if name not in names]:
            raise InputError(
                f"compare: only has {shown(strange[0])}, which neither side has, wanted some of "
                f"{', '.join(names)}"
            )
        names = wanted
    rows = tuple(map(comparison.row, names))
    return Report(rows, comparison.rule(), labels, None if tolerances else comparison.K)


def zero_scales(gradients: Mapping[str, Any]) -> dict[str, float]:
    """The scales for comparing the two gradients that are mathematically zero.

    They are sums that cancel: db1 sums the columns of dhprebn, dlogit_maxes the rows of
    -dnorm_logits. Their rounding noise is proportional to the largest sum of |summands|.

    Args:
        gradients: has ``hprebn`` (n, H) and ``norm_logits`` (n, V) of a whole backward pass.

    Returns:
        ``{"b1": ..., "logit_maxes": ...}``, summed in float64.

    Raises:
        InputError: one of the two is missing, or not a matrix of finite floats.
    """
    _check_names("zero_scales: gradients", gradients)
    scales = {}
    for name, (source, axis) in ZERO.items():
        array = read_array(f"zero_scales: {source}", gradients.get(source))
        if array.ndim != 2 or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise InputError(
                f"zero_scales: {source} is {array.dtype} of shape {array.shape}, "
                "wanted a matrix of finite floats"
            )
        scales[name] = float(np.abs(array).sum(axis, dtype=np.float64).max(initial=0))
    return scales


def _noise(gradients: Mapping[str, Any]) -> dict[str, float]:
    """``zero_scales`` of the gradients of a whole backward pass; otherwise an empty dict.

    Gradients computed line by line from random upstream gradients have the same names, but their
    b1 and logit_maxes are not noise. They get no zero scales.
    """
    try:
        scales = zero_scales(gradients)
        arrays = {name: read_array(name, gradients.get(name)) for name in ZERO}
    # not the gradients of a whole pass; an unusable array gets its own failing row
    except InputError:
        return {}
    is_noise = (
        array.dtype.kind == "f" and largest(array) <= K_REFERENCE * eps(array) * scales[name]
        for name, array in arrays.items()
    )
    return scales if all(is_noise) else {}


@dataclass(frozen=True)
class _Comparison:
    """The arguments of ``compare``, after checking."""

    ours: Mapping[str, object]
    reference: Mapping[str, object]
    truth: Mapping[str, object] | None
    tolerances: tuple[float, float] | None  # rtol, atol
    K: float
    zero_scales: Mapping[str, float]
    scales: Mapping[str, float]
    coarse_eps: float
    labels: tuple[str, str]

    def rule(self) -> str:
        """The rule in words, for the report."""
        ours, reference = self.labels
        if self.tolerances:
            rtol, atol = self.tolerances
            return f"|{ours} - {reference}| <= {atol:g} + {rtol:g} x |{reference}| at every entry"
        error, scale = f"max|{ours} - {reference}|", f"max|{reference}|"
        allowed = f"eps x {scale}"
        if self.truth is not None:
            error, scale = f"max|{ours} - truth|", "max|truth|"
            allowed = f"max(max|{reference} - truth|, eps x {scale})"
        if self.scales:
            allowed = allowed.replace(scale, "scale")
            allowed += f", scale {scale} or, if larger, the size of its rounding errors"
        zero = f"; (zero): sum|summands| for {scale}" if self.zero_scales else ""
        return f"{error} <= {self.K:g} x {allowed}{zero}"

    def row(self, name: str) -> Row:
        """Judge one name."""
        try:
            arrays = self.arrays(name)
        except UnusableArray as error:
            return Row(name=name, verdict=error.verdict, reason=str(error))
        # ``judged`` finds overflow and entries that are not finite, and describes them.
        with np.errstate(all="ignore"):
            return self.judged(name, *arrays)

    def arrays(self, name: str) -> tuple[Array, Array, Array | None]:
        """The two or three arrays of one name, with equal shapes; or raise UnusableArray."""
        label, other = self.labels
        if name not in self.ours:
            raise UnusableArray("missing", f"{label} has no such name, {other} has")
        if name not in self.reference:
            raise UnusableArray("extra", f"{label} has it, {other} has no such name")
        if self.reference[name] is None:
            raise UnusableArray(
                "None",
                "the reference's .grad is None: the forward pass ran again after the backward "
                "pass, so these tensors are new: run forward, retain_grad and backward together",
            )
        ours = read_array(label, self.ours[name])
        reference = read_array(other, self.reference[name])
        floats = {ours.dtype.kind, reference.dtype.kind} == {"f"}
        if ours.dtype != reference.dtype and not floats:
            raise UnusableArray(
                "dtype", f"dtype {ours.dtype}, wanted {reference.dtype} like {other}"
            )
        if ours.shape != reference.shape:
            hint = shape_hint(ours.shape, reference.shape)
            raise UnusableArray(
                "shape", f"shape {ours.shape}, wanted {reference.shape} like {other}{hint}"
            )
        if not ours.size:
            raise UnusableArray(
                "empty", f"shape {ours.shape} has no entries, wanted some to compare"
            )
        if self.truth is None or not floats:
            return ours, reference, None
        if name not in self.truth:
            raise UnusableArray("truth", "truth has no such name, wanted one for every name")
        truth = read_array("truth", self.truth[name])
        if truth.dtype != np.float64 or truth.shape != ours.shape:
            raise UnusableArray(
                "truth",
                f"truth is {truth.dtype} of shape {truth.shape}, wanted float64 of {ours.shape}",
            )
        return ours, reference, truth

    def judged(self, name: str, ours: Array, reference: Array, truth: Array | None) -> Row:
        """The row of one name, whose arrays have equal shapes."""
        integers = ours.dtype.kind != "f"
        goal = reference if truth is None else truth
        difference, error = distance(ours, reference), distance(ours, goal)
        limit = 0.0 if integers else self.bound(name, ours, reference, truth)
        bound = np.broadcast_to(limit, ours.shape)
        known = np.isfinite(reference) & np.isfinite(goal)
        finite = known & np.isfinite(ours)
        bad = ours != reference if integers else ~finite | (error > bound)
        # Bad entries that cannot be ranked come first: not finite, or integers beyond float64.
        ranked = finite & (~bad | (error > bound))
        place = int(np.argmax(np.where(ranked, error - bound, np.inf)))
        number = int if integers else float
        worst = Worst(
            index=tuple(map(int, np.unravel_index(place, ours.shape))),
            ours=number(ours.flat[place]),
            reference=number(reference.flat[place]),
            truth=None if truth is None else float(truth.flat[place]),
        )
        verdict, reason = "ok", ""
        if ours.dtype != reference.dtype:
            verdict = "dtype" if truth is None else "ok"
            wider = ours.dtype.itemsize > reference.dtype.itemsize
            reason = f"dtype {ours.dtype}, wanted {reference.dtype} like {self.labels[1]}"
            reason += ": a wider operand widened it" if wider else ""
        if verdict == "ok" and not finite.all():
            verdict = "not finite"
            where = worst.text(self.labels)
            reason = f"{(~finite).sum()} of {ours.size} entries are not finite, first {where}"
        elif verdict == "ok" and bad.any():
            verdict = "WRONG"
            where = worst.text(self.labels)
            reason = (
                f"{bad.sum()} of {ours.size} entries beyond the bound, worst {where}, "
                f"off by {error.flat[place]:.2g}, bound {bound.flat[place]:.2g}"
            )
            if name in ZERO and not self.zero_scales and self.is_noise_of_npnet(name):
                reason += "; end to end it is zero by mathematics: give zero_scales"
        return Row(
            name=name,
            exact=ours.dtype == reference.dtype and bool((ours == reference).all()),
            approximate=bool(np.allclose(ours, reference)),
            maxdiff=float(difference.max()),
            scale=largest(reference),
            max_ulp=None if integers else max_ulp(ours, reference),
            error=float(error.max()),
            reference_error=None if truth is None else float(distance(reference, truth).max()),
            ratio=None if integers else self.ratio(limit, float(error.max())),
            limit=None if integers or self.tolerances else self.K,
            bad=int(bad.sum()),
            total=ours.size,
            worst=worst,
            bound=float(bound.flat[place]),
            zero_scale=self.zero_scales.get(name),
            blind=verdict != "dtype" and bool((known & (distance(0.0, goal) <= bound)).all()),
            verdict=verdict,
            reason=reason,
        )

    def ratio(self, limit: float | Array, error: float) -> float | None:
        """The error in units of the size that the rule multiplies by K, if the rule has a K."""
        if self.tolerances:
            return None
        unit = float(np.max(limit)) / self.K if self.K else 0.0
        return error / unit if unit else 0.0 if error == 0 else math.inf

    def is_noise_of_npnet(self, name: str) -> bool:
        """Whether one side is npnet's own gradients, and this gradient is only noise.

        Another network may have a ``b1`` too, and its gradient need not be zero.
        """
        own = (Parameters, Gradients)
        if not isinstance(self.ours, own) and not isinstance(self.reference, own):
            return False
        try:
            arrays = {key: read_array(key, self.reference[key]) for key in self.reference}
        except UnusableArray:
            return False
        others = (largest(array) for key, array in arrays.items() if key not in ZERO)
        return largest(arrays[name]) <= K_REFERENCE * eps(arrays[name]) * max(others, default=0.0)

    def bound(self, name: str, ours: Array, reference: Array, truth: Array | None) -> float | Array:
        """The largest allowed error of floats, for the tensor or for each entry."""
        if self.tolerances:
            rtol, atol = self.tolerances
            return atol + rtol * distance(0.0, reference)
        scale = self.zero_scales.get(name, largest(reference if truth is None else truth))
        scale = max(scale, self.scales.get(name, 0.0))
        if truth is None:
            return self.K * max(eps(ours), eps(reference), self.coarse_eps) * scale
        unit = max(eps(ours), self.coarse_eps)
        return self.K * max(largest(distance(reference, truth)), unit * scale)


def _check_names(what: str, entries: object) -> None:
    if not isinstance(entries, Mapping) or not all(isinstance(name, str) for name in entries):
        raise InputError(f"{what} is {kind_of(entries)}, wanted a mapping from names")


def _number(name: str, value: object) -> float:
    if not isinstance(value, Real) or not math.isfinite(value) or value < 0:
        raise InputError(f"compare: {name} is {shown(value)}, wanted a finite number, 0 or more")
    return float(value)
