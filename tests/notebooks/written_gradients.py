"""Right and wrong ways to write the gradients in a notebook, each as the lines of one variable."""

from npnet.grading.verdicts import (
    ALIAS,
    COPIED,
    IGNORED,
    NOT_RUN,
    ONLY_HERE,
    SHAPE,
    UNFINISHED,
    WRONG,
    WRONG_TENSOR,
)

RIGHT_FORMS: dict[str, tuple[str, ...]] = {
    "dlogprobs": (
        "dlogprobs = torch.zeros((n, vocab_size))\ndlogprobs[range(n), Yb] = -1.0 / n",
        "dlogprobs = -F.one_hot(Yb, num_classes=vocab_size) / n",
        "dlogprobs = -(torch.arange(vocab_size) == Yb[:, None]).float() / n",
        (
            "dlogprobs = torch.zeros_like(logprobs)\nfor i, y in enumerate(Yb):\n"
            "  dlogprobs[i, y] -= 1/n"
        ),
        "dlogprobs = torch.zeros(n, vocab_size).scatter_(1, Yb.view(-1, 1), -1.0/n)",
        (
            "N = logprobs.shape[0]\nmask = torch.zeros_like(logprobs)\nmask[range(N), Yb] = 1\n"
            "dlogprobs = mask * (-1.0 / N)"
        ),
        "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[torch.arange(n), Yb] = -n**-1",
    ),
    "dprobs": (
        "dprobs = dlogprobs / probs",
        "dprobs = 1 / probs\ndprobs = dprobs * dlogprobs",
        "dprobs = probs**-1 * dlogprobs",
        "dprobs = dlogprobs.clone()\ndprobs /= probs",
        "dprobs = (1/counts_sum_inv/counts) * dlogprobs",
        (
            "dprobs = torch.zeros_like(probs)\nfor i in range(n):\n"
            "  dprobs[i] = dlogprobs[i] / probs[i]"
        ),
    ),
    "dcounts_sum_inv": (
        "dcounts_sum_inv = (dprobs * counts).sum(dim=1, keepdim=True)",
        "dcounts_sum_inv = torch.sum(counts * dprobs, 1, keepdim=True)",
        "dcounts_sum_inv = (counts * dprobs).sum(1)[:, None]",
        (
            "dcounts_sum_inv = torch.zeros_like(counts_sum_inv)\nfor i in range(n):\n"
            "  dcounts_sum_inv[i] = counts[i] @ dprobs[i]"
        ),
        "dcounts_sum_inv = (counts * dprobs) @ torch.ones(vocab_size, 1)",
    ),
    "dcounts_sum": (
        "dcounts_sum = -dcounts_sum_inv / counts_sum**2",
        "dcounts_sum = -(counts_sum_inv**2) * dcounts_sum_inv",
        "dcounts_sum = -1 * (counts_sum**-2) * dcounts_sum_inv",
    ),
    "dcounts": (
        "dcounts = counts_sum_inv * dprobs + dcounts_sum",
        (
            "dcounts1 = counts_sum_inv * dprobs\n"
            "dcounts2 = torch.ones_like(counts) * dcounts_sum\ndcounts = dcounts1 + dcounts2"
        ),
        "dcounts = dprobs * counts_sum_inv\ndcounts = dcounts + dcounts_sum.expand(n, vocab_size)",
        (
            "dcounts = torch.zeros_like(counts)\ndcounts += counts_sum_inv * dprobs\n"
            "dcounts += dcounts_sum"
        ),
    ),
    "dnorm_logits": (
        "dnorm_logits = norm_logits.exp() * dcounts",
        "dnorm_logits = torch.exp(norm_logits) * dcounts",
        "dnorm_logits = (logits - logit_maxes).exp() * dcounts",
        (
            "def through_exp(value, upstream):\n  return value * upstream\n"
            "dnorm_logits = through_exp(counts, dcounts)"
        ),
    ),
    "dlogit_maxes": (
        "dlogit_maxes = -dnorm_logits.sum(1, keepdim=True)",
        "dlogit_maxes = (-1 * dnorm_logits).sum(1).view(-1, 1)",
        "dlogit_maxes = (torch.ones_like(logit_maxes) * -dnorm_logits).sum(dim=1, keepdim=True)",
    ),
    "dlogits": (
        "dlogits = dnorm_logits + F.one_hot(logits.max(1).indices, vocab_size) * dlogit_maxes",
        (
            "dlogits = dnorm_logits.clone()\n"
            "dlogits[range(n), logits.max(1).indices] += dlogit_maxes.view(-1)"
        ),
        (
            "dlogits = dnorm_logits.clone()\n"
            "where = logits.max(1, keepdim=True).indices\n"
            "dlogits += torch.zeros_like(logits).scatter_(1, where, 1) * dlogit_maxes"
        ),
        (
            "tmp = torch.zeros_like(logits)\ntmp[range(n), logits.argmax(1)] = 1\n"
            "dlogits = dnorm_logits + tmp * dlogit_maxes"
        ),
        (
            "dlogits = dnorm_logits * 1.0\nfor i in range(n):\n"
            "  dlogits[i, logits[i].argmax()] += dlogit_maxes[i, 0]"
        ),
        (
            "where = logits == logit_maxes\n"
            "dlogits = dnorm_logits + where / where.sum(1, keepdim=True) * dlogit_maxes"
        ),
        (
            "values, indices = logits.max(1)\ndlogits = dnorm_logits.clone()\n"
            "dlogits[torch.arange(n), indices] += dlogit_maxes.squeeze(1)"
        ),
        (
            "if True:\n  dlogits = dnorm_logits.clone()\nelse:\n  dlogits = None\n"
            "dlogits += F.one_hot(logits.max(1).indices, vocab_size) * dlogit_maxes"
        ),
        "dlogits = F.softmax(logits, 1)\ndlogits[range(n), Yb] -= 1\ndlogits /= n",
        "dlogits = F.softmax(logits, 1) - F.one_hot(Yb, vocab_size)\ndlogits = dlogits / n",
        "dlogits = (probs - F.one_hot(Yb, num_classes=vocab_size).float()) / n",
        (
            "ps = logits.exp() / logits.exp().sum(1, keepdim=True)\nhot = torch.zeros_like(ps)\n"
            "hot[range(n), Yb] = 1.0\ndlogits = (ps - hot) * (1/n)"
        ),
        "dlogits = dlogprobs - probs * dlogprobs.sum(1, keepdim=True)",
    ),
    "dh": (
        "dh = dlogits @ W2.T",
        "dh = torch.einsum('ij,kj->ik', dlogits, W2)",
        "dh = dlogits.matmul(W2.transpose(0, 1))",
        "dh = (W2 @ dlogits.T).T",
        "dh = torch.zeros_like(h)\nfor i in range(n):\n  dh[i] = W2 @ dlogits[i]",
        "dh = (dlogits[:, None, :] * W2[None]).sum(2)",
    ),
    "dW2": (
        "dW2 = (dlogits.T @ h).T",
        "dW2 = (h[:, :, None] * dlogits[:, None, :]).sum(0)",
        (
            "dW2 = torch.zeros_like(W2)\nfor i in range(n):\n"
            "  dW2 += h[i].view(-1, 1) * dlogits[i].view(1, -1)"
        ),
    ),
    "db2": (
        "db2 = dlogits.sum(0)",
        "db2 = dlogits.sum(0, keepdim=True).view(-1)",
        "db2 = torch.ones(n) @ dlogits",
        "db2 = torch.zeros_like(b2)\nfor row in dlogits:\n  db2 += row",
        "db2 = n * dlogits.mean(0)",
    ),
    "dhpreact": (
        "dhpreact = (1 - h * h) * dh",
        "dhpreact = dh - h**2 * dh",
        "dhpreact = (1 - torch.tanh(hpreact)**2) * dh",
        "dhpreact = (1.0 - h) * (1.0 + h) * dh",
    ),
    "dbngain": (
        "dbngain = (dhpreact * bnraw).sum(dim=0, keepdim=True)",
        "dbngain = (bnraw * dhpreact).sum(0)[None]",
        "dbngain = torch.ones(1, n) @ (bnraw * dhpreact)",
    ),
    "dbnraw": ("dbnraw = dhpreact * bngain", "dbnraw = bngain.expand(n, -1) * dhpreact"),
    "dbnbias": ("dbnbias = dhpreact.sum(0).view(1, -1)", "dbnbias = dhpreact.sum(0)[None, :]"),
    "dbnvar_inv": ("dbnvar_inv = (dbnraw * bndiff).sum(0).view(1, -1)",),
    "dbnvar": (
        "dbnvar = -0.5 * (bnvar + 1e-5) ** (-3/2) * dbnvar_inv",
        "dbnvar = dbnvar_inv * -0.5 * bnvar_inv**3",
        "dbnvar = -dbnvar_inv / (2 * (bnvar + 1e-5) * (bnvar + 1e-5).sqrt())",
    ),
    "dbndiff2": (
        "dbndiff2 = dbnvar.expand(n, n_hidden) / (n - 1)",
        "dbndiff2 = torch.ones_like(bndiff2) / (n - 1) * dbnvar",
        "dbndiff2 = dbnvar / (n - 1) + torch.zeros_like(bndiff2)",
        "dbndiff2 = (dbnvar / (n - 1)).repeat(n, 1)",
    ),
    "dbndiff": (
        "dbndiff = bnvar_inv * dbnraw + 2 * bndiff * dbndiff2",
        (
            "dbndiff_a = bnvar_inv * dbnraw\ndbndiff_b = 2 * bndiff * dbndiff2\n"
            "dbndiff = dbndiff_a + dbndiff_b"
        ),
    ),
    "dbnmeani": (
        "dbnmeani = -dbndiff.sum(0, keepdim=True)",
        "dbnmeani = -n * dbndiff.mean(0, keepdim=True)",
    ),
    "dhprebn": (
        "dhprebn = dbndiff + dbnmeani / n",
        "dhprebn = dbndiff.clone()\ndhprebn += dbnmeani * 1/n",
        "dhprebn_mean = dbnmeani.expand_as(hprebn) / n\ndhprebn = dbndiff + dhprebn_mean",
        "dhprebn = dbndiff - dbndiff.mean(0, keepdim=True)",
        (
            "dhprebn = bngain*bnvar_inv/n * (n*dhpreact - dhpreact.sum(0)"
            " - n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))"
        ),
        "dhprebn = bngain*bnvar_inv/n * (n*dhpreact - dbnbias - n/(n-1)*bnraw*dbngain)",
        (
            "dx_hat = bngain * dhpreact\ns = (bndiff * dx_hat).sum(0, keepdim=True)\n"
            "dvar = -0.5 * bnvar_inv**3 * s\nbase = bnvar_inv * dx_hat + 2/(n-1) * bndiff * dvar\n"
            "dhprebn = base - base.mean(0, keepdim=True)"
        ),
    ),
    "dembcat": ("dembcat = (W1 @ dhprebn.T).T", "dembcat = dhprebn @ W1.T"),
    "dW1": ("dW1 = (dhprebn.T @ embcat).T", "dW1 = embcat.T @ dhprebn"),
    "db1": ("db1 = dhprebn.sum(0)", "db1 = (torch.ones_like(hprebn) * dhprebn).sum(0)"),
    "demb": (
        "demb = dembcat.view(n, block_size, n_embd)",
        "demb = dembcat.reshape(emb.shape)",
        "demb = dembcat.view_as(emb)",
    ),
    "dC": (
        "dC = torch.zeros_like(C)\ndC.index_add_(0, Xb.view(-1), demb.view(-1, n_embd))",
        (
            "dC = torch.zeros(C.shape)\nfor ix, row in zip(Xb.view(-1), demb.view(-1, n_embd)):\n"
            "  dC[ix] += row"
        ),
        "dC = F.one_hot(Xb, vocab_size).float().view(-1, vocab_size).T @ demb.view(-1, n_embd)",
        "dC = torch.einsum('ijk,ijl->kl', F.one_hot(Xb, vocab_size).float(), demb)",
        "dC = torch.zeros_like(C)\nfor c in range(vocab_size):\n  dC[c] = demb[Xb == c].sum(0)",
        (
            "dC = torch.zeros_like(C)\nflat = Xb.view(-1)\nfor i in range(flat.shape[0]):\n"
            "  dC[flat[i]] += demb.view(-1, n_embd)[i]"
        ),
        (
            "dC = torch.zeros((vocab_size, n_embd), dtype=torch.float32)\nfor k in range(n):\n"
            "  for j in range(block_size):\n    dC[Xb[k, j].item()] += demb[k, j]"
        ),
    ),
}

# (variable, lines, verdict)
MISTAKES: tuple[tuple[str, str, str], ...] = (
    ("dcounts_sum_inv", "dcounts_sum_inv = counts * dprobs", WRONG),
    ("dcounts_sum", "dcounts_sum = dcounts_sum_inv * -1", WRONG),
    ("dbnvar", "dbnvar = (bnvar + 1e-5)**-0.5 * dbnvar_inv", WRONG),
    ("dbnvar", "dbnvar = -0.5 * bnvar**-1.5 * dbnvar_inv", WRONG),
    ("dlogprobs", "dlogprobs = 1 / logprobs", WRONG),
    ("dprobs", "dprobs = dlogprobs / counts_sum", WRONG),
    ("dlogprobs", "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[:, Yb] = -1.0/n", WRONG),
    ("dlogprobs", "dlogprobs = torch.zeros_like(logprobs)\ndlogprobs[range(n), Yb] = 1.0/n", WRONG),
    (
        "dcounts",
        "dcounts = counts_sum_inv * dprobs\ndcounts += dcounts_sum / counts.shape[1]",
        WRONG,
    ),
    ("dh", "dh = torch.zeros_like(h)\ndh += W2.sum(axis=1)", IGNORED),
    ("db2", "db2 = torch.ones_like(logits).sum(0)", IGNORED),
    ("dC", "dC = demb", WRONG),
    ("dbnvar", "dbnvar = -0.5 * (bnvar_inv + 1e-5)**-1.5 * dbnvar_inv", WRONG),
    ("dcounts", "dcounts = counts_sum_inv * dprobs\ndcounts += counts_sum * dcounts_sum", WRONG),
    ("dbndiff", "dbndiff = bnvar_inv * dbnraw\ndbndiff += 2 * dbndiff2 * dbndiff2", WRONG),
    ("dbndiff", "dbndiff = bnvar_inv * dbnraw", WRONG),
    ("dhprebn", "dhprebn = dbndiff.clone()\ndhprebn -= 1.0/n * dbnmeani", WRONG),
    ("dhprebn", "dhprebn = dbndiff.clone()", WRONG),
    ("dC", "dC = torch.zeros_like(C)\ndC[Xb] += demb", WRONG),
    ("dlogits", "dlogits = dnorm_logits.clone()", ONLY_HERE),
    ("dlogits", "dlogits = dnorm_logits + 0 * dlogit_maxes", ONLY_HERE),
    ("dlogits", "dlogits = dnorm_logits + dlogit_maxes", ONLY_HERE),
    (
        "dlogits",
        (
            "dlogits = dnorm_logits.clone()\n"
            "dlogits[range(n), logits.max(1, keepdim=True).indices] += dlogit_maxes"
        ),
        ONLY_HERE,
    ),
    (
        "dlogits",
        "dlogits = dnorm_logits.clone()\ndlogits[logits.max(1).indices] += dlogit_maxes",
        ONLY_HERE,
    ),
    ("dlogits", "dlogits = dnorm_logits + (logits == logit_maxes) * dlogit_maxes", ONLY_HERE),
    ("dlogit_maxes", "dlogit_maxes = torch.zeros_like(logit_maxes)", ONLY_HERE),
    ("db1", "db1 = torch.zeros_like(b1)", ONLY_HERE),
    ("db2", "db2 = dlogits.sum(0, keepdim=True)", SHAPE),
    ("db1", "db1 = dhprebn.sum(0, keepdim=True)", SHAPE),
    ("dbndiff2", "dbndiff2 = dbnvar / (n - 1)", SHAPE),
    ("dbngain", "dbngain = (bnraw * dhpreact).sum(0)", SHAPE),
    ("dbnmeani", "dbnmeani = (-dbndiff).sum(0)", SHAPE),
    (
        "dlogits",
        (
            "dlogits = dnorm_logits\n"
            "dlogits += F.one_hot(logits.max(1).indices, vocab_size) * dlogit_maxes"
        ),
        ALIAS,
    ),
    ("dhprebn", "dhprebn = dbndiff\ndhprebn += dbnmeani / n", ALIAS),
    ("dprobs", "dprobs = None", UNFINISHED),
    ("dprobs", "dprobs = probs.grad", COPIED),
    ("dprobs", "dprobs = dlogprobs / probabilities", NOT_RUN),
    ("dlogits", "dlogits = F.softmax(logits, 1)\ndlogits[range(n), Yb] -= 1", WRONG),
    ("dlogits", "dlogits = F.softmax(logits, 0)\ndlogits[range(n), Yb] -= 1\ndlogits /= n", WRONG),
    ("dlogits", "dlogits = F.softmax(logits, 1)\ndlogits[range(n), Yb] -= 1/n", WRONG),
    (
        "dlogits",
        (
            "dlogits = logits.exp() / norm_logits.exp().sum(1, keepdim=True)\n"
            "dlogits[range(n), Yb] -= 1\ndlogits /= n"
        ),
        WRONG,
    ),
    (
        "dhprebn",
        (
            "dhprebn = bngain*bnvar_inv/n * (n*hpreact - dhpreact.sum(0)"
            " - n/(n-1)*bnraw*(dhpreact*bnraw).sum(0))"
        ),
        WRONG,
    ),
    (
        "dhprebn",
        (
            "dhprebn = bngain*bnvar_inv/n * (n*dhpreact - dhpreact.sum(0)"
            " - n/(n-1)*bnraw*dhpreact.sum(0)*bnraw.sum(0))"
        ),
        WRONG,
    ),
    ("dhprebn", "dhprebn = bngain * bnvar_inv * dhpreact", WRONG),
    ("dW2", "dW2 = dlogits.T @ h", WRONG),
    ("dh", "dh = dlogits * W2[:vocab_size].T.sum(0)", WRONG),
)

# Compared with another tensor than that whose gradient it is.
CROSSED = ("dbndiff", "bnraw", "bndiff", WRONG_TENSOR)
