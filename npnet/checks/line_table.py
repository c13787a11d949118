"""Checking the user's description of a network: names, functions, inputs."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np

from npnet.base.arrays import Array, read_array
from npnet.base.errors import InputError, kind_of, shown
from npnet.base.suggestions import nearest
from npnet.checks.called_functions import Function

WHO = "Lines"

Functions = Mapping[str, Function] | Iterable[Function | tuple[str, Function]]


def read_functions(what: str, functions: Functions) -> dict[str, Function]:
    """Named functions in their order.

    Args:
        what: ``line`` or ``gradient``.
        functions: a mapping name -> function; or pairs; or functions, by their own names.

    Raises:
        InputError: there are no functions, one of them cannot be called, two have one name, or a
            name is not an identifier.
    """
    if isinstance(functions, str | bytes) or not isinstance(functions, Iterable):
        raise InputError(
            f"{WHO}: {what}s is {kind_of(functions)}, wanted a mapping from names to functions"
        )
    pairs = functions.items() if isinstance(functions, Mapping) else map(_pair, functions)
    found: dict[str, Function] = {}
    for name, function in pairs:
        check_name(what, name)
        if name in found:
            raise InputError(f"{WHO}: two {what}s are called {name}, wanted a name for each")
        if not callable(function):
            raise InputError(
                f"{WHO}: {what} {name} is {kind_of(function)}, wanted a function of "
                f"{'v' if what == 'line' else 'v and d'}"
            )
        found[name] = function
    return found


def _pair(entry: Any) -> tuple[Any, Any]:
    if isinstance(entry, tuple) and len(entry) == 2:
        return entry
    return getattr(entry, "__name__", entry), entry


def check_name(what: str, name: object) -> None:
    """Raise InputError unless ``name`` can be written after a dot, as in ``v.name``."""
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise InputError(
            f"{WHO}: {what} {shown(name)} is no name, wanted one that can stand after v. (letters, "
            "digits and _, no word of Python)"
        )
    if name.startswith("_"):
        raise InputError(f"{WHO}: {what} {name} begins with _, wanted a name without")


def read_gradients(
    gradients: Functions | None, names: Iterable[str], others: Mapping[str, str]
) -> dict[str, Function]:
    """The hand-written gradients, by the names of their values.

    The name of a gradient may begin with the lecture's d: ``dq`` is the gradient of ``q``, unless
    there is a value ``dq``.

    Args:
        names: the names that have a gradient.
        others: a name that has no gradient -> why.

    Raises:
        InputError: as ``read_functions``; or a gradient belongs to an unknown name, to a name that
            has no gradient, or to a name that has one already.
    """
    found: dict[str, Function] = {}
    known = [*names]
    every = [*known, *others]
    for name, function in read_functions("gradient", gradients or {}).items():
        plain = name[1:] if name not in every and name[:1] == "d" and name[1:] in every else name
        if plain in others:
            raise InputError(
                f"{WHO}: there is a gradient for {plain}, wanted none: it {others[plain]}"
            )
        if plain not in known:
            near = nearest(plain, known)
            wanted = f"did you mean {near}?" if near else f"wanted one of {', '.join(known)}"
            raise InputError(f"{WHO}: gradient {name} belongs to no name, {wanted}")
        if plain in found:
            raise InputError(f"{WHO}: two gradients for {plain}, wanted one")
        found[plain] = function
    return found


def read_inputs(
    inputs: Mapping[str, Any], integers: Iterable[str] | Mapping[str, int], seed: int
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """The inputs as arrays (float64, or int64 for ``integers``), and the names of the integers.

    A tuple of whole numbers is a shape, for which numbers are drawn: standard normal ones, or
    integers from 0 up to (and without) the number in ``integers``.

    Raises:
        InputError: ``inputs`` is not a mapping, a name is not an identifier, an entry is not
            numbers, an integer input has floats, or another input has integers.
    """
    if not isinstance(inputs, Mapping) or not inputs:
        raise InputError(
            f"{WHO}: inputs is {kind_of(inputs)}, wanted a mapping from names to arrays or shapes, "
            'as in {"x": (32, 10)}'
        )
    below = dict(integers) if isinstance(integers, Mapping) else dict.fromkeys(integers)
    for name in below:
        if name not in inputs:
            raise InputError(f"{WHO}: integers has {shown(name)}, wanted names of inputs")
    rng = np.random.default_rng(seed)
    read = {}
    for name, given in inputs.items():
        check_name("input", name)
        read[name] = _input(name, given, name in below, below.get(name), rng)
    return read, tuple(below)


def _input(
    name: str, given: Any, whole: bool, below: int | None, rng: np.random.Generator
) -> Array:
    if isinstance(given, tuple) and all(type(size) is int and size > 0 for size in given):
        if not whole:
            return rng.standard_normal(given)
        if not isinstance(below, Integral) or below < 1:
            raise InputError(
                f"{WHO}: {name} has a shape and is an integer, wanted a number that its entries "
                f'are below: integers={{"{name}": 10}}'
            )
        return rng.integers(0, int(below), given)
    array = np.array(read_array(f"{WHO}: input {name}", given))
    if whole and array.dtype.kind not in "iu":
        raise InputError(
            f"{WHO}: input {name} is {array.dtype}, wanted integers: it is among integers"
        )
    if not whole and array.dtype.kind != "f":
        raise InputError(
            f"{WHO}: input {name} is {array.dtype}, wanted floats: convert it, or name it in "
            f'integers=["{name}"]'
        )
    if not array.size:
        raise InputError(f"{WHO}: input {name} has shape {array.shape}, wanted some entries")
    if not whole and not np.isfinite(array).all():
        raise InputError(f"{WHO}: input {name} is not finite everywhere, wanted numbers to move")
    return array.astype(np.int64 if whole else np.float64)


def read_constants(constants: Mapping[str, Any] | None) -> dict[str, Any]:
    """The constants: numbers and other objects that lines read, without a gradient.

    Raises:
        InputError: ``constants`` is not a mapping, or a name is not an identifier.
    """
    if not isinstance(constants, Mapping | None):
        raise InputError(
            f"{WHO}: constants is {kind_of(constants)}, wanted a mapping from names to numbers"
        )
    read = {}
    for name, entry in (constants or {}).items():
        check_name("constant", name)
        read[name] = entry
        if isinstance(entry, np.ndarray | np.generic):
            # A NumPy number would widen float32; a Python number does not.
            read[name] = np.array(entry, np.float64 if entry.dtype.kind == "f" else None)
            read[name] = read[name] if read[name].ndim else read[name].item()
    return read


def read_zero(
    zero: Mapping[str, tuple[str, int | tuple[int, ...]]] | None, gradients: Iterable[str]
) -> dict[str, tuple[str, int | tuple[int, ...]]]:
    """The gradients that are mathematically zero: name -> (the gradient that it sums, the axes).

    Raises:
        InputError: ``zero`` has another form, or names that have no gradient.
    """
    known = [*gradients]
    for name, entry in (zero or {}).items():
        of_form = isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str)
        if not of_form or not all(
            isinstance(axis, int) for axis in np.atleast_1d(entry[1]).tolist()
        ):
            raise InputError(
                f"{WHO}: zero has {shown(entry)} for {name}, wanted the gradient that it sums, and "
                f'the axis: {{"{name}": ("hpreact", 0)}}'
            )
        for wanted in (name, entry[0]):
            if wanted not in known:
                raise InputError(f"{WHO}: zero has {wanted}, wanted names with a gradient")
    return dict(zero or {})


def check_shapes(
    shapes: Mapping[str, tuple[int, ...]] | None, lines: Iterable[str]
) -> dict[str, tuple[int, ...]]:
    """The shapes that the results of lines must have.

    Raises:
        InputError: an entry is not a shape, or its name is not a line.
    """
    known = [*lines]
    for name, shape in (shapes or {}).items():
        if name not in known:
            raise InputError(f"{WHO}: shapes has {shown(name)}, wanted names of lines")
        if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape):
            raise InputError(
                f"{WHO}: shapes has {shown(shape)} for {name}, wanted a tuple of sizes"
            )
    return dict(shapes or {})


def one_meaning(**groups: Iterable[str]) -> None:
    """Raise InputError if a name is in two of the groups."""
    seen: dict[str, str] = {}
    for group, names in groups.items():
        for name in names:
            if name in seen:
                raise InputError(
                    f"{WHO}: {name} is the name of {seen[name]} and of {group}, wanted a name for "
                    "each"
                )
            seen[name] = f"an {group}" if group == "input" else f"a {group}"
