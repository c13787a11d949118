"""Arrays from users are read or refused; named arrays are changed in place and compared."""

import copy
import decimal
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet.base.arrays import Named, UnusableArray, read_array
from npnet.base.equality import equal
from npnet.training.runs import write_history


@pytest.fixture
def params() -> npnet.Parameters:
    recipe = npnet.Recipe("small", hidden=4, embedding=3, batch=4)
    return npnet.draw_parameters(recipe, 5, npnet.Generator(1))


@pytest.fixture
def values(params: npnet.Parameters) -> npnet.Values:
    g = npnet.Generator(2)
    return npnet.forward(params, g.randint(0, 5, (4, 3)), g.randint(0, 5, (4,)))


@pytest.fixture(scope="module")
def run() -> npnet.Run:
    recipe = npnet.Recipe("small", hidden=4, embedding=3, batch=4, steps=3)
    return npnet.fit(recipe, npnet.default_words()[:100])


# Changes in place


def test_parameters_change_in_place_as_attributes(params: npnet.Parameters) -> None:
    array, before = params.W1, params.W1.copy()
    params.W1 -= 1.0
    assert params.W1 is array
    np.testing.assert_array_equal(array, before - 1)


def test_parameters_change_in_place_as_entries(params: npnet.Parameters) -> None:
    array, before = params["b2"], params["b2"].copy()
    params["b2"] *= 2
    assert params.b2 is array
    np.testing.assert_array_equal(array, before * 2)


def test_sgd_by_hand_lowers_the_loss(params: npnet.Parameters, values: npnet.Values) -> None:
    gradients = npnet.backward(values)
    for name in params:
        params[name] -= 0.1 * gradients[name]
    assert npnet.forward(params, values.X, values.Y).loss < values.loss


@pytest.mark.parametrize("name", ["h", "C", "X"])
def test_values_refuse_a_change_in_place(values: npnet.Values, name: str) -> None:
    before = values[name].copy()
    with pytest.raises(ValueError, match="read-only"):
        values[name][...] = 0
    with pytest.raises(ValueError, match="read-only"):
        setattr(values, name, values[name].__isub__(1))
    np.testing.assert_array_equal(values[name], before)


def test_gradients_refuse_a_change_in_place(values: npnet.Values) -> None:
    gradients = npnet.backward(values)
    for array in gradients.values():
        with pytest.raises(ValueError, match="read-only"):
            array *= 2


def test_statistics_refuse_a_change_in_place(params: npnet.Parameters) -> None:
    stats = npnet.calibrate(params, np.arange(15).reshape(5, 3) % 5)
    before = stats.mean.copy()
    with pytest.raises(ValueError, match="read-only"):
        stats.mean.__isub__(1)
    np.testing.assert_array_equal(stats.mean, before)


def test_another_object_cannot_take_a_name(params: npnet.Parameters) -> None:
    before = params.copy()
    with pytest.raises(AttributeError, match=r"'W1' cannot be set: .* assign to \.W1\[\.\.\.\]"):
        params.W1 = params.W1 - 1
    with pytest.raises(TypeError, match="'W1' cannot be set"):
        params["W1"] = params.W1.copy()
    with pytest.raises(AttributeError, match=r"'rate' cannot be set$"):
        params.rate = 0.1
    with pytest.raises(ValueError, match="broadcast"):
        params.b1 -= np.ones((9, 9), np.float32)
    assert params == before


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))]
)
def test_copies_are_equal_and_as_protected(values: npnet.Values, again: Any) -> None:
    other = again(values)
    assert other == values
    assert not other.h.flags.writeable


# Equality


def test_parameters_are_equal_by_their_numbers(params: npnet.Parameters) -> None:
    other = params.copy()
    assert params == other
    assert params == dict(other)
    assert params != params.astype(np.float64)
    other.bnbias[0, 0] += 1e-6
    assert params != other
    assert params != "params"


def test_a_saved_run_loads_as_an_equal_one(run: npnet.Run, tmp_path: Path) -> None:
    again = npnet.load_run(run.save(tmp_path / "run", plot=False))
    assert again == run
    again.params.b1 += 1
    assert again != run
    assert run.stats == npnet.Statistics(run.stats.mean.copy(), run.stats.var, run.stats.eps)
    assert run.stats != npnet.Statistics(run.stats.mean, run.stats.var, 0.5)


def test_running_averages_are_equal_by_their_numbers() -> None:
    recipe = npnet.RECIPES["part3"]
    one, other = npnet.Running.begin(recipe), npnet.Running.begin(recipe)
    assert one == other
    one.mean += 1
    assert one != other


@pytest.mark.parametrize("kind", ["params", "run", "stats"])
def test_objects_with_arrays_have_no_hash(run: npnet.Run, kind: str) -> None:
    with pytest.raises(TypeError, match="unhashable type"):
        hash({"params": run.params, "run": run, "stats": run.stats}[kind])


ARRAYS = hnp.arrays(st.sampled_from([np.float32, np.float64, np.int64]), hnp.array_shapes())


@given(ARRAYS)
def test_a_copy_with_nan_is_equal(array: np.ndarray[Any, Any]) -> None:
    assert equal({"a": [array, (array,)]}, {"a": [array.copy(), (array.copy(),)]})
    assert Named({"a": array}) == {"a": array.copy()}


@given(ARRAYS, st.data())
def test_one_other_entry_makes_a_difference(array: np.ndarray[Any, Any], data: Any) -> None:
    other = array.copy()
    place = data.draw(st.integers(0, array.size - 1))
    other.flat[place] = 7 if array.flat[place] != 7 else 8
    assert not equal(array, other)
    assert not equal(array, array[None])
    assert not equal(array, array.tolist())
    assert not equal((array,), [array])


# What is read, and what is refused by its Python type


def raising(error: Exception) -> Any:
    class Odd:
        def __array__(self, *_: object, **__: object) -> None:
            raise error

    return Odd()


class OnlyDetach:
    def detach(self) -> "OnlyDetach":
        return self


class RaisesDetach:
    @property
    def detach(self) -> None:
        raise ZeroDivisionError("no")


REFUSED: dict[str, tuple[object, str]] = {
    "None": (None, "it is None, wanted an array"),
    "detach alone": (OnlyDetach(), "it is a test_arrays.OnlyDetach, wanted floats"),
    "detach raises": (
        RaisesDetach(),
        "it is a test_arrays.RaisesDetach, .*: ZeroDivisionError: no",
    ),
    "KeyError": (raising(KeyError("x")), "it is a test_arrays.Odd, wanted an array: KeyError: 'x'"),
    "MemoryError": (raising(MemoryError("full")), "wanted an array: MemoryError: full"),
    "text": ("1.0", "it is a str of dtype <U3, wanted floats"),
    "texts": (["a"], "it is a list of dtype <U1, wanted floats"),
    "bytes": (b"1", r"it is a bytes of dtype \|S1, wanted floats"),
    "dict": ({}, "it is a dict, wanted floats"),
    "set": ({1.0}, "it is a set, wanted floats"),
    "function": (print, "it is a builtin_function_or_method, wanted floats"),
    "class": (OnlyDetach, "it is a type, wanted an array"),
    "list of None": ([1.0, None], "it is a list that holds a NoneType, wanted floats"),
    "decimals": ([decimal.Decimal(1)], "it is a list that holds a decimal.Decimal, wanted"),
    "objects": (np.array([1, {}], object), "it is an ndarray that holds a dict, wanted floats"),
    "too long": (10**400, "it is an int, wanted floats"),
    "ragged": ([[1], [1, 2]], "it is a list, wanted an array: .* inhomogeneous"),
    "complex": (np.ones(2) * 1j, "it is complex128, wanted floats"),
    "dates": (np.array("2020-01-01", "M8[D]"), r"it is datetime64\[D\], wanted floats"),
    "masked": (
        np.ma.array([1, 2], mask=[False, True]),
        "a MaskedArray with 1 entries masked, .*filled",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_array_is_named_by_its_type(kind: str) -> None:
    entry, message = REFUSED[kind]
    with pytest.raises(UnusableArray, match=message):
        read_array("it", entry)
    report = npnet.compare({"x": entry}, {"x": np.ones(2)})
    assert not report.passed


def test_a_masked_array_without_masks_is_read() -> None:
    np.testing.assert_array_equal(read_array("it", np.ma.array([1, 2])), [1, 2])


def test_a_tensor_on_another_device_is_fetched() -> None:
    class OnCpu:
        def numpy(self) -> Any:
            return np.ones(3)

    device = SimpleNamespace(cpu=OnCpu)
    np.testing.assert_array_equal(read_array("it", SimpleNamespace(detach=lambda: device)), 1.0)


def test_tensors_of_torch_are_read_or_named() -> None:
    torch = pytest.importorskip("torch")
    kept = torch.ones(2, requires_grad=True)
    for each in (kept, kept.bfloat16()):
        np.testing.assert_array_equal(read_array("it", each), [1, 1])
    for tensor in (torch.ones(2, device="meta"), kept.to_sparse()):
        with pytest.raises(UnusableArray, match=r"it is a torch\.Tensor, wanted an array: "):
            read_array("it", tensor)


# Shapes of a batch


@pytest.mark.parametrize(
    ("X", "Y", "cause"),
    [
        ((4, 3), (9,), r"X has 4 rows and Y 9: take Y of the same rows as X, as in X\[rows\]"),
        ((4, 2), (4,), "the parameters have a context of 3, build X with block_size=3"),
        ((4, 3), (4, 1), r"take Y\.ravel\(\)"),
        ((4, 3), (4, 5), "Y has 2 axes, wanted 1"),
        ((3,), (), r"for one context, take X\[None\] and Y\[None\]"),
        ((4,), (4,), "X has 1 axes, wanted 2: a row of 3 indices for each example"),
        ((4, 9), (4,), "X holds indices of characters, not their embeddings"),
        ((4, 3, 3), (4,), "X holds indices of characters, not their embeddings"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_with_reason(
    params: npnet.Parameters, X: tuple[int, ...], Y: tuple[int, ...], cause: str
) -> None:
    with pytest.raises(npnet.InputError, match=f"forward: X has shape .*: {cause}"):
        npnet.forward(params, np.zeros(X, np.int64), np.zeros(Y, np.int64))


# Files give the same floats back


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_history_gives_the_same_floats_back(
    tmp_path_factory: pytest.TempPathFactory, dtype: Any, data: Any
) -> None:
    loss = st.floats(0, allow_infinity=False)
    if dtype is np.float32:
        loss = st.floats(0, width=32, allow_infinity=False)
    losses = np.array(data.draw(st.lists(loss, min_size=1, max_size=9)), dtype)
    rate = data.draw(st.floats(0, 1e6))
    decay = data.draw(st.floats(0.5, 1))
    recipe = npnet.Recipe(
        "r", steps=len(losses), rates=((0, rate),), decay=decay, dtype=dtype.__name__
    )
    folder = tmp_path_factory.mktemp("history")
    write_history(folder, recipe, losses)
    header, *lines = (folder / "history.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]
    assert header == "step,loss,lr"
    assert [int(step) for step, _, _ in rows] == list(range(len(losses)))
    assert [dtype(loss) for _, loss, _ in rows] == list(losses)
    assert [float(lr) for _, _, lr in rows] == [recipe.rate(step) for step in range(len(losses))]


@given(st.floats(0, 1e6), st.floats(0.5, 1), st.floats(0, 1), st.floats(-1e30, 1e30))
def test_a_recipe_gives_the_same_floats_back(
    rate: float, decay: float, eps: float, constant: float
) -> None:
    draws = (*npnet.RECIPES["lecture"].draws[:-1], npnet.Draw("bnbias", constant=constant))
    recipe = npnet.Recipe("r", rates=((0, rate),), decay=decay, eps=eps, draws=draws)
    assert npnet.Recipe.from_json(recipe.to_json()) == recipe
