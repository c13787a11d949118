"""Watching a sheet: when it is saved, the functions that changed are judged again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from npnet.base.errors import InputError
from npnet.learn.grading import Grades
from npnet.learn.sheet_check import check_sheet
from npnet.learn.sheet_parts import fingerprints
from npnet.learn.time_limit import SECONDS
from npnet.learn.training import STEPS

PAUSE = 0.3  # seconds between two looks at the file


def watched(
    path: Path,
    *,
    names: Sequence[str] = (),
    seconds: float = SECONDS,
    steps: int = STEPS,
    pause: float = PAUSE,
) -> Iterator[Grades | InputError]:
    """Yield the grades of a sheet, and then, for ever, the grades of the functions that change.

    Args:
        path: the sheet.
        names: the exercises to judge; empty: all of them.
        seconds, steps: as for ``check_sheet``.
        pause: seconds between two looks at the file.

    Yields:
        The grades of the new or changed functions, or the error of the sheet.

    Raises:
        InputError: the sheet cannot be judged when the watch begins.
    """
    judged: Mapping[str, str] = {}
    first = True
    while True:
        try:
            now = fingerprints(path)
            changed = [name for name in now if now[name] != judged.get(name)]
            changed = [name for name in changed if not names or name in names]
            if first or changed or (judged and not now):
                wanted = names if first else changed
                yield check_sheet(path, seconds=seconds, steps=steps, names=wanted)
            judged = now
        except InputError as error:
            if first:
                raise
            if judged:
                yield error
            judged = {}
        first = False
        time.sleep(pause)
