"""What to say to a name that is none of those that there are."""

import difflib
from collections.abc import Iterable

from npnet.base.errors import InputError, shown


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that ``name`` is most like, if any is like it."""
    return next(iter(difflib.get_close_matches(name, names, 1)), None)


def unknown(who: str, name: str, names: Iterable[str]) -> InputError:
    """The message of ``who`` that knows no ``name``: the nearest of ``names``, or all of them."""
    near = nearest(name, names)
    wanted = f"did you mean {near}?" if near else f"wanted one of {', '.join(names)}"
    return InputError(f"{who}: no {shown(name)}, {wanted}")
