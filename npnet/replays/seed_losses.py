"""Tests of a lost seed by the first loss: a model of the loss, and the whole minibatch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from npnet.base.arrays import Floats
from npnet.network.fused import loss_and_gradients
from npnet.network.names import shape_of
from npnet.network.parameters import Parameters
from npnet.replays.seed_cells import BatchedPass, Cell, Interval, normal_share

Indices = NDArray[np.intp]

# The model of a loss is fitted to this many random networks and tested on as many others.
SAMPLE = 1 << 16
SAFETY = 1.5  # half the window, as a multiple of the model's largest error on the test networks
PIECE = 2048  # seeds whose normals a model reads at once; they fit in the second-level cache
SMALL = 1e-4  # step of one normal, for second derivatives by differences in float64
LOSS_SAFETY = 4.0  # the bound is this many times the largest float32 error on 2,048 random networks


class LossModelTest:
    """Whether the first loss is within a window, by a cubic polynomial of the normals.

    Its terms are the normals, their squares and cubes, and the squares of the normals' components
    along some directions. These directions are the eigenvectors with the largest eigenvalues of the
    Hessian without its diagonal, at the mean of the parameters. The coefficients are fitted to
    ``SAMPLE`` random networks. The window is ``SAFETY`` times the largest error on as many others.
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
        self.share = loss_share(figure.middle, self.window, spread)
        self.cost = 0.003 * total

    def predicted(self, normals: Floats) -> Floats:
        """The model's loss (n,) for float32 ``normals`` (total, n)."""
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
        slopes[place] = gradients[name].reshape(-1) * cell.affine(name)[0]
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
        self.share = loss_share(figure.middle, self.window, spread)
        H, V = cell.shape["H"], cell.shape["V"]
        self.cost = 5e-5 * len(cell.Y) * H * (V + 10)

    def passing(self, normals: Floats) -> Indices:
        distance = self.batched.losses(normals)
        distance -= np.float32(self.middle)
        return np.flatnonzero(np.abs(distance) <= self.window)


def loss_share(middle: float, reach: float, spread: tuple[float, float]) -> float:
    """The share of seeds whose first loss lies within ``reach`` of ``middle``."""
    mean, width = spread
    return normal_share((middle - mean) / width, reach / width)


def loss_spread(cell: Cell) -> tuple[float, float]:
    """Mean and standard deviation of the first loss over seeds."""
    sample = np.random.default_rng(3).standard_normal((sum(cell.sizes), 2048), np.float32)
    losses: Floats = BatchedPass(cell).losses(sample).astype(np.float64)
    return float(losses.mean()), float(losses.std()) + 1e-12
