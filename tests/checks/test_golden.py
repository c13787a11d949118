"""The committed golden set judges npnet, and gradients of other programs."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import GOLDEN, judge, solved

import npnet
from npnet import GRADIENTS
from npnet.base.arrays import Array
from npnet.checks.reference import PRECISIONS, Problem
from npnet.network.names import VALUE_NAMES

both = pytest.mark.parametrize("precision", PRECISIONS)


def line_by_line(golden: Problem, precision: str) -> dict[str, Array]:
    v, d = golden.values(precision), golden.upstream(precision)
    return {name: function(v, d) for name, function in GRADIENTS.items()}


# What the committed set says of npnet, with no torch installed.


@both
def test_all_26_gradients_hold_end_to_end(golden: Problem, precision: str) -> None:
    _, ours = solved(golden, precision)
    report = golden.whole(precision).judge(ours)
    assert report
    assert len(report.rows) == 26
    assert report.blind == ("logit_maxes", "b1")


@both
def test_all_26_lines_hold_alone(golden: Problem, precision: str) -> None:
    report = golden.lines(precision).judge(line_by_line(golden, precision))
    assert report
    assert len(report.rows) == 26
    assert not report.blind


def test_in_float64_all_are_within_1e_14_of_their_scale(golden: Problem) -> None:
    _, ours = solved(golden, "float64")
    whole = golden.whole().judge(ours)
    lines = golden.lines().judge(line_by_line(golden, "float64"))
    for row in (*whole.rows, *lines.rows):
        assert row.maxdiff is not None
        assert row.scale is not None
        assert row.maxdiff <= 1e-14 * (row.zero_scale or row.scale), row.name


@both
def test_the_values_of_the_forward_pass_hold(golden: Problem, precision: str) -> None:
    ours, _ = solved(golden, precision)
    torch, truth = golden.arrays["value", precision], golden.arrays["value", "float64"]
    judged: dict[str, Any] = {"truth": truth, "K": 16} if precision == "float32" else {}
    assert npnet.compare({name: ours[name] for name in VALUE_NAMES}, torch, **judged)


@both
@pytest.mark.parametrize("name", GRADIENTS)
def test_a_line_of_zeros_or_a_thousandth_too_large_is_refused(
    golden: Problem, precision: str, name: str
) -> None:
    right = golden.arrays["line", precision][name]
    for wrong in (np.zeros_like(right), right * np.float32(1.001)):
        assert not golden.lines(precision).judge({name: wrong}, only=name)


# Gradients that something else made.


Theirs = Callable[..., Path]


@pytest.fixture
def theirs(golden: Problem, tmp_path: Path) -> Theirs:
    """``theirs(wrong, precision)``: an npz file of npnet's gradients, some entries replaced."""

    def write(wrong: dict[str, Any] | None = None, precision: str = "float32") -> Path:
        arrays: dict[str, Any] = {**solved(golden, precision)[1], **(wrong or {})}
        path = tmp_path / "theirs.npz"
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
        return path

    return write


@both
def test_npnet_judge_passes_right_gradients(
    theirs: Theirs, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(theirs(precision=precision)) == 0
    printed = capsys.readouterr().out
    assert f"{precision}, end to end" in printed
    assert "26 of 26 ok" in printed


def test_names_may_have_the_lectures_d_and_numbers_any_byte_order(
    golden: Problem, tmp_path: Path
) -> None:
    _, ours = solved(golden, "float32")
    arrays: dict[str, Any] = {f"d{name}": array.astype(">f4") for name, array in ours.items()}
    np.savez_compressed(tmp_path / "theirs.npz", **arrays)
    assert judge(tmp_path / "theirs.npz") == 0


def test_a_folder_of_raw_files_is_judged_in_each_precision_it_has(
    golden: Problem, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for precision, suffix, little in (("float32", "f32", "<f4"), ("float64", "f64", "<f8")):
        for name, array in solved(golden, precision)[1].items():
            array.astype(little).tofile(tmp_path / f"d{name}.{suffix}")
    assert judge(tmp_path, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert [len(figures["reports"][precision]["rows"]) for precision in PRECISIONS] == [26, 26]


def test_each_line_alone_is_judged_with_its_upstream_gradients(
    golden: Problem, tmp_path: Path
) -> None:
    arrays: dict[str, Any] = line_by_line(golden, "float32")
    np.savez(tmp_path / "theirs.npz", **arrays)
    assert judge(tmp_path / "theirs.npz", "--lines") == 0
    assert judge(tmp_path / "theirs.npz") == 1


def nan_at_the_end(array: Array) -> Array:
    spoilt = array.copy()
    spoilt.flat[-1] = np.nan
    return spoilt


@pytest.mark.parametrize(
    ("name", "change", "verdict"),
    [
        ("h", lambda array: None, "missing"),
        ("momentum", lambda array: np.ones(3), "extra"),
        ("bnmeani", lambda array: array[0], "shape"),
        ("W2", lambda array: array.T, "shape"),
        ("logits", lambda array: array[:1], "shape"),
        ("C", nan_at_the_end, "not finite"),
        ("bngain", lambda array: array.astype(int), "dtype"),
        ("bnvar", lambda array: array * np.float32(1.001), "WRONG"),
        ("embcat", np.zeros_like, "WRONG"),
    ],
)
def test_every_fault_is_a_row_and_the_exit_code_is_1(
    golden: Problem,
    theirs: Theirs,
    capsys: pytest.CaptureFixture[str],
    name: str,
    change: Callable[[Any], Any],
    verdict: str,
) -> None:
    right = golden.arrays["gradient", "float32"].get(name)
    path = theirs({name: change(right)})
    assert judge(path, "--json") == 1
    rows = json.loads(capsys.readouterr().out)["reports"]["float32"]["rows"]
    assert {row["name"]: row["verdict"] for row in rows if row["verdict"] != "ok"} == {
        name: verdict
    }


def test_a_failure_ends_in_the_next_command(
    theirs: Theirs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(theirs({"h": None, "bnvar": np.ones((1, 8), np.float32)})) == 1
    *_, first, command = capsys.readouterr().out.splitlines()
    assert first == "first wrong in the order of computation: h"
    assert command == "next: npnet explain h"


def test_only_passes_over_the_rest(theirs: Theirs, capsys: pytest.CaptureFixture[str]) -> None:
    path = theirs({"h": None, "bnvar": np.ones((1, 8), np.float32)})
    assert judge(path, "--only", "dlogits,b1") == 0
    assert "2 of 2 ok" in capsys.readouterr().out
    assert judge(path, "--only", "bnvar") == 1
    assert judge(path, "--only", "loss") == 2
    assert "loss: none of the 26 gradients" in capsys.readouterr().err


def test_a_raw_file_says_nothing_of_its_order_but_its_numbers_do(
    golden: Problem, tmp_path: Path
) -> None:
    W2 = golden.arrays["gradient", "float32"].W2
    W2.T.copy().tofile(tmp_path / "W2.f32")
    assert judge(tmp_path, "--only", "W2") == 1
    W2.tofile(tmp_path / "W2.f32")
    assert judge(tmp_path, "--only", "W2") == 0


@pytest.mark.parametrize("cut", [1, 4])
def test_a_raw_file_of_another_length_is_refused_with_the_shape_that_it_has_to_have(
    golden: Problem, tmp_path: Path, cut: int, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = golden.arrays["gradient", "float32"].W2.tobytes()
    (tmp_path / "dW2.f32").write_bytes(whole[:-cut])
    assert judge(tmp_path) == 2
    said = capsys.readouterr().err
    assert f"dW2.f32: {864 - cut} bytes, wanted 864: float32 of shape (8, 27)" in said


class Trap:
    """An object that would make a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def not_an_npz(folder: Path, content: Callable[[Path], object]) -> Path:
    path = folder / "theirs.npz"
    content(path)
    return path


@pytest.mark.parametrize(
    "content",
    [
        lambda path: None,
        lambda path: path.touch(),
        lambda path: path.write_bytes(b"PK\x03\x04 and no more"),
        lambda path: path.write_text("logits = 1"),
        lambda path: np.savez(path),
        lambda path: np.savez(path, h=np.ones(3, np.float16), C=np.ones(3, np.float32)),
        lambda path: np.savez(path, logits=np.ones(3), dlogits=np.ones(3)),
        lambda path: (
            shutil.make_archive(str(path.with_suffix("")), "zip", GOLDEN)
            and path.with_suffix(".zip").rename(path)
        ),
        lambda path: path.mkdir(),
        lambda path: path.write_bytes(pickle.dumps(Trap(path.with_name("sprung")))),
        lambda path: np.savez(
            path, logits=np.array([Trap(path.with_name("sprung"))]), allow_pickle=True
        ),
    ],
    ids=[
        *("no file", "empty", "a broken zip", "text", "no arrays", "float16 and 32"),
        *("one gradient twice", "another zip", "an empty folder", "a pickle", "a pickled array"),
    ],
)
def test_what_is_no_file_of_gradients_is_refused_in_one_line_and_nothing_runs(
    tmp_path: Path, content: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    path = not_an_npz(tmp_path, content)
    assert judge(path) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"npnet: {path}: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "sprung").exists()
