"""Two sets of arrays compared, and what to compare with."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npnet.checks.lines import Lines as Lines


def __getattr__(name: str) -> Any:
    if name == "Lines":  # imported when first used, as at the top of npnet
        from npnet.checks.lines import Lines

        return Lines
    raise AttributeError(f"module 'npnet.checks' has no attribute {name!r}")
