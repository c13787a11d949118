"""Other libraries' gradients of the network, by the adapters of tests/libraries."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from npnet import InputError
from npnet.checks.reference import PRECISIONS, Problem
from oracle import libraries
from oracle.cli import main
from oracle.golden import solve
from oracle.libraries import adapters, load, scores
from oracle.networks import network
from oracle.testing import problem

pytestmark = pytest.mark.usefixtures("one_thread")

ADAPTERS = adapters()
NAMES = ("autograd", "jax", "mlx", "mygrad", "pytensor", "tensorflow", "tinygrad")
# What a float64 exp of float32 accuracy leaves right.
FAULTS = {("mlx", "float64")}


@pytest.fixture(scope="module")
def case() -> Problem:
    """A small problem with all that the lines do."""
    return problem(5, n=4, T=1, E=2, H=3, V=4)


def test_there_is_an_adapter_for_each_library() -> None:
    assert tuple(ADAPTERS) == NAMES


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "jax")) for name in NAMES]
)
def test_a_librarys_gradients_are_right(name: str, case: Problem) -> None:
    if not importlib.util.find_spec(name):
        pytest.skip(f"{name} is not installed")
    made = list(scores({name: ADAPTERS[name]}, [case]))
    assert [score.dtype for score in made] == [*PRECISIONS]
    for score in made:
        if (name, score.dtype) not in FAULTS:
            assert (score.lines, score.whole) == (26, 26), score
            assert 0 < score.worst < 1


# A library that is always there, and differentiates by differences of complex steps.
NUMPY = """
import numpy as np

from npnet.network.forward import LINES as FORWARD

STEP = 1e-30

LINES = dict(FORWARD)
LINES["logit_maxes"] = lambda v: np.take_along_axis(
    v.logits, v.logits.real.argmax(1, keepdims=True), 1)


def gradients(total, leaves):
    found = {}
    for name, leaf in leaves.items():
        wide = {key: array.astype(complex) for key, array in leaves.items()}
        grad = np.zeros(leaf.shape)
        for place in np.ndindex(leaf.shape):
            wide[name][place] += 1j * STEP
            grad[place] = total(wide).imag / STEP
            wide[name][place] -= 1j * STEP
        found[name] = grad.astype(leaf.dtype)
    return found
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Adapters for NumPy, right and wrong, and for what is not installed."""
    (tmp_path / "lines_in_numpy.py").write_text(NUMPY, "utf-8")
    wrong = NUMPY + "\nLINES['bnvar'] = lambda v: v.bndiff2.sum(0, keepdims=True) / v.n\n"
    (tmp_path / "lines_in_wrong.py").write_text(wrong, "utf-8")
    (tmp_path / "lines_in_missing.py").write_text("import missing\n", "utf-8")
    return tmp_path


def test_the_scoreboard_says_what_is_right_wrong_and_missing(
    folder: Path,
    case: Problem,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libraries, "cases", lambda: (case,))
    assert main(["libraries", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:5] == ["library", "version", "dtype", "lines", "whole"]
    assert lines[1].split() == ["missing", "not", "installed"]
    for line, dtype in zip(lines[2:4], PRECISIONS, strict=True):
        assert line.startswith(f"numpy    {np.__version__}")
        assert (line.count("26 of 26"), dtype in line) == (2, True)
    assert "wrong" in lines[4]
    assert "26 of 26" not in lines[4]
    text = "\n".join(lines)
    assert "wrong, float32: " in text
    assert "numpy, float32: in the forward pass" not in text
    assert main(["libraries", str(folder), "--only", "numpy,missing", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert [row["library"] for row in figures] == ["numpy", "numpy", "missing"]
    assert [row["right"] for row in figures] == [True, True, False]


def test_values_of_another_dtype_are_told(folder: Path, case: Problem) -> None:
    path = folder / "lines_in_wide.py"
    path.write_text(
        NUMPY.replace("complex)", "'c8' if array.dtype == 'f4' else 'c16')")
        + "\nwide = LINES['bnvar']\nLINES['bnvar'] = lambda v: np.float64(1) * wide(v).real\n",
        "utf-8",
    )
    [score] = scores({"wide": path}, [case], ["float32"])
    assert score.widened == ("bnvar",)


def test_an_adapter_that_fails_is_a_row(folder: Path, case: Problem) -> None:
    path = folder / "lines_in_numpy.py"
    path.write_text(NUMPY + "\ndef gradients(total, leaves):\n    return 1 / 0\n", "utf-8")
    [score] = scores({"numpy": path}, [case], ["float32"])
    assert (score.lines, score.reason) == (0, "ZeroDivisionError: division by zero")


def test_a_library_that_knows_no_float64_is_told_so(folder: Path, case: Problem) -> None:
    path = folder / "lines_in_numpy.py"
    path.write_text(NUMPY.replace("grad.astype(leaf.dtype)", "grad.astype('f4')"), "utf-8")
    [score] = scores({"numpy": path}, [case], ["float64"])
    assert (score.lines, score.whole) == (0, 0)
    assert "float32, wanted float64" in score.reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("LINES = {}", "wanted LINES with emb, embcat"),
        ("def", "invalid syntax"),
        ("import not_there", "No module named 'not_there', which it imports"),
    ],
)
def test_a_file_that_is_no_adapter_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "lines_in_numpy.py"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        load(path)


def test_without_adapters_the_error_says_where_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["libraries", str(tmp_path)]) == 2
    assert "they are in tests/libraries of npnet's repository" in capsys.readouterr().err
    assert main(["libraries", "--only", "numpy"]) == 2
    assert "--only: got 'numpy', wanted some of autograd, jax" in capsys.readouterr().err


def test_a_shared_maximum_is_accepted_and_said() -> None:
    pytest.importorskip("autograd")
    drawn = network(3, {"n": 6, "T": 1, "E": 2, "H": 4, "V": 5}, "untrained")
    drawn.params.W2[:, :2] = 0
    drawn.params.b2[:2] = 5.0
    case = solve(drawn.params, drawn.X, drawn.Y, upstream=3)
    for score in scores({"autograd": ADAPTERS["autograd"]}, [case]):
        assert (score.lines, score.whole) == (26, 26)
        assert 0 < score.worst < 1
        [remark] = score.accepted
        assert remark.startswith("dlogits: ")
        assert "shares the gradient of the maximum" in remark


def test_one_case_each_is_untrained_trained_of_two_rows_and_tied() -> None:
    made: Any = libraries.cases()
    assert [one.sizes["n"] for one in made] == [32, 32, 2, 32]
    logits = made[3].values().logits
    tied = (logits == logits.max(1, keepdims=True)).sum(1) > 1
    assert 0 < tied.sum() < len(tied)
    assert float(made[1].values().loss) < float(made[0].values().loss) - 0.1
