"""``lerp``, ``addcmul`` and ``addcdiv``, and their forms in place."""

from __future__ import annotations

from typing import Any

from npnet.derivatives import elementwise as table
from npnet.derivatives.operation import Operation
from npnet.tensors.attach import both, method, tensor_argument
from npnet.tensors.dtypes import result_type
from npnet.tensors.in_place import write
from npnet.tensors.missing import not_for
from npnet.tensors.operands import mismatch, plain
from npnet.tensors.tape import run
from npnet.tensors.tensor_class import Tensor

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


def _made(call: Call) -> Tensor:
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
    return _made(_lerp(input, end, weight))


@method("lerp_")
def lerp_(self: Tensor, end: Tensor, weight: Any) -> Tensor:
    """``lerp`` in place."""
    return _written(_lerp(self, end, weight))


@both("addcmul")
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``input + value * tensor1 * tensor2``."""
    return _made(_product("addcmul", table.ADDCMUL, input, tensor1, tensor2, value))


@method("addcmul_")
def addcmul_(self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``addcmul`` in place."""
    return _written(_product("addcmul", table.ADDCMUL, self, tensor1, tensor2, value))


@both("addcdiv")
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``input + value * tensor1 / tensor2``."""
    return _made(_product("addcdiv", table.ADDCDIV, input, tensor1, tensor2, value))


@method("addcdiv_")
def addcdiv_(self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """``addcdiv`` in place."""
    return _written(_product("addcdiv", table.ADDCDIV, self, tensor1, tensor2, value))
