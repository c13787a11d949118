"""Errors of a table of lines: who, what it got, what it wanted, what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import InputError
from npnet.cli import main

SQUARE: dict[str, Any] = {
    "lines": {"h": lambda v: v.x * 2, "out": lambda v: (v.h**2).sum()},
    "inputs": {"x": (2, 3)},
    "gradients": {"h": lambda v, d: 2 * v.h * d.out, "x": lambda v, d: 2 * d.h},
}
calls = iter(range(100))


def write(v: Any) -> Any:
    h = v.x
    h += 1
    return h


def assign(v: Any) -> Any:
    v.x = 2
    return v.x


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a later line": (
        {"lines": {"h": lambda v: v.out, "out": lambda v: v.x}},
        "line h reads v.out, which is made later: move that line up",
    ),
    "itself": ({"lines": {"h": lambda v: v.h}}, "line h reads v.h, which is the result of this"),
    "a typo": (
        {"lines": {"weights": lambda v: v.x, "out": lambda v: v.weigths}},
        "line out reads v.weigths, which is nowhere: did you mean weights",
    ),
    "nothing near": ({"lines": {"h": lambda v: v.Q}}, "line h reads v.Q, .* wanted one of x$"),
    "two lines of one name": (
        {"lines": [("h", lambda v: v.x), ("h", lambda v: v.x)]},
        "two lines are called h, wanted a name for each",
    ),
    "a line called as an input": (
        {"lines": {"x": lambda v: v.x}},
        "x is the name of a line and of input",
    ),
    "a line that changes its input": (
        {"lines": {"h": write}},
        "line h changes an array that it was given, wanted a new one: copy it first",
    ),
    "a line that assigns": ({"lines": {"h": assign}}, "line h writes to v.x, wanted a result"),
    "a line that raises": (
        {"lines": {"h": lambda v: v.x @ v.x}},
        r"line h raised ValueError: matmul: .*, after it read x \(2, 3\)",
    ),
    "a line that gives None": (
        {"lines": {"h": lambda v: None}},
        "line h returned None, wanted an array: is its return missing",
    ),
    "a line that gives text": ({"lines": {"h": lambda v: "text"}}, "line h: its result is a str"),
    "a line that gives nan": ({"lines": {"h": lambda v: v.x * np.nan}}, "line h holds nan or inf"),
    "a line that gives nothing": ({"lines": {"h": lambda v: v.x[:0]}}, ".*wanted some entries"),
    "a line that draws": (
        {"lines": {"h": lambda v: v.x * next(calls)}},
        "line h gives other numbers when it runs again, wanted the same: draw random numbers once",
    ),
    "a wrong shape": (
        {"shapes": {"h": (3, 2)}},
        r"line h has shape \(2, 3\), wanted \(3, 2\)",
    ),
    "a shape of nothing": ({"shapes": {"q": (3, 2)}}, "shapes has 'q', wanted names of lines"),
    "a shape that is none": ({"shapes": {"h": 3}}, "shapes has 3 for h, wanted a tuple"),
    "no gradient for a line": (
        {"gradients": {"x": lambda v, d: v.x}},
        "no gradient for h, wanted one for each line",
    ),
    "a gradient of the output": (
        {"gradients": {**SQUARE["gradients"], "out": lambda v, d: 1}},
        "there is a gradient for out, wanted none: it is an output, where the backward pass begins",
    ),
    "a gradient of nothing": (
        {"gradients": {**SQUARE["gradients"], "dq": lambda v, d: 1}},
        "gradient dq belongs to no name, wanted one of h, x",
    ),
    "two gradients of one name": (
        {"gradients": {**SQUARE["gradients"], "dh": lambda v, d: 1}},
        "two gradients for h, wanted one",
    ),
    "a gradient of an integer": (
        {
            "lines": {"h": lambda v: v.x[v.i] * 2, "out": lambda v: (v.h**2).sum()},
            "inputs": {"x": (2, 3), "i": (4,)},
            "integers": {"i": 2},
            "gradients": {**SQUARE["gradients"], "i": lambda v, d: 1},
        },
        "there is a gradient for i, wanted none: it is an integer, which is not differentiated",
    ),
    "no function": ({"lines": {"h": 3}}, "line h is an int, wanted a function of v"),
    "no gradient function": (
        {"gradients": {"h": 3, "x": 3}},
        "gradient h is an int, wanted a function of v and d",
    ),
    "no identifier": ({"lines": {"h 1": lambda v: v.x}}, "line 'h 1' is no name, wanted one that"),
    "a word of Python": ({"lines": {"in": lambda v: v.x}}, "line 'in' is no name"),
    "an underscore": ({"lines": {"_h": lambda v: v.x}}, "line _h begins with _"),
    "no lines": ({"lines": {}}, "no lines, wanted one or more"),
    "lines that are text": ({"lines": "h"}, "lines is a str, wanted a mapping"),
    "lines that are a number": ({"lines": 3}, "lines is an int, wanted a mapping"),
    "no inputs": ({"inputs": {}}, "inputs is a dict, wanted a mapping"),
    "an input of text": ({"inputs": {"x": "ab"}}, "input x is a str"),
    "an input of integers": (
        {"inputs": {"x": np.arange(3)}},
        r'input x is int64, wanted floats: convert it, or name it in integers=\["x"\]',
    ),
    "integers that are floats": (
        {"inputs": {"x": np.ones(3)}, "integers": ["x"]},
        "input x is float64, wanted integers",
    ),
    "integers to be drawn without a bound": (
        {"integers": ["x"]},
        "x has a shape and is an integer, wanted a number that its entries are below",
    ),
    "integers of nothing": ({"integers": ["q"]}, "integers has 'q', wanted names of inputs"),
    "an empty input": ({"inputs": {"x": np.ones((0, 2))}}, ".*wanted some entries"),
    "an input of nan": ({"inputs": {"x": [np.nan]}}, "input x is not finite everywhere"),
    "an input that nobody reads": (
        {"inputs": {"x": (2, 3), "b": (3,)}},
        "no line reads b, wanted inputs that are read",
    ),
    "constants that are a number": ({"constants": 3}, "constants is an int, wanted a mapping"),
    "zero of another form": ({"zero": {"h": 3}}, "zero has 3 for h, wanted the gradient that it"),
    "zero of nothing": ({"zero": {"h": ("q", 0)}}, "zero has q, wanted names with a gradient"),
    "skip of an output": ({"skip": ["out"]}, "skip has 'out', wanted lines that other lines read"),
    "nothing to differentiate": ({"lines": {"h": lambda v: v.x > 0}}, "no line of floats depends"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_that_cannot_be_is_refused_in_words(case: str) -> None:
    options, message = REFUSED[case]
    gradients = {} if "lines" in options and "gradients" not in options else SQUARE["gradients"]
    with pytest.raises(InputError, match=f"^Lines: (?:{message})"):
        npnet.Lines(**{**SQUARE, "gradients": gradients, **options})


USED: dict[str, tuple[Callable[[npnet.Lines], Any], str]] = {
    "another dtype": (lambda net: net.check("float16"), "dtype is 'float16', wanted float32 or"),
    "another dtype forwards": (lambda net: net.forward("half"), "dtype is 'half', wanted float32"),
    "no gradients": (
        lambda net: npnet.Lines(net.lines, net.inputs).check(),
        "no gradients for check, wanted one for each of h, x: give them as gradients=",
    ),
    "another name": (lambda net: net.at(q=3), "at has q, wanted inputs or constants: x"),
    "a number of NumPy's": (
        lambda net: npnet.Lines({"h": lambda v: v.x / np.sqrt(2)}, net.inputs).forward("float32"),
        r"line h is float64 where all inputs are float32, wanted float32: a number of NumPy's",
    ),
    "numbers too large for float32": (
        lambda net: npnet.Lines({"h": lambda v: np.exp(v.x)}, {"x": [99.0]}).forward("float32"),
        "line h holds nan or inf in float32, wanted numbers that can be differentiated",
    ),
    "an order that cannot be": (
        lambda net: npnet.Lines(
            net.lines, net.inputs, gradients=dict(reversed(net.gradients.items()))
        ).backward(),
        "gradient x reads d.h, which is made later: move that gradient up",
    ),
    "a gradient that gives None": (
        lambda net: npnet.Lines(
            net.lines, net.inputs, gradients={**net.gradients, "x": lambda v, d: None}
        ).backward(),
        "gradient x returned None",
    ),
}


@pytest.mark.parametrize("case", USED)
def test_what_cannot_be_done_with_a_table_is_refused_in_words(case: str) -> None:
    use, message = USED[case]
    with pytest.raises(InputError, match=f"^Lines: {message}"):
        use(npnet.Lines(**SQUARE))


PROGRAM = """
import npnet
print("made by the program")
{name} = npnet.Lines(
    {{"h": lambda v: v.x * 2, "out": lambda v: (v.h**2).sum()}},
    {{"x": (2, 3)}},
    gradients={{"h": lambda v, d: {factor} * v.h * d.out, "x": lambda v, d: 2 * d.h}},
)
"""


def test_the_command_judges_every_table_of_a_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "nets.py"
    file.write_text(PROGRAM.format(name="one", factor=2) + PROGRAM.format(name="two", factor=3))
    assert main(["check", str(file)]) == 1
    printed = capsys.readouterr()
    assert printed.err == "made by the program\n" * 2
    assert "one: 2 lines, 1 inputs with a gradient, output out ()" in printed.out
    assert "the first wrong line is dh; wrong only because their inputs are: x" in printed.out
    file.write_text(PROGRAM.format(name="one", factor=2))
    assert main(["check", str(file), "--lines", "--planted", "--set", "dtype=float32"]) == 0
    printed = capsys.readouterr()
    assert "each line alone" not in printed.out
    assert "alone: 10 of 10 caught" in printed.out
    assert main(["check", str(file), "--golden", str(tmp_path / "set")]) == 0
    assert (tmp_path / "set" / "raw" / "gradient" / "x.f64").stat().st_size == 48
    capsys.readouterr()
    assert main(["check", str(file), "--json", "--planted"]) == 0
    assert '"planted"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("program", "options", "message"),
    [
        ("x = 1 / 0", [], "line 1: ZeroDivisionError: division by zero, wanted a program that"),
        ("\nx = (", [], "line 2: SyntaxError: "),
        ("import sys; sys.exit(3)", [], "line 1: SystemExit: 3, wanted"),
        ("x = 1", [], "defines no table of lines, wanted one such as net = npnet.Lines"),
        (
            "import npnet\nnpnet.Lines({}, {'x': (2,)})",
            [],
            "line 2: Lines: no lines, wanted one or more",
        ),
        (
            "import npnet\nnet = npnet.Lines({'out': lambda v: v.x}, {'x': (2,)})",
            [],
            "net: Lines: no gradients for check",
        ),
        (PROGRAM.format(name="one", factor=2), ["--hidden", "3"], "check: got --hidden and "),
        (
            PROGRAM.format(name="one", factor=2),
            ["--set", "eps=3"],
            "--set: got 'eps=3' for a table",
        ),
        (PROGRAM.format(name="one", factor=2), ["--set", "dtype=half"], "dtype is 'half', wanted"),
    ],
)
def test_the_command_refuses_a_program_in_one_line(
    program: str,
    options: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "net.py"
    file.write_text(program)
    assert main(["check", str(file), *options]) == 2
    printed = capsys.readouterr().err.removeprefix("made by the program\n")
    assert message in printed
    assert len(printed.splitlines()) == 1


def test_the_command_wants_a_python_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "nowhere.py"]) == 2
    assert "nowhere.py is no Python file" in capsys.readouterr().err
    assert main(["check", "--planted"]) == 2
    assert "--planted: got no FILE.py" in capsys.readouterr().err
