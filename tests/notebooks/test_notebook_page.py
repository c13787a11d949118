"""The HTML page of `npnet notebook` in a browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from npnet.grading.grade_text import grade_html
from npnet.grading.notebook_grades import NotebookGrades
from npnet.grading.verdicts import RIGHT, WRONG, Finding, GradientVerdict
from npnet.notebooks.cells import Cell, Notebook, Output
from npnet.notebooks.html import html_page
from npnet.notebooks.report import NotebookReport
from npnet.notebooks.run import Ran

sys.path.append(str(Path(__file__).parents[1] / "learn"))

import chromium
from chromium import Chromium, axe_core, barriers

needs_chromium = pytest.mark.skipif(chromium.PROGRAM is None, reason="needs Debian's chromium")
SOURCE = "print('<b>loss</b>', loss)\nprint('long ' * 60)"
STORED = "<b>loss</b> 2.5\n" + "long " * 60
FRESH = "<b>loss</b> 2.7\n" + "long " * 60


def report() -> NotebookReport:
    cell = Cell(1, SOURCE, (Output("stdout", STORED),), 1)
    other = Cell(2, "3", (Output("result", "3"),), 2)
    found = NotebookReport(Notebook(Path("a<b.ipynb"), "ipynb 4", (cell, other)))
    found.add(Ran(cell, [Output("stdout", FRESH, None, (1, 2))]))
    found.add(Ran(other, [Output("result", "3", None, (1,))]))
    return found


def test_the_page_loads_nothing_and_escapes_what_is_printed() -> None:
    page = html_page(report())
    assert "&lt;b&gt;loss&lt;/b&gt; <mark>2.5</mark>" in page
    assert "&lt;b&gt;loss&lt;/b&gt; <mark>2.7</mark>" in page
    assert "<b>loss" not in page
    assert not any(word in page for word in ("http:", "https:", "<script", "src="))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    page = tmp_path_factory.mktemp("page") / "page.html"
    page.write_text(html_page(report()), encoding="utf-8")
    running = Chromium(tmp_path_factory.mktemp("profile"))
    running.open(page.as_uri())
    yield running
    running.close()


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("width", [390, 800, 1400])
def test_the_page_is_no_wider_than_the_window(width: int, browser: Chromium) -> None:
    browser.window(width)
    page = "document.documentElement"
    wide, inner = browser.run(f"[{page}.scrollWidth, {page}.clientWidth]")
    assert wide == inner <= width
    columns = browser.run(
        "getComputedStyle(document.querySelector('.sides')).gridTemplateColumns.split(' ').length"
    )
    assert columns == (1 if width == 390 else 2)


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_verdicts_and_marks_can_be_read_in_both_schemes(scheme: str, browser: Chromium) -> None:
    browser.window(1400, prefers_color_scheme=scheme)
    luminance = (
        "(c => { const l = c.match(/\\d+/g).slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92"
        " : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2] })"
    )
    for text, behind in (
        (".verdict.equal", "header.cell"),
        (".verdict.different", "header.cell"),
        ("header.cell span", "header.cell"),
        ("mark", "mark"),
        (".note", "body"),
        ("summary", "body"),
    ):
        style = "getComputedStyle(document.querySelector('{}'))"
        one = browser.run(f"{luminance}({style.format(text)}.color)")
        other = browser.run(f"{luminance}({style.format(behind)}.backgroundColor)")
        high, low = max(one, other), min(one, other)
        assert (high + 0.05) / (low + 0.05) >= 4.5, text


def grades() -> NotebookGrades:
    """Two verdicts on one variable, and a finding."""
    ours = [
        GradientVerdict(
            gradient="dh",
            tensor="h",
            cell=cell,
            line=1,
            verdict=verdict,
            reason=reason,
            code="dh = 1",
        )
        for cell, verdict, reason in ((1, RIGHT, ""), (2, WRONG, "shape (2, 1), wanted (2,)"))
    ]
    finding = Finding(about="forward pass", text="the loss has no minus", cell=1)
    return NotebookGrades("a.ipynb", tuple(ours), (finding,))


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (800, "dark"), (390, "dark")])
def test_axe_finds_no_barrier_in_the_grades(
    width: int, scheme: str, browser: Chromium, tmp_path: Path
) -> None:
    page = tmp_path / "grades.html"
    page.write_text(html_page(report(), grade_html(grades())), encoding="utf-8")
    axe = axe_core(tmp_path)
    browser.window(width, 900, prefers_color_scheme=scheme)
    browser.open(page.as_uri())
    browser.run(f"{axe}; 0")
    assert barriers(browser) == []
