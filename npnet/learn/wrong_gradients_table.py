"""The catalogue of wrong gradients as a table: data only, which is why the module is long.

``npnet.learn.wrong_gradients`` makes functions of the entries. Code that several entries share is
at the top.
"""

AT_TARGETS = (
    "dlogprobs = np.zeros_like(v.logprobs)\ndlogprobs[np.arange(len(v.Y)), v.Y] = {}\ndlogprobs"
)
NO_C = "dC = np.zeros_like(v.C)\n{}\ndC"
INTO_COPY = (
    "dlogits = d.norm_logits.copy()\n"
    "dlogits[np.arange(len(v.Y)), {}] {} d.logit_maxes[:, 0]\ndlogits"
)
SHARED = "d.norm_logits + largest / largest.sum(1, keepdims=True) * d.logit_maxes"
LAST_LARGEST = (
    "V = v.logits.shape[1]\n"
    "last = V - 1 - v.logits[:, ::-1].argmax(1, keepdims=True)\n"
    "d.norm_logits + (np.arange(V) == last) * d.logit_maxes"
)
LARGEST = "(v.logits == v.logit_maxes)"
ONE_HOT = "(np.arange(v.probs.shape[1]) == v.Y[:, None])"
AT_ONCE = (
    "n = len(v.bnraw)\n"
    "v.bngain * v.bnvar_inv / n * (n * d.hpreact - d.hpreact.sum(0)"
    " - n / (n - 1) * v.bnraw * (d.hpreact * v.bnraw).sum(0))"
)
SOFTMAX = (
    "e = np.exp(v.logits - v.logits.max(1, keepdims=True))\np = e / e.sum(1, keepdims=True)\n{}"
)

# For each exercise: the mistake in words, the code, the words that the diagnosis must say, and the
# kind if the diagnosis must know the mistake from here.
TABLE: dict[str, tuple[tuple[str, ...], ...]] = {
    "dlogprobs": (
        ("1/n is forgotten", AT_TARGETS.format("-d.loss"), "division by len(Y) is missing"),
        (
            "the mean is over all entries, not over the rows",
            AT_TARGETS.format("-d.loss / v.logprobs.size"),
            "number of all entries stands where n",
        ),
        ("n - 1 for n", AT_TARGETS.format("-d.loss / (len(v.Y) - 1)"), "n - 1 stands where n"),
        ("the sign is wrong", AT_TARGETS.format("d.loss / len(v.Y)"), "minus sign is missing"),
        ("the upstream gradient is taken for 1", AT_TARGETS.format("-1 / len(v.Y)"), ""),
        ("32 for n", AT_TARGETS.format("-d.loss / 32"), "32 stands where n"),
        (
            "every entry gets what belongs to the targets alone",
            "-np.ones_like(v.logprobs) / len(v.Y)",
            "every entry",
            "index",
        ),
        (
            "every target in every row: the row's number is missing",
            AT_TARGETS.format("-1 / len(v.Y)").replace("np.arange(len(v.Y))", ":"),
            "the row's number is missing",
            "index",
        ),
        (
            "np.zeros makes float64",
            AT_TARGETS.format("-d.loss / len(v.Y)").replace(
                "zeros_like(v.logprobs)", "zeros(v.logprobs.shape)"
            ),
            "",
        ),
    ),
    "dprobs": (
        (
            "the upstream gradient is left out",
            "1 / v.probs",
            "upstream gradient dlogprobs is left out",
        ),
        ("multiplied instead of divided", "d.logprobs * v.probs", "dlogprobs * probs stands"),
        ("counts for probs", "d.logprobs / v.counts", ""),
        ("logprobs for 1 / probs", "d.logprobs * v.logprobs", "logprobs"),
        ("the sign is wrong", "-d.logprobs / v.probs", "times -1"),
        ("the square of probs for probs", "d.logprobs / v.probs**2", "probs**2"),
    ),
    "dcounts_sum_inv": (
        ("the sum is forgotten", "v.counts * d.probs", "sum over axis 1 is missing"),
        ("keepdims is forgotten", "(v.counts * d.probs).sum(1)", "keepdims=True is missing"),
        (
            "summed over the wrong axis",
            "(v.counts * d.probs).sum(0, keepdims=True)",
            "axis 0 where axis 1",
        ),
        (
            "a mean for the sum",
            "(v.counts * d.probs).mean(1, keepdims=True)",
            "mean stands where the sum",
        ),
        (
            "probs for counts",
            "(v.probs * d.probs).sum(1, keepdims=True)",
            "probs stands where counts",
        ),
    ),
    "dcounts_sum": (
        (
            "the minus sign is forgotten",
            "v.counts_sum**-2 * d.counts_sum_inv",
            "minus sign is missing",
        ),
        ("the square is forgotten", "-v.counts_sum_inv * d.counts_sum_inv", "power 2 is missing"),
        (
            "the square and the minus sign are forgotten",
            "d.counts_sum_inv / v.counts_sum",
            "power 2 is missing",
        ),
        ("the upstream gradient is left out", "-(v.counts_sum**-2)", "dcounts_sum_inv is left out"),
    ),
    "dcounts": (
        (
            "the path through counts_sum is forgotten",
            "v.counts_sum_inv * d.probs",
            "path through counts_sum is missing",
        ),
        (
            "the path through probs is forgotten",
            "np.ones_like(v.counts) * d.counts_sum",
            "path through probs is missing",
        ),
        (
            "the two paths are subtracted",
            "d.probs * v.counts_sum_inv - d.counts_sum",
            "sign before dcounts_sum",
        ),
        (
            "a mean for the sum in the path through counts_sum",
            "d.probs * v.counts_sum_inv + d.counts_sum / v.counts.shape[1]",
            "1/V",
        ),
        (
            "counts_sum for counts_sum_inv",
            "d.probs * v.counts_sum + d.counts_sum",
            "counts_sum stands where counts_sum_inv",
        ),
    ),
    "dnorm_logits": (
        (
            "the value itself for its exponential",
            "v.norm_logits * d.counts",
            "norm_logits stands where counts",
        ),
        ("probs for counts", "v.probs * d.counts", "probs stands where counts"),
        ("passed on unchanged", "d.counts.copy()", "factor counts is missing"),
        ("multiplied by 0", "0 * d.counts", "all zeros"),
        ("the exponential is taken twice", "np.exp(v.counts) * d.counts", "np.exp(counts) stands"),
    ),
    "dlogit_maxes": (
        ("zeros are written down", "np.zeros_like(v.logit_maxes)", "zeros", "zero"),
        ("the sign is wrong", "d.norm_logits.sum(1, keepdims=True)", "minus sign is missing"),
        ("keepdims is forgotten", "-d.norm_logits.sum(1)", "keepdims=True is missing"),
        ("the largest entry for the sum", "-d.norm_logits.max(1, keepdims=True)", ""),
    ),
    "dlogits": (
        (
            "the path through the maximum is forgotten",
            "d.norm_logits.copy()",
            "path through logit_maxes is missing",
        ),
        (
            "the path through the maximum is subtracted",
            f"d.norm_logits - {LARGEST} * d.logit_maxes",
            "sign before",
        ),
        (
            "the maximum passes its gradient to the target's entry",
            INTO_COPY.format("v.Y", "+="),
            "target's entry",
            "index",
        ),
        (
            "softmax and cross-entropy are undone at once",
            f"(v.probs - {ONE_HOT}) / len(v.Y)",
            "at once",
            "at once",
        ),
        (
            "the maximum passes its gradient to all entries",
            "d.norm_logits + d.logit_maxes",
            "factor largest is missing",
        ),
        (
            "the path through the maximum replaces the other",
            INTO_COPY.format("v.logits.argmax(1)", "="),
            "replaces the other",
            "path",
        ),
        (
            "each of several equal largest logits gets all of it",
            f"d.norm_logits + {LARGEST} * d.logit_maxes",
            "",
        ),
        (
            "several equal largest logits share it",
            f"largest = {LARGEST}.astype(v.C.dtype)\n{SHARED}",
            "",
        ),
        (
            "the last of several equal largest logits gets it",
            LAST_LARGEST,
            "",
        ),
        (
            "it is written into dnorm_logits",
            f"dlogits = d.norm_logits\ndlogits += {LARGEST} * d.logit_maxes\ndlogits",
            "",
        ),
    ),
    "dh": (
        ("W2 is not transposed", "d.logits @ v.W2", "W2 stands where W2.T belongs"),
        ("the product is the wrong way round", "v.W2 @ d.logits.T", "the factors changed places"),
    ),
    "dW2": (
        ("the factors changed places", "d.logits.T @ v.h", "h stands where h.T belongs"),
        ("h is not transposed", "v.h @ d.logits", "h stands where h.T belongs"),
        ("hpreact for h", "v.hpreact.T @ d.logits", "hpreact stands where h"),
        ("a mean for the sum", "v.h.T @ d.logits / len(v.h)", "1/n"),
        ("the sign is wrong", "-v.h.T @ d.logits", "times -1"),
    ),
    "db2": (
        (
            "keepdims where none belongs",
            "d.logits.sum(0, keepdims=True)",
            "keepdims=True does not belong there",
        ),
        ("a mean for the sum", "d.logits.mean(0)", "mean stands"),
        ("summed over the wrong axis", "d.logits.sum(1)", "axis 1 where axis 0"),
        ("the sum is forgotten", "d.logits.copy()", "sum over axis 0 is missing"),
    ),
    "dhpreact": (
        ("hpreact for h", "(1 - v.hpreact**2) * d.h", "hpreact stands where h"),
        ("the square is forgotten", "(1 - v.h) * d.h", "power 2 is missing"),
        ("1 - is forgotten", "v.h**2 * d.h", "1 is missing"),
        ("twice h for its square", "(1 - 2 * v.h) * d.h", "2 * h stands where h**2"),
        ("the sign of the square is wrong", "(1 + v.h * v.h) * d.h", "sign before h**2"),
        ("that is the derivative of the sigmoid", "v.h * (1 - v.h) * d.h", "sigmoid", "other"),
        ("tanh is taken of h once more", "(1 - np.tanh(v.h)**2) * d.h", "once more", "value"),
        ("the upstream gradient is left out", "1 - v.h**2", "dh is left out"),
    ),
    "dbngain": (
        (
            "summed over the wrong axis",
            "(v.bnraw * d.hpreact).sum(1, keepdims=True)",
            "axis 1 where axis 0",
        ),
        ("keepdims is forgotten", "(v.bnraw * d.hpreact).sum(0)", "keepdims=True is missing"),
        ("hpreact for bnraw", "(v.hpreact * d.hpreact).sum(0, keepdims=True)", "hpreact"),
        (
            "bndiff for bnraw",
            "(v.bndiff * d.hpreact).sum(0, keepdims=True)",
            "bndiff stands where bnraw",
        ),
        ("bnraw is left out", "d.hpreact.sum(0, keepdims=True)", "factor bnraw is missing"),
    ),
    "dbnbias": (
        ("keepdims is forgotten", "d.hpreact.sum(axis=0)", "keepdims=True is missing"),
        ("a mean for the sum", "d.hpreact.mean(0, keepdims=True)", "mean stands"),
        ("everything is summed", "d.hpreact.sum(keepdims=True)", "all is summed"),
    ),
    "dbnraw": (
        ("the gain is left out", "d.hpreact * 1", "factor bngain is missing"),
        ("bnvar_inv for the gain", "v.bnvar_inv * d.hpreact", "bnvar_inv stands where bngain"),
        ("divided by the gain", "d.hpreact / v.bngain", "hpreact"),
    ),
    "dbnvar_inv": (
        (
            "bnraw for bndiff",
            "(v.bnraw * d.bnraw).sum(0, keepdims=True)",
            "bnraw stands where bndiff",
        ),
        (
            "hprebn for bndiff",
            "(v.hprebn * d.bnraw).sum(0, keepdims=True)",
            "hprebn stands where bndiff",
        ),
        ("the sum is forgotten", "v.bndiff * d.bnraw", "sum over axis 0 is missing"),
    ),
    "dbnvar": (
        ("eps is forgotten", "-0.5 * v.bnvar**-1.5 * d.bnvar_inv", "eps is missing"),
        (
            "the power stays -0.5",
            "-0.5 * (v.bnvar + v.eps) ** -0.5 * d.bnvar_inv",
            "power -0.5 stands",
        ),
        (
            "the square for the third power",
            "-0.5 * v.bnvar_inv**2 * d.bnvar_inv",
            "power -1 stands",
        ),
        (
            "the minus sign is forgotten",
            "0.5 * (v.bnvar + v.eps) ** -1.5 * d.bnvar_inv",
            "minus sign is missing",
        ),
        (
            "the factor 1/2 is forgotten",
            "-((v.bnvar + v.eps) ** -1.5) * d.bnvar_inv",
            "1.0 stands where 0.5",
        ),
    ),
    "dbndiff2": (
        (
            "n for n - 1",
            "np.ones_like(v.bndiff2) / len(v.bndiff2) * d.bnvar",
            "n stands where n - 1",
        ),
        ("left in the shape of bnvar", "d.bnvar / (len(v.bndiff2) - 1)", "n rows gets its own"),
        ("the division is forgotten", "np.ones_like(v.bndiff2) * d.bnvar", "division by"),
    ),
    "dbndiff": (
        (
            "the path through bndiff2 is forgotten",
            "v.bnvar_inv * d.bnraw",
            "path through bndiff2 is missing",
        ),
        (
            "the path through bnraw is forgotten",
            "2 * v.bndiff * d.bndiff2",
            "path through bnraw is missing",
        ),
        (
            "the factor 2 is forgotten",
            "v.bnvar_inv * d.bnraw + v.bndiff * d.bndiff2",
            "factor 2 is missing",
        ),
        (
            "hprebn for bndiff",
            "v.bnvar_inv * d.bnraw + 2 * v.hprebn * d.bndiff2",
            "hprebn stands where bndiff",
        ),
        (
            "the upstream gradients changed places",
            "v.bnvar_inv * d.bndiff2 + 2 * v.bndiff * d.bnraw",
            "changed places",
        ),
        (
            "bnvar for bnvar_inv",
            "v.bnvar * d.bnraw + 2 * v.bndiff * d.bndiff2",
            "bnvar stands where bnvar_inv",
        ),
        (
            "the square of bndiff for bndiff",
            "v.bnvar_inv * d.bnraw + 2 * v.bndiff2 * d.bndiff2",
            "bndiff**2 stands where bndiff",
        ),
    ),
    "dbnmeani": (
        ("keepdims is forgotten", "-d.bndiff.sum(0)", "keepdims=True is missing"),
        ("the sign is wrong", "d.bndiff.sum(0, keepdims=True)", "minus sign is missing"),
        ("a mean for the sum", "-d.bndiff.mean(0, keepdims=True)", "mean stands"),
        (
            "what is summed lacks the path through bndiff2",
            "-(v.bnvar_inv * d.bnraw).sum(0, keepdims=True)",
            "path through bndiff2",
            "path",
        ),
    ),
    "dhprebn": (
        (
            "the path through the mean is forgotten",
            "d.bndiff + 0",
            "path through bnmeani is missing",
        ),
        ("1/n is forgotten", "d.bndiff + d.bnmeani", "division by len(hprebn) is missing"),
        ("n - 1 for n", "d.bndiff + d.bnmeani / (len(v.hprebn) - 1)", "n - 1 stands where n"),
        ("the sign is wrong", "d.bndiff - d.bnmeani / len(v.hprebn)", "sign before dbnmeani"),
        (
            "minus the mean of dbndiff for dbnmeani / n",
            "d.bndiff - d.bndiff.mean(0, keepdims=True)",
            "mean of dbndiff",
            "own mean",
        ),
        (
            "the whole normalisation is undone at once",
            AT_ONCE,
            "at once",
            "at once",
        ),
    ),
    "dembcat": (("W1 is not transposed", "d.hprebn @ v.W1", "W1 stands where W1.T belongs"),),
    "dW1": (
        (
            "the factors changed places",
            "d.hprebn.T @ v.embcat",
            "dhprebn.T stands where dhprebn belongs",
        ),
        ("a mean for the sum", "v.embcat.T @ d.hprebn / len(v.embcat)", "1/n"),
        ("dhpreact for dhprebn", "v.embcat.T @ d.hpreact", "dhpreact stands where dhprebn"),
        (
            "the upstream gradient is left out",
            "v.embcat.T @ np.ones_like(d.hprebn)",
            "dhprebn is left out",
        ),
    ),
    "db1": (
        ("zeros are written down", "np.zeros_like(v.b1)", "zeros", "zero"),
        ("a mean for the sum", "d.hprebn.mean(0)", "mean stands where the sum"),
        (
            "keepdims where none belongs",
            "d.hprebn.sum(0, keepdims=True)",
            "keepdims=True does not belong there",
        ),
        ("summed over the wrong axis", "d.hprebn.sum(1)", "axis 1 where axis 0"),
    ),
    "demb": (
        (
            "T and E changed places on the way",
            "n, T, E = v.emb.shape\nd.embcat.reshape(n, E, T).transpose(0, 2, 1)",
            "T and E changed",
            "axes",
        ),
        (
            "n and T changed places on the way",
            "n, T, E = v.emb.shape\nd.embcat.reshape(T, n, E).transpose(1, 0, 2)",
            "n and T changed",
            "axes",
        ),
        ("the reshape is forgotten", "d.embcat * 1", "reshape is missing"),
    ),
    "dC": (
        (
            "dC[X] += demb keeps one of several repeats",
            NO_C.format("dC[v.X] += d.emb"),
            "one of several repeats",
            "repeats",
        ),
        (
            "only the last position of each context is used",
            NO_C.format("np.add.at(dC, v.X[:, -1], d.emb[:, -1])"),
            "last position",
            "position",
        ),
        (
            "only the first position of each context is used",
            NO_C.format("np.add.at(dC, v.X[:, 0], d.emb[:, 0])"),
            "first position",
            "position",
        ),
        (
            "only the last row of the batch is used",
            NO_C.format("np.add.at(dC, v.X[-1], d.emb[-1])"),
            "last row",
            "position",
        ),
        (
            "the last row of the batch is left out",
            NO_C.format("np.add.at(dC, v.X[:-1], d.emb[:-1])"),
            "last row",
            "position",
        ),
        (
            "only the last position, and one of its repeats, is used",
            NO_C.format("dC[v.X[:, -1]] += d.emb[:, -1]"),
            "last position",
            "repeats",
        ),
        (
            "a mean over the places for their sum",
            "many = np.bincount(v.X.ravel(), minlength=len(v.C)).clip(1)[:, None]\n"
            + NO_C.format("np.add.at(dC, v.X, d.emb)")
            + " / many.astype(v.C.dtype)",
            "mean over the places",
            "mean",
        ),
        (
            "np.zeros makes float64",
            NO_C.format("np.add.at(dC, v.X, d.emb)").replace("zeros_like(v.C)", "zeros(v.C.shape)"),
            "",
        ),
    ),
    "dlogits_at_once": (
        (
            "the division by n is forgotten",
            SOFTMAX.format("p[np.arange(len(v.Y)), v.Y] -= 1\np"),
            "dlogits /= n is missing",
        ),
        (
            "the target is not subtracted",
            SOFTMAX.format("p / len(v.Y)"),
            "dlogits[rows, Y] -= 1 is missing",
        ),
        (
            "the target is added",
            SOFTMAX.format("p[np.arange(len(v.Y)), v.Y] += 1\np / len(v.Y)"),
            "dlogits[rows, Y] += 1",
        ),
    ),
    "dhprebn_at_once": (
        (
            "the factor n / (n - 1) is forgotten",
            AT_ONCE.replace("n / (n - 1) * ", ""),
            "factor n / (n - 1) is missing",
        ),
        (
            "the sum of dhpreact is forgotten",
            AT_ONCE.replace(" - d.hpreact.sum(0)", ""),
            "the sum of dhpreact (dbnbias), is missing",
        ),
        (
            "the gain is forgotten",
            AT_ONCE.replace("v.bngain * ", "", 1),
            "factor bngain is missing",
        ),
    ),
}
