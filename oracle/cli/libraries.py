"""`oracle libraries`: a scoreboard of the gradients of other libraries."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from npnet.base.errors import InputError
from npnet.base.tables import table
from npnet.cli.parser import add_json
from npnet.network.gradients import GRADIENTS
from oracle.libraries import Score, adapters, scores
from oracle.threads import one_thread


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    command = commands.add_parser(
        "libraries",
        help="the 26 gradients by jax, autograd, mygrad and others, judged",
        description="Compute all 26 gradients with every library that has an adapter and is "
        "installed here, line by line and end to end, in float32 and float64, and judge them by "
        "torch's. Four batches: untrained, trained, two rows, equal largest logits.",
    )
    command.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="DIR",
        help="adapters, files lines_in_NAME.py (default: tests/libraries of npnet's repository)",
    )
    command.add_argument("--only", metavar="NAMES", help="only these, separated by commas")
    add_json(command)
    command.set_defaults(command=libraries_command)


@one_thread()
def libraries_command(options: argparse.Namespace) -> int:
    """`oracle libraries`."""
    paths = adapters(options.folder)
    if options.only is not None:
        wanted = options.only.split(",")
        if unknown := [name for name in wanted if name not in paths]:
            raise InputError(f"--only: got {unknown[0]!r}, wanted some of {', '.join(paths)}")
        paths = {name: paths[name] for name in wanted}
    made = list(scores(paths))
    if options.json:
        print(json.dumps([{**score._asdict(), "right": _right(score)} for score in made], indent=1))
    else:
        _print(made)
    return 0 if all(_right(score) for score in made if score.version is not None) else 1


def _right(score: Score) -> bool:
    return score.lines == score.whole == len(GRADIENTS)


def _print(made: list[Score]) -> None:
    rows: list[tuple[str, ...]] = [
        ("library", "version", "dtype", "lines", "whole", "worst", "first refused")
    ]
    for score in made:
        if score.version is None:
            rows.append((score.library, "not installed", "", "", "", "", ""))
            continue
        counts = [f"{count} of {len(GRADIENTS)}" for count in (score.lines, score.whole)]
        worst = f"{score.worst:.2g} {score.gradient}"
        first = score.refused or (score.reason and "error") or "-"
        rows.append((score.library, score.version, score.dtype, *counts, worst, first))
    print(table(rows, "<<<<<<<"))
    print("worst: the largest error over its bound; above 1 it is refused")
    for score in made:
        where = f"{score.library}, {score.dtype}: "
        if score.reason:
            print(where + (f"{score.refused}, " if score.refused else "") + score.reason)
        if score.widened:
            first, *others = score.widened
            rest = f", and so have {len(others)} values after it" if others else ""
            print(f"{where}in the forward pass {first} has another dtype{rest}")
    accepted: dict[str, dict[str, None]] = {}
    for score in made:
        for remark in score.accepted:
            accepted.setdefault(remark, {})[score.library] = None
    for remark, names in accepted.items():
        print(f"{', '.join(names)}: {remark}")
