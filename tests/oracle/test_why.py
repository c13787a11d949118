"""The reasons why right gradients have other last bits than torch's."""

from typing import Any

import numpy as np
import pytest

from npnet import GRADIENTS

pytest.importorskip("torch")

import torch

import oracle
from oracle.mistakes import LECTURE, network
from oracle.why import EXPERIMENTS, TANH, UNKNOWN, chains, forward_differences, line_findings

pytestmark = pytest.mark.usefixtures("one_thread")

# Without vector instructions torch's tanh backward has no fused multiply-add.
FUSED = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
needs_fused = pytest.mark.skipif(not FUSED, reason="torch runs without AVX2 here")

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@needs_fused
@DTYPES
def test_every_line_becomes_bit_equal_by_its_one_step(dtype: Any) -> None:
    found = set()
    for seed in range(4):
        for finding in line_findings(oracle.whole(*network(seed, dtype, LECTURE))[0], seed):
            assert finding.reason != UNKNOWN
            assert finding.before < finding.total
            assert finding.after == finding.total, finding
            found.add(finding.gradient)
    assert found <= set(EXPERIMENTS)
    assert {"hpreact", "bnvar", "bngain", "b1"} <= found


@needs_fused
@DTYPES
def test_all_26_are_exact_once_the_tanh_factor_is_rounded_once(dtype: Any) -> None:
    for seed in range(3):
        ours, kernels, rounded_once, divided = chains(*network(seed, dtype, LECTURE))
        assert len(ours.exact) < len(kernels.exact) < 26
        first = next(name for name in GRADIENTS if name not in kernels.exact)
        assert first == "hpreact"  # where the lecture's own table first says False
        assert len(rounded_once.exact) == 26
        assert "counts_sum" not in divided.exact
        assert set(divided.exact) >= {"logprobs", "probs", "counts_sum_inv"}


def test_an_experiment_changes_the_last_bits_alone() -> None:
    values, _ = oracle.whole(*network())
    table = {**GRADIENTS, **{name: tried.function for name, tried in EXPERIMENTS.items()}}
    from oracle.judge import per_line

    assert per_line(values, table)
    assert EXPERIMENTS["hpreact"].reason == TANH


def test_a_line_that_no_experiment_knows_is_said_to_be_unexplained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(EXPERIMENTS, "bngain")
    findings = line_findings(oracle.whole(*network())[0])
    [row] = [finding for finding in findings if finding.gradient == "bngain"]
    assert (row.reason, row.after) == (UNKNOWN, None)


def test_forward_lines_that_only_pick_or_move_numbers_have_torchs_bits() -> None:
    different = forward_differences(oracle.whole(*network(0, np.float32, LECTURE))[0])
    same = {"emb", "embcat", "bndiff", "bndiff2", "bnraw", "logit_maxes", "norm_logits", "probs"}
    assert not same & set(different)
    assert different
