"""Single edits that make a formula wrong: a piece of code, and what is written in its place."""

from __future__ import annotations

import ast
from itertools import product
from typing import cast

from npnet.learn.exercises import Exercise
from npnet.learn.grading_inputs import RECIPE
from npnet.network.names import NAMES

# Exponents that are written for each other.
POWERS = (1, 2, 3, -1, -2, 0.5, -0.5, 1.5, -1.5, -2.5)

# The kind of mistake, what it is in words, and what stands in the place of a piece of code.
Change = tuple[str, str, ast.expr]


def called(node: ast.Call) -> str:
    """The name of what is called, without what stands before its last dot."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)


def changes(node: ast.expr, exercise: Exercise) -> list[Change]:
    """The wrong edits that people make in a piece of an exercise's solution."""
    match node:
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return _of_sum(node, exercise)
        case ast.BinOp(op=ast.Mult()):
            return _of_product(node, exercise)
        case ast.BinOp(op=ast.Div()):
            return _of_quotient(node, exercise)
        case ast.BinOp(op=ast.Pow()):
            return _of_power(node)
        case ast.BinOp(op=ast.MatMult()):
            return _of_matrix_product(node)
        case ast.UnaryOp(op=ast.USub()):
            return [("sign", "the minus sign is missing", node.operand)]
        case ast.Call(func=ast.Attribute(attr="sum"), args=[_]):
            return _of_total(node)
        case ast.Call(func=ast.Attribute(attr="reshape", value=unshaped)):
            return [("shape", "the reshape is missing", unshaped)]
        case ast.Call(func=ast.Name(id="len")):
            return _of_length(node, exercise)
        case ast.Name():
            return _of_name(node, exercise)
        case ast.Constant(value=int() | float()):
            return _of_number(node)
    return []


def _of_sum(node: ast.BinOp, exercise: Exercise) -> list[Change]:
    left, right = node.left, node.right
    minus = isinstance(node.op, ast.Sub)
    if minus and ast.unparse(left).startswith(("n", "len(")) and ast.unparse(right) == "1":
        return [("n", "n stands where n - 1 belongs", left)]
    other = ast.UnaryOp(ast.USub(), right) if minus else right
    turned = ast.BinOp(left, ast.Add() if minus else ast.Sub(), right)
    return [
        (*_missing_term(right, left, exercise), left),
        (*_missing_term(left, right, exercise), other),
        ("sign", f"the sign before {ast.unparse(right)} is wrong", turned),
    ]


def _missing_term(gone: ast.expr, kept: ast.expr, exercise: Exercise) -> tuple[str, str]:
    text, paths = ast.unparse(gone), _upstream(gone, exercise)
    if paths and _upstream(kept, exercise):
        return "path", f"the path through {paths[-1]} is missing"
    return ("eps" if text == "eps" else "term"), f"{text} is missing"


def _of_product(node: ast.BinOp, exercise: Exercise) -> list[Change]:
    left, right = node.left, node.right
    return [
        (*_missing_factor(right, exercise), left),
        (*_missing_factor(left, exercise), right),
        _instead(node, ast.BinOp(left, ast.Div(), right), "inverse"),
    ]


def _missing_factor(gone: ast.expr, exercise: Exercise) -> tuple[str, str]:
    if isinstance(gone, ast.Call) and called(gone) == "ones_like":
        return "spread", "one row stands where each of the n rows gets its own"
    upstream = _upstream(gone, exercise)
    if upstream:
        return "upstream", f"the upstream gradient d{upstream[-1]} is left out"
    return "factor", f"the factor {ast.unparse(gone)} is missing"


def _of_quotient(node: ast.BinOp, exercise: Exercise) -> list[Change]:
    left, right = node.left, node.right
    found: list[Change] = [
        ("factor", f"the division by {ast.unparse(right)} is missing", left),
        _instead(node, ast.BinOp(left, ast.Mult(), right), "inverse"),
        _instead(node, ast.BinOp(right, ast.Div(), left), "inverse"),
    ]
    if _upstream(left, exercise):
        alone = ast.BinOp(ast.Constant(1), ast.Div(), right)
        found.append((*_missing_factor(left, exercise), alone))
    return found


def _of_power(node: ast.BinOp) -> list[Change]:
    old = ast.literal_eval(node.right)
    return [
        ("power", f"the power {old} is missing", node.left)
        if power == 1
        else ("power", f"the power {power} stands where {old} belongs",
              ast.BinOp(node.left, ast.Pow(), ast.Constant(power)))
        for power in POWERS
        if power != old
    ]  # fmt: skip


def _of_matrix_product(node: ast.BinOp) -> list[Change]:
    found: list[Change] = []
    lefts = (node.left, _transposed(node.left))
    rights = (node.right, _transposed(node.right))
    for left, right in product(lefts, rights):
        wrong = [
            f"{ast.unparse(new)} stands where {ast.unparse(old)} belongs"
            for old, new in ((node.left, left), (node.right, right))
            if old is not new
        ]
        said = " and ".join(wrong)
        if wrong:
            found.append(("transpose", said, ast.BinOp(left, ast.MatMult(), right)))
        swapped = "the factors changed places" + (f"; {said}" if wrong else "")
        found.append(("transpose", swapped, ast.BinOp(right, ast.MatMult(), left)))
        entrywise = "the entries are multiplied where a matrix product belongs"
        found.append(("entrywise", entrywise, ast.BinOp(left, ast.Mult(), right)))
    return found


def _transposed(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    return ast.Attribute(node, "T")


def _of_total(node: ast.Call) -> list[Change]:
    base = cast(ast.Attribute, node.func).value
    axis, kept = ast.literal_eval(node.args[0]), bool(node.keywords)

    def total(method: str, axis: int, keepdims: bool) -> ast.expr:
        text = f"x.{method}({axis}{', keepdims=True' if keepdims else ''})"
        call = cast(ast.Call, ast.parse(text, mode="eval").body)
        call.func = ast.Attribute(base, method)
        return call

    return [
        (
            "keepdims",
            f"keepdims=True is {'missing' if kept else 'too much'}",
            total("sum", axis, not kept),
        ),
        ("mean", "a mean stands where the sum belongs", total("mean", axis, kept)),
        (
            "axis",
            f"the sum runs over axis {1 - axis} where axis {axis} belongs",
            total("sum", 1 - axis, kept),
        ),
        ("sum", f"the sum over axis {axis} is missing", base),
        (
            "axis",
            f"all is summed where the sum over axis {axis} belongs",
            ast.Call(ast.Attribute(base, "sum"), [], []),
        ),
    ]


def _of_length(node: ast.Call, exercise: Exercise) -> list[Change]:
    text, name = ast.unparse(node), exercise.gradients[0]
    return [
        ("n", f"{words} stands where n belongs", ast.parse(code, mode="eval").body)
        for words, code in (
            (str(RECIPE.batch), str(RECIPE.batch)),
            ("n - 1", f"({text} - 1)"),
            ("the number of columns", f"{name}.shape[1]"),
            ("the number of all entries", f"{name}.size"),
        )
    ]


def _of_name(node: ast.Name, exercise: Exercise) -> list[Change]:
    name = node.id
    upstream = name[1:] in exercise.upstream and name[0] == "d"
    if not upstream and (name not in exercise.reads or name not in NAMES):
        return []
    axes = NAMES[name[1:] if upstream else name].axes
    found: list[Change] = []
    if upstream:
        ones = ast.Call(ast.Name("np.ones_like"), [node], [])
        found.append(("upstream", f"the upstream gradient {name} is left out", ones))
        found += [
            (
                "extra",
                f"{value} is multiplied in besides",
                ast.BinOp(node, ast.Mult(), ast.Name(value)),
            )
            for value in exercise.reads
            if value in NAMES and _alike(axes, NAMES[value].axes)
        ]
    else:
        square = ast.BinOp(node, ast.Pow(), ast.Constant(2))
        inverse = ast.BinOp(ast.Constant(1), ast.Div(), node)
        found += [_instead(node, square, "power"), _instead(node, inverse, "inverse")]
        for function in ("exp", "log", "tanh", "sqrt"):
            call = ast.Call(ast.Name(f"np.{function}"), [node], [])
            found.append(_instead(node, call, "function"))
    values = [other for other in exercise.reads if other in NAMES]
    for other, name_of in (
        *((f"d{other}", other) for other in exercise.upstream),
        *((other, other) for other in values),
    ):
        if other != name and _alike(axes, NAMES[name_of].axes):
            found.append(_instead(node, ast.Name(other), "name"))
    return found


def _alike(axes: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether one can stand for the other without an error: equal, or one axis broadcast."""
    differ = [pair for pair in zip(axes, others, strict=False) if len({*pair}) > 1]
    return len(axes) == len(others) and len(differ) < 2 and all("1" in pair for pair in differ)


def _of_number(node: ast.Constant) -> list[Change]:
    old = cast(float, node.value)
    others = dict.fromkeys((2 * old, old / 2, -old, 1 / old)) if old else {}
    return [_instead(node, ast.Constant(new), "factor") for new in others if new != old]


def _instead(old: ast.expr, new: ast.expr, kind: str) -> Change:
    return kind, f"{ast.unparse(new)} stands where {ast.unparse(old)} belongs", new


def _upstream(node: ast.AST, exercise: Exercise) -> list[str]:
    """The upstream gradients that a piece of code reads, without their d."""
    names = (child.id[1:] for child in ast.walk(node) if isinstance(child, ast.Name))
    return [name for name in names if name in exercise.upstream]
