"""What npnet raises when it cannot do what it was asked.

Every message is one sentence or two in this order: who is speaking, what it got, what it
wanted, what to do about it. The command line prints it and leaves with exit code 2.
"""

from npnet.arrays import Floats


class InputError(ValueError):
    """Something that was handed in cannot be used: a file, an option, an array, a recipe."""


class DivergedError(ArithmeticError):
    """Training met a loss that is not finite.

    Attributes:
        step: the step, counted from 0, whose loss it was.
        losses: the losses before it, where the one who trained kept them; else None.
    """

    def __init__(self, step: int, loss: float, lr: float) -> None:
        super().__init__(
            f"train: the loss of step {step} is {loss}, wanted a finite number: "
            f"try a smaller rate than {lr:g}"
        )
        self.step = step
        self.losses: Floats | None = None
