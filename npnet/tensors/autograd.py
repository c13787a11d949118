"""``torch.autograd``, and functions on recorded graphs that graders need.

The tape of the last backward pass stays in ``LAST``; ``vjp`` computes vector-Jacobian products
between cuts of any recorded graph and changes nothing; ``replay`` computes a recorded graph again
with other leaves or in another number type.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.tensors.backward import backward as backward
from npnet.tensors.backward import flow, key_of, reachable
from npnet.tensors.backward import grad as grad
from npnet.tensors.interface import function
from npnet.tensors.tape import LAST as LAST
from npnet.tensors.tape import Node, record
from npnet.tensors.tensor_class import MODE, Tensor, wrap


def vjp(
    outputs: Sequence[Tensor],
    upstream: Sequence[Array],
    inputs: Sequence[Tensor],
    cut: Iterable[Tensor] = (),
) -> list[Array | None]:
    """Vector-Jacobian products between cuts of a recorded graph; nothing is changed or freed.

    The upstream gradients start at ``outputs`` and flow back. A gradient that arrives at one of
    ``inputs`` or ``cut`` stays there and flows no further, even if this tensor is also an output.
    If every named tensor is in ``cut`` and has an upstream gradient, the gradient of a tensor is
    exactly the sum of the gradients from the operations that read it.

    It also works if a backward pass has freed the graph, or if ``.data`` has changed values;
    ``replay`` computes the values of the graph again. The result has one array for each input, None
    if no gradient arrives.
    """
    keys = [key_of(tensor) for tensor in inputs]
    stops = dict.fromkeys([*keys, *(key_of(tensor) for tensor in cut if tensor._req)])
    seeds: dict[Node, Array] = {}
    for tensor, g in zip(outputs, upstream, strict=True):
        node = tensor.grad_fn
        if node is not None:
            g = np.asarray(g)
            seeds[node] = seeds[node] + g if node in seeds else g
    arrived, _ = flow(seeds, stops, False)
    return [arrived.get(key) for key in keys]


class Replay:
    """A graph that was computed again. ``of(tensor)`` is the new tensor for a recorded one."""

    def __init__(self, made: dict[Node | Tensor, Tensor]) -> None:
        self._made = made

    def of(self, tensor: Tensor) -> Tensor:
        """The tensor of the replay for this tensor of the recording.

        Raises:
            KeyError: the tensor is not in the replayed graph.
        """
        return self._made[key_of(tensor)]


def replay(
    outputs: Sequence[Tensor],
    leaves: Mapping[Tensor, Array] | None = None,
    dtype: Any = None,
) -> Replay:
    """Compute a recorded graph again, with other values of leaves or in another float type.

    ``leaves``: new arrays by leaf; other leaves keep their values. ``dtype``: a NumPy float type to
    which leaves and float constants are converted. The new graph is also recorded, so that ``vjp``
    works on it. The old graph does not change.
    """
    values = dict(leaves or {})
    made: dict[Node | Tensor, Tensor] = {}

    def cast(value: Any) -> Any:
        if dtype is not None and isinstance(value, np.ndarray) and value.dtype.kind == "f":
            return value.astype(dtype)
        return value

    tensors: list[Tensor | None]
    for node in reversed(reachable([key for t in outputs if (key := t.grad_fn)], {})):
        arguments, tensors = list(node.args), []
        for place, edge in enumerate(node.edges):
            if edge is None:
                tensors.append(None)
                continue
            if edge not in made:
                assert isinstance(edge, Tensor)
                leaf = wrap(cast(np.array(values.get(edge, edge._a))))
                leaf._req = True
                made[edge] = leaf
            tensors.append(made[edge])
            arguments[place] = made[edge]._a.astype(
                node.args[place].dtype if dtype is None else dtype, copy=False
            )
        args = tuple(
            value if place < len(tensors) and tensors[place] is not None else cast(value)
            for place, value in enumerate(arguments)
        )
        out = np.array(node.op.forward(*args))
        made[node] = record(node.op, args, tensors, out)
    return Replay(made)


class _Recording:
    """Recording on or off in a ``with`` block or in a decorated function."""

    grad: bool

    def __new__(cls, *args: Any) -> Any:
        # @torch.no_grad without brackets is also a decorator.
        if len(args) == 1 and callable(args[0]):
            return object.__new__(cls)(args[0])
        return object.__new__(cls)

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(MODE.grad)
        MODE.grad = self.grad

    def __exit__(self, *_: object) -> None:
        MODE.grad = self._before.pop()

    def __call__(self, decorated: Callable[..., Any]) -> Callable[..., Any]:
        import functools

        grad = self.grad
        if inspect.isgeneratorfunction(decorated):

            @functools.wraps(decorated)
            def step_by_step(*args: Any, **kwargs: Any) -> Any:
                steps = decorated(*args, **kwargs)
                while True:
                    before, MODE.grad = MODE.grad, grad
                    try:
                        item = next(steps)
                    except StopIteration as stop:
                        return stop.value
                    finally:
                        MODE.grad = before
                    yield item

            return step_by_step

        @functools.wraps(decorated)
        def inside(*args: Any, **kwargs: Any) -> Any:
            before, MODE.grad = MODE.grad, grad
            try:
                return decorated(*args, **kwargs)
            finally:
                MODE.grad = before

        return inside


@function("no_grad", "inference_mode")
class no_grad(_Recording):
    """``torch.no_grad``: operations inside are not recorded."""

    grad = False


@function("enable_grad")
class enable_grad(_Recording):
    """``torch.enable_grad``: operations inside are recorded, even within ``no_grad``."""

    grad = True


@function("set_grad_enabled")
class set_grad_enabled(_Recording):
    """``torch.set_grad_enabled(mode)``: has an effect at once; also a context manager."""

    def __new__(cls, mode: bool) -> Any:
        return object.__new__(cls)

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.grad = bool(mode)
        self._outside = MODE.grad
        MODE.grad = self.grad

    def __enter__(self) -> None:
        MODE.grad = self.grad

    def __exit__(self, *_: object) -> None:
        MODE.grad = self._outside

    def __repr__(self) -> str:
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.grad})"

    def __call__(self, decorated: Callable[..., Any]) -> Callable[..., Any]:
        MODE.grad = self._outside
        return super().__call__(decorated)


@function("is_grad_enabled")
def is_grad_enabled() -> bool:
    """Whether operations are recorded now."""
    return MODE.grad
