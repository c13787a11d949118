"""Every public function, given an argument of a wrong type, says what it wanted."""

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from conftest import locked

import npnet
from npnet import DivergedError, InputError
from npnet.base.arguments import SIZE, SWITCH, WHOLE, checked

# What is right somewhere, and wrong nearly everywhere else.
WRONG: tuple[Any, ...] = (
    *(3, -1, 2.5, float("nan"), 1 + 2j, 2**70, True, None, "x", "", b"x"),
    *([], [3], [None], [[1, 2], [3]], (1, 2), {3}, {}, {"a": 3}, range(3), iter([])),
    *(np.zeros(3), np.zeros((2, 2)), np.array(["a"]), object(), object, npnet, lambda: 1),
)
WORDS = npnet.default_words()[::100][:60]
VOCAB = npnet.Vocabulary.from_words(WORDS)
RECIPE = dataclasses.replace(npnet.RECIPES["lecture"], hidden=3, batch=4, steps=3)
X, Y = map(locked, npnet.build_dataset(WORDS, VOCAB))
PARAMS = npnet.draw_parameters(RECIPE, VOCAB.size, npnet.Generator(1))
STATS = npnet.calibrate(PARAMS, X)
VALUES = npnet.forward(PARAMS, X[:4], Y[:4])
GRADS = npnet.backward(VALUES)
HPREACT, SAVED = npnet.batch_norm(VALUES.hprebn, PARAMS.bngain, PARAMS.bnbias)


def train(*args: Any, **options: Any) -> list[npnet.Record]:
    recipe, params, *rest = args
    params = params.copy() if isinstance(params, npnet.Parameters) else params
    return list(npnet.train(recipe, params, *rest, **options))


def g() -> npnet.Generator:
    return npnet.Generator(1)


# Name -> a function and arguments that are right, or None where they are made for each call.
CALLS: dict[str, tuple[Callable[..., Any], Callable[[], list[Any]]]] = {
    "Draw": (npnet.Draw, lambda: ["W1"]),
    "Generator": (npnet.Generator, lambda: [1]),
    "Gradients": (npnet.Gradients, lambda: [dict(GRADS)]),
    "Lines": (npnet.Lines, lambda: [{"y": lambda v: 2 * v.x}, {"x": np.ones(3)}]),
    "Recipe": (npnet.Recipe, lambda: ["mine"]),
    "Statistics": (npnet.Statistics, lambda: [STATS.mean, STATS.var, 1e-5]),
    "Values": (npnet.Values, lambda: [dict(VALUES)]),
    "Vocabulary": (npnet.Vocabulary, lambda: [".ab"]),
    "backward": (npnet.backward, lambda: [VALUES]),
    "batch_norm": (npnet.batch_norm, lambda: [VALUES.hprebn, PARAMS.bngain, PARAMS.bnbias, 1e-5]),
    "batch_norm_backward": (npnet.batch_norm_backward, lambda: [HPREACT, SAVED]),
    "build_dataset": (npnet.build_dataset, lambda: [WORDS, VOCAB, 3]),
    "calibrate": (npnet.calibrate, lambda: [PARAMS, X, 1e-5]),
    "check_gradient": (
        npnet.check_gradient,
        lambda: [np.tanh, lambda x: 1 - np.tanh(x) ** 2, np.ones(3)],
    ),
    "compare": (npnet.compare, lambda: [GRADS, GRADS]),
    "cross_entropy": (npnet.cross_entropy, lambda: [VALUES.logits, Y[:4]]),
    "default_words": (npnet.default_words, list),
    "draw_parameters": (npnet.draw_parameters, lambda: [RECIPE, VOCAB.size, g()]),
    "evaluate": (npnet.evaluate, lambda: [PARAMS, STATS, X, Y]),
    "explain": (npnet.explain, lambda: ["h"]),
    "find_lost_seed": (npnet.find_lost_seed, lambda: [["nowhere.toml"]]),
    "fit": (npnet.fit, lambda: [RECIPE, WORDS]),
    "forward": (npnet.forward, lambda: [PARAMS, X[:4], Y[:4], 1e-5]),
    "grade": (npnet.grade, lambda: [{}]),
    "grade_notebook": (npnet.grade_notebook, lambda: ["nowhere.ipynb"]),
    "load_run": (npnet.load_run, lambda: ["nowhere"]),
    "loss_and_gradients": (npnet.loss_and_gradients, lambda: [PARAMS, X[:4], Y[:4], 1e-5]),
    "read_words": (npnet.read_words, lambda: ["nowhere.txt"]),
    "sample": (npnet.sample, lambda: [PARAMS, STATS, VOCAB, 2, g()]),
    "split_words": (npnet.split_words, lambda: [WORDS, 42]),
    "train": (train, lambda: [RECIPE, PARAMS, X, Y, g()]),
    # What these hold is made by others: constants, results, errors, a module, keywords.
    **dict.fromkeys(
        ("Parameters", "Record", "Run", "Running", "DivergedError", "InputError", "plots"),
        (lambda: None, list),
    ),
    # Methods.
    "Vocabulary.from_words": (npnet.Vocabulary.from_words, lambda: [WORDS]),
    "Vocabulary.from_chars": (npnet.Vocabulary.from_chars, lambda: ["abc"]),
    "Vocabulary.encode": (VOCAB.encode, lambda: ["abc"]),
    "Vocabulary.decode": (VOCAB.decode, lambda: [[1, 2]]),
    "Generator.randn": (g().randn, list),
    "Generator.randint": (g().randint, lambda: [0, 5, (3,)]),
    "Generator.randperm": (g().randperm, lambda: [4]),
    "Generator.multinomial": (g().multinomial, lambda: [np.full(3, 1 / 3, np.float32)]),
    "Generator.set_state": (g().set_state, lambda: [g().get_state()]),
    "Parameters.of": (npnet.Parameters.of, lambda: [PARAMS]),
    "Parameters.astype": (PARAMS.astype, lambda: ["float64"]),
    "Recipe.from_json": (npnet.Recipe.from_json, lambda: [RECIPE.to_json()]),
    "Running.begin": (npnet.Running.begin, lambda: [RECIPE]),
    "plots.losses": (npnet.plots.losses, lambda: [[2.3, 2.2]]),
}
# Called by npnet with arguments of its own: their number is the caller's business.
CALLED = {"watch", "executor", "f", "df"}


def test_every_public_name_is_called() -> None:
    constants = {"GRADIENTS", "RECIPES", "__version__"}
    assert {*npnet.__all__} - constants == {name for name in CALLS if "." not in name}


def wrong_calls(name: str) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    """Each argument replaced by each wrong value, the others right."""
    function, right = CALLS[name]
    parameters = [npnet.train if function is train else function][0]
    named = [
        each.name
        for each in inspect.signature(parameters).parameters.values()
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    for place, parameter in enumerate(named):
        for value in WRONG:
            args = right()
            if parameter in CALLED and callable(value):
                continue
            if place < len(args):
                args[place] = value
                yield parameter, args, {}
            else:
                yield parameter, args, {parameter: value}


@pytest.mark.filterwarnings("ignore")  # NumPy's, of odd numbers on their way to an error
@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_argument_is_refused_in_words(name: str) -> None:
    function = CALLS[name][0]
    for parameter, args, options in wrong_calls(name):
        try:
            function(*args, **options)
        except (InputError, DivergedError) as error:
            said = str(error)
            assert "\n" not in said, (parameter, said)
            assert "wanted" in said or "did you mean" in said, (parameter, said)
            assert said.partition(":")[0], (parameter, said)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: npnet.explain(3), "explain: name is an int, 3, wanted a str"),  # type: ignore[arg-type]
        (lambda: npnet.load_run(3), "load_run: folder is an int, 3, wanted a path"),  # type: ignore[arg-type]
        (lambda: npnet.read_words(3), "read_words: path is an int, 3, wanted a path"),  # type: ignore[arg-type]
        (lambda: npnet.backward(3), "backward: values is an int, 3, wanted what npnet.forward"),  # type: ignore[arg-type]
        (
            lambda: npnet.build_dataset(["a"], 4),  # type: ignore[arg-type]
            "build_dataset: vocab is an int, 4, wanted an npnet.Vocabulary",
        ),
        (
            lambda: npnet.build_dataset(["a"], VOCAB, 2**40),
            "block_size is an int, 1099511627776, wanted a whole number below 2^31",
        ),
        (
            lambda: npnet.sample(PARAMS, STATS, VOCAB, start=np.zeros(2)),  # type: ignore[arg-type]
            "sample: start is an ndarray, wanted a str",
        ),
    ],
)
def test_who_got_what_and_wanted_what_is_said(call: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert said in str(caught.value)


def test_a_declaration_names_a_parameter_and_takes_its_default() -> None:
    @checked(count=WHOLE, size=SIZE, fast=SWITCH)
    def made(count: int | None = None, size: int = 3, fast: bool = False) -> tuple[object, ...]:
        return count, size, fast

    assert made() == made(None) == made(fast=False) == (None, 3, False)
    assert WHOLE.takes(np.int64(2))
    assert made(2, 2**31 - 1, True) == (2, 2**31 - 1, True)
    for bad in ({"count": True}, {"count": 2.0}, {"size": 2**31}, {"fast": 1}):
        with pytest.raises(InputError, match=rf"^made: {next(iter(bad))} is an? "):
            made(**bad)
    with pytest.raises(TypeError):
        made(widht=3)  # type: ignore[call-arg]
    with pytest.raises(AssertionError):
        checked(widht=WHOLE)(made)
