"""Finding what the printed lines of a notebook depend on: names are followed from cell to cell.

An unseeded draw in one cell explains a difference in another only if the printed number was
computed from the draw. The code is read, not run. A name depends on everything that its assignment
reads, and on the conditions and loops around the assignment. If an object is changed in place, its
name also keeps its earlier dependences. In unclear cases, a dependence is assumed.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from npnet.notebooks.cells import Cell
from npnet.notebooks.magics import plain_python
from npnet.notebooks.run import Ran, UnseededDraw

# Methods that change their object.
CHANGING = {
    "add", "append", "backward", "clear", "extend", "insert", "pop", "remove", "reverse",
    "setdefault", "sort", "step", "update", "zero_grad",
}  # fmt: skip
HOLDING = {"items", "parameters", "values"}  # methods that give parts of an object, not copies
SHUFFLING = {"shuffle"}  # functions that change their arguments
GRADIENTS = ".grad"  # stands for all gradients together; backward() makes them
STREAM = "torch's stream"  # of the default generator: if one draw is missing, all later ones change
LONG = 1.0  # a loop that takes more seconds counts as a training loop

CauseKind = Literal["draw", "ran", "failed", "stopped", "loop", "module"]


@dataclass(frozen=True)
class Cause:
    """Something that a printed line depends on.

    Attributes:
        kind: ``draw``, a draw that no seed decides; ``ran``, a cell that the line depends on;
            ``failed``, a statement after the one at which a cell failed; ``stopped``, a cell that
            did not run to its end; ``loop``, a training loop, in which rounding adds up;
            ``module``, a module that is not installed.
        cell: the number of the cell.
        draw: the draw, if the kind is ``draw``.
    """

    kind: CauseKind
    cell: int
    draw: UnseededDraw | None = None


Causes = frozenset[Cause]
NONE: Causes = frozenset()


@dataclass
class _Function:
    """A function of the notebook: the names that it reads, and those that it changes."""

    reads: set[str]
    changes: set[str]


@dataclass
class Lines:
    """The causes that the lines of one cell depend on.

    Attributes:
        causes: line of the cell (from 1) -> its causes.
        reads: the names that the cell reads before it assigns them.
        makes: the names that it assigns.
    """

    causes: dict[int, Causes] = field(default_factory=dict)
    reads: set[str] = field(default_factory=set)
    makes: set[str] = field(default_factory=set)

    def of(self, line: int) -> Causes:
        """The causes of a line; of the whole cell if the line is not known."""
        if line in self.causes:
            return self.causes[line]
        return frozenset().union(*self.causes.values())


class Dependence:
    """The names of a notebook, and the causes that they depend on, after the cells so far."""

    def __init__(self) -> None:
        self.names: dict[str, Causes] = {}
        self.parts: dict[
            str, set[str]
        ] = {}  # the names inside a list, and other names of an object
        self.functions: dict[str, _Function] = {}
        self.modules: set[str] = set()
        self.changed: set[str] = set()  # names whose objects were changed in place

    def add(self, ran: Ran) -> Lines:
        """Add a cell that has run, and return what its lines depend on."""
        try:
            tree = ast.parse(plain_python(ran.cell.source).source)
        except (SyntaxError, ValueError, RecursionError):
            return Lines()
        return _Walk(self, ran).cell(tree)

    def of(self, name: str) -> Causes:
        """All causes that a name depends on, including those of its parts."""
        found = NONE
        pending, seen = [name], {name}
        while pending:
            one = pending.pop()
            found |= self.names.get(one, NONE)
            more = self.parts.get(one, set()) - seen
            seen |= more
            pending += more
        return found

    def change(self, name: str, causes: Causes) -> None:
        """Note that an object is changed in place: all names for parts of it depend on this too."""
        pending, seen = [name], {name}
        self.changed.add(name)
        while pending:
            one = pending.pop()
            if one not in self.modules and (one in self.names or not hasattr(builtins, one)):
                self.names[one] = self.names.get(one, NONE) | causes
            more = self.parts.get(one, set()) - seen
            seen |= more
            pending += more


class _Walk:
    """Follows one cell, statement by statement."""

    def __init__(self, known: Dependence, ran: Ran) -> None:
        self.known, self.ran = known, ran
        self.lines = Lines()
        self.draws: dict[int, set[Cause]] = {}
        number = ran.cell.number
        for draw in ran.draws:
            self.draws.setdefault(draw.line, set()).add(Cause("draw", number, draw))
        self.streamed = {draw["line"] for draw in ran.torch_draws if draw["default"]}
        self.everywhere = frozenset({Cause("ran", number)})
        if ran.stopped is not None:
            self.everywhere |= {Cause("stopped", number)}

    def cell(self, tree: ast.Module) -> Lines:
        failed = self.ran.line if self.ran.error is not None else None
        if self.ran.fails_as_stored:  # what it should have made was missing then, too
            failed = None
        for statement in tree.body:
            control = self.everywhere
            if failed is not None and (statement.end_lineno or statement.lineno) >= failed:
                control |= {Cause("failed", self.ran.cell.number)}
            self.statement(statement, control)
        if failed is not None:
            stream = self.known.names.get(STREAM, NONE)
            self.known.names[STREAM] = stream | {Cause("failed", self.ran.cell.number)}
        return self.lines

    def block(self, statements: Iterable[ast.stmt], control: Causes) -> None:
        for statement in statements:
            self.statement(statement, control)

    def statement(self, statement: ast.stmt, control: Causes) -> None:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self.define(statement, control)
            case ast.For() | ast.AsyncFor():
                self.loop(statement, control)
            case ast.While():
                for _ in range(2):
                    control |= self.head(statement.test, control)
                    self.block(statement.body, control | self.long(statement))
                self.block(statement.orelse, control)
            case ast.If():
                control |= self.head(statement.test, control)
                before = dict(self.known.names)
                self.block(statement.body, control)
                self.block(statement.orelse, control)
                # It is not known which branch ran: the old values may still be there.
                for name, causes in before.items():
                    self.known.names[name] = self.known.names.get(name, NONE) | causes
            case ast.With() | ast.AsyncWith():
                for item in statement.items:
                    causes = self.head(item.context_expr, control)
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, causes)
                self.block(statement.body, control)
            case ast.Try() | ast.TryStar():
                self.block(statement.body, control)
                for handler in statement.handlers:
                    self.block(handler.body, control)
                self.block([*statement.orelse, *statement.finalbody], control)
            case ast.Import() | ast.ImportFrom():
                self.imported(statement)
            case _:
                self.simple(statement, control)

    def define(
        self, made: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, control: Causes
    ) -> None:
        reads = {n.id for n in ast.walk(made) if isinstance(n, ast.Name)}
        if any(isinstance(n, ast.Attribute) and n.attr == "grad" for n in ast.walk(made)):
            reads.add(GRADIENTS)
        own = {n.arg for n in ast.walk(made) if isinstance(n, ast.arg)}
        shared = {
            name
            for n in ast.walk(made)
            if isinstance(n, ast.Global | ast.Nonlocal)
            for name in n.names
        }
        own |= {
            n.id for n in ast.walk(made) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        changes = set(_changed(made)) | shared
        self.known.functions[made.name] = _Function(reads - own | shared, changes - own | shared)
        self.known.names[made.name] = control
        self.lines.makes.add(made.name)
        # In the function's own cell, its lines get the causes of the calls that print through it.
        for line in range(made.lineno, (made.end_lineno or made.lineno) + 1):
            self.lines.causes[line] = self.lines.causes.get(line, NONE) | control

    def loop(self, loop: ast.For | ast.AsyncFor, control: Causes) -> None:
        for _ in range(2):  # the second time, with the results of the first
            source = self.head(loop.iter, control)
            self.assign(loop.target, source)
            names = set(_names(loop.target))
            self.known.changed -= names
            around = control | self.long(loop)
            self.block(loop.body, around | source)
            # A loop that changes the parts of a list has changed the list; what the other parts
            # depend on, each part does not.
            changed = [self.known.of(name) - source for name in names & self.known.changed]
            if changed:
                for name in _names(loop.iter):
                    self.known.change(name, around.union(*changed))
        self.block(loop.orelse, control)

    def long(self, loop: ast.stmt) -> Causes:
        """The loop as a cause, if rounding can add up in it: it trains, or takes long."""
        trains = any(isinstance(n, ast.Call) and _callee(n) == "backward" for n in ast.walk(loop))
        if trains or self.ran.seconds > LONG or self.ran.stopped is not None:
            return frozenset({Cause("loop", self.ran.cell.number)})
        return NONE

    def imported(self, statement: ast.Import | ast.ImportFrom) -> None:
        missing = [note.split()[0] for note in self.ran.notes if "is not installed" in note]
        for alias in statement.names:
            name = (alias.asname or alias.name).partition(".")[0]
            module = statement.module if isinstance(statement, ast.ImportFrom) else alias.name
            self.known.modules.add(name)
            if (module or "").partition(".")[0] in missing:
                self.known.modules.discard(name)
                causes = frozenset({Cause("module", self.ran.cell.number)})
                self.known.names[name] = self.lines.causes[statement.lineno] = causes

    def simple(self, statement: ast.stmt, control: Causes) -> None:
        causes = self.head(statement, control)
        match statement:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self.assign(target, causes)
                    if isinstance(target, ast.Name):
                        self.known.parts[target.id] = set(_held(value)) - {target.id}
            case ast.AugAssign(target=target):
                for name in _names(target):
                    self.known.change(name, causes)
                    self.lines.makes.add(name)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self.assign(target, causes)
            case ast.Delete(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name):
                        self.known.names.pop(target.id, None)
        for name in _changed(statement):
            self.known.change(name, causes)
        for called in self.called(statement):
            for name in called.changes:
                self.known.change(name, causes)
        for node in ast.walk(statement):
            if isinstance(node, ast.NamedExpr):
                self.assign(node.target, causes)
            # Changes of arguments by the notebook's own functions are not followed.
            if isinstance(node, ast.Call) and _callee(node) in SHUFFLING:
                for name in (n for argument in node.args for n in _names(argument)):
                    self.known.change(name, causes)
            if isinstance(node, ast.Call) and _callee(node) == "manual_seed":
                of_torch = ast.unparse(node.func).partition(".")[0] in self.known.modules
                if of_torch:  # not of a generator of the notebook's own
                    self.known.names.pop(STREAM, None)
            if isinstance(node, ast.Call) and _callee(node) == "backward":
                self.known.names[GRADIENTS] = self.known.names.get(GRADIENTS, NONE) | causes

    def assign(self, target: ast.expr, causes: Causes) -> None:
        match target:
            case ast.Name():
                self.known.names[target.id] = causes
                self.known.parts.pop(target.id, None)
                self.lines.makes.add(target.id)
            case ast.Tuple() | ast.List():
                for part in target.elts:
                    self.assign(part, causes)
            case ast.Starred():
                self.assign(target.value, causes)
            case _:  # it is a part of an object
                for name in _names(target):
                    self.known.change(name, causes)
                    self.lines.makes.add(name)
                    break

    def head(self, node: ast.AST, control: Causes) -> Causes:
        """The causes of an expression or simple statement; they are noted for its lines too."""
        causes = control
        names = set(_read(node))
        for called in self.called(node):
            names |= called.reads
        self.lines.reads |= names - self.lines.makes - self.known.modules
        for name in names:
            causes |= self.known.of(name)
        first = getattr(node, "lineno", 0)
        lines = range(first, (getattr(node, "end_lineno", first) or first) + 1)
        for line in lines:
            causes |= self.draws.get(line, NONE)
            if line in self.streamed:
                causes |= self.known.of(STREAM)
        for line in lines:
            self.lines.causes[line] = self.lines.causes.get(line, NONE) | causes
        return causes

    def called(self, node: ast.AST) -> Iterator[_Function]:
        """The notebook's functions that a node names, and the functions that these name."""
        pending = list(_read(node))
        seen: set[str] = set()
        while pending:
            name = pending.pop()
            if name in self.known.functions and name not in seen:
                seen.add(name)
                yield self.known.functions[name]
                pending += self.known.functions[name].reads


def _read(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            yield inner.id
        elif isinstance(inner, ast.AugAssign) and isinstance(inner.target, ast.Name):
            yield inner.target.id
        elif isinstance(inner, ast.Attribute) and inner.attr == "grad":
            yield GRADIENTS


def _names(node: ast.AST) -> Iterator[str]:
    return (inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))


def _held(value: ast.expr) -> Iterator[str]:
    """The names whose objects a list or another name refers to."""
    match value:
        case ast.Name():
            yield value.id
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            for part in parts:
                yield from _held(part)
        case ast.Dict(values=values):
            for part in values:
                yield from _held(part)
        case ast.BinOp(left=left, right=right):
            for side in (left, right):
                if not isinstance(side, ast.Name):
                    yield from _held(side)
        case ast.Attribute() | ast.Subscript():
            yield from _held(value.value)
        case ast.Call(func=ast.Attribute(value=owner, attr=method)) if method in HOLDING:
            yield from _held(owner)
        case ast.ListComp(elt=ast.Name(), generators=loops):
            for loop in loops:
                yield from _held(loop.iter)


def _changed(node: ast.AST) -> Iterator[str]:
    """The names whose objects are changed by a method or through a part of them."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            method = inner.func.attr
            in_place = method.endswith("_") and not method.startswith("_")
            if (method in CHANGING or in_place) and method != "requires_grad_":
                yield from _first(inner.func.value)
        elif isinstance(inner, ast.Attribute | ast.Subscript) and isinstance(inner.ctx, ast.Store):
            yield from _first(inner)


def _first(node: ast.expr) -> Iterator[str]:
    """The name at the beginning of ``a.b[0].c``."""
    inner = node
    while isinstance(inner, ast.Attribute | ast.Subscript | ast.Call):
        inner = inner.func if isinstance(inner, ast.Call) else inner.value
    if isinstance(inner, ast.Name):
        yield inner.id


def _callee(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def makes_of(cell: Cell) -> set[str]:
    """The names that a cell assigns when it runs."""
    try:
        tree = ast.parse(plain_python(cell.source).source)
    except (SyntaxError, ValueError, RecursionError):
        return set()
    made = {
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    return made | {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}


def order_of(
    cell: Cell, causes: Causes, above: Mapping[int, tuple[Cell, Lines]], below: Sequence[Cell]
) -> str:
    """A text on cells that ran in another order before an output was stored; "" if none did.

    Args:
        cell: the cell of the output.
        causes: the causes of the printed line.
        above: number -> the cells that have run (including this one), and what they read.
        below: the cells below this one.
    """
    count = cell.execution_count
    if count is None:
        return ""
    found = []
    took_part = {c.cell for c in causes if c.kind == "ran"} | {cell.number}
    for number in sorted(took_part - {cell.number}):
        other = above[number][0].execution_count
        if other is not None and other > count:
            found.append(f"cell {number} (In [{other}]) ran again after this output (In [{count}])")
    reads: set[str] = set().union(*(above[number][1].reads for number in took_part))
    for one in below:
        other = one.execution_count
        shared = sorted(reads & makes_of(one)) if other is not None and other < count else []
        if shared:
            found.append(
                f"cell {one.number} (In [{other}]), which makes {shared[0]}, ran before this "
                f"output (In [{count}])"
            )
    return "; ".join(found[:3])
