"""Tools for your own tests: problems with torch's answers, and an assert that explains failures.

They test any implementation that returns arrays or nested lists; the guide has an example. Without
torch, ``npnet.checks.golden.read_golden`` reads the same kind of problem from a folder, and
``assert read_golden(folder).whole().judge(mine)`` is the same test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch

from npnet.base.errors import InputError
from npnet.checks.compare import compare
from npnet.checks.reference import (
    PRECISIONS,
    Problem,
    Reference,
    gradient_names,
    next_step,
    plain_names,
)
from npnet.network.forward import Values
from npnet.network.gradients import GRADIENTS, Gradients
from npnet.recipes.recipe import Recipe
from oracle.golden import solve
from oracle.lines import array_of
from oracle.networks import KINDS, network
from oracle.replay import draw_parameters, seeded

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy


def each_gradient(names: Iterable[str] = tuple(GRADIENTS)) -> pytest.MarkDecorator:
    """A mark that runs a test once for each gradient, with its name as the argument ``name``.

    Args:
        names: some of the 26, with or without the lecture's d; by default all.

    Raises:
        InputError: there is no name, or one is unknown.
    """
    return pytest.mark.parametrize("name", gradient_names(names))


@lru_cache(maxsize=8)
def problem(
    seed: int = 0, *, n: int = 32, T: int = 3, E: int = 10, H: int = 16, V: int = 27
) -> Problem:
    """A network and a batch, with torch's values and gradients in float32 and in float64.

    Args:
        seed: the seed of the parameters (drawn as in the lecture), the batch, and the random
            upstream gradients.
        n, T, E, H, V: rows, context length, embedding width, hidden units, characters.

    Returns:
        The problem. For one line alone, ``values`` and ``upstream`` are the inputs and ``lines``
        the right results. For a whole backward pass, ``values`` has the parameters and the batch,
        and ``whole`` the right results. Arrays are read-only; the same arguments give the same
        object.

    Raises:
        InputError: the seed or a size cannot be used.
    """
    recipe = Recipe("testing", block_size=T, embedding=E, hidden=H, batch=n, seed=seed)
    if V < 2:
        raise InputError(f"problem: V is {V}, wanted 2 or more")
    g = seeded(seed)
    params = draw_parameters(recipe, V, g)
    X, Y = (array_of(torch.randint(0, V, shape, generator=g)) for shape in ((n, T), (n,)))
    return solve(params, X, Y, recipe.eps, upstream=seed)


class Case(NamedTuple):
    """A problem that ``cases`` has drawn, and the precision in which to compute it.

    Attributes:
        problem: as the function ``problem`` returns it.
        precision: float32 or float64.
        kind: the kind of the parameters, one of ``oracle.networks.KINDS``.
        seed: the seed of parameters, batch and upstream gradients.
    """

    problem: Problem
    precision: str
    kind: str
    seed: int

    def __repr__(self) -> str:
        sizes = ", ".join(f"{letter}={size}" for letter, size in self.problem.sizes.items())
        return f"<{self.kind}, {self.precision}, {sizes}, seed {self.seed}>"

    def values(self) -> Values:
        """The parameters, the batch and the values of the forward pass."""
        return self.problem.values(self.precision)

    def upstream(self) -> Gradients:
        """The upstream gradients for each line alone."""
        return self.problem.upstream(self.precision)

    def whole(self) -> Reference:
        """The right results of a whole backward pass."""
        return self.problem.whole(self.precision)

    def lines(self) -> Reference:
        """The right results of each line alone."""
        return self.problem.lines(self.precision)


def cases(
    *,
    n: int = 32,
    T: int = 4,
    E: int = 6,
    H: int = 12,
    V: int = 16,
    kinds: Sequence[str] = KINDS,
    precisions: Sequence[str] = PRECISIONS,
) -> SearchStrategy[Case]:
    """A hypothesis strategy: networks of any sizes, kinds and precisions.

    ``@given(cases())`` runs a test for many networks, and reports the smallest that fails. Batches
    have two rows or more.

    Args:
        n, T, E, H, V: the largest sizes. n and V are 2 or more, the others 1 or more.
        kinds: ``untrained``, ``trained``, ``scaled`` (scales far from the lecture's), ``tied``
            (equal largest logits: leave this kind out if your program does not choose the first of
            them).
        precisions: ``float32``, ``float64``.

    Raises:
        ModuleNotFoundError: hypothesis is not installed.
        InputError: a size is too small, or a kind or precision is unknown.
    """
    try:
        from hypothesis import reject
        from hypothesis import strategies as st
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "oracle.testing.cases: hypothesis is not installed: pip install hypothesis",
            name="hypothesis",
        ) from error
    largest = {"n": n, "T": T, "E": E, "H": H, "V": V}
    least = {"n": 2, "T": 1, "E": 1, "H": 1, "V": 2}
    for letter, size in largest.items():
        if size < least[letter]:
            raise InputError(f"cases: {letter} is {size}, wanted {least[letter]} or more")
    for what, known, got in (("kinds", KINDS, kinds), ("precisions", PRECISIONS, precisions)):
        if not got or not {*got} <= {*known}:
            raise InputError(f"cases: {what} is {got!r}, wanted some of {', '.join(known)}")

    @st.composite
    def drawn(draw: DrawFn) -> Case:
        sizes = {letter: draw(st.integers(least[letter], size)) for letter, size in largest.items()}
        kind, precision = draw(st.sampled_from(kinds)), draw(st.sampled_from(precisions))
        seed = draw(st.integers(0, 2**31))
        made = network(seed, sizes, kind)
        try:
            case = solve(made.params, made.X, made.Y, upstream=seed)
        except InputError:  # a probability that is 0 in float32
            reject()
        return Case(case, precision, kind, seed)

    return drawn()


def assert_gradients(
    ours: Mapping[str, Any],
    reference: Reference | Mapping[str, Any],
    *,
    only: str | Iterable[str] | None = None,
) -> None:
    """Pass if every gradient is right.

    Args:
        ours: name -> array, tensor or nested list; names may begin with the lecture's d.
        reference: ``lines`` or ``whole`` of a problem; or a mapping of arrays, such as the
            ``.grad`` of your own tensors, judged by ``npnet.compare``.
        only: the name or names to compare, if not all 26; not with a mapping.

    Raises:
        AssertionError: a gradient is wrong. The message has the table, the worst element of every
            wrong gradient on both sides, the first wrong gradient, and the command that shows its
            derivation.
        InputError: arguments do not fit together.
    """
    __tracebackhide__ = True
    if isinstance(reference, Reference):
        report = reference.judge(ours, only)
    elif only is not None:
        raise InputError(
            "assert_gradients: got only= and a mapping, wanted a mapping of those names"
        )
    else:
        report = compare(plain_names(ours), plain_names(reference))
    if not report:
        raise AssertionError(f"wrong gradients\n{report}\n{next_step(report)}")
