"""Mistakes that the grader was not written for, in two halves.

Each is an exercise, the body of a function as a learner writes it, and a pattern for the words that
a right cause has. The halves were split by the hash of the text before any of them was tried; the
first half was used to improve the diagnosis, the second to measure it.
"""

# Code that a learner writes on several lines stands on one here: it is not wrapped.
# ruff: noqa: E501

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple


class OwnMistake(NamedTuple):
    """One mistake: where, how it is written, what a right cause says."""

    exercise: str
    code: str
    named: str

    @property
    def tuned(self) -> bool:
        """Whether it belongs to the half that the diagnosis was improved with."""
        return sha256(f"{self.exercise}\n{self.code}".encode()).digest()[0] % 2 == 0


TARGETS = "g = np.zeros_like(v.logprobs)\n{}\ng"
C = "dC = np.zeros_like(v.C)\n{}\ndC"
LOOP = "for i in range(v.X.shape[0]):\n    for t in range(v.X.shape[1]):\n        {}"
MAX = "g = d.norm_logits.copy()\nr, j = np.arange(len(v.Y)), v.logits.argmax(1)\n{}\ng"
SOFT = "e = np.exp(v.logits - v.logits.max(1, keepdims=True))\np = e / e.sum(1, keepdims=True)\n"
AT = "p[np.arange(len(v.Y)), v.Y]"
N = "n = len(v.bnraw)\n"
SEVEN = """n = len(v.Y)
dlogits = v.probs.copy()
dlogits[np.arange(n), v.Y] -= 1
dlogits /= n
dh = dlogits @ v.W2.T
dW2 = v.h.T @ dlogits
db2 = dlogits.sum(0)
dhpreact = (1 - v.h**2) * dh
dbngain = (v.bnraw * dhpreact).sum(0, keepdims=True)
dbnbias = dhpreact.sum(0, keepdims=True)
dhprebn = v.bngain * v.bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) \
- n / (n - 1) * v.bnraw * (dhpreact * v.bnraw).sum(0))
dembcat = dhprebn @ v.W1.T
dW1 = v.embcat.T @ dhprebn
db1 = dhprebn.sum(0)
demb = dembcat.reshape(v.emb.shape)
dC = np.zeros_like(v.C)
np.add.at(dC, v.X, demb)
"""
ANSWER = "[dC, dW1, db1, dW2, db2, dbngain, dbnbias]"


def _seven(old: str = "", new: str = "", answer: str = ANSWER) -> str:
    assert old in SEVEN
    return SEVEN.replace(old, new) + answer


_TABLE: tuple[tuple[str, str, str], ...] = (
    # dlogprobs
    ("dlogprobs", TARGETS.format("g[v.Y] = -1 / len(v.Y)"), "row"),
    ("dlogprobs", TARGETS.format("g[v.Y, np.arange(len(v.Y)) % g.shape[1]] = -1 / len(v.Y)")
     .replace("zeros_like(v.logprobs)", "zeros((len(v.Y) * 0 + v.logprobs.shape[0] + 30, v.logprobs.shape[1]))"), "shape"),
    ("dlogprobs", TARGETS.format("for i in range(len(v.Y) - 1):\n    g[i, v.Y[i]] = -1 / len(v.Y)"), "last row|one short|left out"),
    ("dlogprobs", TARGETS.format("for i in range(1, len(v.Y)):\n    g[i, v.Y[i]] = -1 / len(v.Y)"), "first row|row 0|left out"),
    ("dlogprobs", TARGETS.format("g[0, v.Y] = -1 / len(v.Y)"), "row"),
    ("dlogprobs", TARGETS.format("for i in range(len(v.Y)):\n    y = v.Y[i]\ng[i, y] = -1 / len(v.Y)"), "last row|only the last"),
    ("dlogprobs", TARGETS.format("g[np.arange(len(v.Y)), v.Y] = 1 / len(v.Y)"), "sign"),
    ("dlogprobs", TARGETS.format("g[np.arange(len(v.Y)), v.Y] = -1"), "division|factor|n"),
    ("dlogprobs", TARGETS.format("g[np.arange(len(v.Y)), v.logprobs.argmax(1)] = -1 / len(v.Y)"), "argmax|largest|target"),
    ("dlogprobs", TARGETS.format("g[np.arange(len(v.Y)), v.Y] = -1 / v.logprobs.size"), "all entries"),
    ("dlogprobs", TARGETS.format("g[np.arange(len(v.Y)), v.Y] = -1 / len(v.Y) - 1"), "bracket|n - 1|- 1"),
    ("dlogprobs", TARGETS.format("g[np.arange(len(v.Y)), v.Y] = -v.logprobs[np.arange(len(v.Y)), v.Y] / len(v.Y)"), "logprobs|value"),
    ("dlogprobs", TARGETS.format("g[:, v.Y] = -1 / len(v.Y)"), "row"),
    ("dlogprobs", TARGETS.format("g[np.arange(len(v.Y)), v.Y] = -1 / 32"), "32"),
    ("dlogprobs", TARGETS.format("g[np.arange(len(v.Y)), v.X[:, -1]] = -1 / len(v.Y)"), "X|target"),
    ("dlogprobs", TARGETS.format("g[np.arange(len(v.Y)), v.Y - 1] = -1 / len(v.Y)"), "Y|target|column"),
    ("dlogprobs", "-1 / len(v.Y) * np.ones_like(v.logprobs)", "every entry"),
    # dprobs
    ("dprobs", "d.logprobs / v.logprobs", "logprobs"),
    ("dprobs", "1 / d.logprobs * v.probs", "dlogprobs"),
    ("dprobs", "np.log(v.probs) * d.logprobs", "log|logprobs"),
    ("dprobs", "d.logprobs / v.counts_sum", "counts_sum"),
    ("dprobs", "d.logprobs * np.exp(v.logprobs)", "probs"),
    ("dprobs", "d.logprobs / (v.probs + 1)", "1"),
    ("dprobs", "-d.logprobs / v.probs**2", "probs"),
    ("dprobs", "d.logprobs / v.probs.sum(1, keepdims=True)", "sum"),
    # dcounts_sum_inv
    ("dcounts_sum_inv", "v.counts.sum(1, keepdims=True) * d.probs.sum(1, keepdims=True)", "sum"),
    ("dcounts_sum_inv", "v.counts.sum(1, keepdims=True)", "dprobs|upstream"),
    ("dcounts_sum_inv", "d.probs.sum(1, keepdims=True)", "counts"),
    ("dcounts_sum_inv", "(v.counts + d.probs).sum(1, keepdims=True)", r"counts \+ dprobs|product|times"),
    ("dcounts_sum_inv", "(v.counts * d.probs).sum(keepdims=True)", "all is summed|shape"),
    ("dcounts_sum_inv", "(v.counts * d.probs)[:, :-1].sum(1, keepdims=True)", "last column|one short"),
    ("dcounts_sum_inv", "(v.counts * d.probs).max(1, keepdims=True)", "max"),
    ("dcounts_sum_inv", "(v.counts_sum * d.probs).sum(1, keepdims=True)", "counts_sum"),
    ("dcounts_sum_inv", "-(v.counts * d.probs).sum(1, keepdims=True)", "-1|sign"),
    # dcounts_sum
    ("dcounts_sum", "-v.counts_sum**-1 * d.counts_sum_inv", "power"),
    ("dcounts_sum", "-2 * v.counts_sum**-2 * d.counts_sum_inv", "2"),
    ("dcounts_sum", "-v.counts_sum**-3 * d.counts_sum_inv", "power|-3|\\*\\*3"),
    ("dcounts_sum", "-v.counts_sum**2 * d.counts_sum_inv", "counts_sum|power"),
    ("dcounts_sum", "np.log(v.counts_sum) * d.counts_sum_inv", "log"),
    ("dcounts_sum", "-d.counts_sum_inv", "counts_sum"),
    ("dcounts_sum", "d.counts_sum_inv * -1 / v.counts_sum", "power"),
    ("dcounts_sum", "-1 / (v.counts_sum * d.counts_sum_inv)**2 * d.counts_sum_inv", "dcounts_sum_inv|bracket"),
    # dcounts
    ("dcounts", "v.counts_sum_inv * d.probs * d.counts_sum", "product|times|multipl|\\*"),
    ("dcounts", "v.counts_sum_inv * d.probs + 2 * d.counts_sum", "2|twice"),
    ("dcounts", "2 * v.counts_sum_inv * d.probs + d.counts_sum", "2|twice"),
    ("dcounts", "v.counts_sum_inv * (d.probs + d.counts_sum)", "bracket|counts_sum_inv"),
    ("dcounts", "d.probs + d.counts_sum", "counts_sum_inv"),
    ("dcounts", "v.counts_sum_inv * d.probs + v.counts * d.counts_sum", "counts"),
    ("dcounts", "v.counts_sum_inv * d.probs + v.counts_sum * d.counts_sum", "counts_sum"),
    ("dcounts", "v.probs * d.probs + d.counts_sum", "probs"),
    ("dcounts", "v.counts_sum_inv * d.probs + d.counts_sum.mean()", "mean"),
    ("dcounts", "v.counts_sum_inv * d.probs + d.counts_sum_inv", "dcounts_sum_inv"),
    ("dcounts", "d.counts_sum * np.ones_like(v.counts)", "path through probs"),
    ("dcounts", "d.probs * v.counts_sum_inv + d.counts_sum.sum()", "sum"),
    # dnorm_logits
    ("dnorm_logits", "np.exp(d.counts)", "exp|counts"),
    ("dnorm_logits", "d.counts * np.log(v.counts)", "norm_logits|log"),
    ("dnorm_logits", "d.counts / v.counts", "counts"),
    ("dnorm_logits", "np.exp(v.logits) * d.counts", "logits"),
    ("dnorm_logits", "v.counts", "dcounts"),
    ("dnorm_logits", "v.counts + d.counts", "\\+|product|times"),
    ("dnorm_logits", "v.norm_logits * np.exp(v.norm_logits - 1) * d.counts", "norm_logits"),
    # dlogit_maxes
    ("dlogit_maxes", "-d.norm_logits.sum(0, keepdims=True)", "axis 0"),
    ("dlogit_maxes", "-d.norm_logits.mean(1, keepdims=True)", "mean"),
    ("dlogit_maxes", "-d.norm_logits", "sum"),
    ("dlogit_maxes", "-d.norm_logits.sum()", "all is summed|shape"),
    ("dlogit_maxes", "-np.ones_like(v.logit_maxes)", "dnorm_logits"),
    ("dlogit_maxes", "-d.norm_logits[:, :1]", "first|column|sum"),
    ("dlogit_maxes", "-d.norm_logits[np.arange(len(v.Y)), v.logits.argmax(1)][:, None]", "largest|argmax"),
    ("dlogit_maxes", "-(v.logit_maxes * d.norm_logits).sum(1, keepdims=True)", "logit_maxes"),
    ("dlogit_maxes", "d.norm_logits.sum(1, keepdims=True) * 0", "zero"),
    # dlogits
    ("dlogits", MAX.format("g[:, j] += d.logit_maxes"), "column|row"),
    ("dlogits", MAX.format("g[j % len(g)] += d.logit_maxes[j % len(g)]"), "row|column"),
    ("dlogits", MAX.format("g[r, j] -= d.logit_maxes[:, 0]"), "sign"),
    ("dlogits", MAX.format("g[r, j] += d.logit_maxes[0, 0]"), "first row|row 0|one row"),
    ("dlogits", MAX.format("g[r, j] += 1"), "dlogit_maxes"),
    ("dlogits", MAX.format("g[r, j] *= d.logit_maxes[:, 0]"), "\\*|multipl"),
    ("dlogits", MAX.format("g[0, j[0]] += d.logit_maxes[0, 0]"), "first row|row"),
    ("dlogits", MAX.format("g[r, v.logits.argmin(1)] += d.logit_maxes[:, 0]"), "smallest|argmin|min"),
    ("dlogits", MAX.format("for i in range(len(g) - 1):\n    g[i, j[i]] += d.logit_maxes[i, 0]"), "last row|one short"),
    ("dlogits", "(v.logits == v.logit_maxes) * d.logit_maxes", "path through norm_logits"),
    ("dlogits", "d.norm_logits + v.logits * d.logit_maxes", "logits|largest"),
    ("dlogits", "d.norm_logits * (v.logits == v.logit_maxes) + d.logit_maxes", "largest|bracket"),
    ("dlogits", "d.norm_logits + (v.logits == v.logits.max()) * d.logit_maxes", "whole|all|largest"),
    ("dlogits", "d.norm_logits + (v.logits == v.logits.max(0)) * d.logit_maxes", "axis 0|column"),
    ("dlogits", "d.norm_logits - d.norm_logits.sum(1, keepdims=True) * (v.logits == v.logit_maxes)", "dnorm_logits|dlogit_maxes|own"),
    ("dlogits", "v.probs.copy()", "at once|probs|never reads"),
    ("dlogits", "d.norm_logits + (v.logits == v.logit_maxes) * v.logit_maxes", "dlogit_maxes|logit_maxes"),
    ("dlogits", "2 * d.norm_logits + (v.logits == v.logit_maxes) * d.logit_maxes", "2|twice"),
    # dh
    ("dh", "d.logits @ v.W2.reshape(v.W2.shape[1], v.W2.shape[0])", "reshape"),
    ("dh", "d.logits @ np.ones_like(v.W2).T", "W2"),
    ("dh", "np.ones_like(d.logits) @ v.W2.T", "dlogits"),
    ("dh", "d.logits @ v.W2.T + v.b2.sum()", "b2"),
    ("dh", "d.logits @ v.W2.T / len(v.Y)", "1/n"),
    ("dh", "d.logits[:, :-1] @ v.W2[:, :-1].T", "last column|one short|last"),
    ("dh", "d.logits.sum(1, keepdims=True) * v.W2.sum(1)", "sum"),
    ("dh", "-d.logits @ v.W2.T", "-1"),
    ("dh", "d.logits @ (1 / v.W2).T", "W2"),
    ("dh", "d.norm_logits @ v.W2.T", "dnorm_logits"),
    ("dh", "d.logits[:1] @ v.W2.T", "row|shape"),
    # dW2
    ("dW2", "v.h.reshape(v.h.shape[1], -1) @ d.logits", "reshape"),
    ("dW2", "np.ones_like(v.h).T @ d.logits", "h"),
    ("dW2", "v.h[:-1].T @ d.logits[:-1]", "last row|one short"),
    ("dW2", "v.h[0][:, None] * d.logits[0]", "first row|row 0|one row"),
    ("dW2", "v.h[-1][:, None] * d.logits[-1]", "last row"),
    ("dW2", "np.outer(v.h.sum(0), d.logits.sum(0))", "sum"),
    ("dW2", "np.outer(v.h.mean(0), d.logits.sum(0))", "sum|mean"),
    ("dW2", "g = np.zeros_like(v.W2)\nfor a, b in zip(v.h, d.logits):\n    g = np.outer(a, b)\ng", "last row"),
    ("dW2", "v.h.T @ d.norm_logits", "dnorm_logits"),
    ("dW2", "v.bnraw.T @ d.logits", "bnraw"),
    ("dW2", "d.h.T @ d.logits if 'h' in d else v.hpreact.T @ d.logits", "hpreact"),
    ("dW2", "v.h.T @ np.ones_like(d.logits)", "dlogits"),
    ("dW2", "v.W2 * (v.h.T @ d.logits)", "W2"),
    # db2
    ("db2", "d.logits[0]", "first row|row 0|one row|sum"),
    ("db2", "d.logits[:-1].sum(0)", "last row|one short"),
    ("db2", "d.logits.sum()", "all is summed|shape"),
    ("db2", "d.logits.sum(0) * v.b2", "b2"),
    ("db2", "np.ones_like(d.logits).sum(0)", "dlogits"),
    ("db2", "d.norm_logits.sum(0)", "dnorm_logits"),
    ("db2", "d.logits.sum(0) / len(v.Y)", "1/n|mean"),
    ("db2", "-d.logits.sum(0)", "-1"),
    ("db2", "d.logits.max(0)", "max"),
    ("db2", "g = np.zeros_like(v.b2)\nfor row in d.logits:\n    g = row\ng", "last row"),
    ("db2", "d.logits.cumsum(0)[0]", "row"),
    # dhpreact
    ("dhpreact", "(1 - v.h)**2 * d.h", "bracket|square"),
    ("dhpreact", "1 - v.h**2 * d.h", "bracket"),
    ("dhpreact", "(v.h > 0) * d.h", "ReLU"),
    ("dhpreact", "(v.hpreact > 0) * d.h", "ReLU"),
    ("dhpreact", "np.tanh(v.hpreact) * d.h", "h stands|h\\b"),
    ("dhpreact", "s = 1 / (1 + np.exp(-v.hpreact))\ns * (1 - s) * d.h", "sigmoid"),
    ("dhpreact", "(1 - v.h**2) + d.h", "\\+|product|times"),
    ("dhpreact", "1 / np.cosh(v.hpreact) * d.h", "cosh|square|power"),
    ("dhpreact", "(1 - np.tanh(v.h)) * d.h", "tanh"),
    ("dhpreact", "(1 - v.h**3) * d.h", "power"),
    ("dhpreact", "-(1 - v.h**2) * d.h", "-1"),
    ("dhpreact", "(1 - d.h**2) * v.h", "dh"),
    ("dhpreact", "np.arctanh(v.h) * d.h", "hpreact"),
    ("dhpreact", "(1 - v.h**2) * d.h**2", "dh"),
    ("dhpreact", "np.cosh(v.hpreact)**2 * d.h", "inverse|cosh|divi|/"),
    ("dhpreact", "np.sqrt(1 - v.h**2) * d.h", "sqrt|power|root"),
    ("dhpreact", "1 / (1 + v.hpreact**2) * d.h", "arctan"),
    # dbngain
    ("dbngain", "v.bnraw.sum(0, keepdims=True) * d.hpreact.sum(0, keepdims=True)", "sum"),
    ("dbngain", "v.bnraw.sum(0, keepdims=True)", "dhpreact"),
    ("dbngain", "(v.bnraw * d.hpreact).mean(0, keepdims=True)", "mean"),
    ("dbngain", "v.bnraw * d.hpreact", "sum"),
    ("dbngain", "(v.bngain * d.hpreact).sum(0, keepdims=True)", "bngain"),
    ("dbngain", "(v.bnraw * d.hpreact)[:1]", "first row|row 0|one row|sum"),
    ("dbngain", "(v.bnraw * d.hpreact)[1:].sum(0, keepdims=True)", "first row|left out"),
    ("dbngain", "(v.hprebn * d.hpreact).sum(0, keepdims=True)", "hprebn"),
    ("dbngain", "(v.bnraw * d.h).sum(0, keepdims=True)", "dh\\b"),
    ("dbngain", "np.diag(v.bnraw.T @ d.hpreact)", "shape|keepdims"),
    ("dbngain", "(v.bnraw.T @ d.hpreact).sum(0, keepdims=True)", "matrix product|sum"),
    # dbnbias
    ("dbnbias", "d.hpreact[-1:]", "last row"),
    ("dbnbias", "d.hpreact.sum(1, keepdims=True)", "axis 1"),
    ("dbnbias", "d.hpreact", "sum"),
    ("dbnbias", "(d.hpreact * v.bngain).sum(0, keepdims=True)", "bngain"),
    ("dbnbias", "(d.hpreact * v.bnraw).sum(0, keepdims=True)", "bnraw"),
    ("dbnbias", "d.h.sum(0, keepdims=True)", "dh\\b"),
    ("dbnbias", "np.ones_like(d.hpreact).sum(0, keepdims=True)", "dhpreact"),
    ("dbnbias", "d.hpreact.sum(0, keepdims=True) / 32", "1/32|32"),
    # dbnraw
    ("dbnraw", "v.bngain * d.hpreact + v.bnbias", "bnbias"),
    ("dbnraw", "v.bngain.sum() * d.hpreact", "sum"),
    ("dbnraw", "v.bngain * d.h", "dh\\b"),
    ("dbnraw", "v.bnraw * d.hpreact", "bnraw"),
    ("dbnraw", "np.ones_like(d.hpreact) * v.bngain", "dhpreact"),
    ("dbnraw", "v.bngain.T * d.hpreact if len(v.X) == v.bngain.size else v.bngain * d.hpreact * 2", "2|transpos"),
    ("dbnraw", "v.bngain**2 * d.hpreact", "bngain\\*\\*2|power"),
    ("dbnraw", "(v.bngain * d.hpreact).sum(0, keepdims=True)", "sum"),
    # dbnvar_inv
    ("dbnvar_inv", "v.bndiff.sum(0, keepdims=True) * d.bnraw.sum(0, keepdims=True)", "sum"),
    ("dbnvar_inv", "d.bnraw.sum(0, keepdims=True)", "bndiff"),
    ("dbnvar_inv", "(v.bndiff * d.bnraw).mean(0, keepdims=True)", "mean"),
    ("dbnvar_inv", "(v.bndiff2 * d.bnraw).sum(0, keepdims=True)", "bndiff"),
    ("dbnvar_inv", "(v.bndiff * d.bnraw).sum(1, keepdims=True)", "axis 1"),
    ("dbnvar_inv", "(v.bndiff * d.bnraw).sum(0)", "keepdims"),
    ("dbnvar_inv", "(v.bndiff * d.hpreact).sum(0, keepdims=True)", "dhpreact"),
    ("dbnvar_inv", "(v.bndiff * d.bnraw).sum(0, keepdims=True) * v.bnvar_inv", "bnvar_inv"),
    ("dbnvar_inv", "(v.bndiff * v.bnraw).sum(0, keepdims=True)", "dbnraw|bnraw"),
    # dbnvar
    ("dbnvar", "-0.5 * (v.bnvar + v.eps)**-3/2 * d.bnvar_inv", "bracket|-3"),
    ("dbnvar", "-0.5 * (v.bnvar**-1.5 + v.eps) * d.bnvar_inv", "eps"),
    ("dbnvar", "-0.5 * v.bnvar_inv * d.bnvar_inv", "power"),
    ("dbnvar", "-0.5 * (v.bnvar + v.eps)**1.5 * d.bnvar_inv", "power"),
    ("dbnvar", "(v.bnvar + v.eps)**-1.5 * d.bnvar_inv", "0.5|factor"),
    ("dbnvar", "-0.5 * (v.bnvar + v.eps)**-0.5 * d.bnvar_inv", "power"),
    ("dbnvar", "-1.5 * (v.bnvar + v.eps)**-2.5 * d.bnvar_inv", "power|-1.5|-2.5"),
    ("dbnvar", "-0.5 / (v.bnvar + v.eps) * d.bnvar_inv", "power"),
    ("dbnvar", "-0.5 * (v.bnvar_inv + v.eps)**-1.5 * d.bnvar_inv", "bnvar_inv"),
    ("dbnvar", "-2 * (v.bnvar + v.eps)**-1.5 * d.bnvar_inv", "2"),
    ("dbnvar", "-0.5 * np.sqrt(v.bnvar + v.eps)**-1.5 * d.bnvar_inv", "power|sqrt|root"),
    ("dbnvar", "-0.5 * (v.bnvar + v.eps)**-1.5", "dbnvar_inv"),
    # dbndiff2
    ("dbndiff2", "d.bnvar / (len(v.X) - 1)", "row"),
    ("dbndiff2", "np.ones_like(v.bndiff2) * d.bnvar / len(v.X) - 1", "bracket"),
    ("dbndiff2", "np.ones_like(v.bndiff2) * d.bnvar / (len(v.X) - 2)", "n - 2|n - 1"),
    ("dbndiff2", "np.ones_like(v.bndiff2) * d.bnvar * (len(v.X) - 1)", "\\(n - 1\\)|n - 1|\\* \\(len"),
    ("dbndiff2", "np.ones_like(v.bndiff2) * d.bnvar / 31", "31|32"),
    ("dbndiff2", "v.bndiff2 * d.bnvar / (len(v.X) - 1)", "bndiff2|bndiff"),
    ("dbndiff2", "np.ones_like(v.bndiff2) / (len(v.X) - 1)", "dbnvar"),
    ("dbndiff2", "np.ones_like(v.bndiff2) * d.bnvar", "division"),
    ("dbndiff2", "2 * v.bndiff * d.bnvar / (len(v.X) - 1)", "bndiff|two lines"),
    ("dbndiff2", "g = np.zeros_like(v.bndiff2)\ng[0] = d.bnvar[0] / (len(v.X) - 1)\ng", "first row|row 0|one row"),
    ("dbndiff2", "np.ones_like(v.bndiff2) * d.bnvar_inv / (len(v.X) - 1)", "dbnvar_inv"),
    # dbndiff
    ("dbndiff", "v.bnvar_inv * d.bnraw * 2 * v.bndiff * d.bndiff2", "multipl|\\*|product|times"),
    ("dbndiff", "2 * v.bnvar_inv * d.bnraw + 2 * v.bndiff * d.bndiff2", "2|twice"),
    ("dbndiff", "v.bnvar_inv * d.bnraw + v.bndiff2 * d.bndiff2", "bndiff"),
    ("dbndiff", "v.bnvar_inv * d.bnraw - 2 * v.bndiff * d.bndiff2", "sign"),
    ("dbndiff", "d.bnraw + 2 * v.bndiff * d.bndiff2", "bnvar_inv"),
    ("dbndiff", "v.bnvar_inv * d.bnraw + 2 * d.bndiff2", "bndiff"),
    ("dbndiff", "v.bnvar_inv * d.bnraw + 2 * d.bndiff2 * d.bndiff2", "dbndiff2"),
    ("dbndiff", "v.bnvar_inv * d.bnraw + 4 * v.bndiff * d.bndiff2", "2|4|twice"),
    ("dbndiff", "v.bnraw * d.bnraw + 2 * v.bndiff * d.bndiff2", "bnraw"),
    ("dbndiff", "v.bnvar_inv * d.bnraw + v.bndiff**2 * d.bndiff2", "bndiff"),
    ("dbndiff", "v.bnvar_inv * (d.bnraw + 2 * v.bndiff * d.bndiff2)", "bnvar_inv|bracket"),
    # dbnmeani
    ("dbnmeani", "-d.bndiff", "sum"),
    ("dbnmeani", "-d.bndiff.mean(0, keepdims=True)", "mean"),
    ("dbnmeani", "d.bndiff.sum(0, keepdims=True)", "sign"),
    ("dbnmeani", "-(v.bndiff * d.bndiff).sum(0, keepdims=True)", "bndiff"),
    ("dbnmeani", "-d.bndiff.sum(1, keepdims=True)", "axis 1"),
    ("dbnmeani", "-d.bndiff.sum()", "all is summed|shape"),
    ("dbnmeani", "-d.bndiff.sum(0, keepdims=True) / len(v.X)", "1/n|mean"),
    ("dbnmeani", "-np.ones_like(v.bndiff).sum(0, keepdims=True)", "dbndiff"),
    ("dbnmeani", "np.zeros_like(v.bnmeani)", "zero"),
    ("dbnmeani", "-d.bndiff2.sum(0, keepdims=True)", "dbndiff2"),
    ("dbnmeani", "-d.bndiff[-1:]", "last row"),
    # dhprebn
    ("dhprebn", "d.bndiff.copy()", "path through bnmeani"),
    ("dhprebn", "np.ones_like(v.hprebn) * d.bnmeani / len(v.X)", "path through bndiff"),
    ("dhprebn", "d.bndiff + d.bnmeani", "division"),
    ("dhprebn", "d.bndiff + d.bnmeani.mean()", "mean"),
    ("dhprebn", "d.bndiff + 2 * d.bnmeani / len(v.X)", "2|twice"),
    ("dhprebn", "d.bndiff * d.bnmeani / len(v.X)", "multipl|product|times|\\*"),
    ("dhprebn", "(d.bndiff + d.bnmeani) / len(v.X)", "bracket"),
    ("dhprebn", "d.bndiff + d.bnmeani / 32", "32"),
    ("dhprebn", "d.bndiff + d.bnmeani * v.bnmeani / len(v.X)", "bnmeani"),
    ("dhprebn", "d.bndiff + d.bnmeani / v.hprebn.shape[1]", "columns"),
    ("dhprebn", "d.bndiff + v.bnmeani / len(v.X)", "bnmeani"),
    ("dhprebn", "v.bngain * v.bnvar_inv * d.hpreact", "constant"),
    ("dhprebn", "d.bnraw * v.bnvar_inv", "constant"),
    ("dhprebn", "g = d.bnraw * v.bnvar_inv\ng - g.mean(0, keepdims=True)", "variance|constant"),
    # dembcat
    ("dembcat", "d.hprebn @ v.W1.reshape(v.W1.shape[1], v.W1.shape[0])", "reshape"),
    ("dembcat", "np.ones_like(d.hprebn) @ v.W1.T", "dhprebn"),
    ("dembcat", "d.hpreact @ v.W1.T", "dhpreact"),
    ("dembcat", "d.hprebn @ v.W1.T + v.b1.sum()", "b1"),
    ("dembcat", "d.hprebn.sum(1, keepdims=True) * v.W1.sum(1)", "sum"),
    ("dembcat", "d.hprebn @ v.W1.T * v.embcat", "embcat"),
    ("dembcat", "d.bndiff @ v.W1.T", "dbndiff"),
    # dW1
    ("dW1", "v.embcat.reshape(v.embcat.shape[1], -1) @ d.hprebn", "reshape"),
    ("dW1", "np.outer(v.embcat.sum(0), d.hprebn.sum(0))", "sum"),
    ("dW1", "v.embcat[1:].T @ d.hprebn[1:]", "first row|left out"),
    ("dW1", "v.embcat[-1][:, None] @ d.hprebn[-1:]", "last row"),
    ("dW1", "v.embcat.T @ d.bndiff", "dbndiff"),
    ("dW1", "v.emb.transpose(0, 2, 1).reshape(len(v.X), -1).T @ d.hprebn", "axes|T and E|changed"),
    ("dW1", "np.ones_like(v.embcat).T @ d.hprebn", "embcat"),
    ("dW1", "-v.embcat.T @ d.hprebn", "-1"),
    # db1
    ("db1", "d.hprebn[-1]", "last row"),
    ("db1", "d.hpreact.sum(0)", "dhpreact"),
    ("db1", "d.hprebn", "sum"),
    ("db1", "d.hprebn.sum(0) * v.b1", "b1"),
    ("db1", "np.ones_like(d.hprebn).sum(0)", "dhprebn"),
    ("db1", "d.hprebn.sum()", "all is summed|shape"),
    # demb
    ("demb", "d.embcat.reshape(v.emb.shape[1], v.emb.shape[0], -1).transpose(1, 0, 2)", "n and T"),
    ("demb", "d.embcat.reshape(v.emb.shape, order='F')", "column|order|T and E"),
    ("demb", "d.embcat.reshape(v.emb.shape)[:, ::-1]", "revers|backward|order"),
    ("demb", "v.emb * d.embcat.reshape(v.emb.shape)", "emb"),
    ("demb", "np.ones_like(v.emb)", "dembcat"),
    ("demb", "d.embcat.T.reshape(v.emb.shape)", "T|transpos"),
    ("demb", "d.embcat.reshape(v.emb.shape) / v.emb.shape[1]", "1/T"),
    ("demb", "d.embcat.reshape(len(v.X), v.emb.shape[2], -1)", "shape"),
    # dC
    ("dC", "dC = v.C.copy()\nnp.add.at(dC, v.X, d.emb)\ndC", "starts? from C|began|C itself|\\bC\\b"),
    ("dC", C.format("np.add.at(dC, v.Y, d.emb[:, -1])"), "Y"),
    ("dC", C.format("np.add.at(dC, v.Y, d.emb.sum(1))"), "Y"),
    ("dC", C.format(LOOP.format("dC[t] += d.emb[i, t]")), "position"),
    ("dC", C.format(LOOP.format("dC[i % len(dC)] += d.emb[i, t]")), "row"),
    ("dC", C.format(LOOP.format("if v.X[i, t]:\n            dC[v.X[i, t]] += d.emb[i, t]")), "character 0|index 0"),
    ("dC", C.format("for c in range(1, len(dC)):\n    dC[c] = d.emb[v.X == c].sum(0)"), "character 0|index 0"),
    ("dC", C.format(LOOP.format("dC[v.X[i, t]] = d.emb[i, t]")), "repeats|overwrit|last"),
    ("dC", C.format(LOOP.format("dC[v.X[i, t]] -= d.emb[i, t]")), "-1|sign"),
    ("dC", C.format(LOOP.format("dC[v.X[i, t]] += 1")), "demb"),
    ("dC", C.format("for i in range(v.X.shape[0]):\n    for t in range(v.X.shape[1] - 1):\n        dC[v.X[i, t]] += d.emb[i, t]"), "last position|one short"),
    ("dC", C.format("for i in range(v.X.shape[0] - 1):\n    for t in range(v.X.shape[1]):\n        dC[v.X[i, t]] += d.emb[i, t]"), "last row|one short"),
    ("dC", C.format("for i in range(1, v.X.shape[0]):\n    for t in range(v.X.shape[1]):\n        dC[v.X[i, t]] += d.emb[i, t]"), "first row|row 0|left out"),
    ("dC", C.format("for t in range(1, v.X.shape[1]):\n    np.add.at(dC, v.X[:, t], d.emb[:, t])"), "first position|left out"),
    ("dC", C.format("np.add.at(dC, v.X, d.emb * v.emb)"), "emb"),
    ("dC", C.format("np.add.at(dC, v.X, d.emb)").replace("\ndC", "\ndC / len(v.X)"), "1/n|divided by n"),
    ("dC", C.format("np.add.at(dC, v.X[:, ::-1], d.emb)"), "revers|position"),
    ("dC", C.format("for t in range(v.X.shape[1]):\n    dC[v.X[:, t]] += d.emb[:, t]"), "repeat"),
    ("dC", "d.emb.sum(0)", "shape|character|X"),
    ("dC", "d.emb.sum(1)", "shape|character|X"),
    # dlogits_at_once
    ("dlogits_at_once", SOFT + AT + " = -1\np / len(v.Y)", "= -1|-="),
    ("dlogits_at_once", SOFT + "p /= len(v.Y)\n" + AT + " -= 1\np", "before|after|order|/ n|division"),
    ("dlogits_at_once", SOFT + "p[np.arange(len(v.Y)), v.logits.argmax(1)] -= 1\np / len(v.Y)", "argmax|largest|target"),
    ("dlogits_at_once", SOFT.replace("sum(1", "sum(0") + AT + " -= 1\np / len(v.Y)", "axis 0"),
    ("dlogits_at_once", "e = np.exp(v.logits)\np = e / np.exp(v.logits - v.logits.max(1, keepdims=True)).sum(1, keepdims=True)\n" + AT + " -= 1\np / len(v.Y)", "shift|max"),
    ("dlogits_at_once", SOFT + AT + " -= 1\np / 32", "32"),
    ("dlogits_at_once", SOFT + AT + " -= 1\np / p.shape[1]", "columns|V"),
    ("dlogits_at_once", SOFT + "(p - 1) / len(v.Y)", "every|all"),
    ("dlogits_at_once", SOFT + "p[v.Y] -= 1\np / len(v.Y)", "row"),
    ("dlogits_at_once", SOFT + "p[:, v.Y] -= 1\np / len(v.Y)", "row"),
    ("dlogits_at_once", SOFT + AT + " -= 1 / len(v.Y)\np", "division|/ n|n"),
    ("dlogits_at_once", "p = v.logits.copy()\n" + AT + " -= 1\np / len(v.Y)", "softmax|exp|logits"),
    ("dlogits_at_once", "p = np.exp(v.logits)\n" + AT + " -= 1\np / len(v.Y)", "normal|sum|softmax|divi"),
    ("dlogits_at_once", SOFT + "p = np.log(p)\n" + AT + " -= 1\np / len(v.Y)", "log"),
    ("dlogits_at_once", "e = np.exp(v.logits)\np = e / (e**2).sum(1, keepdims=True)\n" + AT + " -= 1\np / len(v.Y)", "square"),
    ("dlogits_at_once", SOFT + AT + " -= 1\n-p / len(v.Y)", "-1|sign"),
    ("dlogits_at_once", SOFT + "-(np.arange(p.shape[1]) == v.Y[:, None]) * p / len(v.Y)" if False else SOFT + AT + " -= 1\np.sum(0) / len(v.Y)", "shape|sum"),
    # dhprebn_at_once
    ("dhprebn_at_once", N + "v.bngain * v.bnvar_inv * d.hpreact", "constant"),
    ("dhprebn_at_once", N + "v.bngain * v.bnvar_inv / n * (n * d.hpreact - d.hpreact.sum(0))", "variance|constant"),
    ("dhprebn_at_once", N + "v.bngain * v.bnvar_inv / n * (n * d.hpreact - n / (n - 1) * v.bnraw * (d.hpreact * v.bnraw).sum(0))", "mean|dbnbias"),
    ("dhprebn_at_once", N + "v.bngain * v.bnvar_inv / n * (n * d.hpreact - d.hpreact.sum(0) - n / (n - 1) * v.bnraw * (v.hpreact * v.bnraw).sum(0))", "hpreact"),
    ("dhprebn_at_once", N + "v.bngain * v.bnvar_inv / n * (n * d.hpreact - d.hpreact.sum(0) - n / (n - 1) * v.bnraw * d.hpreact.sum(0))", "bnraw|dbnbias"),
    ("dhprebn_at_once", N + "v.bngain * v.bnvar / n * (n * d.hpreact - d.hpreact.sum(0) - n / (n - 1) * v.bnraw * (d.hpreact * v.bnraw).sum(0))", "bnvar"),
    ("dhprebn_at_once", N + "v.bngain * v.bnvar_inv / n * (n * d.hpreact - d.hpreact.sum(0) - v.bnraw * (d.hpreact * v.bnraw).sum(0))", "n / \\(n - 1\\)"),
    ("dhprebn_at_once", N + "v.bngain * v.bnvar_inv * (n * d.hpreact - d.hpreact.sum(0) - n / (n - 1) * v.bnraw * (d.hpreact * v.bnraw).sum(0))", "division|times n"),
    ("dhprebn_at_once", N + "v.bngain * v.bnvar_inv / n * (n * d.hpreact - d.hpreact.sum(0) - n / (n - 1) * (d.hpreact * v.bnraw).sum(0))", "bnraw"),
    ("dhprebn_at_once", N + "v.bngain * v.bnvar_inv / n * (n * d.hpreact - d.hpreact.sum(1, keepdims=True) - n / (n - 1) * v.bnraw * (d.hpreact * v.bnraw).sum(0))", "axis 1"),
    ("dhprebn_at_once", N + "v.bngain * v.bnvar_inv / n * (n * d.hpreact - d.hpreact.sum(0) + n / (n - 1) * v.bnraw * (d.hpreact * v.bnraw).sum(0))", "sign"),
    ("dhprebn_at_once", N + "v.bngain * v.bnvar_inv / n * (d.hpreact - d.hpreact.sum(0) - n / (n - 1) * v.bnraw * (d.hpreact * v.bnraw).sum(0))", "\\bn\\b"),
    # backward
    ("backward", _seven(answer="[dC, dW1, db1, dW2, db2, dbnbias, dbngain]"), "order"),
    ("backward", _seven(answer="[dW1, db1, dC, dW2, db2, dbngain, dbnbias]"), "order"),
    ("backward", _seven("dlogits /= n", "dlogits /= 32"), "32"),
    ("backward", _seven(answer="[dC, dW1, db1, dW2, db2, dbngain]"), "wanted a list of 7"),
    ("backward", _seven("@ v.W2.T", "@ np.ones_like(v.W2).T"), "W2"),
    ("backward", _seven("(1 - v.h**2)", "(1 - v.h)"), "power 2|h"),
    ("backward", _seven("np.add.at(dC, v.X, demb)", "dC[v.X] += demb"), "repeat"),
    ("backward", _seven(answer="dict(C=dC, W1=dW1, b1=db1, W2=dW2, b2=db2, bngain=dbngain, bnbias=dbnbias)"), "dict"),
    ("backward", _seven("db2 = dlogits.sum(0)", "db2 = dlogits.mean(0)"), "mean"),
    ("backward", _seven("dlogits /= n\n", ""), "times n|division|n"),
    ("backward", _seven("dhprebn = v.bngain", "dhprebn = v.bngain * v.bnvar_inv * dhpreact\nunused = v.bngain"), "constant|path"),
)  # fmt: skip
OWN_MISTAKES = tuple(OwnMistake(*entry) for entry in _TABLE)
