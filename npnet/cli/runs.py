"""`npnet sample` and `npnet eval`: names and losses of finished runs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from npnet.base import blas
from npnet.base.errors import InputError
from npnet.cli.parser import SEED, add_json, add_threads, number, whole_number
from npnet.cli.word_options import add_word_options, how_words_are_read, words_from
from npnet.corpora.datasets import build_dataset
from npnet.torch_rng.generator import Generator
from npnet.training.evaluation import evaluate
from npnet.training.fit import examples_of
from npnet.training.runs import ROOT, Run, load_run, losses_line, newest
from npnet.training.sample import sample


def add_commands(commands: Any) -> None:
    """Add both to the parser's subcommands."""
    sampling = commands.add_parser(
        "sample",
        help="new names from a trained model",
        description="Sample new names from a trained model.",
    )
    _add_run(sampling)
    sampling.add_argument(
        "--count", type=whole_number, default=20, metavar="N", help="how many names (default: 20)"
    )
    sampling.add_argument(
        "--seed",
        type=whole_number,
        metavar="N",
        help=f"{SEED} (default: the sample_seed of the run's recipe)",
    )
    sampling.add_argument(
        "--start", default="", metavar="LETTERS", help="letters that every name begins with"
    )
    sampling.add_argument(
        "--temperature",
        type=number,
        default=1.0,
        metavar="t",
        help="above 1 for more varied names, below 1 for more common ones (default: 1)",
    )
    sampling.add_argument(
        "--max-length",
        type=whole_number,
        default=100,
        metavar="N",
        help="cut longer names and mark them with … (default: 100)",
    )
    add_json(sampling)
    sampling.set_defaults(command=sample_command)

    evaluation = commands.add_parser(
        "eval",
        help="the loss of a trained model on its splits",
        description="Compute the loss of a trained model on its splits, or on other words.",
    )
    _add_run(evaluation)
    add_word_options(evaluation, default="the run's own, in its three splits")
    add_json(evaluation)
    evaluation.set_defaults(command=eval_command)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="default: the newest run")
    add_threads(parser)


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
        if given := how_words_are_read(options):
            raise InputError(f"eval: got {', '.join(given)}, wanted --words with it")
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
