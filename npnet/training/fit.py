"""The whole job in one call: from a recipe and words to a trained and measured model."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from npnet.base import blas
from npnet.base.arguments import FUNCTION, SIZE, checked
from npnet.base.arrays import Floats, Ints
from npnet.base.errors import DivergedError, InputError
from npnet.corpora.datasets import Vocabulary, build_dataset, split_words
from npnet.network.parameters import Parameters
from npnet.recipes.initialization import draw_parameters
from npnet.recipes.recipe import Recipe
from npnet.torch_rng.generator import Generator
from npnet.training.batchnorm import Statistics, calibrate
from npnet.training.checkpoint import Checkpoint, digest
from npnet.training.distinct_rows import distinct
from npnet.training.evaluation import evaluate
from npnet.training.running_norm import Running
from npnet.training.runs import Run
from npnet.training.sgd import AHEAD, draw_rows, rows_below, train_blocks

SPLIT_NAMES = ("train", "dev", "test")
# Training computes at least this many rows for each row that an evaluation computes. Evaluation
# then takes 0.7 to 1.7 % of the time (16 to 200 units, T of 3 and 4, batches of 32 and 128).
ROWS_APART = 12
NOTED = 0.5  # seconds between two entries in the list of times
ROUND = 1000  # the usual number of steps is a multiple of this


class Start(NamedTuple):
    """The beginning of a run. Everything random before the first minibatch is already drawn.

    ``examples``: contexts and targets of ``train``, ``dev`` and ``test``. ``generator`` draws the
    minibatches; its next numbers are those of the first step.
    """

    vocab: Vocabulary
    examples: dict[str, tuple[Ints, Ints]]
    params: Parameters
    generator: Generator


@checked(watch=FUNCTION, threads=SIZE, eval_every=SIZE)
def fit(
    recipe: Recipe,
    words: Sequence[str],
    *,
    watch: Callable[[int, Floats], None] | None = None,
    threads: int = 1,
    eval_every: int | None = None,
) -> Run:
    """Split ``words``, draw parameters, train, take statistics, measure the three splits.

    Args:
        recipe: every number of the run.
        words: at least 10, of any alphabet, without the end mark ``.``.
        watch: called now and then during training with the number of the first new step and
            the losses since the last call.
        threads: BLAS threads. With two threads, a step took 0.99 to 1.01 times as long at H = 200,
            n = 32; at H = 1024, n = 256, 0.8 times on a quiet machine and 1.4 times on a busy one.
        eval_every: measure train and dev loss each time after this number of steps. 0 chooses a
            number so that this takes less than 2 % of the time (``usual_eval_every``). The
            training stays the same.

    Returns:
        The run, with a loss for every step.

    Raises:
        InputError: words or recipe that cannot be used.
        DivergedError: a loss was not finite, in training or after it; ``error.losses`` has the
            losses before it.
    """
    with blas.limited(threads):
        training = Training(recipe, words, eval_every=eval_every)
        training.run(watch)
        return training.finish()


class Training:
    """A run in training: ``run`` it, take a ``checkpoint`` when it pauses, ``finish`` it.

    Args:
        recipe: every number of the run.
        words: its corpus.
        checkpoint: where to continue; it has the same recipe (except for ``steps``) and words.
        eval_every: as for ``fit``.

    Attributes:
        eval_every: the number of steps between two evaluations; if 0 was given, the chosen number.
        evaluating: how many seconds evaluation took in this process so far.

    Raises:
        InputError: words or recipe cannot be used; fewer steps than were already taken; or more
            steps, if the recipe draws all minibatches before the parameters.
    """

    def __init__(
        self,
        recipe: Recipe,
        words: Sequence[str],
        checkpoint: Checkpoint | None = None,
        *,
        eval_every: int | None = None,
    ) -> None:
        self.vocab, self.examples, self.params, self.generator = begin(Recipe.of(recipe), words)
        self.recipe, self.words = recipe, tuple(words)
        calibrated = recipe.statistics in ("whole-set", "own-rows")
        self.running = None if calibrated else Running.begin(recipe)
        self.losses = np.empty(recipe.steps, recipe.dtype)
        self.done = 0
        if eval_every is not None and eval_every < 0:
            raise InputError(f"eval_every: got {eval_every}, wanted 1 or more, or 0 for the usual")
        if eval_every == 0:
            eval_every = usual_eval_every(recipe, self.examples, self.vocab.size)
        self.eval_every, self.evaluating = eval_every, 0.0
        self.evaluations: list[list[float]] = []
        self.times: list[list[float]] = []
        if checkpoint is not None:
            self._go_on(checkpoint)

    def _go_on(self, checkpoint: Checkpoint) -> None:
        recipe, done = self.recipe, len(checkpoint.losses)
        if recipe.steps < done:
            raise InputError(
                f"steps: got {recipe.steps}, wanted {done} or more: this run has taken {done} steps"
            )
        if recipe.batch_first and recipe.steps != checkpoint.recipe.steps:
            raise InputError(
                f"steps: got {recipe.steps}, wanted {checkpoint.recipe.steps} as it began: its "
                "minibatches were drawn before its parameters"
            )
        mine, theirs = ((p.sizes, p.dtype) for p in (self.params, checkpoint.params))
        averages = [] if self.running is None else [self.running.mean.shape] * 2
        kept = [array.shape for array in checkpoint.averages]
        if mine != theirs or checkpoint.losses.shape != (done,) or kept != averages:
            raise InputError("checkpoint: does not fit its run, wanted one that this run made")
        self.done, self.losses[:done] = done, checkpoint.losses
        self.evaluations, self.times = checkpoint.evaluations.tolist(), checkpoint.times.tolist()
        self.params = checkpoint.params.copy()
        if not recipe.batch_once:  # otherwise the one minibatch is drawn again, from the start
            self.generator.set_state(checkpoint.generator)
        if self.running is not None:
            self.running.mean, self.running.spread = checkpoint.averages

    def run(self, watch: Callable[[int, Floats], None] | None = None) -> None:
        """Take the remaining steps. ``watch`` and ``DivergedError`` are as in ``fit``.

        When ``watch`` is called, all attributes are as they were after the last step. It may take
        a checkpoint, and it may raise an error to stop the training.
        """
        X, Y = self.examples["train"]
        blocks = train_blocks(
            self.recipe,
            self.params,
            X,
            Y,
            self.generator,
            running=self.running,
            start=self.done,
            cut=self.eval_every,
        )
        seconds = self.times[-1][1] if self.times else 0.0
        begun = noted = time.perf_counter()
        try:
            for block in blocks:
                first, self.done = self.done, self.done + len(block)
                self.losses[first : self.done] = block
                if self.eval_every and self.done % self.eval_every == 0:
                    self._evaluate()
                now = time.perf_counter()
                if now - noted >= NOTED or self.done == self.recipe.steps:
                    self.times.append([float(self.done), seconds + now - begun])
                    noted = now
                if watch is not None:
                    watch(first, block)
        except DivergedError as error:
            error.losses = self.losses[: self.done]
            raise

    def checkpoint(self) -> Checkpoint:
        """A checkpoint of the run after its last step."""
        averages = () if self.running is None else (self.running.mean, self.running.spread)
        return Checkpoint(
            self.recipe,
            digest(self.words),
            self.params,
            self.generator.get_state(),
            averages,
            self.losses[: self.done],
            np.array(self.evaluations).reshape(-1, 3),
            np.array(self.times).reshape(-1, 2),
        )

    def _evaluate(self) -> None:
        """Measure train and dev loss now; a loss that is not finite is nan."""
        if self.done == self.recipe.steps:
            return  # finish measures all splits
        begun = time.perf_counter()
        try:
            _, losses = self._measured(SPLIT_NAMES[:2])
        except InputError:
            losses = dict.fromkeys(SPLIT_NAMES[:2], math.nan)
        self.evaluations.append([float(self.done), losses["train"], losses["dev"]])
        self.evaluating += time.perf_counter() - begun

    def _measured(self, splits: Sequence[str]) -> tuple[Statistics, dict[str, float]]:
        """The statistics that the recipe asks for, and the losses of these splits."""
        X, _ = self.examples["train"]
        recipe, eps = self.recipe, self.recipe.eps
        if not all(np.isfinite(array).all() for array in self.params.values()):
            raise InputError("finish: parameters that are not finite")
        stats = self.running.statistics(eps) if self.running else calibrate(self.params, X, eps)
        losses = {}
        for split in splits:
            example = self.examples[split]
            own = recipe.statistics == "own-rows" and split != "train"
            used = calibrate(self.params, example[0], eps) if own else stats
            losses[split] = evaluate(self.params, used, *example)
        return stats, losses

    def finish(self) -> Run:
        """Statistics and split losses of the trained parameters. May raise ``DivergedError``."""
        try:
            stats, losses = self._measured(SPLIT_NAMES)
        # shapes were checked before, so the cause is a number that is not finite
        except InputError as error:
            rate = self.recipe.rate(self.done - 1)
            diverged = DivergedError(self.done, float("nan"), rate, self.recipe.eps)
            diverged.losses = self.losses
            raise diverged from error
        measured = list(self.evaluations)
        if self.eval_every:
            measured.append([float(self.done), losses["train"], losses["dev"]])
        return Run(
            self.recipe,
            self.params,
            stats,
            self.losses,
            losses,
            self.vocab,
            self.words,
            np.array(measured).reshape(-1, 3),
            np.array(self.times).reshape(-1, 2),
        )


def usual_eval_every(recipe: Recipe, examples: Mapping[str, tuple[Ints, Ints]], V: int) -> int:
    """A number of steps between two evaluations, so that they take less than 2 % of the time.

    A row of a minibatch has a backward pass too, and takes longer than a row that is evaluated.
    ``calibrate`` and ``evaluate`` compute each different row once.
    """
    (X, Y), (dev_X, dev_Y) = examples["train"], examples["dev"]
    seen = ([*X.T], [*X.T, Y], [*dev_X.T, dev_Y])
    rows = sum(len(distinct(columns, V)[0]) for columns in seen)
    return ROUND * max(1, math.ceil(ROWS_APART * rows / recipe.batch / ROUND))


def begin(recipe: Recipe, words: Sequence[str]) -> Start:
    """The examples and the drawn parameters of a run, before any training.

    Raises:
        InputError: words or recipe that cannot be used.
    """
    vocab = Vocabulary.from_words(words)
    generator = Generator(recipe.seed)
    examples = examples_of(recipe, words, vocab, generator)
    count = len(examples["train"][1])
    rows_below(recipe, count)  # the first step would raise this error; better now
    minibatches = generator
    if recipe.batch_first:
        minibatches = copy.copy(generator)
        steps = 1 if recipe.batch_once else recipe.steps
        # in pieces: they are only skipped here, and training draws them again
        for first in range(0, steps, AHEAD):
            draw_rows(recipe, count, generator, min(AHEAD, steps - first))
    params = draw_parameters(recipe, vocab.size, generator)
    return Start(vocab, examples, params, minibatches)


def first_batch(recipe: Recipe, words: Sequence[str]) -> tuple[Parameters, Ints, Ints]:
    """The drawn parameters, and contexts (n, T) and targets (n,) of the first step.

    Raises:
        InputError: words or recipe that cannot be used.
    """
    start = begin(recipe, words)
    X, Y = start.examples["train"]
    rows = draw_rows(recipe, len(Y), start.generator)[0]
    return start.params, X[rows], Y[rows]


def examples_of(
    recipe: Recipe,
    words: Sequence[str],
    vocab: Vocabulary,
    generator: Generator | None = None,
) -> dict[str, tuple[Ints, Ints]]:
    """Contexts and targets of ``train``, ``dev`` and ``test``, as ``recipe`` splits ``words``.

    ``generator``: the run's generator, just seeded; None: a new one. If the recipe permutes words
        or
    examples and has no seed for this, ``generator`` draws the permutation.
    """
    seed = recipe.shuffle_seed if recipe.shuffles else None
    parts = split_words(words, seed, times=max(recipe.shuffles, 1))
    shuffled = [word for part in parts for word in part]
    if recipe.split_seed is not None:
        generator = Generator(recipe.split_seed)
    elif generator is None:
        generator = Generator(recipe.seed)
    first, second = cuts(len(shuffled), recipe.rounding)
    if recipe.split == "examples":
        X, Y = build_dataset(shuffled, vocab, recipe.block_size)
        rows = np.split(generator.randperm(len(X)), cuts(len(X), recipe.rounding))
        return {name: (X[some], Y[some]) for name, some in zip(SPLIT_NAMES, rows, strict=True)}
    if recipe.split == "permuted-words":
        shuffled = [shuffled[place] for place in generator.randperm(len(shuffled)).tolist()]
    slices = (slice(first), slice(first, second), slice(second, None))
    return {
        name: build_dataset(shuffled[part], vocab, recipe.block_size)
        for name, part in zip(SPLIT_NAMES, slices, strict=True)
    }


def cuts(count: int, rounding: str) -> tuple[int, int]:
    """The places at which ``count`` words or examples are cut: 80 % and 90 %.

    ``int`` rounds both places down, as ``int(0.8 * count)`` does. ``random_split`` rounds the
    three sizes down and gives the remaining ones to the first parts, one each.
    """
    if rounding == "int":
        return int(0.8 * count), int(0.9 * count)
    sizes = [int(share * count) for share in (0.8, 0.1, 0.1)]
    left_over = count - sum(sizes)
    train, dev, _ = (size + (place < left_over) for place, size in enumerate(sizes))
    return train, train + dev
