"""npnet.tensors without torch: what notebooks do with it."""

import copy
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from exercise_notebook import FORWARD, LINES, NETWORK
from hypothesis import given
from hypothesis import strategies as st

import npnet
import npnet.tensors as torch
from npnet.base.arrays import Array
from npnet.network.names import PARAMETER_NAMES
from npnet.tensors import autograd, random
from npnet.tensors import functional as F

# Torch computes infinities silently. Pytest's filters come before the one of npnet.tensors.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

CELL = f"""
vocab_size, block_size = 27, 3
{NETWORK}
Xb = torch.randint(0, 27, (n, 3), generator=g)
Yb = torch.randint(0, 27, (n,), generator=g)
{FORWARD}
"""
# The tensors between the parameters and the loss, which keep their gradients.
NAMED = [name[1:] for name in LINES if name[1:] not in PARAMETER_NAMES]


def ran() -> dict[str, Any]:
    names: dict[str, Any] = {"torch": torch, "F": F, "n": 32}
    exec(CELL, names)
    return names


def array(value: object) -> Array:
    assert isinstance(value, torch.Tensor)
    return np.asarray(value.detach().numpy())


def test_the_lecture_has_npnets_own_gradients() -> None:
    names = ran()
    params = npnet.Parameters(
        **{name: array(names[name]) for name in ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias")}
    )
    values = npnet.forward(params, array(names["Xb"]), array(names["Yb"]))
    grads = npnet.backward(values)
    assert abs(float(values.loss) - names["loss"].item()) < 1e-6
    for name in npnet.GRADIENTS:
        mine = array(names[name].grad)
        assert mine.shape == grads[name].shape
        assert mine.dtype == np.float32
        scale = max(float(np.abs(grads[name]).max()), 0.01)
        assert float(np.abs(mine - grads[name]).max()) < 1e-5 * scale


def test_draws_are_those_of_npnets_generator() -> None:
    g, core = torch.Generator().manual_seed(7), npnet.Generator(7)
    for shape in ((27, 10), (5,), (64,), (3,)):
        assert np.array_equal(torch.randn(shape, generator=g).numpy(), core.randn(shape))
    assert np.array_equal(torch.randint(0, 99, (32,), generator=g).numpy(), core.randint(0, 99, 32))


def test_observers_are_called_for_every_draw() -> None:
    heard: list[random.Draw] = []
    random.OBSERVERS.append(heard.append)
    try:
        g = torch.Generator().manual_seed(5)
        torch.randn(27, 10, generator=g)
        torch.randn((1, 64))
        torch.randint(0, 9, (4,), generator=g)
    finally:
        random.OBSERVERS.pop()
    assert [draw.default for draw in heard] == [False, True, False]
    assert [draw.kind for draw in heard] == ["randn", "randn", "randint"]
    assert [draw.shape for draw in heard] == [(27, 10), (1, 64), (4,)]
    # 270 numbers: blocks of 16 take 270 words, and the last 16 are drawn anew.
    assert (heard[0].before, heard[0].after) == (0, 286)
    assert heard[2].before == 286
    assert heard[2].after == 290


@given(st.integers(0, 2**64 - 1), st.integers(1, 40))
def test_a_state_goes_on_where_it_was(seed: int, size: int) -> None:
    g = torch.Generator().manual_seed(seed)
    torch.randn(size, generator=g)
    other = torch.Generator().set_state(g.get_state())
    assert torch.equal(torch.randn(size, generator=g), torch.randn(size, generator=other))
    assert g.initial_seed() == other.initial_seed() == seed
    bare = torch.tensor(g.get_state().tolist(), dtype=torch.uint8)  # as from a file
    assert torch.Generator().set_state(bare).used == g.used
    with pytest.raises(RuntimeError, match="5,056 bytes"):
        other.set_state(bare[1:])


def test_what_is_missing_says_its_name() -> None:
    for owner, name in (
        (torch, "fft"),
        (torch.ones(2), "cholesky"),
        (F, "conv2d"),
        (torch.nn, "Linear"),
    ):
        with pytest.raises(NotImplementedError, match=name):
            getattr(owner, name)
        assert not hasattr(owner, name)
        assert getattr(owner, name, None) is None


def test_imports_of_a_notebook_find_the_stand_in() -> None:
    code = (
        "import sys, npnet.tensors; sys.modules.update(npnet.tensors.modules())\n"
        "import torch, torch.nn.functional as F\nfrom torch import Tensor, nn, tensor\n"
        "from torch.nn import functional\nimport torch.nn as nn2\n"
        "assert F is functional is nn.functional is torch.nn.functional and nn is nn2\n"
        "assert F.softmax(tensor([1.0, 1.0]), 0).tolist() == [0.5, 0.5]\n"
        "assert isinstance(torch.ones(2), Tensor) and not torch.cuda.is_available()\n"
        "print(sorted(name for name in sys.modules if name.startswith('torch._C')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_infinities_and_nans_give_no_warning() -> None:
    code = (
        "import npnet.tensors as torch\n"
        "x = torch.zeros(2, requires_grad=True)\n"
        "(1 / x).sum().backward(); x.log(); (x / 0); torch.exp(x + 1000); (x + 3e38) * 10\n"
        "print(x.grad)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "tensor([-inf, -inf])\n"), done.stderr


def test_no_grad_has_three_forms() -> None:
    x = torch.ones(2, requires_grad=True)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def double() -> object:
        return x * 2

    @torch.no_grad  # type: ignore[untyped-decorator]
    def triple() -> object:
        return x * 3

    with torch.no_grad():
        inside = x * 4
        with torch.enable_grad():
            assert (x * 5).requires_grad
    torch.set_grad_enabled(False)
    off = x * 6
    torch.set_grad_enabled(True)
    for made in (double(), triple(), inside, off):
        assert not made.requires_grad
    assert (x * 7).requires_grad


def test_gradients_between_cuts_are_those_of_single_lines() -> None:
    names = ran()
    named = [names[name] for name in (*NAMED, "loss")]
    rng = np.random.default_rng(0)
    upstream = [rng.standard_normal(tuple(t.shape)).astype(np.float32) for t in named]
    by_name = dict(zip(map(id, named), upstream, strict=True))
    before = [t.grad.numpy().copy() for t in named[:-1]]
    (dh,) = autograd.vjp(named, upstream, [names["h"]], cut=named)
    assert dh is not None
    assert np.array_equal(dh, by_name[id(names["logits"])] @ array(names["W2"]).T)
    (dW2,) = autograd.vjp(named, upstream, [names["W2"]], cut=named)
    assert dW2 is not None
    assert np.array_equal(dW2, array(names["h"]).T @ by_name[id(names["logits"])])
    assert all(np.array_equal(t.grad.numpy(), g) for t, g in zip(named[:-1], before, strict=True))


def test_a_replay_in_double_has_npnets_double_gradients() -> None:
    names = ran()
    replay = autograd.replay([names["loss"]], dtype=np.float64)
    loss = replay.of(names["loss"])
    assert loss.dtype is torch.float64
    names_of_seven = ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias")
    params = npnet.Parameters(**{name: array(names[name]).astype(float) for name in names_of_seven})
    values = npnet.forward(params, array(names["Xb"]), array(names["Yb"]))
    grads = npnet.backward(values)
    assert abs(loss.item() - float(values.loss)) < 1e-14
    for name in npnet.GRADIENTS:
        tensor = replay.of(names[name])
        (gradient,) = autograd.vjp([loss], [np.ones(())], [tensor])
        assert gradient is not None
        assert float(np.abs(gradient - grads[name]).max()) < 1e-14


def test_the_tape_of_the_last_backward_stays() -> None:
    x = torch.ones(3, requires_grad=True)
    y = (x * 2).exp()
    y.sum().backward()
    assert [node.name() for node in autograd.LAST.nodes] == [
        "SumBackward0",
        "ExpBackward0",
        "MulBackward0",
    ]
    assert autograd.LAST.nodes[-1].inputs == (x,)
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()


def test_a_parameter_is_updated_in_place() -> None:
    p = torch.ones(2, requires_grad=True)
    memory = p.data_ptr()
    (p * p).sum().backward()
    p.data += -0.1 * p.grad
    assert (p.tolist(), p.data_ptr()) == ([pytest.approx(0.8)] * 2, memory)
    with pytest.raises(RuntimeError, match="leaf"):
        p += 1
    with torch.no_grad():
        p += 1
    assert p.requires_grad
    assert p.is_leaf


def test_an_alias_changes_with_its_tensor() -> None:
    dbndiff = torch.ones(2, 2)
    dhprebn = dbndiff
    dhprebn += 1
    assert dbndiff.tolist() == [[2, 2], [2, 2]]
    assert torch.equal(dbndiff.view(-1)[:2], dbndiff[0])
    dbndiff.T[0, 1] = 9
    assert dbndiff[1, 0].item() == 9
    assert dbndiff[[0, 1]].data_ptr() != dbndiff.data_ptr()


@pytest.mark.parametrize("recorded", [True, False])
def test_the_double_loop_adds_repeated_rows(recorded: bool) -> None:
    rng = np.random.default_rng(0)
    Xb = torch.tensor(rng.integers(0, 5, (8, 3)))
    demb = torch.tensor(rng.standard_normal((8, 3, 4)).astype(np.float32), requires_grad=recorded)
    dC = torch.zeros(5, 4)
    for k in range(Xb.shape[0]):
        for j in range(Xb.shape[1]):
            ix = Xb[k, j]
            dC[ix] += demb[k, j]
    wanted = torch.zeros(5, 4).index_add_(0, Xb.view(-1), demb.view(-1, 4))
    assert torch.equal(dC, wanted)
    assert dC.requires_grad is recorded
    if recorded:
        weights = torch.tensor(rng.standard_normal((5, 4)).astype(np.float32))
        (dC * weights).sum().backward()
        assert torch.equal(demb.grad, weights[Xb])


def test_tensors_are_copied_and_pickled() -> None:
    x = torch.tensor([1.5, 2.5], requires_grad=True)
    x.grad = torch.ones(2)
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert other.tolist() == x.tolist()
        assert other.requires_grad
        assert other.data_ptr() != x.data_ptr()
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(x * 2)


def test_comparing_with_none_is_a_plain_false() -> None:
    x = torch.ones(2)
    assert (x == None) is False  # noqa: E711
    with pytest.raises(TypeError, match="None"):
        torch.all(x == None)  # noqa: E711


def test_an_unseeded_default_generator_differs_between_processes() -> None:
    code = "import npnet.tensors as torch; print(torch.initial_seed())"
    seeds = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(seeds) == 2


def test_a_cuda_device_is_refused() -> None:
    with pytest.raises(RuntimeError, match="CPU"):
        torch.zeros(2, device="cuda")
    with pytest.raises(RuntimeError, match="CPU"):
        torch.zeros(2).to("cuda:0")
    assert str(torch.zeros(2).device) == "cpu"


def test_numpy_arrays_share_memory_where_torch_does() -> None:
    values = np.ones(3)
    x = torch.from_numpy(values)
    x[0] = 5
    assert values[0] == 5
    assert x.numpy() is values
    y = torch.tensor(values)
    y[1] = 7
    assert values[1] == 1


@pytest.mark.parametrize("rows", [[0, 3], [-1, 0]])
def test_rows_to_add_have_to_exist(rows: list[int]) -> None:
    target = torch.zeros(3, 2)
    with pytest.raises(RuntimeError, match="out of range for dimension 0 of size 3"):
        target.index_add_(0, torch.tensor(rows), torch.ones(2, 2))
    assert target.tolist() == [[0.0, 0.0]] * 3


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_loss_is_one_value_with_and_without_recording(
    count: int, classes: int, seed: int
) -> None:
    draws = np.random.default_rng(seed)
    logits = torch.tensor(draws.standard_normal((count, classes)).astype(np.float32))
    target = torch.tensor(draws.integers(0, classes, count))
    alone = F.cross_entropy(logits, target)
    recorded = F.cross_entropy(logits.clone().requires_grad_(), target)
    assert alone.item() == recorded.item()


def test_views_share_the_storage_of_their_base() -> None:
    x = torch.arange(6).view(2, 3)
    x.T.storage()[1] = 9
    assert list(x[1].storage()) == x.storage().tolist() == [0, 9, 2, 3, 4, 5]
    assert x.storage().data_ptr() == x.data_ptr()
    assert (len(x.storage()), x.storage().size(), x.storage().nbytes()) == (6, 6, 48)
    assert x.T.contiguous().storage().tolist() == [0, 3, 9, 4, 2, 5]
    assert x.storage()[-1] == 5
    assert repr(torch.tensor([0.5, 2]).storage()) == (
        " 0.5\n 2.0\n[torch.storage.TypedStorage(dtype=torch.float32, device=cpu) of size 2]"
    )
