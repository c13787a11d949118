"""Turning IPython's own lines into Python, by IPython's rules.

A line that begins with ``%`` is a magic, with ``!`` a shell command; ``name?`` and ``?name`` ask
for help; ``x = !ls`` and ``x = %magic`` assign; ``%time STATEMENT`` runs the statement. If the
first line of a cell begins with ``%%``, the whole cell belongs to this magic. Other magics do not
run: each becomes a line that does nothing, so that line numbers stay the same. Text in a string or
in brackets, and comments that end in ``?``, are not changed.
"""

from __future__ import annotations

import io
import re
import tokenize
from typing import NamedTuple

# Cell magics whose body is Python code to run. The body of all others is not Python.
RUN_BODY = {"time", "timeit", "capture", "prun", "python", "python3", "pypy"}

_ASSIGN = re.compile(r"^(\s*)([A-Za-z_][\w.,\s\[\]'\"]*?)\s*=\s*(!|%(?!%))(.*)$")
_TIME = re.compile(r"%time\s+(\S.*)$")
_HELP_BEFORE = re.compile(r"^\s*\?{1,2}\s*[\w.*%]+\s*;?\s*$")
_HELP_AFTER = re.compile(r"^\s*%{0,2}[A-Za-z_*][\w.*]*(\[[^\]]*\])*\s*\?{1,2}\s*;?\s*$")


class Plain(NamedTuple):
    """A cell as Python: ``source``, and the lines that were ``skipped``."""

    source: str
    skipped: tuple[str, ...]


def plain_python(source: str) -> Plain:
    """The Python code of a cell, with the same number of lines. It can have syntax errors."""
    lines = (source.expandtabs(4) if source.startswith("\t") else source).split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), None)
    if first is not None and lines[first].startswith("%%"):
        name = lines[first][2:].split()[0] if lines[first][2:].split() else ""
        magic = lines[first].strip()
        if name in RUN_BODY:
            body = plain_python("\n".join(lines[first + 1 :]))
            blank = [""] * (first + 1)
            kept = [body.source] if len(lines) > first + 1 else []
            return Plain("\n".join([*blank, *kept]), (magic, *body.skipped))
        return Plain("\n" * max(0, len(lines) - 1), (f"{magic} (the whole cell)",))
    skipped: list[str] = []
    state = _State()
    for number, line in enumerate(lines):
        if state.at_start:
            replaced = _replaced(line)
            if replaced is not None:
                skipped.append(line.strip())
                lines[number] = replaced
                # A shell line that ends in a backslash continues on the next line.
                state.in_magic = line.rstrip().endswith("\\")
                continue
        elif state.in_magic:
            lines[number] = ""
            state.in_magic = line.rstrip().endswith("\\")
            continue
        state.read(line)
    return Plain("\n".join(lines), tuple(skipped))


def _replaced(line: str) -> str | None:
    """The Python for a magic, shell or help line; None for a line that is Python."""
    text = line.lstrip()
    indent = line[: len(line) - len(text)]
    if timed := _TIME.match(text):  # this magic runs the statement and measures its time
        return f"{indent}{timed[1]}"
    if text.startswith(("%", "!")) or _HELP_BEFORE.match(line) or _HELP_AFTER.match(line):
        return f"{indent}pass"
    assignment = _ASSIGN.match(line)
    if assignment and not assignment[2].rstrip().endswith(("=", "!", "<", ">")):
        value = "[]" if assignment[3] == "!" else "None"
        return f"{assignment[1]}{assignment[2]} = {value}"
    return None


class _State:
    """The state at the end of a line: in a string, in brackets, after a backslash, or complete."""

    def __init__(self) -> None:
        self.text = ""
        self.in_magic = False

    @property
    def at_start(self) -> bool:
        return not self.in_magic and not self.text

    def read(self, line: str) -> None:
        self.text += line + "\n"
        if _complete(self.text):
            self.text = ""


def _complete(text: str) -> bool:
    """Whether a piece of code does not continue on the next line."""
    if text.rstrip("\n").endswith("\\"):
        return False
    depth = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.OP:
                depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.string, 0)
    except tokenize.TokenError as error:
        open_end = any(word in str(error) for word in ("multi-line", "EOF", "triple-quoted"))
        return not open_end and depth <= 0
    except (SyntaxError, ValueError):  # an indentation that is right only with the lines before it
        return depth <= 0
    return depth <= 0
