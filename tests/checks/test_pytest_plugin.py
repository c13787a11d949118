"""A failed assert on a report under pytest shows the table."""

import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
from conftest import GOLDEN

import npnet

pytest_plugins = ["pytester"]

SUITE = f"""
import numpy as np
import npnet
from npnet.checks.golden import read_golden

CASE = read_golden({str(GOLDEN)!r})
WRONG = {{**CASE.whole().gradients}}
WRONG["h"] = -WRONG["h"]
WRONG["bnmeani"] = WRONG["bnmeani"][0]

def test_judge():
    assert CASE.whole().judge(WRONG)

def test_compare():
    report = npnet.compare({{"b2": np.ones(3)}}, {{"b2": np.zeros(3)}})
    other = npnet.compare({{"b1": np.ones(3)}}, {{"b1": np.zeros(3)}})
    assert report

def test_message():
    assert not WRONG, "another message"

def test_error():
    raise ValueError("no assert")
"""


def test_a_failed_assert_shows_the_table_whole(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    # Pytest finds the plugin of an installed npnet, and older ones refuse to take it twice.
    installed = entry_points(group="pytest11", name="npnet")
    plugin = [] if installed else ["-p", "npnet.checks.pytest_plugin"]
    # pytester's in-process run shares the modules of this one, which is quick.
    result = pytester.runpytest_inprocess(*plugin, "-p", "no:cov")
    assert result.ret == 1
    text = result.stdout.str()
    assert "assert wrong: h, bnmeani" in text
    for name in npnet.GRADIENTS:
        assert f"E       {name} " in text
    assert "24 of 26 ok, 2 wrong: h, bnmeani" in text
    assert "looks like the right one times -1: the sign" in text
    assert "E       b2: 3 of 3 entries beyond the bound, worst at (0,)" in text
    assert "1 wrong: b1" not in text
    assert "AssertionError: another message" in text
    assert "ValueError: no assert" in text


def test_the_wheel_registers_the_plugin() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"npnet": "npnet.checks.pytest_plugin"}


def test_float32_with_a_float64_reference_gets_advice(
    golden: "npnet.checks.reference.Problem",
) -> None:
    single = {name: np.array(a) for name, a in golden.arrays["gradient", "float32"].items()}
    report = golden.whole().judge(single)
    assert {row.verdict for row in report.rows} == {"dtype"}
    assert 'such as CASE.whole("float32")' in str(report)
    assert "JAX" not in str(report)

    class Array(np.ndarray):
        """An array with the class name of JAX arrays."""

    Array.__module__ = "jaxlib._jax"
    in_jax = {name: array.view(Array) for name, array in single.items()}
    assert "JAX has no float64 unless" in " ".join(str(golden.whole().judge(in_jax)).split())
