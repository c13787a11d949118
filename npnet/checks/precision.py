"""The precisions of gradients, and recognising the precision from the numbers."""

from collections.abc import Iterable

import numpy as np

from npnet.base.arrays import Array

# The distance from 1 to the next larger number. GPUs round the factors of a float32 product to
# TF32: 10 bits after the point, as in float16.
PRECISION_EPS = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "tf32": 2.0**-10,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
}
HALVES = {"float16", "bfloat16"}

# How many different mantissas are needed to tell the precision. One of 2**13 float32 numbers fits
# into float16 by chance, and numbers such as 0, 1 and 0.5 always do.
ENOUGH = 16


def looks_half(arrays: Iterable[Array]) -> str:
    """``float16``, ``bfloat16`` or ``tf32`` if all these wider floats fit into it.

    Returns:
        The name; "" if they do not, or if there are too few numbers to tell.
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
    # The mantissa from frexp is at least 0.5; with 8 bits, it is a multiple of 1/256.
    if (np.mod(mantissas * 2**8, 1) == 0).all():
        return "bfloat16"
    with np.errstate(over="ignore"):
        fits = (flat.astype(np.float16) == flat).all()
    if fits:
        return "float16"
    # The numbers have the bits of float16, but are too large or too small for it.
    return "tf32" if (np.mod(mantissas * 2**11, 1) == 0).all() else ""
