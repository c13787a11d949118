"""Why a cell printed something else now: what the notebook cannot help, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from npnet.notebooks.outputs import DIFFERENT, NEAR, NOT_RUN, Comparison, Difference
from npnet.notebooks.run import Ran, UnseededDraw

# Below this a difference of gradients is rounding: the lecture's column has 1e-10 to 2e-8 there.
ROUNDING = 1e-6
# Two honest float32 programs part by at most so much of a loss in 200,000 steps (SPEC: 1e-5).
DRIFT = 2e-5


@dataclass(frozen=True)
class Reason:
    """One reason for a difference.

    Attributes:
        kind: ``unseeded``, ``rounding``, ``sampler``, ``drift``, ``order``, ``module``,
            ``failed before``, ``time`` or ``none known``.
        text: a sentence for the reader.
        unavoidable: whether the notebook, run again anywhere, could not have printed the same.
    """

    kind: str
    text: str
    unavoidable: bool


def reasons(comparison: Comparison, ran: Ran, before: Sequence[Ran]) -> tuple[Reason, ...]:
    """Why an output is not equal; empty if it is.

    Args:
        comparison: of the cell's output.
        ran: the cell.
        before: the cells that ran before it.
    """
    if comparison.verdict not in (DIFFERENT, NEAR, NOT_RUN):
        return ()
    found: list[Reason] = []
    if ran.stopped is not None:
        return (Reason("time", ran.stopped, False),)
    draws = [draw for cell in (*before, ran) for draw in cell.draws]
    differences = comparison.differences
    if differences and all(map(_is_rounding, differences)):
        text = (
            "rounding: the exact column and the differences from hpreact on depend on the "
            "processor and the version of torch"
        )
        return (Reason("rounding", text, True),)
    if draws:
        found.append(Reason("unseeded", f"drawn without a seed: {unseeded_text(draws)}", True))
    if differences and all(map(_is_drift, differences)) and any(_steps(c) for c in (*before, ran)):
        text = "drift: float32 programs that round in another order part by as much over many steps"
        found.append(Reason("drift", text, True))
    if not draws and "multinomial" in ran.cell.source and _words_differ(differences):
        text = (
            "torch 2.0 to 2.6 with MKL samples other names from the same seed: run with "
            "--sampler mkl"
        )
        found.append(Reason("sampler", text, True))
    later = [cell.cell for cell in before if _later(cell, ran)]
    if later:
        cells = ", ".join(f"cell {cell.number} (In [{cell.execution_count}])" for cell in later)
        text = (
            f"order: {cells} ran again after this output (In [{ran.cell.execution_count}]) was "
            "made, so that it shows an earlier state"
        )
        found.append(Reason("order", text, True))
    modules = [note for note in ran.notes if "is not installed" in note]
    if modules and ran.error is None:
        text = f"module: {modules[0]}, and what it printed is missing"
        found.append(Reason("module", text, True))
    failed = [cell for cell in before if cell.error is not None or cell.stopped]
    if ran.error is not None and failed:
        numbers = ", ".join(str(cell.cell.number) for cell in failed)
        found.append(Reason("failed before", f"cell {numbers} failed before it", False))
    if not found:
        if ran.error is not None:
            where = f" in line {ran.line}" if ran.line else ""
            text = f"it fails now{where}: {ran.error.text.splitlines()[0]}"
        else:
            text = "no reason is known: the stored output may be of older code or of another order"
        found.append(Reason("none known", text, False))
    return tuple(found)


def _later(cell: Ran, ran: Ran) -> bool:
    one, other = cell.cell.execution_count, ran.cell.execution_count
    return one is not None and other is not None and one > other


def unseeded_text(draws: Iterable[UnseededDraw]) -> str:
    """Who was drawn where, such as ``torch's bngain (cell 5, line 13)``; six at most."""
    seen: dict[tuple[str, str, int, int], str] = {}
    for draw in draws:
        what = draw.name or draw.kind
        place = (draw.source, what, draw.cell, draw.line)
        seen[place] = f"{draw.source}'s {what} (cell {draw.cell}, line {draw.line})"
    texts = list(seen.values())
    more = f" and {len(texts) - 6} more" if len(texts) > 6 else ""
    return ", ".join(texts[:6]) + more


def _is_rounding(difference: Difference) -> bool:
    """An ``exact`` of True or False, or a difference of gradients that is as good as none."""
    both = {difference.stored, difference.fresh}
    if both == {"True", "False"}:
        return bool(re.search(r"\bexact\b", difference.what, re.IGNORECASE))
    try:
        numbers = [abs(float(text)) for text in both]
    except ValueError:
        return False
    return max(numbers) < ROUNDING


def _is_drift(difference: Difference) -> bool:
    if difference.near:
        return True
    try:
        one, other = float(difference.stored), float(difference.fresh)
    except ValueError:
        return False
    return abs(one - other) <= DRIFT * max(abs(one), abs(other))


def _words_differ(differences: Iterable[Difference]) -> bool:
    return any(re.search(r"[a-z]", d.stored + d.fresh) for d in differences)


def _steps(ran: Ran) -> bool:
    """Whether a cell trains: it took a while and has a loop."""
    return ran.seconds > 1 and bool(re.search(r"^\s*(for|while)\b", ran.cell.source, re.MULTILINE))
