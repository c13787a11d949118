"""`oracle golden` and `oracle judge`: reference files for any language, and comparing with them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from npnet.base.errors import InputError
from npnet.checks.golden import read_golden
from npnet.checks.reference import Problem
from npnet.cli.golden import add_golden_options, refuse_older, write_golden
from npnet.cli.judge import add_options, judge
from npnet.cli.parser import add_old_name
from npnet.cli.recipe_options import add_recipe_options, corpus_from, source_from
from oracle.golden import confirm, first_batch, from_file
from oracle.threads import one_thread

# The options that define the problem, in their order in the manifest.
SOURCES: tuple[str, ...] = ("recipe", "hidden", "batch", "steps", "seed", "set", "words", "column")
SOURCES += ("separator", "encoding", "problem")


def add_commands(commands: Any) -> None:
    """Add both commands to the parser's subcommands."""
    golden = commands.add_parser(
        "golden",
        help="write a problem and torch's answers, for tests in any language",
        description="Write the first minibatch of a recipe, or a problem of your own, and torch's "
        "values and gradients for it. An older golden set is replaced only with --force.",
    )
    add_golden_options(golden)
    add_recipe_options(golden)
    golden.add_argument(
        "--problem",
        metavar="FILE",
        help="your own problem: an npz, safetensors or JSON file with C W1 b1 W2 b2 bngain "
        "bnbias X Y, and eps if it is not 1e-5",
    )
    add_old_name(golden, "--from", "--problem")
    golden.set_defaults(command=golden_command)

    judging = commands.add_parser(
        "judge", help="as npnet judge, after this torch has confirmed the golden set"
    )
    add_options(judging)
    judging.set_defaults(command=judge_command)


@one_thread()
def golden_command(options: argparse.Namespace) -> int:
    """`oracle golden`."""
    given = {key: value for key in SOURCES if (value := getattr(options, key)) is not None}
    refuse_older(options)
    return write_golden(options, _problem(options, given), _again(options, given))


def _problem(options: argparse.Namespace, given: dict[str, Any]) -> Problem:
    if "problem" not in given:
        recipe, publication = source_from(options)
        return first_batch(recipe, corpus_from(options, publication).words)
    flags = [f"--{name}" for name in ("fold", "unique") if getattr(options, name)]
    if len(given) > 1 or flags:
        others = [f"--{key}" for key in given if key != "problem"] + flags
        raise InputError(f"--problem with {others[0]}, wanted one of them: the file is the problem")
    return from_file(Path(given["problem"]))


def _again(options: argparse.Namespace, given: dict[str, Any]) -> list[str]:
    """The options that write the same set again."""
    again = []
    for key, value in given.items():
        for each in value if isinstance(value, list) else [value]:
            again += [f"--{key}", str(each)]
    return again + [f"--{name}" for name in ("fold", "unique") if getattr(options, name)]


@one_thread()
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
