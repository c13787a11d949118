"""``torch.nn.functional``: softmax, losses and activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.derivatives.functional import (
    LOG_SOFTMAX,
    PAD,
    SOFTMAX,
)
from npnet.derivatives.indexing import INDEX
from npnet.derivatives.operation import Operation
from npnet.tensors.bernoulli import dropped
from npnet.tensors.comparisons import clamp
from npnet.tensors.dtypes_and_sizes import F32, FLOATS, I64
from npnet.tensors.interface import axis_of, both, spelled, tensor_argument
from npnet.tensors.linear import linear
from npnet.tensors.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
)
from npnet.tensors.missing import missing, not_for, not_supported
from npnet.tensors.tape import renamed, run, run_one
from npnet.tensors.tensor_class import Tensor, wrap
from npnet.tensors.unary import (
    elu,
    float_argument,
    gelu,
    hardtanh,
    leaky_relu,
    logsigmoid,
    relu,
    sigmoid,
    silu,
    softplus,
    tanh,
)

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "hardtanh",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


def _with_type(input: Tensor, dtype: Any) -> Tensor:
    return input if dtype is None else input.to(dtype)


@both("softmax")
def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None, **more: Any
) -> Tensor:
    """exp(x) divided by its sum along an axis."""
    return _soft("softmax", SOFTMAX, input, dim, dtype, more)


@both("log_softmax")
def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None, **more: Any
) -> Tensor:
    """The logarithm of softmax."""
    return _soft("log_softmax", LOG_SOFTMAX, input, dim, dtype, more)


def _soft(
    name: str, op: Operation, input: Tensor, dim: int | None, dtype: Any, more: dict[str, Any]
) -> Tensor:
    if type(input) is Tensor and type(dim) is int and dtype is None and not more:
        array = input._a
        if array.dtype is F32 and 0 <= dim < array.ndim:  # by far the most frequent
            return run_one(op, (array, dim), input)
    x = _with_type(tensor_argument(name, input), dtype)
    if more:
        dim, _ = spelled(name, more, dim, False)
    if dim is None:
        dim = 0 if x._a.ndim in (0, 1, 3) else 1
    axis = axis_of(dim, x._a.ndim)
    if x._a.dtype not in FLOATS:
        if not x._a.size:
            return wrap(x._a.copy())
        raise not_for(f"{name}_kernel_impl", x.dtype)
    return run(op, (x._a, axis), (x,))


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Rows of int64 zeros with a 1 at each class.

    Raises:
        RuntimeError: the classes are not int64, or one is negative or too large.
    """
    classes = tensor_argument("one_hot", input)._a
    if classes.dtype != I64:
        raise RuntimeError(
            "one_hot is only applicable to index tensor of type LongTensor: convert with .long()"
        )
    if not classes.size:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return wrap(np.zeros((*classes.shape, num_classes), I64))
    if classes.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = int(classes.max()) + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif int(classes.max()) >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    found = np.zeros((*classes.shape, num_classes), I64)
    np.put_along_axis(found, classes[..., None], 1, -1)
    return wrap(found)


def embedding(input: Tensor, weight: Tensor) -> Tensor:
    """Rows of ``weight`` by number."""
    if not weight._a.ndim:
        raise IndexError("'weight' must be 2-D, but it has no axes")
    if weight._a.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    return renamed(run(INDEX, (weight._a, input._a.copy()), (weight,)), "EmbeddingBackward0")


def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """The last axes with mean 0 and variance 1, then times ``weight`` plus ``bias``."""
    if not tuple(normalized_shape):
        raise RuntimeError("Expected normalized_shape to be at least 1-dimensional")
    float_argument("LayerNorm", input)
    axes = list(range(-len(tuple(normalized_shape)), 0))
    centred = input - input.mean(axes, keepdim=True)
    found = centred * (input.var(axes, unbiased=False, keepdim=True) + eps).rsqrt()
    if weight is not None:
        found = found * weight
    found = found if bias is None else found + bias
    return renamed(found, "NativeLayerNormBackward0")


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """The input divided by its norm along an axis."""
    return input / clamp(input.norm(p, dim, keepdim=True), eps)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeros with probability p, and all other values divided by 1 − p; drawn as torch draws.

    Raises:
        ValueError: p below 0 or above 1.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return dropped(input, p, training, inplace)


def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """A copy with a border of constants; the sizes begin with the last axis."""
    if mode != "constant":
        raise not_supported(f"pad(mode={mode!r})")
    if len(pad) > 2 * input._a.ndim:
        raise RuntimeError(
            f"Padding length should be less than or equal to two times the input dimension but "
            f"got padding length {len(pad)} and input of dimension {input._a.ndim}"
        )
    widths = [(0, 0)] * (input._a.ndim - len(pad) // 2) + [
        (pad[at], pad[at + 1]) for at in range(len(pad) - 2, -1, -2)
    ]
    return run(PAD, (input._a, tuple(widths), value or 0), (input,))


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise missing("torch.nn.functional", name)
