"""What a report of a notebook says and what decides its exit code, from cells made by hand."""

from pathlib import Path

import pytest

from npnet import grade_notebook
from npnet.grading.notebook_grades import NotebookGrades
from npnet.grading.verdicts import VERDICTS, Finding, GradientVerdict
from npnet.notebooks.cells import Cell, Notebook, Output
from npnet.notebooks.outputs import Comparison, Difference
from npnet.notebooks.reasons import Explanation, Reason
from npnet.notebooks.report import CellReport, NotebookReport, differences_table, summary
from npnet.notebooks.run import Ran, UnseededDraw


def cell(verdict: str = "", *, complete: bool = True, **ran: object) -> CellReport:
    """A cell that ran, with a stored output of this verdict if there is one."""
    compared = Comparison(verdict, "1 2 3", "1 2 4", 3, 2) if verdict else None
    return CellReport(Ran(Cell(1, "x"), **ran), compared, Explanation((), complete))  # type: ignore[arg-type]


def report(*cells: CellReport, counts: tuple[int | None, ...] = ()) -> NotebookReport:
    numbered = tuple(Cell(place, "x", (), count) for place, count in enumerate(counts, 1))
    return NotebookReport(Notebook(Path("my book.ipynb"), "ipynb 4", numbered), list(cells))


@pytest.mark.parametrize(
    ("verdict", "complete", "explained", "fails"),
    [
        ("", True, False, False),
        ("equal", True, False, False),
        ("±1", True, False, False),
        ("different", True, True, False),
        ("different", False, False, True),
        ("not run", True, True, False),  # a shell line
        ("not run", False, False, True),
    ],
)
def test_a_cell_fails_unless_all_its_differences_are_explained(
    verdict: str, complete: bool, explained: bool, fails: bool
) -> None:
    one = cell(verdict, complete=complete)
    assert (one.explained, one.fails) == (explained, fails)
    assert report(cell("equal"), one).passed == (not fails)


def test_only_ctrl_c_is_an_interruption() -> None:
    tried = cell("different")  # it ran to its end, and was then tried again
    tried.ran.interrupted = True
    assert report(cell(), tried).interrupted
    assert not report(cell(stopped="stopped after 10 s"), cell("different")).interrupted


def draw(source: str) -> UnseededDraw:
    return UnseededDraw(source, "randn" if source == "torch" else "shuffle", 2, 5)


def test_a_lost_seed_is_torchs_alone() -> None:
    differs = Explanation((Reason("unseeded", "drawn without a seed", True),))
    different = CellReport(Ran(Cell(1, "x")), Comparison("different", "1", "2"), differs)
    torchs, pythons = cell(draws=[draw("torch")]), cell(draws=[draw("python")])
    assert report(torchs, different).lost_seed()
    assert not report(torchs, cell("equal")).lost_seed()  # nothing that is printed depends on it
    assert not report(torchs, pythons, different).lost_seed()
    (said,) = report(torchs, different).advice()
    assert said == (
        "torch's default generator was never seeded: call torch.manual_seed, and another run "
        "prints the same"
    )
    (said,) = report(torchs, pythons).advice()
    assert "nothing can bring back python's shuffle (cell 2, line 5): call random.seed" in said


@pytest.mark.parametrize(
    ("counts", "other"), [((1, 2), False), ((2, 1), True), ((1, 3), True), ((None, None), False)]
)
def test_another_order_of_the_cells_is_said(counts: tuple[int | None, ...], other: bool) -> None:
    said = report(counts=counts).advice()
    assert said == ["its cells were last run in another order than they stand"] * other


def test_the_summary_counts_cells_outputs_and_numbers() -> None:
    failed = cell(outputs=[Output("error", "ValueError: no", "ValueError")])
    whole = report(cell("equal"), cell("different"), cell("different"), failed, cell(stopped="x"))
    assert summary(whole) == (
        "3 of 5 cells ran; outputs: 1 equal, 2 different; 6 of 9 numbers equal"
    )
    assert summary(report(cell())) == "1 of 1 cells ran; no output is stored to compare with"
    assert whole.content()["numbers"] == {"compared": 9, "equal": 6}
    assert whole.content()["passed"] is True
    assert whole.content()["verdicts"] == {"equal": 1, "±1": 0, "different": 2, "not run": 0}


def test_the_table_names_cell_line_and_both_numbers() -> None:
    apart = tuple(
        Difference(3, "1.25", shown, near, "loss") for shown, near in (("1.26", True), ("9", False))
    )
    one = CellReport(Ran(Cell(4, "x")), Comparison("different", "", "", 2, 0, apart), Explanation())
    assert differences_table(report(cell(), one)) == [
        ["4", "3", "loss", "1.25", "1.26", "±1"],
        ["4", "3", "loss", "1.25", "9", "different"],
    ]


def graded(verdict: str, **entries: object) -> GradientVerdict:
    return GradientVerdict(
        gradient="dW1",
        tensor="W1",
        cell=3,
        line=2,
        verdict=verdict,
        **entries,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("verdict", VERDICTS)
def test_unfinished_copied_and_not_run_are_no_faults(verdict: str) -> None:
    fails = verdict not in ("right", "taken from autograd", "unfinished", "not run")
    assert graded(verdict).fails == fails
    assert NotebookGrades("a.ipynb", (graded("right"), graded(verdict)), ()).passed == (not fails)


def test_a_wrong_finding_fails_and_a_told_one_does_not() -> None:
    told = Finding(about="training", text="the rate is 0.1", wrong=False, cell=4)
    wrong = Finding(about="forward pass", text="W2 is not read", cell=2, line=7)
    assert NotebookGrades("a.ipynb", (), (told,)).passed
    assert not NotebookGrades("a.ipynb", (), (told, wrong)).passed
    assert not NotebookGrades("a.ipynb", (), (), "it took too long").passed
    assert str(NotebookGrades("a.ipynb", (), (told, wrong))).splitlines() == [
        "forward pass: W2 is not read (cell 2, line 7)",
        "The training loop",
        "  training: the rate is 0.1 (cell 4)",
        "no gradient was found",
    ]


def test_the_grades_say_where_why_and_how_many() -> None:
    one = graded("wrong", reason="2 of 3 entries", cause="a sign", passes_cmp=True)
    grades = NotebookGrades("a.ipynb", (one, graded("right", exercise=3, remark="float64")), ())
    assert str(grades).splitlines() == [
        "The gradients, one at a time",
        f"  {'dW1':24}{'wrong':32}cell 3, line 2",
        "      2 of 3 entries",
        "      a sign",
        "      torch.allclose cannot see it: the notebook's own check says True",
        "Batch normalisation at once",
        f"  {'dW1':24}{'right':32}cell 3, line 2",
        "      float64",
        "2 gradients: 1 right, 1 wrong; 1 of the wrong ones pass torch.allclose",
    ]
    assert (grades.content()["passed"], grades.content()["right"]) == (False, 1)
    assert NotebookGrades("a.ipynb", (), (), "no torch").footer == "not graded: no torch"


def test_a_gradient_in_a_notebook_may_be_off_by_a_billionth(tmp_path: Path) -> None:
    file = tmp_path / "bounds.py"
    offs = {"a": 0.9e-9, "b": -0.9e-9, "c": 1.1e-9, "e": -1.1e-9}
    lines = ["import torch"]
    for name in offs:
        lines.append(f"{name} = torch.tensor([1.0, 2.0, -0.5], requires_grad=True)")
        lines.append(f"{name}2 = {name} * {name}; {name}2.retain_grad()")
    # A gradient that cancels to a ten-thousandth is not zero: it is judged by its own size.
    lines += ["small = torch.tensor(3.0, requires_grad=True)", "w = torch.tensor([1.0, -0.9999])"]
    lines += ["small2 = small * w; small2.retain_grad()"]
    # The forward pass has w in float32, and so has what is right.
    lines += ["exact = torch.tensor(2.0, requires_grad=True)"]
    lines += ["exact2 = exact * w; exact2.retain_grad()"]
    lines += ["loss = (a2 + b2 + c2 + e2).sum() + (small2 + exact2).sum()", "loss.backward()"]
    for name, off in offs.items():
        lines.append(f"d{name}2 = torch.ones_like({name}2)")
        lines.append(f"d{name} = 2 * {name} * d{name}2 * (1 + {off})")
    lines += ["dsmall2 = torch.ones_like(small2)", "dsmall = (dsmall2 * w).sum() * (1 + 1e-6)"]
    lines += ["dexact2 = torch.ones_like(exact2)", "dexact = (dexact2 * w).sum()"]
    file.write_text("\n".join(lines), encoding="utf-8")
    found = {one.gradient: one.verdict for one in grade_notebook(file).gradients}
    names = (*offs, "small", "exact")
    assert [found[f"d{name}"] for name in names] == [
        *("right", "right", "wrong", "wrong", "wrong", "right"),
    ]
    assert {found[f"d{name}2"] for name in names} == {"right"}
