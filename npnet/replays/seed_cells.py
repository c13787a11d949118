"""The first minibatch of a notebook cell whose generator's seed is lost, for many seeds at once.

In arrays of many seeds, the last axis is the seed, so that every operation runs over contiguous
memory.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from npnet.base.arrays import Array, Floats, Ints
from npnet.network.forward import forward
from npnet.network.names import PARAMETER_NAMES, shape_of
from npnet.network.parameters import Parameters
from npnet.recipes.draw import Draw
from npnet.torch_rng.generator import Generator
from npnet.torch_rng.many_normals import NormalLayout

PASS_NUMBERS = 1 << 18  # float32 hidden values in memory at once in a batched pass: 1 MB
# a figure that is printed within ±1 in the last digit comes from a number within ±1.5
LAST_DIGIT = 1.5


@dataclass(frozen=True)
class Interval:
    """The numbers that would be printed as a given figure, or as one with ±1 in its last digit."""

    middle: float
    reach: float

    @classmethod
    def of(cls, figure: str, dtype: str = "float32", parts: int = 1) -> Interval:
        """The interval of a printed ``figure``. Digits that ``dtype`` does not hold are ignored.

        ``parts``: if the figure is a sum of several numbers, how many. The interval is then that
        of their mean.
        """
        told = Decimal(figure)
        digit = int(told.as_tuple().exponent)
        held = told.adjusted() - int(np.finfo(dtype).precision)
        unit = Decimal(1).scaleb(max(digit, held))
        return cls(float(told.quantize(unit)) / parts, float(unit) * LAST_DIGIT / parts)

    def holds(self, number: float) -> bool:
        """Whether ``number`` lies in the interval."""
        return abs(number - self.middle) <= self.reach


def normal_share(value: float, reach: float) -> float:
    """The probability that a standard normal number lies within ``reach`` of ``value``."""
    low, high = (value - reach) / math.sqrt(2), (value + reach) / math.sqrt(2)
    if low > 0:
        return max((math.erfc(low) - math.erfc(high)) / 2, 1e-300)
    return max((math.erf(high) - math.erf(low)) / 2, 1e-300)


@dataclass(frozen=True)
class Cell:
    """The first minibatch of one network of a session: its inputs and its printed figures.

    Attributes:
        lost: the draws from the lost generator, in order. Numbers of a draw that is not a
            parameter are drawn and not used.
        shapes: the shape of each of these draws.
        fixed: the other parameters, as they were drawn, in ``dtype``.
        shape: V, E, T, H.
        X, Y: the first minibatch, (n, T) and (n,).
        eps: the eps of the batch normalisation.
        dtype: the dtype of the forward pass.
        draw_dtype: the dtype of the draws from the lost generator.
        own_statistics: whether the minibatch is normalised by its own mean and variance. If not,
            it is normalised by running averages before their first update: mean 0, variance 1.
        biased: whether the variance of the minibatch is divided by n instead of n − 1.
        losses: printed figures of the first loss.
        probs: printed rows of the first softmax, by row.
        skip: how many words of the stream were used before this cell ran for the first time; None:
            the cell continues where the cell before it ends.
        reruns: how many earlier executions of this cell are tried at most.
    """

    lost: tuple[Draw, ...]
    shapes: tuple[tuple[int, ...], ...]
    fixed: Mapping[str, Floats]
    shape: Mapping[str, int]
    X: Ints
    Y: Ints
    eps: float = 1e-5
    dtype: str = "float32"
    draw_dtype: str = "float32"
    own_statistics: bool = True
    biased: bool = False
    losses: tuple[Interval, ...] = ()
    probs: Mapping[int, tuple[Interval, ...]] = field(default_factory=dict)
    skip: int | None = None
    reruns: int = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of entries of each lost draw."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @property
    def names(self) -> set[str]:
        """The parameters that come from the lost generator."""
        return {draw.name for draw in self.lost} & set(PARAMETER_NAMES)

    def places(self) -> dict[str, slice]:
        """For each of these parameters, its slice of the normals."""
        ends = [0, *itertools.accumulate(self.sizes)]
        return {
            draw.name: slice(start, end)
            for draw, (start, end) in zip(self.lost, itertools.pairwise(ends), strict=True)
            if draw.name in PARAMETER_NAMES
        }

    def layout(self, start: int, earlier: int = 0) -> NormalLayout:
        """The places of its normals in the stream, after ``earlier`` runs of it from ``start``."""
        return NormalLayout(self.sizes, self.draw_dtype, start, self.sizes * earlier)

    def scaled(self, normals: Array) -> dict[str, Floats]:
        """The lost parameters, each (size, n), from ``normals`` (total, n), in the same dtype."""
        places = self.places()
        scaled: dict[str, Floats] = {}
        for draw, shape in zip(self.lost, self.shapes, strict=True):
            if draw.name in places:
                part = draw.scaled(normals[places[draw.name]], fan_in=shape[0])
                scaled[draw.name] = part.astype(normals.dtype, copy=False)
        return scaled

    def affine(self, name: str) -> tuple[float, float]:
        """Slope and offset of a lost parameter's scale, whose operations are all linear."""
        zeros, ones = np.zeros((sum(self.sizes), 1)), np.ones((sum(self.sizes), 1))
        offset, top = (float(self.scaled(z)[name][0, 0]) for z in (zeros, ones))
        return top - offset, offset

    def parameters(self, normals: Array) -> Parameters:
        """The parameters from one seed's ``normals`` (total,), as the run drew them."""
        lost = {
            name: part[:, 0].astype(self.dtype).reshape(shape_of(name, self.shape))
            for name, part in self.scaled(normals[:, None]).items()
        }
        return Parameters(**{**self.fixed, **lost})

    def drawn(self, seed: int, start: int, earlier: int) -> Parameters:
        """The parameters of one seed, drawn by ``Generator`` itself."""
        generator = Generator(seed)
        generator.rand(start)  # one word for each number
        dtype = np.dtype(self.draw_dtype)
        for size in self.sizes * earlier:
            generator.randn(size, dtype=dtype)
        draws = [generator.randn(size, dtype=dtype) for size in self.sizes]
        return self.parameters(np.concatenate(draws))

    def loss_and_probs(self, params: Parameters) -> tuple[float, Floats]:
        """The first loss and the softmax (n, V), by the ordinary forward pass."""
        if self.own_statistics and not self.biased:
            values = forward(params, self.X, self.Y, self.eps)
            return float(values.loss), values.probs
        hprebn = params.C[self.X].reshape(len(self.X), -1) @ params.W1 + params.b1
        bnraw = self.normalised(hprebn)
        logits = np.tanh(params.bngain * bnraw + params.bnbias) @ params.W2 + params.b2
        counts = np.exp(logits - logits.max(1, keepdims=True))
        probs = counts / counts.sum(1, keepdims=True)
        return float(-np.log(probs[np.arange(len(self.Y)), self.Y]).mean()), probs

    def normalised(self, hprebn: Floats) -> Floats:
        """``bnraw`` (…, n, H) from ``hprebn`` (…, n, H), in the same dtype."""
        eps = hprebn.dtype.type(self.eps)
        if not self.own_statistics:
            at_first: Floats = hprebn / np.sqrt(1 + eps)
            return at_first
        bndiff: Floats = hprebn - hprebn.mean(-2, keepdims=True)
        bnvar: Floats = (bndiff**2).sum(-2, keepdims=True) / (len(self.Y) - (not self.biased))
        bnvar_inv: Floats = (bnvar + eps) ** -0.5
        return bndiff * bnvar_inv

    def fits(self, params: Parameters) -> bool:
        """Whether every figure of the first minibatch is reproduced, up to ±1 in the last digit."""
        loss, probs = self.loss_and_probs(params)
        return all(figure.holds(loss) for figure in self.losses) and all(
            figure.holds(number)
            for row, figures in self.probs.items()
            for figure, number in zip(figures, probs[row].tolist(), strict=True)
        )


class BatchedPass:
    """The first minibatch's forward pass for many seeds at once, in float32 or float64.

    It adds in another order than ``forward``, so the results differ in the last bits.
    """

    def __init__(self, cell: Cell, rows: Sequence[int] | None = None, dtype: str = "float32"):
        self.cell, self.dtype = cell, np.dtype(dtype)
        picked = np.arange(len(cell.Y)) if rows is None else np.asarray(rows, np.intp)
        self.X, self.Y, self.rows = cell.X[picked], cell.Y[picked], picked
        self.fixed = {name: value.astype(self.dtype) for name, value in cell.fixed.items()}
        # (H, n) of all rows; None if it depends on the seed.
        self.bnraw = None if cell.names & {"C", "W1", "b1"} else self._bnraw({})[0, picked].T

    def logits(self, normals: Array) -> Floats:
        """The logits (V, rows, seeds) from ``normals`` (total, seeds)."""
        lost = self.cell.scaled(normals)
        lost = {name: value.astype(self.dtype, copy=False) for name, value in lost.items()}
        gain, bias = self._units("bngain", lost), self._units("bnbias", lost)
        if self.bnraw is None:
            bnraw = self._bnraw(lost)[:, self.rows].transpose(2, 1, 0)
        else:
            bnraw = self.bnraw[:, :, None]
        h: Floats = gain * bnraw
        h = _added(h, bias)
        np.tanh(h, h)  # (H, rows, seeds)
        logits: Floats
        if "W2" in lost:
            H, V = self.cell.shape["H"], self.cell.shape["V"]
            W2 = lost["W2"].reshape(H, V, -1)
            logits = np.einsum("hvs,hrs->vrs", W2, h, optimize=True)
        else:
            H, R, n = h.shape
            logits = (self.fixed["W2"].T @ h.reshape(H, R * n)).reshape(-1, R, n)
        return _added(logits, self._units("b2", lost))

    def losses(self, normals: Array) -> Floats:
        """The loss (seeds,) from ``normals`` (total, seeds), computed in pieces."""
        count = normals.shape[1]
        out = np.empty(count, self.dtype)
        width = max(1, PASS_NUMBERS // (self.cell.shape["H"] * len(self.Y)))
        for first in range(0, count, width):
            piece = slice(first, first + width)
            logits = self.logits(normals[:, piece])
            told = logits[self.Y, np.arange(len(self.Y))].sum(0, dtype=np.float64)
            maxes = logits.max(0)
            logits -= maxes
            np.exp(logits, logits)
            sums = logits.sum(0)
            np.log(sums, sums)
            sums += maxes
            out[piece] = (sums.sum(0, dtype=np.float64) - told) / len(self.Y)
        return out

    def probs(self, normals: Array) -> Floats:
        """The softmax (V, rows, seeds) from ``normals`` (total, seeds)."""
        logits = self.logits(normals)
        logits -= logits.max(0)
        np.exp(logits, logits)
        logits /= logits.sum(0)
        return logits

    def _units(self, name: str, lost: Mapping[str, Floats]) -> Floats:
        """A parameter with one axis, shaped to broadcast with (units, rows, seeds)."""
        if name in lost:
            return lost[name][:, None, :]
        return self.fixed[name].reshape(-1)[:, None, None]

    def _bnraw(self, lost: Mapping[str, Floats]) -> Floats:
        """``bnraw`` (seeds or 1, n, H) of all rows of the minibatch."""
        cell = self.cell
        seeds_first = {
            name: value.T.reshape(-1, *shape_of(name, cell.shape)) for name, value in lost.items()
        }
        arrays = {**self.fixed, **seeds_first}
        emb = arrays["C"][..., cell.X, :]
        embcat = emb.reshape(*emb.shape[:-2], -1)
        hprebn = embcat @ arrays["W1"] + arrays["b1"].reshape(-1, 1, cell.shape["H"])
        return cell.normalised(hprebn)


def _added(sums: Floats, terms: Floats) -> Floats:
    """The sum of both arrays. It is written into ``sums``, if ``sums`` has an axis of seeds."""
    if sums.shape[2] < terms.shape[2]:
        added: Floats = sums + terms
        return added
    sums += terms
    return sums
