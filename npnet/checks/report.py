"""The report of a comparison: its rows, and the report as text, HTML and JSON."""

import json
import math
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape

from npnet.base.tables import table

# Reasons and the rule are wrapped to this width. The footer is always one line, for `tail -n 1`.
WIDTH = 100

# The columns, each with its alignment: numbers are on the right.
COLUMNS = {
    "name": "<",
    "exact": "<",
    "approximate": "<",
    "maxdiff": ">",
    "scale": ">",
    "max ulp": ">",
    "ratio/limit": ">",
    "bad/total": ">",
    "verdict": "<",
}
# The columns if there is a truth: the two errors replace the one difference.
WITH_TRUTH = {
    "name": "<",
    "exact": "<",
    "approximate": "<",
    "maxdiff": ">",
    "error": ">",
    "own error": ">",
    "ratio/limit": ">",
    "bad/total": ">",
    "verdict": "<",
}
HTML_ALIGN = {"<": "left", ">": "right"}


@dataclass(frozen=True, kw_only=True)
class Worst:
    """The worst entry: the first that is not finite, or the one that exceeds its bound most.

    If no entry exceeds its bound, it is the one that is closest to its bound.
    """

    index: tuple[int, ...]
    ours: float
    reference: float
    truth: float | None  # None if there is no truth

    def text(self, labels: tuple[str, str]) -> str:
        """``at (0, 2): ours 0.51, reference 0.5``, with enough digits to show the difference."""
        values = [self.ours, self.reference]
        if self.truth is not None:
            values.append(self.truth)
        sides = zip((*labels, "truth"), _apart(values), strict=False)
        return f"at {self.index}: " + ", ".join(map(" ".join, sides))


@dataclass(frozen=True, kw_only=True)
class Row:
    """One name of a comparison. Figures are None if the arrays could not be subtracted.

    Attributes:
        exact: same dtype and every entry equal. NaN equals nothing; -0.0 equals 0.0.
        approximate: ``np.allclose`` with its defaults.
        maxdiff: largest |ours - reference|.
        scale: largest finite |entry| of the reference.
        max_ulp: largest |ours - reference| in units of the last place, of the larger of the two
            values, in the coarser of the two dtypes. None for integers.
        bad, total: how many entries are beyond the bound or not finite, and how many there are.
        worst: the worst entry, with its values.
        error: largest |ours - truth|; without a truth, the same as ``maxdiff``.
        reference_error: largest |reference - truth|; None without a truth.
        ratio: ``error`` in units of the size that the rule multiplies by K: the larger of
            ``reference_error`` and eps x scale. It may be up to ``limit``. None for integers and
            if the rule has tolerances.
        limit: the rule's K.
        bound: the largest allowed |ours - reference| (|ours - truth| if there is a truth); if each
            entry has its own bound, the one at ``worst``.
        zero_scale: for a gradient that is mathematically zero, the sum of |summands| from which
            its bound is computed; None for all others.
        blind: whether an array of zeros would pass too.
        verdict: ``ok``, ``WRONG``, or the kind of a fault that is found before values are
            compared: ``missing``, ``extra``, ``None``, ``unreadable``, ``dtype``, ``shape``,
            ``empty``, ``truth``, ``not finite``.
        reason: why, and what to do. If the verdict is ``ok``: a remark, or "".
        looks_like: a simple cause that explains the numbers except for rounding, and what to try;
            or "". Only ``checks.reference`` looks for causes.
    """

    name: str
    exact: bool = False
    approximate: bool = False
    maxdiff: float | None = None
    scale: float | None = None
    max_ulp: float | None = None
    error: float | None = None
    reference_error: float | None = None
    ratio: float | None = None
    limit: float | None = None
    bad: int | None = None
    total: int | None = None
    worst: Worst | None = None
    bound: float | None = None
    zero_scale: float | None = None
    blind: bool = False
    verdict: str
    reason: str = ""
    looks_like: str = ""

    @property
    def ok(self) -> bool:
        return self.verdict == "ok"


@dataclass(frozen=True, repr=False)
class Report:
    """A comparison: its rows, its rule, and the names of the two sides.

    It is true if all rows are ok, so ``assert npnet.compare(ours, reference)`` works. Its ``repr``
    begins with the wrong names, followed by the table, so that a failing assert shows them. ``K``
    is the rule's factor; None if the rule has tolerances.
    """

    rows: tuple[Row, ...]
    rule: str
    labels: tuple[str, str]
    K: float | None = None

    @property
    def passed(self) -> bool:
        """Whether every row is ok, and there is at least one row."""
        return bool(self.rows) and not self.failures

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows that are not ok."""
        return tuple(row for row in self.rows if not row.ok)

    @property
    def blind(self) -> tuple[str, ...]:
        """The names for which this comparison proves little, because zeros would pass too."""
        return tuple(row.name for row in self.rows if row.blind)

    @property
    def footer(self) -> str:
        """One line: how many names are ok, which are wrong, and for which zeros would pass."""
        if not self.rows:
            return "nothing was compared"
        counted = f"{len(self.rows) - len(self.failures)} of {len(self.rows)} ok"
        if self.failures:
            names = ", ".join(row.name for row in self.failures)
            counted += f", {len(self.failures)} wrong: {names}"
        zero = [row.name for row in self.rows if row.blind and row.zero_scale is not None]
        loose = [row.name for row in self.rows if row.blind and row.zero_scale is None]
        groups = [f"{', '.join(zero)} (zero by mathematics)"] if zero else []
        groups += [f"{', '.join(loose)} (no larger than the bound)"] if loose else []
        return f"{counted}; all-zero gradients would pass for: {' and '.join(groups) or 'none'}"

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        """The table, the reasons, the rule and the footer, in ASCII except for names."""
        if not self.rows:
            return self.footer
        columns = self._columns()
        cells = [self._titles(), *(_cells(row, columns) for row in self.rows)]
        lines = [table(cells, "".join(columns.values()))]
        for text in (*self._reasons(), f"ok means {self.rule}"):
            lines += textwrap.wrap(
                text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
            )
        return "\n".join([*lines, self.footer])

    def __repr__(self) -> str:
        if self.passed or not self.rows:
            return str(self)
        # The names come first, because pytest shortens a long text in the middle.
        return f"wrong: {', '.join(row.name for row in self.failures)}\n{self}"

    def _columns(self) -> dict[str, str]:
        truth = any(row.reference_error is not None for row in self.rows)
        return WITH_TRUTH if truth else COLUMNS

    def _titles(self) -> tuple[str, ...]:
        own = f"{self.labels[1]}'s"
        return tuple(own if title == "own error" else title for title in self._columns())

    def _repr_html_(self) -> str:
        """The report for a notebook: one HTML table without style sheet or script."""
        columns = self._columns()
        titles = _html_line("th", self._titles(), "", columns)
        parts = ["<table><thead>", titles, "</thead><tbody>"]
        for row in self.rows:
            # Bold and red, because some people cannot see the colour.
            style = "" if row.ok else "font-weight:bold;color:#c62828;"
            parts.append(_html_line("td", _cells(row, columns), style, columns))
        parts.append("</tbody></table>")
        ends = [*self._reasons(), f"ok means {self.rule}", self.footer]
        parts += [f"<div>{escape(end)}</div>" for end in ends]
        return "".join(parts)

    def to_json(self) -> str:
        """The report as strict JSON. Numbers that are not finite become "nan", "inf" or "-inf"."""
        content = {
            "passed": self.passed,
            "labels": self.labels,
            "rule": self.rule,
            "K": self.K,
            "footer": self.footer,
            "blind": self.blind,
            "rows": [asdict(row) for row in self.rows],
        }
        return json.dumps(_plain(content), allow_nan=False, indent=1)

    def _reasons(self) -> Iterator[str]:
        # All 26 can have the same reason, which is printed once, after their names.
        groups: dict[str, list[str]] = {}
        for row in self.rows:
            for text in filter(None, (row.reason, row.looks_like)):
                groups.setdefault(text, []).append(row.name)
        return (f"{', '.join(names)}: {reason}" for reason, names in groups.items())


def _apart(values: list[float]) -> list[str]:
    if all(isinstance(value, int) for value in values):
        return list(map(str, values))
    for digits in range(6, 18):  # 17 digits are enough to show any two float64 as different
        texts = [f"{value:.{digits}g}" for value in values]
        if len(set(texts)) >= len(set(values)):
            break
    return texts


def _cells(row: Row, columns: dict[str, str]) -> tuple[str, ...]:
    ratio = "-" if row.ratio is None else f"{_short(row.ratio)}/{row.limit:.3g}"
    cells = {
        "name": row.name,
        "exact": str(row.exact),
        "approximate": str(row.approximate),
        "maxdiff": _short(row.maxdiff),
        "scale": _short(row.scale),
        "max ulp": _short(row.max_ulp),
        "error": _short(row.error),
        "own error": _short(row.reference_error),
        "ratio/limit": ratio,
        "bad/total": "-" if row.total is None else f"{row.bad}/{row.total}",
        "verdict": row.verdict if row.zero_scale is None else f"{row.verdict} (zero)",
    }
    return tuple(cells[title] for title in columns)


def _short(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.2g}"


def _html_line(tag: str, cells: tuple[str, ...], style: str, columns: dict[str, str]) -> str:
    cells_html = (
        f'<{tag} style="{style}text-align:{HTML_ALIGN[align]}">{escape(cell)}</{tag}>'
        for cell, align in zip(cells, columns.values(), strict=True)
    )
    return f"<tr>{''.join(cells_html)}</tr>"


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
