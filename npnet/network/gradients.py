"""The 26 gradients by hand: one function for each, in the order in which they run.

``v`` holds the values of the forward pass, ``d`` the gradients that are already computed, and
``d.loss`` is 1. Any objects with these attributes work. Every function is the chain rule: for
each forward line that reads the value, the upstream gradient (of the line's result) times the local
gradient (of the line itself). Where two lines read the value, there are two paths to the loss, and
the gradients of both are added.

Every docstring has the same parts: the forward lines that read the value; the derivation with
indices (i is a row of the batch), which ends in the expression of the code; ``Sum``, where a
gradient is summed or repeated along an axis; and ``Often wrong``, the common mistakes.
"""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from npnet.base.arguments import an, require
from npnet.base.arrays import Floats, Named
from npnet.base.errors import InputError
from npnet.network.forward import Values


class Gradients(Named):
    """The 26 gradients, each in the shape of the value that it belongs to.

    During a backward pass it holds those that are already computed.
    """

    logprobs: Floats
    probs: Floats
    counts_sum_inv: Floats
    counts_sum: Floats
    counts: Floats
    norm_logits: Floats
    logit_maxes: Floats
    logits: Floats
    h: Floats
    W2: Floats
    b2: Floats
    hpreact: Floats
    bngain: Floats
    bnbias: Floats
    bnraw: Floats
    bnvar_inv: Floats
    bnvar: Floats
    bndiff2: Floats
    bndiff: Floats
    bnmeani: Floats
    hprebn: Floats
    embcat: Floats
    W1: Floats
    b1: Floats
    emb: Floats
    C: Floats

    @property
    def loss(self) -> float:
        """The gradient of the loss itself: 1, or the entry ``loss`` if there is one."""
        start: float = self.get("loss", 1.0)
        return start


Gradient = Callable[[Values, Gradients], Floats]

GRADIENTS: dict[str, Gradient] = {}


def gradient(function: Gradient) -> Gradient:
    """Add a function to the table GRADIENTS: ``dprobs`` under the name ``probs``."""
    GRADIENTS[function.__name__.removeprefix("d")] = function
    return function


def backward(values: Values | Mapping[str, ArrayLike]) -> Gradients:
    """Run the 26 functions over the values of a forward pass.

    Args:
        values: what ``npnet.forward`` returned.

    Returns:
        The gradients of the loss with respect to the nineteen other values and the seven
        parameters, in the order in which they are computed, in the dtype of the values.

    Raises:
        InputError: a value is missing.
    """
    require("backward", "values", values, an(Mapping, "what npnet.forward returned"))
    v = values if isinstance(values, Values) else Values(values)
    d: Any = SimpleNamespace(loss=1.0)
    for name, function in GRADIENTS.items():
        try:
            setattr(d, name, function(v, d))
        except AttributeError as error:
            raise InputError(f"backward: {error}, wanted all that npnet.forward returns") from error
    return Gradients({name: getattr(d, name) for name in GRADIENTS})


@gradient
def dlogprobs(v: Values, d: Gradients) -> Floats:
    """
    loss = -logprobs[np.arange(len(Y)), Y].mean()

    The mean reads one entry of each of the n rows. The local gradient there is -1/n, and 0 at
    every other entry: dlogprobs[i,Y[i]] = -dloss / n
    dlogprobs = np.zeros_like(logprobs)
    dlogprobs[np.arange(len(Y)), Y] = -dloss / len(Y)

    Often wrong: the 1/n of the mean is forgotten.
    """
    dlogprobs = np.zeros_like(v.logprobs)
    dlogprobs[np.arange(len(v.Y)), v.Y] = -d.loss / len(v.Y)
    return dlogprobs


@gradient
def dprobs(v: Values, d: Gradients) -> Floats:
    """
    logprobs = np.log(probs)

    The derivative of log x is 1/x: dprobs[i,j] = dlogprobs[i,j] / probs[i,j]
    dprobs = dlogprobs / probs

    Often wrong: the upstream gradient is left out, and 1/probs stands alone.
    """
    return d.logprobs / v.probs


@gradient
def dcounts_sum_inv(v: Values, d: Gradients) -> Floats:
    """
    probs = counts * counts_sum_inv

    The local gradient of a factor is the other factor:
    dcounts_sum_inv[i] = Σ_j counts[i,j] · dprobs[i,j]
    dcounts_sum_inv = (counts * dprobs).sum(1, keepdims=True)

    Sum: counts_sum_inv is broadcast over the V columns, so its gradient is summed over that axis.
    Often wrong: the sum is left out (shape (n, V)), or keepdims is left out (shape (n,)).
    """
    return (v.counts * d.probs).sum(1, keepdims=True)


@gradient
def dcounts_sum(v: Values, d: Gradients) -> Floats:
    """
    counts_sum_inv = counts_sum**-1

    The derivative of 1/x is -1/x²: dcounts_sum[i] = -1 / counts_sum[i]² · dcounts_sum_inv[i]
    dcounts_sum = -1 / counts_sum**2 * dcounts_sum_inv

    Often wrong: the minus sign is forgotten, or the square.
    """
    return -1 / v.counts_sum**2 * d.counts_sum_inv


@gradient
def dcounts(v: Values, d: Gradients) -> Floats:
    """
    probs = counts * counts_sum_inv
    counts_sum = counts.sum(1, keepdims=True)

    Two paths. Through probs the local gradient is counts_sum_inv, through counts_sum it is 1:
    dcounts[i,j] = dprobs[i,j] · counts_sum_inv[i] + dcounts_sum[i]
    dcounts = dprobs * counts_sum_inv + dcounts_sum

    Sum: a sum passes its gradient to every entry that it adds; broadcasting repeats dcounts_sum
    along the row.
    Often wrong: the path through counts_sum is forgotten.
    """
    return d.probs * v.counts_sum_inv + d.counts_sum


@gradient
def dnorm_logits(v: Values, d: Gradients) -> Floats:
    """
    counts = np.exp(norm_logits)

    The derivative of exp is exp, which is counts: dnorm_logits[i,j] = counts[i,j] · dcounts[i,j]
    dnorm_logits = counts * dcounts

    Often wrong: norm_logits stands where counts, the exponential, belongs.
    """
    return v.counts * d.counts


@gradient
def dlogit_maxes(v: Values, d: Gradients) -> Floats:
    """
    norm_logits = logits - logit_maxes

    The local gradient of what is subtracted is -1: dlogit_maxes[i] = -Σ_j dnorm_logits[i,j]
    dlogit_maxes = -dnorm_logits.sum(1, keepdims=True)

    Sum: logit_maxes is broadcast over the V columns, so its gradient is summed over that axis. The
    sum is 0, except for rounding: softmax stays the same if a row is shifted.
    Often wrong: zeros are written because the answer is 0; for other upstream gradients the sum
    is not 0.
    """
    return -d.norm_logits.sum(1, keepdims=True)


@gradient
def dlogits(v: Values, d: Gradients) -> Floats:
    """
    norm_logits = logits - logit_maxes
    logit_maxes = logits.max(1, keepdims=True)

    Two paths. Through norm_logits the local gradient is 1. Through logit_maxes it is 1 at the
    largest entry of the row, the first if several are equal, and 0 at all others:
    dlogits[i,j] = dnorm_logits[i,j] + (1 if j is the largest of row i, else 0) · dlogit_maxes[i]
    largest = np.arange(logits.shape[1]) == logits.argmax(1, keepdims=True)
    dlogits = dnorm_logits + largest * dlogit_maxes

    Often wrong: the path through logit_maxes is forgotten, which an end-to-end check cannot see.
    """
    largest = np.arange(v.logits.shape[1]) == v.logits.argmax(1, keepdims=True)
    return d.norm_logits + largest * d.logit_maxes


@gradient
def dh(v: Values, d: Gradients) -> Floats:
    """
    logits = h @ W2 + b2

    The local gradient of h[i,k] in logits[i,j] is W2[k,j]: dh[i,k] = Σ_j dlogits[i,j] · W2[k,j]
    dh = dlogits @ W2.T

    Often wrong: W2 is not transposed; if H = V, the shapes do not show it.
    """
    return d.logits @ v.W2.T


@gradient
def dW2(v: Values, d: Gradients) -> Floats:
    """
    logits = h @ W2 + b2

    The local gradient of W2[k,j] in logits[i,j] is h[i,k]: dW2[k,j] = Σ_i h[i,k] · dlogits[i,j]
    dW2 = h.T @ dlogits

    Sum: all n rows use the same weights, so their gradients are summed; the matrix product does it.
    Often wrong: the factors are swapped, which gives the transpose.
    """
    return v.h.T @ d.logits


@gradient
def db2(v: Values, d: Gradients) -> Floats:
    """
    logits = h @ W2 + b2

    The local gradient of a bias is 1: db2[j] = Σ_i dlogits[i,j]
    db2 = dlogits.sum(0)

    Sum: b2 is broadcast over the n rows, so its gradient is summed over that axis. Its shape (V,)
    has no row axis to keep.
    Often wrong: keepdims makes it (1, V); a mean stands where the sum belongs.
    """
    return d.logits.sum(0)


@gradient
def dhpreact(v: Values, d: Gradients) -> Floats:
    """
    h = np.tanh(hpreact)

    The derivative of tanh is 1 - tanh², and tanh is h: dhpreact[i,k] = (1 - h[i,k]²) · dh[i,k]
    dhpreact = (1 - h**2) * dh

    Often wrong: hpreact² stands where h² belongs.
    """
    return (1 - v.h**2) * d.h


@gradient
def dbngain(v: Values, d: Gradients) -> Floats:
    """
    hpreact = bngain * bnraw + bnbias

    The local gradient of a factor is the other factor:
    dbngain[k] = Σ_i bnraw[i,k] · dhpreact[i,k]
    dbngain = (bnraw * dhpreact).sum(0, keepdims=True)

    Sum: bngain is broadcast over the n rows, so its gradient is summed over that axis.
    Often wrong: the sum runs over the wrong axis, or drops the row axis of (1, H).
    """
    return (v.bnraw * d.hpreact).sum(0, keepdims=True)


@gradient
def dbnbias(v: Values, d: Gradients) -> Floats:
    """
    hpreact = bngain * bnraw + bnbias

    The local gradient of a bias is 1: dbnbias[k] = Σ_i dhpreact[i,k]
    dbnbias = dhpreact.sum(0, keepdims=True)

    Sum: bnbias is broadcast over the n rows, so its gradient is summed over that axis.
    Often wrong: keepdims is forgotten, and (H,) silently broadcasts where (1, H) belongs.
    """
    return d.hpreact.sum(0, keepdims=True)


@gradient
def dbnraw(v: Values, d: Gradients) -> Floats:
    """
    hpreact = bngain * bnraw + bnbias

    The local gradient of a factor is the other factor: dbnraw[i,k] = bngain[k] · dhpreact[i,k]
    dbnraw = bngain * dhpreact

    Often wrong: the gain is left out, which nobody notices as long as it is 1.
    """
    return v.bngain * d.hpreact


@gradient
def dbnvar_inv(v: Values, d: Gradients) -> Floats:
    """
    bnraw = bndiff * bnvar_inv

    The local gradient of a factor is the other factor:
    dbnvar_inv[k] = Σ_i bndiff[i,k] · dbnraw[i,k]
    dbnvar_inv = (bndiff * dbnraw).sum(0, keepdims=True)

    Sum: bnvar_inv is broadcast over the n rows, so its gradient is summed over that axis.
    Often wrong: bnraw stands where bndiff belongs, or the sum is forgotten.
    """
    return (v.bndiff * d.bnraw).sum(0, keepdims=True)


@gradient
def dbnvar(v: Values, d: Gradients) -> Floats:
    """
    bnvar_inv = (bnvar + eps)**-0.5

    The derivative of x^-0.5 is -0.5 · x^-1.5:
    dbnvar[k] = -0.5 · (bnvar[k] + eps)^-1.5 · dbnvar_inv[k]
    dbnvar = -0.5 * (bnvar + eps) ** -1.5 * dbnvar_inv

    Often wrong: eps is left out, or the power stays -0.5.
    """
    return -0.5 * (v.bnvar + v.eps) ** -1.5 * d.bnvar_inv


@gradient
def dbndiff2(v: Values, d: Gradients) -> Floats:
    """
    bnvar = bndiff2.sum(0, keepdims=True) / (len(bndiff2) - 1)

    Every entry is added and divided by n - 1: dbndiff2[i,k] = dbnvar[k] / (n - 1)
    dbndiff2 = np.ones_like(bndiff2) * dbnvar / (len(bndiff2) - 1)

    Sum: a sum passes its gradient to every entry that it adds; multiplying by ones repeats dbnvar
    along the n rows.
    Often wrong: n stands where n - 1 belongs; the result stays (1, H).
    """
    return np.ones_like(v.bndiff2) * d.bnvar / (len(v.bndiff2) - 1)


@gradient
def dbndiff(v: Values, d: Gradients) -> Floats:
    """
    bnraw = bndiff * bnvar_inv
    bndiff2 = bndiff**2

    Two paths. Through bnraw the local gradient is bnvar_inv, through bndiff2 it is 2 · bndiff:
    dbndiff[i,k] = bnvar_inv[k] · dbnraw[i,k] + 2 · bndiff[i,k] · dbndiff2[i,k]
    dbndiff = bnvar_inv * dbnraw + 2 * bndiff * dbndiff2

    Often wrong: the path through bndiff2 is forgotten, or its factor 2.
    """
    return v.bnvar_inv * d.bnraw + 2 * v.bndiff * d.bndiff2


@gradient
def dbnmeani(v: Values, d: Gradients) -> Floats:
    """
    bndiff = hprebn - bnmeani

    The local gradient of what is subtracted is -1: dbnmeani[k] = -Σ_i dbndiff[i,k]
    dbnmeani = -dbndiff.sum(0, keepdims=True)

    Sum: bnmeani is broadcast over the n rows, so its gradient is summed over that axis.
    Often wrong: the sum has no keepdims, which gives (H,) for (1, H).
    """
    return -d.bndiff.sum(0, keepdims=True)


@gradient
def dhprebn(v: Values, d: Gradients) -> Floats:
    """
    bndiff = hprebn - bnmeani
    bnmeani = hprebn.mean(0, keepdims=True)

    Two paths. Through bndiff the local gradient is 1, through bnmeani it is 1/n:
    dhprebn[i,k] = dbndiff[i,k] + dbnmeani[k] / n
    dhprebn = dbndiff + dbnmeani / len(hprebn)

    Sum: a mean passes 1/n of its gradient to every entry; broadcasting repeats dbnmeani along the
    n rows.
    Often wrong: the path through bnmeani is forgotten, or its 1/n.
    """
    return d.bndiff + d.bnmeani / len(v.hprebn)


@gradient
def dembcat(v: Values, d: Gradients) -> Floats:
    """
    hprebn = embcat @ W1 + b1

    The local gradient of embcat[i,m] in hprebn[i,k] is W1[m,k]:
    dembcat[i,m] = Σ_k dhprebn[i,k] · W1[m,k]
    dembcat = dhprebn @ W1.T

    Often wrong: W1 is not transposed; if T·E = H, the shapes do not show it.
    """
    return d.hprebn @ v.W1.T


@gradient
def dW1(v: Values, d: Gradients) -> Floats:
    """
    hprebn = embcat @ W1 + b1

    The local gradient of W1[m,k] in hprebn[i,k] is embcat[i,m]:
    dW1[m,k] = Σ_i embcat[i,m] · dhprebn[i,k]
    dW1 = embcat.T @ dhprebn

    Sum: all n rows use the same weights, so their gradients are summed; the matrix product does it.
    Often wrong: the factors are swapped, which gives the transpose.
    """
    return v.embcat.T @ d.hprebn


@gradient
def db1(v: Values, d: Gradients) -> Floats:
    """
    hprebn = embcat @ W1 + b1

    The local gradient of a bias is 1: db1[k] = Σ_i dhprebn[i,k]
    db1 = dhprebn.sum(0)

    Sum: b1 is broadcast over the n rows, so its gradient is summed over that axis. The sum is 0,
    except for rounding: batch normalisation removes any bias.
    Often wrong: zeros are written because the answer is 0; for other upstream gradients the sum
    is not 0.
    """
    return d.hprebn.sum(0)


@gradient
def demb(v: Values, d: Gradients) -> Floats:
    """
    embcat = emb.reshape(len(emb), -1)

    The same numbers in another shape: demb[i,t,e] = dembcat[i,t·E+e]
    demb = dembcat.reshape(emb.shape)

    Often wrong: axes are swapped on the way, (T, n, E) or (n, E, T).
    """
    return d.embcat.reshape(v.emb.shape)


@gradient
def dC(v: Values, d: Gradients) -> Floats:
    """
    emb = C[X]

    Every place (i,t) of a context is a copy of one row of C, the row X[i,t]:
    dC[c] = Σ over all (i,t) with X[i,t] = c of demb[i,t]
    dC = np.zeros_like(C)
    np.add.at(dC, X, demb)

    Sum: a character that stands in several places gets the sum of their gradients.
    Often wrong: dC[X] += demb, which keeps one of several repeats; a loop whose indentation
    leaves only the last context position.
    """
    dC = np.zeros_like(v.C)
    np.add.at(dC, v.X, d.emb)
    return dC
