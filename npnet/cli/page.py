"""`npnet page`: one minibatch as an HTML page, every value with its gradient."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.errors import InputError
from npnet.base.files import replacing
from npnet.checks import numerical
from npnet.checks.compare import compare
from npnet.checks.report import Report
from npnet.cli.check import (
    FEWEST_ROWS,
    LABELS,
    add_recipe_options,
    first_minibatch,
    line_by_line,
)
from npnet.cli.word_options import words_from
from npnet.corpora.words import Vocabulary
from npnet.learn.page import check_size, page
from npnet.network.forward import Values
from npnet.network.gradients import GRADIENTS, Gradients, backward
from npnet.recipes.recipe import RECIPES, Recipe

# Every line alone, so that what the loss hides is seen as well. The first says that the very
# numbers of the page are right; the second also sees a mistake that cancels in them.
SHOWN = "on these gradients"
RANDOM = "on random ones"


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "page",
        help="one minibatch as an HTML page: every value, gradient and derivation",
        description="Write one self-contained HTML page of a real minibatch: the graph of all "
        "values; for each its line, its derivation, heat maps of value and gradient, and what "
        "complex-step differentiation says of it.",
    )
    parser.add_argument("file", type=Path, metavar="FILE.html", help="a file of a new name")
    add_recipe_options(parser, default="lecture-64")
    parser.add_argument("--rows", type=int, metavar="n", help="default: the recipe's batch, 32")
    parser.add_argument("--hidden", type=int, metavar="H", help="default: the recipe's")
    parser.add_argument("--seed", type=int, help="of the generator (default: the recipe's)")
    parser.add_argument("--force", action="store_true", help="replace FILE.html if it is there")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(command=page_command)


def page_command(options: argparse.Namespace) -> int:
    """`npnet page`."""
    file, recipe = options.file, _recipe(options)
    _check_file(file, options.force)
    words = words_from(options)
    with np.errstate(all="ignore"):  # what is not finite, the witness refuses
        values = first_minibatch(recipe, words)
        check_size(values)
        gradients = backward(values)
        reports = {SHOWN: _on_these(values, gradients), RANDOM: line_by_line(values)}
    (n, T, E), (H, V) = values.emb.shape, values.W2.shape
    sizes = {"n": n, "T": T, "E": E, "H": H, "V": V}
    source = options.words or "the corpus that comes with npnet"
    about = (
        f"{recipe.name}, first minibatch of {source}: "
        f"{' '.join(f'{letter}={size}' for letter, size in sizes.items())} float64, "
        f"loss {values.loss:.4f}"
    )
    html = page(values, gradients, Vocabulary.from_words(words), about, reports).encode()
    with replacing(file) as beside:
        beside.write_bytes(html)
    passed = all(report.passed for report in reports.values())
    if options.json:
        figures = {"file": str(file), "bytes": len(html), "recipe": recipe.name, **sizes}
        figures |= {"seed": recipe.seed, "loss": float(values.loss), "passed": passed}
        print(json.dumps(figures, indent=1))
    else:
        print(about)
        for what, report in reports.items():
            print(f"complex step, each line alone, {what}: {report.footer}")
        print(f"{file}: {len(html) / 1e6:.2f} MB, for any browser")
    return 0 if passed else 1


def _recipe(options: argparse.Namespace) -> Recipe:
    recipe = RECIPES[options.recipe]
    given = {"batch": options.rows, "hidden": options.hidden, "seed": options.seed}
    given = {field: value for field, value in given.items() if value is not None}
    recipe = dataclasses.replace(recipe, **given, dtype="float64")
    if recipe.batch < FEWEST_ROWS:
        raise InputError(
            f"--rows: got {recipe.batch}, wanted {FEWEST_ROWS} or more: in smaller batches so "
            "much cancels that rounding decides"
        )
    return recipe


def _check_file(file: Path, force: bool) -> None:
    """Refuse before the work what could not be written after it."""
    if file.is_dir():
        raise InputError(f"{file}: is a folder, wanted a file of a new name in it")
    if file.exists() and not force:
        raise InputError(f"{file}: exists already, wanted a new name, or --force to replace it")
    if not file.parent.is_dir():
        raise InputError(f"{file}: no folder {file.parent}: make it first")


def _on_these(values: Values, gradients: Gradients) -> Report:
    """The gradients themselves, against what each line owes for those before it."""
    owed = numerical.cut(values, {**gradients, "loss": Gradients.loss})
    ours, reference = dict(gradients), {name: owed[name] for name in GRADIENTS}
    for side in (ours, reference):  # a tied row has no derivative to compare with
        side["logits"] = np.delete(side["logits"], numerical.ties(values), axis=0)
    return compare(ours, reference, labels=LABELS)
