"""A slice of a notebook run on fresh copies of its inputs."""

from __future__ import annotations

import ast
import contextlib
import copy
import io
import types
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.notebooks.slices import Slice
from npnet.notebooks.truth import Backend

_WIDER = {"float": "double", "float32": "float64", "FloatTensor": "DoubleTensor"}


@dataclass
class Inputs:
    """What a slice finds when it begins.

    Attributes:
        values: by name, the forward values and gradients that it gets, in float64.
        grads: by name of a tensor, what its ``.grad`` is.
        others: by name, everything else.
    """

    values: Mapping[str, Array]
    grads: Mapping[str, Array] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """What a run gave.

    Attributes:
        value: the variable, as an array; None if there is none.
        problem: why there is none: ``None``, or an exception in one line.
        line: of its cell, where the exception was raised.
        missing: the name that was not found, if that is the reason.
        changed: the names of inputs whose values are no longer what they were.
    """

    value: Array | None = None
    problem: str = ""
    line: int = 0
    missing: str = ""
    changed: list[str] = field(default_factory=list)


class _Wider(ast.NodeTransformer):
    """Asks for float64 where the notebook asks for float32."""

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        """``.float()`` and ``torch.float32``."""
        self.generic_visit(node)
        wider = _WIDER.get(node.attr)
        return (
            ast.copy_location(ast.Attribute(node.value, wider, node.ctx), node) if wider else node
        )


def run_slice(part: Slice, name: str, inputs: Inputs, backend: Backend, dtype: str) -> Outcome:
    """Run the statements of a slice.

    Args:
        part: the slice.
        name: the variable that it makes.
        inputs: what it begins with.
        backend: the tensor library.
        dtype: of the floats, ``float32`` or ``float64``.
    """
    scope: dict[str, Any] = {}
    scope.update(_copied(inputs.others, backend, dtype))
    fresh = {one: np.array(array, dtype) for one, array in inputs.values.items()}
    for one, array in fresh.items():
        grad = inputs.grads.get(one)
        scope[one] = backend.tensor(array, None if grad is None else np.array(grad, dtype))
    for one, value in list(scope.items()):
        if isinstance(value, types.FunctionType):
            scope[one] = _rebound(value, scope)
    before = {one: backend.array(value) for one, value in scope.items() if backend.is_tensor(value)}
    given = {one: value for one, value in scope.items() if one in before}
    tree = ast.Module([copy.deepcopy(statement) for statement in part.statements], [])
    if dtype == "float64":
        tree = _Wider().visit(tree)
    with quietly(), backend.computing(dtype):
        try:
            exec(compile(ast.fix_missing_locations(tree), "<slice>", "exec"), scope)
        except NameError as error:
            return Outcome(
                problem=f"NameError: {error}", missing=error.name or "", line=_line(error)
            )
        except Exception as error:
            text = " ".join(str(error).split())
            return Outcome(problem=f"{type(error).__name__}: {text}", line=_line(error))
    changed = [
        one
        for one, value in given.items()
        if one != name and not _same(backend.array(value), before[one])
    ]
    value = scope.get(name)
    if value is None or value is Ellipsis:
        return Outcome(problem="None")
    if backend.is_tensor(value):
        return Outcome(backend.array(value), changed=changed)
    if isinstance(value, int | float | np.ndarray):
        return Outcome(np.asarray(value), changed=changed)
    return Outcome(problem=f"it is a {type(value).__name__}, wanted a tensor", changed=changed)


@contextlib.contextmanager
def quietly() -> Any:
    """Hold back what code prints, and NumPy's warnings."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield


def _copied(values: Mapping[str, Any], backend: Backend, dtype: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if backend.is_tensor(value):
            array = backend.array(value)
            if array.dtype.kind == "f":
                array = array.astype(dtype)
            found[name] = backend.tensor(array)
        elif isinstance(value, list | dict | set | np.ndarray):
            found[name] = copy.copy(value)
        else:
            found[name] = value
    return found


def _rebound(function: types.FunctionType, scope: dict[str, Any]) -> types.FunctionType:
    """A function of the notebook that finds its names in the run."""
    if function.__module__ not in (None, "__main__"):
        return function
    made = types.FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, function.__closure__
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def _line(error: BaseException) -> int:
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<slice>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
