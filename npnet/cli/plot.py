"""`npnet plot`: loss curves of runs and of other programs' logs."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from npnet.base.errors import InputError
from npnet.cli.output_files import check_new_file, check_new_picture, same_file
from npnet.cli.parser import OUT, SEPARATOR, WATCH, add_force, add_json, whole_number
from npnet.cli.watch import watch
from npnet.training.runs import ROOT, newest


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    plot = commands.add_parser(
        "plot",
        help="loss curves of runs and of other programs' logs in one picture",
        description="Draw the loss curves of runs and of other programs' logs, of any kind that "
        "`npnet help plots` lists, and print their figures. An existing picture is replaced only "
        "with --force, unless it is in the folder of a run.",
    )
    plot.add_argument(
        "runs", nargs="*", metavar="RUN|LOG", help="- for standard input (default: the newest run)"
    )
    plot.add_argument(
        "--out",
        type=Path,
        default=Path("loss.png"),
        metavar="FILE",
        help=f"{OUT} (default: loss.png)",
    )
    _add_reading(plot)
    _add_drawing(plot)
    plot.add_argument(
        "--data", type=Path, metavar="CSV", help="also write what is drawn into this file"
    )
    plot.add_argument("--show", action="store_true", help="also open a window to zoom in")
    plot.add_argument("--watch", action="store_true", help=WATCH)
    add_force(plot)
    add_json(plot)
    plot.set_defaults(command=plot_command)


def _add_reading(plot: argparse.ArgumentParser) -> None:
    plot.add_argument(
        "--loss",
        action="append",
        metavar="COLUMN",
        help="column of the losses, by its title or number; may be given many times",
    )
    plot.add_argument(
        "--step",
        metavar="COLUMN",
        help="column of the steps, by its title or number; row to number the rows",
    )
    plot.add_argument("--separator", metavar="CHARACTER", help=SEPARATOR)
    plot.add_argument(
        "--losses-are",
        choices=("plain", "log10"),
        help="what the logs contain, if they could be either",
    )
    plot.add_argument(
        "--join", action="store_true", help="all logs are parts of one run, in this order"
    )


def _add_drawing(plot: argparse.ArgumentParser) -> None:
    plot.add_argument(
        "--label",
        action="append",
        metavar="NAME",
        help="name of a run in the legend; one for each run, in their order",
    )
    plot.add_argument("--title", metavar="TEXT", help="title of the picture")
    plot.add_argument("--log", action="store_true", help="a logarithmic axis")
    plot.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    plot.add_argument(
        "--window",
        type=whole_number,
        metavar="N",
        help="steps that each point averages (default: 1000, fewer for runs of few points)",
    )
    plot.add_argument(
        "--smooth",
        metavar="MEAN",
        help="ema:0.99 for an exponential mean with this weight of the past; none for no mean",
    )
    plot.add_argument(
        "--x",
        choices=("step", "time", "examples"),
        default="step",
        help="the horizontal axis (default: step)",
    )


def plot_command(options: argparse.Namespace) -> int:
    """`npnet plot`."""
    from npnet.plotting import drawn, plots, window
    from npnet.plotting.curves import Reading
    from npnet.plotting.smoothing import parsed

    if options.plain:
        print("npnet plot: --plain is not needed any more: --log is the other", file=sys.stderr)
    _check(options)
    width, weight = options.window, None
    if options.smooth is not None:
        if width is not None:
            raise InputError("plot: got --window and --smooth, wanted one of them")
        width, weight = parsed(options.smooth)
    sources = options.runs or [newest(ROOT, several=True)]

    def read() -> list[drawn.Drawn]:
        return drawn.drawn(
            sources,
            window=width,
            weight=weight,
            labels=options.label,
            reading=Reading(
                tuple(options.loss or ()), options.step, options.separator, options.losses_are
            ),
            join=options.join,
            x=options.x,
        )

    def draw(curves: list[drawn.Drawn]) -> str:
        figure = window.open_figure if options.show else None
        axes = plots.draw(
            curves, log=options.log, x=options.x, title=options.title, new_figure=figure
        )
        plots.save(axes, options.out)
        if options.data:
            drawn.write_data(curves, options.data)
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        return f"{options.out}\n{drawn.text_of(curves, columns)}"

    if options.watch:
        return watch(sources, read, draw)
    curves = read()
    notes = drawn.notes_of(curves)
    for note in notes:
        print(f"npnet: {note}", file=sys.stderr)
    text = draw(curves)
    if options.json:
        figures = {"file": str(options.out), "curves": drawn.rows_of(curves), "notes": notes}
        print(json.dumps(figures, ensure_ascii=False, indent=2))
    else:
        print(text, flush=True)
    if options.show:
        window.show()
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse impossible options before anything is read."""
    check_new_picture(options.out, force=options.force, who="--out")
    if options.data:
        check_new_file(options.data, force=options.force, who="--data")
        same = [name for name in (options.out, *options.runs) if same_file(name, options.data)]
        if same:
            raise InputError(
                f"--data: got {options.data}, which is the "
                f"{'picture' if same[0] == options.out else 'log'} too, wanted another name"
            )
    if options.watch:
        for name in ("show", "json"):
            if getattr(options, name):
                raise InputError(f"--watch: got --{name} as well, wanted one of them")
        if "-" in options.runs:
            raise InputError("--watch: got standard input, wanted files: it cannot be read again")
