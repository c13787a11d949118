"""What several test files share: a small network, a small batch, the big corpora."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import npnet
from npnet.arrays import Array

SIZES = {"n": 7, "V": 6, "E": 4, "T": 3, "H": 5}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=10, help="how often to kill a training process")
    parser.addoption("--mutants", type=int, default=300, help="how many damaged files to read")


# Hypothesis remembers failures in the current folder; where it may not, it warns, and fails.
settings.register_profile("forgetful", database=None)
if not os.access(".", os.W_OK):
    settings.load_profile("forgetful")


def copied(folder: Path, target: Path) -> Path:
    """A copy of a folder of files that may be changed, whatever holds for the original."""
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def locked(array: Array) -> Array:
    """The array, read-only: whoever writes into its inputs is found out."""
    array.flags.writeable = False
    return array


def random_network(
    rng: np.random.Generator, dtype: Any = np.float64, **sizes: int
) -> tuple[npnet.Parameters, Array, Array]:
    """Parameters and a batch of random numbers, all read-only."""
    from npnet.names import PARAMETER_NAMES, shape_of

    sizes = {**SIZES, **sizes}
    params = npnet.Parameters(
        **{
            name: locked(rng.standard_normal(shape_of(name, sizes)).astype(dtype))
            for name in PARAMETER_NAMES
        }
    )
    X = locked(rng.integers(0, sizes["V"], (sizes["n"], sizes["T"])))
    Y = locked(rng.integers(0, sizes["V"], sizes["n"]))
    return params, X, Y


@pytest.fixture
def network() -> Callable[..., tuple[npnet.Parameters, Array, Array]]:
    """``network(seed, dtype, **sizes)`` makes a random network and batch."""

    def make(seed: int = 0, dtype: Any = np.float64, **sizes: int) -> Any:
        return random_network(np.random.default_rng(seed), dtype, **sizes)

    return make


@pytest.fixture(scope="session")
def names_txt() -> list[str]:
    """The 32,033 words of names.txt."""
    folder = os.environ.get("NPNET_CORPORA")
    if not folder or not (Path(folder) / "names.txt").is_file():
        pytest.skip("needs names.txt in the folder that NPNET_CORPORA names")
    return npnet.read_words(Path(folder) / "names.txt")


@pytest.fixture(scope="session")
def small_words() -> list[str]:
    """Sixty real words, for runs of some hundred steps."""
    return npnet.default_words()[::400][:60]
