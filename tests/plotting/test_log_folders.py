"""Folders of logs: npnet's, Lightning's, Hugging Face's, TensorBoard's, and any other."""

import json
from pathlib import Path

import numpy as np
import pytest
from test_event_files import VERSION, event, simple

import npnet
from npnet.base.errors import InputError
from npnet.plotting.loss_logs import read_logs
from npnet.training.checkpoint import write_checkpoint
from npnet.training.fit import Training
from npnet.training.runs import write_recipe, write_words

TABLE = "step,loss\n0,3\n1,2\n"
SMALL = npnet.Recipe("small", hidden=4, batch=8, steps=30, rates=((0, 0.1), (10, 0.01)))


def saved(folder: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_csv", ".csv").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def test_lightnings_versions_are_runs_in_their_order(tmp_path: Path) -> None:
    saved(tmp_path, version_2__metrics_csv=TABLE, version_10__metrics_csv=TABLE)
    saved(tmp_path, version_2__hparams_yaml="lr: 0.1\n")
    assert [curve.name for curve in read_logs(tmp_path)] == ["version_2", "version_10"]
    assert read_logs(tmp_path / "version_2")[0].losses.tolist() == [3, 2]


def test_the_newest_checkpoint_of_hugging_face_has_the_log(tmp_path: Path) -> None:
    for step in (500, 1000):
        state = json.dumps({"log_history": [{"step": step, "loss": 2.0}]})
        saved(tmp_path / f"checkpoint-{step}", trainer_state_json=state)
    [curve] = read_logs(tmp_path)
    assert curve.steps.tolist() == [1000]


def test_folders_called_train_and_validation_are_one_run(tmp_path: Path) -> None:
    for name, loss in (("train", 3), ("validation", 4)):
        data = VERSION + event("epoch_loss", 0, simple(loss))
        (tmp_path / "logs" / name).mkdir(parents=True)
        (tmp_path / "logs" / name / "events.out.tfevents.1").write_bytes(data)
    curves = read_logs(tmp_path / "logs")
    assert [(c.name, c.split, c.losses.tolist()) for c in curves] == [
        ("logs", "train", [3]),
        ("logs", "validation", [4]),
    ]


def test_the_only_table_of_a_folder_is_its_log(tmp_path: Path) -> None:
    saved(tmp_path, mine_csv=TABLE, notes="nothing")
    assert read_logs(tmp_path)[0].losses.tolist() == [3, 2]
    saved(tmp_path, other_csv=TABLE)
    with pytest.raises(InputError, match=r"2 files could be the log, mine\.csv, other\.csv: name"):
        read_logs(tmp_path)


def test_a_folder_without_a_log_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no log in it"):
        read_logs(tmp_path / "empty")


@pytest.fixture
def unfinished(tmp_path: Path, small_words: list[str]) -> tuple[Path, Training]:
    """A run that was killed after its last checkpoint."""
    folder = tmp_path / "run"
    folder.mkdir()
    training = Training(SMALL, small_words)
    training.run(None)
    write_recipe(folder, SMALL)
    write_words(folder, training.words)
    write_checkpoint(folder, training.checkpoint())
    return folder, training


def test_a_run_without_a_history_is_drawn_from_its_checkpoint(
    unfinished: tuple[Path, Training],
) -> None:
    folder, training = unfinished
    [curve] = read_logs(folder)
    np.testing.assert_array_equal(curve.losses, training.losses[: training.done])
    assert list(curve.rates) == [(0, 0.1), (10, 0.01)]
    assert "30 steps of its last checkpoint" in curve.notes[0]
    assert curve.recipe == SMALL


def test_a_damaged_checkpoint_is_not_used(unfinished: tuple[Path, Training]) -> None:
    folder, training = unfinished
    write_checkpoint(folder, training.checkpoint())
    (folder / "checkpoint.bin").write_bytes(b"damaged")
    [curve] = read_logs(folder)
    assert curve.losses.size == 30
    (folder / "checkpoint-before.bin").unlink()
    with pytest.raises(InputError, match=r"neither history\.csv nor a checkpoint.*is damaged"):
        read_logs(folder)


def test_a_run_that_is_trained_further_shows_its_new_steps(
    unfinished: tuple[Path, Training],
) -> None:
    folder, _ = unfinished
    (folder / "history.csv").write_text("step,loss,lr\n0,3.5,0.1\n1,3.25,0.1\n")
    (folder / "losses.json").write_text('{"train": 2.5}')
    [curve] = read_logs(folder)
    assert curve.losses.size == 30
    assert not curve.split_losses
