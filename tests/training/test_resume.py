"""A run that is interrupted, in any way and at any place, ends with the bits of a whole run."""

import dataclasses
import functools
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import slow_but
from permissions import obeyed

import npnet
from npnet import InputError
from npnet.cli import main
from npnet.training.checkpoint import BEFORE, NEWEST, digest, read_checkpoint, write_checkpoint
from npnet.training.fit import Training
from npnet.training.runs import locked, require_space

RECIPE = dataclasses.replace(npnet.RECIPES["lecture"], hidden=12, steps=500, name="short")
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "running-std": {"statistics": "running-std"},
    "running in training": {"statistics": "running-var", "training_statistics": "running"},
    "one minibatch": {"batch_once": True},
    "minibatches first": {"batch_first": True},
    "examples split": {"split": "examples"},
    "float64": {"dtype": "float64"},
}


@pytest.fixture
def here(tmp_path: Path, small_words: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with words.txt in it."""
    (tmp_path / "words.txt").write_text("\n".join(small_words))
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Stop(Exception):
    """Raised by a test's watch."""


def stopped_at(recipe: npnet.Recipe, words: list[str], step: int) -> Training:
    training = Training(recipe, words)

    def watch(first: int, losses: Any) -> None:
        if first + len(losses) >= step:
            raise Stop

    with pytest.raises(Stop):
        training.run(watch)
    return training


def bits(run: npnet.Run) -> dict[str, bytes]:
    arrays = {**run.params, "mean": run.stats.mean, "var": run.stats.var, "losses": run.losses}
    return {
        **{name: array.tobytes() for name, array in arrays.items()},
        "splits": json.dumps(dict(run.split_losses)).encode(),
        "names": "\n".join(run.sample()).encode(),
    }


@pytest.fixture(scope="module")
def uninterrupted(small_words: list[str]) -> Callable[[npnet.Recipe], dict[str, bytes]]:
    """The bits of a whole run, each made once."""
    return functools.cache(lambda recipe: bits(npnet.fit(recipe, small_words)))


@pytest.mark.parametrize(
    ("variant", "step"),
    slow_but(
        itertools.product(VARIANTS, [1, 65, 300, 499]),
        [*((variant, 300) for variant in VARIANTS), *(("plain", step) for step in (1, 65, 499))],
    ),
)
def test_a_resumed_training_ends_with_the_same_bits(
    variant: str,
    step: int,
    tmp_path: Path,
    small_words: list[str],
    uninterrupted: Callable[[npnet.Recipe], dict[str, bytes]],
) -> None:
    recipe = dataclasses.replace(RECIPE, **VARIANTS[variant])
    write_checkpoint(tmp_path, stopped_at(recipe, small_words, step).checkpoint())
    checkpoint, refused = read_checkpoint(tmp_path, recipe, digest(small_words))
    assert checkpoint is not None
    assert refused == []
    resumed = Training(recipe, small_words, checkpoint)
    assert step <= resumed.done < 500 or step == 499
    resumed.run()
    assert bits(resumed.finish()) == uninterrupted(recipe)


def test_the_seconds_of_a_resumed_training_go_on(small_words: list[str]) -> None:
    checkpoint = stopped_at(RECIPE, small_words, 300).checkpoint()
    hour = dataclasses.replace(checkpoint, times=np.array([[128, 1800.0], [300, 3600.0]]))
    resumed = Training(RECIPE, small_words, hour)
    resumed.run()
    assert resumed.times[:2] == [[128, 1800.0], [300, 3600.0]]
    step, seconds = resumed.times[-1]
    assert step == RECIPE.steps
    assert 3600 < seconds < 5400


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """After how many steps `npnet train` has written its checkpoints; its clock ticks every look.

    It looks once at the start and after each block of 64 steps; a look takes 4 seconds.
    """
    command = sys.modules["npnet.cli.train"]
    steps: list[int] = []
    ticks = itertools.count(0.0, 4.0)
    clock = SimpleNamespace(monotonic=lambda: next(ticks), perf_counter=time.perf_counter)
    monkeypatch.setattr(command, "time", clock)

    def write(folder: Path, checkpoint: Any) -> None:
        steps.append(len(checkpoint.losses))
        write_checkpoint(folder, checkpoint)

    monkeypatch.setattr(command, "write_checkpoint", write)
    return steps


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("--checkpoint 1000", [300]),
        ("--checkpoint 0", [64, 128, 192, 256, 300, 300]),
        ("--checkpoint 5", [128, 256, 300]),  # to note when one was written is a look as well
        ("", [192, 300]),  # by default every 10 seconds
    ],
)
def test_checkpoints_have_the_distance_that_the_option_says(
    options: str, wanted: list[int], here: Path, written: list[int]
) -> None:
    command = "train --words words.txt --hidden 4 --steps 300 --quiet --out run"
    assert main([*command.split(), *options.split()]) == 0
    assert written == wanted


def test_steps_may_be_raised_and_not_lowered(small_words: list[str]) -> None:
    checkpoint = stopped_at(RECIPE, small_words, 300).checkpoint()
    longer = dataclasses.replace(RECIPE, steps=700)
    resumed = Training(longer, small_words, checkpoint)
    resumed.run()
    assert bits(resumed.finish()) == bits(npnet.fit(longer, small_words))
    with pytest.raises(InputError, match="or more: this run has taken"):
        Training(dataclasses.replace(RECIPE, steps=100), small_words, checkpoint)


def test_steps_cannot_change_where_minibatches_were_drawn_first(small_words: list[str]) -> None:
    recipe = dataclasses.replace(RECIPE, batch_first=True)
    checkpoint = stopped_at(recipe, small_words, 300).checkpoint()
    with pytest.raises(InputError, match="before its parameters"):
        Training(dataclasses.replace(recipe, steps=700), small_words, checkpoint)


def damaged(content: bytes) -> dict[str, bytes]:
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    return {
        "truncated": content[:middle],
        "flipped": flipped,
        "empty": b"",
        "longer": content + b"x",
    }


@pytest.mark.parametrize("how", ["truncated", "flipped", "empty", "longer"])
def test_of_a_damaged_checkpoint_the_one_before_is_used(
    how: str, tmp_path: Path, small_words: list[str]
) -> None:
    training = stopped_at(RECIPE, small_words, 100)
    write_checkpoint(tmp_path, training.checkpoint())
    write_checkpoint(tmp_path, stopped_at(RECIPE, small_words, 300).checkpoint())
    (tmp_path / NEWEST).write_bytes(damaged((tmp_path / NEWEST).read_bytes())[how])
    checkpoint, refused = read_checkpoint(tmp_path, RECIPE, digest(small_words))
    assert checkpoint is not None
    assert len(checkpoint.losses) == training.done
    assert len(refused) == 1
    assert "is damaged" in refused[0]
    (tmp_path / BEFORE).unlink()
    assert read_checkpoint(tmp_path, RECIPE, digest(small_words))[0] is None


@pytest.mark.parametrize(
    ("other", "words"), [({"hidden": 13}, None), ({"seed": 5}, None), ({}, ["other"] * 10)]
)
def test_a_checkpoint_of_something_else_is_refused(
    other: dict[str, int], words: list[str] | None, tmp_path: Path, small_words: list[str]
) -> None:
    write_checkpoint(tmp_path, stopped_at(RECIPE, small_words, 100).checkpoint())
    recipe = dataclasses.replace(RECIPE, **other)  # type: ignore[arg-type]
    checkpoint, refused = read_checkpoint(tmp_path, recipe, digest(words or small_words))
    assert checkpoint is None
    assert "another recipe or corpus" in refused[0]


def test_a_checkpoint_of_another_version_is_refused(
    tmp_path: Path, small_words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("npnet.training.checkpoint.FORMAT", "npnet checkpoint 0")
        write_checkpoint(tmp_path, stopped_at(RECIPE, small_words, 100).checkpoint())
    checkpoint, refused = read_checkpoint(tmp_path, RECIPE, digest(small_words))
    assert checkpoint is None
    assert "format 'npnet checkpoint 0'" in refused[0]


def test_a_second_process_in_a_run_folder_is_refused(tmp_path: Path) -> None:
    program = f"""
import time
from pathlib import Path
from npnet.training.runs import locked
with locked(Path({str(tmp_path)!r})):
    print("locked", flush=True)
    time.sleep(60)
"""
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(InputError, match="another process"), locked(tmp_path):
            pass
    finally:
        other.kill()
        other.communicate()
    with locked(tmp_path):  # a process that died has let go
        pass


@pytest.mark.parametrize("steps", [100, 10**9])
def test_a_run_needs_80_bytes_a_step_and_10_megabytes(
    steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, needed = dataclasses.replace(RECIPE, steps=steps), 10_000_000 + 80 * steps
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=needed))
    require_space(tmp_path, recipe)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=needed - 1))
    with pytest.raises(
        InputError, match=f"{needed - 1:,} bytes are free on its disk, wanted {needed:,}"
    ):
        require_space(tmp_path, recipe)


def test_a_full_disk_is_noticed_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=10_000_000))
    with pytest.raises(InputError, match="delete something"):
        require_space(tmp_path, RECIPE)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--steps", "10"]) == 2
    assert "delete something" in capsys.readouterr().err
    assert list(Path("runs").iterdir()) == []


# What follows runs the command, in processes that are really killed.


@pytest.fixture
def start(here: Path) -> Callable[..., subprocess.Popen[bytes]]:
    def start(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "npnet", "train", "--quiet", "--checkpoint", "0.02", *arguments],
            cwd=here,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return start


NEW = ("--words", "words.txt", "--hidden", "12", "--steps", "12000", "--out")
SAME = ("model.npz", "history.csv", "losses.json", "samples.txt", "words.txt")


@pytest.mark.slow
def test_killed_at_any_moment_a_run_resumes_to_the_same_bits(
    start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    began = time.monotonic()
    whole = start(*NEW, "whole")
    _, said = whole.communicate()
    assert whole.returncode == 0, said
    seconds = time.monotonic() - began
    rng = random.Random(0)
    kills = resumed_midway = 0
    while kills < request.config.getoption("--kills"):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        process = start(*NEW, "run")
        # Killed once, or twice, the second time while it resumes.
        for _ in range(rng.choice([1, 2])):
            time.sleep(rng.uniform(0.3, 1.0) * seconds)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            if not (tmp_path / "run" / "recipe.json").exists():
                process = start(*NEW, "run")
                continue
            resumed_midway += (tmp_path / "run" / NEWEST).exists()
            process = start("--resume", "run")
        _, said = process.communicate()
        assert process.returncode == 0, said
        for name in SAME:
            ours, theirs = tmp_path / "run" / name, tmp_path / "whole" / name
            assert ours.read_bytes() == theirs.read_bytes(), name
    assert resumed_midway > kills // 3


@pytest.mark.parametrize(
    ("signum", "code"),
    slow_but([(signal.SIGINT, 130), (signal.SIGTERM, 143)], [(signal.SIGTERM, 143)]),
)
def test_a_signal_ends_training_with_the_command_that_goes_on(
    signum: int,
    code: int,
    start: Callable[..., subprocess.Popen[bytes]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    process = start("--words", "words.txt", "--hidden", "12", "--steps", "1000000", "--out", "run")
    _wait_for_a_checkpoint(process, tmp_path / "run")
    process.send_signal(signum)
    _, said = process.communicate()
    assert process.returncode == code
    assert b"npnet train --resume run" in said
    assert b"Traceback" not in said
    rows = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert f"stopped after {len(rows) - 1:,} of 1,000,000" in said.decode()
    assert main(["train", "--resume", str(tmp_path / "run"), "--steps", "10", "--quiet"]) == 2
    assert "this run has taken" in capsys.readouterr().err


@pytest.mark.slow
def test_a_finished_run_takes_more_steps_and_no_other_options(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = ["train", "--words", "words.txt", "--hidden", "8", "--quiet", "--out"]
    assert main([*new, "short", "--steps", "100"]) == 0
    assert main([*new, "long", "--steps", "170"]) == 0
    before = {name: Path("short", name).read_bytes() for name in SAME}
    assert main(["train", "--resume", "short"]) == 0
    assert "all steps are taken: --steps N goes further" in capsys.readouterr().out
    assert {name: Path("short", name).read_bytes() for name in SAME} == before
    assert main(["train", "--resume", "short", "--hidden", "9"]) == 2
    assert "got --hidden as well" in capsys.readouterr().err
    assert main(["train", "--resume", "nowhere"]) == 2
    assert main(["train", "--resume", "short", "--steps", "170", "--quiet"]) == 0
    for name in SAME:
        assert Path("short", name).read_bytes() == Path("long", name).read_bytes(), name


def _wait_for_a_checkpoint(process: subprocess.Popen[bytes], run: Path) -> None:
    """Until the process has written one: it trains then, and a signal stops it properly."""
    newest = run / NEWEST
    before = newest.stat().st_mtime_ns if newest.exists() else None
    while not newest.exists() or newest.stat().st_mtime_ns == before:
        assert process.poll() is None
        time.sleep(0.02)


@pytest.mark.slow
def test_a_longer_run_that_is_stopped_leaves_the_finished_one_as_it_was(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    short = start("--words", "words.txt", "--steps", "100", "--out", "run")
    assert (short.communicate(), short.returncode)[1] == 0
    finished = bits(npnet.load_run(tmp_path / "run"))
    longer = start("--resume", "run", "--steps", "1000000")
    _wait_for_a_checkpoint(longer, tmp_path / "run")
    longer.send_signal(signal.SIGTERM)
    _, said = longer.communicate()
    assert longer.returncode == 143, said
    assert bits(npnet.load_run(tmp_path / "run")) == finished
    # Without --steps it still knows where it was going.
    again = start("--resume", "run")
    _wait_for_a_checkpoint(again, tmp_path / "run")
    again.send_signal(signal.SIGTERM)
    assert b"of 1,000,000 steps" in again.communicate()[1]


@pytest.mark.parametrize("how", ["truncated", "other words"])
def test_nothing_is_overwritten_where_no_checkpoint_can_be_used(
    how: str, here: Path, small_words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--words", "words.txt", "--steps", "99", "--quiet", "--out", "run"]) == 0
    if how == "truncated":
        os.truncate(Path("run", NEWEST), 1000)
    else:
        Path("run", "words.txt").write_text("\n".join(small_words[1:]))
    before = {path.name: path.read_bytes() for path in Path("run").iterdir()}
    assert main(["train", "--resume", "run", "--steps", "300"]) == 2
    said = capsys.readouterr().err
    assert "no checkpoint to go on from" in said
    assert said.count("\n") == 1
    assert {path.name: path.read_bytes() for path in Path("run").iterdir()} == before


def test_a_damaged_checkpoint_never_pushes_a_whole_one_aside(
    tmp_path: Path, small_words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stopped_at(RECIPE, small_words, 100).checkpoint()
    write_checkpoint(tmp_path, first)
    write_checkpoint(tmp_path, stopped_at(RECIPE, small_words, 200).checkpoint())
    (tmp_path / NEWEST).write_bytes(b"damaged")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(InputError, match="No space left"):
            write_checkpoint(tmp_path, stopped_at(RECIPE, small_words, 300).checkpoint())
    found, _ = read_checkpoint(tmp_path, RECIPE, digest(small_words))
    assert found is not None
    assert len(found.losses) == len(first.losses)


def test_going_on_with_other_versions_is_said_and_noted(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--words", "words.txt", "--steps", "70", "--quiet", "--out", "run"]) == 0
    recipe = Path("run", "recipe.json")
    recipe.write_text(recipe.read_text().replace(npnet.training.runs.versions()["numpy"], "1.0.0"))
    assert main(["train", "--resume", "run", "--steps", "90", "--quiet"]) == 0
    assert "bits may differ" in capsys.readouterr().err
    assert json.loads(recipe.read_text())["began_with"]["numpy"] == "1.0.0"
    assert npnet.load_run("run").recipe.steps == 90


@pytest.fixture
def read_only(here: Path) -> Iterator[Path]:
    """A folder with words.txt in which nobody may write, root neither."""
    folder = here / "read-only"
    folder.mkdir()
    shutil.copy(here / "words.txt", folder)
    folder.chmod(0o555)
    with obeyed():
        yield folder
    folder.chmod(0o755)


def test_a_read_only_folder_is_one_line_before_training(
    read_only: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(read_only)
    capsys.readouterr()
    assert main(["train", "--words", "words.txt", "--steps", "10"]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert len(printed.err.splitlines()) == 1
    assert "cannot be written" in printed.err
    assert [path.name for path in read_only.iterdir()] == ["words.txt"]
