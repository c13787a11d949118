"""Drawing loss curves: several runs, or logs of other programs, in one picture.

Figures are made with matplotlib's objects alone: no window system, no pyplot, no global state.
Only the module ``window`` opens windows.
"""

import logging
import math
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    StrMethodFormatter,
)
from matplotlib.typing import LineStyleType

from npnet.base.arguments import PATH, SIZE, SWITCH, TEXT, TEXTS, Kind, an, checked
from npnet.base.arrays import Floats, Ints
from npnet.base.errors import InputError
from npnet.base.files import replacing
from npnet.plotting.curves import DEV, TEST, TRAIN, TRAIN_SET, VALIDATION, Reading
from npnet.plotting.drawn import LARGE, Drawn, changes_of, drawn, limits, notes_of
from npnet.plotting.loss_logs import DEFAULT, Source, read_curve
from npnet.plotting.smoothing import parsed, smooth

__all__ = ["Reading", "draw", "gaps", "losses", "save", "smooth"]

# The colours of Okabe and Ito, which people with any common kind of colour blindness can tell
# apart, without yellow, which is too pale for a line on white. The first three also differ in
# lightness.
COLOURS = ("#0072B2", "#E69F00", "#000000", "#009E73", "#D55E00", "#56B4E9", "#CC79A7")
# Dashes, in line widths. Seven colours and four styles give 28 different runs.
STYLES: tuple[LineStyleType, ...] = ("-", (0, (4, 1.2)), (0, (1, 0.8)), (0, (5, 1.2, 1, 1.2)))
# Dashes and marks for the curves that are not the losses of minibatches.
SPLIT_STYLES: dict[str, LineStyleType] = {
    VALIDATION: (0, (2, 1.5)),
    DEV: (0, (2, 1.5)),
    TEST: (0, (1, 1)),
    TRAIN_SET: (0, (6, 1.5)),
}
SPLIT_MARKERS = {VALIDATION: "s", DEV: "s", TEST: "D", TRAIN_SET: "^"}
# The raw losses of a longer run are drawn as the lowest and the highest loss of each of this many
# stretches. That is as fine as a screen can show, and at most 60 KB of SVG.
STRETCHES = 1000
# A rate that changes more often than this has no marks: they would hide the curves.
MOST_MARKS = 8
# With at most this many windows, the gap of each has a mark.
FEW_WINDOWS = 40
LONGEST_LABEL = 80  # characters in one line of the legend
# With at most this many runs, the best loss is written beside its mark.
FEW_RUNS = 3
FORMATS = (".png", ".svg", ".pdf")
# Units of a time axis, in seconds. The longest run lasts at least two of the chosen unit.
CLOCK = ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))

logger = logging.getLogger("npnet")


@checked(
    ax=Kind("matplotlib's Axes", lambda got: hasattr(got, "update_datalim")),
    log=SWITCH,
    window=SIZE,
    smoothing=TEXT,
    labels=TEXTS,
    reading=an(Reading, "an npnet.plotting.curves.Reading"),
    join=SWITCH,
    x=TEXT,
    title=TEXT,
)
def losses(
    sources: Source | Iterable[Source],
    ax: Axes | None = None,
    *,
    log: bool = False,
    window: int | None = None,
    smoothing: str | None = None,
    labels: str | Iterable[str] | None = None,
    reading: Reading = DEFAULT,
    join: bool = False,
    x: str = "step",
    title: str | None = None,
) -> Axes:
    """Draw the loss curves of one or several runs: raw values faint, moving means strong.

    A source is a run in memory (what ``fit`` returns), a run's folder, a log of any program
    (``npnet help plots`` lists the kinds), a list or array of losses, a frame, a mapping of
    columns, or a mapping from names to any of these. Validation losses are a second curve of
    their run. Changes of the rate are marked by dashed lines, the best step by a ring, the step
    at which a run diverged by a cross; split losses are in the legend. The axes show every
    smooth curve; raw values beyond them are cut off. If a log was changed, for example its parts
    joined, the logger ``npnet`` says so.

    Args:
        ax: axes to draw into, in one call; None: the axes of a new figure.
        log: whether the axis of the losses is logarithmic. The means are the same in both cases.
        window: steps in one mean; None: 1,000, or fewer for runs of few points. See ``smooth``.
        smoothing: instead of ``window``: ``"ema:0.99"`` for TensorBoard's mean, ``"none"``.
        labels: names of the runs; by default what differs between them, or folder and file names.
        reading: how to read the logs, where they do not say it.
        join: draw all sources as parts of one run; if two parts have the same step, the later one.
        x: ``step``, ``time`` or ``examples``.
        title: the title of a new figure.

    Raises:
        InputError: a source cannot be read, is empty, has no loss that can be drawn or does not
            say which its losses are, or the arguments do not fit each other.
    """
    weight = None
    if smoothing is not None:
        if window is not None:
            raise InputError("losses: window and smoothing, wanted one of them")
        window, weight = parsed(smoothing)
    curves = drawn(
        sources, window=window, weight=weight, labels=labels, reading=reading, join=join, x=x
    )
    for note in notes_of(curves):
        logger.warning(note)
    return draw(curves, ax, log=log, x=x, title=title)


def draw(
    curves: Sequence[Drawn],
    ax: Axes | None = None,
    *,
    log: bool = False,
    x: str = "step",
    title: str | None = None,
    new_figure: Callable[..., Figure] | None = None,
) -> Axes:
    """Draw curves that ``drawn`` has read; the other arguments are those of ``losses``.

    ``new_figure`` makes the figure if it is for a window. Every loss is then drawn, so that users
    can zoom in. Otherwise only as many losses are drawn as a picture can show.

    Raises:
        InputError: with ``log``, no loss above 0.
    """
    shown = limits(curves, log=log)
    if shown is None:
        raise InputError(f"losses: {curves[0].run}: no finite loss above 0, wanted one for --log")
    runs = len({each.number for each in curves})
    validated = any(each.curve.split not in (TRAIN, TRAIN_SET, DEV) for each in curves)
    measured = any(each.curve.split == DEV for each in curves)
    if ax is None:
        ax = _new_axes(sum(_label(each).count("\n") + 1 for each in curves), new_figure)
        what = "Training and dev loss" if measured else "Training loss"
        what = "Training and validation loss" if validated else what
        heading = _plain(what if title is None else title)
        ax.figure.figure.suptitle(heading, x=0.01, ha="left", fontsize="medium")
    if log:
        ax.set_yscale("log")
    unit, called = _unit(curves, x)
    ends = [each.raw_x[i] / unit for each in curves for i in (0, -1)]
    ax.update_datalim([(min(ends), shown[0]), (max(ends), shown[1])])
    ax.autoscale_view()
    whole = new_figure is not None
    handles = [_draw_curve(ax, each, unit, runs, log=log, whole=whole) for each in curves]
    for each in {each.number: each for each in curves}.values():  # the last curve of each run
        _mark_best(ax, each, unit, runs, log=log)
    if x == "step":
        _mark_rates(ax, curves)
    ax.grid(color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.set(xlabel=called, ylabel="loss")
    _set_ticks(ax, log=log, whole=x != "time" and max(ends) >= 10)
    # Above the axes: a legend inside them would hide parts of curves.
    ax.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, handlelength=3
    )
    return ax


def _draw_curve(ax: Axes, each: Drawn, unit: float, runs: int, *, log: bool, whole: bool) -> Line2D:
    """Draw the raw and the smooth line of a curve and its marks; return the line for the legend."""
    curve, training = each.curve, each.curve.split == TRAIN
    colour = COLOURS[each.number % len(COLOURS)]
    style = STYLES[each.number % len(STYLES)] if training else SPLIT_STYLES[curve.split]
    if each.low is not None and each.high is not None:
        low, high = (_positive(values, log=log) for values in (each.low, each.high))
        ax.fill_between(each.x / unit, low, high, color=colour, alpha=0.2, linewidth=0, zorder=1)
    elif training and not _same(each):
        # Dense raw lines fill an area; sparse ones leave white between them. The raw lines of
        # several runs overlap, and are fainter, so that the means can be seen.
        ink = (0.3 if curve.losses.size > STRETCHES else 0.4) / runs
        outline = each.raw_x / unit, _positive(curve.losses, log=log)
        outline = outline if whole else _outline(*outline)
        # plot would let the raw values set the limits of the axes.
        ax.add_artist(Line2D(*outline, linewidth=0.5, color=colour, alpha=ink)).set_zorder(1)
    means = _positive(each.means, log=log)
    line = Line2D(each.x / unit, means, linewidth=1.6, color=colour, linestyle=style)
    if np.isfinite(means).sum() == 1:  # one point gives no line: it needs a dot
        line.set(marker="o", markersize=4)
    elif not training:
        often = max(1, means.size // 30)
        line.set(marker=SPLIT_MARKERS[curve.split], markersize=3.5, markevery=often)
        line.set_markerfacecolor("white")
    ax.add_artist(line)
    if curve.diverged is not None:
        _mark_end(ax, each, unit, colour, means)
    line.set_label(_label(each))
    return line


def _label(each: Drawn) -> str:
    """The text of a curve in the legend, in one or two lines."""
    curve, training = each.curve, each.curve.split == TRAIN
    names = [each.run] if training else [f"{each.run}, {curve.split}"]
    if curve.members and training:
        names.append(f"mean and range of {len(curve.members)} seeds")
    told = [
        f"{split} {loss:.2f}" if abs(loss) < LARGE else f"{split} {loss:.3g}"
        for split, loss in curve.split_losses.items()
    ]
    if curve.diverged is not None:
        told.append(f"diverged at step {curve.diverged:,.10g}")
    label = "  ".join([*names, *told])
    # a longer line would be cut off, or make the axes too small
    if told and len(label) > LONGEST_LABEL:
        label = "  ".join(names) + "\n" + "  ".join(told)
    return _plain(label)


def _same(each: Drawn) -> bool:
    """Whether the smooth curve is the raw one."""
    return each.means.size == each.curve.losses.size and np.array_equal(
        each.means, each.curve.losses, equal_nan=True
    )


def _positive(values: Floats, *, log: bool) -> Floats:
    """The values above 0, which a logarithmic axis can show; nan for the others."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(values) & ((values > 0) | (not log)), values, np.nan)


def _mark_end(ax: Axes, each: Drawn, unit: float, colour: str, means: Floats) -> None:
    """Draw a cross where a run diverged: at its last mean, or at the border of the axes."""
    finite = means[np.isfinite(means)]
    low, high = ax.get_ylim()
    height = min(max(float(finite[-1]) if finite.size else high, low), high)
    place = each.raw_x[np.searchsorted(each.curve.steps, each.curve.diverged or 0)] / unit
    cross = Line2D([place], [height], linestyle="", marker="X", markersize=8, color=colour)
    cross.set(markeredgecolor="white", clip_on=False)
    ax.add_artist(cross).set_zorder(3)


def _mark_best(ax: Axes, each: Drawn, unit: float, runs: int, *, log: bool) -> None:
    """Draw a ring at a run's lowest point, on its validation curve if it has one."""
    best = each.best
    if best is None or (log and best[1] <= 0) or each.means.size < 2:
        return
    step, loss = best
    low, high = ax.get_ylim()
    if not low <= loss <= high:
        return
    colour = COLOURS[each.number % len(COLOURS)]
    place = each.raw_x[np.searchsorted(each.curve.steps, step)] / unit
    ring = Line2D([place], [loss], linestyle="", marker="o", markersize=6, color=colour)
    ring.set(markerfacecolor="none", markeredgewidth=1.2, clip_on=False)
    ax.add_artist(ring).set_zorder(3)
    if runs <= FEW_RUNS:
        font: dict[str, Any] = {"ha": "right", "va": "bottom", "fontsize": "small"}
        place_and_way = ((place, loss), (0, 5), "data", "offset points")
        text = ax.annotate(f"{loss:.3g}", *place_and_way, color=colour, **font)
        text.set(annotation_clip=True, in_layout=False)


def _unit(curves: Sequence[Drawn], x: str) -> tuple[float, str]:
    """The divisor of the x values, and the name of the axis."""
    if x != "time":
        return 1.0, x
    longest = max(float(each.raw_x[-1]) for each in curves)
    size, name = next((size, name) for size, name in CLOCK if longest >= 2 * size or size == 1)
    return size, name


def _set_ticks(ax: Axes, *, log: bool, whole: bool) -> None:
    if whole:
        locator = MaxNLocator(steps=[1, 2, 2.5, 5, 10], integer=True, min_n_ticks=1)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    if log:
        low, high = ax.get_ylim()
        narrow = high < 10 * low
        ax.yaxis.set_major_locator(MaxNLocator(6) if narrow else LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_minor_formatter(NullFormatter())


def _plain(text: str) -> str:
    """The text with escapes, so that matplotlib does not read it as mathematics."""
    return text.replace("$", r"\$")


def gaps(
    pair: tuple[Source, Source],
    *,
    limit: float = 0,
    window: int = 1000,
    labels: tuple[str, str] | None = None,
) -> Figure:
    """Draw two runs with the same steps: above, their loss curves; below, the gap of the losses.

    The gap is the absolute difference, on a logarithmic axis. The gap of each step is a faint line,
    the largest gap of each window a strong line, and the largest of all a dot. Steps with equal
    losses, or with a loss that is not finite, have no gap; the legend says how many are equal.

    Args:
        pair: two sources as ``losses`` takes them.
        limit: a gap to mark with a line; 0 for no line.
        window: steps in one window, in both pictures.
        labels: names of the two runs in the legend.

    Raises:
        InputError: as ``losses``, or the two runs have different steps.
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
    losses(list(pair), top, window=window, labels=labels).set_xlabel("")
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


@checked(path=PATH)
def save(axes: Axes | Figure, path: str | os.PathLike[str]) -> None:
    """Write the figure that ``axes`` belongs to as PNG, SVG or PDF, by the suffix of ``path``.

    The same picture gives the same bytes. An existing file is replaced only when the new one is
    complete.

    Raises:
        InputError: another suffix, or the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"save: {path}, wanted a name that ends in .png, .svg or .pdf")
    # By default, matplotlib writes the date into an SVG or a PDF, and random names into an SVG.
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix, {})
    fixed = mpl.rc_context({"svg.hashsalt": "npnet"})
    with replacing(path) as temporary, fixed, warnings.catch_warnings():
        # A letter that the font does not have is drawn as a box; a warning is not needed.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        axes.figure.figure.savefig(temporary, format=suffix[1:], dpi=160, metadata=metadata)


def _windows(steps: Floats, window: int) -> tuple[Ints, Floats]:
    """The index in ``steps`` at which each window begins, and its middle step."""
    starts = np.flatnonzero(np.diff(steps // window, prepend=-np.inf))
    ends = np.append(starts, steps.size)[1:] - 1
    return starts, (steps[starts] + steps[ends]) / 2


def _new_axes(lines: int, new_figure: Callable[..., Figure] | None = None) -> Axes:
    """The axes of a new figure, which is taller if its legend has more lines."""
    options: dict[str, Any] = {"figsize": (8, 4.3 + 0.2 * lines), "layout": "constrained"}
    if new_figure is not None:
        return _clear(new_figure(**options).add_subplot())
    figure = Figure(**options)
    FigureCanvasAgg(figure)
    return _clear(figure.add_subplot())


def _clear(ax: Axes) -> Axes:
    ax.margins(x=0.01)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _draw_gap(ax: Axes, steps: Floats, apart: Floats, window: int) -> None:
    """Draw gaps (nan: no gap): each of them, the largest of each window, and the largest."""
    # a line would break at every step with equal losses: marks are drawn instead
    few = apart.size <= STRETCHES
    style: dict[str, Any] = {"ls": "", "marker": ".", "ms": 3} if few else {"lw": 0.5}
    ax.plot(*_outline(steps, apart), color=COLOURS[2], alpha=0.3, **style)
    starts, centres = _windows(steps, window)
    name = f"largest of {window:,} steps" if window > 1 else "every step"
    line = ax.plot(centres, np.fmax.reduceat(apart, starts), color=COLOURS[2], lw=1.2, label=name)
    line[0].set_drawstyle("steps-mid")
    if starts.size <= FEW_WINDOWS:  # so few points hardly give a visible line
        line[0].set(marker="o", markersize=3)
    worst = int(np.nanargmax(apart))
    name = f"largest: {apart[worst]:.2g} at step {steps[worst]:,.0f}"
    ax.plot(steps[worst], apart[worst], "o", ms=4, color=COLOURS[4], label=name)


def _outline(steps: Floats, values: Floats) -> tuple[Floats, Floats]:
    """At most 2 × STRETCHES points, whose line looks the same as the line through all points."""
    size = math.ceil(steps.size / STRETCHES)
    if size == 1:
        return steps, values
    starts = np.arange(0, steps.size, size)
    low, high = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    return np.repeat(steps[starts], 2), np.column_stack((low, high)).ravel()


def _mark_rates(ax: Axes, curves: Sequence[Drawn]) -> None:
    """Draw a dashed line at each change of the rate, in the run's colour if the runs differ."""
    grey = "0.35"
    runs = len({each.number for each in curves})
    colours: dict[tuple[float, float], str] = {}
    for each in curves:
        changes = changes_of(each.curve)
        for change in changes if len(changes) <= MOST_MARKS else []:
            shared = change in colours or runs == 1
            colours[change] = grey if shared else COLOURS[each.number % len(COLOURS)]
    font: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "top", "fontsize": "small"}
    at_top = ax.get_xaxis_transform()
    for (step, rate), colour in colours.items():
        ax.axvline(step, color=colour, linewidth=0.8, linestyle=(0, (6, 4)), zorder=1.5)
        name = f"rate {rate:g}"
        ax.annotate(name, (step, 1), (-3, 0), at_top, "offset points", color=grey, **font)
