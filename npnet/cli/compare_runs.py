"""`npnet compare-runs A B`: is one recipe better, or is it the seed?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from npnet.base.tables import table
from npnet.cli.parser import add_json
from npnet.cli.terminal import wrap


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    compare = commands.add_parser(
        "compare-runs",
        help="is one recipe better than another, or is it the seed?",
        description="Compare the dev losses of two recipes, each trained from several seeds by "
        "npnet train --seeds. The interval is a bootstrap interval; it is paired if both have the "
        "same seeds.",
    )
    for name in ("a", "b"):
        compare.add_argument(
            name, type=Path, metavar=name.upper(), help="folder of npnet train --seeds"
        )
    add_json(compare)
    compare.set_defaults(command=compare_command)


def compare_command(options: argparse.Namespace) -> int:
    """`npnet compare-runs`."""
    from npnet.training.run_difference import compare_runs, figures_of, warnings_of

    difference = compare_runs(options.a, options.b)
    if options.json:
        print(json.dumps(figures_of(difference), indent=2, ensure_ascii=False))
        return 0
    for warning in warnings_of(difference):
        print(f"npnet: {warning}", file=sys.stderr)
    rows = [["", "runs", "seeds", "mean dev loss", "from", "to"]]
    for name, side in (("A", difference.a), ("B", difference.b)):
        losses = list(side.losses.values())
        figures = (side.mean, min(losses), max(losses))
        rows.append([name, side.name, str(len(losses)), *(f"{each:.4f}" for each in figures)])
    print(table(rows, "<<>>>>"))
    print(wrap(str(difference)))
    return 0
