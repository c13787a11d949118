"""`npnet judge`: gradients made by anything, against a golden set."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from npnet.checks.array_files import read_gradients
from npnet.checks.golden import read_golden
from npnet.checks.reference import Problem, next_step


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    judge = commands.add_parser("judge", help="hold gradients made by anything against torch's")
    add_options(judge)
    judge.set_defaults(command=judge_command)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `npnet judge` and `oracle judge` are told."""
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
        help="the golden set that gave the parameters and the batch: oracle golden DIR",
    )
    parser.add_argument(
        "--lines",
        action="store_true",
        help="THEIRS has each line alone, from the set's values and random upstream gradients",
    )
    parser.add_argument(
        "--only", metavar="NAMES", help="judge these alone, such as logits,h,W2; default: all 26"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def judge_command(options: argparse.Namespace) -> int:
    """`npnet judge`."""
    return judge(options, read_golden(options.reference))


def judge(options: argparse.Namespace, problem: Problem, remark: str = "") -> int:
    """Print what the comparison found, and return the exit code."""
    only = None if options.only is None else [name.strip() for name in options.only.split(",")]
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
