"""Finding the stored figures of a lost network in a notebook, with the values of the run.

At a place where the run prints the loss of its own network, the stored output has the loss of the
lost network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from npnet.base.arrays import Floats
from npnet.network.forward import forward
from npnet.network.fused import loss_and_gradients
from npnet.notebooks.networks import Log, Network, stored_log
from npnet.notebooks.outputs import aligned_lines, is_near, numbers_in
from npnet.notebooks.report import CellReport
from npnet.recipes.publication import Printed
from npnet.recipes.recipe import Recipe
from npnet.training.fit import first_batch

FINE_DIGITS = 7  # decimals of a loss that is printed in full
LEAST_DIGITS = 4
FINE_ERROR = 2e-6  # relative difference of a printed loss from ours: ten units of float32
SPLIT_LINE = re.compile(r"^\s*(train|val|dev|test)\b\D*(\d+\.\d{4,})", re.MULTILINE)


def printed_figures(network: Network, recipe: Recipe, seed: int, words: Sequence[str]) -> Printed:
    """The stored figures at the places where the run printed the figures of its own network.

    Args:
        network: the network of the run.
        recipe: its recipe, with lost draws.
        seed: the seed of the run's default generator.
        words: the words of the corpus that the notebook read.
    """
    known = recipe.found(seed, min(entry["before"] for entry in network.lost))
    params, X, Y = first_batch(known, words)
    loss, _ = loss_and_gradients(params, X, Y, known.eps)
    probs = forward(params, X, Y, known.eps).probs
    losses: dict[int, str] = {}
    fused: dict[int, str] = {}
    rows: dict[int, tuple[str, ...]] = {}
    for stored, fresh in _number_pairs(network.cells):
        if len(stored) != len(fresh):
            continue
        for one, ours in zip(stored, fresh, strict=True):
            digits = len(one.replace(".", "").lstrip("0"))
            if not _prints(ours, float(loss)) or digits < LEAST_DIGITS:
                continue
            (fused if digits >= FINE_DIGITS else losses).setdefault(0, one)
        for row, figures in _rows(stored, fresh, probs):
            rows.setdefault(row, figures)
    log = stored_log(network.cells)
    splits: dict[str, str] = {}
    if log.losses and _is_own(network.cells, float(loss)):
        # With rates that are not known, the run of the search would be another one.
        known_rates = any(cell.ran.rates for cell in network.cells)
        losses |= {step: text for step, text in log.losses.items() if known_rates or not step}
        for cell in network.cells if known_rates else ():
            for output in cell.ran.cell.outputs:
                splits |= dict(SPLIT_LINE.findall(output.text))
    if "dev" in splits:
        splits.pop("val", None)
    return Printed(losses=losses, cross_entropy=fused, probs=rows, split_losses=splits)


def _is_own(cells: Sequence[CellReport], loss: float) -> bool:
    """Whether the log of the run begins with the loss of our first minibatch."""
    fresh = Log.of([output.text for cell in cells for output in cell.ran.outputs])
    return 0 in fresh.losses and _prints(fresh.losses[0], loss)


def _number_pairs(cells: Sequence[CellReport]) -> Iterator[tuple[list[str], list[str]]]:
    for cell in cells:
        if cell.comparison is None:
            continue
        pairs = aligned_lines(cell.comparison.stored, cell.comparison.fresh)
        both = [(list(numbers_in(one)), list(numbers_in(two))) for one, two in pairs]
        yield from both
        # A row of a tensor can be printed on several lines.
        if len(both) > 1:
            yield [n for one, _ in both for n in one], [n for _, two in both for n in two]


def _rows(
    stored: Sequence[str], fresh: Sequence[str], probs: Floats
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The printed rows of the softmax: V numbers in a row, which are ours in the fresh output."""
    V = probs.shape[1]
    for at in range(len(fresh) - V + 1):
        row = fresh[at : at + V]
        if not all("." in number for number in row):
            continue
        for place, ours in enumerate(probs):
            if all(_prints(text, float(p)) for text, p in zip(row, ours, strict=True)):
                yield place, tuple(stored[at : at + V])
                break


def _prints(text: str, value: float) -> bool:
    """Whether a printed number is this value, within one unit of its last digit."""
    if "." not in text or "e" in text.lower():
        return False
    places = len(text.partition(".")[2])
    if places >= FINE_DIGITS:
        return abs(float(text) - value) <= FINE_ERROR * abs(value)
    return is_near(text, f"{value:.{places}f}")
