"""How torch's ``multinomial`` turns random numbers into classes.

The functions here are given the random numbers; ``Generator.multinomial`` draws them. The rules are
those of torch 2.13 (ATen/native/Distributions.cpp and ATen/native/cpu/MultinomialKernel.cpp).
"""

import numpy as np

from npnet.base.arrays import Floats, Ints
from npnet.base.errors import InputError, kind_of

MOST_CLASSES = 1 << 24  # torch's multinomial chooses from at most this many classes


def check_probabilities(probs: Floats) -> None:
    """Check that ``probs`` can be used.

    Raises:
        InputError: ``probs`` is not a float32 or float64 array (V,) or (n, V), an entry is negative
            or not finite, or a row has only zeros.
    """
    known = isinstance(probs, np.ndarray) and probs.dtype in (np.float32, np.float64)
    if not known or probs.ndim not in (1, 2) or not 1 <= probs.shape[-1] <= MOST_CLASSES:
        array = isinstance(probs, np.ndarray)
        got = f"{probs.shape} {probs.dtype}" if array else kind_of(probs)
        raise InputError(
            f"multinomial: probs {got}, wanted a float32 or float64 array (V,) or (n, V) "
            f"with V from 1 to {MOST_CLASSES}"
        )
    smallest, largest = probs.min(initial=0), probs.max(initial=0)
    if not (smallest >= 0 and largest < np.inf and probs.any(axis=-1).all()):
        raise InputError(
            f"multinomial: probs from {probs.min()} to {probs.max()}, wanted finite numbers, none "
            "below 0, and one above 0 in every row"
        )


def check_count(probs: Floats, count: int) -> None:
    """Check that ``count`` classes can be drawn without replacement.

    Raises:
        InputError: a row has fewer classes whose probability is not 0.
    """
    if count > 1:
        most = np.count_nonzero(probs, axis=-1).min(initial=probs.shape[-1])
        if count > most:
            raise InputError(
                f"multinomial: {count} draws without replacement, wanted at most {most}, the "
                "number of classes whose probability is not 0: draw fewer, or replacement=True"
            )


def largest_ratios(probs: Floats, exponentials: Floats, count: int) -> Ints:
    """The ``count`` classes with the largest p / q, largest first, (count,) or (n, count).

    ``exponentials``: q, of the shape of ``probs``.
    """
    ratios = probs / exponentials
    if count == 1:
        return np.asarray(ratios.argmax(axis=-1, keepdims=True))
    return np.argsort(-ratios, axis=-1, kind="stable")[..., :count]


def by_running_sums(probs: Floats, uniforms: Floats) -> Ints:
    """The class for each of ``uniforms`` (count,) or (n, count).

    It is the first class for which the running sum of p, divided by its total, is not below the
    uniform number.
    """
    sums = np.cumsum(probs, axis=-1)
    sums /= sums[..., -1:]
    picked = np.empty(uniforms.shape, np.int64)
    for row in np.ndindex(probs.shape[:-1]):
        picked[row] = np.searchsorted(sums[row], uniforms[row])
    return picked
