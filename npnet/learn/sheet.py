"""Reading and running a learner's sheet; ``sheet_process`` does this in a process of its own."""

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
    """The text of a sheet, after all checks that do not need to run it.

    Raises:
        InputError: the file is missing, not UTF-8 or not Python.
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
        # If something is already at this path, no new sheet can be written there.
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
    """Run a sheet and return its functions, in the order of the exercises.

    A function that is not valid Python is replaced by one that fails when it is called.

    Raises:
        InputError: the sheet cannot be read, does not run to its end, defines a name that is only
            similar to an exercise, or defines no exercise.
    """
    text = read_sheet(path)
    programs, broken = compiled(path, text)
    module = types.ModuleType(MODULE)
    module.__file__ = str(path)
    sys.modules[MODULE] = module
    # Modules beside the sheet can be imported, but they do not hide the standard library.
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
    """The line of a sheet's last definition of a function; 1 if it comes from another file."""
    found = [*re.finditer(rf"^\s*def {name}\b", text, re.MULTILINE)]
    return text.count("\n", 0, found[-1].end()) + 1 if found else 1


def _meant_as_exercise(name: str, entry: object) -> bool:
    """Whether it is a function of v and d, or one of two parameters whose name begins with d."""
    if not isinstance(entry, types.FunctionType) or entry.__module__ != MODULE:
        return False
    parameters = [*inspect.signature(entry).parameters]
    return parameters == ["v", "d"] or (len(parameters) == 2 and name.startswith("d"))
