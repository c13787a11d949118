"""Activations: gelu, silu, softplus and the like. Relu, sigmoid and tanh are in ``unary``."""

from __future__ import annotations

import math
from typing import Any

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
from npnet.tensors.attach import both, tensor_argument
from npnet.tensors.dtypes import FLOATS
from npnet.tensors.missing import not_for, not_supported
from npnet.tensors.tape import renamed, run
from npnet.tensors.tensor_class import Tensor


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
