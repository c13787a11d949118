"""Arrays whose operations round at random, to measure how large rounding errors are.

Every result is moved to a neighbouring number. When a function runs again with other random
numbers, its results spread as far as rounding can move them, also where the usual rounding has no
error by luck: a softmax over one class is exactly 1, and what cancels there is exactly 0. This is
the method CESTAC (J. Vignes, A stochastic arithmetic for reliable scientific computation,
Mathematics and Computers in Simulation 35, 1993).

Equal numbers are moved alike, as equal numbers are rounded alike. So ties stay ties.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.arrays import Array

# These choose, copy or change a sign; they do not round.
COPIES = (np.positive, np.negative, np.absolute, np.conjugate, np.sign, np.copysign)
CHOICES = (np.maximum, np.minimum, np.fmax, np.fmin, np.floor, np.ceil, np.rint, np.trunc)
EXACT = frozenset((*COPIES, *CHOICES))
# Multipliers of a hash of 64 bits, from splitmix64.
MIX = tuple(np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9))


class Shaken(np.ndarray):
    """An array of floats; ``salt`` decides which way each number is moved."""

    salt: int = 0

    def __array_finalize__(self, made_from: Any) -> None:
        self.salt = getattr(made_from, "salt", 0)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """The plain result, moved."""
        out = options.pop("out", ())
        plain = {key: _plain(option) for key, option in options.items()}
        if out:
            plain["out"] = tuple(map(_plain, out))
        result = getattr(ufunc, method)(*map(_plain, inputs), **plain)
        if not isinstance(result, np.ndarray | np.generic):  # several results, or none
            return result
        if ufunc not in EXACT:
            result = moved(np.asarray(result), self.salt)
        if out:
            _plain(out[0])[...] = result
            return out[0]
        return _shaken(result, self.salt)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        """The usual result, as such an array too."""
        result = super().__array_function__(function, types, args, options)
        return _shaken(result, self.salt) if type(result) is np.ndarray else result


def shaken(entry: Any, salt: int) -> Any:
    """Floats as an array whose operations round at random, moved; anything else as it is."""
    if getattr(getattr(entry, "dtype", None), "kind", "") not in "fc":
        return entry
    return _shaken(moved(np.asarray(entry), salt), salt)


def moved(array: Array, salt: int) -> Array:
    """Each float moved to the next larger or smaller one; not 0, and not what is not finite."""
    if array.dtype.kind == "c":
        result = array.copy()
        result.real, result.imag = moved(array.real, salt), moved(array.imag, salt)
        return result
    if array.dtype.kind != "f" or array.itemsize not in (4, 8):
        return array
    bits = array.astype(array.dtype).view(f"u{array.itemsize}").astype(np.uint64)
    with np.errstate(all="ignore"):  # overflow of whole numbers is meant
        mixed = (bits + np.uint64(salt + 1) * MIX[0]) * MIX[1]
        mixed = (mixed ^ (mixed >> np.uint64(29))) * MIX[0]
        step = np.where(mixed >> np.uint64(63), np.spacing(array), -np.spacing(array))
    still = (array == 0) | ~np.isfinite(array)
    return np.asarray(np.where(still, array, array + np.where(still, 0, step)), array.dtype)


def _plain(entry: Any) -> Any:
    return entry.view(np.ndarray) if isinstance(entry, Shaken) else entry


def _shaken(entry: Any, salt: int) -> Any:
    array = np.asarray(entry).view(Shaken)
    array.salt = salt
    return array
