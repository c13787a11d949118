"""The methods of a generator, its state, and its errors: all without torch."""

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest
from conftest import frozen

from npnet.base.errors import InputError
from npnet.torch_rng.generator import Generator

# Draws


def test_seeds_with_the_same_low_32_bits_share_a_stream_but_not_a_name() -> None:
    seeds: list[Any] = [-1, 2**32 - 1, 2**64 - 1, np.int64(-1), np.uint64(2**64 - 1)]
    for seed in seeds:
        assert Generator(seed).rand(5).tobytes() == Generator(2**32 - 1).rand(5).tobytes()
        assert Generator(seed).seed == int(seed) % 2**64
        assert type(Generator(seed).seed) is int


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.dtype("float32")])
@pytest.mark.parametrize("name", ["rand", "randn", "exponential"])
def test_shapes_are_sizes_or_one_tuple_and_none_means_no_axes(name: str, dtype: Any) -> None:
    for sizes in ((), (3,), (27, np.int32(10)), (2, 0, 3)):
        apart = getattr(Generator(5), name)(*sizes, dtype=dtype)
        together = getattr(Generator(5), name)(sizes, dtype=dtype)
        assert apart.tobytes() == together.tobytes()
        assert apart.shape == together.shape == sizes
        assert apart.dtype == together.dtype == dtype
        assert isinstance(apart, np.ndarray)


def test_randint_takes_a_size_or_a_shape() -> None:
    assert Generator(5).randint(0, 9, 6).tolist() == Generator(5).randint(0, 9, (6,)).tolist()
    assert Generator(5).randint(0, 9, ()).shape == ()


def test_minibatches_of_many_steps_can_be_drawn_at_once() -> None:
    step_by_step, at_once = Generator(2147483647), Generator(2147483647)
    steps = [step_by_step.randint(0, 182625, (32,)) for _ in range(1100)]
    np.testing.assert_array_equal(np.stack(steps), at_once.randint(0, 182625, (1100, 32)))


def test_the_second_normal_of_a_pair_starts_the_next_draw() -> None:
    first, second = Generator(3).randn(2, dtype=np.float64)
    g = Generator(3)
    assert g.randn(1, dtype=np.float64) == first
    g.randn(16)
    g.randn(0)
    g.rand(3)
    assert g.randn() == np.float32(second)
    assert g.get_state()["has_spare"] is False


def test_one_class_is_an_int_and_a_stated_number_of_them_an_array() -> None:
    probs = frozen([0.1, 0.2, 0.7])
    one = Generator(3).multinomial(probs)
    assert type(one) is int
    assert Generator(3).multinomial(probs, replacement=True) == one
    assert Generator(3).multinomial(probs, 1).tolist() == [one]
    rows = Generator(3).multinomial(frozen([[0.1, 0.2, 0.7]] * 4))
    assert rows.shape == (4, 1)
    assert rows[0, 0] == one


def test_no_rows_of_probabilities_give_no_rows_of_classes() -> None:
    assert Generator(3).multinomial(np.ones((0, 3)), 2).shape == (0, 2)


def test_there_may_be_as_many_classes_as_the_bound_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npnet.torch_rng.multinomial.MOST_CLASSES", 3)
    assert Generator(3).multinomial(ONES) < 3
    with pytest.raises(InputError, match="with V from 1 to 3"):
        Generator(3).multinomial(frozen([1, 1, 1, 1]))


def test_classes_drawn_without_replacement_differ_and_none_has_probability_0() -> None:
    for seed in range(50):
        picked = Generator(seed).multinomial(frozen([0, 1, 2, 0, 3]), 3)
        assert sorted(picked) == [1, 2, 4]


# State


def through_npz(state: dict[str, Any]) -> Any:
    file = io.BytesIO()
    np.savez(file, **state)
    file.seek(0)
    return dict(np.load(file, allow_pickle=False))


@pytest.mark.parametrize("travel", [dict, through_npz])
@pytest.mark.parametrize("before", [0, 1, 15, 16, 1000])
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_a_generator_goes_on_from_a_state(seed: int, before: int, travel: Any) -> None:
    g, other = Generator(seed), Generator(5)
    other.randn(1)
    g.randn(before)
    g.rand(before)
    other.set_state(travel(g.get_state()))
    assert other.seed == seed
    for name, size in (("randn", 3), ("rand", 700), ("randn", 2)):
        assert getattr(other, name)(size).tobytes() == getattr(g, name)(size).tobytes()


def test_a_state_is_a_snapshot() -> None:
    g = Generator(1)
    state = g.get_state()
    first = g.rand(1000).tobytes()
    g.set_state(state)
    assert g.rand(1000).tobytes() == first


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_copies_go_on_alone(copied: Any) -> None:
    g = Generator(8)
    g.randn(1)
    twin = copied(g)
    expected = g.randn(30).tobytes(), g.randn(1).tobytes()
    assert (twin.randn(30).tobytes(), twin.randn(1).tobytes()) == expected
    assert twin.seed == 8


# Refusals

REFUSED_SEEDS = [2**64, -(2**63) - 1, True, np.True_, 1.0, "1", None]


@pytest.mark.parametrize("seed", REFUSED_SEEDS)
def test_a_seed_that_torch_refuses_is_refused(seed: Any) -> None:
    with pytest.raises(InputError, match=r"Generator: seed .*, wanted a whole number from -9223"):
        Generator(seed)


ONES = np.ones(3, np.float32)
REFUSED: list[tuple[str, tuple[Any, ...], str]] = [
    ("rand", (-1,), "rand: size -1, wanted a whole number from 0"),
    ("rand", (2, 1.0), "rand: size 1.0"),
    ("rand", (2**63,), "rand: size 9223372036854775808"),
    ("rand", (2**63 - 1,), "rand: shape .* draw fewer"),
    ("randn", (True,), "randn: size True"),
    ("randn", ((2, 3), 4), r"randn: size \(2, 3\)"),
    ("randn", (3, np.float64), "randn: size <class"),
    ("exponential", (2**62, 2**62), "exponential: shape .* draw fewer"),
    ("rand", (1,) * 65, "rand: shape .* draw fewer"),
    ("randint", (5, 5, (3,)), "randint: high 5, wanted a whole number from 6"),
    ("randint", (5, 5, (0,)), "randint: high 5"),
    ("randint", (0, 2**63, 3), "randint: high 9223372036854775808"),
    ("randint", (-(2**63) - 1, 5, 3), "randint: low -9223372036854775809"),
    ("randint", (2**63 - 1, 2**63, 3), "randint: low 9223372036854775807"),
    ("randint", (0, 2.5, 3), "randint: high 2.5"),
    ("randint", (0, 5, (-3,)), "randint: size -3"),
    ("randperm", (-1,), "randperm: n -1"),
    (
        "randperm",
        (214_748_364,),
        "randperm: n 214748364, wanted a whole number from 0 to 214748363",
    ),
    ("multinomial", ([0.5, 0.5],), "multinomial: probs a list, wanted a float32"),
    ("multinomial", (np.ones(3, int),), r"multinomial: probs \(3,\) int64, wanted a float32"),
    ("multinomial", (np.ones(3, np.float16),), r"multinomial: probs \(3,\) float16"),
    ("multinomial", (np.float32(1),), "multinomial: probs .*float32"),
    ("multinomial", (np.ones((), np.float32),), r"multinomial: probs \(\) float32"),
    ("multinomial", (np.ones((1, 1, 1)),), r"multinomial: probs \(1, 1, 1\)"),
    ("multinomial", (np.ones((2, 0)),), r"multinomial: probs \(2, 0\)"),
    ("multinomial", (np.broadcast_to(1.0, 2**24 + 1),), "with V from 1 to 16777216"),
    ("multinomial", (frozen([0, 0]),), "from 0.0 to 0.0, wanted .* one above 0"),
    ("multinomial", (frozen([[0, 1], [0, 0]]), 1), "one above 0 in every row"),
    ("multinomial", (frozen([0.5, -0.5]),), "from -0.5 to 0.5, wanted .* none below 0"),
    ("multinomial", (frozen([0.5, np.inf]),), "from 0.5 to inf, wanted finite"),
    ("multinomial", (frozen([0.5, np.nan]),), "from nan to nan, wanted finite"),
    ("multinomial", (frozen([0.5, np.nan]), 2, True), "from nan to nan, wanted finite"),
    ("multinomial", (ONES, 0), "multinomial: num_samples 0, wanted a whole number from 1"),
    ("multinomial", (ONES, -1, True), "multinomial: num_samples -1"),
    ("multinomial", (ONES, 2**63, True), "multinomial: num_samples 9223372036854775808"),
    ("multinomial", (ONES, 2**63 - 1, True), "rand: shape .* draw fewer"),
    ("multinomial", (ONES, 2.0), "multinomial: num_samples 2.0"),
    ("multinomial", (ONES, 4), "4 draws without replacement, wanted at most 3"),
    ("multinomial", (frozen([1, 0, 1]), 3), "wanted at most 2, the number of classes"),
    ("multinomial", (frozen([[1, 1], [1, 0]]), 2), "wanted at most 1"),
    ("set_state", (None,), "set_state: NoneType, wanted a mapping with seed, key"),
    ("set_state", ({"key": 1},), r"set_state: \['key'\], wanted a mapping with seed, key"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), REFUSED)
def test_what_cannot_be_drawn_is_refused_and_nothing_is_drawn(
    name: str, arguments: tuple[Any, ...], message: str
) -> None:
    g = Generator(1)
    g.randn(1)
    with pytest.raises(InputError, match=message):
        getattr(g, name)(*arguments)
    untouched = Generator(1)
    untouched.randn(1)
    assert pickle.dumps(g.get_state()) == pickle.dumps(untouched.get_state())


@pytest.mark.parametrize("dtype", [None, np.int64, np.float16, "float32", np.dtype(">f4"), float])
@pytest.mark.parametrize("name", ["rand", "randn", "exponential"])
def test_only_two_dtypes_are_drawn(name: str, dtype: Any) -> None:
    with pytest.raises(InputError, match=f"{name}: dtype .*, wanted np.float32 or np.float64"):
        getattr(Generator(1), name)(3, dtype=dtype)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", -1, "seed .*-1"),
        ("seed", 2**64, "seed"),
        ("seed", 1.5, "seed"),
        ("pos", 0, "pos .*0.*, wanted a whole number from 1 to 624"),
        ("pos", 625, "pos"),
        ("pos", True, "pos"),
        ("key", np.zeros(623, np.uint32), r"key \(623,\) uint32, wanted \(624,\) uint32"),
        ("key", np.zeros(624, np.uint64), r"key \(624,\) uint64"),
        ("key", "words", "key"),
        ("has_spare", 1, "has_spare"),
        ("spare", np.nan, "spare .*nan"),
        ("spare", "0.5", "spare"),
    ],
)
def test_an_impossible_state_is_refused_and_the_old_one_kept(
    name: str, value: Any, message: str
) -> None:
    g = Generator(1)
    state = Generator(2).get_state()
    with pytest.raises(InputError, match=f"set_state: .*{message}"):
        g.set_state(state | {name: value})
    assert pickle.dumps(g.get_state()) == pickle.dumps(Generator(1).get_state())
