"""Names of other programs are recognised if only one of ours fits."""

import numpy as np
import pytest

from npnet import InputError
from npnet.base.arrays import Array
from npnet.checks.array_names import parameters_alone, plain_name, recognise, without_values
from npnet.network.gradients import GRADIENTS
from npnet.network.names import PARAMETER_NAMES, VALUE_NAMES, shape_of

SIZES = {"n": 32, "V": 27, "E": 10, "T": 3, "H": 16}


@pytest.mark.parametrize(
    "name",
    [
        *("W1", "dW1", "grad_W1", "W1_grad", "W1.grad", "grads/W1", "gradients.W1", "d_W1"),
        *("w1", "model.W1.grad", "['W1']", "grads['W1']", "params/W1/grad", "Grad_W1"),
    ],
)
def test_a_decorated_name_is_read(name: str) -> None:
    assert plain_name(name) == "W1"


def test_every_gradient_is_read_with_its_decorations() -> None:
    for name in GRADIENTS:
        for form in ("{}", "d{}", "grad_{}", "{}.grad", "grads/{}", "d{}.grad"):
            assert plain_name(form.format(name)) == name
    for name in VALUE_NAMES:
        assert plain_name(f"values/{name}", VALUE_NAMES, gradient=False) == name


@pytest.mark.parametrize("name", ["W3", "weight", "ddW1", "my_W1", "loss", "", ".", "dd", "grad_"])
def test_another_name_stays(name: str) -> None:
    assert plain_name(name) == name


def test_a_values_name_is_never_that_of_a_gradient() -> None:
    assert plain_name("dh", VALUE_NAMES, gradient=False) == "dh"
    assert plain_name("h.grad", VALUE_NAMES, gradient=False) == "h.grad"
    assert without_values(["h", "dh", "W1", "grad_W1", "X"]) == ["dh", "grad_W1"]
    assert without_values(["h", "W1"]) == ["h", "W1"]
    gradients = {"grad_W1": np.ones(1), "grad_b1": np.ones(1)}
    assert recognise(gradients, SIZES, VALUE_NAMES, gradient=False).arrays == gradients


def module_state(sizes: dict[str, int]) -> dict[str, Array]:
    """The gradients of a torch module: linear layers hold (out, in), and the norm has vectors."""
    g = {name: np.random.default_rng(0).random(shape_of(name, sizes)) for name in PARAMETER_NAMES}
    return {
        "embedding.weight": g["C"],
        "layers.0.weight": g["W1"].T,
        "layers.0.bias": g["b1"],
        "layers.1.weight": g["bngain"][0],
        "layers.1.bias": g["bnbias"][0],
        "layers.3.weight": g["W2"].T,
        "layers.3.bias": g["b2"],
    }


def test_a_modules_state_is_recognised_by_its_shapes() -> None:
    state = module_state(SIZES)
    found = recognise(state, SIZES, GRADIENTS, gradient=True)
    assert found.arrays.keys() == {*PARAMETER_NAMES}
    for name, array in found.arrays.items():
        assert array.shape == shape_of(name, SIZES)
    assert np.array_equal(found.arrays["W1"], state["layers.0.weight"].T)
    assert "layers.0.weight is read as W1, transposed" in found.said
    assert "layers.1.bias is read as bnbias, as a row" in found.said
    flax = {
        "params/Dense_0/kernel": np.ones((30, 16)),
        "params/Dense_0/bias": np.ones(16),
        "params/Norm_0/scale": np.ones(16),
        "grads/Embed_0/embedding": np.ones((27, 10)),
    }
    found = recognise(flax, SIZES, GRADIENTS, gradient=True)
    assert [*found.arrays] == ["W1", "b1", "bngain", "C"]


def test_if_two_names_fit_none_is_chosen() -> None:
    square = {**SIZES, "H": 30}
    found = recognise(module_state(square), square, GRADIENTS, gradient=True)
    assert {"layers.0.weight", "layers.0.bias"} <= found.arrays.keys()
    assert (
        "'layers.0.weight' of shape (30, 30) fits W1 and W1, transposed: give it one of our names"
        in found.said
    )
    twice = {"a.weight": np.ones((16, 30)), "b.weight": np.ones((30, 16))}
    found = recognise(twice, SIZES, GRADIENTS, gradient=True)
    assert [*found.arrays] == [*twice]
    assert len(found.said) == 2
    assert all("as others do" in said for said in found.said)
    alone = recognise({"norm.bias": np.ones(16)}, SIZES, GRADIENTS, gradient=True)
    assert [*alone.arrays] == ["norm.bias"]
    assert "fits b1 and bnbias, as a row" in alone.said[0]


def test_two_names_of_one_array_are_refused() -> None:
    with pytest.raises(InputError, match="W1 and grad_W1 are both W1, wanted one"):
        recognise({"W1": np.ones(1), "grad_W1": np.ones(1)}, SIZES, GRADIENTS, gradient=True)


@pytest.mark.parametrize("around", ["my_{}", "0/{}", "layer.{}/theirs", "dL/d{}", "({})[0]"])
def test_the_same_text_around_several_names_is_read(around: str) -> None:
    arrays = {around.format(name): np.ones(shape_of(name, SIZES)) for name in PARAMETER_NAMES}
    found = recognise(arrays, SIZES, GRADIENTS, gradient=True)
    assert set(found.arrays) == set(PARAMETER_NAMES)
    assert "is read as" in found.said[0]


@pytest.mark.parametrize("name", ["dL_dW1", "dL/dW1", "dloss_dW1", "nabla_W1", "grad W1"])
def test_a_derivative_by_its_fraction_is_read(name: str) -> None:
    assert plain_name(name) == "W1"


@pytest.mark.parametrize("names", [["width"], ["width", "height"], ["xh", "xC"]])
def test_one_letter_by_chance_is_no_name(names: list[str]) -> None:
    arrays = {name: np.ones(3) for name in names}
    assert set(recognise(arrays, SIZES, GRADIENTS, gradient=True).arrays) == set(names)


@pytest.mark.parametrize(
    ("names", "alone"),
    [
        ("W1 C b2", True),
        ("W1 foo", True),
        ("W1 h", False),
        ("h", False),
        ("foo", False),
        ("", False),
    ],
)
def test_a_file_may_have_gradients_of_parameters_alone(names: str, alone: bool) -> None:
    assert parameters_alone(names.split()) == alone
