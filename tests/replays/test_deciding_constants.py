"""Numbers that decide a replay or a search: rounding, seconds, steps that are needed."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from npnet import InputError
from npnet.recipes.publication import Printed, Publication, find_publication
from npnet.replays import seed_progress
from npnet.replays.contradictions import check_contradictions
from npnet.replays.printed_figures import DIFFERS, EQUAL, Figure
from npnet.replays.replay import advice, needed
from npnet.replays.seed_search import Candidate


def printing(**printed: Any) -> Publication:
    first = find_publication("lecture-first-batch")
    return dataclasses.replace(first, printed=Printed(**printed))


@pytest.mark.parametrize("sign", [1, -1])
def test_two_forms_of_a_loss_may_differ_by_a_hundred_eps(sign: int) -> None:
    loss = 3.3305951
    near, far = (f"{loss * (1 + sign * k * 2.0**-23):.7f}" for k in (90, 110))
    check_contradictions(printing(cross_entropy={0: f"{loss:.7f}"}, losses={0: near}))
    with pytest.raises(InputError, match="no seed gives both"):
        check_contradictions(printing(cross_entropy={0: f"{loss:.7f}"}, losses={0: far}))


def test_the_progress_of_a_search_is_saved_every_twenty_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [50.0]
    monkeypatch.setattr(seed_progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    progress = seed_progress.Progress("digest", tmp_path / "notes.json")
    progress.start()
    progress.add(0, 100, [Candidate(0, 7, (0,))])
    saved = []
    for seconds in (10.0, 19.9, 20.0, 30.0, 40.0):
        now[0] = 50.0 + seconds
        progress.tick()
        if (tmp_path / "notes.json").exists():
            saved.append(seconds)
            (tmp_path / "notes.json").unlink()
    assert saved == [20, 40]
    assert progress.seconds == 40


def loss(step: int, match: str = DIFFERS) -> Figure:
    return Figure("loss", step, "2.1", "3.1", match)


def test_advice_is_given_if_every_loss_from_the_first_on_differs() -> None:
    assert "began with other draws" in str(advice([loss(0), loss(100)]))
    assert advice([loss(100), loss(200)]) is None
    assert advice([loss(0), loss(100, EQUAL)]) is None
    assert advice([Figure("train", None, "2.1", "3.1", DIFFERS)]) is None


def test_a_replay_takes_the_steps_that_its_figures_need() -> None:
    short = printing(losses={0: "3.3", 40: "2.9"})
    whole = short.recipe.steps
    assert needed(short).steps == 41
    assert needed(printing(cross_entropy={0: "3.3"})).steps == 1
    assert needed(printing(losses={0: "3.3"}, split_losses={"train": "2.1"})).steps == whole
    assert needed(printing(losses={0: "3.3"}, names=("anna",))).steps == whole
    # Minibatches that are drawn before the parameters decide these: all of them are needed.
    ahead = dataclasses.replace(short, recipe=dataclasses.replace(short.recipe, batch_first=True))
    assert needed(ahead).steps == whole
    once = dataclasses.replace(ahead, recipe=dataclasses.replace(ahead.recipe, batch_once=True))
    assert needed(once).steps == 41
