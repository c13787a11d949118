"""Tests that a lost seed has to pass, from cheap to dear, over thousands of seeds at once.

A test may only drop a seed that cannot be the one. Each compares an approximation with what was
printed, and allows for the printed digits (the last one ±1) and for its own error: a bound for
float32, and for the model of the loss a window that is measured on random normals when the test
is made. What is left goes through the ordinary forward pass.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from npnet.base.arrays import Array, Floats
from npnet.network.fused import loss_and_gradients
from npnet.network.names import shape_of
from npnet.network.parameters import Parameters
from npnet.replays.seed_cells import BatchedPass, Cell, Interval

Indices = NDArray[np.intp]

SAMPLE = (
    1 << 16
)  # random networks on which the model of a loss is fitted, and as many that judge it
SAFETY = 1.5  # times the largest error of the model on those, which is the reach of its window
MODEL_NUMBERS = 512  # lost numbers of a cell for which a model is made: its Hessian is their square
PIECE = 2048  # seeds whose normals a model reads at once, so that they stay in the second cache
CONTRASTS = 4  # differences of two scores that are compared before a whole row of the softmax
SMALL = 1e-4  # a step on one normal, for second derivatives by differences in float64
# The error of float32 in a score or the logarithm of a probability of the first minibatch; measured
# at most 2e-6 on the recipes of npnet. The digits of a printed row allow some 5e-3.
SCORE_ERROR = 5e-5
LOSS_SAFETY = 4.0  # times the largest error of float32 on 2,048 random networks


class SeedTest(Protocol):
    """What every test has.

    Attributes:
        what: in words, for people.
        cost: in microseconds a seed, roughly, on one core; the order of the tests follows it.
        share: of all seeds, how many it is expected to leave.
    """

    what: str
    cost: float
    share: float

    def passing(self, normals: Floats) -> Indices:
        """The columns of float32 ``normals`` (total, n) that pass."""
        ...


class RowTest:
    """A row of the softmax: first some differences of two scores, then the whole row.

    log p_i − log p_j is the difference of two scores, whatever the softmax's sum is, and needs two
    products of H numbers where the row needs V of them and as many exponentials.
    """

    def __init__(self, cell: Cell, row: int) -> None:
        self.what = f"row {row} of the softmax"
        figures = cell.probs[row]
        self.batched = BatchedPass(cell, [row])
        middles = np.array([figure.middle for figure in figures])
        reaches = np.array([figure.reach for figure in figures])
        self.low, self.high = middles - reaches, middles + reaches
        # Bounds of the logarithms; a figure such as 0.0001 has none below.
        with np.errstate(divide="ignore", invalid="ignore"):
            self.log_low = np.where(self.low > 0, np.log(np.maximum(self.low, 0)), -np.inf)
            self.log_high = np.log(self.high)
        sample = np.random.default_rng(0).standard_normal((sum(cell.sizes), 4096))
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
    """How the units of a row follow from normals, if only gains and biases are lost.

    The unit before its tanh is ``constant`` (H, 1) plus, for each lost draw, its ``slope`` (H, 1)
    times the normals from ``place`` on.
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
        slope, offset = _affine(cell, name)
        constant += factor * offset
        parts.append((cell.places()[name].start, (factor * slope).astype(np.float32)))
    return constant.astype(np.float32), parts


def _affine(cell: Cell, name: str) -> tuple[float, float]:
    """The scale of a lost parameter as slope and offset: its steps are all linear."""
    zeros, ones = np.zeros((sum(cell.sizes), 1)), np.ones((sum(cell.sizes), 1))
    offset, top = (float(cell.scaled(z)[name][0, 0]) for z in (zeros, ones))
    return top - offset, offset


def _telling_pairs(scores: Floats, low: Floats, high: Floats) -> list[tuple[int, int]]:
    """The pairs of classes whose differences drop the most random networks, one after the other."""
    usable = np.flatnonzero(np.isfinite(low))
    pairs = [(int(i), int(j)) for i, j in itertools.combinations(usable, 2)]
    if not pairs:
        pairs = [(0, 0)]
    i, j = np.array(pairs).T
    differences = scores[i] - scores[j]
    middles, widths = differences.mean(1), differences.std(1) + 1e-12
    reach = (high[i] - low[i] + high[j] - low[j]) / 2
    target = (low[i] + high[i] - low[j] - high[j]) / 2
    # How likely a normal number of that mean and width is to come near enough.
    likely = reach / widths * np.exp(-0.5 * np.minimum(((target - middles) / widths) ** 2, 50))
    chosen: list[int] = []
    for place in np.argsort(likely):
        new = differences[place] - middles[place]
        alike = [abs(np.corrcoef(new, differences[k])[0, 1]) for k in chosen]
        if not alike or max(alike) < 0.7:
            chosen.append(int(place))
        if len(chosen) == CONTRASTS:
            break
    return [pairs[place] for place in chosen]


def row_share(scores: Floats, low: Floats, high: Floats) -> float:
    """The share of random networks that print a given row, by a normal distribution.

    ``scores`` (V, n) of random networks; ``low`` and ``high`` bound the logarithms of the row.
    Differences to the first class with a bound are taken one after the other, each given those
    before it at their printed values.
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
        share *= _normal_share(float(value), float(half / width))
    return share


def _normal_share(value: float, reach: float) -> float:
    """How much of the standard normal distribution lies within ``reach`` of ``value``."""
    low, high = (value - reach) / math.sqrt(2), (value + reach) / math.sqrt(2)
    if low > 0:
        return max((math.erfc(low) - math.erfc(high)) / 2, 1e-300)
    return max((math.erf(high) - math.erf(low)) / 2, 1e-300)


class LossModelTest:
    """The first loss by a cubic polynomial of the normals, within a window.

    Its terms are the normals, their squares and cubes, and the squares of some directions: those
    of the largest eigenvalues of the Hessian without its diagonal, at the mean of the parameters.
    The coefficients are fitted to ``SAMPLE`` random networks; the window is ``SAFETY`` times the
    largest error on as many others.
    """

    def __init__(self, cell: Cell, figure: Interval, spread: tuple[float, float]) -> None:
        self.what = f"the first loss within {{window}} of {figure.middle:.5g}, by a model"
        total = sum(cell.sizes)
        directions = _directions(cell, total // 2)
        rng = np.random.default_rng(1)
        batched = BatchedPass(cell)
        count = 1 + 3 * total + len(directions)
        matrix, right = np.zeros((count, count)), np.zeros(count)
        for _ in range(0, SAMPLE, PIECE):
            normals = rng.standard_normal((total, PIECE), np.float32)
            terms = _terms(normals, directions)
            matrix += terms @ terms.T
            right += terms @ batched.losses(normals)
        weights = np.linalg.solve(matrix, right)
        self.constant = float(weights[0])
        one, two, three, rest = np.split(weights[1:], [total, 2 * total, 3 * total])
        self.matrix = np.concatenate([one[None], directions]).astype(np.float32)
        self.squares, self.cubes = two.astype(np.float32), three.astype(np.float32)
        self.rest = rest.astype(np.float32)
        self.error = 0.0
        for _ in range(0, SAMPLE, PIECE):
            normals = rng.standard_normal((total, PIECE), np.float32)
            errors = batched.losses(normals) - self.predicted(normals)
            self.error = max(self.error, float(np.abs(errors).max()))
        self.window = SAFETY * self.error + figure.reach
        self.middle = figure.middle
        self.what = self.what.format(window=f"{self.window:.2g}")
        self.share = _loss_share(figure.middle, self.window, spread)
        self.cost = 0.003 * total

    def predicted(self, normals: Floats) -> Floats:
        """The model's loss (n,) of float32 ``normals`` (total, n)."""
        n = normals.shape[1]
        out = np.empty(n, np.float32)
        powers = np.empty((len(normals), min(n, PIECE)), np.float32)
        for first in range(0, n, PIECE):
            z = normals[:, first : first + PIECE]
            power = powers[:, : z.shape[1]]
            products = self.matrix @ z
            sums = products[0]
            rest = products[1:]
            np.multiply(rest, rest, rest)
            sums += self.rest @ rest
            np.multiply(z, z, power)
            sums += self.squares @ power
            np.multiply(power, z, power)
            sums += self.cubes @ power
            out[first : first + PIECE] = sums
        out += np.float32(self.constant)
        return out

    def passing(self, normals: Floats) -> Indices:
        distance = self.predicted(normals)
        distance -= np.float32(self.middle)
        np.abs(distance, distance)
        return np.flatnonzero(distance <= self.window)


def _terms(normals: Floats, directions: Floats) -> Floats:
    z = normals.astype(np.float64)
    return np.concatenate([np.ones((1, z.shape[1])), z, z * z, z**3, (directions @ z) ** 2])


def _directions(cell: Cell, count: int) -> Floats:
    """Eigenvectors (count, total) of the loss's Hessian at the mean, without its diagonal."""
    total = sum(cell.sizes)
    step = SMALL * np.eye(total)
    hessian = [(_slopes(cell, row) - _slopes(cell, -row)) / (2 * SMALL) for row in step]
    symmetric = (np.array(hessian) + np.array(hessian).T) / 2
    np.fill_diagonal(symmetric, 0)
    values, vectors = np.linalg.eigh(symmetric)
    return np.ascontiguousarray(vectors[:, np.argsort(-np.abs(values))[:count]].T)


def _slopes(cell: Cell, normals: Floats) -> Floats:
    """The gradient of the first loss with respect to ``normals`` (total,), in float64."""
    arrays: dict[str, Floats] = {
        name: value.astype(np.float64) for name, value in cell.fixed.items()
    }
    for name, value in cell.scaled(normals[:, None]).items():
        arrays[name] = value.reshape(shape_of(name, cell.shape))
    _, gradients = loss_and_gradients(Parameters(**arrays), cell.X, cell.Y, cell.eps)
    slopes = np.zeros(len(normals))
    for name, place in cell.places().items():
        slopes[place] = gradients[name].reshape(-1) * _affine(cell, name)[0]
    return slopes


class LossTest:
    """The first loss of the whole minibatch, in float32."""

    def __init__(self, cell: Cell, figure: Interval, spread: tuple[float, float]) -> None:
        self.batched = BatchedPass(cell)
        sample = np.random.default_rng(2).standard_normal((sum(cell.sizes), 2048), np.float32)
        exact = BatchedPass(cell, dtype="float64").losses(sample.astype(np.float64))
        error = float(np.abs(self.batched.losses(sample) - exact).max())
        self.middle = figure.middle
        self.window = figure.reach + LOSS_SAFETY * error
        self.what = f"the first loss {figure.middle:.8g}"
        self.share = _loss_share(figure.middle, self.window, spread)
        H, V = cell.shape["H"], cell.shape["V"]
        self.cost = 5e-5 * len(cell.Y) * H * (V + 10)

    def passing(self, normals: Floats) -> Indices:
        distance = self.batched.losses(normals)
        distance -= np.float32(self.middle)
        return np.flatnonzero(np.abs(distance) <= self.window)


def compiled_tests(cell: Cell, *, model: bool) -> list[SeedTest]:
    """The tests of a cell's printed figures, in the order in which they are to be done.

    Args:
        cell: what was printed, and what it depends on.
        model: whether a model of the loss may be made, which takes seconds.
    """
    tests: list[SeedTest] = [RowTest(cell, row) for row in cell.probs]
    if cell.losses:
        # With a row known, hardly any seed comes to the loss: a model costs more than it saves.
        known = min((test.share for test in tests), default=1.0)
        figure, spread = _finest(cell), loss_spread(cell)
        if model and known > 1e-3 and sum(cell.sizes) <= MODEL_NUMBERS and cell.own_statistics:
            modelled = LossModelTest(cell, figure, spread)
            if modelled.share < 0.7:
                tests.append(modelled)
        tests.append(LossTest(cell, figure, spread))
    return sorted(tests, key=lambda test: test.cost / max(1 - test.share, 1e-9))


def printed_share(cell: Cell) -> float:
    """How many of all seeds the printed figures of a cell's first minibatch leave, by estimate.

    Rows of the softmax and the loss are taken to be independent of each other.
    """
    share = 1.0
    for row in cell.probs:
        share *= RowTest(cell, row).share
    if cell.losses:
        figure = _finest(cell)
        share *= _loss_share(figure.middle, figure.reach, loss_spread(cell))
    return share


def _finest(cell: Cell) -> Interval:
    return min(cell.losses, key=lambda interval: interval.reach)


def _loss_share(middle: float, reach: float, spread: tuple[float, float]) -> float:
    mean, width = spread
    return _normal_share((middle - mean) / width, reach / width)


def loss_spread(cell: Cell) -> tuple[float, float]:
    """Mean and standard deviation of the first loss over seeds."""
    sample = np.random.default_rng(3).standard_normal((sum(cell.sizes), 2048), np.float32)
    losses: Array = BatchedPass(cell).losses(sample).astype(np.float64)
    return float(losses.mean()), float(losses.std()) + 1e-12
