"""A replacement, on NumPy alone, for the part of torch that notebooks of this exercise use.

In your own code, write ``import npnet.tensors as torch``. For a program that runs other people's
code, ``modules()`` gives the modules that ``import torch``, ``import torch.nn.functional as F`` and
``from torch import Tensor`` must find in ``sys.modules``::

    sys.modules.update(npnet.tensors.modules())

Hooks for graders and searches:

* ``npnet.tensors.random.OBSERVERS``: functions that are called with every random draw, a ``Draw``.
* ``npnet.tensors.autograd``: ``LAST``, the nodes of the last backward pass; ``vjp``; ``replay``.

A missing name raises NotImplementedError, which says the name; ``hasattr`` gives False.
"""

from __future__ import annotations

import math
import sys
import types
import warnings
from typing import Any

from npnet.tensors import (
    autograd,
    comparisons,
    conversion,
    creation,
    dtypes_and_sizes,
    functional,
    gather_scatter,
    indexing,
    operators,
    operators_in_place,
    order_and_counts,
    random,
    rearranging,
    reductions,
    storage,
    text,
)
from npnet.tensors.dtypes_and_sizes import ALIASES, ALL, get_default_dtype, set_default_dtype
from npnet.tensors.dtypes_and_sizes import Size as Size
from npnet.tensors.dtypes_and_sizes import dtype as dtype
from npnet.tensors.generators import default_generator as default_generator
from npnet.tensors.interface import FUNCTIONS
from npnet.tensors.missing import device as device
from npnet.tensors.missing import missing
from npnet.tensors.tensor_class import Tensor as Tensor

# Torch computes infinities and nans silently. NumPy warns of them, in the line that computes them.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"npnet\.(derivatives|tensors)\.")

__version__ = "2.13.0+npnet"

pi, e, inf, nan = math.pi, math.e, math.inf, math.nan
newaxis = None
strided = "torch.strided"
preserve_format = contiguous_format = None

_NAMES: dict[str, Any] = {
    **FUNCTIONS,
    **{repr(kind).removeprefix("torch."): kind for kind in ALL},
    **ALIASES,
    "get_default_dtype": get_default_dtype,
    "set_default_dtype": set_default_dtype,
    "LongTensor": lambda *data: creation.tensor(*data, dtype=dtypes_and_sizes.int64),
    "IntTensor": lambda *data: creation.tensor(*data, dtype=dtypes_and_sizes.int32),
    "FloatTensor": Tensor,
    "DoubleTensor": lambda *data: creation.tensor(*data, dtype=dtypes_and_sizes.float64),
    "BoolTensor": lambda *data: creation.tensor(*data, dtype=dtypes_and_sizes.bool_),
}
globals().update(_NAMES)


def _namespace(name: str, **entries: Any) -> types.ModuleType:
    """A small module of torch, such as ``torch.cuda``."""
    made = types.ModuleType(f"torch.{name}")
    vars(made).update(entries)

    def refuse(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise missing(f"torch.{name}", attribute)

    vars(made)["__getattr__"] = refuse
    return made


def _nothing(*_: Any, **__: Any) -> None:
    """For calls that have no effect here, such as ``torch.cuda.manual_seed``."""


cuda = _namespace(
    "cuda",
    is_available=lambda: False,
    device_count=lambda: 0,
    manual_seed=_nothing,
    manual_seed_all=_nothing,
    empty_cache=_nothing,
)
backends = _namespace(
    "backends",
    mps=_namespace("backends.mps", is_available=lambda: False, is_built=lambda: False),
    cudnn=_namespace("backends.cudnn", deterministic=True, benchmark=False),
)
nn = _namespace("nn", functional=functional)  # layers are refused by name
linalg = _namespace("linalg", norm=reductions.norm)
special = _namespace("special", softmax=functional.softmax, log_softmax=functional.log_softmax)
version = _namespace("version", cuda=None)


def set_num_threads(count: int) -> None:
    """Accepted: NumPy's threads are set from outside."""


def get_num_threads() -> int:
    """1."""
    return 1


def use_deterministic_algorithms(mode: bool, **_: Any) -> None:
    """Accepted: all algorithms here are."""


def modules() -> dict[str, types.ModuleType]:
    """Module names of torch and what stands for them here."""
    return {
        "torch": sys.modules[__name__],
        "torch.nn": nn,
        "torch.nn.functional": functional,
        "torch.autograd": autograd,
        "torch.random": random,
        "torch.cuda": cuda,
        "torch.backends": backends,
        "torch.linalg": linalg,
        "torch.special": special,
    }


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module 'torch' has no attribute {name!r}")
    raise missing("torch", name)


# These attach their functions when they are imported.
_ = (
    comparisons,
    conversion,
    gather_scatter,
    indexing,
    operators,
    operators_in_place,
    order_and_counts,
    rearranging,
    storage,
    text,
)
