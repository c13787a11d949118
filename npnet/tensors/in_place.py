"""Changing tensors in place: changes are counted and, if a gradient is required, recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from npnet.base.arrays import Array
from npnet.derivatives.operation import NOTHING, Operation
from npnet.tensors.dtypes_and_sizes import type_name
from npnet.tensors.tape import edge, node_of, save_result, seen
from npnet.tensors.tensor_class import CHANGES, MODE, Tensor, changed, new, owner


def refuse_leaf(tensor: Tensor) -> None:
    """Refuse to change in place a leaf that requires a gradient, or a view of one.

    Raises:
        RuntimeError: it is one, as in torch.
    """
    base = tensor if tensor._base is None else tensor._base
    if base._req and base._node is None:
        what = "a leaf Variable" if base is tensor else "a view of a leaf Variable"
        raise RuntimeError(
            f"{what} that requires grad is being used in an in-place operation: "
            "change it under torch.no_grad(), or change its .data"
        )


def write(
    tensor: Tensor, op: Operation, args: tuple[Any, ...], tensors: Sequence[Tensor | None]
) -> Tensor:
    """Change a tensor in place by ``op.forward(*args)``; ``args[0]`` is the tensor's array.

    If recording is on, the tensor's node becomes that of the operation. If the tensor is a view,
    its base notes that a part of it was written.
    """
    wanted = MODE.grad and any(t is not None and t._req for t in tensors)
    if wanted:
        refuse_leaf(tensor)
        args = (tensor._a.copy(), *args[1:])  # the backward pass needs the earlier values
    out = np.asarray(op.forward(*args))
    check_result(tensor._a, out)
    if not wanted:
        tensor._a[...] = out
        changed(tensor)
        return tensor
    out = out.astype(tensor._a.dtype, copy=False)
    node = node_of(op, args, tensors, out)
    before = None if tensor._base is None else tensor._base._a.copy()
    tensor._a[...] = out
    changed(tensor)
    mine = owner(tensor)
    if not any(one is not None and owner(one) is mine for one in tensors[1:]):
        # The earlier values of the tensor itself are kept, so that its change does no harm.
        node.tensors, node.stamp = (None, *node.tensors[1:]), CHANGES.count
    if tensor._base is None:
        tensor._node, tensor._req = node, True
        save_result(node, tensor)
        tensor._epoch += 1  # its views, if there are any, need a new node too
        return tensor
    save_result(node, tensor)
    base = tensor._base
    part = new(Tensor)  # represents the written values, with their history
    part._a, part._node, part._req = out, node, True
    base._node = node_of(WRITTEN, (before, out, tensor._view), (base, part), base._a)
    base._req = True
    base._epoch += 1
    tensor._req = True
    edge(tensor)
    return tensor


def check_result(target: Array, out: Array) -> None:
    """Refuse a result that does not fit into its tensor.

    Raises:
        RuntimeError: the result has a larger shape, or a type of a higher category.
    """
    if out.shape != target.shape:
        try:
            fits = np.broadcast_shapes(out.shape, target.shape) == target.shape
        except ValueError:
            fits = False
        if not fits:
            raise RuntimeError(
                f"output with shape {list(target.shape)} doesn't match the broadcast shape "
                f"{list(out.shape)}: an in-place operation keeps its tensor's shape; "
                "write x = x + y in place of x += y"
            )
    if (
        out.dtype is not target.dtype
        and "buif".index(out.dtype.kind)
        > "buif".index("u" if target.dtype.kind == "i" else target.dtype.kind)
        and {out.dtype.kind, target.dtype.kind} != {"u", "i"}
    ):
        raise RuntimeError(
            f"result type {type_name(out)} can't be cast to the desired output type "
            f"{type_name(target)}: convert the tensor first, for example with .float()"
        )


def _written(base: Array, value: Array, view: Any) -> Array:
    changed = base.copy()
    seen(view, changed)[...] = value
    return changed


def _rest(g: Array, _out: Array, base: Array, _value: Array, view: Any) -> Array:
    found = np.empty_like(base, dtype=g.dtype)
    found[...] = g
    seen(view, found)[...] = 0
    return found


def _part(g: Array, _out: Array, base: Array, _value: Array, view: Any) -> Array:
    found = np.empty_like(base, dtype=g.dtype)
    found[...] = g
    return seen(view, found)


WRITTEN: Final = Operation("CopySlices", _written, _rest, _part, saves=NOTHING)
