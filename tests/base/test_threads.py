"""The threads of the BLAS: whole jobs set and restore them, other functions do not change them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import threadpoolctl
from conftest import SHORT, begun

import npnet
from npnet.cli import main
from npnet.training.fit import Training

RECIPE = npnet.Recipe("short", hidden=4, batch=4, steps=70)


def threads() -> list[int]:
    pools = threadpoolctl.threadpool_info()
    return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]


@pytest.fixture
def three() -> Iterator[list[int]]:
    """The threads that every BLAS has after it is set to three."""
    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        if 3 not in threads():
            pytest.skip("this BLAS takes no number of threads")
        yield threads()


@pytest.mark.parametrize(("options", "wanted"), [({}, 1), ({"threads": 2}, 2)])
def test_fit_sets_the_threads_and_restores_them(
    options: dict[str, Any], wanted: int, three: list[int], small_words: list[str]
) -> None:
    seen = set()
    npnet.fit(RECIPE, small_words, watch=lambda *_: seen.update(threads()), **options)
    assert seen == {wanted}
    assert threads() == three


@pytest.mark.parametrize(("options", "wanted"), [([], 1), (["--threads", "2"], 2)])
def test_the_command_sets_the_threads_and_restores_them(
    options: list[str],
    wanted: int,
    three: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = set()
    run = Training.run

    def noted(*arguments: Any) -> None:
        seen.update(threads())
        run(*arguments)

    monkeypatch.setattr(Training, "run", noted)
    out = ["--out", str(tmp_path / "run")]
    assert main(["train", "--steps", "70", "--hidden", "4", "--quiet", *out, *options]) == 0
    assert seen == {wanted}
    assert threads() == three


def test_train_does_not_change_the_threads(three: list[int]) -> None:
    params, X, Y, generator = begun()
    for _ in npnet.train(SHORT, params, X, Y, generator):
        assert threads() == three
