"""Judging the cells after a training loop: calibration of the batch norm, and evaluation."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from npnet.grading.effects import effects, read_names
from npnet.grading.truth import Backend
from npnet.grading.verdicts import Finding
from npnet.grading.watch import Statement, Watch

STATISTICS = ("mean", "var", "std")


def after_training(watch: Watch, loop: int) -> Iterator[Finding]:
    """The mistakes in the cells after the training loop.

    Args:
        watch: has seen all cells run.
        loop: the place of the loop among the statements.
    """
    made = effects(watch.statements[loop].node).makes
    left = {
        name: value
        for name, value in watch.statements[loop].after.items()
        if name in made and watch.backend.is_tensor(value)
    }
    remade: set[str] = set()
    for statement in watch.statements[loop + 1 :]:
        if not isinstance(statement.node, ast.FunctionDef) and statement.ran:
            yield from _calibration(statement, watch.backend)
            remade |= effects(statement.node).makes
        if _evaluates(statement.node):
            yield from _evaluation(statement, left, remade)


def _calibration(statement: Statement, backend: Backend) -> Iterator[Finding]:
    """A mistake: statistics over a minibatch, though there is a whole training set."""
    for node in ast.walk(statement.node):
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in STATISTICS
            and isinstance(node.func.value, ast.Name)
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and node.args[0].value == 0
        ):
            continue
        value: Any = statement.after.get(node.func.value.id)
        if not backend.is_tensor(value) or value.ndim != 2:
            continue
        largest = _largest_set(statement.after, backend)
        if len(value) * 2 <= largest:
            text = (
                f"the {node.func.attr} of {node.func.value.id} is over {len(value)} rows, the last "
                f"minibatch, and not over the training set of {largest} rows"
            )
            yield Finding(about="calibration", text=text, cell=statement.cell, line=node.lineno)
            return


def _largest_set(names: Mapping[str, Any], backend: Backend) -> int:
    """The number of rows of the largest tensor of integers with two axes."""
    return max(
        (
            len(value)
            for value in names.values()
            if backend.is_tensor(value)
            and value.ndim == 2
            and not value.requires_grad
            and "int" in str(value.dtype)
        ),
        default=0,
    )


def _evaluates(node: ast.stmt) -> bool:
    return any(
        isinstance(inner, ast.Call)
        and isinstance(inner.func, ast.Attribute)
        and inner.func.attr in ("cross_entropy", "nll_loss")
        for inner in ast.walk(node)
    )


def _evaluation(
    statement: Statement, left: Mapping[str, Any], remade: set[str]
) -> Iterator[Finding]:
    """Mistakes of an evaluation: it reads the last minibatch, or never reads one of its names."""
    node = statement.node
    bound: set[str] = set()
    if isinstance(node, ast.FunctionDef):
        bound = {argument.arg for argument in node.args.args}
        bound |= {name for part in node.body for name in effects(part).makes}
    else:
        bound = set(effects(node).makes)
    stale = sorted(
        name
        for name in read_names(node) - bound
        if name in left and name not in remade and not left[name].is_leaf
    )
    stale += sorted(
        name
        for name in read_names(node) - bound
        if name in left and name not in remade and left[name].is_leaf and name not in stale
    )
    statistics = [name for name in stale if left[name].ndim == 2 and len(left[name]) == 1]
    others = [name for name in stale if name not in statistics and left[name].ndim]
    who = node.name if isinstance(node, ast.FunctionDef) else "the evaluation"
    if statistics:
        text = f"{who} takes {' and '.join(statistics)} of the last minibatch of the training"
        yield Finding(about="calibration", text=text, cell=statement.cell, line=node.lineno)
    if others:
        text = f"{who} reads {' and '.join(others)} of the last minibatch, not of its own rows"
        yield Finding(about="evaluation", text=text, cell=statement.cell, line=node.lineno)
    if isinstance(node, ast.FunctionDef):
        loads = {
            inner.id
            for inner in ast.walk(node)
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load)
        }
        unread = sorted({name for name in bound if name not in loads and name != "_"})
        if unread:
            text = f"{who} never reads {' and '.join(unread)}"
            yield Finding(about="evaluation", text=text, cell=statement.cell, line=node.lineno)
