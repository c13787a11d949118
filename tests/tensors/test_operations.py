"""Every form of every operation, compared to torch's: values, gradients, types, memory, errors."""

import json
import re

import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

import npnet.tensors as torch
from oracle import forms, operations
from oracle.cli import main
from oracle.threads import one_thread

# Torch computes infinities silently. Pytest's filters come before the one of npnet.tensors.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

SMALL = ("matrix", "vector", "number", "empty", "cube", "ties", "one", "special")


def told(verdict: operations.Verdict) -> str:
    return f"{verdict.form} in {verdict.world}, {verdict.dtype}: {verdict.difference}"


@pytest.mark.parametrize("subject", forms.BY_SUBJECT)
def test_every_form_agrees_with_torch(subject: str) -> None:
    with one_thread():
        found = list(operations.verdicts(forms.BY_SUBJECT[subject], ("matrix",), ("float32",)))
    assert len(found) == len(forms.BY_SUBJECT[subject])
    wrong = [verdict for verdict in found if verdict.difference and not verdict.known]
    assert [told(verdict) for verdict in wrong] == []


@given(
    form=st.sampled_from(forms.FORMS),
    where=st.sampled_from(SMALL),
    dtype=st.sampled_from(operations.DTYPES),
    seed=st.integers(0, 2**32 - 1),
)
def test_forms_agree_in_random_worlds(form: str, where: str, dtype: str, seed: int) -> None:
    with one_thread():
        verdict = operations.compare(form, where, dtype, seed)
    assert verdict.known or verdict.difference == "", told(verdict)


@pytest.mark.slow
@pytest.mark.parametrize("where", operations.SHAPES)
def test_all_forms_agree_in_every_world(where: str) -> None:
    with one_thread():
        found = list(operations.verdicts(worlds=(where,)))
    wrong = [verdict for verdict in found if verdict.difference and not verdict.known]
    assert [told(verdict) for verdict in wrong] == []


def test_a_wrong_operation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from npnet.derivatives import elementwise

    monkeypatch.setattr(
        elementwise.TANH, "derivatives", (lambda g, o, _x: g * (1 - o * o * 1.00001),)
    )
    assert operations.compare("x.tanh()", "matrix", "float32", 0).difference
    monkeypatch.setattr(elementwise.TANH, "name", "TanBackward0")
    assert "grad_fn" in operations.compare("torch.tanh(x)", "matrix", "float64", 0).difference


def test_what_is_known_to_differ_is_among_the_forms() -> None:
    for form, worlds, reason in forms.KNOWN:
        assert form in forms.FORMS
        assert set(worlds.split()) <= set(operations.SHAPES)
        assert reason


# Not operations: modes, settings, memory; and random numbers of which torch's are not here.
NOT_COMPARED = """
cuda data_ptr enable_grad get_num_threads inference_mode modules no_grad set_ set_default_dtype
set_grad_enabled set_num_threads use_deterministic_algorithms missing Any asinh_ arcsinh_ sgn_
"""


def test_every_name_on_offer_is_compared_in_some_form() -> None:
    compared = set(re.findall(r"\w+", "\n".join(forms.FORMS))) | set(NOT_COMPARED.split())
    offered = {*dir(torch), *dir(torch.Tensor)}
    of_one = {name.removesuffix("_") for name in compared}
    inverse = re.compile(
        r"(arc|a)(sin|cos|tan)h?_"
    )  # one table gives each function its in-place form
    assert [
        name
        for name in sorted(offered - compared)
        if not name.startswith("_")
        and callable(getattr(torch, name, getattr(torch.Tensor, name, None)))
        and not (inverse.fullmatch(name) and name.removesuffix("_") in of_one)
    ] == []


def test_the_command_counts_a_subject(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "--short", "--json", "creation"]) == 0
    total = json.loads(capsys.readouterr().out)["total"]
    assert total["compared"] == total["agree"] == len(forms.BY_SUBJECT["creation"])
    assert main(["operations", "cration"]) == 2


def test_the_count_tells_exact_from_near() -> None:
    found = list(operations.verdicts(("x + y", "x @ x.T"), ("matrix",), ("float32",)))
    count = operations.count(found)
    assert count.compared == count.agree == count.forms == 2
    assert found[0].exact
    assert count.forms_exact >= 1
