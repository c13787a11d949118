"""Formulas in the text of a recipe: only arithmetic, computed in float64 as Python does."""

from __future__ import annotations

import ast
import functools
import math
import operator
from collections.abc import Callable, Mapping

Formula = Callable[[Mapping[str, float]], float]

LONGEST = 500  # characters of a formula
DEEPEST = 40  # how deeply operations can be nested

FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
    "cos": math.cos,
    "sin": math.sin,
    "tanh": math.tanh,
    "floor": lambda x: float(math.floor(x)),
    "abs": abs,
    "min": min,
    "max": max,
}
CONSTANTS: Mapping[str, float] = {"pi": math.pi}
BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,  # raises an error where Python would give a complex number
}
COMPARISONS: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@functools.lru_cache(maxsize=1000)
def parsed(text: str, names: tuple[str, ...]) -> Formula:
    """The formula ``text`` as a function of the values of ``names``.

    It may contain numbers, ``names``, ``pi``, the operations ``+ - * / // % **``, the functions of
    ``FUNCTIONS`` and ``A if i < B else C``. Whole numbers are float64 too.

    Raises:
        ValueError: the text contains anything else; the message says what. The returned function
            raises ``ArithmeticError`` or ``ValueError`` where Python does.
    """
    if len(text) > LONGEST:
        raise ValueError(f"{len(text)} characters, wanted {LONGEST} or fewer")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"no formula ({getattr(error, 'msg', error)})") from error
    return _built(tree.body, names, DEEPEST)


def _built(node: ast.expr, names: tuple[str, ...], depth: int) -> Formula:
    if not depth:
        raise ValueError(f"more than {DEEPEST} operations within each other")
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            value = _float(number)
            return lambda values: value
        case ast.Name(id=name) if name in names:
            return lambda values: values[name]
        case ast.Name(id=name) if name in CONSTANTS:
            return lambda values: CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _built(operand, names, depth - 1)
            return lambda values: -inner(values)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _built(operand, names, depth - 1)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            operation = BINARY[type(op)]
            first, second = (_built(side, names, depth - 1) for side in (left, right))
            return lambda values: operation(first(values), second(values))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS and args:
            function = FUNCTIONS[name]
            arguments = [_built(argument, names, depth - 1) for argument in args]
            return lambda values: function(*(argument(values) for argument in arguments))
        case ast.IfExp(
            test=ast.Compare(left=left, ops=[op], comparators=[right]), body=body, orelse=orelse
        ) if type(op) in COMPARISONS:
            compare = COMPARISONS[type(op)]
            a, b, yes, no = (_built(part, names, depth - 1) for part in (left, right, body, orelse))
            return lambda values: yes(values) if compare(a(values), b(values)) else no(values)
    known = ", ".join([*names, *CONSTANTS, *FUNCTIONS])
    raise ValueError(f"{ast.unparse(node)!r} is not understood, only numbers, + - * / and {known}")


def _float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError as error:
        raise ValueError("a number beyond the range of float64") from error
