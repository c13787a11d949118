"""`npnet notebook`: a torch notebook on NumPy alone, compared with its stored outputs."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from npnet.base.errors import InputError
from npnet.base.files import replacing
from npnet.base.tables import shorten, table
from npnet.cli.output_files import check_new_file
from npnet.cli.parser import DEFAULT_SEED, GRADE, SECONDS, add_force, add_json, number, torch_seed
from npnet.cli.terminal import wrap
from npnet.cli.word_options import add_words_option, word_file
from npnet.grading.grade_text import grade_html
from npnet.grading.notebook_grades import Grading
from npnet.notebooks.cells import Cell, Notebook
from npnet.notebooks.html import html_page
from npnet.notebooks.outputs import EQUAL
from npnet.notebooks.read import read_notebook
from npnet.notebooks.report import CellReport, NotebookReport, differences_table, summary
from npnet.notebooks.run import SECONDS as TIME
from npnet.notebooks.run import Options, run_notebook

MOST_ROWS = 30  # rows of the table of differences; --json and --html have all
WIDEST = 24  # the most characters in a cell of this table


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "notebook",
        help="run a torch notebook without torch, compare its outputs",
        description="Run a notebook on NumPy alone and compare what it prints with what is stored. "
        "The notebook's code runs as you, with your rights: use --read for one you do not trust.",
    )
    parser.add_argument(
        "file", metavar="FILE", help=".ipynb, .py, or an export as Markdown or as text"
    )
    parser.add_argument(
        "--read", action="store_true", help="report what the file holds, and run nothing"
    )
    parser.add_argument(
        "--seconds",
        type=number,
        default=TIME,
        metavar="S",
        help=f"{SECONDS} (default: {TIME:g})",
    )
    add_words_option(parser, "the corpus that the notebook names, if it is found")
    parser.add_argument("--figures", metavar="DIR", help="draw the pictures into this folder")
    parser.add_argument(
        "--default-seed",
        type=torch_seed,
        metavar="SEED",
        help=DEFAULT_SEED,
    )
    parser.add_argument(
        "--default-word",
        action="append",
        default=[],
        metavar="CELL:WORD",
        help="let a cell begin at this word of the seed's stream, as npnet recover says; may be "
        "given several times",
    )
    parser.add_argument(
        "--sampler",
        choices=("torch", "mkl"),
        default="torch",
        help="whose random numbers torch.multinomial uses; mkl: those of torch 2.0 to 2.6 "
        "(default: torch)",
    )
    parser.add_argument(
        "--grade",
        action="store_true",
        help=GRADE,
    )
    parser.add_argument("--html", metavar="PAGE", help="write the report as one HTML page")
    add_force(parser)
    add_json(parser)
    parser.set_defaults(command=notebook_command)


def notebook_command(options: argparse.Namespace) -> int:
    """`npnet notebook`."""
    if not options.seconds > 0:
        raise InputError(f"--seconds: got {options.seconds:g}, wanted more than 0")
    page = Path(options.html) if options.html else None
    if page is not None:
        check_new_file(page, force=options.force, who="--html")
    notebook = read_notebook(options.file)
    if options.read:
        for name in ("grade", "html", "figures", "default_seed", "default_word"):
            if getattr(options, name) not in (None, False, []):
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"--read: got {option} as well, wanted one of them")
        _print_contents(notebook, options.json)
        return 0
    grading = Grading(str(notebook.path)) if options.grade else None
    with word_file(options.words) as words:
        report = _run(notebook, options, words, grading)
    grades = grading.result() if grading else None
    if options.json:
        content = report.content() | ({} if grades is None else {"grades": grades.content()})
        print(json.dumps(content, indent=1))
    else:
        _print_end(report)
        if grades is not None:
            print(f"\n{grades}")
    if page is not None:
        with replacing(page) as temporary:
            section = "" if grades is None else grade_html(grades)
            temporary.write_text(html_page(report, section), encoding="utf-8")
        if not options.json:
            print(page)
    if report.interrupted:
        return 130
    passed = report.passed if grades is None else grades.passed
    return 0 if passed else 1


def _run(
    notebook: Notebook, options: argparse.Namespace, words: Path | None, grading: Grading | None
) -> NotebookReport:
    report = NotebookReport(notebook)
    how = Options(
        seconds=options.seconds,
        words=words,
        figures=Path(options.figures) if options.figures else None,
        default_seed=options.default_seed,
        starts=_starts(options, notebook),
        sampler=options.sampler,
        printed=_live if sys.stderr.isatty() and not options.json else None,
    )
    if not options.json:
        print(_heading(notebook), flush=True)
    after = None
    if grading is not None:
        how, after = grading.asked(how), grading.after(len(notebook.cells))
    for ran in run_notebook(notebook, how, after):
        cell = report.add(ran)
        if not options.json:
            if how.printed is not None:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            print(cell_lines(cell), flush=True)
    return report


def _starts(options: argparse.Namespace, notebook: Notebook) -> dict[int, int]:
    """Number of a cell -> the word of the stream at which it begins."""
    starts = {}
    for text in options.default_word:
        found = re.fullmatch(r"([0-9]{1,6}):([0-9]{1,10})", text)
        if not found or not 1 <= int(found[1]) <= len(notebook.cells):
            raise InputError(
                f"--default-word: got {text!r}, wanted CELL:WORD, such as 3:560, with a cell from "
                f"1 to {len(notebook.cells)}"
            )
        starts[int(found[1])] = int(found[2])
    if starts and options.default_seed is None:
        raise InputError("--default-word: got no seed, wanted --default-seed SEED with it")
    return starts


def _heading(notebook: Notebook) -> str:
    return (
        f"{notebook.path.name}: {notebook.form}, {len(notebook.cells)} code cells, "
        f"{notebook.outputs} stored outputs"
    )


def _live(cell: Cell, text: str) -> None:
    """Show the last line that a running cell printed."""
    line = text.rstrip().rpartition("\n")[2]
    print(f"\r\x1b[Kcell {cell.number}: {shorten(line, 60)}", end="", file=sys.stderr, flush=True)


def cell_lines(cell: CellReport) -> str:
    """The line of a cell, and the lines with details below it."""
    ran, comparison = cell.ran, cell.comparison
    verdict = comparison.verdict if comparison else "-"
    if cell.explained:
        verdict += ", explained"
    head = f"{ran.cell.number:3}  {verdict:20} {ran.seconds:7.1f} s  {shorten(ran.cell.title, 44)}"
    lines = [head.rstrip()]
    if ran.error is not None and (comparison is None or comparison.verdict != EQUAL):
        where = f"line {ran.line}: " if ran.line else ""
        lines.append(wrap(f"{where}{ran.error.text.splitlines()[0]}", "       "))
    notes = [
        *ran.notes,
        ran.stopped or "",
        comparison.remark if comparison else "",
        *(r.text for r in cell.reasons),
    ]
    lines += [wrap(note, "       ") for note in dict.fromkeys(notes) if note]
    return "\n".join(lines)


def _print_end(report: NotebookReport) -> None:
    rows = differences_table(report)
    if rows:
        shown = [[shorten(entry, WIDEST) for entry in row] for row in rows[:MOST_ROWS]]
        print("\n" + table([["cell", "line", "what", "stored", "here", ""], *shown], ">><<<<"))
        if len(rows) > MOST_ROWS:
            print(f"… and {len(rows) - MOST_ROWS} more: --json or --html shows them")
        print()
    print(wrap(summary(report)))
    for line in report.advice():
        print(wrap(line))


def _print_contents(notebook: Notebook, as_json: bool) -> None:
    if as_json:
        cells = [
            {
                "number": cell.number,
                "execution_count": cell.execution_count,
                "source": cell.source,
                "outputs": [vars(output) for output in cell.outputs],
            }
            for cell in notebook.cells
        ]
        content = {"notebook": str(notebook.path), "form": notebook.form, "cells": cells}
        print(json.dumps(content, indent=1))
        return
    print(_heading(notebook))
    rows = [["cell", "In", "lines", "outputs", "first line"]]
    for cell in notebook.cells:
        kinds = ", ".join(dict.fromkeys(output.kind for output in cell.outputs))
        count = "" if cell.execution_count is None else str(cell.execution_count)
        lines = str(len(cell.source.splitlines()))
        rows.append([str(cell.number), count, lines, kinds, shorten(cell.title, 44)])
    print(table(rows, ">>><<"))
