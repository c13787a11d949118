"""Wrong arrays get a cause, right arrays never do; each precision is judged by its eps."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import npnet
from npnet import GRADIENTS, InputError
from npnet.base.arrays import Array, Named
from npnet.checks.array_error import named
from npnet.checks.reference import PRECISIONS, Problem, Reference
from npnet.checks.report import Report
from npnet.checks.stored import PRECISION_EPS, looks_half, narrowed, widened
from npnet.checks.ties import SHARED

SIZES = {"n": 32, "V": 27, "H": 8, "T": 3, "E": 10}


def ours(reference: Reference) -> dict[str, Array]:
    return {name: np.array(array) for name, array in reference.gradients.items()}


def look(report: Report, name: str) -> str:
    return next(row.looks_like for row in report.rows if row.name == name)


def columns(array: Array) -> Array:
    """The numbers in column order, read in row order."""
    return array.ravel(order="F").reshape(array.shape)


CHANGES: dict[str, tuple[str, Callable[[Array], Array], str]] = {
    "column-major": ("W2", columns, "looks like column-major memory, as Fortran"),
    "byte order": ("b2", lambda a: a.byteswap(), "looks like the other byte order"),
    "both": ("W1", lambda a: columns(a).byteswap(), "try --column-major --big-endian"),
    "read by columns": (
        "emb",
        lambda a: a.ravel().reshape(a.shape[::-1]).T,
        "looks like row-major memory that was read by columns",
    ),
    "transposed": ("W2", lambda a: a.T, "looks like its transpose: write W2.T"),
    "sign": ("h", lambda a: -a, "times -1: the sign"),
    "no mean": ("logits", lambda a: a * 32, "times 32 = n: a division by n is missing"),
    "two means": ("h", lambda a: a / 32, "= 1/32 = 1/n: divided by n once too often"),
    "added twice": ("C", lambda a: a + a, "times 2: added twice"),
    "Bessel": (
        "bndiff2",
        lambda a: (a * 31) / 32,
        "times 0.96875 = 31/32 = (n - 1)/n: n for n - 1",
    ),
    "another factor": ("embcat", lambda a: a * 1.25, "looks like the right one times 1.25"),
    "zeros": ("bngain", np.zeros_like, "looks like zeros: it was never computed"),
}


@pytest.mark.parametrize("kind", ["whole", "lines"])
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_simple_cause_is_named(golden: Problem, change: str, precision: str, kind: str) -> None:
    name, wrong, said = CHANGES[change]
    reference: Reference = getattr(golden, kind)(precision)
    mine = ours(reference)
    mine[name] = wrong(mine[name]).astype(precision)
    report = reference.judge(mine)
    assert [row.name for row in report.failures] == [name]
    assert said in look(report, name)
    assert look(report, name) in " ".join(str(report).split())


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_gradient_of_another_name_is_named(golden: Problem, precision: str) -> None:
    reference = golden.lines(precision)
    mine = ours(reference)
    mine["bndiff"], mine["hprebn"] = mine["hprebn"], mine["bndiff"]
    report = reference.judge(mine)
    assert look(report, "bndiff") == "looks like that of hprebn, not of bndiff"
    assert look(report, "hprebn") == "looks like that of bndiff, not of hprebn"


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), share=st.sampled_from([1e-3, 0.02, 0.5]))
def test_noise_looks_like_nothing(golden: Problem, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    reference = golden.lines("float64")
    name = rng.choice([*GRADIENTS])
    array = np.array(reference.gradients[name])
    if array.size < 3:
        return
    noise = share * np.abs(array).max() * rng.standard_normal(array.shape)
    report = reference.judge({name: array + noise}, only=name)
    assert not report
    assert look(report, name) == ""


@pytest.mark.parametrize("precision", PRECISIONS)
def test_right_sets_look_like_nothing(golden: Problem, precision: str) -> None:
    for reference in (golden.whole(precision), golden.lines(precision)):
        assert all(row.looks_like == "" for row in reference.judge(ours(reference)).rows)


# Ratios


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (31 / 32, "0.96875 = 31/32 = (n - 1)/n: n for n - 1"),
        (32 / 31, "1.03226 = 32/31 = n/(n - 1): n - 1 for n"),
        (32, "32 = n: a division by n is missing"),
        (-1, "-1: the sign"),
        (-32, "-32 = -n"),
        (0.5, "0.5 = 1/2: a factor 2 is missing"),
        (2, "2: added twice"),
        (-0.5, "-0.5 = -1/2"),
        (27, "27 = V: a division by V is missing"),
        (1 / 27, "0.037037 = 1/27 = 1/V: divided by V once too often"),
        (8, "8 = H: a division by H is missing"),
        (1 / 8, "0.125 = 1/8 = 1/H: divided by H once too often"),
        (1 / 32, "0.03125 = 1/32 = 1/n: divided by n once too often"),
        (27 / 8, "3.375 = 27/8 = V/H"),
        (1.37, "1.37"),
    ],
)
def test_a_ratio_is_read_as_sizes(ratio: float, said: str) -> None:
    assert named(ratio, SIZES, 1e-9) == said


def test_two_equal_sizes_are_both_named() -> None:
    said = named(8, {**SIZES, "n": 8}, 1e-9)
    assert said == "8 = n or H: a division by n is missing or a division by H is missing"


# Precisions


def half(array: Array) -> Array:
    return array.astype(np.float16).astype(np.float32)


def brain(array: Array) -> Array:
    return widened(narrowed(array))


def tf32(array: Array) -> Array:
    """The numbers rounded to 11 bits, as GPUs round the factors of a product."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((bits + 0x1000) & 0xFFFFE000).astype(np.uint32).view(np.float32)


@pytest.mark.parametrize(("kind", "rounded"), [("float16", half), ("bfloat16", brain)])
def test_half_precision_is_named_and_judged_by_its_eps(
    golden: Problem, kind: str, rounded: Callable[[Array], Array]
) -> None:
    reference = golden.lines("float32")
    mine = {name: rounded(array) for name, array in ours(reference).items()}
    report = reference.judge(mine)
    bits = {"float16": 11, "bfloat16": 8}[kind]
    assert {row.looks_like for row in report.failures} == {
        f"looks like {kind}, {bits} bits of precision: try --precision {kind}"
    }
    assert reference.judge(mine, precision=kind)
    assert not reference.judge({**mine, "h": mine["h"] * 2}, precision=kind)


def test_arrays_of_half_precision_are_judged_by_its_eps(golden: Problem) -> None:
    reference = golden.lines("float32")
    mine = {name: array.astype(np.float16) for name, array in ours(reference).items()}
    assert reference.judge(mine)
    assert not reference.judge({**mine, "h": -mine["h"]})
    ml_dtypes = pytest.importorskip("ml_dtypes")
    mine = {name: array.astype(ml_dtypes.bfloat16) for name, array in ours(reference).items()}
    assert reference.judge(mine)


def test_float32_accuracy_in_float64_is_named(golden: Problem) -> None:
    reference = golden.whole("float64")
    single = {name: a.astype("f8") for name, a in ours(golden.whole("float32")).items()}
    report = reference.judge(single)
    assert {row.looks_like for row in report.failures} == {
        "looks like float32 accuracy in float64: try --precision float32"
    }
    assert reference.judge(single, precision="float32")
    one = reference.judge({**ours(reference), "h": single["h"]})
    assert [row.name for row in one.failures if row.looks_like] == ["h"]


def test_products_of_tf32_are_named(golden: Problem) -> None:
    reference = golden.lines("float32")
    v, d = golden.values("float32"), golden.upstream("float32")
    mine = ours(reference)
    mine["W2"] = tf32(v.h).T @ tf32(d.logits)
    mine["h"] = tf32(d.logits) @ tf32(v.W2).T
    report = reference.judge(mine)
    assert [row.name for row in report.failures] == ["h", "W2"]
    assert all("TF32" in row.looks_like for row in report.failures)
    assert reference.judge(mine, precision="tf32")
    factor = reference.judge({**mine, "W2": reference.gradients.W2 * np.float32(1.0004)})
    assert "TF32" not in look(factor, "W2")


def test_an_error_of_one_sign_is_no_rounding(golden: Problem) -> None:
    reference = golden.lines("float32")
    right = reference.gradients.W2
    rng = np.random.default_rng(0)
    for low, said in ((-2, True), (0, False)):
        error = 2e-4 * rng.uniform(low, 2, right.shape)
        report = reference.judge({"W2": (right * (1 + error)).astype(np.float32)}, only="W2")
        assert not report
        assert ("TF32" in look(report, "W2")) == said


def test_few_numbers_have_no_precision() -> None:
    assert looks_half([np.ones(40, np.float32), np.zeros(3)]) == ""
    odd = np.arange(1, 33, 2).astype(np.float32)  # no two have the same digits
    assert [looks_half([odd[:many]]) for many in (15, 16)] == ["", "bfloat16"]
    assert looks_half([np.arange(200, dtype=np.float32)]) == "bfloat16"
    assert looks_half([np.arange(3000, dtype=np.float32)]) == ""
    assert looks_half([]) == ""


def test_an_unknown_precision_is_refused(golden: Problem) -> None:
    with pytest.raises(InputError, match="precision 'float8', wanted one of float64"):
        golden.whole().judge({}, precision="float8")
    assert PRECISION_EPS["float32"] == np.finfo(np.float32).eps


# Ties


def tied(golden: Problem) -> Reference:
    """The lines of a problem in which the two largest logits of every row are equal."""
    v, d = dict(golden.values()), golden.upstream()
    logits = np.array(v["logits"])
    order = np.argsort(logits, 1)
    np.put_along_axis(logits, order[:, -2:-1], logits.max(1, keepdims=True), 1)
    v["logits"] = logits
    values = npnet.Values(v)
    lines = Named({name: function(values, d) for name, function in GRADIENTS.items()})
    return replace(golden.lines(), gradients=lines, values=values)


def given_to(reference: Reference, share: Callable[[Array], Any]) -> Mapping[str, Array]:
    """The lines with the gradient of the maximum given to the largest by ``share``."""
    largest = reference.values["logits"] == reference.values["logit_maxes"]
    upstream = reference.given
    made = upstream["norm_logits"] + share(largest) * upstream["logit_maxes"]
    return {**reference.gradients, "logits": made}


def test_a_gradient_shared_among_tied_maxima_is_right(golden: Problem) -> None:
    reference = tied(golden)
    assert reference.judge(given_to(reference, lambda at: np.cumsum(at, 1) * at == 1))
    for share in (
        lambda at: at / at.sum(1, keepdims=True),
        lambda at: np.cumsum(at, 1) * at == 2,
    ):
        report = reference.judge(given_to(reference, share))
        assert report
        assert [row.reason for row in report.rows if row.name == "logits"] == [SHARED]
    for wrong in (lambda at: 1.0 * at, lambda at: 0.3 * at, lambda at: 0 * at, np.ones_like):
        assert not reference.judge(given_to(reference, wrong))
    assert not reference.judge({**reference.gradients, "logits": "none"})


@pytest.mark.parametrize(("beyond", "right"), [(0.9e-3, True), (1.1e-3, False)])
def test_rounding_may_make_a_share_negative(golden: Problem, beyond: float, right: bool) -> None:
    def share(at: Array) -> Array:
        return at * np.where(np.cumsum(at, 1) == 1, 1 + beyond, -beyond)

    reference = tied(golden)
    assert bool(reference.judge(given_to(reference, share))) == right


# Arrays of other libraries


def test_an_array_of_an_unknown_library_is_named_with_what_converts_it(golden: Problem) -> None:
    class Lazy:
        """An array that is computed only when it is needed, as in pytensor."""

        def eval(self) -> Array:
            return np.ones(27)

    class Shared:
        """An array of a library that has only the exchange format (DLPack)."""

        def __dlpack__(self) -> object:
            return None

    Lazy.__module__, Shared.__module__ = "pytensor.tensor", "other.arrays"
    report = golden.whole().judge({"b2": Lazy(), "C": Shared(), "h": object()})
    text = " ".join(str(report).split())
    assert (
        "pytensor.Lazy, wanted floats, integers or bools: convert it, perhaps with .eval()" in text
    )
    assert "other.Shared, wanted floats, integers or bools: np.from_dlpack converts it" in text
    assert "h: ours is an object, wanted floats, integers or bools" in text


def test_a_tensor_of_bfloat16_is_read(golden: Problem) -> None:
    torch = pytest.importorskip("torch")
    reference = golden.lines("float32")
    mine = {name: torch.tensor(array).bfloat16() for name, array in ours(reference).items()}
    assert reference.judge(mine)
