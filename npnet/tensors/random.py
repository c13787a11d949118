"""Torch's random draws from npnet's generator; with a seed, they equal torch's bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.errors import InputError
from npnet.tensors.dtypes_and_sizes import DEFAULT, FLOATS, I64, numpy_of
from npnet.tensors.generators import OBSERVERS as OBSERVERS
from npnet.tensors.generators import Counted
from npnet.tensors.generators import Draw as Draw
from npnet.tensors.generators import Generator as Generator
from npnet.tensors.generators import default_generator as default_generator
from npnet.tensors.generators import get_rng_state as get_rng_state
from npnet.tensors.generators import initial_seed as initial_seed
from npnet.tensors.generators import manual_seed as manual_seed
from npnet.tensors.generators import seed as seed
from npnet.tensors.generators import set_rng_state as set_rng_state
from npnet.tensors.generators import set_sampler as set_sampler
from npnet.tensors.interface import both, function, method, sizes_of
from npnet.tensors.missing import not_supported, on_cpu
from npnet.tensors.tensor_class import Tensor, changed_by_draw, wrap
from npnet.torch_rng import generator as engine


def draw(kind: str, generator: Generator | None, make: Callable[[Counted], Array]) -> Tensor:
    """Draw from the generator, or from the default one, and call the observers."""
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
        made = draw(name, generator, lambda core: getattr(core, name)(shape, dtype=kind))
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
            return draw("randint", generator, lambda core: core.few(low, high, wanted[0]))
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
    made = draw("randint", generator, lambda core: core.randint(low, high, shape))
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
    made = draw("randperm", generator, lambda core: core.randperm(n))
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
    return draw(
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
    made = draw("normal", generator, lambda core: _normals(core, shape, kind, mean, std))
    return _options(
        "normal", made, more.pop("requires_grad", False), more.pop("device", None), more
    )


def _normals(
    core: Counted, shape: tuple[int, ...], kind: np.dtype[Any], mean: Any, std: Any
) -> Array:
    if std < 0:
        raise InputError(f"normal expects std >= 0.0, but found std {std}")
    # A few numbers are computed in float64; torch's vectorised multiply-add rounds once.
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
        self, draw("normal_", generator, lambda core: _normals(core, x.shape, x.dtype, mean, std))
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
        draw(
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
        draw("exponential_", generator, lambda core: core.exponential(x.shape, dtype=x.dtype)),
    )


@method("random_")
def random_(self: Tensor, *bounds: int, generator: Generator | None = None) -> Tensor:
    """Whole numbers in place, from ``low`` (0) to below ``high``."""
    if not bounds:
        raise not_supported("random_() without bounds")
    low, high = (0, bounds[0]) if len(bounds) == 1 else bounds
    x = self._a
    drawn = draw("random_", generator, lambda core: core.randint(low, high, x.shape))
    return changed_by_draw(self, drawn)
