"""Making publications of a notebook's networks, and their TOML files for ``npnet recover``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from npnet.base.errors import InputError
from npnet.base.files import replacing
from npnet.corpora.known import KNOWN, LARGEST
from npnet.corpora.words import read_words
from npnet.notebooks.figures import printed_figures
from npnet.notebooks.networks import networks, recipe_of
from npnet.notebooks.report import CellReport, NotebookReport
from npnet.recipes.draw import Draw
from npnet.recipes.publication import Publication, WordFile, WordList
from npnet.recipes.recipe import Recipe

NO_NETWORK = "no cell draws a network of this kind from the default generator without a seed"
NETWORK = "the lecture's: C, W1, W2, b2, bngain and bnbias, with or without b1"
FIGURES = "the loss of the first minibatch, a row of its softmax or a training log, under the cells"


class Published(NamedTuple):
    """The publications of a notebook's networks.

    Attributes:
        publications: one for each network, in the order of the cells.
        cells: for each network, the number of the cell that draws it.
        starts: for each network, the words of the default generator's stream at which that cell
            began in this run, and at which its first lost parameter was drawn.
        words: the file of words that the notebook read.
    """

    publications: list[Publication]
    cells: list[int]
    starts: list[tuple[int, int]]
    words: Path


def publications(report: NotebookReport) -> Published:
    """The networks that are partly drawn without a seed: recipes with ``seed = "lost"``, and
    figures.

    Args:
        report: the report of a run with the draws of its cells.

    Raises:
        InputError: no such network is drawn from the default generator, no figure of it is stored,
            or nobody knows the order of the words.
    """
    path, seed = report.notebook.path, report.default_seed
    found: list[Publication] = []
    words: Path | None = None
    cells: list[int] = []
    starts: list[tuple[int, int]] = []
    follows, why = 0, NO_NETWORK
    for network in networks(report):
        if not network.lost or seed is None:
            continue
        if network.shuffle["times"] and network.shuffle["seed"] is None:
            raise InputError(
                f"{path}: Python's random shuffles the words without a seed, wanted random.seed "
                "before it: no search brings that order back"
            )
        words = _words_file(report.cells, network.cell)
        if words is None:
            raise InputError(f"{path}: no file of words was read, wanted one: --words FILE")
        try:
            recipe = recipe_of(network, f"{path.stem}-{len(found) + 1}"[-60:], follows)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        follows = max(entry["after"] for entry in network.lost)
        word_list = _word_list(words)
        printed = printed_figures(network, recipe, seed, word_list.words([words]))
        if printed.count:
            source = f"{path.name}, cell {network.cell} and those after it"
            file = Path(f"{recipe.name}.toml")
            found.append(Publication(file, recipe, source, word_list, None, printed))
            cells.append(network.cell)
            begun = next(draw["before"] for draw in network.draws if draw["seed"] is None)
            starts.append((begun, min(entry["before"] for entry in network.lost)))
        else:
            why = f"of the network of cell {network.cell} no stored figure was recognised"
    if not found or words is None:
        wanted = NETWORK if why == NO_NETWORK else FIGURES
        raise InputError(f"{path}: {why}, wanted {wanted}")
    return Published(found, cells, starts, words)


def _words_file(cells: Sequence[CellReport], until: int) -> Path | None:
    """The last file of words that was read before or in a cell."""
    for cell in reversed(cells[:until]):
        for name in reversed(cell.ran.files):
            path = Path(name)
            try:
                if path.stat().st_size <= LARGEST and len(read_words(path)) > 1:
                    return path
            except (OSError, InputError):
                continue
    return None


def _word_list(path: Path) -> WordList:
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    known = next((corpus for corpus in KNOWN.values() if corpus.sha256 == checksum), None)
    name, fold = (known.name, known.fold) if known else (path.name, False)
    return WordList((WordFile(name, checksum),), fold=fold)


def toml_of(publication: Publication) -> str:
    """A publication as the text of its TOML file, which ``read_publication`` reads back."""
    recipe, printed, corpus = publication.recipe, publication.printed, publication.corpus
    lines = [f"source = {_value(publication.source)}", ""]
    if corpus is not None:
        lines += ["[corpus]", f"name = {_value(corpus.name)}", f'sha256 = "{corpus.sha256}"']
        lines += ["fold = true"] if corpus.fold else []
    lines += ["", "[recipe]"]
    default = Recipe("unnamed")
    for entry in dataclasses.fields(Recipe):
        value = getattr(recipe, entry.name)
        if entry.name == "draws":
            lines += ["draws = [", *(f"    {_draw_toml(draw)}," for draw in value), "]"]
        elif entry.name != "name" and value != getattr(default, entry.name):
            lines.append(f"{entry.name} = {_value(value)}")
    lines += ["", "[printed]"]
    if 0 in printed.cross_entropy:
        lines.append(f'cross_entropy = "{printed.cross_entropy[0]}"')
    rows = {row: " ".join(figures) for row, figures in printed.probs.items()}
    for title, table in (
        ("probs_row", rows),
        ("losses", printed.losses),
        ("split_losses", printed.split_losses),
    ):
        if table:
            lines += ["", f"[printed.{title}]"]
            lines += [f'{key} = "{figure}"' for key, figure in table.items()]
    return "\n".join(lines) + "\n"


def _draw_toml(draw: Draw) -> str:
    return "{ " + ", ".join(_draw_entries(draw)) + " }"


def _draw_entries(draw: Draw) -> Iterator[str]:
    for entry in dataclasses.fields(Draw):
        value = getattr(draw, entry.name)
        if value != entry.default:
            yield f"{entry.name} = {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    # Text in JSON is also TOML, and so are numbers in Python's notation.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def write_publications(found: Sequence[Publication], folder: Path) -> list[Path]:
    """Write each into a TOML file with its recipe's name. Existing files are replaced."""
    paths = [folder / publication.file.name for publication in found]
    for publication, path in zip(found, paths, strict=True):
        with replacing(path) as temporary:
            temporary.write_text(toml_of(publication), encoding="utf-8")
    return paths
