"""`npnet plot --watch`: drawing the picture and its table again while a run trains."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from npnet.base.errors import InputError

if TYPE_CHECKING:
    from npnet.plotting.drawn import Drawn

OFTEN = 1.0  # seconds between two looks at the files
Signature = list[tuple[str, int, int]]


def watch(
    sources: Sequence[str | Path],
    read: Callable[[], list[Drawn]],
    draw: Callable[[list[Drawn]], str],
) -> int:
    """Draw again whenever a file has changed, until all runs have ended or Ctrl-C.

    Args:
        sources: files and folders to watch.
        read: a function that reads the curves.
        draw: a function that writes the picture and returns the text to show.

    Raises:
        InputError: the first reading fails, and not because a run has just begun.
    """
    from npnet.plotting.npnet_runs import NotYet

    before: Signature | None = None
    curves: list[Drawn] = []
    waiting = False
    try:
        with _screen() as shown:
            while True:
                if (now := signature(sources)) != before:
                    before = now
                    try:
                        curves = read()
                    except NotYet as error:
                        if not waiting:
                            shown(f"npnet: {error}")
                        waiting = True
                    except InputError:
                        if not curves:
                            raise
                        # Half a line in a log that a program is still writing: it will soon be
                        # complete.
                    else:
                        shown(draw(curves))
                if curves and all(each.curve.ended for each in curves):
                    return 0
                time.sleep(OFTEN)
    except KeyboardInterrupt:
        return 0


def signature(sources: Sequence[str | Path]) -> Signature:
    """Names, times and sizes of the files (without pictures), which change when a run writes."""
    paths = [Path(source) for source in sources]
    found: Signature = []
    for path in paths:
        inner = [path] if not path.is_dir() else [p for p in sorted(path.rglob("*")) if p.is_file()]
        for each in inner:
            if each.suffix in (".png", ".svg", ".pdf") or each.name.startswith("."):
                continue
            with contextlib.suppress(OSError):  # the file was replaced between the two calls
                stat = os.stat(each)
                found.append((str(each), stat.st_mtime_ns, stat.st_size))
    return found


@contextlib.contextmanager
def _screen() -> Iterator[Callable[[str], None]]:
    """Show a text: on a terminal in place of the last one, in a pipe after it."""
    if not sys.stdout.isatty():
        yield lambda text: print(text, flush=True)
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), auto_refresh=False, vertical_overflow="visible") as live:
        yield lambda text: live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)
