"""Draws that no seed decides: from Python's, NumPy's or torch's default generator."""

from __future__ import annotations

import ast
import functools
import random
import sys
from collections.abc import Callable
from typing import Any

# Functions of the module ``random`` that draw from its hidden generator.
PYTHON_DRAWS = [
    "betavariate",
    "choice",
    "choices",
    "expovariate",
    "gammavariate",
    "gauss",
    "getrandbits",
    "lognormvariate",
    "normalvariate",
    "paretovariate",
    "randbytes",
    "randint",
    "random",
    "randrange",
    "sample",
    "shuffle",
    "triangular",
    "uniform",
    "vonmisesvariate",
    "weibullvariate",
]
NUMPY_DRAWS = [
    "choice",
    "exponential",
    "normal",
    "permutation",
    "rand",
    "randint",
    "randn",
    "random",
    "random_sample",
    "shuffle",
    "standard_normal",
    "uniform",
]


class RandomSources:
    """Notes each draw of a notebook that no seed decides, and where it stands.

    Args:
        stand_in: whether torch is npnet's stand-in, whose draws can be observed.
    """

    def __init__(self, *, stand_in: bool) -> None:
        self._draws: list[dict[str, Any]] = []
        self._cell = ""
        self._targets: dict[int, str] = {}
        self._seeded = {"python": False, "numpy": False, "torch": False}
        self._last_default_seed: int | None = None
        _watch(random, PYTHON_DRAWS, "seed", "python", self)
        # NumPy's old functions stand in a module of their own.
        import numpy.random as numpy_random

        _watch(numpy_random, NUMPY_DRAWS, "seed", "numpy", self)
        if stand_in:
            from npnet.tensors import random as torch_random

            torch_random.OBSERVERS.append(self._observe)
            self._last_default_seed = torch_random.default_generator.initial_seed()
            self._default = torch_random.default_generator

    def default_is_seeded(self) -> None:
        """Torch's default generator has a seed that was chosen: its draws can be repeated."""
        self._seeded["torch"] = True

    def begin(self, number: int, source: str) -> None:
        """A cell begins."""
        self._cell = f"cell {number}"
        self._draws = []
        self._targets = _assigned(source)

    def end(self) -> list[dict[str, Any]]:
        """The draws of the cell that no seed decides; of torch's also the words of the stream."""
        return self._draws

    def seed(self, source: str) -> None:
        """The notebook seeds this source."""
        self._seeded[source] = True

    def note(self, source: str, kind: str, **details: Any) -> None:
        """A draw, unless a seed decides it."""
        if self._seeded[source]:
            return
        line = self._line()
        if line is None:  # not the notebook's: a library that draws for itself
            return
        known = {(draw["source"], draw["kind"], draw["line"]) for draw in self._draws}
        if source == "torch" or (source, kind, line) not in known:
            name = self._targets.get(line)
            self._draws.append(
                {"source": source, "kind": kind, "line": line, "name": name, **details}
            )

    def _observe(self, draw: Any) -> None:
        if not draw.default:
            return
        if self._default.initial_seed() != self._last_default_seed:  # torch.manual_seed was called
            self._seeded["torch"] = True
        if len(self._draws) < 10_000:  # a training loop may draw 200,000 minibatches
            self.note(
                "torch", draw.kind, before=draw.before, after=draw.after, shape=list(draw.shape)
            )

    def _line(self) -> int | None:
        frame = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename == self._cell:
                return frame.f_lineno
            frame = frame.f_back  # type: ignore[assignment]
        return None


def _watch(module: Any, names: list[str], seeding: str, source: str, to: RandomSources) -> None:
    """Tell ``to`` of every call of the module's functions that draw or seed."""

    def drawing(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def watched(*arguments: Any, **options: Any) -> Any:
            to.note(source, name)
            return function(*arguments, **options)

        return watched

    for name in names:
        if hasattr(module, name):
            setattr(module, name, drawing(getattr(module, name), name))
    original = getattr(module, seeding)

    @functools.wraps(original)
    def seeded(*arguments: Any, **options: Any) -> Any:
        if arguments and arguments[0] is not None:
            to.seed(source)
        return original(*arguments, **options)

    setattr(module, seeding, seeded)


def _assigned(source: str) -> dict[int, str]:
    """The name that each line of a cell assigns, if it is one."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return {}
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                found[line] = ast.unparse(node.targets[0])
    return found
