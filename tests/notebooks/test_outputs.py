"""Verdicts on outputs, and the reasons for what differs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from npnet.notebooks.cells import Cell, Notebook, Output
from npnet.notebooks.outputs import compare_outputs
from npnet.notebooks.report import CellReport, NotebookReport
from npnet.notebooks.run import Ran, UnseededDraw

STARS = "exact: {} | approximate: True  | maxdiff: {}"


def verdict(stored: str, fresh: str, kind: str = "stdout") -> str:
    one, other = Output(kind, stored), Output("stdout", fresh)  # type: ignore[arg-type]
    return compare_outputs([one], [other], ran=True).verdict


@pytest.mark.parametrize(
    ("stored", "fresh", "expected"),
    [
        ("32033\n", "32033\n", "equal"),
        ("32033", "32034", "different"),
        ("a  b", "a b", "equal"),
        ("2.0322", "2.0323", "±1"),
        ("2.0322", "2.0324", "different"),
        ("1.0", "1.00", "equal"),
        ("tensor(3.3, grad_fn=)", "tensor(3.3, grad_fn=<NegBackward0>)", "equal"),
        ("<A at 0x7f01>", "<A at 0x55aa>", "equal"),
        ("Wall time: 3.2 s", "Wall time: 9.9 s", "equal"),
        ("took 12 ms", "took 99 ms", "equal"),
        ("anna\nbea", "anna\ncleo", "different"),
        ("one\ntwo", "one", "different"),
        ("one", "one\ntwo", "different"),
        ("1, 2, 3, 4, 5", "1, 2, 3, 4, 6", "different"),
        ("nan", "nan", "equal"),
        ("nan 1.0", "inf 1.0", "different"),
        ("", "x", "different"),
        ("-1.5", "1.5", "different"),
        ("1e-08", "1.0e-08", "equal"),
    ],
)
def test_two_outputs_have_a_verdict(stored: str, fresh: str, expected: str) -> None:
    assert verdict(stored, fresh) == expected


def test_an_export_that_was_cut_is_compared_as_far_as_it_goes() -> None:
    stored = Output("text", "a 1\nb 2\nc")
    found = compare_outputs([stored], [Output("stdout", "a 1\nb 2\nc 3 | d\ne 4\n")], ran=True)
    assert found.verdict == "equal"
    assert "cut off" in found.remark


@pytest.mark.parametrize(
    ("stored", "fresh", "expected"),
    [("TypeError", "TypeError", "equal"), ("TypeError", "NameError", "different")],
)
def test_of_exceptions_the_class_counts(stored: str, fresh: str, expected: str) -> None:
    one, other = (Output("error", f"{kind}: words {kind}", kind) for kind in (stored, fresh))
    assert compare_outputs([one], [other], ran=True).verdict == expected


def test_a_missing_exception_is_a_difference() -> None:
    stored = Output("error", "NameError: x", "NameError")
    assert compare_outputs([stored], [Output("stdout", "3")], ran=True).verdict == "different"


def test_pictures_and_standard_error_are_not_compared() -> None:
    for kind in ("picture", "stderr"):
        stored = Output(kind, "x")
        found = compare_outputs([stored], [Output("picture", "y")], ran=True)
        assert (found.verdict, found.numbers) == ("equal", 0)
    assert compare_outputs([Output("picture", "x")], [], ran=True).verdict == "different"


class Story:
    """A notebook told cell by cell: source, what is stored, what is printed now."""

    def __init__(self, *below: Cell) -> None:
        self.cells: list[Cell] = []
        self.below = below
        self.told: list[tuple[Ran, Sequence[Output]]] = []

    def cell(
        self,
        source: str,
        stored: str = "",
        fresh: str = "",
        *,
        line: int | tuple[int, ...] = 1,
        count: int | None = None,
        draws: Sequence[UnseededDraw] = (),
        seconds: float = 0.0,
        error: tuple[str, int] | None = None,
        **more: object,
    ) -> Story:
        outputs = (Output("stdout", stored),) if stored else ()
        cell = Cell(len(self.cells) + 1, source, outputs, count)
        self.cells.append(cell)
        lines = (line,) * (fresh.count("\n") + 1) if isinstance(line, int) else line
        ran = Ran(cell, [Output("stdout", fresh, None, lines)] if fresh else [], seconds)
        ran.draws = list(draws)
        if error is not None:
            ran.outputs.append(Output("error", f"{error[0]}: words", error[0]))
            ran.line = error[1]
        for name, value in more.items():
            setattr(ran, name, value)
        self.told.append((ran, ()))
        return self

    def last(self) -> CellReport:
        report = NotebookReport(Notebook(Path("a.ipynb"), "ipynb 4", (*self.cells, *self.below)))
        for ran, _ in self.told:
            found = report.add(ran)
        return found


def kinds(report: CellReport) -> tuple[list[str], bool]:
    return [reason.kind for reason in report.reasons], report.fails


GAIN = UnseededDraw("torch", "randn", 1, 1, "gain")


def test_a_draw_explains_what_is_computed_from_it() -> None:
    story = Story().cell("gain = torch.randn(3)", draws=[GAIN]).cell("y = gain * 2")
    story.cell("print(y)", "1.5", "2.5")
    assert kinds(story.last()) == (["unseeded"], False)
    assert "torch's gain (cell 1, line 1)" in story.last().reasons[0].text


def test_a_draw_does_not_explain_what_is_not_computed_from_it() -> None:
    story = Story().cell("gain = torch.randn(3)", draws=[GAIN]).cell("words = ['a']")
    story.cell("print(len(words))", "2", "1")
    assert kinds(story.last()) == (["none known"], True)


def test_one_line_of_two_may_be_explained_and_the_other_not() -> None:
    story = Story().cell("gain = torch.randn(3)", draws=[GAIN])
    story.cell("print(gain)\nprint(3)", "1.5\n3", "2.5\n4", line=(1, 2))
    assert kinds(story.last()) == (["unseeded", "none known"], True)


@pytest.mark.parametrize(
    ("code", "depends"),
    [
        ("def f():\n    return gain\nx = f()", True),
        ("x = [1]\nx.append(gain)", True),
        ("x = [1, 2]\nfor i in x:\n    pass", False),
        ("parts = [C, gain]\nfor p in parts:\n    p.data += 1\nx = C", False),
        ("parts = [C, D]\nfor p in parts:\n    p.data += gain\nx = C", True),
        ("if gain > 0:\n    x = 1\nelse:\n    x = 2", True),
        ("loss = (gain * C).sum()\nloss.backward()\nx = C.grad", True),
        ("loss = (gain * C).sum()\nx = C", False),
        ("gain = 3\nx = gain", False),
        ("with torch.no_grad():\n    x = gain + 1", True),
        ("x = C\nx += gain", True),
        ("a, x = 1, gain", True),
        ("x = C.clone()\nx[0] = gain", True),
        ("while gain > 1:\n    x = 3", True),
        ("import random\nrandom.shuffle(x)", False),
        ("try:\n    x = gain\nfinally:\n    pass", True),
        ("x = {'a': [gain]}", True),
        ("x = (lambda: gain)()", True),
        ("x = [v for v in gain]", True),
        ("gain = gain * 2\ndel gain\nx = 2", False),
        ("for i, p in enumerate(gain):\n    x = i\nx = enumerate", False),
    ],
)
def test_names_are_followed_through_the_code(code: str, depends: bool) -> None:
    story = Story().cell("gain = torch.randn(3)\n", draws=[GAIN]).cell("C, D, x = 1, 2, [3]")
    story.cell(code).cell("print(x)", "1", "2")
    assert kinds(story.last()) == ((["unseeded"], False) if depends else (["none known"], True))


def test_shuffled_words_explain_the_sizes_of_the_splits() -> None:
    shuffle = UnseededDraw("python", "shuffle", 1, 2)
    story = Story().cell("words = ['a']\nrandom.shuffle(words)", draws=[shuffle])
    story.cell("X = build(words[:3])\nprint(X.shape)", "torch.Size([3])", "torch.Size([4])", line=2)
    assert kinds(story.last()) == (["unseeded"], False)


@pytest.mark.parametrize(
    ("row", "source", "explained"),
    [
        ("hprebn", "cmp('hprebn', a, b)", True),
        ("logits", "cmp('logits', a, b)", False),
        ("logits", "d = F.softmax(logits, 1); cmp('logits', d, b)", True),
    ],
)
def test_exact_is_rounding_from_hpreact_on(row: str, source: str, explained: bool) -> None:
    stored, fresh = STARS.format("True", "0.0"), STARS.format("False", "4.6e-10")
    story = Story().cell(source, f"{row} | {stored}", f"{row} | {fresh}")
    assert kinds(story.last()) == ((["rounding"], False) if explained else (["none known"], True))


def test_a_large_maxdiff_is_no_rounding() -> None:
    stored, fresh = STARS.format("False", "0.51"), STARS.format("False", "0.62")
    assert kinds(Story().cell("cmp(a)", f"hprebn | {stored}", f"hprebn | {fresh}").last())[1]


def test_small_numbers_that_are_no_differences_are_not_excused() -> None:
    assert kinds(Story().cell("print(rate)", "rate 1e-07", "rate 2e-08").last())[1]


def test_losses_drift_in_a_long_loop_alone() -> None:
    code = "for i in range(9):\n    loss = step()\nprint(loss)"
    story = Story().cell(code, "2.0731025", "2.0731142", line=3, seconds=60.0)
    assert kinds(story.last()) == (["drift"], False)
    assert kinds(Story().cell(code, "2.0731025", "2.0731142", line=3).last())[1]
    assert kinds(Story().cell(code, "182625", "182626", line=3, seconds=60.0).last())[1]


def test_a_cell_that_ran_again_later_explains_what_reads_its_names() -> None:
    story = Story().cell("x = 1", count=9).cell("print(x)", "1", "2", count=3)
    assert kinds(story.last()) == (["order"], False)
    story = Story().cell("y = 1", count=9).cell("print(3)", "1", "2", count=3)
    assert kinds(story.last()) == (["none known"], True)


def test_a_cell_below_that_ran_before_explains_what_it_made() -> None:
    below = Cell(2, "n = 3", (), 1)
    story = Story(below).cell("print(n)", "3", error=("NameError", 1), count=2)
    assert kinds(story.last()) == (["order"], False)


def test_names_of_older_torch_are_told() -> None:
    code = "ix = torch.multinomial(p, 1)\nprint(name)"
    story = Story().cell(code, "mora\nmayah", "kora\nmeyah", line=2)
    assert kinds(story.last()) == (["sampler"], True)
    assert "--sampler mkl" in story.last().reasons[0].text
    story = Story().cell(code, "mora", "kora", line=2, sampler="mkl")
    assert kinds(story.last()) == (["none known"], True)


@pytest.mark.parametrize(
    ("older", "expected"),
    [
        ("mora\nmayah", (["sampler"], False)),
        ("mora\nmeyah", (["sampler", "none known"], True)),
        ("nora\nmeyah", (["none known"], True)),
    ],
)
def test_only_lines_that_older_torch_prints_are_its_names(
    older: str, expected: tuple[list[str], bool]
) -> None:
    code = "ix = torch.multinomial(p, 1)\nprint(name)"
    outputs = [Output("stdout", older)]
    story = Story().cell(code, "mora\nmayah", "kora\nmeyah", line=2, older=outputs)
    assert kinds(story.last()) == expected


def test_a_loop_that_was_stopped_stores_its_first_lines() -> None:
    loop = "for i in range(3):\n    loss.backward()\n    print(i, loss)"
    printed = "0 3.1415\n1 2.7182\n2 1.4142\n"
    report = Story().cell(loop, "0 3.1415\n1 2.7182", printed).last()
    assert report.explained
    assert "its training loop had stopped sooner" in report.reasons[0].text
    for other in (Story().cell(loop, "1 2.7182", printed), Story().cell("1", "0 3.1415", printed)):
        assert "sooner" not in other.last().reasons[0].text


def test_cells_that_were_left_out_are_told_with_the_sampler() -> None:
    story = Story().cell("print(1)", "2", "1", left_out=[3, 4], older_order=True)
    assert kinds(story.last()) == (["order"], False)
    text = story.last().reasons[0].text
    assert text.startswith("order: equal if cells 3, 4 are left out, and with --sampler mkl")


def test_a_module_that_is_missing_is_named() -> None:
    note = ["pandas is not installed: its uses will fail"]
    story = Story().cell("import pandas", "A warning of pandas", notes=note)
    assert kinds(story.last()) == (["module"], False)


def test_what_a_failed_cell_should_have_made_is_missing() -> None:
    story = Story().cell("a = 1\nb = c", error=("NameError", 2))
    story.cell("print(b)", "1", "", error=("NameError", 1))
    assert kinds(story.last()) == (["failed before"], True)


def test_a_cell_that_was_stopped_is_not_run_and_fails() -> None:
    report = Story().cell("x()", "1", stopped="stopped after 3 s").last()
    assert report.comparison is not None
    assert report.comparison.verdict == "not run"
    assert kinds(report) == (["time"], True)


def test_an_equal_output_has_no_reasons() -> None:
    story = Story().cell("gain = torch.randn(3)", draws=[GAIN]).cell("print(gain)", "1", "1")
    assert kinds(story.last()) == ([], False)


def test_a_new_exception_is_a_difference() -> None:
    report = Story().cell("a = 1\na.b()", "1", error=("AttributeError", 2)).last()
    said = "it did not fail, or in another way, when its output was stored"
    assert report.reasons[0].text == said
    assert report.fails
