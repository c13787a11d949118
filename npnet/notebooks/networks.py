"""Finding the networks that a notebook draws, and writing them as recipes.

A run shows which numbers were drawn from which generator, and in which order. The shapes show which
parameter each tensor is; names do not matter.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npnet.base.errors import InputError
from npnet.notebooks.report import CellReport, NotebookReport
from npnet.recipes.draw import LOST, Draw
from npnet.recipes.recipe import Recipe

LOG_LINE = re.compile(r"(\d+)\s*/\s*(\d+)\s*:\s*(\d+\.\d+)")


@dataclass
class Network:
    """One network of a notebook, from the code and the run of its cells.

    Attributes:
        cell: the number of the cell that draws its parameters.
        roles: our name of a parameter -> its entry in ``drawn_tensors``.
        draws: all draws of the cell, in order.
        batch: rows of the first minibatch.
        shuffle: how often Python's ``random`` shuffled before, and its seed.
        cells: this cell and the cells after it, up to the cell that draws the next network.
    """

    cell: int
    roles: dict[str, dict[str, Any]]
    draws: Sequence[Mapping[str, Any]]
    batch: int
    shuffle: Mapping[str, Any]
    cells: Sequence[CellReport]

    @property
    def lost(self) -> list[dict[str, Any]]:
        """The entries that were drawn from the default generator, which nobody seeded."""
        drawn = [entry for entry in self.roles.values() if "scale" in entry]
        return [entry for entry in drawn if entry["seed"] is None]


@dataclass
class Log:
    """A training log: its figures by step, and its number of steps."""

    losses: dict[int, str]
    steps: int

    @classmethod
    def of(cls, texts: Sequence[str]) -> Log:
        """The lines such as ``10000/ 200000: 2.1634`` in these outputs."""
        losses: dict[int, str] = {}
        steps = 1
        for text in texts:
            for step, total, loss in LOG_LINE.findall(text):
                losses[int(step)] = loss
                steps = int(total)
        return cls(losses, max([steps, *(step + 1 for step in losses)]))


def stored_log(cells: Sequence[CellReport]) -> Log:
    """The training log that is stored under these cells."""
    return Log.of([output.text for cell in cells for output in cell.ran.cell.outputs])


def networks(report: NotebookReport) -> Iterator[Network]:
    """The networks that the cells draw: seven parameters, or six without b1."""
    places = []
    for place, cell in enumerate(report.cells):
        roles = _roles(cell.ran.drawn)
        if roles is not None:
            places.append((place, roles))
    for number, (place, roles) in enumerate(places):
        last = places[number + 1][0] if number + 1 < len(places) else len(report.cells)
        cells = report.cells[place:last]
        batch = _batch(cells)
        if batch:
            ran = cells[0].ran
            yield Network(ran.cell.number, roles, ran.torch_draws, batch, ran.shuffle, cells)


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
        outputs = [e for e in vectors if e["shape"] in ([V], [1, V]) and e not in normal]
        # If both layers have the same width, b1 is drawn before b2.
        output = (outputs[-1] if H == V else outputs[0]) if outputs else None
        if shift is None or output is None:
            continue
        roles |= {"b2": dict(output), "bngain": dict(gain), "bnbias": dict(shift)}
        first = next((e for e in biases if e not in (gain, shift, output)), None)
        if first is not None:
            roles["b1"] = dict(first)
        return roles
    return None


def _is_gain(entry: Mapping[str, Any]) -> bool:
    """Whether a tensor is a gain: gains are near 1, biases near 0."""
    if "constant" in entry:
        return not _is_running(entry) and abs(entry["constant"]) > 0.5
    added = any(step.startswith("+") for step in entry["scale"])
    return added or bool(re.search("gain|gamma|scale", entry["name"], re.IGNORECASE))


def _is_running(entry: Mapping[str, Any]) -> bool:
    return bool(re.search("running", entry["name"], re.IGNORECASE))


def _batch(cells: Sequence[CellReport]) -> int:
    """The rows of the first minibatch: those of the first draw of indices after the parameters."""
    for cell in cells:
        for draw in cell.ran.torch_draws:
            if draw["kind"] == "randint" and len(draw["shape"]) == 1 and draw["shape"][0] > 1:
                return int(draw["shape"][0])
    return 0


def recipe_of(network: Network, name: str, follows: int) -> Recipe:
    """The recipe by which the cells of a notebook draw a network.

    Args:
        network: the network.
        name: the name of the recipe.
        follows: the word of the default generator's stream after the network before this one.

    Raises:
        InputError: the parameters have several seeds, or no recipe can describe how they are drawn.
    """
    seeds = {e["seed"] for e in network.roles.values() if e.get("seed") is not None}
    if len(seeds) > 1:
        raise InputError(
            f"cell {network.cell} draws from several seeds, wanted one beside the default generator"
        )
    E = network.roles["C"]["shape"][1]
    TE, H = network.roles["W1"]["shape"]
    shuffle = network.shuffle
    rates = next((cell.ran.rates for cell in network.cells if cell.ran.rates), None)
    more: dict[str, Any] = {}
    if rates is not None:
        more["rates"] = tuple((int(first), rate) for first, rate in rates)
    return Recipe(
        name,
        block_size=TE // E,
        embedding=E,
        hidden=H,
        draws=tuple(_draws(network, follows)),
        seed=seeds.pop() if seeds else 2147483647,
        shuffle_seed=shuffle["seed"] if isinstance(shuffle["seed"], int) else 42,
        shuffles=shuffle["times"],
        batch=network.batch,
        steps=stored_log(network.cells).steps,
        **more,
    )


def _draws(network: Network, follows: int) -> Iterator[Draw]:
    """The draws in order of time; constants are in the place of their lines."""
    places = {
        (entry["seed"], entry["before"], entry["line"]): role
        for role, entry in network.roles.items()
        if "scale" in entry
    }
    constants = sorted(
        (entry["line"], role) for role, entry in network.roles.items() if "constant" in entry
    )
    left, lost, unused = len(places), False, 0
    for drawn in network.draws:
        while constants and constants[0][0] < drawn["line"]:
            role = constants.pop(0)[1]
            yield Draw(role, constant=network.roles[role]["constant"])
        if not left:
            break
        role = places.get((drawn["seed"], drawn["before"], drawn["line"]), "")
        seed, skip = None, None
        if drawn["seed"] is None:
            seed = LOST
            # The skip is at the first of them. A search assumes that nothing was drawn between
            # them.
            skip = drawn["before"] if not lost and drawn["before"] != follows else None
            lost = True
        if role:
            left -= 1
            yield Draw(role, tuple(network.roles[role]["scale"]), seed=seed, skip=skip)
        elif drawn["kind"] == "randn":
            unused += 1
            shape = tuple(drawn["shape"])
            yield Draw(f"unused_{unused}", shape=shape, trained=False, seed=seed, skip=skip)
        else:
            raise InputError(
                f"cell {network.cell}, line {drawn['line']}: {drawn['kind']} between the "
                "parameters, wanted randn alone, which a recipe can say"
            )
    for _, role in constants:
        yield Draw(role, constant=network.roles[role]["constant"])
