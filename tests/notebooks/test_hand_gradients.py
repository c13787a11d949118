"""Gradients by hand in notebooks: right ones are called right, wrong ones by the right word."""

import json
from pathlib import Path

import pytest
from exercise_notebook import (
    BATCH,
    CALIBRATION,
    COMPARE,
    EVALUATION,
    EXERCISE_2,
    EXERCISE_3,
    FORWARD,
    LINES,
    NETWORK,
    SETUP,
    TRAINING,
    calls,
    cells_with,
    lines_with,
    renamed,
    write_notebook,
)
from written_gradients import MISTAKES, RIGHT_FORMS

import npnet
from npnet.cli import main
from npnet.grading.notebook_grades import NotebookGrades
from npnet.grading.verdicts import NOT_RUN, ONLY_HERE, RIGHT, WRONG, WRONG_TENSOR


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
def test_other_names_are_graded_in_the_same_way(tmp_path: Path) -> None:
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


def messages(grades: NotebookGrades, about: str) -> list[str]:
    return [finding.text for finding in grades.findings if finding.about == about and finding.wrong]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "gradient", "fault"),
    [
        ("loss = -", "loss = ", "-1.0", "no minus"),
        (".mean()\nfor p", ".sum()\nfor p", "-1.0/n", "is a sum"),
        ("1/(n-1)*(", "1/n*(", "(1.0/(n-1))", "divides by n,"),
    ],
)
def test_a_wrong_forward_pass_is_said_first(
    tmp_path: Path, old: str, new: str, gradient: str, fault: str
) -> None:
    fitting = {"-1.0": "1.0", "-1.0/n": "-1.0", "(1.0/(n-1))": "(1.0/n)"}[gradient]
    by_hand = "\n".join(LINES.values()).replace(gradient, fitting) + "\n" + calls()
    cells = [SETUP, COMPARE, NETWORK, BATCH, FORWARD.replace(old, new), by_hand]
    grades = graded(tmp_path, cells)
    assert fault in messages(grades, "forward pass")[0]
    assert str(grades).startswith("forward pass: ")
    assert set(verdicts(grades).values()) == {RIGHT}
    assert not grades.passed


@pytest.mark.slow
def test_targets_that_broadcast_are_a_fault_of_the_forward_pass(tmp_path: Path) -> None:
    fanned = (
        "dlogprobs = torch.zeros_like(logprobs)\nfor i in range(n):\n  for j in range(n):\n"
        "    dlogprobs[j, Yb[i]] -= 1/n/n"
    )
    cells = [SETUP, COMPARE, NETWORK, BATCH + "Yb = Yb[:, None]", FORWARD]
    grades = graded(tmp_path, [*cells, lines_with(dlogprobs=fanned), calls()])
    assert "Yb has the shape (32, 1)" in messages(grades, "forward pass")[0]
    assert set(verdicts(grades).values()) == {RIGHT}


@pytest.mark.slow
def test_a_right_training_loop_is_right(tmp_path: Path) -> None:
    cells = [SETUP, TRAINING, CALIBRATION, EVALUATION]
    grades = graded(tmp_path, cells)
    assert grades.passed
    assert {one.exercise for one in grades.gradients} == {4}
    assert {one.verdict for one in grades.gradients} == {RIGHT}
    told = [finding.text for finding in grades.findings]
    assert "50 steps; rate: 0.1 if i < 100000 else 0.01" in told
    assert "a step updates C, W1, b1, W2, b2, bngain, bnbias" in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "old", "new", "said"),
    [
        ("training", "-lr * grad", "lr * grad", "wrong sign"),
        ("calibration", "C[Xtr]", "C[Xb]", "the last minibatch"),
        ("evaluation", "torch.tanh(hpreact)", "torch.tanh(hprebn)", "reads hprebn"),
        ("evaluation", "C[x]", "C[Xtr]", "never reads x"),
    ],
)
def test_faults_around_the_gradients_are_found(
    tmp_path: Path, cell: str, old: str, new: str, said: str
) -> None:
    cells = {"training": TRAINING, "calibration": CALIBRATION, "evaluation": EVALUATION}
    assert old in cells[cell]
    cells[cell] = cells[cell].replace(old, new)
    grades = graded(tmp_path, [SETUP, *cells.values()])
    assert any(said in text for text in messages(grades, cell)), grades
    assert not grades.passed


@pytest.mark.slow
def test_statistics_left_by_the_loop_are_found(tmp_path: Path) -> None:
    grades = graded(tmp_path, [SETUP, TRAINING, EVALUATION])
    assert messages(grades, "calibration") == [
        "split_loss takes bnmean and bnvar of the last minibatch of the training"
    ]


@pytest.mark.slow
def test_the_first_wrong_gradient_of_a_step_is_named(tmp_path: Path) -> None:
    loop = TRAINING.replace("    ix = Xb[k,j]\n        dC[ix]", "    ix = Xb[k,j]\n      dC[ix]")
    assert loop != TRAINING
    grades = graded(tmp_path, [SETUP, loop])
    assert [name for name, verdict in verdicts(grades).items() if verdict != RIGHT] == ["dC"]
    assert any("first wrong gradient of a step is dC" in each.text for each in grades.findings)


@pytest.mark.slow
def test_own_gradients_thrown_away_are_told(tmp_path: Path) -> None:
    loop = TRAINING.replace("with torch.no_grad():", "if True:").replace(
        "    dlogits = F.soft", "    loss.backward()\n    dlogits = F.soft"
    )
    loop = loop.replace("    grads = [", "    dC, dW1 = None, None\n    grads = [")
    loop = loop.replace("-lr * grad", "-lr * p.grad")
    grades = graded(tmp_path, [SETUP, loop])
    told = [finding.text for finding in grades.findings]
    assert any("autograd's gradients" in text for text in told)
    assert any("sets dC, dW1 to None" in text for text in told)


def test_a_notebook_without_gradients_has_no_verdicts(tmp_path: Path) -> None:
    grades = graded(tmp_path, ["x = 1"])
    assert grades.passed
    assert str(grades) == "no gradient was found"


@pytest.mark.slow
def test_the_command_prints_verdicts_and_exits_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = cells_with(db2="db2 = dlogits.sum(0, keepdim=True)")
    path = write_notebook(tmp_path / "wrong.ipynb", cells)
    page = tmp_path / "page.html"
    assert main(["notebook", str(path), "--grade", "--html", str(page)]) == 1
    printed = capsys.readouterr().out
    assert "wrong shape that broadcasts" in printed
    assert "25 right" in printed
    assert "wrong shape that broadcasts" in page.read_text(encoding="utf-8")
    assert main(["notebook", str(path), "--grade", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["grades"]
    assert [one["gradient"] for one in told["gradients"] if one["fails"]] == ["db2"]
    assert not told["passed"]


@pytest.mark.slow
def test_gradients_in_dicts_and_helpers_are_graded(tmp_path: Path) -> None:
    helpers = {
        "dprobs": "def grad_probs(up, p):\n  return up / p\ndprobs = grad_probs(dlogprobs, probs)",
        "dh": "def back():\n  return dlogits @ W2.T\ndh = back()",
    }
    found = "cmp('b2', {'b2': dlogits.sum(0)}['b2'], b2)"
    grades = graded(tmp_path, [*cells_with(**helpers), found])
    assert {one.verdict for one in grades.gradients} == {RIGHT}
    assert len(grades.gradients) == 27


@pytest.mark.slow
def test_two_forward_passes_have_gradients_of_their_own(tmp_path: Path) -> None:
    again = [BATCH + FORWARD, lines_with(db2="db2 = 2 * dlogits.sum(0)") + "\n" + calls()]
    grades = graded(tmp_path, [*cells_with(), *again])
    assert len(grades.gradients) == 52
    assert [(v.gradient, v.cell) for v in grades.gradients if v.verdict != RIGHT] == [("db2", 8)]


@pytest.mark.slow
def test_a_script_of_one_cell_is_graded(tmp_path: Path) -> None:
    parts = [*cells_with(), EXERCISE_2, EXERCISE_3, TRAINING, CALIBRATION, EVALUATION]
    path = tmp_path / "exercise.py"
    path.write_text("\n".join(parts), encoding="utf-8")
    grades = npnet.grade_notebook(path)
    assert grades.passed
    assert [one.exercise for one in grades.gradients].count(4) == 13
    assert len(grades.gradients) == 41


@pytest.mark.slow
def test_what_is_left_from_the_starter_is_unfinished(tmp_path: Path) -> None:
    starter = "\n".join(
        f"{name} = None # your code\n# cmp('', {name}, {name[1:]})" for name in LINES
    )
    grades = graded(tmp_path, [SETUP, COMPARE, NETWORK, BATCH, FORWARD, starter])
    assert {one.verdict for one in grades.gradients} == {"unfinished"}
    assert grades.passed


@pytest.mark.slow
def test_lines_that_run_for_ever_alone_are_not_run(tmp_path: Path) -> None:
    forward = (
        "import torch\nx = torch.ones(3, requires_grad=True)\ny = x * x\nloss = y.sum()\n"
        "y.retain_grad()\nloss.backward()"
    )
    # In the notebook x is a leaf that wants gradients; alone it is a plain value.
    endless = "while True:\n  dx = 2 * x\n  if x.requires_grad:\n    break"
    grades = graded(tmp_path, [forward, f"{endless}\ndy = torch.ones_like(y)"])
    assert verdicts(grades) == {"dx": NOT_RUN, "dy": RIGHT}
    assert "endless loop" in grades.gradients[0].reason
