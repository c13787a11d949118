"""A file of the finished trainings of exercise 4, so that none is repeated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

MOST = 20  # how many trainings are kept


def folder() -> Path:
    """The folder for these files: the system's cache folder."""
    import pooch

    return Path(pooch.os_cache("npnet"))


def recall(key: str, steps: int) -> list[float] | None:
    """The losses of an earlier training with a function of this fingerprint, if there was one."""
    losses = _read().get(f"{key} {steps}")
    return losses if isinstance(losses, list) else None


def remember(key: str, steps: int, losses: Sequence[float]) -> None:
    """Keep the losses of a whole training; if no file can be written, nothing is kept."""
    kept = {**_read(), f"{key} {steps}": list(losses)}
    newest = dict(list(kept.items())[-MOST:])
    try:
        folder().mkdir(parents=True, exist_ok=True)
        _file().write_text(json.dumps(newest), encoding="utf-8")
    except OSError:
        pass


def _file() -> Path:
    return folder() / "trainings.json"


def _read() -> dict[str, list[float]]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
