"""Drawing the ratios of npnet's benchmark over sizes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from npnet.plotting.plots import COLOURS, STYLES
from oracle.timing import Pair, quartiles

MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def ratios(pairs: Sequence[Pair]) -> Axes:
    """Draw torch's time for a step divided by npnet's over H, with a line for each batch size.

    Args:
        pairs: rows of the table of sizes, one or more. Marks are the medians of the processor time;
            bars go from the lower to the upper quartile.

    Returns:
        The axes, in a new figure; ``npnet.plots.save`` writes it.
    """
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    for number, batch in enumerate(sorted({pair.batch for pair in pairs})):
        line = [pair for pair in pairs if pair.batch == batch]
        lower, median, upper = np.transpose([quartiles(pair.ratios[:, 0]) for pair in line])
        ax.errorbar(
            [pair.hidden for pair in line],
            median,
            [median - lower, upper - median],
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            linestyle=STYLES[number % len(STYLES)],
            capsize=3,
            label=f"n = {batch}",
        )
    widths = sorted({pair.hidden for pair in pairs})
    ax.set_xscale("log", base=2)
    ax.set_xticks(widths, [str(width) for width in widths])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(bottom=0)
    ax.axhline(1, color="0.35", linewidth=0.8, linestyle=(0, (6, 4)))
    ax.annotate("as fast as torch", (0, 1), (3, 3), ("axes fraction", "data"), "offset points")
    ax.set(xlabel="hidden units, H", ylabel="torch eager's time over npnet's")
    ax.spines[["top", "right"]].set_visible(False)
    # Above the axes, so that it hides no line.
    ax.legend(
        title="rows of a minibatch",
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=4,
        frameon=False,
        handlelength=4,
    )
    return ax
