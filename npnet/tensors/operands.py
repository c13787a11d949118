"""The operands of operators: tensors and numbers, in the type of torch's promotion rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from npnet.tensors.dtypes import result_type
from npnet.tensors.missing import not_for
from npnet.tensors.tensor_class import Tensor, wrap

NUMBERS: Final = (int, float, bool, np.generic)
Method = Callable[..., Any]


def operands(x: Any, y: Any) -> tuple[Any, Any]:
    """Arrays and Python numbers; arrays are converted to the type of torch's promotion rule."""
    kind = result_type((x, y))
    x = x.astype(kind, copy=False) if isinstance(x, np.ndarray) else kind.type(x)
    if isinstance(y, np.ndarray):
        return x, y.astype(kind, copy=False)
    return x, kind.type(y)


def plain(value: Any) -> Any:
    """A Python number made of a NumPy number, so that it does not decide the result's type."""
    return value.item() if isinstance(value, np.generic) else value


def mismatch(x: Any, y: Any, why: ValueError) -> Exception:
    """Torch's error for shapes that do not broadcast."""
    a, b = np.shape(x), np.shape(y)
    for back in range(1, min(len(a), len(b)) + 1):
        one, other = a[-back], b[-back]
        if one != other and 1 not in (one, other):
            axis = max(len(a), len(b)) - back
            return RuntimeError(
                f"The size of tensor a ({one}) must match the size of tensor b ({other}) at "
                f"non-singleton dimension {axis}: the shapes are {list(a)} and {list(b)}"
            )
    return why


def _refuse_divisor(kernel: str, x: Any, y: Any) -> None:
    """Refuse bools, and whole numbers divided by 0, as torch does."""
    kind = np.asarray(x).dtype.kind
    if kind == "b":
        raise not_for(f"{kernel}_cpu", "'Bool'")
    if kind in "ui" and np.any(np.equal(y, 0)):
        raise RuntimeError("ZeroDivisionError: a division of whole numbers by 0")


def remainder_of(x: Any, y: Any) -> Any:
    """The remainder, with the sign of y."""
    _refuse_divisor("remainder", x, y)
    return np.remainder(x, y)


def checked(name: str, apply: Method) -> Method:
    """The operator as a function or method, which accepts only numbers and tensors."""

    def call(input: Any, other: Any) -> Any:
        found = apply(input if isinstance(input, Tensor) else wrap_number(input), other)
        if found is NotImplemented:
            raise TypeError(
                f"{name}(): argument 'other' must be Tensor or a number, not {type(other).__name__}"
            )
        return found

    call.__name__ = name
    return call


def wrap_number(value: Any) -> Tensor:
    """A number as a tensor without axes."""
    if not isinstance(value, NUMBERS):
        raise TypeError(f"wanted a Tensor or a number, got {type(value).__name__}")
    return wrap(np.asarray(plain(value), result_type((plain(value),))))


def floored(x: Any, y: Any) -> Any:
    """``x // y``."""
    _refuse_divisor("div_floor", x, y)
    return np.floor_divide(x, y)
