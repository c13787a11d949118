"""Functions of one tensor, element by element: mathematics and activations."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from npnet.derivatives import elementwise as table
from npnet.derivatives.functional import (
    ELU,
    ERF,
    GELU,
    HARDTANH,
    LEAKY,
    LOG_SIGMOID,
    SILU,
    SOFTPLUS,
)
from npnet.derivatives.operation import Operation
from npnet.tensors.dtypes_and_sizes import DEFAULT, F32, FLOATS
from npnet.tensors.in_place import write
from npnet.tensors.interface import FUNCTIONS, Method, both, method, tensor_argument
from npnet.tensors.missing import not_for, not_supported
from npnet.tensors.tape import record, renamed, run
from npnet.tensors.tensor_class import MODE, Tensor, new, wrap


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
    """Operations whose results for integers are integers."""

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
        if self._a.dtype.kind != "f" and name == "frac":
            raise not_for("frac_cpu", self.dtype)
        if self._a.dtype.kind == "b" and name == "square":
            raise RuntimeError("result type Long can't be cast to the desired output type Bool")
        if self._a.dtype.kind == "b" and name == "sign":
            return self
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
relu, sigmoid, tanh = (FUNCTIONS[name] for name in ("relu", "sigmoid", "tanh"))
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


@both("erf")
def erf(input: Tensor) -> Tensor:
    """The error function."""
    return run(ERF, (float_argument("erf", input)._a,), (input,))


def float_argument(name: str, value: Any) -> Tensor:
    found = tensor_argument(name, value)
    if found._a.dtype not in FLOATS:
        if name == "erf":
            return found.float()
        raise not_for(f"{name}_cpu", found.dtype)
    return found


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x."""
    if approximate == "tanh":
        float_argument("gelu", input)
        inner = math.sqrt(2 / math.pi) * (input + 0.044715 * input * input * input)
        return renamed(0.5 * input * (1 + inner.tanh()), "GeluBackward0")
    return run(GELU, (float_argument("gelu", input)._a,), (input,))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x · sigmoid(x)."""
    return run(SILU, (float_argument("silu", input)._a,), (input,))


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x, and below 0 x times a slope."""
    return run(LEAKY, (float_argument("leaky_relu", input)._a, negative_slope), (input,))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x, and below 0 alpha·(exp(x) − 1)."""
    return run(ELU, (float_argument("elu", input)._a, alpha), (input,))


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + exp(beta·x)) / beta."""
    if threshold != 20:
        raise not_supported("softplus with another threshold than 20")
    return run(SOFTPLUS, (float_argument("softplus", input)._a, beta), (input,))


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x))."""
    return run(LOG_SIGMOID, (float_argument("log_sigmoid", input)._a,), (input,))


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x held between two numbers."""
    if input._a.dtype.kind == "b":
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if input._a.dtype.kind != "f":
        min_val, max_val = int(min_val), int(max_val)
    return run(HARDTANH, (input._a, min_val, max_val), (input,))
