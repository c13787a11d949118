"""Comparisons and tests, which are never recorded; limits, choices and masks."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from npnet.derivatives import elementwise as table
from npnet.derivatives.operation import Operation
from npnet.tensors.dtypes_and_sizes import FLOATS, result_type
from npnet.tensors.in_place import check_result, write
from npnet.tensors.interface import (
    NUMBERS,
    Method,
    as_float,
    both,
    checked,
    function,
    method,
    mismatch,
    operands,
    plain,
    tensor_argument,
)
from npnet.tensors.tape import renamed, run
from npnet.tensors.tensor_class import Tensor, changed, wrap


def _comparison(name: str, ufunc: Any) -> Method:
    def apply(self: Tensor, other: Any) -> Any:
        x = self._a
        if type(other) is Tensor:
            y = other._a
            if x.dtype is not y.dtype:
                x, y = operands(x, y)
        elif isinstance(other, NUMBERS):
            y = plain(other)
            if x.dtype not in FLOATS:
                x, y = operands(x, y)
        else:
            return NotImplemented
        try:
            out = ufunc(x, y)
        except ValueError as why:
            raise mismatch(x, y, why) from None
        return wrap(out)

    apply.__name__ = name
    return apply


_COMPARISONS: Final[dict[tuple[str, ...], Any]] = {
    ("eq",): np.equal,
    ("ne", "not_equal"): np.not_equal,
    ("lt", "less"): np.less,
    ("le", "less_equal"): np.less_equal,
    ("gt", "greater"): np.greater,
    ("ge", "greater_equal"): np.greater_equal,
}
for _names, _ufunc in _COMPARISONS.items():
    _made = _comparison(_names[0], _ufunc)
    setattr(Tensor, f"__{_names[0]}__", _made)
    both(*_names)(checked(_names[0], _made))


def _logical(name: str, ufunc: Any) -> Method:
    def apply(input: Tensor, other: Tensor) -> Tensor:
        return wrap(ufunc(tensor_argument(name, input)._a, tensor_argument(name, other)._a))

    apply.__name__ = name
    return apply


for _name in ("logical_and", "logical_or", "logical_xor"):
    both(_name)(_logical(_name, getattr(np, _name)))


@both("logical_not")
def logical_not(input: Tensor) -> Tensor:
    """True where the value is 0."""
    return wrap(np.logical_not(input._a))


def _bitwise(name: str, ufunc: Any, sign: str) -> Method:
    def apply(self: Tensor, other: Any) -> Any:
        if not isinstance(other, (Tensor, *NUMBERS)):
            return NotImplemented
        x, y = operands(self._a, other._a if isinstance(other, Tensor) else plain(other))
        if x.dtype.kind == "f":
            raise NotImplementedError(
                f"\"{name}_cpu\" not implemented for 'Float': {sign} takes bools and integers; "
                "compare first, as in (x > 0)"
            )
        try:
            return wrap(ufunc(x, y))
        except ValueError as why:
            raise mismatch(x, y, why) from None

    apply.__name__ = name
    return apply


def _bitwise_changing(made: Method) -> Method:
    def apply(self: Tensor, other: Any) -> Any:
        found = made(self, other)
        if found is NotImplemented:
            return found
        check_result(self._a, found._a)
        self._a[...] = found._a
        changed(self)
        return self

    return apply


for _name, _ufunc, _sign in (
    ("and", np.bitwise_and, "&"),
    ("or", np.bitwise_or, "|"),
    ("xor", np.bitwise_xor, "^"),
):
    _made = _bitwise(f"bitwise_{_name}", _ufunc, _sign)
    setattr(Tensor, f"__{_name}__", _made)
    setattr(Tensor, f"__r{_name}__", _made)
    setattr(Tensor, f"__i{_name}__", _bitwise_changing(_made))
    both(f"bitwise_{_name}")(checked(f"bitwise_{_name}", _made))


@both("bitwise_not")
@method("__invert__")
def invert(input: Tensor) -> Tensor:
    """``~x``, of bools and integers."""
    if input._a.dtype.kind == "f":
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean tensors")
    return wrap(np.invert(input._a))


@both("isnan")
def isnan(input: Tensor) -> Tensor:
    """True where the value is nan."""
    return wrap(np.isnan(input._a))


@both("isinf")
def isinf(input: Tensor) -> Tensor:
    """True where the value is inf or -inf."""
    return wrap(np.isinf(input._a))


@both("isfinite")
def isfinite(input: Tensor) -> Tensor:
    """True where the value is neither infinite nor nan."""
    return wrap(np.isfinite(input._a))


@both("nan_to_num")
def nan_to_num(
    input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """A copy with numbers in place of nan and infinities."""
    return run(table.NAN_TO_NUM, (input._a, nan, posinf, neginf), (input,))


@both("isclose")
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """|input − other| ≤ atol + rtol·|other|, element by element, in the tensors' type."""
    for one in (input, other):
        if not isinstance(one, Tensor):
            raise TypeError(
                f"isclose(): an argument must be Tensor, not {type(one).__name__}: a gradient "
                "that is still None was not computed"
            )
    x, y = input._a, other._a
    if x.dtype != y.dtype:
        raise RuntimeError(
            f"{Tensor.__name__}s have to be of one type, got {input.dtype} and {other.dtype}: "
            "convert one with .to(…)"
        )
    try:
        close = x == y
        if equal_nan and x.dtype.kind == "f":
            close = close | (np.isnan(x) & np.isnan(y))
        if x.dtype.kind == "b":
            return wrap(close)
        allowed = atol + np.abs(rtol * y)
        apart = np.abs(x - y)
        return wrap(close | (np.isfinite(apart) & (apart <= allowed)))
    except ValueError as why:
        raise mismatch(x, y, why) from None


@both("allclose")
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether ``isclose`` holds everywhere."""
    return bool(isclose(input, other, rtol, atol, equal_nan)._a.all())


@both("equal")
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all values are equal."""
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        raise TypeError("equal(): both arguments must be Tensors")
    return input._a.shape == other._a.shape and bool((input._a == other._a).all())


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
