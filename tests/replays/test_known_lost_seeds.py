"""The seeds behind the publications that come with npnet, found again in ranges around them."""

import pytest

from npnet.recipes.publication import find_publication
from npnet.replays.lost_cells import lost_again
from npnet.replays.lost_seeds import LostSeed, LostSession

RERUN = ("rerun-64", "rerun-200")
UNSEEDED = ("unseeded-first-batch", "unseeded-101-steps", "unseeded-log")


def session(names: tuple[str, ...], reruns: int = 0) -> LostSession:
    return LostSession([lost_again(find_publication(name)) for name in names], reruns)


@pytest.mark.slow
@pytest.mark.usefixtures("names_txt")
def test_the_rerun_is_found_by_row_and_later_losses() -> None:
    searched = session(RERUN, reruns=2)
    assert searched.prospects.all < 1e-20
    seed = 396239506
    found = searched.run(seed - 300_000, seed + 300_000)
    assert found == [LostSeed(seed, (0, 0), (0, 128))]
    assert searched.run(3_000_000_000, 3_000_300_000) == []


@pytest.mark.slow
@pytest.mark.usefixtures("names_txt")
def test_the_unseeded_document_is_found_by_cross_entropy_and_losses() -> None:
    searched = session(UNSEEDED)
    seed = 17849371
    found = searched.run(seed - 100_000, seed + 100_000)
    assert found == [LostSeed(seed, (0, 0, 0), (0, 128, 560))]
