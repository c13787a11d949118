"""Shapes, and the named pairs that ``max(dim)`` and similar functions return."""

from __future__ import annotations

import math
from typing import Any, NamedTuple


class Size(tuple[int, ...]):
    """A shape. It is printed as in torch: ``torch.Size([32, 27])``."""

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        return math.prod(self)

    def __getitem__(self, key: Any) -> Any:
        found = tuple.__getitem__(self, key)
        return Size(found) if isinstance(key, slice) else found

    def __add__(self, other: Any) -> Any:
        return Size(tuple(self) + tuple(other))

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    __str__ = __repr__


class _Values(NamedTuple):
    values: Any
    indices: Any


class ValuesIndices(_Values):
    """A pair of values and indices, which is printed as ``torch.return_types.max(…)``."""

    __slots__ = ()
    _called = ""

    def __repr__(self) -> str:
        pair = f"values={self.values!r},\nindices={self.indices!r}"
        return f"torch.return_types.{self._called}(\n{pair})"

    __str__ = __repr__


class _Max(ValuesIndices):
    _called = "max"


class _Min(ValuesIndices):
    _called = "min"


class _Sort(ValuesIndices):
    _called = "sort"


class _Topk(ValuesIndices):
    _called = "topk"


class _Median(ValuesIndices):
    _called = "median"


class _Cummax(ValuesIndices):
    _called = "cummax"


PAIRS: dict[str, type[ValuesIndices]] = {
    kind._called: kind for kind in (_Max, _Min, _Sort, _Topk, _Median, _Cummax)
}


class Histogram(NamedTuple):
    """The result of ``torch.histogram``."""

    hist: Any
    bin_edges: Any
