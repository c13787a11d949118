"""Torch's CPU random numbers in NumPy: the same seed gives the same values, without torch.

The engine is MT19937, which gives 32-bit words. The rules that turn words into numbers are torch's
own. Below, a "word" is one 32-bit word. A "long word" is two words, the high half first. The rules
are those of torch 2.13 (ATen/core/DistributionsHelper.h, ATen/native/cpu/DistributionTemplates.h,
and for randperm ATen/native/TensorFactories.cpp), stated here in full. Torch 2.7, 2.8 and 2.15
follow them too (measured). Torch 2.6 and older draw other exponentials, other classes from
``multinomial``, and other integers if the span is long.

float32 and int64 results equal torch's bit for bit where torch runs its AVX2 or AVX-512 kernels.
On its other paths (``ATEN_CPU_CAPABILITY=default``, ARM) torch itself draws other last bits for a
float32 ``randn`` of 16 values or more. In float64, ``rand`` is equal, ``randn`` is within 2 ulp and
``exponential`` within 1 ulp, because logarithm, sine and cosine are NumPy's.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Self, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from npnet.base.arguments import SWITCH, require
from npnet.base.arrays import Array, Floats, Ints
from npnet.base.errors import InputError, kind_of, shown
from npnet.torch_rng import cephes, mkl, multinomial
from npnet.torch_rng.torch_state import is_torch_state, read_torch_state

# Values are drawn in pieces of this many (a multiple of 16). This keeps the temporary arrays small
# for draws of any size.
PIECE = 1 << 15
ENGINES = ("torch", "mkl")  # two ways to draw exponentials: that of torch, and that of MKL
LONG_RANDN = 16  # randn draws this many values or more in blocks of 16; fewer in pairs
LONG_SPAN = 1 << 28  # for this span or a longer one, randint uses a long word for each value
LONG_RANDPERM = 214_748_364  # (2^32 - 1) // 20; from this size on, torch uses another algorithm

STATE = ("seed", "key", "pos", "has_spare", "spare")


class Generator:
    """The stream of ``torch.Generator().manual_seed(seed)``, drawn by NumPy.

    ``seed``: a whole number from −2^63 to 2^64−1; its low 32 bits choose the stream. A shape is
    given as sizes or as one tuple of sizes, ``g.randn(27, 10)`` or ``g.randn((27, 10))``. No size
    gives an array without axes. A call with wrong arguments raises InputError and draws nothing.
    Copies and pickles continue from the original's place in the stream.
    """

    def __init__(self, seed: int) -> None:
        self._engine = np.random.MT19937(0)
        self._seed: int
        self._spare: float | None  # the second normal of a pair, kept for the next call
        self._begin(_whole("Generator", "seed", seed, -(2**63), 2**64 - 1))

    def _begin(self, seed: int) -> None:
        self._seed, self._spare = seed % 2**64, None
        # MT19937(seed) hashes its seed. Torch uses the older rule, as RandomState does.
        np.random.RandomState(self._engine).seed(self._seed % 2**32)

    @property
    def seed(self) -> int:
        """The seed of this stream, plus 2^64 if it is negative, as torch's ``initial_seed()``."""
        return self._seed

    def initial_seed(self) -> int:
        """The same as ``seed``, under torch's name."""
        return self._seed

    def manual_seed(self, seed: int) -> Self:
        """Start the stream of this seed, as torch's ``manual_seed``, and return the generator."""
        self._begin(_whole("manual_seed", "seed", seed, -(2**63), 2**64 - 1))
        return self

    def rand(self, *shape: int | tuple[int, ...], dtype: DTypeLike = np.float32) -> Floats:
        """Uniform numbers in [0, 1), as ``torch.rand(shape, dtype=dtype)``.

        A float32 is the low 24 bits of a word, times 2^−24; a float64 the low 53 bits of a long
        word, times 2^−53.
        """
        out = _floats("rand", shape, dtype)
        _fill(out.reshape(-1), lambda count: self._uniforms(count, out.dtype))
        return out

    def randn(self, *shape: int | tuple[int, ...], dtype: DTypeLike = np.float32) -> Floats:
        """Standard normal numbers, as ``torch.randn(shape, dtype=dtype)``: Box and Muller's method.

        Fewer than 16 are computed in float64, in pairs of a cosine and a sine. If their number is
        odd, the last sine is kept: it is the first value of the next call for fewer than 16
        numbers, in any dtype. Sixteen or more are computed in their dtype, in blocks of 16
        uniforms. If the size is not a multiple of 16, the remaining uniforms are dropped and the
        last 16 values are drawn again.
        """
        out = _floats("randn", shape, dtype)
        flat = out.reshape(-1)
        if flat.size < LONG_RANDN:
            flat[:] = self._few_normals(flat.size)
            return out
        left_over = flat.size % 16
        _fill(flat[: flat.size - left_over], lambda count: self._normals(count, out.dtype))
        if left_over:
            self._uniforms(left_over, out.dtype)
            flat[-16:] = self._normals(16, out.dtype)
        return out

    def uniform(
        self, low: float, high: float, *shape: int | tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> Floats:
        """Uniform numbers from ``low`` to ``high``, as ``torch.empty(shape).uniform_(low, high)``.

        ``rand`` · (high − low) + low. In float32 it is rounded once, as in torch. In float64 the
        last bit may differ from torch's.
        """
        kind = _scalable("uniform", low, high, dtype)
        if not 0 <= float(high) - float(low) <= float(np.finfo(kind).max):
            raise InputError(
                f"uniform: low {low} and high {high}, wanted low <= high and a difference in the "
                f"range of {kind}"
            )
        first, last = kind.type(low), kind.type(high)
        out = _scaled(self.rand(*shape, dtype=kind), last - first, first)
        return np.where(out == last, first, out)  # where rounding reaches high, torch takes low

    def normal(
        self, mean: float, std: float, *shape: int | tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> Floats:
        """Normal numbers, as ``torch.normal(mean, std, shape)`` and ``normal_(mean, std)``.

        ``randn`` · std + mean. Fewer than 16 numbers are computed in float64 and then converted to
        ``dtype``. More are computed in ``dtype``; in float32 they are rounded once.
        """
        kind = _scalable("normal", mean, std, dtype)
        if std < 0:
            raise InputError(f"normal: std {std}, wanted 0 or more")
        out = _floats("normal", shape, kind)
        if out.size < LONG_RANDN:
            normals = np.array(self._few_normals(out.size), np.float64)
            out.reshape(-1)[:] = normals * std + mean
            return out
        return _scaled(self.randn(out.shape, dtype=kind), kind.type(std), kind.type(mean))

    def exponential(
        self,
        *shape: int | tuple[int, ...],
        dtype: DTypeLike = np.float32,
        engine: str = "torch",
    ) -> Floats:
        """Exponential numbers of rate 1, as ``torch.empty(shape, dtype=dtype).exponential_()``.

        −ln(1 − u) of a float64 uniform u, rounded to ``dtype``. NumPy's logarithm and torch's may
        differ by 1 ulp of float64. None of 400 million float32 results differed.

        ``engine="mkl"``: the numbers of torch 2.0 to 2.6 on x86, which MKL's generator MCG31m1
        draws. Each call seeds that generator with one word of this stream.
        """
        if not isinstance(engine, str) or engine not in ENGINES:
            raise InputError(
                f"exponential: engine {shown(engine)}, wanted one of {', '.join(ENGINES)}"
            )
        out = _floats("exponential", shape, dtype)
        if engine == "mkl":
            if out.size:
                out.reshape(-1)[:] = mkl.exponentials(int(self._words(1)[0]), out.size)
            return out
        _fill(out.reshape(-1), lambda count: -np.log1p(-self._doubles(count)))
        return out

    @overload
    def randint(self, high: int, shape: int | tuple[int, ...], /) -> Ints: ...
    @overload
    def randint(self, low: int, high: int, shape: int | tuple[int, ...]) -> Ints: ...
    def randint(self, low: int, high: Any, shape: Any = None) -> Ints:
        """Whole numbers from ``low`` to ``high`` − 1, as ``torch.randint(low, high, shape)``.

        ``randint(high, shape)`` begins at 0.

        Each value is a word modulo the span ``high`` − ``low``, plus ``low``. For a span of 2^28 or
        more, it is a long word. One large call draws the same values as several small ones; so the
        minibatches of many steps can be drawn at once.
        """
        if shape is None:
            low, high, shape = 0, low, high
        low = _whole("randint", "low", low, -(2**63), 2**63 - 2)
        span = _whole("randint", "high", high, low + 1, 2**63 - 1) - low
        words = self._words if span < LONG_SPAN else self._long_words
        out = _empty("randint", (shape,), np.int64)
        # A sum beyond 2^63 wraps around to the right value.
        _fill(out.reshape(-1), lambda count: (words(count) % span).view(np.int64) + low)
        return out

    def randperm(self, n: int) -> Ints:
        """The numbers 0 … n−1 in random order, (n,), as ``torch.randperm(n)``; n < 214,748,364.

        Fisher and Yates' method: entry i is swapped with entry i + (a word modulo n − i).
        """
        n = _whole("randperm", "n", n, 0, LONG_RANDPERM - 1)
        out = np.arange(n, dtype=np.int64)
        places = out.data  # 118 ns a swap, against 184 ns in a list (CPython 3.11)
        for start in range(0, n - 1, PIECE):
            i = np.arange(start, min(start + PIECE, n - 1))
            partners = i + (self._words(i.size).view(np.int64) % (n - i))
            for here, there in zip(i.tolist(), partners.tolist(), strict=True):
                places[here], places[there] = places[there], places[here]
        return out

    def multinomial(
        self, probs: Floats, num_samples: int | None = None, replacement: bool = False
    ) -> Any:
        """Classes drawn by their probabilities, as ``torch.multinomial(probs, …)``.

        ``probs``: (V,) or (n, V), float32 or float64; the sum of a row must be above 0, but need
        not be 1. Returns (num_samples,) or (n, num_samples), int64. Without ``num_samples`` one
        class is drawn, and for (V,) it is returned as an int.

        One draw, or several without replacement, gives the classes with the largest p / q, where q
        is an exponential number for every class. Several draws with replacement use a float64
        uniform number each: the class is the first one for which the running sum of p, divided by
        its total, is not below this number.

        Without replacement, if no other classes are left, torch continues with classes of
        probability 0; here that raises InputError. If several classes have the same p / q, the
        first one is taken. Torch does the same for one draw; for several draws it does not say in
        which order they come.
        """
        require("multinomial", "replacement", replacement, SWITCH)
        wanted = 1 if num_samples is None else num_samples
        count = _whole("multinomial", "num_samples", wanted, 1, 2**63 - 1)
        # Infinities and nans (a q of 0, a sum beyond the range) have the same effect as in torch.
        with np.errstate(all="ignore"):
            multinomial.check_probabilities(probs)
            if replacement and count > 1:
                uniforms = self.rand(*probs.shape[:-1], count, dtype=np.float64)
                picked = multinomial.by_running_sums(probs, uniforms)
            else:
                multinomial.check_count(probs, count)
                exponentials = self.exponential(*probs.shape, dtype=probs.dtype)
                picked = multinomial.largest_ratios(probs, exponentials, count)
        return int(picked[0]) if num_samples is None and probs.ndim == 1 else picked

    def get_state(self) -> dict[str, Any]:
        """The state, from which ``set_state`` continues; every entry fits in an .npz file.

        ``seed``: int; ``key``: (624,) uint32, the engine's words; ``pos``: int from 1 to 624, the
        number of used words; ``has_spare``: bool; ``spare``: float, the kept normal or 0.0.
        """
        return {
            "seed": self._seed,
            **self._engine.state["state"],  # key and pos
            "has_spare": self._spare is not None,
            "spare": 0.0 if self._spare is None else self._spare,
        }

    def set_state(self, state: Any) -> None:
        """Continue from where ``get_state`` was called.

        Args:
            state: what ``get_state`` returned (its entries may be arrays of an .npz file); or the
                5,056 bytes of a torch CPU generator's ``get_state()``, as bytes, uint8 array or
                tensor.

        Raises:
            InputError: ``state`` is neither of the two, or an entry is impossible.
        """
        if is_torch_state(state):
            state = read_torch_state(state)
        if not isinstance(state, Mapping) or set(state) != set(STATE):
            got = list(state) if isinstance(state, Mapping) else type(state).__name__
            raise InputError(
                f"set_state: {got}, wanted a mapping with {', '.join(STATE)}, or the bytes of a "
                "torch generator's state"
            )
        # An .npz file turns numbers into arrays without axes; [()] turns them back.
        seed, key, pos, kept, spare = (np.asarray(state[name])[()] for name in STATE)
        if np.shape(key) != (624,) or key.dtype != np.uint32:
            raise InputError(f"set_state: key {_kind(key)}, wanted (624,) uint32 as from get_state")
        if not isinstance(kept, np.bool) or not isinstance(spare, np.float64) or np.isnan(spare):
            wanted = "True or False and a float that is a number"
            raise InputError(f"set_state: has_spare, spare {kept, spare}, wanted {wanted}")
        engine = {"key": key, "pos": _whole("set_state", "pos", pos, 1, 624)}
        self._seed = _whole("set_state", "seed", seed, 0, 2**64 - 1)
        self._engine.state = {"bit_generator": "MT19937", "state": engine}
        self._spare = float(spare) if kept else None

    def __getstate__(self) -> dict[str, Any]:
        return self.get_state()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._engine = np.random.MT19937(0)
        self.set_state(state)

    def _words(self, count: int) -> NDArray[np.uint64]:
        return self._engine.random_raw(count)

    def _long_words(self, count: int) -> NDArray[np.uint64]:
        words = self._engine.random_raw(2 * count)
        return (words[0::2] << np.uint64(32)) | words[1::2]

    def _doubles(self, count: int) -> Floats:
        return (self._long_words(count) % 2**53) * 2.0**-53

    def _uniforms(self, count: int, dtype: np.dtype[Any]) -> Floats:
        if dtype == np.float64:
            return self._doubles(count)
        return (self._words(count) % 2**24).astype(np.float32) * np.float32(2.0**-24)

    def _few_normals(self, count: int) -> list[float]:
        normals = []
        if count and self._spare is not None:
            normals.append(self._spare)
            self._spare = None
        pairs = (count - len(normals) + 1) // 2
        for u1, u2 in self._doubles(2 * pairs).reshape(-1, 2).tolist():
            radius, angle = math.sqrt(-2 * math.log1p(-u2)), 2 * math.pi * u1
            normals += [radius * math.cos(angle), radius * math.sin(angle)]
        if len(normals) > count:
            self._spare = normals.pop()
        return [normal + 0.0 for normal in normals]  # torch adds the mean 0: -0.0 becomes 0.0

    def _normals(self, count: int, dtype: np.dtype[Any]) -> Floats:
        blocks = self._uniforms(count, dtype).reshape(-1, 2, 8)
        u1, angle = 1 - blocks[:, 0], dtype.type(2 * math.pi) * blocks[:, 1]
        if dtype == np.float32:
            log_u1, (sine, cosine) = cephes.log(u1), cephes.sin_cos(angle)
        else:
            log_u1, sine, cosine = np.log(u1), np.sin(angle), np.cos(angle)
        radius = np.sqrt(-2 * log_u1)
        pairs = np.stack([radius * cosine, radius * sine], axis=1)
        return pairs.reshape(-1) + 0  # the mean, as above


def _fill(flat: Array, draw: Callable[[int], Array]) -> None:
    """Put ``draw(count)`` into ``flat``, piece by piece."""
    for start in range(0, flat.size, PIECE):
        piece = flat[start : start + PIECE]
        piece[:] = draw(piece.size)


def _floats(who: str, shape: tuple[Any, ...], dtype: DTypeLike) -> Floats:
    if isinstance(dtype, np.ndarray | np.generic) or dtype not in (np.float32, np.float64):
        raise InputError(f"{who}: dtype {shown(dtype)}, wanted np.float32 or np.float64")
    return _empty(who, shape, dtype)


def _empty(who: str, shape: tuple[Any, ...], dtype: DTypeLike) -> Array:
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    sizes = [_whole(who, "size", size, 0, 2**63 - 1) for size in shape]
    try:
        return np.empty(sizes, dtype)
    except (ValueError, MemoryError) as refusal:
        raise InputError(f"{who}: shape {shape}: {refusal}: draw fewer at a time") from None


def _scalable(who: str, one: float, other: float, dtype: DTypeLike) -> np.dtype[Any]:
    """``dtype``; InputError if it is not float32 or float64, or a number is not finite in it."""
    kind = _floats(who, (), dtype).dtype
    for number in (one, other):
        real = isinstance(number, (int, float, np.integer, np.floating))
        if not real or not abs(number) <= float(np.finfo(kind).max):
            raise InputError(f"{who}: {shown(number)}, wanted a number in the range of {kind}")
    return kind


def _scaled(out: Floats, factor: np.floating[Any], shift: np.floating[Any]) -> Floats:
    """out · factor + shift, in float32 with one rounding, as torch's kernels do."""
    if out.dtype == np.float32:
        return cephes.fma(out, np.float32(factor), np.float32(shift))
    return np.asarray(out * factor + shift)


def _whole(who: str, what: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        number = int(value)
        if least <= number <= most:
            return number
    raise InputError(f"{who}: {what} {shown(value)}, wanted a whole number from {least} to {most}")


def _kind(value: Any) -> str:
    return f"{value.shape} {value.dtype}" if isinstance(value, np.ndarray) else kind_of(value)
