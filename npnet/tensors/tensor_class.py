"""The Tensor: a NumPy array, whether it requires a gradient, and how it was computed.

The class has the attributes of every tensor. Its operations are in other modules of this package,
which attach them by ``method`` and ``both``, so that ``x.sum(0)`` and ``torch.sum(x, 0)`` are the
same function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.tensors.dtypes_and_sizes import DEFAULT, OF, Size, dtype
from npnet.tensors.missing import CPU, device, missing

if TYPE_CHECKING:
    from npnet.tensors.tape import Node


class _Mode:
    """Whether operations are recorded. It is one object: ``no_grad`` changes it for all modules."""

    __slots__ = ("grad",)

    def __init__(self) -> None:
        self.grad = True


MODE: Final = _Mode()


class _Changes:
    """How many times any tensor was changed in place."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


CHANGES: Final = _Changes()


class _TensorType(type):
    """Makes ``torch.Tensor(2, 3)`` and ``torch.Tensor([1, 2])`` floats, as torch does."""

    def __call__(cls, *data: Any) -> Tensor:
        if len(data) == 1 and not isinstance(data[0], int):
            value = data[0]
            if isinstance(value, Tensor):
                return alias(value)
            return wrap(np.array(value, DEFAULT.numpy))
        return wrap(np.zeros(data if data else (0,), DEFAULT.numpy))


class Tensor(metaclass=_TensorType):
    """An array with torch's rules.

    Attributes that only few tensors set have their default in the class: making a tensor is faster.
    """

    _a: Array  # the values; views share their memory
    _req: bool = False  # whether it requires a gradient, itself or through its arguments
    _node: Node | None = None  # the operation that made it, if it was recorded
    _grad: Tensor | None = None
    _base: Tensor | None = None  # the tensor whose memory this one is a view of
    # (earlier view, function, argument): how to make this array from that of _base
    _view: Any = None
    _root: Tensor | None = None  # for x.detach(): x, at which its changes are noted too
    # for a base: changes through its views; for a view: this count when it was made
    _epoch: int = 0
    _changed: int = 0  # the count of CHANGES at the last change of its memory in place
    _keeps: bool = False  # whether retain_grad was called

    __array_priority__ = 1000
    __module__ = "torch"

    # --- its properties -------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The size of every axis."""
        return Size(self._a.shape)

    @property
    def dtype(self) -> dtype:
        """The number type."""
        return OF[self._a.dtype]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._a.ndim

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded."""
        return self._req

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if wanted and self._a.dtype.kind != "f":
            raise RuntimeError(
                f"requires_grad: a tensor of {self.dtype}: only tensors of floating point dtype "
                "can require gradients: convert it with .float() first"
            )
        if self._node is not None and not wanted:
            raise RuntimeError(
                "requires_grad: you can only change requires_grad flags of leaf variables: "
                "use .detach() for a tensor that is not part of the graph"
            )
        self._req = bool(wanted)

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self._node is None

    @property
    def grad_fn(self) -> Node | None:
        """The recorded operation that made it."""
        if self._view is not None and self._req:
            from npnet.tensors.tape import edge

            edge(self)
        return self._node

    @property
    def grad(self) -> Tensor | None:
        """The sum of the gradients of all backward passes; None before the first."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is None:
            self._grad = None
            return
        if not isinstance(value, Tensor):
            raise TypeError(f"grad: got {type(value).__name__}, wanted a Tensor or None")
        if value._a.shape != self._a.shape or value._a.dtype != self._a.dtype:
            raise RuntimeError(
                f"grad: assigned a gradient of {Size(value._a.shape)} and {value.dtype} to a "
                f"tensor of {self.shape} and {self.dtype}: both have to be the same"
            )
        self._grad = value

    @property
    def data(self) -> Tensor:
        """A tensor with the same memory that is not in the graph. Its changes are not counted."""
        found = new(Tensor)
        found._a = self._a
        return found

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"data: got {type(value).__name__}, wanted a Tensor")
        self._a = value._a

    @property
    def retains_grad(self) -> bool:
        """Whether ``retain_grad`` was called on a tensor that is not a leaf."""
        return self._keeps

    @property
    def device(self) -> device:
        """Always the CPU."""
        return CPU

    @property
    def is_cuda(self) -> bool:
        """False."""
        return False

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._a.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._a.nbytes

    # --- as Python's objects ----------------------------------------------------------------------

    def __len__(self) -> int:
        if not self._a.ndim:
            raise TypeError("len() of a 0-d tensor: use .item() for its number")
        return len(self._a)

    if TYPE_CHECKING:
        # Attached by other modules of this package.
        def __iter__(self) -> Iterator[Tensor]: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __iadd__(self, other: Any) -> Tensor: ...
        def __isub__(self, other: Any) -> Tensor: ...
        def __imul__(self, other: Any) -> Tensor: ...
        def __itruediv__(self, other: Any) -> Tensor: ...
        def __getitem__(self, key: Any) -> Tensor: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...

    def __bool__(self) -> bool:
        return bool(self._one("truth value", RuntimeError))

    def __int__(self) -> int:
        return int(self._one("int", ValueError))

    def __float__(self) -> float:
        return float(self._one("float", ValueError))

    def __index__(self) -> int:
        if self._a.size != 1 or self._a.dtype.kind == "f":
            raise TypeError(
                "only integer tensors of a single element can be converted to an index: "
                "use .long() or .item()"
            )
        return int(self._a.item())

    def _one(self, what: str, kind: type[Exception]) -> Any:
        if self._a.size != 1:
            raise kind(
                f"a Tensor of {self._a.size} values has no {what}: "
                "take one entry, or reduce it first, for example with .all(), .any() or .sum()"
            )
        return self._a.item()

    def item(self) -> Any:
        """The number of a tensor of one element."""
        if self._a.size != 1:
            raise RuntimeError(
                f"item(): a Tensor with {self._a.size} elements cannot be converted to a number: "
                "take one entry first"
            )
        return self._a.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._a.tolist()

    def numpy(self, *, force: bool = False) -> Array:
        """The array itself, with shared memory."""
        if self._req and not force:
            raise RuntimeError(
                "numpy(): the tensor requires a gradient: use tensor.detach().numpy()"
            )
        return self._a

    def __array__(self, kind: Any = None, copy: bool | None = None) -> Array:
        array = self.numpy()
        if kind is not None and array.dtype != kind:
            return array.astype(kind)
        return array.copy() if copy else array

    def __contains__(self, value: Any) -> bool:
        if isinstance(value, Tensor):
            value = value._a
        elif not isinstance(value, (bool, int, float, np.generic)):
            raise RuntimeError(
                f"Tensor.__contains__ takes a number or a Tensor, got {type(value).__name__}"
            )
        return bool((self._a == value).any())

    __hash__ = object.__hash__

    def __format__(self, spec: str) -> str:
        if self._a.ndim == 0:
            return format(self._a.item(), spec)
        return object.__format__(self, spec)

    def __repr__(self) -> str:
        from npnet.tensors.text import text

        return text(self)

    __str__ = __repr__

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._node is not None:
            raise RuntimeError(
                "deepcopy: only tensors that no recorded operation made can be copied so: "
                "use .detach().clone()"
            )
        copied = wrap(self._a.copy())
        copied._req = self._req
        if self._grad is not None:
            copied._grad = self._grad.__deepcopy__(memo)
        memo[id(self)] = copied
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (self._a, self._req)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"'Tensor' object has no attribute {name!r}")
        raise missing("Tensor", name)


new: Final[Callable[[type[Tensor]], Tensor]] = object.__new__


def wrap(array: Any) -> Tensor:
    """A tensor with this array; NumPy's scalars become arrays without axes."""
    made = new(Tensor)
    made._a = array if type(array) is np.ndarray else np.asarray(array)
    return made


def alias(tensor: Tensor) -> Tensor:
    """Another tensor with the same memory that is not in the graph; its changes are noted."""
    made = new(Tensor)
    made._a = tensor._a
    made._root = owner(tensor)
    return made


def owner(tensor: Tensor) -> Tensor:
    """The tensor at which the changes of this one's memory are noted."""
    if tensor._base is not None:
        tensor = tensor._base
    return tensor if tensor._root is None else tensor._root


def changed(tensor: Tensor) -> None:
    """Note that the tensor's memory was changed in place."""
    if tensor._base is not None:
        tensor = tensor._base
    if tensor._root is not None:
        tensor = tensor._root
    CHANGES.count = tensor._changed = CHANGES.count + 1


def changed_by_draw(tensor: Tensor, drawn: Tensor) -> Tensor:
    """Write drawn numbers into a tensor.

    Raises:
        RuntimeError: it is a leaf that requires a gradient, and recording is on.
    """
    if tensor._req and MODE.grad:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation: "
            "fill it under torch.no_grad(), or before requires_grad is set"
        )
    tensor._a[...] = drawn._a
    changed(tensor)
    return tensor


def restored(array: Array, requires_grad: bool) -> Tensor:
    """The tensor from the entries of a pickle or a copy."""
    made = wrap(array)
    made._req = requires_grad
    return made
