"""The state of a torch CPU generator, as ``torch.Generator.get_state()`` gives it: 5,056 bytes.

Layout (ATen/CPUGeneratorImpl.cpp, ``CPUGeneratorImplState``; little endian, 8-byte alignment)::

    uint64 seed; int32 left; int32 seeded; uint64 next; uint64 words[624];
    double normal_x, normal_y, normal_rho; int32 normal_is_valid;
    float next_float_normal; bool next_float_normal_is_valid;

``left`` is the number of unused words plus 1. ``next`` is the index of the next word (0 before the
first). ``normal_y`` is the second normal of a pair, kept for the next call.
"""

import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.base.arrays import read_array
from npnet.base.errors import InputError

STATE = struct.Struct("<QiiQ4992sdddi4xf?3x")
SIZE = STATE.size  # 5,056
MOST_WORDS = 1 << 22


def is_torch_state(state: Any) -> bool:
    """Whether ``state`` looks like a torch generator's state: bytes, an array or a tensor."""
    return isinstance(state, bytes | bytearray) or hasattr(state, "dtype")


def read_torch_state(state: Any) -> dict[str, Any]:
    """The state of a torch CPU generator in the form of ``npnet.Generator.get_state()``.

    Args:
        state: bytes, or uint8 of shape (5056,): an array or a tensor.

    Raises:
        InputError: another size or dtype, or bytes that cannot be a torch generator's state.
    """
    if not isinstance(state, bytes | bytearray):
        array = read_array("set_state: state", state)
        if array.dtype != np.uint8 or array.ndim != 1:
            raise _refusal(f"{array.dtype} of shape {array.shape}")
        state = array.tobytes()
    if len(state) != SIZE:
        raise _refusal(f"{len(state):,} bytes")
    seed, left, seeded, following, words, _, kept, _, is_kept, *_ = STATE.unpack(state)
    key = np.frombuffer(words, "<u8")
    used = 625 - left
    starts = 1 <= used <= 624 and following in ((0, 624) if left == 1 else (used,))
    if seeded != 1 or not starts or key.max() >= 2**32 or is_kept not in (0, 1):
        raise _refusal("bytes that are not the state of a Mersenne Twister")
    if is_kept and math.isnan(kept):
        raise _refusal("a kept normal that is nan")
    return {
        "seed": seed,
        "key": key.astype(np.uint32),
        "pos": used,
        "has_spare": bool(is_kept),
        "spare": kept if is_kept else 0.0,
    }


def torch_state(state: Mapping[str, Any], used: int | None = None) -> bytes:
    """The bytes that torch's generator gives in this state of ``npnet.Generator.get_state()``.

    ``used``: how many words of the stream were used. Torch counts from 0 before the first word.
    """
    pos = state["pos"]
    words = state["key"].astype("<u8").tobytes()
    spare = state["spare"] if state["has_spare"] else 0.0
    following = 0 if used == 0 else pos
    kept = (0.0, spare, 0.0, state["has_spare"])
    return STATE.pack(state["seed"], 625 - pos, 1, following, words, *kept, 0.0, False)


def words_used(state: Mapping[str, Any]) -> int:
    """How many words of the stream of its seed a state has used; 0 if that is not found.

    It is looked for among the first ``MOST_WORDS`` words.
    """
    engine = np.random.MT19937(0)
    np.random.RandomState(engine).seed(state["seed"] % 2**32)
    for begun in range(0, MOST_WORDS, 624):
        if np.array_equal(engine.state["state"]["key"], state["key"]):
            return begun - 624 + int(state["pos"])
        engine.random_raw(624)
    return 0


def _refusal(got: str) -> InputError:
    return InputError(
        f"set_state: got {got}, wanted the {SIZE:,} bytes of torch.Generator().get_state() of a "
        "CPU generator"
    )
