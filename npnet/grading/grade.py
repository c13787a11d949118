"""Judging all hand-written gradients of a notebook, in the process that has its tensors."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from npnet.grading.causes import Causes
from npnet.grading.effects import effects
from npnet.grading.gradient_verdict import integers, verdict
from npnet.grading.judge_gradient import Judge
from npnet.grading.pairs import Pair, comparisons, tensor_by_name, told_apart
from npnet.grading.program import program
from npnet.grading.recognise import recognise
from npnet.grading.segments import NO_VALUES, Segment, is_training_loop
from npnet.grading.slices import Unit
from npnet.grading.training_loop import training
from npnet.grading.truth import Graph
from npnet.grading.verdicts import (
    NOT_RUN,
    Finding,
    GradientVerdict,
)
from npnet.grading.watch import Statement, Watch


def grade_run(watch: Watch) -> Iterator[GradientVerdict | Finding]:
    """The verdicts and findings, in the order of the notebook.

    Args:
        watch: has seen all cells run.
    """
    statements = watch.statements
    pairs = told_apart(comparisons(statements), statements)
    graphs = [
        (place, statement.graph)
        for place, statement in enumerate(statements)
        if statement.graph is not None and not is_training_loop(statement.node)
    ]
    if not graphs:
        for pair in pairs:
            if is_training_loop(statements[pair.place or 0].node):
                continue
            statement = statements[pair.place or 0]
            yield GradientVerdict(
                gradient=pair.gradient,
                tensor=pair.tensor,
                cell=statement.cell,
                line=pair.line,
                verdict=NOT_RUN,
                reason="no forward pass with its backward() ran: there is nothing to judge it by",
            )
        yield from training(watch)
        return
    tensors = {name for _, graph in graphs for name in graph.values}
    gradients = {pair.gradient for pair in pairs} | {
        name
        for statement in statements
        if not isinstance(statement.node, NO_VALUES)
        for name in effects(statement.node).makes
        if tensor_by_name(name, tensors)
    }
    graphs = _without_sides(graphs, statements, pairs, gradients)
    units = program(_with_expressions(statements, pairs), gradients)
    for number, (place, graph) in enumerate(graphs):
        segment = _segment(units, graphs, number, pairs, gradients)
        if segment is None:
            continue
        lookup = _lookup(statements, place)
        known = recognise(graph, integers(watch.backend, statements[place].after))
        for fault in known.faults:
            where = statements[place]
            yield Finding(about="forward pass", text=fault, cell=where.cell)
        judge = Judge(segment, watch.backend, lookup, _ran(statements))
        causes = Causes(segment, known, watch.backend, lookup)
        found = [verdict(judge, causes, target) for target in segment.targets()]
        yield from sorted(found, key=lambda one: (one.cell, one.line))
    yield from training(watch)


def _without_sides(
    graphs: Sequence[tuple[int, Graph]],
    statements: Sequence[Statement],
    pairs: Sequence[Pair],
    gradients: Collection[str],
) -> list[tuple[int, Graph]]:
    """The forward passes, without those that only serve a gradient of an earlier pass.

    Such a pass does not change the tensors of the earlier pass, and nothing is compared with its
    own tensors.
    """
    kept: list[tuple[int, Graph]] = []
    for number, (place, graph) in enumerate(graphs):
        if kept:
            before = kept[-1][1]
            inner = [name for name in before.values if name not in before.leaves | {before.root}]
            after = statements[place].after
            remade = [name for name in inner if after.get(name) is not before.tensor(name)]
            anew = graph.values.keys() & set(remade)
            own = graph.values.keys() - before.values.keys()
            end = graphs[number + 1][0] if number + 1 < len(graphs) else len(statements)
            asked = {pair.tensor for pair in pairs if place <= (pair.place or 0) < end}
            named = {tensor_by_name(name, own) for name in gradients}
            asked |= {name for name in named if name}
            if not anew and not asked & own:
                continue
        kept.append((place, graph))
    return kept


def _segment(
    units: Sequence[Unit],
    graphs: Sequence[tuple[int, Graph]],
    number: int,
    pairs: Sequence[Pair],
    gradients: Collection[str],
) -> Segment | None:
    """The units that belong to a forward pass: from its end to the start of the next one."""
    place, graph = graphs[number]
    start = _forward_start(units, place, graph)
    end = len(units)
    if number + 1 < len(graphs):
        end = _forward_start(units, *graphs[number + 1])
    for at in range(start, end):
        if is_training_loop(units[at].node):
            end = at
            break
    passed = max((at for at in range(start, end) if units[at].place <= place), default=start)
    # Gradients can be computed before the call of backward(); other statements there are not
    # judged.
    first = passed + 1
    made = set(gradients) - graph.values.keys()
    early = [at for at in range(start, first) if effects(units[at].node).makes & made]
    first = min(early, default=first)
    return Segment(units, graph, first, end, passed, pairs, start) if first < end else None


def _forward_start(units: Sequence[Unit], place: int, graph: Graph) -> int:
    """The unit in which the first named tensor of a forward pass is made."""
    starts = []
    for name in graph.values:
        if name in graph.leaves:
            continue
        made = [
            at
            for at, unit in enumerate(units)
            if unit.place <= place and name in effects(unit.node).makes
        ]
        if made:
            starts.append(made[-1])
    fallback = next((at for at, unit in enumerate(units) if unit.place >= place), len(units))
    return min(starts, default=fallback)


def _with_expressions(statements: Sequence[Statement], pairs: Sequence[Pair]) -> list[Statement]:
    """The statements; a compared expression becomes a variable before the comparison."""
    found = []
    for place, statement in enumerate(statements):
        here = [pair for pair in pairs if pair.place == place and pair.expression is not None]
        if not here:
            found.append(statement)
            continue
        assigns: list[ast.stmt] = []
        for pair in here:
            assert pair.expression is not None
            assign = ast.Assign([ast.Name(pair.gradient, ast.Store())], pair.expression)
            assigns.append(ast.fix_missing_locations(ast.copy_location(assign, statement.node)))
            if pair.variable:
                # Later statements read this gradient. Times 1, so that it can be changed in place.
                same = ast.BinOp(ast.Name(pair.gradient, ast.Load()), ast.Mult(), ast.Constant(1))
                back = ast.Assign([ast.Name(pair.variable, ast.Store())], same)
                assigns.append(ast.fix_missing_locations(ast.copy_location(back, statement.node)))
        block = ast.With(
            [ast.withitem(ast.Attribute(ast.Name("torch", ast.Load()), "no_grad", ast.Load()))],
            [*assigns, statement.node],
        )
        block = ast.fix_missing_locations(ast.copy_location(block, statement.node))
        found.append(replace(statement, node=block))
    return found


def _lookup(statements: Sequence[Statement], passed: int) -> Any:
    """The values of names at the beginning of a statement."""

    def value(name: str, place: int) -> Any:
        for namespace in (
            statements[place].before,
            statements[place].after,
            statements[passed].after,
            statements[-1].after,
        ):
            if name in namespace:
                return namespace[name]
        raise KeyError(name)

    return value


def _ran(statements: Sequence[Statement]) -> Any:
    return lambda place: statements[place].ran
