"""Names and devices of torch that are missing here: their errors, and ``torch.device``."""

from __future__ import annotations

from typing import Any, Final


class NotHere(NotImplementedError, AttributeError):
    """A name of torch that npnet.tensors does not have.

    It is an AttributeError too, so that ``hasattr`` and ``getattr`` with a default work.
    """


def missing(owner: str, name: str) -> NotHere:
    """The error for ``owner.name``."""
    return NotHere(
        f"{owner}.{name} is not in npnet.tensors, which has the part of torch that notebooks of "
        "this exercise use: write the line with other operations, or run it with torch"
    )


def not_for(kernel: str, kind: object) -> NotImplementedError:
    """Torch's error for an operation that a number type does not have."""
    return NotImplementedError(
        f'"{kernel}" not implemented for {kind}: convert the tensor, for example with .float()'
    )


def not_supported(what: str) -> NotImplementedError:
    """The error for a form of a call that is known but not supported."""
    return NotImplementedError(
        f"{what} is not in npnet.tensors: write the line in another way, or run it with torch"
    )


class device:
    """A device's name. Only the CPU computes here; asking for another one is refused."""

    def __init__(self, name: Any = "cpu", index: int | None = None) -> None:
        self.type: str
        self.index: int | None
        if isinstance(name, device):
            self.type, self.index = name.type, name.index
        else:
            self.type, _, place = str(name).partition(":")
            self.index = int(place) if place else index

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


CPU: Final = device("cpu")


def on_cpu(where: Any) -> None:
    """Refuse every device but the CPU.

    Raises:
        RuntimeError: another device.
    """
    if where is not None and device(where).type != "cpu":
        raise RuntimeError(
            f"device: got {where!s}, but npnet.tensors computes on the CPU alone: give 'cpu'"
        )
