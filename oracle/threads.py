"""Torch and NumPy limited to one thread, for comparisons and timings side by side."""

import contextlib
from collections.abc import Iterator

import torch

from npnet.base import blas


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch and NumPy's BLAS to one thread inside the block; afterwards all is as before.

    With two threads torch takes two to three times the processor's time at these sizes, and does
    not finish sooner (4.7 to 6.8 s against 2.3 for 40 seeds of `oracle accuracy`).
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with blas.limited(1):
            yield
    finally:
        torch.set_num_threads(threads)
