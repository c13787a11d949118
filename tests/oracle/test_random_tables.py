"""Random tables of lines: no right gradient is refused, and no planted mistake passes."""

import json

import numpy as np
import pytest

from npnet import InputError

pytest.importorskip("torch")

from oracle.cli import main
from oracle.fuzz_tables import fuzz_tables
from oracle.random_tables import KINDS, random_table

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("count", [6, pytest.param(40, marks=pytest.mark.slow)])
def test_right_tables_pass_and_mistakes_do_not(count: int) -> None:
    result = fuzz_tables(range(count))
    assert result.passed, (result.refused, result.missed)
    assert result.tables + result.overflowed == count
    assert result.sets["alone", "float32"] == result.sets["whole", "float32"] == result.tables
    assert 0 < result.planted <= count


# Sets that were refused once, by what had been wrong.
@pytest.mark.parametrize("seed", [17, 78, 90, 197, 277, 577, 2214, 2259, 500640, 500875])
def test_tables_that_were_refused_once_pass(seed: int) -> None:
    made = random_table(seed)
    assert made is not None
    for dtype in ("float32", "float64"):
        checked = made.table.check(dtype)
        assert checked, checked


def test_tables_are_their_seeds_and_have_every_kind() -> None:
    one, two = random_table(7), random_table(7)
    assert one is not None
    assert two is not None
    assert one.pieces == two.pieces
    assert all(
        np.array_equal(one.table.values[name], two.table.values[name]) for name in one.pieces
    )
    made = [random_table(seed) for seed in range(80)]
    assert {each.kind for each in made if each} == {*KINDS}
    shapes = [shape for each in made if each for shape in each.table.shapes.values()]
    assert sum(1 in shape for shape in shapes) > len(shapes) / 4


def test_the_command_counts_sets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--tables", "--networks", "2", "--from", "4"]) == 0
    assert "planted mistakes: 1, missed 0" in capsys.readouterr().out


def test_what_was_refused_or_missed_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oracle.pieces.softmax", lambda x: 1.5 * np.ones_like(x))
    monkeypatch.setattr("oracle.pieces.sigmoid", lambda x: 1.5 * np.ones_like(x))
    monkeypatch.setattr("oracle.fuzz_tables.FACTORS", (1.0,))
    options = ["fuzz", "--tables", "--networks", "3", "--from", "5"]
    assert main([*options, "--json"]) == 1
    figures = json.loads(capsys.readouterr().out)
    assert not figures["passed"]
    assert figures["missed"]
    assert sum(one["refused"] for one in figures["sets"]) == len(
        {(one["seed"], one["way"], one["dtype"]) for one in figures["refused"]}
    )
    assert main(options) == 1
    assert "missed: d" in capsys.readouterr().out


def test_arguments_that_cannot_be_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--tables", "--large"]) == 2
    assert "without --tables" in capsys.readouterr().err
    with pytest.raises(InputError, match="no seeds, wanted one or more"):
        fuzz_tables([])
