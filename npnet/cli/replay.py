"""`npnet replay`: comparing the figures that others printed with ours."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from npnet.base.errors import InputError
from npnet.base.tables import shorten, table_row
from npnet.cli.parser import STEPS, add_json, whole_number
from npnet.cli.progress import progress
from npnet.cli.terminal import wrap
from npnet.cli.word_options import add_words_option, word_file
from npnet.recipes.publication import Publication, find_publication, read_publication, shipped
from npnet.replays.printed_figures import DIFFERS, DRIFT, EQUAL, NEAR, Figure, shortened
from npnet.replays.publication_words import found_files, words_of
from npnet.replays.replay import advice, needed, replay

# The columns of the table. The two middle ones are wide enough for a float64; longer text is cut.
WIDEST = 20
ALIGNS, WIDTHS = "><<<<", (10, WIDEST, WIDEST, 7, 0)
# The words before the step, or the row, of figures that are not plain losses.
SHORT = {"cross_entropy": "fused ", "sum": "sum ", "probs": "probs "}


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "replay",
        help="run a published notebook, compare every figure",
        description="Compute the figures of a published notebook again, and compare each with what "
        "was printed (npnet help replay).",
    )
    parser.add_argument(
        "publication",
        nargs="?",
        metavar="NAME|FILE",
        help=f"{', '.join(shipped())}, or a TOML file (default: list them)",
    )
    parser.add_argument(
        "--steps",
        type=whole_number,
        metavar="N",
        help=f"{STEPS} (default: all; fewer give only the losses of these steps)",
    )
    add_words_option(parser, "found by its SHA-256, in NPNET_CORPORA or the cache folder")
    add_json(parser)
    parser.set_defaults(command=replay_command)


def replay_command(options: argparse.Namespace) -> int:
    """`npnet replay`."""
    if options.publication is None:
        if options.steps is not None or options.words is not None:
            raise InputError(f"replay: no publication, wanted one of {', '.join(shipped())}")
        _list([read_publication(path) for path in shipped().values()], options.json)
        return 0
    publication = find_publication(options.publication)
    if lost := publication.recipe.lost:
        raise InputError(
            f"{publication.file}: the seed of {', '.join(lost)} is lost: "
            f"npnet recover {options.publication} finds it"
        )
    with word_file(options.words) as file:
        words = words_of(publication, file, steps=options.steps)
    if options.json:
        figures = replay(publication, words, steps=options.steps)
        rows = [dataclasses.asdict(figure) for figure in figures]
        name = publication.recipe.name
        told = {"publication": name, "figures": rows, "advice": advice(figures)}
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        print(wrap(f"{publication.recipe.name}: {publication.source}"))
        print(_line("step", "published", "ours", "match"), flush=True)
        steps = publication.recipe.steps
        with progress(min(options.steps or steps, steps)) as shown:
            figures = replay(
                publication,
                words,
                steps=options.steps,
                watch=lambda first, losses: shown.update(first + len(losses)),
                seen=lambda figure: shown.print(_row(figure)),
            )
        for figure in figures:  # known only after a second run
            if figure.match == DRIFT:
                print(_row(figure))
        print("\n".join(_summary(figures, publication.recipe.dtype)))
        if text := advice(figures):
            print(wrap(text))
        if left := _left_out(publication, options.steps, len(figures)):
            print(left)
    return int(not all(figure.reproduced for figure in figures))


def _list(publications: list[Publication], as_json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {
            "name": publication.recipe.name,
            # If there is a corpus, the rows of the batch are also a figure.
            "figures": publication.printed.count + bool(publication.batch and found),
            "steps": needed(publication).steps,
            "corpus": publication.corpus and publication.corpus.name,
            "found": found,
            "rows": bool(publication.batch),
            "source": publication.source,
        }
        for publication in publications
        for found in [found_files(publication)]
    ]
    if as_json:
        print(json.dumps(rows, default=str, indent=2, ensure_ascii=False))
        return
    for row in rows:
        found = f"{row['corpus']} {'found' if row['found'] else 'not found'}"
        needs = "no corpus needed" if row["rows"] else found
        run = f"steps {row['steps']:,}" if row["steps"] > 1 else "the first batch alone"
        print(f"{row['name']}: figures {row['figures']}, {run}, {needs}")
        print(wrap(str(row["source"]), indent="  "))


def _line(first: str, published: str, ours: str, match: str, notes: str = "") -> str:
    cells = first, shorten(published, WIDEST), shorten(ours, WIDEST), match, notes
    return table_row(cells, ALIGNS, WIDTHS)


def _row(figure: Figure) -> str:
    notes = []
    if figure.digits is not None:
        notes.append(f"in {figure.digits} digits")
    if figure.edge:
        notes.append("edge")
    first = figure.what if figure.step is None else SHORT.get(figure.what, "") + str(figure.step)
    return _line(first, figure.published, figure.ours, figure.match, ", ".join(notes))


def _summary(figures: list[Figure], dtype: str) -> Iterator[str]:
    """Lines on how many figures match: the losses (if there are also others), and all."""
    losses = [figure for figure in figures if figure.what == "loss"]
    if losses and len(losses) < len(figures):
        yield f"losses: {_equal(losses, dtype)}"
    near, drifted, differ = (
        sum(figure.match == match for figure in figures) for match in (NEAR, DRIFT, DIFFERS)
    )
    edges = sum(figure.edge for figure in figures)
    yield (
        f"{_equal(figures, dtype)}, {near} within one unit of the last, "
        f"{f'{drifted} within drift, ' if drifted else ''}{differ} differ; "
        f"{edges} on a rounding edge"
    )


def _equal(figures: list[Figure], dtype: str) -> str:
    """How many figures are equal: in all printed digits, or in those that the dtype has."""
    digits = [figure.digits for figure in figures if figure.match == EQUAL]
    text = f"{digits.count(None)} of {len(figures)} equal in every digit"
    held = [count for count in digits if count is not None]
    return text + (f", {len(held)} in the {held[0]} that {dtype} holds" if held else "")


def _left_out(publication: Publication, steps: int | None, shown: int) -> str | None:
    """A line on how many figures the short form leaves out, and how many steps show more."""
    whole, short = publication.printed, shortened(publication, steps).printed
    left = whole.count - short.count
    if not left:
        return None
    later = [step + 1 for step in whole.steps if step not in short.steps]
    more = min(later, default=publication.recipe.steps)
    return f"the first {shown} of {shown + left} figures; more from --steps {more} on"
