"""Explaining every gradient with texts from the source: `npnet explain` and `npnet.explain`."""

import textwrap

from npnet.base.arguments import SIZE, SWITCH, TEXT, checked
from npnet.base.errors import InputError
from npnet.base.suggestions import unknown
from npnet.checks.array_names import plain_name
from npnet.learn.notation import (
    backward_lines,
    code_of,
    docstring,
    forward_lines,
)
from npnet.network.forward import LINES
from npnet.network.gradients import GRADIENTS
from npnet.network.graph import readers
from npnet.network.names import NAMES

WIDTH = 80  # columns; the widest line of the backward page needs all of them


class Text(str):
    """Text that a notebook shows as it is, without quotes and ``\\n``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@checked(name=TEXT, width=SIZE, answer=SWITCH)
def explain(name: str | None = None, *, width: int = WIDTH, answer: bool = True) -> Text:
    """Explain one gradient; without a name, the forward and the backward pass.

    Args:
        name: one of the 27, with or without the lecture's d.
        width: the width of the prose; code is not wrapped.
        answer: True adds the derivation and our code. False gives only a question to think about;
            without a name, only the forward pass.

    Returns:
        Text in the lecture's notation, ``dbnraw`` for ``d.bnraw``. The two passes are code: they
        run where the parameters, ``X``, ``Y``, ``eps``, ``np`` and ``dloss = 1`` are defined.

    Raises:
        InputError: there is no such name.
    """
    if width < 1:
        raise InputError(f"explain: width is {width}, wanted 1 or more columns")
    return Text(_passes(answer) if name is None else _page(known(name), width, answer))


def known(name: str) -> str:
    """One of the 27 names, given by itself or as the name of its gradient.

    Raises:
        InputError: there is no such name.
    """
    plain = "loss" if name == "dloss" else plain_name(name)
    if plain in ("X", "Y"):
        raise InputError(
            "explain: X (n, T), the contexts, and Y (n,), the targets, are the data: they have no "
            f"gradient, wanted one of {', '.join(NAMES)}"
        )
    if plain not in NAMES:
        raise unknown("explain", name, NAMES)
    return plain


def commented(code: str, name: str, width: int = 0) -> str:
    """A line of code, followed by the shape of ``name``, as in the table of forward lines."""
    return f"{code:{width}}  # {NAMES[name].shape}"


def read_by(name: str) -> list[str]:
    """The forward lines that read ``name``, each with the shape of its result."""
    return [commented(forward_lines()[reader], reader) for reader in readers(name)]


def question(name: str) -> str:
    """A question to think about before reading the gradient of ``name``."""
    lines = readers(name)
    shapes = " and of ".join(f"{reader} {NAMES[reader].shape}" for reader in lines)
    asked = (
        f"One entry of {name} {NAMES[name].shape} moves by a little. Which entries of {shapes} "
        f"move with it, and how far each?"
    )
    if len(lines) > 1:
        asked += f" {len(lines)} lines read {name}: how do their two answers combine?"
    return asked


def _passes(answer: bool) -> str:
    widest = max(map(len, NAMES))
    forward: list[tuple[str, str | None]] = []
    for name, line in forward_lines().items():
        _, _, right = line.partition(" = ")
        forward.append((f"{name:{widest}} = {right}", name))
    backward = [
        (line, name if last else None)
        for name, lines in backward_lines().items()
        for line, last in ((line, line == lines[-1]) for line in lines)
    ]
    if not answer:
        asked = "# The 26 gradients are answers: npnet explain --answer prints them"
        return "\n".join([f"# Forward: {len(LINES)} lines", *_column(forward), "", asked])
    return "\n".join(
        [
            f"# Forward: {len(LINES)} lines",
            *_column(forward),
            "",
            f"# Backward: {len(GRADIENTS)} gradients; dloss is 1",
            *_column(backward),
        ]
    )


def _column(lines: list[tuple[str, str | None]]) -> list[str]:
    """Code followed by shapes, which are aligned in a column if the width allows it."""
    widest = WIDTH - max(len(f"  # {NAMES[name].shape}") for _, name in lines if name)
    width = min(widest, max(len(code) for code, _ in lines))
    return [code if name is None else commented(code, name, width) for code, name in lines]


def _page(name: str, width: int, answer: bool) -> str:
    made = forward_lines().get(name)
    lines = [
        f"{name} {NAMES[name].shape}: {NAMES[name].meaning}",
        "",
        *_labelled("made by", [commented(made, name) if made else "nothing: a parameter"]),
        *_labelled("read by", read_by(name) or ["nothing: it is what training makes small"]),
        "",
    ]
    if name not in GRADIENTS:
        return "\n".join([*lines, "dloss is 1: every backward pass begins with it."])
    if not answer:
        lines += [*textwrap.wrap(question(name), width), ""]
        return "\n".join([*lines, f"the answer: npnet explain {name} --answer"])
    parts = docstring(name)
    lines += [*textwrap.wrap(parts.derivation, width), *parts.code, ""]
    lines += [code_of(GRADIENTS[name]), ""]
    for label, remark in parts.remarks.items():
        lines += textwrap.wrap(f"{label}: {remark}", width, subsequent_indent="  ")
    return "\n".join(lines)


def _labelled(label: str, lines: list[str]) -> list[str]:
    return [f"{label if line is lines[0] else '':9}{line}" for line in lines]
