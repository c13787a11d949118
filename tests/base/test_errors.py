"""The contents of errors: the step, the rate, the losses, one short line."""

import dataclasses
import math

import numpy as np
import pytest
from conftest import SHORT

import npnet
from npnet import DivergedError
from npnet.base.errors import shown
from npnet.training.fit import Training

WORDS = npnet.default_words()[:50]


def test_at_step_0_the_rate_is_not_the_cause() -> None:
    error = DivergedError(0, math.nan, 0.25)
    assert str(error) == (
        "train: the loss of step 0 is nan, wanted a finite number: draw smaller parameters"
    )
    assert (error.step, error.losses) == (0, None)


def test_after_step_0_the_rate_is_the_cause() -> None:
    error = DivergedError(7, math.inf, 0.25)
    assert str(error) == (
        "train: the loss of step 7 is inf, wanted a finite number: try a smaller rate than 0.25"
    )
    assert error.step == 7


def test_without_eps_a_constant_unit_can_be_the_cause() -> None:
    said = str(DivergedError(7, math.inf, 0.25, 0.0))
    assert said.endswith(
        "smaller rate than 0.25, or eps above 0 for units that are the same in all rows"
    )


@pytest.mark.parametrize("huge", [70, 63, 64])
def test_the_message_names_the_rate_of_the_step_before(huge: int) -> None:
    # One step takes the rate that is too large; the loss that shows it is that of the next step.
    rates = ((0, 0.1), (huge, 1e38), (huge + 1, 0.02))
    with pytest.raises(DivergedError, match=r"try a smaller rate than 1e\+38$") as caught:
        npnet.fit(dataclasses.replace(SHORT, rates=rates), WORDS)
    assert caught.value.step == huge + 1
    assert caught.value.losses is not None
    assert len(caught.value.losses) == huge + 1
    whole = npnet.fit(dataclasses.replace(SHORT, rates=((0, 0.1),)), WORDS)
    np.testing.assert_array_equal(caught.value.losses, whole.losses[: huge + 1])


def test_a_last_step_that_diverges_is_found_at_the_end() -> None:
    rates = ((0, 0.1), (SHORT.steps - 1, 1e38))
    training = Training(dataclasses.replace(SHORT, rates=rates), WORDS)
    training.run()
    with pytest.raises(DivergedError, match=r"try a smaller rate than 1e\+38$") as caught:
        training.finish()
    assert caught.value.step == SHORT.steps
    assert caught.value.losses is not None
    assert len(caught.value.losses) == SHORT.steps


@pytest.mark.parametrize("length", [98, 99])
def test_what_was_got_is_shown_in_at_most_100_characters(length: int) -> None:
    text = shown("x" * length)
    assert len(text) == 100
    assert text == f"'{'x' * length}'" if length == 98 else text == f"'{'x' * 98}…"


def test_what_was_got_is_shown_on_one_line() -> None:
    assert shown(np.zeros((2, 2))) == "array([[0., 0.],       [0., 0.]])"
    assert shown(10**5000) == "an int that is too long to show"
