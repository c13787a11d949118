"""The part of a notebook that belongs to one forward pass: its gradients and their slices."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from npnet.grading.effects import effects
from npnet.grading.pairs import Pair, named_pairs
from npnet.grading.program import called_functions
from npnet.grading.slices import Slice, Unit, slice_of, versions
from npnet.grading.truth import Graph

NO_VALUES = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


@dataclass(frozen=True)
class Target:
    """A gradient to judge: one version of a variable.

    Attributes:
        name: the variable.
        pairs: the pairs from its comparisons, or the pair that follows from its name.
        first, end: the range of the units that make this version.
    """

    name: str
    pairs: tuple[Pair, ...]
    first: int
    end: int


class Segment:
    """The units from one forward pass to the next.

    Args:
        units: the whole program.
        graph: the graph of the forward pass.
        first, end: the range of units of this segment.
        passed: the unit in which the backward pass ends.
        start: the unit in which the forward pass begins. Other tensors, such as a detached copy,
            are followed back up to this unit.
        pairs: the pairs of gradient variables and tensors of the whole notebook.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        graph: Graph,
        first: int,
        end: int,
        passed: int,
        pairs: Sequence[Pair],
        start: int | None = None,
    ) -> None:
        self.units, self.graph = units, graph
        self.first, self.end, self.passed = first, end, passed
        self.start = first if start is None else start
        self._effects = {place: effects(units[place].node) for place in range(first, end)}
        self._functions = called_functions(units)
        places = {units[place].place for place in range(first, end)}
        # A comparison can be outside, in a cell that was run again.
        self.pairs = [
            pair
            for pair in pairs
            if pair.tensor in graph.values and (pair.place is None or pair.place in places)
        ]
        made = {
            name
            for place, found in self._effects.items()
            if not isinstance(units[place].node, NO_VALUES)
            for name in found.makes
        }
        compared = {pair.gradient for pair in self.pairs}
        self.pairs += named_pairs(sorted(made - compared - graph.values.keys()), graph.values)
        self.tensor_of = self._tensors()
        self._lives = {name: versions(units, name, first, end) for name in self.tensor_of}

    def _tensors(self) -> dict[str, str]:
        """The tensor of each gradient variable; if it has two, the one that fits its name."""
        found: dict[str, str] = {}
        for pair in self.pairs:
            found.setdefault(pair.gradient, pair.tensor)
        compared = {(pair.gradient, pair.tensor) for pair in self.pairs}
        for pair in named_pairs(list(found), self.graph.values):
            if (pair.gradient, pair.tensor) in compared:
                found[pair.gradient] = pair.tensor
        return found

    def targets(self) -> list[Target]:
        """The gradients to judge, in the order of the program."""
        found: dict[tuple[str, int], Target] = {}
        for name in self.tensor_of:
            lives = self._lives[name]
            pairs = [pair for pair in self.pairs if pair.gradient == name]
            compared = [pair for pair in pairs if pair.place is not None]
            for pair in compared:
                at = self._unit(pair)
                life = next((life for life in reversed(lives) if life[0] <= at), None)
                if life is None:
                    continue
                key = (name, life[0])
                before = found[key].pairs if key in found else ()
                found[key] = Target(name, (*before, pair), *life)
            if not compared and pairs and lives:
                found[name, lives[-1][0]] = Target(name, tuple(pairs), *lives[-1])
        return sorted(found.values(), key=lambda target: (target.first, target.name))

    def _unit(self, pair: Pair) -> int:
        """The last unit before the comparison, or of the variable if there is no comparison."""
        own = [
            place
            for place in range(self.first, self.end)
            if self.units[place].place == pair.place
            and (self.units[place].line <= pair.line or not pair.line)
        ]
        return own[-1] if own else self.end - 1

    def slice(self, target: Target) -> Slice:
        """The statements that make a gradient."""
        tensors = {pair.tensor for pair in target.pairs}

        def cut(name: str, place: int) -> bool:
            # Another variable for the same gradient is part of the code of this one.
            return self.tensor_of.get(name) not in tensors and self._cut(name, place)

        units, end = self.units, target.end
        return slice_of(
            units, target.name, self.start, end, cut, self._uses, self.tensor_of, self.first
        )

    def ambiguous(self) -> dict[str, list[str]]:
        """Variables that are compared with one tensor but named after another, and both tensors."""
        found: dict[str, list[str]] = {}
        for name in self.tensor_of:
            tensors = [pair.tensor for pair in self.pairs if pair.gradient == name]
            tensors += [name[1:]] if name[:1] == "d" and name[1:] in self.graph.values else []
            if len(set(tensors)) > 1:
                found[name] = list(dict.fromkeys(tensors))
        return found

    def _cut(self, name: str, place: int) -> bool:
        if name in self.graph.values and name not in self.tensor_of:
            # If a name of the forward pass has been given to something else since, it does not
            # count.
            return not any(
                name in self._effects[other].makes for other in range(self.passed + 1, place)
            )
        if name not in self.tensor_of:
            return False
        life = next((life for life in reversed(self._lives[name]) if life[0] < place), None)
        if life is None:
            return True
        # A variable that is read before its last part is added is not yet the gradient.
        return not any(
            name in self._effects[other].changes | self._effects[other].makes
            for other in range(place + 1, life[1])
        )

    def _uses(self, name: str) -> set[str]:
        known = self.tensor_of.keys() | self.graph.values.keys() | self._functions.keys()
        return {one for one in self._functions.get(name, ()) if one in known}


def is_training_loop(node: ast.stmt) -> bool:
    """Whether a statement is a loop with forward and backward passes."""
    if isinstance(node, ast.With | ast.If | ast.Try):
        return any(is_training_loop(part) for part in node.body)
    if not isinstance(node, ast.For | ast.While):
        return False
    calls = {
        inner.func.attr
        for inner in ast.walk(node)
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute)
    }
    found = effects(node)
    updates = any(
        isinstance(inner, ast.Attribute) and inner.attr == "data" for inner in ast.walk(node)
    )
    forward = len(found.makes) >= 5 and ("cross_entropy" in calls or "tanh" in calls)
    return forward and ("backward" in calls or updates or "randint" in calls)
