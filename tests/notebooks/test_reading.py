"""Notebooks are read, in every form; junk is refused with one error."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import made_notebooks as made
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_notebooks import MADE

from npnet.base.errors import InputError
from npnet.notebooks.cells import Notebook, Output
from npnet.notebooks.ipynb import read_ipynb
from npnet.notebooks.magics import plain_python
from npnet.notebooks.read import read_notebook

CELLS = ["import torch\n%matplotlib inline", "x = torch.ones(3)\n\ny = x + 1", "print(y)"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["cells", "worksheets", "cell_type", "source", "input", "outputs", "output_type",
                 "data", "text", "execution_count", "ename", "name"]
            ),
            inner | st.sampled_from(["code", "stream", "error", "execute_result", "pyout"]),
        )
    ),
    max_leaves=30,
)  # fmt: skip


def read(text: str, folder: Path, name: str = "a.ipynb") -> Notebook:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return read_notebook(file)


@pytest.mark.parametrize(
    ("form", "write", "name"),
    [
        ("ipynb 4", made.ipynb, "a.ipynb"),
        ("ipynb 3", made.ipynb_3, "a.ipynb"),
        ("percent script", made.percent, "a.py"),
        ("percent script", made.nbconvert_script, "a.py"),
        ("Markdown export", made.markdown, "a.md"),
        ("text export", made.listing, "a.txt"),
    ],
)
def test_all_forms_hold_the_same_cells(
    form: str, write: Callable[[Sequence[str]], str], name: str, tmp_path: Path
) -> None:
    notebook = read(write(CELLS), tmp_path, name)
    assert notebook.form == form
    assert [cell.source for cell in notebook.cells] == CELLS


@pytest.mark.parametrize("name", MADE)
def test_markdown_holds_what_the_notebook_holds(name: str, tmp_path: Path) -> None:
    cells = made.cells_of(MADE[name])
    one = read(made.ipynb(cells), tmp_path)
    other = read(made.markdown(cells), tmp_path, "a.md")
    assert [cell.source for cell in other.cells] == [cell.source for cell in one.cells]


def test_a_plain_script_is_one_cell(tmp_path: Path) -> None:
    notebook = read("x = 1\n\nprint(x)\n", tmp_path, "a.py")
    assert (notebook.form, len(notebook.cells)) == ("script", 1)


def test_stored_outputs_are_told_by_kind(tmp_path: Path) -> None:
    outputs = [
        made.stream("one\ntwo\n"),
        {"output_type": "stream", "name": "stderr", "text": "careful"},
        made.result("tensor(3.)"),
        {"output_type": "display_data", "data": {"image/png": "AA", "text/plain": "<Figure>"}},
        made.raised("NameError", "name 'q' is not defined"),
    ]
    found = read(made.ipynb([("x", outputs)]), tmp_path).cells[0].outputs
    assert found == (
        Output("stdout", "one\ntwo\n"),
        Output("stderr", "careful"),
        Output("result", "tensor(3.)"),
        Output("picture", "<Figure>"),
        Output("error", "NameError: name 'q' is not defined", "NameError"),
    )


def test_a_progress_bar_is_read_as_a_terminal_leaves_it(tmp_path: Path) -> None:
    outputs = [made.stream(" 10%\r 50%\r100% \x1b[32mdone\x1b[0m\n")]
    found = read(made.ipynb([("x", outputs)]), tmp_path).cells[0].outputs
    assert found == (Output("stdout", "100% done\n"),)


def test_a_markdown_export_has_its_outputs_indented(tmp_path: Path) -> None:
    text = "```python\nprint(2)\n```\n\n    2\n\nWords.\n\n```python\nx\n```\n"
    cells = read(text, tmp_path, "a.md").cells
    assert [[o.text for o in cell.outputs] for cell in cells] == [["2"], []]


def test_a_text_export_has_its_outputs_after_the_code(tmp_path: Path) -> None:
    text = "In [1]:\nx = 2\nprint(x, 'is it')\n\n2 is it\n\nIn [2]:\nx\n\nOut[2]:\n2\n"
    cells = read(text, tmp_path, "a.txt").cells
    assert [cell.source for cell in cells] == ["x = 2\nprint(x, 'is it')", "x"]
    assert [cell.outputs[0].text.strip() for cell in cells] == ["2 is it", "2"]


@pytest.mark.parametrize(
    "printed",
    [
        "tensor([[1., 2.],\n        [3., 4.]], dtype=torch.float64)",
        "tensor([[[1, 2]],\n\n        [[3, 4]]])",
        "(torch.Size([5, 27]), torch.float32)",
        "torch.return_types.max(\nvalues=tensor([2.]),\nindices=tensor([0]))",
        "x\nandrea\nmia",
    ],
)
def test_a_printed_value_in_a_text_export_is_no_code(printed: str, tmp_path: Path) -> None:
    code = "import torch\nx = torch.ones(2)\n\nx.shape"
    (cell,) = read(f"In [1]:\n{code}\n\n{printed}\n", tmp_path, "a.txt").cells
    assert cell.source == code
    assert [output.text for output in cell.outputs] == [printed]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{", "a.ipynb"),
        ("{}", "a.ipynb"),
        ('{"cells": []}', "a.ipynb"),
        ('{"cells": 3}', "a.ipynb"),
        ("only words", "a.txt"),
        ("", "a.py"),
        ("", "a.ipynb"),
    ],
)
def test_what_is_no_notebook_is_refused(text: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="wanted a notebook"):
        read(text, tmp_path, name)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_notebook(tmp_path / "none.ipynb")


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.ipynb"
    file.write_bytes(b'{"cells": "\xff"}')
    with pytest.raises(InputError, match="no UTF-8"):
        read_notebook(file)


@given(JSON)
def test_junk_json_raises_nothing_else(content: object) -> None:
    try:
        form, cells = read_ipynb(json.dumps(content), "a.ipynb")
    except InputError:
        return
    assert form in ("ipynb 3", "ipynb 4")
    assert [cell.number for cell in cells] == list(range(1, len(cells) + 1))


@given(st.text())
def test_junk_text_raises_nothing_else(text: str) -> None:
    with contextlib.suppress(InputError):
        read_ipynb(text, "a.ipynb")


LINES = st.sampled_from(
    ["x = 1", "%time y = 2", "!ls -l", "name?", "?name", "block = 3 # how many?", "if x:",
     "    z = 1", "", "'''", "s = '''%no magic", "f(", "%matplotlib inline", ")", "a = !ls",
     "'!no' + '?'", "%%time", "# a comment?", "b = x % 2", "t = x if x else \\", "  %cd .."]
)  # fmt: skip


@given(st.lists(LINES))
def test_magics_leave_the_number_of_lines(lines: list[str]) -> None:
    source = "\n".join(lines)
    assert plain_python(source).source.count("\n") == source.count("\n")


@given(st.lists(LINES))
def test_comments_that_end_in_a_question_are_left(lines: list[str]) -> None:
    source = "\n".join(["block = 3 # how many?", *lines])
    if not lines or not any(line.startswith("%%") for line in lines[:1]):
        assert plain_python(source).source.split("\n")[0] == "block = 3 # how many?"


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("if x:\n    !ls", "if x:\n    pass"),
        ("files = !ls", "files = []"),
        ("x = %who", "x = None"),
        ("%time x = f(2)", "x = f(2)"),
        ("x?", "pass"),
        ("??x", "pass"),
        ("'''\n%magic\n'''", "'''\n%magic\n'''"),
        ("f(\n%3)", "f(\n%3)"),
        ("x = 5 # why?", "x = 5 # why?"),
        ("# is it?", "# is it?"),
        ("print('what?')", "print('what?')"),
        ("%%time\nx = 1", "\nx = 1"),
        ("%%bash\nls", "\n"),
        ("!pip install \\\n  torch\nx = 1", "pass\n\nx = 1"),
        ("x = a %b", "x = a %b"),
        ("x = (a\n     %b)", "x = (a\n     %b)"),
    ],
)
def test_ipythons_lines_become_python(source: str, plain: str) -> None:
    assert plain_python(source).source == plain
