"""`oracle notebook`: running a notebook with torch and with npnet.tensors, and comparing both."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from npnet.base.errors import InputError
from npnet.base.tables import shorten
from npnet.cli.parser import DEFAULT_SEED, GRADE, SECONDS, add_json, number, torch_seed
from npnet.cli.terminal import wrap
from npnet.cli.word_options import add_words_option, word_file
from npnet.notebooks.cells import Notebook
from npnet.notebooks.read import read_notebook
from npnet.notebooks.run import SECONDS as TIME
from npnet.notebooks.run import Options
from oracle.notebook import SEED, CellPair, compare_notebook
from oracle.notebook_grades import disagreements, grade_by_both

SHOWN = 3  # at most this many tensors of a cell are named


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "notebook",
        help="run a notebook with torch and with npnet.tensors, and compare every tensor",
        description="Run a notebook with torch and with npnet.tensors. After each cell, compare "
        "every tensor that has a name, and its gradient. The exit code is 1 if one differs by more "
        "than rounding. The notebook's code runs as you, with your rights.",
    )
    parser.add_argument(
        "file", metavar="FILE", help=".ipynb, .py, or an export as Markdown or as text"
    )
    parser.add_argument(
        "--seconds",
        type=number,
        default=TIME,
        metavar="S",
        help=f"{SECONDS} (default: {TIME:g})",
    )
    add_words_option(parser, "the corpus that the notebook names, if it is found")
    parser.add_argument(
        "--default-seed",
        type=torch_seed,
        default=SEED,
        metavar="SEED",
        help=f"{DEFAULT_SEED} (default: {SEED})",
    )
    parser.add_argument(
        "--grade",
        action="store_true",
        help=GRADE,
    )
    add_json(parser)
    parser.set_defaults(command=notebook_command)


def notebook_command(options: argparse.Namespace) -> int:
    """`oracle notebook`."""
    if not options.seconds > 0:
        raise InputError(f"--seconds: got {options.seconds:g}, wanted more than 0")
    notebook = read_notebook(options.file)
    if options.grade:
        return _grade(notebook, options)
    pairs = []
    with word_file(options.words) as words:
        how = Options(seconds=options.seconds, words=words, default_seed=options.default_seed)
        for pair in compare_notebook(notebook, how):
            pairs.append(pair)
            if not options.json:
                print(_lines(pair), flush=True)
    # If every cell fails on both sides, the comparison shows nothing.
    agree = all(pair.agrees for pair in pairs) and any(pair.tensors for pair in pairs)
    if options.json:
        cells = [_content(pair) for pair in pairs]
        told = {"notebook": str(Path(options.file)), "passed": agree, "cells": cells}
        print(json.dumps(told, indent=1))
    else:
        print(wrap(_summary(pairs)))
    return 0 if agree else 1


def _grade(notebook: Notebook, options: argparse.Namespace) -> int:
    with word_file(options.words) as words:
        how = Options(seconds=options.seconds, words=words, default_seed=options.default_seed)
        ours, theirs = grade_by_both(notebook, how)
    apart = disagreements(ours, theirs)
    if options.json:
        print(json.dumps({**theirs.content(), "disagreements": apart}, indent=1))
    else:
        print(theirs)
        print(wrap("; ".join(apart) or "npnet's own verdicts are the same"))
    return 0 if theirs.passed and not apart else 1


def _lines(pair: CellPair) -> str:
    ran = pair.theirs
    alike = "rounding" if pair.differences else "equal"
    verdict = alike if pair.agrees else "differs"
    head = (
        f"{ran.cell.number:3}  {verdict:9} {pair.equal:4} of {pair.tensors:4} bit for bit  "
        f"{shorten(ran.cell.title, 38)}"
    )
    lines = [head.rstrip()]
    ours, theirs = pair.errors
    if ours != theirs:
        for who, one in (("stand-in", pair.ours), ("torch", pair.theirs)):
            text = one.error.text.splitlines()[0] if one.error else "no exception"
            lines.append(wrap(f"{who}: {text}", "       "))
    stopped = [one.stopped for one in (pair.ours, pair.theirs) if one.stopped]
    lines += [wrap(text, "       ") for text in dict.fromkeys(stopped)]
    if not pair.agrees:
        worst = [each for each in pair.differences if not each.is_rounding][:SHOWN]
        lines += [wrap(f"{each.name}: {each.text}", "       ") for each in worst]
    elif pair.differences:
        first = pair.differences[0]
        lines.append(wrap(f"first {first.name}: {first.text}", "       "))
    return "\n".join(lines)


def _summary(pairs: list[CellPair]) -> str:
    agree = sum(pair.agrees for pair in pairs)
    tensors, equal = (sum(getattr(p, key) for p in pairs) for key in ("tensors", "equal"))
    text = (
        f"{agree} of {len(pairs)} cells agree; {equal:,} of {tensors:,} comparisons of tensors "
        "are equal bit for bit"
    )
    if not tensors:
        text += "; no tensor was compared"
    first = next((pair for pair in pairs if not pair.agrees), None)
    if first is not None:
        names = [each.name for each in first.differences if not each.is_rounding]
        what = names[0] if names else "its exception"
        text += f"; the first that differs: {what} in cell {first.theirs.cell.number}"
    return text


def _content(pair: CellPair) -> dict[str, Any]:
    return {
        "number": pair.theirs.cell.number,
        "agrees": pair.agrees,
        "tensors": pair.tensors,
        "equal": pair.equal,
        "errors": {"numpy": pair.errors[0], "torch": pair.errors[1]},
        "stopped": {"numpy": pair.ours.stopped, "torch": pair.theirs.stopped},
        "differences": [{**vars(each), "rounding": each.is_rounding} for each in pair.differences],
    }
