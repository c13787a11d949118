"""`npnet sample`, `eval` and `plot`: what to do with the runs that are there."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from npnet.base import blas
from npnet.base.errors import InputError
from npnet.cli.word_options import add_word_options, words_from
from npnet.corpora.words import build_dataset
from npnet.torch_rng.generator import Generator
from npnet.training.evaluation import evaluate
from npnet.training.fit import examples_of
from npnet.training.runs import ROOT, Run, load_run, losses_line, newest
from npnet.training.sample import sample


def add_commands(commands: Any) -> None:
    """Add the three to the parser's subcommands."""
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
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of BLAS (default: 1)")


def _run(options: argparse.Namespace) -> tuple[Path, Run]:
    folder = options.run or newest(ROOT)
    return folder, load_run(folder)


def sample_command(options: argparse.Namespace) -> int:
    """`npnet sample`."""
    _, run = _run(options)
    seed = run.recipe.sample_seed if options.seed is None else options.seed
    with blas.limited(options.threads):
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
    if options.json:
        print(json.dumps(names, ensure_ascii=False, indent=2))
    else:
        print("".join(f"{name}\n" for name in names), end="")
    return 0


def eval_command(options: argparse.Namespace) -> int:
    """`npnet eval`."""
    folder, run = _run(options)
    recipe = run.recipe
    if options.words is None:
        if options.fold or options.column is not None:
            raise InputError("eval: got --fold or --column, wanted --words with them")
        splits = examples_of(recipe, run.words, run.vocab)
    else:
        splits = {"words": build_dataset(words_from(options), run.vocab, recipe.block_size)}
    with blas.limited(options.threads):
        losses = {
            split: evaluate(run.params, run.stats, *examples) for split, examples in splits.items()
        }
    if options.json:
        print(json.dumps({"run": str(folder), "losses": losses}, indent=2))
    else:
        print(f"{folder}: {losses_line(losses)}")
    return 0


def plot_command(options: argparse.Namespace) -> int:
    """`npnet plot`."""
    from npnet.plotting import plots

    sources = options.runs or [newest(ROOT)]
    plots.save(plots.losses(sources, log=not options.plain, window=options.window), options.out)
    print(options.out)
    return 0
