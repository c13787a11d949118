"""The errors of npnet.

Every message says in one or two sentences, in this order: which function or file, what it got,
what it wanted, what to do. The command line prints the message and exits with code 2.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class InputError(ValueError):
    """An argument, option or file that cannot be used."""


def shown(value: object) -> str:
    """``repr`` of a value, for a message: one line of at most 100 characters."""
    try:
        text = repr(value).replace("\n", "")
    except ValueError:  # Python refuses to write out numbers of thousands of digits
        return f"{kind_of(value)} that is too long to show"
    return text if len(text) <= 100 else f"{text[:99]}…"


def with_article(noun: str) -> str:
    """``noun`` with its article, a or an."""
    return f"an {noun}" if noun[:1].lower() in "aeiou" or noun == "ndarray" else f"a {noun}"


def kind_of(value: object) -> str:
    """The class of a value, for a message: ``an int``, ``a list``, ``None``."""
    return "None" if value is None else with_article(type(value).__name__)


class DivergedError(ArithmeticError):
    """A loss of training is not finite.

    Attributes:
        step: the step of this loss, counted from 0. If only the parameters after the last step
            have no finite loss, it is the number of steps of the run.
        loss: the loss that is not finite.
        losses: the losses before it, if the caller kept them; else None.
    """

    def __init__(self, step: int, loss: float, lr: float, eps: float = 1e-5) -> None:
        # At step 0 the parameters are as they were drawn: the rate is not the cause.
        hint = f"try a smaller rate than {lr:g}" if step else "draw smaller parameters"
        if eps == 0:
            hint += ", or eps above 0 for units that are the same in all rows"
        super().__init__(
            f"train: the loss of step {step} is {loss}, wanted a finite number: {hint}"
        )
        self.step, self.loss = step, loss
        self.losses: NDArray[np.floating[Any]] | None = None
