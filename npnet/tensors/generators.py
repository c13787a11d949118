"""``torch.Generator``, the default generator, and functions that observe the draws.

``OBSERVERS`` are called with every draw, so that a program knows which tensors came from which
generator and at which word. Append a function that takes a ``Draw``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.base.errors import InputError
from npnet.tensors.dtypes_and_sizes import I64
from npnet.tensors.interface import function, tensor_argument
from npnet.tensors.missing import CPU, on_cpu
from npnet.tensors.tensor_class import Tensor, wrap
from npnet.torch_rng import generator as engine
from npnet.torch_rng.torch_state import torch_state, words_used

UNSEEDED: Final = 67280421310721  # the seed of torch.Generator() before manual_seed


class Draw(NamedTuple):
    """One draw, for observers.

    Attributes:
        generator: the ``Generator`` that draws.
        default: whether it is the default generator.
        seed: the seed of its stream.
        before, after: how many words of the stream are used before and after the draw.
        kind: the torch function, such as ``"randn"``.
        shape: the shape of the result.
        result: the drawn tensor.
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


class Counted(engine.Generator):
    """npnet's generator, with a count of the 32-bit words that it has used."""

    used = 0
    exponentials = "torch"  # "mkl": the exponentials, and the classes, of torch 2.0 to 2.6

    def exponential(self, *shape: Any, dtype: Any = np.float32, engine: str | None = None) -> Any:
        return super().exponential(*shape, dtype=dtype, engine=engine or self.exponentials)

    def _words(self, count: int) -> Any:
        self.used += count
        return super()._words(count)

    def _long_words(self, count: int) -> Any:
        self.used += 2 * count
        return super()._long_words(count)

    def few(self, low: int, high: int, count: int) -> Array:
        """Like ``randint`` for one axis and a span below 2^28, without checks: for a minibatch."""
        self.used += count
        found = (self._engine.random_raw(count) % np.uint64(high - low)).view(I64)
        return found + low if low else found


def set_sampler(name: str) -> None:
    """Set whose exponentials ``multinomial`` uses from now on: ``torch`` or ``mkl``."""
    Counted.exponentials = name


_USED: Final = "_words_used"  # of a state's tensor: how many words of the stream were used


@function("Generator")
class Generator:
    """``torch.Generator``. Without a seed it always begins with the same one, as in torch."""

    def __init__(self, device: Any = "cpu") -> None:
        on_cpu(device)
        self.core = Counted(UNSEEDED)

    def manual_seed(self, seed: int) -> Generator:
        """Begin the stream of this seed.

        Raises:
            ValueError: the seed is not from −2^63 to 2^64−1.
            TypeError: the seed is not a number.
        """
        if isinstance(seed, Tensor):
            seed = seed.item()
        try:
            self.core = Counted(int(seed) if isinstance(seed, (float, np.generic)) else seed)
        except InputError as why:
            kind = ValueError if isinstance(seed, int) else TypeError
            raise kind(f"manual_seed: {why}") from None
        return self

    def seed(self) -> int:
        """Begin the stream of a seed from the operating system, and return the seed."""
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
        return CPU

    def get_state(self) -> Tensor:
        """The state as a tensor of 5,056 bytes, which torch's ``set_state`` takes too."""
        made = wrap(np.frombuffer(torch_state(self.core.get_state(), self.used), np.uint8).copy())
        vars(made)[_USED] = self.used
        return made

    def set_state(self, new_state: Tensor) -> Generator:
        """Continue from the state at the call of ``get_state``, here or in torch.

        Raises:
            RuntimeError: no state of a generator.
        """
        array = np.asarray(tensor_argument("set_state", new_state)._a)
        try:
            self.core.set_state(array)
        except InputError as why:
            raise RuntimeError(str(why)) from None
        used = vars(new_state).get(_USED)
        self.core.used = words_used(self.core.get_state()) if used is None else used
        return self

    def clone_state(self) -> Generator:
        """A copy of this generator, with its state."""
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
