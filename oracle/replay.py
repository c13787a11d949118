"""The run of a recipe in torch: drawn by its generator, differentiated by its autograd.

``replay`` composes the small functions above it, which comparisons and timings also call alone.
They take and return NumPy arrays, so that what is compared is plain numbers, and leave checking
to ``replay``. Steps are spelled as in the lecture. ``torch.set_num_threads`` is left to the
caller, whose whole process it holds for; 1 is best here: on two busy cores, 2,000 steps of the
lecture's recipe took 2.3 s with one thread and 67 s with two (torch 2.13).
"""

import itertools
import math
import operator
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from npnet.errors import DivergedError, InputError
from npnet.names import PARAMETER_NAMES, shape_of
from npnet.recipe import Recipe
from oracle.lines import Array, array_of, tensor_of
from oracle.whole import whole

Arrays = Mapping[str, Array]
Tensors = Mapping[str, Tensor]
OPERATIONS = {"*": operator.mul, "/": operator.truediv, "+": operator.add, "-": operator.sub}


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
    mean: Array  # (1, H), of the minibatch's hprebn
    var: Array  # (1, H), unbiased


class Stats(NamedTuple):
    """What takes the place of a minibatch's mean and variance after training."""

    mean: Array  # (1, H)
    var: Array  # (1, H)
    eps: float


def seeded(seed: int) -> torch.Generator:
    """Torch's CPU generator, as every notebook makes it."""
    return torch.Generator().manual_seed(seed)


def split(words: Sequence[str], seed: int) -> dict[str, list[str]]:
    """``train``, ``dev`` and ``test`` words: shuffled, then cut at 80 % and 90 %."""
    words = list(words)
    random.Random(seed).shuffle(words)
    n1 = int(0.8 * len(words))
    n2 = int(0.9 * len(words))
    return {"train": words[:n1], "dev": words[n1:n2], "test": words[n2:]}


def dataset(words: Sequence[str], chars: str, block_size: int) -> tuple[Array, Array]:
    """Contexts (N, T) and targets (N,), one for each character and each end of a word."""
    stoi = {ch: ix for ix, ch in enumerate(chars)}
    X, Y = [], []
    for word in words:
        context = [0] * block_size
        for ch in word + ".":
            ix = stoi[ch]
            X.append(context)
            Y.append(ix)
            context = context[1:] + [ix]  # noqa: RUF005
    return np.array(X, np.int64), np.array(Y, np.int64)


def draw_parameters(recipe: Recipe, V: int, g: torch.Generator) -> dict[str, Array]:
    """The seven parameters for ``V`` characters, drawn from ``g`` in the recipe's order.

    Drawn and scaled in float32 whatever the recipe's dtype, then cast to it. A ``b1`` that the
    recipe leaves out is zeros.
    """
    sizes = {"V": V, "E": recipe.embedding, "T": recipe.block_size, "H": recipe.hidden}
    params = {"b1": torch.zeros(recipe.hidden)}
    for draw in recipe.draws:
        shape = shape_of(draw.name, sizes)
        if draw.constant is not None:
            params[draw.name] = torch.full(shape, draw.constant, dtype=torch.float32)
            continue
        drawn = torch.randn(shape, generator=g, dtype=torch.float32)
        for step in draw.scale:
            operation, operand = OPERATIONS[step.strip()[0]], step.strip()[1:].strip()
            drawn = operation(drawn, _operand(operand, fan_in=shape[0]))
        params[draw.name] = drawn
    return {name: array_of(params[name]).astype(recipe.dtype) for name in PARAMETER_NAMES}


def _operand(text: str, fan_in: int) -> float:
    if text == "fan_in":
        return float(fan_in)
    if text == "sqrt(fan_in)":
        return math.sqrt(fan_in)
    over, _, under = text.partition("/")
    return float(over) / float(under or 1)


def minibatch(recipe: Recipe, N: int, g: torch.Generator) -> Array:
    """The rows (n,) of the next minibatch, out of ``N``."""
    return array_of(torch.randint(0, N, (recipe.batch,), generator=g))


def train(recipe: Recipe, params: Arrays, X: Array, Y: Array, g: torch.Generator) -> Iterator[Step]:
    """Plain gradient descent; ``params`` are changed in place, up to date at every step yielded.

    Raises:
        DivergedError: at the first loss that is not finite; ``params`` stay as before that step.
        InputError: a parameter is read-only.
    """
    if fixed := [name for name, array in params.items() if not array.flags.writeable]:
        raise InputError(f"oracle train: {fixed[0]} is read-only, wanted arrays to change: copy")
    p = {name: torch.from_numpy(array).requires_grad_() for name, array in params.items()}
    for step in range(recipe.steps):
        rows = minibatch(recipe, len(X), g)
        hprebn = _hprebn(p, tensor_of(X[rows]))
        mean = hprebn.mean(0, keepdim=True)
        var = hprebn.var(0, keepdim=True, unbiased=True)
        loss = F.cross_entropy(_logits(p, hprebn, mean, var, recipe.eps), tensor_of(Y[rows]))
        lr = recipe.rate(step)
        if not math.isfinite(loss.item()):
            raise DivergedError(step, loss.item(), lr)
        grads = torch.autograd.grad(loss, list(p.values()))
        for (name, parameter), grad in zip(p.items(), grads, strict=True):
            if name in recipe.trained:
                parameter.data += -lr * grad
        yield Step(step, rows, loss.item(), array_of(mean), array_of(var))


class Running:
    """Averages of the minibatches' means and spreads (variances or deviations), kept beside
    training: from 0 and 1, each step moves them by the momentum, 1 for ``last-batch``."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.deviation = recipe.statistics == "running-std"
        self.mean = np.zeros((1, recipe.hidden), recipe.dtype)
        self.spread = np.ones((1, recipe.hidden), recipe.dtype)

    def update(self, step: Step) -> None:
        new = 1.0 if self.recipe.statistics == "last-batch" else self.recipe.momentum
        spread = np.sqrt(step.var) if self.deviation else step.var
        self.mean = (1 - new) * self.mean + new * step.mean
        self.spread = (1 - new) * self.spread + new * spread

    def stats(self) -> Stats:
        return Stats(self.mean, self.spread**2 if self.deviation else self.spread, self.recipe.eps)


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
    params: Arrays, stats: Stats, chars: str, count: int, g: torch.Generator, longest: int = 100
) -> list[str]:
    """``count`` names; one of ``longest`` characters that the model has not ended gets a ``…``."""
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


def _logits(p: Tensors, hprebn: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    bnraw = (hprebn - mean) * (var + eps) ** -0.5
    h = torch.tanh(p["bngain"] * bnraw + p["bnbias"])
    return h @ p["W2"] + p["b2"]


def _predict(params: Arrays, stats: Stats, X: Array) -> Tensor:
    p = {name: tensor_of(array) for name, array in params.items()}
    mean, var = tensor_of(stats.mean), tensor_of(stats.var)
    return _logits(p, _hprebn(p, tensor_of(X)), mean, var, stats.eps)


@dataclass(frozen=True)
class Replay:
    """A run in torch, in NumPy arrays."""

    recipe: Recipe
    chars: str  # the V characters, "." first
    params: dict[str, Array]  # as drawn
    trained: dict[str, Array]  # after the last step
    first_batch: Batch  # of step 0
    values: dict[str, Any]  # of oracle.whole for params and first_batch
    gradients: dict[str, Array]  # likewise
    minibatches: Array  # (steps, n) int64, the rows that each step was given
    losses: Array  # (steps,), before each update
    stats: Stats  # of the recipe's kind
    split_losses: dict[str, float]  # of train, dev and test, by trained and stats

    def samples(self, count: int = 20) -> list[str]:
        """``count`` names of the trained model, from the beginning of the sample seed's stream."""
        g = seeded(self.recipe.sample_seed)
        return sample(self.trained, self.stats, self.chars, count, g)


def replay(recipe: Recipe, words: Sequence[str], *, steps: int | None = None) -> Replay:
    """The run of ``npnet.fit(recipe, words)``, drawn and differentiated by torch.

    Args:
        recipe: every number of the run.
        words: at least 10, without the end mark ``.``.
        steps: stop after so many, from 0 to ``recipe.steps``; None is all of them.

    Raises:
        InputError: words or a number of steps that cannot be used.
        DivergedError: a loss was not finite; ``error.losses`` has those before it.
    """
    steps = recipe.steps if steps is None else steps
    if not 0 <= steps <= recipe.steps:
        raise InputError(f"oracle.replay: steps {steps}, wanted 0 to {recipe.steps} as the recipe")
    usable = not isinstance(words, str) and all(isinstance(word, str) for word in words)
    if not usable or len(words) < 10 or not any(words) or "." in "".join(words):
        raise InputError(
            "oracle.replay: words that cannot be used, wanted a list of 10 or more, without the "
            "end mark '.' in any of them"
        )
    parts = split(words, recipe.shuffle_seed)
    chars = "." + "".join(sorted(set("".join(words))))
    examples = {part: dataset(parts[part], chars, recipe.block_size) for part in parts}
    X, Y = examples["train"]

    g = seeded(recipe.seed)
    params = draw_parameters(recipe, len(chars), g)
    before = g.get_state()
    rows = minibatch(recipe, len(X), g)
    g.set_state(before)  # the first step draws them again
    values, gradients = whole(params, X[rows], Y[rows], recipe.eps)

    trained = {name: array.copy() for name, array in params.items()}
    minibatches = np.empty((steps, recipe.batch), np.int64)
    losses = np.empty(steps, recipe.dtype)
    running = Running(recipe)
    try:
        for step in itertools.islice(train(recipe, trained, X, Y, g), steps):
            minibatches[step.step], losses[step.step] = step.rows, step.loss
            running.update(step)
    except DivergedError as error:
        error.losses = losses[: error.step]
        raise
    whole_set = recipe.statistics == "whole-set"
    stats = calibrate(trained, X, recipe.eps) if whole_set else running.stats()
    return Replay(
        recipe=recipe,
        chars=chars,
        params=params,
        trained=trained,
        first_batch=Batch(rows, X[rows], Y[rows]),
        values=values,
        gradients=gradients,
        minibatches=minibatches,
        losses=losses,
        stats=stats,
        split_losses={part: split_loss(trained, stats, *XY) for part, XY in examples.items()},
    )
