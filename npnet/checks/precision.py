"""The precisions that gradients are computed in, and how to see which one it was."""

from collections.abc import Iterable

import numpy as np

from npnet.base.arrays import Array

# The distance from 1 to the next larger number. TF32 is what GPUs round the factors of a float32
# product to: 10 bits behind the point, as in float16.
PRECISION_EPS = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "tf32": 2.0**-10,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
}
HALVES = {"float16", "bfloat16"}

# Numbers that fit a coarser precision by chance: one in 2**13 float32 numbers is one of float16,
# but 0, 1 and 0.5 are, too. So many others are needed.
ENOUGH = 16


def looks_half(arrays: Iterable[Array]) -> str:
    """``float16``, ``bfloat16`` or ``tf32`` if all these wider floats are numbers of it.

    Returns:
        The name; empty if they are not, or if there are too few numbers to tell.
    """
    numbers = [
        array[np.isfinite(array) & (array != 0)].astype(np.float64)
        for array in arrays
        if array.dtype.kind == "f" and array.dtype.itemsize > 2
    ]
    flat = np.unique(np.abs(np.concatenate(numbers))) if numbers else np.zeros(0)
    mantissas, _ = np.frexp(flat)
    if len(np.unique(mantissas)) < ENOUGH:
        return ""
    # frexp's mantissa is at least a half: with 8 bits it is a whole number of 256ths.
    if (np.mod(mantissas * 2**8, 1) == 0).all():
        return "bfloat16"
    with np.errstate(over="ignore"):
        fits = (flat.astype(np.float16) == flat).all()
    if fits:
        return "float16"
    # As many bits as float16 has, but numbers that are too large or too small for it.
    return "tf32" if (np.mod(mantissas * 2**11, 1) == 0).all() else ""
