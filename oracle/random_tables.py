"""Random tables of lines with right gradients, for trying ``npnet.Lines`` on every kind.

Sizes are often 1, inputs often equal, zero, large or tiny.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.base.errors import InputError
from npnet.checks.lines import Lines
from oracle import pieces
from oracle.pieces import Piece

SIZES = (1, 1, 2, 2, 3, 4, 7)
KINDS = ("normal", "whole numbers", "all equal", "zeros", "large", "tiny", "near")
# Makes a gradient with respect to one thing that a line reads from the line, by another library.
Library = Callable[[Piece, int], Callable[..., Any]]


class RandomTable(NamedTuple):
    """A table and how it was made."""

    table: Lines
    pieces: dict[str, str]
    kind: str


class _Builder:
    def __init__(self, seed: int, library: Library | None) -> None:
        self.rng = np.random.default_rng(seed)
        self.library = library
        self.kind = str(self.rng.choice(KINDS))
        self.inputs: dict[str, Array] = {}
        self.integers: list[str] = []
        self.constants: dict[str, Array] = {}
        self.lines: dict[str, Callable[[Any], Any]] = {}
        self.pieces: dict[str, str] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.parts: dict[str, list[Callable[[Any, Any], Any]]] = {}

    def size(self) -> int:
        return int(self.rng.choice(SIZES))

    def pick(self, catalogue: Mapping[str, Piece]) -> tuple[str, Piece]:
        name = str(self.rng.choice(list(catalogue)))
        return name, catalogue[name]

    def floats(self, name: str, shape: tuple[int, ...]) -> str:
        x = self.rng.standard_normal(shape)
        kind = self.kind if self.rng.random() < 0.7 else "normal"
        x = {
            "normal": x,
            "whole numbers": np.round(x),
            "all equal": np.full(shape, 0.6),
            "zeros": x * (self.rng.random(shape) < 0.5),
            "large": x * 20,
            "tiny": x * 1e-4,
            "near": 1 + 1e-3 * x,
        }[kind]
        self.inputs[name] = np.asarray(x, np.float32).astype(np.float64)
        self.shapes[name] = shape
        return name

    def whole(self, name: str, shape: tuple[int, ...], below: int) -> str:
        self.inputs[name] = self.rng.integers(0, below, shape)
        self.integers.append(name)
        return name

    def add(self, what: str, piece: Piece, *read: str) -> str:
        name = f"l{len(self.lines)}"
        self.lines[name] = lambda v: piece.f(np, *(v[key] for key in read))
        self.pieces[name] = what
        there = {**self.inputs, **self.constants}
        given = [there[key] if key in there else np.ones(self.shapes[key]) for key in read]
        with np.errstate(all="ignore"):
            self.shapes[name] = np.shape(piece.f(np, *given))
        for place, key in enumerate(read):
            if key not in self.integers and key not in self.constants:
                self.parts.setdefault(key, []).append(self.part(piece, place, name, read))
        return name

    def part(
        self, piece: Piece, place: int, name: str, read: tuple[str, ...]
    ) -> Callable[[Any, Any], Any]:
        ways = piece.ways[place]
        way = ways[self.rng.integers(len(ways))]
        if self.library is not None:
            way = self.library(piece, place)
        return lambda v, d: way(d[name], v[name], *(v[key] for key in read))

    def gradients(self) -> dict[str, Callable[[Any, Any], Any]]:
        order = [*reversed(self.lines), *(key for key in self.inputs if key not in self.integers)]
        return {name: _added(self.parts[name]) for name in order if name in self.parts}


def _added(parts: list[Callable[[Any, Any], Any]]) -> Callable[[Any, Any], Any]:
    def gradient(v: Any, d: Any) -> Any:
        total = parts[0](v, d)
        for part in parts[1:]:
            total = total + part(v, d)
        return total

    return gradient


def random_table(seed: int, library: Library | None = None) -> RandomTable | None:
    """A table of random lines, sizes and inputs; None if its values overflow."""
    b = _Builder(seed, library)
    rng, n = b.rng, b.size()
    if rng.random() < 0.4:
        V, T, E = b.size(), b.size(), b.size()
        x = b.add("embedding", pieces.EMBEDDING, b.floats("C", (V, E)), b.whole("X", (n, T), V))
        x = b.add(*b.pick(pieces.POOLS), x)
    else:
        x = b.floats("x", (n, b.size()))
    for _ in range(int(rng.integers(0, 5))):
        x = _block(b, x)
    if rng.random() < 0.7:
        what, piece = b.pick(pieces.LOSSES)
        if what in pieces.CLASSES:
            b.add(what, piece, x, b.whole("Y", (n,), b.shapes[x][1]))
        else:
            b.constants["t"] = rng.integers(0, 2, (n, 1)).astype(float)
            b.add(what, piece, x, "t")
    elif not b.lines:
        b.add(*b.pick(pieces.ROWS), x)
    try:
        with np.errstate(all="ignore"):
            table = Lines(
                b.lines,
                b.inputs,
                gradients=b.gradients(),
                integers=b.integers,
                constants=b.constants,
            )
            table.forward("float32")
    except InputError as error:
        if "nan or inf" in str(error):
            return None
        raise
    return RandomTable(table, b.pieces, b.kind)


def _block(b: _Builder, x: str) -> str:
    """One more line or some, from ``x``, a matrix."""
    n, m = b.shapes[x]
    number = len(b.lines)
    choice = b.rng.integers(9)
    if choice == 0:
        return b.add("product", pieces.PRODUCT, x, b.floats(f"W{number}", (m, b.size())))
    if choice == 1:
        x = b.add("product", pieces.PRODUCT, x, b.floats(f"W{number}", (m, b.size())))
        return b.add("bias", pieces.BIAS, x, b.floats(f"b{number}", b.shapes[x][1:]))
    if choice == 2:
        return b.add("gain", pieces.GAIN, x, b.floats(f"g{number}", (m,)))
    if choice == 3:
        inner = b.add(*b.pick(pieces.ELEMENTWISE), x)
        what, piece = b.pick(
            {"added": pieces.ADDED, "gated": pieces.GATED, "difference": pieces.DIFFERENCE}
        )
        return b.add(what, piece, x, inner)
    if choice == 4:
        k = b.add("product", pieces.PRODUCT, x, b.floats(f"K{number}", (m, m)))
        p = b.add("scores", pieces.SCORES, x, k)
        p = b.add("softmax", pieces.ROWS["softmax"], p)
        return b.add("product", pieces.PRODUCT, p, x)
    if choice == 5 and n > 1:
        return b.add(*b.pick(pieces.COLUMNS), x)
    return b.add(*b.pick(pieces.ROWS if choice > 6 else pieces.ELEMENTWISE), x)
