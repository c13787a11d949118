"""`oracle bench`: both sides of every row do the same, and every row can be had."""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import slow_but

pytest.importorskip("torch")

import threadpoolctl
import torch

import npnet
from npnet.bench.steps import endless
from npnet.training.sgd import train_blocks
from oracle import baselines, bench, ratio_plot, timing
from oracle.cli import bench as command
from oracle.cli import main
from oracle.threads import one_thread

OPTIONAL = ("compile", "jax", "scan")
SMALL: dict[str, Any] = {"seconds": 1e-9, "hidden": 8, "widths": (8, 12), "batches": (32,)}
SMALL |= {"steps": 300, "names": 20, "train": (20,)}


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SLICE", 0.001)


@pytest.fixture(scope="module")
def setting() -> bench.Setting:
    return bench.Setting(npnet.default_words()[::40], **SMALL)


@pytest.mark.parametrize(
    "name",
    slow_but(
        [name for name in bench.ROWS if name not in OPTIONAL], ["eager", "windows", "sampling"]
    ),
)
def test_every_row_is_finite_and_its_sides_agree(name: str, setting: bench.Setting) -> None:
    rows = list(bench.measure(setting, [name]))
    assert len(rows) == (2 if name == "sizes" else 1)
    for row in rows:
        if isinstance(row, timing.Pair):
            assert row.ours.shape == row.theirs.shape == (timing.FEWEST, 2)
            assert all(np.isfinite(side).all() and (side > 0).all() for side in row[3:5])
            assert row.difference <= (0 if name in ("windows", "sampling") else 1e-4)
        else:
            assert isinstance(row, timing.Memory)
            assert 20e6 < row.peak < 500e6


def losses(loop: Callable[[baselines.Task], baselines.Losses], steps: int) -> tuple[Any, Any]:
    """Ours and theirs, from the same parameters and the same minibatches."""
    recipe = endless(8, 32)
    words = npnet.default_words()[::40]
    vocab = npnet.Vocabulary.from_words(words)
    X, Y = npnet.build_dataset(words, vocab)
    params = npnet.draw_parameters(recipe, vocab.size, npnet.Generator(1))
    for array in (*params.values(), X, Y):
        array.flags.writeable = False
    with one_thread():
        ours = train_blocks(recipe, params.copy(), X, Y, npnet.Generator(2), every=steps)
        theirs = loop(baselines.Task(params, X, Y, 32, recipe.eps, recipe.rate(0), 2, steps))
        return [*next(ours), *next(ours)], [*next(theirs), *next(theirs)]


LOOPS = (baselines.eager, baselines.module, baselines.manual, bench.plain)


# torch.optim takes a second to import.
@pytest.mark.parametrize(
    "loop",
    slow_but(LOOPS, [loop for loop in LOOPS if loop is not baselines.module]),
    ids=lambda loop: loop.__name__,
)
def test_a_loop_has_our_losses_and_goes_on_where_it_stopped(loop: Any) -> None:
    ours, theirs = losses(loop, steps=8)
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-4)


def test_the_step_that_torch_would_compile_has_our_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda step: step)
    ours, theirs = losses(baselines.compiled, steps=8)
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("loop", [baselines.jax_steps, baselines.jax_scan], ids=["jax", "scan"])
def test_the_steps_of_jax_have_our_losses(loop: Any) -> None:
    pytest.importorskip("jax", reason="needs jax, which is no dependency")
    ours, theirs = losses(loop, steps=8)
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["jax", "scan"])
def test_jax_is_skipped_by_name_where_it_is_not_installed(
    name: str, setting: bench.Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    (row,) = bench.measure(setting, [name])
    assert isinstance(row, timing.Skipped)
    assert row.name == name
    assert "jax" in row.why


def test_a_torch_that_cannot_compile_is_skipped_by_name(
    setting: bench.Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_nothing(step: object) -> object:
        raise RuntimeError("no C++ compiler\nlong story")

    monkeypatch.setattr(torch, "compile", compile_nothing)
    assert list(bench.measure(setting, ["compile"])) == [
        timing.Skipped("compile", "torch.compile of the whole step by hand", "no C++ compiler")
    ]


def test_one_thread_is_for_the_block_alone() -> None:
    def threads() -> list[int]:
        pools = threadpoolctl.threadpool_info()
        return [
            torch.get_num_threads(),
            *(p["num_threads"] for p in pools if p["user_api"] == "blas"),
        ]

    before = threads()
    with one_thread():
        assert set(threads()) == {1}
    assert threads() == before


def test_the_sides_take_turns_and_take_turns_at_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timing, "SLICE", 0)
    calls: list[str] = []
    timing.alternate(partial(calls.append, "o"), partial(calls.append, "t"), seconds=1e-9)
    assert "".join(calls) == "ot" + "ot" + "to" + "ot"  # first to see how long it takes


def test_no_seconds_are_one_turn_of_each_side() -> None:
    calls: list[str] = []
    times = timing.alternate(partial(calls.append, "o"), partial(calls.append, "t"), seconds=0)
    assert calls == ["o", "t"]
    assert [side.shape for side in times] == [(1, 2), (1, 2)]


def test_ratios_are_those_of_turns_side_by_side() -> None:
    ours = np.array([[1.0, 2.0], [2.0, 2.0], [4.0, 2.0]])
    row = timing.Pair("x", "y", "step", ours, ours * [[2.0, 1.0], [3.0, 1.0], [4.0, 1.0]], 0.0)
    shown = timing.figures(row)
    assert shown["ratios"]["processor"]["rounds"] == [2, 3, 4]
    assert shown["ratios"]["processor"]["median"] == 3
    assert (shown["ratios"]["processor"]["lower"], shown["ratios"]["wall"]["upper"]) == (2.5, 1)
    assert shown["ours"]["processor"]["median"] == 2


def test_every_row_of_evaluation_gives_the_loss_of_evaluate(setting: bench.Setting) -> None:
    run = setting.run
    X, Y = setting.split
    loss = npnet.evaluate(run.params, run.stats, X, Y)
    assert bench.every_row(run.params, run.stats, X, Y) == pytest.approx(loss, abs=1e-6)


@pytest.fixture
def small_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "QUICK", SMALL)
    monkeypatch.setattr(command, "_words", lambda: ("some", npnet.default_words()[::40]))


@pytest.mark.usefixtures("small_command")
def test_the_command_prints_rows_and_a_table_and_draws_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "ratios.svg"
    rows = ["--only", "numpy,sizes", "--plot", str(picture)]
    assert main(["bench", "--quick", *rows]) == 0
    shown = capsys.readouterr().out
    for text in (torch.__version__, "straightforward NumPy, H=8 n=32", "\nH=12 "):
        assert text in shown
    assert "<svg" in picture.read_text(encoding="utf-8")


@pytest.mark.usefixtures("small_command")
def test_seconds_can_be_chosen_with_quick(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--quick", "--seconds", "0", "--only", "windows", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert len(row["ratios"]["wall"]["rounds"]) == 1


def test_quick_says_which_row_it_leaves_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oracle.cli.bench.measure", lambda setting, names: [])
    assert main(["bench", "--quick"]) == 0
    assert "skipped: left out of --quick" in capsys.readouterr().out
    assert main(["bench", "--quick", "--only", "eager"]) == 0
    assert "skipped" not in capsys.readouterr().out


@pytest.mark.usefixtures("small_command")
def test_json_has_the_machine_and_all_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--quick", "--only", "windows,contexts", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert {"CPU", "BLAS", "NumPy", "torch"} <= set(entries["machine"])
    assert entries["threads"] == 1
    assert [row["name"] for row in entries["rows"]] == ["windows", "contexts"]
    for row in entries["rows"]:
        wall = row["ratios"]["wall"]
        assert len(wall["rounds"]) == timing.FEWEST
        assert 0 < wall["lower"] <= wall["median"] <= wall["upper"]


@pytest.mark.parametrize(
    "options",
    [
        ["--only", "egaer"],
        ["--only", "eager", "--plot", "a.png"],
        ["--plot", "a.gif"],
        ["--plot", "no/such/folder/a.png"],
    ],
)
def test_options_that_cannot_be_used_end_in_exit_code_2(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *options]) == 2
    assert "wanted" in capsys.readouterr().err


def test_the_chart_has_a_line_for_each_batch_through_its_medians() -> None:
    ours = np.ones((3, 2))
    rows = [
        timing.Pair("sizes", "torch", "step", ours, ours * (width / batch), 0.0, width, batch)
        for batch in (32, 64)
        for width in (64, 128)
    ]
    handles: Any = ratio_plot.ratios(rows).get_legend_handles_labels()[0]
    lines = [handle[0] for handle in handles]
    assert [line.get_xdata().tolist() for line in lines] == [[64, 128]] * 2
    assert [line.get_ydata().tolist() for line in lines] == [[2, 4], [1, 2]]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 2
