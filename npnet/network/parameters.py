"""The class of the seven parameters, with its checks; and the checks of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from npnet.base.arrays import Array, Floats, Ints, Named, read_array
from npnet.base.errors import InputError, kind_of, shown
from npnet.network.names import NAMES, PARAMETER_NAMES, shape_of


class Parameters(Named):
    """The seven parameters, or seven arrays of their shapes, such as their gradients.

    Args:
        C, W1, b1, W2, b2, bngain, bnbias: arrays of one dtype, float32 or float64, with the
            shapes of ``npnet.network.names.PARAMETERS``. Arrays are held, not copied, and can
            be changed in place, as in ``params.W1 -= 0.1 * grads.W1``.

    Raises:
        InputError: a name is missing or unknown, a dtype or a shape does not fit the others.
    """

    C: Floats
    W1: Floats
    b1: Floats
    W2: Floats
    b2: Floats
    bngain: Floats
    bnbias: Floats

    def __init__(self, **arrays: ArrayLike) -> None:
        if set(arrays) != set(PARAMETER_NAMES):
            missing = [name for name in PARAMETER_NAMES if name not in arrays]
            unknown = [name for name in arrays if name not in PARAMETER_NAMES]
            raise InputError(
                f"Parameters: missing {missing or 'none'}, unknown {unknown or 'none'}, "
                f"wanted {', '.join(PARAMETER_NAMES)}"
            )
        entries = {
            name: read_array(f"Parameters: {name}", arrays[name]) for name in PARAMETER_NAMES
        }
        dtype = entries["C"].dtype
        for name, array in entries.items():
            if array.dtype not in (np.float32, np.float64) or array.dtype != dtype:
                where = f" where C is {dtype}" if array.dtype != dtype else ""
                raise InputError(
                    f"Parameters: {name} is {array.dtype}{where}, wanted all seven in float32 or "
                    "all in float64: use .astype"
                )
        sizes = _sizes(entries)
        for name, array in entries.items():
            wanted = shape_of(name, sizes)
            if array.shape != wanted:
                raise InputError(
                    f"Parameters: {name} has shape {array.shape}, wanted {wanted}, that is "
                    f"{NAMES[name].shape} with V, E from C and T, H from W1"
                )
        super().__init__(entries)

    @classmethod
    def of(cls, params: Parameters | Mapping[str, ArrayLike]) -> Parameters:
        """``params`` itself, or parameters made of the arrays of a mapping.

        Raises:
            InputError: as the class.
        """
        if not isinstance(params, Mapping):
            raise InputError(
                f"Parameters: got {kind_of(params)}, wanted npnet.Parameters or a mapping from "
                f"{', '.join(PARAMETER_NAMES)} to arrays"
            )
        return params if isinstance(params, cls) else cls(**params)

    @staticmethod
    def _held(entry: Any) -> Any:
        return entry  # no read-only view: training changes the numbers

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes V, E, T, H, by letter."""
        return _sizes(self)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The one dtype of all seven."""
        return self.C.dtype

    def astype(self, dtype: DTypeLike) -> Parameters:
        """A copy in another dtype (always a copy, in C order): float32 or float64."""
        try:
            np.dtype(dtype)
        except TypeError:
            raise InputError(
                f"Parameters.astype: got {shown(dtype)}, wanted float32 or float64"
            ) from None
        return Parameters(**{name: array.astype(dtype, order="C") for name, array in self.items()})

    def copy(self) -> Parameters:
        """A copy that shares no memory with this one."""
        return self.astype(self.dtype)


def _sizes(entries: Mapping[str, Array]) -> dict[str, int]:
    C, W1 = entries["C"], entries["W1"]
    if C.ndim != 2 or W1.ndim != 2 or 0 in C.shape or 0 in W1.shape or len(W1) % C.shape[1]:
        raise InputError(
            f"Parameters: C has shape {C.shape} and W1 {W1.shape}, wanted (V, E) and (T·E, H) "
            "with no size of 0: T·E is a multiple of E"
        )
    (V, E), (TE, H) = C.shape, W1.shape
    return {"V": V, "E": E, "T": TE // E, "H": H}


def check_batch(who: str, params: Parameters, X: ArrayLike, Y: ArrayLike) -> tuple[Ints, Ints]:
    """``X`` and ``Y`` as int64 arrays that fit ``params``: (n, T) and (n,), indices below V.

    Raises:
        InputError: a shape or dtype does not fit, there are no rows, or an index is out of range
            (or negative: NumPy would silently count it from the end).
    """
    X, Y = read_array(f"{who}: X", X), read_array(f"{who}: Y", Y)
    T, V = params.sizes["T"], params.sizes["V"]
    if X.ndim != 2 or X.shape[1] != T or Y.shape != X.shape[:1]:
        raise InputError(
            f"{who}: X has shape {X.shape} and Y {Y.shape}, wanted (n, {T}) and (n,): "
            f"{_shape_cause(X, Y, params)}"
        )
    if not len(Y):
        raise InputError(f"{who}: X and Y have no rows, wanted at least one example")
    for name, indices in (("X", X), ("Y", Y)):
        if not np.issubdtype(indices.dtype, np.integer):
            raise InputError(
                f"{who}: {name} is {indices.dtype}, wanted integers: character indices"
            )
        if indices.min() < 0 or indices.max() >= V:
            raise InputError(
                f"{who}: {name} holds indices from {indices.min()} to {indices.max()}, wanted "
                f"0 to {V - 1}: the parameters know {V} characters"
            )
    return X.astype(np.int64, copy=False), Y.astype(np.int64, copy=False)


def _shape_cause(X: Array, Y: Array, params: Parameters) -> str:
    """What is wrong with the shapes of a batch, and what to do."""
    E, T = params.sizes["E"], params.sizes["T"]
    if X.ndim == 3 or (X.ndim == 2 and X.shape[1] == T * E != T):
        return "X holds indices of characters, not their embeddings"
    if X.ndim == 1 and len(X) == T:
        return "for one context, take X[None] and Y[None]"
    if X.ndim != 2:
        return f"X has {X.ndim} axes, wanted 2: a row of {T} indices for each example"
    if X.shape[1] != T:
        return f"the parameters have a context of {T}, build X with block_size={T}"
    if Y.ndim == 2 and 1 in Y.shape and Y.size == len(X):
        return "take Y.ravel()"
    if Y.ndim != 1:
        return f"Y has {Y.ndim} axes, wanted 1: one index for each row of X"
    return (
        f"X has {len(X)} rows and Y {len(Y)}: take Y of the same rows as X, as in X[rows], Y[rows]"
    )


def check_eps(who: str, eps: object) -> float:
    """``eps`` as a float.

    Raises:
        InputError: ``eps`` is not a number, below 0 or not finite.
    """
    try:
        number = float(cast(float, eps))
    except (TypeError, ValueError):
        number = np.nan
    if not 0 <= number < np.inf:
        raise InputError(f"{who}: eps is {shown(eps)}, wanted 0 or a little more")
    return number
