"""`npnet recover` with a notebook: run it, see what it draws, and offer to run it again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from npnet.base.errors import InputError
from npnet.cli.terminal import wrap
from npnet.notebooks.publish import Published, publications
from npnet.notebooks.read import read_notebook
from npnet.notebooks.report import NotebookReport
from npnet.notebooks.run import Options, run_notebook
from npnet.recipes.publication import Printed, shipped
from npnet.replays.lost_seeds import LostSeed

SECONDS = 20.0  # seconds for one cell


def published(
    files: Sequence[str], words: Path | None, seconds: float, say: Callable[[str], None]
) -> Published | None:
    """Run a notebook, and return its publications; None if no notebook is given.

    Raises:
        InputError: the notebook is given with other files, or it has nothing to search for.
    """
    if all(_is_publication(file) for file in files):
        return None
    if len(files) != 1:
        raise InputError("recover: got a notebook among several files, wanted it alone")
    if not seconds > 0:
        raise InputError(f"--seconds: got {seconds:g}, wanted more than 0")
    notebook = read_notebook(files[0])
    say(f"{notebook.path.name}: it is run, to see what it draws")
    report = NotebookReport(notebook)
    for ran in run_notebook(notebook, Options(seconds=seconds, words=words)):
        report.add(ran)
    found = publications(report)
    for publication, cell in zip(found.publications, found.cells, strict=True):
        lost = ", ".join(publication.recipe.lost)
        say(wrap(f"cell {cell}: the seed of {lost} is lost; {_figures(publication.printed)}"))
    return found


def rerun(file: str, notebook: Published, found: LostSeed) -> str:
    """The command that runs the notebook with its seed; each drawing cell begins at its word."""
    words = []
    for cell, (start, first), skip in zip(
        notebook.cells, notebook.starts, found.skips, strict=True
    ):
        if skip != first:  # in a plain run, the cell would begin at another word
            words.append(f"--default-word={cell}:{skip - first + start}")
    return shlex.join(["npnet", "notebook", file, "--default-seed", str(found.seed), *words])


def _is_publication(file: str) -> bool:
    return file in shipped() or Path(file).suffix.lower() in (".toml", "")


def _figures(printed: Printed) -> str:
    """The figures that a search uses, in words."""
    told = [f"cross-entropy {figure}" for figure in printed.cross_entropy.values()]
    rows = printed.probs.items()
    told += [f"row {row} of the softmax, {len(figures)} figures" for row, figures in rows]
    first = [figure for step, figure in printed.losses.items() if step == 0]
    told += [f"first loss {figure}" for figure in first]
    later = len(printed.losses) - len(first)
    told += [f"{later} later losses"] if later else []
    return f"its figures: {', '.join(told)}"
