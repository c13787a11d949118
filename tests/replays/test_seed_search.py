"""Lost seeds: planted seeds are found, in the range and nowhere else, for any lost parameters."""

import dataclasses
import json
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import slow_but

import npnet
from npnet.base.arrays import Floats
from npnet.base.errors import InputError
from npnet.recipes.draw import Draw
from npnet.recipes.publication import Printed, Publication, find_publication
from npnet.recipes.recipe import Recipe
from npnet.replays.lost_cells import cell_of, lost_again
from npnet.replays.lost_seeds import LostSession
from npnet.replays.seed_cells import BatchedPass, Cell
from npnet.replays.seed_losses import LossModelTest, LossTest
from npnet.replays.seed_progress import Progress, State, run
from npnet.replays.seed_rows import SCORE_ERROR, RowTest
from npnet.replays.seed_search import Candidate, Search, Session
from npnet.replays.seed_tests import compiled_tests
from npnet.torch_rng.many_normals import Singles
from npnet.torch_rng.many_seeds import Streams

WORDS = npnet.default_words()
SEEDS = [0, 1, 2**31, 17849371, 3033136719, 2**32 - 1]


def recipe_losing(
    lost: Sequence[str], hidden: int = 64, extra: Sequence[Draw] = (), **changes: Any
) -> Recipe:
    """The lecture's recipe; these parameters, and extra draws before them, are of a lost seed."""
    known = [draw for draw in npnet.RECIPES["lecture"].draws if draw.name not in lost]
    drawn = {draw.name: draw for draw in npnet.RECIPES["lecture"].draws}
    unknown = [dataclasses.replace(drawn[name], seed="lost") for name in lost]
    fields: dict[str, Any] = {"hidden": hidden, "draws": (*known, *extra, *unknown), **changes}
    return dataclasses.replace(npnet.RECIPES["lecture"], name="test", **fields)


def published(recipe: Recipe, printed: Printed) -> Publication:
    return Publication(Path("test.toml"), recipe, "a test", None, None, printed)


def planted(
    recipe: Recipe,
    seed: int,
    *,
    start: int = 0,
    earlier: int = 0,
    reruns: int = 0,
    row: int | None = 0,
    digits: int | None = 17,
) -> Cell:
    """The cell as it is searched for, with the figures that ``seed`` prints."""
    cell = cell_of(published(recipe, Printed()), WORDS)
    loss, probs = cell.loss_and_probs(cell.drawn(seed, start, earlier))
    printed = Printed(
        losses={} if digits is None else {0: f"{loss:.{digits}f}"},
        probs={} if row is None else {row: tuple(f"{p:.4f}" for p in probs[row])},
    )
    return cell_of(published(recipe, printed), WORDS, reruns)


def found_around(cells: Sequence[Cell], seed: int, around: int = 40_000) -> list[Candidate]:
    search = Search([Session("planted", tuple(cells))])
    first, end = max(0, seed - around), min(2**32, seed + around)
    return list(run(search, Progress(search.digest), first, end).found)


GAINS = ("bngain", "bnbias")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_anywhere_is_found_by_a_softmax_row(seed: int) -> None:
    cell = planted(recipe_losing(GAINS), seed, row=5, digits=None)
    assert found_around([cell], seed) == [(0, seed, (0,))]


@pytest.mark.parametrize(
    ("lost", "hidden", "changes"),
    [
        (("bnbias", "bngain"), 64, {}),
        (("bngain",), 17, {}),
        (("bnbias",), 12, {}),
        (GAINS, 100, {"batch": 10, "embedding": 5, "block_size": 4}),
        (GAINS, 64, {"draw_dtype": "float64"}),
        (GAINS, 13, {"draw_dtype": "float64", "dtype": "float64"}),
        (("W2", "b2"), 20, {}),
        (("b1", "bngain"), 33, {}),
        (("C",), 64, {"training_statistics": "running", "statistics": "running-var"}),
        (("b2",), 64, {"variance": "biased"}),
        (("C", "W1", *GAINS), 16, {}),
    ],
)
def test_the_seed_of_any_lost_draws_is_found(
    lost: tuple[str, ...], hidden: int, changes: dict[str, Any]
) -> None:
    seed = 2**31 + 7
    cell = planted(recipe_losing(lost, hidden, **changes), seed, digits=4)
    assert found_around([cell], seed, around=3000) == [(0, seed, (0,))]


def test_draws_that_the_network_does_not_use_take_their_words() -> None:
    extra = [Draw("noise", seed="lost", shape=(7, 3)), Draw("more", seed="lost", shape=(5,))]
    cell = planted(recipe_losing(GAINS, 30, extra), 99, digits=5)
    assert cell.sizes == (21, 5, 30, 30)
    assert set(cell.places()) == {*GAINS}
    assert found_around([cell], 99, around=3000) == [(0, 99, (0,))]


@pytest.mark.parametrize(
    ("first_earlier", "later_earlier"), slow_but([(0, 0), (2, 0), (0, 2), (1, 1)], [(1, 1)])
)
def test_the_number_of_earlier_runs_is_found(first_earlier: int, later_earlier: int) -> None:
    seed = 123_456_789
    small, large = recipe_losing(GAINS), recipe_losing(GAINS, 200)
    first = planted(small, seed, earlier=first_earlier, reruns=2)
    end = first.layout(0, first_earlier).end
    later = planted(large, seed, start=end, earlier=later_earlier, reruns=2, row=None, digits=4)
    found = found_around([first, later], seed, around=10_000)
    assert found == [(0, seed, (first_earlier, later_earlier))]


def test_skipped_words_are_counted_from_the_start_of_the_stream() -> None:
    recipe = recipe_losing(GAINS)
    draws = [dataclasses.replace(d, skip=700) if d.name == "bngain" else d for d in recipe.draws]
    cell = planted(dataclasses.replace(recipe, draws=tuple(draws)), 5, start=700)
    assert cell.skip == 700
    assert found_around([cell], 5, around=10_000) == [(0, 5, (0,))]


@pytest.mark.slow
def test_a_loss_and_a_later_network_find_a_seed_without_rows() -> None:
    seed = 4_000_000_000
    first = planted(recipe_losing(GAINS), seed, row=None)
    later = planted(recipe_losing(GAINS, 200), seed, start=128, row=None)
    assert found_around([first, later], seed) == [(0, seed, (0, 0))]
    search = Search([Session("planted", (first, later))])
    elsewhere = run(search, Progress(search.digest), 1_000_000, 1_080_000)
    assert elsewhere.found == ()


def test_one_search_serves_several_sessions_at_once() -> None:
    recipe = recipe_losing(GAINS)
    sessions = [Session(f"{seed}", (planted(recipe, seed),)) for seed in (70, 50_000)]
    search = Search(sessions)
    state = run(search, Progress(search.digest), 0, 60_000)
    assert state.found == ((0, 70, (0,)), (1, 50_000, (0,)))
    assert search.streams.count == 128


@pytest.mark.parametrize("workers", slow_but([1, 2, 5], [1]))
def test_any_number_of_workers_and_any_blocks_give_the_same_answer(workers: int) -> None:
    search = searched_for()
    first, end = 270_000, 330_000
    alone = run(search, Progress(search.digest), first, end).found
    assert alone == ((0, 300_000, (0,)),)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        notes = Progress(search.digest)
        state = run(search, notes, first, end, executor=pool, block=7_000 * workers)
    assert state.found == alone


def test_an_executor_of_threads_gives_the_same_answer() -> None:
    search = searched_for()
    with ThreadPoolExecutor(1) as threads:
        notes = Progress(search.digest)
        state = run(search, notes, 290_000, 310_000, executor=threads, block=3_000)
    assert (state.done, state.found) == (20_000, ((0, 300_000, (0,)),))


def test_a_search_is_small_when_pickled_and_searches_the_same() -> None:
    cell = planted(recipe_losing(GAINS), 77)
    search = Search([Session("planted", (cell,))])
    packed = pickle.dumps(search)
    assert len(packed) < 150_000
    search.block(0, 10_000)
    assert len(pickle.dumps(search)) == len(packed)
    assert pickle.loads(packed).block(0, 10_000) == search.block(0, 10_000) == [(0, 77, (0,))]


def test_the_digest_is_of_everything_that_the_answer_depends_on() -> None:
    cell = planted(recipe_losing(GAINS), 77)
    digest = Search([Session("a", (cell,))]).digest
    assert digest == Search([Session("a", (planted(recipe_losing(GAINS), 77),))]).digest
    C = cell.fixed["C"].copy()
    C[0, 0] += 1
    changed = [
        dataclasses.replace(cell, reruns=1),
        dataclasses.replace(cell, skip=3),
        dataclasses.replace(cell, losses=()),
        dataclasses.replace(cell, fixed={**cell.fixed, "C": C}),
        dataclasses.replace(cell, Y=cell.Y[::-1].copy()),
    ]
    others = {Search([Session("a", (each,))]).digest for each in changed}
    assert len(others | {digest}) == len(changed) + 1
    assert Search([Session("a", (cell,))], about="later losses").digest not in {*others, digest}


# Progress


def searched_for() -> Search:
    return Search([Session("planted", (planted(recipe_losing(GAINS), 300_000, digits=None),))])


def search_slowly(path: str) -> None:
    """What the process that is killed does."""
    search = searched_for()
    progress = Progress(search.digest, path)

    def watch(state: State) -> None:
        progress.save()
        time.sleep(0.05)  # so that there is a time to kill it

    run(search, progress, 0, 400_000, block=8192, watch=watch)


@pytest.mark.slow
def test_a_killed_search_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    process = multiprocessing.get_context("spawn").Process(target=search_slowly, args=(str(path),))
    process.start()
    while not path.exists() and process.is_alive():
        time.sleep(0.02)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    search = searched_for()
    progress = Progress(search.digest, path)
    done = sum(end - first for first, end in progress.ranges)
    assert 0 < done < 400_000
    tried: list[int] = []
    state = run(
        search, progress, 0, 400_000, block=8192, watch=lambda state: tried.append(state.done)
    )
    assert tried[0] == done + 8192
    assert state.done == state.wanted == 400_000
    assert state.found == ((0, 300_000, (0,)),)
    again = Progress(search.digest, path)
    assert again.missing(0, 400_000) == []
    assert run(search, again, 0, 400_000).found == state.found


def test_an_exception_in_between_saves_what_is_done(tmp_path: Path) -> None:
    search, path = searched_for(), tmp_path / "progress.json"

    def stop(state: State) -> None:
        if state.done >= 20_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(search, Progress(search.digest, path), 0, 100_000, block=10_000, watch=stop)
    assert Progress(search.digest, path).ranges == [(0, 20_000)]


def test_what_is_missing_of_a_range_is_exact(tmp_path: Path) -> None:
    progress = Progress("x")
    for first, end in ((10, 20), (30, 40), (20, 25), (90, 100)):
        progress.add(first, end, [])
    assert progress.ranges == [(10, 25), (30, 40), (90, 100)]
    assert progress.missing(0, 50) == [(0, 10), (25, 30), (40, 50)]
    assert progress.missing(12, 24) == []
    assert progress.missing(15, 95) == [(25, 30), (40, 90)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no progress file"),
        ("[]", "no progress file"),
        ('{"digest": "other"}', "no progress file"),
        (None, "another search"),
    ],
)
def test_a_progress_file_that_does_not_fit_is_refused(
    tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "progress.json"
    other = Progress("other", path)
    other.save()
    if text is not None:
        path.write_text(text)
    else:
        assert json.loads(path.read_text())["ranges"] == []
    with pytest.raises(InputError, match=said):
        Progress("mine", path)


@pytest.mark.parametrize(("first", "end"), [(-1, 5), (5, 5), (0, 2**32 + 1)])
def test_an_impossible_range_is_refused(first: int, end: int) -> None:
    search = searched_for()
    with pytest.raises(InputError, match="range"):
        run(search, Progress(search.digest), first, end)


# Approximations may only drop what cannot be the seed


def real_normals(cell: Cell, first: int, count: int) -> tuple[Singles, Floats]:
    layout = cell.layout(0)
    streams = Streams(layout.runs)
    seeds = np.arange(first, first + count, dtype=np.uint64).astype(np.uint32)
    words = streams.words(seeds)
    return layout.fast_normals(streams, words), layout.exact_normals(streams, words[:, :500])


@pytest.mark.parametrize("count", [10_000, pytest.param(400_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("hidden", [17, pytest.param(64, marks=pytest.mark.slow)])
def test_the_model_of_the_loss_stays_within_its_window(hidden: int, count: int) -> None:
    cell = planted(recipe_losing(GAINS, hidden), 3, row=None)
    [model] = [test for test in compiled_tests(cell, model=True) if isinstance(test, LossModelTest)]
    worst = 0.0
    for first in range(0, count, 10_000):
        fast, _ = real_normals(cell, 2**30 + first, 10_000)
        errors = model.predicted(fast) - BatchedPass(cell).losses(fast)
        worst = max(worst, float(np.abs(errors).max()))
    assert worst <= model.window - min(figure.reach for figure in cell.losses)


@pytest.mark.parametrize("lost", [GAINS, ("W2", "bngain")])
def test_the_batched_loss_is_the_ordinary_one_within_its_bound(lost: tuple[str, ...]) -> None:
    cell = planted(recipe_losing(lost), 3, row=None)
    [test] = [test for test in compiled_tests(cell, model=False) if isinstance(test, LossTest)]
    fast, exact = real_normals(cell, 2**32 - 500, 500)
    ordinary = [cell.loss_and_probs(cell.parameters(z))[0] for z in exact.T]
    errors = np.abs(test.batched.losses(fast) - ordinary)
    assert errors.max() <= test.window - min(figure.reach for figure in cell.losses)


@pytest.mark.parametrize("count", [10_000, pytest.param(400_000, marks=pytest.mark.slow)])
def test_every_seed_passes_the_row_test_of_its_own_row(count: int) -> None:
    cell = planted(recipe_losing(GAINS), 3, row=9, digits=None)
    test = RowTest(cell, 9)
    exact = BatchedPass(cell, [9], "float64")
    i, j = np.array(test.pairs).T
    for first in range(0, count, 10_000):
        fast, _ = real_normals(cell, first, 10_000)
        logits = exact.logits(fast.astype(np.float64))[:, 0]
        differences = logits[i] - logits[j]
        shift = (cell.fixed["b2"][i] - cell.fixed["b2"][j])[:, None]
        ours = test.contrasts @ test._hidden(fast)
        assert np.abs(ours - (differences - shift)).max() <= SCORE_ERROR / 2


def test_seeds_pass_the_tests_of_their_own_figures() -> None:
    recipe = recipe_losing(GAINS, 32)
    for seed in range(1000, 1012):
        cell = planted(recipe, seed, row=seed % 32)
        fast, _ = real_normals(cell, seed, 1)
        for test in compiled_tests(cell, model=False):
            assert test.passing(fast).tolist() == [0]


# Publications


def test_a_session_without_enough_figures_is_refused_with_advice() -> None:
    publication = dataclasses.replace(npnet_publication(), printed=Printed(losses={0: "3.3515"}))
    session = LostSession([publication])
    assert 1e6 < session.prospects.first < 1e8
    with pytest.raises(InputError, match=r"probs_row.*cross_entropy"):
        session.check()


def npnet_publication() -> Publication:
    """A first minibatch from rows alone, that of a publication that comes with npnet."""
    publication = lost_again(find_publication("lecture-first-batch"))
    return dataclasses.replace(publication, corpus=None)


def test_the_lectures_own_seed_is_found_from_rows_alone() -> None:
    seed = 3033136719
    session = LostSession([npnet_publication()], reruns=1)
    [found] = session.run(seed - 50_000, seed + 50_000)
    assert (found.seed, found.reruns, found.skips) == (seed, (0,), (0,))
    assert session.run(10**9, 10**9 + 50_000) == []


def test_a_publication_with_nothing_lost_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to find"):
        cell_of(find_publication("random-gain"), None)
