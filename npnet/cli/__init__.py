"""The command line: `npnet` and `python -m npnet`. The only room that prints.

Exit codes: 0 success, 1 a comparison that does not hold or a training that diverged, 2 bad
usage or unreadable input, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata

from npnet.cli import bench, check, data, judge, replay, runs, train
from npnet.errors import DivergedError, InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="npnet", description="A character-level name model in NumPy alone."
    )
    parser.add_argument("--version", action="version", version=f"npnet {metadata.version('npnet')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for room in (train, runs, data, check, judge, replay, bench):
        room.add_commands(commands)
    options = parser.parse_args(arguments)
    return guarded("npnet", lambda: options.command(options))


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
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Python would complain once more at exit
        # when it flushes what is left, so that goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def entry() -> None:
    """The console script."""
    sys.exit(main())
