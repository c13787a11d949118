"""`npnet judge`: gradients from any program, against a golden set."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

from npnet.base.errors import InputError
from npnet.checks.array_files import Layout, Theirs, read_theirs
from npnet.checks.array_names import parameters_alone
from npnet.checks.forward_values import KNOWN, Forward, judge_values
from npnet.checks.golden import read_golden
from npnet.checks.joint_verdict import join
from npnet.checks.line_golden import is_lines_golden
from npnet.checks.reference import Problem, gradient_names, next_step
from npnet.checks.report import Report
from npnet.checks.stored import PRECISION_EPS
from npnet.cli.judge_lines import judge_lines_command
from npnet.cli.parser import add_json, add_lines, add_only, names_of
from npnet.network.gradients import GRADIENTS


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
        help="the golden set to compare with, as npnet golden or oracle golden writes it",
    )
    parser.add_argument(
        "--values",
        type=Path,
        metavar="FILE",
        help="a file or folder with the values of your forward pass, all or some: they are judged "
        "too, and the gradients are then judged for these values",
    )
    add_lines(parser)
    add_only(parser, "logits,h,W2; parameters stands for the seven")
    parser.add_argument(
        "--precision",
        choices=[*PRECISION_EPS],
        metavar="NAME",
        help=f"judge by the eps of this precision: {', '.join(PRECISION_EPS)} (default: that "
        "of the file)",
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
    if is_lines_golden(options.reference):
        return judge_lines_command(options)
    return judge(options, read_golden(options.reference))


def judge(options: argparse.Namespace, problem: Problem, remark: str = "") -> int:
    """Print the comparison and return the exit code."""
    layout = Layout(options.column_major, options.big_endian)
    shared = options.values is not None and options.values.exists()
    shared = shared and options.values.samefile(options.theirs)
    parts = read_theirs(
        options.theirs, problem.sizes, shared=shared, precision=options.precision, layout=layout
    )
    verdicts = [_verdict(options, problem, theirs, layout) for theirs in parts]
    passed = all(verdict.passed for verdict in verdicts)
    if options.json:
        figures = {
            "passed": passed,
            "theirs": str(options.theirs),
            "reference": str(options.reference),
            "remark": remark,
            "lines": options.lines,
            "said": {one.theirs.judged_as: one.theirs.said for one in verdicts},
            "reports": {one.theirs.judged_as: json.loads(one.report.to_json()) for one in verdicts},
        }
        if options.values:
            figures["values"] = {
                one.theirs.judged_as: json.loads(one.forward.report.to_json())
                for one in verdicts
                if one.forward
            }
            figures["verdict"] = {one.theirs.judged_as: one.sentence for one in verdicts}
        print(json.dumps(figures, indent=1))
        return 0 if passed else 1
    about = problem.about
    made = f"torch {about.get('torch')}, {about.get('cpu_capability')}"
    print(f"{options.reference}: {made}" + (f"; {remark}" if remark else ""))
    for verdict in verdicts:
        _print(options, verdict)
    return 0 if passed else 1


class Verdict(NamedTuple):
    """The verdict on the arrays of one precision.

    ``forward`` and ``sentence`` exist if values were given; ``passed`` includes everything.
    """

    theirs: Theirs
    report: Report
    passed: bool
    forward: Forward | None = None
    sentence: str = ""


def _verdict(
    options: argparse.Namespace, problem: Problem, theirs: Theirs, layout: Layout
) -> Verdict:
    only = names_of(options.only)
    if only is None and parameters_alone(theirs.arrays):
        only = ["parameters"]
        if others := [name for name in theirs.arrays if name not in GRADIENTS]:
            left_out = f"left out, as none of the 26 gradients: {', '.join(others)}"
            theirs = theirs._replace(said=(*theirs.said, left_out))
    elif only is None and not {*GRADIENTS} & {*theirs.arrays}:
        doubts = "".join(f"; {said}" for said in theirs.said)
        raise InputError(
            f"{options.theirs}: has {', '.join(theirs.arrays)}, wanted gradients by their names, "
            f"such as W1, dW1, grad_W1 or W1.grad{doubts}"
        )
    labels = ("theirs", "torch")
    if options.values is None or options.lines:
        reference = (problem.lines if options.lines else problem.whole)(theirs.precision)
        report = reference.judge(theirs.arrays, only, labels, precision=theirs.judged_as)
        if options.values is None:
            return Verdict(theirs, report, report.passed)
    values = read_theirs(
        options.values, problem.sizes, known=KNOWN, precision=theirs.judged_as, layout=layout
    )
    given = next((part for part in values if part.precision == theirs.precision), values[0])
    forward = judge_values(problem, given.arrays, theirs.judged_as, labels)
    theirs = theirs._replace(said=(*theirs.said, *given.said))
    if options.lines:
        wrong = ", ".join(f"d{row.name}" for row in report.failures)
        whose = "each line alone, for the golden values and upstream gradients"
        said = f"wrong are {wrong}" if wrong else "the gradients are right"
        sentence = f"{forward}; {said}, {whose}"
        return Verdict(theirs, report, report.passed and not forward.wrong, forward, sentence)
    names = tuple(GRADIENTS) if only is None else gradient_names(only)
    joint = join(forward, theirs.arrays, theirs.judged_as, names, labels)
    return Verdict(theirs, joint.whole, joint.passed, forward, str(joint))


def _print(options: argparse.Namespace, verdict: Verdict) -> None:
    theirs, report, _, forward, sentence = verdict
    if forward:
        print(f"{options.values}: {theirs.judged_as}, the forward pass")
        print(forward.report)
    kind = "each line alone" if options.lines else "end to end"
    kind += " for these values" if forward and not options.lines else ""
    print(f"{options.theirs}: {theirs.judged_as}, {kind}")
    for said in theirs.said:
        print(said)
    print(report)
    if sentence:
        print(sentence)
    if report.failures:
        print(next_step(report))
    there = [row.name for row in report.rows if row.ok]
    if there and all(row.verdict == "missing" for row in report.failures) and report.failures:
        print(f"nothing else is wrong: to compare only what is there, --only {','.join(there)}")
