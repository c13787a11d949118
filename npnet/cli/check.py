"""`npnet check`: the 26 gradients before a witness that needs no torch."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from npnet.base.errors import InputError
from npnet.checks import numerical
from npnet.checks.compare import compare
from npnet.checks.report import Report
from npnet.cli.word_options import add_word_options, words_from
from npnet.corpora.words import Vocabulary
from npnet.network.forward import Values, forward
from npnet.network.gradients import GRADIENTS, backward
from npnet.network.names import VALUE_NAMES
from npnet.recipes.initialization import draw_parameters
from npnet.recipes.recipe import RECIPES, Recipe
from npnet.torch_rng.generator import Generator
from npnet.training.fit import examples_of

# With fewer, the same context often fills a batch, and what is left of a gradient is rounding:
# the worst of 120 batches of 4 was off by 4e4 eps of its largest entry, of 200 of 8 by 16 (H=16).
FEWEST_ROWS = 8

LABELS = ("ours", "witness")


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    check = commands.add_parser(
        "check",
        help="the 26 gradients against complex-step differentiation, without torch",
        description="Compare the 26 hand-written gradients of a real minibatch, in float64, with "
        "what the forward pass says when one number at a time is moved.",
    )
    add_recipe_options(check)
    check.add_argument("--rows", type=int, metavar="n", help="default: the recipe's batch, 32")
    check.add_argument(
        "--hidden",
        type=int,
        default=64,
        metavar="H",
        help="hidden units (default: 64, about 3 seconds; 200 take about 13)",
    )
    check.add_argument("--seed", type=int, help="of the generator (default: the recipe's)")
    method = check.add_mutually_exclusive_group()
    method.add_argument(
        "--finite", action="store_true", help="by finite differences, with their own error"
    )
    method.add_argument(
        "--lines",
        action="store_true",
        help="every line alone, under random upstream gradients: also finds what the loss hides",
    )
    check.add_argument("--json", action="store_true", help="print the comparison as JSON")
    check.set_defaults(command=check_command)


def add_recipe_options(parser: argparse.ArgumentParser, default: str = "lecture") -> None:
    """Add what says whose first minibatch it is: --recipe, and the options for its words."""
    parser.add_argument(
        "--recipe",
        default=default,
        choices=RECIPES,
        metavar="NAME",
        help=f"{', '.join(RECIPES)} (default: {default})",
    )
    add_word_options(parser)


def check_command(options: argparse.Namespace) -> int:
    """`npnet check`."""
    recipe = _recipe(options)
    with np.errstate(all="ignore"):  # what is not finite, the witness refuses
        values = first_minibatch(recipe, words_from(options))
        if options.finite:
            method, report = "finite differences of the loss", by_differences(values)
        elif options.lines:
            method = "complex step, every line alone under random upstream gradients"
            report = line_by_line(values)
        else:
            method, report = "complex step of the loss", by_complex_step(values)
    tied = numerical.ties(values).tolist()
    if options.json:
        about = {"recipe": recipe.name, **_sizes(values), "eps": recipe.eps, "seed": recipe.seed}
        about |= {"loss": float(values.loss), "method": method, "ties": tied}
        print(json.dumps({**about, **json.loads(report.to_json())}, indent=1))
        return 0 if report.passed else 1
    sizes = " ".join(f"{letter}={size}" for letter, size in _sizes(values).items())
    words = options.words or "the corpus that comes with npnet"
    print(f"{recipe.name}, first minibatch of {words}: {sizes} float64, loss {values.loss:.4f}")
    print(f"witness: {method}")
    if tied:
        rows = ", ".join(map(str, tied))
        what = "left out of logits" if options.lines else "the loss has one"
        print(f"rows {rows}: the largest logit is not alone: logit_maxes has no derivative, {what}")
    print(report)
    return 0 if report.passed else 1


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
    rule = "max|ours - witness| <= the error that is expected of the differences"
    return Report(tuple(report.rows[0] for report in reports), rule, LABELS)


def line_by_line(values: Values) -> Report:
    """The 26 functions one by one under random upstream gradients, against ``numerical.cut``."""
    rng = np.random.default_rng(0)
    upstream = {name: rng.standard_normal(values[name].shape) for name in VALUE_NAMES}
    d = SimpleNamespace(**upstream)
    ours = {name: function(values, d) for name, function in GRADIENTS.items()}
    reference = _in_order(numerical.cut(values, upstream))
    # A tied row has no derivative to compare with.
    for side in (ours, reference):
        side["logits"] = np.delete(side["logits"], numerical.ties(values), axis=0)
    return compare(ours, reference, labels=LABELS)


def _recipe(options: argparse.Namespace) -> Recipe:
    recipe = RECIPES[options.recipe]
    rows = recipe.batch if options.rows is None else options.rows
    if rows < FEWEST_ROWS:
        raise InputError(
            f"--rows: got {rows}, wanted {FEWEST_ROWS} or more: in smaller batches so much "
            "cancels that rounding decides"
        )
    seed = recipe.seed if options.seed is None else options.seed
    return dataclasses.replace(
        recipe, batch=rows, hidden=options.hidden, seed=seed, dtype="float64"
    )


def first_minibatch(recipe: Recipe, words: list[str]) -> Values:
    """The forward pass of the first step that training by ``recipe`` takes."""
    vocab = Vocabulary.from_words(words)
    X, Y = examples_of(recipe, words, vocab)["train"]
    generator = Generator(recipe.seed)
    params = draw_parameters(recipe, vocab.size, generator)
    rows = generator.randint(0, len(X), (recipe.batch,))
    return forward(params, X[rows], Y[rows], recipe.eps)


def _in_order(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The 26 in the order in which the backward pass makes them."""
    return {name: entries[name] for name in GRADIENTS}


def _sizes(values: Values) -> dict[str, int]:
    (n, T, E), (H, V) = values.emb.shape, values.W2.shape
    return {"n": n, "T": T, "E": E, "H": H, "V": V}
