"""Right and wrong gradients of many random tables: the verdicts of ``npnet.Lines.check``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from npnet.base.errors import InputError
from npnet.checks.kinks import lines_with_kinks
from npnet.checks.line_check import LinesCheck
from npnet.checks.lines import DTYPES, Lines
from oracle.lines import array_of, tensor_of
from oracle.pieces import Piece
from oracle.random_tables import RandomTable, random_table

# What a wrong gradient is multiplied by.
FACTORS = (1.01, -1.0, 0.0)
# The bound of a gradient that has its digits is below this share of the largest entry.
CLEAR = 1e-3


class RefusedRow(NamedTuple):
    """A right gradient that was refused, or a wrong one that was not.

    Attributes:
        seed, kind: of ``oracle.random_tables.random_table``.
        lines: what the table is made of.
        way: ``alone`` or ``whole``.
        dtype: float32 or float64.
        gradient: its name.
        reason: of the check; or what the mistake is.
    """

    seed: int
    kind: str
    lines: str
    way: str
    dtype: str
    gradient: str
    reason: str


class TableFuzz(NamedTuple):
    """What was tried, and what the check did wrong.

    Attributes:
        tables: how many were checked.
        overflowed: seeds whose values overflow, which were left out.
        sets: way and dtype -> how many sets of right gradients were judged.
        refused: right gradients that were refused.
        planted: how many wrong gradients were judged, each alone.
        missed: wrong gradients that passed.
    """

    tables: int
    overflowed: int
    sets: dict[tuple[str, str], int]
    refused: list[RefusedRow]
    planted: int
    missed: list[RefusedRow]

    @property
    def passed(self) -> bool:
        """No right gradient refused and no wrong one missed."""
        return not (self.refused or self.missed)


def fuzz_tables(seeds: Iterable[int]) -> TableFuzz:
    """Check right gradients of a random table for each seed, in both dtypes.

    The gradients are NumPy's by hand, in one of several usual ways. For every third seed they are
    those of torch's autograd, in float32 alone: the check cannot look into torch's float64, where
    a saturated softmax may lose digits unseen. Every fourth table gets a wrong gradient as well.

    Args:
        seeds: of the tables, 0 or more each.

    Raises:
        InputError: no seeds.
    """
    sets = {(way, dtype): 0 for dtype in DTYPES for way in ("alone", "whole")}
    refused: list[RefusedRow] = []
    missed: list[RefusedRow] = []
    tables = overflowed = planted = 0
    for seed in seeds:
        by_torch = seed % 3 == 2
        made = random_table(seed, torch_way if by_torch else None)
        if made is None:
            overflowed += 1
            continue
        if by_torch and not _finite(made.table):
            overflowed += 1
            continue
        tables += 1
        for dtype in DTYPES[: 1 if by_torch else 2]:
            checked = made.table.check(dtype)
            for way, report in (("alone", checked.alone), ("whole", checked.whole)):
                sets[way, dtype] += 1
                refused += [
                    _row(seed, made, way, dtype, row.name, row.reason) for row in report.failures
                ]
            if seed % 4 == 1:
                count, passed = _plant(seed, made, dtype, checked)
                planted += count
                missed += passed
    if not tables + overflowed:
        raise InputError("fuzz_tables: no seeds, wanted one or more")
    return TableFuzz(tables, overflowed, sets, refused, planted, missed)


def _finite(table: Lines) -> bool:
    """Whether torch's gradients are finite: x / (1 + exp(-x)) may be where its slope overflows."""
    return all(np.isfinite(entry).all() for entry in table.backward("float32").values())


def _row(
    seed: int, made: RandomTable, way: str, dtype: str, gradient: str, reason: str
) -> RefusedRow:
    return RefusedRow(
        seed, made.kind, ", ".join(made.pieces.values()), way, dtype, gradient, reason
    )


def _plant(
    seed: int, made: RandomTable, dtype: str, checked: LinesCheck
) -> tuple[int, list[RefusedRow]]:
    """How many mistakes were planted, one or none; and the mistake if the check misses it.

    Only in a gradient that has its digits, and is not zero: elsewhere a mistake may be smaller than
    the rounding error. And only where there are no kinks, at which zeros may be right.
    """
    kinked = lines_with_kinks(made.table, made.table.forward(dtype))
    clear = [
        row.name
        for row in checked.alone.rows
        if row.ok
        and not row.reason
        and row.name not in kinked
        and (row.bound or 0) < CLEAR * (row.scale or 0)
    ]
    if not clear:
        return 0, []
    rng = np.random.default_rng([seed, 1])
    name, factor = str(rng.choice(clear)), float(rng.choice(FACTORS))
    table = made.table

    def wrong(v: Any, d: Any) -> Any:
        return table.gradients[name](v, d) * factor

    changed = Lines(
        table.lines,
        table.inputs,
        gradients={**table.gradients, name: wrong},
        integers=table.integers,
        constants=table.constants,
    )
    if name in {row.name for row in changed.check(dtype).alone.failures}:
        return 1, []
    return 1, [_row(seed, made, "alone", dtype, name, f"multiplied by {factor:g}")]


class _TorchWords:
    """torch's functions by NumPy's names and arguments."""

    max = staticmethod(torch.amax)

    @staticmethod
    def maximum(x: Tensor, least: float) -> Tensor:
        """torch.maximum takes no numbers."""
        return x.clamp(min=least)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def torch_way(piece: Piece, place: int) -> Callable[..., Any]:
    """A gradient of a piece by torch's autograd."""

    def way(g: Any, y: Any, *read: Any) -> Any:
        tensors = [tensor_of(entry) if np.asarray(entry).ndim else entry for entry in read]
        tensors[place] = tensors[place].requires_grad_()
        result = piece.f(_TorchWords(), *tensors)
        (gradient,) = torch.autograd.grad(result, tensors[place], tensor_of(np.asarray(g)))
        return array_of(gradient)

    return way
