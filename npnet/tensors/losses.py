"""Losses: cross-entropy and similar ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.functional import LOG_SOFTMAX, NLL, NLL_MEAN, plain_cross_entropy
from npnet.derivatives.indexing import largest
from npnet.tensors.comparisons import clamp, where
from npnet.tensors.dtypes_and_sizes import FLOATS, I64
from npnet.tensors.interface import axis_of, tensor_argument
from npnet.tensors.missing import not_for
from npnet.tensors.tape import renamed, run
from npnet.tensors.tensor_class import MODE, Tensor, wrap
from npnet.tensors.unary import logsigmoid
from npnet.tensors.views import reshape


def _usual(x: Array, classes: Array, weight: Any, ignore: int, reduction: str) -> bool:
    """Whether a loss is ``_plain_nll``: one valid class for each row, and the mean."""
    return (
        weight is None
        and reduction == "mean"
        and classes.dtype is I64
        and classes.ndim == 1
        and x.ndim == 2
        and x.dtype.kind == "f"
        and 0 < len(classes) == len(x)
        and not 0 <= ignore < x.shape[1]
        and largest(classes) < x.shape[1]  # this also finds classes below 0
    )


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
    """Negative log likelihood of the targets under softmax(input); usually (n, C) and (n,)."""
    if type(input) is not Tensor or type(target) is not Tensor:
        tensor_argument("cross_entropy", input)
        tensor_argument("cross_entropy", target)
    if not label_smoothing and _usual(input._a, target._a, weight, ignore_index, reduction):
        if not (MODE.grad and input._req):
            return wrap(plain_cross_entropy(input._a, target._a))
        logprobs = run(LOG_SOFTMAX, (input._a, 1), (input,))
        return run(NLL_MEAN, (logprobs._a, target._a.copy()), (logprobs,))
    if label_smoothing > 1:
        raise RuntimeError(
            f"label_smoothing must be between 0.0 and 1.0. Got: {float(label_smoothing)}"
        )
    x = input
    axis = axis_of(0 if x._a.ndim == 1 else 1, x._a.ndim)
    if x._a.ndim == 1 and target._a.shape == x._a.shape and target._a.dtype.kind != "f":
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {target.dtype}"
        )
    if x._a.dtype not in FLOATS:
        raise not_for("log_softmax_kernel_impl", x.dtype)
    logprobs = run(LOG_SOFTMAX, (x._a, axis), (x,))
    if target._a.dtype.kind == "f":
        if target._a.shape != x._a.shape:
            raise RuntimeError(
                f"Expected floating point type for target with class probabilities of the shape "
                f"{list(x._a.shape)}, got {list(target._a.shape)}: class numbers have to be int64"
            )
        if label_smoothing > 0:
            target = target * (1 - label_smoothing) + label_smoothing / x._a.shape[axis]
        losses = -(logprobs * target if weight is None else logprobs * target * weight).sum(axis)
        if reduction == "none":
            return losses
        total = losses.sum()
        if reduction == "sum":
            return total
        return renamed(total / (losses.numel() or 1), "DivBackward1")
    found = nll_loss(logprobs, target, weight, None, ignore_index, None, reduction)
    if label_smoothing <= 0:
        return found
    smooth = _smooth_loss(logprobs, target._a, weight, ignore_index, reduction, axis)
    return (1 - label_smoothing) * found + smooth * (label_smoothing / x._a.shape[axis])


def _smooth_loss(
    logprobs: Tensor, classes: Array, weight: Tensor | None, ignore: int, reduction: str, axis: int
) -> Tensor:
    """The loss of targets that are spread over all classes."""
    if weight is not None:
        shape = [1] * logprobs._a.ndim
        shape[axis] = -1
        logprobs = logprobs * reshape(weight, shape)
    left_out = classes == ignore
    losses = (-logprobs.sum(axis)).masked_fill(wrap(left_out), 0.0)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if weight is None:
        return losses.sum() / int((~left_out).sum())
    return losses.sum() / wrap(weight._a[classes[~left_out]]).sum()


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood of the targets; input (n, C) has log probabilities."""
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
    """Binary cross-entropy of probabilities; logarithms are at least -100, as in torch."""
    if input._a.size and not (input._a.min() >= 0 and input._a.max() <= 1):
        raise RuntimeError("all elements of input should be between 0 and 1")
    losses = -(target * clamp(input.log(), -100) + (1 - target) * clamp((1 - input).log(), -100))
    return renamed(_reduced(losses, reduction), "BinaryCrossEntropyBackward0")


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, *, reduction: str = "mean"
) -> Tensor:
    """Binary cross-entropy of logits."""
    losses = (1 - target) * input - logsigmoid(input)
    return renamed(_reduced(losses, reduction), "BinaryCrossEntropyWithLogitsBackward0")


def kl_div(
    input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """target · (log target − input), where input has log probabilities."""
    if input._a.dtype not in FLOATS:
        raise RuntimeError("kl_div: Integral inputs not supported: convert with .float()")
    if log_target:
        losses = target.exp() * (target - input)
    else:
        losses = where(target > 0, target * target.log(), 0.0) - target * input
    if reduction == "batchmean":
        return losses.sum() / input._a.shape[0]
    return _reduced(losses, reduction)
