"""`oracle operations`: how many forms of operations give the same in npnet.tensors and in torch."""

from __future__ import annotations

import argparse
import json
import textwrap
from typing import Any

from npnet.base.errors import InputError
from npnet.cli.parser import add_json
from oracle.forms import BY_SUBJECT
from oracle.operations import DTYPES, SHAPES, Count, count, verdicts
from oracle.threads import one_thread

DESCRIPTION = (
    "Run every form of every operation under torch and under npnet.tensors, and compare values, "
    "gradients, number types, shapes, shared memory and exceptions.\n\nThe table has for each "
    "subject: the number of forms, and of those that are equal in every bit in all comparisons; "
    "the number of comparisons, of those that agree, and of those that agree in every bit; the "
    "number of calls that both sides refuse. Below it are the differences, except those that "
    "oracle/forms.py lists as known. The exit code is 1 if there are any.\n\nSubjects: "
    f"{', '.join(BY_SUBJECT)}. Sets of shapes: {', '.join(SHAPES)}. "
    f"Number types: {', '.join(DTYPES)}."
)


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "operations",
        help="npnet.tensors compared with torch, operation by operation",
        description=DESCRIPTION,
    )
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help="only these subjects")
    parser.add_argument("--short", action="store_true", help="one set of shapes, float32 only")
    add_json(parser)
    parser.set_defaults(command=operations_command)


def operations_command(options: argparse.Namespace) -> int:
    """`oracle operations`."""
    subjects = options.subjects or list(BY_SUBJECT)
    for subject in subjects:
        if subject not in BY_SUBJECT:
            raise InputError(
                f"operations: {subject!r} is no subject, wanted one of {', '.join(BY_SUBJECT)}"
            )
    counts: dict[str, Count] = {}
    wrong = []
    if not options.json:
        print(
            f"{'subject':12s} {'forms':>6s} {'exact':>6s} {'compared':>9s} {'agree':>7s} "
            f"{'exact':>7s} {'both refuse':>12s}"
        )
    for subject in subjects:
        worlds, dtypes = (("matrix",), ("float32",)) if options.short else (SHAPES, DTYPES)
        with one_thread():
            found = list(verdicts(BY_SUBJECT[subject], worlds, dtypes))
        counts[subject] = count(found)
        wrong += [verdict for verdict in found if verdict.difference and not verdict.known]
        if not options.json:
            print(_line(subject, counts[subject]), flush=True)
    total = Count(*(sum(column) for column in zip(*counts.values(), strict=True)))
    if options.json:
        shown = {subject: row._asdict() for subject, row in counts.items()}
        print(json.dumps({"subjects": shown, "total": total._asdict()}, indent=2))
    else:
        print(_line("all", total))
        for verdict in wrong:
            line = f"{verdict.form}  [{verdict.world}, {verdict.dtype}]: {verdict.difference}"
            print(textwrap.shorten(line, 200))
    return 1 if wrong else 0


def _line(name: str, row: Count) -> str:
    return (
        f"{name:12s} {row.forms:6d} {row.forms_exact:6d} {row.compared:9d} {row.agree:7d} "
        f"{row.exact:7d} {row.refused_by_both:12d}"
    )
