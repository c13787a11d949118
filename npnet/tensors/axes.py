"""The arguments ``dim`` and ``keepdim`` of reductions."""

from __future__ import annotations

from typing import Any

from npnet.derivatives.reductions import Axes


def axes_of(dim: Any, ndim: int) -> Axes:
    """Axes from 0 on, in order; None for all of them.

    Raises:
        IndexError: the tensor does not have an axis.
        RuntimeError: an axis is there twice.
    """
    if dim is None:
        return None
    if type(dim) is int and 0 <= dim < ndim:  # by far the most frequent
        return (dim,)
    if isinstance(dim, (tuple, list)):
        if not dim:
            return None
        found = tuple(sorted(axis_of(one, ndim) for one in dim))
        if len(set(found)) < len(found):
            raise RuntimeError(f"dim {found[0]} appears multiple times in the list of dims")
        return found if ndim else None
    axis = axis_of(dim, ndim)
    return (axis,) if ndim else None


def axis_of(dim: Any, ndim: int) -> int:
    """The axis from 0 on. A tensor without axes counts as having one, as torch does."""
    if type(dim) is not int:
        if isinstance(dim, (bool, float, str)) or not hasattr(dim, "__index__"):
            raise TypeError(f"dim: got {dim!r}, wanted an int")
        dim = dim.__index__()
    most = ndim or 1
    if not -most <= dim < most:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-most}, {most - 1}], "
            f"but got {dim})"
        )
    return int(dim + most if dim < 0 else dim)


def spelled(name: str, more: dict[str, Any], dim: Any, keepdim: bool) -> tuple[Any, bool]:
    """``axis`` for ``dim`` and ``keepdims`` for ``keepdim``, which torch takes too."""
    for key in more:
        if key == "axis":
            dim = more[key]
        elif key == "keepdims":
            keepdim = more[key]
        else:
            raise TypeError(f"{name}() got an unexpected keyword argument {key!r}")
    return dim, keepdim
