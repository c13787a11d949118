"""The width of the terminal, and text wrapped to it."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap

from npnet.base.tables import shorten
from npnet.learn.explain import WIDTH


def width() -> int:
    """The width for sentences: that of the terminal, but at most a width that is easy to read."""
    return min(WIDTH, shutil.get_terminal_size((WIDTH, 0)).columns)


def colours() -> bool:
    """Whether to print colours: only on a terminal, and not if NO_COLOR is set or TERM is dumb."""
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
    """``line``, cut to the width of the terminal; in a pipe, to ``WIDTH`` characters."""
    terminal = sys.stdout.isatty()
    return shorten(line, shutil.get_terminal_size((WIDTH, 0)).columns if terminal else WIDTH)
