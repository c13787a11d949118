"""`oracle check`, `oracle accuracy` and `oracle selftest`: npnet's gradients against torch's."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from npnet.base.errors import InputError
from npnet.base.tables import table
from npnet.checks.report import Report
from npnet.cli.parser import add_json, number, whole_number
from npnet.cli.recipe_options import add_recipe_options, corpus_from, source_from, with_dtype
from npnet.network.gradients import GRADIENTS
from npnet.recipes.recipe import Recipe
from npnet.training.fit import first_batch
from oracle.accuracy import Batch, accuracy
from oracle.judge import end_to_end, first_wrong, per_line
from oracle.selftest import RUNS, SelfTest, selftest
from oracle.threads import one_thread
from oracle.whole import whole
from oracle.why import Chain, Finding, chains, forward_differences, line_findings

# If the median of all ratios of our error to torch's is at most this, both are equally accurate.
LARGEST_RATIO = 1.5


def add_commands(commands: Any) -> None:
    """Add the three commands to the parser's subcommands."""
    check = commands.add_parser(
        "check",
        help="the 26 gradients against autograd, end to end and line by line",
        description="Compare the 26 hand-written gradients of a first minibatch with autograd's: "
        "first the whole backward pass, then each line alone, with torch's values and random "
        "upstream gradients. With --rtol and --atol, both tables are judged by these tolerances, "
        "and not by the float64 truth.",
    )
    add_recipe_options(check)
    check.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        help="type of all numbers (default: the recipe's)",
    )
    check.add_argument("--why", action="store_true", help="explain what is not bit-equal")
    _add_tolerances(check)
    add_json(check)
    check.set_defaults(command=check_command)

    accurate = commands.add_parser(
        "accuracy",
        help="float32 errors over many seeds, ours and torch's, against float64",
        description="Compute the gradients of minibatches of many seeds in float32, by npnet and "
        "by torch, and compare both with torch's in float64.",
    )
    add_recipe_options(accurate)
    accurate.add_argument(
        "--seeds",
        type=whole_number,
        default=100,
        metavar="N",
        help="how many seeds; the first is --seed (default: 100)",
    )
    add_json(accurate)
    accurate.set_defaults(command=accuracy_command)

    planted = commands.add_parser(
        "selftest",
        help="wrong gradients on purpose: which of them the judge and which tolerances refuse",
        description="Judge gradients that are wrong on purpose. The table says which of them the "
        "judge refuses, and which common tolerances do; --rtol and --atol add a column.",
    )
    _add_tolerances(planted)
    add_json(planted)
    planted.set_defaults(command=selftest_command)


def _add_tolerances(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rtol", type=number, metavar="R", help="relative tolerance; needs --atol")
    parser.add_argument("--atol", type=number, metavar="A", help="absolute tolerance; needs --rtol")


@one_thread()
def check_command(options: argparse.Namespace) -> int:
    """`oracle check`."""
    recipe, publication = source_from(options)
    if options.dtype is not None:
        recipe = with_dtype(recipe, options, options.dtype, "--dtype says so")
    words, source = corpus_from(options, publication)
    batch = first_batch(recipe, words)
    seed = recipe.seed % 2**64  # NumPy does not accept a negative seed
    tolerances = {"rtol": options.rtol, "atol": options.atol}
    chained = end_to_end(*batch, recipe.eps, **tolerances)
    values, _ = whole(*batch, recipe.eps)
    alone = per_line(values, seed=seed, **tolerances)
    isolation = first_wrong(chained, alone)
    findings = line_findings(values, seed) if options.why else []
    steps = chains(*batch, recipe.eps) if options.why else []
    if options.json:
        figures = {
            **_about(recipe, batch),
            "loss": float(values["loss"]),
            "passed": chained.passed and alone.passed,
            "exact": {"end_to_end": _exact(chained), "per_line": _exact(alone)},
            "first_wrong": isolation._asdict(),
            "end_to_end": json.loads(chained.to_json()),
            "per_line": json.loads(alone.to_json()),
        }
        if options.why:
            figures["why"] = {
                "per_line": [finding._asdict() for finding in findings],
                "end_to_end": [step._asdict() for step in steps],
                "forward_differences": forward_differences(values),
            }
        print(json.dumps(figures, indent=1))
    else:
        _print_about(recipe, batch, source)
        _print_report("end to end, each line given the gradients of the lines before it", chained)
        _print_report("line by line, given torch's values and random upstream gradients", alone)
        if options.why:
            _print_why(findings, steps, forward_differences(values))
        print(f"\n{isolation}")
    return 0 if chained.passed and alone.passed else 1


@one_thread()
def accuracy_command(options: argparse.Namespace) -> int:
    """`oracle accuracy`."""
    recipe, publication = source_from(options)
    recipe = with_dtype(recipe, options, "float32", "float64 has no finer truth to compare with")
    if options.seeds < 1:
        raise InputError(f"--seeds: got {options.seeds}, wanted 1 or more")
    words, _ = corpus_from(options, publication)
    recipes = [replace(recipe, seed=recipe.seed + more) for more in range(options.seeds)]
    rows, ratio = accuracy((first_batch(each, words) for each in recipes), recipe.eps)
    if options.json:
        figures = {"seeds": options.seeds, "ratio": ratio, "rows": [row._asdict() for row in rows]}
        print(json.dumps({"recipe": recipe.name, "seed": recipe.seed, **figures}, indent=1))
    else:
        print(f"{recipe.name}, {options.seeds} seeds from {recipe.seed} on; medians over them of")
        print("max|error| / max|truth| end to end; b1, logit_maxes: over the sum of |summands|")
        lines = [(row.gradient, *(f"{figure:.2g}" for figure in row[1:])) for row in rows]
        print(table([("gradient", "ours", "torch", "ratio"), *lines], "<>>>"))
        print(f"median ratio over all: {ratio:.3f}, wanted at most {LARGEST_RATIO}")
    return 0 if ratio <= LARGEST_RATIO else 1


@one_thread()
def selftest_command(options: argparse.Namespace) -> int:
    """`oracle selftest`."""
    result = selftest(options.rtol, options.atol)
    if options.json:
        figures = {
            "passed": result.passed,
            "false_alarms": result.false_alarms,
            "trials": [{**trial._asdict(), "caught": trial.caught} for trial in result.trials],
        }
        print(json.dumps(figures, indent=1))
    else:
        _print_selftest(result)
    return 0 if result.passed else 1


def _about(recipe: Recipe, batch: Batch) -> dict[str, Any]:
    params, X, _ = batch
    sizes = {"n": len(X), **params.sizes}
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "sizes": {letter: sizes[letter] for letter in "nTEHV"},
        "dtype": str(params.dtype),
        "eps": recipe.eps,
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "numpy": np.__version__,
    }


def _print_about(recipe: Recipe, batch: Batch, source: str) -> None:
    about = _about(recipe, batch)
    sizes = " ".join(f"{letter}={size}" for letter, size in about["sizes"].items())
    print(
        f"{recipe.name}, first minibatch of {source}: {sizes} {about['dtype']} seed {recipe.seed}"
    )
    print(f"torch {about['torch']} ({about['cpu_capability']}), numpy {about['numpy']}")


def _print_report(title: str, report: Report) -> None:
    print(f"\n{title}\n{report}\n{_exact(report)} of {len(report.rows)} are bit-equal to torch's")


def _exact(report: Report) -> int:
    return sum(row.exact for row in report.rows)


def _print_why(findings: list[Finding], steps: list[Chain], differences: Sequence[str]) -> None:
    print("\nwhy not bit-equal: entries that are, then those once torch has done the one step")
    lines = [
        (
            finding.gradient,
            f"{finding.before}/{finding.total}",
            "-" if finding.after is None else f"{finding.after}/{finding.total}",
            finding.reason,
        )
        for finding in findings
    ]
    print(table([("line by line", "ours", "torch's step", "reason"), *lines], "<>><"))
    print(
        "end to end the forward values differ first, in these lines even when fed torch's values:\n"
        f"  {', '.join(differences)}"
    )
    chained = [
        (step.what, f"{len(step.exact)} of {len(GRADIENTS)}", _first_inexact(step))
        for step in steps
    ]
    print(table([("end to end", "bit-equal", "the first that is not"), *chained], "<><"))


def _first_inexact(step: Chain) -> str:
    return next((name for name in GRADIENTS if name not in step.exact), "")


def _print_selftest(result: SelfTest) -> None:
    ways = list(result.false_alarms)
    refused = [
        (trial.per_line, trial.end_to_end, *trial.by_tolerance.values()) for trial in result.trials
    ]
    lines = [
        (trial.gradient, trial.what, *("caught" if one else "MISSED" for one in row))
        for trial, row in zip(result.trials, refused, strict=True)
    ]
    totals = [str(sum(column)) for column in zip(*refused, strict=True)]
    alarms = [str(count) for count in result.false_alarms.values()]
    rows = [
        ("gradient", "mistake", *ways),
        *lines,
        ("", f"caught, of {len(lines)}", *totals),
        ("", f"right gradients refused, of {RUNS} sets", *alarms),
    ]
    print(table(rows, "<<" + "<" * len(ways)))
    missed = [f"{trial.gradient}: {trial.what}" for trial in result.trials if not trial.caught]
    print(f"the judge, by both its tables: {f'MISSED {missed}' if missed else 'caught all'}")
