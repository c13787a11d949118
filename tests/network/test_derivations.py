"""The table of 26 gradients by itself: order, docstrings, shapes, dtypes, and the fused forms."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import locked, random_network
from hypothesis import given
from hypothesis import strategies as st

import npnet
import npnet.network.names
from npnet import GRADIENTS, InputError
from npnet.base.arrays import Array
from npnet.network.graph import readers, reads
from npnet.network.names import NAMES, shape_of

Make = Callable[..., tuple[npnet.Parameters, Array, Array]]
FOLDER = Path(npnet.network.names.__file__).parent
SIZES = st.fixed_dictionaries(
    {
        "n": st.integers(2, 9),
        "V": st.integers(2, 8),
        "E": st.integers(1, 5),
        "T": st.integers(1, 4),
        "H": st.integers(1, 6),
    }
)


def forward_sources() -> dict[str, ast.expr]:
    """The right side of every forward line, as it is parsed."""
    tree = ast.parse((FOLDER / "forward.py").read_text(encoding="utf-8"))
    [table] = [node.value for node in tree.body if isinstance(node, ast.AnnAssign)]
    assert isinstance(table, ast.Dict)
    return {
        ast.literal_eval(key): line.body
        for key, line in zip(table.keys, table.values, strict=True)
        if key is not None and isinstance(line, ast.Lambda)
    }


def attributes(node: ast.AST, of: str) -> set[str]:
    """The ``x`` of every ``of.x`` in a piece of code."""
    return {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute)
        and isinstance(part.value, ast.Name)
        and part.value.id == of
    }


def code_of(name: str) -> ast.FunctionDef:
    [function] = ast.parse(inspect.getsource(GRADIENTS[name])).body
    assert isinstance(function, ast.FunctionDef)
    return function


def blocks(name: str) -> list[list[str]]:
    """The paragraphs of a docstring, in lines."""
    text = inspect.cleandoc(GRADIENTS[name].__doc__ or "")
    return [block.split("\n") for block in text.split("\n\n")]


def test_there_are_26_one_for_every_name_but_the_loss() -> None:
    assert set(GRADIENTS) == set(NAMES) - {"loss"}
    assert len(GRADIENTS) == 26
    assert [function.__name__ for function in GRADIENTS.values()] == [f"d{n}" for n in GRADIENTS]


def test_the_order_of_definition_is_the_order_of_running() -> None:
    lines = [inspect.getsourcelines(function)[1] for function in GRADIENTS.values()]
    assert lines == sorted(lines)
    made = {"loss"}
    for name in GRADIENTS:
        assert attributes(code_of(name), of="d") <= made, name
        made.add(name)


def test_what_a_line_reads_is_what_its_code_names() -> None:
    """It is found by running the lines; here by reading them."""
    named = {line: attributes(code, of="v") & {*NAMES} for line, code in forward_sources().items()}
    assert reads() == named
    for name in NAMES:
        assert list(readers(name)) == [line for line in named if name in named[line]]


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_docstring_begins_with_the_forward_lines_that_read_the_value(name: str) -> None:
    source = (FOLDER / "forward.py").read_text(encoding="utf-8")
    wanted = {
        f"{line} = " + re.sub(r"\bv\.", "", ast.get_source_segment(source, code) or "")
        for line, code in forward_sources().items()
        if name in attributes(code, of="v")
    }
    assert set(blocks(name)[0]) == wanted


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_derivation_ends_in_the_code_itself(name: str) -> None:
    source = inspect.getsource(GRADIENTS[name])
    code = source.split('"""', 2)[2]
    code = re.sub(r"\bv\.", "", re.sub(r"\bd\.(\w)", r"d\1", textwrap.dedent(code.strip("\n"))))
    lines = code.strip().split("\n")
    result = lines.pop().removeprefix("return ")
    if result != f"d{name}":
        lines.append(f"d{name} = {result}")
    assert blocks(name)[1][-len(lines) :] == lines


@given(sizes=SIZES, dtype=st.sampled_from([np.float32, np.float64]))
def test_every_gradient_has_its_shape_and_the_parameters_dtype(
    sizes: dict[str, int], dtype: Any
) -> None:
    params, X, Y = random_network(np.random.default_rng(2), dtype, **sizes)
    gradients = npnet.backward(npnet.forward(params, X, Y))
    assert list(gradients) == list(GRADIENTS)
    for name, gradient in gradients.items():
        assert gradient.shape == shape_of(name, sizes), name
        assert gradient.dtype == dtype, name


def test_no_function_writes_into_what_it_is_given(network: Make) -> None:
    values = npnet.forward(*network())
    v = npnet.Values({name: locked(np.asarray(entry)) for name, entry in values.items()})
    made: dict[str, Array] = {}
    for name, function in GRADIENTS.items():
        made[name] = locked(function(v, npnet.Gradients(made)))


def test_backward_says_which_value_it_misses(network: Make) -> None:
    values = npnet.forward(*network())
    with pytest.raises(InputError, match=r"backward: .* no 'h'.*wanted all that npnet.forward"):
        npnet.backward({name: values[name] for name in values if name != "h"})


def test_backward_is_the_table_run_in_order(network: Make) -> None:
    values = npnet.forward(*network())
    d: Any = SimpleNamespace(loss=1.0)  # any object with the attributes will do
    gradients = npnet.backward(dict(values))
    for name, function in GRADIENTS.items():
        setattr(d, name, function(values, d))
        np.testing.assert_array_equal(getattr(d, name), gradients[name])


def assert_agree(one: Any, other: Any, what: str) -> None:
    """To a thousand roundings of the largest entry, or of 1."""
    scale = max(1.0, float(np.abs(other).max()))
    np.testing.assert_allclose(one, other, rtol=0, atol=1000 * 2**-52 * scale, err_msg=what)


@given(sizes=SIZES, seed=st.integers(0, 2**32), eps=st.sampled_from([1e-2, 1.0]))
def test_the_fused_pass_has_the_tables_gradients(
    sizes: dict[str, int], seed: int, eps: float
) -> None:
    params, X, Y = random_network(np.random.default_rng(seed), **sizes)
    values = npnet.forward(params, X, Y, eps)
    loss, fused = npnet.loss_and_gradients(params, X, Y, eps)
    gradients = npnet.backward(values)
    assert_agree(loss, values.loss, "loss")
    for name, array in fused.items():
        assert_agree(array, gradients[name], name)


@given(sizes=SIZES, seed=st.integers(0, 2**32))
def test_cross_entropy_is_eight_lines_at_once(sizes: dict[str, int], seed: int) -> None:
    values = npnet.forward(*random_network(np.random.default_rng(seed), **sizes))
    loss, dlogits = npnet.cross_entropy(values.logits, values.Y)
    assert_agree(loss, values.loss, "loss")
    assert_agree(dlogits, npnet.backward(values).logits, "logits")


@given(sizes=SIZES, seed=st.integers(0, 2**32))
def test_batch_norm_is_seven_lines_at_once(sizes: dict[str, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = npnet.forward(*random_network(rng, **sizes), eps=0.1)
    hpreact, saved = npnet.batch_norm(values.hprebn, values.bngain, values.bnbias, values.eps)
    for name, array in {**saved._asdict(), "hpreact": hpreact}.items():
        assert_agree(array, values[name], name)
    # The table runs from dhpreact to dhprebn, over an upstream that no loss made.
    d: Any = SimpleNamespace(hpreact=locked(rng.standard_normal(hpreact.shape)))
    names = list(GRADIENTS)
    for name in names[names.index("bngain") : names.index("hprebn") + 1]:
        setattr(d, name, GRADIENTS[name](values, d))
    dhprebn, dbngain, dbnbias = npnet.batch_norm_backward(d.hpreact, saved)
    assert_agree(dhprebn, d.hprebn, "hprebn")
    assert_agree(dbngain, d.bngain, "bngain")
    assert_agree(dbnbias, d.bnbias, "bnbias")
