"""Running a slice of a notebook on new copies of its inputs."""

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
from npnet.grading.slices import Slice
from npnet.grading.truth import Backend
from npnet.learn.time_limit import TimeIsUp, time_limit

LONGEST_RUN = 5.0  # seconds; the lines of one gradient take milliseconds
# the depth and length of containers; larger ones are not caches of tensors
DEEPEST, LONGEST = 4, 1000
_WIDER = {"float": "double", "float32": "float64", "FloatTensor": "DoubleTensor"}


@dataclass
class Inputs:
    """The names that exist when a slice begins.

    Attributes:
        values: name -> forward value or gradient, in float64.
        grads: name of a tensor -> its ``.grad``.
        others: name -> any other object.
        arrays: the names of values that are NumPy arrays, not tensors.
    """

    values: Mapping[str, Array]
    grads: Mapping[str, Array] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)
    arrays: Collection[str] = ()


@dataclass
class Outcome:
    """The result of a run.

    Attributes:
        value: the variable as an array; None if there is none.
        problem: why there is none: ``None``, or an exception in one line.
        line: the line of its cell in which the exception was raised.
        missing: the name that was not found, if that is the reason.
        changed: the names of inputs whose values were changed.
        ended: whether its time was over.
    """

    value: Array | None = None
    problem: str = ""
    line: int = 0
    missing: str = ""
    changed: list[str] = field(default_factory=list)
    ended: bool = False


class _Wider(ast.NodeTransformer):
    """Replaces float32 in the notebook's code by float64."""

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        """Replace ``.float()`` and ``torch.float32``."""
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
        inputs: the names that exist at its beginning.
        backend: the tensor library.
        dtype: the dtype of floats, ``float32`` or ``float64``.
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
    """Whether the code itself calls autograd."""
    return any(
        isinstance(node, ast.Attribute) and node.attr in ("autograd", "backward")
        for node in ast.walk(tree)
    )


@contextlib.contextmanager
def quietly() -> Any:
    """Suppress the output of code, and NumPy's warnings."""
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
            may contain some. Other objects are returned unchanged.
        backend: the tensor library.
        fresh: a function that gives the new numbers for a tensor.
        done: the copies so far, by the ``id`` of the original.
        tensor: a function that makes the new tensor. By default, it has the new numbers and is in
            no graph.
        depth: how deep inside containers ``value`` is.
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
    """A copy of a notebook's function that looks up its names in the run."""
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
