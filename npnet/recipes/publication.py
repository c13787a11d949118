"""Publications: runs with printed figures, read from TOML files that anyone can write."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from npnet.base.errors import InputError, shown
from npnet.base.suggestions import nearest
from npnet.corpora.datasets import Vocabulary
from npnet.corpora.words import LINES, FilePath, read_words
from npnet.recipes.named import PUBLICATIONS
from npnet.recipes.recipe import MOMENTUM, SYNONYMS, Recipe

# The names under which notebooks print the loss of a split -> the split.
SPLITS = {"train": "train", "dev": "dev", "val": "dev", "test": "test"}
FIGURE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,25})?")
STEP = re.compile("0|[1-9][0-9]{0,15}")
SHA256 = re.compile("[0-9a-fA-F]{64}")
PRINTED = (
    "losses",
    "cross_entropy",
    "sums",
    "probs_row",
    "split_losses",
    "parameters",
    "targets",
    "names",
)


class WordFile(NamedTuple):
    """A file of words: its name for messages, and its SHA-256, by which it is found."""

    name: str
    sha256: str


@dataclass(frozen=True)
class WordList:
    """The corpus of a run.

    Attributes:
        files: one or more; their words are joined in this order.
        fold: whether words are lower-cased before use.
        lines: which lines are words, as ``npnet.read_words`` takes it.
        unique: whether repeated words are removed; the first one stays where it is.
        sort: whether the words are then sorted.
    """

    files: tuple[WordFile, ...]
    fold: bool = False
    lines: str = LINES[0]
    unique: bool = False
    sort: bool = False

    @property
    def name(self) -> str:
        """The names of all files."""
        return " + ".join(file.name for file in self.files)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the first file."""
        return self.files[0].sha256

    def words(self, paths: Sequence[FilePath]) -> list[str]:
        """The words of these files, prepared as for the run.

        Raises:
            InputError: as ``read_words``.
        """
        words = [
            word for path in paths for word in read_words(path, fold=self.fold, lines=self.lines)
        ]
        words = list(dict.fromkeys(words)) if self.unique else words
        return sorted(words) if self.sort else words


class Batch(NamedTuple):
    """The first minibatch as text, for a publication whose corpus nobody has.

    ``chars`` are the characters of the corpus. Each of ``rows`` is a context and its target, such
    as ``.yuv``.
    """

    chars: str
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Printed:
    """The printed figures, with the digits that were printed.

    Attributes:
        losses: step (from 0) -> the loss of its minibatch before the update.
        cross_entropy: step -> the same loss in its fused form, which notebooks print next to it.
        sums: step -> the sum of the losses of a minibatch instead of their mean.
        probs: row of the first minibatch -> its softmax, V figures.
        split_losses: the printed name of a split, a key of ``SPLITS`` -> its loss.
        parameters: how many numbers are trained, or None.
        targets: the indices of the first minibatch's targets; may be empty.
        names: the first sampled names; may be empty.
    """

    losses: Mapping[int, str] = field(default_factory=dict)
    cross_entropy: Mapping[int, str] = field(default_factory=dict)
    sums: Mapping[int, str] = field(default_factory=dict)
    probs: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    split_losses: Mapping[str, str] = field(default_factory=dict)
    parameters: str | None = None
    targets: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def steps(self) -> list[int]:
        """The steps with a printed figure, in order."""
        return sorted({*self.losses, *self.cross_entropy, *self.sums})

    def of_step(self, step: int) -> list[tuple[str, str]]:
        """Kind (``loss``, ``cross_entropy``, ``sum``) and printed figure, of a step."""
        kinds = ("loss", self.losses), ("cross_entropy", self.cross_entropy), ("sum", self.sums)
        return [(what, figures[step]) for what, figures in kinds if step in figures]

    def below(self, steps: int) -> Printed:
        """A copy with only the figures that are known after ``steps`` steps."""
        losses, cross_entropy, sums = (
            {step: figure for step, figure in figures.items() if step < steps}
            for figures in (self.losses, self.cross_entropy, self.sums)
        )
        return replace(
            self, losses=losses, cross_entropy=cross_entropy, sums=sums, split_losses={}, names=()
        )

    @property
    def count(self) -> int:
        """The number of figures. All targets count as one, and so does a row of the softmax."""
        single = (self.parameters is not None) + bool(self.targets)
        of_steps = len(self.losses) + len(self.cross_entropy) + len(self.sums)
        return of_steps + len(self.probs) + len(self.split_losses) + single + len(self.names)

    @property
    def of_first_batch(self) -> bool:
        """Whether all figures are of the first minibatch, without any training."""
        return not self.split_losses and not self.names and set(self.steps) <= {0}


@dataclass(frozen=True)
class Publication:
    """A run and its printed figures. ``corpus`` or ``batch`` may be None, but not both."""

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
    """A publication that comes with npnet, by its name; or one from a TOML file, by its path.

    Raises:
        InputError: no publication and no file has this name, or the file is not a publication.
    """
    path = shipped().get(name, Path(name))
    if not os.path.exists(path):
        raise InputError(
            f"publication: got {name!r}, wanted one of {', '.join(shipped())}, or a file"
        )
    return read_publication(path)


def read_publication(path: FilePath, *, figures: bool = True) -> Publication:
    """Read a publication's file.

    Args:
        path: the TOML file.
        figures: whether the file must have printed figures, and everything that is needed to
            compute them. For training, a file with only a ``[recipe]`` is enough.

    Raises:
        InputError: the file is unreadable or not TOML, a key is unknown, or a value is impossible;
            the message begins with the file and the key.
    """
    path = Path(path)
    top = _Table(path, "", _parsed(path))
    top.refuse_others("source", "corpus", "batch", "recipe", "printed")
    table = top.table("recipe")
    if table is None:
        raise top.refusal("recipe", None, "a table [recipe]")
    recipe = Recipe.from_entries({"name": path.stem, **table.entries}, f"{path}: [recipe]")
    if recipe.momentum != MOMENTUM and not recipe.statistics.startswith("running"):
        wanted = f'none, or statistics = "running-var" or "running-std": {recipe.statistics} '
        raise table.refusal("momentum", recipe.momentum, f"{wanted}has no running averages")
    corpus, batch = _corpus(top.table("corpus")), _batch(top.table("batch"), recipe)
    printed = _printed(top.table("printed"), recipe)
    if figures and not printed.count:
        raise top.refusal("printed", top.entries.get("printed"), "at least one printed figure")
    if figures and corpus is None and (batch is None or not printed.of_first_batch):
        wanted = "a table [corpus]: only figures of the first minibatch do with a [batch] alone"
        raise top.refusal("corpus", None, wanted)
    words = "words on where the figures were printed"
    source = (
        " ".join(top.text("source", words).split()) if figures or "source" in top.entries else ""
    )
    return Publication(path, recipe, source, corpus, batch, printed)


class _Table:
    """One table of a file. Its methods check the value of a key; their errors name the key."""

    def __init__(self, path: Path, prefix: str, entries: Any) -> None:
        self.path, self.prefix, self.entries = path, prefix, entries

    def refusal(self, key: str, got: object, wanted: str) -> InputError:
        what = "nothing" if got is None else shown(got)
        return InputError(f"{self.path}: {self.prefix}{key}: got {what}, wanted {wanted}")

    def refuse_others(self, *known: str) -> None:
        for key in self.entries:
            if key not in known:
                near = SYNONYMS.get(key) or nearest(key, known)
                wanted = f"did you mean {near}?" if near in known else f"wanted {', '.join(known)}"
                raise InputError(f"{self.path}: {self.prefix}{key}: unknown key, {wanted}")

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

    def flag(self, key: str) -> bool:
        got = self.entries.get(key, False)
        if not isinstance(got, bool):
            raise self.refusal(key, got, "true or false")
        return got

    def items(self, key: str, wanted: str, like: str, between: str = r"[\s,]+") -> tuple[str, ...]:
        """A list, written as a TOML list, or as text with blanks or commas between the entries."""
        got = self.entries.get(key)
        if got is None:
            return ()
        if isinstance(got, str):
            got = re.split(between, got.strip().removesuffix(",").strip())
        if not isinstance(got, list) or not all(type(item) in (str, int) for item in got):
            raise self.refusal(key, got, wanted)
        for item in got:
            if not re.fullmatch(like, str(item)):
                raise self.refusal(key, item, wanted)
        return tuple(map(str, got))

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
    table.refuse_others("name", "sha256", "files", "fold", "lines", "unique", "sort")
    lines = table.entries.get("lines", LINES[0])
    if lines not in LINES:
        raise table.refusal("lines", lines, f"one of {', '.join(LINES)}")
    flags = {key: table.flag(key) for key in ("fold", "unique", "sort")}
    if "files" not in table.entries:
        return WordList((_file(table),), lines=lines, **flags)
    files = table.entries["files"]
    wanted = 'a list of files such as { name = "names.txt", sha256 = "0a30…" }, in place of them'
    alone = "name" not in table.entries and "sha256" not in table.entries
    if not (
        alone and files and isinstance(files, list) and all(isinstance(f, dict) for f in files)
    ):
        raise table.refusal("files", files, wanted)
    tables = [_Table(table.path, f"corpus.files[{place}].", f) for place, f in enumerate(files)]
    for each in tables:
        each.refuse_others("name", "sha256")
    return WordList(tuple(_file(each) for each in tables), lines=lines, **flags)


def _file(table: _Table) -> WordFile:
    sha256 = table.text("sha256", "the 64 digits of a SHA-256", SHA256.pattern)
    return WordFile(table.text("name", "a name for the corpus"), sha256.lower())


def _batch(table: _Table | None, recipe: Recipe) -> Batch | None:
    if table is None:
        return None
    table.refuse_others("chars", "rows")
    rows = table.items("rows", "rows of text", "(?s).+", between=r"\s+")
    if not rows:
        raise table.refusal("rows", None, "rows of text")
    if len(rows) != recipe.batch:
        raise table.refusal("rows", len(rows), f"{recipe.batch} rows as recipe.batch says")
    vocab = Vocabulary.from_chars(table.text("chars", "the characters of the corpus"))
    for row in rows:
        if len(row) != recipe.block_size + 1 or not set(row) <= set(vocab.chars):
            wanted = f"{recipe.block_size} characters of context and a target, out of chars or ."
            raise table.refusal("rows", row, wanted)
    own = recipe.split != "words" and recipe.split_seed is None
    if own or recipe.batch_first:
        wanted = (
            "a [corpus] in its place: by split or batch_first the parameters depend on its size"
        )
        raise table.refusal("rows", len(rows), wanted)
    return Batch(vocab.chars, rows)


def _printed(table: _Table | None, recipe: Recipe) -> Printed:
    if table is None:
        return Printed()
    table.refuse_others(*PRINTED)
    targets = table.items("targets", "whole numbers", "[0-9]{1,9}")
    if "targets" in table.entries and len(targets) != recipe.batch:
        wanted = f"{recipe.batch} indices as recipe.batch says"
        raise table.refusal("targets", len(targets), wanted)
    split_losses = table.figures("split_losses", SPLITS)
    if {"dev", "val"} <= {*split_losses}:
        raise table.refusal("split_losses", "dev and val", "one of them: they are the same split")
    number = 'a number in quotes such as "12297"'
    given = "parameters" in table.entries
    return Printed(
        _by_step(table, "losses", recipe),
        _by_step(table, "cross_entropy", recipe),
        _by_step(table, "sums", recipe),
        _probs(table, recipe),
        split_losses,
        table.text("parameters", number, "[0-9]{1,12}") if given else None,
        tuple(map(int, targets)),
        table.items("names", "a list of names", ".*"),
    )


def _by_step(table: _Table, key: str, recipe: Recipe) -> dict[int, str]:
    """Figures by step; a single figure belongs to step 0."""
    wanted = 'figures in quotes, with the digits that were printed, such as "2.0322"'
    if isinstance(table.entries.get(key), str):
        return {0: table.text(key, wanted, FIGURE.pattern)}
    figures = table.figures(key)
    for step in figures:
        if not STEP.fullmatch(step) or int(step) >= recipe.steps:
            wanted = f"a step from 0 to {recipe.steps - 1}, in digits alone, below recipe.steps"
            raise table.refusal(key, step, wanted)
    return {int(step): figures[step] for step in sorted(figures, key=int)}


def _probs(table: _Table, recipe: Recipe) -> dict[int, tuple[str, ...]]:
    """Figures of the softmax by row of the first minibatch; a single row is row 0."""
    wanted = "the figures of a row of the softmax, with the digits that were printed"
    if not isinstance(table.entries.get("probs_row"), dict):
        row = table.items("probs_row", wanted, FIGURE.pattern)
        return {0: row} if row else {}
    rows = table.table("probs_row")
    assert rows is not None
    for row in rows.entries:
        if not STEP.fullmatch(row) or int(row) >= recipe.batch:
            bound = f"a row from 0 to {recipe.batch - 1}, as recipe.batch says"
            raise table.refusal("probs_row", row, bound)
    return {int(row): rows.items(row, wanted, FIGURE.pattern) for row in rows.entries}
