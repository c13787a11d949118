"""Gradients by hand in notebooks: right ones are called right, wrong ones by the right word."""

from pathlib import Path

import pytest
from exercise_notebook import (
    BATCH,
    COMPARE,
    EXERCISE_2,
    EXERCISE_3,
    FORWARD,
    LINES,
    NETWORK,
    SETUP,
    calls,
    cells_with,
    lines_with,
    renamed,
    write_notebook,
)
from written_gradients import MISTAKES, RIGHT_FORMS

import npnet
from npnet.notebooks.grading import NotebookGrades
from npnet.notebooks.verdicts import NOT_RUN, ONLY_HERE, RIGHT, WRONG, WRONG_TENSOR


def graded(folder: Path, cells: list[str]) -> NotebookGrades:
    return npnet.grade_notebook(write_notebook(folder / "exercise.ipynb", cells))


def verdicts(grades: NotebookGrades) -> dict[str, str]:
    """The verdict on each variable; of several the last one."""
    return {one.gradient: one.verdict for one in grades.gradients}


def with_calls(code: str, name: str) -> str:
    return f"{code}\ncmp('{name[1:]}', {name}, {name[1:]})"


FORMS = [(name, form) for name, forms in RIGHT_FORMS.items() for form in forms]


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> NotebookGrades:
    """All right forms in one notebook, a cell each, after the lecture's own."""
    cells = cells_with() + [with_calls(form, name) for name, form in FORMS]
    return graded(tmp_path_factory.mktemp("forms"), cells)


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory: pytest.TempPathFactory) -> NotebookGrades:
    """All mistakes in one notebook, a cell each."""
    cells = cells_with() + [with_calls(code, name) for name, code, _ in MISTAKES]
    return graded(tmp_path_factory.mktemp("mistakes"), cells)


@pytest.mark.slow
def test_the_lectures_own_gradients_are_right(forms: NotebookGrades) -> None:
    first = [one for one in forms.gradients if one.cell == 6]
    assert [one.gradient for one in first] == list(LINES)
    assert {one.verdict for one in first} == {RIGHT}


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(FORMS)), ids=[form[:70] for _, form in FORMS])
def test_a_right_form_is_called_right(forms: NotebookGrades, number: int) -> None:
    [one] = [one for one in forms.gradients if one.cell == number + 7]
    assert one.gradient == FORMS[number][0]
    assert one.verdict == RIGHT, one


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(MISTAKES)), ids=[m[1][:70] for m in MISTAKES])
def test_a_mistake_gets_its_verdict(mistakes: NotebookGrades, number: int) -> None:
    [one] = [one for one in mistakes.gradients if one.cell == number + 7]
    assert (one.gradient, one.verdict) == (MISTAKES[number][0], MISTAKES[number][2]), one


@pytest.mark.slow
def test_other_names_are_graded_alike(tmp_path: Path) -> None:
    names = {
        "dbngain": "dbatch_norm_gain",
        "dlogprobs": "dlprobs",
        "dcounts_sum": "dL_dcsum",
        "dhpreact": "da",
        "dW1": "dw1",
        "logits": "scores",
        "dlogits": "upstream",
        "hprebn": "before_norm",
        "cmp": "compare_gradients",
    }
    grades = graded(tmp_path, renamed([*cells_with(), EXERCISE_2, EXERCISE_3], names))
    assert grades.passed
    assert len(grades.gradients) == 28


@pytest.mark.slow
def test_gradients_in_cells_of_their_own_are_graded(tmp_path: Path) -> None:
    cells = [SETUP, COMPARE, NETWORK, BATCH, FORWARD]
    cells += [with_calls(code, name) for name, code in LINES.items()]
    assert list(verdicts(graded(tmp_path, cells)).values()) == [RIGHT] * 26


@pytest.mark.slow
def test_gradients_in_a_function_are_graded(tmp_path: Path) -> None:
    wrong = lines_with(dbndiff="dbndiff = bnvar_inv * dbnraw", db2="db2 = dlogits.sum(0)[None]")
    body = "\n".join("  " + line for line in wrong.splitlines())
    names = ", ".join(LINES)
    function = f"def by_hand():\n{body}\n  return {names}\n{names} = by_hand()\n{calls()}"
    found = verdicts(graded(tmp_path, [SETUP, COMPARE, NETWORK, BATCH, FORWARD, function]))
    assert [name for name, verdict in found.items() if verdict != RIGHT] == ["db2", "dbndiff"]


@pytest.mark.slow
def test_gradients_are_graded_within_no_grad(tmp_path: Path) -> None:
    body = "\n".join("  " + line for line in lines_with().splitlines())
    cells = [SETUP, COMPARE, NETWORK, BATCH, FORWARD, f"with torch.no_grad():\n{body}", calls()]
    assert list(verdicts(graded(tmp_path, cells)).values()) == [RIGHT] * 26


@pytest.mark.slow
def test_pairs_are_found_in_loops_expressions_and_names(tmp_path: Path) -> None:
    ends = (
        "for s, d, t in [('probs', dprobs, probs), ('h', dh, h)]:\n  cmp(s, d, t)\n"
        "print(torch.allclose(db2, b2.grad))\n"
        "cmp('b1', dhprebn.sum(0), b1)\n"
        "print((dW2 - W2.grad).abs().max())"
    )
    cells = [SETUP, COMPARE, NETWORK, BATCH, FORWARD, lines_with(dh="dh = dlogits @ W2.T * 2")]
    found = verdicts(graded(tmp_path, [*cells, ends]))
    assert found.pop("dh") == WRONG
    assert found["dhprebn.sum(0)"] == RIGHT
    assert set(found.values()) == {RIGHT}
    assert len(found) == 26


@pytest.mark.slow
def test_each_gradient_is_judged_alone(tmp_path: Path) -> None:
    grades = graded(tmp_path, cells_with(dlogprobs="dlogprobs = torch.ones_like(logprobs)"))
    assert {name for name, verdict in verdicts(grades).items() if verdict != RIGHT} == {"dlogprobs"}
    assert not grades.passed


@pytest.mark.slow
def test_a_gradient_read_before_its_end_is_wrong_there(tmp_path: Path) -> None:
    early = {
        "dbndiff": "dbndiff = bnvar_inv * dbnraw\ndbnmeani = (-dbndiff).sum(0, keepdim=True)\n"
        "dbndiff += (2*bndiff) * dbndiff2",
        "dbnmeani": "",
    }
    found = verdicts(graded(tmp_path, cells_with(**early)))
    assert found.pop("dbnmeani") == ONLY_HERE or found.get("dbnmeani", WRONG) == WRONG
    assert set(found.values()) == {RIGHT}


@pytest.mark.slow
def test_a_right_gradient_of_another_tensor_is_named(tmp_path: Path) -> None:
    cells = [SETUP, COMPARE, NETWORK, BATCH, FORWARD, lines_with()]
    cells.append("cmp('bnraw', dbndiff, bnraw)")
    [one] = [v for v in graded(tmp_path, cells).gradients if v.gradient == "dbndiff"]
    assert one.verdict == WRONG_TENSOR
    assert "bndiff" in one.reason


@pytest.mark.slow
def test_what_follows_an_error_is_not_run(tmp_path: Path) -> None:
    cells = [SETUP, COMPARE, NETWORK, BATCH, FORWARD, lines_with(dh="dh = None"), calls()]
    grades = graded(tmp_path, cells)
    found = verdicts(grades)
    assert found["dh"] == "unfinished"
    assert found["dlogits"] == RIGHT
    assert found["dhpreact"] == NOT_RUN
    assert grades.passed


@pytest.mark.slow
def test_any_network_is_graded(tmp_path: Path) -> None:
    network = (
        "import torch\ng = torch.Generator().manual_seed(1)\n"
        "x = torch.randn((5, 3), generator=g)\nA = torch.randn((3, 4), generator=g)\n"
        "A.requires_grad = True"
    )
    forward = (
        "y = x @ A\nz = torch.exp(y)\ns = z.sum(0)\nout = (s * s).sum()\n"
        "for t in (y, z, s): t.retain_grad()\nout.backward()"
    )
    by_hand = (
        "ds = 2 * s\ndz = ds.expand(5, 4)\ndy = dz * z\ndA = x.T @ dy\n"
        "for d, t in ((ds, s), (dz, z), (dy, y), (dA, A)):\n  print(torch.allclose(d, t.grad))"
    )
    again = "dy = dz * y\nprint(torch.allclose(dy, y.grad))"
    cells = [network, forward, by_hand, again]
    grades = graded(tmp_path, cells)
    assert [(v.gradient, v.verdict) for v in grades.gradients] == [
        ("ds", RIGHT),
        ("dz", RIGHT),
        ("dy", RIGHT),
        ("dA", RIGHT),
        ("dy", WRONG),
    ]
