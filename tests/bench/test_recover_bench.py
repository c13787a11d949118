"""The cost of a search for a lost seed: its figures exist, and they are of whole searches."""

import json

import pytest

from npnet.bench.recover import Cost, recover_costs, sessions
from npnet.cli import main


def test_the_measured_sessions_find_the_seed_that_they_search() -> None:
    seed = 3033136719
    searched = sessions()
    assert list(searched) == ["a row of the softmax", "the cross-entropy alone", "both"]
    first, end = seed - 5000, seed + 5000
    assert searched["both"].search.block(first, end) == [(0, seed, (0,))]
    assert searched["a row of the softmax"].search.block(first, end) == [(0, seed, (0,))]


@pytest.fixture(scope="module")
def costs() -> list[Cost]:
    return recover_costs(0.01)


@pytest.mark.slow
def test_each_search_is_measured_in_its_own_process(costs: list[Cost]) -> None:
    assert [cost.what for cost in costs] == list(sessions())
    for cost in costs:
        assert 0 < cost.seconds < 1e-3
        assert cost.full == pytest.approx(cost.seconds * 2**32 / 3600)
        assert 2e7 < cost.peak < 3e8


@pytest.mark.slow
def test_the_command_prints_a_line_for_each_search(
    costs: list[Cost], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("npnet.bench.recover.recover_costs", {0.01: costs}.__getitem__)
    assert main(["bench", "--recover", "--seconds", "0.01"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition("MB  ")[2] for line in lines[-3:]] == list(sessions())
    assert main(["bench", "--recover", "--seconds", "0.01", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["what"] for row in rows] == list(sessions())


def test_a_full_search_takes_2_to_the_32_times_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npnet.bench.recover.sessions", lambda: {"both": None})
    monkeypatch.setattr("npnet.bench.recover.run_apart", lambda command: ("2.5e-6", 2048))
    (cost,) = recover_costs(0.1)
    assert (cost.what, cost.seconds, cost.peak) == ("both", 2.5e-6, 2048)
    assert cost.full == pytest.approx(2.9826162)  # hours
