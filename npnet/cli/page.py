"""`npnet page`: one minibatch as an HTML page, every value with its gradient."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.files import replacing
from npnet.checks import numerical
from npnet.checks.compare import compare
from npnet.checks.report import Report
from npnet.cli.check import LABELS, checkable, first_minibatch, heading, line_by_line, sizes_of
from npnet.cli.output_files import check_new_file
from npnet.cli.parser import add_force, add_json, add_old_name
from npnet.cli.recipe_options import add_recipe_options, corpus_from, source_from
from npnet.corpora.datasets import Vocabulary
from npnet.learn.page import check_size, page
from npnet.network.forward import Values
from npnet.network.gradients import GRADIENTS, Gradients, backward

# Each line alone, because the loss hides some mistakes. The first check says that the numbers on
# the page are right; the second also finds mistakes that cancel in these numbers.
SHOWN = "on these gradients"
RANDOM = "on random ones"


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "page",
        help="one minibatch as an HTML page: every value, gradient and derivation",
        description="Write one self-contained HTML page of a real minibatch: the graph of all "
        "values; for each value its line, its derivation, heat maps of value and gradient, and "
        "the verdict of complex-step differentiation.",
    )
    parser.add_argument("file", type=Path, metavar="FILE.html", help="the page to write")
    add_recipe_options(parser, default="lecture-64")
    add_old_name(parser, "--rows", "--batch")
    add_force(parser)
    add_json(parser)
    parser.set_defaults(command=page_command)


def page_command(options: argparse.Namespace) -> int:
    """`npnet page`."""
    recipe, publication = source_from(options)
    recipe, file = checkable(recipe, options), options.file
    check_new_file(file, force=options.force, who="page")
    words, source = corpus_from(options, publication)
    with np.errstate(all="ignore"):  # the numerical side refuses numbers that are not finite
        values = first_minibatch(recipe, words)
        check_size(values)
        gradients = backward(values)
        reports = {SHOWN: _on_these(values, gradients), RANDOM: line_by_line(values)}
    about = heading(recipe, source, values)
    html = page(values, gradients, Vocabulary.from_words(words), about, reports).encode()
    with replacing(file) as unfinished:
        unfinished.write_bytes(html)
    passed = all(report.passed for report in reports.values())
    if options.json:
        figures = {"file": str(file), "bytes": len(html), "recipe": recipe.name}
        figures |= {**sizes_of(values), "seed": recipe.seed}
        figures |= {"loss": float(values.loss), "passed": passed}
        print(json.dumps(figures, indent=1))
    else:
        print(about)
        for what, report in reports.items():
            print(f"complex step, each line alone, {what}: {report.footer}")
        print(f"{file}: {len(html) / 1e6:.2f} MB, for any browser")
    return 0 if passed else 1


def _on_these(values: Values, gradients: Gradients) -> Report:
    """The gradients themselves: each line alone, with the upstream gradients of the page."""
    alone = numerical.cut(values, {**gradients, "loss": 1.0})
    ours, reference = dict(gradients), {name: alone[name] for name in GRADIENTS}
    for side in (ours, reference):  # a row with a tie has no derivative
        side["logits"] = np.delete(side["logits"], numerical.ties(values), axis=0)
    return compare(ours, reference, labels=LABELS)
