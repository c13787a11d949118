"""`npnet help`: the pages of the guide, in the terminal.

A page is a Markdown file in ``npnet/guide/``. It begins with a heading and one sentence about its
subject. A new file there is a new topic.
"""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar

from npnet.base.errors import InputError, shown
from npnet.base.suggestions import nearest

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 100  # columns without a terminal, and the most columns for prose in a wide terminal
CODE = r"^(```.*?^```)$"  # a block of code


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    parser = commands.add_parser(
        "help",
        help="the guide: a page on each topic",
        description="Show a page of the guide, or list the pages.",
    )
    parser.add_argument("topic", nargs="?", metavar="TOPIC", help="default: list the topics")
    parser.set_defaults(command=help_command)


def help_command(options: argparse.Namespace) -> int:
    """`npnet help`."""
    pages = read_pages()
    if options.topic is None:
        print("\n".join(listed(pages, _width())))
        return 0
    if options.topic not in pages:
        raise InputError(_no_such(options.topic, pages))
    print(rendered(for_terminal(pages[options.topic]), _console()), end="")
    return 0


def read_pages() -> dict[str, str]:
    """Topic -> Markdown, of all pages of the guide, sorted by topic."""
    folder = files("npnet") / "guide"
    pages = {
        entry.name.removesuffix(".md"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".md")
    }
    return dict(sorted(pages.items()))


def summary(page: str) -> str:
    """The sentence below a page's heading."""
    return page.split("\n\n")[1].replace("`", "")


def listed(pages: dict[str, str], width: int) -> list[str]:
    """A line for each topic (more in a narrow terminal), and how to read one."""
    indent = max(map(len, pages)) + 2
    lines = ["npnet help TOPIC shows a page of the guide:"]
    for topic, page in pages.items():
        text = f"{topic:{indent}}{summary(page)}"
        lines += textwrap.wrap(text, max(width, 40), subsequent_indent=" " * indent)
    return [*lines, "Options of a command: npnet COMMAND --help"]


def for_terminal(page: str) -> str:
    """``page`` with links for a terminal: a link to another page becomes the command that shows it.

    Links are relative to the guide's folder. A picture becomes its description. Blocks of code are
    not changed: ``table[name](v)`` is not a link.
    """
    parts = re.split(CODE, page, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else _links(part) for part in parts)


def _links(page: str) -> str:
    page = re.sub(r"!\[([^]]*)\]\([^)]*\)", r"*(Picture: \1.)*", page)
    page = re.sub(r"\[([^]]*)\]\((\w+)\.md\)", r"\1 (`npnet help \2`)", page)
    return re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", page)


def rendered(page: str, console: Console) -> str:
    """``page`` for ``console``: in its width, and with colours if it is a terminal.

    Lines of code are wrapped only in a terminal, not in a pipe.
    """
    shown = []
    for part in re.split(CODE, page, flags=re.MULTILINE | re.DOTALL):
        if part.strip():
            text = _code(part, console) if part.startswith("```") else _prose(part, console)
            shown.append("\n".join(line.rstrip() for line in text.strip("\n").splitlines()))
    return re.sub(r"\n{3,}", "\n\n", "\n\n".join(shown)) + "\n"


def _prose(part: str, console: Console) -> str:
    from rich.console import ConsoleOptions, RenderResult
    from rich.markdown import Heading, Markdown
    from rich.text import Text

    class Left(Heading):
        """A heading at the left margin; rich would centre large headings, some of them in a box."""

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            yield Text("")
            yield Text(self.text.plain, "bold underline" if self.tag == "h1" else "bold")

    class Page(Markdown):
        """Markdown with such headings."""

        elements: ClassVar = {**Markdown.elements, "heading_open": Left}

    with console.capture() as capture:
        console.print(Page(part, hyperlinks=False))
    return capture.get()


def _code(block: str, console: Console) -> str:
    fence, code = block.removesuffix("```").split("\n", 1)
    if not console.is_terminal:
        return textwrap.indent(code, "  ")
    from rich.padding import Padding
    from rich.syntax import Syntax

    language = fence.removeprefix("```").split(" ")[0]
    syntax = Syntax(
        code.rstrip(), language, theme="ansi_dark", background_color="default", word_wrap=True
    )
    with console.capture() as capture:
        console.print(Padding(syntax, (0, 0, 0, 2)))
    return capture.get()


def _console() -> Console:
    from rich.console import Console
    from rich.theme import Theme

    # No background for code in a line; rich's own style has a black one.
    return Console(width=_width(), theme=Theme({"markdown.code": "bold cyan"}))


def _width() -> int:
    return min(WIDTH, shutil.get_terminal_size((WIDTH, 0)).columns)


def _no_such(topic: str, pages: dict[str, str]) -> str:
    """The error for an unknown topic, with the page of a command or with the most similar name."""
    row = re.search(rf"`npnet {re.escape(topic)}`.*\((\w+)\.md\)", pages.get("commands", ""))
    near = row[1] if row else nearest(topic, pages)
    wanted = f"did you mean {near}?" if near else f"wanted one of {', '.join(pages)}"
    return f"help: no page {shown(topic)}, {wanted}"
