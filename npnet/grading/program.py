"""Making one flat program of a notebook: no ``with`` blocks, gradient functions inlined."""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Iterator, Mapping, Sequence

from npnet.grading.effects import effects, read_names
from npnet.grading.slices import Unit
from npnet.grading.watch import Statement

RECORDING = ("no_grad", "inference_mode", "enable_grad", "set_grad_enabled")


def program(statements: Sequence[Statement], gradients: Collection[str]) -> list[Unit]:
    """The units of a notebook.

    Args:
        statements: its statements, in order.
        gradients: the names of variables that are gradients. If a function assigns one of them, its
            body replaces its call.
    """
    functions: dict[str, ast.FunctionDef] = {}
    units = []
    for place, statement in enumerate(statements):
        for node in straight(statement.node, functions, gradients):
            line = getattr(node, "lineno", 0)
            units.append(Unit(node, place, statement.cell, line))
    return units


def straight(
    node: ast.stmt, functions: dict[str, ast.FunctionDef], gradients: Collection[str]
) -> Iterator[ast.stmt]:
    """The simple statements of which a statement consists."""
    if isinstance(node, ast.FunctionDef):
        functions[node.name] = node
        yield node
    elif isinstance(node, ast.With) and all(map(_only_recording, node.items)):
        for inner in node.body:
            yield from straight(inner, functions, gradients)
    elif (
        isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Tuple)
        and isinstance(node.value, ast.Tuple)
        and len(node.targets[0].elts) == len(node.value.elts)
        and not effects(node).makes & read_names(node.value)
    ):
        for target, value in zip(node.targets[0].elts, node.value.elts, strict=True):
            yield _at(node, ast.Assign([target], value))
    elif (call := _call(node)) is not None and _name(call) in functions:
        body = _inlined(node, call, functions[_name(call)], gradients)
        if body is None:
            yield node
        else:
            for inner in body:
                yield from straight(inner, functions, gradients)
    else:
        yield node


def _only_recording(item: ast.withitem) -> bool:
    called = item.context_expr
    if isinstance(called, ast.Call):
        called = called.func
    return isinstance(called, ast.Attribute) and called.attr in RECORDING


def _call(node: ast.stmt) -> ast.Call | None:
    value = node.value if isinstance(node, ast.Assign | ast.Expr) else None
    return value if isinstance(value, ast.Call) else None


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _inlined(
    node: ast.stmt, call: ast.Call, function: ast.FunctionDef, gradients: Collection[str]
) -> list[ast.stmt] | None:
    """The body of a function, to replace its call; None if it assigns no gradients."""
    body = [part for part in function.body if not isinstance(part, ast.Global | ast.Nonlocal)]
    made = {name for part in body for name in effects(part).makes}
    returned = body[-1] if body and isinstance(body[-1], ast.Return) else None
    several = returned is not None and isinstance(returned.value, ast.Tuple | ast.Dict | ast.List)
    if not made & set(gradients) or not (several or len(made & set(gradients)) > 1):
        return None
    inner = [part for part in body if part is not returned]
    if any(isinstance(part, ast.Return | ast.Yield) for one in inner for part in ast.walk(one)):
        return None
    arguments = function.args
    if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
        return None
    names = [argument.arg for argument in arguments.args]
    given: dict[str, ast.expr] = dict(
        zip(names[len(names) - len(arguments.defaults) :], arguments.defaults, strict=True)
    )
    given |= dict(zip(names, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    found: list[ast.stmt] = [
        _at(node, ast.Assign([ast.Name(name, ast.Store())], value))
        for name, value in given.items()
        if not (isinstance(value, ast.Name) and value.id == name)
    ]
    found += copy.deepcopy(inner)
    if isinstance(node, ast.Assign):
        if returned is None or returned.value is None:
            return None
        value = returned.value
        target = node.targets[0]
        if isinstance(value, ast.List):
            value = ast.Tuple(value.elts, ast.Load())
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            if len(target.elts) != len(value.elts):
                return None
            for name, part in zip(target.elts, value.elts, strict=True):
                same = isinstance(name, ast.Name) and isinstance(part, ast.Name)
                if not (same and name.id == part.id):  # type: ignore[attr-defined]
                    found.append(_at(node, ast.Assign([name], copy.deepcopy(part))))
        else:
            found.append(_at(node, ast.Assign([target], copy.deepcopy(value))))
    return found


def _at(old: ast.stmt, new: ast.stmt) -> ast.stmt:
    return ast.fix_missing_locations(ast.copy_location(new, old))


def called_functions(units: Sequence[Unit]) -> Mapping[str, set[str]]:
    """For each function of the notebook, the names from outside that its body reads."""
    found: dict[str, set[str]] = {}
    for unit in units:
        if isinstance(unit.node, ast.FunctionDef):
            found[unit.node.name] = read_names(unit.node) - {unit.node.name}
    return found
