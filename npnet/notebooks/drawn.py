"""Finding how the tensors of a cell were made: the generator of each draw, and the operations on
it. The learning rates of a training loop are found too.

A parameter's entry in a recipe is found from its assignment, and from the draws during that
assignment: ``bngain = torch.randn((1, n_hidden)) * 0.1 + 1.0`` is one draw of ``randn``, times 0.1,
plus 1.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
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


RATE_NAMES = {"lr", "learning_rate", "alpha", "eta", "step_size", "rate"}
PURE = {"min", "max", "abs", "float", "int", "round", "exp", "log", "sqrt", "cos", "sin", "pow"}
MOST_STEPS = 1_000_000
MOST_RATES = 1000  # a rate that changes more often is not told


def rates_of(source: str, namespace: Mapping[str, Any]) -> list[list[float]] | None:
    """The learning rates of a cell's last training loop, as pairs of a first step and a rate.

    The lines of the loop that compute the rate run again for every step, on their own. None if
    there is no such loop, or if its rate depends on more than the step and the notebook's numbers.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For) and _updates(node)]
    loops = [loop for loop in loops if isinstance(loop.target, ast.Name)]
    for loop in reversed(loops):
        factor = _factor(loop)
        steps = _evaluated(loop.iter, namespace)
        if factor is not None and hasattr(steps, "__len__") and 0 < len(steps) <= MOST_STEPS:
            return _rates(loop, factor, steps, namespace)
    return None


def _updates(loop: ast.For) -> list[ast.AugAssign]:
    """The lines ``p.data += …`` of a loop."""
    return [
        node
        for node in ast.walk(loop)
        if isinstance(node, ast.AugAssign)
        and isinstance(node.op, ast.Add | ast.Sub)
        and isinstance(node.target, ast.Attribute)
        and node.target.attr == "data"
    ]


def _factor(loop: ast.For) -> ast.expr | None:
    """What the gradient is multiplied by in the update, without the sign."""
    value = _updates(loop)[-1].value
    while True:
        match value:
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                value = inner
            case ast.BinOp(op=ast.Mult(), left=left, right=right):
                numbers = [side for side in (left, right) if _is_rate(side)]
                if len(numbers) != 1:
                    return None
                value = numbers[0]
            case _:
                return value if _is_rate(value) else None


def _is_rate(value: ast.expr) -> bool:
    if isinstance(value, ast.UnaryOp):
        return _is_rate(value.operand)
    if isinstance(value, ast.Constant):
        return isinstance(value.value, int | float)
    return isinstance(value, ast.Name) and value.id.casefold() in RATE_NAMES


def _rates(
    loop: ast.For, factor: ast.expr, steps: Iterable[Any], namespace: Mapping[str, Any]
) -> list[list[float]] | None:
    assert isinstance(loop.target, ast.Name)
    wanted = {node.id for node in ast.walk(factor) if isinstance(node, ast.Name)}
    lines: list[ast.stmt] = []
    for statement in reversed(loop.body):
        if wanted & _stored(statement):
            lines.insert(0, statement)
            wanted |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    if not all(map(_is_pure, lines)):
        return None
    known = {name: value for name, value in namespace.items() if name in wanted}
    program = compile(ast.Module(lines, []), "rates", "exec")
    expression = compile(ast.Expression(factor), "rate", "eval")
    found: list[list[float]] = []
    try:
        for step, value in enumerate(steps):
            names = {**known, loop.target.id: value}
            exec(program, names)
            rate = abs(float(eval(expression, names)))
            if not found or rate != found[-1][1]:
                found.append([step, rate])
                if len(found) > MOST_RATES:
                    return None
    except Exception:  # more than numbers is needed
        return None
    return found


def _stored(statement: ast.stmt) -> set[str]:
    nodes = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
    return {node.id for node in nodes if isinstance(node.ctx, ast.Store)}


def _is_pure(statement: ast.stmt) -> bool:
    """Whether a statement only computes numbers: it may run again."""
    if not isinstance(statement, ast.Assign | ast.If):
        return False
    calls = [node.func for node in ast.walk(statement) if isinstance(node, ast.Call)]
    return all(ast.unparse(call).rpartition(".")[2] in PURE for call in calls)
