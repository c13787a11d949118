"""One verdict on values, whole backward pass and single lines of another program.

The gradients are judged for *their* forward pass, with their values: a gradient that is right for a
different forward pass is called right. A gradient that is wrong by itself is not confused with
gradients that are wrong because of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.checks.compare import K_TRUTH, compare, zero_scales
from npnet.checks.forward_values import NOT_FINITE, Deviation, Forward
from npnet.checks.isolation import isolate
from npnet.checks.judging import K_BOTH
from npnet.checks.line_check import widened
from npnet.checks.report import Report
from npnet.checks.rounding import rounding_scales
from npnet.checks.stored import PRECISION_EPS
from npnet.network.forward import LINES
from npnet.network.gradients import GRADIENTS
from npnet.network.graph import readers, reads
from npnet.network.names import VALUE_NAMES


class Joint(NamedTuple):
    """The verdict on a forward and a backward pass.

    Attributes:
        forward: the verdict on the values.
        whole: the comparison of the gradients, end to end, for their values.
        alone: the gradients that are wrong by themselves, for their own upstream gradients.
        inherited: the gradients that are wrong only because of those in ``alone``.
        unjudged: the gradients that flow through a line that computes something unknown.
    """

    forward: Forward
    whole: Report
    alone: tuple[str, ...]
    inherited: tuple[str, ...]
    unjudged: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether values and gradients are right; gradients that were not judged count as wrong."""
        return self.forward.report.passed and self.whole.passed and not self.unjudged

    def __str__(self) -> str:
        for_it = " for it" if self.forward.wrong else ""
        parts = [str(self.forward)]
        if not self.whole.rows:
            parts.append("the gradients cannot be judged for it")
        elif self.whole.passed:
            others = "the other gradients" if self.unjudged else "the gradients"
            parts.append(f"{others} are right{for_it}")
        elif self.alone:
            one = len(self.alone) == 1
            names = ", ".join(f"d{name}" for name in self.alone)
            parts.append(f"{names} {'is' if one else 'are'} wrong{for_it}, given right inputs too")
        else:
            names = ", ".join(f"d{row.name}" for row in self.whole.failures)
            parts.append(f"{names}: wrong{for_it} end to end")
        if self.inherited:
            names = ", ".join(f"d{name}" for name in self.inherited)
            parts.append(
                f"wrong only because of {'it' if len(self.alone) == 1 else 'them'}: {names}"
            )
        if self.unjudged and self.whole.rows:
            names = ", ".join(f"d{name}" for name in self.unjudged)
            finite = all(deviation.said != NOT_FINITE for deviation in self.forward.deviations)
            why = "what they compute there is unknown" if finite else "values there are not finite"
            parts.append(f"not judged, since {why}: {names}")
        return "; ".join(parts)


def join(
    forward: Forward,
    theirs: Mapping[str, Array],
    precision: str,
    names: Sequence[str],
    labels: tuple[str, str] = ("theirs", "torch"),
) -> Joint:
    """Judge gradients of a whole backward pass for the forward pass that they belong to.

    Args:
        forward: the verdict on the values.
        theirs: the gradients by our names.
        precision: one of ``PRECISION_EPS``.
        names: the names to compare.
        labels: the names of the two sides in the report.
    """
    dtype = "float64" if precision == "float64" else "float32"
    eps = PRECISION_EPS[precision]
    here = _Pass(forward, dtype)
    wide = _Pass(forward, "float64")
    usable = {
        name: array
        for name, array in theirs.items()
        if name in GRADIENTS and array.shape == np.shape(forward.values[name])
    }
    with np.errstate(all="ignore"):
        whole32, whole64 = here.chain(usable), wide.chain(usable)
        upstream = {"loss": np.ones(()), **{name: usable[name] for name in usable}}
        lines32, lines64 = here.alone(upstream), wide.alone(upstream)
    unjudged = [
        name
        for name in GRADIENTS
        if here.through_unknown(name) or name not in whole64 or not np.isfinite(whole64[name]).all()
    ]
    asked = [name for name in names if name not in unjudged]
    unknown = {*theirs} - {*GRADIENTS} if {*names} == {*GRADIENTS} else set()
    ours = {name: array for name, array in theirs.items() if name in asked or name in unknown}

    def compared(
        mine: Mapping[str, Array],
        reference: Mapping[str, Array],
        truth: Mapping[str, Array],
        lines: bool,
    ) -> Report:
        given = {"loss": np.ones(()), **(widened(upstream) if lines else truth)}
        needed = VALUE_NAMES if lines else GRADIENTS
        scales: dict[str, float] = {}
        if all(name in given for name in needed):
            scales = rounding_scales(wide.values, given, eps, lines=lines)
        zero = lines or any(
            name not in truth or not np.isfinite(truth[name]).all()
            for name in ("hprebn", "norm_logits")
        )
        return compare(
            mine,
            reference,
            truth=None if dtype == "float64" else truth,
            K=K_BOTH if dtype == "float64" else K_TRUTH,
            zero_scales={} if zero else zero_scales(truth),
            scales=scales,
            coarse_eps=eps,
            labels=labels,
        )

    whole = compared(ours, {name: whole32[name] for name in asked}, whole64, False)
    failed = {row.name for row in whole.failures}
    single = {name: lines32[name] for name in GRADIENTS if name in failed and name in lines32}
    mine = {name: theirs[name] for name in single if name in theirs}
    found = isolate(whole, compared(mine, single, lines64, True), reads())
    inherited = tuple(name for name in GRADIENTS if name in found.inherited)
    return Joint(forward, whole, found.alone, inherited, tuple(n for n in unjudged if n in names))


class _Pass:
    """Their forward pass in one dtype, and the right gradients for it."""

    def __init__(self, forward: Forward, dtype: str) -> None:
        self.deviations: dict[str, Deviation] = {one.name: one for one in forward.deviations}
        self.values = {
            name: np.asarray(value, dtype) if np.asarray(value).dtype.kind == "f" else value
            for name, value in forward.values.items()
        }
        self.dtype = dtype

    def through_unknown(self, name: str) -> bool:
        """Whether a line that reads ``name`` computes something unknown."""
        lines = (self.deviations.get(line) for line in readers(name))
        return any(line is not None and not line.known for line in lines)

    def line(self, name: str, d: Mapping[str, Array]) -> Array:
        """The gradient of ``name`` for their values, from upstream gradients ``d``."""
        v, scaled = dict(self.values), dict(d)
        for reader in readers(name):
            deviation = self.deviations.get(reader)
            if deviation is None or deviation.factor is None:
                continue
            if deviation.eps is not None:
                v["eps"] = deviation.eps
            # A formula can read the result of its line: this is their result without the factor.
            v[reader] = np.asarray(LINES[reader](SimpleNamespace(**v)), self.dtype)  # type: ignore[arg-type]
            factor = 0.0 if deviation.ignores == name else deviation.factor
            if reader in scaled:
                scaled[reader] = np.asarray(scaled[reader] * factor, self.dtype)
        upstream = SimpleNamespace(
            **{key: np.asarray(each, self.dtype) for key, each in scaled.items()}
        )
        return np.asarray(GRADIENTS[name](SimpleNamespace(**v), upstream))  # type: ignore[arg-type]

    def chain(self, theirs: Mapping[str, Array]) -> dict[str, Array]:
        """All gradients; behind an unknown line, their own gradients are used if they exist."""
        d: dict[str, Array] = {"loss": np.ones((), self.dtype)}
        for name in GRADIENTS:
            if self.through_unknown(name):
                if name in theirs:
                    d[name] = theirs[name].astype(self.dtype)
            elif all(line in d for line in readers(name)):
                d[name] = self.line(name, d)
        return {name: d[name] for name in GRADIENTS if name in d}

    def alone(self, upstream: Mapping[str, Array]) -> dict[str, Array]:
        """Each gradient for their own upstream gradients, if these exist."""
        return {
            name: self.line(name, upstream)
            for name in GRADIENTS
            if not self.through_unknown(name) and all(line in upstream for line in readers(name))
        }
