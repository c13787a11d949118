"""``npnet.Generator`` gives torch's numbers: against the installed torch, and against figures.

A draw is written as a plain list, ``["randn", [3, 5], "float32"]``, so that the same one can be
made by npnet, by torch, and be kept in ``generator_figures.json`` for a machine without torch.
"""

import hashlib
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import frozen
from hypothesis import given
from hypothesis import strategies as st

from npnet.base.arrays import Array
from npnet.torch_rng import cephes
from npnet.torch_rng.generator import Generator

SEEDS = [0, 1, -1, 42, 2147483647, 6942069420, 2**32, 2**32 + 1, 2**63, -(2**63), 2**64 - 1]
FLOATS = ["float32", "float64"]
SIZES = [*range(21), 31, 32, 33, 1000]
SPANS = [(0, 1), (0, 27), (-5, 2**28 - 6), (-5, 2**28 - 5), (0, 2**32 - 1), (7, 2**32 + 7)]
SPANS += [(0, 2**40 + 1), (0, 2**63 - 1), (-(2**62), 2**62), (-(2**63), 2**63 - 1)]
FIGURES = json.loads(Path(__file__).with_name("generator_figures.json").read_text())

# What torch.Generator().get_state() holds.
TORCH_STATE = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("key", "<u8", (624,)),
        ("unused_1", "<f8"),
        ("spare", "<f8"),
        ("unused_2", "<f8"),
        ("has_spare", "<i4"),
        ("unused_3", "V12"),
    ]
)


def import_torch() -> Any:
    torch = pytest.importorskip("torch")
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        pytest.skip("torch runs neither its AVX2 nor its AVX-512 kernels here: other last bits")
    return torch


def drawn(g: Any, draw: list[Any]) -> Any:
    match draw:
        case ["randint", low, high, shape]:
            return g.randint(low, high, tuple(shape))
        case ["randperm", n]:
            return g.randperm(n)
        case ["multinomial", weights, dtype, count, replacement]:
            return g.multinomial(frozen(weights, dtype), count, replacement)
        case [name, shape, dtype]:
            return getattr(g, name)(*shape, dtype=getattr(np, dtype))
    raise AssertionError(draw)


def drawn_by_torch(g: Any, draw: list[Any]) -> Any:
    torch = import_torch()
    match draw:
        case ["randint", low, high, shape]:
            return torch.randint(low, high, shape, generator=g).numpy()
        case ["randperm", n]:
            return torch.randperm(n, generator=g).numpy()
        case ["multinomial", weights, dtype, count, replacement]:
            probs = torch.tensor(weights, dtype=getattr(torch, dtype))
            return torch.multinomial(probs, count, replacement, generator=g).numpy()
        case ["exponential", shape, dtype]:
            return torch.empty(shape, dtype=getattr(torch, dtype)).exponential_(generator=g).numpy()
        case [name, shape, dtype]:
            return getattr(torch, name)(shape, dtype=getattr(torch, dtype), generator=g).numpy()
    raise AssertionError(draw)


def ulps(draw: list[Any]) -> int:
    """The allowed difference of the two, in units of the last place."""
    return {"randn": 2, "exponential": 1}.get(draw[0], 0) if draw[-1] == "float64" else 0


def assert_same(ours: Array, theirs: Array, draw: list[Any]) -> None:
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), draw
    if ulps(draw):
        np.testing.assert_array_max_ulp(ours, theirs, ulps(draw))
    else:
        assert ours.tobytes() == theirs.tobytes(), draw


def torch_generator(seed: int) -> Any:
    return import_torch().Generator().manual_seed(seed)


def torch_generator_in(state: dict[str, Any]) -> Any:
    torch = import_torch()
    record = np.zeros(1, TORCH_STATE)
    for name in ("seed", "key", "has_spare", "spare"):
        record[name] = state[name]
    record["left"], record["next"], record["seeded"] = 625 - state["pos"], state["pos"], 1
    generator = torch.Generator()
    generator.set_state(torch.from_numpy(record.view(np.uint8)))
    return generator


def assert_same_state(g: Generator, t: Any) -> None:
    theirs = t.get_state().numpy().view(TORCH_STATE)[0]
    state = g.get_state()
    np.testing.assert_array_equal(state["key"], theirs["key"])
    assert state["pos"] == 625 - theirs["left"]
    assert state["has_spare"] == bool(theirs["has_spare"])
    np.testing.assert_array_max_ulp(np.float64(state["spare"]), theirs["spare"], 2)


def state_giving(words: Array) -> dict[str, Any]:
    """The state whose next words are these, at most 623: MT19937's tempering undone."""
    y = np.zeros(624, np.uint32)
    y[1 : 1 + len(words)] = words
    y ^= y >> np.uint32(18)
    y ^= (y << np.uint32(15)) & np.uint32(0xEFC60000)
    once = y.copy()
    for _ in range(4):
        y = once ^ ((y << np.uint32(7)) & np.uint32(0x9D2C5680))
    once = y.copy()
    for _ in range(2):
        y = once ^ (y >> np.uint32(11))
    return {"seed": 1, "key": y, "pos": 1, "has_spare": False, "spare": 0.0}


def generators_giving(words: Any) -> tuple[Generator, Any]:
    state = state_giving(np.asarray(words, np.uint32))
    g = Generator(0)
    g.set_state(state)
    return g, torch_generator_in(state)


def recorded(values: Array) -> list[Any] | str:
    """How a result is kept in the figures: its numbers, floats in hex, or a digest of its bytes."""
    if values.size > 20:
        return hashlib.sha256(values.astype(values.dtype.newbyteorder("<")).tobytes()).hexdigest()
    numbers = values.reshape(-1).tolist()
    return [number.hex() if isinstance(number, float) else number for number in numbers]


# The figures


@pytest.mark.parametrize("run", FIGURES["runs"], ids=lambda run: f"seed {run['seed']}")
def test_a_seed_gives_the_committed_figures(run: dict[str, Any]) -> None:
    g = Generator(run["seed"])
    for draw, figures in run["draws"]:
        ours = drawn(g, draw)
        if ulps(draw):
            theirs = np.array([float.fromhex(figure) for figure in figures]).reshape(ours.shape)
            assert_same(ours, theirs, draw)
        else:
            assert recorded(ours) == figures, draw


@pytest.mark.parametrize("run", FIGURES["runs"], ids=lambda run: f"seed {run['seed']}")
def test_the_committed_figures_are_those_of_the_installed_torch(run: dict[str, Any]) -> None:
    t = torch_generator(run["seed"])
    for draw, figures in run["draws"]:
        assert recorded(drawn_by_torch(t, draw)) == figures, draw


# Against the installed torch


@pytest.mark.parametrize("seed", SEEDS)
def test_every_size_and_dtype_is_torchs(seed: int) -> None:
    g, t = Generator(seed), torch_generator(seed)
    assert g.seed == t.initial_seed()
    for size in SIZES:
        for dtype in FLOATS:
            for name in ("rand", "exponential", "randn"):
                draw = [name, [size], dtype]
                assert_same(drawn(g, draw), drawn_by_torch(t, draw), draw)
        for draw in (["randint", *SPANS[size % len(SPANS)], [size]], ["randperm", size]):
            assert_same(drawn(g, draw), drawn_by_torch(t, draw), draw)
    assert_same_state(g, t)


@pytest.mark.parametrize("name", ["rand", "randn", "exponential"])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("seed", [7, 2147483647, 2**64 - 1])
def test_draws_longer_than_a_piece_are_torchs(name: str, dtype: str, seed: int) -> None:
    g, t = Generator(seed), torch_generator(seed)
    for shape in ([32768], [32769], [16, 4097], [100003]):
        draw = [name, shape, dtype]
        assert_same(drawn(g, draw), drawn_by_torch(t, draw), draw)
    assert_same_state(g, t)


@pytest.mark.parametrize(("low", "high"), SPANS)
def test_randint_is_torchs_for_every_kind_of_span(low: int, high: int) -> None:
    g, t = Generator(11), torch_generator(11)
    for size in (1, 623, 40000, 100003):
        draw = ["randint", low, high, [size]]
        assert_same(drawn(g, draw), drawn_by_torch(t, draw), draw)
    assert_same_state(g, t)


@pytest.mark.parametrize("n", [2, 3, 50, 32768, 32769, 32770, 70000, 100003])
def test_randperm_is_torchs(n: int) -> None:
    g, t = Generator(n), torch_generator(n)
    assert_same(drawn(g, ["randperm", n]), drawn_by_torch(t, ["randperm", n]), ["randperm", n])
    assert_same_state(g, t)


def spans() -> st.SearchStrategy[list[int]]:
    ends = st.tuples(
        st.integers(-(2**63), 2**63 - 2),
        st.integers(1, 2**64 - 1) | st.sampled_from([1, 27, 2**28 - 1, 2**28, 2**32, 2**63]),
    )
    return ends.map(lambda pair: [pair[0], min(pair[0] + pair[1], 2**63 - 1)])


def multinomials() -> st.SearchStrategy[list[Any]]:
    # Few classes: in float32 two of n equal each other in p / q about once in 2^25 / n^2 races.
    @st.composite
    def build(draw: st.DrawFn) -> list[Any]:
        rows, classes = draw(st.integers(0, 3)), draw(st.integers(1, 8))
        row = st.lists(st.integers(0, 9), min_size=classes, max_size=classes).filter(any)
        weights = draw(st.lists(row, min_size=rows, max_size=rows)) if rows else draw(row)
        most = int(np.count_nonzero(weights, axis=-1).min())
        replacement = draw(st.booleans())
        count = draw(st.integers(1, 30 if replacement else most))
        return ["multinomial", weights, draw(st.sampled_from(FLOATS)), count, replacement]

    return build()


SHAPES = st.lists(st.integers(0, 9), max_size=3) | st.sampled_from(
    [[15], [16], [17], [31], [32], [33], [27, 10], [624], [1000]]
)
DRAWS = st.one_of(
    st.tuples(
        st.sampled_from(["rand", "randn", "exponential"]), SHAPES, st.sampled_from(FLOATS)
    ).map(list),
    st.tuples(spans(), SHAPES).map(lambda both: ["randint", *both[0], both[1]]),
    st.integers(0, 100).map(lambda n: ["randperm", n]),
    multinomials(),
)


@given(st.sampled_from(SEEDS) | st.integers(-(2**63), 2**64 - 1), st.lists(DRAWS, max_size=12))
def test_any_sequence_of_draws_is_torchs_and_ends_in_its_state(
    seed: int, draws: list[list[Any]]
) -> None:
    g, t = Generator(seed), torch_generator(seed)
    for draw in draws:
        assert_same(drawn(g, draw), drawn_by_torch(t, draw), draw)
    assert_same_state(g, t)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("classes", [27, 1000])
def test_classes_picked_one_by_one_and_row_by_row_are_torchs(classes: int, dtype: str) -> None:
    g, t = Generator(3), torch_generator(3)
    rows = Generator(4).rand(200, classes)
    for row in rows[:100].tolist():
        draw = ["multinomial", row, dtype, 1, False]
        assert_same(drawn(g, draw), drawn_by_torch(t, draw), draw)
    for draw in (
        ["multinomial", rows.tolist(), dtype, 1, False],
        ["multinomial", rows.tolist(), dtype, 50, True],
    ):
        assert_same(drawn(g, draw), drawn_by_torch(t, draw), draw)
    assert_same_state(g, t)


# Chosen words: what seeds hardly ever reach


def torch_normals(words: Array) -> Array:
    """Torch's long float32 normals, (n, 16), from these words, (n, 16)."""
    torch = import_torch()
    blocks = np.zeros((-(-len(words) // 38), 38 * 16), np.uint32)  # 38 blocks fit into a state
    blocks.reshape(-1, 16)[: len(words)] = words
    for block in blocks:
        t = torch_generator_in(state_giving(block))
        block.view(np.float32)[:] = torch.randn(block.size, generator=t).numpy()
    return blocks.view(np.float32).reshape(-1, 16)[: len(words)]


@pytest.mark.parametrize("step", [61, pytest.param(1, marks=pytest.mark.slow)])
def test_radius_sine_and_cosine_are_torchs_for_every_uniform(step: int) -> None:
    # A uniform of 6601320 / 2^24 has the radius 1, which leaves cosine and sine as they are.
    assert cephes.log(1 - frozen([6601320 / 2**24])) == -0.5
    for start in range(0, 2**24, 2**20):
        words = np.arange(start, start + 2**20, 8 * step)[:, None] + step * np.arange(8)
        words %= 2**24
        u = words.astype(np.float32) / np.float32(2**24)
        sine, cosine = cephes.sin_cos(np.float32(2 * np.pi) * u)
        theirs = torch_normals(np.hstack([np.full_like(words, 6601320), words]))
        np.testing.assert_array_equal(np.hstack([cosine, sine]), theirs)
        theirs = torch_normals(np.hstack([words, np.zeros_like(words)]))
        np.testing.assert_array_equal(np.sqrt(-2 * cephes.log(1 - u)), theirs[:, :8])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "words", [[0] * 623, [2**32 - 1] * 623, [2**20, 0, 0, 0] * 155, [0] * 8 + [2**23] * 600]
)
@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 100])
def test_the_ends_of_the_uniform_range_are_torchs_and_no_zero_is_negative(
    size: int, words: list[int], dtype: str
) -> None:
    for name in ("rand", "randn", "exponential"):
        g, t = generators_giving(words)
        ours = drawn(g, [name, [size], dtype])
        assert_same(ours, drawn_by_torch(t, [name, [size], dtype]), [name, [size], dtype])
        assert not np.signbit(ours[ours == 0]).any(), name


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("words", [[0] * 623, [5] * 623, [5, 5] + [0] * 600, [2**32 - 1] * 623])
@pytest.mark.parametrize("weights", [[3, 5, 0, 2], [0, 0, 3, 0, 3, 0], [1e-38, 3e38, 3e38, 1e-45]])
@pytest.mark.parametrize(("count", "replacement"), [(1, False), (2, True)])
def test_infinite_ratios_ties_and_overflowing_sums_choose_as_in_torch(
    count: int, replacement: bool, weights: list[float], words: list[int], dtype: str
) -> None:
    g, t = generators_giving(words)
    draw = ["multinomial", weights, dtype, count, replacement]
    with np.errstate(all="raise"):
        assert_same(drawn(g, draw), drawn_by_torch(t, draw), draw)


def test_classes_race_in_the_dtype_of_their_probabilities() -> None:
    # Two uniforms that float64 tells apart and float32 does not: the second is the smaller.
    for dtype, picked in (("float64", 1), ("float32", 0)):
        g = Generator(0)
        g.set_state(state_giving(np.array([2**20, 1, 2**20, 0])))
        assert g.multinomial(frozen([1, 1], dtype)) == picked


def test_of_equal_ratios_the_first_classes_are_taken() -> None:
    g = Generator(0)
    g.set_state(state_giving(np.full(600, 5)))
    assert g.multinomial(frozen([0, 1, 1, 0, 1, 1]), 3).tolist() == [1, 2, 4]


# Memory


@pytest.mark.parametrize("name", ["rand", "randn", "exponential", "randint"])
def test_a_long_draw_needs_little_memory_besides_its_result(name: str) -> None:
    n = 2**21 + 3
    draw = ["randint", 0, 2**40, [n]] if name == "randint" else [name, [n], "float32"]
    tracemalloc.start()
    array = drawn(Generator(1), draw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < array.nbytes + 3_000_000
