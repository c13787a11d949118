"""Testing the check itself: which wrong gradients does each way of comparing find?"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from npnet.checks.compare import compare
from npnet.network.forward import forward
from npnet.network.gradients import GRADIENTS
from oracle.judge import chained, end_to_end, per_line
from oracle.mistakes import LECTURE, MISTAKES, Mistake, network, rerun
from oracle.whole import whole

Tolerances = Mapping[str, tuple[float, float]]

# rtol and atol: the defaults of ``np.allclose``, and looser ones that people use.
TOLERANCES: Tolerances = {"allclose": (1e-5, 1e-8), "1e-2": (1e-2, 1e-2)}

# How many sets of right gradients, in the lecture's sizes, are compared with torch's.
RUNS = 20


class Trial(NamedTuple):
    """One mistake: whether the judge refuses it, and which tolerances refuse it, end to end."""

    gradient: str
    what: str
    per_line: bool
    end_to_end: bool
    by_tolerance: dict[str, bool]

    @property
    def caught(self) -> bool:
        """Whether one of the judge's two tables refuses it."""
        return self.per_line or self.end_to_end


class SelfTest(NamedTuple):
    """All mistakes, and how many of ``RUNS`` sets of right gradients each way refuses."""

    trials: list[Trial]
    false_alarms: dict[str, int]

    @property
    def passed(self) -> bool:
        """Whether the judge refused every mistake and no right gradient."""
        judge = self.false_alarms["per line"] + self.false_alarms["end to end"]
        return not judge and all(trial.caught for trial in self.trials)


def selftest(rtol: float | None = None, atol: float | None = None) -> SelfTest:
    """Try every wrong gradient, and the right ones, on ``oracle.mistakes.network``.

    Args:
        rtol, atol: tolerances to try in addition to ``TOLERANCES``, both or neither. They are used
            with ``np.allclose``, as in many scripts: it broadcasts, and arrays that it cannot
            compare count as refused.

    Raises:
        InputError: rtol is given without atol, or a number is not a tolerance.
    """
    compare({}, {}, rtol=rtol, atol=atol)  # raises InputError if these are not tolerances
    tolerances = dict(TOLERANCES)
    if rtol is not None and atol is not None:
        tolerances[f"rtol {rtol:g} atol {atol:g}"] = rtol, atol
    params, X, Y = network()
    values, reference = whole(params, X, Y)
    v = forward(params, X, Y)
    right = chained(GRADIENTS, v)
    # Tolerances that refuse the right gradients too do not find the mistake.
    clean = {label: _refused(right, reference, *pair) for label, pair in tolerances.items()}

    def trial(mistake: Mistake) -> Trial:
        wrong = chained(mistake.table, v)
        return Trial(
            mistake.gradient,
            mistake.what,
            per_line=not per_line(values, mistake.table),
            end_to_end=not end_to_end(params, X, Y, functions=mistake.table),
            by_tolerance={
                label: bool(_refused(wrong, reference, *pair) - clean[label])
                for label, pair in tolerances.items()
            },
        )

    trials = [trial(mistake) for mistake in MISTAKES]
    stale = rerun(params, X, Y)
    trials.append(
        Trial(
            "(torch's)",
            "forward pass rerun after the backward: .grad is None",
            per_line=False,
            end_to_end=not compare(right, stale),
            by_tolerance={
                label: bool(_refused(right, stale, *pair)) for label, pair in tolerances.items()
            },
        )
    )
    return SelfTest(trials, _false_alarms(tolerances))


def _false_alarms(tolerances: Tolerances) -> dict[str, int]:
    alarms = dict.fromkeys(("per line", "end to end", *tolerances), 0)
    for seed in range(RUNS):
        params, X, Y = network(seed, sizes=LECTURE)
        values, reference = whole(params, X, Y)
        right = chained(GRADIENTS, forward(params, X, Y))
        alarms["per line"] += not per_line(values, seed=seed)
        alarms["end to end"] += not end_to_end(params, X, Y)
        for label, pair in tolerances.items():
            alarms[label] += bool(_refused(right, reference, *pair))
    return alarms


def _refused(
    ours: Mapping[str, Any], reference: Mapping[str, Any], rtol: float, atol: float
) -> set[str]:
    return {name for name in reference if not _close(ours[name], reference[name], rtol, atol)}


def _close(ours: Any, reference: Any, rtol: float, atol: float) -> bool:
    try:
        return bool(np.allclose(ours, reference, rtol, atol))
    except (TypeError, ValueError):  # shapes that do not broadcast, or objects that are not arrays
        return False
