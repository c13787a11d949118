"""Noting draws without a seed, from the default generators of Python, NumPy and torch."""

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
TORCH_DRAWS = {
    "bernoulli", "exponential", "multinomial", "normal", "rand", "rand_like", "randint",
    "randint_like", "randn", "randn_like", "randperm", "uniform",
}  # fmt: skip
DRAWS = {*PYTHON_DRAWS, *NUMPY_DRAWS, *TORCH_DRAWS}
MOST_DRAWS = 200  # torch's draws of a cell that are kept; a network has fewer parameters
# draws of a cell that are kept; a training loop can draw 200,000 minibatches
MOST_UNSEEDED = 10_000


class RandomSources:
    """Notes each draw of a notebook that no seed decides, and its line.

    Args:
        stand_in: whether torch is npnet's stand-in, whose draws can be observed.
    """

    def __init__(self, *, stand_in: bool) -> None:
        self._draws: list[dict[str, Any]] = []
        self.torch_draws: list[dict[str, Any]] = []
        self.sampled = False  # whether the cell has drawn with multinomial
        self.shuffle: dict[str, Any] = {"seed": None, "times": 0}
        self._cell = ""
        self.runs_again = False  # whether the cell is the one that ran before
        self._targets: dict[int, list[str]] = {}
        self._drawn_on: dict[int, int] = {}  # how many draws each line has made
        self._seeded = {"python": False, "numpy": False, "torch": False}
        self._last_default_seed: int | None = None
        _watch(random, PYTHON_DRAWS, "seed", "python", self)
        # NumPy's old functions are in another module.
        import numpy.random as numpy_random

        _watch(numpy_random, NUMPY_DRAWS, "seed", "numpy", self)
        numpy_random.default_rng = self._without_seed(numpy_random.default_rng)
        if stand_in:
            from npnet.tensors import random as torch_random

            torch_random.OBSERVERS.append(self._observe)
            self._default = torch_random.default_generator
            self._last_default_seed = self._default.initial_seed()
            self._fresh = self._default.seed
            vars(self._default)["seed"] = self._seeded_by_the_system

    @property
    def default_seed(self) -> int | None:
        """The current seed of the stand-in's default generator."""
        return None if self._last_default_seed is None else self._default.initial_seed()

    def default_is_seeded(self) -> None:
        """Note that somebody chose the seed of torch's default generator: draws can be repeated."""
        self._seeded["torch"] = True

    def begin(self, number: int, source: str) -> None:
        """Begin a cell."""
        self.runs_again = self._cell == f"cell {number}"
        self._cell = f"cell {number}"
        self._draws, self.torch_draws, self.sampled = [], [], False
        self._targets, self._drawn_on = _assigned(source), {}

    def end(self) -> list[dict[str, Any]]:
        """End a cell: its draws that no seed decides; torch's also with the words of the stream."""
        return self._draws

    def seed(self, source: str, *, chosen: bool) -> None:
        """Note that the notebook seeds this source, with its own seed or with the system's."""
        self._seeded[source] = chosen

    def note(self, source: str, kind: str, **details: Any) -> None:
        """Note a draw, unless a seed decides it."""
        if not self._seeded[source]:
            self.note_always(source, kind, **details)

    def note_always(self, source: str, kind: str, **details: Any) -> None:
        """Note a draw that no call of ``seed`` could decide."""
        line = self._line()
        if line is None:  # not a draw of the notebook, but of a library
            return
        known = {(draw["source"], draw["kind"], draw["line"]) for draw in self._draws}
        name = self._name(line)
        if source == "torch" or (source, kind, line) not in known:
            self._draws.append(
                {"source": source, "kind": kind, "line": line, "name": name, **details}
            )

    def _observe(self, draw: Any) -> None:
        if draw.default and draw.seed != self._last_default_seed:  # torch.manual_seed was called
            self._seeded["torch"] = True
        self.sampled |= draw.kind == "multinomial"
        unseeded = draw.default and not self._seeded["torch"]
        line = self._line()
        if line is not None and not unseeded:
            self._name(line)
        where = {"before": draw.before, "after": draw.after, "shape": list(draw.shape)}
        if len(self.torch_draws) < MOST_DRAWS and line is not None:
            seed = None if unseeded else draw.seed
            entry = {
                "kind": draw.kind,
                "line": line,
                "seed": seed,
                "default": draw.default,
                **where,
            }
            self.torch_draws.append(entry)
        if unseeded and len(self._draws) < MOST_UNSEEDED:
            self.note("torch", draw.kind, **where)

    def _name(self, line: int) -> str | None:
        """The name to which the next draw on a line is assigned; a line can have several draws."""
        names = self._targets.get(line)
        if not names:
            return None
        place = self._drawn_on.get(line, 0)
        self._drawn_on[line] = place + 1
        return names[place % len(names)]

    def _seeded_by_the_system(self) -> int:
        """Note a call of ``torch.seed()``: from now on, nobody knows the seed."""
        fresh: int = self._fresh()
        self._last_default_seed, self._seeded["torch"] = fresh, False
        return fresh

    def _without_seed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def watched(seed: Any = None) -> Any:
            if seed is None and self._line() is not None:
                self.note_always("numpy", "default_rng")
            return function(seed)

        return watched

    def _line(self) -> int | None:
        frame = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename == self._cell:
                return frame.f_lineno
            frame = frame.f_back  # type: ignore[assignment]
        return None


def _watch(module: Any, names: list[str], seeding: str, source: str, to: RandomSources) -> None:
    """Report every call of the module's functions that draw or seed to ``to``."""

    def drawing(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def watched(*arguments: Any, **options: Any) -> Any:
            to.note(source, name)
            if name == "shuffle" and source == "python":
                to.shuffle["times"] += 1
            return function(*arguments, **options)

        return watched

    for name in names:
        if hasattr(module, name):
            setattr(module, name, drawing(getattr(module, name), name))
    original = getattr(module, seeding)

    @functools.wraps(original)
    def seeded(*arguments: Any, **options: Any) -> Any:
        given = [*arguments, *options.values()]
        chosen = bool(given) and given[0] is not None
        to.seed(source, chosen=chosen)
        if source == "python":
            seed = given[0] if chosen and isinstance(given[0], int) else None
            # A cell that seeds, shuffles and runs again shuffles the shuffled words.
            same = to.runs_again and to.shuffle["seed"] == seed
            to.shuffle = {"seed": seed, "times": to.shuffle["times"] if same else 0}
        return original(*arguments, **options)

    setattr(module, seeding, seeded)


def _assigned(source: str) -> dict[int, list[str]]:
    """The names that each line of a cell assigns, one for each call that draws."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return {}
    found: dict[int, list[str]] = {}
    assignments = [
        node for node in ast.walk(tree) if isinstance(node, ast.Assign) and len(node.targets) == 1
    ]
    for node in sorted(assignments, key=lambda node: (node.lineno, node.col_offset)):
        name = ast.unparse(node.targets[0])
        calls = sum(
            isinstance(inner, ast.Call)
            and ast.unparse(inner.func).rpartition(".")[2].rstrip("_") in DRAWS
            for inner in ast.walk(node.value)
        )
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
            found.setdefault(line, []).extend([name] * calls)
    # A draw inside of a function that is called here: nothing tells whose it is.
    for node in assignments:
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
            found[line] = found[line] or [ast.unparse(node.targets[0])]
    return found
