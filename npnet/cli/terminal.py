"""The width of the terminal, and text wrapped to it."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap

from npnet.base.tables import shorten
from npnet.learn.explain import WIDTH


def width() -> int:
    """Columns for sentences: those of the terminal, but no more than are easy to read."""
    return min(WIDTH, shutil.get_terminal_size((WIDTH, 0)).columns)


def colours() -> bool:
    """Whether to print colours: on a terminal, unless NO_COLOR is set or it is a dumb one."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def wrap(text: str, indent: str = "") -> str:
    """``text`` in lines of at most ``width()`` columns, each after ``indent``."""
    return textwrap.fill(
        text,
        width(),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def fit(line: str) -> str:
    """``line``, cut to the terminal if it is printed there; in a pipe to ``WIDTH`` columns."""
    terminal = sys.stdout.isatty()
    return shorten(line, shutil.get_terminal_size((WIDTH, 0)).columns if terminal else WIDTH)
