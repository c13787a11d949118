"""Finding the columns of losses, steps, rates and times in a log, by their titles.

Nothing is guessed: if two columns could be the training loss, the user must choose.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from npnet.base.errors import InputError, shown
from npnet.plotting.curves import ROW, TEST, TRAIN, VALIDATION, Reading

SPLITS = {
    **dict.fromkeys(("train", "training", "trn", "tr", "trl"), TRAIN),
    **dict.fromkeys(
        ("val", "valid", "validation", "eval", "evaluation", "dev", "holdout", "tel"), VALIDATION
    ),
    **dict.fromkeys(("test", "testing"), TEST),
}
LOSS = {"loss", "losses", "lossi", "nll", "trl", "tel"}
LOGARITHM = {"log", "log10", "lossi"}
# Words of a title that do not say which loss it is, only how often or over what it is computed.
FREE = {"epoch", "step", "batch", "iter", "iteration", "mean", "avg", "average", "mini"}
FREE |= {"minibatch", "cross", "entropy", "per", "the", "total"}
# A title with "loss" and one of these words is not a loss.
NO_LOSS = {"scale", "scaler", "std", "var", "min", "max", "best", "weight", "weights", "time"}
NO_LOSS |= {"count", "grad", "ratio", "delta", "diff", "acc", "accuracy", "norm", "stddev"}
# Titles that are certainly not steps. If a log has no other titles, its steps are its row numbers.
METRICS = {"acc", "accuracy", "ppl", "perplexity", "norm", "grad", "mfu", "mem", "memory", "note"}
METRICS |= {"lr", "rate", "time", "wall", "runtime", "timestamp", "seconds", "date", "error"}
METRICS |= {"precision", "recall", "f1", "auc", "bleu", "score", "mae", "mse", "rmse", "tok"}
METRICS |= {"name", "run", "comment", "momentum", "s", "sec"}

STEPS = {"step", "steps"}
BESIDE_STEPS = {"global", "trainer", "train", "training", "optimizer", "update"}
# In this order: a column of the first group is chosen before one of the second.
STEP_WORDS = (
    {"iteration", "iterations", "iter", "iters", "it", "itr", "update", "updates"},
    {"batch", "minibatch"},  # if the count begins again with every epoch, the reader says so
    {"epoch", "epochs"},
)
CLOCKS = ("wall time", "walltime", "timestamp", "runtime", "elapsed", "time", "elapsed time")
INDEX = ("", "unnamed: 0", "index")  # the titles that pandas and spreadsheets give to row numbers
WANDB = re.compile(r"(?P<run>.+) - (?P<metric>[^-].*)")


@dataclass(frozen=True)
class Pick:
    """A column of losses. ``run``: the name of its run, in a table of several runs."""

    index: int
    split: str
    run: str | None = None


@dataclass(frozen=True)
class Choice:
    """The columns to read, None where there is none. Without ``step``, rows are counted."""

    picks: tuple[Pick, ...]
    step: int | None
    epoch: int | None = None
    rate: int | None = None
    time: int | None = None

    @property
    def indices(self) -> list[int]:
        """The indices of the columns to read, each once."""
        others = (self.step, self.epoch, self.rate, self.time)
        found = [pick.index for pick in self.picks] + [i for i in others if i is not None]
        return list(dict.fromkeys(found))


def words_of(title: str) -> list[str]:
    """The words of a title in lower case: ``train/lossEpoch`` has train, loss and epoch."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", title)
    return [part for word in re.findall(r"[^\W_]+", apart.lower()) for part in _parts(word)]


def _parts(word: str) -> tuple[str, ...]:
    glued = re.fullmatch(r"(train|training|val|valid|validation|test|eval|dev)(loss)", word)
    return (glued[1], glued[2]) if glued else (word,)


def split_of(title: str) -> str | None:
    """The split that a title or a folder names; None if it names none."""
    found = {SPLITS[word] for word in words_of(title) if word in SPLITS}
    return (found - {TRAIN} or found).pop() if len(found - {TRAIN}) < 2 and found else None


def is_loss(title: str) -> bool:
    """Whether a title names a loss."""
    words = set(words_of(title))
    return bool(words & LOSS or {"cross", "entropy"} <= words) and not words & NO_LOSS


def is_logarithm(title: str) -> bool:
    """Whether a title says that its losses are logarithms."""
    return bool(LOGARITHM & set(words_of(title)))


def listed(titles: Sequence[str]) -> str:
    """The titles as text, for a message of one line."""
    shorts = [title if len(title) <= 30 else f"{title[:29]}…" for title in titles]
    text = ", ".join(" ".join(short.split()) or "''" for short in shorts[:8])
    return text + (f" and {len(titles) - 8} more" if len(titles) > 8 else "") or "nothing"


def choose(titles: Sequence[str], where: str, reading: Reading) -> Choice:
    """The columns to read.

    Args:
        titles: the titles of all columns.
        where: file and line of the titles, for messages.

    Raises:
        InputError: no column could be the losses, or several could; several columns could be the
            steps; or none is known as the steps, but a column with an unknown title could be.
    """
    picks = _named(titles, where, reading) if reading.loss else _found(titles, where)
    step = _step(titles, where, reading, {pick.index for pick in picks})
    taken = {pick.index for pick in picks} | ({step} if step is not None else set())

    def single(*wanted: set[str]) -> int | None:
        found = [
            i
            for i, title in enumerate(titles)
            if i not in taken and any(each <= set(words_of(title)) for each in wanted)
        ]
        return found[0] if len(found) == 1 else None

    exact = [i for i, title in enumerate(titles) if words_of(title) == ["lr"]]
    rate = exact[0] if len(exact) == 1 else single({"lr"}, {"learning", "rate"})
    clocks = [i for i, title in enumerate(titles) if " ".join(words_of(title)) in CLOCKS]
    time = clocks[0] if len(clocks) == 1 else None
    return Choice(tuple(picks), step, single({"epoch"}), rate, time)


def find_title(name: str, titles: Sequence[str], where: str, option: str) -> int:
    """The index of the column that an option names: by its title, or by its number from 1."""
    for fold in (str, str.lower):  # capitals matter only if several titles differ in nothing else
        places = [i for i, title in enumerate(titles) if fold(title) == fold(name)]
        if len(places) == 1:
            return places[0]
        if places:
            numbers = ", ".join(str(place + 1) for place in places)
            raise InputError(
                f"{where}: {len(places)} columns are called {shown(name)}: "
                f"type the number of one of them, {option} {numbers.replace(', ', ' or ')}"
            )
    if name.isdecimal() and 1 <= int(name) <= len(titles):
        return int(name) - 1
    raise InputError(f"{where}: no column {shown(name)}, wanted one of {listed(titles)}: {option}")


def _named(titles: Sequence[str], where: str, reading: Reading) -> list[Pick]:
    places = [find_title(name, titles, where, "--loss") for name in reading.loss]
    splits = [split_of(titles[place]) or TRAIN for place in places]
    if len(set(splits)) == len(splits):
        return [Pick(place, split) for place, split in zip(places, splits, strict=True)]
    names = [titles[place] or str(place + 1) for place in places]
    names = [
        f"{name} ({place + 1})" if names.count(name) > 1 else name
        for name, place in zip(names, places, strict=True)
    ]
    return [Pick(place, TRAIN, name) for name, place in zip(names, places, strict=True)]


def _found(titles: Sequence[str], where: str) -> list[Pick]:
    if {" ".join(words_of(title)) for title in titles} == {"wall time", "step", "value"}:
        place = next(i for i, title in enumerate(titles) if words_of(title) == ["value"])
        return [Pick(place, TRAIN)]
    found: dict[tuple[str | None, str], list[tuple[int, int]]] = {}
    for place, title in enumerate(titles):
        if title.endswith(("__MIN", "__MAX")):  # columns of wandb about the points that it left out
            continue
        parts = WANDB.fullmatch(title)
        run, metric = (parts["run"], parts["metric"]) if parts else (None, title)
        if not is_loss(metric):
            continue
        extra = set(words_of(metric)) - LOSS - LOGARITHM - FREE - SPLITS.keys()
        found.setdefault((run, split_of(metric) or TRAIN), []).append((len(extra), place))
    if not found:
        raise InputError(
            f"{where}: got {listed(titles)}, wanted a column of losses: "
            "name it with --loss COLUMN, and that of the steps with --step COLUMN"
        )
    picks = []
    for (run, split), places in found.items():
        fewest = min(places)[0]
        best = [place for extra, place in places if extra == fewest]
        if len(best) > 1:
            same = len({titles[place] for place in best}) == 1
            names = [str(place + 1) if same else shown(titles[place]) for place in best]
            kind = "training" if split == TRAIN else split
            raise InputError(
                f"{where}: {len(best)} columns could be the {kind} loss, "
                f"{listed([titles[place] for place in best])}: "
                f"choose with --loss {names[0]} or --loss {names[1]}"
            )
        picks.append(Pick(best[0], split, run))
    # The curves of one run are next to each other, its training loss first.
    runs, order = list(dict.fromkeys(pick.run for pick in picks)), (TRAIN, VALIDATION, TEST)
    return sorted(picks, key=lambda pick: (runs.index(pick.run), order.index(pick.split)))


def _step(titles: Sequence[str], where: str, reading: Reading, losses: set[int]) -> int | None:
    if reading.step == ROW and ROW not in titles:
        return None
    if reading.step is not None:
        return find_title(reading.step, titles, where, "--step")
    words = {i: set(words_of(title)) for i, title in enumerate(titles) if i not in losses}
    groups = [[i for i, each in words.items() if each & STEPS and each <= STEPS | BESIDE_STEPS]]
    groups += [
        [i for i, each in words.items() if each & kind and each <= kind | BESIDE_STEPS]
        for kind in STEP_WORDS
    ]
    groups.append([i for i in words if titles[i].strip().lower() in INDEX])
    for places in groups:
        if len(places) > 1:
            raise InputError(
                f"{where}: {len(places)} columns could be the steps, "
                f"{listed([titles[place] for place in places])}: choose with --step COLUMN"
            )
        if places:
            return places[0]
    known = METRICS | SPLITS.keys() | LOSS
    strange = [titles[i] for i, each in words.items() if not each & known]
    if strange:
        raise InputError(
            f"{where}: got {listed(titles)}, wanted a column of steps: "
            f"name it with --step {shown(strange[0])}, or number the rows with --step row"
        )
    return None
