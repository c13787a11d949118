"""``torch.finfo`` and ``torch.iinfo``: the largest and smallest numbers of a type."""

from __future__ import annotations

import numpy as np

from npnet.tensors.attach import function
from npnet.tensors.dtypes import DEFAULT, dtype


@function("finfo")
class finfo:
    """The limits of a float type: ``bits``, ``eps``, ``max``, ``min``, ``tiny``, ``resolution``.

    Raises:
        TypeError: it is not a float type.
    """

    def __init__(self, type: dtype | None = None) -> None:
        kind = DEFAULT.float if type is None else type
        if not kind.is_floating_point:
            raise TypeError(
                f"torch.finfo() requires a floating point input type, got {kind!r}: "
                "torch.iinfo takes integers"
            )
        found = np.finfo(kind.numpy)
        self.bits = int(found.bits)
        self.eps, self.max, self.min = float(found.eps), float(found.max), float(found.min)
        self.tiny = self.smallest_normal = float(found.tiny)
        self.resolution = float(f"1e-{found.precision}")
        self.dtype = repr(kind).removeprefix("torch.")

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


@function("iinfo")
class iinfo:
    """The limits of an integer type: ``bits``, ``max``, ``min``.

    Raises:
        TypeError: it is not an integer type.
    """

    def __init__(self, type: dtype) -> None:
        if type.is_floating_point or type.numpy.kind == "b":
            raise TypeError(
                f"torch.iinfo() requires an integer input type, got {type!r}: "
                "torch.finfo takes floats"
            )
        found = np.iinfo(type.numpy)
        self.bits, self.max, self.min = int(found.bits), int(found.max), int(found.min)
        self.dtype = repr(type).removeprefix("torch.")

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
