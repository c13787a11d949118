"""The methods with torch's names: reading torch's state, seeds, shifted draws."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import npnet.tensors as stand_in
from npnet import Generator, InputError

torch = pytest.importorskip("torch")

DRAWS = st.lists(
    st.sampled_from(["randn 3", "randn 1", "randn 20", "rand 7", "rand 700"]), max_size=6
)
FINITE = st.floats(-1e6, 1e6)


def draw(of: Any, kind: str) -> Any:
    """One draw, by npnet's generator or, given torch's, by torch."""
    name, size = kind.split()
    if isinstance(of, Generator):
        return getattr(of, name)(int(size))
    return getattr(torch, name)(int(size), generator=of).numpy()


@given(seed=st.integers(0, 2**63), before=DRAWS, after=DRAWS)
def test_the_state_of_torch_is_taken_over(seed: int, before: list[str], after: list[str]) -> None:
    theirs, ours = torch.Generator().manual_seed(seed), Generator(1)
    for kind in before:
        draw(theirs, kind)
    ours.set_state(theirs.get_state())
    assert ours.initial_seed() == theirs.initial_seed()
    for kind in [*after, "randn 1", "rand 800"]:
        np.testing.assert_array_equal(draw(ours, kind), draw(theirs, kind))


@given(seed=st.integers(0, 2**63), before=DRAWS)
def test_torch_takes_the_state_of_the_stand_in(seed: int, before: list[str]) -> None:
    theirs, ours = torch.Generator().manual_seed(seed), stand_in.Generator().manual_seed(seed)
    for kind in before:
        name, size = kind.split()
        getattr(stand_in, name)(int(size), generator=ours)
        draw(theirs, kind)
    state = ours.get_state().numpy()
    assert state.tobytes() == theirs.get_state().numpy().tobytes()
    other = torch.Generator().set_state(torch.from_numpy(state))
    np.testing.assert_array_equal(draw(other, "randn 5"), draw(theirs, "randn 5"))


@pytest.mark.parametrize("form", [bytes, bytearray, np.array])
def test_a_state_may_be_bytes_or_an_array(form: Any) -> None:
    state = torch.Generator().manual_seed(3).get_state().numpy()
    ours = Generator(1)
    ours.set_state(form(state))
    np.testing.assert_array_equal(ours.randn(40), Generator(3).randn(40))


STATE = torch.Generator().manual_seed(3).get_state().numpy()


def changed(place: int, byte: int) -> Any:
    state = STATE.copy()
    state[place] = byte
    return state


@pytest.mark.parametrize(
    ("state", "got"),
    [
        (STATE[:-1], "5,055 bytes"),
        (b"", "0 bytes"),
        (STATE.astype(np.int64), r"int64 of shape \(5056,\)"),
        (STATE[None], r"uint8 of shape \(1, 5056\)"),
        (changed(8, 0), "bytes that are not the state of a Mersenne Twister"),
        (changed(12, 0), "bytes that are not the state"),
        (changed(16, 7), "bytes that are not the state"),
        (changed(28, 1), "bytes that are not the state"),
    ],
)
def test_other_bytes_are_refused_and_change_nothing(state: Any, got: str) -> None:
    ours = Generator(1)
    with pytest.raises(InputError, match=f"set_state: got {got}.*, wanted the 5,056 bytes of"):
        ours.set_state(state)
    np.testing.assert_array_equal(ours.randn(20), Generator(1).randn(20))


def test_manual_seed_begins_anew_and_returns_itself() -> None:
    ours = Generator(1)
    ours.randn(3)
    assert ours.manual_seed(-5) is ours
    assert ours.initial_seed() == torch.Generator().manual_seed(-5).initial_seed() == 2**64 - 5
    np.testing.assert_array_equal(ours.randn(3), Generator(-5).randn(3))
    with pytest.raises(InputError, match=r"manual_seed: seed 1\.5, wanted a whole number"):
        ours.manual_seed(1.5)  # type: ignore[arg-type]


def test_randint_without_low_begins_at_0() -> None:
    theirs = torch.randint(27, (4, 5), generator=torch.Generator().manual_seed(2)).numpy()
    np.testing.assert_array_equal(Generator(2).randint(27, (4, 5)), theirs)
    np.testing.assert_array_equal(Generator(2).randint(0, 27, shape=(4, 5)), theirs)


@given(st.integers(0, 99), FINITE, st.floats(0, 1e6), st.integers(0, 70))
def test_normal_equals_torch_bit_for_bit(seed: int, mean: float, std: float, size: int) -> None:
    theirs = torch.empty(size).normal_(mean, std, generator=torch.Generator().manual_seed(seed))
    np.testing.assert_array_equal(Generator(seed).normal(mean, std, size), theirs.numpy())


@given(st.integers(0, 99), FINITE, FINITE, st.integers(0, 70))
def test_uniform_equals_torch_bit_for_bit(seed: int, one: float, other: float, size: int) -> None:
    low, high = sorted((one, other))
    theirs = torch.empty(size).uniform_(low, high, generator=torch.Generator().manual_seed(seed))
    np.testing.assert_array_equal(Generator(seed).uniform(low, high, (size,)), theirs.numpy())


def test_uniform_never_reaches_high_by_rounding() -> None:
    high = 1 + 2**-22
    theirs = torch.empty(99).uniform_(1, high, generator=torch.Generator().manual_seed(0)).numpy()
    ours = Generator(0).uniform(1, high, 99)
    np.testing.assert_array_equal(ours, theirs)
    assert set(ours) == {1, 1 + np.float32(2**-23)}


def test_float64_is_shifted_within_last_bits() -> None:
    for name, theirs in (("normal", "normal_"), ("uniform", "uniform_")):
        made = torch.empty(100, dtype=torch.float64)
        getattr(made, theirs)(0.5, 1.5, generator=torch.Generator().manual_seed(1))
        ours = getattr(Generator(1), name)(0.5, 1.5, 100, dtype=np.float64)
        assert np.abs(ours - made.numpy()).max() <= 4 * np.spacing(np.abs(ours).max())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.normal(0, -1, 3), "normal: std -1, wanted 0 or more"),
        (lambda g: g.normal("0", 1, 3), "normal: '0', wanted a number in the range of float32"),
        (
            lambda g: g.normal(0, 1e39, 3),
            r"normal: 1e\+39, wanted a number in the range of float32",
        ),
        (lambda g: g.uniform(1, 0, 3), "uniform: low 1 and high 0, wanted low <= high"),
        (lambda g: g.uniform(-3e38, 3e38, 3), "uniform: low .*, wanted .* a difference in the"),
        (lambda g: g.uniform(0, 1, 3, dtype=int), "uniform: dtype .*, wanted np.float32"),
        (lambda g: g.randint(0, 3), "randint: high 0, wanted a whole number from 1 to"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call: Any, message: str) -> None:
    ours = Generator(1)
    with pytest.raises(InputError, match=message):
        call(ours)
    np.testing.assert_array_equal(ours.rand(2), Generator(1).rand(2))
