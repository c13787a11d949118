"""Writing a notebook's report as one page for any browser, with marks on the differences."""

from __future__ import annotations

from html import escape
from pathlib import Path

from npnet.notebooks.outputs import DIFFERENT, EQUAL, NEAR, NOT_RUN
from npnet.notebooks.report import CellReport, NotebookReport, differences_table, summary

_CLASSES = {EQUAL: "equal", NEAR: "near", DIFFERENT: "different", NOT_RUN: "different"}
LONGEST = 20_000  # the page shows at most this many characters of an output


def html_page(report: NotebookReport, grades: str = "") -> str:
    """The whole page, which loads no other files. ``grades``: HTML to put before the cells."""
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    name = escape(report.notebook.path.name)
    advice = "".join(f"<p>{escape(line)}</p>" for line in report.advice())
    cells = "".join(map(_section, report.cells))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}: stored and computed</title><style>{style}</style></head><body><main>"
        f"<h1>{name}</h1><p>{escape(summary(report))}</p>{advice}{grades}{_table(report)}{cells}"
        "</main></body></html>\n"
    )


def _section(cell: CellReport) -> str:
    ran, comparison = cell.ran, cell.comparison
    verdict, kind = "no output stored", ""
    if comparison is not None:
        verdict, kind = comparison.verdict, _CLASSES[comparison.verdict]
        if cell.explained:
            verdict, kind = f"{verdict}, explained", "explained"
    count = ran.cell.execution_count
    notes = [ran.stopped or "", comparison.remark if comparison else "", *ran.notes]
    notes += [reason.text for reason in cell.reasons]
    return (
        f'<section aria-labelledby="cell-{ran.cell.number}"><header class="cell">'
        f'<h2 id="cell-{ran.cell.number}">Cell {ran.cell.number}</h2>'
        f'<b class="verdict {kind}">{escape(verdict)}</b>'
        f"<span>{f'In [{count}], ' if count else ''}{ran.seconds:.1f} s</span></header>"
        f"<details><summary>{escape(ran.cell.title[:90])}</summary>"
        f'<pre tabindex="0">{escape(ran.cell.source)}</pre></details>'
        f"{_sides(cell)}"
        + "".join(f'<div class="note">{escape(note)}</div>' for note in notes if note)
        + "</section>"
    )


def _sides(cell: CellReport) -> str:
    if cell.comparison is None:
        printed = "\n".join(output.text.rstrip() for output in cell.ran.outputs)
        return f'<pre tabindex="0">{escape(printed[:LONGEST])}</pre>' if printed else ""
    differences = cell.comparison.differences
    stored = _marked(cell.comparison.stored, [(d.line, d.stored) for d in differences])
    fresh = _marked(cell.comparison.fresh, [(d.fresh_line, d.fresh) for d in differences])
    return (
        f'<div class="sides"><div><h3>stored</h3><pre tabindex="0">{stored}</pre></div>'
        f'<div><h3>computed here</h3><pre tabindex="0">{fresh}</pre></div></div>'
    )


def _marked(text: str, places: list[tuple[int, str]]) -> str:
    """The text, with marks on the words that differ. Lines are counted without blank ones."""
    wanted: dict[int, list[str]] = {}
    for at_line, word in places:
        if word:  # where only the other side has something, nothing is marked
            wanted.setdefault(at_line, []).append(word)
    found: list[str] = []
    number = 0
    for line in text[:LONGEST].split("\n"):
        number += bool(line.strip())
        done, rest = "", line
        for word in wanted.get(number, ()) if line.strip() else ():
            before, at, after = rest.partition(word)
            if at:
                done, rest = f"{done}{escape(before)}<mark>{escape(at)}</mark>", after
        found.append(done + escape(rest))
    return "\n".join(found)


def _table(report: NotebookReport) -> str:
    rows = differences_table(report)
    if not rows:
        return ""
    titles = ("cell", "line", "what", "stored", "here", "")
    head = "".join(f"<th>{title}</th>" if title else "<td></td>" for title in titles)
    cells = ["".join(f"<td>{escape(entry[:60])}</td>" for entry in row) for row in rows[:500]]
    body = "".join(f"<tr>{entries}</tr>" for entries in cells)
    return (
        f"<details><summary>{len(rows)} places differ</summary>"
        f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></details>"
    )
