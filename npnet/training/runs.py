"""A run and its folder: recipe, model, history, words, samples and a picture of the losses."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base import blas
from npnet.base.arguments import PATH, checked
from npnet.base.arrays import Floats
from npnet.base.equality import ReadOnlyFields
from npnet.base.errors import InputError
from npnet.base.files import new_folder, replacing, unwritable
from npnet.base.npz import read_npz
from npnet.base.version import __version__
from npnet.corpora.datasets import Vocabulary
from npnet.corpora.words import refuse_unwritable
from npnet.network.names import PARAMETER_NAMES
from npnet.network.parameters import Parameters
from npnet.recipes.recipe import Recipe
from npnet.torch_rng.generator import Generator
from npnet.training.batchnorm import Statistics
from npnet.training.sample import sample, unnormalised

# The folder where commands make and find runs, and the lock file of a run folder.
ROOT = Path("runs")
LOCK = ".lock"
# The files of a run that are lists, and the titles of their columns.
LISTS = {"evaluations": "step,train,dev", "times": "step,seconds"}


@dataclass(frozen=True, eq=False)
class Run(ReadOnlyFields):
    """A trained model, with recipe, words and losses. ``load_run(run.save(folder)) == run``.

    Attributes:
        recipe: every number of the run.
        params, stats: the trained parameters and their batch-norm statistics.
        losses: (steps,), read-only: the minibatch loss of each step before its update, in nats.
        split_losses: mean cross-entropy of ``train``, ``dev`` and ``test``, in nats.
        vocab: the characters.
        words: the whole corpus, in its own order.
        evaluations: (count, 3): steps taken, train loss, dev loss. Without ``eval_every`` there are
            none.
        times: (count, 2): steps taken, and seconds of training until then. Runs can be equal even
            if their times differ.
    """

    recipe: Recipe
    params: Parameters
    stats: Statistics
    losses: Floats
    split_losses: Mapping[str, float]
    vocab: Vocabulary
    words: tuple[str, ...]
    evaluations: Floats = field(default_factory=lambda: np.empty((0, 3)))
    times: Floats = field(default_factory=lambda: np.empty((0, 2)), compare=False)

    def sample(self, count: int = 20) -> list[str]:
        """``count`` names, sampled as the recipe says, with its sample seed."""
        recipe, params, stats = self.recipe, self.params, self.stats
        if recipe.sampling == "plain":
            params, stats = unnormalised(params)
        generator = Generator(recipe.sample_seed)
        return sample(params, stats, self.vocab, count, generator, sampler=recipe.sampler)

    def save(self, folder: str | os.PathLike[str], *, plot: bool = True) -> Path:
        """Write the run into ``folder``, which is new or empty.

        The files are recipe.json, words.txt, history.csv, model.npz (no pickle), losses.json,
        samples.txt, times.csv, evaluations.csv if there are evaluations, and loss.png unless
        ``plot`` is False. Each is written to a temporary file, which is then renamed.

        Raises:
            InputError: the folder is not empty or cannot be written to; or a word has an invisible
                character, which cannot be read back from words.txt.
        """
        folder = Path(folder)
        refuse_unwritable(self.words, "save")
        try:
            vacant = folder.is_dir() and not any(folder.iterdir())
        except OSError as error:
            raise unwritable(folder, error) from error
        if not vacant:
            new_folder(folder)
        write_words(folder, self.words)
        self.write(folder, plot=plot)
        return folder

    def write(self, folder: Path, *, plot: bool = True) -> None:
        """Write everything except the words into a run folder that has its words already."""
        write_recipe(folder, self.recipe)
        write_history(folder, self.recipe, self.losses)
        for name, titles in LISTS.items():
            if len(getattr(self, name)):
                write_list(folder / f"{name}.csv", titles, getattr(self, name))
        write_text(folder / "losses.json", json.dumps(dict(self.split_losses), indent=2))
        write_text(folder / "samples.txt", "\n".join(self.sample()))
        if plot:
            from npnet.plotting import plots

            plots.save(plots.losses([self]), folder / "loss.png")
        # The model is written last: a folder that has it is complete.
        with replacing(folder / "model.npz") as path:
            arrays: dict[str, Any] = {**self.params, **dataclasses.asdict(self.stats)}
            np.savez(path, **arrays, chars=np.array(list(self.vocab.chars)))


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from training in ``folder``. If this process dies, the lock is free.

    Raises:
        InputError: another process uses it, or the folder cannot be written to.
    """
    import filelock

    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise InputError(
            f"{folder}: another process trains in this folder: wait for it, or choose another"
        ) from error
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def require_space(folder: Path, recipe: Recipe) -> None:
    """Check that a run of ``recipe`` fits on the disk.

    Raises:
        InputError: there is not enough space.
    """
    # At most 64 bytes a line of history, two checkpoints with 8 bytes a step, and the rest.
    needed = 10_000_000 + recipe.steps * (64 + 2 * 8)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"{folder}: {free:,} bytes are free on its disk, wanted {needed:,} for "
            f"{recipe.steps:,} steps: delete something, or choose another folder"
        )


def losses_line(losses: Mapping[str, float]) -> str:
    """The split losses in one line, such as ``train 2.0711  dev 2.1119``."""
    return "  ".join(f"{split} {loss:.4f}" for split, loss in losses.items())


def write_text(path: Path, text: str) -> None:
    """Write ``text`` and a line end to ``path``, by way of a temporary file that is renamed."""
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """The versions of the programs on which the bits of a run depend."""
    return {
        "npnet": __version__,
        "numpy": np.__version__,
        "blas": blas.describe(),
    }


def versions_of(folder: Path) -> dict[str, str]:
    """The versions with which a run began, from its recipe.json; empty if it has none."""
    try:
        entries = json.loads(_text(folder / "recipe.json"))
        return dict(entries.get("began_with") or entries["made_with"])
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return {}


def write_recipe(folder: Path, recipe: Recipe, eval_every: int | None = None) -> None:
    """Write recipe.json: the recipe's fields, and the versions with which the run began.

    ``eval_every`` is there for a run that stops and continues; None keeps the number in the file.
    """
    eval_every = read_eval_every(folder) if eval_every is None else eval_every
    entries = {**json.loads(recipe.to_json()), "made_with": versions()}
    if eval_every is not None:
        entries["eval_every"] = eval_every
    began_with = versions_of(folder)
    if began_with not in ({}, versions()):
        entries["began_with"] = began_with
    write_text(folder / "recipe.json", json.dumps(entries, indent=2))


def read_eval_every(folder: Path) -> int | None:
    """The number of steps between two evaluations, from recipe.json; None if there are none."""
    try:
        every = json.loads(_text(folder / "recipe.json")).get("eval_every")
    except (AttributeError, ValueError, RecursionError):
        return None
    return every if isinstance(every, int) and every >= 0 else None


def write_list(path: Path, titles: str, rows: Floats) -> None:
    """Write rows of a step and its numbers, so that the same floats are read back."""
    lines = [",".join([f"{step:.0f}", *map(repr, rest)]) for step, *rest in rows.tolist()]
    write_text(path, "\n".join([titles, *lines]))


def diverged_at(folder: Path) -> int | None:
    """The step at which a run diverged, from the end of its history.csv; None if it did not."""
    try:
        with (folder / "history.csv").open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 200))
            step, loss, _ = file.read().decode().splitlines()[-1].split(",")
            return None if np.isfinite(float(loss)) else int(step)
    except (OSError, ValueError, IndexError):
        return None


def write_words(folder: Path, words: tuple[str, ...]) -> None:
    """Write words.txt, so that the run can be evaluated even if its corpus has moved."""
    write_text(folder / "words.txt", "\n".join(words))


def write_history(folder: Path, recipe: Recipe, losses: Floats) -> None:
    """Write history.csv: step, loss, rate, with the fewest digits that keep the floats exact."""
    with replacing(folder / "history.csv") as path, path.open("w", encoding="utf-8") as file:
        file.write("step,loss,lr\n")
        # NumPy and Python write a float with the fewest digits that keep it exact.
        file.writelines(
            f"{step},{loss!s},{recipe.rate(step)!s}\n" for step, loss in enumerate(losses)
        )


def read_recipe(path: Path) -> Recipe:
    """The recipe from a JSON file, such as the recipe.json of a run.

    Raises:
        InputError: the file is missing, unreadable or not a recipe.
    """
    return Recipe.from_json(_text(path), str(path))


def read_words_of(folder: Path) -> tuple[str, ...]:
    """The words from a run's words.txt.

    Raises:
        InputError: the file is missing or unreadable.
    """
    return tuple(_text(folder / "words.txt").removesuffix("\n").split("\n"))


@checked(folder=PATH)
def load_run(folder: str | os.PathLike[str]) -> Run:
    """Read the run that ``Run.save`` wrote.

    Raises:
        InputError: it is not a run folder, or a file in it is missing, damaged or of another run;
            the message names the file.
    """
    folder = Path(folder)
    if not os.path.isfile(folder / "recipe.json"):
        several = os.path.isfile(folder / "runs.json")
        inner = sorted(folder.glob("**/model.npz"))[:1] if several else []
        what = f", such as {inner[0].parent}" if inner else ": npnet train"
        raise InputError(f"{folder}: no recipe.json in it, wanted the folder of a run{what}")
    recipe = read_recipe(folder / "recipe.json")
    params, stats, vocab = _read_model(folder / "model.npz", recipe)
    losses = _read_losses(folder / "history.csv", recipe)
    split_losses = read_split_losses(folder / "losses.json")
    words = read_words_of(folder)
    lists = [read_list(folder / f"{name}.csv", titles) for name, titles in LISTS.items()]
    if unknown := {*"".join(words)} - {*vocab.chars[1:]}:
        raise InputError(f"{folder / 'words.txt'}: has {min(unknown)!r}, which model.npz has not")
    return Run(recipe, params, stats, losses, split_losses, vocab, words, *lists)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), wanted a file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no UTF-8 text ({error.reason} at {error.start})") from error


def _read_model(path: Path, recipe: Recipe) -> tuple[Parameters, Statistics, Vocabulary]:
    arrays = read_npz(path)
    try:
        params = Parameters(**{name: arrays[name] for name in PARAMETER_NAMES})
        stats = Statistics(arrays["mean"], arrays["var"], float(arrays["eps"]))
        vocab = Vocabulary.from_chars(arrays["chars"].tolist())
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no model of npnet ({error}): train again") from error
    said = {"E": recipe.embedding, "T": recipe.block_size, "H": recipe.hidden}
    wanted = {"V": vocab.size, **said}, recipe.dtype, (1, recipe.hidden)
    got = params.sizes, str(params.dtype), stats.mean.shape
    if got != wanted:
        raise InputError(
            f"{path}: sizes, dtype and shape of the statistics are {got}, wanted {wanted} by "
            "recipe.json and the characters"
        )
    return params, stats, vocab


def _read_losses(path: Path, recipe: Recipe) -> Floats:
    try:
        first, *rows = csv.reader(_text(path).splitlines())
        if first != ["step", "loss", "lr"]:
            raise InputError(f"{path}: the first line is not step,loss,lr: no history of a run")
        steps = [row[0] for row in rows]
        if len(steps) != recipe.steps or any(step != str(i) for i, step in enumerate(steps)):
            raise InputError(f"{path}: {len(rows)} lines, wanted steps 0 to {recipe.steps - 1}")
        with np.errstate(over="ignore"):
            losses = np.array([row[1] for row in rows], recipe.dtype)
        if not np.isfinite(losses).all():
            raise InputError(f"{path}: a loss is not finite, wanted those of a finished run")
        return losses
    except InputError:
        raise
    except (IndexError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: damaged ({error}), wanted three numbers a line") from error


def read_list(path: Path, titles: str) -> Floats:
    """The rows that ``write_list`` wrote; none if there is no such file.

    Raises:
        InputError: the file is damaged.
    """
    columns = titles.count(",") + 1
    if not path.exists():
        return np.empty((0, columns))
    try:
        first, *lines = _text(path).splitlines()
        if first != titles:
            raise ValueError(f"its first line is not {titles}")
        return np.array([[float(cell) for cell in line.split(",")] for line in lines]).reshape(
            -1, columns
        )
    except ValueError as error:
        raise InputError(f"{path}: damaged ({error}), wanted {columns} numbers a line") from error


def read_split_losses(path: Path) -> dict[str, float]:
    """The split losses from a run's losses.json.

    Raises:
        InputError: the file is missing or damaged.
    """
    text = _text(path)
    try:
        return {split: float(loss) for split, loss in json.loads(text).items()}
    except (AttributeError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"{path}: damaged ({error}), wanted a loss for each split") from error


def new_numbered(root: Path, name: str) -> Path:
    """Make the first of the folders ``root/name-001``, ``-002``, … that does not exist yet.

    Raises:
        InputError: the folder cannot be made.
    """
    number = 1
    while True:
        folder = root / f"{name}-{number:03d}"
        if not os.path.lexists(folder):
            try:
                return new_folder(folder)
            except InputError:
                # otherwise another process has just taken this number
                if not os.path.lexists(folder):
                    raise
        number += 1


def newest(root: Path, *, several: bool = False) -> Path:
    """The run folder in ``root`` whose model was written last.

    ``several``: folders of several runs count too, by the time when they were begun.

    Raises:
        InputError: there is no such folder.
    """
    found = list(root.glob("*/model.npz"))
    found += root.glob("*/runs.json") if several else ()
    models = sorted(found, key=lambda path: path.stat().st_mtime_ns)
    if not models:
        raise InputError(f"{root}: holds no finished run, wanted one: npnet train makes it")
    return models[-1].parent
