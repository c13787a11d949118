"""`npnet explain` and `npnet exercise`: read the gradients, and write them yourself."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from npnet.base.errors import InputError
from npnet.base.suggestions import unknown
from npnet.cli.output_files import check_new_file, check_new_picture
from npnet.cli.parser import (
    SECONDS,
    STEPS,
    WATCH,
    add_force,
    add_json,
    add_plot,
    number,
    whole_number,
)
from npnet.cli.terminal import colours, width
from npnet.learn import training
from npnet.learn.exercise_notebook import write_notebook
from npnet.learn.exercises import EXERCISES, find, shown_solution, write_sheet
from npnet.learn.explain import explain
from npnet.learn.hints import LEVELS, hint
from npnet.learn.mistakes_shown import report
from npnet.learn.sheet_check import check_sheet, watched
from npnet.learn.time_limit import SECONDS as TIME

SHEET = Path("exercises.py")
NOTEBOOK = SHEET.with_suffix(".ipynb")


def add_commands(commands: Any) -> None:
    """Add both to the parser's subcommands."""
    explaining = commands.add_parser(
        "explain",
        help="a gradient's derivation, after a question; all lines",
        description="Explain one value and its gradient: the lines that compute and read it, a "
        "question, and with --answer the derivation. Without a name: all lines of the forward "
        "pass, with --answer also those of the backward pass.",
    )
    explaining.add_argument(
        "name", nargs="?", metavar="NAME", help="one of the 27 names (default: all lines)"
    )
    explaining.add_argument(
        "--answer", action="store_true", help="the derivation and our code, after the question"
    )
    explaining.set_defaults(command=explain_command)

    exercise = commands.add_parser(
        "exercise",
        help="write the gradients yourself",
        description="Write the gradients yourself, with hints and verdicts (npnet help learn).",
    )
    actions = exercise.add_subparsers(metavar="ACTION", required=True)

    new = actions.add_parser("new", help="write a new exercise sheet")
    new.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help=f"default: {SHEET}, with --notebook {NOTEBOOK}",
    )
    new.add_argument(
        "--notebook", action="store_true", help="as a Jupyter notebook whose cells judge themselves"
    )
    add_force(new)
    new.set_defaults(command=new_command)

    check = actions.add_parser("check", help="judge the functions of a sheet, each alone")
    check.add_argument(
        "what",
        nargs="*",
        metavar="FILE|NAME",
        help=f"the sheet (default: {SHEET}), functions to judge (default: all of them)",
    )
    check.add_argument("--watch", action="store_true", help=WATCH)
    check.add_argument(
        "--seconds",
        type=number,
        default=TIME,
        metavar="S",
        help=f"{SECONDS} (default: {TIME:g})",
    )
    check.add_argument(
        "--steps",
        type=whole_number,
        default=training.STEPS,
        metavar="N",
        help=f"{STEPS} (default: {training.STEPS:,}; 0: no training)",
    )
    add_plot(check)
    add_force(check)
    add_json(check)
    check.set_defaults(command=check_command)

    hinting = actions.add_parser("hint", help="a hint for one function, or its solution")
    hinting.add_argument("name", metavar="NAME", help="such as dbnvar_inv")
    hinting.add_argument(
        "--level",
        type=whole_number,
        choices=LEVELS,
        default=1,
        help="1: a question, 2: the rule, 3: the formula (default: 1)",
    )
    hinting.add_argument(
        "--solution", action="store_true", help="show our own function instead, for the sheet"
    )
    hinting.set_defaults(command=hint_command)

    mistakes = actions.add_parser("mistakes", help="twelve common mistakes, and the verdicts")
    mistakes.set_defaults(command=mistakes_command)


def explain_command(options: argparse.Namespace) -> int:
    """`npnet explain`."""
    print(explain(options.name, width=width(), answer=options.answer))
    return 0


def new_command(options: argparse.Namespace) -> int:
    """`npnet exercise new`."""
    file: Path = options.file or (NOTEBOOK if options.notebook else SHEET)
    if options.notebook is not (file.suffix == ".ipynb"):
        wanted = ".ipynb" if options.notebook else ".py, or --notebook"
        raise InputError(f"exercise new: {file}, wanted a name that ends in {wanted}")
    check_new_file(file, force=options.force, who="exercise new")
    if options.force:
        file.unlink(missing_ok=True)
    quoted = shlex.quote(str(file))
    if options.notebook:
        write_notebook(file)
        print(f"{file}: open it in Jupyter, write its functions, and run their cells")
        return 0
    write_sheet(file)
    print(f"{file}: write its functions, then: npnet exercise check {quoted}")
    return 0


def check_command(options: argparse.Namespace) -> int:
    """`npnet exercise check`."""
    if options.seconds <= 0 or options.steps < 0:
        raise InputError(
            f"check: --seconds {options.seconds:g} and --steps {options.steps}, wanted seconds "
            "above 0 and steps of 0 or more"
        )
    if options.plot is not None:
        check_new_picture(options.plot, force=options.force, who="--plot")
    file, names = _file_and_names(options.what)
    if options.watch:
        if options.json or options.plot is not None:
            raise InputError("check: --watch with --json or --plot, wanted --watch alone")
        return _watch(file, names, options)
    grades = check_sheet(file, seconds=options.seconds, steps=options.steps, names=names)
    print(grades.to_json() if options.json else grades.text(width(), colour=colours()))
    if options.plot is not None:
        if grades.curve is None:
            raise InputError(
                f"check: nothing to draw in {options.plot}: no training, for backward is unsolved "
                "or does not return seven gradients in their shapes"
            )
        grades.curve.save(options.plot)
    return 0 if grades.passed else 1


def _file_and_names(what: Sequence[str]) -> tuple[Path, list[str]]:
    """The sheet and the exercises in the arguments; an exercise's name is one if no file has it."""
    files, names = [], []
    for word in what:
        if not Path(word).exists() and {word, f"d{word}"} & {*EXERCISES}:
            names.append(find(word, "check").name)
        elif not Path(word).exists() and "." not in word and "/" not in word:
            raise unknown("check", word, EXERCISES)
        else:
            files.append(Path(word))
    if len(files) > 1:
        raise InputError(f"check: two sheets, {files[0]} and {files[1]}, wanted one")
    return (files or [SHEET])[0], names


def _watch(file: Path, names: Sequence[str], options: argparse.Namespace) -> int:
    """Judge a sheet; whenever it is saved, judge what has changed, until Ctrl+C."""
    try:
        for grades in watched(file, names=names, seconds=options.seconds, steps=options.steps):
            if isinstance(grades, InputError):
                print(grades)
            else:
                print(grades.text(width(), colour=colours()))
            print(f"watching {file}; Ctrl+C ends", flush=True)
    except KeyboardInterrupt:
        print()
    return 0


def hint_command(options: argparse.Namespace) -> int:
    """`npnet exercise hint`."""
    exercise = find(options.name, "hint")
    if options.solution:
        print(shown_solution(exercise))
    else:
        print(hint(exercise, options.level, width()))
    return 0


def mistakes_command(options: argparse.Namespace) -> int:
    """`npnet exercise mistakes`."""
    for line in report(width()):
        print(line)
    return 0
