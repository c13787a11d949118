"""A forward pass in torch, given as a table of lines: all of it, or each line alone.

``v`` is any object whose attributes the lines read; tensors among them that are differentiated
require their gradient.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

Lines = Mapping[str, Callable[[Any], Tensor]]


def run(lines: Lines, v: Any) -> None:
    """Run the lines in order; each result becomes an attribute of ``v`` that keeps its gradient."""
    for name, line in lines.items():
        value = line(v)
        if value.requires_grad:
            value.retain_grad()
        setattr(v, name, value)


def each_alone(
    lines: Lines,
    v: Any,
    names: Iterable[str],
    upstream: Mapping[str, Tensor],
    skip: Collection[str] = (),
) -> dict[str, Tensor]:
    """The gradient of each of ``names``, alone: the sum over the lines that read it.

    The graph is cut at every name: ``v`` has each value as a leaf of its own. One backward pass
    differentiates the sum over the lines of ⟨upstream of the line's result, line(leaves)⟩.

    Args:
        upstream: the gradient of each line's result; lines without one are left out.
        skip: lines at whose results the graph is not cut.
    """
    terms = []
    for name, line in lines.items():
        if name in skip:
            setattr(v, name, line(v))
        elif name in upstream:
            terms.append((line(v) * upstream[name]).sum())
    names = tuple(names)
    # As one sum: given the upstream gradients, torch imports sympy, which takes a second.
    gradients = torch.autograd.grad(
        [torch.stack(terms).sum()],
        [getattr(v, name) for name in names],
        materialize_grads=True,  # zeros for a leaf that no line reads
    )
    return dict(zip(names, gradients, strict=True))
