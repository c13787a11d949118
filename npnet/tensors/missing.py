"""Errors for names of torch that are missing here; ``hasattr`` gives False for them."""

from __future__ import annotations


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
