"""`npnet bench`: it measures the real work of npnet, and describes the machine correctly."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npnet.base import blas
from npnet.base.errors import InputError
from npnet.bench import growth
from npnet.bench import steps as bench
from npnet.cli import main
from npnet.network.fast import Workspace
from npnet.training.fit import begin

STATUS = Path("/proc/self/status")
WIDE, OLD_WIDE = ["X86_V3", "X86_V4"], ["AVX2", "AVX512F", "AVX512_SKX"]


@pytest.fixture(scope="module")
def figures() -> bench.Figures:
    words = ["anna", "bert", "carla", "dora", "emil", "frida", "gustav", "hanna", "ida", "jan"]
    return bench.bench(words, hidden=8, batch=4, seconds=0)


def test_every_figure_is_a_positive_time(figures: bench.Figures) -> None:
    times = [
        figures.step,
        *figures.parts.values(),
        *figures.pieces.values(),
        *figures.work.values(),
    ]
    assert len(times) == 13
    assert all(0 < seconds < 10 for seconds in times)


def test_the_pieces_of_a_step_are_the_step() -> None:
    recipe = bench.endless(8, 4)
    _, examples, params, g = begin(recipe, ["anna", "bert", "carla", "dora", "emil"] * 3)
    X, Y = examples["train"]
    rows = g.randint(0, len(X), (1, 4))
    whole, pieces = (Workspace(params, 4, recipe.eps, recipe.trained) for _ in range(2))
    before = pieces.flat.copy()
    for workspace in (whole, pieces):
        workspace.load(X[rows], Y[rows])
    whole.step(0, 0.1)
    pieces.compute_h(0)
    pieces.compute_probs(0)
    pieces.go_back(0, -0.1)
    np.testing.assert_array_equal(pieces.flat, before)
    pieces.update()
    np.testing.assert_array_equal(pieces.flat, whole.flat)
    assert not np.array_equal(pieces.flat, before)


def test_the_command_prints_times_lines_and_the_machine(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("\n".join(["anna", "bert", "carla", "dora", "emil"] * 4))
    small = ["bench", "--words", str(words), "--hidden", "8", "--batch", "4", "--seconds", "0"]
    assert main(small) == 0
    shown = capsys.readouterr().out
    for text in ("threads: 1", "steps a second", "update of the parameters", "windows of 20 words"):
        assert text in shown
    assert main([*small, "--json", "--threads", "2"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert entries["clock"] == "wall"
    assert entries["machine"]["BLAS"] == blas.describe()
    assert len(entries["pieces"]) == 4


@pytest.mark.parametrize(
    "options", [["--threads", "0"], ["--batch", "1"], ["--growth", "5"], ["--growth", "many"]]
)
def test_options_that_cannot_be_used_end_in_exit_code_2(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["bench", *options])
    except SystemExit as refusal:  # argparse's own way
        code = int(str(refusal.code))
    assert code == 2
    assert "wanted" in capsys.readouterr().err


@pytest.mark.slow
def test_growth_measures_each_corpus_in_a_process_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "MODEL_STEPS", 300)
    assert main(["bench", "--growth", "50", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["names"] == 50 >= row["different"] > 20
    assert row["examples"] > 100
    parts = ["start", "reading", "windows", "training", "calibration", "evaluation"]
    assert [phase["name"] for phase in row["phases"]] == parts
    assert all(phase["seconds"] > 0 for phase in row["phases"])
    peaks = [phase["peak"] for phase in row["phases"]]
    assert peaks == sorted(peaks)
    assert 20e6 < peaks[-1] < row["train"] < 500e6


def test_the_wanted_number_of_names_is_sampled_none_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(growth, "MODEL_STEPS", 100)
    names = growth.sampled_names(300)
    assert len(names) == 300
    assert all(names)


@pytest.mark.slow
def test_the_peak_of_a_command_does_not_include_its_parent() -> None:
    held = np.ones(40_000_000)  # 320 MB
    small, big = (
        growth.run_apart([sys.executable, "-c", f"print(len(b'x' * {size}))"])
        for size in (1, 10**8)
    )
    assert (small[0], big[0]) == ("1\n", "100000000\n")
    assert small[1] < 100e6 < big[1] < held.nbytes


@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux's /proc")
def test_a_peak_is_the_systems_own_figure_in_bytes() -> None:
    program = "b'x' * 10**8; print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    out, peak = growth.run_apart([sys.executable, "-c", program])
    assert peak == pytest.approx(int(out) * 1024, rel=0.01)


def test_a_command_that_fails_is_an_error_with_its_last_words() -> None:
    with pytest.raises(InputError, match="exit code 1: ValueError: no luck"):
        growth.run_apart([sys.executable, "-c", "raise ValueError('no luck')"])


def described(monkeypatch: pytest.MonkeyPatch, found: list[str], **library: str) -> str | None:
    """The advice for this BLAS and this CPU."""
    entries: dict[str, Any] = {"SIMD Extensions": {"found": found}}
    monkeypatch.setattr(blas, "_library", lambda: {"version": "0.3", **library})
    monkeypatch.setattr(np, "show_config", lambda mode: entries)
    return blas.advice()


@pytest.mark.parametrize("found", [WIDE, OLD_WIDE])
@pytest.mark.parametrize("kernels", ["Haswell", "Zen", "Sandybridge", "Prescott"])
def test_narrower_kernels_than_the_cpu_has_are_reported(
    kernels: str, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    said = described(monkeypatch, found, internal_api="openblas", architecture=kernels)
    assert said is not None
    assert kernels in said
    assert "this CPU has AVX-512; set OPENBLAS_CORETYPE=SkylakeX" in said


def test_kernels_that_the_environment_chose_are_reported_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")
    said = described(monkeypatch, ["X86_V3"], internal_api="openblas", architecture="Nehalem")
    assert said is not None
    assert said.endswith(
        "this CPU has AVX2; the environment has OPENBLAS_CORETYPE=Nehalem: take it out"
    )


@pytest.mark.parametrize(
    ("found", "api", "kernels"),
    [
        (WIDE, "openblas", "SkylakeX"),
        (WIDE, "openblas", "Cooperlake"),
        (["X86_V3"], "openblas", "Haswell"),
        ([], "openblas", "Prescott"),
        (["ASIMDHP"], "openblas", "neoversen1"),
        (WIDE, "mkl", "Haswell"),
    ],
)
def test_kernels_that_fit_or_are_unknown_give_no_advice(
    found: list[str], api: str, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert described(monkeypatch, found, internal_api=api, architecture=kernels) is None
