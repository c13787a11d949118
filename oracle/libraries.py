"""A scoreboard of other libraries: their gradients of this network, compared with torch's.

Each library has an adapter, a small Python file ``lines_in_NAME.py``, in which the network is
written with the library's own functions:

* ``LINES``: the twenty lines, name -> function of ``v``. ``v`` has the parameters and the values of
  the lines above as the library's arrays, ``X`` and ``Y`` as NumPy arrays, ``n`` and ``eps``.
* ``gradients(total, leaves)``: from NumPy arrays by name to the gradients of ``total(leaves)``, a
  scalar, by the same names.
* ``add_up(array)``, only if the library's arrays have no method ``sum``.

With these, all 26 gradients are computed, end to end and line by line, for any library that can
differentiate a function.
"""

import importlib.metadata
import importlib.util
import operator
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, reduce
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from npnet.base.errors import InputError
from npnet.checks.reference import PRECISIONS, Problem
from npnet.checks.report import Report, Row
from npnet.network.gradients import GRADIENTS
from npnet.network.names import PARAMETER_NAMES, VALUE_NAMES
from oracle.golden import solve
from oracle.networks import network

PREFIX = "lines_in_"

# The folder of the adapters in a checkout; an installed package has none.
FOLDER = Path(__file__).parents[1] / "tests" / "libraries"

LECTURE = {"n": 32, "T": 3, "E": 10, "H": 64, "V": 27}
# Large enough for the two equal logits to be the largest in about half of the rows.
TIED = 0.8
CASES = (
    ("untrained", LECTURE),
    ("trained", LECTURE),
    ("two rows", {**LECTURE, "n": 2}),
    ("tied", LECTURE),
)


class Library(NamedTuple):
    """A loaded adapter: the library's name, its installed version, and the adapter's parts."""

    name: str
    version: str
    lines: Mapping[str, Callable[[Any], Any]]
    gradients: Callable[[Callable[[dict[str, Any]], Any], dict[str, Any]], Mapping[str, Any]]
    add_up: Callable[[Any], Any] = operator.methodcaller("sum")


class Score(NamedTuple):
    """The score of one library in one dtype.

    Attributes:
        library: its name.
        version: its version; None if it is not installed: all other fields are then empty.
        dtype: float32 or float64.
        lines, whole: how many of the 26 gradients are right in every case.
        worst: the largest error divided by its bound; more than 1 is refused.
        gradient: the gradient with this error.
        refused: the first refused gradient, in the order of computation.
        reason: why it is refused; or the error that the adapter raised.
        widened: the values of the forward pass that have another dtype than the parameters.
        accepted: gradients beyond their bound that are right too, each with the reason: the
            maximum of equal logits has several right gradients. ``worst`` leaves them out.
    """

    library: str
    version: str | None
    dtype: str = ""
    lines: int = 0
    whole: int = 0
    worst: float = 0.0
    gradient: str = ""
    refused: str = ""
    reason: str = ""
    widened: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()


def adapters(folder: Path | None = None) -> dict[str, Path]:
    """Library -> the file of its adapter, in alphabetical order.

    Args:
        folder: has files ``lines_in_NAME.py``; by default tests/libraries of the repository.

    Raises:
        InputError: the folder has no adapters.
    """
    folder = FOLDER if folder is None else folder
    found = {path.stem.removeprefix(PREFIX): path for path in sorted(folder.glob(f"{PREFIX}*.py"))}
    if not found:
        raise InputError(
            f"{folder}: no files {PREFIX}NAME.py, wanted the adapters of libraries: they are in "
            "tests/libraries of npnet's repository; give a folder that has them"
        )
    return found


def load(path: Path) -> Library | None:
    """The library of an adapter; None if the library is not installed.

    Raises:
        InputError: the file is not an adapter.
    """
    name = path.stem.removeprefix(PREFIX)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: cannot be loaded, wanted a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings of the library about other things
            spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        if error.name == name:
            return None
        raise InputError(f"{path}: {error}, which it imports") from error
    except (OSError, SyntaxError) as error:
        raise InputError(f"{path}: {error}") from error
    lines, gradients = getattr(module, "LINES", None), getattr(module, "gradients", None)
    if not isinstance(lines, Mapping) or [*lines] != [*VALUE_NAMES] or not callable(gradients):
        raise InputError(
            f"{path}: wanted LINES with {', '.join(VALUE_NAMES)}, in this order, and a function "
            "gradients(total, leaves)"
        )
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = "?"  # a module of this repository
    return Library(
        name, version, lines, gradients, getattr(module, "add_up", operator.methodcaller("sum"))
    )


def whole(library: Library, case: Problem, precision: str) -> dict[str, Any]:
    """The library's 26 gradients of the loss.

    A library that differentiates functions gives no gradients of intermediate values. For this
    reason, zeros are added to the result of each line: the gradient of the loss with respect to
    these zeros is the gradient with respect to the value.
    """
    values = case.values(precision)
    leaves = {name: values[name] for name in PARAMETER_NAMES}
    leaves |= {f"to_{name}": np.zeros_like(values[name]) for name in VALUE_NAMES[:-1]}

    def total(given: dict[str, Any]) -> Any:
        v = _inputs(case, {name: given[name] for name in PARAMETER_NAMES})
        for name in VALUE_NAMES[:-1]:
            setattr(v, name, library.lines[name](v) + given[f"to_{name}"])
        return library.lines["loss"](v)

    grads = _run(library, total, leaves)
    return {name: grads[name if name in PARAMETER_NAMES else f"to_{name}"] for name in GRADIENTS}


def lines(library: Library, case: Problem, precision: str) -> dict[str, Any]:
    """The library's 26 gradients, each line alone with the problem's upstream gradients.

    The sum over all lines of the line's result times its upstream gradient is differentiated. Every
    value is a separate input.
    """
    values, upstream = case.values(precision), case.upstream(precision)
    leaves = {name: values[name] for name in (*PARAMETER_NAMES, *VALUE_NAMES[:-1])}
    leaves |= {f"to_{name}": upstream[name] for name in VALUE_NAMES}

    def total(given: dict[str, Any]) -> Any:
        v = _inputs(case, given)
        terms = (
            library.add_up(line(v) * given[f"to_{name}"]) for name, line in library.lines.items()
        )
        return reduce(operator.add, terms)

    grads = _run(library, total, leaves)
    return {name: grads[name] for name in GRADIENTS}


def _inputs(case: Problem, arrays: Mapping[str, Any]) -> SimpleNamespace:
    batch = case.batch
    return SimpleNamespace(**arrays, X=batch.X, Y=batch.Y, n=len(batch.Y), eps=float(batch.eps))


def _run(
    library: Library, total: Callable[[dict[str, Any]], Any], leaves: dict[str, Any]
) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        grads = library.gradients(total, {name: array.copy() for name, array in leaves.items()})
    return {name: None if grad is None else np.asarray(grad) for name, grad in grads.items()}


@lru_cache(maxsize=1)
def cases() -> tuple[Problem, ...]:
    """The problems of the scoreboard, in the order of ``CASES``."""
    made = []
    for seed, (kind, sizes) in enumerate(CASES):
        drawn = network(seed, sizes, "trained" if kind == "trained" else "untrained")
        if kind == "tied":
            drawn.params.W2[:, :2] = 0
            drawn.params.b2[:2] = TIED
        made.append(solve(drawn.params, drawn.X, drawn.Y, upstream=seed))
    return tuple(made)


def scores(
    paths: Mapping[str, Path],
    problems: Iterable[Problem] | None = None,
    precisions: Iterable[str] = PRECISIONS,
) -> Iterator[Score]:
    """The rows of the scoreboard, library by library.

    Args:
        paths: the adapters, from ``adapters``.
        problems: the problems; by default ``cases()``.
        precisions: float32, float64 or both.

    Raises:
        InputError: a file is not an adapter.
    """
    problems, precisions = (cases() if problems is None else tuple(problems)), tuple(precisions)
    for name, path in paths.items():
        library = load(path)
        if library is None:
            yield Score(name, None)
            continue
        for precision in precisions:
            yield _score(library, problems, precision)


def _score(library: Library, problems: Iterable[Problem], precision: str) -> Score:
    right = {"lines": set(GRADIENTS), "whole": set(GRADIENTS)}
    library, widened = _noted(library, precision)
    worst, refused = (0.0, ""), []
    accepted: dict[str, None] = {}
    try:
        for case in problems:
            for way, ours, reference in (
                ("lines", lines, case.lines(precision)),
                ("whole", whole, case.whole(precision)),
            ):
                report = reference.judge(
                    ours(library, case, precision), labels=(library.name, "torch")
                )
                failures = [row for row in report.failures if row.name in GRADIENTS]
                right[way] -= {row.name for row in failures}
                refused += [(row.name, f"{way}: {row.reason or row.verdict}") for row in failures]
                worst = max(worst, largest_share(report))
                others = [row for row in report.rows if row.ok and _share(row) > 1]
                accepted |= {f"d{row.name}: {row.reason}": None for row in others}
    except Exception as error:  # an adapter can raise any error
        reason = f"{type(error).__name__}: {error}"
        return Score(library.name, library.version, precision, reason=reason)
    order = list(GRADIENTS)
    first = min(refused, key=lambda one: order.index(one[0]), default=("", ""))
    counts = (len(right["lines"]), len(right["whole"]))
    found = Score(library.name, library.version, precision, *counts, *worst, *first)
    return found._replace(widened=tuple(widened), accepted=tuple(accepted))


def _noted(library: Library, precision: str) -> tuple[Library, dict[str, None]]:
    """The library, and a set to which the names of values with another dtype are added."""
    widened: dict[str, None] = {}
    [other] = {*PRECISIONS} - {precision}

    def noted(name: str, line: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(v: Any) -> Any:
            value = line(v)
            if other in str(getattr(value, "dtype", "")):
                widened[name] = None
            return value

        return run

    lines = {name: noted(name, line) for name, line in library.lines.items()}
    return library._replace(lines=lines), widened


def largest_share(report: Report) -> tuple[float, str]:
    """The largest error divided by its bound, and its gradient; 0 and "" without any error.

    Gradients that are right in another way than the reference, beyond its bound, are left out.
    """
    shares = [(_share(row), row.name) for row in report.rows]
    right = {row.name for row in report.rows if row.ok}
    return max([(0.0, ""), *(one for one in shares if one[0] <= 1 or one[1] not in right)])


def _share(row: Row) -> float:
    """The error of a row's worst entry divided by the bound; 0 without any."""
    if row.worst is None or not row.bound:
        return 0.0
    goal = row.worst.reference if row.worst.truth is None else row.worst.truth
    share = abs(row.worst.ours - goal) / row.bound
    return float(share) if np.isfinite(share) else np.inf
