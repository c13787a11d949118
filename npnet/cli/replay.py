"""`npnet replay`: what others printed, beside ours."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from npnet.base.arrays import Floats
from npnet.base.errors import InputError
from npnet.cli.terminal import width
from npnet.corpora.known import find_corpus
from npnet.recipes.publication import Publication, find_publication, read_publication, shipped
from npnet.replays.replay import DIFFERS, EQUAL, NEAR, Figure, needed, replay, shortened, words_of

# Widest text of a row's two middle columns: the digits of a float64 fit, a batch's rows do not.
WIDEST = 20


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser("replay", help="run a published notebook, compare every figure")
    parser.add_argument(
        "publication",
        nargs="?",
        metavar="NAME|FILE",
        help=f"{', '.join(shipped())}, or a TOML file (default: list them)",
    )
    parser.add_argument(
        "--steps", type=int, metavar="N", help="short form: only the losses of steps below N"
    )
    parser.add_argument(
        "--words",
        metavar="FILE",
        help="the corpus (default: found by its SHA-256, in NPNET_CORPORA or the cache folder)",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(command=replay_command)


def replay_command(options: argparse.Namespace) -> int:
    """`npnet replay`."""
    if options.publication is None:
        if options.steps is not None or options.words is not None:
            raise InputError(f"replay: no publication, wanted one of {', '.join(shipped())}")
        _list([read_publication(path) for path in shipped().values()], options.json)
        return 0
    publication = find_publication(options.publication)
    words = words_of(publication, options.words, steps=options.steps)
    if options.json:
        figures = replay(publication, words, steps=options.steps)
        rows = [dataclasses.asdict(figure) for figure in figures]
        name = publication.recipe.name
        print(json.dumps({"publication": name, "figures": rows}, indent=2, ensure_ascii=False))
    else:
        print(textwrap.fill(f"{publication.recipe.name}: {publication.source}", width()))
        print(_line("step", "published", "ours", "match"), flush=True)
        whole = publication.recipe.steps
        with _watching(min(options.steps or whole, whole)) as (watch, say):
            figures = replay(
                publication,
                words,
                steps=options.steps,
                watch=watch,
                seen=lambda figure: say(_row(figure)),
            )
        print("\n".join(_summary(figures, publication.recipe.dtype)))
        if left := _left_out(publication, options.steps, len(figures)):
            print(left)
    return int(any(figure.match == DIFFERS for figure in figures))


def _list(publications: list[Publication], as_json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {
            "name": publication.recipe.name,
            # With the corpus, the rows of the batch are a figure too.
            "figures": publication.printed.count + bool(publication.batch and found),
            "steps": needed(publication).steps,
            "corpus": publication.corpus and publication.corpus.name,
            "found": found,
            "rows": bool(publication.batch),
            "source": publication.source,
        }
        for publication in publications
        for found in [publication.corpus and find_corpus(publication.corpus.sha256)]
    ]
    if as_json:
        print(json.dumps(rows, default=str, indent=2, ensure_ascii=False))
        return
    for row in rows:
        found = f"{row['corpus']} {'found' if row['found'] else 'not found'}"
        needs = "no corpus needed" if row["rows"] else found
        run = f"steps {row['steps']:,}" if row["steps"] > 1 else "the first batch alone"
        print(f"{row['name']}: figures {row['figures']}, {run}, {needs}")
        indent = "  "
        source = str(row["source"])
        print(textwrap.fill(source, width(), initial_indent=indent, subsequent_indent=indent))


def _line(*cells: str) -> str:
    first, published, ours, *rest = cells
    shown = f"{first:>10}  {_shorten(published):{WIDEST}}  {_shorten(ours):{WIDEST}}"
    return "  ".join((shown, *rest)).rstrip()


def _shorten(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _row(figure: Figure) -> str:
    notes = []
    if figure.digits is not None:
        notes.append(f"in {figure.digits} digits")
    if figure.edge:
        notes.append("edge")
    first = figure.what if figure.step is None else str(figure.step)
    return _line(first, figure.published, figure.ours, f"{figure.match:7}", ", ".join(notes))


def _summary(figures: list[Figure], dtype: str) -> Iterator[str]:
    """How many figures match: the losses, where there are others too, then all."""
    losses = [figure for figure in figures if figure.what == "loss"]
    if losses and len(losses) < len(figures):
        yield f"losses: {_equal(losses, dtype)}"
    near, differ = (sum(figure.match == match for figure in figures) for match in (NEAR, DIFFERS))
    edges = sum(figure.edge for figure in figures)
    yield (
        f"{_equal(figures, dtype)}, {near} within one unit of the last, {differ} differ; "
        f"{edges} on a rounding edge"
    )


def _equal(figures: list[Figure], dtype: str) -> str:
    """How many are equal: in all digits that were printed, or in as many as the dtype holds."""
    digits = [figure.digits for figure in figures if figure.match == EQUAL]
    text = f"{digits.count(None)} of {len(figures)} equal in every digit"
    held = [count for count in digits if count is not None]
    return text + (f", {len(held)} in the {held[0]} that {dtype} holds" if held else "")


def _left_out(publication: Publication, steps: int | None, shown: int) -> str | None:
    """What the short form did not come to, and how many steps do."""
    whole, short = publication.printed, shortened(publication, steps).printed
    left = whole.count - short.count
    if not left:
        return None
    later = [step + 1 for step in whole.losses if step not in short.losses]
    more = min(later, default=publication.recipe.steps)
    return f"the first {shown} of {shown + left} figures; more from --steps {more} on"


@contextlib.contextmanager
def _watching(
    steps: int,
) -> Iterator[tuple[Callable[[int, Floats], None] | None, Callable[[str], None]]]:
    """How to follow the run and how to print a row: with a bar below, or plainly in a pipe."""
    if not sys.stdout.isatty():
        yield None, lambda row: print(row, flush=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("step {task.completed:,}"), TimeRemainingColumn())
    # A console of its own: rich's takes every terminal for the first that it saw.
    with Progress(*columns, transient=True, console=Console()) as progress:
        task = progress.add_task("replay", total=steps)
        yield (
            lambda first, losses: progress.update(task, completed=first + len(losses)),
            lambda row: progress.console.print(row, markup=False, highlight=False, soft_wrap=True),
        )
