"""Text tables with aligned columns, for reports and for every command that prints figures."""

from collections.abc import Iterable, Sequence

GAP = "  "  # between two columns


def table(rows: Sequence[Sequence[str]], aligns: str) -> str:
    """The rows as lines of text, each column as wide as its widest cell.

    Args:
        rows: of equally many cells; the first is often the titles of the columns.
        aligns: one character a column: ``<`` left, ``>`` right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(table_row(row, aligns, widths) for row in rows)


def table_row(cells: Iterable[str], aligns: str, widths: Sequence[int]) -> str:
    """One line of a table whose widths are known beforehand, for rows printed as they come.

    A cell that is wider than its column is kept whole. Blanks at the end are left out.
    """
    columns = zip(cells, aligns, widths, strict=True)
    return GAP.join(f"{cell:{align}{width}}" for cell, align, width in columns).rstrip()


def shorten(text: str, width: int) -> str:
    """``text``, or its beginning and an ellipsis where it is longer than ``width``."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
