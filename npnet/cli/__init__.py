"""The command line: `npnet` and `python -m npnet`. The only room that prints.

Exit codes: 0 success, 1 a comparison that does not hold or a training that diverged, 2 bad
usage or unreadable input, 130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from npnet.base.errors import DivergedError, InputError
from npnet.base.version import __version__
from npnet.cli import bench, check, data, help, judge, learn, page, replay, runs, train


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="npnet",
        description="A character-level name model in NumPy alone.",
        epilog="npnet help: the guide, a page on each topic. npnet COMMAND --help: its options.",
    )
    parser.add_argument("--version", action="version", version=f"npnet {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for room in (train, runs, data, check, judge, replay, bench, learn, page, help):
        room.add_commands(commands)
    options = parsed(parser, commands, arguments)
    return guarded("npnet", lambda: options.command(options))


def parsed(
    parser: argparse.ArgumentParser, commands: Any, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """The options; what a command does not know is refused with that command's own usage."""
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


def guarded(program: str, command: Callable[[], int]) -> int:
    """Run ``command``; what the user can mend becomes one line on stderr, not a traceback."""
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
    except BrokenPipeError:  # the reader (head, less) has seen enough
        _drop_output()
        return 0
    except OSError as error:  # what no room foresaw, such as a folder that may not be entered
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
    """Have letters that the output's encoding lacks printed as escapes, such as ``\\xe9``."""
    # Unless the user has chosen another way, by PYTHONIOENCODING.
    unchosen = ("strict", "surrogateescape")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in unchosen:
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """What cannot be printed now goes nowhere, lest Python try again at exit and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
