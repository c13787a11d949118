"""Running lines of a table that are written with torch's functions on NumPy alone.

``oracle.lines_of`` runs the same functions in torch.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npnet.base.errors import InputError, kind_of
from npnet.tensors import modules
from npnet.tensors.creation import tensor
from npnet.tensors.tensor_class import Tensor

Line = Callable[[Any], Any]

# The stand-ins, by the names of torch's modules and by their own names.
HERE: dict[str, types.ModuleType] = {
    known: module for name, module in modules().items() for known in (name, module.__name__)
}


class TorchWords:
    """A line that is written with torch's functions, as a function of arrays.

    Attributes:
        function: the original line.
    """

    def __init__(self, function: Line) -> None:
        self.function = function
        self._here = rebound(function, HERE)

    def __call__(self, v: Any) -> Any:
        """The result as an array; ``v`` has arrays, which the function gets as tensors."""
        result = self._here(_Tensors(v))
        return result.detach().numpy() if isinstance(result, Tensor) else result


class _Tensors:
    """``v`` with tensors in place of arrays."""

    def __init__(self, v: Any) -> None:
        self.__dict__["_v"] = v

    def __getattr__(self, name: str) -> Any:
        entry = getattr(self.__dict__["_v"], name)
        if isinstance(entry, np.ndarray | np.generic):
            if entry.dtype.kind == "c":
                raise TypeError("npnet.tensors has no complex numbers")
            return tensor(np.array(entry))
        return entry

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


def in_torch_words(lines: Mapping[str, Line]) -> dict[str, TorchWords]:
    """Lines that are written with torch's functions, for ``npnet.Lines``.

    Args:
        lines: name -> function of ``v``, which has tensors. ``torch`` and ``F`` may be torch's own
            modules or ``npnet.tensors``; here, ``npnet.tensors`` is used.

    Raises:
        InputError: ``lines`` is not a mapping, or an entry is not a Python function.
    """
    if not isinstance(lines, Mapping):
        raise InputError(f"in_torch_words: got {kind_of(lines)}, wanted a mapping to functions")
    for name, function in lines.items():
        if not isinstance(function, types.FunctionType):
            raise InputError(
                f"in_torch_words: {name} is {kind_of(function)}, wanted a function of v"
            )
    return {name: TorchWords(function) for name, function in lines.items()}


def rebound(function: Line, replaced: Mapping[str, types.ModuleType]) -> Line:
    """A copy of a function, and of the functions of its module that it calls, with other modules.

    Args:
        function: a Python function.
        replaced: full name of a module -> the module to use in its place.
    """
    if not isinstance(function, types.FunctionType):
        return function
    old = function.__globals__
    new: dict[str, Any] = dict(old)
    for name, entry in old.items():
        if isinstance(entry, types.ModuleType):
            new[name] = replaced.get(entry.__name__, entry)
        elif isinstance(entry, types.FunctionType) and entry.__globals__ is old:
            new[name] = _with_globals(entry, new)
    return _with_globals(function, new)


def _with_globals(function: types.FunctionType, names: dict[str, Any]) -> types.FunctionType:
    copy = types.FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
