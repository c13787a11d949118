"""Copies of publication files with the lost seed filled in."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

from npnet.base.errors import InputError
from npnet.base.files import replacing
from npnet.recipes.publication import read_publication
from npnet.recipes.recipe import Recipe

_SEED = re.compile(r"""\bseed\s*=\s*(?:"lost"|'lost')""")
_SKIP = re.compile(r"\bskip\s*=\s*[0-9_]+")


def copy_of(path: Path) -> Path:
    """The path of the copy: ``mine.toml`` becomes ``mine-found.toml``."""
    return path.with_name(f"{path.stem}-found{path.suffix}")


def write_filled_in(path: Path, seed: int, skip: int) -> Path:
    """Write a copy of the publication ``path`` with the seed and the words to skip; return it.

    An existing copy is replaced.

    Raises:
        InputError: the copy cannot be written, or ``seed = "lost"`` was not found in the text; the
            message says what to fill in by hand.
    """
    text = filled_in(path.read_text(encoding="utf-8"), seed, skip)
    if not _is_filled_in(path, text, seed, skip):
        raise InputError(
            f'{path}: cannot be filled in, wanted its lost draws with seed = "lost" on a line or '
            f"in braces: write seed = {seed} there, and skip = {skip} at the first of them"
        )
    copy = copy_of(path)
    with replacing(copy) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return copy


def filled_in(text: str, seed: int, skip: int) -> str:
    """The text with the seed in place of each "lost", and ``skip`` at the first of these draws.

    Comments are left as they are.
    """
    lines, first = [], True
    for line in text.splitlines(keepends=True):
        code = len(line) if (comment := _comment(line)) is None else comment
        said, rest = line[:code], line[code:]
        while found := _SEED.search(said):
            told = f"seed = {seed}"
            if first:
                # A line of a table [[recipe.draws]], or an entry in braces.
                between = "\n" if said.strip() == found[0] else ", "
                said = _SKIP.sub(f"skip = {skip}", said)
                found = _SEED.search(said) or found
                told += "" if _SKIP.search(said) else f"{between}skip = {skip}"
            first = False
            said = said[: found.start()] + told + said[found.end() :]
        lines.append(said + rest)
    return "".join(lines)


def _comment(line: str) -> int | None:
    """Where the comment of a line begins; None without a comment."""
    quoted = ""
    for place, char in enumerate(line):
        if quoted:
            quoted = "" if char == quoted else quoted
        elif char in "\"'":
            quoted = char
        elif char == "#":
            return place
    return None


def _is_filled_in(path: Path, text: str, seed: int, skip: int) -> bool:
    """Whether the text has the publication's recipe with these numbers and no other change."""
    try:
        entries = tomllib.loads(text)
        recipe = Recipe.from_entries({"name": path.stem, **entries["recipe"]})
    except (ValueError, KeyError, TypeError):
        return False
    wanted = read_publication(path).recipe.found(seed, skip)
    return _plain(recipe) == _plain(wanted)


def _plain(recipe: Recipe) -> Recipe:
    """The recipe with ``skip`` None in place of 0, which means the same."""
    draws = (replace(draw, skip=draw.skip or None) for draw in recipe.draws)
    return replace(recipe, draws=tuple(draws))
