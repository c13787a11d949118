"""The programs of the project as Python parses them, each parsed once."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
NPNET = sorted(ROOT.glob("npnet/**/*.py"))
SOURCES = [*NPNET, *sorted(ROOT.glob("oracle/**/*.py"))]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
