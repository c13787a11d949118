"""``+ - * / // % **`` and the functions of the same names; ``lerp``, ``addcmul``, ``addcdiv``."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives import elementwise as table
from npnet.derivatives.operation import Operation
from npnet.tensors.dtypes_and_sizes import DEFAULT, F32, F64, FLOATS, result_type
from npnet.tensors.in_place import write
from npnet.tensors.interface import (
    FUNCTIONS,
    NUMBERS,
    Method,
    both,
    checked,
    floored,
    method,
    mismatch,
    operands,
    plain,
    remainder_of,
    tensor_argument,
    wrap_number,
)
from npnet.tensors.missing import not_for
from npnet.tensors.tape import record, renamed, run, run_one
from npnet.tensors.tensor_class import MODE, Tensor, new


def _operator(op: Operation, ufunc: Any, floats: bool = False, bools: str = "") -> Method:
    """``x OP y``, with a fast path for the usual case: float tensors of one type."""

    def apply(self: Tensor, other: Any) -> Any:
        x, kind = self._a, type(other)
        dtype = x.dtype
        if kind is Tensor:
            y, second = other._a, other
            if dtype is not y.dtype or (dtype is not F32 and dtype is not F64):
                x, y = prepared(op, x, y, floats, bools)
        elif kind is float or kind is int:
            y, second = other, None
            if dtype is not F32 and dtype is not F64:
                x, y = prepared(op, x, y, floats, bools)
        elif isinstance(other, NUMBERS):
            second = None
            x, y = prepared(op, x, plain(other), floats, bools)
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


def prepared(op: Operation, x: Array, y: Any, floats: bool, bools: str) -> tuple[Any, Any]:
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


_add = _operator(table.ADD, np.add)
_sub = _operator(table.SUB, np.subtract, bools="subtraction")
_mul = _operator(table.MUL, np.multiply)
_div = _operator(table.DIV, np.true_divide, floats=True)
_rsub = _operator(table.RSUB, lambda x, y: np.subtract(y, x), bools="subtraction")
_by_tensor = _operator(table.REMAINDER, lambda x, y: remainder_of(x, y))
_by_number = _operator(table.REMAINDER_NUMBER, lambda x, y: remainder_of(x, y))


def _remainder(self: Tensor, other: Any) -> Any:
    return (_by_tensor if isinstance(other, Tensor) else _by_number)(self, other)


_fmod = _operator(table.FMOD, np.fmod)
_floor_divide = _operator(table.FLOOR_DIVIDE, lambda x, y: floored(x, y))


def _scaled(name: str, apply: Method, sign: int) -> Method:
    plainly = checked(name, apply)

    def call(input: Any, other: Any, *, alpha: Any = 1) -> Any:
        if alpha == 1:
            return plainly(input, other)
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
    # Torch divides a number by a tensor in this way, and rounds twice.
    if not isinstance(other, NUMBERS):
        return NotImplemented
    return _mul(FUNCTIONS["reciprocal"](self), other)


def _from_the_right(input: Tensor, other: Any, *, alpha: Any = 1) -> Any:
    """``torch.rsub``: other - alpha * input."""
    if alpha == 1:
        return checked("rsub", _rsub)(input, other)
    return renamed(_sub(other, input * alpha), "RsubBackward0")


def _rounded_division(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """``torch.div``, with ``rounding_mode`` "floor" or "trunc"."""
    if rounding_mode is None:
        return DIVIDE(input, other)
    if rounding_mode in ("floor", "trunc"):
        x, y = operands(input._a, other._a if isinstance(other, Tensor) else plain(other))
        second = other if isinstance(other, Tensor) else None
        rounded = floored if rounding_mode == "floor" else _cut
        return run(table.DIV_ROUNDED, (x, y, rounded), (input, second))
    raise RuntimeError(
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"{rounding_mode!r}"
    )


def _cut(x: Any, y: Any) -> Any:
    """x / y, rounded towards 0."""
    if np.asarray(x).dtype.kind == "f":
        return np.trunc(x / y)
    found = floored(np.abs(x), np.abs(y))
    return np.where(np.sign(x) * np.sign(y) < 0, -found, found)


def power_of(self: Tensor, exponent: Any) -> Any:
    if isinstance(exponent, NUMBERS):
        exponent, x = plain(exponent), self._a
        if x.dtype is not F32 and x.dtype not in FLOATS:
            kind = result_type((x, exponent))
            if kind.kind == "i" and exponent < 0:
                raise RuntimeError(
                    "Integers to negative integer powers are not allowed: convert the tensor "
                    "with .float()"
                )
            x = x.astype(kind, copy=False)
        return run_one(table.POW, (x, exponent), self)
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


@both("pow")
def pow_(input: Any, exponent: Any) -> Tensor:
    """``torch.pow``, also for a number to the power of a tensor."""
    found = power_of(input, exponent) if isinstance(input, Tensor) else _rpow(exponent, input)
    if found is NotImplemented:
        raise TypeError("pow(): wanted a Tensor and a number or a Tensor")
    return found


DIVIDE: Final = checked("div", _div)
_made: Method
_FUNCTIONS: Final[dict[tuple[str, ...], Method]] = {
    ("add",): _scaled("add", _add, 1),
    ("sub", "subtract"): _scaled("sub", _sub, -1),
    ("mul", "multiply"): checked("mul", _mul),
    ("div", "divide"): _rounded_division,
    ("true_divide",): DIVIDE,
    ("floor_divide",): checked("floor_divide", _floor_divide),
    ("remainder",): checked("remainder", _remainder),
    ("fmod",): checked("fmod", _fmod),
    ("rsub",): _from_the_right,
}
for _names, _made in _FUNCTIONS.items():
    both(*_names)(_made)
for _name, _made in {
    "add": _add,
    "radd": _add,
    "sub": _sub,
    "rsub": _rsub,
    "mul": _mul,
    "rmul": _mul,
    "truediv": _div,
    "rtruediv": _rdiv,
    "floordiv": _floor_divide,
    "mod": _remainder,
    "pow": power_of,
    "rpow": _rpow,
}.items():
    setattr(Tensor, f"__{_name}__", _made)


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


Call = tuple[Operation, tuple[Any, ...], tuple[Tensor, ...]]


def _lerp(input: Any, end: Any, weight: Any) -> Call:
    tensors = [tensor_argument("lerp", input), tensor_argument("lerp", end)]
    if isinstance(weight, Tensor):
        tensors.append(weight)
    for one in tensors:
        if one._a.dtype != input._a.dtype:
            raise RuntimeError(
                f"expected dtype {input.dtype} for `end` and `weight` but got dtype {one.dtype}: "
                "convert with .to(input.dtype)"
            )
    if input._a.dtype.kind != "f":
        raise not_for("lerp_kernel_scalar", input.dtype)
    arrays = tuple(one._a for one in tensors)
    if len(tensors) == 3:
        return table.LERP_TENSOR, arrays, tuple(tensors)
    return table.LERP, (*arrays, plain(weight)), tuple(tensors)


def _product(name: str, op: Operation, input: Any, tensor1: Any, tensor2: Any, value: Any) -> Call:
    tensors = tuple(tensor_argument(name, one) for one in (input, tensor1, tensor2))
    kinds = [one._a.dtype.kind for one in tensors]
    if name == "addcmul" and set(kinds) == {"b"}:
        raise not_for("addcmul_cpu_out", "'Bool'")
    if name == "addcdiv" and "f" not in kinds[1:]:
        raise RuntimeError("Integer division with addcdiv is no longer supported: use .float()")
    kind = result_type(tuple(one._a for one in tensors))
    if kind.kind != "f":
        value = int(value)
    arrays = tuple(one._a.astype(kind, copy=False) for one in tensors)
    return op, (*arrays, plain(value)), tensors


def _three_made(call: Call) -> Tensor:
    try:
        return run(*call)
    except ValueError as why:
        raise mismatch(call[1][0], call[1][1], why) from None


def _written(call: Call) -> Tensor:
    op, args, tensors = call
    try:
        return write(tensors[0], op, args, tensors)
    except ValueError as why:
        raise mismatch(args[0], args[1], why) from None


@both("lerp")
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """``input + weight * (end - input)``."""
    return _three_made(_lerp(input, end, weight))


@method("lerp_")
def lerp_(self: Tensor, end: Tensor, weight: Any) -> Tensor:
    """``lerp`` in place."""
    return _written(_lerp(self, end, weight))


@both("addcmul")
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``input + value * tensor1 * tensor2``."""
    return _three_made(_product("addcmul", table.ADDCMUL, input, tensor1, tensor2, value))


@method("addcmul_")
def addcmul_(self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``addcmul`` in place."""
    return _written(_product("addcmul", table.ADDCMUL, self, tensor1, tensor2, value))


@both("addcdiv")
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``input + value * tensor1 / tensor2``."""
    return _three_made(_product("addcdiv", table.ADDCDIV, input, tensor1, tensor2, value))


@method("addcdiv_")
def addcdiv_(self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``addcdiv`` in place."""
    return _written(_product("addcdiv", table.ADDCDIV, self, tensor1, tensor2, value))
