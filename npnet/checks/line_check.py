"""Checking the hand-written gradients of a table: each line alone, and all of them in order.

``network`` gives npnet's own network as such a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from npnet.base.arrays import Floats, Named
from npnet.base.errors import InputError, shown
from npnet.checks import line_numerical
from npnet.checks.array_error import largest
from npnet.checks.called_functions import made
from npnet.checks.differentiate import Derivative
from npnet.checks.isolation import Isolation, isolate
from npnet.checks.kinks import from_choice, left_out, lines_with_kinks
from npnet.checks.line_rounding import dtype_of, rounding_alone, rounding_whole
from npnet.checks.line_rules import K_WHOLE, Rule, default_K, growth, judge_all, rule_for
from npnet.checks.line_table import WHO
from npnet.checks.lines import DTYPES, Lines
from npnet.checks.report import Report, Row
from npnet.network.forward import LINES
from npnet.network.gradients import GRADIENTS
from npnet.network.names import PARAMETERS, ZERO, shape_of

SIZES = {"n": 4, "T": 2, "E": 2, "H": 3, "V": 5}


@cache
def network() -> Lines:
    """The twenty lines and the 26 gradients, with a small random batch.

    ``network().at(C=…, W1=…, X=…, Y=…, eps=…)`` is the same for another batch.
    """
    shapes = {entry.name: shape_of(entry.name, SIZES) for entry in PARAMETERS}
    batch = {"X": (SIZES["n"], SIZES["T"]), "Y": (SIZES["n"],)}
    return Lines(
        LINES,
        {**shapes, **batch},
        gradients=GRADIENTS,
        integers=dict.fromkeys(batch, SIZES["V"]),
        constants={"eps": 1e-5},
        zero=ZERO,
    )


@dataclass(frozen=True, repr=False)
class LinesCheck:
    """The result of checking a table. It is true if all gradients are right.

    Attributes:
        dtype: the dtype of the compared gradients.
        alone: the report on each gradient alone, for right values and random upstream gradients.
        whole: the report on the gradients of a whole backward pass.
        isolation: which are wrong by themselves, and which only because of others.
        differences: name -> why finite differences replace the complex step.
        method: how the reference was computed.
        values: the report on the values of the forward pass, if there is a reference for them.
    """

    dtype: str
    alone: Report
    whole: Report
    isolation: Isolation
    differences: Mapping[str, str]
    method: str = "complex step"
    values: Report | None = None

    @property
    def passed(self) -> bool:
        """Whether all gradients are right, alone and in order, and all compared values too."""
        values = self.values is None or self.values.passed
        return values and self.alone.passed and self.whole.passed

    @property
    def first_wrong(self) -> str | None:
        """The first gradient that is wrong by itself, in the order in which they run."""
        wrong = (*self.isolation.alone, *self.isolation.unexplained)
        return wrong[0] if wrong else None

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        """Both tables, the method, and the places of the mistakes."""
        parts = []
        if self.values is not None:
            parts = [f"the forward pass, {self.dtype}", str(self.values)]
        parts.append(f"each line alone, {self.dtype}, random upstream gradients: {self._method()}")
        parts += [str(self.alone), f"the whole backward pass, {self.dtype}", str(self.whole)]
        return "\n".join([*parts, str(self.isolation)])

    __repr__ = __str__

    def to_json(self) -> str:
        """The result as strict JSON."""
        content = {
            "passed": self.passed,
            "dtype": self.dtype,
            "first_wrong": self.isolation._asdict(),
            "method": self.method,
            "differences": self.differences,
            "values": None if self.values is None else json.loads(self.values.to_json()),
            "alone": json.loads(self.alone.to_json()),
            "whole": json.loads(self.whole.to_json()),
        }
        return json.dumps(content, indent=1)

    def _method(self) -> str:
        if not self.differences:
            return self.method
        by_reason: dict[str, list[str]] = {}
        for name, why in self.differences.items():
            by_reason.setdefault(why, []).append(name)
        groups = (f"{', '.join(names)} ({why})" for why, names in by_reason.items())
        return f"{self.method}; finite differences for {'; '.join(groups)}"


def check(table: Lines, dtype: str = "float64", seed: int = 0) -> LinesCheck:
    """Compare the hand-written gradients of a table with numerical ones.

    In float64 they are compared by the rule of ``npnet.compare``. In float32 the truth is the
    float64 result for the same values, and our error may be a few times the error of the numerical
    gradient in float32. For lines that do not work with complex numbers, finite differences are
    used, and the bound includes their own error.

    An entry without a derivative (a tie, a ReLU at 0) is left out, and the report says so. If terms
    cancel so that only rounding errors remain, the loss of digits is measured, and the bound is
    larger by this loss.

    Args:
        dtype: the dtype in which the hand-written gradients run: float64 or float32.
        seed: the seed of the upstream gradients.

    Raises:
        InputError: there are no gradients, the dtype is another one, or ``zero`` names a gradient
            that is not zero.
    """
    table.refuse_no_gradients("check")
    if dtype not in DTYPES:
        raise InputError(f"{WHO}: dtype is {shown(dtype)}, wanted {' or '.join(DTYPES)}")
    values = table.forward(dtype)
    upstream, start = table.upstream(values, seed), table.start(values)
    lone, differences = rules_alone(table, values, upstream)
    lines = each_alone(table, values, upstream, lone)
    whole = in_order(table, values, start, rules_whole(table, values, start))
    return LinesCheck(dtype, lines, whole, isolate(whole, lines, table.reads), differences)


def each_alone(
    table: Lines,
    values: Named,
    upstream: Mapping[str, Floats],
    rules: Mapping[str, Rule],
    functions: Mapping[str, Any] | None = None,
) -> Report:
    """The report of each gradient alone.

    Args:
        rules: from ``rules_alone``, for the same values and upstream gradients.
        functions: functions to judge in place of those of the table.
    """
    chosen = table.gradients if functions is None else functions
    ours = {
        name: made(name, function, *table.views(values, upstream, name))
        for name, function in chosen.items()
    }

    def look(name: str, row: Row) -> Iterator[Rule]:
        rule = rules[name]
        for milder in left_out(table, values, name, upstream, rule, whole=False):
            yield (rule := milder)
        yield from rounding_alone(table, name, rule, chosen[name], values, upstream, row)

    return judge_all(ours, rules_in_order(table, rules), look)


def rules_in_order(table: Lines, rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """The rules in the order in which the hand-written gradients run."""
    return {name: rules[name] for name in table.gradients or rules}


def rules_alone(
    table: Lines, values: Named, upstream: Mapping[str, Floats]
) -> tuple[dict[str, Rule], dict[str, str]]:
    """The rule for each gradient alone; and why finite differences were needed, if they were."""
    narrow = line_numerical.alone(table, values, upstream)
    wide = None
    if dtype_of(table, values) == "float32":
        wide = line_numerical.alone(table, widened(values), widened(upstream))
    K = default_K(wide is not None) * (1 if wide is None else growth(values))
    rules, differences = {}, {}
    for name in table.named:
        troubles = [
            f"line {line}: {one.trouble}" for line, one in narrow[name].items() if one.trouble
        ]
        if troubles:
            differences[name] = "; ".join(troubles)
        precise = None if wide is None else [*wide[name].values()]
        rules[name] = rule_for([*narrow[name].values()], precise, K)
    return rules, differences


def in_order(
    table: Lines,
    values: Named,
    start: Mapping[str, Floats],
    rules: Mapping[str, Rule],
    functions: Mapping[str, Any] | None = None,
) -> Report:
    """The report of a whole backward pass; each function gets the results of earlier ones.

    Args:
        rules: from ``rules_whole``, for the same values and start.
        functions: functions to judge in place of those of the table.
    """
    found: dict[str, Any] = dict(start)
    chosen = table.gradients if functions is None else functions
    for name, function in chosen.items():
        found[name] = made(name, function, *table.views(values, found, name))
    kinked = cache(lambda: lines_with_kinks(table, values))

    def look(name: str, row: Row) -> Iterator[Rule]:
        rule = rules[name]
        for milder in left_out(table, values, name, start, rule, whole=True):
            yield (rule := milder)
        for milder in from_choice(table, values, name, found, kinked(), rule):
            yield (rule := milder)
        after = {name, *line_numerical.depends(table, name)}
        branches = not after.isdisjoint(kinked())
        yield from rounding_whole(table, name, rule, chosen, values, start, row, branches)

    return judge_all(found, rules_in_order(table, rules), look)


def rules_whole(table: Lines, values: Named, start: Mapping[str, Floats]) -> dict[str, Rule]:
    """The rule for each gradient of a whole backward pass.

    Raises:
        InputError: ``zero`` names a gradient that is not zero.
    """
    narrow, wide = line_numerical.whole(table, values, start), None
    if dtype_of(table, values) == "float32":
        exact = table.at(**{name: values[name] for name in table.inputs})
        wide = line_numerical.whole(table, exact.values, widened(start))
    precise = narrow if wide is None else wide
    scales = zero_scales(table, precise)
    K = default_K(False) if wide is None else K_WHOLE * growth(values)
    return {
        name: rule_for([narrow[name]], None if wide is None else [wide[name]], K, scales.get(name))
        for name in table.named
    }


def zero_scales(table: Lines, gradients: Mapping[str, Derivative]) -> dict[str, float]:
    """The sum of |summands| for each gradient that is declared to be zero.

    Raises:
        InputError: such a gradient is not zero.
    """
    scales = {}
    for name, (source, axis) in table.zero.items():
        summed = np.abs(gradients[source].gradient.astype(np.float64)).sum(axis)
        scales[name] = float(summed.max(initial=0))
        found = largest(gradients[name].gradient)
        if found > 1e-6 * scales[name]:
            raise InputError(
                f"{WHO}: zero has {name}, but its gradient is as large as {found:.2g} beside "
                f"{scales[name]:.2g} that cancel, wanted one that is zero for any inputs"
            )
    return scales


def widened(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The entries, with all floats in float64."""
    return {
        name: np.asarray(entry, np.float64) if np.asarray(entry).dtype.kind == "f" else entry
        for name, entry in entries.items()
    }
