"""Comparing every operation of npnet.tensors with torch's: values, gradients, types, shapes,
memory.

A *form* is a line of Python that uses tensors with fixed names. A *world* gives these names values
of one shape and type. A form runs in a world under torch and under npnet.tensors. All results are
compared: values, number types, shapes, which tensors share memory, whether they require gradients
and which operation computed them, the gradients of the inputs for a random upstream gradient, and
the exception, if there is one.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as torch_functional

import npnet.tensors as stand_in
from npnet.base.arrays import Array
from npnet.tensors import functional as our_functional
from oracle.forms import FORMS, KNOWN

FACTOR: Final = 8  # the K of the judge: the allowed error, in units of torch's own error
FLOAT_NAMES: Final = ("x", "y", "row", "s", "p", "M", "N", "c", "q")

SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "matrix": (3, 4),
    "tall": (33, 27),
    "wide": (32, 200),
    "vector": (5,),
    "number": (),
    "empty": (0, 4),
    "cube": (2, 3, 4),
    "ties": (4, 3),
    "one": (1, 1),
    "special": (3, 4),
}
DTYPES: Final = ("float32", "float64", "int64", "bool")


class Outcome(NamedTuple):
    """The results of a form: named arrays with their properties, or an exception."""

    values: dict[str, Any]
    error: BaseException | None


class Verdict(NamedTuple):
    """One form in one world.

    Attributes:
        form, world, dtype, seed: the form, and the world in which it ran.
        difference: the first difference in words; "" if everything agrees.
        exact: whether all values and gradients are equal bit for bit.
        missing: whether npnet.tensors says that it does not have the operation.
        raised: whether both torch and npnet.tensors refuse the form in this world.
    """

    form: str
    world: str
    dtype: str
    seed: int
    difference: str
    exact: bool
    missing: bool
    raised: bool

    @property
    def known(self) -> bool:
        """The reason in forms.KNOWN why the two differ here, if there is one."""
        return any(self.form == form and self.world in worlds.split() for form, worlds, _ in KNOWN)


@cache
def world(name: str, dtype: str, seed: int) -> dict[str, Array]:
    """The named arrays of a world. They are shared: take copies."""
    rng = np.random.default_rng(seed)
    shape = SHAPES[name]

    def floats(shape: tuple[int, ...]) -> Array:
        if name == "ties":
            values = rng.integers(-1, 2, shape).astype(np.float64)
        else:
            values = rng.standard_normal(shape)
        if name == "special" and values.size >= 6:
            values.reshape(-1)[:6] = [np.inf, -np.inf, np.nan, 0.0, -0.0, 1e30]
        return np.asarray(values)

    first = shape[0] if shape else 1
    found: dict[str, Array] = {
        "x": floats(shape),
        "y": floats(shape),
        "row": floats(shape[-1:]),
        "s": np.asarray(rng.standard_normal()),
        "p": np.asarray(rng.uniform(0.1, 2, shape)),
        "M": rng.standard_normal((3, 4)),
        "N": rng.standard_normal((4, 2)),
        "c": rng.standard_normal((2, 3, 4)),
        "q": rng.standard_normal(4),
    }
    if dtype in ("int64", "bool"):
        kind = np.int64 if dtype == "int64" else np.bool_
        with np.errstate(all="ignore"):
            found = {
                key: np.asarray(
                    np.rint(np.nan_to_num(value * 2, posinf=3, neginf=-3)).clip(-9, 9)
                ).astype(kind)
                for key, value in found.items()
            }
    else:
        found = {key: value.astype(dtype) for key, value in found.items()}
    found |= {
        "i": rng.integers(-3, 4, shape),
        "k": rng.integers(0, max(first, 1), 6) if first else np.zeros(0, np.int64),
        "k2": rng.integers(0, max(first, 1), (2, 3)) if first else np.zeros((0, 2), np.int64),
        "t": rng.integers(0, max(shape[-1] if shape else 1, 1), first),
        "b": rng.integers(0, 2, shape).astype(bool),
        "br": rng.integers(0, 2, first).astype(bool),
        "z": np.asarray(rng.integers(0, max(first, 1))),
        "h": rng.integers(0, max(first, 1), shape) if first else np.zeros(shape, np.int64),
        "f": rng.standard_normal(shape).astype(np.float32),
    }
    return {key: np.asarray(value) for key, value in found.items()}


def named_in(form: str, arrays: dict[str, Array]) -> dict[str, Array]:
    """The arrays that a form names; it can neither read nor change another one."""
    return {name: arrays[name] for name in re.findall(r"\w+", form) if name in arrays}


def run(form: str, arrays: dict[str, Array], ours: bool, upstream: int) -> Outcome:
    """Run a form and its backward pass under torch or under npnet.tensors."""
    module: Any = stand_in if ours else torch
    names: dict[str, Any] = {
        "torch": module,
        "F": our_functional if ours else torch_functional,
        "np": np,
        "math": math,
    }
    leaves: dict[str, Any] = {}
    for name, array in arrays.items():
        made = module.tensor(array)
        if name in FLOAT_NAMES and array.dtype.kind == "f":
            made.requires_grad = True
            leaves[name] = made
            made = made.clone()
        names[name] = made
    places: dict[int, list[str]] = {}
    for name in arrays:
        if names[name].numel():
            places.setdefault(_memory(names[name]), []).append(name)
    given = set(names)
    try:
        exec(form if "=" in _outside(form) or ";" in form else f"r = {form}", names)
        values: dict[str, Any] = {}
        total: Any = None
        rng = np.random.default_rng(upstream)
        for name, value in _tensors(names, given, module):
            values[name] = _known(value, places, module)
            wants = isinstance(value, module.Tensor) and value.requires_grad
            if wants and (name not in given or value.grad_fn.name() != "CloneBackward0"):
                weights = module.tensor(
                    rng.standard_normal(tuple(value.shape)).astype(str(value.dtype)[6:])
                )
                part = (value * weights).sum().double()
                total = part if total is None else total + part
        if total is not None:
            total.backward()
            for name, leaf in leaves.items():
                grad = leaf.grad
                values[f"d{name}"] = None if grad is None else _known(grad, {}, module)
        return Outcome(values, None)
    except Exception as error:
        return Outcome({}, error)


def _outside(form: str) -> str:
    """The form without the texts in brackets, so that only assignments have an ``=``."""
    depth, kept = 0, []
    for sign in form:
        depth += (sign in "([{") - (sign in ")]}")
        kept.append(sign if depth == 0 else "")
    return "".join(kept).replace("==", "").replace("!=", "").replace("<=", "").replace(">=", "")


def _tensors(names: dict[str, Any], given: set[str], module: Any) -> Iterator[tuple[str, Any]]:
    for name, value in sorted(names.items()):
        if name in ("torch", "F", "np", "math") or name.startswith("__"):
            continue
        parts = isinstance(value, (tuple, list)) and not isinstance(value, module.Size)
        if parts and name not in given:
            for place, part in enumerate(value):
                yield f"{name}[{place}]", part
        else:
            yield name, value


def _known(value: Any, places: dict[int, list[str]], module: Any) -> Any:
    """What is compared of a value; ``places``: which inputs lie in which memory."""
    if not isinstance(value, module.Tensor):
        return ("plain", str(value) if isinstance(value, (module.Size, module.dtype)) else value)
    node = value.grad_fn
    return (
        value.detach().numpy().copy(),
        str(value.dtype),
        tuple(value.shape),
        value.requires_grad,
        None if node is None else node.name(),
        tuple(sorted(places.get(_memory(value), ()) if value.numel() else ())),
    )


def _memory(value: Any) -> int:
    """The memory in which a tensor's numbers lie, by its number. Views share their tensor's."""
    if isinstance(value, torch.Tensor):
        return value.untyped_storage().data_ptr()
    return id(_root(value._a))


def _root(array: Array) -> Any:
    found: Any = array
    while getattr(found, "base", None) is not None:
        found = found.base
    return found


def compare(form: str, where: str, dtype: str, seed: int) -> Verdict:
    """Run one form in one world under both, and compare all results."""
    arrays = named_in(form, world(where, dtype, seed))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        theirs = run(form, arrays, False, seed + 1)
        ours = run(form, arrays, True, seed + 1)
        truth = theirs
        if dtype == "float32" and theirs.error is None:
            wide = {
                key: array.astype(np.float64) if array.dtype == np.float32 else array
                for key, array in arrays.items()
            }
            truth = run(form, wide, False, seed + 1)
    missing = isinstance(ours.error, NotImplementedError) and "npnet.tensors" in str(ours.error)
    if theirs.error is not None:
        difference = ""
        if not isinstance(ours.error, type(theirs.error)):
            difference = f"torch raises {theirs.error!r}, npnet.tensors {ours.error!r}"
        return Verdict(form, where, dtype, seed, difference, True, missing, True)
    if ours.error is not None:
        why = f"npnet.tensors raises {ours.error!r}, torch does not"
        return Verdict(form, where, dtype, seed, why, False, missing, False)
    difference, exact = _differ(ours.values, theirs.values, truth.values)
    return Verdict(form, where, dtype, seed, difference, exact, False, False)


def _differ(
    ours: dict[str, Any], theirs: dict[str, Any], truth: dict[str, Any]
) -> tuple[str, bool]:
    exact = True
    if ours.keys() != theirs.keys():
        return f"names {sorted(ours)} for {sorted(theirs)}", False
    for name, their in theirs.items():
        our = ours[name]
        if their is None or our is None or their[0] is None or isinstance(their[0], str):
            if our != their and not (our == our and repr(our) == repr(their)):
                return f"{name}: {our!r} for torch's {their!r}", False
            continue
        labels = ("dtype", "shape", "requires_grad", "grad_fn", "shares memory with")
        for label, mine, wanted in zip(labels, our[1:], their[1:], strict=True):
            if mine != wanted:
                return f"{name}: {label} {mine} for torch's {wanted}", False
        if not np.array_equal(our[0], their[0], equal_nan=their[0].dtype.kind == "f"):
            exact = False
            reference = truth.get(name)
            known = reference is not None and not isinstance(reference[0], str)
            right = reference[0] if reference is not None and known else their[0]
            # In float64 torch's own result is the truth, and sums that cancel are as far apart as
            # their terms are large.
            terms = _largest(theirs) if their[0].dtype == np.float64 else 0.0
            why = _far(our[0], their[0], right, terms)
            if why:
                return f"{name}: {why}", False
    return "", exact


def _largest(values: dict[str, Any]) -> float:
    """The largest finite magnitude of all that a form has left."""
    arrays = [one[0] for one in values.values() if one and isinstance(one[0], np.ndarray)]
    floats = [array[np.isfinite(array)] for array in arrays if array.dtype.kind == "f"]
    return max((float(np.abs(one).max(initial=0)) for one in floats), default=0.0)


def _far(ours: Array, theirs: Array, truth: Array, terms: float) -> str:
    """ "" if our error is small enough compared with torch's own; else both, in words."""
    if theirs.dtype.kind != "f":
        return f"values {ours.tolist()} for torch's {theirs.tolist()}"
    finite = np.isfinite(theirs)
    if not np.array_equal(ours[~finite], theirs[~finite], equal_nan=True):
        return f"values {ours.tolist()} for torch's {theirs.tolist()}"
    if truth.shape != theirs.shape:
        truth = theirs
    finite &= np.isfinite(truth)
    if not finite.any():
        return ""
    right = truth[finite].astype(np.float64)
    scale = float(np.abs(right).max(initial=terms))
    apart = float(np.abs(ours[finite].astype(np.float64) - right).max())
    allowed = max(
        float(np.abs(theirs[finite].astype(np.float64) - right).max()),
        float(np.finfo(theirs.dtype).eps) * scale,
    )
    if apart <= FACTOR * allowed:
        return ""
    return f"{apart:.3g} from the truth, torch's own result {allowed:.3g}"


def verdicts(
    forms: Iterable[str] = FORMS,
    worlds: Iterable[str] = tuple(SHAPES),
    dtypes: Iterable[str] = DTYPES,
    seeds: Iterable[int] = (0,),
) -> Iterator[Verdict]:
    """All forms in all worlds, types and seeds."""
    for form in forms:
        for where in worlds:
            for dtype in dtypes:
                for seed in seeds:
                    yield compare(form, where, dtype, seed)


class Count(NamedTuple):
    """How many forms × worlds × types were compared, and with which results."""

    compared: int
    agree: int
    exact: int
    refused_by_both: int
    missing: int
    forms: int
    forms_exact: int


def count(found: Iterable[Verdict]) -> Count:
    """Sum up verdicts."""
    rows = list(found)
    good = [row for row in rows if not row.difference]
    exact_by_form: dict[str, bool] = {}
    for row in rows:
        exact_by_form[row.form] = exact_by_form.get(row.form, True) and (
            row.exact and not row.difference
        )
    return Count(
        compared=len(rows),
        agree=len(good),
        exact=sum(row.exact for row in good),
        refused_by_both=sum(row.raised for row in good),
        missing=sum(row.missing for row in rows),
        forms=len(exact_by_form),
        forms_exact=sum(exact_by_form.values()),
    )
