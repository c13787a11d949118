"""Reading notebooks that were saved as text: Markdown, ``In [n]:`` listings, scripts with cell
marks.

A text export marks only the beginning of a cell, not the end of its code. The code is the longest
series of paragraphs that is valid Python. If its last paragraph is only a value (``{'a': 1}``,
``tensor(3.3)``) or an unknown name, this paragraph is output. A comment as last paragraph is the
heading of the text after it.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Sequence

from npnet.notebooks.cells import Cell, Output
from npnet.notebooks.magics import plain_python
from npnet.tensors.dtypes_and_sizes import ALL

_PROMPT = re.compile(r"^In ?\[(\d+|\*|None| )?\]:\s?(.*)$")
_RESULT_PROMPT = re.compile(r"^Out ?\[\d+\]:\s?")
_PERCENT = re.compile(r"^#\s*%%(.*)$")
_SCRIPT_PROMPT = re.compile(r"^#\s*In ?\[(\d+|\*|None| )?\]:\s*$")
_FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})\s*\{?\.?(\w*)")
_PYTHON = {"python", "python3", "py", "ipython", "ipython3"}
_EXCEPTION = re.compile(r"^([A-Z]\w*(?:Error|Exception|Interrupt|Warning)|KeyboardInterrupt)\b:?")
_PRINTED_TYPES = {repr(kind) for kind in ALL}
_PRINTED_CALLS = {"torch.Size", "tensor", "array", "device"}
_LOOKS_PRINTED = re.compile(r"[|{}\[\]=]|\d|^\s*(tensor|torch\.|array)\b|Error\b|Traceback")


def has_prompts(text: str) -> bool:
    """Whether it is a text export: it has a line ``In [n]:``."""
    return any(_PROMPT.match(line) for line in text.splitlines())


def has_fences(text: str) -> bool:
    """Whether it is Markdown with Python in it."""
    return any((m := _FENCE.match(line)) and m[3] in _PYTHON for line in text.splitlines())


def has_cell_marks(text: str) -> bool:
    """Whether a script marks its cells, with ``# %%`` or nbconvert's ``# In[n]:``."""
    return any(_PERCENT.match(line) or _SCRIPT_PROMPT.match(line) for line in text.splitlines())


def read_script(text: str) -> tuple[Cell, ...]:
    """The cells of a script; a script without marks is one cell."""
    cells: list[tuple[int | None, list[str]]] = [(None, [])]
    code = True
    for line in text.splitlines():
        percent, prompt = _PERCENT.match(line), _SCRIPT_PROMPT.match(line)
        if percent or prompt:
            code = not (percent and re.search(r"\[(markdown|md|raw)\]", percent[1]))
            number = prompt[1] if prompt else None
            cells.append((int(number) if number and number.isdigit() else None, []))
        elif code:
            # Jupytext writes a magic as a comment, so that the script is valid Python.
            cells[-1][1].append(re.sub(r"^# (?=[%!])", "", line))
    if len(cells) > 1 and all(line.startswith("#") or not line.strip() for line in cells[0][1]):
        del cells[0]  # lines that a program wrote at the top of the file
    filled = [(count, "\n".join(lines).strip("\n")) for count, lines in cells]
    return tuple(
        Cell(number, source, (), count, stored=False)
        for number, (count, source) in enumerate((c for c in filled if c[1].strip()), 1)
    )


def read_markdown(text: str) -> tuple[Cell, ...]:
    """The fenced Python of a Markdown export, with the indented or fenced text directly below."""
    lines = text.splitlines()
    cells: list[Cell] = []
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if not fence:
            at += 1
            continue
        body, at = _fenced(lines, at, fence)
        if fence[3] in _PYTHON:
            outputs, at = _beneath(lines, at)
            cells.append(Cell(len(cells) + 1, "\n".join(body), outputs))
    return tuple(cells)


def read_listing(text: str) -> tuple[Cell, ...]:
    """The cells of a text export with prompts."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if _PROMPT.match(line)]
    known = set(dir(builtins))
    cells = []
    for number, start in enumerate(starts, 1):
        end = starts[number] if number < len(starts) else len(lines)
        prompt = _PROMPT.match(lines[start])
        assert prompt is not None
        code, printed = _code_and_output([prompt[2], *lines[start + 1 : end]], known)
        known |= _names(code)
        count = prompt[1] and prompt[1].isdigit()
        cells.append(Cell(number, code, printed, int(prompt[1]) if count else None))
    return tuple(cells)


def _fenced(lines: Sequence[str], at: int, fence: re.Match[str]) -> tuple[list[str], int]:
    """The lines inside the fence that opens at ``at``, and the index of the line after it."""
    body = []
    at += 1
    while at < len(lines) and not re.match(rf"^\s*{re.escape(fence[2])}\s*$", lines[at]):
        body.append(lines[at].removeprefix(fence[1]))
        at += 1
    return body, at + 1


def _beneath(lines: Sequence[str], at: int) -> tuple[tuple[Output, ...], int]:
    """The outputs below a cell: indented blocks, fences without a language, pictures."""
    outputs: list[Output] = []
    while True:
        begin = at
        while at < len(lines) and not lines[at].strip():
            at += 1
        if at == len(lines):
            return tuple(outputs), at
        fence = _FENCE.match(lines[at])
        if lines[at].startswith(("    ", "\t")):
            block = []
            while at < len(lines) and (
                lines[at].startswith(("    ", "\t")) or not lines[at].strip()
            ):
                block.append(re.sub(r"^(    |\t)", "", lines[at]))
                at += 1
            outputs.append(_output("\n".join(block).rstrip()))
        elif fence and not fence[3]:
            body, at = _fenced(lines, at, fence)
            outputs.append(_output("\n".join(body).rstrip()))
        elif re.match(r"^!\[(png|svg|jpe?g|image|output)?\]\(", lines[at]):
            outputs.append(Output("picture", lines[at]))
            at += 1
        else:
            return tuple(outputs), begin


def _code_and_output(lines: Sequence[str], known: set[str]) -> tuple[str, tuple[Output, ...]]:
    """The code of a block of a text export, and its output without the text after it."""
    paragraphs = _paragraphs(lines)
    longest = 0
    for count in range(len(paragraphs), 0, -1):
        if _parsed("\n".join(lines[: paragraphs[count - 1][1]])) is not None:
            longest = count
            break
    if not longest:  # nothing is valid Python: the first paragraph is taken as the code
        longest = min(1, len(paragraphs))
    while longest > 1:
        first = _last_statement(lines, paragraphs[:longest])
        begin, end = paragraphs[first][0], paragraphs[longest - 1][1]
        before = _names("\n".join(lines[:begin]))
        if not first or not _is_no_code("\n".join(lines[begin:end]), known | before):
            break
        longest = first
    end = paragraphs[longest - 1][1] if paragraphs else 0
    code = "\n".join(lines[:end]).strip("\n")
    printed = _printed(lines, [span for span in paragraphs if span[0] >= end])
    return code, (_output(printed),) if printed else ()


def _last_statement(lines: Sequence[str], paragraphs: Sequence[tuple[int, int]]) -> int:
    """The last paragraph from which on the text is whole: a tensor may have blank lines in it."""
    end = paragraphs[-1][1]
    for first in range(len(paragraphs) - 1, 0, -1):
        if _parsed("\n".join(lines[paragraphs[first][0] : end])) is not None:
            return first
    return 0


def _paragraphs(lines: Sequence[str]) -> list[tuple[int, int]]:
    """First line and end of each paragraph (lines without a blank line between them)."""
    spans: list[tuple[int, int]] = []
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        if spans and spans[-1][1] == number:
            spans[-1] = (spans[-1][0], number + 1)
        else:
            spans.append((number, number + 1))
    return spans


def _parsed(code: str) -> ast.Module | None:
    try:
        return ast.parse(plain_python(code).source)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _names(code: str) -> set[str]:
    tree = _parsed(code)
    found: set[str] = set()
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found


def _is_no_code(paragraph: str, known: set[str]) -> bool:
    """Whether a paragraph at the end of the code is a comment, a value, or words."""
    if paragraph[:1].isspace():
        return False
    tree = _parsed(paragraph)
    if tree is None:
        return False
    expressions = [one.value for one in tree.body if isinstance(one, ast.Expr)]
    if len(expressions) < len(tree.body):
        return False
    values = {id(node) for statement in tree.body for node in _names_of_values(statement)}
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in values}
    if expressions and all(isinstance(one, ast.Name) for one in expressions):
        return not names <= known  # words, of which one may be a name by chance
    return not names & known


def _names_of_values(statement: ast.AST) -> Iterator[ast.AST]:
    """The names in texts that are only printed for values, such as ``torch.Size([32, 27])``."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            if text in _PRINTED_TYPES or text.startswith("torch.return_types."):
                yield from ast.walk(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _PRINTED_CALLS:
            constant = all(_is_constant(argument) for argument in node.args)
            if constant:
                yield from ast.walk(node.func)


def _is_constant(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def _printed(lines: Sequence[str], paragraphs: Sequence[tuple[int, int]]) -> str:
    """The output of a cell, from the paragraphs after its code; prose after it is left out."""
    kept: list[str] = []
    last = None
    for begin, end in paragraphs:
        body = [_RESULT_PROMPT.sub("", line) for line in lines[begin:end]]
        heading = body[0].startswith(("#", "![", "<", "* ", "- ", "$"))
        # A stream ends with its own line break, so two blank lines come before the text.
        far = last is not None and begin - last > 1 and not _EXCEPTION.match(body[0])
        if heading or (far and not _LOOKS_PRINTED.search(body[0])):
            break
        if last is not None and not all(map(_LOOKS_PRINTED.search, body[:2])):
            break
        if last is None and not any(map(_LOOKS_PRINTED.search, body)) and _is_prose(body):
            break
        kept += ([""] * (begin - last) if last is not None else []) + body
        last = end
    return "\n".join(kept)


def _is_prose(body: Sequence[str]) -> bool:
    """Whether it is prose: several words, and most lines have more than one word."""
    words = [len(line.split()) for line in body]
    return max(words) >= 4 or body[-1].rstrip().endswith((".", ":", "?", "!"))


def _output(text: str) -> Output:
    for line in text.splitlines():
        found = _EXCEPTION.match(line)
        if found and not found[1].endswith("Warning"):
            return Output("error", text, found[1])
    return Output("text", text)
