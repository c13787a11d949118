"""Solving a problem with torch, for the golden sets with which other programs are tested."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from npnet.base.arrays import Named
from npnet.base.errors import InputError
from npnet.base.version import __version__
from npnet.checks.containers import decode
from npnet.checks.reference import KINDS, PRECISIONS, Problem
from npnet.network.names import PARAMETER_NAMES, VALUE_NAMES
from npnet.recipes.recipe import Recipe
from oracle.lines import Array, array_of, cut
from oracle.replay import begin, seeded
from oracle.whole import whole

# The seed of the random upstream gradients in a golden set; any number is possible.
UPSTREAM_SEED = 26


def solve(
    params: Mapping[str, ArrayLike],
    X: ArrayLike,
    Y: ArrayLike,
    eps: float = 1e-5,
    *,
    upstream: int | Mapping[str, Array] = UPSTREAM_SEED,
) -> Problem:
    """Values and gradients of one batch in float32 and in float64, end to end and line by line.

    Args:
        params: the seven parameters, all float32 or all float64; they are cast to the other one.
        X, Y: context indices (n, T) and targets (n,), n of 2 or more.
        eps: added to the variance.
        upstream: an array for each of the 20 values; or the seed of standard normal numbers,
            drawn in float32, so that they are the same in both precisions.

    Raises:
        InputError: arrays do not fit together, or a result is not finite.
    """
    arrays: dict[tuple[str, str], dict[str, Any]] = {}
    for precision in PRECISIONS:
        with np.errstate(over="ignore"):  # values that are too large for float32 are found below
            cast = {name: np.asarray(array).astype(precision) for name, array in params.items()}
        values, gradients = whole(cast, X, Y, eps)
        if isinstance(upstream, int):
            upstream = _normal(values, upstream)
        given = {name: upstream[name].astype(precision) for name in VALUE_NAMES}
        alone = cut(values, given)
        solution = (values, values, gradients, given, alone)
        for (kind, names), source in zip(KINDS.items(), solution, strict=True):
            arrays[kind, precision] = {name: source[name] for name in names}
    for (kind, precision), named in arrays.items():
        for name, array in named.items():
            if not np.isfinite(array).all():
                raise InputError(
                    f"oracle: {kind} {name} is not finite in {precision}, wanted a problem that "
                    "has an answer: smaller parameters"
                )
            array.flags.writeable = False
    n, T = values["X"].shape
    (V, E), H = values["C"].shape, len(values["b1"])
    return Problem(
        about={
            "npnet": __version__,
            "torch": torch.__version__,
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        },
        sizes={"n": n, "T": T, "E": E, "H": H, "V": V},
        batch=Named({name: values[name] for name in ("X", "Y", "eps")}),
        arrays={key: Named(named) for key, named in arrays.items()},
    )


def _normal(values: Mapping[str, Any], seed: int) -> dict[str, Array]:
    g = seeded(seed)
    return {
        name: array_of(torch.randn(values[name].shape, generator=g, dtype=torch.float32))
        for name in VALUE_NAMES
    }


def first_batch(recipe: Recipe, words: Sequence[str]) -> Problem:
    """The problem of a run's first step. Nothing is trained, calibrated or evaluated for it.

    Raises:
        InputError: the words cannot be used.
    """
    start = begin(recipe, words)
    (X, Y), rows = start.examples["train"], next(start.minibatches)
    problem = solve(start.params, X[rows], Y[rows], recipe.eps)
    text = "\n".join(words).encode()
    source = {
        "recipe": asdict(recipe),
        "words": {"count": len(words), "sha256": hashlib.sha256(text).hexdigest()},
        "seeds": {"draws": recipe.seed, "upstream": UPSTREAM_SEED},
    }
    return replace(problem, about={**problem.about, **source})


def from_file(path: Path) -> Problem:
    """The problem from a file with the seven parameters, X, Y, and eps if it is not 1e-5.

    It is an npz, safetensors or JSON file. In JSON, X and Y may be plain lists of whole numbers.

    Raises:
        InputError: the file is missing or damaged, or a name in it is missing or unknown.
    """
    stored = decode(path)
    entries: dict[str, Any] = {"eps": np.array(1e-5)}
    for name, (array, dtype) in stored.items():
        plain = name in ("X", "Y") and not dtype and (array == np.trunc(array)).all()
        entries[name] = array.astype(np.int64) if plain else array
    wanted = {*PARAMETER_NAMES, "X", "Y", "eps"}
    if entries.keys() != wanted:
        raise InputError(
            f"{path}: missing {', '.join(sorted(wanted - entries.keys())) or 'none'}, unknown "
            f"{', '.join(sorted(entries.keys() - wanted)) or 'none'}, wanted "
            f"{', '.join(PARAMETER_NAMES)}, X, Y and perhaps eps"
        )
    eps = entries.pop("eps")
    if eps.shape != () or eps.dtype.kind not in "fiu" or not (np.isfinite(eps) and eps >= 0):
        raise InputError(f"{path}: eps is {eps}, wanted one number, 0 or more")
    X, Y = entries.pop("X"), entries.pop("Y")
    try:
        problem = solve(entries, X, Y, float(eps))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return replace(problem, about={**problem.about, "seeds": {"upstream": UPSTREAM_SEED}})


def confirm(problem: Problem) -> str:
    """Compute the answers of a golden set again, and return a sentence on the comparison.

    Raises:
        InputError: the installed torch gives other answers; the message names the first.
    """
    again = solve(
        problem.arrays["parameter", "float64"],
        **problem.batch,
        upstream=problem.upstream("float32"),
    )
    torch_here = f"torch {again.about['torch']} on {again.about['cpu_capability']}"
    exact = total = 0
    for precision in PRECISIONS:
        for kind, reference in (("gradient", again.whole), ("line", again.lines)):
            report = reference(precision).judge(problem.arrays[kind, precision])
            for row in report.failures:
                raise InputError(
                    f"{kind} {row.name} in {precision} is not what {torch_here} gives: {row.reason}"
                )
            exact += sum(row.exact for row in report.rows)
            total += len(report.rows)
    rest = "" if exact == total else ", the others within the bound of the judge"
    return f"{torch_here} gives the same bits for {exact} of its {total} gradients{rest}"
