"""``+= -= *= /= //= %= **=`` and the methods of the same names."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives import elementwise as table
from npnet.derivatives.operation import Operation
from npnet.tensors.dtypes_and_sizes import F32, F64, FLOATS
from npnet.tensors.in_place import check_result, write
from npnet.tensors.interface import (
    FUNCTIONS,
    NUMBERS,
    Method,
    as_float,
    checked,
    floored,
    method,
    mismatch,
    operands,
    plain,
)
from npnet.tensors.operators import power_of, prepared
from npnet.tensors.tape import renamed
from npnet.tensors.tensor_class import MODE, Tensor, changed


def _changing(op: Operation, ufunc: Any, floats: bool = False) -> Method:
    """``x OP= y``: the result is written into the memory of x."""

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
            prepared(op, x, y, False, "subtraction")
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
        changed(self)
        return self

    return apply


def _refuse(x: Array, y: Any, why: ValueError) -> None:
    """Raise torch's error for a result that does not fit into x."""
    try:
        check_result(x, np.broadcast_to(x.dtype.type(0), np.broadcast_shapes(x.shape, y.shape)))
    except ValueError:
        raise mismatch(x, y, why) from None
    raise why


_iadd, _isub = _changing(table.ADD, np.add), _changing(table.SUB, np.subtract)
_imul = _changing(table.MUL, np.multiply)
_idiv = _changing(table.DIV, np.true_divide, floats=True)
_ifloor_divide = _changing(table.FLOOR_DIVIDE, lambda x, y, *out: _floored_into(x, y, *out))
_irest = _changing(table.REMAINDER, np.remainder)
_irest_number = _changing(table.REMAINDER_NUMBER, np.remainder)


def _iremainder(self: Tensor, other: Any) -> Any:
    return (_irest if isinstance(other, Tensor) else _irest_number)(self, other)


def _floored_into(x: Any, y: Any, *out: Array) -> Any:
    found = floored(x, y)
    if out:
        out[0][...] = found
    return found


def _ipow(self: Tensor, exponent: Any) -> Any:
    if MODE.grad and self._req:
        if isinstance(exponent, Tensor):
            return write(self, table.POW_TENSOR, (self._a, exponent._a), (self, exponent))
        return write(self, table.POW, (self._a, plain(exponent)), (self,))
    out = power_of(self, exponent)._a
    check_result(self._a, out)
    self._a[...] = out
    changed(self)
    return self


_OPERATORS: Final[dict[str, Method]] = {
    "iadd": _iadd,
    "isub": _isub,
    "imul": _imul,
    "itruediv": _idiv,
    "ifloordiv": _ifloor_divide,
    "imod": _iremainder,
    "ipow": _ipow,
}
for _name, _made in _OPERATORS.items():
    setattr(Tensor, f"__{_name}__", _made)
for _names, _made in {
    ("mul_", "multiply_"): _imul,
    ("div_", "divide_", "true_divide_"): _idiv,
    ("remainder_",): _iremainder,
    ("pow_",): _ipow,
}.items():
    method(*_names)(checked(_names[0], _made))


@method("add_")
def add_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """``x.add_(y, alpha=1)``: x += alpha * y."""
    if alpha == 1:
        return checked("add_", _iadd)(self, other)
    return _scaled_into(self, FUNCTIONS["add"](self, other, alpha=alpha), other, alpha)


@method("sub_", "subtract_")
def sub_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """``x.sub_(y, alpha=1)``: x -= alpha * y."""
    if alpha == 1:
        return checked("sub_", _isub)(self, other)
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
