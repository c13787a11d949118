"""Comparing the output of a cell with the output stored in the file: numbers and words."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from npnet.notebooks.cells import Output
from npnet.tensors.missing import NotHere

EQUAL, NEAR, DIFFERENT, NOT_RUN = "equal", "±1", "different", "not run"

_NUMBER = r"[-+]?(?:\d[\d_]*\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\b(?:nan|inf)\b)"
_TOKEN = re.compile(rf"(?<![\w.]){_NUMBER}(?!\w)|[A-Za-z_]\w*|<[^<>\n]*>|\S")
_IS_NUMBER = re.compile(rf"^{_NUMBER}$")
CLOSE = 1e-4  # relative difference of numbers that rounding may explain, and size of its noise
LONGEST = 60  # at most this many characters of the words before a number are kept
# In 200,000 steps, the losses of two right float32 programs differ by at most this part.
DRIFT = 2e-5
_FIGURE = re.compile(r"<Figure size \d+x\d+ with \d+ Axes>$")
_WARNING = re.compile(r"\S*:\d+: \w*Warning: ")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
# Lines that differ in every run: times, speeds, progress bars, versions.
_MEASURED = re.compile(
    r"^(CPU times|Wall time|Elapsed|time taken)"
    r"|\b\d+(\.\d+)? ?(s|ms|µs|μs|us|ns|sec|seconds|minutes)\b"
    r"|it/s|s/it|%\|",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Difference:
    """One place where the two texts differ.

    Attributes:
        line: the line of the stored output, from 1; blank lines do not count.
        stored, fresh: the numbers or words; empty if one side has nothing.
        near: whether they are numbers that differ by at most one unit of the last printed digit.
        what: the words before the number on its line, which say what figure it is.
        source: the line of the cell that printed the fresh one, from 1; 0 if nothing was printed,
            or if the line is not known.
        fresh_line: the line of the fresh output, from 1; blank lines do not count. 0 if none.
    """

    line: int
    stored: str
    fresh: str
    near: bool
    what: str
    source: int = 0
    fresh_line: int = 0

    @property
    def close(self) -> bool:
        """Whether rounding may be the reason: numbers that are close, or True beside False."""
        if {self.stored, self.fresh} == {"True", "False"}:
            return True
        if not (_IS_NUMBER.match(self.stored) and _IS_NUMBER.match(self.fresh)):
            return False
        one, other = float(self.stored), float(self.fresh)
        largest = max(abs(one), abs(other))
        return abs(one - other) <= CLOSE * largest or largest <= CLOSE


@dataclass(frozen=True)
class Comparison:
    """One stored output compared with the fresh one.

    Attributes:
        verdict: ``equal``, ``±1`` (one unit of the last digit), ``different`` or ``not run``.
        stored, fresh: both texts.
        numbers: how many numbers were compared; ``equal_numbers`` of them are equal.
        differences: the places where the two differ.
        remark: a remark, or "".
    """

    verdict: str
    stored: str
    fresh: str
    numbers: int = 0
    equal_numbers: int = 0
    differences: tuple[Difference, ...] = ()
    remark: str = ""


def compare_outputs(stored: Sequence[Output], fresh: Sequence[Output], ran: bool) -> Comparison:
    """Compare all text that a cell printed with the stored text.

    Pictures and standard error (warnings, progress bars) are not compared, because they depend on
    the machine. For exceptions, only the class is compared; their words change with versions.

    Args:
        stored: the outputs in the file, one or more.
        fresh: the outputs of the cell now.
        ran: whether the cell ran.
    """
    not_compared = {"picture", "stderr"}
    if any(output.kind == "result" for output in stored) and not any(
        output.kind == "result" for output in fresh
    ):
        # Results of matplotlib are not compared, if the file tells results from printed text.
        plotted = any(output.kind == "plotted" for output in fresh)
        not_compared |= {"result", "plotted"} if plotted else set()
    kept = [output for output in stored if output.kind not in not_compared]
    if any(output.kind == "text" for output in kept):
        errors = {line for o in fresh if o.kind == "stderr" for line in o.text.splitlines() if line}
        kept = [_of_export(output, errors) for output in kept]
    text = _joined(kept)
    if not ran:
        return Comparison(NOT_RUN, text, _joined(fresh))
    ours = [output for output in fresh if output.kind not in not_compared]
    if not kept:
        drawn = any(output.kind == "picture" for output in fresh)
        picture = any(output.kind in ("picture", "result") for output in stored)
        remark = "a picture, not compared" if picture else "standard error, not compared"
        return Comparison(EQUAL if drawn or not picture else DIFFERENT, text, "", remark=remark)
    theirs_failed = next((o for o in kept if o.kind == "error"), None)
    ours_failed = next((o for o in ours if o.kind == "error"), None)
    if theirs_failed and ours_failed:
        same = is_same_exception(theirs_failed, ours_failed)
        before = _compare(
            [o for o in kept if o.kind in ("stdout", "result")],
            [o for o in ours if o.kind != "error"],
        )
        remark = f"{theirs_failed.exception} here and there" if same else ""
        verdict = before.verdict if same else DIFFERENT
        return Comparison(
            verdict, text, _joined(ours), before.numbers, before.equal_numbers,
            before.differences, remark,
        )  # fmt: skip
    return _compare(kept, ours)


def _of_export(output: Output, errors: set[str]) -> Output:
    """The output of a text export without pictures' names, warnings and standard error."""
    lines: list[str] = []
    warned = False
    for line in output.text.split("\n"):
        code, warned = warned, bool(_WARNING.match(line))
        # The line of code that gave a warning is printed below it.
        if not (warned or code or line in errors or _FIGURE.match(line)):
            lines.append(line)
    return dataclasses.replace(output, text="\n".join(lines), lines=())


def _joined(outputs: Sequence[Output]) -> str:
    text = ""
    for output in outputs:
        if text and not text.endswith("\n"):
            text += "\n"
        text += output.text
    return text.rstrip()


def _compare(kept: Sequence[Output], printed: Sequence[Output]) -> Comparison:
    stored, fresh = _joined(kept), _joined(printed)
    theirs, ours, sources = _lines(stored), _lines(fresh), _sources(printed)
    aligned = _aligned(theirs, ours)
    differences: list[Difference] = []
    numbers = equal = 0
    for a, b in aligned.pairs:
        cut = aligned.cut and a == len(theirs) - 1
        count, same, found = _of_line(theirs[a], ours[b], cut)
        numbers, equal = numbers + count, equal + same
        differences += [
            Difference(a + 1, *parts, source=sources[b], fresh_line=b + 1) for parts in found
        ]
    differences += [
        Difference(a + 1, theirs[a], "", False, "")
        for a in aligned.missing
        if not _MEASURED.search(theirs[a])  # %time prints it, and is not run
    ]
    remarks = []
    extra = aligned.extra
    if extra and all(output.kind == "text" for output in kept):
        # It is a guess where an output ends in a text export.
        lines = f"{len(extra)} printed line{'s' * (len(extra) > 1)}"
        remarks.append(f"{lines} not found in the export: it is older than the code, or cut")
    else:
        differences += [
            Difference(after, "", ours[b], False, "", sources[b], b + 1) for after, b in extra
        ]
    if aligned.cut:
        remarks.append("the stored output is cut off in its last line")
    if differences:
        verdict = NEAR if all(difference.near for difference in differences) else DIFFERENT
    else:
        verdict = EQUAL
    return Comparison(
        verdict, stored, fresh, numbers, equal,
        tuple(sorted(differences, key=lambda d: d.line)), "; ".join(remarks),
    )  # fmt: skip


def _sources(outputs: Sequence[Output]) -> list[int]:
    """For each line of ``_lines(_joined(outputs))``, the line of the cell that printed it."""
    found = []
    for output in outputs:
        lines = output.text.split("\n")
        places = [*output.lines, *[0] * len(lines)]
        found += [place for line, place in zip(lines, places, strict=False) if line.strip()]
    return found


def aligned_lines(stored: str, fresh: str) -> list[tuple[str, str]]:
    """The lines of both texts that belong together."""
    theirs, ours = _lines(stored), _lines(fresh)
    return [(theirs[a], ours[b]) for a, b in _aligned(theirs, ours).pairs]


def _lines(text: str) -> list[str]:
    """The lines that are not blank, as a terminal would show them: progress bars at their end."""
    lines = (line.rstrip().rpartition("\r")[2] for line in text.split("\n") if line.strip())
    return list(lines)


class _Aligned(NamedTuple):
    """Lines of both sides that belong together, by index from 0.

    Attributes:
        pairs: pairs of a stored and a fresh line.
        missing: stored lines without a fresh one.
        extra: fresh lines without a stored one, each with the number of stored lines before it.
        cut: whether the last stored line ends in the middle.
    """

    pairs: list[tuple[int, int]]
    missing: list[int]
    extra: list[tuple[int, int]]
    cut: bool = False


def _aligned(theirs: list[str], ours: list[str]) -> _Aligned:
    """Pair the lines by their words; their numbers can differ."""
    pairs = [(n, n) for n in range(min(len(theirs), len(ours)))]
    if len(theirs) == len(ours):
        return _Aligned(pairs, [], [])
    # A text that was cut at a certain length ends in the middle of a line.
    at = len(theirs) - 1
    cut = (
        0 <= at < len(ours)
        and len(theirs[at]) < len(ours[at])
        and _words(ours[at]).startswith(_words(theirs[at]))
        and all(_words(a) == _words(b) for a, b in zip(theirs[:at], ours[:at], strict=True))
    )
    if cut:
        return _Aligned(pairs, [], [], True)
    matcher = difflib.SequenceMatcher(
        None, [_words(line) for line in theirs], [_words(line) for line in ours], autojunk=False
    )
    found = _Aligned([], [], [])
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal" or (tag == "replace" and b - a == d - c):
            found.pairs.extend((a + k, c + k) for k in range(b - a))
        else:
            found.missing.extend(range(a, b))
            found.extra.extend((b, k) for k in range(c, d))
    return found


def _words(line: str) -> str:
    """A line without its numbers and spaces."""
    return "".join("#" if _IS_NUMBER.match(token) else token for token in _tokens(line))


def _tokens(line: str) -> list[str]:
    tokens = _TOKEN.findall(_ADDRESS.sub("0x0", line))
    # An export to HTML or Markdown drops <NegBackward0>, because it looks like a tag.
    return [token for token in tokens if not re.fullmatch(r"<\w*Backward\d*>", token)]


def _of_line(
    stored: str, fresh: str, cut: bool
) -> tuple[int, int, list[tuple[str, str, bool, str]]]:
    """Compare one line: how many numbers, how many are equal, and the differences."""
    if stored == fresh:
        count = sum(bool(_IS_NUMBER.match(token)) for token in _tokens(stored))
        return count, count, []
    if _MEASURED.search(stored):
        return 0, 0, []
    theirs, ours = _tokens(stored), _tokens(fresh)
    if cut:
        theirs = theirs[:-1]
        ours = ours[: len(theirs)]
    if len(theirs) != len(ours):
        return 0, 0, [(stored, fresh, False, "")]
    numbers = equal = 0
    found = []
    for place, (one, other) in enumerate(zip(theirs, ours, strict=True)):
        both = bool(_IS_NUMBER.match(one) and _IS_NUMBER.match(other))
        numbers += both
        equal += both and one == other
        if one != other and not (both and _same_value(one, other)):
            what = _shortened(_words_before(theirs, place))
            found.append((one, other, both and is_near(one, other), what))
        elif one != other:
            equal += 1
    return numbers, equal, found


def _words_before(tokens: Sequence[str], place: int) -> list[str]:
    """The words before a number; the step of a log where there are none."""
    before = tokens[:place]
    words = [one for one in before if one[0].isalnum() and not _IS_NUMBER.match(one)]
    # A number with a comma behind it is an entry of a tensor, and no name of the next one.
    numbers = [one for at, one in enumerate(before) if one[0].isdigit() and tokens[at + 1] != ","]
    return words or numbers[:2]


def _shortened(words: Sequence[str]) -> str:
    """The first word, which names the row, and the last words."""
    text = " ".join(words)
    return (
        text if len(text) <= LONGEST else f"{words[0]} … {text[-(LONGEST - len(words[0]) - 3) :]}"
    )


def _same_value(one: str, other: str) -> bool:
    return Decimal(one) == Decimal(other) if _finite(one, other) else one == other


def _finite(*texts: str) -> bool:
    return all(math.isfinite(float(text)) for text in texts)


def is_near(stored: str, fresh: str) -> bool:
    """Whether two printed numbers are within one unit of the last digit of the coarser one."""
    if not _finite(stored, fresh) or "." not in stored + fresh:
        return False
    unit = max(_unit(stored), _unit(fresh))
    return abs(Decimal(stored) - Decimal(fresh)) <= unit


def is_drift(difference: Difference) -> bool:
    """Whether right programs that round differently can differ by this much after many steps."""
    numbers = floats_of(difference)
    if len(numbers) != 2 or "." not in difference.stored:  # a count has no rounding
        return False
    one, other = numbers
    return abs(one - other) <= DRIFT * max(abs(one), abs(other))


def floats_of(difference: Difference) -> list[float]:
    """Both numbers as floats; nothing if one of them is not a number."""
    try:
        return [float(difference.stored), float(difference.fresh)]
    except ValueError:
        return []


def _unit(text: str) -> Decimal:
    exponent = Decimal(text).as_tuple().exponent
    assert isinstance(exponent, int)
    return Decimal(1).scaleb(exponent)


def is_same_exception(stored: Output, fresh: Output) -> bool:
    """Whether both are of one class; a name that torch lacks too is an AttributeError there."""
    return fresh.exception == stored.exception or (
        fresh.exception == NotHere.__name__ and stored.exception == AttributeError.__name__
    )


def is_number(text: str) -> bool:
    """Whether a word is a printed number."""
    return bool(_IS_NUMBER.match(text))


def numbers_in(text: str) -> Iterator[str]:
    """The numbers of a text, as they are printed."""
    return (token for token in _tokens(text) if _IS_NUMBER.match(token))
