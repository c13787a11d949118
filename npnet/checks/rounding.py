"""The size of the rounding errors of each gradient: it follows the terms of a sum, not the sum.

A gradient whose terms cancel is small, but its rounding error depends on the size of the terms, so
max|truth| does not measure it. With two rows, batch normalisation gives ±1/√2 for any input, and
the terms of all gradients before it in the network cancel. The terms of the gradients of ``b1`` and
``logit_maxes`` cancel for any number of rows.

This is a running error analysis (Wilkinson). Errors of different roundings are independent, so
their squares are added (Higham and Mary, "A new approach to probabilistic rounding error analysis",
2019). In units of the dtype's eps, with e(x) for the error of an entry x:

* A result x that is rounded once adds x²/12 to e²: the error is at most half an eps, evenly
  distributed. exp, log, tanh and powers are right to about one eps, and add x².
* A product has e(x·y)² = y²·e(x)² + x²·e(y)² + eps²·e(x)²·e(y)², then its own rounding.
* A sum of m terms has the e² of its terms, and a rounding of each of its m partial sums. If S is
  the sum of the terms and Q that of their squares, a partial sum of k terms taken in no particular
  order is on average (k/m)²·S² + (k/m)·(1 - k/m)·Q when squared. Over k = 1 … m that adds up to
  about m·(S²/3 + Q/6). Sums in blocks have less.
* Rows of the batch with the same logits are computed in the same way and have the same errors,
  which do not cancel each other: in a sum over the rows, each e² is multiplied by the number of
  such rows.
* All rows of bndiff share the error of their mean. In the three gradients that sum bndiff or
  bnraw over the rows, this error is multiplied by the sum of the other factor.

The scale of a gradient is its largest e. A right program may add in any order; its errors are at
most a few times the scale. In the tables below, ``e`` has the e² of each value under its name, and
the e² of each gradient under its name with a ``d`` before it.
"""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.network.gradients import GRADIENTS

ROUNDED = 1 / 12  # e² of a result of 1 that is rounded once: the variance of a uniform distribution
FUNCTION = 1.0  # e² of a result of 1 of exp, log, tanh or a power


def rounding_scales(
    values: Mapping[str, Any], gradients: Mapping[str, Any], eps: float, *, lines: bool
) -> dict[str, float]:
    """For each of the 26 gradients, the size of its rounding errors in units of eps.

    Args:
        values: the parameters, ``X``, ``Y``, ``eps`` and the values of a forward pass, in float64.
        gradients: in float64: the 26 of a whole backward pass, or with ``lines`` the upstream
            gradients of the twenty values.
        eps: the eps of the dtype whose errors these are. Only the squares of errors depend on it.
        lines: whether each gradient is computed alone from exact inputs. If not, its error includes
            the errors of the forward pass and of all gradients before it.

    Returns:
        Name -> the largest e over the entries. A gradient whose e is not finite is left out.
    """
    v = SimpleNamespace(**{name: np.asarray(value) for name, value in values.items()})
    d = SimpleNamespace(loss=1.0)
    for name, gradient in gradients.items():
        setattr(d, name, np.asarray(gradient))
    e, scales = Errors(eps=eps, alike=np.ones((len(v.Y), 1))), {}
    with np.errstate(all="ignore"):  # an e² that overflows gives no scale
        if not lines:
            e.alike = _alike(v.logits)
            for name, of_value in VALUES.items():
                setattr(e, name, of_value(v, e))
        for name in GRADIENTS:
            squares = OF_GRADIENTS[name](v, d, e)
            if not lines:
                setattr(e, f"d{name}", squares)
            scales[name] = float(np.sqrt(np.max(squares)))
    return {name: scale for name, scale in scales.items() if np.isfinite(scale)}


class Errors(SimpleNamespace):
    """e² by name (0 if there is no error), ``eps``, and the number of equal rows (n, 1)."""

    eps: float
    alike: Array

    def __getattr__(self, _: str) -> float:
        return 0.0

    def product(self, x: Any, ex: Any, y: Any, ey: Any) -> Any:
        """e² of x·y, where ``ex`` and ``ey`` are e² of its factors."""
        return y**2 * ex + x**2 * ey + self.eps**2 * ex * ey + ROUNDED * (x * y) ** 2

    def matmul(self, x: Array, ex: Any, y: Array, ey: Any, over_rows: bool = False) -> Any:
        """e² of x @ y; its sum can be over the rows of the batch."""
        x2, y2 = x**2, y**2
        Q = x2 @ y2
        errors = _added(x.shape[1], x @ y, Q) + ROUNDED * Q
        alike = self.alike.T if over_rows else 1.0
        if np.ndim(ex):  # not 0
            errors += (ex * alike) @ y2
        if np.ndim(ey):
            errors += ((x2 + self.eps**2 * ex) * alike) @ ey
        return errors

    def total(self, terms: Array, errors: Any, axis: int) -> Any:
        """e² of the sum of ``terms`` along an axis, which is kept. Adding a 0 is exact."""
        m = np.count_nonzero(terms, axis, keepdims=True)
        Q = np.square(terms).sum(axis, keepdims=True)
        if axis == 0:
            errors = errors * self.alike
        errors = np.broadcast_to(errors, terms.shape).sum(axis, keepdims=True)
        return errors + _added(m, terms.sum(axis, keepdims=True), Q)

    def dot(self, x: Array, ex: Any, y: Array, ey: Any, axis: int) -> Any:
        """e² of the sum of x·y along an axis, which is kept."""
        return self.total(x * y, self.product(x, ex, y, ey), axis)


def _added(m: Any, S: Any, Q: Any) -> Any:
    """e² from adding m terms with the sum S, whose squares have the sum Q."""
    return ROUNDED * m * (S**2 / 3 + Q / 6)


def _alike(logits: Array) -> Array:
    """For each row, how many rows have the same logits in float32: (n, 1)."""
    _, kind, count = np.unique(
        logits.astype(np.float32), axis=0, return_inverse=True, return_counts=True
    )
    return np.asarray(count[kind.reshape(-1, 1)], np.float64)


# The forward pass. emb and embcat are copies of a parameter, which has no error. The error of the
# logarithm is in no gradient.
VALUES: dict[str, Callable[[Any, Errors], Any]] = {
    "hprebn": lambda v, e: e.matmul(v.embcat, 0.0, v.W1, 0.0) + ROUNDED * v.hprebn**2,
    "bnmeani": lambda v, e: (
        e.total(v.hprebn, e.hprebn, 0) / len(v.hprebn) ** 2 + ROUNDED * v.bnmeani**2
    ),
    "bndiff": lambda v, e: e.hprebn + e.bnmeani + ROUNDED * v.bndiff**2,
    "bndiff2": lambda v, e: (
        # The error of (x + error)²: the error times 2x, and the square of the error, whose square
        # is 3e⁴.
        4 * v.bndiff**2 * e.bndiff + 3 * e.eps**2 * e.bndiff**2 + ROUNDED * v.bndiff2**2
    ),
    "bnvar": lambda v, e: (
        e.total(v.bndiff2, e.bndiff2, 0) / (len(v.bndiff2) - 1) ** 2 + ROUNDED * v.bnvar**2
    ),
    "bnvar_inv": lambda v, e: v.bnvar_inv**2 * (_relative(v, e) / 4 + FUNCTION),
    "bnraw": lambda v, e: e.product(v.bndiff, e.bndiff, v.bnvar_inv, e.bnvar_inv),
    "hpreact": lambda v, e: e.product(v.bngain, 0.0, v.bnraw, e.bnraw) + ROUNDED * v.hpreact**2,
    "h": lambda v, e: (1 - v.h**2) ** 2 * e.hpreact + FUNCTION * v.h**2,
    "logits": lambda v, e: e.matmul(v.h, e.h, v.W2, 0.0) + ROUNDED * v.logits**2,
    "logit_maxes": lambda v, e: np.take_along_axis(
        e.logits, v.logits.argmax(1, keepdims=True), axis=1
    ),
    "norm_logits": lambda v, e: e.logits + e.logit_maxes + ROUNDED * v.norm_logits**2,
    "counts": lambda v, e: v.counts**2 * (e.norm_logits + FUNCTION),
    "counts_sum": lambda v, e: e.total(v.counts, e.counts, 1),
    "counts_sum_inv": lambda v, e: (
        v.counts_sum_inv**2 * (v.counts_sum_inv**2 * e.counts_sum + FUNCTION)
    ),
    "probs": lambda v, e: e.product(v.counts, e.counts, v.counts_sum_inv, e.counts_sum_inv),
}


def _relative(v: Any, e: Errors) -> Any:
    """e² of bnvar + eps, divided by its square."""
    return e.bnvar / (v.bnvar + v.eps) ** 2 + ROUNDED


def _counts(v: Any, d: Any, e: Errors) -> Any:
    path = e.product(d.probs, e.dprobs, v.counts_sum_inv, e.counts_sum_inv)
    return path + e.dcounts_sum + ROUNDED * (d.probs * v.counts_sum_inv + d.counts_sum) ** 2


def _logits(v: Any, d: Any, e: Errors) -> Any:
    largest = np.arange(v.logits.shape[1]) == v.logits.argmax(1, keepdims=True)
    added = e.dlogit_maxes + ROUNDED * (d.norm_logits + d.logit_maxes) ** 2
    return e.dnorm_logits + largest * added


def _hpreact(v: Any, d: Any, e: Errors) -> Any:
    local = 1 - v.h**2
    return e.product(local, 4 * v.h**2 * e.h + ROUNDED * (v.h**4 + local**2), d.h, e.dh)


def _bnvar(v: Any, d: Any, e: Errors) -> Any:
    local = 0.5 * (v.bnvar + v.eps) ** -1.5
    of_local = local**2 * (2.25 * _relative(v, e) + FUNCTION)
    return e.product(local, of_local, d.bnvar_inv, e.dbnvar_inv)


def _bndiff(v: Any, d: Any, e: Errors) -> Any:
    paths = e.product(v.bnvar_inv, e.bnvar_inv, d.bnraw, e.dbnraw) + e.product(
        2 * v.bndiff, 4 * e.bndiff, d.bndiff2, e.dbndiff2
    )
    return paths + ROUNDED * (v.bnvar_inv * d.bnraw + 2 * v.bndiff * d.bndiff2) ** 2


def _hprebn(v: Any, d: Any, e: Errors) -> Any:
    n = len(v.hprebn)
    path = (e.dbnmeani + ROUNDED * d.bnmeani**2) / n**2
    return e.dbndiff + path + ROUNDED * (d.bndiff + d.bnmeani / n) ** 2


def _C(v: Any, d: Any, e: Errors) -> Any:
    def added_up(terms: Any) -> Any:
        sums = np.zeros_like(v.C)
        np.add.at(sums, v.X, terms)
        return sums

    m = np.bincount(v.X.ravel(), minlength=len(v.C))[:, None]
    errors = added_up(e.demb * e.alike[:, :, None])
    return errors + _added(m, added_up(d.emb), added_up(d.emb**2))


def _shared(factor: Array) -> Any:
    """The factor of the mean's e², because all rows of bndiff share the error of the mean."""
    return factor.sum(0, keepdims=True) ** 2


OF_GRADIENTS: dict[str, Callable[[Any, Any, Errors], Any]] = {
    "logprobs": lambda v, d, e: (
        ROUNDED * (d.loss / len(v.Y)) ** 2 * (np.arange(v.logits.shape[1]) == v.Y[:, None])
    ),
    "probs": lambda v, d, e: (
        e.dlogprobs / v.probs**2 + (d.logprobs / v.probs) ** 2 * (e.probs / v.probs**2 + ROUNDED)
    ),
    "counts_sum_inv": lambda v, d, e: e.dot(v.counts, e.counts, d.probs, e.dprobs, 1),
    "counts_sum": lambda v, d, e: (
        (e.dcounts_sum_inv + d.counts_sum_inv**2 * (4 * e.counts_sum / v.counts_sum**2 + FUNCTION))
        / v.counts_sum**4
    ),
    "counts": _counts,
    "norm_logits": lambda v, d, e: e.product(v.counts, e.counts, d.counts, e.dcounts),
    "logit_maxes": lambda v, d, e: e.total(d.norm_logits, e.dnorm_logits, 1),
    "logits": _logits,
    "h": lambda v, d, e: e.matmul(d.logits, e.dlogits, v.W2.T, 0.0),
    "W2": lambda v, d, e: e.matmul(v.h.T, np.transpose(e.h), d.logits, e.dlogits, True),
    "b2": lambda v, d, e: e.total(d.logits, e.dlogits, 0),
    "hpreact": _hpreact,
    "bngain": lambda v, d, e: (
        e.dot(v.bnraw, e.bnraw, d.hpreact, e.dhpreact, 0)
        + _shared(v.bnvar_inv * d.hpreact) * e.bnmeani
    ),
    "bnbias": lambda v, d, e: e.total(d.hpreact, e.dhpreact, 0),
    "bnraw": lambda v, d, e: e.product(v.bngain, 0.0, d.hpreact, e.dhpreact),
    "bnvar_inv": lambda v, d, e: (
        e.dot(v.bndiff, e.bndiff, d.bnraw, e.dbnraw, 0) + _shared(d.bnraw) * e.bnmeani
    ),
    "bnvar": _bnvar,
    "bndiff2": lambda v, d, e: (e.dbnvar + ROUNDED * d.bnvar**2) / (len(v.bndiff2) - 1) ** 2,
    "bndiff": _bndiff,
    "bnmeani": lambda v, d, e: e.total(d.bndiff, e.dbndiff, 0) + _shared(2 * d.bndiff2) * e.bnmeani,
    "hprebn": _hprebn,
    "embcat": lambda v, d, e: e.matmul(d.hprebn, e.dhprebn, v.W1.T, 0.0),
    "W1": lambda v, d, e: e.matmul(v.embcat.T, 0.0, d.hprebn, e.dhprebn, True),
    "b1": lambda v, d, e: e.total(d.hprebn, e.dhprebn, 0),
    "emb": lambda v, d, e: np.reshape(e.dembcat, v.emb.shape) if np.ndim(e.dembcat) else 0.0,
    "C": _C,
}
