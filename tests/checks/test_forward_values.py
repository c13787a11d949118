"""Another forward pass: where it differs, and whether its gradients are right for it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import judge

import npnet
from npnet import GRADIENTS
from npnet.base.arrays import Array
from npnet.checks.forward_values import Forward, judge_values
from npnet.checks.joint_verdict import Joint, join
from npnet.checks.reference import PRECISIONS, Problem
from npnet.network.forward import LINES
from npnet.network.names import PARAMETER_NAMES, VALUE_NAMES

Lines = Mapping[str, Callable[..., Any]]
NO: Lines = {}


def passes(
    golden: Problem, dtype: str, lines: Lines = NO, gradients: Lines = NO, **changed: Any
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Values and gradients of the golden problem with some lines written otherwise."""
    given = golden.values(dtype)
    v: Any = SimpleNamespace(**{name: given[name] for name in (*PARAMETER_NAMES, "X", "Y", "eps")})
    vars(v).update(changed)
    for name, line in {**LINES, **lines}.items():
        setattr(v, name, np.asarray(line(v), dtype))
    d: Any = SimpleNamespace(loss=1.0)
    for name, function in {**GRADIENTS, **gradients}.items():
        setattr(d, name, np.asarray(function(v, d), dtype))
    values = {name: getattr(v, name) for name in (*PARAMETER_NAMES, *VALUE_NAMES)}
    return values, {name: getattr(d, name) for name in GRADIENTS}


def verdict(
    golden: Problem, dtype: str, values: Mapping[str, Array], gradients: Mapping[str, Array]
) -> tuple[Forward, Joint]:
    forward = judge_values(golden, values, dtype)
    return forward, join(forward, gradients, dtype, tuple(GRADIENTS))


BIASED = {"bnvar": lambda v: v.bndiff2.mean(0, keepdims=True)}
FOR_BIASED = {"bndiff2": lambda v, d: np.broadcast_to(d.bnvar / len(v.Y), v.bndiff2.shape)}
N_FOR = "the forward pass differs from bnvar on (ratio 0.96875 = 31/32 = (n - 1)/n: n for n - 1)"
WIDE = {"h": lambda v: 1.7159 * np.tanh(v.hpreact)}
RELU = {"h": lambda v: np.maximum(v.hpreact, 0)}

# Lines and gradients written otherwise, and the verdict.
OTHERS: dict[str, tuple[Lines, Lines, dict[str, Any], str]] = {
    "right": (NO, NO, {}, "the forward pass is right; the gradients are right"),
    "biased": (BIASED, FOR_BIASED, {}, f"{N_FOR}; the gradients are right for it"),
    "biased forward alone": (
        BIASED,
        NO,
        {},
        (
            f"{N_FOR}; dbndiff2 is wrong for it, given right inputs too; wrong only because of it: "
            "dbndiff, dhprebn, dembcat, dW1, demb, dC"
        ),
    ),
    "biased and a wrong line": (
        BIASED,
        {**FOR_BIASED, "b2": lambda v, d: d.logits.mean(0), "C": lambda v, d: 0 * v.C},
        {},
        f"{N_FOR}; db2, dC are wrong for it, given right inputs too",
    ),
    "eps": (
        NO,
        NO,
        {"eps": 1e-3},
        (
            "the forward pass differs from bnvar_inv on (eps 0.001 for 1e-05); the gradients are "
            "right for it"
        ),
    ),
    "a sum for the mean": (
        {"loss": lambda v: -v.logprobs[np.arange(len(v.Y)), v.Y].sum()},
        {"logprobs": lambda v, d: GRADIENTS["logprobs"](v, d) * len(v.Y)},
        {},
        (
            "the forward pass differs from loss on (ratio 32 = n: a division by n is missing); the "
            "gradients are right for it"
        ),
    ),
    "no maximum": (
        {"norm_logits": lambda v: v.logits},
        {"logit_maxes": lambda v, d: 0 * v.logit_maxes},
        {},
        (
            "the forward pass differs from norm_logits on (logit_maxes is not subtracted); the "
            "gradients are right for it"
        ),
    ),
    "another slope": (
        WIDE,
        {"hpreact": lambda v, d: d.h * 1.7159 * (1 - np.tanh(v.hpreact) ** 2)},
        {},
        "the forward pass differs from h on (ratio 1.7159); the gradients are right for it",
    ),
    "an offset": (
        {"hpreact": lambda v: v.bngain * v.bnraw + v.bnbias + 0.5},
        NO,
        {},
        (
            "the forward pass differs from hpreact on (off by the constant 0.5); the gradients are "
            "right for it"
        ),
    ),
    "another function": (
        RELU,
        {"hpreact": lambda v, d: d.h * (v.hpreact > 0)},
        {},
        (
            "the forward pass differs from h on (no constant ratio); the other gradients are right "
            "for it; not judged, since what they compute there is unknown: dhpreact"
        ),
    ),
    "two lines": (
        {**BIASED, **WIDE},
        {**FOR_BIASED, "hpreact": lambda v, d: d.h * 1.7159 * (1 - np.tanh(v.hpreact) ** 2)},
        {},
        f"{N_FOR}, and h on (ratio 1.7159); the gradients are right for it",
    ),
}


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("other", OTHERS)
def test_values_and_gradients_have_one_verdict(golden: Problem, other: str, dtype: str) -> None:
    lines, gradients, changed, said = OTHERS[other]
    forward, joint = verdict(golden, dtype, *passes(golden, dtype, lines, gradients, **changed))
    assert str(joint) == said
    assert joint.passed == (other == "right")
    assert forward.report.passed == (other == "right")


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_right_passes_of_random_networks_are_never_refused(dtype: str) -> None:
    pytest.importorskip("torch")
    from oracle.golden import solve
    from oracle.networks import random_network

    for seed in range(8):
        net = random_network(seed)
        values = npnet.forward(net.params.astype(dtype), net.X, net.Y)
        solved = solve(net.params, net.X, net.Y)
        forward, joint = verdict(solved, dtype, values, npnet.backward(values))
        assert str(joint) == "the forward pass is right; the gradients are right", net.sizes
        assert not forward.deviations


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_some_values_are_enough(golden: Problem, dtype: str) -> None:
    values, gradients = passes(golden, dtype, BIASED, FOR_BIASED)
    for kept in (["bnvar"], ["hprebn", "bnvar", "logits"], [*VALUE_NAMES]):
        some = {name: values[name] for name in kept}
        _, joint = verdict(golden, dtype, some, gradients)
        assert str(joint) == f"{N_FOR}; the gradients are right for it"
    some = {"bnraw": values["bnraw"]}
    assert "differs from bnraw on (" in str(judge_values(golden, some, dtype))


def test_other_parameters_are_named_first(golden: Problem) -> None:
    changed: dict[str, Any] = {"W1": golden.values().W1 + 0.01, "b2": golden.values().b2 * 2}
    forward, joint = verdict(golden, "float64", *passes(golden, "float64", **changed))
    assert str(forward) == "the parameters are not those of the problem: W1, b2"
    assert not forward.deviations
    assert joint.whole.passed


def test_values_after_a_wrong_one_share_a_reason(golden: Problem) -> None:
    values, _ = passes(golden, "float32", BIASED)
    report = judge_values(golden, values, "float32").report
    assert "bnvar_inv, bnraw, hpreact, h, logits," in str(report)
    assert str(report).count("right for their values before it") == 1


def test_values_with_a_simple_cause_name_it(golden: Problem) -> None:
    values, _ = passes(golden, "float64")
    report = judge_values(golden, {**values, "logits": values["logits"].byteswap()}, "float64")
    assert "logits on (looks like the other byte order" in str(report)
    report = judge_values(golden, {**values, "emb": values["emb"][0]}, "float64")
    assert "emb on (shape)" in str(report)
    nan = np.where(values["h"] > 0.9, np.nan, values["h"])
    assert "h on (not finite)" in str(judge_values(golden, {**values, "h": nan}, "float64"))


def test_missing_gradients_are_missing_and_the_rest_is_judged(golden: Problem) -> None:
    values, gradients = passes(golden, "float32", RELU)
    del gradients["h"]
    _, joint = verdict(golden, "float32", values, gradients)
    assert {row.name: row.verdict for row in joint.whole.failures} == {"h": "missing"}
    assert joint.unjudged == ("hpreact",)
    del gradients["hpreact"]
    _, joint = verdict(golden, "float32", values, gradients)
    assert joint.unjudged[:3] == ("hpreact", "bngain", "bnbias")
    assert "not judged" in str(joint)


# The command


@pytest.fixture
def files(golden: Problem, tmp_path: Path) -> Path:
    values, gradients = passes(golden, "float32", BIASED, FOR_BIASED)
    both: dict[str, Any] = {**values, **{f"d{name}": array for name, array in gradients.items()}}
    np.savez(tmp_path / "both.npz", **both)
    right: dict[str, Any] = dict(zip(("v", "g"), passes(golden, "float32"), strict=True))
    np.savez(tmp_path / "v.npz", **right["v"])
    np.savez(tmp_path / "g.npz", **right["g"])
    np.savez(tmp_path / "lines.npz", **golden.arrays["line", "float32"])
    return tmp_path


def test_one_file_may_hold_values_and_gradients(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = str(files / "both.npz")
    assert judge(files / "both.npz", "--values", both) == 1
    printed = capsys.readouterr().out
    assert f"{N_FOR}; the gradients are right for it" in printed.splitlines()
    assert "float32, the forward pass" in printed
    assert "float32, end to end for these values" in printed
    assert "26 of 26 ok" in printed
    assert judge(files / "both.npz", "--values", both, "--only", "parameters", "--json") == 1
    figures = json.loads(capsys.readouterr().out)
    assert len(figures["reports"]["float32"]["rows"]) == 7
    assert figures["verdict"]["float32"].endswith("the gradients are right for it")
    assert figures["values"]["float32"]["passed"] is False
    assert judge(files / "both.npz") == 2
    assert "give the file as --values too" in capsys.readouterr().err


def test_right_values_pass_with_whole_and_with_lines(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = str(files / "v.npz")
    assert judge(files / "g.npz", "--values", values) == 0
    assert "the forward pass is right; the gradients are right" in capsys.readouterr().out
    assert judge(files / "lines.npz", "--lines", "--values", values) == 0
    alone = "each line alone, for the golden values and upstream gradients"
    right = f"the forward pass is right; the gradients are right, {alone}"
    assert right in capsys.readouterr().out.splitlines()
    assert judge(files / "lines.npz", "--lines", "--values", str(files / "both.npz")) == 1
    assert f"{N_FOR}; the gradients are right, {alone}" in capsys.readouterr().out.splitlines()
    assert judge(files / "g.npz", "--lines", "--values", values) == 1
    printed = capsys.readouterr().out
    assert "; wrong are dlogprobs, " in printed or "; wrong are dprobs, " in printed
    assert judge(files / "g.npz", "--values", str(files / "nowhere")) == 2
    np.savez(files / "other.npz", foo=np.ones(3))
    assert judge(files / "g.npz", "--values", str(files / "other.npz")) == 2
    assert "has foo, wanted some of C, W1" in capsys.readouterr().err


def test_names_and_the_seven_are_said(
    golden: Problem, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    g = golden.arrays["gradient", "float64"]
    state: dict[str, Any] = {
        "embedding.weight": g.C,
        "layers.0.weight": g.W1.T,
        "layers.0.bias": g.b1,
        "norm.weight": g.bngain[0],
        "norm.bias": g.bnbias[0],
        "out.weight": g.W2.T,
        "out.bias": g.b2,
    }
    np.savez(tmp_path / "state.npz", **state)
    assert judge(tmp_path / "state.npz") == 0
    printed = capsys.readouterr().out
    assert "layers.0.weight is read as W1, transposed" in printed
    assert "7 of 7 ok" in printed
    np.savez(tmp_path / "some.npz", **{f"{name}.grad": g[name] for name in ("W1", "W2", "b2")})
    assert judge(tmp_path / "some.npz") == 1
    printed = capsys.readouterr().out
    assert "W1.grad is read as W1, and 2 more like it" in printed
    assert "3 of 7 ok, 4 wrong" in printed


def test_a_precision_is_an_option(
    golden: Problem, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    single = golden.arrays["gradient", "float32"]
    wide: dict[str, Any] = {name: array.astype("f8") for name, array in single.items()}
    np.savez(tmp_path / "wide.npz", **wide)
    assert judge(tmp_path / "wide.npz") == 1
    assert "float32 accuracy in float64: try --precision float32" in capsys.readouterr().out
    assert judge(tmp_path / "wide.npz", "--precision", "float32") == 0
    halves: dict[str, Any] = {name: array.astype("f2") for name, array in single.items()}
    np.savez(tmp_path / "half.npz", **halves)
    assert judge(tmp_path / "half.npz") == 0
    assert "judged by the eps of float16, 0.00098" in capsys.readouterr().out
    assert judge(tmp_path / "half.npz", "--precision", "float32") == 1


def test_values_that_are_not_finite_end_in_a_verdict(golden: Problem) -> None:
    with np.errstate(all="ignore"):
        values, gradients = passes(golden, "float32", {"h": lambda v: v.hpreact * np.nan})
    joint = join(judge_values(golden, values, "float32"), gradients, "float32", [*GRADIENTS])
    assert not joint.passed
    assert str(joint).startswith(
        "the forward pass differs from h on (not finite); the other gradients are right for it; "
        "not judged, since values there are not finite: dprobs, "
    )
