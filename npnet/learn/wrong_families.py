"""Families of mistakes: wrong indices, loops, activations, statistics as constants.

Each family is a table of pieces of code. Every combination with one or two wrong pieces is a wrong
formula. The words of these pieces describe it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

from npnet.learn.exercises import EXERCISES
from npnet.learn.wrong_formulas import Mutant
from npnet.network.names import NAMES


class Piece(NamedTuple):
    """One way to write a part of a formula, and its mistake in words (None if it is right)."""

    code: str
    said: str = ""


@cache
def families(name: str) -> tuple[Mutant, ...]:
    """The wrong formulas of all families of an exercise, the likelier first."""
    return tuple(_BY_NAME[name]()) if name in _BY_NAME else ()


@cache
def with_more(name: str) -> tuple[Mutant, ...]:
    """Our own solution with an extra factor or term that does not belong there."""
    return tuple(_whole(name))


def _mutant(kind: str, said: str, code: str) -> Mutant:
    return Mutant(kind, said, code.splitlines()[-1], code)


def _combined(
    kind: str, template: str, pieces: Sequence[Sequence[Piece]], shown: str = "", most: int = 2
) -> Iterator[Mutant]:
    """The template filled with one piece of each kind, with at most ``most`` wrong pieces."""
    found = []
    for chosen in product(*pieces):
        said = [piece.said for piece in chosen if piece.said]
        if 1 <= len(said) <= most:
            codes = [piece.code for piece in chosen]
            code = template.format(*codes)
            statement = (shown or code.splitlines()[-1]).format(*codes)
            statement = statement.replace("; pass", "").replace("pass; ", "")
            found.append((len(said), Mutant(kind, ", and ".join(said), statement, code)))
    yield from (mutant for _, mutant in sorted(found, key=lambda entry: entry[0]))


# Rows and columns of an index.
ROWS = (
    Piece("np.arange(len(Y))"),
    Piece(":", "the row's number is missing: every one of these columns is set in every row"),
    Piece("0", "the first row is used alone"),
    Piece("-1", "the last row is used alone"),
)


def _columns(values: str) -> tuple[Piece, ...]:
    return (
        Piece("Y"),
        Piece(f"{values}.argmax(1)", f"argmax, the largest of {values}, stands where the target Y "
              "belongs"),
        Piece(f"{values}.argmin(1)", f"argmin, the smallest of {values}, stands where the target Y "
              "belongs"),
        Piece("X[:, -1]", "the last character of the context X stands where the target Y belongs"),
        Piece("X[:, 0]", "the first character of the context X stands where the target Y belongs"),
        Piece("Y - 1", "Y - 1 stands where the target Y belongs"),
        Piece(f"(Y + 1) % {values}.shape[1]", "Y + 1 stands where the target Y belongs"),
    )  # fmt: skip


def _dlogprobs() -> Iterator[Mutant]:
    shares = (
        Piece("-dloss / len(Y)"),
        Piece("-dloss / len(Y) - 1", "the brackets are wrong: 1 is subtracted after the division "
              "by n"),
        Piece("-dloss", "the division by len(Y) is missing"),
        Piece("dloss / len(Y)", "the minus sign is missing"),
        Piece("-dloss / 32", "32 stands where n belongs"),
        Piece("-logprobs[np.arange(len(Y)), Y] / len(Y)", "logprobs itself, the value, is "
              "multiplied in"),
        Piece("-probs[np.arange(len(Y)), Y] / len(Y)", "probs, another value, is multiplied in"),
    )  # fmt: skip
    shown = "dlogprobs[{0}, {1}] = {2}"
    code = f"dlogprobs = np.zeros_like(logprobs)\n{shown}"
    yield from _combined("index", code, (ROWS, _columns("logprobs"), shares), shown)
    rows = "dlogprobs = np.zeros_like(logprobs)\ndlogprobs[Y] = -dloss / len(Y)"
    yield _mutant("index", "Y picks whole rows: the row's number is missing", rows)
    for value in ("logprobs", "probs"):
        said = (
            "that is the derivative of a logarithm: it belongs to probs, whose logarithm is taken"
        )
        yield _mutant("line", said, f"dlogprobs = 1 / {value}")


def _dlogits() -> Iterator[Mutant]:
    passed = (
        Piece("+= dlogit_maxes[:, 0]"),
        Piece("-= dlogit_maxes[:, 0]", "the sign before dlogit_maxes is wrong"),
        Piece("= dlogit_maxes[:, 0]", "the path through the maximum replaces the other"),
        Piece("*= dlogit_maxes[:, 0]", "dlogit_maxes is a factor where it must be added"),
        Piece("+= dlogit_maxes[0, 0]", "the first row's dlogit_maxes is used for every row"),
        Piece("+= 1", "the upstream gradient dlogit_maxes is left out: 1 is added"),
    )
    columns = (
        Piece("logits.argmax(1)"),
        Piece("logits.argmin(1)", "argmin, the smallest, stands where the largest belongs"),
        Piece("Y", "the target's entry stands where the largest belongs"),
    )
    shown = "dlogits[{0}, {1}] {2}"
    yield from _combined(
        "index", f"dlogits = dnorm_logits.copy()\n{shown}", (ROWS, columns, passed), shown
    )
    start = "dlogits = dnorm_logits.copy()\n"
    for said, line in (
        ("all columns in which a row has its largest entry get it, in every row",
         "dlogits[:, logits.argmax(1)] += dlogit_maxes"),
        ("an index of shape (n, 1) fans out: the columns of all rows in every row",
         "dlogits[np.arange(len(Y)), logits.argmax(1, keepdims=True)] += dlogit_maxes"),
        ("an index of shape (n, 1) fans out: the columns of all rows in every row",
         "dlogits[np.arange(len(Y)), logits.argmax(1, keepdims=True)] += dlogit_maxes[:, 0]"),
        ("column numbers pick rows: the row's number is missing",
         "dlogits[logits.argmax(1)] += dlogit_maxes"),
        ("column numbers pick rows: the row's number is missing",
         ("dlogits[logits.argmax(1) % len(dlogits)] += "
         "dlogit_maxes[logits.argmax(1) % len(dlogits)]")),
        ("only the first row's maximum is used", ("dlogits[0, logits[0].argmax()] += "
         "dlogit_maxes[0, 0]")),
    ):  # fmt: skip
        yield _mutant("index", said, start + line)
    largest = "(logits == logits.max(1, keepdims=True))"
    for kind, said, line in (
        ("axis", "the maximum of all logits stands where that of each row belongs",
         "dlogits = dnorm_logits + (logits == logits.max()) * dlogit_maxes"),
        ("axis", "the maximum is taken along axis 0, of each column, where axis 1 belongs",
         "dlogits = dnorm_logits + (logits == logits.max(0)) * dlogit_maxes"),
        ("own sum", "minus the sum of dnorm_logits stands where dlogit_maxes belongs",
         f"dlogits = dnorm_logits - {largest} * dnorm_logits.sum(1, keepdims=True)"),
        ("bracket", "largest multiplies dnorm_logits, not dlogit_maxes",
         f"dlogits = dnorm_logits * {largest} + dlogit_maxes"),
        ("bracket", "the brackets are wrong: largest multiplies both paths",
         f"dlogits = (dnorm_logits + dlogit_maxes) * {largest}"),
        ("name", "the logits themselves stand where the mark of the largest belongs",
         "dlogits = dnorm_logits + logits * dlogit_maxes"),
        ("name", "logit_maxes, the value, stands where its gradient dlogit_maxes belongs",
         f"dlogits = dnorm_logits + {largest} * logit_maxes"),
        ("at once", ("that comes from softmax and cross-entropy at once, without the -1 at the "
         "targets"), "dlogits = probs.copy()"),
        ("at once", ("that comes from softmax and cross-entropy at once, without the -1 at the "
         "targets"), "dlogits = probs / len(Y)"),
    ):  # fmt: skip
        yield _mutant(kind, said, line)


def _dnorm_logits() -> Iterator[Mutant]:
    said = "exp of logits stands where counts, with the maximum subtracted, belong"
    yield _mutant("name", said, "dnorm_logits = np.exp(logits) * dcounts")


def _dhpreact() -> Iterator[Mutant]:
    for what, slope in (
        ("ReLU", "({} > 0)"),
        ("the sigmoid", "1 / (1 + np.exp(-{0})) * (1 - 1 / (1 + np.exp(-{0})))"),
        ("arctan", "1 / (1 + {}**2)"),
        ("softplus", "1 / (1 + np.exp(-{}))"),
        ("sin", "np.cos({})"),
        ("softsign", "1 / (1 + np.abs({}))**2"),
        ("exp", "np.exp({})"),
        ("log", "1 / {}"),
        ("a square", "2 * {}"),
    ):
        for value in ("hpreact", "h"):
            yield _mutant(
                "other", f"that is the derivative of {what}, not of tanh",
                f"dhpreact = {slope.format(value)} * dh",
            )  # fmt: skip
    for said, slope in (
        (
            "the square root of the derivative, sqrt(1 - h**2) or 1 / cosh: its square belongs",
            "1 / np.cosh(hpreact)",
        ),
        ("cosh**2 is the inverse of the derivative: 1 / cosh**2", "np.cosh(hpreact)**2"),
        ("the derivative of tanh is 1 - tanh**2, not tanh", "h"),
        ("tanh is taken once more", "1 - np.tanh(h)"),
        ("the inverse of tanh, which gives hpreact again, is no derivative", "np.arctanh(h)"),
        ("h, the value, and dh, the gradient, changed places", "(1 - dh**2) * h / dh"),
    ):
        yield _mutant("other", said, f"dhpreact = {slope} * dh")


def _dhprebn() -> Iterator[Mutant]:
    whole = "the statistics are taken as constants: both paths through the mean and the variance"
    variance = "the variance is taken as a constant: its path is missing"
    for passed in ("bngain * bnvar_inv * dhpreact", "bnvar_inv * dbnraw"):
        yield _mutant("constant", f"{whole} are missing", f"dhprebn = {passed}")
        code = f"{passed} - ({passed}).mean(0)"
        yield _mutant("constant", variance, f"dhprebn = {code}")


def _batch_norm() -> Iterator[Mutant]:
    start = "n = len(bnraw)\ndhprebn = "
    for said, line in (
        (("the statistics are taken as constants: both paths through the mean and the variance are "
         "missing"), "bngain * bnvar_inv * dhpreact"),
        ("the variance is taken as a constant: its path is missing",
         "bngain * bnvar_inv * (dhpreact - dhpreact.mean(0))"),
        ("the mean is taken as a constant: its path, the sum of dhpreact (dbnbias), is missing",
         "bngain * bnvar_inv * (dhpreact - bnraw * (dhpreact * bnraw).sum(0) / (n - 1))"),
        ("the sum of hpreact * bnraw stands where that of dhpreact * bnraw belongs",
         ("bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) - n / (n - 1) * bnraw"
         " * (hpreact * bnraw).sum(0))")),
        (("bnraw is missing: the sum of one factor stands where the sum of the product dhpreact * "
         "bnraw belongs"),
         ("bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) - n / (n - 1) * bnraw"
         " * dhpreact.sum(0))")),
        (("dhpreact is missing: the sum of one factor stands where the sum of the product dhpreact "
         "* bnraw belongs"),
         ("bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) - n / (n - 1) * bnraw"
         " * bnraw.sum(0))")),
        ("the product of two sums stands where the sum of the product dhpreact * bnraw belongs",
         ("bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) - n / (n - 1) * bnraw"
         " * dhpreact.sum(0) * bnraw.sum(0))")),
        ("the sum of dhpreact runs over axis 1 where axis 0 belongs",
         ("bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(1, keepdims=True)"
         " - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0))")),
        ("the brackets are wrong: they close after the sum of dhpreact",
         ("bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0)) - n / (n - 1) * bnraw"
         " * (dhpreact * bnraw).sum(0)")),
        ("the brackets are wrong: they close after n * dhpreact",
         ("bngain * bnvar_inv / n * (n * dhpreact) - dhpreact.sum(0) - n / (n - 1) * bnraw"
         " * (dhpreact * bnraw).sum(0)")),
    ):  # fmt: skip
        yield _mutant("constant" if "constant" in said else "term", said, start + line)


def _softmax() -> Iterator[Mutant]:
    shifted = "np.exp(logits - logits.max(1, keepdims=True))"
    probabilities = (
        Piece(f"{shifted} / {shifted}.sum(1, keepdims=True)"),
        Piece(f"{shifted} / {shifted}.sum(0, keepdims=True)",
              "the softmax runs along axis 0 where axis 1 belongs"),
        Piece("np.exp(logits - logits.max(0)) / np.exp(logits - logits.max(0)).sum(0)",
              "the softmax runs along axis 0 where axis 1 belongs"),
        Piece(f"np.exp(logits) / {shifted}.sum(1, keepdims=True)",
              "exp without the shift by the maximum is divided by a sum with it"),
        Piece(f"{shifted} / np.exp(logits).sum(1, keepdims=True)",
              "exp with the shift by the maximum is divided by a sum without it"),
        Piece(f"{shifted} / ({shifted}**2).sum(1, keepdims=True)",
              "the sum of squares stands where the sum belongs"),
        Piece("np.exp(logits) / (np.exp(logits)**2).sum(1, keepdims=True)",
              "the sum of squares stands where the sum belongs"),
        Piece(f"{shifted} / {shifted}.sum(1, keepdims=True)**2",
              "the square of the sum stands where the sum belongs"),
        Piece(f"{shifted} / {shifted}.sum()", "all is summed where the sum over axis 1 belongs"),
        Piece(f"{shifted} / {shifted}.mean(1, keepdims=True)",
              "a mean stands where the sum belongs"),
        Piece("logits.copy()", "logits stand where their softmax belongs: exp and division"),
        Piece("np.exp(logits)", "the division by the sum is missing: exp alone is no softmax"),
        Piece(shifted, "the division by the sum is missing: exp alone is no softmax"),
        Piece(f"np.log({shifted} / {shifted}.sum(1, keepdims=True))",
              "the logarithm of the softmax stands where the softmax belongs"),
    )  # fmt: skip
    one = "-= 1"
    targets = (
        Piece(f"dlogits[rows, Y] {one}"),
        Piece("dlogits[rows, Y] = -1", "dlogits[rows, Y] = -1 replaces what -= 1 only lowers"),
        Piece("dlogits[rows, Y] -= 1 / n", "1 / n is subtracted before the division by n"),
        Piece("dlogits[rows, Y] += 1", "dlogits[rows, Y] += 1 stands where -= 1 belongs"),
        Piece("dlogits[rows, Y] *= -1", "the target's entry changes its sign where 1 is to be "
              "subtracted"),
        Piece(f"dlogits[rows, logits.argmax(1)] {one}",
              "argmax, the largest, stands where the target Y belongs"),
        Piece(f"dlogits[:, Y] {one}", "the row's number is missing: [:, Y] takes all rows"),
        Piece(f"dlogits[Y % n] {one}", "the row's number is missing: Y picks rows"),
        Piece("dlogits -= 1", "1 is subtracted from every entry, not from the targets alone"),
        Piece("pass", "dlogits[rows, Y] -= 1 is missing"),
    )  # fmt: skip
    scale = (
        Piece("dlogits /= n"),
        Piece("pass", "dlogits /= n is missing, the division by n"),
        Piece("dlogits[rows, Y] /= n", "the division by n is made for the targets alone"),
        Piece("dlogits /= 32", "32 stands where n belongs"),
        Piece("dlogits /= V", "the number of columns, V, stands where n belongs"),
        Piece("dlogits /= dlogits.size", "the number of all entries stands where n belongs"),
        Piece("dlogits /= n - 1", "n - 1 stands where n belongs"),
        Piece("dlogits /= -n", "the sign is wrong: times -1"),
        Piece("dlogits -= 0; dlogits[...] = dlogits / n - 1",
              "the brackets are wrong: 1 is subtracted after the division by n"),
    )  # fmt: skip
    start = "n, V = logits.shape\nrows = np.arange(n)\ndlogits = {0}\n"
    shown = "{1}; {2}"
    pieces = (probabilities, targets, scale)
    yield _mutant(
        "order", "1 is subtracted after the division by n where it belongs before",
        start.format(probabilities[0].code) + "dlogits /= n\ndlogits[rows, Y] -= 1",
    )  # fmt: skip
    yield from _combined("softmax", start + "{1}\n{2}", pieces, shown)


def _demb() -> Iterator[Mutant]:
    for said, code in (
        ("the positions are in reverse order", "dembcat.reshape(emb.shape)[:, ::-1]"),
        ("the numbers of each embedding are in reverse order",
         "dembcat.reshape(emb.shape)[:, :, ::-1]"),
        ("dembcat is transposed before the reshape", "dembcat.T.reshape(emb.shape)"),
        ("the rows are in reverse order", "dembcat.reshape(emb.shape)[::-1]"),
    ):  # fmt: skip
        yield _mutant("axes", said, f"demb = {code}")


def _dC() -> Iterator[Mutant]:
    """Every loop over rows and positions: its start, what it reads, and where it writes."""
    starts = (
        Piece("np.zeros_like(C)"),
        Piece("C.copy()", "it starts from C itself where zeros belong"),
        Piece("np.ones_like(C)", "it starts from ones where zeros belong"),
    )
    parts = (
        Piece(""),
        Piece("[:-1]", "the last row of the batch is left out"),
        Piece("[1:]", "the first row of the batch is left out"),
        Piece("[-1:]", "only the last row of the batch is used"),
        Piece("[:1]", "only the first row of the batch is used"),
        Piece("[:, :-1]", "the last position of each context is left out"),
        Piece("[:, 1:]", "the first position of each context is left out"),
        Piece("[:, -1:]", "only the last position of each context is used"),
        Piece("[:, :1]", "only the first position of each context is used"),
    )
    indices = (
        Piece("X"),
        Piece("np.broadcast_to(Y[:, None], X.shape)", "the target Y stands where X belongs"),
        Piece("np.broadcast_to(np.arange(X.shape[1]), X.shape)",
              "the position t stands where the character X[i, t] belongs"),
        Piece("np.broadcast_to(np.arange(len(X))[:, None] % len(C), X.shape)",
              "the row's number i stands where the character X[i, t] belongs"),
        Piece("X[:, ::-1]", "the positions of X are reversed"),
        Piece("X[::-1]", "the rows of X are reversed"),
        Piece("(X - 1)", "X - 1 stands where X belongs"),
    )  # fmt: skip
    taken = (
        Piece("demb"),
        Piece("-demb", "the sign is wrong: times -1"),
        Piece("np.ones_like(demb)", "the upstream gradient demb is left out: 1 is added"),
        Piece("(demb * emb)", "emb is an extra factor"),
        Piece("emb", "emb, the value, stands where its gradient demb belongs"),
        Piece("demb[:, ::-1]", "the positions of demb are reversed"),
    )
    code = "dC = {0}\nnp.add.at(dC, ({2}){1}, ({3}){1})"
    shown = "np.add.at(dC, ({2}){1}, ({3}){1})"
    yield from _combined("repeats", code, (starts, parts, indices, taken), shown)
    repeats = "a character that repeats gets one of its places instead of their sum"
    for loop in (
        "for t in range(X.shape[1]):\n    dC[X[:, t]] += demb[:, t]",
        "for i in range(len(X)):\n    dC[X[i]] += demb[i]",
        (
            "for i in range(len(X)):\n    for t in range(X.shape[1]):\n"
            "        dC[X[i, t]] = demb[i, t]"
        ),
        "for i in range(len(X)):\n    dC[X[i]] = demb[i]",
    ):
        over = "overwrites" if "+=" not in loop else "keeps one of several repeats"
        yield Mutant("repeats", f"{repeats}: it {over}", loop.split("\n")[-1].strip(),
                     f"dC = np.zeros_like(C)\n{loop}")  # fmt: skip
    for said, line in (
        ("character 0 is left out, as if it were no character", "dC[0] = 0"),
        ("the last character is left out: a loop that ends too early", "dC[-1] = 0"),
        ("it is divided by n", "dC /= len(X)"),
        ("it is divided by the number of places", "dC /= X.size"),
    ):
        code = f"dC = np.zeros_like(C)\nnp.add.at(dC, X, demb)\n{line}"
        yield _mutant("position", said, code)
    for index, said in (("[:, -1]", "last"), ("[:, 0]", "first")):
        yield _mutant(
            "position", f"the target Y stands where X belongs, with the {said} position alone",
            f"dC = np.zeros_like(C)\nnp.add.at(dC, Y, demb{index})",
        )  # fmt: skip


def _whole(name: str) -> Iterator[Mutant]:
    """Our gradient with an extra factor, divisor or term."""
    exercise = EXERCISES[name]
    gradient = exercise.gradients[0]
    code = "\n".join(exercise.code)
    own = NAMES[gradient].axes
    values = [other for other in exercise.reads if other in NAMES]
    for value in values:
        axes = NAMES[value].axes
        if not axes or not _fits(axes, own):
            continue
        for sign, said in (
            ("*", f"{value} is an extra factor"),
            ("+", f"{value} is an extra term"),
            ("/", f"{value} is an extra divisor"),
        ):
            line = f"d{gradient} = d{gradient} {sign} {value}"
            yield Mutant("extra", said, f"our d{gradient} {sign} {value}", f"{code}\n{line}")
    for value in values:
        if len(NAMES[value].axes) == 1:
            line = f"d{gradient} = d{gradient} + {value}.sum()"
            said = f"the sum of {value} is an extra term"
            yield Mutant("extra", said, f"our d{gradient} + {value}.sum()", f"{code}\n{line}")


def _fits(axes: Sequence[str], own: Sequence[str]) -> bool:
    """Whether an array with the first axes broadcasts into one with the second."""
    tail = tuple(own)[len(own) - len(axes) :] if len(axes) <= len(own) else ()
    return len(axes) <= len(own) and all(
        axis in ("1", other) for axis, other in zip(axes, tail, strict=True)
    )


_BY_NAME: Mapping[str, Callable[[], Iterator[Mutant]]] = {
    "dlogprobs": _dlogprobs,
    "dlogits": _dlogits,
    "dnorm_logits": _dnorm_logits,
    "dhpreact": _dhpreact,
    "dhprebn": _dhprebn,
    "dhprebn_at_once": _batch_norm,
    "dlogits_at_once": _softmax,
    "demb": _demb,
    "dC": _dC,
}
