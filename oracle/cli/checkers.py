"""`oracle checkers`: the smallest mistake that each gradient checker finds."""

from __future__ import annotations

import argparse
import json
from typing import Any

from npnet.base.tables import table
from npnet.cli.parser import SEED, add_json, whole_number
from oracle.checkers import sensitivities
from oracle.threads import one_thread

DESCRIPTION = (
    "The gradient of tanh is made too large by a factor. For each checker, with its own defaults: "
    "the smallest relative error that it finds, in float32 and in float64. Checkers of libraries "
    "that are not installed are left out."
)


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "checkers",
        help="the smallest mistake that npnet's and other gradient checkers find",
        description=DESCRIPTION,
    )
    parser.add_argument("--seed", type=whole_number, default=0, metavar="N", help=SEED)
    add_json(parser)
    parser.set_defaults(command=checkers_command)


def checkers_command(options: argparse.Namespace) -> int:
    """`oracle checkers`."""
    with one_thread():
        rows = sensitivities(options.seed)
    if options.json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
        return 0
    cells = [("smallest error found", "float32", "float64", "")]
    cells += [(row.checker, _shown(row.float32), _shown(row.float64), row.remark) for row in rows]
    print(table(cells, "<>><"))
    return 0


def _shown(error: float | None) -> str:
    return "-" if error is None else f"{error:.1e}"
