"""Calling a learner's function on every case: its results, or the reason why there are none."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Array, UnusableArray, read_array
from npnet.learn.exercises import Exercise
from npnet.learn.grading_inputs import Case, Inputs, cases, tried
from npnet.learn.remarks import widening
from npnet.learn.time_limit import TimeIsUp
from npnet.network.names import NAMES

Function = Callable[[Any, Any], Any]

# What is printed in one call beyond this is cut.
MOST_PRINTED = 2000  # characters
# Far more numbers than any gradient has. Shapes that broadcast into each other by mistake give so
# many.
MOST_NUMBERS = 1_000_000

# Errors that come from torch's names, and the names in NumPy.
TORCH = {
    r"'keepdim'": "NumPy says keepdims",
    r"no attribute 't'": "NumPy's transpose is .T",
    r"no attribute 'clone'": "NumPy says .copy()",
    r"no attribute '(float|double)'": "NumPy says .astype",
    r"no attribute 'unsqueeze'": "NumPy says x[:, None]",
    r"no attribute '(pow|exp|log|tanh|sqrt|abs)'": "in NumPy these are functions: np.exp(x), x**2",
    r"name '(torch|F)' is not defined": "the sheet has NumPy alone, as np",
    r"'function'|function' object": "a name like dprobs is your function; the gradient is d.probs",
    r"as a data type|sub-type of ndarray": "NumPy's .view is another thing: use .reshape",
}


# Names in the lecture's notebook for which the sheet has other names.
LECTURE = {
    "Xb": "v.X",
    "Yb": "v.Y",
    "n": "len(v.Y)",
    "batch_size": "len(v.Y)",
    "vocab_size": "len(v.C)",
    "n_embd": "v.C.shape[1]",
    "n_hidden": "v.W1.shape[1]",
    "block_size": "v.X.shape[1]",
    "bnmean": "v.bnmeani",
    "dloss": "d.loss",
}


@dataclass
class Attempt:
    """The results of one function.

    Attributes:
        results: case -> name -> the gradient that the function returned.
        failures: case -> why there is no result: one line, which begins with the line number.
        seen: the names that the function read, such as ``v.h`` and ``d.logits``.
        printed: the text that its first call printed.
        unsolved: whether the function is still a stub.
        widening: the code that makes float64 from float32, if that is known.
    """

    results: dict[str, dict[str, Array]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    printed: str = ""
    unsolved: bool = False
    widening: str = ""


class Failure(Exception):
    """The function gave no result that can be judged. The message says why."""


def attempt(exercise: Exercise, function: Function) -> Attempt:
    """Call a function on every case, each time with new copies of the inputs."""
    found = Attempt(widening=widening(function))
    for case in tried(exercise):
        label = case.label
        v, d = case.inputs(exercise)
        with quiet() as printed:
            try:
                found.results[label] = _call(exercise, function, case, v, d)
            except NotImplementedError:
                found.unsolved = True
            except Failure as failure:
                found.failures[label] = str(failure)
            except (Exception, SystemExit) as error:
                found.failures[label] = said(error, function)
        if label == next(iter(cases())):
            found.printed = "" if printed.closed else printed.getvalue()[:MOST_PRINTED]
        if found.unsolved:
            break
        found.seen |= {f"{inputs.label}.{name}" for inputs in (v, d) for name in inputs.seen}
    return found


@contextlib.contextmanager
def quiet() -> Iterator[io.StringIO]:
    """Keep the output of a learner's code from the terminal, and suppress NumPy's warnings."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as printed,
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield printed


def _call(
    exercise: Exercise, function: Function, case: Case, v: Inputs, d: Inputs
) -> dict[str, Array]:
    answer = function(v, d)
    if answer is None and not (v.seen or d.seen):
        raise NotImplementedError  # a stub: it reads nothing
    if answer is None:
        raise Failure("it returns None: is the return missing?")
    for inputs, entries in ((v, case.values), (d, case.gradients)):
        for name in inputs.changed(entries):
            raise Failure(f"it changes {inputs.label}.{name}, which others need: copy it first")
    names = exercise.gradients
    answers = [answer] if len(names) == 1 else answer
    if not isinstance(answers, list | tuple) or len(answers) != len(names):
        kind = type(answer).__name__
        got = f"{len(answer)} of them" if isinstance(answer, list | tuple) else f"a {kind}"
        raise Failure(f"it returns {got}, wanted a list of {len(names)}: {', '.join(names)}")
    arrays = {}
    for name, one in zip(names, answers, strict=True):
        try:
            arrays[name] = read_array(f"d{name}", one)
        except UnusableArray as unfit:
            raise Failure(str(unfit)) from None
        if arrays[name].size > MOST_NUMBERS:
            raise Failure(f"d{name}: shape {arrays[name].shape}, wanted that of {name}")
    return arrays


def said(error: BaseException, code: Function | Path) -> str:
    """An exception in a learner's code as one line: the place, the error, and advice if known.

    Args:
        error: the exception.
        code: the function that was called, or the file that was run.
    """
    where = _where(error, code)
    if isinstance(error, TimeIsUp):
        return f"{where}{error}"
    if isinstance(error, SystemExit):
        return f"{where}it ends the program (sys.exit)"
    text = " ".join(str(error).split())
    if "read-only" in text:
        return f"{where}it writes into what it was given: copy that first, with .copy()"
    hint = next((hint for clue, hint in TORCH.items() if re.search(clue, text)), None)
    if isinstance(error, NameError):
        hint = _instead_of(error, text) or hint
    return f"{where}{type(error).__name__}: {text}" + (f": {hint}" if hint else "")


def _where(error: BaseException, code: Function | Path) -> str:
    """The line of a learner's code in which an exception was raised, as ``line 3: ``."""
    file, line = (str(code), 0) if isinstance(code, Path) else _definition(code)
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == file and frame.lineno:
            line = frame.lineno
    return f"line {line}: " if line else ""


def _instead_of(error: NameError, text: str) -> str:
    """The sheet's word for a name of the lecture that the sheet does not define."""
    found = re.search(r"'(\w+)'", text)
    name = error.name or (found[1] if found else "")
    if isinstance(error, UnboundLocalError):
        return f"a function that sets {name} has no other {name}: give it a first value"
    if name in LECTURE:
        return f"write {LECTURE[name]}"
    if name in NAMES or name in ("X", "Y", "eps"):
        return f"write v.{name}"
    if name[:1] == "d" and name[1:] in NAMES:
        return f"write d.{name[1:]}"
    return ""


def _definition(function: Function) -> tuple[str, int]:
    """The file in which a function is defined, and the line; 0 if that is not known."""
    try:
        return inspect.getfile(function), inspect.getsourcelines(function)[1]
    except (OSError, TypeError):  # it was typed at a prompt, or is not written in Python
        return getattr(inspect.unwrap(function), "__module__", ""), 0
