"""The 26 gradients by hand, one function each, in the order in which they run.

``v`` holds the values of the forward pass, ``d`` the gradients made so far, ``d.loss`` being 1.
Every docstring has the same parts: the forward lines that the function undoes; the derivation in
index form, i a row of the batch, ending in the code's own expression; a word on the sum that a
broadcast owes, where there was one; and what people get wrong.
"""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from npnet.base.arrays import Array, Named
from npnet.base.errors import InputError
from npnet.network.forward import Values

Gradient = Callable[[Any, Any], Array]

GRADIENTS: dict[str, Gradient] = {}


def gradient(function: Gradient) -> Gradient:
    """Enter a function in the table, ``dprobs`` as ``probs``."""
    GRADIENTS[function.__name__.removeprefix("d")] = function
    return function


class Gradients(Named):
    """The 26 gradients, each in the shape of the value whose gradient it is."""

    loss = 1.0  # the gradient of the loss for itself, where every backward pass begins


def backward(values: Values | Mapping[str, ArrayLike]) -> Gradients:
    """Run the 26 functions over the values of a forward pass.

    Args:
        values: what ``npnet.forward`` returned.

    Returns:
        The gradients of the loss for the nineteen values and seven parameters, in the order in
        which they were made, in the dtype of the values.

    Raises:
        InputError: a value is missing.
    """
    v = values if isinstance(values, Values) else Values(values)
    d = SimpleNamespace(loss=Gradients.loss)
    for name, function in GRADIENTS.items():
        try:
            setattr(d, name, function(v, d))
        except AttributeError as error:
            raise InputError(f"backward: {error}, wanted all that npnet.forward returns") from error
    return Gradients({name: getattr(d, name) for name in GRADIENTS})


@gradient
def dlogprobs(v: Any, d: Any) -> Array:
    """
    loss = -logprobs[np.arange(len(Y)), Y].mean()

    The mean over n rows reads one entry of each, so that dlogprobs[i,Y[i]] = -dloss / n, and
    every other entry is 0:
    dlogprobs = np.zeros_like(logprobs)
    dlogprobs[np.arange(len(Y)), Y] = -dloss / len(Y)

    Often wrong: the 1/n is forgotten, since the loss itself looks like one number.
    """
    dlogprobs = np.zeros_like(v.logprobs)
    dlogprobs[np.arange(len(v.Y)), v.Y] = -d.loss / len(v.Y)
    return dlogprobs


@gradient
def dprobs(v: Any, d: Any) -> Array:
    """
    logprobs = np.log(probs)

    The derivative of log x is 1/x: dprobs[i,j] = dlogprobs[i,j] / probs[i,j]
    dprobs = dlogprobs / probs

    Often wrong: the upstream gradient is left out, and 1/probs stands alone.
    """
    return d.logprobs / v.probs


@gradient
def dcounts_sum_inv(v: Any, d: Any) -> Array:
    """
    probs = counts * counts_sum_inv

    dcounts_sum_inv[i] = Σ_j counts[i,j] · dprobs[i,j]
    dcounts_sum_inv = (counts * dprobs).sum(1, keepdims=True)

    Sum: one number a row served V columns, and collects from all of them.
    Often wrong: the sum is left out (shape (n, V)), or keepdims is (shape (n,)).
    """
    return (v.counts * d.probs).sum(1, keepdims=True)


@gradient
def dcounts_sum(v: Any, d: Any) -> Array:
    """
    counts_sum_inv = counts_sum**-1

    The derivative of 1/x is -1/x²: dcounts_sum[i] = -1 / counts_sum[i]² · dcounts_sum_inv[i]
    dcounts_sum = -1 / counts_sum**2 * dcounts_sum_inv

    Often wrong: the minus sign is forgotten, or the square.
    """
    return -1 / v.counts_sum**2 * d.counts_sum_inv


@gradient
def dcounts(v: Any, d: Any) -> Array:
    """
    probs = counts * counts_sum_inv
    counts_sum = counts.sum(1, keepdims=True)

    Two roads lead from counts to the loss, and their terms add up:
    dcounts[i,j] = dprobs[i,j] · counts_sum_inv[i] + dcounts_sum[i]
    dcounts = dprobs * counts_sum_inv + dcounts_sum

    Sum: the row's sum owes each of its V entries the same; broadcasting dcounts_sum repeats it.
    Often wrong: the second road is forgotten.
    """
    return d.probs * v.counts_sum_inv + d.counts_sum


@gradient
def dnorm_logits(v: Any, d: Any) -> Array:
    """
    counts = np.exp(norm_logits)

    exp is its own derivative: dnorm_logits[i,j] = counts[i,j] · dcounts[i,j]
    dnorm_logits = counts * dcounts

    Often wrong: norm_logits stands where counts, the exponential, belongs.
    """
    return v.counts * d.counts


@gradient
def dlogit_maxes(v: Any, d: Any) -> Array:
    """
    norm_logits = logits - logit_maxes

    dlogit_maxes[i] = -Σ_j dnorm_logits[i,j]
    dlogit_maxes = -dnorm_logits.sum(1, keepdims=True)

    Sum: one number a row was taken from V columns. It is 0 but for rounding: softmax ignores a
    shift of its row.
    Often wrong: zeros are written down because the answer is 0; the line still owes its sum.
    """
    return -d.norm_logits.sum(1, keepdims=True)


@gradient
def dlogits(v: Any, d: Any) -> Array:
    """
    norm_logits = logits - logit_maxes
    logit_maxes = logits.max(1, keepdims=True)

    Two roads. The maximum passes its gradient to the entry that won, the first where several
    are equal: dlogits[i,j] = dnorm_logits[i,j] + (j is the winner of row i) · dlogit_maxes[i]
    won = np.arange(logits.shape[1]) == logits.argmax(1, keepdims=True)
    dlogits = dnorm_logits + won * dlogit_maxes

    Often wrong: the maximum's road is forgotten, which an end-to-end check cannot see.
    """
    won = np.arange(v.logits.shape[1]) == v.logits.argmax(1, keepdims=True)
    return d.norm_logits + won * d.logit_maxes


@gradient
def dh(v: Any, d: Any) -> Array:
    """
    logits = h @ W2 + b2

    dh[i,k] = Σ_j dlogits[i,j] · W2[k,j]
    dh = dlogits @ W2.T

    Often wrong: W2 is not transposed; where H = V the shapes do not tell.
    """
    return d.logits @ v.W2.T


@gradient
def dW2(v: Any, d: Any) -> Array:
    """
    logits = h @ W2 + b2

    dW2[k,j] = Σ_i h[i,k] · dlogits[i,j]
    dW2 = h.T @ dlogits

    Sum: the weights served all n rows; the matrix product adds them up.
    Often wrong: the factors change places, which gives the transpose.
    """
    return v.h.T @ d.logits


@gradient
def db2(v: Any, d: Any) -> Array:
    """
    logits = h @ W2 + b2

    db2[j] = Σ_i dlogits[i,j]
    db2 = dlogits.sum(0)

    Sum: one bias served all n rows, and its shape (V,) has no row axis to keep.
    Often wrong: keepdims makes it (1, V); a mean stands where the sum belongs.
    """
    return d.logits.sum(0)


@gradient
def dhpreact(v: Any, d: Any) -> Array:
    """
    h = np.tanh(hpreact)

    The derivative of tanh is 1 - tanh², and tanh is at hand: dhpreact = (1 - h²) · dh
    dhpreact = (1 - h**2) * dh

    Often wrong: hpreact² stands where h² belongs.
    """
    return (1 - v.h**2) * d.h


@gradient
def dbngain(v: Any, d: Any) -> Array:
    """
    hpreact = bngain * bnraw + bnbias

    dbngain[k] = Σ_i bnraw[i,k] · dhpreact[i,k]
    dbngain = (bnraw * dhpreact).sum(0, keepdims=True)

    Sum: one gain a unit served all n rows.
    Often wrong: the sum runs over the wrong axis, or drops the row axis of (1, H).
    """
    return (v.bnraw * d.hpreact).sum(0, keepdims=True)


@gradient
def dbnbias(v: Any, d: Any) -> Array:
    """
    hpreact = bngain * bnraw + bnbias

    dbnbias[k] = Σ_i dhpreact[i,k]
    dbnbias = dhpreact.sum(0, keepdims=True)

    Sum: one bias a unit served all n rows.
    Often wrong: keepdims is forgotten, and (H,) broadcasts silently where (1, H) belongs.
    """
    return d.hpreact.sum(0, keepdims=True)


@gradient
def dbnraw(v: Any, d: Any) -> Array:
    """
    hpreact = bngain * bnraw + bnbias

    dbnraw[i,k] = bngain[k] · dhpreact[i,k]
    dbnraw = bngain * dhpreact

    Often wrong: the gain is left out, which goes unnoticed as long as it is 1.
    """
    return v.bngain * d.hpreact


@gradient
def dbnvar_inv(v: Any, d: Any) -> Array:
    """
    bnraw = bndiff * bnvar_inv

    dbnvar_inv[k] = Σ_i bndiff[i,k] · dbnraw[i,k]
    dbnvar_inv = (bndiff * dbnraw).sum(0, keepdims=True)

    Sum: one number a unit served all n rows.
    Often wrong: bnraw stands where bndiff belongs, or the sum is forgotten.
    """
    return (v.bndiff * d.bnraw).sum(0, keepdims=True)


@gradient
def dbnvar(v: Any, d: Any) -> Array:
    """
    bnvar_inv = (bnvar + eps)**-0.5

    The derivative of x^-½ is -½ · x^-1½: dbnvar[k] = -½ · (bnvar[k] + eps)^-1½ · dbnvar_inv[k]
    dbnvar = -0.5 * (bnvar + eps) ** -1.5 * dbnvar_inv

    Often wrong: eps is left out; the power -0.5 is kept.
    """
    return -0.5 * (v.bnvar + v.eps) ** -1.5 * d.bnvar_inv


@gradient
def dbndiff2(v: Any, d: Any) -> Array:
    """
    bnvar = bndiff2.sum(0, keepdims=True) / (len(bndiff2) - 1)

    dbndiff2[i,k] = dbnvar[k] / (n - 1)
    dbndiff2 = np.ones_like(bndiff2) * dbnvar / (len(bndiff2) - 1)

    Sum: a sum over rows owes each of its n rows the same; multiplying by ones repeats it.
    Often wrong: n stands where n - 1 belongs; the result stays (1, H).
    """
    return np.ones_like(v.bndiff2) * d.bnvar / (len(v.bndiff2) - 1)


@gradient
def dbndiff(v: Any, d: Any) -> Array:
    """
    bnraw = bndiff * bnvar_inv
    bndiff2 = bndiff**2

    Two roads: dbndiff[i,k] = bnvar_inv[k] · dbnraw[i,k] + 2 · bndiff[i,k] · dbndiff2[i,k]
    dbndiff = bnvar_inv * dbnraw + 2 * bndiff * dbndiff2

    Often wrong: the road through the variance is forgotten; so is its factor 2.
    """
    return v.bnvar_inv * d.bnraw + 2 * v.bndiff * d.bndiff2


@gradient
def dbnmeani(v: Any, d: Any) -> Array:
    """
    bndiff = hprebn - bnmeani

    dbnmeani[k] = -Σ_i dbndiff[i,k]
    dbnmeani = -dbndiff.sum(0, keepdims=True)

    Sum: one mean a unit was taken from all n rows.
    Often wrong: summed without keepdims, (H,) for (1, H).
    """
    return -d.bndiff.sum(0, keepdims=True)


@gradient
def dhprebn(v: Any, d: Any) -> Array:
    """
    bndiff = hprebn - bnmeani
    bnmeani = hprebn.mean(0, keepdims=True)

    Two roads: dhprebn[i,k] = dbndiff[i,k] + dbnmeani[k] / n
    dhprebn = dbndiff + dbnmeani / len(hprebn)

    Sum: the mean owes each of its n rows the n-th part; broadcasting repeats it.
    Often wrong: the road through the mean is forgotten, or its 1/n.
    """
    return d.bndiff + d.bnmeani / len(v.hprebn)


@gradient
def dembcat(v: Any, d: Any) -> Array:
    """
    hprebn = embcat @ W1 + b1

    dembcat[i,m] = Σ_k dhprebn[i,k] · W1[m,k]
    dembcat = dhprebn @ W1.T

    Often wrong: W1 is not transposed; where T·E = H the shapes do not tell.
    """
    return d.hprebn @ v.W1.T


@gradient
def dW1(v: Any, d: Any) -> Array:
    """
    hprebn = embcat @ W1 + b1

    dW1[m,k] = Σ_i embcat[i,m] · dhprebn[i,k]
    dW1 = embcat.T @ dhprebn

    Sum: the weights served all n rows; the matrix product adds them up.
    Often wrong: the factors change places, which gives the transpose.
    """
    return v.embcat.T @ d.hprebn


@gradient
def db1(v: Any, d: Any) -> Array:
    """
    hprebn = embcat @ W1 + b1

    db1[k] = Σ_i dhprebn[i,k]
    db1 = dhprebn.sum(0)

    Sum: one bias served all n rows. It is 0 but for rounding: the normalisation that follows
    takes any bias out again.
    Often wrong: zeros are written down because the answer is 0; the line still owes its sum.
    """
    return d.hprebn.sum(0)


@gradient
def demb(v: Any, d: Any) -> Array:
    """
    embcat = emb.reshape(len(emb), -1)

    The same numbers in another shape: demb[i,t,e] = dembcat[i,t·E+e]
    demb = dembcat.reshape(emb.shape)

    Often wrong: axes are swapped on the way, (T, n, E) or (n, E, T).
    """
    return d.embcat.reshape(v.emb.shape)


@gradient
def dC(v: Any, d: Any) -> Array:
    """
    emb = C[X]

    dC[c] = Σ over all (i,t) with X[i,t] = c of demb[i,t]
    dC = np.zeros_like(C)
    np.add.at(dC, X, demb)

    Sum: a character that stands in many contexts collects from each of them.
    Often wrong: dC[X] += demb, which keeps one of several repeats; a loop whose indentation
    leaves only the last context position.
    """
    dC = np.zeros_like(v.C)
    np.add.at(dC, v.X, d.emb)
    return dC
