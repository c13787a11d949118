"""Networks of users in torch: the four of the guide, written for torch and with its functions."""

from typing import Any

import numpy as np
import pytest
from own_networks import changed, networks

from npnet import InputError, Lines
from npnet.tensors.torch_words import in_torch_words

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

import oracle  # noqa: E402
from npnet.checks.line_check import network  # noqa: E402
from oracle.lines import LINES  # noqa: E402


def gelu(y: Any) -> Any:
    return F.gelu(y, approximate="tanh")


# The same networks as people write them in torch, with the names of the NumPy lines.
IN_TORCH: dict[str, dict[str, Any]] = {
    "attention_head": {
        "q": lambda v: v.x @ v.Wq,
        "k": lambda v: v.x @ v.Wk,
        "val": lambda v: v.x @ v.Wv,
        "scores": lambda v: v.q @ v.k.transpose(1, 2) * v.scale + v.mask,
        "e": lambda v: v.scores.exp(),
        "att": lambda v: v.e / v.e.sum(2, keepdim=True),
        "out": lambda v: v.att @ v.val,
    },
    "two_layers": {
        "z": lambda v: v.x @ v.W1 + v.b1,
        "mean": lambda v: v.z.mean(1, keepdim=True),
        "diff": lambda v: v.z - v.mean,
        "var": lambda v: (v.diff**2).mean(1, keepdim=True),
        "inv": lambda v: (v.var + v.eps) ** -0.5,
        "norm": lambda v: v.diff * v.inv,
        "y": lambda v: v.gain * v.norm + v.bias,
        "t": lambda v: torch.tanh((2 / torch.pi) ** 0.5 * (v.y + 0.044715 * v.y**3)),
        "h": lambda v: 0.5 * v.y * (1 + v.t),
        "logits": lambda v: v.h @ v.W2 + v.b2,
        "probs": lambda v: torch.softmax(v.logits, 1),
        "loss": lambda v: F.nll_loss(v.probs.log(), v.Y),
    },
    "convolution": {
        "patches": lambda v: v.x.unfold(2, 3, 1).unfold(3, 2, 1),
        "z": lambda v: torch.einsum("ncijkl,fckl->nfij", v.patches, v.K) + v.b[:, None, None],
        "h": lambda v: torch.relu(v.z),
        "out": lambda v: v.h.mean((2, 3)),
    },
    "rms_norm": {
        "square": lambda v: (v.x**2).mean(-1, keepdim=True),
        "inv": lambda v: torch.rsqrt(v.square + v.eps),
        "norm": lambda v: v.gain * v.x * v.inv,
        "gate": lambda v: v.norm @ v.W,
        "sigma": lambda v: torch.sigmoid(v.gate),
        "out": lambda v: v.gate * v.sigma,
    },
}


@pytest.mark.parametrize("name", IN_TORCH)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_agrees_with_gradients_by_hand(name: str, dtype: str) -> None:
    checked = oracle.lines_of(networks()[name], IN_TORCH[name]).check(dtype, seed=3)
    assert checked, checked
    assert checked.values is not None
    assert "torch's autograd" in str(checked)


@pytest.mark.parametrize("name", IN_TORCH)
def test_torch_agrees_with_the_complex_step(name: str) -> None:
    table = networks()[name]
    reference = oracle.lines_of(table, IN_TORCH[name])
    numerical = table.numerical()
    for gradient, array in reference.whole().items():
        np.testing.assert_allclose(numerical[gradient], array, rtol=1e-12, atol=1e-13)


def test_our_own_network_is_judged_by_the_same_rule() -> None:
    lines = {name: lambda v, line=line: line(_with_n(v)) for name, line in LINES.items()}
    checked = oracle.lines_of(network(), lines).check()
    assert checked, checked
    assert set(checked.whole.blind) == {"logit_maxes", "b1"}


def _with_n(v: Any) -> Any:
    v.n = len(v.Y)
    return v


def test_a_mistake_is_named_and_what_it_spoils() -> None:
    table = networks()["rms_norm"]
    gradients = {**table.gradients, "norm": lambda v, d: d.gate @ v.W.T * np.float32(1.00001)}
    checked = oracle.lines_of(changed(table, gradients=gradients), IN_TORCH["rms_norm"]).check()
    assert not checked
    assert checked.first_wrong == "norm"
    assert set(checked.isolation.inherited) <= {"gain", "inv", "square", "x"}


def test_a_forward_pass_that_differs_is_named() -> None:
    lines = {**IN_TORCH["two_layers"], "var": lambda v: (v.diff**2).sum(1, keepdim=True) / 5}
    checked = oracle.lines_of(networks()["two_layers"], lines).check("float64")
    assert checked.values is not None
    assert checked.values.failures[0].name == "var"
    assert [row.name for row in checked.alone.failures] == ["diff"]


WORDS = {
    "z": lambda v: v.x @ v.W + v.b,
    "h": lambda v: gelu(v.z),
    "p": lambda v: torch.softmax(v.h, dim=1),
    "loss": lambda v: -v.p.log()[torch.arange(len(v.Y)), v.Y].mean(),
}


def dgelu(z: Any) -> Any:
    c = (2 / np.pi) ** 0.5
    t = np.tanh(c * (z + 0.044715 * z**3))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t**2) * c * (1 + 3 * 0.044715 * z**2)


def onehot_difference(v: Any, d: Any) -> Any:
    dh = v.p.copy()
    dh[np.arange(len(v.Y)), v.Y] -= 1
    return d.loss * dh / len(v.Y)


def in_words(**gradients: Any) -> Lines:
    right: dict[str, Any] = {
        "h": onehot_difference,
        "z": lambda v, d: d.h * dgelu(v.z),
        "x": lambda v, d: d.z @ v.W.T,
        "W": lambda v, d: v.x.T @ d.z,
        "b": lambda v, d: d.z.sum(0),
    }
    return Lines(
        in_torch_words(WORDS),
        {"x": (6, 4), "W": (4, 5), "b": (5,), "Y": (6,)},
        integers={"Y": 5},
        skip=["p"],
        gradients={**right, **gradients},
    )


def test_lines_in_torchs_words_run_on_numpy_and_in_torch() -> None:
    table = in_words()
    assert isinstance(table.values["h"], np.ndarray)
    alone = table.check()
    assert alone, alone
    assert "npnet.tensors has no complex numbers" in alone.differences["z"]
    checked = oracle.lines_of(table).check()
    assert checked, checked
    wrong = in_words(b=lambda v, d: d.z.mean(0))
    assert oracle.lines_of(wrong).check().first_wrong == wrong.check().first_wrong == "b"


def test_lines_that_do_not_fit_are_refused_in_words() -> None:
    table, lines = networks()["rms_norm"], IN_TORCH["rms_norm"]
    no_table: Any = WORDS
    unknown: Any = {"q": len}
    for refused, message in (
        (lambda: oracle.lines_of(no_table), "table is a dict, wanted npnet.Lines"),
        (lambda: oracle.lines_of(table), "square, .* are not in torch's words, wanted the lines"),
        (lambda: oracle.lines_of(table, unknown), "missing square, .* unknown q, wanted a line"),
        (
            lambda: oracle.lines_of(
                table, {**lines, "gate": lambda v: v.norm @ v.W[:, :3]}
            ).check(),
            r"line gate has shape \(2, 3, 3\) in torch, wanted \(2, 3, 4\) as in NumPy",
        ),
        (
            lambda: oracle.lines_of(table, {**lines, "gate": lambda v: v.W @ v.norm}).check(),
            "line gate in torch raised RuntimeError",
        ),
        (lambda: oracle.lines_of(table, lines).check("half"), "dtype is 'half', wanted float32"),
    ):
        with pytest.raises(InputError, match=f"^oracle.lines_of: {message}"):
            refused()
    with pytest.raises(InputError, match="in_torch_words: got a list, wanted a mapping"):
        in_torch_words([])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="in_torch_words: h is an int, wanted a function of v"):
        in_torch_words({"h": 3})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (3, "lines is an int, wanted a mapping"),
        ({"y": 3}, "line y is an int, wanted a function"),
        ({"y": lambda v: 3}, "line y returned an int, wanted a tensor"),
        ({"y": lambda v: v.z}, "line y in torch raised AttributeError"),
    ],
)
def test_a_line_that_torch_cannot_run_is_named(lines: Any, said: str) -> None:
    table = Lines({"y": lambda v: v.x * v.x}, {"x": (2,)}, gradients={"x": lambda v, d: 2 * v.x})
    with pytest.raises(InputError, match=said):
        oracle.lines_of(table, lines).check()


def test_a_value_that_differs_is_named_where_the_gradients_are_right() -> None:
    table = Lines({"y": lambda v: v.x * 2 + 1}, {"x": (3,)}, gradients={"x": lambda v, d: 2 * d.y})
    checked = oracle.lines_of(table, {"y": lambda v: v.x * 2}).check()
    assert not checked
    assert str(checked.isolation) == "the forward pass differs from y on"
