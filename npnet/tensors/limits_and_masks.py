"""``clamp``, ``maximum``, ``minimum``, ``where`` and ``masked_fill``."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from npnet.derivatives import elementwise as table
from npnet.derivatives.operation import Operation
from npnet.tensors.attach import as_float, both, function, method, tensor_argument
from npnet.tensors.dtypes import result_type
from npnet.tensors.in_place import write
from npnet.tensors.operands import Method, mismatch, operands, plain
from npnet.tensors.tape import renamed, run
from npnet.tensors.tensor_class import Tensor, wrap


@both("clamp", "clip")
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Values below ``min`` become ``min``, values above ``max`` become ``max``."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if min is not None:
            input = maximum(input, min)
        return input if max is None else minimum(input, max)
    x, low, high = input._a, plain(min), plain(max)
    kind = result_type([x, *(bound for bound in (low, high) if bound is not None)])
    return run(table.CLAMP, (x.astype(kind, copy=False), low, high), (input,))


@both("clamp_min")
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Values below ``min`` become ``min``."""
    return renamed(clamp(input, min), "ClampMinBackward0")


@both("clamp_max")
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Values above ``max`` become ``max``."""
    return renamed(clamp(input, None, max), "ClampMaxBackward0")


@method("clamp_", "clip_")
def clamp_(self: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """``clamp`` in place."""
    return write(self, table.CLAMP, (self._a, plain(min), plain(max)), (self,))


def _pairwise(name: str, op: Operation) -> Method:
    def apply(input: Tensor, other: Tensor) -> Tensor:
        tensor_argument(name, input)
        tensor_argument(name, other)
        x, y = operands(input._a, other._a)
        if op is table.ATAN2:
            x, y = as_float(x), as_float(y)
        try:
            return run(op, (x, y), (input, other))
        except ValueError as why:
            raise mismatch(x, y, why) from None

    apply.__name__ = name
    return apply


maximum: Final = both("maximum")(_pairwise("maximum", table.MAXIMUM))
minimum: Final = both("minimum")(_pairwise("minimum", table.MINIMUM))
both("fmax")(_pairwise("fmax", table.FMAX))
both("fmin")(_pairwise("fmin", table.FMIN))
both("atan2", "arctan2")(_pairwise("atan2", table.ATAN2))


@function("where")
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """``input`` where the condition holds, ``other`` elsewhere."""
    mask = tensor_argument("where", condition)._a
    if input is None and other is None:
        return tuple(wrap(place) for place in np.nonzero(mask))
    if mask.dtype.kind != "b":
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got {condition.dtype}: "
            "compare first, as in x > 0"
        )
    x = input._a if isinstance(input, Tensor) else plain(input)
    y = other._a if isinstance(other, Tensor) else plain(other)
    x, y = operands(x, y)
    tensors = [value if isinstance(value, Tensor) else None for value in (input, other)]
    try:
        return run(table.WHERE, (np.asarray(x), np.asarray(y), mask), tensors)
    except ValueError as why:
        raise mismatch(mask, x, why) from None


@method("where")
def _where(self: Tensor, condition: Tensor, other: Any) -> Any:
    return where(condition, self, other)


@both("masked_fill")
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``value`` where the mask is True."""
    made = run(table.MASKED_FILL, _masked(input, mask, value), (input, _tensor(value)))
    return renamed(made, "MaskedFillBackward1") if isinstance(value, Tensor) else made


@method("masked_fill_")
def masked_fill_(self: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``masked_fill`` in place."""
    return write(self, table.MASKED_FILL, _masked(self, mask, value), (self, _tensor(value)))


def _masked(input: Tensor, mask: Tensor, value: Any) -> tuple[Any, ...]:
    if mask._a.dtype.kind != "b":
        raise RuntimeError(
            f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype}: "
            "compare first, as in x > 0"
        )
    filler = value._a if isinstance(value, Tensor) else plain(value)
    return input._a, np.asarray(filler).astype(input._a.dtype), mask._a


def _tensor(value: Any) -> Tensor | None:
    return value if isinstance(value, Tensor) else None
