"""``torch.nn.functional``: softmax, losses and activations."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.tensors.arithmetic import clamp
from npnet.tensors.autograd import KEPT, Operation, renamed, run
from npnet.tensors.dtypes import FLOATS, I64
from npnet.tensors.indexing import INDEX, largest
from npnet.tensors.linear import linear
from npnet.tensors.missing import missing, not_for, not_supported
from npnet.tensors.reductions import axis_of, spelled
from npnet.tensors.shapes import reshape
from npnet.tensors.tensor_class import FUNCTIONS, MODE, Tensor, both, tensor_argument, wrap

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

relu = FUNCTIONS["relu"]
sigmoid = FUNCTIONS["sigmoid"]
tanh = FUNCTIONS["tanh"]


def _top(x: Array, axis: int) -> Array:
    """The largest values along an axis, of size 1 there; for an empty axis what is never used."""
    if not x.shape[axis]:
        return np.zeros([1 if at == axis else size for at, size in enumerate(x.shape)], x.dtype)
    if x.ndim == 2 and axis == 1 and x.flags.c_contiguous:
        return _top_of_rows(x)[:, None]
    return np.asarray(np.maximum.reduce(x, axis, keepdims=True))


def _top_of_rows(x: Array) -> Array:
    """The largest value of each row of (n, m): NumPy finds places faster than values."""
    places = x.argmax(1)
    places += _row_starts(*x.shape)
    return x.reshape(-1)[places]


@lru_cache(64)
def _row_starts(count: int, columns: int) -> Array:
    """Where each row of (n, m) begins in memory, for flat indices; read-only, kept."""
    starts = np.arange(0, count * columns, columns)
    starts.flags.writeable = False
    return starts


def _softmax(x: Array, axis: int) -> Array:
    if not x.ndim:
        return np.ones_like(x)
    out = x - _top(x, axis)
    np.exp(out, out)
    out /= np.add.reduce(out, axis, keepdims=True)
    return out


def _log_softmax(x: Array, axis: int) -> Array:
    if not x.ndim:
        return np.zeros_like(x)
    shifted = x - _top(x, axis)
    shifted -= np.log(np.add.reduce(np.exp(shifted), axis, keepdims=True))
    return shifted


def _log_softmax_gradient(g: Array, o: Array, x: Array, axis: int) -> Array:
    if not x.ndim:
        return np.zeros_like(g)
    return g - np.exp(o) * np.add.reduce(g, axis, keepdims=True)


def _softmax_gradient(g: Array, o: Array, x: Array, axis: int) -> Array:
    if not x.ndim:
        return np.zeros_like(g)
    scaled = g * o
    return scaled - o * np.add.reduce(scaled, axis, keepdims=True)


def in_order(values: Array) -> Array:
    """The sum of (n,), added as torch's negative log likelihood adds rows: in blocks of 16."""
    if values.size == 32:  # the usual minibatch, spelled out
        blocks = np.add.accumulate(values.reshape(2, 16), 1)
        return np.asarray(blocks[0, 15] + blocks[1, 15])
    for _ in range(8):
        if values.size <= 16:
            break
        full = values.size - values.size % 16
        blocks = np.add.accumulate(values[:full].reshape(-1, 16), 1)[:, -1]
        if full < values.size:
            blocks = np.append(blocks, np.add.accumulate(values[full:])[-1])
        values = blocks
    return np.asarray(np.add.accumulate(values)[-1] if values.size else values.sum())


def _nll(x: Array, target: Array, weight: Any, ignore: int, reduction: str) -> Array:
    kept = target != ignore
    safe = np.where(kept, target, 0)
    picked = x[np.arange(len(x)), safe]
    factors = np.ones_like(picked) if weight is None else weight[safe]
    losses = np.where(kept, -picked * factors, x.dtype.type(0))
    if reduction == "none":
        return losses
    if reduction == "sum":
        return in_order(losses)
    return np.asarray(in_order(losses) / np.where(kept, factors, x.dtype.type(0)).sum())


def _nll_gradient(
    g: Array, _o: Array, x: Array, target: Array, weight: Any, ignore: int, reduction: str
) -> Array:
    kept = target != ignore
    safe = np.where(kept, target, 0)
    factors = np.ones(len(x), x.dtype) if weight is None else weight[safe]
    factors = np.where(kept, factors, x.dtype.type(0))
    if reduction == "mean":
        g = g / factors.sum()
    found = np.zeros_like(x)
    found[np.arange(len(x)), safe] = np.where(factors == 0, 0, -factors * g)
    return found


def _plain_nll(x: Array, target: Array) -> Array:
    """The mean over all rows, with no weights and nothing ignored: what is used most."""
    losses = x.reshape(-1)[target + _row_starts(*x.shape)]
    return np.asarray(-in_order(losses) / x.dtype.type(len(x)))


def _plain_nll_gradient(g: Array, _o: Array, x: Array, target: Array) -> Array:
    found = np.zeros(x.shape, x.dtype)
    found.reshape(-1)[target + _row_starts(*x.shape)] = -g / x.dtype.type(len(x))
    return found


def _plain_cross_entropy(x: Array, target: Array) -> Array:
    """``_plain_nll`` of ``_log_softmax``, whose other entries nobody reads: 3 µs of 16."""
    shifted = x - _top(x, 1)
    losses = shifted.reshape(-1)[target + _row_starts(*x.shape)]
    losses -= np.log(np.add.reduce(np.exp(shifted, shifted), 1))
    return np.asarray(-in_order(losses) / x.dtype.type(len(x)))


def _usual(x: Array, classes: Array, weight: Any, ignore: int, reduction: str) -> bool:
    """Whether a loss is ``_plain_nll``: one valid class a row, and their mean."""
    return (
        weight is None
        and reduction == "mean"
        and classes.dtype == I64
        and classes.ndim == 1
        and x.ndim == 2
        and 0 < len(classes) == len(x)
        and not 0 <= ignore < x.shape[1]
        and largest(classes) < x.shape[1]  # none below 0 either
    )


def _gelu(x: Array) -> Array:
    return 0.5 * x * (1 + _erf(x / math.sqrt(2)))


def _erf(x: Array) -> Array:
    wide = np.asarray(x, np.float64)
    return (
        np.array([math.erf(value) for value in wide.reshape(-1).tolist()], np.float64)
        .reshape(x.shape)
        .astype(x.dtype)
    )


def _gelu_gradient(g: Array, _o: Array, x: Array) -> Array:
    chance = 0.5 * (1 + _erf(x / math.sqrt(2)))
    density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return g * (chance + x * density)


def _silu_gradient(g: Array, _o: Array, x: Array) -> Array:
    s = 1 / (1 + np.exp(-x))
    return g * (s * (1 + x * (1 - s)))


# fmt: off
SOFTMAX: Final = Operation("SoftmaxBackward0", _softmax, _softmax_gradient)
LOG_SOFTMAX: Final = Operation("LogSoftmaxBackward0", _log_softmax, _log_softmax_gradient)
NLL: Final = Operation("NllLossBackward0", _nll, _nll_gradient)
NLL_MEAN: Final = Operation("NllLossBackward0", _plain_nll, _plain_nll_gradient)
ERF: Final = Operation("ErfBackward0", _erf,
    lambda g, _o, x: g * (2 / math.sqrt(math.pi) * np.exp(-x * x)))
HARDTANH: Final = Operation("HardtanhBackward0", lambda x, low, high: np.clip(x, low, high),
    lambda g, _o, x, low, high: np.where((x > low) & (x < high), g, 0).astype(g.dtype))
GELU: Final = Operation("GeluBackward0", _gelu, _gelu_gradient)
SILU: Final = Operation("SiluBackward0", lambda x: x / (1 + np.exp(-x)), _silu_gradient)
LEAKY: Final = Operation("LeakyReluBackward0", lambda x, slope: np.where(x > 0, x, x * slope),
    lambda g, _o, x, slope: np.where(x > 0, g, g * slope))
ELU: Final = Operation("EluBackward0",
    lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)).astype(x.dtype),
    lambda g, _o, x, alpha: np.where(x <= 0, g * alpha * np.exp(x), g).astype(g.dtype))
SOFTPLUS: Final = Operation("SoftplusBackward0",
    lambda x, beta: (np.where(x * beta > 20, x, np.log1p(np.exp(x * beta)) / beta)).astype(x.dtype),
    lambda g, _o, x, beta: (g / (1 + np.exp(-x * beta))).astype(g.dtype))
LOG_SIGMOID: Final = Operation("LogSigmoidBackward0",
    lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))),
    lambda g, _o, x: g / (1 + np.exp(x)))
# fmt: on


@both("erf")
def erf(input: Tensor) -> Tensor:
    """The error function."""
    return run(ERF, (_float("erf", input)._a,), (input,))


def _float(name: str, value: Any) -> Tensor:
    found = tensor_argument(name, value)
    if found._a.dtype not in FLOATS:
        if name == "erf":
            return found.float()
        raise not_for(f"{name}_cpu", found.dtype)
    return found


def _with_type(input: Tensor, dtype: Any) -> Tensor:
    return input if dtype is None else input.to(dtype)


@both("softmax")
def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None, **more: Any
) -> Tensor:
    """exp(x) over its sum along an axis."""
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


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Negative log likelihood of the targets under softmax(input); (n, C) and (n,) as a rule."""
    tensor_argument("cross_entropy", input)
    tensor_argument("cross_entropy", target)
    x = input
    axis = axis_of(0 if x._a.ndim == 1 else 1, x._a.ndim)
    if x._a.ndim == 1 and target._a.shape == x._a.shape and target._a.dtype.kind != "f":
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {target.dtype}"
        )
    if x._a.dtype not in FLOATS:
        raise not_for("log_softmax_kernel_impl", x.dtype)
    if label_smoothing:
        raise not_supported("cross_entropy(label_smoothing=…)")
    if not (MODE.grad and x._req) and _usual(x._a, target._a, weight, ignore_index, reduction):
        return wrap(_plain_cross_entropy(x._a, target._a))
    logprobs = run(LOG_SOFTMAX, (x._a, axis), (x,))
    if target._a.dtype.kind == "f":
        if target._a.shape != x._a.shape:
            raise RuntimeError(
                f"Expected floating point type for target with class probabilities of the shape "
                f"{list(x._a.shape)}, got {list(target._a.shape)}: class numbers have to be int64"
            )
        losses = -(logprobs * target if weight is None else logprobs * target * weight).sum(axis)
        if reduction == "none":
            return losses
        total = losses.sum()
        if reduction == "sum":
            return total
        return renamed(total / (losses.numel() or 1), "DivBackward1")
    return nll_loss(logprobs, target, weight, None, ignore_index, None, reduction)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood of the targets; input holds log probabilities, (n, C)."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    x, classes = tensor_argument("nll_loss", input), tensor_argument("nll_loss", target)._a
    if _usual(x._a, classes, weight, ignore_index, reduction):
        return run(NLL_MEAN, (x._a, classes.copy()), (x,))
    if not x._a.ndim:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if x._a.ndim == 1:
        if classes.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if classes.ndim and classes.size != 1 and x._a.size == classes.size:
            raise ValueError(
                f"For 1D input, 1D target must have size 1, but got target size: {classes.size}"
            )
        if classes.ndim:
            raise RuntimeError(
                f"size mismatch (got input: {list(x._a.shape)}, target: {list(classes.shape)})"
            )
        x, classes = reshape(x, 1, -1), classes.reshape(1)
        single = True
    else:
        single = False
    if x._a.ndim > 2:
        shape = classes.shape
        wanted = (len(x._a), *x._a.shape[2:])
        if shape[:1] != wanted[:1]:
            raise ValueError(
                f"Expected input batch_size ({wanted[0]}) to match target batch_size "
                f"({shape[0] if shape else 0})."
            )
        if shape != wanted:
            raise RuntimeError(f"Expected target size {list(wanted)}, got {list(shape)}")
        rows = x.movedim(1, -1).reshape(-1, x._a.shape[1])
        flat = nll_loss(
            rows, wrap(classes.reshape(-1)), weight, None, ignore_index, None, reduction
        )
        return flat.reshape(shape) if reduction == "none" else flat
    if classes.ndim > 1:
        raise RuntimeError(
            f"0D or 1D target tensor expected, multi-target not supported: the target has shape "
            f"{list(classes.shape)}: use .view(-1) if there is one class a row"
        )
    if x._a.dtype not in FLOATS:
        raise not_for("nll_loss_out_frame", x.dtype)
    if len(classes) != len(x._a):
        raise ValueError(
            f"Expected input batch_size ({len(x._a)}) to match target batch_size ({len(classes)})."
        )
    if classes.dtype != I64 and classes.dtype != np.uint8:
        raise RuntimeError(
            f"expected scalar type Long but found {classes.dtype}: convert the target with .long()"
        )
    kept = classes != ignore_index
    if classes.size:
        wrong = kept & ((classes < 0) | (classes >= x._a.shape[1]))
        if wrong.any():
            raise IndexError(f"Target {int(classes[wrong][0])} is out of bounds.")
    factors = None if weight is None else weight._a
    found = run(NLL, (x._a, classes.copy(), factors, ignore_index, reduction), (x,))
    return found.reshape(()) if single and reduction == "none" else found


def mse_loss(input: Tensor, target: Tensor, *ignored: Any, reduction: str = "mean") -> Tensor:
    """The mean of squared differences."""
    if input._a.dtype not in FLOATS:
        raise not_for("mse_cpu", input.dtype)
    return renamed(_reduced((input - target) ** 2, reduction), "MseLossBackward0")


def l1_loss(input: Tensor, target: Tensor, *ignored: Any, reduction: str = "mean") -> Tensor:
    """The mean of absolute differences."""
    return _reduced((input - target).abs(), reduction)


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return losses
    if reduction not in ("mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return losses.mean() if reduction == "mean" else losses.sum()


def binary_cross_entropy(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Of probabilities; logarithms are held above -100, as torch's."""
    if input._a.size and not (input._a.min() >= 0 and input._a.max() <= 1):
        raise RuntimeError("all elements of input should be between 0 and 1")
    losses = -(target * clamp(input.log(), -100) + (1 - target) * clamp((1 - input).log(), -100))
    return renamed(_reduced(losses, reduction), "BinaryCrossEntropyBackward0")


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, *, reduction: str = "mean"
) -> Tensor:
    """Of logits."""
    losses = (1 - target) * input - logsigmoid(input)
    return renamed(_reduced(losses, reduction), "BinaryCrossEntropyWithLogitsBackward0")


def kl_div(
    input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """target · (log target − input), input being log probabilities."""
    if input._a.dtype not in FLOATS:
        raise RuntimeError("kl_div: Integral inputs not supported: convert with .float()")
    if log_target:
        losses = target.exp() * (target - input)
    else:
        losses = FUNCTIONS["where"](target > 0, target * target.log(), 0.0) - target * input
    if reduction == "batchmean":
        return losses.sum() / input._a.shape[0]
    return _reduced(losses, reduction)


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Rows of int64 zeros with a 1 at each class.

    Raises:
        RuntimeError: not int64, a negative class, or one that is too large.
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


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x."""
    if approximate == "tanh":
        _float("gelu", input)
        inner = math.sqrt(2 / math.pi) * (input + 0.044715 * input * input * input)
        return renamed(0.5 * input * (1 + inner.tanh()), "GeluBackward0")
    return run(GELU, (_float("gelu", input)._a,), (input,))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x · sigmoid(x)."""
    return run(SILU, (_float("silu", input)._a,), (input,))


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x, and below 0 x times a slope."""
    return run(LEAKY, (_float("leaky_relu", input)._a, negative_slope), (input,))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x, and below 0 alpha·(exp(x) − 1)."""
    return run(ELU, (_float("elu", input)._a, alpha), (input,))


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + exp(beta·x)) / beta."""
    if threshold != 20:
        raise not_supported("softplus with another threshold than 20")
    return run(SOFTPLUS, (_float("softplus", input)._a, beta), (input,))


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x))."""
    return run(LOG_SIGMOID, (_float("log_sigmoid", input)._a,), (input,))


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x held between two numbers."""
    if input._a.dtype.kind == "b":
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if input._a.dtype.kind != "f":
        min_val, max_val = int(min_val), int(max_val)
    return run(HARDTANH, (input._a, min_val, max_val), (input,))


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
    _float("LayerNorm", input)
    axes = list(range(-len(tuple(normalized_shape)), 0))
    centred = input - input.mean(axes, keepdim=True)
    found = centred * (input.var(axes, unbiased=False, keepdim=True) + eps).rsqrt()
    if weight is not None:
        found = found * weight
    found = found if bias is None else found + bias
    return renamed(found, "NativeLayerNormBackward0")


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Over its norm along an axis."""
    return input / clamp(input.norm(p, dim, keepdim=True), eps)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """The tensor itself when ``training`` is False or p is 0; else refused."""
    if training and p:
        raise not_supported("dropout while training: its random numbers")
    return input


def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """With constants around, from the last axis on."""
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


PAD: Final = Operation(
    "ConstantPadNdBackward0",
    lambda x, widths, value: np.pad(x, widths, constant_values=value),
    lambda g, _o, x, widths, _value: g[
        tuple(
            slice(before, before + size) for (before, _), size in zip(widths, x.shape, strict=True)
        )
    ],
)
PAD.reads = ((),)
for _op in (NLL, NLL_MEAN):
    _op.reads = ((KEPT,),)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise missing("torch.nn.functional", name)
