"""Finding how the tensors of a cell were made: the generator of each draw, and the operations on
it.

A parameter's entry in a recipe is found from its assignment, and from the draws during that
assignment: ``bngain = torch.randn((1, n_hidden)) * 0.1 + 1.0`` is one draw of ``randn``, times 0.1,
plus 1.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

_STEPS: dict[type[ast.operator], str] = {ast.Mult: "*", ast.Div: "/", ast.Add: "+", ast.Sub: "-"}
CONSTANTS = ("ones", "zeros", "full", "ones_like", "zeros_like")


def drawn_tensors(
    source: str, draws: Sequence[Mapping[str, Any]], namespace: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The tensors that a cell draws with ``randn`` or makes constant, in the order of its lines.

    Args:
        source: the cell, plain Python.
        draws: the draws in it: ``kind``, ``line``, ``shape``, ``seed`` (None for the default
            generator), ``before`` and ``after``.
        namespace: the names after the cell, for the numbers in the expressions.

    Returns:
        Entries with ``name``, ``line`` and ``shape``; drawn ones with ``seed``, ``before``,
        ``after`` and ``scale``, constant ones with ``constant``.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    normals: dict[int, list[Mapping[str, Any]]] = {}
    for draw in draws:
        if draw["kind"] == "randn":
            normals.setdefault(draw["line"], []).append(draw)
    found = []
    for statement in _assignments(tree):
        name, value = statement.targets[0], statement.value
        if not isinstance(name, ast.Name):
            continue
        lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
        there = next((normals[line] for line in lines if line in normals), None)
        calls = _calls(value, "randn")
        if there and calls:
            draw = there[0]
            if len(there) > calls:  # the next statement on this line takes the next ones
                del there[:calls]
            scale = _scale(value, "randn", namespace)
            if scale is not None:
                found.append({"name": name.id, "scale": scale, **draw})
            continue
        constant = _constant(value, namespace)
        if constant is not None:
            found.append({"name": name.id, "line": statement.lineno, **constant})
    return found


def _assignments(tree: ast.Module) -> list[ast.Assign]:
    """Assignments of the cell itself, also in blocks, but not in functions or loops."""
    found: list[ast.Assign] = []
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        statement = pending.pop(0)
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            found.append(statement)
        elif isinstance(statement, ast.With | ast.If | ast.Try):
            pending = [*statement.body, *pending]
    return found


def _calls(value: ast.expr, name: str) -> int:
    """How often a value calls this function."""
    called = [ast.unparse(n.func) for n in ast.walk(value) if isinstance(n, ast.Call)]
    return sum(one.rpartition(".")[2] == name for one in called)


def _scale(value: ast.expr, draw: str, namespace: Mapping[str, Any]) -> list[str] | None:
    """The operations on a draw, in order; None if they are not operations by numbers."""
    if isinstance(value, ast.Call):
        called = (
            value.func.attr if isinstance(value.func, ast.Attribute) else ast.unparse(value.func)
        )
        if called == draw:
            return []
        if called in ("requires_grad_", "to", "float", "clone", "detach") and isinstance(
            value.func, ast.Attribute
        ):
            return _scale(value.func.value, draw, namespace)
        if called in ("Parameter", "Variable") and value.args:
            return _scale(value.args[0], draw, namespace)
        return None
    if not isinstance(value, ast.BinOp) or type(value.op) not in _STEPS:
        return None
    for inner, other, swapped in (
        (value.left, value.right, False),
        (value.right, value.left, True),
    ):
        before = _scale(inner, draw, namespace)
        if before is None:
            continue
        number = _number(other, namespace)
        if number is None or (swapped and isinstance(value.op, ast.Div | ast.Sub)):
            return None
        return [*before, f"{_STEPS[type(value.op)]} {number!r}"]
    return None


def _constant(value: ast.expr, namespace: Mapping[str, Any]) -> dict[str, Any] | None:
    """Shape and value of a tensor such as ``torch.ones((1, 200)) * 0.1 + 1``."""
    # A call without a module could be the notebook's own function, which is not run again.
    calls = [
        node.func.attr if isinstance(node.func, ast.Attribute) else "another"
        for node in ast.walk(value)
        if isinstance(node, ast.Call)
    ]
    if not calls or not set(calls) <= {*CONSTANTS, "requires_grad_"}:
        return None
    tensor = _evaluated(value, namespace)
    if not hasattr(tensor, "requires_grad"):
        return None
    array = tensor.detach().numpy()
    if not array.size or not array.ndim or (array != array.flat[0]).any():
        return None
    return {"shape": list(array.shape), "constant": float(array.flat[0])}


def _number(value: ast.expr, namespace: Mapping[str, Any]) -> float | None:
    if any(isinstance(node, ast.Call) for node in ast.walk(value)):
        calls = [ast.unparse(n.func) for n in ast.walk(value) if isinstance(n, ast.Call)]
        if not all(call.rpartition(".")[2] in ("sqrt", "float", "int", "len") for call in calls):
            return None
    number = _evaluated(value, namespace)
    if isinstance(number, int | float) and not isinstance(number, bool):
        return float(number)
    return None


def _evaluated(value: ast.expr, namespace: Mapping[str, Any]) -> Any:
    """The value of an expression that draws nothing and changes nothing."""
    try:
        return eval(compile(ast.Expression(value), "constant", "eval"), dict(namespace))
    except Exception:
        return None
