"""Wrong gradients, planted: what a check of this network has to refuse, and a batch to try it on.

They are mistakes that people make in this exercise; the published notebooks have several. Each
replaces one function of ``npnet.GRADIENTS`` and leaves the other 25 as they are.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from torch import Tensor

from npnet.base.arrays import Array, Ints
from npnet.network.gradients import GRADIENTS, Gradient
from npnet.network.names import PARAMETER_NAMES, shape_of
from npnet.network.parameters import Parameters
from oracle.lines import GRADIENT_NAMES, LINES, leaves


class Mistake(NamedTuple):
    """``function`` in the place of the right one for ``gradient``; ``what`` is wrong in words."""

    gradient: str
    what: str
    function: Gradient

    @property
    def table(self) -> dict[str, Gradient]:
        """All 26 functions, this one wrong."""
        return {**GRADIENTS, self.gradient: self.function}


def _at_targets(v: Any, amount: Any) -> Any:
    array = np.zeros_like(v.logprobs)
    array[np.arange(len(v.Y)), v.Y] = amount
    return array


def _in_every_row(v: Any, d: Any) -> Any:
    array = np.zeros_like(v.logprobs)
    array[:, v.Y] = -d.loss / len(v.Y)
    return array


def _last_winner(v: Any, d: Any) -> Any:
    V = v.logits.shape[1]
    winner = V - 1 - v.logits[:, ::-1].argmax(1, keepdims=True)
    return d.norm_logits + (np.arange(V) == winner) * d.logit_maxes


def _into_inputs(v: Any, d: Any) -> Any:
    logits = d.norm_logits
    logits += (np.arange(v.logits.shape[1]) == v.logits.argmax(1, keepdims=True)) * d.logit_maxes
    return logits


def _winners(v: Any) -> Any:
    return v.logits == v.logit_maxes


def _without_repeats(v: Any, d: Any) -> Any:
    dC = np.zeros_like(v.C)
    dC[v.X] += d.emb
    return dC


def _paid_in(v: Any, X: Ints, demb: Array, dtype: DTypeLike | None = None) -> Any:
    dC = np.zeros_like(v.C, dtype)
    np.add.at(dC, X, demb)
    return dC


def _zeros(name: str) -> Gradient:
    return lambda v, d: np.zeros_like(getattr(v, name))


_WRONG: dict[str, dict[str, Gradient]] = {
    "logprobs": {
        "1/n forgotten": lambda v, d: _at_targets(v, -d.loss),
        "mean over all entries, not over the rows": lambda v, d: _at_targets(
            v, -d.loss / v.logprobs.size
        ),
        "n-1 for n": lambda v, d: _at_targets(v, -d.loss / (len(v.Y) - 1)),
        "sign flipped": lambda v, d: _at_targets(v, d.loss / len(v.Y)),
        "upstream taken for 1": lambda v, d: _at_targets(v, -1 / len(v.Y)),
        "every target in every row: [:, Y]": _in_every_row,
    },
    "probs": {
        "upstream left out": lambda v, d: 1 / v.probs,
        "multiplied instead of divided": lambda v, d: d.logprobs * v.probs,
        "counts for probs": lambda v, d: d.logprobs / v.counts,
    },
    "counts_sum_inv": {
        "keepdims forgotten": lambda v, d: (v.counts * d.probs).sum(1),
        "mean for sum": lambda v, d: (v.counts * d.probs).mean(1, keepdims=True),
        "sum forgotten": lambda v, d: v.counts * d.probs,
        "probs for counts": lambda v, d: (v.probs * d.probs).sum(1, keepdims=True),
    },
    "counts_sum": {
        "minus forgotten": lambda v, d: 1 / v.counts_sum**2 * d.counts_sum_inv,
        "square forgotten": lambda v, d: -1 / v.counts_sum * d.counts_sum_inv,
    },
    "counts": {
        "road through counts_sum forgotten": lambda v, d: d.probs * v.counts_sum_inv,
        "road through probs forgotten": lambda v, d: np.ones_like(v.counts) * d.counts_sum,
        "roads subtracted": lambda v, d: d.probs * v.counts_sum_inv - d.counts_sum,
        "mean for sum in the second road": lambda v, d: (
            d.probs * v.counts_sum_inv + d.counts_sum / v.counts.shape[1]
        ),
    },
    "norm_logits": {
        "the value itself for its exponential": lambda v, d: v.norm_logits * d.counts,
        "probs for counts": lambda v, d: v.probs * d.counts,
        "passed through unchanged": lambda v, d: d.counts,
    },
    "logit_maxes": {
        "sign flipped": lambda v, d: d.norm_logits.sum(1, keepdims=True),
        "keepdims forgotten": lambda v, d: -d.norm_logits.sum(1),
        "largest for sum": lambda v, d: -d.norm_logits.max(1, keepdims=True),
    },
    "logits": {
        "road through the maximum forgotten": lambda v, d: d.norm_logits,
        "maximum's road subtracted": lambda v, d: d.norm_logits - _winners(v) * d.logit_maxes,
        "every winner of a tie is paid": lambda v, d: d.norm_logits + _winners(v) * d.logit_maxes,
        "winners of a tie share": lambda v, d: (
            d.norm_logits
            + _winners(v) / _winners(v).sum(1, keepdims=True, dtype=v.C.dtype) * d.logit_maxes
        ),
        "the last winner of a tie is paid": _last_winner,
        "written into dnorm_logits": _into_inputs,
    },
    "h": {
        "W2 not transposed": lambda v, d: d.logits @ v.W2,
    },
    "W2": {
        "factors changed places": lambda v, d: d.logits.T @ v.h,
        "hpreact for h": lambda v, d: v.hpreact.T @ d.logits,
        "mean for sum": lambda v, d: v.h.T @ d.logits / len(v.h),
    },
    "b2": {
        "keepdims where none belongs": lambda v, d: d.logits.sum(0, keepdims=True),
        "mean for sum": lambda v, d: d.logits.mean(0),
        "summed along the wrong axis": lambda v, d: d.logits.sum(1),
    },
    "hpreact": {
        "hpreact for h": lambda v, d: (1 - v.hpreact**2) * d.h,
        "square forgotten": lambda v, d: (1 - v.h) * d.h,
        "1 - forgotten": lambda v, d: v.h**2 * d.h,
    },
    "bngain": {
        "hpreact for bnraw": lambda v, d: (v.hpreact * d.hpreact).sum(0, keepdims=True),
        "summed along the wrong axis": lambda v, d: (v.bnraw * d.hpreact).sum(1, keepdims=True).T,
        "bnraw left out": lambda v, d: d.hpreact.sum(0, keepdims=True),
    },
    "bnbias": {
        "keepdims forgotten": lambda v, d: d.hpreact.sum(0),
        "mean for sum": lambda v, d: d.hpreact.mean(0, keepdims=True),
    },
    "bnraw": {
        "gain left out": lambda v, d: d.hpreact,
        "bnvar_inv for the gain": lambda v, d: v.bnvar_inv * d.hpreact,
    },
    "bnvar_inv": {
        "bnraw for bndiff": lambda v, d: (v.bnraw * d.bnraw).sum(0, keepdims=True),
        "hprebn for bndiff": lambda v, d: (v.hprebn * d.bnraw).sum(0, keepdims=True),
        "sum forgotten": lambda v, d: v.bndiff * d.bnraw,
    },
    "bnvar": {
        "eps forgotten": lambda v, d: -0.5 * v.bnvar**-1.5 * d.bnvar_inv,
        "power -0.5 kept": lambda v, d: -0.5 * (v.bnvar + v.eps) ** -0.5 * d.bnvar_inv,
        "minus forgotten": lambda v, d: 0.5 * (v.bnvar + v.eps) ** -1.5 * d.bnvar_inv,
        "factor 1/2 forgotten": lambda v, d: -((v.bnvar + v.eps) ** -1.5) * d.bnvar_inv,
    },
    "bndiff2": {
        "n for n-1": lambda v, d: np.ones_like(v.bndiff2) * d.bnvar / len(v.bndiff2),
        "left in the shape of bnvar": lambda v, d: d.bnvar / (len(v.bndiff2) - 1),
    },
    "bndiff": {
        "road through bndiff2 forgotten": lambda v, d: v.bnvar_inv * d.bnraw,
        "road through bnraw forgotten": lambda v, d: 2 * v.bndiff * d.bndiff2,
        "factor 2 forgotten": lambda v, d: v.bnvar_inv * d.bnraw + v.bndiff * d.bndiff2,
        "hprebn for bndiff": lambda v, d: v.bnvar_inv * d.bnraw + 2 * v.hprebn * d.bndiff2,
    },
    "bnmeani": {
        "keepdims forgotten": lambda v, d: -d.bndiff.sum(0),
        "sign flipped": lambda v, d: d.bndiff.sum(0, keepdims=True),
        "summed before bndiff's second road was added": lambda v, d: (
            -(v.bnvar_inv * d.bnraw).sum(0, keepdims=True)
        ),
    },
    "hprebn": {
        "road through the mean forgotten": lambda v, d: d.bndiff,
        "1/n forgotten": lambda v, d: d.bndiff + d.bnmeani,
        "n-1 for n": lambda v, d: d.bndiff + d.bnmeani / (len(v.hprebn) - 1),
    },
    "embcat": {
        "W1 not transposed": lambda v, d: d.hprebn @ v.W1,
    },
    "W1": {
        "factors changed places": lambda v, d: d.hprebn.T @ v.embcat,
        "mean for sum": lambda v, d: v.embcat.T @ d.hprebn / len(v.embcat),
    },
    "b1": {
        "keepdims where none belongs": lambda v, d: d.hprebn.sum(0, keepdims=True),
        "summed along the wrong axis": lambda v, d: d.hprebn.sum(1),
    },
    "emb": {
        "E and T changed places": lambda v, d: d.embcat.reshape(
            len(v.emb), v.emb.shape[2], -1
        ).swapaxes(1, 2),
        "n and T changed places": lambda v, d: d.embcat.reshape(-1, *v.emb.shape[::2]).swapaxes(
            0, 1
        ),
    },
    "C": {
        "repeats lost: dC[X] += demb": _without_repeats,
        "last context position only": lambda v, d: _paid_in(v, v.X[:, -1], d.emb[:, -1]),
        "widened to float64: np.zeros without dtype": lambda v, d: _paid_in(
            v, v.X, d.emb, np.float64
        ),
    },
}

MISTAKES = (
    *(
        Mistake(gradient, what, function)
        for gradient, wrong in _WRONG.items()
        for what, function in wrong.items()
    ),
    *(Mistake(name, "all zeros", _zeros(name)) for name in GRADIENTS),
)

# All square, so that an axis or a transposition gone wrong still fits.
SIZES = {"n": 24, "T": 3, "E": 8, "H": 24, "V": 24}
LECTURE = {"n": 32, "T": 3, "E": 10, "H": 200, "V": 27}


def network(
    seed: int = 0, dtype: DTypeLike = np.float32, sizes: Mapping[str, int] = SIZES
) -> tuple[Parameters, Ints, Ints]:
    """Parameters and a batch, X (n, T) and Y (n,), on which every mistake shows.

    Scaled as the lecture does. The first two characters always have the same logits, which are
    the largest in some rows.
    """
    rng = np.random.default_rng(seed)
    scales = {"C": 1, "W1": 5 / 3 / (sizes["T"] * sizes["E"]) ** 0.5}
    drawn = {
        name: rng.standard_normal(shape_of(name, sizes)) * scales.get(name, 0.1)
        for name in PARAMETER_NAMES
    }
    drawn["bngain"] += 1
    drawn["W2"][:, :2] = 0
    drawn["b2"][:2] = 0.6
    X = rng.integers(0, sizes["V"], (sizes["n"], sizes["T"]))
    Y = rng.integers(0, sizes["V"], sizes["n"])
    return Parameters(**{name: array.astype(dtype) for name, array in drawn.items()}), X, Y


def rerun(
    params: Mapping[str, ArrayLike], X: ArrayLike, Y: ArrayLike, eps: float = 1e-5
) -> dict[str, Tensor | None]:
    """Torch's gradients as they are found after the forward pass was run once more.

    The mistake in the reference: the names now stand for new tensors, which no backward pass has
    seen, and the ``.grad`` of all but the parameters is None.
    """
    v = leaves("oracle.mistakes", {**params, "X": X, "Y": Y, "eps": eps}, PARAMETER_NAMES)
    for again in (False, True):
        for name, line in LINES.items():
            value = line(v)
            value.retain_grad()
            setattr(v, name, value)
        if not again:
            v.loss.backward()
    return {name: getattr(v, name).grad for name in GRADIENT_NAMES}
