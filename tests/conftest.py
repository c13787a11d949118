"""Fixtures of several test files: networks, short runs, golden gradients, a page, big corpora."""

import contextlib
import dataclasses
import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

# One thread for the BLAS and for torch, here and in the processes that tests start: at these sizes
# threads wait for each other more than they compute, and `pytest -n` has a process for each core.
# It has to be said before NumPy is imported; who sets another number keeps it.
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

# Some containers forbid bytecode. Then each process that tests start compiles all of npnet anew,
# which takes longer than most of what they run.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from numpy.typing import ArrayLike, DTypeLike  # noqa: E402

import npnet  # noqa: E402
from npnet.base.arrays import Array  # noqa: E402
from npnet.training.evaluation import Folded  # noqa: E402
from npnet.training.sgd import AHEAD  # noqa: E402

if TYPE_CHECKING:
    from npnet.checks.reference import Problem
    from npnet.learn.grading import Grades

SIZES = {"n": 7, "V": 6, "E": 4, "T": 3, "H": 5}
SHORT = npnet.Recipe(
    "short", hidden=12, batch=8, steps=2 * AHEAD + 21, rates=((0, 0.1), (50, 0.02))
)
GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=6, help="how often to kill a training process")
    parser.addoption(
        "--networks",
        type=int,
        default=60,
        help="random networks for the judge (the fast tests: 20)",
    )
    parser.addoption(
        "--mutants",
        type=int,
        default=300,
        help="how many damaged files to read (the fast tests: 60)",
    )
    parser.addoption("--seeds", type=int, default=50_000, help="seeds of a search for a lost one")


@pytest.fixture(autouse=True)
def infinities_are_silent(request: pytest.FixtureRequest) -> Iterator[None]:
    """In tests of tensors alone: torch computes infinities without a warning."""
    silent = request.path.parent.name == "tensors"
    with np.errstate(all="ignore") if silent else contextlib.nullcontext():
        yield


# No example may fail for taking long: what else the machine does decides that. Hypothesis
# remembers failures in the current folder; where it may not, it warns, and fails.
_database: dict[str, Any] = {} if os.access(".", os.W_OK) else {"database": None}
settings.register_profile("all tests", deadline=None, max_examples=100, **_database)
settings.register_profile("fast tests", deadline=None, max_examples=20, **_database)


def pytest_configure(config: pytest.Config) -> None:
    """Let Hypothesis try fewer examples if the slow tests are left out."""
    fast = "not slow" in config.option.markexpr
    settings.load_profile("fast tests" if fast else "all tests")


@pytest.fixture(scope="session", autouse=True)
def disks_are_not_waited_for() -> Iterator[None]:
    """Do not flush files to the disk: no test cuts the power."""
    with mock.patch("os.fsync"):
        yield


# Tests of ten seconds. They begin first, so that with several processes none of them ends last.
LONGEST = (
    "test_a_session_prints_what_is_shown",
    "test_a_log_of_a_lost_generator_is_replayed_to_the_last_name",
    "test_part3_prints_the_lectures_log",
    "test_killed_at_any_moment_a_run_resumes_to_the_same_bits",
    "test_the_seed_of_the_last_document_is_found_from_its_text",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests in the order of the files, except the longest ones."""
    items.sort(key=lambda item: getattr(item, "originalname", "") not in LONGEST)


def pytest_collection_finish() -> None:
    """Keep the garbage collector off what lives to the end, a million objects of torch among it.

    It took a tenth of the time, so it also runs more seldom.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def slow_but(cases: Iterable[Any], fast: Iterable[Any]) -> list[Any]:
    """Cases of a test; all except the fast ones are marked slow. A tuple has several arguments."""
    cases, fast = list(cases), list(fast)
    assert all(case in cases for case in fast)
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else [case]),
            marks=[] if case in fast else [pytest.mark.slow],
        )
        for case in cases
    ]


def copied(folder: Path, target: Path) -> Path:
    """A copy of a folder whose files can be changed, even if the original is read-only."""
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def locked(array: Array) -> Array:
    """The array, read-only: a function that writes into its inputs fails."""
    array.flags.writeable = False
    return array


def frozen(values: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
    """A read-only array of these values."""
    return locked(np.array(values, dtype))


def random_network(
    rng: np.random.Generator, dtype: Any = np.float64, **sizes: int
) -> tuple[npnet.Parameters, Array, Array]:
    """Parameters and a batch of random numbers, all read-only."""
    from npnet.network.names import PARAMETER_NAMES, shape_of

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


def begun(
    recipe: npnet.Recipe = SHORT,
) -> tuple[npnet.Parameters, Array, Array, npnet.Generator]:
    """The beginning of a training of a recipe, on 20 words."""
    words = ["anna", "bob", "zoe", "ada", "mia", "otto", "nina", "ava", "noor", "ben"] * 2
    vocab = npnet.Vocabulary.from_words(words)
    X, Y = npnet.build_dataset(words, vocab, recipe.block_size)
    generator = npnet.Generator(recipe.seed)
    params = npnet.draw_parameters(recipe, vocab.size, generator)
    return params, locked(X), locked(Y), generator


def solved(golden: "Problem", precision: str) -> tuple[npnet.Values, npnet.Gradients]:
    """npnet's values and gradients of the golden problem."""
    from npnet.network.names import PARAMETER_NAMES

    v = golden.values(precision)
    values = npnet.forward({name: v[name] for name in PARAMETER_NAMES}, v.X, v.Y, v.eps)
    return values, npnet.backward(values)


def judge(path: Path, *options: str, reference: Path = GOLDEN) -> int:
    """The exit code of ``npnet judge`` on a file of gradients."""
    from npnet.cli import main

    return main(["judge", str(path), "--reference", str(reference), *options])


def verdicts(grades: "Grades") -> dict[str, str]:
    return {mark.name: mark.verdict for mark in grades.marks}


@pytest.fixture
def network() -> Callable[..., tuple[npnet.Parameters, Array, Array]]:
    """``network(seed, dtype, **sizes)`` makes a random network and batch."""

    def make(seed: int = 0, dtype: Any = np.float64, **sizes: int) -> Any:
        return random_network(np.random.default_rng(seed), dtype, **sizes)

    return make


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread for torch: with more, its threads mostly wait at these sizes."""
    from oracle import threads  # here, for most tests run without torch

    with threads.one_thread():
        yield


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


@pytest.fixture(scope="session")
def golden() -> "Problem":
    """The committed golden set."""
    from npnet.checks.golden import read_golden

    return read_golden(GOLDEN)


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows went through the network, in each call."""
    rows: list[int] = []

    logits = Folded.logits

    def counted(network: Folded, X: Array) -> Array:
        rows.append(len(X))
        return logits(network, X)

    monkeypatch.setattr(Folded, "logits", counted)
    return rows


@pytest.fixture(scope="session")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that ``npnet page`` writes by default."""
    from npnet.cli import main

    file = tmp_path_factory.mktemp("page") / "page.html"
    assert main(["page", str(file)]) == 0
    return file


@pytest.fixture(scope="session")
def page_values() -> npnet.Values:
    """The minibatch of that page."""
    from npnet.cli.check import first_minibatch

    recipe = dataclasses.replace(npnet.RECIPES["lecture-64"], dtype="float64")
    return first_minibatch(recipe, npnet.default_words())
