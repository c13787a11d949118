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

from npnet.base.arrays import Floats
from npnet.base.errors import InputError
from npnet.corpora.known import BY_HAND, KNOWN, find_corpus
from npnet.corpora.words import FilePath, Vocabulary, read_words
from npnet.network.fused import loss_and_gradients
from npnet.network.parameters import Parameters
from npnet.recipes.initialization import draw_parameters
from npnet.recipes.publication import Publication
from npnet.recipes.recipe import Recipe
from npnet.torch_rng.generator import Generator
from npnet.training.evaluation import evaluate
from npnet.training.fit import first_batch, fit
from npnet.training.running_norm import Running

# Honest runs that round differently drift apart by this much: between float32 and float64, part3's
# 200,000 losses differ by 1.0e-6 in the median, 3.1e-6 at the 90th percentile, 1.1e-5 at most. A
# figure this close to the middle between two last digits may be printed as either.
EDGE = 3e-6

EQUAL, NEAR, DIFFERS = "equal", "±1", "DIFFERS"


@dataclass(frozen=True)
class Figure:
    """One printed figure and ours.

    Attributes:
        what: ``loss``, ``train``, ``dev``, ``test``, ``parameters``, ``targets``, ``rows``,
            ``name``.
        step: of a loss, else None.
        published: as it was printed.
        ours: with four more digits, if it is a loss.
        match: ``equal`` in every digit, ``±1`` in the last digit, or ``DIFFERS``.
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
    pending = list(printed.losses)

    def compare_losses(first: int, losses: Floats) -> None:
        while pending and pending[0] < first + len(losses):
            step = pending.pop(0)
            loss = float(losses[step - first])
            add(compare("loss", step, printed.losses[step], loss, recipe.dtype))
        if watch is not None:
            watch(first, losses)

    run = fit(recipe, words, watch=compare_losses)
    for split, published in printed.split_losses.items():
        add(compare(split, None, published, run.split_losses[split], recipe.dtype))
    if printed.parameters is not None:
        add(_exact("parameters", printed.parameters, _trained(recipe, run.params)))
    if printed.targets or publication.batch is not None:
        _, X, Y = first_batch(recipe, words)
        if printed.targets:
            add(_exact("targets", _spaced(printed.targets), _spaced(Y.tolist())))
        if publication.batch is not None:
            _check_chars(publication, run.vocab)
            rows = (run.vocab.decode(row) for row in np.column_stack([X, Y]))
            add(_exact("rows", _spaced(publication.batch.rows), _spaced(rows)))
    for published, ours in zip(printed.names, run.sample(len(printed.names)), strict=True):
        add(_exact("name", published, ours))
    return figures


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
    key = f"{publication.file}: corpus.sha256"
    path: Path | None
    if file is not None:
        path = Path(file)
        checksum = _checksum(path)
        if checksum != wanted.sha256:
            raise InputError(
                f"{key}: {path} has {checksum[:12]}…, wanted {wanted.sha256[:12]}… "
                f"({wanted.name}): {_way_to(wanted.sha256)}"
            )
    else:
        path = find_corpus(wanted.sha256)
    if path is not None:
        return read_words(path, fold=wanted.fold)
    if publication.batch is not None and publication.printed.of_first_batch:
        return None
    raise InputError(
        f"{key}: no file with SHA-256 {wanted.sha256[:12]}… ({wanted.name}) at hand: "
        f"{_way_to(wanted.sha256)}"
    )


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
        first = min(publication.printed.losses, default=publication.recipe.steps)
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
    return dataclasses.replace(recipe, steps=max(printed.losses, default=0) + 1)


def _of_batch(publication: Publication) -> Iterator[Figure]:
    """Figures of the first minibatch, from its rows."""
    recipe, printed, batch = publication.recipe, publication.printed, publication.batch
    if batch is None or not printed.of_first_batch:
        raise InputError(f"{publication.file}: got no words, wanted those of its [corpus]")
    vocab = Vocabulary(batch.chars)
    params = draw_parameters(recipe, vocab.size, Generator(recipe.seed))
    rows = np.array([vocab.encode(row) for row in batch.rows])
    X, Y = rows[:, :-1], rows[:, -1]
    if recipe.training_statistics == "running":
        loss = evaluate(params, Running.begin(recipe).statistics(recipe.eps), X, Y)
    else:
        loss = float(loss_and_gradients(params, X, Y, recipe.eps)[0])
    for step, published in printed.losses.items():
        yield compare("loss", step, published, loss, recipe.dtype)
    if printed.parameters is not None:
        yield _exact("parameters", printed.parameters, _trained(recipe, params))
    if printed.targets:
        yield _exact("targets", _spaced(printed.targets), _spaced(Y.tolist()))


def _check_chars(publication: Publication, vocab: Vocabulary) -> None:
    if publication.batch is not None and publication.batch.chars != vocab.chars:
        raise InputError(
            f"{publication.file}: batch.chars: got {publication.batch.chars!r}, wanted "
            f"{vocab.chars!r} as the corpus has"
        )


def _trained(recipe: Recipe, params: Parameters) -> str:
    return str(sum(params[name].size for name in recipe.trained))


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
