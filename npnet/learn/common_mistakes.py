"""Mistakes that people make and that no single slip of the right formula gives.

Each in the lecture's notation, as it would stand in a notebook; the sort and the words as those
of ``npnet.learn.mutants``. The last statement is the one that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from npnet.learn.exercises import EXERCISES
from npnet.learn.wrong_formulas import Mutant

SLIPS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "dlogprobs": (
        (
            "index",
            "every entry gets what only the targets are owed",
            "dlogprobs = -np.ones_like(logprobs) / len(Y)",
        ),
        (
            "index",
            "every row gets it in the columns of all targets: the row's number is missing",
            "dlogprobs = np.zeros_like(logprobs); dlogprobs[:, Y] = -1 / len(Y)",
        ),
    ),
    "dlogit_maxes": (
        ("zero", "zeros are written down", "dlogit_maxes = np.zeros_like(logit_maxes)"),
    ),
    "dlogits": (
        (
            "index",
            "the maximum's road goes to the target's entry, not to that of the winner",
            "dlogits = dnorm_logits.copy(); dlogits[np.arange(len(Y)), Y] += dlogit_maxes[:, 0]",
        ),
        (
            "at once",
            "softmax and cross-entropy are undone at once, whatever comes from upstream",
            "dlogits = (probs - (np.arange(probs.shape[1]) == Y[:, None])) / len(Y)",
        ),
    ),
    "dhpreact": (
        ("other", "that is the derivative of the sigmoid", "dhpreact = h * (1 - h) * dh"),
        ("value", "tanh is taken of h once more", "dhpreact = (1 - np.tanh(h)**2) * dh"),
    ),
    "dbnmeani": (
        (
            "road",
            "the road through bndiff2 is missing from what was summed",
            "dbnmeani = -(bnvar_inv * dbnraw).sum(0, keepdims=True)",
        ),
    ),
    "dhprebn": (
        (
            "own mean",
            "minus the mean of dbndiff stands where dbnmeani / n belongs",
            "dhprebn = dbndiff - dbndiff.mean(0, keepdims=True)",
        ),
        (
            "at once",
            "the whole normalisation is undone at once, whatever comes from upstream",
            "; ".join(EXERCISES["dhprebn_at_once"].code),
        ),
    ),
    "db1": (("zero", "zeros are written down", "db1 = np.zeros_like(b1)"),),
    "demb": (
        (
            "axes",
            "T and E changed places on the way",
            "demb = dembcat.reshape(len(emb), emb.shape[2], emb.shape[1]).transpose(0, 2, 1)",
        ),
        (
            "axes",
            "n and T changed places on the way",
            "demb = dembcat.reshape(emb.shape[1], len(emb), -1).transpose(1, 0, 2)",
        ),
        ("axes", "the order is Fortran's", "demb = dembcat.reshape(emb.shape, order='F')"),
    ),
    "dC": (
        (
            "repeats",
            "of a character that stands in several places one place alone is kept",
            "dC = np.zeros_like(C); dC[X] += demb",
        ),
        (
            "position",
            "only the last position of each context is collected",
            "dC = np.zeros_like(C); np.add.at(dC, X[:, -1], demb[:, -1])",
        ),
        (
            "position",
            "only the first position of each context is collected",
            "dC = np.zeros_like(C); np.add.at(dC, X[:, 0], demb[:, 0])",
        ),
        (
            "position",
            "only the last row of the batch is collected",
            "dC = np.zeros_like(C); np.add.at(dC, X[-1], demb[-1])",
        ),
        (
            "repeats",
            "only the last position is collected, and of its repeats one alone",
            "dC = np.zeros_like(C); dC[X[:, -1]] += demb[:, -1]",
        ),
        (
            "mean",
            "a mean over the places stands where their sum belongs",
            "dC = np.stack([demb[X == c].mean(0) if c in X else C[c] * 0 for c in range(len(C))])",
        ),
    ),
}


@cache
def slips(name: str) -> tuple[Mutant, ...]:
    """The known mistakes of an exercise."""
    return tuple(
        Mutant(kind, said, code.split("; ")[-1], code) for kind, said, code in SLIPS.get(name, ())
    )
