"""Printing tensors as torch does, character for character.

All numbers of a tensor have one width and one form. If all floats are whole, they have no decimals
(``1.``). Scientific notation is used if the largest magnitude is over 1,000 times the smallest or
above 1e8, or if the smallest is below 1e-4 and not all numbers are whole. If there are more than
1,000 entries, only three at each end of each axis are shown, and only these decide the form.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.tensors.dtypes_and_sizes import DEFAULT
from npnet.tensors.interface import function
from npnet.tensors.tensor_class import Tensor


@dataclass
class Options:
    """The options that ``set_printoptions`` sets."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


OPTIONS: Final = Options()
_PROFILES: Final[dict[str, dict[str, float]]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
NAME: Final = "tensor("
Writer = Callable[[Any], str]


@function("set_printoptions")
def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed. Other options stay, except ``sci_mode``, as in torch."""
    given: dict[str, Any] = dict(_PROFILES[profile]) if profile is not None else {}
    named = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    given |= {name: value for name, value in named.items() if value is not None}
    for name, value in given.items():
        setattr(OPTIONS, name, value)
    OPTIONS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options, as arguments of ``set_printoptions``."""
    return asdict(OPTIONS)


@contextlib.contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Set other options inside the block."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def text(tensor: Tensor) -> str:
    """``repr`` and ``str`` of a tensor."""
    array, suffixes = tensor._a, []
    standard = array.dtype == DEFAULT.numpy or array.dtype.kind == "b" or array.dtype == np.int64
    if not array.size:
        body = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={array.shape}")
        standard = array.dtype == DEFAULT.numpy
    else:
        body = _body(array)
    if not standard:
        suffixes.append(f"dtype={tensor.dtype}")
    node = tensor.grad_fn
    if node is not None:
        suffixes.append(f"grad_fn=<{node.op.name}>")
    elif tensor._req:
        suffixes.append("requires_grad=True")
    return _with_suffixes(NAME + body, suffixes)


def _with_suffixes(shown: str, suffixes: list[str]) -> str:
    """``, dtype=…)`` and so on, each on a new line if the last one is full."""
    # On a first line, torch counts two characters too many.
    length = len(shown) - shown.rfind("\n") + 1
    for suffix in suffixes:
        if length + len(suffix) + 2 > OPTIONS.linewidth:
            shown += ",\n" + " " * len(NAME) + suffix
            length = len(NAME) + len(suffix)
        else:
            shown += ", " + suffix
            length += len(suffix) + 2
    return shown + ")"


def _body(array: Array) -> str:
    summarized = array.size > OPTIONS.threshold
    write, width = _writer(_ends(array) if summarized else array)
    return _written(array, len(NAME), summarized, write, width)


def _ends(array: Array) -> Array:
    """The entries in a summary."""
    edge = OPTIONS.edgeitems
    for axis, size in enumerate(array.shape):
        if size > 2 * edge:
            places = [*range(edge), *range(size - edge, size)]
            array = array.take(places, axis)
    return array


def _writer(array: Array) -> tuple[Writer, int]:
    """The function that writes each number, and the width of the numbers."""
    values = array.reshape(-1)
    if array.dtype.kind != "f":
        width = max((len(str(value)) for value in values.tolist()), default=1)
        return lambda value: str(value).rjust(width), width
    telling = values[np.isfinite(values) & (values != 0)].astype(np.float64)
    if not telling.size:
        return _whole_number(1), 1
    sizes = np.abs(telling)
    least, most = float(sizes.min()), float(sizes.max())
    whole = bool((telling == np.ceil(telling)).all())
    scientific = OPTIONS.sci_mode
    if scientific is None:
        scientific = most / least > 1000 or most > 1e8 or least < 1e-4
    form = f".{OPTIONS.precision}{'e' if scientific else 'f'}"
    if whole and not scientific:
        width = 1 + max(len(format(value, ".0f")) for value in telling.tolist())
        return _whole_number(width), width
    width = max(len(format(value, form)) for value in telling.tolist())
    return lambda value: format(value, form).rjust(width), width


def _whole_number(width: int) -> Writer:
    def write(value: float) -> str:
        shown = format(value, ".0f")
        return (shown + "." if math.isfinite(value) else shown).rjust(width)

    return write


def _written(array: Array, indent: int, summarized: bool, write: Writer, width: int) -> str:
    if not array.ndim:
        return write(array.item())
    edge, size = OPTIONS.edgeitems, len(array)
    cut = summarized and size > 2 * edge
    if array.ndim == 1:
        if cut:
            entries = [
                *map(write, array[:edge].tolist()),
                " ...",
                *map(write, array[size - edge :].tolist()),
            ]
        else:
            entries = [write(value) for value in array.tolist()]
        return _lines(entries, indent, width)
    parts = [
        _written(array[place], indent + 1, summarized, write, width)
        for place in (range(size) if not cut else [*range(edge), *range(size - edge, size)])
    ]
    if cut:
        parts.insert(edge, "...")
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _lines(entries: list[str], indent: int, width: int) -> str:
    """The entries in lines of at most ``linewidth`` characters."""
    each = max(1, (OPTIONS.linewidth - indent) // (width + 2))
    lines = [", ".join(entries[start : start + each]) for start in range(0, len(entries), each)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
