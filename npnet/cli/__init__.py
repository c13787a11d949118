"""The command line: `npnet` and `python -m npnet`. No other package of npnet prints.

Exit codes: 0 success, 1 a comparison that fails or a training that diverged, 2 bad usage or
unreadable input, 130 interrupted.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache

from npnet.base.errors import DivergedError, InputError
from npnet.base.version import __version__
from npnet.cli import (
    bench,
    check,
    compare_runs,
    data,
    golden,
    help,
    judge,
    learn,
    notebook,
    page,
    plot,
    recover,
    replay,
    runs,
    train,
)
from npnet.cli.parser import Parser, commands_of, parse

COMMANDS = (
    train,
    runs,
    plot,
    compare_runs,
    data,
    check,
    golden,
    judge,
    replay,
    recover,
    notebook,
    bench,
    learn,
    page,
    help,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parse(make_parser(), arguments)
    return run_command("npnet", lambda: options.command(options))


@cache
def make_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="npnet",
        description="A character-level name model in NumPy alone.",
        epilog="npnet help: the guide, a page on each topic. npnet COMMAND --help: its options.",
    )
    parser.add_argument("--version", action="version", version=f"npnet {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add_commands(commands)
    for command in commands_of(parser).values():
        command.set_defaults(parser=command)
    return parser


def run_command(program: str, command: Callable[[], int]) -> int:
    """Run ``command``. An error that the user can correct is one line on stderr, no traceback."""
    try:
        code = command()
        sys.stdout.flush()
        return code
    except InputError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except DivergedError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of the pipe (head, less) has closed it
        _drop_output()
        return 0
    except OSError as error:  # for example, a folder without permission
        where = f"{error.filename}: " if error.filename else ""
        print(f"{program}: {where}{error.strerror or error}", file=sys.stderr)
        _drop_output()
        return 2
    except MemoryError as error:
        print(
            f"{program}: not enough memory: {error}: a smaller network, batch or corpus takes less",
            file=sys.stderr,
        )
        return 2


def entry() -> None:
    """The console script."""
    escape_output()
    sys.exit(main())


def escape_output() -> None:
    """Print letters that the output's encoding does not have as escapes, such as ``\\xe9``."""
    # Only if Python chose what to do with them, not if PYTHONIOENCODING did.
    defaults = ("strict", "surrogateescape")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in defaults:
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Discard text that cannot be printed; otherwise Python tries again at exit, with an error."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
