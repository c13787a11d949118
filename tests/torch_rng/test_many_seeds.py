"""The streams of many seeds at once are those that ``Generator`` draws, one by one."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet.base.arrays import Floats
from npnet.base.errors import InputError
from npnet.torch_rng.generator import Generator
from npnet.torch_rng.many_normals import NormalLayout
from npnet.torch_rng.many_seeds import Streams

SIZES = st.sampled_from([1, 2, 3, 5, 12, 15, 16, 17, 31, 32, 64, 100, 200])
SEED = st.integers(0, 2**32 - 1) | st.sampled_from([0, 1, 2**31, 2**32 - 1, 3033136719])
EDGES = [0, 226, 227, 228, 396, 397, 453, 454, 455, 622, 623, 624, 625, 1247, 1248, 3000]


def frozen_seeds(seeds: list[int]) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    array = np.array(seeds, np.uint32)
    array.flags.writeable = False
    return array


def words_one_by_one(seed: int, first: int, end: int) -> list[int]:
    uniforms = Generator(seed).rand(end).astype(np.float64) * 2**24  # the low 24 bits
    return [int(word) for word in uniforms[first:]]


def normals_one_by_one(
    seed: int, sizes: list[int], dtype: str, skip: int, before: list[int]
) -> Floats:
    g = Generator(seed)
    g.rand(skip)
    for size in before:
        g.randn(size, dtype=np.dtype(dtype))
    return np.concatenate([g.randn(size, dtype=np.dtype(dtype)) for size in sizes])


@given(
    st.lists(SEED, min_size=1, max_size=5),
    st.lists(
        st.tuples(st.sampled_from(EDGES) | st.integers(0, 4500), st.integers(0, 700)),
        min_size=1,
        max_size=4,
    ),
)
def test_chosen_words_are_generators_for_any_runs(
    seeds: list[int], spans: list[tuple[int, int]]
) -> None:
    streams = Streams([(first, first + count) for first, count in spans])
    words = streams.words(frozen_seeds(seeds)) & np.uint32(2**24 - 1)
    assert words.shape == (streams.count, len(seeds))
    for column, seed in enumerate(seeds):
        rows = [word for run in streams.runs for word in words_one_by_one(seed, *run)]
        assert words[:, column].tolist() == rows


def test_all_32_bits_of_the_words_are_the_engines() -> None:
    seeds = frozen_seeds([0, 5489, 2**32 - 1])
    words = Streams([(0, 2000)]).words(seeds)
    for column, seed in enumerate(seeds.tolist()):
        engine = np.random.MT19937(0)
        np.random.RandomState(engine).seed(seed)
        np.testing.assert_array_equal(words[:, column], engine.random_raw(2000))


@given(
    st.lists(SEED, min_size=1, max_size=4),
    st.lists(SIZES, min_size=1, max_size=4),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from(EDGES) | st.integers(0, 2000),
    st.lists(SIZES, max_size=4),
)
def test_normals_are_generators_for_any_sizes(
    seeds: list[int], sizes: list[int], dtype: str, skip: int, before: list[int]
) -> None:
    layout = NormalLayout(sizes, dtype, skip, before)
    streams = Streams(layout.runs)
    words = streams.words(frozen_seeds(seeds))
    exact = layout.exact_normals(streams, words)
    ours = np.stack([normals_one_by_one(s, sizes, dtype, skip, before) for s in seeds], 1)
    assert exact.dtype == dtype
    assert exact.tobytes() == ours.tobytes()
    fast = layout.fast_normals(streams, words)
    assert (np.abs(fast - ours) <= 2e-6 + 3e-6 * np.abs(ours)).all()


def test_normals_of_two_hundred_thousand_seeds_are_nearly_exact() -> None:
    layout = NormalLayout([17, 3, 64])
    streams = Streams(layout.runs)
    seeds = np.arange(2**32 - 2**17, 2**32, dtype=np.uint64).astype(np.uint32)
    words = streams.words(seeds)
    exact = layout.exact_normals(streams, words[:, :4096])
    fast = layout.fast_normals(streams, words)
    assert (np.abs(fast[:, :4096] - exact) <= 2e-6 + 3e-6 * np.abs(exact)).all()
    assert np.isfinite(fast).all()


def test_the_layout_ends_at_the_place_of_the_generator() -> None:
    for sizes in ([64, 64], [200, 200], [17, 5, 3, 1], [15], [16]):
        layout = NormalLayout(sizes, skip=7)
        g, after = Generator(11), Generator(11)
        g.rand(7)
        for size in sizes:
            g.randn(size)
        after.rand(layout.end)
        assert g.rand(3).tolist() == after.rand(3).tolist()


def test_streams_survive_a_pickle_and_another_number_of_seeds() -> None:
    streams = Streams([(100, 140), (700, 720)])
    first = streams.words(frozen_seeds([1, 2, 3]))
    again = pickle.loads(pickle.dumps(streams)).words(frozen_seeds([1, 2, 3]))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(streams.words(frozen_seeds([2])), first[:, 1:2])
    assert len(pickle.dumps(streams)) < 10_000


def test_words_that_were_not_asked_for_are_refused() -> None:
    streams = Streams([(3, 5), (5, 9), (20, 22)])
    assert [streams.row(word) for word in (3, 8, 21)] == [0, 5, 7]
    with pytest.raises(InputError, match="word 9"):
        streams.row(9)
    with pytest.raises(InputError, match="5 to 4"):
        Streams([(5, 4)])
