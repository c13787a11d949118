"""Text tables with aligned columns, for reports and for every command that prints figures."""

from collections.abc import Iterable, Sequence

GAP = "  "  # between two columns


def table(rows: Sequence[Sequence[str]], aligns: str) -> str:
    """The rows as lines of text, each column as wide as its widest cell.

    Args:
        rows: each with the same number of cells. The first row often has the titles.
        aligns: one character a column: ``<`` left, ``>`` right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(table_row(row, aligns, widths) for row in rows)


def table_row(cells: Iterable[str], aligns: str, widths: Sequence[int]) -> str:
    """One line of a table with known widths, for rows that are printed one by one.

    A cell that is wider than its column is printed whole. Spaces at the end are removed.
    """
    columns = zip(cells, aligns, widths, strict=True)
    return GAP.join(f"{cell:{align}{width}}" for cell, align, width in columns).rstrip()


def shorten(text: str, width: int) -> str:
    """``text``; if it is longer than ``width``, its beginning and an ellipsis."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
