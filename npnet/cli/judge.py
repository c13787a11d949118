"""`npnet judge`: gradients from any program, against a golden set."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from npnet.checks.array_files import read_gradients
from npnet.checks.golden import read_golden
from npnet.checks.reference import Problem, next_step
from npnet.cli.parser import add_json, add_lines, add_only, names_of


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    judge = commands.add_parser("judge", help="gradients from any program, against torch's")
    add_options(judge)
    judge.set_defaults(command=judge_command)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `npnet judge` and `oracle judge`."""
    parser.add_argument(
        "theirs",
        type=Path,
        metavar="THEIRS",
        help="an npz file, or a folder with raw files NAME.f32 or NAME.f64 (little endian, C "
        "order); names with or without the lecture's d",
    )
    parser.add_argument(
        "--reference",
        type=Path,
        required=True,
        metavar="DIR",
        help="the golden set with the parameters and the batch, as oracle golden writes it",
    )
    add_lines(parser)
    add_only(parser, "logits,h,W2")
    add_json(parser)


def judge_command(options: argparse.Namespace) -> int:
    """`npnet judge`."""
    return judge(options, read_golden(options.reference))


def judge(options: argparse.Namespace, problem: Problem, remark: str = "") -> int:
    """Print the comparison and return the exit code."""
    only = names_of(options.only)
    reports = {
        precision: (problem.lines if options.lines else problem.whole)(precision).judge(
            theirs, only, labels=("theirs", "torch")
        )
        for precision, theirs in read_gradients(options.theirs, problem.sizes).items()
    }
    passed = all(reports.values())
    if options.json:
        figures = {
            "passed": passed,
            "theirs": str(options.theirs),
            "reference": str(options.reference),
            "remark": remark,
            "lines": options.lines,
            "reports": {key: json.loads(report.to_json()) for key, report in reports.items()},
        }
        print(json.dumps(figures, indent=1))
        return 0 if passed else 1
    about = problem.about
    made = f"torch {about.get('torch')}, {about.get('cpu_capability')}"
    print(f"{options.reference}: {made}" + (f"; {remark}" if remark else ""))
    for precision, report in reports.items():
        kind = "each line alone" if options.lines else "end to end"
        print(f"{options.theirs}: {precision}, {kind}")
        print(report)
        if not report:
            print(next_step(report))
    return 0 if passed else 1
