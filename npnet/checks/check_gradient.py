"""The gradient of any function, checked in one call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from npnet.base import blas
from npnet.base.arguments import SEED, checked
from npnet.base.arrays import Array, Floats, UnusableArray, read_array
from npnet.base.errors import InputError, kind_of, shown
from npnet.checks.array_error import largest
from npnet.checks.called_functions import CHANGES, Unmade, read_result
from npnet.checks.compare import K_TRUTH
from npnet.checks.differentiate import Terms, derivative
from npnet.checks.kinks import jumps
from npnet.checks.line_rounding import rounding_alike
from npnet.checks.line_rules import Rule, default_K, judge_all, rule_for
from npnet.checks.report import Report, Row

WHO = "check_gradient"

AGAIN = "gives other numbers when it runs again, wanted the same: draw random numbers before"


class _Function(NamedTuple):
    """A function, its arguments, a random upstream gradient, and the arguments to differentiate."""

    f: Callable[..., Any]
    arguments: tuple[Any, ...]
    upstream: Floats
    names: dict[str, int]  # name -> number of the argument, for arguments of floats

    @property
    def dtype(self) -> str:
        return str(self.upstream.dtype)

    def terms(self, place: int, dtype: str) -> Terms:
        """The weighted result as a function of one argument, the others in ``dtype``."""
        arguments = [_as(dtype, entry) for entry in self.arguments]
        weight = self.upstream.astype(dtype)

        def terms(moved: Array) -> Array:
            with np.errstate(all="ignore"):
                result = self.f(*arguments[:place], moved, *arguments[place + 1 :])
            return np.asarray(weight * np.asarray(result))

        return terms


@checked(seed=SEED)
def check_gradient(
    f: Callable[..., Any],
    df: Any,
    x: Any,
    *more: Any,
    K: float | None = None,
    eps: float | None = None,
    seed: int = 0,
) -> Report:
    """Compare the gradient of a function with the complex step, or with differences.

    Args:
        f: a function of arrays. It may have several arguments; integers are not differentiated.
        df: its gradient at the arguments: an array, or a function that returns it. For several
            arguments a tuple, with None for integers. If the result of ``f`` is not one number, it
            is multiplied by a random upstream gradient and summed. If ``df`` has one argument more
            than ``f``, it gets this upstream gradient, and returns what a backward pass returns.
            Otherwise ``df`` is the derivative of each entry, if it has the shape of ``x`` and of
            the result; or the Jacobian, whose shape is that of the result followed by that of
            ``x``. It may be float64 if ``x`` is float32.
        x, more: the arguments, arrays of one dtype: float32 or float64.
        K: the allowed error. In float64 it is in units of eps times the largest entry, and 128 by
            default, as in ``npnet.compare``. In float32 the truth is the float64 result; the error
            is then in units of the error of the complex step in float32, and 8 by default.
        eps: the eps of a coarser precision in which ``df`` computes, such as ``2**-7`` for
            bfloat16; ``K`` is then 8.
        seed: the seed of the upstream gradient.

    Returns:
        A report with a row for each argument of floats. It is true if all gradients are right.
        Entries without a derivative are left out, and the row says so. If finite differences were
        used, it says why.

    Raises:
        InputError: an argument cannot be used; or ``f`` or ``df`` raises an error, changes its
            arguments, does not return numbers, or gives other numbers when it runs again.

    ``f`` runs once for each entry of its arguments (four times for differences): take a small x.

    Example: ``assert npnet.check_gradient(np.tanh, lambda x: 1 - np.tanh(x) ** 2, x)``.
    """
    for label, number in (("K", K), ("eps", eps)):
        if number is not None and not (isinstance(number, int | float) and 0 < number < np.inf):
            raise InputError(f"{WHO}: {label} is {shown(number)}, wanted a number above 0")
    if not callable(f):
        raise InputError(f"{WHO}: f is {kind_of(f)}, wanted a function")
    function = _read_function(f, (x, *more), seed)
    ours = _gradients(function, df)
    rules, troubles = {}, {}
    with blas.limited():
        for name, place in function.names.items():
            rules[name], troubles[name] = _rule(function, place, K, eps)

    def look(name: str, row: Row) -> Iterator[Rule]:
        return _milder(function, function.names[name], rules[name])

    report = judge_all(ours, rules, look)
    rows = (replace(row, reason=_said(row, troubles[row.name])) for row in report.rows)
    text = report.rule
    if eps is not None:
        text = f"max|ours - reference| <= {K or K_TRUTH:g} x {eps:g} x max|reference|"
    return replace(report, rows=tuple(rows), rule=text)


def _read_function(f: Callable[..., Any], given: Sequence[Any], seed: int) -> _Function:
    arguments, dtypes = [], set()
    for place, entry in enumerate(given):
        try:
            array = np.array(read_array(f"{WHO}: argument {place + 1}", entry))
        except UnusableArray as error:
            raise InputError(str(error)) from error
        if array.dtype.kind == "f":
            dtypes.add(array.dtype.name)
            if not np.isfinite(array).all() or not array.size:
                raise InputError(
                    f"{WHO}: argument {place + 1} is not finite or empty, wanted numbers to move"
                )
        array.flags.writeable = False
        arguments.append(array)
    if not dtypes:
        raise InputError(f"{WHO}: no argument of floats, wanted one to differentiate, such as 0.5")
    if len(dtypes) > 1 or not dtypes <= {"float32", "float64"}:
        raise InputError(
            f"{WHO}: arguments in {' and '.join(sorted(dtypes))}, wanted all in float32 or all in "
            "float64 (eps= is for coarser precisions)"
        )
    result = _twice("f", f, arguments)
    if result.dtype.kind != "f" or not result.size:
        raise InputError(f"{WHO}: f returns {result.dtype} of shape {result.shape}, wanted floats")
    if not np.isfinite(result).all():
        raise InputError(f"{WHO}: f is not finite everywhere, wanted another x")
    drawn = np.random.default_rng(seed).standard_normal(result.shape)
    upstream = np.asarray(drawn if result.ndim else 1.0, dtypes.pop())
    names = _names(f, len(arguments))
    floats = {name: place for place, name in enumerate(names) if arguments[place].dtype.kind == "f"}
    return _Function(f, tuple(arguments), upstream, floats)


def _twice(who: str, function: Callable[..., Any], arguments: Sequence[Any]) -> Array:
    first, second = (
        read_result(f"{WHO}: {who}", _call(who, function, arguments)) for _ in range(2)
    )
    if not np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
        raise InputError(f"{WHO}: {who} {AGAIN}")
    return first


def _call(who: str, function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    try:
        with np.errstate(all="ignore"):
            return function(*arguments)
    except Exception as error:  # the function is any code
        if "read-only" in str(error):
            raise InputError(f"{WHO}: {who} {CHANGES}") from error
        said = str(error).partition("\n")[0]
        raise InputError(f"{WHO}: {who} raised {type(error).__name__}: {said}") from error


def _names(f: Callable[..., Any], count: int) -> list[str]:
    """The names of the arguments: those of the parameters of ``f``, if there are as many."""
    found = [name for name, _ in zip(_parameters(f) or (), range(count), strict=False)]
    if len(found) == count:
        return found
    return ["x"] if count == 1 else [f"x{place}" for place in range(1, count + 1)]


def _parameters(function: Callable[..., Any]) -> list[str] | None:
    """The names of the positional arguments without a default; None if they are not known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        each.name for each in parameters if each.kind in positional and each.default is each.empty
    ]


def _gradients(function: _Function, df: Any) -> dict[str, Any]:
    """The gradients that ``df`` gives, by argument, times the upstream gradient."""
    backward = False
    if callable(df):
        arguments = [*function.arguments]
        backward = len(_parameters(df) or ()) == len(arguments) + 1
        if backward:
            arguments.append(function.upstream)
        given = _call("df", df, arguments)
        again = _call("df", df, arguments)
        if not _same(given, again):
            raise InputError(f"{WHO}: df {AGAIN}")
    else:
        given = df
    if len(function.arguments) > 1 and isinstance(given, tuple | list):
        if len(given) != len(function.arguments):
            raise InputError(
                f"{WHO}: df gives {len(given)} for {len(function.arguments)} arguments, "
                "wanted one for each, None for integers"
            )
        parts = {name: given[place] for name, place in function.names.items()}
    elif len(function.names) == 1:
        parts = dict.fromkeys(function.names, given)
    else:
        raise InputError(
            f"{WHO}: df is {kind_of(given)}, wanted a tuple of {len(function.arguments)} gradients"
        )
    return {
        name: _narrowed(
            function.dtype, part if backward else _times_upstream(function, place, part)
        )
        for (name, place), part in zip(function.names.items(), parts.values(), strict=True)
    }


def _narrowed(dtype: str, part: Any) -> Any:
    """The gradient in the dtype of the arguments; a finer dtype and integers are right too."""
    try:
        array = read_array("df", part)
    except UnusableArray:
        return part
    return array.astype(dtype) if array.dtype == np.float64 or array.dtype.kind in "biu" else part


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple | list):
        return all(map(_same, one, other))
    try:
        return one is other or np.array_equal(np.asarray(one), np.asarray(other), equal_nan=True)
    except (TypeError, ValueError):  # not numbers: the report has a verdict for this
        return True


def _times_upstream(function: _Function, place: int, part: Any) -> Any:
    """The derivative of each entry, or the Jacobian, times the upstream gradient."""
    upstream, x = function.upstream, function.arguments[place]
    try:
        array = read_array("df", part)
    except UnusableArray:
        return part  # the report has a verdict for this
    if not upstream.ndim:
        return part
    if array.shape == upstream.shape + x.shape:
        return np.tensordot(upstream, array, upstream.ndim)
    if array.shape == upstream.shape == x.shape:
        return upstream * array
    unmade = Unmade(
        f"df has shape {array.shape}, wanted {x.shape} for a result of this shape (each entry's "
        f"derivative), {upstream.shape + x.shape} (the Jacobian), or one argument more: the "
        f"upstream gradient, of shape {upstream.shape}"
    )
    unmade.verdict = "shape"
    return unmade


def _rule(function: _Function, place: int, K: float | None, eps: float | None) -> tuple[Rule, str]:
    """The rule for one argument; and why finite differences were used, if they were."""
    x: Floats = function.arguments[place]
    narrow, wide = derivative(function.terms(place, function.dtype), x), None
    if function.dtype == "float32":
        wide = [derivative(function.terms(place, "float64"), x.astype(np.float64))]
    rule = rule_for([narrow], wide, default_K(wide is not None) if K is None else K)
    if eps is not None:
        goal = rule.reference if rule.truth is None else rule.truth
        allowed = (K or K_TRUTH) * eps * largest(goal)
        rule = rule._replace(
            reference=goal.astype(x.dtype), error=rule.error + allowed, measured=True
        )
    return rule, narrow.trouble


def _milder(function: _Function, place: int, rule: Rule) -> Iterator[Rule]:
    """Without entries where the slopes of both sides differ; then with what rounding may do."""
    x: Floats = function.arguments[place]
    kinks = jumps(function.terms(place, "float64"), x.astype(np.float64))
    if (kinks & ~rule.left_out).any():
        rule = rule._replace(left_out=rule.left_out | kinks)
        yield rule
    yield from rounding_alike(rule, function.terms(place, function.dtype), x, function.upstream)


def _said(row: Row, trouble: str) -> str:
    parts = [f"by finite differences: {trouble}"] if trouble else []
    return "; ".join([*([row.reason] if row.reason else []), *parts])


def _as(dtype: str, entry: Any) -> Any:
    """An argument with its floats in ``dtype``, read-only."""
    if entry.dtype.kind != "f":
        return entry
    array = entry.astype(dtype)
    array.flags.writeable = False
    return array
