"""`npnet train --eval-every`: train and dev loss over time; the trained numbers stay the same."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

import npnet
from npnet import InputError
from npnet.cli import main
from npnet.plotting.loss_logs import read_logs
from npnet.training.checkpoint import digest, read_checkpoint, write_checkpoint
from npnet.training.fit import Training, usual_eval_every
from npnet.training.runs import read_eval_every, read_recipe

RECIPE = npnet.Recipe("tiny", hidden=4, batch=4, steps=300, seed=5)


@pytest.fixture(scope="module")
def run(small_words: list[str]) -> npnet.Run:
    return npnet.fit(RECIPE, small_words, eval_every=70)


@pytest.mark.parametrize("statistics", ["whole-set", "running-var", "own-rows", "last-batch"])
@pytest.mark.parametrize("once", [False, True])
def test_evaluating_leaves_the_trained_numbers_as_they_are(
    statistics: str, once: bool, small_words: list[str]
) -> None:
    recipe = dataclasses.replace(RECIPE, statistics=statistics, batch_once=once, steps=150)
    plain = npnet.fit(recipe, small_words)
    measured = npnet.fit(recipe, small_words, eval_every=37)
    assert dataclasses.replace(measured, evaluations=plain.evaluations) == plain
    assert measured.evaluations[:, 0].tolist() == [37, 74, 111, 148, 150]
    end = [plain.split_losses["train"], plain.split_losses["dev"]]
    assert measured.evaluations[-1, 1:].tolist() == end


def test_a_measured_loss_is_that_of_a_run_which_ends_there(
    run: npnet.Run, small_words: list[str]
) -> None:
    shorter = npnet.fit(dataclasses.replace(RECIPE, steps=140), small_words)
    wanted = [140, shorter.split_losses["train"], shorter.split_losses["dev"]]
    assert run.evaluations[1].tolist() == wanted


def test_a_resumed_run_has_the_same_measured_losses(
    run: npnet.Run, small_words: list[str], tmp_path: Path
) -> None:
    training = Training(RECIPE, small_words, eval_every=70)
    seen = []

    def stop(first: int, losses: object) -> None:
        seen.append(training.done)
        if training.done > 150:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.run(stop)
    write_checkpoint(tmp_path, training.checkpoint())
    [minibatches, _, dev] = read_logs(tmp_path)
    assert dev.steps.tolist() == [70, 140]
    assert minibatches.seconds is None or minibatches.seconds.size == minibatches.steps.size
    checkpoint, _ = read_checkpoint(tmp_path, RECIPE, digest(small_words))
    resumed = Training(RECIPE, small_words, checkpoint, eval_every=70)
    resumed.run()
    assert resumed.finish() == run


def test_a_run_comes_back_with_its_measured_losses_and_times(
    run: npnet.Run, tmp_path: Path
) -> None:
    folder = run.save(tmp_path / "run", plot=False)
    back = npnet.load_run(folder)
    assert back == run
    np.testing.assert_array_equal(back.times, run.times)
    assert run.times[-1, 0] == 300
    [minibatches, train, dev] = read_logs(folder)
    assert [curve.split for curve in (minibatches, train, dev)] == ["train", "train set", "dev"]
    assert dev.losses.tolist() == run.evaluations[:, 2].tolist()
    assert minibatches.seconds is not None
    assert (np.diff(minibatches.seconds) > 0).all()
    assert len(npnet.plots.losses(run, x="time").get_legend_handles_labels()[0]) == 3
    (folder / "evaluations.csv").write_text("step,train,dev\n1,x,2\n")
    with pytest.raises(InputError, match=r"evaluations\.csv: damaged"):
        npnet.load_run(folder)
    with pytest.raises(InputError, match=r"evaluations\.csv: damaged"):
        read_logs(folder)


def test_the_command_prints_its_time_and_changes_nothing_else(
    tmp_path: Path,
    small_words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("\n".join(small_words))
    Path("tiny.json").write_text(dataclasses.replace(RECIPE, steps=100).to_json())
    common = ["train", "--recipe", "tiny.json", "--words", "words.txt", "--out", "run"]
    assert main([*common, "--eval-every", "40"]) == 0
    assert re.search(r"measured 3 times in 0\.\d\d s, \d+\.\d % of", capsys.readouterr().out)
    assert main(["train", "--resume", "run", "--steps", "130", "--quiet"]) == 0
    steps = npnet.load_run("run").evaluations[:, 0]
    assert steps.tolist() == [40, 80, 120, 130]
    assert read_eval_every(Path("run")) == 40
    assert read_recipe(Path("run/recipe.json")).steps == 130
    assert main([*common[:-1], "usual", "--eval-every"]) == 0
    assert read_eval_every(Path("usual")) == 3000
    capsys.readouterr()
    assert main([*common, "--eval-every", "-1"]) == 2
    assert "--eval-every: got -1" in capsys.readouterr().err


def test_the_usual_number_grows_with_the_words_and_falls_with_the_batch(
    small_words: list[str],
) -> None:
    examples = Training(RECIPE, small_words).examples
    usual = usual_eval_every(RECIPE, examples, 27)
    assert usual == 3000
    assert usual_eval_every(dataclasses.replace(RECIPE, batch=8), examples, 27) == 2000
    lecture = npnet.RECIPES["lecture"]
    assert Training(lecture, npnet.default_words(), eval_every=0).eval_every == 18_000
