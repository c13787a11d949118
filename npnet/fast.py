"""The fused pass over arrays that are made once: what training runs.

The same mathematics as ``npnet.fused``, line by line, with every result written into memory
that is already there, and the work that does not depend on the parameters done for many
minibatches at once.
"""

from collections.abc import Collection

import numpy as np

from npnet.arrays import Array, Floats, Ints
from npnet.names import PARAMETER_NAMES
from npnet.parameters import Parameters


class Workspace:
    """The arrays of a training step for minibatches of one size.

    Args:
        params: copied; ``store`` copies back.
        batch: rows of a minibatch, n.
        eps: added to the variance.
        trained: names of the parameters that ``step`` updates.

    After a step, ``mean`` and ``var`` (H,) hold the minibatch's statistics.
    """

    def __init__(
        self, params: Parameters, batch: int, eps: float, trained: Collection[str]
    ) -> None:
        dtype, sizes = params.dtype, params.sizes
        n, T, E, H, V = batch, sizes["T"], sizes["E"], sizes["H"], sizes["V"]
        self.n, self.eps = n, eps
        # All parameters side by side, and their gradients likewise: one update for all seven.
        self.flat = np.concatenate([array.ravel() for array in params.values()])
        self.flat_gradient = np.zeros_like(self.flat)
        self.params = _views(self.flat, params)
        self.gradient = _views(self.flat_gradient, params)
        self.untrained = [self.gradient[name] for name in PARAMETER_NAMES if name not in trained]

        self.emb = np.empty((n * T, E), dtype)
        self.embcat = self.emb.reshape(n, T * E)
        self.bndiff, self.square, self.h, self.dh = (np.empty((n, H), dtype) for _ in range(4))
        self.mean, self.var, self.bnvar_inv, self.scale = (np.empty(H, dtype) for _ in range(4))
        self.probs = np.empty((n, V), dtype)
        self.row = np.empty((n, 1), dtype)
        self.demb = np.empty((n * T, E), dtype)
        self.dembcat = self.demb.reshape(n, T * E)
        self.ones = np.ones(n, dtype)

    def load(self, X: Ints, Y: Ints) -> None:
        """Prepare minibatches for ``step``: contexts (K, n, T) and targets (K, n)."""
        K, n, _ = X.shape
        V = len(self.params.C)
        self.indices = X.reshape(K, -1)  # (K, n·T)
        # dC is a matrix product with the one-hot contexts: repeats add up by themselves.
        self.onehot = np.zeros((K, V, self.indices.shape[1]), self.flat.dtype)
        np.put_along_axis(self.onehot, self.indices[:, None, :], 1, axis=1)
        self.targets = np.arange(n) * V + Y  # (K, n), places in the raveled (n, V)
        self.picked = np.empty((K, n), self.flat.dtype)
        self.sums = np.empty((K, n), self.flat.dtype)

    def step(self, k: int, lr: float) -> None:
        """One step of gradient descent on prepared minibatch ``k``."""
        self.differentiate(k)
        for gradient in self.untrained:
            gradient.fill(0)
        np.multiply(self.flat_gradient, lr, out=self.flat_gradient)
        np.subtract(self.flat, self.flat_gradient, out=self.flat)

    def differentiate(self, k: int) -> None:
        """Fill ``gradient`` with the gradients of minibatch ``k``, and note its loss."""
        p, d, n, ones = self.params, self.gradient, self.n, self.ones
        bndiff, square, h, dh, probs = self.bndiff, self.square, self.h, self.dh, self.probs

        p.C.take(self.indices[k], axis=0, out=self.emb, mode="clip")
        self.embcat.dot(p.W1, out=bndiff)
        bndiff += p.b1
        ones.dot(bndiff, out=self.mean)
        self.mean /= n
        bndiff -= self.mean
        np.multiply(bndiff, bndiff, out=square)
        ones.dot(square, out=self.var)
        self.var /= n - 1
        np.add(self.var, self.eps, out=self.bnvar_inv)
        np.sqrt(self.bnvar_inv, out=self.bnvar_inv)
        np.reciprocal(self.bnvar_inv, out=self.bnvar_inv)
        np.multiply(p.bngain[0], self.bnvar_inv, out=self.scale)
        np.multiply(bndiff, self.scale, out=h)
        h += p.bnbias
        np.tanh(h, out=h)
        h.dot(p.W2, out=probs)
        probs += p.b2
        probs.max(axis=1, keepdims=True, out=self.row)
        probs -= self.row
        probs.take(self.targets[k], out=self.picked[k], mode="clip")
        np.exp(probs, out=probs)
        probs.sum(axis=1, keepdims=True, out=self.row)
        self.sums[k] = self.row[:, 0]
        probs /= self.row

        dlogits = probs  # in the same memory, from here on
        dlogits.ravel()[self.targets[k]] -= 1
        dlogits /= n
        h.T.dot(dlogits, out=d.W2)
        ones.dot(dlogits, out=d.b2)
        dlogits.dot(p.W2.T, out=dh)
        np.multiply(h, h, out=h)
        np.subtract(1, h, out=h)
        dh *= h  # dhpreact
        ones.dot(dh, out=d.bnbias[0])
        np.multiply(dh, bndiff, out=square)
        ones.dot(square, out=d.bngain[0])
        np.multiply(d.bngain, self.bnvar_inv, out=d.bngain)
        # scale · (dhpreact − dbnbias/n − bndiff · bnvar_inv·dbngain/(n−1)), the fused formula
        # with bnraw written as bndiff · bnvar_inv
        dh -= d.bnbias / n
        np.multiply(d.bngain[0], self.bnvar_inv, out=self.bnvar_inv)
        self.bnvar_inv /= n - 1
        bndiff *= self.bnvar_inv
        dh -= bndiff
        dh *= self.scale  # dhprebn
        self.embcat.T.dot(dh, out=d.W1)
        ones.dot(dh, out=d.b1)
        dh.dot(p.W1.T, out=self.dembcat)
        self.onehot[k].dot(self.demb, out=d.C)

    def losses(self, first: int, last: int) -> Floats:
        """The losses of prepared minibatches ``first`` to ``last`` (excluded), all at once.

        log(sum of counts) − (logit − largest logit), so finite for any finite logits.
        """
        losses: Floats = (np.log(self.sums[first:last]) - self.picked[first:last]).mean(1)
        return losses

    def store(self, params: Parameters) -> None:
        """Copy the parameters out, into arrays of ``params`` as they stand."""
        for name, array in self.params.items():
            params[name][...] = array


def _views(flat: Array, params: Parameters) -> Parameters:
    ends = np.cumsum([array.size for array in params.values()])
    return Parameters(
        **{
            name: flat[end - array.size : end].reshape(array.shape)
            for (name, array), end in zip(params.items(), ends, strict=True)
        }
    )
