"""Recognising the names that other programs give to the arrays of the network.

Two kinds of names are recognised. Decorated names contain one of our names: ``grad_W1``,
``W1.grad``, ``grads/W1``, ``dW1``. Names of a module's state, such as ``layers.0.weight``, do not.
For these the shape decides, and for a bias the weight of the same module. If two of our names fit,
none is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from npnet.base.arrays import Array
from npnet.base.errors import InputError, shown
from npnet.network.gradients import GRADIENTS
from npnet.network.names import PARAMETER_NAMES, shape_of

# Texts before or after a name: of any array, and only of gradients.
BEFORE = re.compile(
    r"^(values?|acts?|activations|params?|parameters|model|module|forward)[/._:]", re.IGNORECASE
)
AFTER = re.compile(r"[/._:](values?|data)$", re.IGNORECASE)
GRAD_BEFORE = re.compile(
    r"^((grads?|gradients?|g|d|backward|nabla)[/._:\s]|d(L|J|E|loss|cost)\s?[/_]\s?d_?)",
    re.IGNORECASE,
)
GRAD_AFTER = re.compile(r"[/._:](grads?|gradients?|g)$", re.IGNORECASE)
KEY = re.compile(r"\[['\"](\w+)['\"]\]")  # of a dict inside a dict
QUOTED = re.compile(r"^\W*(\w.*?\w|\w)\W*$")

# The last part of a name in a module's state -> the parameters that it can be.
LEAVES = {
    "weight": ("C", "W1", "W2", "bngain"),
    "kernel": ("W1", "W2"),
    "embedding": ("C",),
    "embeddings": ("C",),
    "scale": ("bngain",),
    "gamma": ("bngain",),
    "beta": ("bnbias",),
    "bias": ("b1", "b2", "bnbias"),
}
# A weight -> the bias in the same module.
BIAS = {"W1": "b1", "W2": "b2", "bngain": "bnbias"}


class Recognised(NamedTuple):
    """Arrays under our names, and remarks on the names that were read as others."""

    arrays: dict[str, Array]
    said: tuple[str, ...]


class Fit(NamedTuple):
    """One of our names that an array can have, and how its shape fits."""

    name: str
    how: str  # empty, or ", transposed"
    change: Callable[[Array], Array]


def plain_name(name: str, known: Iterable[str] = tuple(GRADIENTS), *, gradient: bool = True) -> str:
    """Our name in a decorated one, such as ``W1`` for ``grad_W1``; else ``name`` itself.

    Args:
        name: a name in any program.
        known: the names that it can mean; by default the 26 gradients.
        gradient: whether it names a gradient; then ``dW1`` means ``W1`` too.
    """
    known = tuple(known)
    if name in known:
        return name
    lower = {each.casefold(): each for each in known}
    found = set()
    for form in _forms(name, gradient):
        for each in (form, form[1:] if form[:1] == "d" and gradient else form):
            if each in known:
                found.add(each)
            elif each.casefold() in lower:
                found.add(lower[each.casefold()])
    return found.pop() if len(found) == 1 else name


def _forms(name: str, gradient: bool = True) -> set[str]:
    """``name``, and the same name without the texts that other programs put around it."""
    patterns = (BEFORE, AFTER, GRAD_BEFORE, GRAD_AFTER) if gradient else (BEFORE, AFTER)
    forms, new = set[str](), {name, KEY.sub(r"/\1", name)}
    while new:
        forms |= new
        shorter = {pattern.sub("", form) for form in new for pattern in patterns}
        quoted = {match[1] for form in new if (match := QUOTED.match(form))}
        new = (shorter | quoted) - forms - {""}
    return forms


def recognise(
    arrays: Mapping[str, Array], sizes: Mapping[str, int], known: Iterable[str], *, gradient: bool
) -> Recognised:
    """The arrays under our names, if these are recognised; others keep their names.

    Args:
        arrays: arrays by any names.
        sizes: the sizes of n, T, E, H, V.
        known: the names that they can have.
        gradient: whether they are gradients; if not, they are values.

    Raises:
        InputError: two names are the same array.
    """
    known = tuple(known)
    fits: dict[str, Fit] = {}
    for name in arrays:
        if (plain := plain_name(name, known, gradient=gradient)) in known:
            fits[name] = Fit(plain, "", lambda array: array)
    left = {name: array for name, array in arrays.items() if name not in fits}
    if not gradient:  # grad_W1 beside it is no value
        left = {name: array for name, array in left.items() if plain_name(name, known) not in known}
    for name, plain in _alike(left, known, {fit.name for fit in fits.values()}).items():
        fits[name] = Fit(plain, "", lambda array: array)
        del left[name]
    states, doubts = _of_modules(left, sizes, {fit.name for fit in fits.values()})
    decorated = [name for name, fit in fits.items() if name not in (fit.name, f"d{fit.name}")]
    fits |= states
    taken: dict[str, str] = {}
    for name, fit in fits.items():
        if fit.name in taken:
            raise InputError(
                f"{taken[fit.name]} and {name} are both {fit.name}, wanted one of the two; if one "
                "is the value and one its gradient, give the file as --values too"
            )
        taken[fit.name] = name
    found = {
        fits[name].name if name in fits else name: fits[name].change(array)
        if name in fits
        else array
        for name, array in arrays.items()
    }
    said = [f"{name} is read as {fit.name}{fit.how}" for name, fit in states.items()]
    if decorated:
        first = decorated[0]
        others = f", and {len(decorated) - 1} more like it" if len(decorated) > 1 else ""
        said.insert(0, f"{first} is read as {fits[first].name}{others}")
    return Recognised(found, (*said, *doubts))


def _alike(names: Iterable[str], known: Iterable[str], taken: set[str]) -> dict[str, str]:
    """Our names inside names with the same text around each: ``my_W1`` and ``my_b1``.

    One such name alone can be chance, such as ``h`` in ``width``, and so can names of one letter.
    """
    ways: dict[tuple[str, str], dict[str, str]] = {}
    for name in names:
        if _module_and_leaf(name):
            continue
        for each in known:
            for match in re.finditer(re.escape(each), name):
                around = name[: match.start()], name[match.end() :]
                ways.setdefault(around, {})[name] = each
    best = sorted(ways.values(), key=len)
    if not best or len(best[-1]) < 2 or (len(best) > 1 and len(best[-2]) == len(best[-1])):
        return {}
    fits = best[-1]
    long = any(len(each) > 1 for each in fits.values())
    return fits if long and not taken & {*fits.values()} else {}


def _of_modules(
    arrays: Mapping[str, Array], sizes: Mapping[str, int], taken: set[str]
) -> tuple[dict[str, Fit], list[str]]:
    """The parameters among arrays with names of a module's state; and remarks on doubtful ones."""
    parts = {name: split for name in arrays if (split := _module_and_leaf(name))}
    options = {
        name: [fit for fit in _fits(arrays[name].shape, leaf, sizes) if fit.name not in taken]
        for name, (_, leaf) in parts.items()
    }
    certain: dict[str, Fit] = {}
    for name, fits in options.items():
        if parts[name][1] != "bias" and len(fits) == 1:
            certain[name] = fits[0]
    owners = {parts[name][0]: BIAS.get(fit.name) for name, fit in certain.items()}
    for name, fits in options.items():
        module, leaf = parts[name]
        if leaf == "bias" and module in owners:
            options[name] = fits = [fit for fit in fits if fit.name == owners[module]]
        if leaf == "bias" and len(fits) == 1:
            certain[name] = fits[0]
    claims = [fit.name for fit in certain.values()]
    certain = {name: fit for name, fit in certain.items() if claims.count(fit.name) == 1}
    doubts = []
    for name, fits in options.items():
        if name not in certain and fits:
            could = " and ".join(f"{fit.name}{fit.how}" for fit in fits)
            doubts.append(
                f"{shown(name)} of shape {arrays[name].shape} fits {could}"
                f"{', as others do' if len(fits) == 1 else ''}: give it one of our names"
            )
    return certain, doubts


def _module_and_leaf(name: str) -> tuple[str, str] | None:
    for form in sorted(_forms(name), key=len):
        module, _, leaf = re.sub(r"[/:]", ".", form).rpartition(".")
        if leaf.casefold() in LEAVES:
            return module, leaf.casefold()
    return None


def _fits(shape: tuple[int, ...], leaf: str, sizes: Mapping[str, int]) -> list[Fit]:
    """The parameters that an array of this shape can be: unchanged, transposed or as a row."""
    found = []
    for name in LEAVES[leaf]:
        wanted = shape_of(name, sizes)
        if shape == wanted:
            found.append(Fit(name, "", lambda array: array))
        # The weights of nn.Linear are (out, in); ours are (in, out).
        if name in ("W1", "W2") and shape == wanted[::-1]:
            found.append(Fit(name, ", transposed", lambda array: array.T))
        if name in ("bngain", "bnbias") and shape == wanted[1:]:
            found.append(Fit(name, ", as a row", lambda array: array[None]))
    return found


def without_values(names: Iterable[str]) -> list[str]:
    """The names of the gradients in a file that has both values and gradients.

    Such a file has ``W1`` and ``dW1`` (or ``grad_W1`` and so on) for some name. In it, plain names
    are values.
    """
    names = [*names]
    plain = {name: plain_name(name) for name in names}
    decorated = [name for name in names if plain[name] in GRADIENTS and plain[name] != name]
    both = {plain[name] for name in decorated} & {*names}
    return decorated if both else names


def parameters_alone(names: Iterable[str]) -> bool:
    """Whether the gradients among these names are all of the seven parameters."""
    names = {*names} & {*GRADIENTS}
    return bool(names) and names <= {*PARAMETER_NAMES}
