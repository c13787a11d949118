"""Running a notebook's statements one by one, and recording what the grader needs of each."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from npnet.grading.truth import Backend, Graph


@dataclass
class Statement:
    """A statement of a cell, at its top level.

    Attributes:
        node: its syntax tree.
        cell: the number of the cell.
        ran: whether it ran to its end.
        before, after: the names before and after it, even if it failed.
        graph: the graph of the backward pass that ended in it, if one did.
    """

    node: ast.stmt
    cell: int
    ran: bool = False
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    graph: Graph | None = None


class Watch:
    """Runs the statements of cells, and keeps a record of each.

    Args:
        backend: the tensor library of the notebook.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.statements: list[Statement] = []

    def execute(
        self, body: list[ast.stmt], last: ast.expr | None, name: str, namespace: dict[str, Any]
    ) -> Any:
        """Run the statements of a cell, and return the value of its last expression.

        Args:
            body: all statements except the last expression.
            last: the last expression, if the cell ends in one.
            name: the name of the cell, which ends in its number.
            namespace: the namespace in which it runs.
        """
        cell = int(name.split()[-1])
        statements = [Statement(node, cell) for node in body]
        if last is not None:
            statements.append(Statement(ast.copy_location(ast.Expr(last), last), cell))
        self.statements += statements
        value = None
        for place, statement in enumerate(statements):
            statement.before = dict(namespace)
            passes = self.backend.passes()
            try:
                if last is not None and place == len(statements) - 1:
                    value = eval(compile(ast.Expression(last), name, "eval"), namespace)
                else:
                    module = ast.Module([statement.node], [])
                    exec(compile(module, name, "exec"), namespace)
                statement.ran = True
            finally:
                statement.after = dict(namespace)
                if self.backend.passes() != passes:
                    statement.graph = self._graph(namespace)
        return value

    def _graph(self, namespace: Mapping[str, Any]) -> Graph | None:
        try:
            nodes = [statement.node for statement in self.statements if statement.before]
            return self.backend.graph(namespace, nodes)
        except Exception:  # the graph cannot be computed again, so its gradients are not graded
            return None
