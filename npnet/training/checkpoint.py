"""Checkpoints: one file from which an interrupted training continues, bit for bit.

A checkpoint is the SHA-256 of an npz file in hexadecimal digits, a line end, and this npz file.
The previous checkpoint is kept. If the newest is damaged, only some seconds of training are lost.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Floats
from npnet.base.equality import ReadOnlyFields
from npnet.base.errors import InputError
from npnet.base.files import replacing
from npnet.base.npz import read_npz
from npnet.network.names import PARAMETER_NAMES
from npnet.network.parameters import Parameters
from npnet.recipes.recipe import Recipe

FORMAT = "npnet checkpoint 1"
# Lists that some checkpoints do not have, and how many numbers each entry of a list has.
LISTS = {"evaluations": 3, "times": 2}
NEWEST, BEFORE = "checkpoint.bin", "checkpoint-before.bin"


@dataclass(frozen=True, eq=False)
class Checkpoint(ReadOnlyFields):
    """A run after ``len(losses)`` steps.

    Attributes:
        recipe: the recipe of the run; ``steps`` may differ when the run continues.
        words: ``digest`` of the corpus.
        params: the seven parameters.
        generator: the state of the minibatches' generator.
        averages: mean (H,) and spread (H,) of the running statistics; empty if there are none.
        losses: (steps so far,).
        evaluations: (count, 3): steps taken, train and dev loss.
        times: (count, 2): steps taken, and seconds of training until then.
    """

    recipe: Recipe
    words: str
    params: Parameters
    generator: dict[str, Any]
    averages: tuple[Floats, ...]
    losses: Floats
    evaluations: Floats = field(default_factory=lambda: np.empty((0, 3)))
    times: Floats = field(default_factory=lambda: np.empty((0, 2)), compare=False)


def digest(words: Sequence[str]) -> str:
    """A checksum of the words of a corpus, which depends on their order."""
    return hashlib.sha256("\n".join(words).encode("utf-8", "surrogatepass")).hexdigest()


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the newest checkpoint of a run folder. The previous one is kept.

    Raises:
        InputError: the folder cannot be written to, or the disk is full.
    """
    head = {"format": FORMAT, "recipe": asdict(checkpoint.recipe), "words": checkpoint.words}
    arrays: dict[str, Any] = {**checkpoint.params, "losses": checkpoint.losses}
    arrays |= {f"generator_{name}": value for name, value in checkpoint.generator.items()}
    for name in LISTS:
        if len(getattr(checkpoint, name)):
            arrays[name] = getattr(checkpoint, name)
    arrays |= {f"average_{i}": array for i, array in enumerate(checkpoint.averages)}
    content = io.BytesIO()
    np.savez(content, head=np.array(json.dumps(head)), **arrays)
    # A damaged newest file must not replace a good previous one.
    before = folder / BEFORE if _body(folder / NEWEST) is not None else None
    with replacing(folder / NEWEST, before) as path:
        checksum = hashlib.sha256(content.getbuffer()).hexdigest()
        path.write_bytes(checksum.encode() + b"\n" + content.getbuffer())


def read_checkpoint(
    folder: Path, recipe: Recipe, words: str
) -> tuple[Checkpoint | None, list[str]]:
    """The newest good checkpoint of a run folder, and the reasons why newer ones were refused.

    Args:
        recipe: the run's recipe; the checkpoint's must be the same except for ``steps``.
        words: ``digest`` of the run's corpus.

    Returns:
        The checkpoint (None if there is no good one), and a sentence for each refused one.
    """
    refused: list[str] = []
    for name in (NEWEST, BEFORE):
        if (folder / name).exists():
            try:
                return _read(folder / name, recipe, words), refused
            except InputError as error:
                refused.append(str(error))
    return None, refused


def _body(path: Path) -> bytes | None:
    """The npz file in a checkpoint, if it can be read and its checksum fits."""
    try:
        checksum, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return body if checksum == hashlib.sha256(body).hexdigest().encode() else None


def _read(path: Path, recipe: Recipe, words: str) -> Checkpoint:
    body = _body(path)
    if body is None:
        raise InputError(f"{path}: is damaged, or cannot be read: it was not used")
    # The checksum is right, so the lines below can only fail for a file of another version.
    try:
        entries = read_npz(path, body)
        head = json.loads(str(entries.pop("head")))
        if head["format"] != FORMAT:
            raise InputError(f"{path}: is of format {head['format']!r}, wanted {FORMAT!r}")
        made = Recipe.from_entries(head["recipe"], str(path))
        averages = tuple(entries[name] for name in sorted(entries) if name.startswith("average_"))
        checkpoint = Checkpoint(
            made,
            head["words"],
            Parameters(**{name: entries[name] for name in PARAMETER_NAMES}),
            {
                name.removeprefix("generator_"): value[()]
                for name, value in entries.items()
                if name.startswith("generator_")
            },
            averages,
            entries["losses"],
            *(entries.get(name, np.empty((0, width))) for name, width in LISTS.items()),
        )
        if checkpoint.losses.ndim != 1:
            raise ValueError(f"losses of shape {checkpoint.losses.shape}")
        for name, width in LISTS.items():
            if getattr(checkpoint, name).shape[1:] != (width,):
                raise ValueError(f"{name} of shape {getattr(checkpoint, name).shape}")
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no checkpoint of this version of npnet ({error})") from error
    if asdict(made) | {"steps": 0} != asdict(recipe) | {"steps": 0} or checkpoint.words != words:
        raise InputError(f"{path}: belongs to another recipe or corpus than its folder says")
    return checkpoint
