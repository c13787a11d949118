"""`npnet check`: gradients against numerical differentiation, without torch.

This module checks the 26 gradients of npnet's own network; ``check_lines`` checks a user's network.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.errors import InputError
from npnet.checks import numerical
from npnet.checks.compare import compare
from npnet.checks.report import Report
from npnet.cli.check_lines import check_lines_command
from npnet.cli.parser import add_json, add_lines, add_old_name
from npnet.cli.recipe_options import add_recipe_options, corpus_from, source_from, with_dtype
from npnet.network.forward import Values, forward
from npnet.network.gradients import GRADIENTS, Gradients, backward
from npnet.network.names import VALUE_NAMES
from npnet.recipes.recipe import Recipe
from npnet.training.fit import first_batch

# In smaller batches, all rows often have the same context, and a gradient is only rounding. The
# largest error was 4e4 eps of the largest entry in 120 batches of 4, and 16 eps in 200 batches of 8
# (H=16).
FEWEST_ROWS = 8

LABELS = ("ours", "reference")


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    check = commands.add_parser(
        "check",
        help="the 26 gradients, or those of your own network, against complex-step differentiation",
        description="Compare the 26 hand-written gradients of a real minibatch, in float64, with "
        "complex-step differentiation. With 64 hidden units it takes about 3 seconds, with 200 "
        "about 13.\n\nWith FILE.py, compare the gradients of your own network: a table npnet.Lines "
        "that this program defines (npnet help own-network). Its options are --lines, --planted, "
        "--golden, --seed, --set dtype=float32 and --json.",
    )
    check.add_argument("file", nargs="?", metavar="FILE.py", help="a program with your network")
    add_recipe_options(check, default="lecture-64")
    add_old_name(check, "--rows", "--batch")
    method = check.add_mutually_exclusive_group()
    method.add_argument(
        "--finite", action="store_true", help="use finite differences, and allow for their error"
    )
    add_lines(method)
    check.add_argument(
        "--planted",
        action="store_true",
        help="of your own network: put mistakes into right gradients, and show that they are found",
    )
    check.add_argument(
        "--golden",
        type=Path,
        metavar="DIR",
        help="of your own network: also write its inputs, values and right gradients into this new "
        "folder, for programs in any language",
    )
    add_json(check)
    check.set_defaults(command=check_command)


def check_command(options: argparse.Namespace) -> int:
    """`npnet check`."""
    if options.file is not None:
        return check_lines_command(options)
    for given, option, other in (
        (options.planted, "--planted", "oracle selftest"),
        (options.golden, "--golden", "oracle golden"),
    ):
        if given:
            raise InputError(f"{option}: got no FILE.py, wanted your own network; else {other}")
    recipe, publication = source_from(options)
    recipe = checkable(recipe, options)
    words, source = corpus_from(options, publication)
    with np.errstate(all="ignore"):  # the numerical side refuses numbers that are not finite
        values = first_minibatch(recipe, words)
        if options.finite:
            method, report = "finite differences of the loss", by_differences(values)
        elif options.lines:
            method = "complex step, every line alone under random upstream gradients"
            report = line_by_line(values)
        else:
            method, report = "complex step of the loss", by_complex_step(values)
    tied = numerical.ties(values).tolist()
    if options.json:
        about = {"recipe": recipe.name, **sizes_of(values), "eps": recipe.eps, "seed": recipe.seed}
        about |= {"loss": float(values.loss), "method": method, "ties": tied}
        print(json.dumps({**about, **json.loads(report.to_json())}, indent=1))
        return 0 if report.passed else 1
    print(heading(recipe, source, values))
    print(f"reference: {method}")
    if tied:
        rows = ", ".join(map(str, tied))
        what = "left out of logits" if options.lines else "the loss has one"
        print(f"rows {rows}: the largest logit is not alone: logit_maxes has no derivative, {what}")
    print(report)
    return 0 if report.passed else 1


def checkable(recipe: Recipe, options: argparse.Namespace) -> Recipe:
    """``recipe`` in float64, with enough rows for a numerical check.

    Raises:
        InputError: there are fewer rows than ``FEWEST_ROWS``, or another dtype is asked for.
    """
    if recipe.batch < FEWEST_ROWS:
        raise InputError(
            f"--batch: got {recipe.batch}, wanted {FEWEST_ROWS} or more: in smaller batches so "
            "much cancels that rounding decides"
        )
    return with_dtype(recipe, options, "float64", "numerical differentiation needs its digits")


def heading(recipe: Recipe, source: str, values: Values) -> str:
    """One line that says what is checked."""
    sizes = " ".join(f"{letter}={size}" for letter, size in sizes_of(values).items())
    return f"{recipe.name}, first minibatch of {source}: {sizes} float64, loss {values.loss:.4f}"


def by_complex_step(values: Values) -> Report:
    """``npnet.backward`` against the complex step, end to end."""
    return compare(backward(values), _in_order(numerical.complex_step(values)), labels=LABELS)


def by_differences(values: Values) -> Report:
    """``npnet.backward`` against finite differences, each within its own error."""
    ours, reference = backward(values), numerical.finite_differences(values)
    reports = [
        compare(
            {name: ours[name]},
            {name: reference.gradients[name]},
            rtol=0,
            atol=reference.errors[name],
            labels=LABELS,
        )
        for name in GRADIENTS
    ]
    rule = "max|ours - reference| <= the expected error of the differences"
    return Report(tuple(report.rows[0] for report in reports), rule, LABELS)


def line_by_line(values: Values) -> Report:
    """The 26 functions one by one under random upstream gradients, against ``numerical.cut``."""
    rng = np.random.default_rng(0)
    upstream = {name: rng.standard_normal(values[name].shape) for name in VALUE_NAMES}
    d = Gradients(upstream)
    ours = {name: function(values, d) for name, function in GRADIENTS.items()}
    reference = _in_order(numerical.cut(values, upstream))
    # A row with a tie has no derivative.
    for side in (ours, reference):
        side["logits"] = np.delete(side["logits"], numerical.ties(values), axis=0)
    return compare(ours, reference, labels=LABELS)


def first_minibatch(recipe: Recipe, words: list[str]) -> Values:
    """The forward pass of the first step of training by ``recipe``."""
    params, X, Y = first_batch(recipe, words)
    return forward(params, X, Y, recipe.eps)


def _in_order(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The 26 gradients in the order of the backward pass."""
    return {name: entries[name] for name in GRADIENTS}


def sizes_of(values: Values) -> dict[str, int]:
    """The sizes n, T, E, H and V of a minibatch."""
    (n, T, E), (H, V) = values.emb.shape, values.W2.shape
    return {"n": n, "T": T, "E": E, "H": H, "V": V}
