"""Reading Jupyter's own files: JSON of nbformat 3 and 4."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from npnet.base.errors import InputError
from npnet.notebooks.cells import Cell, Output, OutputKind

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def read_ipynb(text: str, source: str) -> tuple[str, tuple[Cell, ...]]:
    """The form (``ipynb 4``) and the code cells of a notebook's JSON.

    Raises:
        InputError: the text is not JSON, or not a notebook. The message begins with ``source``.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: no JSON ({error}), wanted a notebook (.ipynb)") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{source}: a JSON {type(content).__name__}, wanted a notebook's object")
    if "worksheets" in content:
        version, raw = 3, [cell for sheet in _list(content["worksheets"]) for cell in _cells(sheet)]
    elif "cells" in content:
        version, raw = 4, _cells(content)
    else:
        raise InputError(
            f"{source}: a JSON object without cells or worksheets, wanted a notebook of nbformat "
            "3 or 4"
        )
    code = [cell for cell in raw if cell.get("cell_type") == "code"]
    return f"ipynb {version}", tuple(
        Cell(
            number,
            _text(cell.get("source", cell.get("input", ""))),
            tuple(_outputs(cell)),
            _count(cell.get("execution_count", cell.get("prompt_number"))),
        )
        for number, cell in enumerate(code, 1)
    )


def _cells(holder: Any) -> list[Mapping[str, Any]]:
    entries = _list(holder.get("cells")) if isinstance(holder, Mapping) else []
    return [cell for cell in entries if isinstance(cell, Mapping)]


def _outputs(cell: Mapping[str, Any]) -> Iterator[Output]:
    for output in _list(cell.get("outputs")):
        if not isinstance(output, Mapping):
            continue
        match output.get("output_type"):
            case "stream":
                name = output.get("name", output.get("stream", "stdout"))
                kind: OutputKind = "stderr" if name == "stderr" else "stdout"
                yield Output(kind, _plain(output.get("text")))
            case "execute_result" | "pyout":
                yield _shown(output, "result")
            case "display_data":
                yield _shown(output, "result")
            case "error" | "pyerr":
                name = str(output.get("ename", ""))
                yield Output("error", f"{name}: {_plain(output.get('evalue'))}", name)


def _shown(output: Mapping[str, Any], kind: OutputKind) -> Output:
    """A value or picture that was displayed. In nbformat 3, its forms are beside the type."""
    data = output.get("data")
    forms = data if isinstance(data, Mapping) else output
    picture = any(str(form).startswith(("image/", "png", "jpeg", "svg")) for form in forms)
    return Output(
        "picture" if picture else kind, _plain(forms.get("text/plain", forms.get("text")))
    )


def _plain(entry: Any) -> str:
    """Text as a terminal would show it: no colours, and only the last state of a line."""
    text = _COLOURS.sub("", _text(entry))
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def _text(entry: Any) -> str:
    return "".join(map(str, entry)) if isinstance(entry, list) else str(entry or "")


def _list(entry: Any) -> list[Any]:
    return entry if isinstance(entry, list) else []


def _count(entry: Any) -> int | None:
    return entry if isinstance(entry, int) else None
