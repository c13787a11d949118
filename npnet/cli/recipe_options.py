"""The options that make a recipe and find its words, the same in every command of both programs."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

from npnet.base.errors import InputError
from npnet.base.suggestions import nearest
from npnet.cli.parser import BATCH, HIDDEN, SEED, STEPS, whole_number
from npnet.cli.word_options import (
    FILE_OPTIONS,
    OWN,
    add_word_options,
    described,
    finished,
    words_from,
)
from npnet.corpora.known import find_corpus
from npnet.corpora.words import read_words
from npnet.recipes.named import RECIPES
from npnet.recipes.publication import Publication, read_publication, shipped
from npnet.recipes.recipe import Recipe
from npnet.replays.publication_words import words_of
from npnet.training.runs import read_recipe

# The fields of a recipe that have their own option; --set changes any other field.
FIELDS = ("seed", "hidden", "batch", "steps")
KINDS = "the JSON file of a recipe; a run's folder; or a publication's TOML file"
RECIPES_OWN = "(default: the recipe's)"
PUBLISHED_OR_OWN = "a publication's own if they are found, else npnet's"


class Source(NamedTuple):
    """The recipe that ``--recipe`` names, and the publication from which it comes, if any."""

    recipe: Recipe
    publication: Publication | None


class Corpus(NamedTuple):
    """The words of a command, and their name in its output."""

    words: list[str]
    name: str


def add_recipe_options(
    parser: argparse.ArgumentParser,
    default: str = "lecture",
    *,
    words: str = PUBLISHED_OR_OWN,
) -> None:
    """Add --recipe, --set, --seed, --hidden, --batch, --steps and the options for words.

    Args:
        parser: the parser of a command.
        default: the recipe if none is named.
        words: the words if none are named, for the help.
    """
    parser.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help=f"{', '.join(RECIPES)}; {KINDS} (default: {default})",
    )
    parser.add_argument("--hidden", type=whole_number, metavar="H", help=f"{HIDDEN} {RECIPES_OWN}")
    parser.add_argument("--batch", type=whole_number, metavar="n", help=f"{BATCH} {RECIPES_OWN}")
    parser.add_argument("--steps", type=whole_number, metavar="N", help=f"{STEPS} {RECIPES_OWN}")
    parser.add_argument("--seed", type=whole_number, metavar="N", help=f"{SEED} {RECIPES_OWN}")
    parser.add_argument(
        "--set",
        action="append",
        metavar="KEY=VALUE",
        help="any other field of the recipe, such as dtype=float64 or "
        "'rates=[[0, 0.1], [5000, 0.01]]'; may be given many times",
    )
    add_word_options(parser, words)
    parser.set_defaults(default_recipe=default)


def source_from(options: argparse.Namespace, who: str = "--recipe") -> Source:
    """The recipe that the options make, and its publication.

    Raises:
        InputError: there is no such recipe, or a field or a value is impossible.
    """
    recipe, publication = find_recipe(options.recipe or options.default_recipe, who)
    entries = json.loads(recipe.to_json())
    for assignment in options.set or ():
        key, value = assigned(assignment)
        if key not in entries and (near := nearest(key, entries)):
            raise InputError(f"--set: no field {key!r}, did you mean {near}?")
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)  # a value that is not JSON is text, such as float64
        entries[key] = value
    for key in FIELDS:
        if getattr(options, key) is not None:
            entries[key] = getattr(options, key)
    return Source(Recipe.from_entries(entries, "recipe"), publication)


def assigned(assignment: str) -> tuple[str, str]:
    """The field and the value of a ``--set``, both as text.

    Raises:
        InputError: it has no ``=``.
    """
    key, equals, value = assignment.partition("=")
    if not equals:
        raise InputError(f"--set: got {assignment!r}, wanted KEY=VALUE such as eps=0")
    return key, value


def find_recipe(name: str, who: str = "--recipe") -> Source:
    """The recipe with this name, or from a JSON file, a run's folder or a publication.

    Raises:
        InputError: there is no recipe with this name, or the file cannot be used.
    """
    if name in shipped():
        publication = read_publication(shipped()[name])
        return Source(publication.recipe, publication)
    if name in RECIPES:
        return Source(RECIPES[name], None)
    path = Path(name)
    if not os.path.exists(path):
        near = nearest(name, RECIPES)
        ending = f": did you mean {near}?" if near else ""
        raise InputError(
            f"{who}: got {name!r}, wanted one of {', '.join(RECIPES)}; or {KINDS}{ending}"
        )
    if os.path.isdir(path):
        if not os.path.isfile(path / "recipe.json"):
            raise InputError(f"{who}: {path} has no recipe.json, wanted the folder of a run")
        return Source(read_recipe(path / "recipe.json"), None)
    if path.suffix.lower() == ".toml":
        publication = read_publication(path, figures=False)
        alone = publication.corpus is None and publication.batch is None
        return Source(publication.recipe, None if alone else publication)
    return Source(read_recipe(path), None)


def with_dtype(recipe: Recipe, options: argparse.Namespace, dtype: str, why: str) -> Recipe:
    """``recipe`` in ``dtype``, which the command needs in place of the recipe's own dtype.

    Raises:
        InputError: the options ask for another dtype.
    """
    asked = any(each.partition("=")[0] == "dtype" for each in options.set or ())
    if asked and recipe.dtype != dtype:
        raise InputError(f"--set dtype: got {recipe.dtype}, wanted {dtype}: {why}")
    return dataclasses.replace(recipe, dtype=dtype)


def corpus_from(
    options: argparse.Namespace, publication: Publication | None, *, required: bool = False
) -> Corpus:
    """The words that the options name; or those of the publication; or npnet's own.

    Args:
        options: as ``add_recipe_options`` made them.
        publication: as ``source_from`` found it.
        required: whether a publication's own words must be found.

    Raises:
        InputError: the words cannot be used, or are required and not found.
    """
    of_file = any(getattr(options, name) is not None for name in FILE_OPTIONS)
    if publication is None or options.words is not None or of_file:
        return Corpus(words_from(options), described(options))
    corpus = publication.corpus
    path = None if corpus is None else find_corpus(corpus.sha256)
    if corpus is not None and path is not None:
        own = read_words(path, fold=corpus.fold or options.fold)
        return Corpus(finished(own, options), corpus.name)
    if required:
        words_of(publication)  # its error says how to get a known corpus
        raise InputError(
            f"{publication.file}: its [corpus] was not found, wanted words: name a file with "
            "--words"
        )
    name = "its corpus" if corpus is None else corpus.name
    print(f"{publication.recipe.name}: {name} was not found, taking {OWN}", file=sys.stderr)
    return Corpus(words_from(options), OWN)
