"""The numbers of a picture of losses: each curve smoothed, its lowest point and its end."""

from __future__ import annotations

import csv
import itertools
import os
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Floats
from npnet.base.errors import InputError
from npnet.base.files import replacing
from npnet.base.tables import table
from npnet.plotting.curves import TRAIN, Curve, Reading
from npnet.plotting.labels import Labelled, labelled
from npnet.plotting.loss_logs import DEFAULT, is_source, read_logs
from npnet.plotting.smoothing import smooth

# Points of a smooth curve above this multiple of its first point do not set the limits of the axis.
EXPLODED = 10
# A logarithmic axis shows at most this ratio between its highest and lowest loss.
SMALLEST = 1e-12
LARGE = 1000  # larger losses are written with few digits
X_AXES = ("step", "time", "examples")


@dataclass(frozen=True)
class Drawn:
    """One curve of a picture.

    Attributes:
        run: the name of its run; ``number`` counts runs from 0.
        steps, means: the smooth curve, both (n,).
        raw: the loss at each of ``steps``.
        x, raw_x: the positions of the smooth curve and of all losses on the x axis.
        low, high: for a mean of several seeds, the lowest and highest of their smooth curves, (n,).
    """

    run: str
    number: int
    curve: Curve
    steps: Floats
    means: Floats
    raw: Floats
    x: Floats
    raw_x: Floats
    low: Floats | None = None
    high: Floats | None = None

    @property
    def best(self) -> tuple[float, float] | None:
        """Step and loss of the lowest point of the smooth curve, or of the validation losses."""
        values = self.means if self.curve.split == TRAIN else self.curve.losses
        steps = self.steps if self.curve.split == TRAIN else self.curve.steps
        finite = np.isfinite(values)
        if not finite.any():
            return None
        place = int(np.where(finite, values, np.inf).argmin())
        return float(steps[place]), float(values[place])

    @property
    def last(self) -> float | None:
        """The end of the smooth curve, or the last validation loss."""
        values = self.means if self.curve.split == TRAIN else self.curve.losses
        finite = values[np.isfinite(values)]
        return float(finite[-1]) if finite.size else None


def drawn(
    sources: Any,
    *,
    window: int | None = None,
    weight: float | None = None,
    labels: str | Iterable[str] | None = None,
    reading: Reading = DEFAULT,
    join: bool = False,
    x: str = X_AXES[0],
) -> list[Drawn]:
    """Read the sources and smooth their curves.

    Args:
        sources: one or several, as ``plots.losses`` takes them.
        window, weight: as for ``smooth``.
        labels: names of the runs.
        reading: how to read the logs, where they do not say it.
        join: whether all sources are parts of one run, in this order.
        x: the x axis: ``step``, ``time`` since the first loss, or ``examples``.

    Raises:
        InputError: as ``read_logs``; or there are no sources, or a wrong number of labels.
    """
    if x not in X_AXES:
        raise InputError(f"losses: x={x!r}, wanted one of {', '.join(X_AXES)}")
    given = [sources] if is_source(sources) else _listed(sources)
    if not given:
        raise InputError("losses: no sources, wanted one or more: name a run's folder or a log")
    found = [read_logs(source, reading) for source in given]
    paths = [os.fspath(s) if isinstance(s, str | os.PathLike) else None for s in given]
    if join and len(found) > 1:
        found, paths = [_joined(found)], paths[:1]
    runs = labelled(found, paths, labels)
    result = []
    for number, run in enumerate(runs):
        for curve in run.curves:
            # The loss of a whole split has no noise from minibatches, and is not smoothed.
            how = (window, weight) if curve.split == TRAIN else (None, 0.0)
            steps, means = smooth(curve.steps, curve.losses, *how)
            raw = curve.losses[np.searchsorted(curve.steps, steps)]
            raw_x = _x(run, curve, x)
            here = raw_x[np.searchsorted(curve.steps, steps)]
            low, high = _spread(curve, steps.size, *how)
            result.append(Drawn(run.name, number, curve, steps, means, raw, here, raw_x, low, high))
    if not any(np.isfinite(each.means).any() for each in result):
        raise InputError(f"losses: {runs[0].name}: no finite loss, wanted some")
    return result


def _spread(
    curve: Curve, count: int, window: int | None, weight: float | None
) -> tuple[Floats | None, Floats | None]:
    """The lowest and highest of the seeds' smooth curves; None for a single run."""
    if not curve.members:
        return None, None
    smoothed = [smooth(curve.steps, each.losses, window, weight)[1] for each in curve.members]
    same = [each for each in smoothed if each.size == count] or smoothed[:1]
    return np.min(same, axis=0), np.max(same, axis=0)


def _listed(sources: Any) -> list[Any]:
    if not isinstance(sources, Iterable):
        return [sources]  # read_logs raises an error that says what is wrong with the source
    return list(sources)


def _joined(found: Sequence[Sequence[Curve]]) -> list[Curve]:
    """The parts of one run as one curve. If two parts have the same step, the later is drawn."""
    first = found[0][0]
    result = []
    for split in dict.fromkeys(curve.split for curves in found for curve in curves):
        parts = [curve for curves in found for curve in curves if curve.split == split]
        steps = np.concatenate([part.steps for part in parts])
        losses = np.concatenate([part.losses for part in parts])
        order = np.argsort(steps, kind="stable")
        kept = order[np.append(np.diff(steps[order]) > 0, True)]
        notes = tuple(note for part in parts for note in part.notes)
        if kept.size < steps.size:
            count = steps.size - kept.size
            notes += (f"{first.name}: of {count:,} steps that two parts have, the later is drawn",)
        seconds = None
        if all(part.seconds is not None for part in parts):
            seconds = np.concatenate([part.seconds for part in parts if part.seconds is not None])
        rates = sorted(dict(rate for part in parts for rate in part.rates).items())
        result.append(
            Curve(
                first.name,
                steps[kept],
                losses[kept],
                rates,
                parts[-1].split_losses,
                split,
                notes,
                parts[-1].recipe,
                None if seconds is None else seconds[kept],
            )
        )
    return result


def _x(run: Labelled, curve: Curve, x: str) -> Floats:
    if x == "time":
        clocks = [each.seconds for each in run.curves if each.seconds is not None]
        if curve.seconds is None:
            raise InputError(f"{run.name}: its log has no times, wanted some: use --x step")
        return curve.seconds - min(float(clock[0]) for clock in clocks)
    if x == "examples":
        if run.recipe is None:
            raise InputError(
                f"{run.name}: no run of npnet, so that nobody knows its minibatches: use --x step"
            )
        return curve.steps * run.recipe.batch
    return curve.steps


def notes_of(curves: Sequence[Drawn]) -> list[str]:
    """How the logs were changed for the curves, one sentence for each change."""
    return list(dict.fromkeys(note for each in curves for note in each.curve.notes))


def rows_of(curves: Sequence[Drawn]) -> list[dict[str, Any]]:
    """The figures of each curve, for a table or for JSON."""
    rows = []
    for each in curves:
        best, curve = each.best, each.curve
        rows.append(
            {
                "run": each.run,
                "losses": curve.split,
                "points": int(curve.steps.size),
                "steps": float(curve.steps[-1]),
                "last": each.last,
                "best": None if best is None else best[1],
                "at_step": None if best is None else best[0],
                "diverged_at": curve.diverged,
                "seeds": len(curve.members) or 1,
                "split_losses": dict(curve.split_losses),
                "split_ranges": _ranges(curve),
                "seconds": None
                if curve.seconds is None
                else float(curve.seconds[-1] - curve.seconds[0]),
            }
        )
    return rows


def _ranges(curve: Curve) -> dict[str, list[float]]:
    """The lowest and highest loss of each split, over all seeds."""
    found = [each.split_losses for each in curve.members if curve.split_losses]
    splits = curve.split_losses if found else ()
    return {
        split: [end(losses[split] for losses in found) for end in (min, max)] for split in splits
    }


def text_of(curves: Sequence[Drawn], width: int | None = None) -> str:
    """A table with a line for each curve, or paragraphs if it is wider than ``width``."""
    rows = rows_of(curves)
    splits = list(dict.fromkeys(split for row in rows for split in row["split_losses"]))
    kinds = {row["losses"] for row in rows} != {TRAIN}
    timed = any(row["seconds"] is not None for row in rows)
    several = any(row["seeds"] > 1 for row in rows)
    titles = ["run", *["losses"] * kinds, *["seeds"] * several]
    titles += ["last step", "last", "best", "at step"]
    ranged = [split for split in ("dev",) if any(split in row["split_ranges"] for row in rows)]
    ranges = [f"{split} range" for split in ranged]
    lines = [[*titles, *splits, *ranges, *["time"] * timed, ""]]
    for row in rows:
        diverged = row["diverged_at"]
        cells = [row["run"], *[row["losses"]] * kinds, *[str(row["seeds"])] * several]
        cells += [_count(row["steps"])]
        cells += [_loss(row["last"]), _loss(row["best"]), _count(row["at_step"])]
        cells += [_loss(row["split_losses"].get(split)) for split in splits]
        ends = [row["split_ranges"].get(split) for split in ranged]
        cells += ["-" if end is None else f"{end[0]:.4f}–{end[1]:.4f}" for end in ends]
        cells += [_time(row["seconds"])] * timed
        lines.append([*cells, "" if diverged is None else f"diverged at step {_count(diverged)}"])
    numbers = several + 4 + len(splits) + len(ranges) + timed
    text = table(lines, "<" + "<" * kinds + ">" * numbers + "<")
    if width is None or max(map(len, text.splitlines())) <= width:
        return text
    return "\n".join(_paragraph(lines[0], cells, width) for cells in lines[1:])


def _paragraph(titles: Sequence[str], cells: Sequence[str], width: int) -> str:
    """The cells of one row with their titles, in lines of at most ``width`` characters."""
    told = [f"{title} {cell}".strip() for title, cell in zip(titles, cells, strict=True)]
    kept = [text for text, cell in zip(told[1:], cells[1:], strict=True) if cell not in ("", "-")]
    # A title and its cell are on the same line.
    whole = "  ".join(text.replace(" ", "\0") for text in kept)
    wrapped = textwrap.wrap(
        whole, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )
    return "\n".join([cells[0], *wrapped]).replace("\0", " ")


def _loss(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}" if abs(value) < LARGE else f"{value:.4g}"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.10g}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def write_data(curves: Sequence[Drawn], path: str | os.PathLike[str]) -> None:
    """Write the drawn curves as CSV: run, split, step, loss and smooth curve.

    Raises:
        InputError: the file cannot be written.
    """
    with (
        replacing(Path(path)) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        several = any(each.low is not None for each in curves)
        writer.writerow(
            ["run", "curve", "step", "loss", "smooth", *["lowest", "highest"] * several]
        )
        for each in curves:
            arrays = [each.raw, each.means]
            if several:
                same = each.low is None or each.high is None
                arrays += [each.means, each.means] if same else [each.low, each.high]  # type: ignore[list-item]
            lists = [array.tolist() for array in arrays]
            writer.writerows(
                [each.run, each.curve.split, f"{step:.15g}", *values]
                for step, *values in zip(each.steps.tolist(), *lists, strict=True)
            )


def limits(curves: Sequence[Drawn], *, log: bool) -> tuple[float, float] | None:
    """The lowest and highest loss of the smooth curves, which the picture must show.

    Losses that exploded are left out, and a curve that diverged does not set the limits for others.
    """
    ranges = [
        (each.curve.diverged is not None, _range(values, log=log))
        for each in curves
        for values in (each.means, each.low, each.high)
        if values is not None
    ]
    good = [found for ended, found in ranges if found and not ended]
    others = [found for ended, found in ranges if found and ended]
    if not good:
        good, others = others, []
    if not good:
        return None
    if not log:
        # A run whose losses exploded, but are finite, does not set the limits either.
        usual = min(top for _, top in good)
        far = EXPLODED * max(usual, 0)
        others += [found for found in good if usual > 0 and found[1] > far]
        good = [found for found in good if not (usual > 0 and found[1] > far)]
    low, high = min(found[0] for found in good), max(found[1] for found in good)
    # Such runs move the limits by a factor of 2 at most.
    for bottom, top in others:
        if low / 2 <= bottom <= 2 * high:
            low = min(low, bottom)
        if low <= top <= 2 * high:
            high = max(high, top)
    return low, high


def _range(means: Floats, *, log: bool) -> tuple[float, float] | None:
    shown = means[np.isfinite(means) & ((means > 0) | (not log))]
    if not shown.size:
        return None
    usual = float(np.median(np.abs(shown)))
    first = min(abs(float(shown[0])), EXPLODED**2 * usual)
    kept = shown[np.abs(shown) <= EXPLODED * max(usual, first)]
    if not kept.size:
        return None
    low, high = float(kept.min()), float(kept.max())
    return (max(low, SMALLEST * high) if log else low), high


def changes_of(curve: Curve) -> list[tuple[float, float]]:
    """The changes of the rate within the run: step and new rate."""
    return [
        (step, rate)
        for (_, before), (step, rate) in itertools.pairwise(curve.rates)
        if rate != before and curve.steps[0] < step <= curve.steps[-1]
    ]
