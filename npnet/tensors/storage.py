"""``Tensor.storage()``: the numbers in memory behind a tensor and its views, in one row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.tensors.dtypes_and_sizes import OF
from npnet.tensors.interface import method
from npnet.tensors.tensor_class import Tensor


class TypedStorage:
    """The memory of a tensor, which its views share: as long as all its numbers.

    Attributes:
        dtype: torch's name of the number type.
    """

    def __init__(self, numbers: Array) -> None:
        self._numbers = numbers
        self.dtype = OF[numbers.dtype]

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place: int) -> Any:
        return self._numbers[place].item()

    def __setitem__(self, place: int, number: Any) -> None:
        self._numbers[place] = number

    def __iter__(self) -> Iterator[Any]:
        return iter(self._numbers.tolist())

    def size(self) -> int:
        """How many numbers there are."""
        return len(self)

    def tolist(self) -> list[Any]:
        """The numbers as a list."""
        return list(self)

    def data_ptr(self) -> int:
        """The address of the first number."""
        return self._numbers.ctypes.data

    def nbytes(self) -> int:
        """The size in bytes."""
        return self._numbers.nbytes

    def __repr__(self) -> str:
        numbers = " " + "\n ".join(map(str, self)) + "\n"
        kind = f"[torch.storage.TypedStorage(dtype={self.dtype}, device=cpu) of size {len(self)}]"
        return numbers + kind


@method("storage")
def storage(self: Tensor) -> TypedStorage:
    """The numbers of a tensor, or of the tensor that it is a view of, as they lie in memory."""
    base = self if self._base is None else self._base
    array = base._a
    row = np.lib.stride_tricks.as_strided(array, (array.size,), (array.itemsize,))
    together = array.flags.c_contiguous or array.flags.f_contiguous
    return TypedStorage(row if together else array.ravel(order="K"))
