"""Torch's random draws, from npnet's generator: seeded ones bit for bit.

``OBSERVERS`` are told of every draw, so that a program knows which tensors came from which
generator and at which word: append a function that takes a ``Draw``.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.base.errors import InputError
from npnet.tensors.dtypes import DEFAULT, FLOATS, I64, numpy_of
from npnet.tensors.missing import not_supported
from npnet.tensors.shapes import sizes_of
from npnet.tensors.tensor_class import Tensor, both, changed_by_draw, function, method, on_cpu, wrap
from npnet.torch_rng import generator as engine

UNSEEDED: Final = 67280421310721  # the seed of torch.Generator() before manual_seed


class Draw(NamedTuple):
    """One draw, as an observer is told of it.

    Attributes:
        generator: the ``Generator`` drawn from.
        default: whether it is the default generator.
        seed: the seed of its stream.
        before, after: words of the stream used up before and after the draw.
        kind: the torch function, such as ``"randn"``.
        shape: of the result.
        result: the tensor that was drawn.
    """

    generator: Generator
    default: bool
    seed: int
    before: int
    after: int
    kind: str
    shape: tuple[int, ...]
    result: Tensor


OBSERVERS: Final[list[Callable[[Draw], object]]] = []


class _Counted(engine.Generator):
    """npnet's generator, which counts the 32-bit words that it has given."""

    used = 0
    exponentials = "torch"  # "mkl" for those, and so the classes, of torch 2.0 to 2.6

    def exponential(self, *shape: Any, dtype: Any = np.float32, engine: str | None = None) -> Any:
        return super().exponential(*shape, dtype=dtype, engine=engine or self.exponentials)

    def _words(self, count: int) -> Any:
        self.used += count
        return super()._words(count)

    def _long_words(self, count: int) -> Any:
        self.used += 2 * count
        return super()._long_words(count)

    def few(self, low: int, high: int, count: int) -> Array:
        """As ``randint``, of one axis and a span below 2^28, with no checks: a minibatch."""
        self.used += count
        found = (self._engine.random_raw(count) % np.uint64(high - low)).view(I64)
        return found + low if low else found


def set_sampler(name: str) -> None:
    """Whose exponentials ``multinomial`` takes from now on: ``torch``'s, or ``mkl``'s."""
    _Counted.exponentials = name


_STATE: Final = struct.Struct("<Q624IqqBd")


@function("Generator")
class Generator:
    """``torch.Generator``: unseeded it always begins with the same seed, as torch's does."""

    def __init__(self, device: Any = "cpu") -> None:
        on_cpu(device)
        self.core = _Counted(UNSEEDED)

    def manual_seed(self, seed: int) -> Generator:
        """Begin the stream of this seed.

        Raises:
            RuntimeError: no whole number from −2^63 to 2^64−1.
        """
        if isinstance(seed, Tensor):
            seed = seed.item()
        try:
            self.core = _Counted(int(seed) if isinstance(seed, (float, np.generic)) else seed)
        except InputError as why:
            kind = RuntimeError if isinstance(seed, int) else TypeError
            raise kind(f"manual_seed: {why}") from None
        return self

    def seed(self) -> int:
        """A seed from the operating system; returned."""
        fresh = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(fresh)
        return fresh

    def initial_seed(self) -> int:
        """The seed that the stream began with."""
        return self.core.seed

    @property
    def used(self) -> int:
        """How many 32-bit words of the stream have been used."""
        return self.core.used

    @property
    def device(self) -> Any:
        """The CPU."""
        from npnet.tensors.tensor_class import CPU

        return CPU

    def get_state(self) -> Tensor:
        """The state as a tensor of bytes, for ``set_state``."""
        state = self.core.get_state()
        packed = _STATE.pack(
            state["seed"],
            *state["key"].tolist(),
            state["pos"],
            self.core.used,
            state["has_spare"],
            state["spare"],
        )
        return wrap(np.frombuffer(packed, np.uint8).copy())

    def set_state(self, new_state: Tensor) -> Generator:
        """Go on from where ``get_state`` was called."""
        raw = new_state._a.astype(np.uint8).tobytes()
        if len(raw) != _STATE.size:
            raise RuntimeError(
                f"set_state: a state of {len(raw)} bytes, wanted {_STATE.size}, as from get_state "
                "of npnet.tensors"
            )
        seed, *key, pos, used, kept, spare = _STATE.unpack(raw)
        self.core.set_state(
            {
                "seed": seed,
                "key": np.array(key, np.uint32),
                "pos": pos,
                "has_spare": bool(kept),
                "spare": spare,
            }
        )
        self.core.used = used
        return self

    def clone_state(self) -> Generator:
        """Another generator that goes on from here."""
        return Generator().set_state(self.get_state())

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {id(self):#x}>"


default_generator: Final = Generator()
default_generator.seed()


@function("manual_seed")
def manual_seed(seed: int) -> Generator:
    """Seed the default generator."""
    return default_generator.manual_seed(seed)


@function("seed")
def seed() -> int:
    """Seed the default generator from the operating system."""
    return default_generator.seed()


@function("initial_seed")
def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


@function("get_rng_state")
def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


@function("set_rng_state")
def set_rng_state(new_state: Tensor) -> None:
    """Set the state of the default generator."""
    default_generator.set_state(new_state)


def _draw(kind: str, generator: Generator | None, make: Callable[[_Counted], Array]) -> Tensor:
    """Draw from the generator, or from the default one, and tell the observers."""
    if generator is None:
        generator = default_generator
    elif not isinstance(generator, Generator):
        raise TypeError(
            f"{kind}(): generator is {type(generator).__name__}, wanted a torch.Generator"
        )
    core = generator.core
    before = core.used
    try:
        made = wrap(make(core))
    except InputError as why:
        raise RuntimeError(str(why)) from None
    if OBSERVERS:
        told = Draw(
            generator,
            generator is default_generator,
            core.seed,
            before,
            core.used,
            kind,
            made._a.shape,
            made,
        )
        for observer in OBSERVERS:
            observer(told)
    return made


def _options(
    name: str, made: Tensor, requires_grad: bool, device: Any, more: dict[str, Any]
) -> Tensor:
    on_cpu(device)
    for key in more:
        if key not in ("layout", "pin_memory"):
            raise TypeError(f"{name}() got an unexpected keyword argument {key!r}")
    if requires_grad:
        made.requires_grad = True
    return made


def _floats(name: str, dtype: Any) -> np.dtype[Any]:
    kind = DEFAULT.numpy if dtype is None else numpy_of(dtype)
    if kind not in FLOATS or kind == np.float16:
        if kind == np.float16:
            raise not_supported(f"{name}(dtype=torch.float16)")
        raise RuntimeError(f'"{name}" is not implemented for {dtype}: it draws floats')
    return kind


def _sampler(name: str) -> Callable[..., Tensor]:
    def sample(
        *size: Any,
        generator: Generator | None = None,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **more: Any,
    ) -> Tensor:
        shape = sizes_of((more.pop("size"),) if "size" in more else size)
        if shape and min(shape) < 0:
            raise RuntimeError(f"{name}: Trying to create tensor with negative dimension")
        kind = _floats(name, dtype)
        made = _draw(name, generator, lambda core: getattr(core, name)(shape, dtype=kind))
        return _options(name, made, requires_grad, device, more)

    sample.__name__ = name
    return sample


randn = function("randn")(_sampler("randn"))
rand = function("rand")(_sampler("rand"))


def _like(name: str, sampler: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def sample(input: Tensor, *, dtype: Any = None, **more: Any) -> Tensor:
        return sampler(input._a.shape, dtype=input.dtype if dtype is None else dtype, **more)

    sample.__name__ = name
    return sample


randn_like = function("randn_like")(_like("randn_like", randn))
rand_like = function("rand_like")(_like("rand_like", rand))


@function("randint")
def randint(
    *bounds: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **more: Any,
) -> Tensor:
    """``randint(low, high, size)`` or ``randint(high, size)``: whole numbers below ``high``."""
    if len(bounds) == 3 and dtype is None and not more and device is None and not requires_grad:
        low, high, wanted = bounds
        if (
            type(low) is type(high) is int
            and 0 < high - low < engine.LONG_SPAN
            and type(wanted) is tuple
            and len(wanted) == 1
            and type(wanted[0]) is int
            and wanted[0] >= 0
        ):
            if type(generator) is Generator and not OBSERVERS:
                return wrap(generator.core.few(low, high, wanted[0]))
            return _draw("randint", generator, lambda core: core.few(low, high, wanted[0]))
    parts = list(bounds)
    size = more.pop("size", None)
    if size is None:
        if not parts:
            raise TypeError("randint(): the size is missing")
        size = parts.pop()
    if "high" in more:
        low, high = (parts or [more.pop("low", 0)])[0], more.pop("high")
    elif len(parts) == 2:
        low, high = parts
    elif len(parts) == 1:
        low, high = more.pop("low", 0), parts[0]
    else:
        raise TypeError("randint(): wanted (low, high, size) or (high, size)")
    low, high = int(low), int(high)
    shape = sizes_of((size,)) if isinstance(size, (tuple, list)) else None
    if shape is None:
        raise TypeError(f"randint(): argument 'size' must be tuple of ints, not {size!r}")
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    made = _draw("randint", generator, lambda core: core.randint(low, high, shape))
    if dtype is not None and numpy_of(dtype) != I64:
        made = wrap(made._a.astype(numpy_of(dtype)))
    return _options("randint", made, requires_grad, device, more)


@function("randint_like")
def randint_like(input: Tensor, *bounds: Any, **more: Any) -> Tensor:
    """``randint`` in the shape and type of another tensor."""
    return randint(*bounds, input._a.shape, dtype=input.dtype, **more)


@function("randperm")
def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    **more: Any,
) -> Tensor:
    """The numbers 0 … n−1 in random order."""
    made = _draw("randperm", generator, lambda core: core.randperm(n))
    if dtype is not None:
        made = wrap(made._a.astype(numpy_of(dtype)))
    return _options("randperm", made, False, device, more)


@both("multinomial")
def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Classes by their probabilities."""
    probs = input._a
    if probs.dtype.kind != "f":
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for the input: convert with .float()"
        )
    return _draw(
        "multinomial",
        generator,
        lambda core: np.asarray(
            core.multinomial(np.ascontiguousarray(probs), num_samples, replacement), I64
        ),
    )


@function("normal")
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    **more: Any,
) -> Tensor:
    """Normal numbers of this mean and standard deviation."""
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        shape = np.broadcast_shapes(
            *(one._a.shape for one in (mean, std) if isinstance(one, Tensor))
        )
        with_unit = randn(shape, generator=generator)
        return (with_unit * std + mean).detach()
    shape = sizes_of((size,))
    kind = _floats("normal", more.pop("dtype", None))
    made = _draw("normal", generator, lambda core: _normals(core, shape, kind, mean, std))
    return _options(
        "normal", made, more.pop("requires_grad", False), more.pop("device", None), more
    )


def _normals(
    core: _Counted, shape: tuple[int, ...], kind: np.dtype[Any], mean: Any, std: Any
) -> Array:
    if std < 0:
        raise InputError(f"normal expects std >= 0.0, but found std {std}")
    # Few are made in double; torch's vectorised multiply and add rounds once.
    few = int(np.prod(shape, dtype=np.int64)) < engine.LONG_RANDN
    drawn = core.randn(shape, dtype=np.float64 if few else kind)
    mean, std = (kind.type(one).astype(np.float64) if not few else one for one in (mean, std))
    return np.asarray((drawn.astype(np.float64) * std + mean).astype(kind))


@method("normal_")
def normal_(
    self: Tensor, mean: float = 0, std: float = 1, *, generator: Generator | None = None
) -> Tensor:
    """Normal numbers in place."""
    x = self._a
    return changed_by_draw(
        self, _draw("normal_", generator, lambda core: _normals(core, x.shape, x.dtype, mean, std))
    )


@method("uniform_")
def uniform_(
    self: Tensor, a: float = 0, b: float = 1, *, generator: Generator | None = None
) -> Tensor:
    """Uniform numbers from ``a`` to ``b`` in place."""
    x = self._a
    low, width = x.dtype.type(a), x.dtype.type(x.dtype.type(b) - x.dtype.type(a))
    return changed_by_draw(
        self,
        _draw(
            "uniform_",
            generator,
            lambda core: np.asarray(core.rand(x.shape, dtype=x.dtype) * width + low),
        ),
    )


@method("exponential_")
def exponential_(self: Tensor, lambd: float = 1, *, generator: Generator | None = None) -> Tensor:
    """Exponential numbers in place."""
    if lambd != 1:
        raise not_supported("exponential_ of another rate than 1")
    x = self._a
    return changed_by_draw(
        self,
        _draw("exponential_", generator, lambda core: core.exponential(x.shape, dtype=x.dtype)),
    )


@method("random_")
def random_(self: Tensor, *bounds: int, generator: Generator | None = None) -> Tensor:
    """Whole numbers in place, from ``low`` (0) to below ``high``."""
    if not bounds:
        raise not_supported("random_() without bounds")
    low, high = (0, bounds[0]) if len(bounds) == 1 else bounds
    x = self._a
    drawn = _draw("random_", generator, lambda core: core.randint(low, high, x.shape))
    return changed_by_draw(self, drawn)
