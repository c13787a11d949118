"""Finding lost seeds from the figures that were printed. This module prints nothing.

Torch seeds an unseeded generator with 32 random bits. There are 2^32 streams, and each can be
tried: its first normal numbers are the parameters, which either give the printed figures or not.
"""

from __future__ import annotations

import concurrent.futures
import functools
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from npnet.base.arguments import FUNCTION, PATH, SIZE, WHOLE, Kind, checked
from npnet.base.errors import DivergedError, InputError, shown
from npnet.recipes.publication import Publication, find_publication
from npnet.replays.lost_cells import cell_of, with_seed
from npnet.replays.printed_figures import Figure
from npnet.replays.publication_words import words_of
from npnet.replays.replay import replay
from npnet.replays.seed_cells import Interval
from npnet.replays.seed_progress import Progress, State, judge, run
from npnet.replays.seed_search import Candidate, Search, Session, expected
from npnet.torch_rng.many_seeds import SEEDS

SHORT = 20_001  # steps of training (0 to 20,000) that decide between the remaining seeds
# Standard deviations over seeds, for the lecture's network with 200 units: a loss at step 1,000 to
# 10,000 has 0.013 to 0.018 on the same minibatches, a split's loss after 101 steps 0.0035.
LATER_SPREAD = 0.015
SPLIT_SPREAD = 0.0035
# a search starts only if at most this many seeds are expected to remain after all figures
MOST_LEFT = 100.0
MOST_TRAINED = 100_000.0  # seeds that may remain for training, which takes up to a second each


@dataclass(frozen=True)
class LostSeed:
    """A seed that reproduces every figure that the search compared.

    Attributes:
        seed: the seed of the lost generator.
        reruns: for each publication, how often its drawing cell ran before.
        skips: for each publication, how many words of the stream were used before its lost draws.
    """

    seed: int
    reruns: tuple[int, ...]
    skips: tuple[int, ...]


@dataclass(frozen=True)
class Prospects:
    """How many of 2^32 seeds are expected to remain, without the right one.

    Attributes:
        first: after the figures of the first minibatches.
        all: after the later losses as well.
    """

    first: float
    all: float


class LostSession:
    """Publications of one session of a notebook, in the order in which their cells ran.

    Args:
        publications: publications, their paths, or names of those that come with npnet.
        reruns: how many earlier executions of each drawing cell are tried at most.
        corpus: the file of their words; None: ``words_of`` finds it by its SHA-256.

    Raises:
        InputError: one of them has no lost seed or cannot be searched; a corpus is not found, or
            has another checksum.
    """

    def __init__(
        self,
        publications: Sequence[Publication | str | os.PathLike[str]],
        reruns: int = 0,
        corpus: str | os.PathLike[str] | None = None,
    ) -> None:
        if not publications:
            raise InputError("find_lost_seed: got no publication, wanted one or more")
        if not isinstance(publications, list | tuple):
            raise InputError(f"find_lost_seed: got {shown(publications)}, wanted a list: [file]")
        if not 0 <= reruns < 1000:
            raise InputError(f"reruns: got {reruns}, wanted 0 to 999")
        self.publications = [
            each if isinstance(each, Publication) else find_publication(str(each))
            for each in publications
        ]
        if all(each.corpus is None for each in self.publications):
            # raises InputError for a corpus that no publication uses
            words_of(self.publications[0], corpus)
        self.words = [
            words_of(each, None if each.corpus is None else corpus) for each in self.publications
        ]
        self.cells = tuple(
            cell_of(publication, words, reruns)
            for publication, words in zip(self.publications, self.words, strict=True)
        )

    @functools.cached_property
    def search(self) -> Search:
        """The prepared search. Preparing takes a few seconds if the main test is a loss."""
        about = [(each.recipe.to_json(), repr(each.printed)) for each in self.publications]
        session = Session(str(self.publications[0].file), self.cells)
        return Search([session], about=repr((about, SHORT)))

    @functools.cached_property
    def prospects(self) -> Prospects:
        """How many seeds are expected to remain."""
        first = expected(self.cells)
        return Prospects(first, first * math.prod(map(later_share, self.publications)))

    def check(self) -> None:
        """Check that the figures are enough to find the seed.

        Raises:
            InputError: too many seeds would remain. The message says which figure would help.
        """
        prospects = self.prospects
        if prospects.first > MOST_TRAINED or prospects.all > MOST_LEFT:
            if prospects.first > MOST_TRAINED:
                left, most, rest = prospects.first, MOST_TRAINED, " to train with"
            else:
                left, most, rest = prospects.all, MOST_LEFT, ""
            printed = [each.printed for each in self.publications]
            row = "a row of the first minibatch's softmax (printed.probs_row)"
            fused = "its first loss in all digits (printed.cross_entropy)"
            missing = [row] * (not any(each.probs for each in printed))
            missing += [fused] * (not any(each.cross_entropy for each in printed))
            raise InputError(
                f"{self.publications[0].file}: its figures would leave about {left:,.0f} of 2^32 "
                f"seeds{rest}, wanted {most:,.0f} at most: add "
                f"{', '.join([*missing, 'or another file of the same session'])}"
            )

    def run(
        self,
        first: int = 0,
        end: int = SEEDS,
        *,
        executor: concurrent.futures.Executor | None = None,
        workers: int | None = None,
        progress: str | os.PathLike[str] | None = None,
        watch: Callable[[State], None] | None = None,
    ) -> list[LostSeed]:
        """Try the seeds from ``first`` to ``end`` − 1; arguments as in ``find_lost_seed``."""
        self.check()
        notes = Progress(self.search.digest, progress)
        state = run(self.search, notes, first, end, executor=executor, workers=workers, watch=watch)
        fitting = judge(
            state,
            notes,
            trains,
            lambda each: (self.filled_in(self._found(each)), self.words),
            executor=executor,
            workers=workers,
            watch=watch,
        )
        return [self._found(each) for each in fitting]

    def filled_in(self, found: LostSeed) -> list[Publication]:
        """The publications with the seed and the skips filled in, ready for ``replay``."""
        return [
            with_seed(publication, found.seed, skip)
            for publication, skip in zip(self.publications, found.skips, strict=True)
        ]

    def _found(self, each: Candidate) -> LostSeed:
        skips, end = [], 0
        for cell, earlier in zip(self.cells, each.reruns, strict=True):
            start = end if cell.skip is None else cell.skip
            skips.append(cell.layout(start, earlier - 1).end if earlier else start)
            end = cell.layout(start, earlier).end
        return LostSeed(each.seed, each.reruns, tuple(skips))


def trains(publications: Sequence[Publication], words: Sequence[Sequence[str] | None]) -> bool:
    """Whether the first steps reproduce every figure, and then a short run all figures."""
    return all(map(_reproduces, publications, words))


@checked(
    publications=Kind("a list: [file]", lambda got: isinstance(got, list | tuple)),
    reruns=SIZE,
    first=WHOLE,
    end=WHOLE,
    workers=SIZE,
    progress=PATH,
    watch=FUNCTION,
)
def find_lost_seed(
    publications: Sequence[Publication | str | os.PathLike[str]],
    executor: concurrent.futures.Executor | None = None,
    *,
    reruns: int = 0,
    first: int = 0,
    end: int = SEEDS,
    workers: int | None = None,
    progress: str | os.PathLike[str] | None = None,
    watch: Callable[[State], None] | None = None,
) -> list[LostSeed]:
    """The seeds that reproduce the printed figures of a notebook's session.

    Args:
        publications: the publications of one session, in the order in which their cells ran:
            ``Publication``s, their paths, or names of those that come with npnet. Some draws of
            each have ``seed = "lost"``.
        executor: any ``concurrent.futures.Executor``, of processes rather than of threads; None:
            this process alone.
        reruns: how many earlier executions of each drawing cell are tried at most.
        first, end: the range of seeds, ``end`` not included.
        workers: how many pieces of work the executor does at once; None: the number that the
            executor has, or 2 if it does not tell.
        progress: a file that is read first if it exists and written now and then. The same call
            then continues where it was stopped. None: no file.
        watch: called after every piece of work with a ``State``.

    Returns:
        The remaining seeds, with the words to skip; usually one, if there are enough figures.
        Figures after more than 20,000 steps are not compared; ``replay`` compares them.

    Raises:
        InputError: a file cannot be used, the figures are not enough, or the progress file is of
            another search.
    """
    session = LostSession(publications, reruns)
    return session.run(
        first, end, executor=executor, workers=workers, progress=progress, watch=watch
    )


def later_share(publication: Publication) -> float:
    """The share of seeds that remain after 20,000 steps of training, by a rule of thumb."""
    printed = publication.printed
    share = 1.0
    for step in printed.steps:
        if 0 < step < SHORT:
            share *= min(_near(figure, LATER_SPREAD) for _, figure in printed.of_step(step))
    if publication.recipe.steps <= SHORT and printed.split_losses:
        # The split losses of one network rise and fall together, so only one of them counts.
        share *= min(_near(figure, SPLIT_SPREAD) for figure in printed.split_losses.values())
    return share


def _near(figure: str, spread: float) -> float:
    return min(1.0, 2 * Interval.of(figure).reach / (spread * math.sqrt(2 * math.pi)))


class _Differs(Exception):
    """A figure is not reproduced: the run can stop."""


def _reproduces(publication: Publication, words: Sequence[str] | None) -> bool:
    printed, recipe = publication.printed, publication.recipe
    steps = None if recipe.steps <= SHORT else SHORT
    if steps is not None and not printed.below(steps).count:
        return True

    def seen(figure: Figure) -> None:
        if not figure.reproduced:
            raise _Differs

    try:
        replay(publication, words, steps=steps, seen=seen)
    except (_Differs, DivergedError):
        return False
    return True
