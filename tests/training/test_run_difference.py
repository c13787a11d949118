"""`npnet compare-runs`: is one recipe better, or is it the seed?"""

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import npnet
from npnet import InputError
from npnet.base.arrays import Floats
from npnet.cli import main
from npnet.training.run_difference import (
    Difference,
    Side,
    bootstrap,
    compare_runs,
    student,
    warnings_of,
)
from npnet.training.run_folders import make_runs, of_seeds, run_folders, with_seed
from npnet.training.runs import write_history

SEEDS = range(1, 9)
NOISE = np.random.default_rng(3).standard_normal(8) * 0.02
Make = Callable[..., str]


@pytest.fixture(scope="module")
def run(small_words: list[str]) -> npnet.Run:
    return npnet.fit(npnet.Recipe("tiny", hidden=3, batch=4, steps=2, seed=1), small_words)


@pytest.fixture
def side(tmp_path: Path, run: npnet.Run) -> Make:
    """``side(name, losses)`` makes a folder of runs of seeds 1, 2, … with these dev losses."""

    def make(name: str, losses: list[float], first: int = 1) -> str:
        recipes = of_seeds(with_seed(run.recipe, first), len(losses))
        folder = make_runs(tmp_path / name, recipes, run.words)
        for path, recipe, loss in zip(run_folders(folder), recipes.values(), losses, strict=True):
            run_of(run, recipe, loss).write(path, plot=False)
        return str(folder)

    return make


def run_of(run: npnet.Run, recipe: npnet.Recipe, loss: float) -> npnet.Run:
    lists = (run.params, run.stats, run.losses, {"train": loss, "dev": loss, "test": loss})
    return npnet.Run(recipe, *lists, run.vocab, run.words)


def test_a_paired_difference_is_seen_through_the_noise(side: Make) -> None:
    a = side("a", [2.5 + each for each in NOISE])
    b = side("b", [2.488 + each + 0.002 * (-1) ** k for k, each in enumerate(NOISE)])
    found = compare_runs(a, b)
    assert found.paired
    assert found.better_by == pytest.approx(0.012)
    assert 0.009 < found.interval[0] < 0.012 < found.interval[1] < 0.015
    words = "B is better by 0.012, 95 % between 0.011 and 0.013, 8 seeds each"
    assert str(found) == words
    assert str(compare_runs(b, a)) == words.replace("B is", "A is")


def test_other_seeds_are_compared_unpaired_and_that_is_said(side: Make) -> None:
    a = side("a", [2.5 + each for each in NOISE])
    b = side("b", [2.488 + each for each in NOISE], first=20)
    found = compare_runs(a, b)
    assert not found.paired
    assert str(found).startswith("No difference can be seen: 95 % between A better by 0.0")
    assert str(found).endswith("8 seeds each, not paired: the seeds differ")


def test_a_missing_seed_is_left_out_on_both_sides(side: Make, run: npnet.Run) -> None:
    a, b = side("a", [2.5, 2.6, 2.7, 2.4]), side("b", [2.4, 2.5, 2.6, 2.3])
    broken = run_folders(b)[1]
    (broken / "model.npz").unlink()
    found = compare_runs(a, b)
    assert (found.paired, len(found.a.losses), len(found.b.losses)) == (True, 3, 3)
    assert found.b.left_out == (f"{broken} has not finished",)
    assert "left out: 2" in found.a.left_out[0]
    write_history(broken, run.recipe, np.array([1, np.nan]))
    assert compare_runs(a, b).b.left_out == (f"{broken} diverged at step 1",)


def test_the_command_says_it_in_words_and_in_json(
    side: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = side("a", [2.5, 2.52, 2.51]), side("b", [2.4, 2.41, 2.42])
    assert main(["compare-runs", a, b]) == 0
    shown = capsys.readouterr()
    assert "B is better by 0.100, 95 % between" in shown.out
    assert "3 seeds are few" in shown.err
    assert main(["compare-runs", a, b, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["better"], figures["paired"], figures["A"]["seeds"]) == ("B", True, [1, 2, 3])
    assert main(["compare-runs", a, a]) == 0
    assert "No difference can be seen: the dev losses are the same" in capsys.readouterr().out


def test_one_seed_says_nothing(side: Make, tmp_path: Path) -> None:
    a, b = side("a", [2.5]), side("b", [2.4, 2.5])
    with pytest.raises(InputError, match="one finished seed, so that nothing can be said"):
        compare_runs(f"{a}/seed-1", b)
    with pytest.raises(InputError, match="no runs in it"):
        compare_runs(tmp_path, b)


def test_runs_on_other_words_are_not_compared(side: Make) -> None:
    a, b = side("a", [2.5, 2.6]), side("b", [2.4, 2.5])
    for path in run_folders(b):
        (path / "words.txt").write_text("anna\nbob\n")
    with pytest.raises(InputError, match="other words"):
        compare_runs(a, b)


def test_quantiles_are_students() -> None:
    found = [round(student(0.975, freedom), 3) for freedom in (1, 2, 7, 30)]
    assert found == [12.706, 4.303, 2.365, 2.042]


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    """Of 200 samples of 8 numbers, 95 % means 190; less than 180 would be 6 deviations away."""
    generator = np.random.default_rng(0)
    one, two = generator.standard_normal((2, 200, 8))
    paired = [bootstrap(each) for each in one]
    apart = [bootstrap(each, 2 * other) for each, other in zip(one, two, strict=True)]
    assert 180 <= sum(low <= 0 <= high for low, high in paired) < 200
    assert 180 <= sum(low <= 0 <= high for low, high in apart) < 200


def test_an_interval_reaches_as_far_as_students_t() -> None:
    """Hesterberg (2015), 3.3: the quantiles at ±t·sqrt(n/(n-1)) of a normal distribution."""
    one, two = np.array([2.1, 2.4, 2.2, 2.9]), np.array([1.0, 1.7, 1.1, 1.3, 1.4, 1.2])
    rng = np.random.default_rng(0)
    means = [each[rng.integers(0, each.size, (10_000, each.size))].mean(1) for each in (one, two)]

    def quantiles(resampled: Floats, reach: float) -> tuple[float, float]:
        tail = 0.5 * math.erfc(reach / math.sqrt(2))
        low, high = np.quantile(resampled, [tail, 1 - tail])
        return float(low), float(high)

    alone = quantiles(means[0], 3.1824463 * math.sqrt(4 / 3))  # t of 3 degrees of freedom
    assert bootstrap(one) == pytest.approx(alone, rel=1e-5)
    a, b = one.var(ddof=1) / 4, two.var(ddof=1) / 6
    welch = student(0.975, (a + b) ** 2 / (a**2 / 3 + b**2 / 5))
    wider = math.sqrt((a + b) / (a * 3 / 4 + b * 5 / 6))
    apart = quantiles(means[0] - means[1], welch * wider)
    assert bootstrap(one, two) == pytest.approx(apart, rel=1e-5)


def test_runs_of_one_loss_have_an_interval_of_no_width() -> None:
    same = np.full(4, 2.5)
    assert bootstrap(same) == (2.5, 2.5)
    assert bootstrap(same, same - 0.5) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("width", "size", "digits"),
    [(2.0, 1.0, 3), (0.01, 0.5, 3), (0.00099, 0.5, 4), (3e-7, 0.5, 7), (0.0, 0.02, 3), (0, 0, 3)],
)
def test_digits_show_the_first_one_of_the_width(width: float, size: float, digits: int) -> None:
    low = Side("a", npnet.RECIPES["lecture"], {1: 2.0 + size, 2: 2.0 + size}, (), ())
    high = dataclasses.replace(low, losses={1: 2.0, 2: 2.0})
    ends = size - width / 2 + 2 * width, size - width / 2 + 3 * width  # 0 is not among them
    said = str(Difference(low, high, size, ends, True))
    if width:
        assert said.startswith(
            f"B is better by {size:.{digits}f}, 95 % between {ends[0]:.{digits}f}"
        )
    else:
        assert said.startswith("B is better by 0.020" if size else "No difference can be seen")


@pytest.mark.parametrize(("count", "warned"), [(5, True), (6, False)])
def test_fewer_than_six_seeds_are_called_few(count: int, warned: bool) -> None:
    few = Side("a", npnet.RECIPES["lecture"], dict.fromkeys(range(count), 2.5), (), ())
    many = dataclasses.replace(few, losses=dict.fromkeys(range(9), 2.5))
    for one, other in ((few, many), (many, few)):
        found = Difference(one, other, 0.0, (0.0, 0.0), False)
        assert [f"{count} seeds are few" in told for told in warnings_of(found)] == [True] * warned
