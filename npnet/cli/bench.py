"""`npnet bench`: what npnet's own work costs on this machine."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from npnet.base import blas
from npnet.base.errors import InputError
from npnet.bench import growth
from npnet.bench import steps as bench
from npnet.cli.terminal import width
from npnet.cli.word_options import add_word_options, words_from
from npnet.corpora.words import FEWEST_WORDS

SHARE = 0.01  # of the step: lines in a row that each take less are shown as one
WIDEST = 100  # columns, where the terminal does not say


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "bench",
        help="what training, evaluation and sampling cost on this machine",
        description="Time a training step, where in it the time goes, and what else npnet does. "
        "Against torch: oracle bench.",
    )
    parser.add_argument("--hidden", type=int, default=200, metavar="H", help="default: 200")
    parser.add_argument("--batch", type=int, default=32, metavar="n", help="default: 32")
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="of the BLAS (default: 1); with more, the wall clock is read",
    )
    parser.add_argument(
        "--seconds", type=float, default=1.0, metavar="S", help="for each figure (default: 1)"
    )
    add_word_options(parser)
    parser.add_argument(
        "--growth",
        nargs="?",
        type=_sizes,
        const=growth.SIZES,
        metavar="SIZES",
        help="instead: time and memory for corpora of so many sampled names, such as 1000,5000 "
        f"(default: {','.join(map(str, growth.SIZES))}; half a minute)",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(command=bench_command)


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(size) if size.isdecimal() else 0 for size in text.split(","))
    if min(sizes) < FEWEST_WORDS:
        wanted = f"whole numbers of {FEWEST_WORDS} or more, such as 1000,5000"
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted {wanted}")
    return sizes


def bench_command(options: argparse.Namespace) -> int:
    """`npnet bench`."""
    if options.threads < 1:
        raise InputError(f"--threads: got {options.threads}, wanted 1 or more")
    if options.growth is not None:
        return _growth(options)
    machine = bench.machine()
    figures = bench.bench(
        words_from(options),
        hidden=options.hidden,
        batch=options.batch,
        seconds=options.seconds,
        threads=options.threads,
    )
    if options.json:
        about = {"machine": machine, "advice": blas.advice(), "threads": options.threads}
        about |= {"hidden": options.hidden, "batch": options.batch}
        lines = [line._asdict() for line in figures.lines]
        print(json.dumps({**about, **figures._asdict(), "lines": lines}, indent=1))
        return 0
    print("\n".join(header(machine, options.threads)))
    print(f"medians of the {figures.clock} time")
    for name, seconds in figures.work.items():
        print(f"{seconds * 1e3:9.2f} ms  {name}")
    print(
        f"\ntraining, H={options.hidden} n={options.batch}: {figures.step * 1e6:.1f} µs a step, "
        f"{1 / figures.step:,.0f} steps a second"
    )
    _shares(figures.step, figures.parts.items())
    total = sum(line.seconds for line in figures.lines)
    print(f"\nthe step, line by line as in npnet/network/fast.py: {total * 1e6:.1f} µs")
    _shares(total, _grouped(figures.lines, SHARE * total))
    return 0


def header(machine: dict[str, str], threads: int) -> Iterator[str]:
    """The machine in lines, and what to do if its BLAS uses narrower kernels than it could."""
    yield f"{machine['CPU']}, threads: {threads}"
    yield ", ".join(f"{name} {value}" for name, value in machine.items() if name != "CPU")
    if advice := blas.advice():
        yield from textwrap.wrap(advice, width())


def _shares(total: float, rows: Iterable[tuple[str, float]]) -> None:
    columns = shutil.get_terminal_size((WIDEST, 0)).columns if sys.stdout.isatty() else WIDEST
    for text, seconds in rows:
        shown = f"{seconds * 1e6:9.2f} µs {seconds / total:6.1%}  {text}"
        print(shown if len(shown) <= columns else f"{shown[: columns - 1]}…")


def _grouped(lines: list[bench.Line], least: float) -> Iterator[tuple[str, float]]:
    """The lines, those in a row that take less than ``least`` as one."""
    small: list[bench.Line] = []
    for line in [*lines, None]:
        if line is not None and line.seconds < least:
            small.append(line)
            continue
        if small:
            more = f"  (+{len(small) - 1} lines)" if len(small) > 1 else ""
            yield small[0].text + more, sum(each.seconds for each in small)
            small = []
        if line is not None:
            yield line


def _growth(options: argparse.Namespace) -> int:
    names = growth.sampled_names(max(options.growth))
    rows = []
    for size in options.growth:
        row = growth.growth(names[:size])
        rows.append(row)
        if not options.json:
            if len(rows) == 1:
                print("\n".join(header(bench.machine(), 1)))
                _growth_title([phase.name for phase in row.phases])
            _growth_row(row)
    if options.json:
        shown = [
            {**row._asdict(), "phases": [phase._asdict() for phase in row.phases]} for row in rows
        ]
        about = {"machine": bench.machine(), "steps": growth.STEPS}
        print(json.dumps({**about, "rows": shown}, indent=1))
    return 0


def _growth_title(names: list[str]) -> None:
    print(
        "processor seconds / peak megabytes after each part, in one process a corpus; "
        f"training is {growth.STEPS:,} steps"
    )
    print("the last column is the peak of `npnet train` with as many steps")
    cells = [f"{name:>13}" for name in names]
    print(f"{'names':>9} {'different':>9} {'examples':>10}", *cells, f"{'npnet train':>13}")


def _growth_row(row: growth.Growth) -> None:
    cells = [f"{phase.seconds:7.3f} /{phase.peak / 1e6:4.0f}" for phase in row.phases]
    counts = f"{row.names:9,} {row.different:9,} {row.examples:10,}"
    print(counts, *cells, f"{row.train / 1e6:13.0f}", flush=True)
