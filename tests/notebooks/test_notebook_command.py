"""`npnet notebook` and `npnet recover` on whole notebooks, stored outputs included."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import made_notebooks as made
import pytest
from conftest import slow_but

from npnet.cli import main
from npnet.notebooks.publish import publications, toml_of
from npnet.notebooks.read import read_notebook
from npnet.notebooks.report import NotebookReport
from npnet.notebooks.run import Options, Ran, run_notebook
from npnet.recipes.publication import read_publication

SEED = 123_456
SOFTMAX = "print(loss.item())\nF.softmax(logits, 1)[0]"
LOST_CELLS = (
    made.IMPORTS,
    made.DATA,
    # The gain and the bias come from the default generator, which nobody seeds.
    made.PARAMETERS.replace("(1, H), generator=g", "(1, H)"),
    made.FORWARD,
    SOFTMAX,
)


def outputs_of(ran: Ran) -> list[dict[str, Any]]:
    found = []
    for output in ran.outputs:
        if output.kind == "stdout":
            found.append(made.stream(output.text))
        elif output.kind == "result":
            found.append(made.result(output.text))
        elif output.kind == "error":
            found.append(made.raised(output.exception or "", output.text))
    return found


def stored(folder: Path, cells: Sequence[str], **options: Any) -> Path:
    """A notebook file with the outputs of a run of it."""
    made.write_words(folder)
    file = folder / "mine.ipynb"
    sources = [cell.strip("\n") for cell in cells]
    file.write_text(made.ipynb(sources), encoding="utf-8")
    ran = list(run_notebook(read_notebook(file), Options(**options)))
    assert not any(cell.error for cell in ran)
    pairs = [(source, outputs_of(cell)) for source, cell in zip(sources, ran, strict=True)]
    file.write_text(made.ipynb(pairs), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook whose gain and bias come from a default generator that it never seeds."""
    return stored(tmp_path_factory.mktemp("lost"), LOST_CELLS, default_seed=SEED)


def test_a_seeded_notebook_is_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gradients = "cmp('logits', dlogits, logits)\ncmp('C', dC, C)"
    file = stored(tmp_path, [*made.BASE, gradients])
    page = tmp_path / "page.html"
    assert main(["notebook", str(file), "--html", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "7 of 7 cells ran; outputs: 3 equal" in printed
    assert "<h2" in page.read_text(encoding="utf-8")
    assert main(["notebook", str(file), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["passed"] is True
    assert content["numbers"]["equal"] == content["numbers"]["compared"] > 5


def test_a_changed_figure_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = stored(tmp_path, ["x = 2.5", "print('loss', x)"])
    file.write_text(file.read_text(encoding="utf-8").replace("loss 2.5", "loss 2.7"))
    assert main(["notebook", str(file)]) == 1
    printed = capsys.readouterr().out
    assert "no reason is known" in printed
    assert "1 different; 0 of 1 numbers equal" in printed


def test_reading_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.ipynb"
    file.write_text(made.ipynb([f"open({str(tmp_path / 'made')!r}, 'w')"]), encoding="utf-8")
    assert main(["notebook", str(file), "--read"]) == 0
    assert "1 code cells, 0 stored outputs" in capsys.readouterr().out
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--seconds", "0"],
        ["--default-word", "1:0"],
        ["--default-word", "9:0", "--default-seed", "1"],
        ["--default-word", "x", "--default-seed", "1"],
        ["--html", "."],
    ],
)
def test_options_that_cannot_be_are_refused(options: list[str], tmp_path: Path) -> None:
    file = tmp_path / "a.ipynb"
    file.write_text(made.ipynb(["1"]), encoding="utf-8")
    assert main(["notebook", str(file), *options]) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_notebook_in_a_folder_that_is_read_only_runs(tmp_path: Path) -> None:
    file = stored(tmp_path, ["print(1)"])
    tmp_path.chmod(0o500)
    try:
        assert main(["notebook", str(file)]) == 0
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.slow
def test_a_lost_seed_is_found_from_the_notebook_and_the_rerun_matches(
    lost: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = lost
    monkeypatch.chdir(file.parent)
    assert main(["notebook", str(file)]) == 0  # it differs, and no seed decides it
    assert f"npnet recover {file}" in " ".join(capsys.readouterr().out.split())
    where = ["--from", str(SEED - 40), "--to", str(SEED + 40), "--jobs", "1"]
    assert main(["recover", str(file), *where, "--write"]) == 0
    printed = capsys.readouterr().out
    assert f"seed {SEED}\n" in printed
    assert re.search(r"row 0 of the softmax, \d\d figures", " ".join(printed.split()))
    command = printed.split("run it again: ")[1].splitlines()[0]
    assert command == f"npnet notebook {file} --default-seed {SEED}"
    assert main(shlex.split(command)[1:]) == 0
    assert "3 equal" in capsys.readouterr().out
    words = ["--words", str(file.with_name("names.txt"))]
    assert main(["replay", str(file.with_name("mine-1-found.toml")), *words]) == 0


def test_a_publication_of_a_notebook_is_read_back(lost: Path, tmp_path: Path) -> None:
    report = NotebookReport(read_notebook(lost))
    for ran in run_notebook(report.notebook, Options()):
        report.add(ran)
    (found,) = publications(report).publications
    written = tmp_path / found.file.name
    written.write_text(toml_of(found), encoding="utf-8")
    again = read_publication(written)
    assert (again.recipe, again.printed, again.corpus) == (
        found.recipe,
        found.printed,
        found.corpus,
    )
    assert found.recipe.lost == ("bngain", "bnbias")


NOT_SEARCHED: list[tuple[Sequence[str], str]] = [
    (["x = 1"], "no cell draws a network of this kind"),
    ((*LOST_CELLS[:3], "pass"), "no stored figure was recognised"),
    (
        (LOST_CELLS[0], LOST_CELLS[1].replace("random.seed(42)", ""), *LOST_CELLS[2:]),
        "without a seed",
    ),
]


@pytest.mark.parametrize(("cells", "text"), slow_but(NOT_SEARCHED, NOT_SEARCHED[-1:]))
def test_a_notebook_that_cannot_be_searched_for_says_why(
    cells: Sequence[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = stored(tmp_path, cells)
    assert main(["recover", str(file)]) == 2
    assert text in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("factor", "stored", "code"), [(2, "[7.0]", 0), (3, "[2.0, 4.0]", 1)])
def test_with_grade_the_gradients_alone_decide_the_exit_code(
    factor: int, stored: str, code: int, tmp_path: Path
) -> None:
    forward = "import torch\nx = torch.tensor([1.0, 2.0], requires_grad=True)\ny = x**2\n"
    backward = "y.retain_grad()\nloss = y.sum()\nloss.backward()\n"
    by_hand = f"dy = torch.ones_like(y)\ndx = {factor} * x * dy\n"
    shown = ("x.grad.tolist()", [made.result(stored)])
    file = tmp_path / "small.ipynb"
    file.write_text(made.ipynb([forward + backward + by_hand, shown]), encoding="utf-8")
    assert main(["notebook", str(file), "--grade"]) == code


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--default-seed", "x"), "got 'x', wanted a whole number"),
        (("--default-seed", str(2**64)), "wanted one from -2^63 to 2^64 - 1"),
        (("--words", "nowhere.txt"), "nowhere.txt: No such file or directory"),
        (("--read", "--grade"), "--read: got --grade as well"),
        (("--read", "--html", "page.html"), "--read: got --html as well"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: Sequence[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.ipynb"
    file.write_text(made.ipynb(["x = 1"]), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        sys.exit(main(["notebook", str(file), *options]))
    assert ended.value.code == 2
    assert text in " ".join(capsys.readouterr().err.split())
