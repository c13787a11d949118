"""Publications: runs of which somebody printed figures, as TOML files that anyone can write."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from npnet.base.errors import InputError, shown
from npnet.corpora.words import FilePath, Vocabulary
from npnet.recipes.recipe import PUBLICATIONS, Recipe

SPLIT_NAMES = ("train", "dev", "test")
FIGURE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,25})?")


class WordList(NamedTuple):
    """The corpus of a run: a name for people, a SHA-256 for us, and whether its words are folded
    (lower-cased) before use."""

    name: str
    sha256: str
    fold: bool


class Batch(NamedTuple):
    """The first minibatch as text, which stands in for a corpus that is not at hand.

    ``chars`` are those of the corpus; each of ``rows`` is a context and its target, ``.yuv``.
    """

    chars: str
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Printed:
    """The figures that were printed, in the digits that were printed.

    Attributes:
        losses: by step, counted from 0; the loss of its minibatch before the update.
        split_losses: by split, ``train``, ``dev`` or ``test``.
        parameters: how many numbers are trained, or None.
        targets: indices of the first minibatch's targets, or none.
        names: the first names that were sampled, or none.
    """

    losses: Mapping[int, str]
    split_losses: Mapping[str, str]
    parameters: str | None
    targets: tuple[int, ...]
    names: tuple[str, ...]

    def below(self, steps: int) -> Printed:
        """What is known after ``steps`` steps of a longer run."""
        losses = {step: figure for step, figure in self.losses.items() if step < steps}
        return Printed(losses, {}, self.parameters, self.targets, ())

    @property
    def count(self) -> int:
        """How many figures; the targets are one."""
        single = (self.parameters is not None) + bool(self.targets)
        return len(self.losses) + len(self.split_losses) + single + len(self.names)

    @property
    def of_first_batch(self) -> bool:
        """Whether the first minibatch alone gives all of them, without any training."""
        return not self.split_losses and not self.names and set(self.losses) <= {0}


@dataclass(frozen=True)
class Publication:
    """A run, and what was printed of it. ``corpus`` or ``batch`` may be None, not both."""

    file: Path
    recipe: Recipe
    source: str
    corpus: WordList | None
    batch: Batch | None
    printed: Printed


def shipped() -> dict[str, Path]:
    """The files of the publications that come with npnet, by name."""
    return {path.stem: path for path in sorted(PUBLICATIONS.glob("*.toml"))}


def find_publication(name: str) -> Publication:
    """A publication that comes with npnet, or that of a TOML file.

    Raises:
        InputError: neither is called so, or the file is no publication.
    """
    path = shipped().get(name, Path(name))
    if not os.path.exists(path):
        raise InputError(f"replay: got {name!r}, wanted one of {', '.join(shipped())}, or a file")
    return read_publication(path)


def read_publication(path: FilePath) -> Publication:
    """Read a publication's file.

    Raises:
        InputError: unreadable, no TOML, an unknown key, a value that cannot be; the message
            begins with the file and the key.
    """
    path = Path(path)
    top = _Table(path, "", _parsed(path))
    top.refuse_others("source", "corpus", "batch", "recipe", "printed")
    table = top.table("recipe")
    if table is None:
        raise top.refusal("recipe", None, "a table [recipe]")
    recipe = Recipe.from_entries({"name": path.stem, **table.entries}, f"{path}: [recipe]")
    corpus, batch = _corpus(top.table("corpus")), _batch(top.table("batch"), recipe)
    printed = _printed(top.table("printed"), recipe)
    if not printed.count:
        raise top.refusal("printed", top.entries.get("printed"), "at least one printed figure")
    if corpus is None and (batch is None or not printed.of_first_batch):
        wanted = "a table [corpus]: only figures of the first minibatch do with a [batch] alone"
        raise top.refusal("corpus", None, wanted)
    source = " ".join(top.text("source", "words on where the figures were printed").split())
    return Publication(path, recipe, source, corpus, batch, printed)


class _Table:
    """One table of a file. What is asked of it comes checked, or as an error naming the key."""

    def __init__(self, path: Path, prefix: str, entries: Any) -> None:
        self.path, self.prefix, self.entries = path, prefix, entries

    def refusal(self, key: str, got: object, wanted: str) -> InputError:
        what = "nothing" if got is None else shown(got)
        return InputError(f"{self.path}: {self.prefix}{key}: got {what}, wanted {wanted}")

    def refuse_others(self, *known: str) -> None:
        for key in self.entries:
            if key not in known:
                raise InputError(
                    f"{self.path}: {self.prefix}{key}: unknown key, wanted {', '.join(known)}"
                )

    def table(self, key: str) -> _Table | None:
        got = self.entries.get(key)
        if got is None:
            return None
        if not isinstance(got, dict):
            raise self.refusal(key, got, f"a table [{self.prefix}{key}]")
        return _Table(self.path, f"{self.prefix}{key}.", got)

    def text(self, key: str, wanted: str = "text", like: str = r"(?s).*\S.*") -> str:
        got = self.entries.get(key)
        if not isinstance(got, str) or not re.fullmatch(like, got):
            raise self.refusal(key, got, wanted)
        return got

    def figures(self, key: str, like: Iterable[str] | None = None) -> dict[str, str]:
        table = self.table(key)
        if table is None:
            return {}
        if like is not None:
            table.refuse_others(*like)
        wanted = 'a figure in quotes, with the digits that were printed, such as "2.0322"'
        return {name: table.text(name, wanted, FIGURE.pattern) for name in table.entries}


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, wanted a publication's TOML file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no TOML ({error}), wanted a publication's file") from error


def _corpus(table: _Table | None) -> WordList | None:
    if table is None:
        return None
    table.refuse_others("name", "sha256", "fold")
    fold = table.entries.get("fold", False)
    if not isinstance(fold, bool):
        raise table.refusal("fold", fold, "true or false")
    sha256 = table.text("sha256", "the 64 digits of a SHA-256", "[0-9a-fA-F]{64}")
    return WordList(table.text("name", "a name for the corpus"), sha256.lower(), fold)


def _batch(table: _Table | None, recipe: Recipe) -> Batch | None:
    if table is None:
        return None
    table.refuse_others("chars", "rows")
    rows = tuple(table.text("rows", "rows of text").split())
    if len(rows) != recipe.batch:
        raise table.refusal("rows", len(rows), f"{recipe.batch} rows as recipe.batch says")
    vocab = Vocabulary.from_chars(table.text("chars", "the characters of the corpus"))
    for row in rows:
        if len(row) != recipe.block_size + 1 or not set(row) <= set(vocab.chars):
            wanted = f"{recipe.block_size} characters of context and a target, out of chars or ."
            raise table.refusal("rows", row, wanted)
    own = recipe.split == "examples" and recipe.split_seed is None
    if own or recipe.batch_first:
        wanted = (
            "a [corpus] in its place: by split or batch_first the parameters depend on its size"
        )
        raise table.refusal("rows", len(rows), wanted)
    return Batch(vocab.chars, rows)


def _printed(table: _Table | None, recipe: Recipe) -> Printed:
    if table is None:
        return Printed({}, {}, None, (), ())
    table.refuse_others("losses", "split_losses", "parameters", "targets", "names")
    losses = table.figures("losses")
    for step in losses:
        if not re.fullmatch("0|[1-9][0-9]{0,15}", step) or int(step) >= recipe.steps:
            wanted = f"a step from 0 to {recipe.steps - 1}, in digits alone, below recipe.steps"
            raise table.refusal("losses", step, wanted)
    targets = re.split(r"[\s,]+", str(table.entries.get("targets", "")).strip())
    if "targets" in table.entries and (
        len(targets) != recipe.batch or not all(re.fullmatch("[0-9]{1,9}", t) for t in targets)
    ):
        wanted = f"{recipe.batch} indices in quotes, as recipe.batch says"
        raise table.refusal("targets", table.entries["targets"], wanted)
    names = table.entries.get("names", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise table.refusal("names", names, "a list of names")
    return Printed(
        {int(step): losses[step] for step in sorted(losses, key=int)},
        table.figures("split_losses", SPLIT_NAMES),
        table.text("parameters", 'a number in quotes such as "12297"', "[0-9]{1,12}")
        if "parameters" in table.entries
        else None,
        tuple(int(target) for target in targets if target),
        tuple(names),
    )
