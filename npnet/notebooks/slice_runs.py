"""A slice of a notebook run on fresh copies of its inputs."""

from __future__ import annotations

import ast
import contextlib
import copy
import io
import types
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.learn.time_limit import TimeIsUp, time_limit
from npnet.notebooks.slices import Slice
from npnet.notebooks.truth import Backend

LONGEST_RUN = 5.0  # seconds; the lines of one gradient take milliseconds
DEEPEST, LONGEST = 4, 1000  # of containers: what lies deeper or is longer is no cache of tensors
_WIDER = {"float": "double", "float32": "float64", "FloatTensor": "DoubleTensor"}


@dataclass
class Inputs:
    """What a slice finds when it begins.

    Attributes:
        values: by name, the forward values and gradients that it gets, in float64.
        grads: by name of a tensor, what its ``.grad`` is.
        others: by name, everything else.
        arrays: names of values that are arrays of NumPy, not tensors.
    """

    values: Mapping[str, Array]
    grads: Mapping[str, Array] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)
    arrays: Collection[str] = ()


@dataclass
class Outcome:
    """What a run gave.

    Attributes:
        value: the variable, as an array; None if there is none.
        problem: why there is none: ``None``, or an exception in one line.
        line: of its cell, where the exception was raised.
        missing: the name that was not found, if that is the reason.
        changed: the names of inputs whose values are no longer what they were.
        ended: its time was over.
    """

    value: Array | None = None
    problem: str = ""
    line: int = 0
    missing: str = ""
    changed: list[str] = field(default_factory=list)
    ended: bool = False


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
        if one in inputs.arrays:
            scope[one] = array
            continue
        scope[one] = backend.tensor(array, None if grad is None else np.array(grad, dtype))
    for one, value in list(scope.items()):
        if isinstance(value, types.FunctionType):
            scope[one] = rebound(value, scope)
    before = {one: backend.array(value) for one, value in scope.items() if backend.is_tensor(value)}
    given = {one: value for one, value in scope.items() if one in before}
    tree = ast.Module([copy.deepcopy(statement) for statement in part.statements], [])
    if dtype == "float64":
        tree = _Wider().visit(tree)
    recorded = backend.recording() if _differentiates(tree) else contextlib.nullcontext()
    with quietly(), backend.computing(dtype), recorded:
        try:
            with time_limit(LONGEST_RUN):
                exec(compile(ast.fix_missing_locations(tree), "<slice>", "exec"), scope)
        except TimeIsUp as error:
            return Outcome(problem=str(error), line=_line(error), ended=True)
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


def _differentiates(tree: ast.Module) -> bool:
    """Whether the code calls autograd itself."""
    return any(
        isinstance(node, ast.Attribute) and node.attr in ("autograd", "backward")
        for node in ast.walk(tree)
    )


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
    def fresh(array: Array) -> Array:
        return array.astype(dtype) if array.dtype.kind == "f" else array

    done: dict[int, Any] = {}
    return {name: replaced(value, backend, fresh, done) for name, value in values.items()}


def replaced(
    value: Any,
    backend: Backend,
    fresh: Callable[[Array], Array],
    done: dict[int, Any],
    tensor: Callable[[Any], Any] | None = None,
    depth: int = 0,
) -> Any:
    """A copy of a value, with other numbers in its tensors.

    Args:
        value: a tensor, an array, or a list, tuple, dict or object of the notebook's own class that
            may hold some; everything else is left as it is.
        backend: the tensor library.
        fresh: the numbers that take the place of a tensor's.
        done: copies by the ``id`` of what they were made from.
        tensor: the tensor for another; the default has the fresh numbers and is in no graph.
        depth: how far inside of containers it stands.
    """
    if id(value) in done:
        return done[id(value)]

    def inner(part: Any) -> Any:
        return replaced(part, backend, fresh, done, tensor, depth + 1)

    made = value
    if backend.is_tensor(value):
        made = tensor(value) if tensor else backend.tensor(fresh(backend.array(value)))
    elif isinstance(value, np.ndarray):
        made = fresh(value).copy()
    elif isinstance(value, set):
        made = copy.copy(value)
    elif depth > DEEPEST or (isinstance(value, list | dict) and len(value) > LONGEST):
        made = copy.copy(value) if isinstance(value, list | dict) else value
    elif type(value) is list:
        made = [inner(part) for part in value]
    elif type(value) is tuple:
        made = tuple(inner(part) for part in value)
    elif type(value) is dict:
        made = {key: inner(part) for key, part in value.items()}
    elif type(value).__module__ == "__main__" and hasattr(value, "__dict__"):
        made = done[id(value)] = copy.copy(value)
        vars(made).update({key: inner(part) for key, part in vars(value).items()})
    done[id(value)] = made
    return made


def rebound(function: types.FunctionType, scope: dict[str, Any]) -> types.FunctionType:
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
