"""Finding what a statement reads and what it changes, by the names in it."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

BUILTINS = frozenset(dir(builtins))
BLOCKS = (ast.For, ast.While, ast.If, ast.With, ast.Try)

# Methods whose result shares memory with their object.
VIEWS = frozenset(
    (
        *("view", "view_as", "reshape", "squeeze", "unsqueeze", "transpose", "t", "T", "permute"),
        *("expand", "expand_as", "detach", "data", "flatten", "ravel", "mT", "requires_grad_"),
    )
)


@dataclass(frozen=True)
class Effects:
    """Names of a statement.

    Attributes:
        makes: the names that get a new value.
        changes: the names whose value is changed in place, or by ``+=``.
        reads: the names whose value is needed.
    """

    makes: frozenset[str]
    changes: frozenset[str]
    reads: frozenset[str]


_KNOWN: WeakKeyDictionary[ast.AST, Effects] = WeakKeyDictionary()


def effects(statement: ast.AST) -> Effects:
    """The effects of a statement, with its blocks. They are cached: do not change the tree."""
    found = _KNOWN.get(statement)
    if found is None:
        found = _KNOWN[statement] = _effects(statement)
    return found


def _effects(statement: ast.AST) -> Effects:
    makes: set[str] = set()
    changes: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                _target(target, makes, changes)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            _target(node.target, makes, changes)
        elif isinstance(node, ast.AugAssign):
            name = base(node.target)
            changes |= {name} if name else set()
        elif isinstance(node, ast.For):
            _target(node.target, makes, changes)
        elif isinstance(node, ast.With):
            for item in node.items:
                if item.optional_vars is not None:
                    _target(item.optional_vars, makes, changes)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            makes.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            makes |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Delete):
            makes |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Call):
            changes |= set(_changed_by(node))
    reads = read_names(statement)
    return Effects(frozenset(makes), frozenset(changes), frozenset(reads | changes))


def read_names(node: ast.AST) -> set[str]:
    """The names whose value is read, without names that are bound inside."""
    bound = {
        name.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.comprehension)
        for name in ast.walk(inner.target)
        if isinstance(name, ast.Name)
    }
    for inner in ast.walk(node):
        if isinstance(inner, ast.Lambda | ast.FunctionDef):
            arguments = inner.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            bound |= {argument.arg for argument in every}
        if isinstance(inner, ast.FunctionDef):
            bound |= {
                name.id
                for name in ast.walk(inner)
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            }
    loads = {
        inner.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load)
    }
    return loads - bound


def base(node: ast.AST) -> str | None:
    """The name that ``x``, ``x[0]``, ``x.data`` or ``x.view(-1)`` begins with.

    None if the expression has its own memory.
    """
    while True:
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Subscript | ast.Attribute | ast.Starred):
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr not in VIEWS and not _in_place(node.func.attr):
                return None
            node = node.func.value
        else:
            return None


def shares(value: ast.expr) -> str | None:
    """The name with which the value of an expression may share memory."""
    if isinstance(value, ast.Attribute) and value.attr not in VIEWS:
        return None
    if isinstance(value, ast.Subscript) and not _is_basic(value.slice):
        return None
    return base(value)


def _is_basic(index: ast.expr) -> bool:
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    return all(isinstance(part, ast.Slice | ast.Constant | ast.UnaryOp) for part in parts)


def _in_place(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")


def _target(target: ast.expr, makes: set[str], changes: set[str]) -> None:
    if isinstance(target, ast.Name):
        makes.add(target.id)
    elif isinstance(target, ast.Tuple | ast.List):
        for part in target.elts:
            _target(part, makes, changes)
    elif isinstance(target, ast.Starred):
        _target(target.value, makes, changes)
    else:
        name = base(target)
        if name:
            changes.add(name)


def _changed_by(call: ast.Call) -> Iterator[str]:
    """The names whose memory a call writes into."""
    function = call.func
    if isinstance(function, ast.Attribute):
        if _in_place(function.attr):
            name = base(function.value)
            if name and name not in BUILTINS:
                yield name
        elif function.attr == "at" and call.args:  # np.add.at
            name = base(call.args[0])
            if name:
                yield name
        elif function.attr in ("append", "extend", "update", "insert"):
            name = base(function.value)
            if name:
                yield name
    for keyword in call.keywords:
        if keyword.arg == "out":
            name = base(keyword.value)
            if name:
                yield name
