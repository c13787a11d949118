"""Solving a problem with torch, and writing it to files that other programs can test against."""

import contextlib
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from npnet.base.arrays import Named
from npnet.base.errors import InputError
from npnet.base.files import unwritable
from npnet.base.npz import read_npz
from npnet.base.version import __version__
from npnet.checks.array_files import CONTAINERS, content
from npnet.checks.golden import FORMAT, PLACES, VERSION, checksum, is_golden
from npnet.checks.reference import KINDS, PRECISIONS, Problem
from npnet.network.names import PARAMETER_NAMES, VALUE_NAMES
from npnet.recipes.recipe import Recipe
from oracle.lines import Array, array_of, cut
from oracle.replay import begin, seeded
from oracle.whole import whole

# The seed of a golden set's random upstream gradients; any number would do.
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
        params: the seven parameters, all float32 or all float64; cast to the other precision.
        X, Y: context indices (n, T) and targets (n,), n of 2 or more.
        eps: added to the variance.
        upstream: an array for each of the 20 values; or the seed of standard normal numbers,
            drawn in float32, so that they are the same in both precisions.

    Raises:
        InputError: arrays that do not fit together, or a result that is not finite.
    """
    arrays: dict[tuple[str, str], dict[str, Any]] = {}
    for precision in PRECISIONS:
        with np.errstate(over="ignore"):  # values too large for float32 are found below
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
        InputError: words that cannot be used.
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
    """The problem of an npz file with the seven parameters, X, Y, and eps if it is not 1e-5.

    Raises:
        InputError: the file is missing or damaged, or a name in it is missing or unknown.
    """
    entries: dict[str, Any] = {"eps": np.array(1e-5), **read_npz(path)}
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


def write(
    problem: Problem,
    folder: Path,
    containers: Sequence[str] = CONTAINERS,
    options: Sequence[str] = (),
) -> None:
    """Write a golden set.

    Args:
        folder: new, empty, or a golden set, which is then replaced.
        containers: ``npz``, ``raw`` or both.
        options: of ``oracle golden``, noted in the manifest so that the set can be written again.

    Raises:
        InputError: the folder holds other things, or cannot be written.
    """
    arrays = {
        place: np.asarray(
            problem.batch[place.name]
            if place.kind == "batch"
            else problem.arrays[place.kind, place.dtype][place.name]
        )
        for place in PLACES
    }
    with _replacing(folder) as temporary:
        if "raw" in containers:
            for place, array in arrays.items():
                _write(temporary / place.raw, content(array))
        if "npz" in containers:
            for file in dict.fromkeys(place.npz for place in PLACES):
                buffer = io.BytesIO()
                named: dict[str, Any] = {at.name: a for at, a in arrays.items() if at.npz == file}
                np.savez_compressed(buffer, **named)
                _write(temporary / file, buffer.getvalue())
        head = {
            "format": FORMAT,
            "version": VERSION,
            **problem.about,
            "options": [*options],
            "sizes": problem.sizes,
            "containers": [name for name in CONTAINERS if name in containers],
        }
        entries = [
            {**place.entry(problem.sizes, head["containers"]), "sha256": checksum(array)}
            for place, array in arrays.items()
        ]
        _write(temporary / "manifest.json", _manifest(head, entries).encode())


def _manifest(head: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> str:
    """JSON with one line for each field and each array."""
    lines = [f" {json.dumps(key)}: {json.dumps(field)}" for key, field in head.items()]
    arrays = ",\n".join(f"  {json.dumps(entry)}" for entry in entries)
    return "{\n" + ",\n".join(lines) + ',\n "arrays": [\n' + arrays + "\n ]\n}\n"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder next to ``folder``. It replaces ``folder`` if the block ends well."""
    folder = folder.resolve()
    if folder.exists() and not is_golden(folder) and not _is_empty(folder):
        raise InputError(
            f"{folder}: holds other things, wanted a new folder, an empty one, or a golden set "
            "to replace: name another"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
            new, old = Path(beside) / "new", Path(beside) / "old"
            new.mkdir()
            yield new
            replaces = folder.exists()
            if replaces:
                folder.rename(old)
            try:
                new.rename(folder)
            except BaseException:
                if replaces:
                    old.rename(folder)
                raise
    except OSError as error:
        raise unwritable(folder, error) from error


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def confirm(problem: Problem) -> str:
    """Compute a golden set's answers again; return a sentence that says how the gradients compare.

    Raises:
        InputError: they are not those of the installed torch; names the first that differs.
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
