"""The fused pass over memory that is made once: what training runs.

The mathematics is that of ``npnet.fused``. What is done differently has a letter, and stands here
with what a step (H = 200, n = 32, float32, one thread, AVX2 kernels) takes longer when that alone
is undone:

* A, 25 %: minibatches are prepared many at a time; gathering costs as much for 64 as for one.
* B, 11 %: dC is a product with the one-hot contexts, in which repeats add up by themselves.
* C, 8 %: ``a.dot(b, out)`` for products of matrices; ``matmul`` takes longer to find the same BLAS.
* D, 8 %: sums over rows are products with a vector of ones (or of 1/n), which BLAS adds faster
  than ``add.reduce``.
* E, 7 %: logarithms of the losses are taken for many steps at once.
* F, 5 %: the embeddings are centred over the batch. The hidden layer then has mean 0 and needs no
  mean subtracted; likewise backward, where it is dembcat that is centred. b1 drops out of the
  forward pass, but not its gradient.
* G, 4 %: parameters lie side by side in one array and their gradients in another, so that one
  addition updates them all; -rate/n is multiplied into dlogits, from which all gradients follow.
* H, 3 %: every result goes into memory that is there (``out``).
* I, 1 %: what is read often has a local name.

Logits are kept a column for each row of the batch, (V, n): their maximum over classes is then taken
along memory, 1.8 µs for 2.5.
"""

from collections.abc import Collection
from typing import Any

import numpy as np

from npnet.arrays import Array, Floats, Ints
from npnet.parameters import Parameters


class Workspace:
    """The memory of a training step for minibatches of one size.

    Args:
        params: copied; ``store`` copies back.
        batch: rows of a minibatch, n.
        eps: added to the variance.
        trained: names of the parameters that ``step`` updates.
        averaged: whether somebody wants the minibatches' statistics: after a step they stand in
            ``mean`` and ``var`` (H,).
    """

    def __init__(
        self,
        params: Parameters,
        batch: int,
        eps: float,
        trained: Collection[str],
        *,
        averaged: bool = False,
    ) -> None:
        dtype, sizes = params.dtype, params.sizes
        n, T, E, H, V = batch, sizes["T"], sizes["E"], sizes["H"], sizes["V"]
        self.n, self.eps, self.averaged = n, eps, averaged

        self.flat = np.concatenate([array.ravel() for array in _transposed(params).values()])
        self.flat_gradient = np.zeros_like(self.flat)
        self.params = _views(self.flat, params)
        self.gradient = _views(self.flat_gradient, params)
        self.untrained = [array for name, array in self.gradient.items() if name not in trained]

        self.emb = np.empty((n * T, E), dtype)
        self.embcat = self.emb.reshape(n, T * E)
        self.embmean = np.empty(T * E, dtype)
        self.demb = np.empty((n * T, E), dtype)
        self.dembcat = self.demb.reshape(n, T * E)
        self.bndiff, self.h, self.dh, self.product = (np.empty((n, H), dtype) for _ in range(4))
        self.mean, self.var, self.bnvar_inv = (np.empty(H, dtype) for _ in range(3))
        self.scale, self.slope = (np.empty(H, dtype) for _ in range(2))
        self.probs = np.empty((V, n), dtype)
        self.maxes = np.empty(n, dtype)
        # Products with these are sums, means and unbiased variances over the rows of a batch.
        self.ones, self.nth, self.bessel = (
            np.full(n, weight, dtype) for weight in (1, 1 / n, 1 / (n - 1))
        )
        self.classes = np.ones(V, dtype)

    def load(self, X: Ints, Y: Ints) -> None:
        """Prepare minibatches for ``step``: contexts (K, n, T) and targets (K, n)."""
        (K, n, _), dtype = X.shape, self.flat.dtype
        self.indices = X.reshape(K, -1)  # (K, n·T)
        onehot, target = (_onehot(each, len(self.classes), dtype) for each in (self.indices, Y))
        self.onehot = onehot.transpose(0, 2, 1)  # (K, V, n·T)
        self.target = np.ascontiguousarray(target.transpose(0, 2, 1))  # (K, V, n)
        self.place = Y * n + np.arange(n)  # (K, n), of the targets in (V, n) laid flat
        self.picked, self.sums = (np.empty((K, n), dtype) for _ in range(2))

    def step(self, k: int, lr: float) -> None:
        """One step of gradient descent on prepared minibatch ``k``."""
        self.differentiate(k, -lr)
        for gradient in self.untrained:
            gradient.fill(0)
        np.add(self.flat, self.flat_gradient, self.flat)

    def differentiate(self, k: int, factor: float) -> None:
        """Fill ``gradient`` with ``factor`` times the gradients of minibatch ``k``."""
        C, W1, b1, W2T, b2, bngain, bnbias = self.params.values()  # I
        dC, dW1, db1, dW2T, db2, dbngain, dbnbias = self.gradient.values()
        embcat, embmean, dembcat = self.embcat, self.embmean, self.dembcat
        bndiff, h, dh, product = self.bndiff, self.h, self.dh, self.product
        bnvar_inv, scale, slope = self.bnvar_inv, self.scale, self.slope
        probs, sums, n, ones = self.probs, self.sums[k], self.n, self.ones

        C.take(self.indices[k], 0, self.emb)  # A, H
        self.nth.dot(embcat, embmean)  # D
        np.subtract(embcat, embmean, embcat)  # F
        embcat.dot(W1, bndiff)  # C; its mean is 0, whatever b1 is
        if self.averaged:
            np.add(embmean.dot(W1), b1, self.mean)
        np.multiply(bndiff, bndiff, product)
        self.bessel.dot(product, self.var)
        np.add(self.var, self.eps, bnvar_inv)
        np.sqrt(bnvar_inv, bnvar_inv)
        np.divide(1, bnvar_inv, bnvar_inv)
        np.multiply(bngain, bnvar_inv, scale)
        np.multiply(bndiff, scale, h)
        np.add(h, bnbias, h)
        np.tanh(h, h)
        W2T.dot(h.T, probs)
        np.add(probs, b2, probs)
        np.maximum.reduce(probs, 0, out=self.maxes)
        np.subtract(probs, self.maxes, probs)  # norm_logits
        probs.take(self.place[k], None, self.picked[k])  # E
        np.exp(probs, probs)  # counts
        self.classes.dot(probs, sums)
        np.divide(probs, sums, probs)

        dlogits = np.subtract(probs, self.target[k], probs)
        np.multiply(dlogits, factor / n, dlogits)  # G
        dlogits.dot(h, dW2T)
        dlogits.dot(ones, db2[:, 0])
        dlogits.T.dot(W2T, dh)
        np.multiply(h, h, h)
        np.multiply(h, dh, h)
        dhpreact = np.subtract(dh, h, dh)  # (1 - h²) · dh
        ones.dot(dhpreact, dbnbias)
        np.multiply(dhpreact, bndiff, product)
        ones.dot(product, slope)
        np.multiply(slope, bnvar_inv, dbngain)  # Σ dhpreact · bnraw
        # The fused formula, with bnraw as bndiff · bnvar_inv, is
        #     dhprebn = scale · (dhpreact − bndiff · slope) − scale · dbnbias / n
        # where slope = bnvar_inv · dbngain / (n−1). Its last term is the same in every row. It
        # drops out of dW1, for embcat is centred, and is taken from dembcat by centring that (F).
        np.multiply(dbngain, bnvar_inv, slope)
        np.multiply(slope, 1 / (n - 1), slope)
        np.multiply(bndiff, slope, bndiff)
        np.subtract(dhpreact, bndiff, dh)
        np.multiply(dh, scale, dh)
        embcat.T.dot(dh, dW1)
        ones.dot(dh, db1)
        np.multiply(scale, dbnbias, scale)
        np.subtract(db1, scale, db1)
        dh.dot(W1.T, dembcat)
        self.nth.dot(dembcat, embmean)
        np.subtract(dembcat, embmean, dembcat)
        self.onehot[k].dot(self.demb, dC)  # B

    def losses(self, first: int, last: int) -> Floats:
        """The losses of prepared minibatches ``first`` to ``last`` (excluded), all at once.

        log(sum of counts) − (logit − largest logit), so finite for any finite logits.
        """
        losses: Floats = (np.log(self.sums[first:last]) - self.picked[first:last]).mean(1)
        return losses

    def store(self, params: Parameters) -> None:
        """Copy the parameters out, into the arrays of ``params`` as they stand."""
        for name, array in _transposed(params).items():
            array[...] = self.params[name].reshape(array.shape)


def _onehot(indices: Ints, V: int, dtype: np.dtype[Any]) -> Floats:
    """A row (V,) for each index, with 1 in its place. Rows of np.eye would need V·V numbers."""
    flat = np.zeros(indices.size * V, dtype)
    flat[np.arange(0, flat.size, V) + indices.ravel()] = 1
    return flat.reshape(*indices.shape, V)


def _transposed(params: Parameters) -> dict[str, Array]:
    """The seven arrays as the workspace lays them out: W2 is (V, H) there, like the logits."""
    return {**params, "W2": params.W2.T}


def _views(flat: Array, params: Parameters) -> dict[str, Array]:
    """The parts of ``flat`` as matrices, and as vectors what has one number a hidden unit."""
    arrays = _transposed(params)
    shapes = {name: array.shape for name, array in arrays.items()}
    shapes |= {"bngain": params.b1.shape, "bnbias": params.b1.shape, "b2": (params.b2.size, 1)}
    ends = np.cumsum([array.size for array in arrays.values()])
    return {
        name: flat[end - array.size : end].reshape(shapes[name])
        for (name, array), end in zip(arrays.items(), ends, strict=True)
    }
