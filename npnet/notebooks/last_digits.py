"""Finding what rounding changes in a cell's output: last binary digits are changed on purpose.

Programs add in different orders, so the last digits of their sums and products differ. A printed
number that consists of nothing but such digits, like the sum of a gradient that is mathematically
zero, differs completely. To see this, a cell runs again in a copy of the process. There, the
tensors that it reads, and the arguments and results of sums, products and a few other functions,
are changed at random by one unit of the last place or not at all. Whole numbers do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives import functional, products, reductions
from npnet.derivatives.operation import Operation
from npnet.tensors.tensor_class import Tensor

ROUNDING: Final = (
    *(products.MM, products.MV, products.DOT, products.BMM, products.ADDMM),
    *(reductions.SUM, reductions.SUM_DIM, reductions.MEAN, reductions.MEAN_DIM),
    *(reductions.VAR, reductions.STD, reductions.PROD, reductions.CUMSUM),
    *(reductions.LOGSUMEXP, reductions.NORM),
    *(functional.SOFTMAX, functional.LOG_SOFTMAX, functional.NLL_MEAN, functional.GELU),
)
DEEPEST = 4  # the depth of lists in lists, and of objects with parts


class LastDigits:
    """Changes numbers by at most one unit of the last place.

    Args:
        seed: the seed of the random numbers that choose the numbers to change.
    """

    def __init__(self, seed: int) -> None:
        self._random = np.random.Generator(np.random.PCG64(seed))

    def change(self, operations: Iterable[Operation], namespace: dict[str, Any]) -> None:
        """Make the operations and the tensors of the notebook inexact from now on."""
        for operation in operations:
            operation.forward = self._inexact(operation.forward)
            operation.derivatives = tuple(map(self._inexact, operation.derivatives))
        arrays = {id(tensor._a): tensor._a for tensor in _tensors(namespace, DEEPEST)}
        for array in arrays.values():
            if array.dtype.kind == "f" and array.flags.writeable:
                array[...] = self.changed(array)

    def changed(self, value: Any) -> Any:
        """An array of floats with other last digits; other objects unchanged."""
        if not isinstance(value, np.ndarray | np.floating) or value.dtype.kind != "f":
            return value
        array: Array = np.asarray(value)
        with np.errstate(all="ignore"):
            step = np.array(np.spacing(array))
            step[(array == np.rint(array)) | ~np.isfinite(array)] = 0
            moved = array + step * self._random.integers(-1, 2, array.shape).astype(array.dtype)
        return np.asarray(moved, array.dtype)

    def _inexact(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def inexact(*arguments: Any) -> Any:
            return self.changed(function(*map(self.changed, arguments)))

        return inexact


def _tensors(value: Any, depth: int) -> Iterator[Tensor]:
    """The tensors in a value: in lists and dicts, and in objects of the notebook's classes."""
    if isinstance(value, Tensor):
        yield value
        return
    if depth == 0:
        return
    parts: Iterable[Any] = ()
    if isinstance(value, list | tuple):
        parts = value
    elif isinstance(value, dict):
        parts = list(value.values())
    elif type(value).__module__ == "__main__":
        parts = list(getattr(value, "__dict__", {}).values())
    for part in parts:
        yield from _tensors(part, depth - 1)
