"""Notebook cells for timings and comparisons, which run under torch and under npnet.tensors.

Each is the step of the lecture's fourth exercise, as notebooks have it: gradients by hand with a
double loop for dC, the same with ``index_add_``, and autograd.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, Final

import torch
import torch.nn.functional

import npnet.tensors
from npnet.network.names import PARAMETER_NAMES
from oracle.baselines import Losses, Task

FORWARD: Final = """
ix = torch.randint(0, Xtr.shape[0], (n,), generator=g)
Xb, Yb = Xtr[ix], Ytr[ix]
emb = C[Xb]
embcat = emb.view(emb.shape[0], -1)
hprebn = embcat @ W1 + b1
bnmean = hprebn.mean(0, keepdim=True)
bnvar = hprebn.var(0, keepdim=True, unbiased=True)
bnvar_inv = (bnvar + 1e-5)**-0.5
bnraw = (hprebn - bnmean) * bnvar_inv
hpreact = bngain * bnraw + bnbias
h = torch.tanh(hpreact)
logits = h @ W2 + b2
loss = F.cross_entropy(logits, Yb)
for p in parameters:
    p.grad = None
"""
BY_HAND: Final = """
dlogits = F.softmax(logits, 1)
dlogits[range(n), Yb] -= 1
dlogits /= n
dh = dlogits @ W2.T
dW2 = h.T @ dlogits
db2 = dlogits.sum(0)
dhpreact = (1.0 - h**2) * dh
dbngain = (bnraw * dhpreact).sum(0, keepdim=True)
dbnbias = dhpreact.sum(0, keepdim=True)
dhprebn = (bngain*bnvar_inv/n
           * (n*dhpreact - dhpreact.sum(0) - n/(n-1)*bnraw*(dhpreact*bnraw).sum(0)))
dembcat = dhprebn @ W1.T
dW1 = embcat.T @ dhprebn
db1 = dhprebn.sum(0)
demb = dembcat.view(emb.shape)
dC = torch.zeros_like(C)
"""
DOUBLE_LOOP: Final = """
for k in range(Xb.shape[0]):
    for j in range(Xb.shape[1]):
        ix = Xb[k,j]
        dC[ix] += demb[k,j]
"""
INDEX_ADD: Final = """
dC.index_add_(0, Xb.view(-1), demb.view(-1, demb.shape[-1]))
"""
UPDATE: Final = """
grads = [dC, dW1, db1, dW2, db2, dbngain, dbnbias]
for p, grad in zip(parameters, grads):
    p.data += -lr * grad
lossi.append(loss.log10().item())
"""
BACKWARD: Final = """
loss.backward()
for p in parameters:
    p.data += -lr * p.grad
lossi.append(loss.log10().item())
"""
# Name -> the code of a step, and whether it runs under torch.no_grad().
CELLS: Final[Mapping[str, tuple[str, bool]]] = {
    "double loop": (FORWARD + BY_HAND + DOUBLE_LOOP + UPDATE, True),
    "index_add_": (FORWARD + BY_HAND + INDEX_ADD + UPDATE, True),
    "autograd": (FORWARD + BACKWARD, False),
}


def losses(cell: str, module: types.ModuleType | Any, task: Task) -> Losses:
    """The losses of a cell's steps under torch or npnet.tensors, a stretch at each ``next``."""
    step, without_grad = CELLS[cell]
    stand_in = module is npnet.tensors
    names: dict[str, Any] = {
        "torch": module,
        "F": npnet.tensors.functional if stand_in else torch.nn.functional,
        "Xtr": module.tensor(task.X),
        "Ytr": module.tensor(task.Y),
        "g": module.Generator().manual_seed(task.seed),
        "n": task.batch,
        "lr": task.lr,
        "lossi": [],
    }
    parameters = [module.tensor(task.params[name]) for name in PARAMETER_NAMES]
    for parameter in parameters:
        parameter.requires_grad = True
    names |= dict(zip(PARAMETER_NAMES, parameters, strict=True)) | {"parameters": parameters}
    # All steps run in one exec, in the cell's own loop, so that names are looked up as in a
    # notebook.
    lines = [f"    {line}" for line in step.strip().splitlines() if line.strip()]
    loop = "\n".join(["for i in range(stretch):", *lines])
    if without_grad:
        loop = "with torch.no_grad():\n" + "\n".join(f"  {line}" for line in loop.splitlines())
    code = compile(loop, f"<{cell}>", "exec")
    names["stretch"] = task.stretch

    def steps() -> Iterator[list[float]]:
        while True:
            names["lossi"].clear()
            exec(code, names)
            yield [10**loss for loss in names["lossi"]]

    return steps()
