"""Putting mistakes into right gradients, one at a time: does the check of a table find them?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.base.tables import table as text_table
from npnet.checks import line_numerical
from npnet.checks.line_check import rules_alone, rules_whole
from npnet.checks.line_rules import Rule, judge
from npnet.checks.lines import Lines

CAUGHT, MISSED, NONE = "caught", "missed", "no change"

# 1 % too large, like a mean of 101 rows that is divided by 100.
SCALE = 1.01


# Numbers that differ by less are the same; the difference is rounding of the numerical gradient.
EPS = float(np.finfo(np.float64).eps)
ROUNDING = 4


class Trial(NamedTuple):
    """One mistake in one gradient.

    Attributes:
        gradient: the name of the gradient.
        mistake: what is wrong, in words.
        alone, whole: the result of each comparison: ``caught``, ``missed``, or ``no change`` if
            the mistake gives the same numbers, such as the transpose of a symmetric matrix,
            or if the gradient is zero by mathematics and the mistake leaves it so.
    """

    gradient: str
    mistake: str
    alone: str
    whole: str


class Planted(NamedTuple):
    """All mistakes. It is true if each mistake that changes a number was caught alone."""

    trials: tuple[Trial, ...]

    @property
    def passed(self) -> bool:
        """Whether something was caught, and the comparison of each line alone missed nothing."""
        verdicts = [trial.alone for trial in self.trials]
        return CAUGHT in verdicts and MISSED not in verdicts

    @property
    def footer(self) -> str:
        """How many mistakes were caught, and how many change a number."""
        parts = []
        for label in ("alone", "whole"):
            verdicts = [getattr(trial, label) for trial in self.trials]
            told = len(verdicts) - verdicts.count(NONE)
            parts.append(f"{label}: {verdicts.count(CAUGHT)} of {told} caught")
        same = sum(trial.alone == NONE for trial in self.trials)
        return "; ".join([*parts, f"{same} change nothing, and are not counted"])

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        rows = [("gradient", "mistake", "alone", "whole"), *self.trials]
        return f"{text_table(rows, '<<<<')}\n{self.footer}"


def planted(table: Lines, seed: int = 0) -> Planted:
    """Put mistakes into the numerical gradients of a table, which are right, and judge them.

    The mistakes: 1 % too large, the other sign, zeros, one path left out of a value that several
    lines read, rows and columns exchanged, all entries shifted by one. Each mistake is judged
    alone, with random upstream gradients, and in the whole backward pass.

    Args:
        seed: the seed of the upstream gradients.

    Raises:
        InputError: as for ``Lines.check``.
    """
    values, start = table.values, table.start()
    upstream = table.upstream(values, seed)
    alone, _ = rules_alone(table, values, upstream)
    whole = rules_whole(table, values, start)
    backward = {**start, **{name: rule.reference for name, rule in whole.items()}}
    trials = []
    for name in table.gradients or alone:
        plants = [
            _plants(alone[name].reference, _paths(table, name, upstream)),
            _plants(whole[name].reference, _paths(table, name, backward)),
        ]
        trials += [
            Trial(
                name,
                mistake,
                _verdict(name, plants[0][mistake], alone[name]),
                _verdict(name, plants[1][mistake], whole[name]),
            )
            for mistake in plants[0]
        ]
    return Planted(tuple(trials))


def _paths(table: Lines, name: str, weights: Mapping[str, Array]) -> dict[str, Array]:
    """The part of the gradient of ``name`` through each line that reads it."""
    return {
        line: line_numerical.path(table, table.values, name, line, weights[line]).gradient
        for line in line_numerical.paths(table, name)
    }


def _plants(right: Array, paths: Mapping[str, Array]) -> dict[str, Array]:
    """The gradient with each mistake."""
    plants = {
        "1 % too large": right * SCALE,
        "the other sign": -right,
        "all zeros": np.zeros_like(right),
    }
    if len(paths) > 1:
        plants |= {f"without the path through {line}": right - path for line, path in paths.items()}
    if right.ndim > 1:
        plants["rows and columns exchanged"] = right.swapaxes(-1, -2).reshape(right.shape)
    if right.size > 1:
        plants["shifted by one"] = np.roll(right, 1)
    return plants


def _verdict(name: str, wrong: Array, rule: Rule) -> str:
    if rule.zero_scale is not None and np.abs(wrong).max() <= np.abs(rule.reference).max() * SCALE:
        return NONE
    if np.abs(wrong - rule.reference).max() <= ROUNDING * EPS * np.abs(rule.reference).max():
        return NONE
    return MISSED if judge(name, wrong, rule).ok else CAUGHT
