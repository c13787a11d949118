"""`npnet bench`: how long npnet's own work takes on this machine."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from typing import Any

from npnet.base import blas
from npnet.base.errors import InputError
from npnet.base.tables import table_row
from npnet.bench import growth, recover
from npnet.bench import steps as bench
from npnet.cli.parser import (
    BATCH,
    HIDDEN,
    SECONDS,
    add_json,
    add_threads,
    number,
    whole_number,
)
from npnet.cli.terminal import fit, wrap
from npnet.cli.word_options import add_word_options, words_from
from npnet.corpora.words import FEWEST_WORDS


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "bench",
        help="how long training, evaluation and sampling take on this machine",
        description="Time a training step, each part of it, and what else npnet does. To compare "
        "with torch: oracle bench.",
    )
    parser.add_argument(
        "--hidden", type=whole_number, default=200, metavar="H", help=f"{HIDDEN} (default: 200)"
    )
    parser.add_argument(
        "--batch", type=whole_number, default=32, metavar="n", help=f"{BATCH} (default: 32)"
    )
    add_threads(parser)
    parser.add_argument(
        "--seconds", type=number, default=1.0, metavar="S", help=f"{SECONDS} (default: 1)"
    )
    add_word_options(parser)
    parser.add_argument(
        "--growth",
        nargs="?",
        type=_sizes,
        const=growth.SIZES,
        metavar="SIZES",
        help="instead: time and memory for corpora of these numbers of sampled names "
        f"(default: {','.join(map(str, growth.SIZES))}, which takes half a minute)",
    )
    parser.add_argument(
        "--recover",
        action="store_true",
        help="instead: the time for each seed that npnet recover tries, and the memory it needs",
    )
    add_json(parser)
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
    if options.recover:
        return _recover(options)
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
        print(json.dumps({**about, **figures._asdict()}, indent=1))
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
    total = sum(figures.pieces.values())
    print(f"\nthe step itself, in npnet/network/fast.py: {total * 1e6:.1f} µs")
    _shares(total, figures.pieces.items())
    return 0


def header(machine: dict[str, str], threads: int) -> Iterator[str]:
    """Lines on the machine, with advice if its BLAS uses narrower kernels than the CPU has."""
    yield f"{machine['CPU']}, threads: {threads}"
    yield ", ".join(f"{name} {value}" for name, value in machine.items() if name != "CPU")
    if advice := blas.advice():
        yield wrap(advice)


def _shares(total: float, rows: Iterable[tuple[str, float]]) -> None:
    for text, seconds in rows:
        print(fit(f"{seconds * 1e6:9.2f} µs {seconds / total:6.1%}  {text}"))


def _recover(options: argparse.Namespace) -> int:
    costs = recover.recover_costs(options.seconds)
    if options.json:
        rows = [cost._asdict() for cost in costs]
        print(json.dumps({"machine": bench.machine(), "rows": rows}, indent=1))
        return 0
    print("\n".join(header(bench.machine(), 1)))
    print("processor time for each seed; for all 2^32 on one core; peak memory of the process")
    for cost in costs:
        full = f"{cost.full * 60:5.0f} min {cost.peak / 1e6:6.0f} MB"
        print(f"{cost.seconds * 1e6:6.2f} µs {full}  {cost.what}")
    return 0


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
    print(_growth_line("names", "different", "examples", *names, "npnet train"))


def _growth_row(row: growth.Growth) -> None:
    counts = (f"{count:,}" for count in (row.names, row.different, row.examples))
    parts = (f"{phase.seconds:.3f} /{phase.peak / 1e6:4.0f}" for phase in row.phases)
    print(_growth_line(*counts, *parts, f"{row.train / 1e6:.0f}"), flush=True)


def _growth_line(*cells: str) -> str:
    widths = (9, 9, 10, *[13] * (len(cells) - 3))
    return table_row(cells, ">" * len(cells), widths)
