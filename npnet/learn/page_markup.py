"""The pieces of the page as HTML: code, words and formulas; and the graph of names as SVG."""

import re
from collections.abc import Mapping
from html import escape
from typing import NamedTuple

from npnet.network.forward import LINES
from npnet.network.graph import readers
from npnet.network.names import NAMES, PARAMETER_NAMES

# A whole name, not a part of a longer word. In the source of the functions, v. or d. is before it;
# in the lecture's notation, a gradient begins with d.
TOKEN = (
    rf"(?<![\w.])(?P<kind>[vd]\.|d|)(?P<name>{'|'.join(sorted(NAMES, key=len, reverse=True))})"
    r"(?![A-Za-z0-9_])"
)
INDEX = r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]"  # an index can contain an index: [i,Y[i]]


def code(text: str, here: str) -> str:
    """Code in which every name except ``here`` is a link to its section, ``#name``."""

    def mark(found: re.Match[str]) -> str:
        kind = _kind(found["kind"])
        if found["name"] == here:
            return f'<b class="{kind}">{found[0]}</b>'
        return f'<a class="{kind}" href="#{found["name"]}">{found[0]}</a>'

    body, mark_of_comment, comment = escape(text).partition("  # ")
    after = f'<span class="comment">  # {comment}</span>' if mark_of_comment else ""
    return f"<code>{re.sub(TOKEN, mark, body)}{after}</code>"


def prose(text: str) -> str:
    """Words in which names, with or without an index, are marked as code."""
    return re.sub(rf"{TOKEN}(?:{INDEX})?", r"<code>\g<0></code>", escape(text))


def mathematics(text: str) -> str:
    """Words and formulas, with subscripts, superscripts, and minus signs in place of hyphens."""

    def symbol(found: re.Match[str]) -> str:
        name, index = found["kind"] + found["name"], found[3]
        below = f"<sub>{index}</sub>" if index else ""
        return f'<i class="{_kind(found["kind"])}">{name}</i>{below}'

    text = re.sub(r"(?<![A-Za-z])-|-(?=\d)", "−", escape(text))
    text = re.sub(rf"([XY]){INDEX}", r"<i>\1</i><sub>\2</sub>", text)
    text = re.sub(rf"{TOKEN}(?:{INDEX})?", symbol, text)
    text = re.sub(r"Σ_(\w)", r"Σ<sub>\1</sub>", text)
    return re.sub(r"\^(−?\d+(?:\.\d+)?)", r"<sup>\1</sup>", text)


def number(figure: float) -> str:
    """A number with three digits, and a minus sign that is as wide as a plus sign."""
    return f"{figure:.3g}".replace("-", "−")


def _kind(before: str) -> str:
    return "gradient" if before.startswith("d") else "value"


# Left edge and width of the three columns: parameters, the shortest path to the loss, and detours.
# Each is as wide as its longest name with its shape.
COLUMNS = ((1, 80), (99, 116), (233, 136))
PITCH, HEIGHT = 30, 22  # the distance of the rows, and the height of the box in each row


class Place(NamedTuple):
    """The place of a name: its column, and its row from the top."""

    column: int
    row: int

    @property
    def left(self) -> int:
        return COLUMNS[self.column][0]

    @property
    def right(self) -> int:
        return self.left + COLUMNS[self.column][1]

    @property
    def x(self) -> float:
        return (self.left + self.right) / 2

    @property
    def y(self) -> float:
        return PITCH * (self.row + 0.5)


def places() -> dict[str, Place]:
    """A place for each of the 27: parameters to the left of the line that reads them."""
    short = shortest_way()
    rows = {name: row for row, name in enumerate(LINES)}
    found = {name: Place(1 if name in short else 2, row) for name, row in rows.items()}
    for line in LINES:
        read = [name for name in PARAMETER_NAMES if line in readers(name)]
        for above, name in enumerate(reversed(read)):
            found[name] = Place(0, rows[line] - above)
    return found


def shortest_way() -> list[str]:
    """The fewest lines that lead from the embeddings to the loss."""
    ways = [[next(iter(LINES))]]
    while ways[0][-1] != "loss":
        way = ways.pop(0)
        ways += [[*way, reader] for reader in readers(way[-1])]
    return ways[0]


def graph(labels: Mapping[str, str]) -> str:
    """An SVG element in which every name is a link to ``#name``.

    Args:
        labels: for each of the 27 names, the words that a screen reader says.
    """
    at = places()
    edges = [_edge(name, reader, at) for name in NAMES for reader in readers(name)]
    nodes = [_node(name, place, labels[name]) for name, place in at.items()]
    size = f"{COLUMNS[-1][0] + COLUMNS[-1][1] + 1} {PITCH * len(LINES)}"
    tip = '<path d="M0 0 8 4 0 8z"/>'
    marker = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
    return "\n".join(
        [
            f'<svg viewBox="0 0 {size}">',
            f'<defs><marker id="tip" {marker} orient="auto-start-reverse">{tip}</marker></defs>',
            *edges,
            *nodes,
            "</svg>",
        ]
    )


def _edge(name: str, reader: str, at: Mapping[str, Place]) -> str:
    """The arrow from a value to a line that reads it. The gradient takes the same path back."""
    a, b = at[name], at[reader]
    half = HEIGHT / 2
    if a.column == b.column:
        path = f"M{a.x} {a.y + half}V{b.y - half}"
    elif a.column == 0:
        # Of two parameters, the lower one is beside the line that reads it; the arrow of the upper
        # one
        # ends above it.
        y = b.y - 5 * (b.row - a.row)
        middle = (a.right + b.left) / 2
        path = f"M{a.right} {a.y}C{middle} {a.y} {middle} {y} {b.left} {y}"
    elif a.column < b.column:
        path = f"M{a.right} {a.y + 5}Q{b.x} {a.y + 5} {b.x} {b.y - half}"
    else:
        path = f"M{a.x} {a.y + half}Q{a.x} {b.y - 5} {b.right} {b.y - 5}"
    return f'<path class="edge" data-from="{name}" data-to="{reader}" d="{path}"/>'


def _node(name: str, place: Place, label: str) -> str:
    box = f'x="{place.left}" y="{place.y - HEIGHT / 2}"'
    size = f'width="{place.right - place.left}" height="{HEIGHT}" rx="5"'
    axes = "×".join(NAMES[name].axes)
    return (
        f'<a class="node" href="#{name}" aria-label="{escape(label)}"><rect {box} {size}/>'
        f'<text x="{place.x}" y="{place.y + 3.5}">{name} '
        f'<tspan class="axes" dx="-1">{axes}</tspan></text></a>'
    )
