"""The loops whose time is compared with npnet's, as people write them in torch and in jax.

A training loop is an endless generator: each ``next`` takes ``stretch`` more steps and returns
their losses. All loops draw the same minibatches from the same seed, so that losses can be
compared.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from npnet.network.names import PARAMETER_NAMES
from oracle.initialization import seeded, window_lists
from oracle.lines import Array, tensor_of
from oracle.replay import Stats


class Task(NamedTuple):
    """The arguments of every training loop. It copies the arrays."""

    params: Mapping[str, Array]
    X: Array  # (N, T), the training set
    Y: Array  # (N,)
    batch: int  # rows of a minibatch, n
    eps: float
    lr: float
    seed: int  # the seed of the minibatches
    stretch: int  # steps of each next


Losses = Iterator[list[float]]


def eager(task: Task) -> Losses:
    """Autograd on plain tensors, as in the lecture before its gradients by hand."""
    parameters = _parameters(task)
    C, W1, b1, W2, b2, bngain, bnbias = parameters
    for p in parameters:
        p.requires_grad = True
    X, Y, g = tensor_of(task.X), tensor_of(task.Y), seeded(task.seed)
    while True:
        losses = []
        for _ in range(task.stretch):
            ix = torch.randint(0, len(X), (task.batch,), generator=g)
            Xb, Yb = X[ix], Y[ix]
            embcat = C[Xb].view(len(Xb), -1)
            hprebn = embcat @ W1 + b1
            bnmean = hprebn.mean(0, keepdim=True)
            bnvar = hprebn.var(0, keepdim=True, unbiased=True)
            bnraw = (hprebn - bnmean) * (bnvar + task.eps) ** -0.5
            h = torch.tanh(bngain * bnraw + bnbias)
            logits = h @ W2 + b2
            loss: Any = F.cross_entropy(logits, Yb)
            for p in parameters:
                p.grad = None
            loss.backward()
            for p in parameters:
                assert p.grad is not None
                p.data += -task.lr * p.grad
            losses.append(loss.item())
        yield losses


def module(task: Task) -> Losses:
    """Torch's own layers and optimiser.

    ``BatchNorm1d`` divides the variance by n, not n−1. If the gain is multiplied by the square root
    of (n−1)/n, and eps by (n−1)/n, the forward pass is the same. Only the rate of the gain is then
    n/(n−1) times as large. The layer keeps no running statistics, because npnet's step keeps none.
    """
    C, W1, b1, W2, b2, bngain, bnbias = _parameters(task)
    (V, E), (TE, H) = C.shape, W1.shape
    bessel = (task.batch - 1) / task.batch
    model = nn.Sequential(
        nn.Embedding(V, E),
        nn.Flatten(),
        nn.Linear(TE, H),
        nn.BatchNorm1d(H, eps=task.eps * bessel, track_running_stats=False),
        nn.Tanh(),
        nn.Linear(H, V),
    )
    values = (C, W1.T, b1, bngain[0] * bessel**0.5, bnbias[0], W2.T, b2)
    with torch.no_grad():
        for p, value in zip(model.parameters(), values, strict=True):
            p.copy_(value)
    optimizer = torch.optim.SGD(model.parameters(), lr=task.lr)
    X, Y, g = tensor_of(task.X), tensor_of(task.Y), seeded(task.seed)
    while True:
        losses = []
        for _ in range(task.stretch):
            ix = torch.randint(0, len(X), (task.batch,), generator=g)
            loss: Any = F.cross_entropy(model(X[ix]), Y[ix])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        yield losses


def manual(task: Task) -> Losses:
    """The lecture's last exercise as it was published: gradients by hand, dC row by row."""
    parameters = _parameters(task)
    C = parameters[0]
    for p in parameters:
        p.requires_grad = True
    X, Y, g, n = tensor_of(task.X), tensor_of(task.Y), seeded(task.seed), task.batch
    while True:
        lossi = []
        with torch.no_grad():
            for _ in range(task.stretch):
                ix = torch.randint(0, len(X), (n,), generator=g)
                Xb, Yb = X[ix], Y[ix]
                loss, grads, demb = _by_hand(parameters, Xb, Yb, task.eps)
                for p in parameters:
                    p.grad = None
                dC = torch.zeros_like(C)
                for k in range(Xb.shape[0]):
                    for j in range(Xb.shape[1]):
                        dC[Xb[k, j]] += demb[k, j]
                for p, grad in zip(parameters, [dC, *grads], strict=True):
                    p.data += -task.lr * grad
                lossi.append(loss.log10().item())
        yield [10**loss for loss in lossi]


def compiled(task: Task) -> Losses:
    """The whole step by hand, update included, as one function for ``torch.compile``."""
    parameters = _parameters(task)
    X, Y, g = tensor_of(task.X), tensor_of(task.Y), seeded(task.seed)

    def step(ix: Tensor) -> Tensor:
        Xb, Yb = X[ix], Y[ix]
        loss, grads, demb = _by_hand(parameters, Xb, Yb, task.eps)
        dC = torch.zeros_like(parameters[0]).index_add(0, Xb.view(-1), demb.view(Xb.numel(), -1))
        for p, grad in zip(parameters, [dC, *grads], strict=True):
            p -= task.lr * grad
        return loss

    compiled_step: Callable[[Tensor], Tensor] = torch.compile(step)
    while True:
        losses = []
        with torch.no_grad():
            for _ in range(task.stretch):
                ix = torch.randint(0, len(X), (task.batch,), generator=g)
                losses.append(compiled_step(ix).item())
        yield losses


def jax_steps(task: Task) -> Losses:
    """A step differentiated and compiled by jax, called from Python."""
    jax, step, state, rows = _jax(task)
    run = jax.jit(step)
    while True:
        losses = []
        for ix in rows():
            state, loss = run(state, ix)
            losses.append(loss)
        # the losses are read only here, so that jax can run ahead
        yield [float(loss) for loss in losses]


def jax_scan(task: Task) -> Losses:
    """The same step, with all steps of a stretch compiled into one loop."""
    jax, step, state, rows = _jax(task)
    run = jax.jit(lambda state, rows: jax.lax.scan(step, state, rows))
    while True:
        state, losses = run(state, rows())
        yield losses.tolist()


def evaluation(
    params: Mapping[str, Array], stats: Stats, X: Array, Y: Array
) -> Callable[[], float]:
    """The loss of a whole split at once, as in the lecture. Tensors are made before the timing."""
    C, W1, b1, W2, b2, bngain, bnbias = (tensor_of(params[name]) for name in PARAMETER_NAMES)
    bnmean, bnvar, x, y = (tensor_of(array) for array in (stats.mean, stats.var, X, Y))

    @torch.no_grad()
    def split_loss() -> float:
        hprebn = C[x].view(len(x), -1) @ W1 + b1
        hpreact = bngain * (hprebn - bnmean) * (bnvar + stats.eps) ** -0.5 + bnbias
        logits = torch.tanh(hpreact) @ W2 + b2
        return F.cross_entropy(logits, y).item()

    return split_loss


def windows(words: Sequence[str], chars: str, block_size: int) -> tuple[Tensor, Tensor]:
    """Contexts and targets: lists, character by character, and then two tensors."""
    X, Y = window_lists(words, chars, block_size)
    return torch.tensor(X), torch.tensor(Y)


def sampling(
    params: Mapping[str, Array], stats: Stats, chars: str, count: int, seed: int
) -> Callable[[], list[str]]:
    """``count`` names, a forward pass for each character. Tensors are made before the timing."""
    C, W1, b1, W2, b2, bngain, bnbias = (tensor_of(params[name]) for name in PARAMETER_NAMES)
    bnmean, bnvar = tensor_of(stats.mean), tensor_of(stats.var)
    block_size = len(W1) // C.shape[1]

    @torch.no_grad()
    def names() -> list[str]:
        g = seeded(seed)
        found = []
        for _ in range(count):
            out = []
            context = [0] * block_size
            while True:
                embcat = C[torch.tensor([context])].view(1, -1)
                hprebn = embcat @ W1 + b1
                hpreact = bngain * (hprebn - bnmean) * (bnvar + stats.eps) ** -0.5 + bnbias
                logits = torch.tanh(hpreact) @ W2 + b2
                probs = F.softmax(logits, dim=1)
                ix = int(torch.multinomial(probs, num_samples=1, generator=g).item())
                if ix == 0:
                    break
                context = context[1:] + [ix]  # noqa: RUF005
                out.append(chars[ix])
            found.append("".join(out))
        return found

    return names


def _parameters(task: Task) -> list[Tensor]:
    return [tensor_of(task.params[name]) for name in PARAMETER_NAMES]


def _by_hand(
    parameters: list[Tensor], Xb: Tensor, Yb: Tensor, eps: float
) -> tuple[Tensor, list[Tensor], Tensor]:
    """The loss, the gradients of all parameters except C, and demb, as in the last exercise."""
    C, W1, b1, W2, b2, bngain, bnbias = parameters
    n = len(Xb)
    emb = C[Xb]
    embcat = emb.view(n, -1)
    hprebn = embcat @ W1 + b1
    bnmean = hprebn.mean(0, keepdim=True)
    bnvar = hprebn.var(0, keepdim=True, unbiased=True)
    bnvar_inv = (bnvar + eps) ** -0.5
    bnraw = (hprebn - bnmean) * bnvar_inv
    h = torch.tanh(bngain * bnraw + bnbias)
    logits = h @ W2 + b2
    loss = F.cross_entropy(logits, Yb)

    dlogits = F.softmax(logits, 1)
    dlogits[range(n), Yb] -= 1
    dlogits /= n
    dh = dlogits @ W2.T
    dhpreact = (1.0 - h**2) * dh
    dbngain = (bnraw * dhpreact).sum(0, keepdim=True)
    dbnbias = dhpreact.sum(0, keepdim=True)
    inner = n * dhpreact - dhpreact.sum(0) - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0)
    dhprebn = bngain * bnvar_inv / n * inner
    dembcat = dhprebn @ W1.T
    grads = [embcat.T @ dhprebn, dhprebn.sum(0), h.T @ dlogits, dlogits.sum(0), dbngain, dbnbias]
    return loss, grads, dembcat.view(emb.shape)


def _jax(task: Task) -> tuple[Any, Callable[[Any, Any], Any], Any, Callable[[], Any]]:
    """Jax, a step for it, the parameters, and a function that draws the rows of a stretch."""
    # One thread, as for all others. jax reads this once, when it starts. With two threads, a step
    # of
    # the scan took 121 µs of processor time instead of 66, and the same time by the wall clock.
    os.environ.setdefault("NPROC", "1")
    import jax
    import jax.numpy as jnp

    X, Y, g = jnp.asarray(task.X), jnp.asarray(task.Y), seeded(task.seed)

    def loss_of(params: Any, Xb: Any, Yb: Any) -> Any:
        C, W1, b1, W2, b2, bngain, bnbias = params
        hprebn = C[Xb].reshape(len(Xb), -1) @ W1 + b1
        bnraw = (hprebn - hprebn.mean(0)) * (hprebn.var(0, ddof=1) + task.eps) ** -0.5
        logits = jnp.tanh(bngain * bnraw + bnbias) @ W2 + b2
        return -jax.nn.log_softmax(logits)[jnp.arange(len(Yb)), Yb].mean()

    def step(params: Any, ix: Any) -> tuple[Any, Any]:
        loss, grads = jax.value_and_grad(loss_of)(params, X[ix], Y[ix])
        return [p - task.lr * grad for p, grad in zip(params, grads, strict=True)], loss

    def rows() -> Any:
        return torch.randint(0, len(X), (task.stretch, task.batch), generator=g).numpy()

    return jax, step, [jnp.asarray(task.params[name]) for name in PARAMETER_NAMES], rows
