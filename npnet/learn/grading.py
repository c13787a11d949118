"""Judging a learner's functions, each alone; and the report on all of them."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from html import escape

from npnet.base.arguments import NUMBER, SIZE, checked
from npnet.base.errors import InputError, kind_of
from npnet.checks.compare import compare, zero_scales
from npnet.checks.report import Row
from npnet.learn.calls import Attempt, Failure, Function, attempt, said
from npnet.learn.diagnose import Cause, diagnose
from npnet.learn.exercises import EXERCISES, PARTS, Exercise, find
from npnet.learn.explain import WIDTH
from npnet.learn.grading_inputs import EVEN, RANDOM, REAL, TIED, cases, tried
from npnet.learn.remarks import K_COARSER, coarser, in_one_width, judge_ties, remark
from npnet.learn.time_limit import SECONDS, TimeIsUp, time_limit
from npnet.learn.training import STEPS, Curve, train, trainable
from npnet.network.gradients import GRADIENTS, backward
from npnet.network.graph import readers

RIGHT, ONLY_HERE, WRONG, ERROR, UNSOLVED = (
    "right",
    "right on this minibatch only",
    "WRONG",
    "error",
    "unsolved",
)

VERDICTS = (RIGHT, ONLY_HERE, WRONG, ERROR, UNSOLVED)

LABELS = ("yours", "ours")

DONE = (
    f"All {len(EXERCISES)} are right: you have written backpropagation by hand, every line of it. "
    "What to try next: npnet exercise mistakes, what people get wrong; npnet page FILE, a "
    "minibatch with all its gradients; npnet train, the whole job; npnet bench, how fast these "
    "formulas can run."
)

# An answer may differ from ours by K units of rounding (eps) of the largest entry, because other
# right formulas round differently. The smallest mistake, a forgotten eps of the batch
# normalisation, is a difference of 4e9 such units in float64.
K = 1024.0

SIZES = "n and the other sizes differ from case to case, so take them from the arrays: len(v.Y)"

UPSTREAM = (
    "Random upstream gradients: besides a real minibatch, every function gets random values, and "
    "random numbers for the gradients in d. In a real minibatch some sums are 0 and some gradients "
    "depend on each other, so that a wrong formula may give the right numbers there; with random "
    "ones it cannot."
)

COLOURS = {RIGHT: "32", ONLY_HERE: "33", WRONG: "31", ERROR: "31", UNSOLVED: "2"}  # of a terminal

# Why a wrong line can give the right gradient of a real minibatch. First, for any mistake:
ZERO = {
    "b1": "batch normalisation removes any bias, so that db1 is 0",
    "logit_maxes": "softmax stays the same if a row is shifted, so that dlogit_maxes is 0",
}
# Then by the kind of the mistake; None is for all other known kinds.
IDENTITIES = {
    ("logits", "at once"): "dnorm_logits comes from softmax and cross-entropy",
    ("logits", None): ZERO["logit_maxes"],
    ("bnmeani", "path"): "distances from a mean sum to 0, so that the path through bndiff2 adds 0",
    ("hprebn", "own mean"): "dbnmeani is minus the sum of dbndiff",
    ("hprebn", "at once"): "dbndiff and dbnmeani come from the normalisation",
}


@dataclass(frozen=True)
class Mark:
    """The mark of one function.

    Attributes:
        name: the name of the exercise.
        verdict: one of the five verdicts.
        reason: what is wrong: the worst element, or the error.
        cause: the probable cause, or an empty text.
        kind: the kind of the cause, or an empty text.
        printed: what the function printed when it was first called.
        remark: a remark on a right function, or an empty text.
    """

    name: str
    verdict: str
    reason: str = ""
    cause: str = ""
    kind: str = ""
    printed: str = ""
    remark: str = ""

    @property
    def ok(self) -> bool:
        """Whether the function is right or not written yet."""
        return self.verdict in (RIGHT, UNSOLVED)


@dataclass(frozen=True, repr=False)
class Grades:
    """The marks of a set of functions, in the order of the sheet.

    Attributes:
        marks: one for each judged function.
        curve: the training of exercise 4; None if there was none.
    """

    marks: tuple[Mark, ...]
    curve: Curve | None = None

    @property
    def passed(self) -> bool:
        """Whether all functions that are written are right."""
        return all(mark.ok for mark in self.marks)

    @property
    def progress(self) -> str:
        """How many of the 26 lines are right, as ``17/26``."""
        right = [m for m in self.marks if m.verdict == RIGHT and EXERCISES[m.name].part == 1]
        return f"{len(right)}/{len(GRADIENTS)}"

    @property
    def footer(self) -> str:
        """One line: the progress, and how many functions have each verdict."""
        counts = {verdict: sum(m.verdict == verdict for m in self.marks) for verdict in VERDICTS}
        words = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        return f"{self.progress} lines; functions: {words or 'none'}"

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    @property
    def next_step(self) -> str:
        """What to do next: get a hint for the first wrong function, or go on after the last."""
        wrong = [mark for mark in self.marks if not mark.ok]
        left = wrong or [mark for mark in self.marks if mark.verdict != RIGHT]
        if left:
            return f"next: {left[0].name}, for a hint: npnet exercise hint {left[0].name}"
        return DONE if len(self.marks) == len(EXERCISES) else ""

    def text(self, width: int = WIDTH, *, colour: bool = False) -> str:
        """The report; its prose is wrapped to ``width``. ``colour``: with a terminal's colours."""
        lines: list[str] = []
        for number, title in enumerate(PARTS, 1):
            marks = [mark for mark in self.marks if EXERCISES[mark.name].part == number]
            if marks:
                lines.append(f"Exercise {number}: {title}")
                lines += (line for mark in marks for line in _lines(mark, width, colour))
        if self.curve:
            lines.append(str(self.curve))
        if any(mark.verdict == ONLY_HERE and mark.kind != "ties" for mark in self.marks):
            lines.append(textwrap.fill(UPSTREAM, width))
        after = [textwrap.fill(self.next_step, width)] if self.next_step else []
        return "\n".join([*lines, self.footer, *after])

    def _repr_html_(self) -> str:
        """The report for a notebook: one HTML table without style sheet or script."""
        rows = []
        for mark in self.marks:
            # Bold and red, because some people cannot see the colour.
            style = "" if mark.ok else "font-weight:bold;color:#c62828;"
            cells = (mark.name, mark.verdict, "\n".join(_details(mark)))
            rows += [
                "<tr>",
                *(
                    f'<td style="{style}text-align:left;white-space:pre-wrap">{escape(cell)}</td>'
                    for cell in cells
                ),
                "</tr>",
            ]
        curve = f"<pre>{escape(str(self.curve))}</pre>" if self.curve else ""
        after = f"<div>{escape(self.next_step)}</div>" if self.next_step else ""
        return f"<table>{''.join(rows)}</table>{curve}<div>{escape(self.footer)}</div>{after}"

    def to_json(self) -> str:
        """The report as JSON."""
        content = {
            "passed": self.passed,
            "progress": self.progress,
            "marks": [asdict(mark) for mark in self.marks],
            "curve": self.curve and self.curve.figures(),
        }
        return json.dumps(content, indent=1, ensure_ascii=False)


@checked(steps=SIZE, seconds=NUMBER)
def grade(
    functions: Mapping[str, Function], *, steps: int = STEPS, seconds: float = SECONDS
) -> Grades:
    """Judge functions of ``v`` and ``d``, each alone, as ``npnet exercise check`` does.

    Args:
        functions: name -> function. The names are those of the sheet (``npnet exercise new``); for
            one of the 26 gradients, the name may also be without the lecture's d.
        steps: for how many steps ``backward`` trains, if it is one of the functions; 0: none.
        seconds: how long one function, or one part of its training, may take before it is stopped;
            ``math.inf``: no limit. There is no limit on Windows or outside of the main thread.

    Returns:
        The marks and, for ``backward``, its loss curve and ours. ``print`` them, or let a notebook
        show them.

    Raises:
        InputError: ``functions`` is not a mapping, a name is unknown, two names mean one gradient,
            a value is not a function, or ``seconds`` is not above 0.
    """
    if not seconds > 0:
        raise InputError(f"grade: seconds={seconds:g}, wanted a number above 0")
    named = _named(functions)
    marks, curve = [], None
    for exercise in EXERCISES.values():
        if exercise.name in named:
            found = _attempt(exercise, named[exercise.name], seconds)
            marks.append(judge(exercise, found))
            if trainable(exercise, found) and steps:
                curve = _curve(named[exercise.name], steps, seconds)
    return Grades(tuple(marks), curve)


def _attempt(exercise: Exercise, function: Function, seconds: float) -> Attempt:
    cases()  # computed before the clock starts
    try:
        with time_limit(seconds):
            return attempt(exercise, function)
    except TimeIsUp as over:
        return Attempt(failures=dict.fromkeys((*REAL, *RANDOM), said(over, function)))


def _curve(function: Function, steps: int, seconds: float) -> Curve:
    losses: list[float] = []
    problem = ""
    blocks = train(function, steps)
    try:
        while len(losses) < steps:
            with time_limit(seconds):
                losses += next(blocks)
    except Failure as failure:
        problem = str(failure)
    except TimeIsUp as over:
        problem = f"step {len(losses)} or soon after: {said(over, function)}"
    return Curve.beside_ours(losses, steps, problem)


def _named(functions: Mapping[str, Function]) -> dict[str, Function]:
    if not isinstance(functions, Mapping):
        raise InputError(
            f"grade: got {kind_of(functions)}, wanted a mapping from names to functions"
        )
    named: dict[str, Function] = {}
    for name, function in functions.items():
        exercise = find(str(name), "grade")
        if exercise.name in named:
            raise InputError(f"grade: {name} and {exercise.name} are one, wanted one of the two")
        if not callable(function):
            kind = kind_of(function)
            raise InputError(f"grade: {name} is {kind}, wanted a function of v and d")
        named[exercise.name] = function
    return named


def judge(exercise: Exercise, found: Attempt) -> Mark:
    """The mark for the results of one function."""
    if found.unsolved:
        return Mark(exercise.name, UNSOLVED)
    judged = [case.label for case in tried(exercise) if case.label != EVEN]
    failed = [label for label in judged if label in found.failures]
    if failed:
        cause = diagnose(exercise, found)
        where = "" if len(failed) == len(judged) else f" ({_where(failed[0])})"
        if not {*failed} & {*REAL}:
            where += f"; it runs where n is {cases()[REAL[0]].sizes['n']}: {SIZES}"
        return _mark(exercise, found, ERROR, found.failures[failed[0]] + where, cause)
    compared = [(label, _bad_rows(exercise, found, label)) for label in (*REAL, *RANDOM)]
    bad = [(label, rows) for label, rows in compared if rows]
    if not bad:
        return _right(exercise, found)
    label, rows = bad[0]
    cause = diagnose(exercise, found)
    reason = f"{_reason(exercise, rows)} ({_where(label)})"
    if label in REAL:
        return _mark(exercise, found, WRONG, reason, cause)
    why = _identity(exercise, found, cause)
    return _mark(
        exercise,
        found,
        ONLY_HERE,
        f"{why}. With random upstream gradients it is wrong: {reason}",
        cause,
    )


def _right(exercise: Exercise, found: Attempt) -> Mark:
    """The mark if all numbers agree: right, perhaps with a remark, unless ties show a mistake."""
    said = ""
    if TIED in found.results:
        case = cases()[TIED]
        tie = judge_ties(found.results[TIED]["logits"], case)
        if not tie.right:
            return Mark(exercise.name, ONLY_HERE, tie.said, kind="ties", printed=found.printed)
        said = tie.said
    for label in (*REAL, *RANDOM):
        if not said:
            answers = cases()[label].answers(exercise)
            said = remark(found.results[label], answers, found.widening)
    return Mark(exercise.name, RIGHT, printed=found.printed, remark=said)


def _mark(
    exercise: Exercise, found: Attempt, verdict: str, reason: str, cause: Cause | None
) -> Mark:
    text, kind = (cause.text, cause.kind) if cause else ("", "")
    return Mark(exercise.name, verdict, reason, text, kind, found.printed)


def _where(label: str) -> str:
    return f"{label}, n = {cases()[label].sizes['n']}"


def _bad_rows(exercise: Exercise, found: Attempt, label: str) -> list[Row]:
    case = cases()[label]
    scales = {}
    if exercise.part == len(PARTS):  # its gradients are gradients of the loss in every case
        scales = zero_scales(backward(case.values))
    elif label in REAL:
        scales = zero_scales(case.gradients)
    answers = case.answers(exercise)
    mine, answers = in_one_width(found.results[label], answers)
    factor = K_COARSER if coarser(mine, case.answers(exercise)) else K
    report = compare(mine, answers, K=factor, zero_scales=scales, labels=LABELS)
    order = list(GRADIENTS)
    return sorted(report.failures, key=lambda row: order.index(row.name))


def _reason(exercise: Exercise, rows: list[Row]) -> str:
    """What is wrong with the first wrong gradient, and the names of all wrong ones."""
    row = rows[0]
    text = row.reason
    if row.worst is not None and row.verdict == "WRONG":
        text = f"{row.bad} of {row.total} entries, worst {row.worst.text(LABELS)}"
        if row.worst.reference:
            text += f", ratio {row.worst.ours / row.worst.reference + 0.0:.4g}"  # 0 for -0
    if len(exercise.gradients) == 1:
        return text
    names = ", ".join(row.name for row in rows)
    return f"{len(rows)} of {len(exercise.gradients)} wrong: {names}; {row.name}: {text}"


def _identity(exercise: Exercise, found: Attempt, cause: Cause | None) -> str:
    """Why a wrong line gave the right gradient of the real minibatch."""
    name = exercise.gradients[0]
    if cause and cause.kind == "n":
        return f"It depends on the size of this batch: {SIZES}"
    known = ZERO.get(name)
    if cause:
        known = known or IDENTITIES.get((name, cause.kind)) or IDENTITIES.get((name, None))
    if known:
        return f"It uses an identity: {known}"
    upstream = {f"d.{line}" for line in readers(name)}
    others = sorted(read for read in found.seen if read.startswith("d.") and read not in upstream)
    if others:
        return f"It reads {', '.join(others)}, which is the gradient of no line that reads {name}"
    return "It uses something that does not hold for all values and gradients"


def _lines(mark: Mark, width: int, colour: bool) -> Iterator[str]:
    verdict = f"\033[{COLOURS[mark.verdict]}m{mark.verdict}\033[0m" if colour else mark.verdict
    yield f"  {mark.name:16}{verdict}"
    for text in _details(mark):
        yield from textwrap.wrap(
            text,
            width,
            initial_indent=" " * 6,
            subsequent_indent=" " * 6,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _details(mark: Mark) -> list[str]:
    first, *more = mark.printed.splitlines() or [""]
    printed = [f"printed: {first}", *more] if mark.printed.strip() else []
    return [text for text in (mark.reason, mark.cause, mark.remark) if text] + printed
