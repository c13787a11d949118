"""For your own test suite: problems with torch's answers, and an assert that explains failures.

It tests any implementation that returns arrays or nested lists; the guide has an example. Without
torch, ``npnet.checks.golden.read_golden`` reads the same kind of problem from a folder, and
``assert read_golden(folder).whole().judge(mine)`` tests the same.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import pytest
import torch

from npnet.base.errors import InputError
from npnet.checks.compare import compare
from npnet.checks.reference import Problem, Reference, gradient_names, next_step, plain_names
from npnet.network.gradients import GRADIENTS
from npnet.recipes.recipe import Recipe
from oracle.golden import solve
from oracle.lines import array_of
from oracle.replay import draw_parameters, seeded


def each_gradient(names: Iterable[str] = tuple(GRADIENTS)) -> pytest.MarkDecorator:
    """A mark that runs a test once for each gradient, with its name as the argument ``name``.

    Args:
        names: some of the 26, with or without the lecture's d; all by default.

    Raises:
        InputError: there are none, or one is unknown.
    """
    return pytest.mark.parametrize("name", gradient_names(names))


@lru_cache(maxsize=8)
def problem(
    seed: int = 0, *, n: int = 32, T: int = 3, E: int = 10, H: int = 16, V: int = 27
) -> Problem:
    """A network and a batch, with torch's values and gradients in float32 and in float64.

    Args:
        seed: of the parameters, drawn as in the lecture, of the batch, and of the random upstream.
        n, T, E, H, V: rows, context length, embedding width, hidden units, characters.

    Returns:
        The problem. For one line alone, ``values`` and ``upstream`` are the inputs and ``lines``
        the right results. For a whole backward pass, ``values`` has the parameters and the batch,
        and ``whole`` the right results. Arrays are read-only; the same arguments give the same
        object.

    Raises:
        InputError: a seed or a size that cannot be used.
    """
    recipe = Recipe("testing", block_size=T, embedding=E, hidden=H, batch=n, seed=seed)
    if V < 2:
        raise InputError(f"problem: V is {V}, wanted 2 or more")
    g = seeded(seed)
    params = draw_parameters(recipe, V, g)
    X, Y = (array_of(torch.randint(0, V, shape, generator=g)) for shape in ((n, T), (n,)))
    return solve(params, X, Y, recipe.eps, upstream=seed)


def assert_gradients(
    ours: Mapping[str, Any],
    reference: Reference | Mapping[str, Any],
    *,
    only: str | Iterable[str] | None = None,
) -> None:
    """Pass if every gradient is right.

    Args:
        ours: name -> array, tensor or nested list; names may have the lecture's d.
        reference: ``lines`` or ``whole`` of a problem; or a mapping of arrays, such as the
            ``.grad`` of your own tensors, judged by ``npnet.compare``.
        only: the name or names to compare, if not all 26; not with a mapping.

    Raises:
        AssertionError: with the table, the worst element of every wrong gradient on both sides,
            the first wrong gradient, and the command that shows its derivation.
        InputError: arguments that do not fit together.
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
