"""Splitting the text of a sheet, so that a typo in one function does not stop the others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import CodeType

from npnet.base.errors import InputError
from npnet.learn.calls import Failure, Function
from npnet.learn.exercises import EXERCISES

# Functions that can read names which cannot be found in the text.
HIDDEN = {"globals", "locals", "vars", "eval", "exec", "getattr", "__import__"}


def compiled(path: Path, text: str) -> tuple[list[CodeType], dict[str, str]]:
    """The code of a sheet, and the error of each function that is not valid Python.

    Raises:
        SyntaxError, ValueError: code outside the functions of exercises is not valid Python.
    """
    try:
        return [compile(text, path, "exec")], {}
    except SyntaxError as whole:
        codes, broken = [], {}
        for first, part in _parts(text):
            try:
                codes.append(compile("\n" * first + part, path, "exec"))
            except SyntaxError as error:
                found = re.match(r"def (\w+)", part)
                if not found or found[1] not in EXERCISES:
                    raise whole from None
                broken[found[1]] = no_python(error)
        if not broken:
            raise
        return codes, broken


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """The parts of the text, one for each function, each with the number of lines before it."""
    lines = text.splitlines(keepends=True)
    starts = [0, *(place for place, line in enumerate(lines) if re.match(r"def |class |@", line))]
    starts = sorted({*starts})
    for place, start in enumerate(starts):
        end = starts[place + 1] if place + 1 < len(starts) else len(lines)
        yield start, "".join(lines[start:end])


def no_python(error: SyntaxError) -> str:
    """A syntax error in one line: the place, the error and the code."""
    line = f"line {error.lineno}: " if error.lineno else ""
    shown = f": {error.text.strip()}" if error.text else ""
    return f"{line}no Python ({error.msg}){shown}"


def stand_in(said: str) -> Function:
    """A function that replaces one that is not valid Python."""

    def broken(v: object, d: object) -> object:
        raise Failure(said)

    return broken


def fingerprints(path: Path) -> Mapping[str, str]:
    """For each exercise, a text that changes if its function changes, or anything that it uses.

    Raises:
        InputError: the sheet cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error
    parts: dict[str, str] = {}
    rest = []
    for _, part in _parts(text):
        found = re.match(r"def (\w+)", part)
        if found and found[1] in EXERCISES:
            parts[found[1]] = part
        else:
            rest.append(part)
    # The sheet can import the modules beside it.
    rest += [
        other.read_text("utf-8", "replace")
        for other in sorted(path.resolve().parent.glob("*.py"))
        if re.search(rf"\b{re.escape(other.stem)}\b", "".join(rest)) and other != path.resolve()
    ]
    return {name: _fingerprint(name, parts, rest) for name in parts}


def _fingerprint(name: str, parts: Mapping[str, str], rest: list[str]) -> str:
    used, new = {name}, {name}
    while new:
        words = {word for one in new for word in _read(parts[one])}
        new = (set(parts) if words & HIDDEN else words & set(parts)) - used
        used |= new
    text = "".join([*rest, *(parts[one] for one in parts if one in used)])
    return sha256(_plain(text).encode()).hexdigest()


def _read(text: str) -> set[str]:
    """The names that a function reads and does not set itself."""
    try:
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
    except SyntaxError:
        return set(re.findall(r"\w+", text))
    made = {node.id for node in nodes if isinstance(node.ctx, ast.Store)}
    return {node.id for node in nodes} - made


def _plain(text: str) -> str:
    """Code without comments and layout, if it is valid Python."""
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError:
        return text
