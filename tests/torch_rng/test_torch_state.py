"""The 5,056 bytes of a torch generator's state: which bytes are valid, and their meaning."""

from typing import Any

import numpy as np
import pytest

import npnet
from npnet import InputError
from npnet.torch_rng.torch_state import SIZE, STATE, read_torch_state

WORDS = np.arange(1, 625, dtype="<u8")


def state(**other: Any) -> bytes:
    """The bytes of a state with 1 word used, but for the entries that are given."""
    fields: dict[str, Any] = {
        "seed": 5,
        "left": 624,
        "seeded": 1,
        "following": 1,
        "words": WORDS.tobytes(),
        "x": 0.0,
        "kept": 0.0,
        "rho": 0.0,
        "is_kept": 0,
        "float_kept": 0.0,
        "is_float_kept": False,
    }
    return STATE.pack(*{**fields, **other}.values())


def test_a_state_has_5056_bytes() -> None:
    assert len(state()) == SIZE == 5056


@pytest.mark.parametrize(
    ("left", "following", "used"),
    [(1, 0, 624), (1, 624, 624), (624, 1, 1), (2, 623, 623), (325, 300, 300)],
)
def test_the_words_left_say_how_many_are_used(left: int, following: int, used: int) -> None:
    read = read_torch_state(state(left=left, following=following))
    assert (read["pos"], read["seed"], read["has_spare"]) == (used, 5, False)
    assert read["key"].tolist() == WORDS.tolist()


@pytest.mark.parametrize("kept", [0.25, -1.5])
def test_a_kept_normal_is_given_on(kept: float) -> None:
    read = read_torch_state(np.frombuffer(state(kept=kept, is_kept=1), np.uint8))
    assert (read["has_spare"], read["spare"]) == (True, kept)
    assert read_torch_state(state(kept=kept))["spare"] == 0.0


@pytest.mark.parametrize(
    "other",
    [
        {"left": 1, "following": 623},
        {"left": 1, "following": 1},
        {"left": 0},
        {"left": 625, "following": 0},
        {"left": 624, "following": 2},
        {"seeded": 0},
        {"seeded": 2},
        {"is_kept": 2},
        {"kept": float("nan"), "is_kept": 1},
        {"words": np.full(624, 2**32, "<u8").tobytes()},
    ],
)
def test_bytes_that_no_generator_can_have_are_refused(other: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"set_state: got .*, wanted the 5,056 bytes"):
        read_torch_state(state(**other))


def test_the_largest_words_are_words() -> None:
    words = np.full(624, 2**32 - 1, "<u8").tobytes()
    assert (read_torch_state(state(words=words))["key"] == 2**32 - 1).all()


@pytest.mark.parametrize(
    "given", [b"", bytes(SIZE - 1), np.zeros(SIZE, np.int8), np.zeros((2, 2528), "u1")]
)
def test_other_sizes_and_types_are_refused(given: Any) -> None:
    g = npnet.Generator(3)
    before = g.get_state()
    with pytest.raises(InputError, match="wanted the 5,056 bytes"):
        g.set_state(given)
    assert (g.get_state()["key"] == before["key"]).all()
