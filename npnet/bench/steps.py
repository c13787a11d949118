"""How long npnet's work takes on this machine, and how long each part of a training step takes."""

import dataclasses
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from npnet.base import blas
from npnet.base.arrays import Ints
from npnet.corpora.datasets import build_dataset
from npnet.network.fast import Workspace
from npnet.network.parameters import Parameters
from npnet.recipes.named import RECIPES
from npnet.recipes.recipe import Recipe
from npnet.torch_rng.generator import Generator
from npnet.training.batchnorm import calibrate
from npnet.training.evaluation import evaluate
from npnet.training.fit import begin
from npnet.training.sample import sample
from npnet.training.sgd import compact, draw_rows, minibatches, train_blocks

FEWEST = 5  # every median is of at least as many measurements
NAMES = 1000  # names to sample
# Training steps before anything is timed. An untrained model gives longer names, and sampling them
# takes longer.
WARM = 5_000
DIFFERENT = 32  # minibatches; their steps are timed piece by piece, again and again
SETTINGS = ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")


class Figures(NamedTuple):
    """The results of ``bench``, in seconds."""

    clock: str  # "processor" (other programs do not change it much), or "wall"
    step: float  # one step of training, including its minibatch and its loss
    parts: dict[str, float]  # the parts of this step
    pieces: dict[str, float]  # the pieces of a step of npnet.network.fast, by the wall clock
    work: dict[str, float]  # windows of all words, calibration, evaluation, sampling


def machine() -> dict[str, str]:
    """The things that timings depend on: CPU, BLAS, its kernels, NumPy, environment variables."""
    chosen = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    return {"CPU": _cpu(), "BLAS": blas.describe(), "NumPy": np.__version__, **chosen}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def bench(
    words: Sequence[str],
    *,
    hidden: int = 200,
    batch: int = 32,
    seconds: float = 1.0,
    threads: int = 1,
) -> Figures:
    """Time a training step, its parts, and the work with a trained model.

    Args:
        words: at least 10, of which 80 % are the training set.
        hidden, batch: H and n; all other numbers are the lecture's.
        seconds: the least time to measure each figure.
        threads: threads of the BLAS. With more than one, the wall clock is read, because the
            processor's time is the sum over all threads.

    Raises:
        InputError: words or sizes that cannot be used.
    """
    recipe = endless(hidden, batch)
    vocab, examples, params, g = begin(recipe, words)
    X, Y = examples["train"]
    clock = time.process_time if threads == 1 else time.perf_counter

    def timed(work: Callable[[], object]) -> float:
        return _median(work, clock, seconds)

    with blas.limited(threads):
        blocks = train_blocks(recipe, params, X, Y, g)
        ahead = len(next(blocks))  # steps that training prepares at once
        for _ in range(WARM // ahead):
            next(blocks)
        step = timed(lambda: next(blocks)) / ahead
        parts = _parts(recipe, params, X, Y, g, ahead, clock, seconds)
        pieces = step_pieces(recipe, params, X, Y, g, seconds)
        stats = calibrate(params, X, recipe.eps)
        work = {
            f"windows of {len(words):,} words": lambda: build_dataset(words, vocab),
            f"calibration over {len(X):,} examples": lambda: calibrate(params, X),
            f"evaluation of {len(X):,} examples": lambda: evaluate(params, stats, X, Y),
            f"sampling {NAMES:,} names": lambda: sample(params, stats, vocab, NAMES),
        }
        return Figures(
            clock="processor" if clock is time.process_time else "wall",
            step=step,
            parts=parts,
            pieces=pieces,
            work={name: timed(job) for name, job in work.items()},
        )


def endless(hidden: int, batch: int) -> Recipe:
    """The lecture's recipe with other sizes, one rate, and more steps than any timing needs."""
    lecture = RECIPES["lecture"]
    return dataclasses.replace(
        lecture, name="bench", hidden=hidden, batch=batch, steps=10**9, rates=lecture.rates[:1]
    )


def step_pieces(
    recipe: Recipe, params: Parameters, X: Ints, Y: Ints, g: Generator, seconds: float = 1.0
) -> dict[str, float]:
    """The median seconds of each piece of a step of ``npnet.network.fast``.

    The methods that make up a step are called one after the other, and the clock is read between
    them.

    Args:
        recipe: for eps, rate, batch, and the names of the trained parameters.
        params: not changed.
        X, Y: the training set, (N, T) and (N,).
        g: draws minibatches.
        seconds: the least time to measure.
    """
    workspace = Workspace(params, recipe.batch, recipe.eps, recipe.trained)
    rows = draw_rows(recipe, len(X), g, DIFFERENT)
    workspace.load(X[rows], Y[rows])
    pieces: dict[str, Callable[[int], None]] = {
        "forward: contexts to h": workspace.compute_h,
        "forward: h to probabilities": workspace.compute_probs,
        "backward: all gradients": lambda k: workspace.go_back(k, -recipe.rate(0)),
        "update of the parameters": lambda k: workspace.update(),
    }
    readings: list[list[int]] = []
    end = time.perf_counter() + seconds
    while not readings or time.perf_counter() < end:
        for k in range(DIFFERENT):
            marks = [time.perf_counter_ns()]
            for piece in pieces.values():
                piece(k)
                marks.append(time.perf_counter_ns())
            readings.append(marks)
    spans = np.median(np.diff(readings), axis=0) * 1e-9
    return dict(zip(pieces, spans.tolist(), strict=True))


def _parts(
    recipe: Recipe,
    params: Parameters,
    X: Ints,
    Y: Ints,
    g: Generator,
    ahead: int,
    clock: Callable[[], float],
    seconds: float,
) -> dict[str, float]:
    """The seconds of each part of a block of training, divided by the steps of the block.

    The block runs here as in training.
    """
    workspace = Workspace(params, recipe.batch, recipe.eps, recipe.trained)
    trained = params.copy()
    examples = compact(X, Y, params.sizes["V"])
    readings: list[list[float]] = []
    end = time.perf_counter() + seconds
    while len(readings) < FEWEST or time.perf_counter() < end:
        marks = [clock()]
        Xb, Yb = minibatches(examples, draw_rows(recipe, len(X), g, ahead))
        marks.append(clock())
        workspace.load(Xb, Yb)
        marks.append(clock())
        for k in range(ahead):
            workspace.step(k, recipe.rate(k))
        marks.append(clock())
        workspace.losses(0, ahead)
        workspace.store(trained)
        readings.append([*marks, clock()])
    names = ("drawing and gathering minibatches", "preparing them", "steps", "losses, storing")
    shares = np.median(np.diff(readings), axis=0) / ahead
    return dict(zip(names, shares.tolist(), strict=True))


def _median(work: Callable[[], object], clock: Callable[[], float], seconds: float) -> float:
    """The median time of ``work``, which is repeated for at least ``seconds``."""
    spans: list[float] = []
    end = time.perf_counter() + seconds
    while len(spans) < FEWEST or time.perf_counter() < end:
        begun = clock()
        work()
        spans.append(clock() - begun)
    return median(spans)
