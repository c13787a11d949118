"""The parser of both command lines: one-line errors, wrapped help, options that many commands take.

Before an error, argparse prints its usage, often twenty lines. ``Parser`` prints one line instead:
the command, what it got, what it wanted, and where to read more.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from npnet.base.errors import shown
from npnet.base.suggestions import nearest
from npnet.cli.terminal import width

# The help texts of options that many commands have, each with its own default.
BATCH = "rows of a minibatch"
HIDDEN = "hidden units"
OUT = "where to write the result"
SECONDS = "seconds for each figure, function or cell"
GRADE = "judge every gradient that is written by hand, each alone"
DEFAULT_SEED = "seed of torch's default generator, before the first cell"
SEPARATOR = "what separates the columns: a character, tab or blanks"
SEED = "seed of the random numbers, as torch.manual_seed takes it"
STEPS = "training steps"
WATCH = "do it again whenever a file changes, until Ctrl-C"

# Patterns of argparse's own messages -> npnet's words for the same.
MESSAGES = {
    r"^argument (\S+): ": r"\1: ",
    r"^the following arguments are required: (.*)$": r"got no \1, which it needs",
    r"expected (one|at least one) argument$": "got nothing, wanted a value",
    r"not allowed with argument (\S+)$": r"got \1 as well, wanted only one of them",
}


class HelpFormatter(argparse.HelpFormatter):
    """Help with the width of the terminal, in paragraphs, without breaks at hyphens."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **{"width": width(), **options})

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = (" ".join(each.split()) for each in text.split("\n\n"))
        return "\n\n".join(
            textwrap.fill(
                each, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
            )
            for each in paragraphs
        )

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` whose errors are one line, with exit code 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": HelpFormatter, "allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Print ``message`` in npnet's words, and exit with code 2."""
        for pattern, words in MESSAGES.items():
            message = re.sub(pattern, words, message)
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")

    @property
    def options(self) -> list[str]:
        """The long options in the help."""
        return [
            name
            for name, action in self._option_string_actions.items()
            if name.startswith("--") and action.help != argparse.SUPPRESS
        ]

    def refuse_unknown(self, unknown: Sequence[str], commands: Mapping[str, Parser]) -> NoReturn:
        """The error for arguments that the command does not have.

        It names the option that was probably meant; or the command in ``commands`` that has this
        option; or all options.
        """
        first = unknown[0].partition("=")[0]
        if not first.startswith("-"):
            self.error(f"got {shown(first)} as well, wanted nothing more")
        elsewhere = [name for name, command in commands.items() if first in command.options]
        likely = [
            name
            for name in self.options
            if name.startswith(first) or first.startswith(f"{name}-")  # --batch-size
        ]
        if not likely and not elsewhere:
            # Without the dashes, which all options have. Typing errors are rarely in the first
            # letter: --count
            # is not a typing error for --out.
            alike = [name[2:] for name in self.options if name[2] == first.strip("-")[:1]]
            near = nearest(first.strip("-"), alike, cutoff=0.75)
            likely = [f"--{near}"] if near else []
        if likely:
            self.error(f"no option {first}, did you mean {likely[0]}?")
        of = f", which is one of {' and '.join(elsewhere[:2])}" if elsewhere else ""
        self.error(f"no option {first}{of}, wanted some of {', '.join(self.options)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = action.choices
        if choices is None or value in choices:
            return
        names = [str(choice) for choice in choices]
        near = nearest(str(value), names)
        ending = f": did you mean {near}?" if near else ""
        raise argparse.ArgumentError(
            action, f"got {shown(value)}, wanted one of {', '.join(names)}{ending}"
        )


def parse(parser: Parser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The parsed options; the called command refuses arguments that it does not have."""
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        options.parser.refuse_unknown(unknown, commands_of(parser))
    return options


def commands_of(parser: argparse.ArgumentParser) -> dict[str, Parser]:
    """The parsers of a program's commands by their full names, such as ``npnet exercise new``."""
    found: dict[str, Parser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                found |= {command.prog: command, **commands_of(command)}
    return found


def whole_number(text: str) -> int:
    """The type of an option that takes a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {shown(text)}, wanted a whole number") from None


def torch_seed(text: str) -> int:
    """The type of an option that takes a seed of torch's generator."""
    seed = whole_number(text)
    if not -(2**63) <= seed < 2**64:
        raise argparse.ArgumentTypeError(f"got {shown(text)}, wanted one from -2^63 to 2^64 - 1")
    return seed


def number(text: str) -> float:
    """The type of an option that takes a number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {shown(text)}, wanted a number") from None


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add --threads."""
    parser.add_argument(
        "--threads", type=whole_number, default=1, metavar="N", help="threads of BLAS (default: 1)"
    )


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add --force."""
    parser.add_argument("--force", action="store_true", help="replace existing files")


def add_only(parser: argparse.ArgumentParser, like: str) -> None:
    """Add --only, for names that the command lists; ``names_of`` splits them."""
    parser.add_argument(
        "--only", metavar="NAMES", help=f"only these, separated by commas, such as {like}"
    )


def names_of(text: str | None) -> list[str] | None:
    """The names of ``--only``; None if it was not given."""
    return None if text is None else [name.strip() for name in text.split(",")]


class OldName(argparse.Action):
    """An option of an older version. It sets the option that replaced it, with a note on stderr."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Set the value of the new option."""
        print(f"{parser.prog}: {option_string} is now --{self.dest}", file=sys.stderr)
        setattr(namespace, self.dest, values)


def add_old_name(parser: argparse.ArgumentParser, old: str, new: str) -> None:
    """Accept the option ``old``, which is not in the help, as the parser's option ``new``."""
    replaced = next(action for action in parser._actions if new in action.option_strings)
    parser.add_argument(
        old, dest=replaced.dest, action=OldName, type=replaced.type or str, help=argparse.SUPPRESS
    )


def add_lines(parser: Any) -> None:
    """Add --lines."""
    parser.add_argument(
        "--lines",
        action="store_true",
        help="each line alone, with random upstream gradients: also finds what the loss hides",
    )


def add_plot(parser: argparse.ArgumentParser) -> None:
    """Add --plot."""
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="also draw the figures into a new PNG, SVG or PDF file",
    )
