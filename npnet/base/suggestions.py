"""The error for an unknown name, with the most similar known one."""

import difflib
from collections.abc import Iterable

from npnet.base.errors import InputError, shown


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The most similar of ``names``; None if none has a similarity of ``cutoff`` (0 to 1)."""
    return next(iter(difflib.get_close_matches(name, names, 1, cutoff)), None)


def unknown(who: str, name: str, names: Iterable[str]) -> InputError:
    """The error of ``who`` for an unknown ``name``, with the nearest of ``names``, or all."""
    near = nearest(name, names)
    wanted = f"did you mean {near}?" if near else f"wanted one of {', '.join(names)}"
    return InputError(f"{who}: no {shown(name)}, {wanted}")
