"""Comparing the time of npnet's work with that of torch and jax: one process, one thread each."""

import dataclasses
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch

import npnet.tensors
from npnet.base.arrays import Ints
from npnet.bench import steps as bench
from npnet.bench.growth import run_apart
from npnet.bench.steps import endless
from npnet.corpora.datasets import Vocabulary, build_dataset, split_words
from npnet.network.fused import loss_and_gradients
from npnet.network.parameters import Parameters
from npnet.recipes.initialization import draw_parameters
from npnet.torch_rng.generator import Generator
from npnet.training.batchnorm import Statistics
from npnet.training.distinct_rows import BLOCK
from npnet.training.evaluation import Folded, evaluate, surprise
from npnet.training.fit import fit
from npnet.training.runs import Run
from npnet.training.sample import sample
from npnet.training.sgd import train_blocks
from oracle import baselines, cells
from oracle.replay import Stats
from oracle.threads import one_thread
from oracle.timing import Memory, Pair, Row, Skipped, alternate

SEED = 2147483647  # the seed of the minibatches


@dataclass(frozen=True)
class Setting:
    """What to measure, and for how long.

    Attributes:
        words: the corpus; 80 % of the words are the training set.
        seconds: the least time for each row; a third of it for each size of the row ``sizes``.
        hidden, batch: H and n of the training steps that are compared one by one.
        widths, batches: H and n of the row ``sizes``.
        steps: training steps of the model that is evaluated and sampled.
        names: the number of sampled names.
        train: steps of `npnet train` in the measurement of its memory.
    """

    words: Sequence[str]
    seconds: float = 10.0
    hidden: int = 200
    batch: int = 32
    widths: Sequence[int] = (64, 200, 512, 1024)
    batches: Sequence[int] = (32, 128, 256)
    steps: int = 5_000
    names: int = 1_000
    train: Sequence[int] = (1_000, 20_000)

    @cached_property
    def vocab(self) -> Vocabulary:
        return Vocabulary.from_words(self.words)

    @cached_property
    def split(self) -> tuple[Ints, Ints]:
        """Contexts and targets of the training set."""
        return build_dataset(split_words(self.words)[0], self.vocab)

    @cached_property
    def run(self) -> Run:
        """A model with enough training to sample names of the usual length."""
        recipe = endless(self.hidden, self.batch)
        return fit(dataclasses.replace(recipe, steps=self.steps), self.words)


def measure(setting: Setting, names: Sequence[str]) -> Iterator[Row]:
    """The rows of these ``ROWS``, one after another, with one thread on each side."""
    with one_thread():
        for name in names:
            yield from ROWS[name](setting)


def machine() -> dict[str, str]:
    """The things that the timings of both sides depend on: processor, versions, settings."""
    chosen = {name: os.environ[name] for name in ("ATEN_CPU_CAPABILITY",) if name in os.environ}
    capability = torch.backends.cpu.get_cpu_capability()
    return {**bench.machine(), "torch": f"{torch.__version__} ({capability})", **chosen}


def plain(task: baselines.Task) -> baselines.Losses:
    """Plain NumPy: ``npnet.loss_and_gradients`` and an update."""
    params = Parameters(**task.params).copy()
    g = Generator(task.seed)
    while True:
        losses = []
        for _ in range(task.stretch):
            rows = g.randint(0, len(task.X), (task.batch,))
            loss, gradients = loss_and_gradients(params, task.X[rows], task.Y[rows], task.eps)
            for name, gradient in gradients.items():
                params[name][...] -= task.lr * gradient
            losses.append(float(loss))
        yield losses


def every_row(params: Parameters, stats: Statistics, X: Ints, Y: Ints) -> float:
    """``npnet.evaluate`` without its search for equal contexts: it computes all rows, in blocks."""
    network, total = Folded(params, stats, len(X)), 0.0
    for start in range(0, len(X), BLOCK):
        targets = Y[start : start + BLOCK]
        logits = network.logits(X[start : start + BLOCK])
        losses = surprise(logits, np.arange(len(targets)), targets)
        total += float(losses.sum(dtype=np.float64))
    return total / len(X)


def _training(
    name: str, against: str, loop: Callable[[baselines.Task], baselines.Losses], setting: Setting
) -> Iterator[Row]:
    yield _step(name, against, loop, setting, setting.hidden, setting.batch, setting.seconds)


def _optional(
    name: str, against: str, loop: Callable[[baselines.Task], baselines.Losses], setting: Setting
) -> Iterator[Row]:
    """A row that needs jax, or a compiler for torch. It is skipped if these are not installed."""
    try:
        yield from _training(name, against, loop, setting)
    except (ImportError, RuntimeError) as error:
        yield Skipped(name, against, str(error).strip().partition("\n")[0] or repr(error))


def _sizes(setting: Setting) -> Iterator[Row]:
    for batch in setting.batches:
        for hidden in setting.widths:
            sizes, seconds = (hidden, batch), setting.seconds / 3
            yield _step("sizes", "torch eager autograd", baselines.eager, setting, *sizes, seconds)


def _step(
    name: str,
    against: str,
    loop: Callable[[baselines.Task], baselines.Losses],
    setting: Setting,
    hidden: int,
    batch: int,
    seconds: float,
) -> Pair:
    """Training steps of npnet, compared with a loop that draws the same minibatches."""
    recipe = endless(hidden, batch)
    X, Y = setting.split
    params = draw_parameters(recipe, setting.vocab.size, Generator(recipe.seed))
    ours = train_blocks(recipe, params.copy(), X, Y, Generator(SEED))
    losses = next(ours)
    task = baselines.Task(params, X, Y, batch, recipe.eps, recipe.rate(0), SEED, len(losses))
    theirs = loop(task)
    difference = float(np.abs(losses - np.array(next(theirs))).max())
    times = alternate(partial(next, ours), partial(next, theirs), seconds)
    steps = [side / len(losses) for side in times]
    against = f"{against}, H={hidden} n={batch}"
    return Pair(name, against, "step", steps[0], steps[1], difference, hidden, batch)


def _cell(name: str, cell: str, setting: Setting) -> Iterator[Row]:
    """A notebook's training cell under npnet.tensors, compared with the same cell under torch."""
    recipe = endless(setting.hidden, setting.batch)
    X, Y = setting.split
    params = draw_parameters(recipe, setting.vocab.size, Generator(recipe.seed))
    stretch = 20
    task = baselines.Task(params, X, Y, setting.batch, recipe.eps, recipe.rate(0), SEED, stretch)
    ours, theirs = (cells.losses(cell, module, task) for module in (npnet.tensors, torch))
    difference = float(np.abs(np.array(next(ours)) - np.array(next(theirs))).max())
    times = alternate(partial(next, ours), partial(next, theirs), setting.seconds)
    steps = [side / stretch for side in times]
    against = f"torch, the cell with {cell}; npnet.tensors: the same cell"
    yield Pair(name, against, "step", steps[0], steps[1], difference, setting.hidden, setting.batch)


def _evaluation(name: str, how: str, ours: Callable[..., float], setting: Setting) -> Iterator[Row]:
    run, (X, Y) = setting.run, setting.split
    theirs = baselines.evaluation(run.params, _stats(run), X, Y)
    work = partial(ours, run.params, run.stats, X, Y)
    difference = abs(work() - theirs())
    against = f"torch, {len(X):,} examples; npnet: {how}"
    yield Pair(name, against, "split", *alternate(work, theirs, setting.seconds), difference)


def _windows(setting: Setting) -> Iterator[Row]:
    words, vocab = setting.words, setting.vocab
    ours = partial(build_dataset, words, vocab)
    theirs = partial(baselines.windows, words, vocab.chars, 3)
    X, _ = ours()
    difference = float(np.abs(X - theirs()[0].numpy()).max())
    against = f"the lecture's list loop, {len(words):,} words"
    yield Pair("windows", against, "corpus", *alternate(ours, theirs, setting.seconds), difference)


def _sampling(setting: Setting) -> Iterator[Row]:
    run, seed = setting.run, setting.run.recipe.sample_seed

    def ours() -> list[str]:
        return sample(run.params, run.stats, run.vocab, setting.names, Generator(seed))

    theirs = baselines.sampling(run.params, _stats(run), run.vocab.chars, setting.names, seed)
    difference = float(sum(one != other for one, other in zip(ours(), theirs(), strict=True)))
    against = f"the lecture's loop in torch, {setting.names:,} names"
    times = alternate(ours, theirs, setting.seconds)
    yield Pair("sampling", against, "sample", *times, difference)


def _memory(setting: Setting) -> Iterator[Row]:
    for steps in setting.train:
        with tempfile.TemporaryDirectory() as folder:
            options = ("--quiet", "--steps", str(steps), "--out", str(Path(folder, "run")))
            _, peak = run_apart([sys.executable, "-m", "npnet", "train", *options])
        yield Memory("memory", f"npnet train, {steps:,} steps on the shipped corpus", peak)


def _stats(run: Run) -> Stats:
    return Stats(run.stats.mean, run.stats.var, run.stats.eps)


ROWS: Mapping[str, Callable[[Setting], Iterator[Row]]] = {
    "eager": partial(_training, "eager", "torch eager autograd", baselines.eager),
    "module": partial(_training, "module", "torch nn.Module and optim.SGD", baselines.module),
    "manual": partial(_training, "manual", "the published loop by hand in torch", baselines.manual),
    "compile": partial(
        _optional, "compile", "torch.compile of the whole step by hand", baselines.compiled
    ),
    "jax": partial(_optional, "jax", "jax, jit of a step", baselines.jax_steps),
    "scan": partial(_optional, "scan", "jax, scan over many steps", baselines.jax_scan),
    "numpy": partial(_training, "numpy", "straightforward NumPy", plain),
    "cell-loop": partial(_cell, "cell-loop", "double loop"),
    "cell-index": partial(_cell, "cell-index", "index_add_"),
    "cell-autograd": partial(_cell, "cell-autograd", "autograd"),
    "sizes": _sizes,
    "evaluation": partial(_evaluation, "evaluation", "every row", every_row),
    "contexts": partial(_evaluation, "contexts", "distinct contexts", evaluate),
    "windows": _windows,
    "sampling": _sampling,
    "memory": _memory,
}
