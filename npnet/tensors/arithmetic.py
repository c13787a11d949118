"""Operators and functions of one or two tensors, element by element, and their in-place forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.tensors import elementwise as table
from npnet.tensors.autograd import (
    Operation,
    changed,
    check_result,
    record,
    renamed,
    run,
    write,
)
from npnet.tensors.dtypes import DEFAULT, F32, F64, FLOATS, result_type
from npnet.tensors.missing import not_for, not_supported
from npnet.tensors.tensor_class import (
    FUNCTIONS,
    MODE,
    Tensor,
    as_float,
    both,
    counter,
    function,
    method,
    new,
    tensor_argument,
    wrap,
)

NUMBERS: Final = (int, float, bool, np.generic)
Method = Callable[..., Any]


def operands(x: Any, y: Any) -> tuple[Any, Any]:
    """Arrays and Python numbers, the arrays in the type that torch's rule of promotion gives."""
    kind = result_type((x, y))
    x = x.astype(kind, copy=False) if isinstance(x, np.ndarray) else kind.type(x)
    if isinstance(y, np.ndarray):
        return x, y.astype(kind, copy=False)
    return x, kind.type(y)


def plain(value: Any) -> Any:
    """A Python number of a NumPy one, so that it does not decide a result's type."""
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


def _operator(op: Operation, ufunc: Any, floats: bool = False, bools: str = "") -> Method:
    """``x OP y``, with a short way for what occurs most: float tensors of one type."""

    def apply(self: Tensor, other: Any) -> Any:
        x, kind = self._a, type(other)
        dtype = x.dtype
        if kind is Tensor:
            y, second = other._a, other
            if dtype is not y.dtype or (dtype is not F32 and dtype is not F64):
                x, y = _prepared(op, x, y, floats, bools)
        elif kind is float or kind is int:
            y, second = other, None
            if dtype is not F32 and dtype is not F64:
                x, y = _prepared(op, x, y, floats, bools)
        elif isinstance(other, NUMBERS):
            second = None
            x, y = _prepared(op, x, plain(other), floats, bools)
        else:
            return NotImplemented
        try:
            out = ufunc(x, y)
        except ValueError as why:
            raise mismatch(x, y, why) from None
        if type(out) is not np.ndarray:
            out = np.asarray(out)
        if MODE.grad and (self._req or (second is not None and second._req)):
            return record(op, (x, y), (self, second), out)
        made = new(Tensor)
        made._a = out
        return made

    return apply


def _prepared(op: Operation, x: Array, y: Any, floats: bool, bools: str) -> tuple[Any, Any]:
    if x.dtype.kind == "f" and not isinstance(y, np.ndarray):
        return x, y
    if bools and "b" in (x.dtype.kind, getattr(y, "dtype", np.dtype(type(y))).kind):
        raise RuntimeError(
            f"{bools} with a bool tensor is not supported: use ~ or logical_not() to invert a "
            "mask, ^ or logical_xor() for a difference, or .int()"
        )
    if floats:
        if x.dtype in FLOATS and getattr(y, "dtype", x.dtype) is x.dtype:
            return x, y
        kind = result_type((x, y))
        if kind.kind != "f":
            x = x.astype(DEFAULT.numpy)
    return operands(x, y)


def _changing(op: Operation, ufunc: Any, floats: bool = False) -> Method:
    """``x OP= y``: written into x's memory."""

    def apply(self: Tensor, other: Any) -> Any:
        x, kind = self._a, type(other)
        y: Any
        if kind is Tensor:
            y, second = other._a, other
            plainly = y.dtype is x.dtype and not (MODE.grad and (self._req or other._req))
        elif kind is float or kind is int:
            y, second = other, None
            plainly = not (MODE.grad and self._req)
        elif isinstance(other, NUMBERS):
            y, second, plainly = plain(other), None, False
        else:
            return NotImplemented
        if plainly and (x.dtype is F32 or x.dtype is F64):
            try:
                ufunc(x, y, x)
            except ValueError as why:
                _refuse(x, y, why)
            changed(self)
            return self
        if MODE.grad and (self._req or (second is not None and second._req)):
            first, y = operands(as_float(x) if floats else x, y)
            try:
                return write(self, op, (first, y), (self, second))
            except ValueError as why:
                raise mismatch(x, y, why) from None
        if ufunc is np.subtract and "b" in (x.dtype.kind, getattr(y, "dtype", x.dtype).kind):
            _prepared(op, x, y, False, "subtraction")
        if x.dtype in FLOATS and (second is None or y.dtype is x.dtype):
            try:
                ufunc(x, y, x)
            except ValueError as why:
                _refuse(x, y, why)
        else:
            first, y = operands(as_float(x) if floats else x, y)
            try:
                out = np.asarray(ufunc(first, y))
            except ValueError as why:
                raise mismatch(x, y, why) from None
            check_result(x, out)
            x[...] = out
        counter(self)[0] += 1
        return self

    return apply


def _refuse(x: Array, y: Any, why: ValueError) -> None:
    """Raise what torch raises where a result does not fit into x."""
    try:
        check_result(x, np.broadcast_to(x.dtype.type(0), np.broadcast_shapes(x.shape, y.shape)))
    except ValueError:
        raise mismatch(x, y, why) from None
    raise why


_add = _operator(table.ADD, np.add)
_sub = _operator(table.SUB, np.subtract, bools="subtraction")
_mul = _operator(table.MUL, np.multiply)
_div = _operator(table.DIV, np.true_divide, floats=True)
_rsub = _operator(table.RSUB, lambda x, y: np.subtract(y, x), bools="subtraction")
_by_tensor = _operator(table.REMAINDER, lambda x, y: _rest(x, y))
_by_number = _operator(table.REMAINDER_NUMBER, lambda x, y: _rest(x, y))


def _remainder(self: Tensor, other: Any) -> Any:
    return (_by_tensor if isinstance(other, Tensor) else _by_number)(self, other)


def _rest(x: Any, y: Any) -> Any:
    """The remainder, of y's sign; of whole numbers over 0 it is refused, as torch does."""
    if np.asarray(x).dtype.kind == "b":
        raise not_for("remainder_cpu", "'Bool'")
    if np.asarray(x).dtype.kind in "ui" and np.any(np.equal(y, 0)):
        raise RuntimeError("ZeroDivisionError: a remainder of integers by 0")
    return np.remainder(x, y)


_fmod = _operator(table.FMOD, np.fmod)
_floor_divide = _operator(table.FLOOR_DIVIDE, lambda x, y: _floored(x, y))

_iadd, _isub = _changing(table.ADD, np.add), _changing(table.SUB, np.subtract)
_imul = _changing(table.MUL, np.multiply)
_idiv = _changing(table.DIV, np.true_divide, floats=True)
_ifloor_divide = _changing(table.FLOOR_DIVIDE, lambda x, y, *out: _floored_into(x, y, *out))
_irest = _changing(table.REMAINDER, np.remainder)
_irest_number = _changing(table.REMAINDER_NUMBER, np.remainder)


def _iremainder(self: Tensor, other: Any) -> Any:
    return (_irest if isinstance(other, Tensor) else _irest_number)(self, other)


def _floored_into(x: Any, y: Any, *out: Array) -> Any:
    found = _floored(x, y)
    if out:
        out[0][...] = found
    return found


def _checked(name: str, apply: Method) -> Method:
    """As a function or method, where what is no number or tensor is an error."""

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


def _scaled(name: str, apply: Method, sign: int) -> Method:
    checked = _checked(name, apply)

    def call(input: Any, other: Any, *, alpha: Any = 1) -> Any:
        if alpha == 1:
            return checked(input, other)
        x, y = operands(input._a, other._a if isinstance(other, Tensor) else other)
        second = other if isinstance(other, Tensor) else None
        if x.dtype.kind != "f" and isinstance(alpha, float):
            raise RuntimeError(
                "For integral input tensors, argument alpha must not be a floating point number."
            )
        factor = bool(alpha) if x.dtype.kind == "b" else sign * alpha
        made = run(table.ADD_SCALED, (x, y, factor), (input, second))
        return renamed(made, "SubBackward0") if sign < 0 else made

    call.__name__ = name
    return call


def _rdiv(self: Tensor, other: Any) -> Any:
    # Torch divides a number by a tensor so, and rounds twice.
    if not isinstance(other, NUMBERS):
        return NotImplemented
    return _mul(FUNCTIONS["reciprocal"](self), other)


def _rounded_division(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """``torch.div``; ``rounding_mode`` "floor" or "trunc" as torch."""
    if rounding_mode is None:
        return DIVIDE(input, other)
    if rounding_mode in ("floor", "trunc"):
        x, y = operands(input._a, other._a if isinstance(other, Tensor) else plain(other))
        second = other if isinstance(other, Tensor) else None
        rounded = _floored if rounding_mode == "floor" else _cut
        return run(table.DIV_ROUNDED, (x, y, rounded), (input, second))
    raise RuntimeError(
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"{rounding_mode!r}"
    )


def _floored(x: Any, y: Any) -> Any:
    """``x // y``; of bools it is refused, and a whole number over 0 is refused, as torch does."""
    if np.asarray(x).dtype.kind == "b":
        raise not_for("div_floor_cpu", "'Bool'")
    if np.asarray(x).dtype.kind in "ui" and np.any(np.equal(y, 0)):
        raise RuntimeError("ZeroDivisionError: a division of integers by 0")
    return np.floor_divide(x, y)


def _cut(x: Any, y: Any) -> Any:
    """x / y, rounded towards 0."""
    if np.asarray(x).dtype.kind == "f":
        return np.trunc(x / y)
    found = _floored(np.abs(x), np.abs(y))
    return np.where(np.sign(x) * np.sign(y) < 0, -found, found)


def _pow(self: Tensor, exponent: Any) -> Any:
    if isinstance(exponent, NUMBERS):
        exponent, x = plain(exponent), self._a
        if x.dtype not in FLOATS:
            kind = result_type((x, exponent))
            if kind.kind == "i" and exponent < 0:
                raise RuntimeError(
                    "Integers to negative integer powers are not allowed: convert the tensor "
                    "with .float()"
                )
            x = x.astype(kind, copy=False)
        return run(table.POW, (x, exponent), (self,))
    if isinstance(exponent, Tensor):
        x, y = operands(self._a, exponent._a)
        if x.dtype.kind == "b":
            raise not_for("pow", "'Bool'")
        try:
            return run(table.POW_TENSOR, (x, y), (self, exponent))
        except ValueError as why:
            raise mismatch(x, y, why) from None
    return NotImplemented


def _rpow(self: Tensor, base: Any) -> Any:
    if not isinstance(base, NUMBERS):
        return NotImplemented
    y, x = operands(self._a, plain(base))
    return run(table.POW_OF_NUMBER, (y, x), (self,))


def _ipow(self: Tensor, exponent: Any) -> Any:
    if MODE.grad and self._req:
        if isinstance(exponent, Tensor):
            return write(self, table.POW_TENSOR, (self._a, exponent._a), (self, exponent))
        return write(self, table.POW, (self._a, plain(exponent)), (self,))
    out = _pow(self, exponent)._a
    check_result(self._a, out)
    self._a[...] = out
    counter(self)[0] += 1
    return self


@both("pow")
def pow_(input: Any, exponent: Any) -> Tensor:
    """``torch.pow``, also of a number to a tensor."""
    found = _pow(input, exponent) if isinstance(input, Tensor) else _rpow(exponent, input)
    if found is NotImplemented:
        raise TypeError("pow(): wanted a Tensor and a number or a Tensor")
    return found


DIVIDE: Final = _checked("div", _div)
_made: Method
_FUNCTIONS: Final[dict[tuple[str, ...], Method]] = {
    ("add",): _scaled("add", _add, 1),
    ("sub", "subtract"): _scaled("sub", _sub, -1),
    ("mul", "multiply"): _checked("mul", _mul),
    ("div", "divide"): _rounded_division,
    ("true_divide",): DIVIDE,
    ("floor_divide",): _checked("floor_divide", _floor_divide),
    ("remainder",): _checked("remainder", _remainder),
    ("fmod",): _checked("fmod", _fmod),
    ("rsub",): _checked("rsub", _rsub),
}
for _names, _made in _FUNCTIONS.items():
    both(*_names)(_made)

for _name, _made in {
    "add": _add,
    "radd": _add,
    "iadd": _iadd,
    "sub": _sub,
    "rsub": _rsub,
    "isub": _isub,
    "mul": _mul,
    "rmul": _mul,
    "imul": _imul,
    "truediv": _div,
    "rtruediv": _rdiv,
    "itruediv": _idiv,
    "floordiv": _floor_divide,
    "ifloordiv": _ifloor_divide,
    "mod": _remainder,
    "imod": _iremainder,
    "pow": _pow,
    "rpow": _rpow,
    "ipow": _ipow,
}.items():
    setattr(Tensor, f"__{_name}__", _made)
for _names, _made in {
    ("mul_", "multiply_"): _imul,
    ("div_", "divide_", "true_divide_"): _idiv,
    ("remainder_",): _iremainder,
    ("pow_",): _ipow,
}.items():
    method(*_names)(_checked(_names[0], _made))


@method("__rfloordiv__")
def _rfloordiv(self: Tensor, other: Any) -> Tensor:
    return _floor_divide(wrap_number(other), self)


@method("__rmod__")
def _rmod(self: Tensor, other: Any) -> Tensor:
    if self._req and MODE.grad:
        raise RuntimeError(
            "derivative for aten::remainder is not implemented for a number % tensor"
        )
    return _remainder(wrap_number(other), self)


@method("add_")
def add_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """``x.add_(y, alpha=1)``: x += alpha * y."""
    if alpha == 1:
        return _checked("add_", _iadd)(self, other)
    return _scaled_into(self, FUNCTIONS["add"](self, other, alpha=alpha), other, alpha)


@method("sub_")
def sub_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """``x.sub_(y, alpha=1)``: x -= alpha * y."""
    if alpha == 1:
        return _checked("sub_", _isub)(self, other)
    return _scaled_into(self, FUNCTIONS["sub"](self, other, alpha=alpha), other, -alpha)


def _scaled_into(self: Tensor, result: Tensor, other: Any, alpha: Any) -> Tensor:
    if not result._req:
        check_result(self._a, result._a)
        self._a[...] = result._a
        changed(self)
        return self
    x, y = operands(self._a, other._a if isinstance(other, Tensor) else other)
    second = other if isinstance(other, Tensor) else None
    made = write(self, table.ADD_SCALED, (x, y, alpha), (self, second))
    return renamed(made, "SubBackward0") if result._node and "Sub" in result._node.op.name else made


# --- one argument ---------------------------------------------------------------------------------


def _of_floats(name: str, op: Operation) -> Method:
    forward = op.forward

    def apply(input: Tensor) -> Tensor:
        if type(input) is not Tensor:
            tensor_argument(name, input)
        x = input._a
        if x.dtype is not F32 and x.dtype.kind != "f":
            x = x.astype(DEFAULT.numpy)
        out = forward(x)
        if type(out) is not np.ndarray:
            out = np.asarray(out)
        if MODE.grad and input._req:
            return record(op, (x,), (input,), out)
        made = new(Tensor)
        made._a = out
        return made

    apply.__name__ = name
    return apply


def _of_numbers(name: str, op: Operation) -> Method:
    """Operations that keep integers integers."""

    def apply(input: Tensor) -> Tensor:
        x = tensor_argument(name, input)._a
        if x.dtype.kind == "b":
            if name in ("sign", "square"):
                return wrap(x.astype(np.int64) if name == "square" else x.copy())
            if name == "neg":
                raise RuntimeError(
                    "Negation, the `-` operator, on a bool tensor is not supported: use the `~` "
                    "or `logical_not()` operator instead"
                )
            raise not_for(f"{name}_cpu", "'Bool'")
        if name == "frac" and x.dtype.kind != "f":
            raise not_for("frac_cpu", "'Long'")
        if x.dtype.kind in "ui" and name in ("floor", "ceil", "round", "trunc"):
            return wrap(x.copy())
        return run(op, (x,), (input,))

    apply.__name__ = name
    return apply


def _in_place(name: str, op: Operation) -> Method:
    def apply(self: Tensor) -> Tensor:
        if name == "neg" and self._a.dtype.kind == "b":
            raise RuntimeError("Negation of a bool tensor is not supported: use ~")
        if self._a.dtype.kind == "b" and name == "relu":
            raise RuntimeError("Boolean inputs not supported for relu")
        if self._a.dtype.kind == "b" and name == "abs":
            raise not_for("abs_cpu", "'Bool'")
        if name in ("floor", "ceil", "round", "trunc"):
            if self._a.dtype.kind == "b":
                raise not_for(f"{name}_vml_cpu", "'Bool'")
            if self._a.dtype.kind != "f":
                return self
        if self._a.dtype not in FLOATS and name not in ("neg", "abs", "sign", "square", "relu"):
            raise RuntimeError(
                f"{name}_: result type Float can't be cast to the desired output type of "
                f"{self.dtype}: convert the tensor with .float()"
            )
        return write(self, op, (self._a,), (self,))

    apply.__name__ = f"{name}_"
    return apply


_FLOATS: Final = {
    ("exp",): table.EXP,
    ("expm1",): table.EXPM1,
    ("log",): table.LOG,
    ("log10",): table.LOG10,
    ("log2",): table.LOG2,
    ("log1p",): table.LOG1P,
    ("sqrt",): table.SQRT,
    ("rsqrt",): table.RSQRT,
    ("reciprocal",): table.RECIPROCAL,
    ("sin",): table.SIN,
    ("cos",): table.COS,
    ("tan",): table.TAN,
    ("asin", "arcsin"): table.ASIN,
    ("acos", "arccos"): table.ACOS,
    ("atan", "arctan"): table.ATAN,
    ("sinh",): table.SINH,
    ("cosh",): table.COSH,
    ("tanh",): table.TANH,
    ("asinh", "arcsinh"): table.ASINH,
    ("acosh", "arccosh"): table.ACOSH,
    ("atanh", "arctanh"): table.ATANH,
    ("sigmoid",): table.SIGMOID,
}
_NUMBERS: Final = {
    ("neg", "negative"): table.NEG,
    ("abs", "absolute"): table.ABS,
    ("sign", "sgn"): table.SIGN,
    ("floor",): table.FLOOR,
    ("ceil",): table.CEIL,
    ("trunc", "fix"): table.TRUNC,
    ("square",): table.SQUARE,
    ("round",): table.ROUND,
    ("relu",): table.RELU,
    ("frac",): table.FRAC,
}
for _names, _op in _FLOATS.items():
    both(*_names)(_of_floats(_names[0], _op))
    method(*(f"{name}_" for name in _names))(_in_place(_names[0], _op))
for _names, _op in _NUMBERS.items():
    both(*_names)(_of_numbers(_names[0], _op))
    method(*(f"{name}_" for name in _names))(_in_place(_names[0], _op))
method("__neg__")(FUNCTIONS["neg"])
method("__abs__")(FUNCTIONS["abs"])


@method("__pos__")
def _positive(self: Tensor) -> Tensor:
    if self._a.dtype.kind == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return self


@both("round")
def round_(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Rounded to the nearest number, halves to even."""
    if decimals:
        if input._a.dtype.kind != "f":
            raise not_for("round_cpu", input.dtype)
        scale = float(10**decimals)
        return renamed((input * scale).round() / scale, "RoundBackward1")
    if input._a.dtype.kind == "b":
        raise not_for("round_vml_cpu", "'Bool'")
    if input._a.dtype.kind in "ui":
        return wrap(input._a.copy())
    return run(table.ROUND, (input._a,), (input,))


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
    return clamp(input, None, max)


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


maximum: Final = both("maximum", "fmax")(_pairwise("maximum", table.MAXIMUM))
minimum: Final = both("minimum", "fmin")(_pairwise("minimum", table.MINIMUM))
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


def _floats_only(kernel: str, input: Tensor) -> None:
    if input._a.dtype.kind != "f":
        raise not_for(kernel, input.dtype)


@both("lerp")
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """``input + weight * (end - input)``."""
    _floats_only("lerp_kernel_scalar", input)
    return renamed(input + weight * (end - input), "LerpBackward0")


@both("addcmul")
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``input + value * tensor1 * tensor2``."""
    if input._a.dtype.kind == "b":
        raise not_for("addcmul_cpu_out", "'Bool'")
    return renamed(input + value * tensor1 * tensor2, "AddcmulBackward0")


@both("addcdiv")
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``input + value * tensor1 / tensor2``."""
    if tensor1._a.dtype.kind != "f" and tensor2._a.dtype.kind != "f":
        raise RuntimeError("Integer division with addcdiv is no longer supported: use .float()")
    return renamed(input + value * tensor1 / tensor2, "AddcdivBackward0")


# --- comparisons and logic: never recorded --------------------------------------------------------


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
    both(*_names)(_checked(_names[0], _made))


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
        counter(self)[0] += 1
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
    both(f"bitwise_{_name}")(_checked(f"bitwise_{_name}", _made))


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
    """Numbers in place of nan and infinities."""
    if input._req and MODE.grad:
        raise not_supported("nan_to_num of a tensor that requires a gradient")
    return wrap(np.nan_to_num(input._a, nan=nan, posinf=posinf, neginf=neginf))


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
