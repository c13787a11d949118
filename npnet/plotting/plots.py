"""Loss curves: several runs, or other frameworks' logs, in one picture.

Figures are made with matplotlib's objects alone: no window system, no pyplot, no global state.
"""

import itertools
import math
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from matplotlib.typing import LineStyleType

from npnet.base.arrays import Floats, Ints
from npnet.base.errors import InputError
from npnet.base.files import replacing
from npnet.plotting.loss_logs import Curve, Source, read_curve

# Okabe and Ito's colours, which stay apart for every common kind of colour blindness, without
# the yellow (too pale for a line on white); the first three also differ in lightness.
COLOURS = ("#0072B2", "#E69F00", "#000000", "#009E73", "#D55E00", "#56B4E9", "#CC79A7")
# Dashes in line widths. Seven colours and four styles meet again only after 28 runs.
STYLES: tuple[LineStyleType, ...] = ("-", (0, (4, 1.2)), (0, (1, 0.8)), (0, (5, 1.2, 1, 1.2)))
# The raw losses of a longer run are drawn as the lowest and highest of at most this many
# stretches: as fine as a screen shows, and 60 KB of SVG for a run of any length.
STRETCHES = 1000
# A rate that changes more often than this is a smooth schedule: marks would hide the curves.
MOST_MARKS = 8
# Windows of gaps that are marked one by one.
FEW_WINDOWS = 40
# Letters of a name in the legend; longer names could push the axes out of the figure.
LONGEST_NAME = 36


def losses(
    sources: Source | Iterable[Source],
    ax: Axes | None = None,
    *,
    log: bool = True,
    window: int = 1000,
    labels: str | Iterable[str] | None = None,
) -> Axes:
    """Draw the loss curves of one or several runs: raw values faint, window means strong.

    A source is a run in memory (what ``fit`` returns), a run's folder, or any CSV file with
    columns ``step`` and ``loss``; its steps must increase, but need not begin at 0 nor be every
    step, and a column ``lr`` tells where the rate changed. Changes of the rate are marked by
    dashed lines; split losses are in the legend. Losses that are not finite (with ``log``:
    or not positive) are left out of the means and leave a gap in the raw line. The axes show
    every mean, and all raw values but the most extreme thousandth at either end.

    Args:
        ax: axes to draw into, one call for each; without it, those of a new figure.
        log: draw log10 of every loss. A mean is then the mean of the logarithms, as in the
            lecture (the logarithm of the geometric mean).
        window: steps in one mean, whatever the length of the run; see ``smooth``.
        labels: names of the runs in the legend, in place of recipe, folder and file names.

    Raises:
        InputError: a source cannot be read, is empty or has no loss that can be drawn, or the
            arguments do not fit each other.
    """
    if isinstance(sources, str) or not isinstance(sources, Iterable):
        sources = [sources]
    curves = [read_curve(source) for source in sources]
    if not curves:
        raise InputError("losses: no sources, wanted one or more: name a run's folder or a CSV")
    names = _names(curves, labels)
    ax = _new_axes(len(curves)) if ax is None else ax
    lines = []
    for number, (name, curve) in enumerate(zip(names, curves, strict=True)):
        drawable = np.isfinite(curve.losses) & ((curve.losses > 0) | (not log))
        if not drawable.any():
            hint = "wanted one or more: log=False (--plain) draws others" if log else "wanted some"
            raise InputError(f"losses: {curve.name}: no finite loss{' above 0' * log}, {hint}")
        values = np.where(drawable, curve.losses, np.nan)
        values = np.log10(values) if log else values
        centres, means = smooth(curve.steps, values, window)
        colour, style = COLOURS[number % len(COLOURS)], STYLES[number % len(STYLES)]
        # Dense raw lines fill an area, sparse ones leave white between them. Those of several
        # runs overlap, and are drawn fainter so that the means stay visible.
        ink = (0.3 if values.size > STRETCHES else 0.6) / len(curves)
        raw = Line2D(*_outline(curve.steps, values), linewidth=0.5, color=colour, alpha=ink)
        # Not by plot, because then single outliers would set the limits of the axes.
        ax.add_artist(raw).set_zorder(1)
        ax.update_datalim(_corners(curve.steps, values))
        figures = (f"{split} {loss:.2f}" for split, loss in curve.split_losses.items())
        line = Line2D(centres, means, linewidth=1.6, color=colour, linestyle=style)
        line.set_label("  ".join([name, *figures]))
        if np.isfinite(means).sum() == 1:  # no line, so it needs a dot to be seen
            line.set(marker="o", markersize=4)
        lines.append(ax.add_line(line))
    ax.autoscale_view()
    _mark_rates(ax, curves)
    ax.set(xlabel="step", ylabel="log10(loss)" if log else "loss")
    ax.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 2.5, 5, 10], integer=True, min_n_ticks=1))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    # Above the axes: wherever a legend stood inside, some run would pass behind it.
    ax.legend(handles=lines, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, handlelength=3)
    return ax


def gaps(
    pair: tuple[Source, Source],
    *,
    limit: float = 0,
    window: int = 1000,
    labels: tuple[str, str] | None = None,
) -> Figure:
    """Two runs of the same steps: their loss curves, and below how far the losses lie apart.

    The gap stands on a logarithmic axis: that of every step faint, the largest of each window
    strong, the largest of all as a dot. Steps whose losses are equal, or not finite, have no place
    there; the legend says how many are equal.

    Args:
        pair: two sources as ``losses`` takes them.
        limit: a gap to mark; 0 for none.
        window: steps in one window of either picture.
        labels: names of the two in the legend.

    Raises:
        InputError: as ``losses``, or the steps of the two are not the same.
    """
    ours, reference = map(read_curve, pair)
    if not np.array_equal(ours.steps, reference.steps):
        raise InputError(
            f"gaps: {ours.steps.size} steps and {reference.steps.size} that are not the same, "
            "wanted two runs with losses of the same steps"
        )
    figure = Figure(figsize=(8, 6.8), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = map(_clear, figure.subplots(2, sharex=True, height_ratios=(3, 2)))
    losses(pair, top, window=window, labels=labels).set_xlabel("")
    top.ticklabel_format(axis="y", useOffset=False)
    apart = np.abs(ours.losses - reference.losses)
    equal = int((apart == 0).sum())
    apart[~(np.isfinite(apart) & (apart > 0))] = np.nan
    bottom.set(xlabel="step", ylabel="gap of the losses", yscale="log")
    shown = [*apart[~np.isnan(apart)], *([limit] if limit else [])] or [1]
    bottom.set_ylim(min(shown) / 4, max(shown) * 2)
    if not np.isnan(apart).all():
        _draw_gap(bottom, ours.steps, apart, window)
        if equal:
            name = f"gap 0, not drawn: {equal:,} of {apart.size:,} steps"
            bottom.plot([], [], " ", label=name)
    else:
        bottom.text(0.5, 0.5, "equal at every step", ha="center", transform=bottom.transAxes)
    if limit:
        style = (0, (6, 4))
        bottom.axhline(limit, color=COLOURS[4], lw=0.8, ls=style, label=f"limit: {limit:g}")
    if bottom.lines:
        bottom.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, ncols=2)
    return figure


def smooth(steps: Floats, values: Floats, window: int) -> tuple[Floats, Floats]:
    """Means over consecutive windows of ``window`` steps, each with its window's middle step.

    Windows begin at the multiples of ``window``, so that runs that are logged or resumed
    differently have the same ones; those without a point are left out. A partial window, first
    or last, has the mean and the middle of the points that there are. For a run of every step
    from 0 the means of the whole windows are the lecture's ``view(-1, window).mean(1)``.

    Args:
        steps: (points,), increasing.
        values: (points,); those that are not finite are left out of their window's mean, and a
            window of nothing else has mean nan.
        window: in steps, 1 or more.

    Returns:
        The middle steps and the means, both (windows,) float64.

    Raises:
        InputError: shapes that differ, steps that do not increase, a window below 1.
    """
    steps, values = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    if steps.ndim != 1 or steps.shape != values.shape:
        raise InputError(
            f"smooth: steps {steps.shape} and values {values.shape}, wanted one axis of one length"
        )
    if not (np.diff(steps) > 0).all():
        raise InputError("smooth: steps that do not increase: sort them, with one value for each")
    if not window >= 1:
        raise InputError(f"smooth: window {window}, wanted 1 step or more")
    starts, centres = _windows(steps, window)
    finite = np.isfinite(values)
    counts = np.add.reduceat(finite, starts, dtype=np.int64)
    sums = np.add.reduceat(np.where(finite, values, 0), starts)
    means = np.divide(sums, counts, out=np.full(starts.size, np.nan), where=counts > 0)
    return centres, means


def save(axes: Axes | Figure, path: str | os.PathLike[str]) -> None:
    """Write the figure that ``axes`` belongs to as PNG or SVG, by the suffix of ``path``.

    The same picture gives the same bytes. A file that is there already is replaced only when the
    new one is complete.

    Raises:
        InputError: another suffix, or the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".png", ".svg"):
        raise InputError(f"save: {path}, wanted a name that ends in .png or .svg")
    # Left alone, an SVG has the date in it, and random names for its parts.
    metadata = {"Date": None} if suffix == ".svg" else {}
    fixed = mpl.rc_context({"svg.hashsalt": "npnet"})
    with replacing(path) as temporary, fixed, warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box, which says as much.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        axes.figure.figure.savefig(temporary, format=suffix[1:], dpi=160, metadata=metadata)


def _windows(steps: Floats, window: int) -> tuple[Ints, Floats]:
    """Where each window begins in ``steps``, and its middle step; windows as in ``smooth``."""
    starts = np.flatnonzero(np.diff(steps // window, prepend=-np.inf))
    ends = np.append(starts, steps.size)[1:] - 1
    return starts, (steps[starts] + steps[ends]) / 2


def _names(curves: list[Curve], labels: str | Iterable[str] | None) -> list[str]:
    """One name for each curve, fit for the legend: one short line, without mathematics."""
    given = [labels] if isinstance(labels, str) else labels
    names = [curve.name for curve in curves] if given is None else list(given)
    if len(names) != len(curves):
        raise InputError(f"losses: {len(names)} labels, wanted one for each of {len(curves)} runs")
    lines = [" ".join(name.split()) for name in names]
    # Both ends stay: names of runs that are compared often differ in the last letters.
    half = LONGEST_NAME // 2
    short = [n if len(n) <= LONGEST_NAME else f"{n[:half]}…{n[1 - half :]}" for n in lines]
    return [name.replace("$", r"\$") for name in short]


def _new_axes(runs: int) -> Axes:
    """Axes of a figure of their own, which is taller by a line of the legend for each run."""
    figure = Figure(figsize=(8, 4.3 + 0.2 * runs), layout="constrained")
    FigureCanvasAgg(figure)
    return _clear(figure.add_subplot())


def _clear(ax: Axes) -> Axes:
    ax.margins(x=0.01)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _draw_gap(ax: Axes, steps: Floats, apart: Floats, window: int) -> None:
    """Gaps, nan where there is none to show: each of them, the windows' largest, the largest."""
    few = apart.size <= STRETCHES  # so that a line would be broken wherever the losses are equal
    style: dict[str, Any] = {"ls": "", "marker": ".", "ms": 3} if few else {"lw": 0.5}
    ax.plot(*_outline(steps, apart), color=COLOURS[2], alpha=0.3, **style)
    starts, centres = _windows(steps, window)
    name = f"largest of {window:,} steps" if window > 1 else "every step"
    line = ax.plot(centres, np.fmax.reduceat(apart, starts), color=COLOURS[2], lw=1.2, label=name)
    line[0].set_drawstyle("steps-mid")
    if starts.size <= FEW_WINDOWS:  # a line of so few would hardly be seen, nor its breaks
        line[0].set(marker="o", markersize=3)
    worst = int(np.nanargmax(apart))
    name = f"largest: {apart[worst]:.2g} at step {steps[worst]:,.0f}"
    ax.plot(steps[worst], apart[worst], "o", ms=4, color=COLOURS[4], label=name)


def _outline(steps: Floats, values: Floats) -> tuple[Floats, Floats]:
    """A line that looks like that through all points, with at most 2 × STRETCHES of them."""
    size = math.ceil(steps.size / STRETCHES)
    if size == 1:
        return steps, values
    starts = np.arange(0, steps.size, size)
    low, high = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    return np.repeat(steps[starts], 2), np.column_stack((low, high)).ravel()


def _corners(steps: Floats, values: Floats) -> Floats:
    """Two opposite corners, (2, 2), of what the axes must show of the raw values."""
    shown = values[np.isfinite(values)]
    low = np.quantile(shown, 0.001, method="lower")
    high = np.quantile(shown, 0.999, method="higher")
    return np.array([[steps[0], low], [steps[-1], high]])


def _mark_rates(ax: Axes, curves: list[Curve]) -> None:
    """A dashed line where the rate changes: grey, unless it is of one run among several."""
    grey = "0.35"
    colours: dict[tuple[float, float], str] = {}
    for number, curve in enumerate(curves):
        changes = [
            (step, rate)
            for (_, before), (step, rate) in itertools.pairwise(curve.rates)
            if rate != before and curve.steps[0] < step <= curve.steps[-1]
        ]
        for change in changes if len(changes) <= MOST_MARKS else []:
            shared = change in colours or len(curves) == 1
            colours[change] = grey if shared else COLOURS[number % len(COLOURS)]
    font: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "top", "fontsize": "small"}
    at_top = ax.get_xaxis_transform()
    for (step, rate), colour in colours.items():
        ax.axvline(step, color=colour, linewidth=0.8, linestyle=(0, (6, 4)), zorder=1.5)
        name = f"rate {rate:g}"
        ax.annotate(name, (step, 1), (-3, 0), at_top, "offset points", color=grey, **font)
