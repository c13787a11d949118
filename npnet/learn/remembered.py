"""The finished trainings of exercise 4, so that none is repeated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

MOST = 20  # trainings that are kept


def folder() -> Path:
    """Where they are kept: the folder that the system has for such files."""
    import pooch

    return Path(pooch.os_cache("npnet"))


def recall(key: str, steps: int) -> list[float] | None:
    """The losses of a training by a function with this fingerprint, if it was made."""
    losses = _read().get(f"{key} {steps}")
    return losses if isinstance(losses, list) else None


def remember(key: str, steps: int, losses: Sequence[float]) -> None:
    """Keep the losses of a whole training; where no file can be written, nothing is kept."""
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
