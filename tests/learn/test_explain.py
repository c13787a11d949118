"""Explanations and hints quote exactly the code that computes."""

import ast
import contextlib
import io
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import InputError
from npnet.base.arrays import Array
from npnet.cli import main
from npnet.learn import notation
from npnet.learn.exercises import EXERCISES
from npnet.learn.hints import AT_ONCE, LEVELS, RULES, hint, steps_to
from npnet.learn.notation import (
    backward_lines,
    code_of,
    docstring,
    forward_lines,
    plain,
    statements,
)
from npnet.network.graph import readers
from npnet.network.names import NAMES, PARAMETER_NAMES, VALUE_NAMES

Make = Callable[..., tuple[npnet.Parameters, Array, Array]]


def scope_of(params: npnet.Parameters, X: Array, Y: Array) -> dict[str, Any]:
    return {**params, "X": X, "Y": Y, "eps": 1e-5, "np": np, "dloss": 1.0}


@pytest.fixture
def scope(network: Make) -> dict[str, Any]:
    """Names for code in the lecture's notation: a forward pass, and random gradients."""
    values = npnet.forward(*network())
    rng = np.random.default_rng(1)
    random = {f"d{name}": rng.standard_normal(np.shape(values[name])) for name in NAMES}
    return {**values, **random, "np": np, "dloss": 1.0}


def test_the_two_passes_run_as_they_are_printed_and_give_all_26_gradients(network: Make) -> None:
    scope = scope_of(*network())
    exec(npnet.explain(), scope)
    values = npnet.forward(*network())
    gradients = npnet.backward(values)
    for name in VALUE_NAMES:
        np.testing.assert_array_equal(scope[name], values[name], err_msg=name)
    for name in gradients:
        np.testing.assert_array_equal(scope[f"d{name}"], gradients[name], err_msg=name)


def test_the_shapes_behind_the_two_passes_are_those_of_the_names() -> None:
    shown = re.findall(r"^(\w+)(?:\[.*\])? *= .*# (\(.*\))$", npnet.explain(), re.MULTILINE)
    shapes = {name: shape for name, shape in shown if name != "largest"}
    assert {*shapes} >= {*VALUE_NAMES}
    for name, shape in shapes.items():
        assert shape == NAMES[name if name in NAMES else name[1:]].shape, name


@pytest.mark.parametrize("name", npnet.GRADIENTS)
def test_a_page_quotes_code_that_gives_the_gradient(name: str, scope: dict[str, Any]) -> None:
    page = npnet.explain(name)
    upstream = npnet.Gradients({other: scope[f"d{other}"] for other in npnet.GRADIENTS})
    wanted = npnet.GRADIENTS[name](npnet.Values(scope), upstream)
    paragraphs = page.split("\n\n")
    quoted = [line for line in paragraphs[2].splitlines() if line in backward_lines()[name]]
    exec("\n".join(quoted), scope)
    np.testing.assert_array_equal(scope[f"d{name}"], wanted)
    exec(paragraphs[3], scope)
    np.testing.assert_array_equal(scope[f"d{name}"](npnet.Values(scope), upstream), wanted)


@pytest.mark.parametrize("name", npnet.GRADIENTS)
def test_a_docstring_is_divided_without_losing_a_word(name: str) -> None:
    parts = docstring(name)
    remarks = (f"{label}: {remark}" for label, remark in parts.remarks.items())
    words = " ".join([*parts.undone, parts.derivation, *parts.code, *remarks]).split()
    assert words == plain(npnet.GRADIENTS[name].__doc__ or "").split()
    assert parts.remarks["Often wrong"]


@pytest.mark.parametrize("name", VALUE_NAMES)
def test_a_quoted_forward_line_gives_the_value(name: str, scope: dict[str, Any]) -> None:
    wanted = scope.pop(name)
    exec(forward_lines()[name], scope)
    np.testing.assert_array_equal(scope[name], wanted)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_shape_meaning_and_readers(name: str) -> None:
    page = npnet.explain(name)
    assert page.startswith(f"{name} {NAMES[name].shape}: {NAMES[name].meaning}\n")
    for line in readers(name):
        assert f"{forward_lines()[line]}  # {NAMES[line].shape}" in page
    assert npnet.explain(f"d{name}") == page


def test_the_two_values_that_nothing_reads_or_makes_say_so() -> None:
    assert "read by  nothing" in npnet.explain("loss")
    assert "dloss is 1" in npnet.explain("loss")
    assert all("made by  nothing" in npnet.explain(name) for name in PARAMETER_NAMES)


def test_four_values_have_two_paths_to_the_loss() -> None:
    two = {name for name in npnet.GRADIENTS if len(readers(name)) == 2}
    assert two == {"counts", "logits", "bndiff", "hprebn"}


def test_everything_fits_eighty_columns() -> None:
    pages: list[str] = [npnet.explain(), *map(npnet.explain, NAMES)]
    pages += [hint(exercise, level) for exercise in EXERCISES.values() for level in LEVELS]
    assert max(len(line) for page in pages for line in page.splitlines()) <= 80


def test_a_notebook_shows_an_explanation_as_text() -> None:
    assert repr(npnet.explain("h")) == str(npnet.explain("h"))
    assert isinstance(npnet.explain("h"), str)


def test_the_command_prints_what_the_function_returns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "dbnvar_inv", "--answer"]) == 0
    assert main(["explain", "--answer"]) == 0
    assert capsys.readouterr().out == f"{npnet.explain('bnvar_inv')}\n{npnet.explain()}\n"


def test_the_question_comes_first_and_the_answer_on_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["explain", "dh"]) == 0
    asked = capsys.readouterr().out
    assert "moves by a little" in asked
    assert asked.endswith("the answer: npnet explain h --answer\n")
    assert "@ W2.T" not in asked
    assert main(["explain"]) == 0
    assert "dlogits" not in capsys.readouterr().out


def test_a_sheets_name_is_quoted_where_a_command_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["exercise", "check", "my sheet.py"]) == 2
    assert capsys.readouterr().err.endswith(": npnet exercise new 'my sheet.py'\n")
    assert main(["exercise", "new", "my sheet.py"]) == 0
    assert capsys.readouterr().out.endswith(": npnet exercise check 'my sheet.py'\n")
    assert "npnet exercise check 'my sheet.py'\n" in Path("my sheet.py").read_text()


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"explain: no 'bnvarinv', did you mean bnvar_inv\?"):
        npnet.explain("bnvarinv")
    with pytest.raises(InputError, match=r"explain: no '\?', wanted one of C, W1"):
        npnet.explain("?")
    with pytest.raises(InputError, match=r"explain: X \(n, T\), .* are the data"):
        npnet.explain("X")
    assert main(["explain", "bnvarinv"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_prose_is_as_narrow_as_the_terminal_and_code_is_left_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    assert main(["explain", "hprebn", "--answer"]) == 0
    narrow = capsys.readouterr().out
    assert narrow == f"{npnet.explain('hprebn', width=50)}\n"
    wide = npnet.explain("hprebn")
    assert narrow.split() == wide.split()
    assert narrow.count("\n") > wide.count("\n") + 1


def test_code_is_put_into_the_lectures_notation() -> None:
    assert plain("-d.loss / len(v.Y)") == "-dloss / len(Y)"
    assert plain("(v.bnvar + v.eps) ** -1.5") == "(bnvar + eps)**-1.5"
    assert plain("np.add.at(dC, v.X,\n    d.emb)") == "np.add.at(dC, X, demb)"


def test_statements_leave_out_checks_and_keep_the_rest() -> None:
    assert statements(npnet.GRADIENTS["probs"]) == ("dprobs = dlogprobs / probs",)
    assert statements(npnet.cross_entropy)[-3:] == (
        "dlogits = counts / counts_sum",
        "dlogits[rows, Y] -= 1",
        "dlogits /= n",
    )
    assert code_of(npnet.GRADIENTS["h"]) == "def dh(v, d):\n    return d.logits @ v.W2.T"


@pytest.mark.parametrize("name", npnet.GRADIENTS)
def test_every_step_between_a_value_and_its_reader_has_a_rule(name: str) -> None:
    for line in readers(name):
        steps = steps_to(name, forward_lines()[line])
        assert steps
        assert {*steps} <= {*RULES}


def test_the_steps_of_a_line_begin_with_the_outermost() -> None:
    names = [
        getattr(step, "__name__", step) for step in steps_to("bnvar", forward_lines()["bnvar_inv"])
    ]
    assert names == ["Pow", "Add"]
    loss = [
        getattr(step, "__name__", step) for step in steps_to("logprobs", forward_lines()["loss"])
    ]
    assert loss == ["USub", "mean", "Subscript"]


@pytest.mark.parametrize("name", npnet.GRADIENTS)
def test_hints_go_from_a_question_to_the_formula_without_our_line(name: str) -> None:
    question, rule, formula = (hint(EXERCISES[f"d{name}"], level) for level in LEVELS)
    assert question.rstrip().endswith("?")
    assert "From the outside in" in rule
    assert textwrap.fill(docstring(name).derivation, 80) in formula
    assert not any(line in text for line in backward_lines()[name] for text in (question, rule))


def test_a_rule_says_over_which_axis_a_gradient_is_summed() -> None:
    for name, kept in {"bnvar_inv": True, "b2": False, "counts_sum_inv": True, "b1": False}.items():
        text = " ".join(hint(EXERCISES[f"d{name}"], 2).split())
        axis = "V" if name == "counts_sum_inv" else "n"
        said = f"{name} is broadcast over {axis}, so its gradient is summed over that axis"
        assert said in text
        assert (f"{said}, which is kept with length 1." in text) is kept
    assert all(
        "broadcast" not in hint(EXERCISES[name], 2) for name in ("dC", "dW2", "dh", "dprobs")
    )


@pytest.mark.parametrize("step", ["exp", "log", "tanh"])
def test_a_hint_gives_the_derivative_of_its_function(step: str) -> None:
    said = re.match(rf"the derivative of {step}\(x\) is ([^,]+)", RULES[step])
    assert said is not None
    x = np.linspace(0.1, 2, 9)
    derivative = getattr(np, step)(x + 1e-20j).imag / 1e-20
    np.testing.assert_allclose(eval(said[1], {step: getattr(np, step), "x": x}), derivative, 1e-13)


@pytest.mark.parametrize("p", [-1, -0.5, 2])
def test_the_hint_for_a_power_gives_its_derivative(p: float) -> None:
    said = re.fullmatch(r"the derivative of (.+) is (.+)", RULES[ast.Pow])
    assert said is not None
    x = np.linspace(0.1, 2, 9)
    derivative = eval(said[1], {"p": p, "x": x + 1e-20j}).imag / 1e-20
    np.testing.assert_allclose(eval(said[2], {"p": p, "x": x}), derivative, 1e-13)


# What each of the other rules passes to its operand or operands, for an upstream gradient g.
PASSED: dict[type[ast.AST] | str, Callable[[Array, Array], dict[str, Array]]] = {
    ast.Add: lambda x, g: {"x + 3": g},
    ast.Sub: lambda x, g: {"x - 3": g, "3 - x": -g},
    ast.Mult: lambda x, g: {"x * 3": g * 3},
    ast.Div: lambda x, g: {"x / 3": g / 3},
    ast.USub: lambda x, g: {"-x": -g},
    "sum": lambda x, g: {"x.sum() + 0 * x": np.full_like(x, g.sum())},
    "mean": lambda x, g: {"x.mean() + 0 * x": np.full_like(x, g.sum() / len(x))},
    "max": lambda x, g: {"x.max() + 0 * x": np.where(x == x.max(), g.sum(), 0)},
}
SAID = {
    ast.Add: "passes g to each of its terms",
    ast.Sub: "passes g to the first term and -g to the second",
    ast.Mult: "passes to each factor g times the other factor",
    ast.Div: "divides g by it",
    ast.USub: "changes the sign of g",
    "sum": "passes the same g to every entry",
    "mean": "passes g / k to each of them",
    "max": "passes g to the largest entry and 0 to the others",
}


@pytest.mark.parametrize("step", PASSED)
def test_a_hint_says_what_a_step_passes_on(step: type[ast.AST] | str) -> None:
    rng = np.random.default_rng(3)
    x, g = rng.standard_normal((2, 5))
    assert SAID[step] in RULES[step]
    for code, wanted in PASSED[step](x, g).items():
        moved = (x + 1e-20j * np.eye(5))[:, :]
        passed = [(g * eval(code, {"x": row})).sum().imag / 1e-20 for row in moved]
        np.testing.assert_allclose(passed, wanted, rtol=1e-13, atol=1e-15, err_msg=code)


def test_the_hints_for_indices_products_and_shapes_are_right() -> None:
    x, g = np.arange(3) * 1.0, np.array([[1.0, 2], [5, 7]])
    passed = [(g * (x + 1e-20j * row)[[[0, 0], [0, 2]]]).sum().imag / 1e-20 for row in np.eye(3)]
    np.testing.assert_allclose(passed, [1 + 2 + 5, 0, 7], rtol=1e-13)  # picked thrice, never, once
    assert "an entry that was never picked gets 0" in RULES[ast.Subscript]
    assert "one that was picked several times gets the sum" in RULES[ast.Subscript]
    assert "to a a matrix product of g and b, and to b one of a and g" in RULES[ast.MatMult]
    assert "moves no number: g goes back into the old shape" in RULES["reshape"]


def test_the_formulas_of_the_fused_hints_are_right(scope: dict[str, Any]) -> None:
    logits, Y, n = scope["logits"], scope["Y"], len(scope["Y"])
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    hinted = (softmax - (np.arange(logits.shape[1]) == Y[:, None])) / n
    assert "(softmax(logits)[i,j] - (1 if j is Y[i] else 0)) / n" in AT_ONCE["dlogits_at_once"]
    np.testing.assert_allclose(hinted, npnet.cross_entropy(logits, Y)[1], rtol=1e-12)

    formula = AT_ONCE["dhprebn_at_once"].strip().split("\n\n")[2].split(" = ")[1]
    code = re.sub(r"Σ_i ([^-)]+)", r"(\1).sum(0) ", " ".join(formula.split()))
    code = code.replace("[i,k]", "").replace("[k]", "").replace("·", "*")
    hprebn, gain, bias = (scope[name] for name in ("hprebn", "bngain", "bnbias"))
    _, saved = npnet.batch_norm(hprebn, gain, bias)
    wanted, _, _ = npnet.batch_norm_backward(scope["dhpreact"], saved)
    np.testing.assert_allclose(eval(code, {**scope, "n": n}), wanted, rtol=1e-10)


def test_the_command_gives_hints_and_the_solution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exercise", "hint", "bnvar"]) == 0
    assert main(["exercise", "hint", "dbnvar", "--level", "3"]) == 0
    assert main(["exercise", "hint", "dbnvar", "--solution"]) == 0
    question, formula = hint(EXERCISES["dbnvar"], 1), hint(EXERCISES["dbnvar"], 3)
    solution = "def dbnvar(v, d):\n    return -0.5 * (v.bnvar + v.eps) ** -1.5 * d.bnvar_inv"
    assert capsys.readouterr().out == f"{question}\n{formula}\n{solution}\n"
    assert main(["exercise", "hint", "nothing"]) == 2
    with pytest.raises(InputError, match="level 4, wanted 1, 2 or 3"):
        hint(EXERCISES["dh"], 4)


@pytest.mark.slow
def test_explanations_need_no_docstrings_at_run_time() -> None:
    asked = [["explain", "dC"], ["explain"], ["exercise", "hint", "dbnvar", "--level", "3"]]
    program = f"from npnet.cli import main\nfor command in {asked}: main(command)"
    with contextlib.redirect_stdout(io.StringIO()) as plain_run:
        exec(program, {})
    without = subprocess.run(
        [sys.executable, "-OO", "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert without == plain_run.getvalue()
    assert len(without) > 3 * 90


def test_a_missing_source_file_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(module: object) -> str:
        raise OSError("could not get source code")

    notation._module.cache_clear()
    monkeypatch.setattr("inspect.getsource", nowhere)
    with pytest.raises(InputError, match=r"could not get source code .* wanted npnet installed"):
        docstring("h")
    notation._module.cache_clear()
