"""Judging a notebook's training loop: the gradients of one step, the update, steps and rate."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.causes import Causes
from npnet.grading.effects import effects, read_names
from npnet.grading.evaluation import after_training
from npnet.grading.gradient_verdict import integers, verdict
from npnet.grading.judge_gradient import Judge
from npnet.grading.pairs import Pair, comparisons
from npnet.grading.program import straight
from npnet.grading.recognise import recognise
from npnet.grading.segments import Segment, is_training_loop
from npnet.grading.slice_runs import quietly
from npnet.grading.slices import Unit
from npnet.grading.truth import Backend, Graph
from npnet.grading.verdicts import Finding, GradientVerdict
from npnet.grading.watch import Statement, Watch


@dataclass
class _Step:
    """One step of a loop that runs alone.

    Attributes:
        nodes: its statements, without those that throw gradients away.
        thrown: the names that these throw away.
        loss: the place of the statement that makes the loss.
        names: the namespace after the step.
        parameters: the parameters before the step, by name.
        graph: the graph of its forward pass.
    """

    nodes: list[ast.stmt]
    thrown: list[str]
    loss: int = -1
    names: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Array] = field(default_factory=dict)
    graph: Graph | None = None


def training(watch: Watch) -> Iterator[GradientVerdict | Finding]:
    """The verdicts and findings on the training loops, and on the cells after the last one."""
    loops = [
        place
        for place, statement in enumerate(watch.statements)
        if is_training_loop(statement.node) and (statement.after or statement.before)
    ]
    for place in loops:
        statement = watch.statements[place]
        loop = _loop(statement.node)
        if loop is None:
            continue
        functions = {
            earlier.node.name: earlier.node
            for earlier in watch.statements[:place]
            if isinstance(earlier.node, ast.FunctionDef)
        }
        step = _run(loop, functions, statement, watch.backend)
        yield from _told(loop, statement)
        if step.graph is not None:
            yield from _gradients(step, functions.values(), statement, watch.backend)
            yield from _updated(step, statement, watch.backend)
    if loops:
        yield from after_training(watch, loops[-1])


def _loop(node: ast.stmt) -> ast.For | ast.While | None:
    if isinstance(node, ast.With | ast.If | ast.Try):
        return next((found for part in node.body if (found := _loop(part)) is not None), None)
    return node if isinstance(node, ast.For | ast.While) else None


def _run(
    loop: ast.For | ast.While,
    functions: dict[str, ast.FunctionDef],
    statement: Statement,
    backend: Backend,
) -> _Step:
    """Run a step's forward pass on copies of the parameters."""
    every = [
        node for part in loop.body for node in straight(part, functions, _gradient_names(loop))
    ]
    # A break would end the step before its gradients.
    every = [node for node in every if not _leaves(node)]
    thrown = [
        name
        for node in every
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and node.value.value is None
        for name in effects(node).makes
    ]
    nodes = [
        node
        for node in every
        if not (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and node.value.value is None
        )
    ]
    step = _Step(nodes, thrown)
    step.names = dict(statement.after or statement.before)
    made = {name for node in nodes for name in effects(node).makes}
    renewed: dict[int, Any] = {}
    for name in list(step.names):
        value: Any = step.names.get(name)
        if not backend.is_tensor(value) or not value.is_leaf or not value.requires_grad:
            continue
        if name in made:
            continue
        if id(value) not in renewed:
            renewed[id(value)] = backend.leaf(backend.array(value))
        step.parameters[name] = backend.array(value)
        step.names[name] = renewed[id(value)]
    for name, value in step.names.items():
        if isinstance(value, list | tuple) and any(id(one) in renewed for one in value[:100]):
            step.names[name] = [renewed.get(id(one), one) for one in value]
    for name in effects(loop).makes:
        if isinstance(loop, ast.For) and name in read_names(loop.target):
            step.names.setdefault(name, 0)
    for place, node in enumerate(nodes):
        if not _execute(node, step.names, backend):
            break
        for name in effects(node).makes:
            value = step.names.get(name)
            if backend.is_tensor(value) and value.ndim == 0 and value.requires_grad:
                step.graph = _graph(value, step.names, nodes[: place + 1], backend)
                step.loss = place
                return step
    return step


def _graph(
    loss: Any, names: dict[str, Any], nodes: Sequence[ast.stmt], backend: Backend
) -> Graph | None:
    try:
        return backend.graph_of(loss, names, nodes)
    except Exception:  # no graph that can be computed again: it is not judged
        return None


def _execute(node: ast.stmt, names: dict[str, Any], backend: Backend) -> bool:
    module = ast.Module([node], [])
    try:
        with quietly(), backend.recording():
            exec(compile(ast.fix_missing_locations(module), "<step>", "exec"), names)
    except Exception:  # an error of the notebook, which its run has already shown
        return False
    return True


def _gradient_names(loop: ast.stmt) -> list[str]:
    return [name for name in effects(loop).makes if name[:1] == "d"]


def _leaves(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and any(
        isinstance(inner, ast.Break) for inner in ast.walk(node)
    )


def _gradients(
    step: _Step,
    functions: Iterable[ast.FunctionDef],
    statement: Statement,
    backend: Backend,
) -> Iterator[GradientVerdict | Finding]:
    """The verdicts on the gradients of a step."""
    assert step.graph is not None
    cell = statement.cell
    units = [Unit(node, 0, cell, getattr(node, "lineno", 0)) for node in step.nodes]
    one = Statement(statement.node, cell, True, step.names, step.names)
    pairs = [
        Pair(pair.gradient, pair.tensor, 0, pair.line)
        for pair in comparisons([Statement(node, cell) for node in (*functions, *step.nodes)])
        if pair.expression is None
    ]
    zipped = _zipped(step, backend)
    pairs += [pair for pair in zipped if pair.gradient not in {one.gradient for one in pairs}]
    segment = Segment(units, step.graph, step.loss + 1, len(units), step.loss, pairs)

    def lookup(name: str, _: int) -> Any:
        return one.before[name]

    known = recognise(step.graph, integers(backend, step.names))
    for fault in known.faults:
        yield Finding(about="training", text=f"forward pass: {fault}", cell=cell)
    judge = Judge(segment, backend, lookup, lambda _: True)
    causes = Causes(segment, known, backend, lookup)
    first = ""
    for target in segment.targets():
        found = verdict(judge, causes, target, part=4)
        if found.fails and not first:
            first = found.gradient
        yield found
    if first:
        text = f"the first wrong gradient of a step is {first}: those after it may be wrong by it"
        yield Finding(about="training", text=text, cell=cell, wrong=False)
    if step.thrown:
        text = f"the step sets {', '.join(step.thrown)} to None: what is computed is thrown away"
        yield Finding(about="training", text=text, cell=cell, wrong=False)


def _zipped(step: _Step, backend: Backend) -> list[Pair]:
    """The pairs from ``for p, grad in zip(parameters, grads)``, by their place in the lists."""
    lists = {
        name: [element.id if isinstance(element, ast.Name) else "" for element in node.value.elts]
        for node in step.nodes
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List | ast.Tuple)
        for name in effects(node).makes
    }
    found = []
    for node in step.nodes:
        call = node.iter if isinstance(node, ast.For) else None
        if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "zip"):
            continue
        sides = [_elements(one, lists, step, backend) for one in call.args[:2]]
        if len(sides) == 2:
            for tensor, gradient in zip(*sides, strict=False):
                if tensor in step.parameters and gradient and gradient not in step.parameters:
                    found.append(Pair(gradient, tensor, 0, getattr(node, "lineno", 0)))
    return found


def _elements(
    node: ast.expr, lists: dict[str, list[str]], step: _Step, backend: Backend
) -> list[str]:
    """The names in a list."""
    if isinstance(node, ast.List | ast.Tuple):
        return [element.id if isinstance(element, ast.Name) else "" for element in node.elts]
    if not isinstance(node, ast.Name):
        return []
    if node.id in lists:
        return lists[node.id]
    value = step.names.get(node.id)
    if not isinstance(value, list | tuple):
        return []
    by_id = {id(step.names[name]): name for name in step.parameters}
    return [by_id.get(id(one), "") for one in value]


def _updated(step: _Step, statement: Statement, backend: Backend) -> Iterator[Finding]:
    """Findings on what the rest of a step changes, and in which direction."""
    assert step.graph is not None
    reads_grad = [
        inner
        for node in step.nodes
        for inner in ast.walk(node)
        if isinstance(inner, ast.AugAssign | ast.Assign)
        and _data(inner)
        and any(isinstance(one, ast.Attribute) and one.attr == "grad" for one in ast.walk(inner))
    ]
    if reads_grad:
        text = "the update takes autograd's gradients (.grad), not those by hand"
        line = reads_grad[0].lineno
        yield Finding(about="training", text=text, cell=statement.cell, line=line, wrong=False)
    names = dict(step.names)
    if not all(_execute(node, names, backend) for node in step.nodes[step.loss + 1 :]):
        return
    true = step.graph.gradients([n for n in step.parameters if n in step.graph.values], {})
    moved: list[str] = []
    up: list[str] = []
    for name, before in step.parameters.items():
        if name not in true:
            continue
        change = backend.array(names[name]).astype(np.float64) - before
        if np.any(change):
            moved.append(name)
            along = float((change * true[name]).sum())
            size = float(np.linalg.norm(change) * np.linalg.norm(true[name]))
            if along > 0.5 * size:
                up.append(name)
    still = [name for name in true if name not in moved]
    cell = statement.cell
    if up:
        text = f"a step goes up the gradient of {', '.join(up)}: the update has the wrong sign"
        yield Finding(about="training", text=text, cell=cell)
    if moved:
        text = f"a step updates {', '.join(moved)}"
        yield Finding(about="training", text=text, cell=cell, wrong=False)
    noise = [name for name in still if not np.any(np.abs(true[name]) > 1e-12)]
    frozen = [name for name in still if name not in noise]
    if frozen:
        text = f"a step leaves {', '.join(frozen)} as they are: nothing updates them"
        yield Finding(about="training", text=text, cell=cell, wrong=not reads_grad)


def _data(node: ast.AugAssign | ast.Assign) -> bool:
    targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
    return any(isinstance(target, ast.Attribute) and target.attr == "data" for target in targets)


def _told(loop: ast.For | ast.While, statement: Statement) -> Iterator[Finding]:
    """Findings on steps and rate."""
    names = statement.after or statement.before
    steps = None
    if isinstance(loop, ast.For):
        try:
            steps = len(eval(compile(ast.Expression(loop.iter), "<steps>", "eval"), dict(names)))
        except Exception:  # an iterator without a length
            steps = None
    ran = None
    if isinstance(loop, ast.For) and isinstance(loop.target, ast.Name):
        last = names.get(loop.target.id)
        ran = last + 1 if isinstance(last, int) else None
    text = "" if steps is None else f"{steps:,} steps"
    stopped = steps is not None and ran is not None and ran < steps
    if stopped:
        text += f", of which {ran:,} ran"
    rates = _rates(loop.body)
    if rates:
        text += ("; " if text else "") + f"rate: {rates[0]}"
    if text:
        yield Finding(about="training", text=text, cell=statement.cell, wrong=False)
    if stopped and any(map(_leaves, loop.body)):
        line = next(node.lineno for node in loop.body if _leaves(node))
        text = f"a break ends the training after {ran:,} of {steps:,} steps"
        yield Finding(about="training", text=text, cell=statement.cell, line=line, wrong=False)


def _rates(body: Sequence[ast.stmt]) -> list[str]:
    """The learning rate as it is written in the code."""
    found = []
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id.casefold()
                if name in ("lr", "learning_rate", "alpha", "eta", "step_size", "rate"):
                    found.append(ast.unparse(node.value))
    return found
