"""A learner's file, read and run in its own process."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import sys
import types
from pathlib import Path

from npnet.base.errors import InputError, kind_of
from npnet.base.suggestions import nearest
from npnet.learn.calls import Function, said
from npnet.learn.exercises import EXERCISES
from npnet.learn.sheet_parts import compiled, stand_in

MODULE = "exercise_sheet"


def read_sheet(path: Path) -> str:
    """The text of a sheet, checked as far as can be without running it.

    Raises:
        InputError: missing, not UTF-8, not Python.
    """
    if path.suffix == ".ipynb":
        raise InputError(
            f"{path}: a notebook, wanted an exercise sheet: the cells of the notebook that npnet "
            "exercise new --notebook writes judge themselves, run them in Jupyter"
        )
    try:
        text = path.read_text(encoding="utf-8")
        compiled(path, text)
    except OSError as error:
        # Where something is in the way already, no new sheet can be written.
        way = (
            f"npnet exercise new {shlex.quote(str(path))}"
            if isinstance(error, FileNotFoundError)
            else "name its file"
        )
        raise InputError(f"{path}: {error.strerror}, wanted an exercise sheet: {way}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no UTF-8 text ({error.reason} at {error.start})") from error
    except SyntaxError as error:
        line = f" line {error.lineno}" if error.lineno else ""
        shown = f": {error.text.strip()}" if error.text else ""
        raise InputError(f"{path}{line}: no Python ({error.msg}){shown}") from error
    except ValueError as error:  # null bytes
        raise InputError(f"{path}: no Python ({error})") from error
    return text


def run_sheet(path: Path) -> dict[str, Function]:
    """Run a sheet and return its exercises, in their own order.

    Raises:
        InputError: it cannot be read, does not run to its end, defines a name that is close to
            an exercise but none, or holds none at all. A function of an exercise that is no Python
            stands in for itself: it fails when it is called.
    """
    text = read_sheet(path)
    programs, broken = compiled(path, text)
    module = types.ModuleType(MODULE)
    module.__file__ = str(path)
    sys.modules[MODULE] = module
    # What stands beside the sheet can be imported, but does not hide the standard library.
    sys.path.append(os.fspath(path.resolve().parent))
    sys.dont_write_bytecode = True
    try:
        for program in programs:
            exec(program, vars(module))
    except (Exception, SystemExit) as error:
        raise InputError(f"{path} {said(error, path)}") from error
    functions = {}
    for name, entry in vars(module).items():
        if name in EXERCISES:
            if not callable(entry):
                kind = kind_of(entry)
                raise InputError(f"{path}: {name} is {kind}, wanted a function of v and d")
            functions[name] = entry
        elif _meant_as_exercise(name, entry):
            near = nearest(name, EXERCISES)
            hint = (
                f"did you mean {near}?" if near else "give a helper other parameters than v and d"
            )
            raise InputError(f"{path} line {_line_of(name, text)}: {name} is no exercise, {hint}")
    functions |= {name: stand_in(what) for name, what in broken.items()}
    if not functions:
        raise InputError(
            f"{path}: holds none of the {len(EXERCISES)} functions: for a sheet: npnet exercise new"
        )
    return {name: functions[name] for name in EXERCISES if name in functions}


def _line_of(name: str, text: str) -> int:
    """The line in which a sheet last defines a function; 1 if it has it from elsewhere."""
    found = [*re.finditer(rf"^\s*def {name}\b", text, re.MULTILINE)]
    return text.count("\n", 0, found[-1].end()) + 1 if found else 1


def _meant_as_exercise(name: str, entry: object) -> bool:
    """Whether a name of the sheet is a function of v and d, or of two that are named like them."""
    if not isinstance(entry, types.FunctionType) or entry.__module__ != MODULE:
        return False
    parameters = [*inspect.signature(entry).parameters]
    return parameters == ["v", "d"] or (len(parameters) == 2 and name.startswith("d"))
