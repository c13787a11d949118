"""`npnet train`, `sample`, `eval` and `plot`: making runs and looking at them."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from npnet.arrays import Floats
from npnet.cli.words import add_word_options, words_from
from npnet.corpus import build_dataset
from npnet.errors import DivergedError, InputError
from npnet.files import new_folder
from npnet.fit import examples_of, fit
from npnet.generator import Generator
from npnet.recipe import RECIPES, Recipe
from npnet.runs import Run, load_run, newest, numbered, read_recipe, write_history, write_recipe
from npnet.sample import sample
from npnet.statistics import evaluate

ROOT = Path("runs")
EVERY = 10_000


def add_commands(commands: Any) -> None:
    """Add the four to the parser's subcommands."""
    names = ", ".join(RECIPES)
    train = commands.add_parser("train", help="train a model and keep it in a new run folder")
    train.add_argument(
        "--recipe",
        default="lecture",
        metavar="NAME|FILE",
        help=f"{names}; or a JSON file such as a run's recipe.json (default: lecture)",
    )
    add_word_options(train)
    train.add_argument("--steps", type=int, metavar="N", help="training steps")
    train.add_argument("--hidden", type=int, metavar="H", help="hidden units")
    train.add_argument("--batch", type=int, metavar="n", help="rows of a minibatch")
    train.add_argument("--seed", type=int, help="of the generator, as torch.manual_seed takes it")
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other field of the recipe, such as --set dtype=float64 "
        "--set 'rates=[[0, 0.1], [5000, 0.01]]'",
    )
    train.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/RECIPE-NNN")
    train.add_argument("--quiet", action="store_true", help="print nothing but the run's folder")
    train.add_argument("--json", action="store_true", help="print the figures as JSON")
    train.set_defaults(command=train_command)

    sampling = commands.add_parser("sample", help="new names from a trained model")
    _add_run(sampling)
    sampling.add_argument("--count", type=int, default=20, metavar="N", help="default: 20")
    sampling.add_argument("--seed", type=int, help="default: the recipe's sample_seed")
    sampling.add_argument("--start", default="", metavar="pre", help="continue this beginning")
    sampling.add_argument("--temperature", type=float, default=1.0, metavar="t", help="default: 1")
    sampling.add_argument(
        "--max-length", type=int, default=100, metavar="N", help="cut longer names, mark them …"
    )
    sampling.add_argument("--json", action="store_true", help="print the names as JSON")
    sampling.set_defaults(command=sample_command)

    evaluation = commands.add_parser("eval", help="the loss of a trained model on its splits")
    _add_run(evaluation)
    add_word_options(evaluation, default="the run's own, in its three splits")
    evaluation.add_argument("--json", action="store_true", help="print the losses as JSON")
    evaluation.set_defaults(command=eval_command)

    plot = commands.add_parser("plot", help="loss curves of runs and CSV files in one picture")
    plot.add_argument("runs", nargs="*", metavar="RUN|CSV", help="default: the newest run")
    plot.add_argument(
        "--out",
        type=Path,
        default=Path("loss.png"),
        metavar="FILE",
        help="PNG or SVG (default: loss.png)",
    )
    plot.add_argument("--plain", action="store_true", help="loss itself, not its log10")
    plot.add_argument(
        "--window",
        type=int,
        default=1000,
        metavar="STEPS",
        help="steps that are averaged (default: 1000)",
    )
    plot.set_defaults(command=plot_command)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="default: the newest run")


def train_command(options: argparse.Namespace) -> int:
    """`npnet train`."""
    recipe = _recipe(options)
    words = words_from(options)
    say: Callable[[str], None] = (lambda line: None) if options.quiet or options.json else print
    folder = _new_run(options.out, recipe.name)
    say(
        f"{recipe.name}: {len(words):,} words, {recipe.steps:,} steps of {recipe.batch} examples, "
        f"{recipe.hidden} hidden units"
    )
    started = time.perf_counter()
    try:
        with _watching(recipe, options.quiet or options.json) as watch:
            run = fit(recipe, words, watch=watch)
    except BaseException as error:
        _keep(folder, recipe, error.losses if isinstance(error, DivergedError) else None)
        raise
    seconds = time.perf_counter() - started
    run.save(folder)
    names = run.sample()
    if options.json:
        figures = {
            "run": str(folder),
            "recipe": recipe.name,
            "steps": recipe.steps,
            "seconds": round(seconds, 2),
            "split_losses": dict(run.split_losses),
            "samples": names,
        }
        print(json.dumps(figures, indent=2, ensure_ascii=False))
    elif options.quiet:
        print(folder)
    else:
        print(f"{seconds:.1f} s, {recipe.steps / seconds:,.0f} steps a second")
        print(_losses_line(run.split_losses))
        print("\n".join(names))
        print(f"{folder}: model, history, samples and loss.png")
    return 0


def _recipe(options: argparse.Namespace) -> Recipe:
    """The recipe that the options of `train` ask for."""
    named = RECIPES.get(options.recipe)
    if named is None and not Path(options.recipe).exists():
        raise InputError(
            f"--recipe: got {options.recipe!r}, wanted one of {', '.join(RECIPES)}, or a JSON file"
        )
    recipe = named or read_recipe(Path(options.recipe))
    entries = json.loads(recipe.to_json())
    for assignment in options.set:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise InputError(f"--set: got {assignment!r}, wanted KEY=VALUE such as eps=0")
        with contextlib.suppress(ValueError):  # what is no JSON is text, such as float64
            value = json.loads(value)
        entries[key] = value
    for key in ("steps", "hidden", "batch", "seed"):
        if getattr(options, key) is not None:
            entries[key] = getattr(options, key)
    return Recipe.from_entries(entries, "recipe")


def _new_run(out: Path | None, name: str) -> Path:
    if out is not None:
        return new_folder(out)
    for folder in numbered(ROOT, name.replace("/", "-")):
        with contextlib.suppress(InputError):
            return new_folder(folder)
    raise AssertionError("numbered never ends")


def _keep(folder: Path, recipe: Recipe, losses: Floats | None) -> None:
    """What is left of a run that did not end: its recipe and history, or nothing at all."""
    if losses is None:
        folder.rmdir()
        return
    write_recipe(folder, recipe)
    write_history(folder, recipe, losses)
    print(f"{folder}: keeps the recipe and the losses so far", file=sys.stderr)


@contextlib.contextmanager
def _watching(recipe: Recipe, silent: bool) -> Iterator[Callable[[int, Floats], None]]:
    """Show progress: a bar on a terminal, in a pipe a line every 10,000 steps."""
    if silent:
        yield lambda first, losses: None
    elif sys.stdout.isatty():
        with _bar(recipe) as watch:
            yield watch
    else:
        width = len(str(recipe.steps))

        def watch(first: int, losses: Floats) -> None:
            for step in range(-(-first // EVERY) * EVERY, first + len(losses), EVERY):
                line = f"{step:{max(7, width)}d}/{recipe.steps:{max(7, width)}d}"
                print(f"{line}: {losses[step - first]:.4f}", flush=True)

        yield watch


@contextlib.contextmanager
def _bar(recipe: Recipe) -> Iterator[Callable[[int, Floats], None]]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=None),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TextColumn("{task.fields[speed]:,.0f} steps/s"),
        TimeRemainingColumn(),
    )
    started = time.perf_counter()
    with Progress(*columns) as progress:
        task = progress.add_task("train", total=recipe.steps, loss=float("nan"), speed=0.0)

        def watch(first: int, losses: Floats) -> None:
            done = first + len(losses)
            speed = done / (time.perf_counter() - started)
            progress.update(task, completed=done, loss=float(losses[-1]), speed=speed)

        yield watch


def _losses_line(losses: dict[str, float] | Any) -> str:
    return "  ".join(f"{split} {loss:.4f}" for split, loss in losses.items())


def _run(options: argparse.Namespace) -> tuple[Path, Run]:
    folder = options.run or newest(ROOT)
    return folder, load_run(folder)


def sample_command(options: argparse.Namespace) -> int:
    """`npnet sample`."""
    _, run = _run(options)
    seed = run.recipe.sample_seed if options.seed is None else options.seed
    names = sample(
        run.params,
        run.stats,
        run.vocab,
        options.count,
        Generator(seed),
        start=options.start,
        temperature=options.temperature,
        max_length=options.max_length,
    )
    print(json.dumps(names, ensure_ascii=False, indent=2) if options.json else "\n".join(names))
    return 0


def eval_command(options: argparse.Namespace) -> int:
    """`npnet eval`."""
    folder, run = _run(options)
    recipe = run.recipe
    if options.words is None:
        losses = {
            split: evaluate(run.params, run.stats, *examples)
            for split, examples in examples_of(recipe, run.words, run.vocab).items()
        }
    else:
        X, Y = build_dataset(words_from(options), run.vocab, recipe.block_size)
        losses = {"words": evaluate(run.params, run.stats, X, Y)}
    if options.json:
        print(json.dumps({"run": str(folder), "losses": losses}, indent=2))
    else:
        print(f"{folder}: {_losses_line(losses)}")
    return 0


def plot_command(options: argparse.Namespace) -> int:
    """`npnet plot`."""
    from npnet import plots

    sources = options.runs or [newest(ROOT)]
    plots.save(plots.losses(sources, log=not options.plain, window=options.window), options.out)
    print(options.out)
    return 0
