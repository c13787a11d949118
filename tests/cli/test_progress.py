"""Rates, times and steps that commands print while they run and at the end, by a clock of ours."""

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rich.progress

import npnet
from npnet.cli import progress as bars
from npnet.cli import recover, train
from npnet.replays.lost_seeds import LostSeed
from npnet.replays.seed_progress import State

Clock = Callable[[float], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """``clock(seconds)`` sets what the time is."""
    now = [100.0]
    fake = SimpleNamespace(perf_counter=lambda: now[0], monotonic=lambda: now[0])
    for module in (bars, train, recover):
        monkeypatch.setattr(module, "time", fake)

    def set_to(seconds: float) -> None:
        now[0] = 100.0 + seconds

    return set_to


def test_the_bar_counts_only_steps_of_this_process(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(
        rich.progress.Progress, "update", lambda self, task, **fields: shown.append(fields)
    )
    with bars.progress(1000, done=400, loss=True) as progress:
        for seconds, done in ((2.0, 500), (2.05, 510), (4.0, 600), (4.01, 1000)):
            clock(seconds)
            progress.update(done, 2.5)
    told = [(each["completed"], round(each["speed"]), each["loss"]) for each in shown]
    # What follows within a tenth of a second is left out, but for the end.
    assert told == [
        *((500, 50, "loss 2.5000"), (600, 50, "loss 2.5000"), (1000, 150, "loss 2.5000")),
    ]


def test_in_a_pipe_training_prints_every_ten_thousandth_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    losses = np.arange(25_000) / 1000
    with train._shown(25_000, 0, False) as show:
        for first in range(0, 25_000, 500):
            show(first, losses[first : first + 500])
    assert capsys.readouterr().out.splitlines() == [
        "      0/  25000: 0.0000",
        "  10000/  25000: 10.0000",
        "  20000/  25000: 20.0000",
    ]


def test_training_ends_with_its_rate_and_the_share_of_measuring(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run: Any = SimpleNamespace(
        recipe=dataclasses.replace(npnet.RECIPES["lecture"], steps=5000),
        evaluations=np.ones((3, 3)),
        split_losses={"train": 2.07114, "dev": 2.11},
        sample=lambda: ["anna", "bo"],
    )
    options = argparse.Namespace(json=False, quiet=False)
    train._report(options, Path("runs/a"), run, seconds=8.0, steps=4000, evaluating=0.1)
    assert capsys.readouterr().out.splitlines() == [
        "8.0 s, 500 steps a second",
        "train and dev loss measured 3 times in 0.10 s, 1.2 % of the time",
        "train 2.0711  dev 2.1100",
        *("anna", "bo"),
        "runs/a: model, history, samples and loss.png",
    ]


def test_a_search_in_a_pipe_says_its_rate_and_what_is_left_once_a_minute(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with recover._shown(1_000_000, 400_000, False) as watch:
        assert watch is not None
        for seconds, done in ((30, 460_000), (100, 600_000), (120, 650_000), (200, 600_000)):
            clock(seconds)
            watch(State(done, 1_000_000, 0.0, ()))
    assert capsys.readouterr().err.splitlines() == [
        "600,000 of 1,000,000 seeds, 2,000 a second, 0:03:20 left",
        "600,000 of 1,000,000 seeds, 1,000 a second, 0:06:40 left",
    ]


def test_a_search_ends_with_its_seeds_its_time_and_its_rate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = LostSeed(seed=7, reruns=(0, 2), skips=(0, 560))
    paths = [Path("a.toml"), Path("b.toml")]
    recover._report([found], paths, 10, 20_010, 5000, 3725.0)
    recover._report([], paths, 0, 100, 100, 1.0)
    said = capsys.readouterr().out.splitlines()
    assert said[:4] == [
        "seed 7",
        "  a.toml: skip 0, no earlier run of its cell",
        "  b.toml: skip 560, 2 earlier runs of its cell",
        "1 seed of 20,000 (10 to 20009) in 1:02:05, 4 a second",
    ]
    assert said[4] == "0 seeds of 100 (0 to 99) in 0:00:01"
    assert said[5].startswith("No seed of this range gives these figures.")


@pytest.mark.parametrize(
    ("count", "said"), [(0.0123, "0.01"), (2.4, "2"), (9.9, "10"), (10, "10"), (1234.5, "1,234")]
)
def test_how_many_seeds_will_be_left_is_said_roughly(count: float, said: str) -> None:
    assert recover._about(count) == said
