"""The documents that the project started from run whole; they are not part of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from npnet.cli import main
from npnet.notebooks.read import read_notebook
from npnet.notebooks.report import NotebookReport
from npnet.notebooks.run import Options, run_notebook

FOLDER = os.environ.get("NPNET_SEEDS")
needs_seeds = pytest.mark.skipif(
    not FOLDER or not os.environ.get("NPNET_CORPORA"),
    reason="needs NPNET_SEEDS and NPNET_CORPORA: the five documents, and the corpora they read",
)
SEED = 17849371


def seed(number: int) -> Path:
    (found,) = Path(FOLDER or "").glob(f"{number:03}_*")
    return found


def report_of(number: int, cells: int | None = None, **options: object) -> NotebookReport:
    report = NotebookReport(read_notebook(seed(number)))
    for ran in run_notebook(report.notebook, Options(**options)):  # type: ignore[arg-type]
        report.add(ran)
        if len(report.cells) == cells:
            break
    return report


@needs_seeds
@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_document_runs_whole_and_every_difference_is_explained(number: int) -> None:
    report = report_of(number)
    assert report.passed
    assert not any(cell.ran.stopped for cell in report.cells)
    reasons = {reason.kind for cell in report.cells for reason in cell.reasons}
    expected = [{"unseeded"}, {"order"}, {"rounding"}, {"module", "unseeded"}]
    assert reasons == expected[number]


@needs_seeds
@pytest.mark.slow
def test_the_last_document_prints_its_loss_in_every_digit_by_its_seed() -> None:
    report = report_of(4, cells=12, default_seed=SEED)
    assert report.passed
    fused = next(c for c in report.cells if "diff:" in c.ran.cell.source and c.comparison)
    assert fused.comparison is not None
    assert "3.351456" in fused.comparison.fresh


@needs_seeds
@pytest.mark.slow
def test_the_seed_of_the_last_document_is_found_from_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    where = ["--from", str(SEED - 100), "--to", str(SEED + 100), "--reruns", "1", "--jobs", "1"]
    assert main(["recover", str(seed(4)), *where, "--seconds", "3"]) == 0
    printed = capsys.readouterr().out
    assert f"seed {SEED}\n" in printed
    assert f"--default-seed {SEED} --default-word=13:560" in printed
