"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.operation import Operation
from npnet.derivatives.products import ADDMM, BMM, DOT, MM, MV, einsum_derivative, einsum_name
from npnet.tensors.interface import axis_of, both, function, method, tensor_argument
from npnet.tensors.missing import not_for, not_supported
from npnet.tensors.tape import record, renamed, run
from npnet.tensors.tensor_class import MODE, Tensor, new
from npnet.tensors.views import permute, reshape, transpose, unsqueeze


def _same_type(name: str, x: Array, y: Array) -> None:
    if x.dtype != y.dtype:
        raise RuntimeError(
            f"{name}: expected both tensors to have the same dtype, but got {x.dtype} and "
            f"{y.dtype}: convert one, for example with .float()"
        )


@both("matmul")
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """``x @ y``: matrices, vectors, and batches of matrices."""
    if type(input) is not Tensor or type(other) is not Tensor:
        tensor_argument("matmul", input)
        tensor_argument("matmul", other)
    x, y = input._a, other._a
    if x.ndim == 2 and y.ndim == 2:
        if x.dtype is not y.dtype:
            _same_type("matmul", x, y)
        if x.dtype.kind == "b" and x.size and y.size:
            raise not_for("addmm_impl_cpu_", "'Bool'")
        try:
            out = x @ y
        except ValueError:
            raise RuntimeError(
                "mat1 and mat2 shapes cannot be multiplied "
                f"({x.shape[0]}x{x.shape[1]} and {y.shape[0]}x{y.shape[1]})"
            ) from None
        if MODE.grad and (input._req or other._req):
            return record(MM, (x, y), (input, other), out)
        made = new(Tensor)
        made._a = out
        return made
    return _matmul(input, other)


def _matmul(input: Tensor, other: Tensor, _whole_batches: bool = False) -> Tensor:
    x, y = input._a, other._a
    _same_type("matmul", x, y)
    if x.dtype.kind == "b" and x.ndim and y.ndim:
        raise not_for("dot", "'Bool'")
    if not x.ndim or not y.ndim:
        raise RuntimeError("both arguments to matmul need to be at least 1D, use * for numbers")
    inner = (x.shape[-1], y.shape[-2] if y.ndim > 1 else y.shape[0])
    if inner[0] != inner[1]:
        raise RuntimeError(
            f"matmul: shapes {list(x.shape)} and {list(y.shape)} cannot be multiplied: "
            f"{inner[0]} columns meet {inner[1]} rows"
        )
    if x.ndim == 1 and y.ndim == 1:
        return run(DOT, (x, y), (input, other))
    if x.ndim == 2 and y.ndim == 1:
        return run(MV, (x, y), (input, other))
    if x.ndim == 1:
        made = matmul(unsqueeze(input, 0), other).squeeze(-2)
        return renamed(made, "SqueezeBackward4" if y.ndim == 2 else "UnsafeViewBackward0")
    if y.ndim <= 2:
        rows = reshape(input, -1, x.shape[-1])
        made = reshape(matmul(rows, other), *x.shape[:-1], *y.shape[1:])
        return renamed(made, "UnsafeViewBackward0")
    try:
        made = run(BMM, (x, y), (input, other))
        return made if _whole_batches else renamed(made, "UnsafeViewBackward0")
    except ValueError as why:
        raise RuntimeError(f"matmul: {why}") from None


@method("__matmul__")
def _at(self: Tensor, other: Any) -> Any:
    return matmul(self, other) if type(other) is Tensor else NotImplemented


@both("mm")
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices."""
    _axes("mm", (input, 2), (mat2, 2))
    return matmul(input, mat2)


@both("mv")
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """A matrix times a vector."""
    _axes("mv", (input, 2), (vec, 1))
    return matmul(input, vec)


@both("inner")
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sums of products over the last axes of both."""
    x, y = tensor_argument("inner", input)._a, tensor_argument("inner", other)._a
    if not x.ndim or not y.ndim:
        return input * other
    if x.shape[-1] != y.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(x.shape)} and {list(y.shape)}"
        )
    if x.ndim == y.ndim == 1:
        return renamed(dot(input, other), "ViewBackward0")
    rows = reshape(other, -1, y.shape[-1])
    return reshape(matmul(reshape(input, -1, x.shape[-1]), rows.T), (*x.shape[:-1], *y.shape[:-1]))


@both("dot")
def dot(input: Tensor, other: Tensor) -> Tensor:
    """The product of two vectors."""
    _axes("dot", (input, 1), (other, 1))
    return matmul(input, other)


@both("bmm")
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of two batches of matrices."""
    _axes("bmm", (input, 3), (mat2, 3))
    if len(input._a) != len(mat2._a):
        raise RuntimeError("bmm: the batches have different sizes")
    return _matmul(input, mat2, True)


def _axes(name: str, *wanted: tuple[Tensor, int]) -> None:
    for tensor, ndim in wanted:
        if tensor_argument(name, tensor)._a.ndim != ndim:
            raise RuntimeError(
                f"{name}: expected a tensor of {ndim} axes, got {tensor._a.ndim}D: matmul or @ "
                "takes both"
            )


@both("outer", "ger")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The products of all pairs of entries of two vectors."""
    _axes("outer", (input, 1), (vec2, 1))
    return reshape(input, -1, 1) * vec2


@both("addmm")
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """``beta·input + alpha·mat1 @ mat2``."""
    if beta != 1 or alpha != 1:
        return beta * input + alpha * matmul(mat1, mat2)
    _same_type("addmm", mat1._a, mat2._a)
    if mat1._a.dtype.kind == "b":
        raise not_for("addmm_impl_cpu_", "'Bool'")
    return run(ADDMM, (input._a, mat1._a, mat2._a), (input, mat1, mat2))


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear``: input @ weight.T + bias."""
    turned = transpose(weight, 0, 1)
    if bias is None:
        return matmul(input, turned)
    if input._a.ndim == 2:
        return addmm(bias, input, turned)
    return matmul(input, turned) + bias


def _contracted_last(a: Tensor, b: Tensor, dims: Any) -> tuple[Tensor, Tensor, int]:
    """Both with the axes that are summed last in the one and first in the other."""
    first, second = ([one] if isinstance(one, int) else list(one) for one in dims)
    if len(first) != len(second):
        raise RuntimeError("both dimension lists should have same length")
    first = [axis_of(one, a._a.ndim) for one in first]
    second = [axis_of(one, b._a.ndim) for one in second]
    for one, other in zip(first, second, strict=True):
        if a._a.shape[one] != b._a.shape[other]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a._a.shape[one]} in dim "
                f"{one} and second has size {b._a.shape[other]} in dim {other}"
            )
    kept = [axis for axis in range(a._a.ndim) if axis not in first]
    rest = [axis for axis in range(b._a.ndim) if axis not in second]
    return permute(a, *kept, *first), permute(b, *second, *rest), len(first)


@function("tensordot")
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sums of products over the last ``dims`` axes of one and the first of the other.

    ``dims`` may also be two lists: the axes of each.
    """
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if not isinstance(dims, int):
        a, b, dims = _contracted_last(a, b, dims)
    x, y = a._a, b._a
    kept, rest = x.shape[: x.ndim - dims], y.shape[dims:]
    rows = reshape(a, int(np.prod(kept, dtype=int)), -1)
    columns = reshape(b, -1, int(np.prod(rest, dtype=int)))
    return reshape(matmul(rows, columns), (*kept, *rest))


@function("einsum")
def einsum(equation: str, *operands: Any) -> Tensor:
    """Sums of products, by letters: ``einsum("ij,jk->ik", x, y)``."""
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if "..." in equation:
        raise not_supported('einsum with "..."')
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    if not arrow:
        letters = "".join(inputs)
        output = "".join(sorted(one for one in set(letters) if letters.count(one) == 1))
    if len(inputs) != len(operands):
        raise RuntimeError(
            f"einsum(): {equation!r} names {len(inputs)} operands, but {len(operands)} were given"
        )
    arrays = [tensor_argument("einsum", operand)._a for operand in operands]
    for names, array in zip(inputs, arrays, strict=True):
        if len(names) != array.ndim:
            raise RuntimeError(
                f"einsum(): the subscript {names!r} does not fit an operand of {array.ndim} axes"
            )
    if arrays[0].dtype.kind == "b" and (
        len(arrays) == 1 or einsum_name(inputs, output) != "MulBackward0"
    ):
        if len(arrays) == 1:
            arrays = [arrays[0].astype(np.int64)]
        else:
            raise not_for("bmm", "'Bool'")
    elif einsum_name(inputs, output) != "MulBackward0":
        for array in arrays[1:]:
            _same_type("einsum", arrays[0], array)
    op = Operation(
        einsum_name(inputs, output),
        lambda *arguments: np.einsum(
            ",".join(arguments[-1][0]) + "->" + arguments[-1][1], *arguments[:-1], optimize=True
        ),
    )
    places = range(len(arrays))
    op.derive(
        tuple(map(einsum_derivative, places)),
        tuple(tuple(at for at in places if at != place) for place in places),
    )
    try:
        made = run(op, (*arrays, (inputs, output)), operands)
    except ValueError as why:
        raise RuntimeError(f"einsum(): {why}") from None
    return made
