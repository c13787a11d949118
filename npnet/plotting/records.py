"""Making curves of the columns of a log: steps in order, each once; logarithms recognised."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from npnet.base.arrays import Floats, Ints
from npnet.base.errors import InputError
from npnet.plotting.columns import Choice, Pick, is_logarithm
from npnet.plotting.curves import TRAIN, Curve, Reading

# If more than this share of the rows repeats the step before, the column does not count steps.
REPEATED = 0.5
# Larger losses count as infinite: matplotlib cannot draw such axes, and the run has diverged.
LARGEST_LOSS = 1e100
LARGEST_STEP = 2.0**53  # above this, float64 does not tell two successive steps apart


@dataclass
class Table:
    """The columns that were read of one log.

    Attributes:
        source: the name of the log in messages.
        stem: the name of the run.
        titles: the titles of all columns of the log.
        columns: for each column that was read, the rows that have a number there, and the numbers.
        rows: how many rows there are.
        lines: the line or entry of each row; None: the row's number from 0, plus ``first``.
        first: see ``lines``.
        place: the word for a row in messages: ``line`` or ``entry``.
        again: the rows before which the titles are repeated.
    """

    source: str
    stem: str
    titles: Sequence[str]
    choice: Choice
    columns: Mapping[int, tuple[Ints, Floats]]
    rows: int
    lines: Sequence[int] | None = None
    first: int = 1
    place: str = "line"
    again: frozenset[int] = frozenset()
    notes: list[str] = field(default_factory=list)
    split_losses: dict[str, float] = field(default_factory=dict)

    def at(self, row: int) -> str:
        """File and line of a row."""
        line = self.lines[row] if self.lines is not None else row + self.first
        return f"{self.source} {self.place} {line}"


def curves_of(table: Table, reading: Reading) -> list[Curve]:
    """The curves of a log; the curves of one run follow each other.

    Raises:
        InputError: there are no losses; steps are missing, infinite or begin again with each epoch;
            or the losses could be logarithms.
    """
    notes = list(table.notes)
    curves = []
    for pick in table.choice.picks:
        rows, losses = table.columns[pick.index]
        if not losses.size:
            if len(table.choice.picks) > 1:
                continue
            raise InputError(f"{table.source}: no losses, wanted one row or more with a number")
        losses = _plain(table, pick, losses, reading)
        beyond = np.abs(losses) > LARGEST_LOSS
        if (beyond & np.isfinite(losses)).any():
            notes.append(f"{table.source}: losses beyond {LARGEST_LOSS:g} are drawn as infinite")
            losses = np.where(beyond, np.copysign(np.inf, losses), losses)
        steps = _steps(table, rows)
        order = _order(table, rows, steps, notes)
        seconds = _aligned(table.columns, table.choice.time, rows)
        curves.append(
            Curve(
                name=pick.run or table.stem,
                steps=steps[order],
                losses=losses[order],
                rates=_rates(table) if pick.split == TRAIN else (),
                split=pick.split,
                seconds=None if seconds is None else _clock(seconds[order]),
            )
        )
    if not curves:
        raise InputError(f"{table.source}: no losses, wanted one row or more with a number")
    first, *others = curves
    told = dataclasses.replace(
        first, notes=tuple(dict.fromkeys(notes)), split_losses=table.split_losses
    )
    return [told, *others]


def _plain(table: Table, pick: Pick, losses: Floats, reading: Reading) -> Floats:
    """The losses; if the user says that the log has their logarithms, the powers of 10."""
    if reading.losses_are == "log10":
        with np.errstate(over="ignore"):
            return np.power(10.0, losses)
    if reading.losses_are is None:
        title = table.titles[pick.index] or table.stem
        negative = np.flatnonzero(losses < 0)
        if is_logarithm(title):
            what = f"{table.source}: its losses are called {title}"
        elif negative.size:
            at = table.at(int(table.columns[pick.index][0][negative[0]]))
            what = f"{at}: loss {losses[negative[0]]:g} is below 0"
        else:
            return losses
        raise InputError(
            f"{what}, are they log10 of the losses? Type --losses-are log10, or --losses-are plain"
        )
    return losses


def _steps(table: Table, rows: Ints) -> Floats:
    """The step of each of these rows."""
    if table.choice.step is None:
        return rows.astype(np.float64)
    steps = _aligned(table.columns, table.choice.step, rows)
    if steps is None or np.isnan(steps).any():
        row = int(rows[0] if steps is None else rows[int(np.isnan(steps).argmax())])
        title = table.titles[table.choice.step]
        raise InputError(
            f"{table.at(row)}: a loss and no {title or 'step'}, wanted a number: mend that "
            f"{table.place}, or leave it out"
        )
    if not np.isfinite(steps).all():
        place = int((~np.isfinite(steps)).argmax())
        raise InputError(f"{table.at(int(rows[place]))}: step {steps[place]:g}, wanted a number")
    if np.abs(steps).max(initial=0) > LARGEST_STEP:
        place = int(np.abs(steps).argmax())
        raise InputError(
            f"{table.at(int(rows[place]))}: step {steps[place]:g}, wanted one up to 2^53: name "
            "another column with --step COLUMN, or number the rows with --step row"
        )
    return steps


def _aligned(
    columns: Mapping[int, tuple[Ints, Floats]], index: int | None, rows: Ints
) -> Floats | None:
    """A column at these rows, nan where it has no number; None if it has no number at all."""
    if index is None or not columns[index][0].size:
        return None
    there, values = columns[index]
    if there.size == rows.size and np.array_equal(there, rows):
        return values
    places = np.searchsorted(there, rows).clip(max=there.size - 1)
    return np.where(there[places] == rows, values[places], np.nan)


def _order(table: Table, rows: Ints, steps: Floats, notes: list[str]) -> Ints | slice:
    """The indices of the records to draw, in the order of their steps; of equal steps, the last.

    Raises:
        InputError: too many steps are repeated, or they begin again with each epoch.
    """
    change = np.diff(steps)
    if (change > 0).all():
        return slice(None)
    name = table.titles[table.choice.step] if table.choice.step is not None else "step"
    name = name or "step"
    same = int((change == 0).sum())
    if same > REPEATED * steps.size:
        row = int(rows[int((change == 0).argmax()) + 1])
        raise InputError(
            f"{table.at(row)}: {name} {steps[int((change == 0).argmax())]:g} again, as in "
            f"{same:,} of {steps.size:,} rows, wanted steps that count on: name another column "
            "with --step COLUMN, or number the rows with --step row"
        )
    back = np.flatnonzero(change < 0)
    if back.size:
        _refuse_counting_again(table, rows, steps, back, name)
    kept = _last_of_each(steps)
    dropped = steps.size - kept.size
    if back.size:
        place = int(back[0])
        line = table.at(int(rows[place + 1])).removeprefix(f"{table.source} ")
        what = f"{name} goes back from {steps[place]:,.10g} to {steps[place + 1]:,.10g} ({line})"
        what += f", and {back.size - 1:,} times more" * (back.size > 1)
    else:
        what = f"{name} {steps[int((change == 0).argmax())]:,.10g} occurs twice"
    if dropped:
        what += f": joined, of {dropped:,} step{'s' * (dropped > 1)} the later record is drawn"
    else:
        what += ": sorted by step"
    notes.append(f"{table.source}: {what}")
    return kept


def _last_of_each(steps: Floats) -> Ints:
    order = np.argsort(steps, kind="stable")
    last: Ints = order[np.append(np.diff(steps[order]) > 0, True)]
    return last


def _refuse_counting_again(table: Table, rows: Ints, steps: Floats, back: Ints, name: str) -> None:
    """Refuse a count that begins again with every epoch: joining would drop most of its records."""
    epochs = None
    if table.choice.epoch is not None and table.choice.epoch != table.choice.step:
        epochs = _aligned(table.columns, table.choice.epoch, rows)
    by_epoch = epochs is not None and bool((epochs[back + 1] > epochs[back]).all())
    first = steps[0]
    restarts = back.size > 1 and bool((steps[back + 1] == first).all())
    if restarts and table.again:
        # A program that was started again has written its titles again.
        restarts = not all(
            any(rows[place] < row <= rows[place + 1] for row in table.again) for place in back
        )
    if by_epoch or restarts:
        why = "with the epoch" if by_epoch else f"{back.size:,} times"
        raise InputError(
            f"{table.at(int(rows[back[0] + 1]))}: {name} begins again at "
            f"{steps[back[0] + 1]:g} {why}, wanted steps that count on: name another column with "
            "--step COLUMN, or number the rows with --step row"
        )


def _clock(seconds: Floats) -> Floats | None:
    """Increasing times; None if some are missing, or if they are the durations of single steps."""
    known = np.isfinite(seconds).all() and (np.diff(seconds) >= 0).all()
    return seconds if known and (seconds.size < 2 or seconds[-1] > seconds[0]) else None


def _rates(table: Table) -> list[tuple[float, float]]:
    """The first step of each rate."""
    steps: Floats | None = None
    rates: Floats | None = None
    if table.choice.rate is not None:
        rows, rates = table.columns[table.choice.rate]
        steps = rows.astype(np.float64)
        if table.choice.step is not None:
            steps = _aligned(table.columns, table.choice.step, rows)
    if rates is None or steps is None or not rates.size:
        return []
    known = np.isfinite(steps) & np.isfinite(rates)
    steps, rates = steps[known], rates[known]
    order = _last_of_each(steps) if steps.size else np.zeros(0, np.int64)
    steps, rates = steps[order], rates[order]
    first = np.flatnonzero(np.diff(rates, prepend=np.nan) != 0)
    return list(zip(steps[first].tolist(), rates[first].tolist(), strict=True))
