"""The table of gradient checkers: what it measures, and that npnet's is the sharpest."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from oracle import checkers
from oracle.cli import main


def test_the_smallest_error_is_found_by_bisection() -> None:
    x = np.ones(3)
    found, remark = checkers.smallest(lambda x, e: e > 1e-4, x)
    assert found is not None
    assert 1e-4 < found < 1.06e-4
    assert remark == ""
    assert checkers.smallest(lambda x, e: True, x) == (None, "refuses the right gradient")
    assert checkers.smallest(lambda x, e: False, x) == (None, "passes an error of 100%")


@pytest.mark.slow
def test_npnet_finds_what_numpy_and_torch_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkers, "FACTOR", 1.5)
    monkeypatch.setattr(
        checkers,
        "CHECKERS",
        {
            name: checkers.CHECKERS[name]
            for name in ("npnet.check_gradient", "npnet.Lines.check", "numpy.allclose")
        }
        | {"missing": ("a_package_that_is_nowhere", checkers._allclose)}
        | {"torch.testing.assert_close": checkers.CHECKERS["torch.testing.assert_close"]},
    )
    one_call, lines, *others = checkers.sensitivities(seed=1, entries=6)
    assert [row.checker for row in others] == ["numpy.allclose", "torch.testing.assert_close"]
    for row in others:
        for ours in (one_call, lines):
            assert ours.float32 is not None
            assert ours.float64 is not None
            assert row.float32 is not None
            assert row.float64 is not None
            assert ours.float32 < row.float32 / 5
            assert ours.float64 < row.float64 / 1e5


@pytest.mark.slow
def test_the_command_prints_every_checker_that_is_installed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["checkers", "--seed", "1", "--json"]) == 0
    rows = {row["checker"]: row for row in json.loads(capsys.readouterr().out)}
    best = min(rows.values(), key=lambda row: row["float64"] or 1)
    assert best["checker"].startswith("npnet.")
    assert rows["torch.autograd.gradcheck"]["remark"] == "float32: refuses the right gradient"


def test_the_table_has_a_row_for_each_checker(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = checkers.Sensitivity("a checker", None, 2e-6, "float32: refuses the right gradient")
    monkeypatch.setattr("oracle.cli.checkers.sensitivities", lambda seed: [row])
    assert main(["checkers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["a", "checker", "-", "2.0e-06", "float32:", *row.remark.split()[1:]]
