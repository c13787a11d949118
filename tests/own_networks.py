"""The networks of the guide's page own-network, as its readers save them."""

from functools import cache
from typing import Any

from pages import ROOT, blocks

import npnet

PAGE = ROOT / "npnet" / "guide" / "own-network.md"


@cache
def programs() -> dict[str, str]:
    """File name -> program, of the page's blocks with a title."""
    found = blocks(PAGE.read_text(encoding="utf-8").splitlines())
    return {block.title: "\n".join(block.lines) for _, block in found if block.title}


@cache
def networks() -> dict[str, npnet.Lines]:
    """File name -> the table that the program defines."""
    tables: dict[str, npnet.Lines] = {}
    for name, program in programs().items():
        names: dict[str, Any] = {}
        exec(compile(program, name, "exec"), names)
        found = [entry for entry in names.values() if isinstance(entry, npnet.Lines)]
        tables |= {name.removesuffix(".py"): table for table in found}
    return tables


def changed(table: npnet.Lines, **options: Any) -> npnet.Lines:
    """The table with other gradients or options."""
    given = {
        "lines": table.lines,
        "inputs": table.inputs,
        "gradients": table.gradients,
        "integers": table.integers,
        "constants": table.constants,
        "zero": table.zero,
        "skip": table.skip,
    }
    return npnet.Lines(**{**given, **options})
