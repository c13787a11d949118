"""Lines for random tables: a forward function and right gradients, each in several usual ways.

The functions get a module ``xp`` with NumPy's names: NumPy itself, or another library's stand-in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array

# A gradient: the upstream gradient, the line's result, and what the line reads -> an array.
Way = Callable[..., Any]
EPS = 1e-5


class Piece(NamedTuple):
    """One line.

    Attributes:
        f: ``f(xp, *read)``.
        ways: for each thing that it reads, right gradients with respect to it; ``g`` is the
            upstream gradient, ``y`` the line's result. Empty for integers.
    """

    f: Callable[..., Any]
    ways: tuple[tuple[Way, ...], ...]


def sigmoid(x: Array) -> Array:
    """Without overflow, by tanh."""
    return 0.5 * (np.tanh(0.5 * x) + 1)


def softmax(x: Array) -> Any:
    """Of each row."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _sum(xp: Any, x: Array) -> Any:
    return xp.sum(x, axis=-1, keepdims=True)


def _mean(xp: Any, x: Array) -> Any:
    return xp.mean(x, axis=-1, keepdims=True)


def _max(xp: Any, x: Array) -> Any:
    return xp.max(x, axis=-1, keepdims=True)


C0 = math.sqrt(2 / math.pi)


def _gelu_slope(x: Array) -> Any:
    t = np.tanh(C0 * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * C0 * (1 + 3 * 0.044715 * x**2)


ELEMENTWISE = {
    "tanh": Piece(
        lambda xp, x: xp.tanh(x),
        (
            (
                lambda g, y, x: g * (1 - y**2),
                lambda g, y, x: g - g * y * y,
                lambda g, y, x: g * ((1 - y) * (1 + y)),
            ),
        ),
    ),
    "sigmoid": Piece(
        lambda xp, x: 1 / (1 + xp.exp(-x)),
        ((lambda g, y, x: g * y * (1 - y), lambda g, y, x: g * (y - y * y)),),
    ),
    "relu": Piece(
        lambda xp, x: xp.maximum(x, 0.0),
        (
            (
                lambda g, y, x: g * (x > 0),
                lambda g, y, x: np.where(y > 0, g, 0).astype(g.dtype),
                lambda g, y, x: g * (x >= 0),
            ),
        ),
    ),
    "silu": Piece(
        lambda xp, x: x / (1 + xp.exp(-x)),
        (
            (
                lambda g, y, x: g * (sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
                lambda g, y, x: g * sigmoid(x) + g * y * (1 - sigmoid(x)),
            ),
        ),
    ),
    "gelu": Piece(
        lambda xp, x: 0.5 * x * (1 + xp.tanh(C0 * (x + 0.044715 * x**3))),
        ((lambda g, y, x: g * _gelu_slope(x),),),
    ),
    "softplus": Piece(
        lambda xp, x: xp.log(1 + xp.exp(x)),
        ((lambda g, y, x: g * sigmoid(x), lambda g, y, x: g * (1 - np.exp(-y))),),
    ),
    "square": Piece(
        lambda xp, x: x * x, ((lambda g, y, x: 2 * x * g, lambda g, y, x: g * x + g * x),)
    ),
    "cube": Piece(lambda xp, x: x**3, ((lambda g, y, x: 3 * x**2 * g,),)),
    "exp": Piece(lambda xp, x: xp.exp(0.1 * x), ((lambda g, y, x: 0.1 * y * g,),)),
    "sin": Piece(lambda xp, x: xp.sin(x), ((lambda g, y, x: g * np.cos(x),),)),
    "root": Piece(
        lambda xp, x: xp.sqrt(x * x + EPS),
        ((lambda g, y, x: g * x / y, lambda g, y, x: g * x * (x * x + EPS) ** -0.5),),
    ),
    "inverse": Piece(
        lambda xp, x: 1 / (x * x + 0.1),
        ((lambda g, y, x: -g * y**2 * 2 * x, lambda g, y, x: -2 * x * g / (x * x + 0.1) ** 2),),
    ),
    "log": Piece(
        lambda xp, x: xp.log(x * x + 1e-3), ((lambda g, y, x: g * 2 * x / (x * x + 1e-3),),)
    ),
    "temperature": Piece(
        lambda xp, x: x / 0.7, ((lambda g, y, x: g / 0.7, lambda g, y, x: g * (1 / 0.7)),)
    ),
    "negative": Piece(lambda xp, x: 1 - x, ((lambda g, y, x: -g,),)),
}


def _centred(g: Array, y: Array, x: Array) -> Any:
    return g - g.mean(-1, keepdims=True)


def _layer_norm(g: Array, y: Array, x: Array) -> Any:
    inv = 1 / np.sqrt(x.var(-1, keepdims=True) + EPS)
    return inv * (g - g.mean(-1, keepdims=True) - y * (g * y).mean(-1, keepdims=True))


def _layer_norm_long(g: Array, y: Array, x: Array) -> Any:
    m = x.shape[-1]
    c = x - x.mean(-1, keepdims=True)
    var = (c**2).mean(-1, keepdims=True)
    dvar = (g * c).sum(-1, keepdims=True) * -0.5 * (var + EPS) ** -1.5
    dc = g * (var + EPS) ** -0.5 + 2 * c * dvar / m
    return dc - dc.sum(-1, keepdims=True) / m


def _batch_norm(g: Array, y: Array, x: Array) -> Any:
    n = len(x)
    inv = (x.var(0, ddof=1, keepdims=True) + EPS) ** -0.5
    return (inv / n * (n * g - g.sum(0) - n / (n - 1) * y * (g * y).sum(0))).astype(x.dtype)


def _batch_norm_long(g: Array, y: Array, x: Array) -> Any:
    n = len(x)
    c = x - x.mean(0, keepdims=True)
    var = (c**2).sum(0, keepdims=True) / (n - 1)
    dvar = (g * c).sum(0, keepdims=True) * -0.5 * (var + EPS) ** -1.5
    dc = g * (var + EPS) ** -0.5 + 2 * c * dvar / (n - 1)
    return dc - dc.mean(0, keepdims=True)


def _batch_norm_forward(xp: Any, x: Array) -> Any:
    c = x - xp.mean(x, axis=0, keepdims=True)
    return c * (xp.sum(c * c, axis=0, keepdims=True) / (len(x) - 1) + EPS) ** -0.5


def _rms(g: Array, y: Array, x: Array) -> Any:
    r = (np.mean(x * x, -1, keepdims=True) + EPS) ** -0.5
    return r * (g - y * (g * y).mean(-1, keepdims=True))


def _rms_long(g: Array, y: Array, x: Array) -> Any:
    s = np.mean(x * x, -1, keepdims=True) + EPS
    return g / np.sqrt(s) - x * (g * x).sum(-1, keepdims=True) / (x.shape[-1] * s * np.sqrt(s))


def _unit(g: Array, y: Array, x: Array) -> Any:
    r = np.sqrt((x * x).sum(-1, keepdims=True) + 1e-12)
    return (g - y * (g * y).sum(-1, keepdims=True)) / r


def _unit_long(g: Array, y: Array, x: Array) -> Any:
    r = np.sqrt((x * x).sum(-1, keepdims=True) + 1e-12)
    return g / r - x * (g * x).sum(-1, keepdims=True) / r**3


def _softmax(g: Array, y: Array, x: Array) -> Any:
    return y * (g - (g * y).sum(-1, keepdims=True))


def _softmax_split(g: Array, y: Array, x: Array) -> Any:
    return y * g - y * (g * y).sum(-1, keepdims=True)


def _softmax_matrix(g: Array, y: Array, x: Array) -> Any:
    J = y[..., :, None] * (np.eye(y.shape[-1], dtype=y.dtype) - y[..., None, :])
    return np.einsum("...ij,...j->...i", J, g)


def _log_softmax_forward(xp: Any, x: Array) -> Any:
    shifted = x - _max(xp, x)
    return shifted - xp.log(_sum(xp, xp.exp(shifted)))


def _first(x: Array, axis: int) -> Array:
    at = np.zeros(x.shape, x.dtype)
    np.put_along_axis(at, np.expand_dims(x.argmax(axis), axis), 1, axis)
    return at


def _shared(x: Array, axis: int) -> Any:
    tied = (x == x.max(axis, keepdims=True)).astype(x.dtype)
    return tied / tied.sum(axis, keepdims=True)


def _last(x: Array, axis: int) -> Array:
    return np.flip(_first(np.flip(x, axis), axis), axis)


ROWS = {
    "softmax": Piece(
        lambda xp, x: xp.exp(x - _max(xp, x)) / _sum(xp, xp.exp(x - _max(xp, x))),
        ((_softmax, _softmax_split, _softmax_matrix),),
    ),
    "softmax without a maximum": Piece(
        lambda xp, x: xp.exp(x) / _sum(xp, xp.exp(x)), ((_softmax, _softmax_split),)
    ),
    "log softmax": Piece(
        _log_softmax_forward,
        (
            (
                lambda g, y, x: g - np.exp(y) * g.sum(-1, keepdims=True),
                lambda g, y, x: g - softmax(x) * g.sum(-1, keepdims=True),
            ),
        ),
    ),
    "log of a softmax": Piece(
        lambda xp, x: x - xp.log(_sum(xp, xp.exp(x))),
        (
            (
                lambda g, y, x: g - np.exp(y) * g.sum(-1, keepdims=True),
                lambda g, y, x: g - softmax(x) * g.sum(-1, keepdims=True),
            ),
        ),
    ),
    "centre": Piece(
        lambda xp, x: x - _mean(xp, x),
        ((_centred, lambda g, y, x: g - g.sum(-1, keepdims=True) / x.shape[-1]),),
    ),
    "shift": Piece(
        lambda xp, x: x - _max(xp, x),
        (
            (
                lambda g, y, x: g - _shared(x, -1) * g.sum(-1, keepdims=True),
                lambda g, y, x: g - _first(x, -1) * g.sum(-1, keepdims=True),
            ),
        ),
    ),
    "layer norm": Piece(
        lambda xp, x: (x - _mean(xp, x)) / xp.sqrt(_mean(xp, (x - _mean(xp, x)) ** 2) + EPS),
        ((_layer_norm, _layer_norm_long),),
    ),
    "rms norm": Piece(lambda xp, x: x / xp.sqrt(_mean(xp, x * x) + EPS), ((_rms, _rms_long),)),
    "unit length": Piece(
        lambda xp, x: x / xp.sqrt(_sum(xp, x * x) + 1e-12), ((_unit, _unit_long),)
    ),
}
COLUMNS = {
    "batch norm": Piece(_batch_norm_forward, ((_batch_norm, _batch_norm_long),)),
    "centre of columns": Piece(
        lambda xp, x: x - xp.mean(x, axis=0, keepdims=True), ((lambda g, y, x: g - g.mean(0),),)
    ),
}


def _spread(g: Array, x: Array, axis: int | tuple[int, ...]) -> Array:
    return np.broadcast_to(np.expand_dims(g, axis), x.shape)


POOLS = {
    "max": Piece(
        lambda xp, x: xp.max(x, axis=1),
        (
            (
                lambda g, y, x: _spread(g, x, 1) * _first(x, 1),
                lambda g, y, x: _spread(g, x, 1) * _shared(x, 1),
                lambda g, y, x: _spread(g, x, 1) * _last(x, 1),
            ),
        ),
    ),
    "mean": Piece(
        lambda xp, x: xp.mean(x, axis=1),
        (
            (
                lambda g, y, x: _spread(g, x, 1) / x.shape[1],
                lambda g, y, x: _spread(g * (1 / x.shape[1]), x, 1) + 0,
            ),
        ),
    ),
    "sum": Piece(lambda xp, x: xp.sum(x, axis=1), ((lambda g, y, x: _spread(g, x, 1) + 0,),)),
    "flat": Piece(
        lambda xp, x: xp.reshape(x, (len(x), -1)), ((lambda g, y, x: g.reshape(x.shape),),)
    ),
}


def _scatter(g: Array, y: Array, C: Array, X: Array) -> Array:
    dC = np.zeros_like(C)
    np.add.at(dC, X, g)
    return dC


def _scatter_product(g: Array, y: Array, C: Array, X: Array) -> Array:
    hot = np.eye(len(C), dtype=C.dtype)[X.ravel()]
    return hot.T @ g.reshape(len(hot), -1)


EMBEDDING = Piece(lambda xp, C, X: C[X], ((_scatter, _scatter_product), ()))
PRODUCT = Piece(
    lambda xp, x, W: x @ W,
    (
        (
            lambda g, y, x, W: g @ W.T,
            lambda g, y, x, W: (g[:, None] * W[None]).sum(-1),
            lambda g, y, x, W: np.einsum("nk,mk->nm", g, W),
        ),
        (
            lambda g, y, x, W: x.T @ g,
            lambda g, y, x, W: (x[:, :, None] * g[:, None]).sum(0),
            lambda g, y, x, W: np.tensordot(x, g, ([0], [0])),
        ),
    ),
)
BIAS = Piece(
    lambda xp, x, b: x + b,
    (
        (lambda g, y, x, b: g,),
        (
            lambda g, y, x, b: g.sum(0),
            lambda g, y, x, b: np.ones(len(g), g.dtype) @ g,
            lambda g, y, x, b: np.add.accumulate(g)[-1],
        ),
    ),
)
GAIN = Piece(
    lambda xp, x, w: x * w,
    (
        (lambda g, y, x, w: g * w,),
        (lambda g, y, x, w: (g * x).sum(0), lambda g, y, x, w: np.einsum("nm,nm->m", g, x)),
    ),
)
ADDED = Piece(lambda xp, x, z: x + z, ((lambda g, y, x, z: g,), (lambda g, y, x, z: g,)))
DIFFERENCE = Piece(lambda xp, x, z: x - z, ((lambda g, y, x, z: g,), (lambda g, y, x, z: -g,)))
GATED = Piece(lambda xp, x, z: x * z, ((lambda g, y, x, z: g * z,), (lambda g, y, x, z: g * x,)))
SCORES = Piece(
    lambda xp, q, k: (q @ k.T) / math.sqrt(q.shape[-1]),
    (
        (
            lambda g, y, q, k: g @ k / math.sqrt(q.shape[-1]),
            lambda g, y, q, k: (g / math.sqrt(q.shape[-1])) @ k,
        ),
        (
            lambda g, y, q, k: g.T @ q / math.sqrt(q.shape[-1]),
            lambda g, y, q, k: (q.T @ g).T * (1 / math.sqrt(q.shape[-1])),
        ),
    ),
)

SMOOTHING = 0.3


def hot(x: Array, Y: Array) -> Array:
    """One-hot rows, in the dtype of ``x``."""
    return np.eye(x.shape[-1], dtype=x.real.dtype)[Y]


def smooth(x: Array, Y: Array) -> Any:
    """Smoothed targets."""
    return (1 - SMOOTHING) * hot(x, Y) + SMOOTHING / x.shape[-1]


def _smoothed(xp: Any, x: Array, Y: Array) -> Any:
    lp = _log_softmax_forward(xp, x)
    picked = lp[np.arange(len(Y)), Y]
    return -xp.mean((1 - SMOOTHING) * picked + SMOOTHING * xp.mean(lp, axis=-1))


def _cross_entropy(xp: Any, x: Array, Y: Array) -> Any:
    return -xp.mean(_log_softmax_forward(xp, x)[np.arange(len(Y)), Y])


def _less_one(g: Array, y: Array, x: Array, Y: Array) -> Any:
    dx = softmax(x)
    dx[np.arange(len(Y)), Y] -= 1
    return g * dx / len(Y)


def _through_log(g: Array, y: Array, x: Array, Y: Array) -> Any:
    dlp = -g * smooth(x, Y) / len(Y)
    return dlp - softmax(x) * dlp.sum(-1, keepdims=True)


def _f(g: Array, y: Array, factor: Any) -> Any:
    return g * factor


LOSSES = {
    "label smoothing": Piece(
        _smoothed,
        ((lambda g, y, x, Y: g * (softmax(x) - smooth(x, Y)) / len(Y), _through_log), ()),
    ),
    "cross entropy": Piece(
        _cross_entropy,
        ((lambda g, y, x, Y: g * (softmax(x) - hot(x, Y)) / len(Y), _less_one), ()),
    ),
    "squares": Piece(
        lambda xp, x, t: xp.mean((x - t) ** 2),
        ((lambda g, y, x, t: g * 2 * (x - t) / x.size,), ()),
    ),
    "logistic": Piece(
        lambda xp, x, t: xp.mean(xp.log(1 + xp.exp(x)) - x * t),
        ((lambda g, y, x, t: g * (sigmoid(x) - t) / x.size,), ()),
    ),
    "hinge": Piece(
        lambda xp, x, t: xp.mean(xp.maximum(1 - x * (2 * t - 1), 0.0)),
        ((lambda g, y, x, t: g * (1 - x * (2 * t - 1) > 0) * (1 - 2 * t) / x.size,), ()),
    ),
}
# Of rows with the number of the right class.
CLASSES = ("label smoothing", "cross entropy")
