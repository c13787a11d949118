"""Seeds that nobody kept, found by the figures that were printed. Prints nothing.

An unseeded generator of torch is seeded with 32 random bits. There are 2^32 streams, and each can
be tried: its first normals are the lost parameters, with which the printed figures come out or not.
"""

from __future__ import annotations

import concurrent.futures
import functools
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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

SHORT = 20_001  # steps of training, 0 to 20,000, that decide between the seeds that are left
# Standard deviations over seeds, of the lecture's network with 200 units: 0.013 to 0.018 of a loss
# at step 1,000 to 10,000, on the same minibatches; 0.0035 of a split's loss after 101 steps.
LATER_SPREAD = 0.015
SPLIT_SPREAD = 0.0035
MOST_LEFT = 100.0  # seeds that all figures may be expected to leave
MOST_TRAINED = 100_000.0  # seeds that may be left for training: up to a second each


@dataclass(frozen=True)
class LostSeed:
    """A seed with which every figure comes out that the search looked at.

    Attributes:
        seed: of the lost generator.
        reruns: for each publication, how many earlier executions of its drawing cell there were.
        skips: for each publication, the words that the stream had given before its lost draws.
    """

    seed: int
    reruns: tuple[int, ...]
    skips: tuple[int, ...]


@dataclass(frozen=True)
class Prospects:
    """What the printed figures can be expected to leave of 2^32 seeds, the right one not counted.

    Attributes:
        first: after the figures of the first minibatches.
        all: after the later losses as well.
    """

    first: float
    all: float


class LostSession:
    """Publications of one session of a notebook, in the order in which their cells ran.

    Args:
        publications: or their paths, or names of those that come with npnet.
        reruns: the most earlier executions of each drawing cell that are tried.
        corpus: the file of their words; None: found by its SHA-256, as ``words_of`` does.

    Raises:
        InputError: nothing is lost in one of them, or it cannot be searched for; a corpus is not
            at hand, or is another one.
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
            words_of(self.publications[0], corpus)  # refuses a corpus that nothing is made of
        self.words = [
            words_of(each, None if each.corpus is None else corpus) for each in self.publications
        ]
        self.cells = tuple(
            cell_of(publication, words, reruns)
            for publication, words in zip(self.publications, self.words, strict=True)
        )

    @functools.cached_property
    def search(self) -> Search:
        """The search, made ready; that takes a few seconds where a loss has to decide."""
        about = [(each.recipe.to_json(), repr(each.printed)) for each in self.publications]
        session = Session(str(self.publications[0].file), self.cells)
        return Search([session], about=repr((about, SHORT)))

    @functools.cached_property
    def prospects(self) -> Prospects:
        """How many seeds the figures can be expected to leave."""
        first = expected(self.cells)
        return Prospects(first, first * math.prod(map(later_share, self.publications)))

    def check(self) -> None:
        """Refuse what is hopeless.

        Raises:
            InputError: the figures would leave too many seeds; says which figure would help.
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
    """Whether the losses of the first steps come out, and whatever follows from few steps."""
    return all(map(_reproduces, publications, words))


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
    """The seeds with which the printed figures of a notebook's session come out.

    Args:
        publications: of one session, in the order in which their cells ran: ``Publication``s,
            their paths, or names of those that come with npnet. Some draws of each have
            ``seed = "lost"``.
        executor: any ``concurrent.futures.Executor``, of processes rather than of threads; None:
            this process alone.
        reruns: the most earlier executions of each drawing cell that are tried.
        first, end: the range of seeds, ``end`` not included.
        workers: how many pieces of work the executor does at once; None: as it says, or 2.
        progress: a file that is read first if it is there, and written now and then, so that the
            same call goes on from where it was stopped; None for none.
        watch: called after every piece of work with a ``State``.

    Returns:
        The seeds that are left, with the words to skip; usually one, if the figures are enough.
        What later figures say after more than 20,000 steps is left to ``replay``.

    Raises:
        InputError: files that cannot be used, figures that cannot decide, a progress file of
            another search.
    """
    session = LostSession(publications, reruns)
    return session.run(
        first, end, executor=executor, workers=workers, progress=progress, watch=watch
    )


def later_share(publication: Publication) -> float:
    """The share of seeds that training leaves by its first 20,000 steps, by a rule of thumb."""
    printed = publication.printed
    share = 1.0
    for step in printed.steps:
        if 0 < step < SHORT:
            share *= min(_near(figure, LATER_SPREAD) for _, figure in printed.of_step(step))
    if publication.recipe.steps <= SHORT and printed.split_losses:
        # Those of one network rise and fall together: one of them counts.
        share *= min(_near(figure, SPLIT_SPREAD) for figure in printed.split_losses.values())
    return share


def _near(figure: str, spread: float) -> float:
    return min(1.0, 2 * Interval.of(figure).reach / (spread * math.sqrt(2 * math.pi)))


class _Differs(Exception):
    """A figure that is not reproduced: nothing more needs to be run."""


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
