"""Edits that put brackets in the wrong place, or forget them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

SUMS = (ast.Add, ast.Sub)


def brackets(node: ast.expr) -> Iterator[tuple[str, str, ast.expr]]:
    """Wrong pieces of code with misplaced brackets.

    Yields the kind of mistake, the mistake in words, and the wrong piece of code.
    """
    for wrong in _misplaced(node):
        text = ast.unparse(wrong)
        yield "bracket", f"the brackets are wrong: {ast.unparse(node)} became {text}", wrong


def _misplaced(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(left=ast.BinOp(left=a, op=ast.Add() | ast.Sub() as sign, right=b),
                       op=ast.Mult() | ast.Div() as by, right=c):  # fmt: skip
            yield ast.BinOp(a, sign, ast.BinOp(b, by, c))  # (a + b) * c
            if isinstance(b, ast.BinOp) and isinstance(b.op, ast.Pow):
                inner = ast.BinOp(a, sign, b.left)  # (1 - h**2) * c
                yield ast.BinOp(ast.BinOp(inner, b.op, b.right), by, c)
        case ast.BinOp(left=a, op=ast.Div(), right=ast.BinOp(left=b, op=sign, right=c)) if (
            isinstance(sign, SUMS)
        ):
            yield ast.BinOp(ast.BinOp(a, ast.Div(), b), sign, c)  # a / (b - 1)
        case ast.BinOp(left=a, op=sign, right=b) if isinstance(sign, SUMS):
            yield from _gathered(a, sign, b)
        case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
            yield from _of_power(base, exponent)
        case ast.BinOp(op=ast.Div(), right=ast.Call(func=ast.Name(id="len"))):
            yield ast.BinOp(node, ast.Sub(), ast.Constant(1))  # a / n - 1


def _gathered(a: ast.expr, sign: ast.operator, b: ast.expr) -> Iterator[ast.expr]:
    """Brackets around a sum that needs none: ``a + b / n`` becomes ``(a + b) / n``."""
    if isinstance(b, ast.BinOp) and isinstance(b.op, ast.Mult | ast.Div | ast.Pow):
        yield ast.BinOp(ast.BinOp(a, sign, b.left), b.op, b.right)
    if isinstance(a, ast.BinOp) and isinstance(a.op, ast.Mult):
        yield ast.BinOp(a.left, ast.Mult(), ast.BinOp(a.right, sign, b))
        yield ast.BinOp(a.right, ast.Mult(), ast.BinOp(a.left, sign, b))


def _of_power(base: ast.expr, exponent: ast.expr) -> Iterator[ast.expr]:
    power = ast.literal_eval(exponent)
    if power != int(power):  # x**-3/2 for x**-1.5
        halves = ast.BinOp(base, ast.Pow(), ast.Constant(int(2 * power)))
        yield ast.BinOp(halves, ast.Div(), ast.Constant(2))
    if isinstance(base, ast.BinOp) and isinstance(base.op, SUMS):
        raised = ast.BinOp(base.left, ast.Pow(), exponent)
        yield ast.BinOp(raised, base.op, base.right)
        raised = ast.BinOp(base.right, ast.Pow(), exponent)
        yield ast.BinOp(base.left, base.op, raised)
