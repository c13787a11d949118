"""Running averages of the minibatches' statistics, and the step that normalises by them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from npnet.base.arrays import Floats, Ints
from npnet.base.equality import EqualFields
from npnet.network.fused import cross_entropy
from npnet.network.parameters import Parameters
from npnet.recipes.recipe import Recipe
from npnet.training.batchnorm import Statistics


@dataclass(eq=False)
class Running(EqualFields):
    """Averages of the minibatches' statistics, kept during training.

    ``mean`` (H,) begins at 0 and ``spread`` (H,) at 1. Each step moves both towards the statistics
    of its minibatch, by the share ``momentum``. ``spread`` is a variance, or a standard deviation
    if ``deviation`` is true.
    """

    mean: Floats
    spread: Floats
    momentum: float
    deviation: bool

    @classmethod
    def begin(cls, recipe: Recipe) -> Running:
        """The averages before the first step of ``recipe``."""
        H, dtype = Recipe.of(recipe).hidden, recipe.dtype
        last = recipe.statistics == "last-batch"
        return cls(
            np.zeros(H, dtype),
            np.ones(H, dtype),
            1.0 if last else recipe.momentum,
            recipe.statistics == "running-std",
        )

    def update(self, mean: Floats, var: Floats) -> None:
        """Update the averages in place with the statistics of one more minibatch."""
        spread = np.sqrt(var) if self.deviation else var
        for average, newest in ((self.mean, mean), (self.spread, spread)):
            average *= 1 - self.momentum
            average += self.momentum * newest

    def statistics(self, eps: float) -> Statistics:
        """The averages so far, for evaluation and sampling."""
        var = self.spread**2 if self.deviation else self.spread
        return Statistics(self.mean[None, :].copy(), var[None, :].copy(), eps)


class RunningNorm:
    """Steps that normalise by running averages, through which no gradient flows.

    Training uses this class like ``npnet.network.fast.Workspace``, which normalises by the
    statistics of the minibatch. Few notebooks need running averages, so the code is plain, not
    fast.

    Args:
        params: copied; ``store`` copies back.
        trained: names of the parameters that ``step`` updates.
        averages: read at the beginning of each step. After the step, the caller updates them with
            ``mean`` and ``var``.
        eps: added to the variance.

    After a step, ``mean`` and ``var`` (H,) hold the minibatch's own statistics.
    """

    def __init__(
        self, params: Parameters, trained: Collection[str], averages: Running, eps: float
    ) -> None:
        self.params, self.trained = params.copy(), trained
        self.averages, self.eps = averages, eps
        self.mean: Floats
        self.var: Floats

    def load(self, X: Ints, Y: Ints) -> None:
        """Keep minibatches for ``step``: contexts (K, n, T) and targets (K, n)."""
        self.X, self.Y = X, Y
        self.noted = np.empty(len(Y), self.params.dtype)

    def step(self, k: int, lr: float) -> None:
        """One step of gradient descent on minibatch ``k``."""
        p, X, Y = self.params, self.X[k], self.Y[k]
        stats = self.averages.statistics(self.eps)

        embcat = p.C[X].reshape(len(X), -1)  # (n, T·E)
        hprebn = embcat @ p.W1 + p.b1  # (n, H)
        bnvar_inv = (stats.var + stats.eps) ** -0.5  # (1, H)
        bnraw = (hprebn - stats.mean) * bnvar_inv  # (n, H)
        h = np.tanh(p.bngain * bnraw + p.bnbias)  # (n, H)
        self.noted[k], dlogits = cross_entropy(h @ p.W2 + p.b2, Y)  # (), (n, V)

        dhpreact = (1 - h**2) * (dlogits @ p.W2.T)  # (n, H)
        dhprebn = dhpreact * p.bngain * bnvar_inv  # (n, H): mean and variance are constants
        dC = np.zeros_like(p.C)  # (V, E)
        np.add.at(dC, X, (dhprebn @ p.W1.T).reshape(*X.shape, -1))
        gradients = Parameters(
            C=dC,
            W1=embcat.T @ dhprebn,
            b1=dhprebn.sum(0),
            W2=h.T @ dlogits,
            b2=dlogits.sum(0),
            bngain=(dhpreact * bnraw).sum(0, keepdims=True),
            bnbias=dhpreact.sum(0, keepdims=True),
        )
        for name in self.trained:
            p[name][...] -= lr * gradients[name]
        self.mean, self.var = hprebn.mean(0), hprebn.var(0, ddof=1)

    def losses(self, first: int, last: int) -> Floats:
        """The losses of minibatches ``first`` to ``last`` (excluded)."""
        return self.noted[first:last]

    def store(self, params: Parameters) -> None:
        """Copy the parameters back into the arrays of ``params``."""
        for name, array in self.params.items():
            params[name][...] = array


def first_logits(recipe: Recipe, params: Parameters, X: Ints) -> Floats:
    """The logits (n, V) for the first minibatch's contexts (n, T), normalised as in training."""
    hprebn = params.C[X].reshape(len(X), -1) @ params.W1 + params.b1  # (n, H)
    if recipe.training_statistics == "running":
        stats = Running.begin(recipe).statistics(recipe.eps)
        mean, var = stats.mean, stats.var
    else:
        mean = hprebn.mean(0, keepdims=True)
        var = hprebn.var(0, keepdims=True, ddof=int(recipe.variance == "unbiased"))
    bnraw = (hprebn - mean) * (var + recipe.eps) ** -0.5
    logits: Floats = np.tanh(params.bngain * bnraw + params.bnbias) @ params.W2 + params.b2
    return logits
