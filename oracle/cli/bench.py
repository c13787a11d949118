"""`oracle bench`: npnet's work beside the same work in torch."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from npnet.base.errors import InputError
from npnet.cli.bench import header
from npnet.corpora.known import KNOWN, default_words, find_corpus, known_words
from oracle.bench import ROWS, Setting, machine, measure
from oracle.timing import Memory, Pair, Row, Skipped, figures, quartiles

CORPUS = "names.txt"  # where it is at hand; else the corpus that comes with npnet
SLOW = "compile"  # half a minute, most of it for the C++ compiler: left out of --quick
QUICK: dict[str, Any] = {"seconds": 1.0, "train": (1_000,)}

DESCRIPTION = f"""\
Time npnet's work and the same work in torch, turn by turn in one process with one thread each.
Printed are the medians of each side's time and of the ratios round by round, theirs over ours,
with the ratios' quartiles; all by the processor's time of the process, which other programs
hardly lengthen. The last column is the median ratio by the wall clock.

rows: {", ".join(ROWS)}

To hold both sides to AVX2, set OPENBLAS_CORETYPE=Haswell ATEN_CPU_CAPABILITY=avx2 in the
environment. The corpus is {CORPUS} if NPNET_CORPORA or the cache folder has it, else the one that
comes with npnet.
"""


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "bench",
        help="npnet's times beside torch's",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", metavar="NAMES", help="some of them, such as eager,sampling")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK['seconds']:g} s a row in place of {Setting.seconds:g}, and no {SLOW}: "
        "under a minute",
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the row sizes, PNG or SVG by the suffix"
    )
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    parser.set_defaults(command=bench_command)


def bench_command(options: argparse.Namespace) -> int:
    """`oracle bench`."""
    names = _names(options)
    corpus, words = _words()
    setting = Setting(words, **(QUICK if options.quick else {}))
    if not options.json:
        print("\n".join(header(machine(), 1)))
        print(f"{corpus}; medians of the processor's time\n")
        print(_line("row", "npnet's time against", "npnet", "theirs", "ratio", "quartiles", "wall"))
    rows: list[Row] = []
    for row in measure(setting, names):
        rows.append(row)
        if not options.json:
            print(_shown(row), flush=True)
    if options.quick and options.rows is None:
        rows.append(Skipped(SLOW, "torch.compile", "left out of --quick"))
        if not options.json:
            print(_shown(rows[-1]))
    table = [row for row in rows if isinstance(row, Pair) and row.name == "sizes"]
    if options.plot:
        from npnet.plotting import plots
        from oracle.ratio_plot import ratios

        plots.save(ratios(table), options.plot)
    if options.json:
        about = {"machine": machine(), "threads": 1, "corpus": corpus}
        print(json.dumps({**about, "rows": [figures(row) for row in rows]}, indent=1))
    elif table:
        print("\n".join(_matrix(table)))
    return 0


def _names(options: argparse.Namespace) -> list[str]:
    """The rows to measure, as the options say."""
    names = list(ROWS) if options.rows is None else options.rows.split(",")
    if options.rows is None and options.quick:
        names.remove(SLOW)
    if unknown := [name for name in names if name not in ROWS]:
        raise InputError(f"--rows: got {unknown[0]!r}, wanted some of {', '.join(ROWS)}")
    if options.plot:
        if options.plot.suffix.lower() not in (".png", ".svg"):
            raise InputError(f"--plot: got {options.plot}, wanted a name in .png or .svg")
        if not options.plot.parent.is_dir():  # before minutes of measuring, not after
            raise InputError(f"--plot: no folder {options.plot.parent}, wanted one that is there")
        if "sizes" not in names:
            raise InputError("--plot: the row sizes is left out, wanted it among --rows")
    return names


def _words() -> tuple[str, list[str]]:
    """The corpus: what it is, and its words."""
    if find_corpus(KNOWN[CORPUS].sha256):
        return CORPUS, known_words(CORPUS)
    return "the corpus that comes with npnet", default_words()


def _line(*cells: str) -> str:
    name, against, ours, theirs, ratio, spread, wall = cells
    times = f"{ours:>9} {theirs:>9} {ratio:>7}  {spread:13} {wall:>6}"
    return f"{name:10} {against:53} {times}"


def _shown(row: Row) -> str:
    if isinstance(row, Memory):
        return f"{row.name:10} {row.what:53} {row.peak / 1e6:6.0f} MB"
    if isinstance(row, Skipped):
        return f"{row.name:10} {row.against:53} skipped: {row.why}"
    ratio, wall = (quartiles(row.ratios[:, clock]) for clock in (0, 1))
    return _line(
        row.name,
        row.against,
        _time(quartiles(row.ours[:, 0]).median),
        _time(quartiles(row.theirs[:, 0]).median),
        f"{ratio.median:.2f}",
        f"{ratio.lower:.2f}..{ratio.upper:.2f}",
        f"{wall.median:.2f}",
    )


def _time(seconds: float) -> str:
    scale, unit = (1e6, "µs") if seconds < 1e-3 else (1e3, "ms")
    return f"{seconds * scale:.4g} {unit}"


def _matrix(table: list[Pair]) -> Iterator[str]:
    """The ratios of the row sizes, H down and n across."""
    ratios = {(pair.hidden, pair.batch): quartiles(pair.ratios[:, 0]).median for pair in table}
    widths, batches = (list(dict.fromkeys(sizes)) for sizes in zip(*ratios, strict=True))
    yield "\n" + " " * 8 + "".join(f"{f'n={batch}':>8}" for batch in batches)
    for width in widths:
        cells = (f"{ratios[width, batch]:8.2f}" for batch in batches)
        yield f"{f'H={width}':8}" + "".join(cells)
