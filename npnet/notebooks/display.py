"""Writing the value of a cell's last expression as IPython shows it.

IPython writes a value as pieces of text, with places between them where a line may end. Pieces and
places belong to groups, one for each list, tuple, set or dict. If a line is too long, the outermost
group that still has such places on this line is broken at all of them; then the next group. A text
of several lines, such as a tensor, breaks the groups around it. Its lines are indented like the
entries of its group.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

WIDTH = 79  # the longest line in IPython's output
LONGEST = 1000  # the most entries of a list that are shown
_BY_ADDRESS = re.compile(r"^<([\w.<>]+) object at (0x[0-9a-f]+)>$")


def shown(value: object) -> str:
    """The text of a value: one line if it fits into 79 columns, else lines as in IPython."""
    page = _Page()
    _write(page, value, ())
    page.settle()
    return "".join(page.written)


class _Group:
    """The places of one list at which a line may end."""

    def __init__(self) -> None:
        self.open: list[_Place] = []  # the places on the current line, in order
        self.broken = False  # whether further places end the line at once


class _Place:
    """A space at which the line may end; the next line then begins with ``indent`` spaces."""

    def __init__(self, group: _Group, indent: int) -> None:
        self.group, self.indent = group, indent


class _Page:
    """The written text, and the rest of its last line, whose breaks are not decided yet."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self._column = 0  # the column after the written text
        self._waiting: list[str | _Place] = []
        self._width = 0  # the width of the waiting text
        self._indent = 0
        self._stack: list[_Group] = [_Group()]
        # the groups that are not broken yet, by depth
        self._levels: list[list[_Group]] = [[self._stack[0]]]

    def begin(self, text: str, indent: int) -> None:
        """Begin a group with its opening bracket."""
        self.text(text)
        group = _Group()
        self._stack.append(group)
        while len(self._levels) < len(self._stack):
            self._levels.append([])
        self._levels[len(self._stack) - 1].append(group)
        self._indent += indent

    def end(self, text: str, indent: int) -> None:
        """End the group with its closing bracket."""
        self._indent -= indent
        group = self._stack.pop()
        if not group.open:
            self._forget(group)
        self.text(text)

    def text(self, text: str) -> None:
        """Add a piece of text that is never broken."""
        if not text:
            return
        if self._waiting:
            self._waiting.append(text)
            self._width += len(text)
            self._fit()
        else:
            self.written.append(text)
            self._column += len(text)

    def place(self) -> None:
        """Add a space at which the line may end."""
        group = self._stack[-1]
        if group.broken:
            self.settle()
            self._new_line(self._indent)
            return
        place = _Place(group, self._indent)
        group.open.append(place)
        self._waiting.append(place)
        self._width += 1
        self._fit()

    def lines(self, text: str) -> None:
        """Add a text that can have several lines."""
        first, *others = text.splitlines() or [""]
        self.begin("", 0)
        self.text(first)
        for line in others:
            self._break_outermost()
            self.settle()
            self._new_line(self._indent)
            self.text(line)
        self.end("", 0)

    def settle(self) -> None:
        """Write the waiting text."""
        while self._waiting:
            self._write_first()

    def _fit(self) -> None:
        while self._column + self._width > WIDTH and self._break_outermost():
            pass

    def _break_outermost(self) -> bool:
        """Break the outermost group that has places on this line; return False if there is none."""
        for level in self._levels:
            for group in reversed(level):
                if group.open:
                    level.remove(group)
                    group.broken = True
                    while group.open:
                        self._write_first()
                    while self._waiting and isinstance(self._waiting[0], str):
                        self._write_first()
                    return True
            # The next place of these groups ends the line.
            for group in level:
                group.broken = True
            level.clear()
        return False

    def _write_first(self) -> None:
        first = self._waiting.pop(0)
        if isinstance(first, str):
            self.written.append(first)
            self._column += len(first)
            self._width -= len(first)
            return
        self._width -= 1
        first.group.open.remove(first)
        if first.group.broken:
            self._new_line(first.indent)
            return
        if not first.group.open:
            self._forget(first.group)
        self.written.append(" ")
        self._column += 1

    def _new_line(self, indent: int) -> None:
        self.written.append("\n" + " " * indent)
        self._column = indent

    def _forget(self, group: _Group) -> None:
        for level in self._levels:
            if group in level:
                level.remove(group)


def _write(page: _Page, value: Any, around: tuple[int, ...]) -> None:
    """Write a value. ``around``: the ids of the lists that contain it."""
    for kind in type(value).__mro__:
        if kind in _WRITERS:
            if id(value) in around:
                page.text(f"<Recursion on {type(value).__name__} with id={id(value)}>")
            else:
                _WRITERS[kind](page, value, (*around, id(value)))
            return
        if kind is not object and "__repr__" in vars(kind):
            break
    # IPython leaves out "object" where a class has no text of its own.
    page.lines(_BY_ADDRESS.sub(r"<\1 at \2>", repr(value)))


def _entries(
    page: _Page, opening: str, entries: Iterable[Callable[[], None]], closing: str
) -> None:
    page.begin(opening, len(opening))
    for number, entry in enumerate(entries):
        if number:
            page.text(",")
            page.place()
        if number == LONGEST:
            page.text("...")
            break
        entry()
    page.end(closing, len(opening))


def _each(page: _Page, values: Iterable[Any], around: tuple[int, ...]) -> Iterator[Any]:
    for value in values:
        yield lambda value=value: _write(page, value, around)


def _list(page: _Page, value: list[Any], around: tuple[int, ...]) -> None:
    _entries(page, "[", _each(page, value, around), "]")


def _tuple(page: _Page, value: tuple[Any, ...], around: tuple[int, ...]) -> None:
    _entries(page, "(", _each(page, value, around), ",)" if len(value) == 1 else ")")


def _set(page: _Page, value: set[Any] | frozenset[Any], around: tuple[int, ...]) -> None:
    if not value:
        page.text(repr(value))
        return
    members: Iterable[Any] = value
    if len(value) < LONGEST:
        try:
            members = sorted(value)
        except Exception:  # keys of several kinds cannot be sorted
            members = sorted(value, key=str)
    opening, closing = ("frozenset({", "})") if isinstance(value, frozenset) else ("{", "}")
    _entries(page, opening, _each(page, members, around), closing)


def _dict(page: _Page, value: dict[Any, Any], around: tuple[int, ...]) -> None:
    def written(key: Any, entry: Any) -> Callable[[], None]:
        def write() -> None:
            _write(page, key, around)
            page.text(": ")
            _write(page, entry, around)

        return write

    _entries(page, "{", (written(*pair) for pair in value.items()), "}")


def _called(page: _Page, value: Any, around: tuple[int, ...]) -> None:
    """Write the call that makes the value: Counter, defaultdict, deque, OrderedDict."""
    arguments: list[Any] = [list(value)]
    if isinstance(value, Counter):
        arguments = [dict(value.most_common())] if value else []
    elif isinstance(value, defaultdict):
        arguments = [value.default_factory, dict(value)]
    elif isinstance(value, OrderedDict):
        arguments = [list(value.items())] if value else []
    _entries(page, f"{type(value).__name__}(", _each(page, arguments, around), ")")


def _class(page: _Page, value: type, _: tuple[int, ...]) -> None:
    module = value.__module__
    hidden = module in ("builtins", "exceptions", None)
    page.text(value.__qualname__ if hidden else f"{module}.{value.__qualname__}")


def _function(page: _Page, value: Any, _: tuple[int, ...]) -> None:
    module = value.__module__
    name = value.__qualname__
    if module not in ("builtins", "exceptions", None):
        name = f"{module}.{name}"
    try:
        page.text(f"<function {name}{inspect.signature(value)}>")
    except (TypeError, ValueError):  # a built-in function whose signature cannot be read
        page.lines(repr(value))


_WRITERS: dict[type, Callable[[_Page, Any, tuple[int, ...]], None]] = {
    list: _list,
    tuple: _tuple,
    set: _set,
    frozenset: _set,
    dict: _dict,
    Counter: _called,
    defaultdict: _called,
    deque: _called,
    OrderedDict: _called,
    type: _class,
    type(_class): _function,
    type(len): _function,
}
