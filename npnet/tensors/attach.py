"""Decorators that offer functions as ``torch.NAME``, as ``Tensor.NAME``, or as both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from npnet.base.arrays import Array
from npnet.tensors.dtypes import DEFAULT, F32
from npnet.tensors.missing import not_supported
from npnet.tensors.tensor_class import Tensor

F = TypeVar("F", bound=Callable[..., Any])
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {}  # the functions that are offered as torch.NAME


def function(*names: str) -> Callable[[F], F]:
    """Offer a function as torch.NAME."""

    def register(made: F) -> F:
        for name in names:
            FUNCTIONS[name] = made
        return made

    return register


def method(*names: str) -> Callable[[F], F]:
    """Offer a function as Tensor.NAME."""

    def register(made: F) -> F:
        for name in names:
            setattr(Tensor, name, made)
        return made

    return register


def both(*names: str) -> Callable[[F], F]:
    """Offer a function as torch.NAME and as Tensor.NAME."""

    def register(made: F) -> F:
        return function(*names)(method(*names)(made))

    return register


def tensor_argument(who: str, value: Any) -> Tensor:
    """The value, if it is a tensor.

    Raises:
        TypeError: it is not a tensor.
    """
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{who}(): the argument is {type(value).__name__}, wanted a Tensor: "
            "make one with torch.tensor(…)"
        )
    return value


def as_float(array: Array) -> Array:
    """The array, or its copy in the default float type if it holds integers or bools."""
    return array if array.dtype is F32 or array.dtype.kind == "f" else array.astype(DEFAULT.numpy)


def no_more(name: str, more: dict[str, Any]) -> None:
    for key, value in more.items():
        if key == "out" and value is not None:
            raise not_supported(f"{name}(out=...)")
        if key not in ("layout", "pin_memory", "memory_format", "out"):
            raise TypeError(f"{name}() got an unexpected keyword argument {key!r}")
