"""Reading the lines that programs print during training: the lecture, nanoGPT, llm.c, Keras,
others.

A line of interest names a step and a loss, such as ``iter 100: loss 2.3, time 12.1ms``, or is one
of the lecture's, ``  10000/ 200000: 2.1775``. All other lines are ignored.
"""

from __future__ import annotations

import math
import re
from typing import Any

from npnet.base.errors import InputError, shown
from npnet.plotting.columns import SPLITS, is_loss, split_of, words_of
from npnet.plotting.content import Content, without_colours
from npnet.plotting.curves import TRAIN, Reading
from npnet.plotting.json_logs import table_of_records
from npnet.plotting.records import Table

NUMBER = r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)"
END = r"(?![\w.])"
LECTURE = re.compile(rf"\s*(\d+)\s*/\s*\d+\s*:\s*({NUMBER})\s*", re.IGNORECASE)
# main.log of llm.c: s:250 trl:6.1, s:250 tel:6.2.
PAIRS = re.compile(rf"s:(\d+)((?:\s+\w+:{NUMBER})+)\s*", re.IGNORECASE)
PAIR = re.compile(rf"(\w+):({NUMBER})", re.IGNORECASE)
STEP = re.compile(
    r"\b(global[_ ]step|step|iteration|iter|it|update|epoch|batch)s?"
    rf"(?:\s*[:=#]\s*|\s+)[\[(]?\s*({NUMBER}){END}",
    re.IGNORECASE,
)
# After one of these, a word such as "batch" is not a count: "ms/batch 12.3", "time per batch 12.3".
PER = re.compile(
    r"(?:\bper[ _]|(?<![A-Za-z])(?:n|u|m)?s/|\b(?:secs?|seconds?|time|tok(?:en)?s?)/)$", re.I
)
BRACKETS = re.compile(r"^\W*\[\s*(\d+)\s*,\s*(\d+)\s*\]")  # PyTorch's tutorial: epoch and batch
BAR = re.compile(r"\[\s*[=>.#-][=>.#\s-]*\]|[━█]")  # Keras's progress bar, which counts batches
FRACTION = re.compile(r"^\s*[\[(]?\s*(\d+)\s*/\s*\d+\b")  # at the beginning of a line
LOSS = re.compile(
    r"((?:[A-Za-z_/-]+\.?[ ])?[\w/.-]*loss(?:[_/-]?\w+)*)"
    rf"(?:\s*[:=]\s*|\s+)(?:tensor\()?({NUMBER}){END}",
    re.IGNORECASE,
)
BOTH = re.compile(  # train/val loss: 2.1/2.2
    r"(train|test|val|valid|dev)/(train|test|val|valid|dev)[ _]loss"
    rf"\s*[:=]?\s*({NUMBER})/({NUMBER})",
    re.IGNORECASE,
)
RATE = re.compile(rf"\b(?:lr|learning[_ ]rate)(?:\s*[:=]\s*|\s+)({NUMBER})", re.IGNORECASE)
SPLIT_WORD = re.compile(r"\b(train|test|val|valid|validation|eval|dev)(?:ing)?\b", re.IGNORECASE)
# before "loss": it is then not the loss of this step
NOT_ITS_OWN = {"best", "min", "max", "std", "var"}
SECOND = "second"  # the second of two losses with the same name in one line
PREFIX = re.compile(r"^\W*(train|test|val|valid|validation|eval|dev)(?:ing)?\b", re.IGNORECASE)
# The losses of the splits at the end of a run, as the lecture and npnet print them.
SPLIT = re.compile(r"\b(train|val|dev|test)\s+(\d\.\d{3,})\b(?!\s*[:=/])")
SPLIT_LINE = re.compile(r"(?:[^\s:]+:\s*)?(?:(?:train|val|dev|test)\s+\d\.\d{3,}\s*)+")
COUNTS = {"iteration": "step", "iter": "step", "it": "step", "update": "step"}
COUNTS |= {"global_step": "step", "global step": "step"}


def is_printed(text: str) -> bool:
    """Whether the text has lines that name a step and a loss."""
    for line in re.split(r"[\r\n]+", without_colours(text)):
        if LECTURE.fullmatch(line) or PAIRS.fullmatch(line):
            return True
        found = LOSS.search(line)
        if found and not line.lstrip().startswith(("{", "#")):
            explicit = re.search(r"[:=]\s*(?:tensor\()?$", line[: found.start(2)])
            if explicit or STEP.search(line) or BRACKETS.match(line):
                return True
    return False


def read_printed(content: Content, reading: Reading) -> Table:
    """The losses of the lines.

    Raises:
        InputError: as ``choose``; or a number has a comma.
    """
    text = without_colours(content.whole_text())
    records: list[tuple[int, dict[str, Any]]] = []
    epoch: float | None = None
    waiting: list[dict[str, Any]] = []
    splits: dict[str, float] = {}
    silent = 0
    for number, line in enumerate(text.split("\n"), 1):
        # A progress bar that is drawn again and again in one line: each time gives a record.
        for part in _parts(line):
            if SPLIT_LINE.fullmatch(part.strip()) and "loss" not in part:
                splits |= {name: float(loss) for name, loss in SPLIT.findall(part)}
                continue
            record = _record(part, f"{content.name} line {number}")
            counted = {"step", "epoch", "batch"} & record.keys()
            losses = [title for title in record if is_loss(title)]
            if not losses:
                if counted == {"epoch"}:
                    epoch = record["epoch"]
                elif counted and "loss" in part.lower():
                    silent += 1
                continue
            if not counted and epoch is not None:
                record["epoch"] = epoch
                counted = {"epoch"}
            if counted:
                # llm.c prints the validation loss on a line of its own, before the step's.
                for other in waiting:
                    other.update({name: record[name] for name in counted})
                waiting = []
            elif all(split_of(title) not in (None, TRAIN) for title in losses):
                waiting.append(record)
            records.append((number, record))
    counts = [record["step"] for _, record in records if "step" in record]
    for record in waiting if counts else []:
        record["step"] = max(counts) + 1
    notes = _without_evaluated(records, content.name)
    twice = [number for number, record in records if record.pop(SECOND, None) is not None]
    if twice:
        notes.append(
            f"{content.name} line {twice[0]}: two losses of one name, the first of them is drawn"
            + f", as in {len(twice) - 1:,} more lines" * (len(twice) > 1)
        )
    if silent:
        notes.append(f"{content.name}: {silent:,} lines name a step and no loss: left out")
    if not records:
        raise InputError(f"{content.name}: no losses, wanted lines such as 'iter 100: loss 2.3'")
    table = table_of_records(records, content, reading, "line")
    table.notes += notes
    table.split_losses = splits
    return table


def _parts(line: str) -> list[str]:
    """The texts that were printed over each other in one line; of Keras's bars only the last."""
    parts = re.split(r"[\r\b]+", line.rstrip("\r"))
    bars = [place for place, part in enumerate(parts) if BAR.search(part) and FRACTION.match(part)]
    return [part for place, part in enumerate(parts) if place not in bars[:-1]]


def _record(line: str, where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if match := LECTURE.fullmatch(line):
        return {"step": int(match[1]), "loss": float(match[2])}
    if match := PAIRS.fullmatch(line):
        return {"step": int(match[1])} | {k.lower(): float(v) for k, v in PAIR.findall(match[2])}
    losses = list(LOSS.finditer(line))
    for match in STEP.finditer(line):
        if PER.search(line[: match.start()]):
            continue
        name = " ".join(match[1].lower().split())
        found.setdefault(COUNTS.get(name, name), float(match[2]))
        if losses:
            _refuse_comma(line, match.end(2), match[0], where)
    if not losses:
        return found
    if match := BRACKETS.match(line):
        found = {"epoch": int(match[1]), "step": int(match[2])}
    elif not found and (match := FRACTION.match(line)) and not BAR.search(line):
        found = {"step": int(match[1])}
    prefix = PREFIX.match(line)
    last = 0
    for match in losses:
        _refuse_comma(line, match.end(2), match[0], where)
        if both := BOTH.fullmatch(line[match.start(1) : match.end(2)] + _behind(line, match)):
            found |= {f"{both[1]} loss".lower(): float(both[3])}
            found |= {f"{both[2]} loss".lower(): float(both[4])}
            continue
        title, loss = _title(match[1], prefix[1] if prefix else ""), float(match[2])
        if title in found and (between := SPLIT_WORD.findall(line[last : match.start()])):
            title = f"{between[-1].lower()} {match[1].lower().split()[-1]}"
        if found.setdefault(title, loss) != loss and not math.isnan(loss):
            found[SECOND] = loss
        last = match.end()
    if match := RATE.search(line):
        found["lr"] = float(match[1])
    return found


def _behind(line: str, match: re.Match[str]) -> str:
    """The characters after a loss, up to the next space."""
    return line[match.end(2) :].split(None, 1)[0].rstrip(",;|") if line[match.end(2) :] else ""


def _title(text: str, prefix: str) -> str:
    """The title of a loss: its own word, with the name of the split before it."""
    *before, own = text.lower().replace(". ", " ").split()
    if before and before[0] in NOT_ITS_OWN:
        return f"{before[0]} {own}"
    if split_of(own) is None and before and before[0] in SPLITS:
        return f"{before[0]} {own}"
    if split_of(own) is None and prefix and "train" not in words_of(own):
        return f"{prefix.lower()} {own}"
    return own


def _refuse_comma(line: str, end: int, text: str, where: str) -> None:
    if re.match(r",\d", line[end : end + 2]):
        raise InputError(
            f"{where}: {shown(text + line[end : end + 4])}, and a comma inside of a number could "
            "be a decimal one or not: write points"
        )


def _without_evaluated(records: list[tuple[int, dict[str, Any]]], name: str) -> list[str]:
    """Leave out the training loss that is measured beside a validation loss, as nanoGPT does.

    If there are losses of minibatches, they are the training curve.
    """
    plain = any("loss" in record for _, record in records)
    beside = [
        r
        for _, r in records
        if "train loss" in r and any(split_of(t) != TRAIN for t in r if is_loss(t))
    ]
    alone = sum("train loss" in r for _, r in records) > len(beside)
    if not plain or not beside or alone:
        return []
    for record in beside:
        del record["train loss"]
    note = "the training loss printed beside the validation loss is left out, for there are those"
    return [f"{name}: {note} of the minibatches"]
