"""Finding the statements of a program that make a variable: a slice.

A program is a list of units: the statements of a notebook's cells in order, with functions that
compute gradients inlined at their calls (``npnet.grading.program``). The search starts at the
last statement of a variable and goes back. A statement is kept if it makes or changes a name that
is needed; the names that it reads are then needed too. The search stops at names of values of the
forward pass and of other gradients.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from npnet.grading.effects import BUILTINS, effects, read_names, shares

Cut = Callable[[str, int], bool]
DRAWS = frozenset(
    (
        *("rand", "randn", "randint", "randperm", "normal", "multinomial", "bernoulli", "dropout"),
        *("rand_like", "randn_like", "randint_like", "uniform_", "normal_", "bernoulli_", "choice"),
        *("choices", "sample", "shuffle", "permutation", "Dropout"),
    )
)


@dataclass(frozen=True)
class Unit:
    """One statement of a program.

    Attributes:
        node: its syntax tree.
        place: the number of the notebook's statement from which it comes.
        cell, line: its place in the notebook, both from 1.
    """

    node: ast.stmt
    place: int
    cell: int
    line: int


@dataclass
class Slice:
    """The statements that make a variable.

    Attributes:
        statements: the statements to run, in order.
        units: the units from which they come.
        inputs: the names that must exist before.
        places: for an input, the notebook's statement that reads it first.
    """

    statements: list[ast.stmt] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    inputs: set[str] = field(default_factory=set)
    places: dict[str, int] = field(default_factory=dict)

    def place(self, name: str) -> int:
        """The statement at whose beginning the value of an input is taken."""
        return self.places.get(name, self.units[0].place)

    @property
    def reads_grad_of(self) -> set[str]:
        """The tensors whose ``.grad`` the statements read."""
        return {
            node.value.id
            for statement in self.statements
            for node in ast.walk(statement)
            if isinstance(node, ast.Attribute)
            and node.attr == "grad"
            and isinstance(node.ctx, ast.Load)
            and isinstance(node.value, ast.Name)
        }

    @property
    def code(self) -> str:
        """The statements as text."""
        return "\n".join(map(ast.unparse, self.statements))


def versions(units: Sequence[Unit], name: str, first: int, end: int) -> list[tuple[int, int]]:
    """The versions of a variable in ``units[first:end]``: ranges of units.

    A version begins at a unit that makes the variable, and ends before the next such unit. A unit
    that computes the variable from its own earlier value does not begin a new version.
    """
    starts: list[int] = []
    for place in range(first, end):
        found = effects(units[place].node)
        begins = name in found.makes and name not in found.reads
        if begins or (not starts and name in found.makes | found.changes):
            starts.append(place)
    return [
        (start, starts[number + 1] if number + 1 < len(starts) else end)
        for number, start in enumerate(starts)
    ]


def slice_of(
    units: Sequence[Unit],
    name: str,
    first: int,
    end: int,
    cut: Cut,
    uses: Callable[[str], set[str]],
    variables: Collection[str],
    passed: int = 0,
) -> Slice:
    """The statements among ``units[first:end]`` that make the last value of a variable.

    Args:
        units: the program.
        name: the variable.
        first, end: the range of units for the search.
        cut: a function of a name and a place: whether the name, read by the unit there, is an input
            that is not followed.
        uses: the names that a function of the notebook reads when it is called.
        variables: the variables of all gradients. If code for another gradient changes this one, it
            is a mistake of the other gradient, and not part of this one's code.
        passed: units before this one ran during the forward pass. Numbers that they drew are
            inputs, because drawing again would give other numbers. So are arrays of decimal
            fractions that are written out there: the forward pass has them in its own precision.
    """
    found = Slice()
    aliases = _aliases(units, first, end, set(variables) - {name})
    objects = _objects(units, end)
    needed = {name}
    for place in range(end - 1, first - 1, -1):
        unit = units[place]

        def is_cut(one: str, place: int = place) -> bool:
            return one != name and cut(one, place)

        if place < passed and (draws(unit.node) or _is_written_out(unit.node)):
            made = effects(unit.node).makes & needed
            found.inputs |= made
            needed -= made
            continue
        touched = _touched(unit.node, objects) & needed if place >= passed else set()
        if _is_backward(unit.node):
            touched |= found.reads_grad_of & needed
        before = found.inputs | needed
        kept = _kept(unit.node, needed, is_cut, found.inputs, uses, aliases.get(place, {}))
        if kept is None and touched:
            kept = unit.node
            for one in effects(unit.node).reads - BUILTINS:
                (found.inputs if is_cut(one) else needed).add(one)
        if kept is not None:
            found.statements.insert(0, kept)
            found.units.insert(0, unit)
            read = effects(unit.node).reads | ((found.inputs | needed) - before)
            found.places |= dict.fromkeys(read, unit.place)
    found.inputs |= needed
    found.inputs -= BUILTINS
    return found


def _kept(
    node: ast.stmt,
    needed: set[str],
    is_cut: Callable[[str], bool],
    inputs: set[str],
    uses: Callable[[str], set[str]],
    aliases: dict[str, set[str]],
) -> ast.stmt | None:
    """The part of a statement that is needed, or None. The names that it needs go to ``needed``."""

    def need(names: set[str]) -> None:
        for one in names | {other for name in names for other in uses(name)}:
            (inputs if is_cut(one) else needed).add(one)

    def body(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        kept: list[ast.stmt] = []
        for statement in reversed(statements):
            part = _kept(statement, needed, is_cut, inputs, uses, aliases)
            if part is not None:
                kept.insert(0, part)
        return kept

    found = effects(node)
    changed = found.changes | {root for name in found.changes for root in aliases.get(name, ())}
    if not (found.makes | changed) & needed and not _leaves_loop(node):
        return None
    if isinstance(node, ast.For | ast.While):
        before: set[str] | None = None
        kept: list[ast.stmt] = []
        while before != needed:
            before = set(needed)
            kept = body(node.body)
            needed |= before
            if not [part for part in kept if not _leaves_loop(part)]:
                return None
            if isinstance(node, ast.While):
                need(read_names(node.test))
        if isinstance(node, ast.For):
            needed -= effects(ast.For(node.target, node.iter, [ast.Pass()], [])).makes
            need(read_names(node.iter))
            return _like(node, ast.For(node.target, node.iter, kept, []))
        return _like(node, ast.While(node.test, kept, []))
    if isinstance(node, ast.If):
        after = set(needed)
        then = body(node.body)
        first = set(needed)
        needed.clear()
        needed |= after
        other = body(node.orelse)
        needed |= first | after if not other else first
        if not then and not other:
            needed.clear()
            needed |= after
            return None
        need(read_names(node.test))
        return _like(node, ast.If(node.test, then or [ast.Pass()], other))
    if isinstance(node, ast.With):
        kept = body(node.body)
        if not kept:
            return None
        need({name for item in node.items for name in read_names(item.context_expr)})
        return _like(node, ast.With(node.items, kept))
    if isinstance(node, ast.Try):
        kept = body(node.body)
        return _like(node, ast.If(ast.Constant(True), kept, [])) if kept else None
    if _leaves_loop(node):
        return node
    needed -= found.makes - found.changes
    need({*found.reads} - BUILTINS)
    return node


def draws(node: ast.AST) -> bool:
    """Whether a statement draws random numbers."""
    return any(
        isinstance(inner, ast.Call)
        and isinstance(inner.func, ast.Attribute | ast.Name)
        and (inner.func.attr if isinstance(inner.func, ast.Attribute) else inner.func.id) in DRAWS
        for inner in ast.walk(node)
    )


def _is_written_out(node: ast.AST) -> bool:
    """Whether a statement names an array of written numbers: ``w = torch.tensor([0.9, 0.1])``."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
        return False
    inner = [*ast.walk(node.value)]
    owners = {id(part.value) for part in inner if isinstance(part, ast.Attribute)}
    known = all(id(part) in owners for part in inner if isinstance(part, ast.Name))
    decimal = any(isinstance(part, ast.Constant) and type(part.value) is float for part in inner)
    return known and decimal


def _objects(units: Sequence[Unit], end: int) -> set[str]:
    """The variables whose values are objects of the notebook's own classes."""
    classes = {unit.node.name for unit in units[:end] if isinstance(unit.node, ast.ClassDef)}
    return {
        name
        for unit in units[:end]
        if isinstance(unit.node, ast.Assign)
        and classes
        & {
            call.func.id
            for call in ast.walk(unit.node.value)
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        }
        for name in effects(unit.node).makes
    }


def _is_backward(node: ast.stmt) -> bool:
    """Whether it is ``part.backward()``, which gives tensors their ``.grad``."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and node.value.func.attr == "backward"
    )


def _touched(node: ast.AST, objects: Collection[str]) -> set[str]:
    """The objects of the notebook's own classes whose methods a statement calls."""
    found = set()
    for call in ast.walk(node) if objects else ():
        if isinstance(call, ast.Call):
            called = call.func.value if isinstance(call.func, ast.Attribute) else call.func
            if isinstance(called, ast.Name) and called.id in objects:
                found.add(called.id)
    return found


def _leaves_loop(node: ast.AST) -> bool:
    return isinstance(node, ast.Break | ast.Continue) or (
        isinstance(node, ast.If) and any(map(_leaves_loop, node.body))
    )


def _like(old: ast.stmt, new: ast.stmt) -> ast.stmt:
    return ast.fix_missing_locations(ast.copy_location(new, old))


def _aliases(
    units: Sequence[Unit], first: int, end: int, without: set[str]
) -> dict[int, dict[str, set[str]]]:
    """For each unit: name -> other names with which it may share memory, by the units before."""
    known: dict[str, set[str]] = {}
    found = {}
    for place in range(first, end):
        found[place] = {name: set(roots) for name, roots in known.items()}
        for node in ast.walk(units[place].node):
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                target = node.targets[0]
                if not isinstance(target, ast.Name):
                    continue
                root = shares(node.value)
                known.pop(target.id, None)
                for others in known.values():
                    others.discard(target.id)
                if root and root != target.id and target.id not in without:
                    known[target.id] = {root, *known.get(root, ())}
                    found[place][target.id] = set(known[target.id])
    return found
