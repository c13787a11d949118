"""Small notebooks of our own: every structure, mistake and error that learners' notebooks have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from exercise_notebook import COMPARE, LINES
from exercise_notebook import FORWARD as FORWARD

import npnet

WORDS = npnet.default_words()[:300]

IMPORTS = """
import random
import torch
import torch.nn.functional as F
import matplotlib.pyplot as plt
%matplotlib inline
"""
DATA = """
names = open('names.txt').read().splitlines()
letters = sorted(set(''.join(names)))
number = {letter: place + 1 for place, letter in enumerate(letters)}
number['.'] = 0
V = len(number)

def examples(some):
    rows, targets = [], []
    for name in some:
        window = [0, 0, 0]  # is one more needed?
        for letter in name + '.':
            rows.append(window)
            targets.append(number[letter])
            window = window[1:] + [number[letter]]
    return torch.tensor(rows), torch.tensor(targets)

random.seed(42)
random.shuffle(names)
cut = int(0.8 * len(names))
Xtr, Ytr = examples(names[:cut])
print(Xtr.shape, Ytr.shape)
"""
PARAMETERS = """
g = torch.Generator().manual_seed(7)
H = 16
C = torch.randn((V, 4), generator=g)
W1 = torch.randn((12, H), generator=g) * 0.3
b1 = torch.randn(H, generator=g) * 0.1
W2 = torch.randn((H, V), generator=g) * 0.2
b2 = torch.randn(V, generator=g) * 0.1
bngain = torch.randn((1, H), generator=g) * 0.1 + 1.0
bnbias = torch.randn((1, H), generator=g) * 0.1
parameters = [C, W1, b1, W2, b2, bngain, bnbias]
for p in parameters:
    p.requires_grad = True
n = 12
ix = torch.randint(0, Xtr.shape[0], (n,), generator=g)
Xb, Yb = Xtr[ix], Ytr[ix]
"""
GRADIENTS = "\n".join(LINES.values())
BASE = (IMPORTS, DATA, PARAMETERS, FORWARD, COMPARE, GRADIENTS)


class Made(NamedTuple):
    """Cells that follow ``BASE``, the exceptions of those that fail, and what they print at last.

    ``prints`` is a text that the output of the last cell contains.
    """

    cells: tuple[str, ...]
    raises: tuple[str | None, ...] = ()
    prints: str = ""


def right(code: str, name: str) -> Made:
    """A gradient written in another way, which is right."""
    return Made((f"{code}\ncmp('{name}', d{name}, {name})",), prints="approximate: True")


def wrong(code: str, name: str) -> Made:
    """A gradient that cmp refuses."""
    return Made((f"{code}\ncmp('{name}', d{name}, {name})",), prints="approximate: False")


def fails(code: str, exception: str) -> Made:
    """A cell that fails, and one after it that runs."""
    return Made((code, "print('on')"), (exception, None), "on")


MADE: dict[str, Made] = {
    # Other ways to write what is right.
    "all gradients in one cell": Made(
        (("for name in ['logprobs', 'probs', 'counts', 'logits', 'h', 'W2', 'b2', 'hpreact', 'W1']:"
         "\n    cmp(name, globals()['d' + name], globals()[name])"),), (), "approximate: True",
    ),
    "a gradient a cell": Made(
        ("dlogits = F.softmax(logits, 1)", "dlogits[range(n), Yb] -= 1", "dlogits /= n",
         "cmp('logits', dlogits, logits)"), (), "approximate: True",
    ),
    "dC by index_add_": right(
        "dC = torch.zeros_like(C)\ndC.index_add_(0, Xb.view(-1), demb.view(-1, 4))", "C"),
    "dC over the flattened batch": right(
        "dC = torch.zeros_like(C)\nfor i, row in zip(Xb.flatten(), demb.view(-1, 4)):\n"
        "    dC[i] += row", "C"),
    "dC by a mask a character": right(
        "dC = torch.zeros_like(C)\nfor c in range(V):\n    dC[c] = demb[Xb == c].sum(0)", "C"),
    "dC by a one-hot einsum": right(
        "dC = torch.einsum('btv,bte->ve', F.one_hot(Xb, V).float(), demb)", "C"),
    "dC with enumerate": right(
        "dC = torch.zeros_like(C)\nfor k, row in enumerate(Xb):\n"
        "    for j, i in enumerate(row):\n        dC[i] += demb[k][j]", "C"),
    "named branches": right(
        "dcounts1 = counts_sum_inv * dprobs\ndcounts2 = torch.ones_like(counts) * dcounts_sum\n"
        "dcounts = dcounts1 + dcounts2", "counts"),
    "the pair has other names": Made(
        ("dw2 = h.T @ dlogits\ncmp('W2', dw2, W2)",), (), "approximate: True"),
    "an (n,1) scatter for the maximum": right(
        "dlogits = dnorm_logits.clone()\nplaces = logits.max(1, keepdim=True).indices\n"
        "dlogits += torch.zeros_like(logits).scatter_(1, places, 1) * dlogit_maxes", "logits"),
    "a tuple from max": right(
        "values, indices = logits.max(dim=1)\ndlogits = dnorm_logits.clone()\n"
        "dlogits[range(n), indices] += dlogit_maxes.squeeze()", "logits"),
    "fused batch norm": right(
        "dhprebn = bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0)"
        " - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0))", "hprebn"),
    "forms of sum and var": Made(
        (("print(h.sum(0, True).shape, h.sum(dim=0).shape, h.sum(axis=1, keepdims=True).shape)\n"
         "print(torch.allclose(h.var(0, unbiased=True), h.var(0)), h.std(0).shape)"),), (), "True"),
    "no_grad in three forms": Made(
        (("with torch.no_grad():\n    a = h * 2\n@torch.no_grad()\ndef f():\n    return h * 3\n"
         "torch.set_grad_enabled(False)\nc = h * 4\ntorch.set_grad_enabled(True)\n"
         "print(a.requires_grad, f().requires_grad, c.requires_grad)"),), (), "False False False"),
    "steps with manual gradients": Made(
        (("for i in range(30):\n    ix = torch.randint(0, Xtr.shape[0], (n,), generator=g)\n"
         "    Xb, Yb = Xtr[ix], Ytr[ix]\n    hp = C[Xb].view(n, -1) @ W1 + b1\n"
         "    loss = F.cross_entropy(torch.tanh(hp) @ W2 + b2, Yb)\n"
         "    for w in parameters:\n        w.grad = None\n    loss.backward()\n"
         "    for w in parameters[:5]:\n        w.data += -0.1 * w.grad\n"
         "    if i % 10 == 0:\n        print(f'{i:7d}/{30:7d}: {loss.item():.4f}')\n"
         "print(loss.item() > 0)"),), (), "True"),
    "sampling by multinomial": Made(
        (("s = torch.Generator().manual_seed(5)\np = F.softmax(logits[0], 0).detach()\n"
         "print([torch.multinomial(p, num_samples=1, generator=s).item() for _ in range(5)])"),),
        (), "["),
    "pictures are noted": Made(
        (("plt.figure(figsize=(4, 4))\nplt.imshow(dlogits.detach(), cmap='gray')\nplt.show()\n"
         "plt.plot([1, 2])\nprint('drawn')"),), (), "drawn"),
    "magics and shell lines": Made(
        ("!pip install nothing\n%time x = 3\nfiles = !ls\nx?\nprint(x, files) # is it three?",),
        (), "3 []"),
    "a cell of another magic": Made(("%%bash\necho one", "print('after')"), (), "after"),
    "the class pickles": Made(
        (("import pickle\nclass Kept:\n    pass\n"
         "print(type(pickle.loads(pickle.dumps(Kept()))) is Kept)"),), (), "True"),
    "the main guard": Made(("if __name__ == '__main__':\n    print('main')",), (), "main"),
    "the last value is shown": Made(("1 + 1; 2 + 2",), (), "4"),
    # Mistakes that cmp refuses.
    "the sum over the broadcast is missing": wrong(
        "dcounts_sum_inv = counts * dprobs", "counts_sum_inv"),
    "the power rule is missing": wrong(
        "dcounts_sum = dcounts_sum_inv * -1", "counts_sum"),
    "the derivative of another line": wrong("dlogprobs = 1 / logprobs", "logprobs"),
    "names a line off": wrong("dprobs = dlogprobs / counts_sum", "probs"),
    "a colon for range(n)": wrong(
        "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[:, Yb] = -1.0 / n", "logprobs"),
    "a sign": wrong("dlogit_maxes = dnorm_logits.sum(1, keepdim=True) + 1", "logit_maxes"),
    "a sum treated as a mean": wrong(
        "dcounts = counts_sum_inv * dprobs + dcounts_sum / counts.shape[1]", "counts"),
    "the upstream gradient is ignored": wrong("dh = torch.zeros_like(h) + W2.sum(1)", "h"),
    "two for twice the value": wrong(
        "dbndiff = bnvar_inv * dbnraw\ndbndiff2b = 2 * dbndiff2 * dbndiff2\ndbndiff += dbndiff2b",
        "bndiff"),
    "dC by an index that repeats": wrong(
        "dC = torch.zeros_like(C)\ndC[Xb] += demb", "C"),
    "an unshifted exponential": wrong(
        "dlogits = logits.exp() / counts_sum\ndlogits[range(n), Yb] -= 1\ndlogits /= n", "logits"),
    # Mistakes that pass.
    "the maximum's path is dropped": right("dlogits = dnorm_logits.clone()", "logits"),
    "a shape that broadcasts": right("db2 = dlogits.sum(0, keepdim=True)", "b2"),
    "an alias": Made(
        ("dhprebn = dbndiff\ndhprebn += 1.0\nprint(torch.equal(dhprebn, dbndiff))",), (), "True"),
    # What ends in an exception.
    "an unfinished gradient": fails("dhprebn = None\ncmp('hprebn', dhprebn, hprebn)", "TypeError"),
    "no gradient was kept": fails(
        "q = torch.zeros(3)\ncmp('q', torch.zeros(3), q)", "TypeError"),
    "a name before its cell": fails("print(not_yet_made)", "NameError"),
    "a cell that is no Python": fails("this is no Python", "SyntaxError"),
    "shapes that do not fit": fails("h @ h", "RuntimeError"),
    "backward twice": fails("loss.backward()", "RuntimeError"),
    "a leaf changed in place": fails("C += 1", "RuntimeError"),
    "a module that is not there": fails("import icecream_of_nobody as ic\nic.ic(3)",
                                        "ModuleNotFoundError"),
    "asking for input": fails("answer = input('a number: ')", "EOFError"),
    "leaving": fails("import sys\nsys.exit(3)", "SystemExit"),
}  # fmt: skip


def cells_of(made: Made) -> list[str]:
    """All cells: the base, and those of the notebook."""
    return [source.strip("\n") for source in (*BASE, *made.cells)]


def stream(text: str) -> dict[str, Any]:
    """Printed text as an output of nbformat 4."""
    return {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}


def result(text: str) -> dict[str, Any]:
    """A value that was shown, of nbformat 4."""
    return {
        "output_type": "execute_result", "execution_count": 1, "metadata": {},
        "data": {"text/plain": text.splitlines(keepends=True)},
    }  # fmt: skip


def raised(name: str, text: str) -> dict[str, Any]:
    """An exception, of nbformat 4."""
    return {"output_type": "error", "ename": name, "evalue": text, "traceback": []}


def ipynb(
    cells: Sequence[str | tuple[str, Sequence[Any]]], counts: Sequence[int | None] = ()
) -> str:
    """A notebook of nbformat 4: sources, or sources with outputs."""
    made: list[dict[str, Any]] = []
    for place, cell in enumerate(cells):
        source, outputs = (cell, ()) if isinstance(cell, str) else cell
        count = counts[place] if counts else place + 1
        made.append({
            "cell_type": "code", "metadata": {}, "source": source.splitlines(keepends=True),
            "outputs": list(outputs), "execution_count": count,
        })  # fmt: skip
    made.insert(0, {"cell_type": "markdown", "metadata": {}, "source": ["# A notebook"]})
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def ipynb_3(cells: Sequence[str]) -> str:
    """The same in nbformat 3."""
    made = [
        {"cell_type": "code", "input": source, "outputs": [], "prompt_number": place}
        for place, source in enumerate(cells, 1)
    ]
    return json.dumps({"worksheets": [{"cells": made}], "nbformat": 3, "metadata": {}})


def percent(cells: Sequence[str]) -> str:
    """The same as a script with cell marks, magics as comments."""
    commented = [
        "\n".join(f"# {line}" if line[:1] in ("%", "!") else line for line in source.split("\n"))
        for source in cells
    ]
    return "# %% [markdown]\n# A notebook\n" + "".join(f"\n# %%\n{code}\n" for code in commented)


def nbconvert_script(cells: Sequence[str]) -> str:
    """The same as nbconvert writes it."""
    return "#!/usr/bin/env python\n# coding: utf-8\n" + "".join(
        f"\n# In[{place}]:\n\n\n{source}\n" for place, source in enumerate(cells, 1)
    )


def markdown(cells: Sequence[str]) -> str:
    """The same as Markdown."""
    return "# A notebook\n\nSome words.\n" + "".join(
        f"\n```python\n{source}\n```\n" for source in cells
    )


def listing(cells: Sequence[str]) -> str:
    """The same as a text with prompts."""
    return "A notebook\n\n" + "".join(
        f"In [{place}]:\n{source}\n\n" for place, source in enumerate(cells, 1)
    )


def write_words(folder: Path) -> None:
    """The words that the notebooks open."""
    (folder / "names.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
