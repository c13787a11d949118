"""`npnet golden`: the golden set that comes with npnet, written in any format."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from npnet.base.errors import InputError
from npnet.checks.containers import CONTAINERS
from npnet.checks.golden import DEFAULT, is_golden, read_golden, shipped_set, write
from npnet.checks.reference import Problem
from npnet.cli.parser import add_force, add_json


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    golden = commands.add_parser(
        "golden",
        help="write a problem and torch's answers, for tests in any language",
        description="Write the problem that comes with npnet, a minibatch of 32 rows for a network "
        "of 8 hidden units, and torch's values and gradients for it. It needs no torch. An older "
        "golden set is replaced only with --force. oracle golden writes other problems.",
    )
    add_golden_options(golden)
    golden.set_defaults(command=golden_command)


def add_golden_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of both `npnet golden` and `oracle golden`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new or empty folder")
    parser.add_argument(
        "--format",
        dest="formats",
        action="append",
        choices=CONTAINERS,
        metavar="NAME",
        help=f"the files to write: {', '.join(CONTAINERS)}; give it again for several (default: "
        f"{' and '.join(DEFAULT)})",
    )
    for old in DEFAULT:  # options of older versions, which are in old manifests
        parser.add_argument(
            f"--{old}", dest="formats", action="append_const", const=old, help=argparse.SUPPRESS
        )
    add_force(parser)
    add_json(parser)


def golden_command(options: argparse.Namespace) -> int:
    """`npnet golden`."""
    refuse_older(options)
    return write_golden(options, read_golden(shipped_set()), ["--hidden", "8"])


def refuse_older(options: argparse.Namespace) -> None:
    """Raise InputError if a golden set would be replaced without --force."""
    if not options.force and is_golden(options.folder):
        raise InputError(
            f"{options.folder}: is a golden set, wanted a new folder, or --force to replace it"
        )


def write_golden(options: argparse.Namespace, problem: Problem, again: list[str]) -> int:
    """Write the set, print its size and return the exit code.

    Args:
        again: the options with which oracle golden would write the same problem.
    """
    formats = options.formats or DEFAULT
    again = again + [part for name in options.formats or () for part in ("--format", name)]
    write(problem, options.folder, formats, again)
    files = [path for path in options.folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    if options.json:
        print(json.dumps({"folder": str(options.folder), "files": len(files), "bytes": size}))
    else:
        print(f"{options.folder}: {len(files)} files, {size / 1000:,.0f} kB; read manifest.json")
    return 0
