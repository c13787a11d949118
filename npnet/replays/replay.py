"""Running a publication, and holding its printed figures against ours. Prints nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np

from npnet.base import blas
from npnet.base.arrays import Floats, Ints
from npnet.base.errors import DivergedError, InputError
from npnet.corpora.known import BY_HAND, KNOWN, find_corpus
from npnet.corpora.words import FilePath, Vocabulary
from npnet.network.fused import cross_entropy
from npnet.network.parameters import Parameters
from npnet.recipes.initialization import draw_parameters
from npnet.recipes.publication import SPLITS, Publication
from npnet.recipes.recipe import Recipe
from npnet.torch_rng.generator import Generator
from npnet.training.fit import Training, examples_of, first_batch, fit
from npnet.training.running_norm import first_logits
from npnet.training.runs import Run

# Honest runs that round differently drift apart by this much: between float32 and float64, part3's
# 200,000 losses differ by 1.0e-6 in the median, 3.1e-6 at the 90th percentile, 1.1e-5 at most. A
# figure this close to the middle between two last digits may be printed as either.
EDGE = 3e-6

EQUAL, NEAR, DRIFT, DIFFERS = "equal", "±1", "drift", "DIFFERS"

# A figure further off is not even tried: no drift that was seen comes near it, and to measure the
# drift takes a whole second run.
FARTHEST = 1e-3


@dataclass(frozen=True)
class Figure:
    """One printed figure and ours.

    Attributes:
        what: ``loss``, ``cross_entropy``, ``sum``, ``probs``, ``train``, ``dev``, ``val``,
            ``test``, ``parameters``, ``targets``, ``rows``, ``name``.
        step: of a loss; the row of a softmax; else None.
        published: as it was printed.
        ours: with four more digits, if it is a loss.
        match: ``equal`` in every digit, ``±1`` in the last digit, ``drift`` if the same run in
            another order of summation differs from ours by as much, or ``DIFFERS``.
        edge: whether ours lies so close to a rounding edge that another order of summation may
            print another last digit. Never of digits so fine that every number does.
        digits: how many significant digits were compared where the dtype holds fewer than were
            printed, else None.
    """

    what: str
    step: int | None
    published: str
    ours: str
    match: str
    edge: bool = False
    digits: int | None = None

    @property
    def reproduced(self) -> bool:
        """Whether it counts as the same figure."""
        return self.match != DIFFERS


def replay(
    publication: Publication,
    words: Sequence[str] | None = None,
    *,
    steps: int | None = None,
    watch: Callable[[int, Floats], None] | None = None,
    seen: Callable[[Figure], None] | None = None,
) -> list[Figure]:
    """Run a publication and compare every printed figure.

    Args:
        publication: what to run.
        words: the corpus; None to do with the rows of the publication's batch.
        steps: a short form: only losses of steps below this, and no split losses or names.
        watch: called now and then during training, as by ``npnet.fit``.
        seen: called with each figure as soon as it is known.

    Returns:
        The figures: losses, split losses, parameters, targets, rows, names.

    Raises:
        InputError: the words cannot be used, or no figure is left to compare.
        DivergedError: a loss was not finite.
    """
    publication = shortened(publication, steps)
    figures: list[Figure] = []

    def add(figure: Figure) -> None:
        figures.append(figure)
        if seen is not None:
            seen(figure)

    if words is None:
        for figure in _of_batch(publication):
            add(figure)
        return figures

    recipe, printed = needed(publication), publication.printed
    check_rows(publication, words)
    pending = printed.steps

    def compare_losses(first: int, losses: Floats) -> None:
        while pending and pending[0] < first + len(losses):
            step = pending.pop(0)
            for figure in _of_step(publication, step, float(losses[step - first])):
                add(figure)
        if watch is not None:
            watch(first, losses)

    run = fit(recipe, words, watch=compare_losses)
    for split, published in printed.split_losses.items():
        add(compare(split, None, published, run.split_losses[SPLITS[split]], recipe.dtype))
    if printed.parameters is not None:
        add(_exact("parameters", printed.parameters, _trained(recipe, run.params)))
    if printed.targets or printed.probs or publication.batch is not None:
        params, X, Y = first_batch(recipe, words)
        for figure in _of_softmax(publication, params, X, Y):
            add(figure)
        if printed.targets:
            add(_exact("targets", _spaced(printed.targets), _spaced(Y.tolist())))
        if publication.batch is not None:
            _check_chars(publication, run.vocab)
            rows = (run.vocab.decode(row) for row in np.column_stack([X, Y]))
            add(_exact("rows", _spaced(publication.batch.rows), _spaced(rows)))
    for published, ours in zip(printed.names, run.sample(len(printed.names)), strict=True):
        add(_exact("name", published, ours))
    return within_drift(publication, run, figures)


def within_drift(publication: Publication, run: Run, figures: list[Figure]) -> list[Figure]:
    """The figures, with ``drift`` in place of ``DIFFERS`` where rounding alone explains it.

    Two honest programs add in different orders, and training makes the last bits grow. How far
    they grow is measured: the same run with its hidden units in reverse order, which is the same
    network, adds in another order. A figure is within drift if it is no further from ours than the
    two runs were from each other up to its step.
    """
    near = [figure for figure in figures if _may_have_drifted(figure)]
    if not near:
        return figures
    try:
        other = reversed_run(run)
    except DivergedError:
        return figures
    apart = np.abs(run.losses.astype(np.float64) - other.losses.astype(np.float64))
    widest = np.maximum.accumulate(apart)
    splits = max(abs(run.split_losses[s] - other.split_losses[s]) for s in run.split_losses)
    batch = publication.recipe.batch
    judged = []
    for figure in figures:
        if figure in near:
            end = len(widest) - 1 if figure.step is None else figure.step
            bound = max(float(widest[end]), splits if figure.step is None else 0.0)
            bound *= batch if figure.what == "sum" else 1
            if abs(float(figure.published) - float(figure.ours)) <= bound:
                figure = dataclasses.replace(figure, match=DRIFT)
        judged.append(figure)
    return judged


def reversed_run(run: Run) -> Run:
    """The run with the hidden units in reverse order: the same network, added up otherwise."""
    training = Training(run.recipe, run.words)
    reverse = {name: training.params[name][..., ::-1] for name in ("W1", "b1", "bngain", "bnbias")}
    arrays = {**training.params, **reverse, "W2": training.params["W2"][::-1]}
    training.params = Parameters(**{name: array.copy() for name, array in arrays.items()})
    with blas.limited(1):
        training.run(None)
        return training.finish()


def _may_have_drifted(figure: Figure) -> bool:
    numbers = {"loss", "cross_entropy", "sum", *SPLITS}
    if figure.match != DIFFERS or figure.what not in numbers or figure.step == 0:
        return False
    apart = abs(float(figure.published) - float(figure.ours))
    return apart <= FARTHEST * max(1.0, abs(float(figure.ours)))  # False for nan


def advice(figures: Sequence[Figure]) -> str | None:
    """What it usually means if every figure differs, from the first step on; else None."""
    losses = [figure for figure in figures if figure.what in ("loss", "cross_entropy", "sum")]
    from_start = losses and losses[0].step == 0 and not any(each.reproduced for each in losses)
    if not from_start:
        return None
    return (
        "every loss differs, from step 0 on: the run began with other draws. Look at the seed, at "
        "a draw without generator=g (its seed is lost: npnet recover), at the order of the draws, "
        "at the dtype, at a GPU (which draws other numbers), at the corpus and its shuffling"
    )


def words_of(
    publication: Publication, file: FilePath | None = None, *, steps: int | None = None
) -> list[str] | None:
    """The words that ``replay`` needs: of ``file``, or of a corpus that ``find_corpus`` finds.

    Returns:
        The words; None where there are none and the rows of the batch are enough.

    Raises:
        InputError: no corpus at hand with the publication's checksum, or a file with another.
    """
    publication = shortened(publication, steps)
    wanted = publication.corpus
    if wanted is None:
        if file is not None:
            raise InputError(f"{publication.file}: no [corpus], wanted no words: got {file}")
        return None
    if file is not None:
        if len(wanted.files) > 1:
            raise InputError(
                f"{publication.file}: corpus.files: {len(wanted.files)} files, wanted no --words: "
                "put them into a folder that NPNET_CORPORA names"
            )
        path = Path(file)
        checksum = _checksum(path)
        if checksum != wanted.sha256:
            raise InputError(
                f"{publication.file}: corpus.sha256: {path} has {checksum[:12]}…, wanted "
                f"{wanted.sha256[:12]}… ({wanted.name}): {_way_to(wanted.sha256)}"
            )
        return wanted.words([path])
    paths = [find_corpus(each.sha256) for each in wanted.files]
    found = [path for path in paths if path is not None]
    if len(found) == len(paths):
        return wanted.words(found)
    if publication.batch is not None and publication.printed.of_first_batch:
        return None
    name, sha256 = wanted.files[paths.index(None)]
    raise InputError(
        f"{publication.file}: corpus.sha256: no file with SHA-256 {sha256[:12]}… ({name}) at hand: "
        f"{_way_to(sha256)}"
    )


def found_files(publication: Publication) -> list[Path] | None:
    """The files of the publication's corpus, if all of them are at hand."""
    if publication.corpus is None:
        return None
    paths = [find_corpus(each.sha256) for each in publication.corpus.files]
    found = [path for path in paths if path is not None]
    return found if len(found) == len(paths) else None


def shortened(publication: Publication, steps: int | None) -> Publication:
    """The publication with only the figures that are known after ``steps`` steps.

    Raises:
        InputError: fewer than 1 step, or no figure is left.
    """
    if steps is None or steps >= publication.recipe.steps:
        return publication
    if steps < 1:
        raise InputError(f"replay: {steps} steps, wanted 1 or more")
    short = dataclasses.replace(publication, printed=publication.printed.below(steps))
    if not short.printed.count:
        first = min(publication.printed.steps, default=publication.recipe.steps)
        raise InputError(
            f"{publication.file}: {steps} steps, wanted more than {first}: no figure comes before"
        )
    return short


def compare(what: str, step: int | None, published: str, ours: float, dtype: str) -> Figure:
    """Hold a printed number against ours, rounded to the digits that were printed.

    A float printed in all its decimals has more of them than it holds. Significant digits beyond
    the 7th of a float32 and the 16th of a float64 are left out of the comparison.
    """
    with localcontext(prec=100):
        told = Decimal(published)
        decimals = -int(told.as_tuple().exponent)
        held = np.finfo(dtype).precision + 1
        digits = held if told.adjusted() + decimals + 1 > held else None
        unit = Decimal(1).scaleb(-decimals if digits is None else told.adjusted() - held + 1)
        if not math.isfinite(ours):
            return Figure(what, step, published, str(ours), DIFFERS, digits=digits)
        exact = Decimal(ours)
        units = abs(exact.quantize(unit) - told.quantize(unit)) / unit
        match = EQUAL if units == 0 else NEAR if units == 1 else DIFFERS
        to_edge = abs(exact / unit % 1 - Decimal("0.5")) * unit
        edge = to_edge < Decimal(EDGE) < unit / 2  # no number is further from one than unit / 2
        more = f"{ours:.{max(0, -int(unit.adjusted())) + 4}f}"
    return Figure(what, step, published, more, match, edge, digits)


def needed(publication: Publication) -> Recipe:
    """The recipe with as many steps as the figures need."""
    recipe, printed = publication.recipe, publication.printed
    ahead = recipe.batch_first and not recipe.batch_once  # the parameters depend on the steps
    if printed.split_losses or printed.names or ahead:
        return recipe
    return dataclasses.replace(recipe, steps=max(printed.steps, default=0) + 1)


def check_rows(publication: Publication, words: Sequence[str]) -> None:
    """Refuse a ``batch_over`` that is more than the training examples of these words."""
    recipe = publication.recipe
    if recipe.batch_over is None:
        return
    count = len(examples_of(recipe, words, Vocabulary.from_words(words))["train"][1])
    if recipe.batch_over > count:
        raise InputError(
            f"{publication.file}: [recipe]: batch_over: got {recipe.batch_over}, wanted at most "
            f"{count}, the number of training examples"
        )


def _of_batch(publication: Publication) -> Iterator[Figure]:
    """Figures of the first minibatch, from its rows."""
    recipe, printed, batch = publication.recipe, publication.printed, publication.batch
    if batch is None or not printed.of_first_batch:
        raise InputError(f"{publication.file}: got no words, wanted those of its [corpus]")
    vocab = Vocabulary(batch.chars)
    params = draw_parameters(recipe, vocab.size, Generator(recipe.seed))
    rows = np.array([vocab.encode(row) for row in batch.rows])
    X, Y = rows[:, :-1], rows[:, -1]
    loss, _ = cross_entropy(first_logits(recipe, params, X), Y)
    yield from _of_step(publication, 0, float(loss))
    if printed.parameters is not None:
        yield _exact("parameters", printed.parameters, _trained(recipe, params))
    yield from _of_softmax(publication, params, X, Y)
    if printed.targets:
        yield _exact("targets", _spaced(printed.targets), _spaced(Y.tolist()))


def _of_step(publication: Publication, step: int, loss: float) -> Iterator[Figure]:
    recipe = publication.recipe
    for what, published in publication.printed.of_step(step):
        ours = loss * recipe.batch if what == "sum" else loss
        yield compare(what, step, published, ours, recipe.dtype)


def _of_softmax(publication: Publication, params: Parameters, X: Ints, Y: Ints) -> Iterator[Figure]:
    """The printed rows of the first minibatch's softmax: one figure each, the worst of its row."""
    recipe = publication.recipe
    if not publication.printed.probs:
        return
    logits = first_logits(recipe, params, X)
    counts = np.exp(logits - logits.max(1, keepdims=True))
    probs = counts / counts.sum(1, keepdims=True)
    for row, told in publication.printed.probs.items():
        if len(told) != probs.shape[1]:
            raise InputError(
                f"{publication.file}: printed.probs_row: got {len(told)} figures, wanted "
                f"{probs.shape[1]}, one for each character and the end mark"
            )
        each = [
            compare("probs", row, published, float(p), recipe.dtype)
            for published, p in zip(told, probs[row], strict=True)
        ]
        worst = max((figure.match for figure in each), key=(EQUAL, NEAR, DIFFERS).index)
        ours = (
            f"{float(p):.{len(published.partition('.')[2])}f}"
            for published, p in zip(told, probs[row], strict=True)
        )
        yield Figure("probs", row, _spaced(told), _spaced(ours), worst)


def _check_chars(publication: Publication, vocab: Vocabulary) -> None:
    if publication.batch is not None and publication.batch.chars != vocab.chars:
        raise InputError(
            f"{publication.file}: batch.chars: got {publication.batch.chars!r}, wanted "
            f"{vocab.chars!r} as the corpus has"
        )


def _trained(recipe: Recipe, params: Parameters) -> str:
    unused = (math.prod(draw.shape) for draw in recipe.draws if draw.shape and draw.trained)
    return str(sum(params[name].size for name in recipe.trained) + sum(unused))


def _exact(what: str, published: str, ours: str) -> Figure:
    return Figure(what, None, published, ours, EQUAL if published == ours else DIFFERS)


def _spaced(values: Iterable[object]) -> str:
    return " ".join(map(str, values))


def _checksum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, wanted a file of words") from error


def _way_to(sha256: str) -> str:
    for known in KNOWN.values():
        if known.sha256 == sha256 and known.url is not None:
            return f"npnet data --download {known.name}, or {BY_HAND}"
    return BY_HAND
