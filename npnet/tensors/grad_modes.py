"""Switching recording on and off: ``no_grad``, ``enable_grad`` and ``set_grad_enabled``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from npnet.tensors.attach import function
from npnet.tensors.tensor_class import MODE


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

    def __call__(self, decorated: Callable[..., Any]) -> Callable[..., Any]:
        MODE.grad = self._outside
        return super().__call__(decorated)


@function("is_grad_enabled")
def is_grad_enabled() -> bool:
    """Whether operations are recorded now."""
    return MODE.grad
