"""What a plot draws: the losses of a run in memory, of a run's folder, or of a CSV file."""

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from npnet.base.arrays import Floats
from npnet.base.equality import ReadOnlyFields
from npnet.base.errors import InputError
from npnet.recipes.recipe import Recipe


class Result(Protocol):
    """A run in memory: ``losses`` is (steps,), that of step 0 first."""

    @property
    def recipe(self) -> Recipe: ...
    @property
    def losses(self) -> Floats: ...
    @property
    def split_losses(self) -> Mapping[str, float]: ...


Source = str | os.PathLike[str] | Result


@dataclass(frozen=True, eq=False)
class Curve(ReadOnlyFields):
    """One run to draw. ``steps`` and ``losses`` are (points,) float64; ``steps`` increase."""

    name: str
    steps: Floats
    losses: Floats
    rates: Sequence[tuple[float, float]]
    split_losses: Mapping[str, float]


def read_curve(source: Source) -> Curve:
    """The curve of a run in memory, of a run's folder, or of a CSV file.

    Raises:
        InputError: it cannot be read or is empty.
    """
    if not isinstance(source, str | os.PathLike):
        return _curve_of_result(source)
    path = Path(source)
    if not os.path.isdir(path):
        return _curve_of_csv(path, path.stem, {})
    split_losses = _split_losses(path / "losses.json")
    return _curve_of_csv(path / "history.csv", path.resolve().name, split_losses)


def _curve_of_result(result: Result) -> Curve:
    try:
        recipe, split_losses = result.recipe, result.split_losses
        values = np.asarray(result.losses, np.float64)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"losses: source {result!r:.60}, wanted a run's result, its folder or a CSV file"
        ) from error
    if values.ndim != 1 or not values.size:
        raise InputError(f"losses: {recipe.name}: losses {values.shape}, wanted one for each step")
    firsts = [0] if isinstance(recipe.rates, str) else [first for first, _ in recipe.rates]
    rates = [(step, recipe.rate(step)) for step in firsts]
    return Curve(recipe.name, np.arange(0.0, values.size), values, rates, split_losses)


def _curve_of_csv(path: Path, name: str, split_losses: dict[str, float]) -> Curve:
    """Columns step and loss, and lr where there is one; rows without a loss are left out."""
    steps: list[float] = []
    values: list[float] = []
    rates: list[tuple[float, float]] = []

    def number(column: str) -> float:
        try:
            return float(cells[column])
        except (KeyError, ValueError):
            raise bad(f"{column} {cells.get(column)!r}, wanted a number") from None

    def bad(what: str) -> InputError:
        return InputError(f"{path} line {rows.line_num}: {what}: mend that line, or leave it out")

    try:
        # utf-8-sig: spreadsheets begin their files with a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = [column.strip() for column in next(rows, [])]
            if not {"step", "loss"} <= set(header):
                got = ", ".join(header) or "nothing"
                raise InputError(f"{path} line 1: got {got}, wanted columns step and loss")
            last_lr, last_step = "", -math.inf
            for row in rows:
                cells = dict(zip(header, row, strict=False))
                loss, lr = cells.get("loss", ""), cells.get("lr", "")
                if lr and lr != last_lr:
                    rates.append((number("step"), number("lr")))
                    last_lr = lr
                if loss:
                    step = number("step")
                    if not last_step < step < math.inf:
                        raise bad(f"step {step:g} after {last_step:g}, wanted increasing steps")
                    last_step = step
                    steps.append(step)
                    values.append(number("loss"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: {why}, wanted a run's folder or a CSV file") from error
    if not steps:
        raise InputError(f"{path}: no losses, wanted one row or more below the columns' names")
    return Curve(name, np.array(steps), np.array(values), rates, split_losses)


def _split_losses(path: Path) -> dict[str, float]:
    try:
        entries = json.loads(path.read_bytes()) if path.exists() else {}
        return {split: float(loss) for split, loss in entries.items()}
    # The last two: a number of hundreds of digits, brackets within brackets without end.
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f'{path}: {error}, wanted losses like {{"train": 2.07}}') from error
