"""`npnet recover`: finding a lost seed from printed figures."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from npnet.base.errors import InputError
from npnet.cli import recover_notebook
from npnet.cli.output_files import check_new_file
from npnet.cli.parser import SECONDS, add_force, add_json, number, whole_number
from npnet.cli.progress import progress
from npnet.cli.terminal import wrap
from npnet.cli.word_options import add_words_option, word_file
from npnet.cli.workers import add_workers, check_workers, workers_of
from npnet.notebooks.publish import write_publications
from npnet.replays.filled_in import copy_of, write_filled_in
from npnet.replays.lost_seeds import LostSeed, LostSession
from npnet.replays.seed_progress import Progress as Notes
from npnet.replays.seed_progress import State
from npnet.torch_rng.many_seeds import SEEDS

SAID = 60.0  # seconds between two lines, if there is no bar


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "recover",
        help="find a lost seed from printed figures",
        description="Try all 2^32 seeds of torch's generator, and print those that give every "
        "printed figure of one notebook's session.\n\nThe files are publications (npnet help "
        'replay), in the order in which their cells ran; their lost draws have seed = "lost". '
        "Or the file is one notebook: it is run to see what it draws, and its stored outputs are "
        "the figures.",
    )
    parser.add_argument(
        "publications", nargs="+", metavar="FILE", help="publications of a session, or a notebook"
    )
    parser.add_argument(
        "--reruns",
        type=whole_number,
        default=0,
        metavar="K",
        help="try up to K earlier runs of the cell that draws, for each file (default: 0)",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="write copies of the files with seed and skip filled in",
    )
    add_force(parser)
    add_words_option(parser, "found by its SHA-256, in NPNET_CORPORA or the cache folder")
    parser.add_argument(
        "--seconds",
        type=number,
        default=recover_notebook.SECONDS,
        metavar="S",
        help=f"{SECONDS} (default: {recover_notebook.SECONDS:g}; training need only begin)",
    )
    parser.add_argument(
        "--from",
        dest="first",
        type=whole_number,
        default=0,
        metavar="A",
        help="first seed (default: 0)",
    )
    parser.add_argument(
        "--to", dest="last", type=whole_number, metavar="B", help="last seed (default: 2^32 - 1)"
    )
    add_workers(parser)
    parser.add_argument(
        "--progress",
        metavar="FILE",
        help="file for the progress, from which the same command continues (default: named after "
        "the first publication, in this folder)",
    )
    add_json(parser)
    parser.set_defaults(command=recover_command)


def recover_command(options: argparse.Namespace) -> int:
    """`npnet recover`."""
    first, end = _range(options)

    def say(text: str) -> None:
        if not options.json:
            print(text, flush=True)

    with word_file(options.words) as corpus:
        notebook = recover_notebook.published(options.publications, corpus, options.seconds, say)
        if notebook is None:
            session = LostSession(options.publications, reruns=options.reruns, corpus=corpus)
        else:
            session = LostSession(notebook.publications, options.reruns, notebook.words)
    paths = [publication.file for publication in session.publications]
    if options.write:
        for path in [*map(copy_of, paths), *(paths if notebook else ())]:
            check_new_file(path, force=options.force, who="--write")
        for path in write_publications(notebook.publications, Path()) if notebook else ():
            say(f"{path}: what the notebook says of this network")
    expected = session.prospects
    say(wrap(_prospects(expected.first, expected.all)))
    session.check()
    notes = Path(options.progress or _notes_file(session))
    done = end - first - _missing(session, notes, first, end)
    if done:
        say(f"{notes}: {done:,} of {end - first:,} seeds are done already")
    started = time.monotonic()
    try:
        with (
            workers_of(options, "recover") as workers,
            _shown(end - first, done, options.json) as watch,
        ):
            found = session.run(
                first,
                end,
                executor=workers.executor,
                workers=workers.at_once,
                progress=notes,
                watch=watch,
            )
    except KeyboardInterrupt:
        command = shlex.join(["npnet", "recover", *_arguments(options)])
        left = _missing(session, notes, first, end)
        print(
            f"\nnpnet: stopped with {end - first - left:,} of {end - first:,} seeds done; go on "
            f"with: {command}",
            file=sys.stderr,
        )
        return 130
    seconds = time.monotonic() - started
    if options.json:
        told = {
            "seeds": [dataclasses.asdict(each) for each in found],
            "from": first,
            "to": end - 1,
            "expected": {"first": expected.first, "all": expected.all},
            "seconds": round(seconds, 3),
        }
        print(json.dumps(told, indent=2))
    else:
        _report(found, paths, first, end, done, seconds)
        if notebook is not None:
            for each in found:
                command = recover_notebook.rerun(options.publications[0], notebook, each)
                print(f"run it again: {command}")
    if options.write:
        _write(found, paths, say)
    return 0 if found else 1


def _range(options: argparse.Namespace) -> tuple[int, int]:
    """The range of seeds, without its end."""
    last = SEEDS - 1 if options.last is None else options.last
    for name, seed in (("--from", options.first), ("--to", last)):
        if not 0 <= seed < SEEDS:
            raise InputError(f"{name}: got {seed}, wanted a seed from 0 to {SEEDS - 1}")
    if last < options.first:
        raise InputError(f"--to: got {last}, wanted {options.first} or more as --from says")
    check_workers(options)
    return options.first, last + 1


def _prospects(after_first: float, after_all: float) -> str:
    text = (
        f"2^32 seeds are possible. Of the wrong ones, the figures of the first minibatches can be "
        f"expected to leave {_about(after_first)}"
    )
    if after_all < after_first:
        text += f", and those of later steps {_about(after_all)}"
    return text + "."


def _about(count: float) -> str:
    return f"{count:,.0f}" if count >= 1 else f"{count:.1g}"


def _notes_file(session: LostSession) -> str:
    """A name in this folder for exactly these figures and options."""
    return f"{session.publications[0].file.stem}-{session.search.digest[:8]}.recover.json"


def _missing(session: LostSession, notes: Path, first: int, end: int) -> int:
    """How many seeds are left to try after those in the progress file."""
    ranges = Notes(session.search.digest, notes).missing(first, end)
    return sum(stop - start for start, stop in ranges)


def _arguments(options: argparse.Namespace) -> Iterator[str]:
    """The arguments of this command, for typing it again."""
    yield from options.publications
    for name, given, default in (
        ("--reruns", options.reruns, 0),
        ("--from", options.first, 0),
        ("--to", options.last, None),
        ("--jobs", options.jobs, None),
        ("--dask", options.dask, None),
        ("--progress", options.progress, None),
        ("--words", options.words, None),
        ("--seconds", options.seconds, recover_notebook.SECONDS),
    ):
        if given != default:
            yield from (name, str(given))
    yield from (f"--{name}" for name in ("write", "force", "json") if getattr(options, name))


@contextlib.contextmanager
def _shown(wanted: int, done: int, silent: bool) -> Iterator[Callable[[State], None] | None]:
    """Show the progress: a bar on a terminal; in a pipe, a line each minute on stderr."""
    if silent:
        yield None
        return
    with progress(wanted, done=done, unit="seeds") as shown:
        started = last = time.monotonic()

        def watch(state: State) -> None:
            nonlocal last
            shown.update(state.done)
            now = time.monotonic()
            if shown.bar or now - last < SAID:
                return
            last = now
            speed = (state.done - done) / (now - started)
            left = (state.wanted - state.done) / max(speed, 1e-9)
            print(
                f"{state.done:,} of {state.wanted:,} seeds, {speed:,.0f} a second, "
                f"{_clock(left)} left",
                file=sys.stderr,
                flush=True,
            )

        yield watch


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def _report(
    found: list[LostSeed], paths: list[Path], first: int, end: int, done: int, seconds: float
) -> None:
    for each in found:
        print(f"seed {each.seed}")
        for path, reruns, skip in zip(paths, each.reruns, each.skips, strict=True):
            times = "no earlier run" if not reruns else f"{reruns} earlier run{'s' * (reruns > 1)}"
            print(f"  {path}: skip {skip}, {times} of its cell")
    tried = end - first - done
    speed = f", {tried / seconds:,.0f} a second" if tried and seconds else ""
    print(
        f"{len(found)} seed{'s' * (len(found) != 1)} of {end - first:,} "
        f"({first} to {end - 1}) in {_clock(seconds)}{speed}"
    )
    if not found:
        none = "No seed" if end - first == SEEDS else "No seed of this range"
        print(
            wrap(
                f"{none} gives these figures. Look at the figures, at the recipe, at the corpus, "
                "at the order and scales of the draws, at the order of the files; try more "
                "--reruns. Figures of a GPU have other seeds."
            )
        )


def _write(found: list[LostSeed], paths: list[Path], say: Callable[[str], None]) -> None:
    if len(found) != 1:
        raise InputError(f"--write: got {len(found)} seeds, wanted one: nothing is written")
    for path, skip in zip(paths, found[0].skips, strict=True):
        copy = write_filled_in(path, found[0].seed, skip)
        say(f"{copy}: npnet replay {shlex.quote(str(copy))}")
