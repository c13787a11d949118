"""``torch.nn``: it has only ``functional``; for layers, an error names the layer."""

from __future__ import annotations

from typing import Any

from npnet.tensors import functional as functional
from npnet.tensors.missing import missing


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise missing("torch.nn", name)
