"""Running a recipe in torch: torch's generator draws, and its autograd differentiates.

``replay`` uses the small functions above it and those of ``oracle.initialization``; comparisons and
timings call them too. They take and return NumPy arrays, and ``begin`` checks their arguments.
Steps are written as in the lecture. The caller sets ``torch.set_num_threads``, because it changes
the whole process. One thread is best: on two busy cores, 2,000 steps of the lecture's recipe took
2.3 s with one thread and 67 s with two (torch 2.13).
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from npnet.base.equality import EqualFields
from npnet.base.errors import DivergedError, InputError
from npnet.recipes.recipe import Recipe
from oracle.initialization import draw_all, split_examples
from oracle.initialization import draw_parameters as draw_parameters
from oracle.initialization import seeded as seeded
from oracle.lines import Array, array_of, tensor_of
from oracle.whole import whole

Arrays = Mapping[str, Array]
Tensors = Mapping[str, Tensor]


class Batch(NamedTuple):
    """One minibatch of the training set."""

    rows: Array  # (n,)
    X: Array  # (n, T), contexts of those rows
    Y: Array  # (n,), their targets


class Step(NamedTuple):
    """One step of training."""

    step: int  # from 0
    rows: Array  # (n,), the minibatch
    loss: float  # before the update


class Stats(NamedTuple):
    """The mean and variance that replace a minibatch's own after training."""

    mean: Array  # (1, H)
    var: Array  # (1, H)
    eps: float


class Running:
    """Running averages of the minibatches' means and spreads (variances or deviations).

    They begin at 0 and 1. The weight of the newest minibatch is the momentum; for ``last-batch``,
    it is 1.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.deviation = recipe.statistics == "running-std"
        self.mean = np.zeros((1, recipe.hidden), recipe.dtype)
        self.spread = np.ones((1, recipe.hidden), recipe.dtype)

    def update(self, mean: Array, var: Array) -> None:
        new = 1.0 if self.recipe.statistics == "last-batch" else self.recipe.momentum
        spread = np.sqrt(var) if self.deviation else var
        self.mean = (1 - new) * self.mean + new * mean
        self.spread = (1 - new) * self.spread + new * spread

    def stats(self) -> Stats:
        return Stats(self.mean, self.spread**2 if self.deviation else self.spread, self.recipe.eps)


def train(
    recipe: Recipe,
    params: Arrays,
    X: Array,
    Y: Array,
    minibatches: Iterable[Array],
    running: Running,
) -> Iterator[Step]:
    """Plain gradient descent, one step for each of ``minibatches``, which are rows of ``X``.

    ``params`` and ``running`` are changed in place, before the step is yielded.

    Raises:
        DivergedError: at the first loss that is not finite; ``params`` stay as before that step.
        InputError: a parameter is read-only.
    """
    if fixed := [name for name, array in params.items() if not array.flags.writeable]:
        raise InputError(f"oracle train: {fixed[0]} is read-only, wanted arrays to change: copy")
    p = {name: torch.from_numpy(array).requires_grad_() for name, array in params.items()}
    for step, rows in enumerate(minibatches):
        hprebn = _hprebn(p, tensor_of(X[rows]))
        mean = hprebn.mean(0, keepdim=True)
        var = hprebn.var(0, keepdim=True, unbiased=True)
        if recipe.variance == "biased":
            logits = _module_logits(p, hprebn, recipe.eps)
        elif recipe.training_statistics == "batch":
            logits = _logits(p, hprebn, mean, var, recipe.eps)
        else:
            before = running.stats()
            bnmean, bnvar = tensor_of(before.mean), tensor_of(before.var)
            logits = _logits(p, hprebn, bnmean, bnvar, recipe.eps)
        loss = F.cross_entropy(logits, tensor_of(Y[rows]))
        if not math.isfinite(loss.item()):  # after the step before, parameters may not be finite
            raise DivergedError(step, loss.item(), rate(recipe, max(step - 1, 0)), recipe.eps)
        lr = rate(recipe, step)
        grads = torch.autograd.grad(loss, list(p.values()))
        for (name, parameter), grad in zip(p.items(), grads, strict=True):
            if name in recipe.trained:
                parameter.data += -lr * grad
        running.update(array_of(mean), array_of(var))
        yield Step(step, rows, loss.item())


def rate(recipe: Recipe, step: int) -> float:
    """The learning rate of a step; Python computes a formula."""
    if not isinstance(recipe.rates, str):
        return recipe.rate(step)
    named = {name: getattr(math, name) for name in dir(math) if not name.startswith("_")}
    scope = {"__builtins__": {}, **named, "abs": abs, "min": min, "max": max, "i": step}
    return float(eval(recipe.rates, scope)) * recipe.decay**step


def calibrate(params: Arrays, X: Array, eps: float) -> Stats:
    """Mean and unbiased variance of ``hprebn`` over a whole training set (N, T)."""
    hprebn = _hprebn({name: tensor_of(array) for name, array in params.items()}, tensor_of(X))
    mean = hprebn.mean(0, keepdim=True)
    var = hprebn.var(0, keepdim=True, unbiased=True)
    return Stats(array_of(mean), array_of(var), eps)


def split_loss(params: Arrays, stats: Stats, X: Array, Y: Array) -> float:
    """Mean cross-entropy of a split (N, T), (N,) under fixed statistics."""
    return float(F.cross_entropy(_predict(params, stats, X), tensor_of(Y)).item())


def sample(
    params: Arrays,
    stats: Stats | None,
    chars: str,
    count: int,
    g: torch.Generator,
    longest: int = 100,
) -> list[str]:
    """``count`` names; a name that does not end within ``longest`` characters gets a ``…``.

    Without ``stats``, the batch normalisation is left out.
    """
    block_size = len(params["W1"]) // params["C"].shape[1]
    names = []
    for _ in range(count):
        out: list[str] = []
        context = [0] * block_size
        while len(out) < longest:
            probs = F.softmax(_predict(params, stats, np.array([context])), dim=1)
            ix = int(torch.multinomial(probs, num_samples=1, generator=g).item())
            if ix == 0:
                break
            context = context[1:] + [ix]  # noqa: RUF005
            out.append(chars[ix])
        else:
            out.append("…")
        names.append("".join(out))
    return names


def _hprebn(p: Tensors, X: Tensor) -> Tensor:
    return p["C"][X].view(len(X), -1) @ p["W1"] + p["b1"]


def _module_logits(p: Tensors, hprebn: Tensor, eps: float) -> Tensor:
    """The logits with ``nn.BatchNorm1d`` in training mode."""
    gain, bias = p["bngain"][0], p["bnbias"][0]
    hpreact = F.batch_norm(hprebn, None, None, gain, bias, training=True, eps=eps)
    return torch.tanh(hpreact) @ p["W2"] + p["b2"]


def _logits(p: Tensors, hprebn: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    bnraw = (hprebn - mean) * (var + eps) ** -0.5
    h = torch.tanh(p["bngain"] * bnraw + p["bnbias"])
    return h @ p["W2"] + p["b2"]


def _predict(params: Arrays, stats: Stats | None, X: Array) -> Tensor:
    p = {name: tensor_of(array) for name, array in params.items()}
    if stats is None:
        return torch.tanh(_hprebn(p, tensor_of(X))) @ p["W2"] + p["b2"]
    mean, var = tensor_of(stats.mean), tensor_of(stats.var)
    return _logits(p, _hprebn(p, tensor_of(X)), mean, var, stats.eps)


class Start(NamedTuple):
    """The state of a run before its first step."""

    chars: str  # the V characters, "." first
    examples: dict[str, tuple[Array, Array]]  # contexts and targets of train, dev and test
    params: dict[str, Array]  # as drawn
    minibatches: Iterator[Array]  # the rows (n,) of every step


def begin(recipe: Recipe, words: Sequence[str]) -> Start:
    """Draw everything, before any training. The errors are those of ``replay``."""
    usable = not isinstance(words, str) and all(isinstance(word, str) for word in words)
    if not usable or len(words) < 10 or not any(words) or "." in "".join(words):
        raise InputError(
            "oracle.replay: words that cannot be used, wanted a list of 10 or more, without the "
            "end mark '.' in any of them"
        )
    chars = "." + "".join(sorted(set("".join(words))))
    g = seeded(recipe.seed)
    examples = split_examples(recipe, words, chars, g)
    return Start(chars, examples, *draw_all(recipe, len(chars), len(examples["train"][0]), g))


@dataclass(frozen=True, eq=False)
class Replay(EqualFields):
    """A run in torch, in NumPy arrays."""

    recipe: Recipe
    chars: str  # the V characters, "." first
    params: dict[str, Array]  # as drawn
    trained: dict[str, Array]  # after the last step
    first_batch: Batch  # of step 0
    values: dict[str, Any]  # of oracle.whole for params and first_batch
    gradients: dict[str, Array]  # of oracle.whole too
    minibatches: Array  # (steps, n) int64, the rows that each step was given
    losses: Array  # (steps,), before each update
    stats: Stats  # of the recipe's kind
    split_losses: dict[str, float]  # of train, dev and test, by trained and stats

    def samples(self, count: int = 20) -> list[str]:
        """``count`` names of the trained model, from a new generator with the sample seed."""
        recipe = self.recipe
        if recipe.sampler != "torch":
            raise InputError(f"oracle: sampler {recipe.sampler!r}, wanted that of this torch")
        g = seeded(recipe.sample_seed)
        stats = None if recipe.sampling == "plain" else self.stats
        return sample(self.trained, stats, self.chars, count, g)


def replay(recipe: Recipe, words: Sequence[str], *, steps: int | None = None) -> Replay:
    """The run of ``npnet.fit(recipe, words)``, drawn and differentiated by torch.

    Args:
        recipe: every number of the run.
        words: at least 10, without the end mark ``.``.
        steps: stop after this number, from 0 to ``recipe.steps``; None: all steps.

    Raises:
        InputError: the words or the number of steps cannot be used.
        DivergedError: a loss was not finite; ``error.losses`` has the losses before it.
    """
    steps = recipe.steps if steps is None else steps
    if not 0 <= steps <= recipe.steps:
        raise InputError(f"oracle.replay: steps {steps}, wanted 0 to {recipe.steps} as the recipe")
    chars, examples, params, minibatches = begin(recipe, words)
    X, Y = examples["train"]
    rows = next(minibatches)
    values, gradients = whole(params, X[rows], Y[rows], recipe.eps)

    trained = {name: array.copy() for name, array in params.items()}
    taken = np.empty((steps, recipe.batch), np.int64)
    losses = np.empty(steps, recipe.dtype)
    running = Running(recipe)
    due = itertools.islice(itertools.chain([rows], minibatches), steps)
    try:
        for step in train(recipe, trained, X, Y, due, running):
            taken[step.step], losses[step.step] = step.rows, step.loss
    except DivergedError as error:
        error.losses = losses[: error.step]
        raise
    whole_set = recipe.statistics in ("whole-set", "own-rows")
    stats = calibrate(trained, X, recipe.eps) if whole_set else running.stats()
    of_split = dict.fromkeys(examples, stats)
    if recipe.statistics == "own-rows":
        of_split = {part: calibrate(trained, x, recipe.eps) for part, (x, _) in examples.items()}
    return Replay(
        recipe=recipe,
        chars=chars,
        params=params,
        trained=trained,
        first_batch=Batch(rows, X[rows], Y[rows]),
        values=values,
        gradients=gradients,
        minibatches=taken,
        losses=losses,
        stats=stats,
        split_losses={
            part: split_loss(trained, of_split[part], *XY) for part, XY in examples.items()
        },
    )
