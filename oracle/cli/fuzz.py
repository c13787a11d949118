"""`oracle fuzz`: testing the judge on random networks."""

from __future__ import annotations

import argparse
import json
from typing import Any

from npnet.base.errors import InputError
from npnet.base.tables import table
from npnet.cli.parser import add_json, whole_number
from oracle.fuzz import WAYS, Fuzz, fuzz
from oracle.fuzz_tables import RefusedRow, fuzz_tables
from oracle.networks import LARGE, SMALL
from oracle.threads import one_thread

# At most this many refused and missed gradients are printed; all of them are in the JSON.
SHOWN = 20


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    command = commands.add_parser(
        "fuzz",
        help="random networks: right gradients that the judge refuses, mistakes that it misses",
        description="Judge npnet's gradients of many random networks: sizes from two rows on, "
        "parameters trained, untrained, scaled up and down, and with equal largest logits. Every "
        "second network gets a planted mistake too, every fourth is judged in float64 as well. "
        "With --tables, npnet.Lines is tried in the same way.",
    )
    command.add_argument(
        "--networks",
        type=whole_number,
        default=200,
        metavar="N",
        help="how many networks (default: 200)",
    )
    command.add_argument(
        "--from",
        dest="first",
        type=whole_number,
        default=0,
        metavar="S",
        help="first seed (default: 0)",
    )
    command.add_argument(
        "--large",
        action="store_true",
        help=f"up to {LARGE['n']:,} rows and {LARGE['H']:,} hidden units, not {SMALL['n']} and "
        f"{SMALL['H']}",
    )
    command.add_argument(
        "--tables",
        action="store_true",
        help="random tables of lines and npnet.Lines instead, with sizes of 1, ties, saturated "
        "functions, and several right ways to write each gradient",
    )
    add_json(command)
    command.set_defaults(command=fuzz_command)


@one_thread()
def fuzz_command(options: argparse.Namespace) -> int:
    """`oracle fuzz`."""
    for name, got, least in (("networks", options.networks, 1), ("from", options.first, 0)):
        if got < least:
            raise InputError(f"--{name}: got {got}, wanted {least} or more")
    seeds = range(options.first, options.first + options.networks)
    if options.tables:
        if options.large:
            raise InputError("--large: tables have no sizes to choose, wanted it without --tables")
        return _tables(seeds, options.json)
    largest = LARGE if options.large else SMALL
    result = fuzz(seeds, largest)
    if options.json:
        print(json.dumps(_figures(result, options.first, largest), indent=1))
    else:
        _print(result, options.first, largest)
    return 0 if result.passed else 1


def _tables(seeds: range, as_json: bool) -> int:
    result = fuzz_tables(seeds)
    if as_json:
        rows = [
            {"way": way, "dtype": dtype, "sets": count, "refused": _in(result.refused, way, dtype)}
            for (way, dtype), count in result.sets.items()
        ]
        figures = {"passed": result.passed, "seed": seeds.start, **result._asdict(), "sets": rows}
        figures |= {key: [one._asdict() for one in figures[key]] for key in ("refused", "missed")}
        print(json.dumps(figures, indent=1))
        return 0 if result.passed else 1
    print(
        f"{result.tables:,} random tables, seeds from {seeds.start}; "
        f"{result.overflowed:,} more overflow, and are left out"
    )
    shown = [("right gradients", "sets", "refused")]
    for (way, dtype), count in result.sets.items():
        shown.append((f"{way}, {dtype}", f"{count:,}", str(_in(result.refused, way, dtype))))
    print(table(shown, "<>>"))
    print(f"planted mistakes: {result.planted:,}, missed {len(result.missed)}")
    for title, found in (("refused", result.refused), ("missed", result.missed)):
        for one in found[:SHOWN]:
            about = f"seed {one.seed}, {one.kind}, {one.lines}, {one.way} {one.dtype}"
            print(f"{title}: d{one.gradient}: {about}: {one.reason}")
    return 0 if result.passed else 1


def _in(refused: list[RefusedRow], way: str, dtype: str) -> int:
    """How many sets hold a gradient that was refused."""
    return len({one.seed for one in refused if (one.way, one.dtype) == (way, dtype)})


def _figures(result: Fuzz, seed: int, largest: dict[str, int]) -> dict[str, Any]:
    return {
        "passed": result.passed,
        "networks": result.networks,
        "seed": seed,
        "largest": largest,
        "kinds": result.kinds,
        "right": [
            {
                "way": way,
                "dtype": dtype,
                "sets": result.sets[way, dtype],
                "refused": _refused(result, way, dtype),
                "closest": dict(
                    zip(("share", "gradient", "seed"), result.closest[way, dtype], strict=True)
                ),
            }
            for way, dtype in WAYS
        ],
        "planted": result.planted,
        "refused": [one._asdict() for one in result.refused],
        "missed": [one._asdict() for one in result.missed],
    }


def _refused(result: Fuzz, way: str, dtype: str) -> int:
    """How many sets have a refused gradient."""
    return len({one.seed for one in result.refused if (one.way, one.dtype) == (way, dtype)})


def _print(result: Fuzz, seed: int, largest: dict[str, int]) -> None:
    sizes = " ".join(f"{letter}={size}" for letter, size in largest.items())
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(result.kinds.items()))
    print(f"{result.networks:,} random networks, seeds from {seed}, sizes up to {sizes}; {kinds}")
    rows = [("right gradients", "sets", "refused", "closest to the bound")]
    for way, dtype in WAYS:
        share, gradient, where = result.closest[way, dtype]
        closest = f"{share:.2f} of it, d{gradient}, seed {where}" if gradient else "-"
        sets = result.sets[way, dtype]
        rows.append((f"{way}, {dtype}", f"{sets:,}", str(_refused(result, way, dtype)), closest))
    print(table(rows, "<>><"))
    print(f"planted mistakes: {result.planted:,}, missed {len(result.missed)}")
    for title, found in (("refused", result.refused), ("missed", result.missed)):
        for one in found[:SHOWN]:
            about = f"seed {one.seed}, {one.sizes}, {one.kind}, {one.way} {one.dtype}"
            print(f"{title}: d{one.gradient}: {about}: {one.reason}")
