"""How wide prose may run."""

import shutil

from npnet.learn.explain import WIDTH


def width() -> int:
    """Columns for prose: those of the terminal, but no more than reads well."""
    return min(WIDTH, shutil.get_terminal_size((WIDTH, 0)).columns)
