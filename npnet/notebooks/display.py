"""The value of a cell's last expression as IPython shows it."""

from __future__ import annotations

WIDTH = 79  # of a line in IPython's output
LONGEST = 1000  # entries of a list that are shown
BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def shown(value: object, indent: int = 0, room: int = WIDTH) -> str:
    """One line if it fits, else an entry of a list, tuple, set or dict on each line.

    Args:
        value: anything. Only the four kinds above are broken into lines, as IPython does.
        indent: columns that stand before it.
        room: the last column that may be used.
    """
    line = repr(value)
    kind = type(value)
    if (kind not in BRACKETS and kind is not dict) or not value:
        # A text of several lines keeps them under its first.
        return line
    if len(line) + indent <= room and len(value) <= LONGEST:  # type: ignore[arg-type]
        return line
    if isinstance(value, dict):
        opening, closing = "{", "}"
        entries = []
        for key, entry in list(value.items())[:LONGEST]:
            name = f"{shown(key, indent + 1)}: "
            entries.append(name + shown(entry, indent + 1 + len(name)))
    else:
        opening, closing = BRACKETS[kind]
        members = sorted(value, key=repr) if isinstance(value, set | frozenset) else list(value)  # type: ignore[call-overload]
        entries = [shown(entry, indent + len(opening)) for entry in members[:LONGEST]]
    if len(value) > LONGEST:  # type: ignore[arg-type]
        entries.append("...")
    separator = ",\n" + " " * (indent + len(opening))
    return opening + separator.join(entries) + closing
