"""Writing code, words and formulas of the gradients as HTML."""

import re
from html import escape

from npnet.network.names import NAMES

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
