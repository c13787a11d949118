"""`npnet judge`: gradients from any program, against a golden set."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from npnet.checks.array_files import Layout, Theirs, read_theirs
from npnet.checks.array_names import parameters_alone
from npnet.checks.golden import read_golden
from npnet.checks.precision import PRECISION_EPS
from npnet.checks.reference import Problem, next_step
from npnet.checks.report import Report
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
        help="an npz, npy, safetensors or JSON file; or a folder of .npy or raw files: NAME.f32, "
        ".f64, .f16 or .bf16 (little endian, C order), or others that its manifest.json lists; "
        "names such as W1, dW1, grad_W1, W1.grad, layers.0.weight",
    )
    parser.add_argument(
        "--reference",
        type=Path,
        required=True,
        metavar="DIR",
        help="the golden set with the parameters and the batch, as oracle golden or npnet golden "
        "writes it",
    )
    add_lines(parser)
    add_only(parser, "logits,h,W2; parameters stands for the seven")
    parser.add_argument(
        "--precision",
        choices=[*PRECISION_EPS],
        help="judge by the eps of this precision (default: the one they are stored in)",
    )
    parser.add_argument(
        "--column-major", action="store_true", help="the numbers of raw files are in column order"
    )
    parser.add_argument(
        "--big-endian", action="store_true", help="the numbers of raw files are big endian"
    )
    add_json(parser)


def judge_command(options: argparse.Namespace) -> int:
    """`npnet judge`."""
    return judge(options, read_golden(options.reference))


def judge(options: argparse.Namespace, problem: Problem, remark: str = "") -> int:
    """Print the comparison and return the exit code."""
    layout = Layout(options.column_major, options.big_endian)
    parts = read_theirs(
        options.theirs, problem.sizes, precision=options.precision, layout=layout
    )
    judged = [(theirs, _report(options, problem, theirs)) for theirs in parts]
    passed = all(report for _, report in judged)
    if options.json:
        figures = {
            "passed": passed,
            "theirs": str(options.theirs),
            "reference": str(options.reference),
            "remark": remark,
            "lines": options.lines,
            "said": {theirs.judged_as: theirs.said for theirs, _ in judged},
            "reports": {
                theirs.judged_as: json.loads(report.to_json()) for theirs, report in judged
            },
        }
        print(json.dumps(figures, indent=1))
        return 0 if passed else 1
    about = problem.about
    made = f"torch {about.get('torch')}, {about.get('cpu_capability')}"
    print(f"{options.reference}: {made}" + (f"; {remark}" if remark else ""))
    for theirs, report in judged:
        kind = "each line alone" if options.lines else "end to end"
        print(f"{options.theirs}: {theirs.judged_as}, {kind}")
        for sentence in theirs.said:
            print(sentence)
        print(report)
        if not report:
            print(next_step(report))
    return 0 if passed else 1


def _report(options: argparse.Namespace, problem: Problem, theirs: Theirs) -> Report:
    reference = (problem.lines if options.lines else problem.whole)(theirs.precision)
    only = names_of(options.only)
    if only is None and parameters_alone(theirs.arrays):
        only = ["parameters"]
    return reference.judge(
        theirs.arrays, only, labels=("theirs", "torch"), precision=theirs.judged_as
    )
