"""The derivative of any function of one array, entry by entry: complex step, or differences.

The function returns terms, an array of any shape, and their sum is differentiated. With the terms,
the rounding error of the sum can be estimated.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Array, Floats
from npnet.checks.shaken import shaken

Terms = Callable[[Array], Array]

# The imaginary step, relative to the entry. Its square is negligible compared with 1, and the step
# itself does not underflow.
STEPS = {"float32": 1e-12, "float64": 1e-20}
# Smaller entries are moved as far as an entry of this size.
SMALLEST = {"float32": 1e-20, "float64": 1e-250}

EPS = float(np.finfo(np.float64).eps)
# The step of differences, relative to the entry. With it, the two parts of the error are about
# equal.
STEP = EPS ** (1 / 3)

# Runs that round at random, from which rounding errors are estimated.
RERUNS = 8

# The number of random directions that test whether a function's complex step is its derivative.
DIRECTIONS = 3


class Derivative(NamedTuple):
    """The derivative of a sum of terms, for each entry of the array that is moved.

    Attributes:
        gradient: the derivative, in the shape of the array.
        error: the largest error that each entry should have; 0 for the complex step, which is
            exact up to rounding.
        trouble: why there is no complex step, for a message; empty if there is one.
    """

    gradient: Floats
    error: Floats
    trouble: str


def derivative(terms: Terms, x: Floats, seed: int = 0) -> Derivative:
    """The derivative of ``terms(x).sum()`` for each entry of ``x``.

    The complex step is used if the function accepts complex numbers and its complex step is its
    derivative; otherwise differences are used. For ``np.abs``, ``conj``, ``math.erf`` and casts to
    float, the complex step does not work.

    Args:
        terms: a function of an array of the shape of ``x``, float or complex.
        x: float32 or float64. Differences are computed in float64.
        seed: the seed of the random directions in which the complex step is tried.
    """
    trouble = complex_trouble(terms, x.astype(np.float64), seed)
    if trouble:
        near, error = differences(terms, x.astype(np.float64), difference_steps(x))
        return Derivative(near.astype(x.dtype), error, trouble)
    return Derivative(complex_step(terms, x), np.zeros(x.shape), "")


def sizes(x: Floats) -> Floats:
    """The size of each entry for choosing its step: |x|, or the smallest |x| if x is 0 or -inf.

    All numbers in the row of a 0 can be small, even if other rows of the array are large.
    """
    size = np.where(np.isfinite(x), np.abs(x), 0)
    smallest = np.min(size, where=size > 0, initial=np.inf)
    return np.where(size > 0, size, smallest if smallest < np.inf else 1).astype(x.dtype)


def complex_step(
    terms: Terms, x: Floats, size: Floats | None = None, backwards: bool = False
) -> Floats:
    """f'(x) = Im f(x + is) / s for each entry, in the dtype of ``x``.

    Nothing is subtracted, so nothing cancels. The error of the formula is proportional to s².

    Args:
        terms: a function of an array of the shape of ``x``, complex.
        x: float32 or float64.
        size: the size of each entry; s is a tiny part of it. By default computed by ``sizes``.
        backwards: step to x - is. The result is the same unless ``terms`` has a kink at x.

    Source: W. Squire and G. Trapp, Using complex variables to estimate derivatives of real
    functions, SIAM Review 40 (1998).
    """
    dtype = x.dtype.name
    size = np.maximum(sizes(x), SMALLEST[dtype]) if size is None else size
    s = STEPS[dtype] * size
    s = np.asarray(-s if backwards else s, x.dtype)
    shifts = np.asarray(1j * s)  # for one number, Python would make a complex without a dtype
    slopes: Floats = (moved(terms, x, shifts).imag / s).astype(x.dtype)
    return slopes


def shaken_step(terms: Terms, x: Floats, salt: int) -> Array:
    """``complex_step`` in an arithmetic that rounds at random, with another step for each salt.

    The spread over some salts is the error of the complex step.
    """
    return np.asarray(complex_step(terms, shaken(x, salt), sizes(x) * 2.0**-salt))


def moved(terms: Terms, x: Floats, shifts: Array) -> Array:
    """The sums of the terms after each entry alone is changed by its shift."""
    start = x.astype(shifts.dtype)
    at, results = start.copy(), np.empty_like(start)
    for place in np.ndindex(start.shape):
        at[place] += shifts[place]
        results[place] = terms(at).sum()
        at[place] = start[place]
    return results


def difference_steps(x: Floats, size: Floats | None = None, step: float = STEP) -> Floats:
    """Powers of two near ``step`` times the size of each entry, so that x ± s is exact."""
    if size is None:
        finite = np.where(np.isfinite(x), np.abs(x), 0).astype(np.float64)
        usual = float(np.sqrt((finite**2).mean())) or 1.0
        size = np.where(finite > 0, np.maximum(finite, usual * 1e-3), usual)
    return np.asarray(2 ** np.round(np.log2(step * size.astype(np.float64))))


def differences(terms: Terms, x: Floats, s: Floats) -> tuple[Floats, Floats]:
    """f'(x) = (f(x + s) - f(x - s)) / 2s for each entry, and the error that it should have.

    The error of an entry has two parts. The first part is the error of the formula, which is
    proportional to s². Doubling s adds three times that part, and the bound allows all of this. The
    second part is the rounding noise of the sums, divided by s. The noise is estimated from the
    fourth differences, in which only noise remains. The bound allows six standard deviations,
    because it must cover thousands of entries, and at least eps times the sum or 1. Kinks do not
    count: their fourth differences are not noise.

    Args:
        terms: a function of a float64 array of the shape of ``x``.
        x: float64.
        s: the step of each entry.

    Source of the noise estimate: J. Moré and S. Wild, Estimating computational noise, SIAM
    Journal on Scientific Computing 33 (2011).
    """
    with np.errstate(all="ignore"):  # an entry may overflow; its error is not finite then
        here = float(terms(x).sum())
        at = {k: moved(terms, x, k * s) for k in (-2, -1, 1, 2)}
        near = (at[1] - at[-1]) / (2 * s)
        far = (at[2] - at[-2]) / (4 * s)
        squares = (at[2] - 4 * at[1] + 6 * here - 4 * at[-1] + at[-2]) ** 2
        squares = squares[np.isfinite(squares)]
        usual = np.quantile(squares, 0.5, method="lower") if squares.size else 0.0
        if usual:
            noise = np.sqrt(squares[squares <= 1e4 * usual].mean() / 70)
        else:  # the steps change so little that rounding hides it: the function is a stair
            noise = total_rounding(terms, x)
        unsure = max(6 * noise, EPS * max(abs(here), 1)) / s
        # At a kink the second differences of both steps are the same jump, elsewhere one is twice
        # the other.
        jump = np.abs(2 * (at[1] - 2 * here + at[-1]) - (at[2] - 2 * here + at[-2]) / 2) / s
        return near, np.abs(far - near) + unsure + np.where(jump > 100 * unsure, jump, 0)


def rounding(terms: Terms, x: Floats) -> Array:
    """How far rounding moves each term: the standard deviation of some runs that round at random.

    0 for a function that runs only with other arrays.
    """
    runs = []
    for salt in range(RERUNS):
        try:
            with np.errstate(all="ignore"):
                runs.append(np.asarray(terms(shaken(x, salt)), x.dtype))
        except Exception:  # the function is any code
            return np.zeros(())
    spread = np.std(runs, axis=0, ddof=1)
    return np.where(np.isfinite(spread), spread, 0)


def total_rounding(terms: Terms, x: Floats) -> float:
    """How far rounding moves the sum of the terms."""
    return float(rounding(lambda at: terms(at).sum(), x))


def complex_trouble(terms: Terms, x: Floats, seed: int = 0) -> str:
    """Why the complex step of a function is not its derivative; "" if it is.

    The step is tried in random directions, which move all entries at once, and compared with
    differences in the same directions. The majority decides, because in one direction the noise of
    the differences can be larger than estimated.
    """
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        here = np.asarray(terms(x))
        troubles = []
        for _ in range(DIRECTIONS):
            u = rng.standard_normal(x.shape) * sizes(x)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", np.exceptions.ComplexWarning)
                    stepped = np.asarray(terms(x + 1j * STEPS["float64"] * u))
            except Exception as error:  # the function can raise any error
                said = str(error).partition("\n")[0]
                return f"{type(error).__name__}: {said}"
            trouble = _apart(terms, x, u, here, stepped)
            troubles += [trouble] if trouble else []
    return troubles[0] if len(troubles) > DIRECTIONS // 2 else ""


def _apart(terms: Terms, x: Floats, u: Floats, here: Array, stepped: Array) -> str:
    """How a complex step in the direction ``u`` and differences disagree; empty if they agree."""
    same = np.isclose(stepped.real, here, rtol=1e-9, atol=1e-9, equal_nan=True)
    # The two may also be rounded differently, and what cancels may be all rounding.
    if not (same | (np.abs(stepped.real - here) <= 32 * rounding(terms, x))).all():
        return "complex numbers change its real result"
    slope = float(stepped.imag.sum()) / STEPS["float64"]
    for shorter in (1, 1e3, 1e6):
        t = 2.0 ** round(np.log2(STEP / shorter))
        at = {k: float(terms(x + k * t * u).sum()) for k in (-2, -1, 1, 2)}
        near, far = (at[1] - at[-1]) / (2 * t), (at[2] - at[-2]) / (4 * t)
        ahead = (4 * at[1] - at[2] - 3 * float(here.sum())) / (2 * t)  # at a kink: the slope ahead
        noise = 10 * EPS * max(float(np.abs(here).sum()), 1e-300) / t
        bound = 1e-9 * max(abs(slope), abs(near)) + 4 * abs(far - near) + noise
        closest = min(abs(slope - near), abs(slope - ahead))
        if closest <= bound or closest <= bound + 10 * total_rounding(terms, x) / t:
            return ""
        if abs(far - near) <= 1e-3 * abs(near):
            break  # otherwise the function changes too fast for such a step
    return "the complex step is not its derivative, as with np.abs or conj"
