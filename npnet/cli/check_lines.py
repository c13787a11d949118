"""`npnet check FILE.py`: the tables of lines that a user's program defines."""

from __future__ import annotations

import argparse
import contextlib
import json
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

from npnet.base.errors import InputError
from npnet.checks.line_check import LinesCheck
from npnet.checks.line_golden import write_golden
from npnet.checks.lines import Lines
from npnet.checks.planted import Planted

# The options of the command that can be used with a table.
TAKEN = ("file", "json", "lines", "planted", "golden", "seed", "set")


def check_lines_command(options: argparse.Namespace) -> int:
    """Check every table in the file; exit code 1 if one is wrong."""
    refuse_others(options)
    dtype = dtype_from(options)
    tables = tables_of(options.file)
    passed, shown = True, {}
    for name, table in tables.items():
        try:
            checked = table.check(dtype, options.seed or 0)
            planted = table.planted(options.seed or 0) if options.planted else None
            if options.golden is not None:
                folder = options.golden if len(tables) == 1 else options.golden / name
                write_golden(table, folder, options.seed or 0)
        except InputError as error:
            raise InputError(f"{options.file}: {name}: {error}") from error
        report = checked.alone if options.lines else checked
        passed &= report.passed and (planted is None or planted.passed)
        if options.json:
            shown[name] = _plain(checked, planted)
            continue
        print(f"{name}: {_described(table)}")
        print(report)
        if planted is not None:
            print(f"mistakes put in on purpose, one at a time:\n{planted}")
    if options.json:
        print(json.dumps(shown, indent=1))
    return 0 if passed else 1


def refuse_others(options: argparse.Namespace) -> None:
    """Raise InputError for an option that is only for npnet's own network."""
    parser: argparse.ArgumentParser = options.parser
    for action in parser._actions:
        if action.dest in TAKEN or not hasattr(options, action.dest):
            continue
        if getattr(options, action.dest) != parser.get_default(action.dest):
            raise InputError(
                f"check: got {action.option_strings[0]} and {options.file}, wanted one of them: "
                f"{action.option_strings[0]} is of npnet's own network"
            )


def dtype_from(options: argparse.Namespace) -> str:
    """The dtype that --set dtype= asks for; else float64."""
    dtype = "float64"
    for assignment in options.set or ():
        key, _, dtype = assignment.partition("=")
        if key != "dtype":
            raise InputError(f"--set: got {assignment!r} for a table, wanted dtype=float32")
    return dtype


def tables_of(file: str) -> dict[str, Lines]:
    """Run a program, and return the tables of lines that it defines, by their names.

    Raises:
        InputError: there is no such file, it raises an error, or it defines no table.
    """
    path = Path(file)
    if not path.is_file() or path.suffix != ".py":
        raise InputError(f"check: {file} is no Python file, wanted one that defines npnet.Lines")
    sys.path.insert(0, str(path.parent))
    try:
        # the program's own output is not part of the report
        with contextlib.redirect_stdout(sys.stderr):
            names: dict[str, Any] = runpy.run_path(file)
    except InputError as error:
        raise InputError(f"{file}: {_line(error, file)}{error}") from error
    except (Exception, SystemExit) as error:
        said = str(error).partition("\n")[0]
        raise InputError(
            f"{file}: {_line(error, file)}{type(error).__name__}: {said}, wanted a program that "
            "runs and defines npnet.Lines"
        ) from error
    finally:
        sys.path.remove(str(path.parent))
    tables = {name: entry for name, entry in names.items() if isinstance(entry, Lines)}
    if not tables:
        raise InputError(
            f"{file}: defines no table of lines, wanted one such as net = npnet.Lines(...): see "
            "npnet help own-network"
        )
    return tables


def _line(error: BaseException, file: str) -> str:
    """The line of the file in which the error was raised, for a message."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__)
    numbers = [frame.lineno for frame in frames if frame.filename == file]
    return f"line {numbers[-1]}: " if numbers else ""


def _described(table: Lines) -> str:
    floats = [name for name in table.inputs if name in table.active]
    return (
        f"{len(table.lines)} lines, {len(floats)} inputs with a gradient, "
        f"output {' and '.join(f'{name} {table.shapes[name]}' for name in table.outputs)}"
    )


def _plain(checked: LinesCheck, planted: Planted | None) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(checked.to_json())
    if planted is not None:
        trials = [trial._asdict() for trial in planted.trials]
        content["planted"] = {"passed": planted.passed, "trials": trials}
    return content
