"""`oracle check`, `oracle accuracy`, `oracle selftest`: what they print and how they leave."""

import itertools
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from conftest import slow_but

import npnet
from npnet import GRADIENTS, InputError

pytest.importorskip("torch")

import torch

from npnet.training.fit import first_batch
from oracle import selftest
from oracle.accuracy import accuracy
from oracle.cli import main
from oracle.mistakes import LECTURE, MISTAKES, network


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """npnet's own table with a mistake in it."""
    monkeypatch.setitem(GRADIENTS, "bndiff2", lambda v, d: d.bnvar / len(v.Y) + 0 * v.bndiff2)


def test_torch_gets_its_threads_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = torch.get_num_threads()
    assert main(["check", "--json"]) == 0
    assert torch.get_num_threads() == before


def test_check_prints_both_tables_and_leaves_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert "n=32 T=3 E=10 H=200 V=27 float32 seed 2147483647" in out
    assert f"torch {torch.__version__} (" in out
    assert f"numpy {np.__version__}" in out
    assert out.count("26 of 26 ok") == 2
    assert out.count("of 26 are bit-equal") == 2
    assert "would pass for: logit_maxes, b1 (zero by mathematics)" in out
    assert "would pass for: none" in out
    assert out.endswith("no line is wrong\n")


@pytest.mark.parametrize(
    ("recipe", "dtype"),
    slow_but(
        itertools.product(npnet.RECIPES, ["float32", "float64"]),
        itertools.product(["lecture-64", "part3", "rerun-200"], ["float32"]),
    ),
)
def test_check_passes_for_every_recipe(
    recipe: str, dtype: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--recipe", recipe, "--dtype", dtype, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["passed"]
    assert figures["dtype"] == dtype
    assert [len(figures[table]["rows"]) for table in ("end_to_end", "per_line")] == [26, 26]
    assert figures["end_to_end"]["blind"] == ["logit_maxes", "b1"]
    assert figures["per_line"]["blind"] == []
    assert figures["exact"]["per_line"] >= 11


def test_check_names_the_wrong_line_and_leaves_with_1(
    broken: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--seed", "-5"]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("the first wrong line is dbndiff2; wrong only because their")
    assert last.endswith(": bndiff, hprebn, embcat, W1, emb, C")


def test_tolerances_leave_nothing_inherited_from_what_runs_later(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "--rtol", "1e-7", "--atol", "1e-10", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["first_wrong"]
    order = list(GRADIENTS)
    first = min(map(order.index, found["alone"]))
    assert all(order.index(name) > first for name in found["inherited"])
    assert not {*found["inherited"]} & {*found["unexplained"]}


def test_why_shows_reasons_and_what_the_experiments_gave(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "--why"]) == 0
    out = capsys.readouterr().out
    for reason in ("order of summation", "matrix product kernel", "power function"):
        assert reason in out
    assert "1.0/counts_sum for counts_sum**-1" in out
    assert main(["check", "--why", "--json"]) == 0
    why = json.loads(capsys.readouterr().out)["why"]
    assert {"gradient", "reason", "before", "after", "total"} == set(why["per_line"][0])
    assert len(why["end_to_end"]) == 4


def test_check_takes_words_and_tolerances(
    tmp_path: Any, small_words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("\n".join(small_words), encoding="utf-8")
    assert main(["check", "--words", str(words), "--rtol", "1e-2", "--atol", "1e-3"]) == 0
    assert f"first minibatch of {words}" in capsys.readouterr().out
    assert main(["check", "--words", str(words), "--rtol", "0", "--atol", "0"]) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check", "--rtol", "1e-3"], "wanted both or neither"),
        (["selftest", "--atol", "1e-3"], "wanted both or neither"),
        (["check", "--rtol", "-1", "--atol", "0"], "wanted a finite number, 0 or more"),
        (["check", "--seed", str(2**64)], "seed: got"),
        (["check", "--words", "no/such/file"], "no/such/file"),
        (["accuracy", "--seeds", "0"], "--seeds: got 0, wanted 1 or more"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("oracle: ")
    assert captured.err.count("\n") == 1
    assert says in captured.err


def test_the_batch_is_that_of_the_first_training_step(small_words: list[str]) -> None:
    recipe = npnet.RECIPES["lecture-64"]
    loss = npnet.forward(*first_batch(recipe, small_words), recipe.eps).loss
    run = npnet.fit(
        npnet.Recipe.from_entries({"name": "one", "hidden": 64, "steps": 1}), small_words
    )
    assert loss == pytest.approx(run.losses[0], rel=1e-6)


def test_npnet_is_as_accurate_as_torch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["accuracy", "--seeds", "10", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["ratio"] <= 1.5
    assert [row["gradient"] for row in figures["rows"]] == list(GRADIENTS)
    for row in figures["rows"]:
        assert row["ours"] < 1e-5, row
        assert row["torch"] < 1e-5, row


def test_accuracy_tells_which_is_the_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = [network(seed, sizes=LECTURE) for seed in range(3)]
    right, _ = accuracy(batches)
    monkeypatch.setitem(GRADIENTS, "C", lambda v, d: v.C * 0)
    rows, _ = accuracy(batches)
    assert rows[-1].ours == 1.0
    assert rows[-1].ratio > 1e5
    assert rows[:-1] == right[:-1]


def test_accuracy_needs_float32_and_a_batch() -> None:
    with pytest.raises(InputError, match="wanted float32"):
        accuracy([network(0, np.float64)])
    with pytest.raises(InputError, match="no batches"):
        accuracy([])


def test_accuracy_prints_a_table_and_leaves_with_1_if_ours_is_worse(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["accuracy", "--seeds", "10"]) == 0
    assert "median ratio over all: 1." in capsys.readouterr().out
    right = GRADIENTS["logprobs"]
    monkeypatch.setitem(GRADIENTS, "logprobs", lambda v, d: right(v, d) * np.float32(1.000001))
    assert main(["accuracy", "--seeds", "10"]) == 1


def test_the_self_test_prints_its_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # All mistakes are tried in test_mistakes; here it is the table.
    some = tuple(mistake for mistake in MISTAKES if mistake.gradient in ("b1", "h"))
    monkeypatch.setattr(selftest, "MISTAKES", some)
    assert main(["selftest"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("per line  end to end  allclose  1e-2")
    assert lines[-1] == "the judge, by both its tables: caught all"
    [zeros] = [line for line in lines if line.startswith("b1 ") and "all zeros" in line]
    assert zeros.split()[-4:] == ["caught", "MISSED", "MISSED", "MISSED"]


def test_without_torch_the_command_says_how_to_install_it() -> None:
    program = (
        "import runpy, sys; sys.modules['torch'] = None\n"
        "runpy.run_module('oracle', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "oracle: torch is not installed, wanted 2.7 or newer: pip install 'npnet[oracle]'\n"
    )


def test_without_torch_the_library_says_so_when_it_is_asked() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "import oracle\n"
        "try: oracle.whole\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pip install 'npnet[oracle]'" in done.stdout
