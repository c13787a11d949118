"""Right gradients that need a remark: another precision, or several equal largest logits."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.checks.ties import AMONG, AS_OTHERS, shares
from npnet.learn.grading_inputs import Case

# A gradient that is made in float32 from float64 may be off by this many units of rounding of the
# largest entry. Other right formulas reach about 25; a forgotten eps of 1e-5 is more.
K_COARSER = 64.0

# Code that makes float64 from float32, the likelier first, and the words for it.
WIDENING = {
    "np.eye": "np.eye makes float64",
    "np.identity": "np.identity makes float64",
    "np.zeros": "np.zeros makes float64",
    "np.ones": "np.ones makes float64",
    "np.full": "np.full makes float64 of a Python number",
    "np.empty": "np.empty makes float64",
    "np.bincount": "np.bincount makes float64",
    "np.float64": "np.float64 makes float64",
    "astype(float)": ".astype(float) makes float64",
    "astype(int)": ".astype(int) makes integers, and integers times float32 are float64",
    "list": "a list of Python numbers becomes float64",
    "float": "a list of Python numbers becomes float64",
    "np.where": "np.where makes float64 of two Python numbers",
    "np.array": "np.array makes float64 of Python numbers",
    "np.linspace": "np.linspace makes float64",
    "np.arange": "np.arange makes integers, and integers times float32 are float64",
    "np.sqrt": "np.sqrt of a Python number is a float64, which widens all that it meets",
    "sum": "a sum of a mask is an integer, and integers times float32 are float64",
}
ANY = "np.zeros, np.ones, np.eye, lists and integer arrays do that"


def in_one_width(
    mine: Mapping[str, Array], ours: Mapping[str, Array]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Both sides, with the floats of each name in the coarser one of their two dtypes."""
    left, right = {**mine}, {**ours}
    for name, answer in ours.items():
        array = mine[name]
        if array.dtype.kind == "f" and array.dtype != answer.dtype:
            coarser = min(array.dtype, answer.dtype, key=lambda dtype: dtype.itemsize)
            left[name], right[name] = array.astype(coarser), answer.astype(coarser)
    return left, right


def coarser(mine: Mapping[str, Array], ours: Mapping[str, Array]) -> bool:
    """Whether a gradient has a coarser dtype than the values from which it was made."""
    return any(
        mine[name].dtype.kind == "f" and mine[name].dtype.itemsize < ours[name].dtype.itemsize
        for name in ours
    )


def remark(mine: Mapping[str, Array], ours: Mapping[str, Array], widening: str) -> str:
    """A remark on right gradients whose dtype is not that of their inputs; "" if it is.

    Args:
        mine: the learner's gradients of one case.
        ours: the right gradients.
        widening: the code that makes float64, as the function ``widening`` found it.
    """
    for name, answer in ours.items():
        dtype = mine[name].dtype
        if dtype.itemsize > answer.dtype.itemsize:
            return (
                f"right, but d{name} is {dtype} where {answer.dtype} came in: {widening or ANY}; "
                "dtype= or np.zeros_like keeps the dtype"
            )
        if dtype.itemsize < answer.dtype.itemsize:
            return (
                f"right, but d{name} is {dtype} where {answer.dtype} came in: half of the digits "
                "are lost"
            )
    return ""


def widening(function: Callable[..., Any]) -> str:
    """The code of a function that probably makes float64 from float32, in words; "" if none."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # there is no source, or it is only a part of a line
        return ""
    found = {*_makers(tree)}
    return next((said for maker, said in WIDENING.items() if maker in found), "")


def _makers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.List() | ast.ListComp():
                yield "list"
            case ast.Attribute(attr="float64"):
                yield "np.float64"
            case ast.Call(func=ast.Attribute(attr="astype"), args=[ast.Name(id=kind)]):
                yield f"astype({kind})"
            case ast.Call(func=ast.Attribute(attr="tolist")):
                yield "list"
            case ast.Call(func=ast.Attribute(attr="sum")):
                yield "sum"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr=made)):
                if not any(keyword.arg == "dtype" for keyword in node.keywords):
                    yield f"np.{made}"
            case ast.Call(func=ast.Name(id="float")):
                yield "float"


def tolerance(array: Array, same: float) -> float:
    """The part of the largest entry by which equal arrays may differ, as the dtype allows."""
    if array.dtype.kind != "f":
        return same
    return max(same, K_COARSER * float(np.finfo(array.dtype).eps))


SAME = 1e-9  # the allowed part of the largest entry, as in the diagnosis

SHARED = (
    f"right; {AMONG}yours {AS_OTHERS}; torch's .max(1), as in the lecture, gives it to one of them"
)
SEVERAL = f"{AMONG}each of them gets all of dlogit_maxes, so that it counts twice or more"
SUM = f"{AMONG}what they get does not add up to dlogit_maxes"


class Tie(NamedTuple):
    """Whether the gradient of the maximum is right for ties, and what to say about it."""

    right: bool
    said: str = ""


def judge_ties(dlogits: Array, case: Case) -> Tie:
    """Judge ``dlogits`` where rows have several equal largest logits.

    The derivative of a maximum is not unique there. The first may get the gradient, or the last, or
    all may share it, but each row must pass on its gradient exactly once.
    """
    v, d = case.values, case.gradients
    wanted = d.norm_logits.shape
    if dlogits.shape != wanted:
        return Tie(False, f"shape {dlogits.shape}, wanted {wanted}")
    found = shares(dlogits, v.logits, d.norm_logits, d.logit_maxes)
    largest, got, share = found
    bound = SAME * np.abs(d.logit_maxes).max()
    if np.abs(np.where(largest, 0, got)).max() > bound or not np.isfinite(dlogits).all():
        return Tie(False, "an entry that is not the largest gets a part of dlogit_maxes")
    if np.abs(got - largest * d.logit_maxes).max() <= bound:
        return Tie(False, f"{SEVERAL}: logits.argmax(1) picks one")
    total = got.sum(1, keepdims=True)
    if np.abs(total - d.logit_maxes).max() > bound or not found.between(SAME):
        return Tie(False, SUM)
    return Tie(True, SHARED if ((share > SAME) & (share < 1 - SAME)).any() else "")
