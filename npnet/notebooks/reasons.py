"""Explaining why a cell prints something else now: reasons outside of its code, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from npnet.notebooks.dependence import Causes, Lines
from npnet.notebooks.fewer_steps import EarlierRun
from npnet.notebooks.outputs import (
    DIFFERENT,
    EQUAL,
    NEAR,
    NOT_RUN,
    Comparison,
    Difference,
    compare_outputs,
    floats_of,
    is_drift,
    is_number,
)
from npnet.notebooks.run import Ran, UnseededDraw
from npnet.notebooks.stopped_loops import has_training_loop

# A smaller difference of gradients is rounding; the lecture's column has 1e-10 to 2e-8.
ROUNDING = 1e-6
# Torch may round in more ways than the cell was tried with other last digits.
FARTHER = 16
LAST_PLACES = 4  # units of the last place by which two orders of adding may change a float32 sum
FULL = 9  # characters of a float32 that is printed in full, at least
# Functions whose answer depends on the machine.
MACHINE = re.compile(r"__version__|\bsys\.version|\bplatform\.|cuda\.|\bos\.(getcwd|listdir)\b")
# The values after hpreact: for these, the same formula gives the same bits on every processor.
SAME_BITS = {
    "logprobs", "probs", "counts_sum_inv", "counts_sum", "counts", "norm_logits", "logit_maxes",
    "logits", "h", "W2", "b2",
}  # fmt: skip


@dataclass(frozen=True)
class Reason:
    """One reason for a difference.

    Attributes:
        kind: ``unseeded``, ``rounding``, ``sampler``, ``drift``, ``order``, ``module``,
            ``skipped``, ``machine``, ``failed before``, ``time`` or ``none known``.
        text: a sentence for the reader.
        unavoidable: whether the notebook would print something else in every new run.
    """

    kind: str
    text: str
    unavoidable: bool


OLDER_NAMES = Reason(
    "sampler",
    "names of torch 2.0 to 2.6, which sampled others from the same seed: equal with --sampler mkl",
    True,
)


OTHER_DIGITS = Reason(
    "rounding",
    "rounding: with other last digits of its sums and products, the cell prints other numbers here",
    True,
)
STOPPED = Reason(
    "order",
    "order: the first lines of what it prints: its training loop had stopped sooner",
    True,
)


@dataclass(frozen=True)
class Explanation:
    """The reasons for the differences of one cell, and whether they explain all of them."""

    reasons: tuple[Reason, ...] = ()
    complete: bool = True


def explained(
    comparison: Comparison, ran: Ran, lines: Lines, order: Callable[[Causes], str]
) -> Explanation:
    """Why an output is not equal; no reasons if it is.

    Args:
        comparison: the comparison of the cell's output.
        ran: the run of the cell.
        lines: the causes that its lines depend on.
        order: a function of the causes of a line: a text on cells that ran in another order.
    """
    if comparison.verdict not in (DIFFERENT, NEAR, NOT_RUN):
        return Explanation()
    if ran.stopped is not None:
        return Explanation((Reason("time", ran.stopped, False),), False)
    if ran.left_out:
        return Explanation((_without(ran),))
    if comparison.verdict == NOT_RUN:
        return Explanation((_skipped(ran),))
    if _is_beginning(ran) and comparison.verdict == DIFFERENT:
        return Explanation((STOPPED,))
    if ran.earlier is not None:
        return Explanation((_earlier_loop(ran.earlier),))
    found: dict[Reason, None] = {}
    complete = True
    differences = list(comparison.differences)
    if ran.older is not None:
        left = _left_with_older_sampler(differences, ran)
        if len(left) < len(differences):
            found[OLDER_NAMES] = None
            differences = left
    if ran.skipped and any(not difference.fresh for difference in differences):
        found[_skipped(ran)] = None
        differences = [difference for difference in differences if difference.fresh]
    changed = _changed_by_rounding(ran)
    for difference in differences:
        if _is_among(difference, changed):
            found[OTHER_DIGITS] = None
            continue
        source = difference.source
        if not source and ran.error is not None and ran.line is not None:
            source = ran.line  # the line is missing, because the cell ended before it
        reasons = list(_of_difference(difference, ran, lines.of(source), order))
        found |= dict.fromkeys(reasons)
        complete &= difference.near or any(reason.unavoidable for reason in reasons)
    # the difference is another exception, or a picture that is not drawn
    if not comparison.differences:
        reasons = list(_of_causes(lines.of(ran.line or 0), order, ran))
        found |= dict.fromkeys(reasons)
        complete = any(reason.unavoidable for reason in reasons)
    if not complete and all(reason.unavoidable for reason in found):
        if ran.error is not None:
            # The report of the cell has the exception and its line.
            text = "it did not fail, or in another way, when its output was stored"
        elif comparison.verdict == DIFFERENT:
            text = (
                "no reason is known: no draw without a seed leads here. The stored output may be "
                "of older code, or of a cell above that was stopped or run again"
            )
            if found:
                text = f"some differences have no known reason{text[18:]}"
        found[Reason("none known", text, False)] = None
    return Explanation(tuple(found), complete)


def _changed_by_rounding(ran: Ran) -> dict[tuple[int, str], list[str]]:
    """The other words that were printed with changed last digits, by line and word."""
    found: dict[tuple[int, str], list[str]] = {}
    for outputs in ran.rounded:
        for one in compare_outputs(ran.outputs, outputs, True).differences:
            found.setdefault((one.line, one.stored), []).append(one.fresh)
    return found


def _is_among(difference: Difference, changed: dict[tuple[int, str], list[str]]) -> bool:
    """Whether rounding can change the fresh word into the stored one."""
    others = changed.get((difference.fresh_line, difference.fresh), [])
    numbers = floats_of(difference)
    if not numbers:
        first = difference.what.split()[0] if difference.what else ""
        return difference.stored in others and first not in SAME_BITS
    far = [abs(float(other) - numbers[1]) for other in others if is_number(other)]
    return bool(far) and abs(numbers[0] - numbers[1]) <= FARTHER * max(far)


def _skipped(ran: Ran) -> Reason:
    """The reason, if only the output of a magic or a shell line is missing."""
    more = len(ran.skipped) - 1
    others = f" and {more} more line{'s' * (more > 1)}" if more else ""
    return Reason("skipped", f"magics and shell lines are not run: {ran.skipped[0]}{others}", True)


def _without(ran: Ran) -> Reason:
    """The reason, if the cell prints the stored output without the cells just above it."""
    cells = ", ".join(map(str, ran.left_out))
    which = f"cell {cells} is" if len(ran.left_out) == 1 else f"cells {cells} are"
    older = ", and with --sampler mkl" if ran.older_order else ""
    text = f"order: equal if {which} left out{older}: not run again before this was stored"
    return Reason("order", text, True)


def _is_beginning(ran: Ran) -> bool:
    """Whether a loop prints the stored lines and more: it was stopped, or had a break."""
    errors = [output.exception for output in ran.cell.outputs if output.kind == "error"]
    if ran.error is not None or any(error != "KeyboardInterrupt" for error in errors):
        return False
    stored, printed = (
        "".join(one.text for one in outputs if one.kind in ("stdout", "text")).split("\n")
        for outputs in (ran.cell.outputs, ran.outputs)
    )
    lines = [line.strip() for line in stored if line.strip()]
    ours = [line.strip() for line in printed if line.strip()]
    begins = bool(lines) and ours[: len(lines)] == lines and (errors or len(ours) > len(lines))
    return bool(begins) and has_training_loop(ran.cell.source)


def _earlier_loop(run: EarlierRun) -> Reason:
    """The reason, if an earlier run of the training loop gives the stored output."""
    if run.steps is None:
        how = "had run without its break"
    else:
        how = f"had stopped after {run.steps:,} step{'s' * (run.steps != 1)}"
    if run.reruns:
        how += f", {'one run' if run.reruns == 1 else f'{run.reruns} runs'} earlier"
    text = f"order: figures of an earlier run: equal if the training loop of cell {run.cell} {how}"
    if run.below:
        cells = ", ".join(map(str, run.below))
        text += f", and cell{'s' * (len(run.below) > 1)} {cells} had run after it"
    return Reason("order", f"{text}; this cell was not run again since", True)


def _left_with_older_sampler(differences: list[Difference], ran: Ran) -> list[Difference]:
    """The differences that remain with the sampler of older torch."""
    older = compare_outputs(ran.cell.outputs, ran.older or (), True)
    if older.verdict in (EQUAL, NEAR):
        return []
    lines = {difference.line for difference in older.differences}
    return [difference for difference in differences if difference.line in lines]


def _of_difference(
    difference: Difference, ran: Ran, causes: Causes, order: Callable[[Causes], str]
) -> Iterable[Reason]:
    source = ran.cell.source
    if _is_rounding(difference, source):
        text = (
            "rounding: the exact column and the differences from hpreact on depend on the "
            "processor and the version of torch"
        )
        if _is_last_place(difference):
            text = "rounding: the numbers differ in the last place of float32"
        yield Reason("rounding", text, True)
        return
    if MACHINE.search(_line_of(source, difference.source)):
        yield Reason("machine", "the version of torch, or the machine, is another one", True)
        return
    loop = any(cause.kind == "loop" for cause in causes)
    if loop and is_drift(difference):
        text = "drift: float32 programs that round in another order differ by that over many steps"
        yield Reason("drift", text, True)
        return
    found = list(_of_causes(causes, order, ran))
    yield from found
    tried = ran.sampler == "mkl" or ran.older is not None
    if not found and "multinomial" in source and _are_words(difference) and not tried:
        text = (
            "these may be the names of torch 2.0 to 2.6 with MKL, which samples others from the "
            "same seed: run with --sampler mkl to see"
        )
        yield Reason("sampler", text, False)  # as long as that run does not print the stored names


def _of_causes(causes: Causes, order: Callable[[Causes], str], ran: Ran) -> Iterable[Reason]:
    draws = sorted(
        (cause.draw for cause in causes if cause.draw is not None),
        key=lambda draw: (draw.cell, draw.line, draw.before),
    )
    if draws:
        yield Reason("unseeded", f"drawn without a seed: {unseeded_text(draws)}", True)
    if text := order(causes):
        yield Reason("order", f"order: {text}", True)
    if cells := sorted({cause.cell for cause in causes if cause.kind == "module"}):
        # If nothing failed, the output of the module itself is missing.
        text = f"cell {', '.join(map(str, cells))} imports a module that is not installed"
        yield Reason("module", text, ran.error is None)
    for kind, name, what in (
        (
            "failed",
            "failed before",
            "failed; what should have been made or drawn there is missing",
        ),
        ("stopped", "time", "stopped before the end"),
    ):
        cells = sorted({cause.cell for cause in causes if cause.kind == kind} - {ran.cell.number})
        if cells:
            which = f"cell{'s' * (len(cells) > 1)} {', '.join(map(str, cells[:6]))}"
            more = f" and {len(cells) - 6} more" if len(cells) > 6 else ""
            yield Reason(name, f"{which}{more} {what}", False)


def unseeded_text(draws: Iterable[UnseededDraw]) -> str:
    """Names and places of draws, such as ``torch's bngain (cell 5, line 13)``; at most six."""
    seen: dict[tuple[str, str, int, int], str] = {}
    for draw in draws:
        what = draw.name or draw.kind
        place = (draw.source, what, draw.cell, draw.line)
        seen[place] = f"{draw.source}'s {what} (cell {draw.cell}, line {draw.line})"
    texts = list(seen.values())
    more = f" and {len(texts) - 6} more" if len(texts) > 6 else ""
    return ", ".join(texts[:6]) + more


def _is_rounding(difference: Difference, source: str) -> bool:
    """Whether it is an ``exact`` of True or False, or a negligible difference of gradients."""
    both = {difference.stored, difference.fresh}
    if _is_last_place(difference):
        return True
    first = difference.what.split()[0] if difference.what else ""
    if first in SAME_BITS and "softmax" not in source:
        return False
    if both == {"True", "False"}:
        return bool(re.search(r"\bexact\b", difference.what, re.IGNORECASE))
    numbers = floats_of(difference)
    if len(numbers) != 2 or max(map(abs, numbers)) >= ROUNDING:
        return False
    return bool(re.search("diff|exact|err|close", difference.what + source, re.IGNORECASE))


def _is_last_place(difference: Difference) -> bool:
    """Whether two float32 numbers, printed in full, are next to each other or nearly so."""
    numbers = floats_of(difference)
    if len(numbers) != 2 or min(len(difference.stored), len(difference.fresh)) < FULL:
        return False
    largest = max(map(abs, numbers))
    if not largest < np.finfo(np.float32).max:
        return False
    return bool(abs(numbers[0] - numbers[1]) <= LAST_PLACES * np.spacing(np.float32(largest)))


def _line_of(source: str, number: int) -> str:
    lines = source.splitlines()
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _are_words(difference: Difference) -> bool:
    """Whether both sides are words, not numbers."""
    both = difference.stored + difference.fresh
    return bool(re.search("[A-Za-z]", both)) and not re.search(r"\d", both)
