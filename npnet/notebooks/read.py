"""Reading a notebook in any of its file formats. Nothing is run."""

from __future__ import annotations

import os
from pathlib import Path

from npnet.base.errors import InputError
from npnet.notebooks.cells import Notebook
from npnet.notebooks.ipynb import read_ipynb
from npnet.notebooks.text_exports import (
    has_cell_marks,
    has_fences,
    has_prompts,
    read_listing,
    read_markdown,
    read_script,
)

LARGEST = 256 * 2**20  # bytes; notebooks with hundreds of pictures have about 50 MB
WANTED = (
    "wanted a notebook: .ipynb, a script (.py, with # %% between cells), or an export as Markdown "
    "or as text with In [1]: before each cell"
)


def read_notebook(path: str | os.PathLike[str]) -> Notebook:
    """Read a notebook.

    Args:
        path: an .ipynb file (nbformat 3 or 4), a script with or without cell marks, a Markdown
            export, or a text export with ``In [n]:``. The content decides, not the suffix.

    Raises:
        InputError: the file is missing, too large, not UTF-8, or has no code cell.
    """
    path = Path(path)
    text = _text(path)
    if text.lstrip()[:1] == "{" and path.suffix != ".py":
        form, cells = read_ipynb(text, str(path))
    elif path.suffix == ".py":
        form = "percent script" if has_cell_marks(text) else "script"
        cells = read_script(text)
    elif has_prompts(text):
        form, cells = "text export", read_listing(text)
    elif has_fences(text):
        form, cells = "Markdown export", read_markdown(text)
    elif has_cell_marks(text):
        form, cells = "percent script", read_script(text)
    else:
        raise InputError(f"{path}: no cell found, {WANTED}")
    if not any(cell.source.strip() for cell in cells):
        raise InputError(f"{path}: holds no code, {WANTED}")
    return Notebook(path, form, cells)


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise InputError(f"{path}: {size:,} bytes, wanted a notebook of at most {LARGEST:,}")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, {WANTED}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: no UTF-8 text ({error.reason} at byte {error.start}), {WANTED}"
        ) from error
