"""Random networks: no right gradient is refused, and no planted mistake passes."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from npnet import GRADIENTS, InputError

pytest.importorskip("torch")

from oracle.cli import main
from oracle.fuzz import PLANTED, WAYS, fuzz
from oracle.judge import end_to_end
from oracle.networks import KINDS, SMALL, network, random_network

pytestmark = pytest.mark.usefixtures("one_thread")


def test_no_right_gradient_is_refused_and_no_mistake_missed(request: pytest.FixtureRequest) -> None:
    count = request.config.getoption("--networks")
    if "not slow" in request.config.option.markexpr:
        count = min(count, 20)
    result = fuzz(range(count))
    assert result.passed, (result.refused, result.missed)
    assert (result.networks, sum(result.kinds.values())) == (count, count)
    assert result.sets["whole", "float32"] == count
    assert result.planted > count / 3
    assert all(0 < share < 1 for share, _, _ in result.closest.values())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [2, 3])
def test_right_gradients_of_two_rows_are_not_refused(
    n: int, dtype: str, request: pytest.FixtureRequest
) -> None:
    sizes = {"n": n, "T": 3, "E": 10, "H": 20, "V": 27}
    for seed in range(12 if "not slow" in request.config.option.markexpr else 40):
        params, X, Y, _ = network(seed, sizes, KINDS[seed % 4])
        report = end_to_end(params.astype(dtype), X, Y)
        assert report, (seed, report)
        assert {"b1", "logit_maxes"} <= {r.name for r in report.rows if r.zero_scale is not None}


@pytest.mark.slow
@pytest.mark.parametrize(("n", "H"), [(1024, 200), (64, 4096)])
def test_large_networks_are_judged_in_the_same_way(n: int, H: int) -> None:
    for kind in KINDS:
        params, X, Y, _ = network(0, {"n": n, "T": 3, "E": 10, "H": H, "V": 27}, kind)
        report = end_to_end(params, X, Y)
        assert report, (kind, report)


def test_a_network_is_its_seed_and_has_the_kind_that_was_wanted() -> None:
    one, two = random_network(7), random_network(7)
    assert one.kind == two.kind
    assert all(np.array_equal(one.params[name], two.params[name]) for name in one.params)
    made = [random_network(seed) for seed in range(60)]
    assert {one.kind for one in made} == {*KINDS}
    assert sum(len(one.X) <= 3 for one in made) > 8
    for one in made:
        assert all(size <= SMALL[letter] for letter, size in one.sizes.items())
    tied = network(3, {**SMALL, "n": 8}, "tied")
    assert np.array_equal(tied.params.W2[:, 0], tied.params.W2[:, 1])
    with pytest.raises(InputError, match="kind is 'odd', wanted one of untrained"):
        network(0, SMALL, "odd")


def scaled(name: str, factor: float) -> Callable[[Any, Any], Any]:
    right = GRADIENTS[name]
    return lambda v, d: right(v, d) * factor


def test_the_command_names_the_seed_of_what_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["fuzz", "--networks", "8"]) == 0
    out = capsys.readouterr().out
    assert "8 random networks, seeds from 0, sizes up to n=64 T=5 E=12 H=40 V=40" in out
    assert "planted mistakes: 4, missed 0" in out
    monkeypatch.setitem(GRADIENTS, "W2", scaled("W2", 1.001))
    assert main(["fuzz", "--networks", "1", "--from", "4"]) == 1
    out = capsys.readouterr().out
    assert "refused: dW2: seed 4, {'n': " in out
    assert main(["fuzz", "--networks", "1", "--from", "4", "--json"]) == 1
    figures = json.loads(capsys.readouterr().out)
    assert not figures["passed"]
    assert [(one["way"], one["dtype"], one["refused"]) for one in figures["right"]] == [
        (*way, 1) for way in WAYS
    ]
    assert {one["gradient"] for one in figures["refused"]} == {"W2"}


def test_a_mistake_that_passes_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the judge cannot see: the mistake is in the table that it takes for right.
    monkeypatch.setattr("oracle.fuzz.per_line", lambda values, *_, seed: end_to_end(*BATCH))
    assert main(["fuzz", "--networks", "1", "--from", "1"]) == 1
    out = capsys.readouterr().out
    assert "planted mistakes: 1, missed 1" in out
    assert f"missed: d{PLANTED[0].gradient}: seed 1" in out


BATCH = random_network(1)[:3]


@pytest.mark.parametrize("arguments", [["--networks", "0"], ["--from", "-1"]])
def test_numbers_that_cannot_be_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fuzz", *arguments]) == 2
    assert "or more" in capsys.readouterr().err


def test_no_seeds_are_refused() -> None:
    with pytest.raises(InputError, match="no seeds, wanted one or more"):
        fuzz([])


def test_a_mistake_below_rounding_is_not_counted() -> None:
    result = fuzz([46329])  # every tanh is saturated, and dhpreact is all rounding error
    assert (result.passed, result.planted) == (True, 0)
