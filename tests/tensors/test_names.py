"""The names that notebooks of the exercise use are all there."""

import pytest

import npnet.tensors as torch
from npnet.tensors import functional

TENSOR = """
sum mean exp log max abs view item shape backward retain_grad grad requires_grad nelement var data
log10 T clone detach index_add_ view_as size float squeeze reshape unsqueeze expand argmax tolist t
transpose repeat expand_as flatten nonzero numel softmax scatter_ index_add dtype to
"""
MODULE = """
randn tensor tanh randint Generator all allclose no_grad zeros_like sqrt multinomial ones_like zeros
ones arange argmax sum rand t transpose pow exp cosh einsum diag broadcast_to logsumexp log_softmax
randperm abs max not_equal Tensor device cuda set_grad_enabled flatten
"""


@pytest.mark.parametrize("name", TENSOR.split())
def test_a_tensor_has_what_notebooks_use(name: str) -> None:
    assert hasattr(torch.ones(2, 2), name)


@pytest.mark.parametrize("name", MODULE.split())
def test_the_module_has_what_notebooks_use(name: str) -> None:
    assert hasattr(torch, name)


@pytest.mark.parametrize("name", ["cross_entropy", "softmax", "one_hot"])
def test_functional_has_what_notebooks_use(name: str) -> None:
    assert hasattr(functional, name)


def test_a_pair_has_values_and_indices() -> None:
    pair = torch.tensor([[1.0, 3.0], [4.0, 2.0]]).max(1)
    values, indices = pair
    assert (values.tolist(), indices.tolist()) == ([3, 4], [1, 0])
    assert pair.values is values
    assert pair.indices is indices
