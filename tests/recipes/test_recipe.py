"""A recipe holds every number of a run, and refuses the impossible ones."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import Draw, InputError, Recipe
from npnet.cli import main
from npnet.recipes.draw import MOST_NUMBERS, MOST_SKIPPED
from npnet.recipes.publication import shipped

# A value other than the default for each field that few recipes set.
UNUSUAL: dict[str, Any] = {
    "shuffles": 3,
    "split": "examples",
    "split_seed": 7,
    "batch_over": 9,
    "batch_once": True,
    "batch_first": True,
    "decay": 0.75,
    "statistics": "running-std",
    "training_statistics": "running",
    "rounding": "random_split",
    "draw_dtype": "float64",
    "rates": "0.1 / (1 + i)",
    "sampler": "mkl",
    "sampling": "plain",
}
NAMED = ("lecture", "lecture-64", "constant-gain", "random-gain", "frozen-b1", "part3")


@pytest.mark.parametrize("name", npnet.RECIPES)
def test_json_brings_every_named_recipe_back(name: str) -> None:
    recipe = npnet.RECIPES[name]
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert recipe.name == name


def test_the_published_recipes_are_there() -> None:
    assert set(npnet.RECIPES) == {*NAMED, *shipped(), "indian-names"}


def test_what_a_recipe_leaves_out_is_as_in_the_lecture() -> None:
    recipe = Recipe("x")
    sizes = (recipe.block_size, recipe.embedding, recipe.hidden, recipe.batch, recipe.steps)
    assert sizes == (3, 10, 200, 32, 200_000)
    assert (recipe.rate(0), recipe.rate(99_999), recipe.rate(100_000)) == (0.1, 0.1, 0.01)
    assert (recipe.seed, recipe.shuffle_seed, recipe.shuffles) == (2147483647, 42, 1)
    assert (recipe.eps, recipe.momentum, recipe.decay) == (1e-5, 0.001, 1.0)
    assert recipe.sample_seed == recipe.seed + 10


@given(
    hidden=st.integers(1, 600),
    batch=st.integers(2, 100),
    rate=st.floats(0, 10),
    drop=st.integers(1, 10**6),
    seed=st.integers(-(2**63), 2**64 - 1),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_json_brings_any_recipe_back(
    hidden: int, batch: int, rate: float, drop: int, seed: int, dtype: str
) -> None:
    recipe = Recipe(
        "any", hidden=hidden, batch=batch, rates=((0, rate), (drop, 0.1)), seed=seed, dtype=dtype
    )
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_json_brings_the_unusual_fields_back() -> None:
    seeded = tuple(dataclasses.replace(draw, seed=-1) for draw in Recipe("x").draws)
    recipe = Recipe("unusual", draws=seeded, **UNUSUAL)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert all(getattr(recipe, field) != getattr(Recipe("x"), field) for field in UNUSUAL)


def test_set_reaches_the_unusual_fields(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("\n".join(small_words), encoding="utf-8")
    settings = [f"--set={field}={json.dumps(value)}" for field, value in UNUSUAL.items()]
    train = ["train", "--words", "words.txt", "--hidden", "4", "--steps", "3", "--quiet"]
    assert main([*train, *settings]) == 0
    recipe = npnet.load_run("runs/lecture-001").recipe
    assert recipe == Recipe("lecture", hidden=4, steps=3, **UNUSUAL)
    saved = ["--recipe", "runs/lecture-001/recipe.json"]
    assert main([*train, *saved, "--set=split_seed=null"]) == 0
    assert npnet.load_run("runs/lecture-002").recipe.split_seed is None


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("batch", 1, "Bessel"),
        ("block_size", 0, "1 or more"),
        ("hidden", -3, "1 or more"),
        ("hidden", 2.5, "whole number"),
        ("hidden", True, "whole number"),
        ("steps", 0, "1 or more"),
        ("steps", 10**15, r"below 2\^31"),
        ("batch", 2**31, r"below 2\^31"),
        ("seed", 2**64, "torch"),
        ("sample_seed", -(2**63) - 1, "torch"),
        ("rates", ((0, -0.1),), "0 or more"),
        ("rates", ((5, 0.1),), "from step 0"),
        ("rates", ((0, 0.1), (0, 0.2)), "rising"),
        ("rates", 0.1, "pairs"),
        ("rates", ((0, float("nan")),), "0 or more"),
        ("eps", -1e-5, "0 or a little more"),
        ("eps", "tiny", "a number"),
        ("momentum", 0, "above 0"),
        ("momentum", 1.5, "at most 1"),
        ("statistics", "mean", "whole-set"),
        ("dtype", "float16", "float64"),
        ("name", "", "a name"),
        ("name", 7, "text"),
        ("name", "a\nb", "printable"),
        ("name", "\ud800", "printable"),
        ("name", "x" * 61, "at most 60"),
        ("draws", (Draw("C"),), "once"),
        ("draws", 5, "entries"),
        ("draws", [{"name": "C", "sclae": []}], "unknown key 'sclae', did you mean scale?"),
        ("draws", ["C"], "some of name, scale"),
        ("shuffles", -1, "0 to 1000"),
        ("shuffles", 1001, "0 to 1000"),
        ("hidden", np.zeros(2, int), "whole number"),
        ("eps", 1e39, "0 or a little more"),
        ("split", "rows", "words, examples"),
        ("split_seed", 3, 'split = "examples" with it, or'),
        ("split_seed", 2**64, "torch"),
        ("batch_over", 0, "1 or more"),
        ("batch_over", 2**31, r"below 2\^31"),
        ("batch_once", 1, "true or false"),
        ("batch_first", "yes", "true or false"),
        ("decay", 0, "above 0"),
        ("decay", 1.01, "range of numbers"),
        ("decay", float("inf"), "range of numbers"),
        ("training_statistics", "mean", "batch, running"),
        ("training_statistics", "running", "running-var or running-std with it"),
    ],
)
def test_an_impossible_value_is_refused_by_field(field: str, value: Any, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        dataclasses.replace(npnet.RECIPES["lecture"], **{field: value})
    assert str(caught.value).startswith(field)


@pytest.mark.parametrize("digits", [400, 5000])  # beyond float64; beyond what Python writes out
@pytest.mark.parametrize("field", ["hidden", "shuffle_seed", "eps", "decay", "batch_over", "rates"])
def test_a_number_of_any_length_is_refused_by_field(field: str, digits: int) -> None:
    value: Any = [[0, 10**digits]] if field == "rates" else 10**digits
    with pytest.raises(InputError, match=f"^{field}: got .{{5,150}}, wanted"):
        dataclasses.replace(npnet.RECIPES["lecture"], **{field: value})
    with pytest.raises(InputError, match="C has the constant"):
        Draw("C", constant=10**digits)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no JSON"),
        ("[" * 10**5, "no JSON"),
        ("[]", "object"),
        ('{"width": 3}', "unknown field 'width'"),
    ],
)
def test_json_that_is_no_recipe_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Recipe.from_json(text)


def test_fields_left_out_of_json_take_their_defaults() -> None:
    assert Recipe.from_json('{"name": "x"}') == Recipe("x")


def test_the_rate_holds_until_the_next_pair() -> None:
    recipe = Recipe("x", rates=((0, 0.5), (3, 0.25), (10, 0.125)))
    assert [recipe.rate(step) for step in (0, 2, 3, 9, 10, 999)] == [
        0.5,
        0.5,
        0.25,
        0.25,
        0.125,
        0.125,
    ]


def test_the_rate_decays_at_every_step() -> None:
    recipe = Recipe("x", rates=((0, 0.5), (3, 0.25)), decay=0.5, steps=5)
    assert [recipe.rate(step) for step in range(5)] == [0.5, 0.25, 0.125, 1 / 32, 1 / 64]


@pytest.mark.parametrize(
    ("recipe", "trained"),
    [("lecture", 12_297), ("lecture-64", 4_137), ("part3", 12_097), ("frozen-b1", 12_097)],
)
def test_the_trained_numbers_are_as_many_as_published(recipe: str, trained: int) -> None:
    params = npnet.draw_parameters(npnet.RECIPES[recipe], 27, npnet.Generator(0))
    assert sum(params[name].size for name in npnet.RECIPES[recipe].trained) == trained


def test_scales_round_after_every_operation() -> None:
    normals = npnet.Generator(3).randn(1000)
    scaled = Draw("W1", ("* 5/3", "/ sqrt(fan_in)", "+ 1", "- 2e-1")).scaled(normals, fan_in=30)
    by_hand = normals * np.float32(5 / 3)
    by_hand = by_hand / np.float32(30**0.5)
    by_hand = by_hand + np.float32(1)
    by_hand = by_hand - np.float32(0.2)
    assert scaled.dtype == np.float32
    assert np.array_equal(scaled, by_hand)
    assert np.array_equal(Draw("C", ("/ fan_in",)).scaled(normals, 7), normals / np.float32(7))


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "W3"},
        {"name": "C", "scale": ("** 2",)},
        {"name": "C", "scale": ("/ 0",)},
        {"name": "C", "scale": ("* 1/0",)},
        {"name": "C", "scale": ("* __import__('os')",)},
        {"name": "C", "scale": ("* 1",), "constant": 1.0},
        {"name": "C", "constant": float("inf")},
        {"name": "C", "constant": "1"},
        {"name": "C", "constant": 1e39},
        {"name": "C", "scale": ("* 1e39",)},
        {"name": "C", "scale": ("/ 1e-60",)},
        {"name": "C", "constant": 1.0, "seed": 3},
        {"name": "C", "scale": "* 0.1"},
        {"name": "C", "scale": (0.1,)},
        {"name": "C", "trained": "no"},
        {"name": "C", "seed": 2**64},
        {"name": "C", "seed": 1.0},
        {"name": "C", "shape": (27, 10)},
        {"name": "noise", "shape": ()},
        {"name": "noise", "shape": (3, 0)},
        {"name": "noise", "shape": (MOST_NUMBERS + 1,)},
        {"name": "noise", "shape": (3,), "constant": 1.0},
        {"name": "C", "seed": 1, "skip": -1},
        {"name": "C", "seed": 1, "skip": MOST_SKIPPED},
        {"name": "C", "skip": 5},
    ],
)
def test_a_draw_that_makes_no_sense_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"^draws: "):
        Draw(**arguments)  # type: ignore[arg-type]


def test_parameters_are_drawn_in_the_recipes_order() -> None:
    lecture = npnet.RECIPES["lecture"]
    backwards = dataclasses.replace(lecture, draws=lecture.draws[::-1])
    first = npnet.draw_parameters(backwards, 27, npnet.Generator(1))
    scaled = lecture.draws[-1].scaled(npnet.Generator(1).randn(1, 200), 1)
    assert np.array_equal(first.bnbias, scaled)


def test_an_undrawn_constant_takes_nothing_from_the_generator() -> None:
    constant = npnet.RECIPES["constant-gain"]
    used, untouched = npnet.Generator(1), npnet.Generator(1)
    params = npnet.draw_parameters(constant, 27, used)
    assert (params.bngain == np.float32(1.1)).all()
    for shape in ((27, 10), (30, 200), (200,), (200, 27), (27,)):
        untouched.randn(*shape)
    assert used.randint(0, 1000, (5,)).tolist() == untouched.randint(0, 1000, (5,)).tolist()


def test_draws_of_one_seed_share_a_generator_that_leaves_the_runs_alone() -> None:
    lecture = npnet.RECIPES["lecture"]
    seeds = {"C": 5, "W2": 5, "b2": lecture.seed}
    draws = tuple(dataclasses.replace(d, seed=seeds.get(d.name)) for d in lecture.draws)
    run = npnet.Generator(lecture.seed)
    params = npnet.draw_parameters(dataclasses.replace(lecture, draws=draws), 27, run)
    other, own, third = (npnet.Generator(seed) for seed in (5, lecture.seed, lecture.seed))
    assert np.array_equal(params.C, other.randn(27, 10))
    assert np.array_equal(params.W2, other.randn(200, 27) * np.float32(0.1))
    assert np.array_equal(params.b2, third.randn(27) * np.float32(0.1))
    for shape in ((30, 200), (200,), (1, 200), (1, 200)):
        own.randn(*shape)
    assert run.randint(0, 1000, (5,)).tolist() == own.randint(0, 1000, (5,)).tolist()


def test_float64_parameters_are_float32_draws_widened() -> None:
    recipe = npnet.RECIPES["lecture"]
    narrow = npnet.draw_parameters(recipe, 27, npnet.Generator(5))
    wide = npnet.draw_parameters(
        dataclasses.replace(recipe, dtype="float64"), 27, npnet.Generator(5)
    )
    assert wide.dtype == np.float64
    assert all(np.array_equal(wide[name], narrow[name]) for name in wide)


def test_recipe_json_is_plain() -> None:
    assert json.loads(npnet.RECIPES["part3"].to_json())["draws"][1]["scale"] == [
        "* 5/3",
        "/ sqrt(fan_in)",
    ]


def test_a_found_seed_goes_to_the_lost_draws_alone() -> None:
    lecture = npnet.RECIPES["lecture"]
    seeds: dict[str, int | str] = {"b1": 5, "bngain": "lost", "bnbias": "lost"}
    draws = tuple(dataclasses.replace(d, seed=seeds.get(d.name)) for d in lecture.draws)
    lost = dataclasses.replace(lecture, draws=draws)
    assert lost.lost == ("bngain", "bnbias")
    for skip in (0, 560):
        found = lost.found(17849371, skip)
        assert found.lost == ()
        assert {d.name: (d.seed, d.skip) for d in found.draws if d.seed is not None} == {
            "b1": (5, None),
            "bngain": (17849371, skip or None),
            "bnbias": (17849371, None),
        }


def test_the_recipe_of_indian_names_has_its_notebooks_seeds() -> None:
    recipe = npnet.RECIPES["indian-names"]
    assert (recipe.seed, recipe.shuffle_seed, recipe.hidden) == (6942069420, 69, 64)


@pytest.mark.parametrize("field", ["eps", "decay", "momentum"])
@pytest.mark.parametrize("value", [True, False, "0.5", None, [0.5], object()])
def test_a_number_is_no_bool_and_no_text(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^{field}: got .*, wanted a number"):
        dataclasses.replace(npnet.RECIPES["lecture"], **{field: value})


def test_a_draw_may_reach_its_bounds() -> None:
    assert Draw("noise", shape=(MOST_NUMBERS,)).shape == (MOST_NUMBERS,)
    assert Draw("C", seed=1, skip=MOST_SKIPPED - 1).skip == MOST_SKIPPED - 1


@pytest.mark.parametrize(
    ("field", "least"),
    [("hidden", 1), ("steps", 1), ("batch", 2), ("embedding", 1), ("block_size", 1)],
)
def test_counts_have_a_least_and_stay_below_2_to_the_31(field: str, least: int) -> None:

    def made(count: Any) -> Recipe:
        return dataclasses.replace(npnet.RECIPES["lecture"], **{field: count})

    for fits in (least, 2**31 - 1):
        assert getattr(made(fits), field) == fits
    for beyond in (least - 1, 2**31):
        wanted = rf"^{field}: got {beyond}, wanted {least} or more, below 2\^31"
        with pytest.raises(InputError, match=wanted):
            made(beyond)


@pytest.mark.parametrize("steps", [1, 49, 50, 51, 100, 101])
def test_a_formula_of_the_rate_is_tried_at_the_last_step(steps: int) -> None:
    lecture = dataclasses.replace(npnet.RECIPES["lecture"], steps=steps)
    good = dataclasses.replace(lecture, rates=f"{steps} - 1 - i")
    assert good.rate(steps - 1) == 0
    with pytest.raises(InputError, match=f"rates of 0 or more: at step {steps - 1} it is -0.5"):
        dataclasses.replace(lecture, rates=f"{steps} - 1.5 - i")


def test_a_formula_that_gives_an_infinite_rate_is_refused() -> None:
    with pytest.raises(InputError, match="at step 0 it is inf"):
        dataclasses.replace(npnet.RECIPES["lecture"], rates="1e308 * (i + 10)")
