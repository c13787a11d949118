"""Wrong versions of our own code: each has one edit, which is described in words.

The diagnosis compares a learner's numbers with the numbers of these versions. They are made from
the 26 gradients and the fused forms in the lecture's notation. Mistakes that need more than one
edit are in ``npnet.learn.wrong_gradients``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, NamedTuple

from npnet.learn.exercises import EXERCISES, Exercise
from npnet.learn.formula_edits import called, changes
from npnet.learn.notation import plain

# Calls of these use only the shape of their arguments, so their arguments are not edited.
SHAPES_ONLY = ("len", "zeros_like", "ones_like", "shape", "arange")
# The arguments of these are options, not values.
WITH_AXES = ("sum", "argmax", "reshape")
# If several edits give the same numbers, the report names the one with the lowest rank.
RARE = {
    "path": -1,
    **dict.fromkeys(("bracket", "twice", "product", "sums", "reshape", "ones", "name"), 1),
    **dict.fromkeys(("inverse", "function", "extreme", "root", "coefficient", "share"), 2),
    **dict.fromkeys(("extra", "reduced"), 3),
}
NO_FORMULA = ("targets", "target", "keywords", "slice")


class Mutant(NamedTuple):
    """One wrong version.

    ``kind``: a word for the kind of mistake; ``said``: the mistake in words; ``statement``: the
    statement with the mistake; ``code``: all statements, as they run.
    """

    kind: str
    said: str
    statement: str
    code: str


def rare(mutant: Mutant) -> int:
    """How rare the mistake is: 0 for most mistakes, more for rare ones."""
    return RARE.get(mutant.kind, 0)


@cache
def mutants(name: str) -> tuple[Mutant, ...]:
    """The wrong versions of the solution of an exercise, the more common mistakes first."""
    exercise = EXERCISES[name]
    found = _mutants("\n".join(exercise.code), exercise)
    return tuple(sorted(found, key=rare))


@cache
def double_mutants(name: str) -> tuple[Mutant, ...]:
    """The wrong versions with two edits, both of the more common kinds."""
    found: dict[str, Mutant] = {}
    for one in mutants(name):
        if rare(one) <= 0:
            for two in _mutants(one.code, EXERCISES[name]):
                if rare(two) <= 0:
                    both = two._replace(
                        kind=f"{one.kind}, {two.kind}", said=f"{one.said}, and {two.said}"
                    )
                    found.setdefault(two.code, both)
    return tuple(found.values())


def _mutants(code: str, exercise: Exercise) -> Iterator[Mutant]:
    tree = ast.parse(code)
    done = {ast.unparse(tree)}
    for place, statement in enumerate(tree.body):
        if not _makes_gradient(statement):
            continue
        for put, old, kind, said, new in _slips(tree, place, exercise):
            put(new)
            text = ast.unparse(tree)
            if text not in done:
                done.add(text)
                shown = _shown(ast.unparse(tree.body[place]))
                if isinstance(new, ast.Pass):
                    shown = "our lines without one"
                yield Mutant(kind, _shown(said), shown, text)
            put(old)


def _slips(
    tree: ast.Module, place: int, exercise: Exercise
) -> Iterator[tuple[Callable[[Any], None], ast.AST, str, str, ast.AST]]:
    """For each place: a function that replaces its piece, the piece, and a wrong one."""
    statement = tree.body[place]
    if isinstance(statement, ast.AugAssign):
        replace = partial(tree.body.__setitem__, place)
        text = ast.unparse(statement)
        yield replace, statement, "step", f"{text} is missing", ast.Pass()
        for operator in (ast.Add(), ast.Sub(), ast.Mult(), ast.Div()):
            other = ast.AugAssign(statement.target, operator, statement.value)
            yield replace, statement, "step", f"that stands where {text} belongs", other
    for put, node in _places(statement):
        for kind, said, changed in changes(node, exercise):
            yield put, node, kind, said, changed


def _shown(code: str) -> str:
    """Code in the sheet's style, without unparse's spaces around ``**`` and extra brackets."""
    return re.sub(r"\*\*\((-[\d.]+)\)", r"**\1", plain(code))


def _makes_gradient(statement: ast.stmt) -> bool:
    """Whether the statement is more than preparation: it changes an array, or sets a gradient."""
    return not isinstance(statement, ast.Assign) or ast.unparse(statement).startswith(
        ("d", "largest")
    )


def _places(node: ast.AST) -> Iterator[tuple[Callable[[ast.expr], None], ast.expr]]:
    """Every part of the formula below ``node``, with a function that replaces it."""
    if _gives_shape(node):
        return
    skipped = None
    if isinstance(node, ast.Call) and called(node) in WITH_AXES:
        skipped = "args"
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        skipped = "right"  # exponents are edited together with their powers
    for field, value in ast.iter_fields(node):
        if field in NO_FORMULA or field == skipped:
            continue
        if isinstance(value, ast.expr):
            yield partial(setattr, node, field), value
            yield from _places(value)
        for place, child in enumerate(value if isinstance(value, list) else ()):
            if isinstance(child, ast.expr):
                yield partial(value.__setitem__, place), child
                yield from _places(child)


def _gives_shape(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return called(node) in SHAPES_ONLY
    return isinstance(node, ast.Attribute) and node.attr in SHAPES_ONLY
