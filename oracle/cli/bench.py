"""`oracle bench`: the time of npnet's work compared with the same work in torch."""

from __future__ import annotations

import argparse
import json
from typing import Any

from npnet.base.errors import InputError
from npnet.base.suggestions import nearest
from npnet.base.tables import table, table_row
from npnet.cli.bench import header
from npnet.cli.output_files import check_new_picture
from npnet.cli.parser import (
    SECONDS,
    add_force,
    add_json,
    add_old_name,
    add_only,
    add_plot,
    names_of,
    number,
)
from npnet.corpora.known import KNOWN, default_words, find_corpus, known_words
from oracle.bench import ROWS, Setting, machine, measure
from oracle.timing import Memory, Pair, Row, Skipped, figures, quartiles

CORPUS = "names.txt"  # used if it is found; otherwise the corpus that comes with npnet
SLOW = "compile"  # takes half a minute, mostly in the C++ compiler; not in --quick
ALIGNS, WIDTHS = "<<>>><>", (10, 53, 9, 9, 7, 13, 6)
QUICK: dict[str, Any] = {"seconds": 1.0, "train": (1_000,)}

DESCRIPTION = f"""\
Time npnet's work and the same work in torch by turns, in one process with one thread each.
The table has the medians of each side's time and of the ratios round by round, theirs over ours,
with the quartiles of the ratios. All are the processor's time of the process, which other programs
hardly change. The last column is the median ratio by the wall clock.

The rows of the table are {", ".join(ROWS)}.

For AVX2 on both sides, set OPENBLAS_CORETYPE=Haswell ATEN_CPU_CAPABILITY=avx2 in the
environment. The corpus is {CORPUS} if NPNET_CORPORA or the cache folder has it, else the one that
comes with npnet.
"""


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "bench", help="npnet's times compared with torch's", description=DESCRIPTION
    )
    add_only(parser, "eager,sampling")
    add_old_name(parser, "--rows", "--only")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK['seconds']:g} s a row instead of {Setting.seconds:g}, and no {SLOW}: "
        "under a minute",
    )
    parser.add_argument(
        "--seconds",
        type=number,
        metavar="S",
        help=f"{SECONDS} (default: {Setting.seconds:g}; 0 takes each once)",
    )
    add_plot(parser)
    add_force(parser)
    add_json(parser)
    parser.set_defaults(command=bench_command)


def bench_command(options: argparse.Namespace) -> int:
    """`oracle bench`."""
    names = _names(options)
    corpus, words = _words()
    chosen = {} if options.seconds is None else {"seconds": options.seconds}
    setting = Setting(words, **(QUICK if options.quick else {}) | chosen)
    if not options.json:
        print("\n".join(header(machine(), 1)))
        print(f"{corpus}; medians of the processor's time\n")
        print(_line("row", "npnet's time against", "npnet", "theirs", "ratio", "quartiles", "wall"))
    rows: list[Row] = []
    for row in measure(setting, names):
        rows.append(row)
        if not options.json:
            print(_shown(row), flush=True)
    if options.quick and options.only is None:
        rows.append(Skipped(SLOW, "torch.compile", "left out of --quick"))
        if not options.json:
            print(_shown(rows[-1]))
    sizes = [row for row in rows if isinstance(row, Pair) and row.name == "sizes"]
    if options.plot:
        from npnet.plotting import plots
        from oracle.ratio_plot import ratios

        plots.save(ratios(sizes), options.plot)
    if options.json:
        about = {"machine": machine(), "threads": 1, "corpus": corpus}
        print(json.dumps({**about, "rows": [figures(row) for row in rows]}, indent=1))
    elif sizes:
        print(f"\n{_ratios_by_size(sizes)}")
    return 0


def _names(options: argparse.Namespace) -> list[str]:
    """The rows to measure, as the options say."""
    names = names_of(options.only) or list(ROWS)
    if options.only is None and options.quick:
        names.remove(SLOW)
    if unknown := [name for name in names if name not in ROWS]:
        near = nearest(unknown[0], ROWS)
        ending = f": did you mean {near}?" if near else ""
        raise InputError(f"--only: got {unknown[0]!r}, wanted some of {', '.join(ROWS)}{ending}")
    if options.plot:  # checked before minutes of measuring, not after
        check_new_picture(options.plot, force=options.force, who="--plot")
        if "sizes" not in names:
            raise InputError("--plot: the row sizes is left out, wanted it among --only")
    return names


def _words() -> tuple[str, list[str]]:
    """The corpus: its description, and its words."""
    if find_corpus(KNOWN[CORPUS].sha256):
        return CORPUS, known_words(CORPUS)
    return "the corpus that comes with npnet", default_words()


def _line(*cells: str) -> str:
    return table_row(cells, ALIGNS, WIDTHS)


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


def _ratios_by_size(pairs: list[Pair]) -> str:
    """The ratios of the row sizes, one line for each H and one column for each n."""
    ratios = {(pair.hidden, pair.batch): quartiles(pair.ratios[:, 0]).median for pair in pairs}
    widths, batches = (list(dict.fromkeys(sizes)) for sizes in zip(*ratios, strict=True))
    title = ("", *(f"n={batch}" for batch in batches))
    lines = [
        (f"H={width}", *(f"{ratios[width, batch]:.2f}" for batch in batches)) for width in widths
    ]
    return table([title, *lines], "<" + ">" * len(batches))
