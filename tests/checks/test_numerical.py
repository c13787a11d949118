"""Numerical gradients without torch: they agree with right ones, and find mistakes."""

import dataclasses
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import locked, random_network, slow_but
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import GRADIENTS, InputError
from npnet.base.arrays import Array
from npnet.checks import numerical
from npnet.cli import check, main
from npnet.learn.wrong_gradients import wrong_gradient
from npnet.network.gradients import Gradient
from npnet.network.names import NAMES, VALUE_NAMES

SIZES = {"n": st.integers(2, 9), "V": st.integers(2, 8), "E": st.integers(1, 4),
         "T": st.integers(1, 3), "H": st.integers(1, 6)}  # fmt: skip
SEEN_BY_THE_LOSS = sorted(set(GRADIENTS) - {"b1", "logit_maxes"})


def random_values(seed: int = 0, eps: float = 1e-5, **sizes: int) -> npnet.Values:
    """A forward pass of a random network, all its arrays read-only."""
    values = npnet.forward(*random_network(np.random.default_rng(seed), **sizes), eps=eps)
    for name in NAMES:
        if name != "loss":
            locked(values[name])
    return values


def real_values(recipe: str, rows: int) -> npnet.Values:
    """The forward pass over real contexts, with the parameters of a recipe made small."""
    small = dataclasses.replace(
        npnet.RECIPES[recipe], hidden=12, embedding=4, batch=rows, dtype="float64"
    )
    words = npnet.default_words()[::50]
    vocab = npnet.Vocabulary.from_words(words)
    X, Y = npnet.build_dataset(words, vocab, small.block_size)
    generator = npnet.Generator(small.seed)
    params = npnet.draw_parameters(small, vocab.size, generator)
    chosen = generator.randint(0, len(X), (rows,))
    return npnet.forward(params, X[chosen], Y[chosen], small.eps)


def tied_values() -> npnet.Values:
    """A forward pass in which some rows have two largest logits."""
    params, X, Y = random_network(np.random.default_rng(0), n=8)
    W2, b2 = np.zeros_like(params.W2), np.array([0.1, 0, 0, -1, -1, -1])
    W2[0, 1:3] = 1  # columns 1 and 2 tie, and win where the first hidden unit is above 0.1
    return npnet.forward({**params, "W2": W2, "b2": b2}, X, Y)


def random_upstream(values: npnet.Values, seed: int = 1) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {name: locked(rng.standard_normal(np.shape(values[name]))) for name in VALUE_NAMES}


def assert_near(ours: Any, reference: dict[str, Array], noise: float) -> None:
    """Every array is within 1e-12 of its largest entry, or of ``noise`` if all its terms cancel."""
    assert set(ours) == set(reference) == set(GRADIENTS)
    for name, array in reference.items():
        assert array.shape == ours[name].shape, name
        assert array.dtype == np.float64, name
        scale = max(np.abs(ours[name]).max(), noise)
        assert np.abs(ours[name] - array).max() <= 1e-12 * scale, name


# What agrees


@given(
    sizes=st.fixed_dictionaries(SIZES),
    eps=st.sampled_from([0.1, 1.0]),  # with 1e-5 all but rounding cancels in a batch of two
    seed=st.integers(0, 1000),
)
def test_the_complex_step_agrees_with_the_hand_written_gradients(
    sizes: dict[str, int], eps: float, seed: int
) -> None:
    values = random_values(seed, eps, **sizes)
    ours = npnet.backward(values)
    # In a batch of equal rows gradients are 0 by symmetry, sums of these that cancel.
    assert_near(ours, numerical.complex_step(values), noise=np.abs(ours.logits).max())


@given(sizes=st.fixed_dictionaries(SIZES), seed=st.integers(0, 1000))
def test_every_line_alone_agrees_with_its_hand_written_gradient(
    sizes: dict[str, int], seed: int
) -> None:
    values = random_values(seed, **sizes)
    upstream = random_upstream(values, seed + 1)
    d = npnet.Gradients(upstream)
    ours = {name: function(values, d) for name, function in GRADIENTS.items()}
    assert_near(ours, numerical.cut(values, upstream), noise=1e-3)


@pytest.mark.parametrize("recipe", slow_but(["lecture", "part3"], ["lecture"]))
def test_a_real_minibatch_passes_by_every_method(recipe: str) -> None:
    values = real_values(recipe, rows=16)
    for method in (check.by_complex_step, check.by_differences, check.line_by_line):
        report = method(values)
        assert report.passed, report
        assert [row.name for row in report.rows] == list(GRADIENTS)


def test_the_complex_step_agrees_with_the_fused_pass() -> None:
    params, X, Y = random_network(np.random.default_rng(3))
    reference = numerical.complex_step(npnet.forward(params, X, Y))
    _, fused = npnet.loss_and_gradients(params, X, Y)
    for name in fused:
        np.testing.assert_allclose(fused[name], reference[name], rtol=1e-10, atol=1e-14)


def test_tiny_probabilities_are_no_smaller_than_the_step() -> None:
    params, X, Y = random_network(np.random.default_rng(0), n=9)
    values = npnet.forward({**params, "W2": 50 * params.W2}, X, Y)
    assert values.probs[np.arange(9), Y].min() < 1e-30
    assert npnet.compare(npnet.backward(values), numerical.complex_step(values)).passed


@pytest.mark.parametrize("step", slow_but([None, 1e-2, 1e-3, 1e-8, 1e-10], [None, 1e-8]))
def test_finite_differences_know_their_error(step: float | None) -> None:
    for seed in range(3):
        values = random_values(seed, n=9, V=5, E=2, H=4)
        ours = npnet.backward(values)
        gradients, errors = numerical.finite_differences(values, step)
        for name in GRADIENTS:
            assert gradients[name].shape == ours[name].shape
            assert np.abs(gradients[name] - ours[name]).max() <= errors[name], name
        if step is None:
            errors_of_seen = [errors[name] / np.abs(ours[name]).max() for name in SEEN_BY_THE_LOSS]
            assert max(errors_of_seen) < 1e-5


def test_the_maximum_of_complex_numbers_is_that_of_their_real_parts() -> None:
    assert np.array([[1 + 5j, 2 - 1j, 2 - 3j]]).max(1) == 2 - 1j


def test_read_only_values_stay_as_they_are() -> None:
    values = random_values()
    upstream = random_upstream(values)
    before = {name: np.array(values[name]) for name in (*NAMES, "X", "Y")}
    numerical.complex_step(values)
    numerical.cut(values, upstream)
    numerical.finite_differences(values)
    for name, array in before.items():
        np.testing.assert_array_equal(values[name], array)


# Planted mistakes


def negated(right: Gradient) -> Gradient:
    return lambda v, d: -right(v, d)


def zeros(name: str) -> Gradient:
    return lambda v, d: np.zeros_like(v[name])


def of_catalogue(*keys: tuple[str, str]) -> dict[str, tuple[str, Gradient]]:
    found = [wrong_gradient(*key) for key in keys]
    return {f"{entry.exercise}: {entry.what}": (entry.gradient, entry.function) for entry in found}


WRONG: dict[str, tuple[str, Gradient]] = {
    **of_catalogue(
        ("dlogprobs", "1/n is forgotten"),
        ("dcounts", "the path through counts_sum is forgotten"),
        ("dcounts", "the path through probs is forgotten"),
        ("dbnraw", "the gain is left out"),
        ("dhpreact", "hpreact for h"),
        ("dbnvar", "eps is forgotten"),
        ("dbndiff2", "n for n - 1"),
        ("dbndiff", "the path through bndiff2 is forgotten"),
        ("dbndiff", "the factor 2 is forgotten"),
        ("dhprebn", "the path through the mean is forgotten"),
        ("dhprebn", "1/n is forgotten"),
        ("dC", "dC[X] += demb keeps one of several repeats"),
        ("dC", "only the last position of each context is used"),
    ),
    **{f"sign of {name}": (name, negated(right)) for name, right in GRADIENTS.items()},
    **{f"zeros for {name}": (name, zeros(name)) for name in GRADIENTS},
}

# The loss cannot tell: seen from there these are right.
HIDDEN: dict[str, tuple[str, Gradient]] = {
    **of_catalogue(
        ("dlogits", "the path through the maximum is forgotten"),
        ("dbnmeani", "what is summed lacks the path through bndiff2"),
    ),
    **{key: WRONG.pop(key) for key in [*WRONG] if key.endswith((" b1", " logit_maxes"))},
}


@pytest.fixture(scope="module")
def witnesses() -> Any:
    """Values, and the gradients of the three methods for them, computed once."""
    values = real_values("lecture", rows=12)
    upstream = random_upstream(values)
    return SimpleNamespace(
        values=values,
        upstream=SimpleNamespace(**upstream),
        complex=numerical.complex_step(values),
        lines=numerical.cut(values, upstream),
        differences=numerical.finite_differences(values),
    )


@pytest.mark.parametrize("mistake", WRONG)
def test_a_planted_mistake_is_found_from_the_loss(
    mistake: str, witnesses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, wrong = WRONG[mistake]
    monkeypatch.setitem(GRADIENTS, name, wrong)
    ours = npnet.backward(witnesses.values)
    report = npnet.compare(ours, witnesses.complex)
    assert name in {row.name for row in report.failures}
    gradients, errors = witnesses.differences
    assert np.abs(ours[name] - gradients[name]).max() > 2 * errors[name]


@pytest.mark.parametrize("mistake", [*WRONG, *HIDDEN])
def test_a_planted_mistake_is_found_line_by_line(mistake: str, witnesses: Any) -> None:
    name, wrong = {**WRONG, **HIDDEN}[mistake]
    ours = {name: wrong(witnesses.values, witnesses.upstream)}
    assert not npnet.compare(ours, {name: witnesses.lines[name]}).passed


@pytest.mark.parametrize("mistake", HIDDEN)
def test_some_mistakes_cannot_be_seen_from_the_loss(
    mistake: str, witnesses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, wrong = HIDDEN[mistake]
    monkeypatch.setitem(GRADIENTS, name, wrong)
    assert npnet.compare(npnet.backward(witnesses.values), witnesses.complex).passed


# Ties


def test_tied_rows_are_named_and_only_they() -> None:
    assert numerical.ties({"logits": [[1, 2, 2], [1, 2, 3], [0, 0, 1], [4, 4, 4]]}).tolist() == [
        0,
        3,
    ]
    values = tied_values()
    tied = np.flatnonzero(values.h[:, 0] > 0.1)
    assert 0 < len(tied) < 8
    assert numerical.ties(values).tolist() == tied.tolist()
    assert numerical.ties(random_values()).tolist() == []
    with pytest.raises(InputError, match="ties: logits of shape"):
        numerical.ties({})


def test_the_loss_has_its_gradient_at_a_tie() -> None:
    values = tied_values()
    assert_near(npnet.backward(values), numerical.complex_step(values), noise=0.1)


def test_the_line_of_the_maximum_has_none_at_a_tie() -> None:
    values = tied_values()
    expected = numerical.cut(values, random_upstream(values))
    assert np.flatnonzero(np.isnan(expected["logits"]).all(1)).tolist() == [*numerical.ties(values)]
    nans = {name: np.isnan(array).sum() for name, array in expected.items()}
    assert sum(nans.values()) == nans["logits"] == 6 * len(numerical.ties(values))


# What is refused


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda v: {**v, "h": v.h.astype("f")}, "h is float32, wanted float64"),
        (lambda v: {**v, "h": v.h[:-1]}, r"h has shape \(6, 5\), wanted \(7, 5\), that is \(n, H"),
        (lambda v: {**v, "h": v.h * np.nan}, "h is not finite everywhere"),
        (lambda v: {**v, "probs": v.probs * 1e-290}, "probs holds .*wanted 1e-280 or more"),
        (lambda v: {**v, "Y": v.Y[:-1]}, r"Y \(6,\), wanted"),
        (lambda v: {name: v[name] for name in v if name not in ("h", "eps")}, "without h, eps"),
    ],
)
@pytest.mark.parametrize("method", ["complex_step", "finite_differences", "cut"])
def test_values_that_do_not_fit_are_refused(
    method: str, spoil: Callable[[Any], Any], says: str
) -> None:
    values = random_values()
    arguments = [random_upstream(values)] if method == "cut" else []
    with pytest.raises(InputError, match=f"^{method}: .*{says}"):
        getattr(numerical, method)(spoil(values), *arguments)


def test_float32_networks_are_refused_with_the_way_out() -> None:
    params, X, Y = random_network(np.random.default_rng(0), np.float32)
    with pytest.raises(InputError, match=r'is float32.*params.astype\("float64"\)'):
        numerical.complex_step(npnet.forward(params, X, Y))
    numerical.complex_step(npnet.forward(params.astype("float64"), X, Y))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ({"loss": None}, "upstream without loss"),
        ({"bnmeani": np.ones(5)}, r"upstream bnmeani is float64 of shape \(5,\).*\(1, 5\)"),
        ({"loss": np.array(True)}, "upstream loss is bool"),
    ],
)
def test_upstream_gradients_that_do_not_fit_are_refused(spoil: Any, says: str) -> None:
    values = random_values()
    upstream = {**random_upstream(values), **spoil}
    with pytest.raises(InputError, match=f"^cut: {says}"):
        numerical.cut(
            values, {name: entry for name, entry in upstream.items() if entry is not None}
        )


@pytest.mark.parametrize("step", [0, -1e-5, 0.25, np.nan])
def test_steps_out_of_range_are_refused(step: float) -> None:
    with pytest.raises(InputError, match=r"wanted one above 0 and below 0\.25"):
        numerical.finite_differences(random_values(), step)


# The command

SMALL = ["check", "--batch", "8", "--hidden", "4"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "complex step of the loss"),
        (["--finite"], "finite differences of the loss"),
        (["--lines", "--recipe", "part3"], "every line alone"),
    ],
)
def test_the_command_prints_26_rows(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "n=8 T=3 E=10 H=4 V=27 float64, loss" in lines[0]
    assert said in lines[1]
    assert [line.split()[0] for line in lines[3:29]] == list(GRADIENTS)
    assert lines[-1].startswith("26 of 26 ok")


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--seed", "7", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["passed"] is True
    assert (figures["recipe"], figures["n"], figures["H"]) == ("lecture-64", 8, 4)
    assert (figures["seed"], figures["ties"]) == (7, [])
    assert [row["name"] for row in figures["rows"]] == list(GRADIENTS)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command_leaves_with_1_if_a_gradient_is_wrong(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(GRADIENTS, *WRONG["dC: dC[X] += demb keeps one of several repeats"])
    assert main([*SMALL, *options]) == 1
    assert "1 wrong: C" in capsys.readouterr().out


def test_the_command_takes_the_first_minibatch_of_training(small_words: list[str]) -> None:
    recipe = dataclasses.replace(npnet.RECIPES["lecture"], hidden=4, steps=1, dtype="float64")
    values = check.first_minibatch(recipe, small_words)
    assert values.loss == pytest.approx(npnet.fit(recipe, small_words).losses[0], rel=1e-13)


@pytest.mark.parametrize(
    ("options", "said"), [([], "the loss has one"), (["--lines"], "left out of logits")]
)
def test_the_command_reports_ties(
    options: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    values = tied_values()
    monkeypatch.setattr(check, "first_minibatch", lambda recipe, words: values)
    assert main([*SMALL, *options]) == 0
    line = capsys.readouterr().out.splitlines()[2]
    assert line.startswith(f"rows {', '.join(map(str, numerical.ties(values)))}: the largest logit")
    assert line.endswith(said)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--batch", "4"], "--batch: got 4, wanted 8 or more"),
        (["--hidden", "0"], "hidden: got 0, wanted 1 or more"),
        (["--words", "nowhere.txt"], "nowhere.txt: No such file"),
    ],
)
def test_the_command_refuses_what_it_cannot_use(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *options]) == 2
    assert says in capsys.readouterr().err
