"""Changing the code of a cell so that its training loop stops after fewer steps, or not at all.

People try a loop with ``if i >= 100: break``, run the cells below, remove the ``break`` and run the
loop again, but not the cells below. These cells then show figures of the first run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from npnet.notebooks.magics import plain_python

# Steps that people try first: a round number, or one more if the loop stops after a test for it.
USUAL: Final = (101, 1001, 1, 10, 100, 1000, 10001, 10000)
_BREAK: Final = re.compile(r"\bif\s+\w+\s*(>=|>|==)\s*(\d[\d_]*)\s*:[^\n]*?(?:\n[\s#]*)?\bbreak\b")
_LEFT: Final = "_steps_left_of_the_trial"


def has_training_loop(source: str) -> bool:
    """Whether a cell has a loop that changes parameters step by step."""
    return _loop_of(_tree(source)) is not None


def stopped_after(source: str, steps: int | None) -> str | None:
    """The cell with its training loop stopped after ``steps``; None: without its ``break``.

    The result is None if the cell has no such loop, or no ``break`` to remove.
    """
    tree = _tree(source)
    loop = _loop_of(tree)
    if loop is None:
        return None
    if steps is None:
        kept = [part for part in loop.body if not _only_breaks(part)]
        if len(kept) == len(loop.body) or not kept:
            return None
        loop.body = kept
    else:
        loop.body += ast.parse(f"if next({_LEFT}, None) is None:\n    break").body
        tree.body[:0] = ast.parse(f"{_LEFT} = iter(range({steps - 1}))").body
    return ast.unparse(ast.fix_missing_locations(tree))


def steps_to_try(source: str, others: Iterable[str]) -> Iterator[int | None]:
    """Steps after which the loop may have stopped, first those of a ``break`` (also in comments).

    Args:
        source: the source of the cell with the loop.
        others: the other cells of the notebook.
    """
    found: dict[int | None, None] = {}
    for text in (source, *others):
        for sign, digits in _BREAK.findall(text):
            number = int(digits) + (sign == ">")
            found |= {number + 1: None, number: None}
    if stopped_after(source, None) is not None:
        found[None] = None
    found |= dict.fromkeys(USUAL)
    return (steps for steps in found if steps is None or steps > 0)


def _tree(source: str) -> ast.Module:
    try:
        return ast.parse(plain_python(source).source)
    except SyntaxError:
        return ast.Module([], [])


def _loop_of(tree: ast.Module) -> ast.For | ast.While | None:
    """The last training loop at the top of a cell, or in a ``with`` there."""
    loops = (loop for part in reversed(tree.body) if (loop := _loop_in(part)) is not None)
    return next(loops, None)


def _loop_in(node: ast.stmt) -> ast.For | ast.While | None:
    if isinstance(node, ast.With):
        return next((loop for part in node.body if (loop := _loop_in(part)) is not None), None)
    if isinstance(node, ast.For | ast.While) and any(map(_trains, ast.walk(node))):
        return node
    return None


def _trains(node: Any) -> bool:
    """Whether this is ``x.backward()``, ``optimizer.step()``, or a change of ``p.data``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ("backward", "step")
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return isinstance(node, ast.Assign | ast.AugAssign) and any(
        isinstance(target, ast.Attribute) and target.attr == "data" for target in targets
    )


def _only_breaks(node: ast.stmt) -> bool:
    if isinstance(node, ast.If) and node.orelse:
        return False
    body = node.body if isinstance(node, ast.If) else [node]
    return all(isinstance(part, ast.Break) for part in body)
