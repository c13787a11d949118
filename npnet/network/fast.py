"""The fused forward and backward pass that training runs; its memory is allocated once.

The mathematics is that of ``npnet.network.fused``. Each trick has a letter and a number here. The
number says how much longer a step takes without it (H = 200, n = 32, float32, one thread, AVX2):

* A, 35 %: many minibatches are prepared at once; gathering takes as long for 64 as for one.
* B, 12 %: dC is a product with the one-hot contexts; the product adds the repeats.
* C, 6 %: ``a.dot(b, out)`` for products of matrices; ``matmul`` takes longer to find the same BLAS.
* D, 14 %: sums over rows are products with a vector of ones (or of 1/n), which BLAS adds faster
  than ``add.reduce``.
* E, 10 %: the targets' logits are picked, and logarithms taken, for many steps at once.
* F, 4 %: the embeddings are centred over the batch, so the hidden layer has mean 0 and no mean is
  subtracted. In the backward pass, dembcat is centred in the same way. b1 drops out of the forward
  pass, but its gradient does not.
* G, 10 %: parameters are side by side in one array and their gradients in another, so that one
  addition updates them all. dlogits is multiplied by -rate/n, and so are all gradients after it.
* H, 6 %: every result is written into existing memory (``out``).
* I, 1 %: objects that are read often have a local name.
* J, 2 %: matrices are padded with units that give 0 and classes of probability 0. One of these
  units gives 1, and its weights are b2. At H = 1024 and n = 256, with AVX-512 kernels, J is 20 %:
  rows of exactly 4096 bytes would compete for the same places in the cache.
* K, 2 %: numbers that a step multiplies by are arrays; NumPy would convert a float each time.
* L, 1 %: with "clip", ``take`` does not check the indices; all of them are valid.
* M, 1 %: each unit's scale is copied into every row once, and used in two products of equal shapes.

Logits have the shape (V, n), a column for each row of the batch. Their maximum over the classes is
then taken along contiguous memory: 1.8 µs instead of 2.5.
"""

import math
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array, Floats, Ints
from npnet.network.parameters import Parameters

# Matrices are padded to multiples of these sizes, because BLAS multiplies them faster. Where rows
# would be a multiple of PAGE bytes, they are padded once more (J).
UNITS = 8
CLASSES = 4
PAGE = 4096
ONE = 20.0  # its tanh is 1 in float32 and in float64


class Workspace:
    """The memory of a training step for minibatches of one size.

    Args:
        params: copied; ``store`` copies back.
        batch: rows of a minibatch, n.
        eps: added to the variance.
        trained: names of the parameters that ``step`` updates.
        averaged: whether a step also leaves the minibatch's mean and variance in ``mean`` and
            ``var`` (H,).
        biased: whether the variance that normalises is divided by n, as ``nn.BatchNorm1d`` does
            it, and not by n−1; ``var`` is divided by n−1 in both cases.

    ``params`` and ``gradient`` are views of the parameters and of their gradients, by name and in
    their own shapes.
    """

    def __init__(
        self,
        params: Parameters,
        batch: int,
        eps: float,
        trained: Collection[str],
        *,
        averaged: bool = False,
        biased: bool = False,
    ) -> None:
        dtype, sizes = params.dtype, params.sizes
        n, T, E, H, V = batch, sizes["T"], sizes["E"], sizes["H"], sizes["V"]
        self.n, self.V, self.averaged = n, V, averaged

        self.flat, self.blocks, self.params = _memory(sizes, dtype)
        self.flat_gradient, self.gradient_blocks, self.gradient = _memory(sizes, dtype)
        for name, array in params.items():
            self.params[name][...] = array
        # Unit H is always 1, and its weights in W2 are b2 (J). Units after it are always 0; classes
        # after the last have probability 0. So what is filled up has gradient 0 and stays.
        self.blocks.bnbias[H] = ONE
        self.blocks.W2T[V:, H] = np.finfo(dtype).min
        self.untrained = [array for name, array in self.gradient.items() if name not in trained]

        classes, units = self.blocks.W2T.shape
        self.emb, self.demb = (np.empty((n * T, E), dtype) for _ in range(2))
        self.embcat, self.dembcat = self.emb.reshape(n, T * E), self.demb.reshape(n, T * E)
        self.embmean = np.empty(T * E, dtype)
        self.bndiff, self.h, self.dh, self.product, self.scales = (
            np.empty((n, units), dtype) for _ in range(5)
        )
        self.spread, self.bnvar_inv, self.scale, self.slope = (
            np.empty(units, dtype) for _ in range(4)
        )
        self.dunit = self.dh[:, H]
        self.mean, self.var = (np.empty(H, dtype) for _ in range(2))
        self.probs = np.empty((classes, n), dtype)
        self.maxes = np.empty(n, dtype)
        # Products with these are sums over rows, means over rows and sums over classes (D).
        self.ones, self.nth, self.every = (
            np.full(size, weight, dtype) for size, weight in ((n, 1), (n, 1 / n), (classes, 1))
        )
        # The variance is a sum of squares over n - 1; eps times n - 1 is added to the sum.
        # Units that are filled up have none, and eps may be 0.
        degrees = n if biased else n - 1
        self.margin = np.full(units, degrees * eps, dtype)
        self.margin[H:] = 1
        self.root, self.factor = np.array(math.sqrt(degrees), dtype), np.empty((), dtype)  # K

    def load(self, X: Ints, Y: Ints) -> None:
        """Prepare minibatches for ``step``: contexts (steps, n, T) and targets (steps, n)."""
        (steps, n, _), (classes, _), dtype = X.shape, self.probs.shape, self.flat.dtype
        self.indices = X.reshape(steps, -1)  # (steps, n·T)
        self.onehot = _onehot(self.indices, self.V, dtype).transpose(0, 2, 1)  # (steps, V, n·T)
        target = _onehot(Y, classes, dtype).transpose(0, 2, 1)
        self.target = np.ascontiguousarray(target)  # (steps, classes, n)
        self.norm_logits = np.empty_like(self.target)
        self.counts_sum = np.empty((steps, n), dtype)
        # Where the targets' norm_logits stand, all laid flat.
        self.place = (np.arange(steps)[:, None] * classes + Y) * n + np.arange(n)  # (steps, n)

    def step(self, k: int, lr: float) -> None:
        """One step of gradient descent on prepared minibatch ``k``."""
        self.differentiate(k, -lr)
        self.update()

    def differentiate(self, k: int, factor: float) -> None:
        """Fill ``gradient`` with ``factor`` times the gradients of minibatch ``k``."""
        self.compute_h(k)
        self.compute_probs(k)
        self.go_back(k, factor)

    def update(self) -> None:
        """Add ``gradient`` to the parameters that are trained."""
        for gradient in self.untrained:
            gradient.fill(0)
        np.add(self.flat, self.flat_gradient, self.flat)

    def compute_h(self, k: int) -> None:
        """The forward pass of minibatch ``k`` from its contexts to ``h``."""
        C, W1, _, _, bngain, bnbias = self.blocks  # I
        embcat, embmean, bndiff, h = self.embcat, self.embmean, self.bndiff, self.h
        spread, bnvar_inv, scale, scales = self.spread, self.bnvar_inv, self.scale, self.scales
        product = self.product

        C.take(self.indices[k], 0, self.emb, "clip")  # A, H, L
        self.nth.dot(embcat, embmean)  # D
        np.subtract(embcat, embmean, embcat)  # F
        embcat.dot(W1, bndiff)  # C; its mean is 0, whatever b1 is
        np.multiply(bndiff, bndiff, product)
        self.ones.dot(product, spread)
        if self.averaged:
            self._average()
        np.add(spread, self.margin, spread)  # (n−1) · (bnvar + eps), or n times
        np.sqrt(spread, bnvar_inv)
        np.divide(self.root, bnvar_inv, bnvar_inv)
        np.multiply(bngain, bnvar_inv, scale)
        np.copyto(scales, scale)  # M
        np.multiply(bndiff, scales, h)
        np.add(h, bnbias, h)
        np.tanh(h, h)

    def compute_probs(self, k: int) -> None:
        """The forward pass from ``h`` to the probabilities."""
        norm_logits, probs, counts_sum = self.norm_logits[k], self.probs, self.counts_sum[k]

        self.blocks.W2T.dot(self.h.T, norm_logits)  # with b2: J
        np.maximum.reduce(norm_logits, 0, out=self.maxes)
        np.subtract(norm_logits, self.maxes, norm_logits)
        np.exp(norm_logits, probs)  # counts
        self.every.dot(probs, counts_sum)
        np.divide(probs, counts_sum, probs)

    def go_back(self, k: int, factor: float) -> None:
        """The backward pass, from the probabilities to all gradients."""
        _, W1, _, W2T, _, _ = self.blocks
        dC, dW1, db1, dW2T, dbngain, dbnbias = self.gradient_blocks
        embcat, embmean, dembcat = self.embcat, self.embmean, self.dembcat
        bndiff, h, dh, product = self.bndiff, self.h, self.dh, self.product
        spread, bnvar_inv, scale, slope = self.spread, self.bnvar_inv, self.scale, self.slope
        ones, scales, probs = self.ones, self.scales, self.probs

        dlogits = np.subtract(probs, self.target[k], probs)
        self.factor.fill(factor / self.n)
        np.multiply(dlogits, self.factor, dlogits)  # G
        dlogits.dot(h, dW2T)
        dlogits.T.dot(W2T, dh)
        self.dunit.fill(0)  # it would be 0 · ∞ if b2 rules a class out
        np.multiply(h, h, h)
        np.multiply(h, dh, h)
        dhpreact = np.subtract(dh, h, dh)  # (1 - h²) · dh
        ones.dot(dhpreact, dbnbias)
        np.multiply(dhpreact, bndiff, product)
        ones.dot(product, slope)
        np.multiply(slope, bnvar_inv, dbngain)  # Σ dhpreact · bnraw
        # The fused formula, with bnraw as bndiff · bnvar_inv, is
        #     dhprebn = scale · (dhpreact − bndiff · slope) − scale · dbnbias / n
        # where slope = Σ dhpreact · bndiff / ((n−1) · (bnvar + eps)). Its last term is the same in
        # every row. It drops out of dW1, for embcat is centred, and is taken from dembcat by
        # centring that (F).
        np.divide(slope, spread, slope)
        np.multiply(bndiff, slope, bndiff)
        np.subtract(dhpreact, bndiff, dh)
        np.multiply(dh, scales, dh)
        embcat.T.dot(dh, dW1)
        ones.dot(dh, db1)
        np.multiply(scale, dbnbias, scale)
        np.subtract(db1, scale, db1)
        dh.dot(W1.T, dembcat)
        self.nth.dot(dembcat, embmean)
        np.subtract(dembcat, embmean, dembcat)
        self.onehot[k].dot(self.demb, dC)  # B

    def _average(self) -> None:
        """Set ``mean`` and ``var`` of the minibatch, which only running averages need."""
        H = len(self.mean)
        np.add(self.embmean.dot(self.params["W1"]), self.params["b1"], self.mean)
        np.divide(self.spread[:H], self.n - 1, self.var)

    def losses(self, first: int, last: int) -> Floats:
        """The losses of prepared minibatches ``first`` to ``last`` (excluded), all at once: E.

        A loss is log(sum of counts) − (logit − largest logit), which is finite for finite logits.
        """
        picked = self.norm_logits.take(self.place[first:last])
        losses: Floats = (np.log(self.counts_sum[first:last]) - picked).mean(1)
        return losses

    def store(self, params: Parameters) -> None:
        """Copy the parameters back into the arrays of ``params``."""
        for name, array in params.items():
            array[...] = self.params[name]


class _Blocks(NamedTuple):
    """The parameters, or their gradients, padded and in the layout of the workspace."""

    C: Array  # (V, E)
    W1: Array  # (T·E, units)
    b1: Array  # (units,)
    W2T: Array  # (classes, units): W2 transposed, then b2
    bngain: Array  # (units,)
    bnbias: Array  # (units,)


def _memory(sizes: dict[str, int], dtype: np.dtype[Any]) -> tuple[Array, _Blocks, dict[str, Array]]:
    """Zeros for all parameters in one array: flat, in blocks, and by name in their shapes."""
    H, V, K = sizes["H"], sizes["V"], sizes["T"] * sizes["E"]
    units = -(-(H + 1) // UNITS) * UNITS
    if units * dtype.itemsize % PAGE == 0:
        units += UNITS
    classes = -(-V // CLASSES) * CLASSES
    shapes = ((V, sizes["E"]), (K, units), (units,), (classes, units), (units,), (units,))
    counts = [math.prod(shape) for shape in shapes]
    flat = np.zeros(sum(counts), dtype)
    pieces = np.split(flat, np.cumsum(counts)[:-1])
    blocks = _Blocks(*(piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)))
    named = {
        "C": blocks.C,
        "W1": blocks.W1[:, :H],
        "b1": blocks.b1[:H],
        "W2": blocks.W2T[:V, :H].T,
        "b2": blocks.W2T[:V, H],
        "bngain": blocks.bngain[None, :H],
        "bnbias": blocks.bnbias[None, :H],
    }
    return flat, blocks, named


def _onehot(indices: Ints, V: int, dtype: np.dtype[Any]) -> Floats:
    """A row (V,) for each index: 1 at the index, else 0. Rows of np.eye would need V·V numbers."""
    flat = np.zeros(indices.size * V, dtype)
    flat[np.arange(0, flat.size, V) + indices.ravel()] = 1
    return flat.reshape(*indices.shape, V)
