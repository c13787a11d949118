"""A forward pass in torch as a table of lines: the whole pass, or each line alone.

``v`` is any object whose attributes the lines read. Tensors to differentiate require their
gradient.
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

    The graph is cut at every name: in ``v``, each value is a leaf. One backward pass differentiates
    the sum over the lines of ⟨upstream gradient of the line's result, line(leaves)⟩.

    Args:
        upstream: the gradient of each line's result; lines without one are left out.
        skip: names of lines; the graph is not cut at their results.
    """
    terms = []
    for name, line in lines.items():
        if name in skip:
            setattr(v, name, line(v))
        elif name in upstream:
            terms.append((line(v) * upstream[name]).sum())
    names = tuple(names)
    # One sum, because torch imports sympy if it gets upstream gradients, which takes a second.
    gradients = torch.autograd.grad(
        [torch.stack(terms).sum()],
        [getattr(v, name) for name in names],
        materialize_grads=True,  # zeros for a leaf that no line reads
    )
    return dict(zip(names, gradients, strict=True))
