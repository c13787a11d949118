"""Torch computes infinities silently; pytest's filters come before those of npnet.tensors."""

from collections.abc import Iterator

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield
