"""Many right ways to write each gradient. The grader may call none of them wrong.

Each is the body of a function of ``v`` and ``d``; its last line is the expression that is returned.
Where a way makes float64 of float32 (``np.eye``, lists, integers times float32), it is still right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

ROWS = "r = np.arange(len(v.Y))\n"
AT_MAX = "r, j = np.arange(len(v.Y)), v.logits.argmax(1)\n"
SOFTMAX = "e = np.exp(v.logits - v.logits.max(1, keepdims=True))\np = e / e.sum(1, keepdims=True)\n"
# The 26 lines one after the other, with the names of the lecture.
LECTURE = """
n = len(v.Y)
dlogits = v.probs.copy()
dlogits[np.arange(n), v.Y] -= 1
dlogits /= n
dh = dlogits @ v.W2.T
dW2 = v.h.T @ dlogits
db2 = dlogits.sum(0)
dhpreact = (1 - v.h**2) * dh
dbngain = (v.bnraw * dhpreact).sum(0, keepdims=True)
dbnbias = dhpreact.sum(0, keepdims=True)
dhprebn = v.bngain * v.bnvar_inv / n * (
    n * dhpreact - dhpreact.sum(0) - n / (n - 1) * v.bnraw * (dhpreact * v.bnraw).sum(0))
dembcat = dhprebn @ v.W1.T
dW1 = v.embcat.T @ dhprebn
db1 = dhprebn.sum(0)
demb = dembcat.reshape(v.emb.shape)
dC = np.zeros_like(v.C)
for k in range(v.X.shape[0]):
    for j in range(v.X.shape[1]):
        dC[v.X[k, j]] += demb[k, j]
"""

RIGHT_WAYS: dict[str, tuple[str, ...]] = {
    "dlogprobs": (
        "-np.eye(v.logprobs.shape[1])[v.Y] / len(v.Y)",
        "-1 * (v.Y[:, None] == np.arange(v.logprobs.shape[1])) * d.loss / len(v.Y)",
        "g = np.zeros_like(v.logprobs)\ng[range(len(v.Y)), v.Y] = -1.0 / len(v.Y)\ng",
        "g = np.zeros(v.logprobs.shape)\ng[range(len(v.Y)), v.Y] = -1.0 / len(v.Y)\ng",
        ("g = np.zeros_like(v.logprobs)\nn = v.Y.shape[0]\nfor i in range(n):\n"
        "    g[i, v.Y[i]] -= d.loss / n\ng"),
        "n, V = v.logprobs.shape\n[[-1 / n if j == y else 0.0 for j in range(V)] for y in v.Y]",
        "g = np.zeros_like(v.logprobs)\nnp.put_along_axis(g, v.Y[:, None], -1 / len(v.Y), 1)\ng",
        "g = np.zeros_like(v.logprobs)\nnp.add.at(g, (np.arange(len(v.Y)), v.Y), -1 / len(v.Y))\ng",
        ("n, V = v.logprobs.shape\ng = np.zeros_like(v.logprobs).ravel()\n"
        "g[np.arange(n) * V + v.Y] = -1 / float(n)\ng.reshape(n, V)"),
        ("n, V = v.logprobs.shape\nnp.bincount(np.arange(n) * V + v.Y,"
        " weights=np.full(n, -1 / n), minlength=n * V).reshape(n, V)"),
        "np.where(np.arange(v.logprobs.shape[1])[None] == v.Y[:, None], -1 / len(v.Y), 0)",
    ),
    "dprobs": (
        "d.logprobs / v.probs",
        "v.probs**-1 * d.logprobs",
        "(1.0 / v.probs) * d.logprobs",
        "np.divide(d.logprobs, v.probs)",
        "np.reciprocal(v.probs) * d.logprobs",
        "d.logprobs * v.counts_sum / v.counts",
        ("np.exp(np.log(np.abs(d.logprobs) + 1e-300) - v.logprobs) * np.sign(d.logprobs)"
        " if d.logprobs.dtype == np.float64 else d.logprobs / v.probs"),
        "g = d.logprobs.copy()\ng /= v.probs\ng",
        "[[a / b for a, b in zip(x, y)] for x, y in zip(d.logprobs, v.probs)]",
        "np.einsum('ij,ij->ij', 1 / v.probs, d.logprobs)",
        "np.stack([np.diag(1 / p) @ g for p, g in zip(v.probs, d.logprobs)])",
    ),
    "dcounts_sum_inv": (
        "(d.probs * v.counts).sum(axis=1, keepdims=True)",
        "np.sum(v.counts * d.probs, 1)[:, None]",
        "np.einsum('ij,ij->i', v.counts, d.probs)[:, None]",
        "(v.counts[:, None, :] @ d.probs[:, :, None])[:, :, 0]",
        "(v.counts * d.probs) @ np.ones((v.counts.shape[1], 1))",
        "np.array([[a @ b] for a, b in zip(v.counts, d.probs)])",
        ("g = np.zeros_like(v.counts_sum_inv)\nfor i in range(len(g)):\n"
        "    for j in range(v.counts.shape[1]):\n"
        "        g[i] += v.counts[i, j] * d.probs[i, j]\ng"),
        "np.diag(v.counts @ d.probs.T).reshape(-1, 1)",
        "(v.probs / v.counts_sum_inv * d.probs).sum(1, keepdims=True)",
    ),
    "dcounts_sum": (
        "-d.counts_sum_inv / v.counts_sum**2",
        "-(v.counts_sum**-2) * d.counts_sum_inv",
        "-v.counts_sum_inv * v.counts_sum_inv * d.counts_sum_inv",
        "-1.0 * np.square(v.counts_sum_inv) * d.counts_sum_inv",
        "d.counts_sum_inv * (-v.counts_sum_inv / v.counts_sum)",
        "np.negative(d.counts_sum_inv) * np.power(v.counts_sum, -2.0)",
        "-d.counts_sum_inv / (v.counts.sum(1, keepdims=True) ** 2)",
        "[[-float(g) / float(s) ** 2] for [g], [s] in zip(d.counts_sum_inv, v.counts_sum)]",
    ),
    "dcounts": (
        "d.counts_sum + d.probs * v.counts_sum_inv",
        "d.probs / v.counts_sum + d.counts_sum",
        "g = d.probs * v.counts_sum_inv\ng += np.ones_like(v.counts) * d.counts_sum\ng",
        "d.probs * v.counts_sum_inv + np.broadcast_to(d.counts_sum, v.counts.shape)",
        "v.counts_sum_inv * d.probs + np.tile(d.counts_sum, v.counts.shape[1])",
        "v.counts_sum_inv * d.probs + d.counts_sum @ np.ones((1, v.counts.shape[1]))",
        ("g = np.empty_like(v.counts)\nfor i in range(len(g)):\n"
        "    g[i] = d.probs[i] * v.counts_sum_inv[i] + d.counts_sum[i]\ng"),
        "np.repeat(d.counts_sum, v.counts.shape[1], 1) + v.counts_sum_inv * d.probs",
    ),
    "dnorm_logits": (
        "d.counts * np.exp(v.norm_logits)",
        "np.multiply(v.counts, d.counts)",
        "d.counts * np.exp(v.logits - v.logit_maxes)",
        "g = d.counts.copy()\ng *= v.counts\ng",
        "np.einsum('ij,ij->ij', v.counts, d.counts)",
        "v.probs * v.counts_sum * d.counts",
        "np.array([[c * g for c, g in zip(a, b)] for a, b in zip(v.counts, d.counts)])",
    ),
    "dlogit_maxes": (
        "-d.norm_logits.sum(1, keepdims=True)",
        "(-d.norm_logits).sum(axis=1).reshape(-1, 1)",
        "-np.einsum('ij->i', d.norm_logits)[:, np.newaxis]",
        "-(d.norm_logits @ np.ones(d.norm_logits.shape[1]))[:, None]",
        "d.norm_logits @ -np.ones((d.norm_logits.shape[1], 1), d.norm_logits.dtype)",
        "[[-sum(row)] for row in d.norm_logits.tolist()]",
        "np.add.reduce(-d.norm_logits, axis=1, keepdims=True)",
        ("g = np.zeros_like(v.logit_maxes)\nfor j in range(v.logits.shape[1]):\n"
        "    g -= d.norm_logits[:, j:j + 1]\ng"),
    ),
    "dlogits": (
        AT_MAX + "g = d.norm_logits.copy()\ng[r, j] += d.logit_maxes[:, 0]\ng",
        AT_MAX + "g = np.array(d.norm_logits)\nnp.add.at(g, (r, j), d.logit_maxes.ravel())\ng",
        AT_MAX + "d.norm_logits + np.eye(v.logits.shape[1])[j] * d.logit_maxes",
        ("j = v.logits.argmax(1, keepdims=True)\ng = np.zeros_like(v.logits)\n"
        "np.put_along_axis(g, j, d.logit_maxes, 1)\nd.norm_logits + g"),
        "m = v.logits == v.logit_maxes\nd.norm_logits + d.logit_maxes * m / m.sum(1)[:, None]",
        ("m = (v.norm_logits == 0).astype(v.logits.dtype)\n"
        "d.norm_logits + m * (d.logit_maxes / m.sum(1, keepdims=True))"),
        ("m = v.logits == v.logit_maxes\n"
        "m &= m.cumsum(1) == 1\nd.norm_logits + np.where(m, d.logit_maxes, 0)"),
        ("g = d.norm_logits.copy()\nfor i, row in enumerate(v.logits):\n    best = 0\n"
        "    for j, x in enumerate(row):\n        if x > row[best]:\n            best = j\n"
        "    g[i, best] += d.logit_maxes[i, 0]\ng"),
        ("g = d.norm_logits.copy()\nfor i, row in enumerate(v.logits):\n    best = 0\n"
        "    for j, x in enumerate(row):\n        if x >= row[best]:\n            best = j\n"
        "    g[i, best] += d.logit_maxes[i, 0]\ng"),
        ("m = np.ma.masked_less(v.logits, v.logit_maxes)\nm = ~np.ma.getmaskarray(m)\n"
        "d.norm_logits + m / m.sum(1, keepdims=True) * d.logit_maxes"),
        AT_MAX + "V = v.logits.shape[1]\n"
        "d.norm_logits + (np.arange(V) == j[:, None]).astype(int) * d.logit_maxes",
        AT_MAX + "n, V = v.logits.shape\nd.norm_logits + np.bincount(r * V + j,"
        " weights=d.logit_maxes[:, 0], minlength=n * V).reshape(n, V)",
        ("j = np.argsort(v.logits, 1)[:, -1:]\n"
        "d.norm_logits + (np.arange(v.logits.shape[1]) == j) * d.logit_maxes"),
    ),
    "dh": (
        "np.matmul(d.logits, v.W2.T)",
        "np.dot(d.logits, v.W2.transpose())",
        "np.einsum('ij,kj->ik', d.logits, v.W2)",
        "np.tensordot(d.logits, v.W2, (1, 1))",
        "(v.W2 @ d.logits.T).T",
        "(d.logits[:, None, :] * v.W2[None]).sum(-1)",
        "np.inner(d.logits, v.W2)",
        "g = np.zeros_like(v.h)\nfor i in range(len(g)):\n    g[i] = v.W2 @ d.logits[i]\ng",
        ("g = np.zeros_like(v.h)\nfor j in range(v.W2.shape[1]):\n"
        "    g += np.outer(d.logits[:, j], v.W2[:, j])\ng"),
    ),
    "dW2": (
        "np.einsum('ik,ij->kj', v.h, d.logits)",
        "(d.logits.T @ v.h).T",
        "np.tensordot(v.h, d.logits, (0, 0))",
        "sum(np.outer(a, b) for a, b in zip(v.h, d.logits))",
        "(v.h[:, :, None] * d.logits[:, None, :]).sum(0)",
        ("g = np.zeros(v.W2.shape)\nfor i in range(len(v.h)):\n"
        "    g += v.h[i][:, None] * d.logits[i][None, :]\ng"),
        "np.matmul(v.h[:, :, None], d.logits[:, None, :]).sum(axis=0)",
    ),
    "db2": (
        "d.logits.sum(axis=0)",
        "np.ones(len(d.logits)) @ d.logits",
        "np.einsum('ij->j', d.logits)",
        "sum(d.logits)",
        "d.logits.T.sum(1)",
        "d.logits.mean(0) * len(d.logits)",
        "[sum(column) for column in zip(*d.logits.tolist())]",
        "np.squeeze(d.logits.sum(0, keepdims=True))",
        "g = np.zeros_like(v.b2)\nfor row in d.logits:\n    g += row\ng",
    ),
    "dhpreact": (
        "d.h * (1.0 - v.h * v.h)",
        "(1 - v.h) * (1 + v.h) * d.h",
        "d.h - d.h * v.h**2",
        "d.h / np.cosh(v.hpreact) ** 2",
        "(1 - np.tanh(v.hpreact) ** 2) * d.h",
        "np.square(2 / (np.exp(v.hpreact) + np.exp(-v.hpreact))) * d.h",
        "s = 1 / (1 + np.exp(-2 * v.hpreact))\n4 * s * (1 - s) * d.h",
        "g = v.h**2\ng *= -1\ng += 1\ng * d.h",
        "np.stack([(np.eye(len(a)) - np.diag(a**2)) @ g for a, g in zip(v.h, d.h)])",
    ),
    "dbngain": (
        "(d.hpreact * v.bnraw).sum(axis=0, keepdims=True)",
        "np.sum(v.bnraw * d.hpreact, axis=0)[None]",
        "np.einsum('ik,ik->k', v.bnraw, d.hpreact)[None, :]",
        "np.diag(v.bnraw.T @ d.hpreact).reshape(1, -1)",
        "np.ones((1, len(v.bnraw))) @ (v.bnraw * d.hpreact)",
        "(v.bndiff * v.bnvar_inv * d.hpreact).sum(0, keepdims=True)",
        "[[a @ b for a, b in zip(v.bnraw.T, d.hpreact.T)]]",
    ),
    "dbnbias": (
        "np.sum(d.hpreact, 0, keepdims=True)",
        "d.hpreact.sum(0)[None, :]",
        "np.ones((1, len(d.hpreact)), dtype=d.hpreact.dtype) @ d.hpreact",
        "np.expand_dims(np.einsum('ik->k', d.hpreact), 0)",
        "d.hpreact.sum(0).reshape(v.bnbias.shape)",
        "g = np.zeros_like(v.bnbias)\nfor row in d.hpreact:\n    g[0] += row\ng",
        "np.cumsum(d.hpreact, 0)[-1:]",
    ),
    "dbnraw": (
        "d.hpreact * v.bngain",
        "d.hpreact @ np.diag(v.bngain[0])",
        "np.einsum('k,ik->ik', v.bngain[0], d.hpreact)",
        "np.array([v.bngain[0] * row for row in d.hpreact])",
        "np.broadcast_to(v.bngain, d.hpreact.shape) * d.hpreact",
        "g = d.hpreact.copy()\ng *= v.bngain\ng",
    ),
    "dbnvar_inv": (
        "(d.bnraw * v.bndiff).sum(0)[np.newaxis]",
        "np.einsum('ik,ik->k', v.bndiff, d.bnraw).reshape(1, -1)",
        "((v.hprebn - v.bnmeani) * d.bnraw).sum(0, keepdims=True)",
        "np.diagonal(v.bndiff.T @ d.bnraw)[None]",
        "(v.bndiff.T[:, None, :] @ d.bnraw.T[:, :, None]).reshape(1, -1)",
        "(v.bnraw / v.bnvar_inv * d.bnraw).sum(0, keepdims=True)",
    ),
    "dbnvar": (
        "-0.5 * v.bnvar_inv**3 * d.bnvar_inv",
        "-0.5 * (v.bnvar + 1e-5) ** -1.5 * d.bnvar_inv",
        "-d.bnvar_inv / (2 * (v.bnvar + v.eps) ** 1.5)",
        "-d.bnvar_inv * v.bnvar_inv / (2 * (v.bnvar + v.eps))",
        "-0.5 * d.bnvar_inv / ((v.bnvar + v.eps) * np.sqrt(v.bnvar + v.eps))",
        "(-1 / 2) * np.power(v.bnvar + v.eps, -3 / 2) * d.bnvar_inv",
        "d.bnvar_inv * v.bnvar_inv**3 / -2",
    ),
    "dbndiff2": (
        "np.tile(d.bnvar, (len(v.X), 1)) / (len(v.X) - 1)",
        "np.broadcast_to(d.bnvar / (len(v.Y) - 1), v.bndiff2.shape)",
        "1 / (len(v.bndiff2) - 1) * np.ones(v.bndiff2.shape) * d.bnvar",
        "d.bnvar.repeat(len(v.X), axis=0) / (len(v.X) - 1.0)",
        "np.full_like(v.bndiff2, 1 / (len(v.X) - 1)) * d.bnvar",
        "np.outer(np.ones(len(v.X)), d.bnvar) / (len(v.X) - 1)",
        "[list(d.bnvar[0] / (len(v.X) - 1)) for _ in v.X]",
        "g = np.zeros_like(v.bndiff2)\ng += d.bnvar / (len(v.X) - 1)\ng",
    ),
    "dbndiff": (
        "d.bnraw * v.bnvar_inv + d.bndiff2 * 2 * v.bndiff",
        "g = v.bnvar_inv * d.bnraw\ng += (2 * v.bndiff) * d.bndiff2\ng",
        "2 * (v.hprebn - v.bnmeani) * d.bndiff2 + d.bnraw * v.bnvar_inv",
        "v.bnvar_inv * d.bnraw + v.bndiff * d.bndiff2 + v.bndiff * d.bndiff2",
        "d.bnraw / np.sqrt(v.bnvar + v.eps) + 2.0 * v.bndiff * d.bndiff2",
        "np.einsum('k,ik->ik', v.bnvar_inv[0], d.bnraw) + np.multiply(2 * v.bndiff, d.bndiff2)",
    ),
    "dbnmeani": (
        "-d.bndiff.sum(0)[None]",
        "(-d.bndiff).sum(axis=0, keepdims=True)",
        "-np.ones((1, len(d.bndiff))) @ d.bndiff",
        "-np.einsum('ik->k', d.bndiff)[np.newaxis, :]",
        "(-np.ones_like(v.bndiff) * d.bndiff).sum(0, keepdims=True)",
        "np.zeros_like(v.bnmeani) - d.bndiff.sum(0)",
    ),
    "dhprebn": (
        "d.bndiff + d.bnmeani / len(v.Y)",
        "d.bndiff + 1 / len(v.Y) * np.ones_like(v.hprebn) * d.bnmeani",
        "g = d.bndiff.copy()\ng += np.ones(v.hprebn.shape) / len(v.Y) * d.bnmeani\ng",
        "d.bndiff + np.full((len(v.Y), 1), 1 / len(v.Y)) @ d.bnmeani",
        "d.bndiff + (d.bnmeani / v.hprebn.shape[0]).repeat(len(v.Y), 0)",
        "[g + d.bnmeani[0] / len(v.Y) for g in d.bndiff]",
    ),
    "dembcat": (
        "np.einsum('ik,mk->im', d.hprebn, v.W1)",
        "(v.W1 @ d.hprebn.T).T",
        "np.dot(d.hprebn, v.W1.T)",
        "np.tensordot(d.hprebn, v.W1, axes=([1], [1]))",
        "np.stack([v.W1 @ row for row in d.hprebn])",
    ),
    "dW1": (
        "np.einsum('im,ik->mk', v.embcat, d.hprebn)",
        "v.emb.reshape(len(v.X), -1).T @ d.hprebn",
        "v.C[v.X].reshape(len(v.X), -1).T @ d.hprebn",
        "(d.hprebn.T @ v.embcat).T",
        "sum(a[:, None] * b[None] for a, b in zip(v.embcat, d.hprebn))",
        "np.add.reduce(v.embcat[:, :, None] * d.hprebn[:, None], 0)",
    ),
    "db1": (
        "d.hprebn.sum(axis=0)",
        "np.ones(len(v.X)) @ d.hprebn",
        "np.einsum('ik->k', d.hprebn)",
        "np.add.reduce(d.hprebn)",
        "sum(row for row in d.hprebn)",
        "d.hprebn.T @ np.ones(len(v.X), d.hprebn.dtype)",
        "[float(column.sum()) for column in d.hprebn.T]",
    ),
    "demb": (
        "d.embcat.reshape(v.emb.shape)",
        "d.embcat.reshape(len(v.X), v.X.shape[1], -1)",
        "np.stack(np.split(d.embcat, v.X.shape[1], axis=1), 1)",
        ("g = np.zeros_like(v.emb)\nE = v.emb.shape[2]\nfor t in range(v.X.shape[1]):\n"
        "    g[:, t] = d.embcat[:, t * E:(t + 1) * E]\ng"),
        "np.array([row.reshape(v.emb.shape[1:]) for row in d.embcat])",
        "d.embcat.copy().ravel().reshape(v.emb.shape)",
    ),
    "dC": (
        ("g = np.zeros_like(v.C)\nfor i in range(len(v.X)):\n    for t in range(v.X.shape[1]):\n"
        "        g[v.X[i, t]] += d.emb[i, t]\ng"),
        "g = np.zeros_like(v.C)\nfor row, e in zip(v.X, d.emb):\n    np.add.at(g, row, e)\ng",
        "g = np.zeros(v.C.shape)\nnp.add.at(g, v.X, d.emb)\ng",
        "np.einsum('itv,ite->ve', np.eye(len(v.C))[v.X], d.emb)",
        "np.tensordot(np.eye(len(v.C))[v.X], d.emb, ((0, 1), (0, 1)))",
        "np.eye(len(v.C), dtype=v.C.dtype)[v.X.ravel()].T @ d.emb.reshape(v.X.size, -1)",
        "np.stack([d.emb[v.X == c].sum(0) for c in range(len(v.C))])",
        ("np.stack([np.bincount(v.X.ravel(), weights=d.emb[:, :, e].ravel(), minlength=len(v.C))"
        " for e in range(v.C.shape[1])], 1)"),
        "[d.emb[v.X == c].sum(0) for c in range(len(v.C))]",
        "((v.X[None] == np.arange(len(v.C))[:, None, None])[..., None] * d.emb).sum((1, 2))",
        ("order = np.argsort(v.X.ravel(), kind='stable')\nx = v.X.ravel()[order]\n"
        "e = d.emb.reshape(x.size, -1)[order]\n"
        "first = np.flatnonzero(np.r_[True, x[1:] != x[:-1]])\n"
        "g = np.zeros_like(v.C)\ng[x[first]] = np.add.reduceat(e, first)\ng"),
    ),
    "dlogits_at_once": (
        SOFTMAX + "p[np.arange(len(v.Y)), v.Y] -= 1\np / len(v.Y)",
        SOFTMAX + "(p - np.eye(v.logits.shape[1])[v.Y]) / len(v.Y)",
        SOFTMAX + "(p - (np.arange(v.logits.shape[1]) == v.Y[:, None])) / float(len(v.Y))",
        "e = np.exp(v.logits)\np = e / e.sum(1)[:, None]\np[range(len(p)), v.Y] -= 1\np / len(p)",
        ("top = v.logits.max(1, keepdims=True)\n"
        "lse = np.log(np.exp(v.logits - top).sum(1, keepdims=True)) + top\n"
        "p = np.exp(v.logits - lse)\np[np.arange(len(p)), v.Y] -= 1\np * (1 / len(p))"),
        SOFTMAX + "onehot = np.zeros(p.shape)\nonehot[np.arange(len(p)), v.Y] = 1\n"
        "(p - onehot) / len(p)",
        SOFTMAX + "[[(a - (j == y)) / len(p) for j, a in enumerate(r)] for r, y in zip(p, v.Y)]",
        SOFTMAX + "np.einsum('ijk,ij->ik', np.einsum('ij,jk->ijk', p, np.eye(p.shape[1]))"
        " - np.einsum('ij,ik->ijk', p, p), -1.0 * (np.arange(p.shape[1]) == v.Y[:, None])"
        " / p[np.arange(len(p)), v.Y][:, None]) / len(p)",
    ),
    "dhprebn_at_once": (
        ("n = len(v.bnraw)\nv.bngain * v.bnvar_inv / n * (n * d.hpreact - d.hpreact.sum(0)"
        " - n / (n - 1) * v.bnraw * (d.hpreact * v.bnraw).sum(0))"),
        ("n = len(v.bnraw)\ng = d.hpreact * v.bngain\nv.bnvar_inv * (g - g.mean(0)"
        " - v.bnraw * (g * v.bnraw).sum(0) / (n - 1))"),
        ("n = len(v.bnraw)\ng = d.hpreact * v.bngain\n"
        "g * v.bnvar_inv - (g * v.bnvar_inv).sum(0) / n"
        " - v.bndiff * v.bnvar_inv**3 / (n - 1) * (g * v.bndiff).sum(0)"),
        ("n = len(v.bnraw)\nH = v.bnraw.shape[1]\nout = np.zeros((n, H))\nfor k in range(H):\n"
        "    x = v.bnraw[:, k]\n    J = np.eye(n) - 1 / n - np.outer(x, x) / (n - 1)\n"
        "    out[:, k] = v.bngain[0, k] * v.bnvar_inv[0, k] * (J @ d.hpreact[:, k])\nout"),
        ("n = len(v.bnraw)\ndbnraw = v.bngain * d.hpreact\n"
        "dvar = (dbnraw * v.bndiff).sum(0) * -0.5 * (v.bnvar + v.eps) ** -1.5\n"
        "dbndiff = dbnraw * v.bnvar_inv + 2 * v.bndiff * dvar / (n - 1)\n"
        "dbndiff - dbndiff.sum(0) / n"),
    ),
    "backward": (
        LECTURE + "[dC, dW1, db1, dW2, db2, dbngain, dbnbias]",
        LECTURE + "dC, dW1, db1, dW2, db2, dbngain, dbnbias",
        LECTURE.replace("v.h.T @ dlogits", "np.einsum('ik,ij->kj', v.h, dlogits)")
        .replace("np.zeros_like(v.C)", "np.zeros(v.C.shape)")
        + "[dC, dW1, db1, dW2, db2, dbngain, dbnbias]",
    ),
}  # fmt: skip


def right_ways() -> Iterator[tuple[str, str]]:
    """Each way, with the exercise that it solves."""
    for exercise, codes in RIGHT_WAYS.items():
        for code in codes:
            yield exercise, code


def made(code: str) -> Callable[[Any, Any], Any]:
    """The function of ``v`` and ``d`` with that body."""
    *first, last = code.strip().splitlines()
    scope: dict[str, Any] = {}
    body = "\n".join(f"    {line}" for line in (*first, f"return {last}"))
    exec(f"def solution(v, d):\n{body}", {"np": np}, scope)
    function: Callable[[Any, Any], Any] = scope["solution"]
    return function
