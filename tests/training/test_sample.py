"""Sampling names from a model."""

import re
import sys
from typing import Any

import numpy as np
import pytest
from conftest import SHORT, begun

import npnet
from npnet import InputError

Model = tuple[npnet.Parameters, npnet.Statistics, npnet.Vocabulary]


@pytest.fixture
def model() -> Model:
    params, X, Y, generator = begun()
    for _ in npnet.train(SHORT, params, X, Y, generator):
        pass
    vocab = npnet.Vocabulary.from_chars("abdeimnotrvz")
    return params, npnet.calibrate(params, X), vocab


def plainly_sampled(
    model: Model, generator: npnet.Generator, start: str, temperature: float
) -> list[str]:
    """Thirty names, with a forward pass for each character."""
    params, stats, vocab = model
    names = []
    for _ in range(30):
        context, name = [0, 0, 0, *map(int, vocab.encode(start))][-3:], start
        while True:
            h = params.C[context].reshape(1, -1) @ params.W1 + params.b1 - stats.mean
            h = np.tanh(params.bngain * h / np.sqrt(stats.var + stats.eps) + params.bnbias)
            logits = (h @ params.W2 + params.b2)[0].astype("float64") / temperature
            probs = (np.exp(logits) / np.exp(logits).sum()).astype("float32")
            index = generator.multinomial(probs)
            if index == 0:
                break
            context, name = [*context[1:], index], name + vocab.chars[index]
        names.append(name)
    return names


@pytest.mark.parametrize(("start", "temperature"), [("", 1.0), ("a", 0.5), ("zoen", 2.0)])
def test_names_are_drawn_as_a_plain_loop_draws_them(
    model: Model, start: str, temperature: float
) -> None:
    one, other = npnet.Generator(7), npnet.Generator(7)
    ours = npnet.sample(*model, 30, one, start=start, temperature=temperature)
    assert ours == plainly_sampled(model, other, start, temperature)
    assert len(set(ours)) > 3
    assert one.randint(0, 99, (4,)).tolist() == other.randint(0, 99, (4,)).tolist()


@pytest.mark.parametrize(
    ("together", "rows"), [(12, 1), (13, 13), (168, 13), (169, 169), (2196, 169), (99999, 13**3)]
)
def test_contexts_go_together_that_share_a_beginning_and_are_not_too_many(
    together: int,
    rows: int,
    model: Model,
    predicted: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = npnet.sample(*model)
    predicted.clear()
    monkeypatch.setattr(sys.modules["npnet.training.sample"], "TOGETHER", together)
    assert npnet.sample(*model) == names
    assert set(predicted) == {rows}
    assert len(predicted) <= 13**3 / rows


@pytest.mark.parametrize("most", [1, 169, 5 * 169 - 1, 5 * 169, 10**6])
def test_all_probabilities_are_forgotten_before_they_are_too_many(
    most: int, model: Model, predicted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["npnet.training.sample"], "TOGETHER", 13)
    monkeypatch.setattr(sys.modules["npnet.training.sample"], "REMEMBERED", most)
    # Contexts that differ in the last character are computed together, 13 rows of 13.
    known: set[str] = set()
    computed = 0
    for name in npnet.sample(*model):
        for place in range(len(name) + 1):
            beginning = f"...{name}"[place : place + 2]
            if beginning not in known:
                if 169 * (len(known) + 1) > most:
                    known.clear()
                known.add(beginning)
                computed += 1
    assert predicted == [13] * computed


class Watched(npnet.Generator):
    """A generator that notes which exponentials are drawn."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.drawn: list[tuple[Any, Any]] = []

    def exponential(self, *shape: Any, dtype: Any = np.float32, engine: str = "torch") -> Any:
        self.drawn.append((shape, dtype))
        return super().exponential(*shape, dtype=dtype, engine=engine)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("bound", "value", "rows"),
    [("DRAWN_NUMBERS", 40, 3), ("DRAWN_NUMBERS", 5, 1), ("DRAWS", 2, 2), ("DRAWS", 256, 256)],
)
def test_how_much_is_drawn_ahead_changes_no_name_and_no_state(
    bound: str, value: int, rows: int, dtype: Any, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, stats, vocab = model
    one, other = Watched(7), Watched(7)
    names = npnet.sample(params.astype(dtype), stats, vocab, 30, one)
    monkeypatch.setattr(sys.modules["npnet.training.sample"], bound, value)
    assert npnet.sample(params.astype(dtype), stats, vocab, 30, other) == names
    assert other.drawn[0] == ((rows, 13), dtype)
    assert all(drawn == dtype for _, drawn in one.drawn + other.drawn)
    assert one.randint(0, 99, (4,)).tolist() == other.randint(0, 99, (4,)).tolist()


def test_a_model_that_diverged_draws_no_names(model: Model) -> None:
    params, stats, vocab = model
    C = params.C.copy()
    C[3] = np.nan
    with pytest.raises(InputError, match="not finite"):
        npnet.sample({**params, "C": C}, stats, vocab)


def test_the_default_generator_is_the_lectures(model: Model) -> None:
    assert npnet.sample(*model) == npnet.sample(*model, generator=npnet.Generator(2147483657))


def test_there_are_as_many_names_as_asked_for_20_if_nothing_is_said(model: Model) -> None:
    assert len(npnet.sample(*model)) == 20
    assert npnet.sample(*model, count=0) == []


def test_the_temperature_is_1_if_nothing_is_said(model: Model) -> None:
    assert npnet.sample(*model, 500) == npnet.sample(*model, 500, temperature=1.0)


def test_plain_mappings_of_parameters_can_be_sampled(model: Model) -> None:
    params, stats, vocab = model
    assert npnet.sample(dict(params), stats, vocab) == npnet.sample(*model)


def test_a_beginning_is_of_the_vocabulary(model: Model) -> None:
    with pytest.raises(InputError, match="'x'"):
        npnet.sample(*model, start="x")


def test_a_name_that_reaches_the_bound_is_cut_and_marked(model: Model) -> None:
    params, stats, vocab = model
    endless = npnet.Parameters(
        **{**params, "b2": params.b2 - 1e4 * (np.arange(13) == 0).astype("f")}
    )
    hundred = npnet.sample(endless, stats, vocab, count=1)
    names = [npnet.sample(endless, stats, vocab, count=1, max_length=most) for most in (1, 9, 100)]
    assert [len(name) for (name,) in names] == [2, 10, 101]
    assert all(name.endswith("…") for (name,) in names)
    assert names[-1] == hundred


def test_a_low_temperature_gives_the_likeliest_name_each_time(model: Model) -> None:
    for low in (1e-3, 5e-324):
        assert len(set(npnet.sample(*model, count=8, temperature=low))) == 1
    assert len(set(npnet.sample(*model, count=8, temperature=3.0))) > 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"count": -1}, "count -1, wanted 0 or more"),
        ({"temperature": 0.0}, "temperature 0.0, wanted a finite number above 0"),
        ({"temperature": np.nan}, "temperature nan, wanted"),
        ({"temperature": np.inf}, "temperature inf, wanted"),
        ({"max_length": 0}, "max_length 0, wanted 1 or more"),
        ({"start": "a."}, "start 'a.' contains '.', the mark that ends every word"),
        ({"start": "ada", "max_length": 2}, "start 'ada' has 3 characters and max_length is 2,"),
    ],
)
def test_sampling_refuses_impossible_arguments(
    model: Model, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=f"^sample: {re.escape(says)}"):
        npnet.sample(*model, **arguments)


def test_a_beginning_may_be_as_long_as_the_bound(model: Model) -> None:
    assert set(npnet.sample(*model, 5, start="ada", max_length=3)) == {"ada…"}


def test_sampling_refuses_another_vocabulary(model: Model) -> None:
    params, stats, _ = model
    with pytest.raises(InputError, match="another corpus"):
        npnet.sample(params, stats, npnet.Vocabulary.from_chars("ab"))
