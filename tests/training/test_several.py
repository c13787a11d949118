"""Several runs in one folder: of several seeds, of a grid; stopped, resumed, plotted."""

import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import npnet
from npnet import InputError
from npnet.cli import main
from npnet.cli.grid import values_of
from npnet.plotting.loss_logs import read_logs
from npnet.training.fit import begin
from npnet.training.run_folders import make_runs, of_seeds, run_folders, with_seed
from npnet.training.several import State, fit_seeds, train_runs

RECIPE = npnet.Recipe("tiny", hidden=4, batch=4, steps=200, seed=5)


@pytest.fixture
def here(tmp_path: Path, small_words: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "words.txt").write_text("\n".join(small_words))
    (tmp_path / "tiny.json").write_text(RECIPE.to_json())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def single(small_words: list[str]) -> list[npnet.Run]:
    """The runs of three seeds, each trained by itself."""
    return [npnet.fit(with_seed(RECIPE, seed), small_words) for seed in (5, 6, 7)]


def train(*options: str) -> int:
    common = ["--recipe", "tiny.json", "--words", "words.txt", "--jobs", "1"]
    return main(["train", *common, *options])


@pytest.mark.parametrize("kind", [None, ThreadPoolExecutor])
def test_seeds_give_the_bits_of_single_runs(
    kind: Callable[[int], Executor] | None,
    tmp_path: Path,
    small_words: list[str],
    single: list[npnet.Run],
) -> None:
    executor = kind and kind(2)
    states: list[State] = []
    runs = fit_seeds(
        RECIPE, small_words, tmp_path / "s", seeds=3, executor=executor, watch=states.append
    )
    assert runs == single
    assert states[-1].done == states[-1].wanted == 600
    assert [*tmp_path.rglob("*.png")] == []  # pictures are drawn by the command, of all runs
    assert fit_seeds(RECIPE, small_words, tmp_path / "s", seeds=3, watch=states.append) == single
    assert len(states) == 3  # the second call had nothing to do


@pytest.mark.slow
def test_processes_give_the_bits_of_single_runs(
    tmp_path: Path, small_words: list[str], single: list[npnet.Run]
) -> None:
    with ProcessPoolExecutor(2) as executor:
        runs = fit_seeds(RECIPE, small_words, tmp_path / "s", seeds=3, executor=executor)
    assert runs == single


def test_a_stopped_folder_goes_on_and_keeps_what_is_done(
    tmp_path: Path, small_words: list[str], single: list[npnet.Run]
) -> None:
    folder = make_runs(tmp_path / "s", of_seeds(RECIPE, 3), small_words)
    pieces: list[State] = []
    # A piece of 0 seconds is one block of 64 steps: the first run ends after four of them.
    assert not train_runs(folder, seconds=0, stop=lambda: len(pieces) > 5, watch=pieces.append)
    first, second, third = run_folders(folder)
    written = (first / "model.npz").stat().st_mtime_ns
    assert (second / "checkpoint.bin").exists()
    assert not (second / "model.npz").exists()
    assert not (third / "checkpoint.bin").exists()
    curves = read_logs(folder)
    assert curves[0].members[0].steps.size < 200
    assert "1 of 3 runs have not begun" in " ".join(curves[0].notes)
    assert train_runs(folder)
    assert [npnet.load_run(path) for path in run_folders(folder)] == single
    assert (first / "model.npz").stat().st_mtime_ns == written


def test_another_seed_keeps_the_split(small_words: list[str]) -> None:
    for split in ("words", "permuted-words", "examples"):
        recipe = dataclasses.replace(RECIPE, split=split)
        one, other = (begin(each, small_words) for each in of_seeds(recipe, [5, 99]).values())
        for name in ("train", "dev", "test"):
            np.testing.assert_array_equal(one.examples[name][0], other.examples[name][0])
        assert not np.array_equal(one.params.C, other.params.C)
        ours, theirs = (start.generator.randint(0, 1000, (8,)) for start in (one, other))
        assert not np.array_equal(ours, theirs)


def test_draws_with_their_own_seed_follow_the_seed() -> None:
    draws = tuple(
        dataclasses.replace(draw, seed=11) if draw.name == "bngain" else draw
        for draw in RECIPE.draws
    )
    moved = with_seed(dataclasses.replace(RECIPE, draws=draws), 8)
    assert {draw.name: draw.seed for draw in moved.draws if draw.seed is not None} == {"bngain": 14}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("64,128", ["64", "128"]),
        ("0.5", ["0.5"]),
        ("[[0, 0.1], [50, 0.01]]", ["[[0, 0.1], [50, 0.01]]"]),
        ("[[0,0.1]],[[0,0.2]]", ["[[0,0.1]]", "[[0,0.2]]"]),
        ("max(0.01, 0.1 * exp(-i)),0.1", ["max(0.01, 0.1 * exp(-i))", "0.1"]),
        ('"a,b"', ['"a,b"']),
    ],
)
def test_values_are_cut_at_commas_outside_of_brackets(text: str, values: list[str]) -> None:
    assert values_of("rates", text) == values
    assert values_of("name", text) == [text]


@pytest.mark.slow
def test_a_grid_with_seeds_is_a_folder_for_each_recipe(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--set", "hidden=4,6", "--set", "batch=4,8", "--seeds", "2", "--steps", "20"]
    assert train(*options, "--out", "grid", "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    names = [Path(run["run"]).relative_to("grid").as_posix() for run in figures["runs"]]
    recipes = [f"hidden-{hidden}_batch-{batch}" for hidden in (4, 6) for batch in (4, 8)]
    assert names == [f"{recipe}/seed-{seed}" for recipe in recipes for seed in (5, 6)]
    assert npnet.load_run(f"grid/{names[-1]}").recipe.batch == 8
    assert main(["plot", "grid"]) == 0
    shown = capsys.readouterr().out
    assert all(f"{name} {size}" in shown for name in ("hidden",) for size in (4, 6))
    assert "dev range" in shown
    assert main(["compare-runs", "grid", "grid"]) == 2
    assert "holds several recipes" in capsys.readouterr().err
    assert main(["train", "--resume", "grid", "--steps", "30", "--quiet", "--jobs", "1"]) == 0
    assert npnet.load_run(f"grid/{names[0]}").recipe.steps == 30


def test_seeds_in_set_are_seeds(here: Path) -> None:
    assert train("--set", "seed=3,9", "--steps", "10", "--out", "s", "--quiet") == 0
    assert [path.name for path in run_folders("s")] == ["seed-3", "seed-9"]
    [curve] = read_logs("s")
    assert len(curve.members) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set", "hidden=4,"], "--set hidden: got '4,', wanted a value before and after each"),
        (["--set", "hidden=4,x"], "wanted a whole number"),
        (["--set", "hidden=4,4"], "hidden=4 twice, wanted values that differ"),
        (["--set", "seed=1,2", "--seeds", "2"], "--set seed: got --seeds as well"),
        (["--set", "seed=1,x"], "--set seed: got 'x', wanted whole numbers"),
        (["--seeds", "0"], "seeds: got 0, wanted 1 to 10,000"),
        (["--seeds", "5000", "--set", "hidden=4,5,6"], "more than 10,000 runs"),
        (["--set", "hidden=4"], "--jobs: got one run, wanted several"),
        (["--seeds", "2", "--dask", "x"], "--jobs: got --dask as well"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(
    options: list[str], said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(*options) == 2
    assert said in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_diverged_seed_is_kept_and_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wild = "[[0,0.1]],[[0,1e30]]"
    assert train("--set", f"rates={wild}", "--seeds", "2", "--out", "s") == 1
    shown = capsys.readouterr().out
    assert shown.count("diverged at step") == 2
    assert "2 diverged" in shown
    assert main(["train", "--resume", "s", "--jobs", "1"]) == 1
    assert "all steps are taken" in capsys.readouterr().out
    assert main(["plot", "s"]) == 0
    assert "diverged at step 1" in capsys.readouterr().out


def test_a_folder_of_other_runs_is_refused(tmp_path: Path, small_words: list[str]) -> None:
    make_runs(tmp_path / "s", of_seeds(RECIPE, 2), small_words)
    with pytest.raises(InputError, match="other recipes or seeds"):
        fit_seeds(RECIPE, small_words, tmp_path / "s", seeds=3)
    with pytest.raises(InputError, match="other words"):
        fit_seeds(RECIPE, small_words[1:], tmp_path / "s", seeds=2)
    (tmp_path / "s" / "runs.json").write_text("[]")
    with pytest.raises(InputError, match=r"runs\.json: damaged"):
        run_folders(tmp_path / "s")


def test_the_curve_of_seeds_is_their_mean(tmp_path: Path, small_words: list[str]) -> None:
    runs = fit_seeds(RECIPE, small_words, tmp_path / "s", seeds=3, eval_every=50)
    minibatches, train_set, dev = read_logs(tmp_path / "s")
    wanted = np.mean([run.losses.astype(float) for run in runs], axis=0)
    np.testing.assert_allclose(minibatches.losses, wanted)
    assert minibatches.split_losses["dev"] == np.mean([run.split_losses["dev"] for run in runs])
    assert (train_set.split, dev.split) == ("train set", "dev")
    assert dev.steps.tolist() == [50, 100, 150, 200]
    assert dev.losses[-1] == pytest.approx(minibatches.split_losses["dev"])
    ax = npnet.plots.losses(tmp_path / "s")
    [band, *_] = ax.collections
    assert band.get_paths()
    legend = ax.get_legend()
    assert legend is not None
    assert "mean and range of 3 seeds" in legend.get_texts()[0].get_text()


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_command_goes_on_to_the_same_bits(
    kill: signal.Signals, here: Path, small_words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    steps = 3000
    options = ["--seeds", "2", "--jobs", "2", "--steps", str(steps), "--checkpoint", "0"]
    command = ["train", "--recipe", "tiny.json", "--words", "words.txt", "--out", "s"]
    process = subprocess.Popen([sys.executable, "-m", "npnet", *command, *options])
    until = time.monotonic() + 60
    while not list(here.glob("s/*/checkpoint.bin")) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(kill)
    assert process.wait(60) == (130 if kill == signal.SIGINT else -kill)
    assert not list(here.glob("s/*/model.npz"))
    assert main(["train", "--resume", "s", "--jobs", "1", "--quiet"]) == 0
    recipe = dataclasses.replace(RECIPE, steps=steps)
    for path, seed in zip(run_folders("s"), (5, 6), strict=True):
        assert npnet.load_run(path) == npnet.fit(with_seed(recipe, seed), small_words)


# Dask closes its sockets when Python ends: what it warns of then is not ours.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_gives_the_same_bits(here: Path, single: list[npnet.Run]) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra dask")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        command = ["train", "--recipe", "tiny.json", "--words", "words.txt", "--seeds", "3"]
        address = cluster.scheduler_address
        assert main([*command, "--out", "s", "--quiet", "--dask", address]) == 0
    assert [npnet.load_run(path) for path in run_folders("s")] == single


def test_commands_of_one_run_name_one_of_several(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--seeds", "2", "--steps", "5", "--quiet") == 0
    assert main(["plot", "--json"]) == 0  # the newest, runs/tiny-001
    capsys.readouterr()
    assert main(["eval", "runs/tiny-001"]) == 2
    assert "no recipe.json in it, wanted the folder of a run, such as" in capsys.readouterr().err


def test_runs_are_made_in_a_new_or_an_empty_folder(tmp_path: Path, small_words: list[str]) -> None:
    recipes = of_seeds(RECIPE, 2)
    for name in ("new", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        made = make_runs(tmp_path / name, recipes, small_words)
        assert [path.name for path in run_folders(made)] == ["seed-5", "seed-6"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("kept")
    with pytest.raises(InputError, match="full"):
        make_runs(tmp_path / "full", recipes, small_words)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
