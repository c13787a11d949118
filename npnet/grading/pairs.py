"""Finding which variable is meant as the gradient of which tensor.

The notebook's comparisons say it: ``cmp('x', dx, x)`` calls a function whose body reads ``.grad``
of one of its arguments, and ``torch.allclose(dx, x.grad)`` reads it directly. If a variable is
never compared, its name decides: ``dx`` is the gradient of ``x``.
"""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npnet.grading.effects import VIEWS, base, effects
from npnet.grading.watch import Statement

USE = " (of "  # between a variable and the tensor, if the variable has several gradients in turn
COMPARING = ("close", "equal", "cmp", "comp", "check", "same", "diff", "verif", "assert", "test")


@dataclass(frozen=True)
class Pair:
    """A gradient variable and its tensor.

    Attributes:
        gradient: the variable, or the text of a compared expression.
        tensor: the name of the tensor.
        place: the place of the statement that compares them; None if only their names fit.
        line: the line in its cell.
        expression: the compared expression, if it is not a variable.
        variable: the variable that has this value here, if it has other values later.
    """

    gradient: str
    tensor: str
    place: int | None = None
    line: int = 0
    expression: ast.expr | None = None
    variable: str = ""


@dataclass(frozen=True)
class _Comparer:
    """A comparing function: its parameters, and which of them it reads ``.grad`` of."""

    parameters: tuple[str, ...]
    tensor: str
    gradient: str | None


def comparisons(statements: Sequence[Statement]) -> list[Pair]:
    """The pairs that a notebook compares, in order."""
    known: dict[str, _Comparer] = {}
    found: list[Pair] = []
    for place, statement in enumerate(statements):
        for node in ast.walk(statement.node):
            if isinstance(node, ast.FunctionDef):
                comparer = _comparer(node)
                if comparer:
                    known[node.name] = comparer
                else:
                    known.pop(node.name, None)
        for node in _unrolled(statement.node):
            found += _pairs(node, known, place)
    return found


def told_apart(pairs: Sequence[Pair], statements: Sequence[Statement]) -> list[Pair]:
    """The pairs, with a different name for each gradient of a variable that has several in turn.

    An example is ``dout`` with ``dout = dout @ W2.T`` between two comparisons.
    """
    again: set[str] = set()
    last: dict[str, Pair] = {}
    for pair in pairs:
        before = last.get(pair.gradient)
        if before is not None and before.tensor != pair.tensor and pair.expression is None:
            between = statements[(before.place or 0) + 1 : (pair.place or 0) + 1]
            if any(pair.gradient in effects(one.node).makes for one in between):
                again.add(pair.gradient)
        last[pair.gradient] = pair
    found = []
    for pair in pairs:
        if pair.gradient in again:
            name = ast.Name(pair.gradient, ast.Load())
            text = f"{pair.gradient}{USE}{pair.tensor})"
            found.append(Pair(text, pair.tensor, pair.place, pair.line, name, pair.gradient))
        else:
            found.append(pair)
    return found


def named_pairs(gradients: Iterable[str], tensors: Collection[str]) -> Iterator[Pair]:
    """The pairs that follow from the names alone."""
    folded = {name.casefold(): name for name in tensors}
    for gradient in gradients:
        tensor = tensor_by_name(gradient, tensors, folded)
        if tensor:
            yield Pair(gradient, tensor)


def tensor_by_name(
    gradient: str, tensors: Collection[str], folded: Mapping[str, str] | None = None
) -> str | None:
    """The tensor whose gradient a variable of this name should be."""
    folded = folded or {name.casefold(): name for name in tensors}
    for text in (
        gradient[1:] if gradient[:1] in "dD" else "",
        gradient[2:] if gradient[:2] in ("d_", "dL") else "",
        gradient[5:] if gradient.startswith(("grad_", "dloss")) else "",
        gradient.removesuffix("_grad") if gradient.endswith("_grad") else "",
        gradient[3:].lstrip("_") if gradient.startswith("dL_") else "",
    ):
        text = text.lstrip("_") if text else ""
        if text in tensors:
            return text
        if text and text.casefold() in folded:
            return folded[text.casefold()]
    return None


def _comparer(function: ast.FunctionDef) -> _Comparer | None:
    parameters = tuple(
        argument.arg for argument in (*function.args.posonlyargs, *function.args.args)
    )
    tensors = [
        node.value.id
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and node.attr == "grad"
        and isinstance(node.value, ast.Name)
        and node.value.id in parameters
    ]
    if not tensors:
        return None
    # The gradient is the other side of tensor.grad in a comparison, a difference or a call.
    beside = [
        gradient
        for node in ast.walk(function)
        for gradient, tensor in _beside(node)
        if isinstance(gradient, ast.Name) and gradient.id in parameters and tensor == tensors[0]
    ]
    gradient = beside[0].id if beside and isinstance(beside[0], ast.Name) else None
    if gradient is None and len(parameters) < 2:
        return None
    return _Comparer(parameters, tensors[0], gradient)


def _pairs(node: ast.AST, known: Mapping[str, _Comparer], place: int) -> Iterator[Pair]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return
    for inner in _walk(node):
        line = getattr(inner, "lineno", 0)
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name):
            comparer = known.get(inner.func.id)
            if comparer:
                pair = _called(inner, comparer)
                if pair:
                    yield _pair(*pair, place, line)
                continue
        for gradient, tensor in _beside(inner):
            if _may_be_gradient(gradient, tensor, inner):
                yield _pair(gradient, ast.Name(tensor), place, line)


def _may_be_gradient(gradient: ast.expr, tensor: str, node: ast.AST) -> bool:
    """Whether the other side of ``tensor.grad`` can be a gradient: a name, or ``grads['x']``.

    If the function's name says that it compares, such as ``torch.allclose``, it can be any
    expression.
    """
    if isinstance(gradient, ast.Name):
        return gradient.id != tensor
    names = {part.id for part in ast.walk(gradient) if isinstance(part, ast.Name)}
    attributes = {part.attr for part in ast.walk(gradient) if isinstance(part, ast.Attribute)}
    if not names or "grad" in attributes:
        return False
    if isinstance(gradient, ast.Subscript):
        return isinstance(gradient.slice, ast.Constant) and base(gradient) != tensor
    if isinstance(gradient, ast.Attribute):
        return gradient.attr not in VIEWS and base(gradient) not in (tensor, "torch")
    called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    name = called.rpartition(".")[2].casefold()
    return any(word in name for word in COMPARING)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes except those inside function definitions."""
    waiting = [node]
    while waiting:
        one = waiting.pop(0)
        yield one
        if not isinstance(one, ast.FunctionDef | ast.Lambda):
            waiting = [*ast.iter_child_nodes(one), *waiting]


def _called(call: ast.Call, comparer: _Comparer) -> tuple[ast.expr, ast.Name] | None:
    given: dict[str, ast.expr] = dict(zip(comparer.parameters, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    tensor = given.get(comparer.tensor)
    if not isinstance(tensor, ast.Name):
        return None
    if comparer.gradient in given:
        return given[comparer.gradient], tensor
    others = [
        value
        for name, value in given.items()
        if name != comparer.tensor and not isinstance(value, ast.Constant | ast.JoinedStr)
    ]
    return (others[-1], tensor) if others else None


def _pair(gradient: ast.expr, tensor: ast.Name, place: int, line: int) -> Pair:
    if isinstance(gradient, ast.Name):
        return Pair(gradient.id, tensor.id, place, line)
    return Pair(ast.unparse(gradient), tensor.id, place, line, gradient)


def _beside(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """The expressions on the other side of ``tensor.grad``, each with the tensor."""
    sides: list[ast.expr] = []
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        sides = [node.left, node.right]
    elif isinstance(node, ast.Call) and ast.unparse(node.func) != "print":
        sides = [side for side in node.args if not isinstance(side, ast.Constant | ast.JoinedStr)]
        if isinstance(node.func, ast.Attribute) and len(sides) == 1:
            sides.insert(0, node.func.value)
    for one, other in itertools.pairwise(sides):
        for gradient, tensor in ((one, other), (other, one)):
            while isinstance(tensor, ast.Call) and isinstance(tensor.func, ast.Attribute):
                tensor = tensor.func.value
            if (
                isinstance(tensor, ast.Attribute)
                and tensor.attr == "grad"
                and isinstance(tensor.value, ast.Name)
            ):
                yield gradient, tensor.value.id


def _unrolled(node: ast.stmt) -> Iterator[ast.AST]:
    """A statement; for a loop over rows in the code, its body once for each row."""
    if not (
        isinstance(node, ast.For)
        and isinstance(node.iter, ast.List | ast.Tuple)
        and isinstance(node.target, ast.Tuple)
        and all(isinstance(target, ast.Name) for target in node.target.elts)
    ):
        yield node
        return
    names = [target.id for target in node.target.elts if isinstance(target, ast.Name)]
    for row in node.iter.elts:
        if isinstance(row, ast.Tuple | ast.List) and len(row.elts) == len(names):
            values = dict(zip(names, row.elts, strict=True))
            for statement in node.body:
                yield _Replaced(values).visit(copy.deepcopy(statement))


class _Replaced(ast.NodeTransformer):
    """Replaces names by expressions."""

    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> Any:
        """Replace a known name by its value."""
        return ast.copy_location(copy.deepcopy(self.values.get(node.id, node)), node)
