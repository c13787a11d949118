"""`npnet judge --reference DIR` for the golden set of the user's own network."""

from __future__ import annotations

import argparse
import json

from npnet.base.errors import InputError
from npnet.checks.line_golden import read_gradients, read_lines_golden
from npnet.cli.parser import names_of

# The options that are only for npnet's own network.
REFUSED = ("values", "precision", "column_major", "big_endian")


def judge_lines_command(options: argparse.Namespace) -> int:
    """Print the comparison and return the exit code."""
    for name in REFUSED:
        if getattr(options, name):
            raise InputError(
                f"--{name.replace('_', '-')}: got it and a set of your own network, wanted a set "
                "that oracle golden wrote"
            )
    golden = read_lines_golden(options.reference)
    only = names_of(options.only)
    reports = {}
    for dtype, arrays in read_gradients(options.theirs, golden).items():
        try:
            reports[dtype] = golden.judge(arrays, lines=options.lines, only=only)
        except InputError as error:
            raise InputError(f"{options.theirs}: {error}") from error
    passed = all(reports.values())
    if options.json:
        figures = {
            "passed": passed,
            "theirs": str(options.theirs),
            "reference": str(options.reference),
            "lines": options.lines,
            "reports": {dtype: json.loads(report.to_json()) for dtype, report in reports.items()},
        }
        print(json.dumps(figures, indent=1))
        return 0 if passed else 1
    for dtype, report in reports.items():
        print(f"{options.theirs}: {dtype}, {'each line alone' if options.lines else 'end to end'}")
        print(report)
        if report.failures:
            print(f"first wrong in the order of computation: {report.failures[0].name}")
    return 0 if passed else 1
