"""Every structure, mistake and error of learners' notebooks, in notebooks of our own, is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import made_notebooks as made
import pytest
from made_notebooks import MADE

from npnet.notebooks.read import read_notebook
from npnet.notebooks.run import Options, Ran, Session


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One process for all of them: each begins with the same cells, which make all names anew."""
    folder = tmp_path_factory.mktemp("made")
    made.write_words(folder)
    file = folder / "first.ipynb"
    file.write_text(made.ipynb(["1"]), encoding="utf-8")
    with Session(read_notebook(file), Options(seconds=60)) as running:
        yield running


def run(session: Session, name: str, folder: Path) -> list[Ran]:
    file = folder / "made.ipynb"
    file.write_text(made.ipynb(made.cells_of(MADE[name])), encoding="utf-8")
    return [session.run(cell) for cell in read_notebook(file).cells]


@pytest.mark.parametrize("name", MADE)
def test_a_notebook_runs_from_first_cell_to_last(
    name: str, session: Session, tmp_path: Path
) -> None:
    ran = run(session, name, tmp_path)
    expected = [None] * len(made.BASE) + list(MADE[name].raises or [None] * len(MADE[name].cells))
    assert [cell.error and cell.error.exception for cell in ran] == expected
    assert not any(cell.stopped for cell in ran)
    assert MADE[name].prints in "".join(output.text for output in ran[-1].outputs)


def test_forty_notebooks_are_enough_for_all_that_was_met() -> None:
    assert len(MADE) >= 40
