"""The source code in the lecture's notation, in which `d.bnraw` is `dbnraw`.

All code that learners see comes from here, so that no formula is written twice.
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from types import CodeType
from typing import Any, NamedTuple, cast

import numpy as np

from npnet.base.arrays import Array
from npnet.base.errors import InputError
from npnet.network.forward import forward
from npnet.network.gradients import GRADIENTS


class Docstring(NamedTuple):
    """The parts of a gradient's docstring.

    ``undone``: the forward lines; ``derivation``: words and formulas with indices, on one line;
    ``code``: the final statements, in the lecture's notation; ``remarks``: by their first words,
    ``Sum`` and ``Often wrong``, each on one line.
    """

    undone: tuple[str, ...]
    derivation: str
    code: tuple[str, ...]
    remarks: Mapping[str, str]


def plain(code: str) -> str:
    """Code of the 26 functions in the lecture's notation, on one line."""
    named = re.sub(r"\bd\.(?=\w)", "d", re.sub(r"\bv\.(?=\w)", "", code))
    return re.sub(r" ?\*\* ?", "**", " ".join(named.split()))


def code_of(function: Callable[..., object]) -> str:
    """A function's source without decorator, annotations and docstring."""
    source, node = _definition(function)
    first = node.body[1 if ast.get_docstring(node) else 0].lineno - 1
    head = f"def {node.name}({', '.join(argument.arg for argument in node.args.args)}):"
    return "\n".join([head, *source.splitlines()[first : node.end_lineno]])


def statements(function: Callable[..., object]) -> tuple[str, ...]:
    """The statements of a function, without its checks.

    A returned expression gets the name of the function: ``dprobs = dlogprobs / probs``.
    """
    source, definition = _definition(function)
    found = []
    for node in definition.body:
        text = plain(_segment(source, node))
        called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        if called or isinstance(node, ast.Assign | ast.AugAssign):
            found.append(text)
        elif isinstance(node, ast.Return) and not isinstance(node.value, ast.Name | ast.Tuple):
            found.append(f"{definition.name} ={text.removeprefix('return')}")
    return tuple(found)


@cache
def forward_lines() -> Mapping[str, str]:
    """The twenty forward lines by name, such as ``probs = counts * counts_sum_inv``."""
    source, tree = _module(forward.__module__)
    [table] = [
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict)
    ]
    lines = {}
    for key, line in zip(table.keys, table.values, strict=True):
        name = str(cast(ast.Constant, key).value)
        code = _segment(source, cast(ast.Lambda, line).body)
        lines[name] = f"{name} = {plain(code)}"
    return lines


@cache
def backward_lines() -> Mapping[str, tuple[str, ...]]:
    """The statements of each of the 26 gradients."""
    return {name: statements(function) for name, function in GRADIENTS.items()}


def docstring(name: str) -> Docstring:
    """The docstring of ``GRADIENTS[name]``, in its parts."""
    text = ast.get_docstring(_definition(GRADIENTS[name])[1]) or ""
    undone, derivation, notes = text.split("\n\n")
    _, *parts = re.split(r"^(Sum|Often wrong): ", notes, flags=re.MULTILINE)
    remarks = {
        label: " ".join(remark.split())
        for label, remark in zip(parts[::2], parts[1::2], strict=True)
    }
    lines = derivation.splitlines()
    prose = len(lines) - len(backward_lines()[name])
    code = tuple(map(plain, lines[prose:]))
    return Docstring(tuple(map(plain, undone.splitlines())), " ".join(lines[:prose]), code, remarks)


def names_for(values: Mapping[str, Any], gradients: Mapping[str, Any]) -> dict[str, Any]:
    """A namespace for code in this notation, with its values and gradients."""
    return {"np": np, **values, **{f"d{name}": array for name, array in gradients.items()}}


def compute(code: str | CodeType, names: Mapping[str, Any], result: str) -> Array:
    """Run code in this notation, a string or a compiled one, and return one of its names."""
    scope = dict(names)
    exec(code, scope)
    return cast(Array, scope[result])


def _segment(source: str, node: ast.expr | ast.stmt) -> str:
    """The source of one node. ``ast.get_source_segment`` splits the whole file for each."""
    lines = _encoded_lines(source)[node.lineno - 1 : node.end_lineno]
    lines[-1] = lines[-1][: node.end_col_offset]
    lines[0] = lines[0][node.col_offset :]
    return b"\n".join(lines).decode()


@cache
def _encoded_lines(source: str) -> list[bytes]:
    """The lines in UTF-8: the parser counts columns in its bytes."""
    return source.encode().split(b"\n")


@cache
def _module(name: str) -> tuple[str, ast.Module]:
    """The source of an imported module, and its syntax tree.

    Raises:
        InputError: its file is missing.
    """
    try:
        source = inspect.getsource(sys.modules[name])
    except OSError as error:
        raise InputError(
            f"explain: {error} of {name}, wanted npnet installed with its .py files: formulas and "
            "derivations are read from them"
        ) from error
    return source, ast.parse(source)


def _definition(function: Callable[..., object]) -> tuple[str, ast.FunctionDef]:
    """The source of a function's module, and the syntax tree of the function.

    Docstrings are read from here, because ``python -OO`` removes them from functions.
    """
    source, tree = _module(function.__module__)
    [definition] = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == function.__name__
    ]
    return source, definition
