"""The command line of the oracle: `oracle` and `python -m oracle`, with npnet's exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec

from npnet.base.version import __version__
from npnet.cli import escape_output, run_command
from npnet.cli.parser import Parser, commands_of, parse
from oracle import WITHOUT_TORCH


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if find_spec("torch") is None:
        print(f"oracle: {WITHOUT_TORCH}", file=sys.stderr)
        return 2
    options = parse(make_parser(), arguments)
    return run_command("oracle", lambda: options.command(options))


@cache
def make_parser() -> Parser:
    """The parser of all commands; needs torch."""
    from oracle.cli import (
        bench,
        check,
        checkers,
        fuzz,
        golden,
        libraries,
        lockstep,
        notebook,
        operations,
    )

    parser = Parser(
        prog="oracle", description="npnet's network in torch, and comparisons of the two."
    )
    parser.add_argument("--version", action="version", version=f"npnet {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    modules = (check, checkers, fuzz, libraries, golden, bench, lockstep, notebook, operations)
    for module in modules:
        module.add_commands(commands)
    for command in commands_of(parser).values():
        command.set_defaults(parser=command)
    return parser


def entry() -> None:
    """The console script."""
    escape_output()
    sys.exit(main())
