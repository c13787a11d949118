"""Testing seeds by a printed row of the first minibatch's softmax."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npnet.base.arrays import Floats
from npnet.replays.seed_cells import BatchedPass, Cell, normal_share

Indices = NDArray[np.intp]

CONTRASTS = 4  # how many differences of two scores are compared before the whole row of the softmax
ALIKE = 0.7  # two of these differences have at most this correlation
PIECE = 2048  # seeds whose whole rows are computed at once
SAMPLE = 4096  # random networks; the differences that drop most of them are chosen
# A bound for the float32 error of a score, or of the logarithm of a probability, in the first
# minibatch. The largest measured error on npnet's recipes is 2e-6. The digits of a printed row
# allow about 5e-3.
SCORE_ERROR = 5e-5


class RowTest:
    """A row of the softmax: first some differences of two scores, then the whole row.

    log p_i − log p_j is the difference of two scores; the sum of the softmax cancels. A difference
    takes two products of H numbers. The whole row takes V such products and V exponentials.
    """

    def __init__(self, cell: Cell, row: int) -> None:
        self.what = f"row {row} of the softmax"
        figures = cell.probs[row]
        self.batched = BatchedPass(cell, [row])
        middles = np.array([figure.middle for figure in figures])
        reaches = np.array([figure.reach for figure in figures])
        self.low, self.high = middles - reaches, middles + reaches
        # Bounds of the logarithms. A figure such as 0.0001 has no lower bound: the number could be
        # 0.
        with np.errstate(divide="ignore", invalid="ignore"):
            self.log_low = np.where(self.low > 0, np.log(np.maximum(self.low, 0)), -np.inf)
            self.log_high = np.log(self.high)
        sample = np.random.default_rng(0).standard_normal((sum(cell.sizes), SAMPLE))
        scores = self.batched.logits(sample.astype(np.float32))[:, 0]
        self.share = row_share(scores, self.log_low, self.log_high)
        self.units = _units_of(cell, row)
        self.cost = 0.1 if self.units is not None else 1.0
        if self.units is not None:
            self.pairs = _telling_pairs(scores, self.log_low, self.log_high)
            i, j = np.array(self.pairs, np.intp).reshape(-1, 2).T
            W2, b2 = cell.fixed["W2"].T, cell.fixed["b2"]
            self.contrasts = np.ascontiguousarray(W2[i] - W2[j], np.float32)
            shift = (b2[i] - b2[j]).astype(np.float64)
            self.least = self.log_low[i] - self.log_high[j] - shift - SCORE_ERROR
            self.most = self.log_high[i] - self.log_low[j] - shift + SCORE_ERROR
        self._space: tuple[Floats, Floats] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_space": None}

    def passing(self, normals: Floats) -> Indices:
        if self.units is None:
            return self._passing_whole(normals, np.arange(normals.shape[1]))
        h = self._hidden(normals)
        differences = self.contrasts @ h  # (contrasts, n)
        kept = np.flatnonzero((differences[0] >= self.least[0]) & (differences[0] <= self.most[0]))
        for k in range(1, len(self.contrasts)):
            values = differences[k, kept]
            kept = kept[(values >= self.least[k]) & (values <= self.most[k])]
        return self._passing_whole(normals, kept)

    def _hidden(self, normals: Floats) -> Floats:
        n = normals.shape[1]
        assert self.units is not None
        constant, parts = self.units
        if self._space is None or self._space[0].shape[1] != n:
            shape = len(constant), n
            self._space = np.empty(shape, np.float32), np.empty(shape, np.float32)
        h, scratch = self._space
        (place, slope), *others = parts
        np.multiply(normals[place : place + len(slope)], slope, h)
        np.add(h, constant, h)
        for place, slope in others:
            np.multiply(normals[place : place + len(slope)], slope, scratch)
            np.add(h, scratch, h)
        np.tanh(h, h)
        return h

    def _passing_whole(self, normals: Floats, kept: Indices) -> Indices:
        passing = []
        for first in range(0, len(kept), PIECE):
            columns = kept[first : first + PIECE]
            probs = self.batched.probs(normals[:, columns])[:, 0]
            error = SCORE_ERROR * probs
            fits = probs + error >= self.low[:, None]
            fits &= probs - error <= self.high[:, None]
            passing.append(columns[fits.all(0)])
        return np.concatenate(passing) if passing else kept


def _units_of(cell: Cell, row: int) -> tuple[Floats, list[tuple[int, Floats]]] | None:
    """The hidden units of a row as linear functions of the normals, if only gain and bias are lost.

    A unit before its tanh is ``constant`` (H, 1) plus, for each lost draw, ``slope`` (H, 1) times
    the normals from ``place`` on.
    """
    if not cell.names or not cell.names <= {"bngain", "bnbias"}:
        return None
    bnraw = BatchedPass(cell, [row], "float64").bnraw
    assert bnraw is not None
    factors = {"bngain": bnraw, "bnbias": np.ones_like(bnraw)}
    constant = np.zeros_like(bnraw)
    parts = []
    for name, factor in factors.items():
        if name in cell.fixed:
            constant += factor * cell.fixed[name].reshape(-1, 1)
            continue
        slope, offset = cell.affine(name)
        constant += factor * offset
        parts.append((cell.places()[name].start, (factor * slope).astype(np.float32)))
    return constant.astype(np.float32), parts


def _telling_pairs(scores: Floats, low: Floats, high: Floats) -> list[tuple[int, int]]:
    """The pairs of classes whose differences drop most random networks, the best first."""
    usable = np.flatnonzero(np.isfinite(low))
    pairs = [(int(i), int(j)) for i, j in itertools.combinations(usable, 2)]
    if not pairs:
        pairs = [(0, 0)]
    i, j = np.array(pairs).T
    differences = scores[i] - scores[j]
    middles, widths = differences.mean(1), differences.std(1) + 1e-12
    reach = (high[i] - low[i] + high[j] - low[j]) / 2
    target = (low[i] + high[i] - low[j] - high[j]) / 2
    # The density of the normal distribution, with this mean and width, at the target.
    likely = reach / widths * np.exp(-0.5 * np.minimum(((target - middles) / widths) ** 2, 50))
    chosen: list[int] = []
    for place in np.argsort(likely):
        new = differences[place] - middles[place]
        alike = [abs(np.corrcoef(new, differences[k])[0, 1]) for k in chosen]
        if not alike or max(alike) < ALIKE:
            chosen.append(int(place))
        if len(chosen) == CONTRASTS:
            break
    return [pairs[place] for place in chosen]


def row_share(scores: Floats, low: Floats, high: Floats) -> float:
    """The share of random networks that print a given row, if scores are normally distributed.

    ``scores``: (V, n), of n random networks. ``low`` and ``high`` bound the logarithms of the row.
    The score of the first class with a bound is subtracted from all others. The shares of these
    differences are multiplied; each is conditional on the printed values of those before it.
    """
    usable = np.flatnonzero(np.isfinite(low))
    if len(usable) < 2:
        return 1.0
    base, rest = usable[0], usable[1:]
    differences = scores[rest] - scores[base]
    target = (low[rest] + high[rest] - low[base] - high[base]) / 2
    reach = (high[rest] - low[rest]) / 2
    factor = np.linalg.cholesky(np.cov(differences) + np.diag(reach**2 / 3))
    standard = np.linalg.solve(factor, target - differences.mean(1))
    share = 1.0
    for value, width, half in zip(standard, np.diag(factor), reach, strict=True):
        share *= normal_share(float(value), float(half / width))
    return share
