"""A notebook's networks as publications: what it draws, and the figures that are stored in it.

A run tells which tensors were drawn from which generator, in which order and at which word. The
figures are found by their values: where the run printed the loss of its own network, the stored
output has the loss of the network that is looked for.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Floats
from npnet.base.errors import InputError
from npnet.corpora.known import KNOWN
from npnet.network.fused import loss_and_gradients
from npnet.notebooks.outputs import aligned_lines, is_near, numbers_in
from npnet.notebooks.report import CellReport, NotebookReport
from npnet.recipes.draw import LOST, Draw
from npnet.recipes.publication import Printed, Publication, WordFile, WordList
from npnet.recipes.recipe import Recipe
from npnet.training.first_batch import first_batch

FINE_DIGITS = 7  # of a loss that is printed in full
LOG_LINE = re.compile(r"(\d+)\s*/\s*(\d+)\s*:\s*(\d+\.\d+)")
SPLIT_LINE = re.compile(r"^\s*(train|val|dev|test)\b\D*(\d+\.\d{4,})", re.MULTILINE)


@dataclass
class Network:
    """One network of a notebook, as far as its cells say.

    Attributes:
        cell: the number of the cell that draws its parameters.
        roles: by our name, the entry of ``drawn_tensors`` that is it.
        batch: rows of the first minibatch.
        first: the place of ``cell`` in the report, and ``last`` that of the cell before the next
            network is drawn.
    """

    cell: int
    roles: dict[str, dict[str, Any]]
    batch: int
    first: int
    last: int
    notes: list[str] = field(default_factory=list)


def publications(report: NotebookReport, corpus: str, words: Sequence[str]) -> list[Publication]:
    """What a notebook published of networks whose gain, bias or others come from no seed.

    Args:
        report: of a run, whose cells have noted their draws.
        corpus: the name of a known corpus, which the notebook reads.
        words: its words, in the order of the file.

    Returns:
        One for each network in the order of the cells: its recipe with ``seed = "lost"``, and the
        printed figures that were recognised.

    Raises:
        InputError: no network of this kind is drawn from the default generator, or none of its
            figures is stored.
    """
    path = report.notebook.path
    found = []
    for network in networks(report):
        recipe = recipe_of(network, f"{path.stem}-{len(found) + 1}"[:60], report)
        if not recipe.lost:
            continue
        printed = _printed(network, recipe, report, words)
        if printed.count:
            known = KNOWN[corpus]
            word_list = WordList((WordFile(known.name, known.sha256),), fold=known.fold)
            source = f"{path.name}, cell {network.cell} and those after it"
            found.append(Publication(path, recipe, source, word_list, None, printed))
    if not found:
        raise InputError(
            f"{path}: no printed figure of a network that is drawn without a seed was recognised, "
            "wanted a loss, a row of the softmax or a training log of this exercise's network"
        )
    return found


def networks(report: NotebookReport) -> Iterator[Network]:
    """The networks that the cells draw: seven parameters, or six without b1."""
    places = []
    for place, cell in enumerate(report.cells):
        roles = _roles(cell.ran.drawn)
        if roles is not None:
            places.append((place, roles))
    for number, (place, roles) in enumerate(places):
        last = places[number + 1][0] if number + 1 < len(places) else len(report.cells)
        batch = _batch(report.cells[place:last])
        if batch:
            cell = report.cells[place].ran.cell.number
            yield Network(cell, roles, batch, place, last)


def _roles(drawn: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]] | None:
    """Which of the tensors is C, W1, b1, W2, b2, bngain and bnbias, by their shapes."""
    matrices = [entry for entry in drawn if len(entry["shape"]) == 2 and entry["shape"][0] > 1]
    for C, W1, W2 in itertools.permutations(matrices, 3):
        (V, E), (TE, H) = C["shape"], W1["shape"]
        if W2["shape"] != [H, V] or TE % E:
            continue
        roles = {"C": dict(C), "W1": dict(W1), "W2": dict(W2)}
        vectors = [e for e in drawn if e["shape"] in ([H], [1, H], [V], [1, V])]
        of_width = [e for e in vectors if e["shape"] in ([H], [1, H])]
        biases = [e for e in of_width if e["shape"] == [H]]
        normal = [e for e in of_width if e["shape"] == [1, H]] or biases[1:]
        gain = next((e for e in normal if _is_gain(e)), None)
        if gain is None:
            continue
        shift = next((e for e in normal if e is not gain and not _is_running(e)), None)
        output = next((e for e in vectors if e["shape"] in ([V], [1, V]) and e not in normal), None)
        if shift is None or output is None:
            continue
        roles |= {"b2": dict(output), "bngain": dict(gain), "bnbias": dict(shift)}
        first = next((e for e in biases if e is not gain and e is not shift), None)
        if first is not None:
            roles["b1"] = dict(first)
        return roles
    return None


def _is_gain(entry: Mapping[str, Any]) -> bool:
    """A gain lies about 1; a bias about 0."""
    if "constant" in entry:
        return not _is_running(entry) and abs(entry["constant"]) > 0.5
    added = any(step.startswith("+") for step in entry["scale"])
    return added or bool(re.search("gain|gamma|scale", entry["name"], re.IGNORECASE))


def _is_running(entry: Mapping[str, Any]) -> bool:
    return bool(re.search("running", entry["name"], re.IGNORECASE))


def _batch(cells: Sequence[CellReport]) -> int:
    """Rows of the first minibatch: the first draw of indices after the parameters."""
    for cell in cells:
        for draw in cell.ran.torch_draws:
            if draw["kind"] == "randint" and len(draw["shape"]) == 1 and draw["shape"][0] > 1:
                return int(draw["shape"][0])
    return 0


def recipe_of(network: Network, name: str, report: NotebookReport) -> Recipe:
    """The recipe of a network as its cells draw it.

    Raises:
        InputError: the parameters come from several seeds, or from none at all.
    """
    roles = network.roles
    order = sorted(roles, key=lambda role: roles[role]["line"])
    seeds = {e["seed"] for e in roles.values() if "scale" in e and e["seed"] is not None}
    if len(seeds) > 1:
        raise InputError(
            f"{report.notebook.path}: cell {network.cell} draws from several seeds, wanted one "
            "beside the default generator"
        )
    draws = []
    for role in order:
        entry = roles[role]
        if "constant" in entry:
            draws.append(Draw(role, constant=entry["constant"]))
        else:
            seed = None if entry["seed"] is not None else LOST
            draws.append(Draw(role, tuple(entry["scale"]), seed=seed))
    V, E = roles["C"]["shape"]
    TE, H = roles["W1"]["shape"]
    del V
    log = _log(report.cells[network.first : network.last])
    steps = max([log.steps, *(step + 1 for step in log.losses)]) if log.losses else 1
    return Recipe(
        name,
        block_size=TE // E,
        embedding=E,
        hidden=H,
        draws=tuple(draws),
        seed=seeds.pop() if seeds else 2147483647,
        batch=network.batch,
        steps=steps,
    )


@dataclass
class _Log:
    """A training log that is stored: losses by step, and how many steps it counts to."""

    losses: dict[int, str]
    steps: int


def _log(cells: Sequence[CellReport]) -> _Log:
    losses: dict[int, str] = {}
    steps = 1
    for cell in cells:
        for output in cell.ran.cell.outputs:
            for step, total, loss in LOG_LINE.findall(output.text):
                losses[int(step)] = loss
                steps = int(total)
    return _Log(losses, steps)


def _printed(
    network: Network, recipe: Recipe, report: NotebookReport, words: Sequence[str]
) -> Printed:
    """The stored figures at the places where the run printed the figures of its own network."""
    cells = report.cells[network.first : network.last]
    lost = [e for e in network.roles.values() if e.get("seed", 0) is None and "scale" in e]
    known = recipe.found(report.default_seed, min(e["before"] for e in lost)) if lost else recipe
    first = first_batch(known, words)
    loss, probs = _loss_and_probs(first.params, first.X, first.Y, known.eps)
    losses: dict[int, str] = {}
    fused: dict[int, str] = {}
    rows: dict[int, tuple[str, ...]] = {}
    for stored, fresh in _number_pairs(cells):
        if len(stored) == len(fresh):
            for one, ours in zip(stored, fresh, strict=True):
                digits = len(one.replace(".", "").lstrip("0"))
                if not _prints(ours, loss):
                    continue
                if digits >= FINE_DIGITS:
                    fused.setdefault(0, one)
                elif digits >= 4:
                    losses.setdefault(0, one)
            rows |= _rows(stored, fresh, probs)
    log = _log(cells)
    if log.losses and _own_loss(cells, loss):
        losses |= log.losses
    splits: dict[str, str] = {}
    if log.losses:
        for cell in cells:
            for output in cell.ran.cell.outputs:
                splits |= dict(SPLIT_LINE.findall(output.text))
    return Printed(losses=losses, cross_entropy=fused, probs=rows, split_losses=splits)


def _own_loss(cells: Sequence[CellReport], loss: float) -> bool:
    """Whether the log of the run begins with the loss of our first minibatch."""
    for cell in cells:
        for output in cell.ran.outputs:
            for step, _, figure in LOG_LINE.findall(output.text):
                if int(step) == 0:
                    return _prints(figure, loss)
    return False


def _number_pairs(cells: Sequence[CellReport]) -> Iterator[tuple[list[str], list[str]]]:
    for cell in cells:
        if cell.comparison is None:
            continue
        pairs = aligned_lines(cell.comparison.stored, cell.comparison.fresh)
        both = [(list(numbers_in(one)), list(numbers_in(two))) for one, two in pairs]
        yield from both
        # A row of a tensor goes over several lines.
        yield [n for one, _ in both for n in one], [n for _, two in both for n in two]


def _rows(stored: Sequence[str], fresh: Sequence[str], probs: Floats) -> dict[int, tuple[str, ...]]:
    """Rows of the softmax: V numbers side by side that are ours in the fresh output."""
    V = probs.shape[1]
    found = {}
    for at in range(len(fresh) - V + 1):
        row = fresh[at : at + V]
        if not all("." in number for number in row):
            continue
        near = [
            k for k, ours in enumerate(probs)
            if all(_prints(text, float(p)) for text, p in zip(row, ours, strict=True))
        ]  # fmt: skip
        if near:
            found[near[0]] = tuple(stored[at : at + V])
    return found


def _prints(text: str, value: float) -> bool:
    """Whether a printed number is this value, in its digits and within one of the last."""
    if "." not in text:
        return False
    places = len(text.partition(".")[2].partition("e")[0])
    if "e" in text:
        return False
    if places >= FINE_DIGITS:
        return abs(float(text) - value) <= 2e-6 * abs(value)
    return is_near(text, f"{value:.{places}f}")


def _loss_and_probs(params: Any, X: Any, Y: Any, eps: float) -> tuple[float, Floats]:
    from npnet.network.forward import forward

    values = forward(params, X, Y, eps)
    loss, _ = loss_and_gradients(params, X, Y, eps)
    return float(loss), np.asarray(values.probs)


def toml_of(publication: Publication, digest: str | None = None) -> str:
    """A publication as the text of its TOML file."""
    recipe, printed, corpus = publication.recipe, publication.printed, publication.corpus
    lines = [f'source = "{publication.source}"', ""]
    if corpus is not None:
        lines += ["[corpus]", f'name = "{corpus.name}"', f'sha256 = "{corpus.sha256}"']
        lines += ["fold = true"] if corpus.fold else []
    lines += ["", "[recipe]"]
    default = Recipe("unnamed")
    for entry in dataclasses.fields(Recipe):
        value = getattr(recipe, entry.name)
        if entry.name == "draws":
            lines += ["draws = [", *(f"    {_draw_toml(draw)}," for draw in value), "]"]
        elif value is not None and value != getattr(default, entry.name):
            lines.append(f"{entry.name} = {_value(value)}")
    lines += ["", "[printed]"]
    for row, figures in printed.probs.items():
        if row == 0:
            lines.append(f'probs_row = "{" ".join(figures)}"')
    if 0 in printed.cross_entropy:
        lines.append(f'cross_entropy = "{printed.cross_entropy[0]}"')
    for title, table in (("losses", printed.losses), ("split_losses", printed.split_losses)):
        if table:
            lines += ["", f"[printed.{title}]"]
            lines += [f'{key} = "{figure}"' for key, figure in table.items()]
    del digest
    return "\n".join(lines) + "\n"


def _draw_toml(draw: Draw) -> str:
    parts = [f'name = "{draw.name}"']
    if draw.scale:
        parts.append(f"scale = [{', '.join(f'"{step}"' for step in draw.scale)}]")
    if draw.constant is not None:
        parts.append(f"constant = {draw.constant!r}")
    if draw.seed is not None:
        parts.append(f"seed = {_value(draw.seed)}")
    return f"{{ {', '.join(parts)} }}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def write_publications(found: Sequence[Publication], folder: Path) -> list[Path]:
    """Write each to a TOML file of its recipe's name; what is there is left alone.

    Raises:
        InputError: a file is there already, or the folder cannot be written.
    """
    from npnet.base.files import replacing

    paths = []
    for publication in found:
        path = folder / f"{publication.recipe.name}.toml"
        if path.exists():
            raise InputError(
                f"{path}: exists already, wanted a new name: move it, or name a folder"
            )
        with replacing(path) as temporary:
            temporary.write_text(toml_of(publication), encoding="utf-8")
        paths.append(path)
    return paths
