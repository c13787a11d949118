"""`oracle golden` and `oracle judge`: reference files for others, and judging by them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from npnet.base.errors import InputError
from npnet.checks.array_files import CONTAINERS
from npnet.checks.golden import read_golden
from npnet.checks.reference import Problem
from npnet.cli.judge import add_options, judge
from npnet.cli.word_options import add_word_options, words_from
from npnet.recipes.recipe import RECIPES, Recipe
from npnet.training.runs import read_recipe
from oracle.golden import confirm, first_batch, from_file, write

# What says which problem it is, in the order in which a manifest gives it back.
SOURCES = ("recipe", "hidden", "batch", "seed", "words", "column", "from")


def add_commands(commands: Any) -> None:
    """Add both to the parser's subcommands."""
    golden = commands.add_parser(
        "golden", help="write a problem and torch's answers, for tests in any language"
    )
    golden.add_argument(
        "folder", type=Path, metavar="DIR", help="new or empty; an older golden set is replaced"
    )
    golden.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help=f"whose first batch: {', '.join(RECIPES)}; or a JSON file (default: lecture)",
    )
    golden.add_argument("--hidden", type=int, metavar="H", help="hidden units")
    golden.add_argument("--batch", type=int, metavar="n", help="rows of the batch")
    golden.add_argument("--seed", type=int, help="of the generator, as torch.manual_seed takes it")
    add_word_options(golden)
    golden.add_argument(
        "--from",
        metavar="FILE",
        help="your own problem: an npz file with C W1 b1 W2 b2 bngain bnbias X Y, perhaps eps",
    )
    for container in CONTAINERS:
        golden.add_argument(
            f"--{container}",
            dest="containers",
            action="append_const",
            const=container,
            help=f"write {container} files (default: {' and '.join(CONTAINERS)})",
        )
    golden.set_defaults(command=golden_command)

    judging = commands.add_parser(
        "judge", help="as npnet judge, once the golden set has been confirmed by this torch"
    )
    add_options(judging)
    judging.set_defaults(command=judge_command)


def golden_command(options: argparse.Namespace) -> int:
    """`oracle golden`."""
    containers = options.containers or CONTAINERS
    given = {key: value for key in SOURCES if (value := getattr(options, key)) is not None}
    write(_problem(options, given), options.folder, containers, _again(options, given))
    files = [path for path in options.folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(f"{options.folder}: {len(files)} files, {size / 1000:,.0f} kB; read manifest.json first")
    return 0


def _problem(options: argparse.Namespace, given: dict[str, Any]) -> Problem:
    if "from" not in given:
        return first_batch(_recipe(options, given), words_from(options))
    if len(given) > 1 or options.fold:
        others = [f"--{key}" for key in given if key != "from"] or ["--fold"]
        raise InputError(f"--from with {others[0]}, wanted one of them: the file is all there is")
    return from_file(Path(given["from"]))


def _recipe(options: argparse.Namespace, given: dict[str, Any]) -> Recipe:
    name = given.get("recipe", "lecture")
    if name not in RECIPES and not Path(name).exists():
        raise InputError(f"--recipe: got {name!r}, wanted one of {', '.join(RECIPES)}, or a file")
    recipe = RECIPES[name] if name in RECIPES else read_recipe(Path(name))
    changes = {key: given[key] for key in ("hidden", "batch", "seed") if key in given}
    return replace(recipe, **changes)


def _again(options: argparse.Namespace, given: dict[str, Any]) -> list[str]:
    """The options that would write the same set again."""
    again = [text for key, value in given.items() for text in (f"--{key}", str(value))]
    again += ["--fold"] * options.fold
    return again + [f"--{container}" for container in options.containers or ()]


def judge_command(options: argparse.Namespace) -> int:
    """`oracle judge`."""
    problem = read_golden(options.reference)
    try:
        remark = confirm(problem)
    except InputError as error:
        raise InputError(
            f"{options.reference}: {error}; to write one: oracle golden NEW_FOLDER"
        ) from error
    return judge(options, problem, remark)
