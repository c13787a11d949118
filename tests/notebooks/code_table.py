"""Tables of code: headers that begin with ``##``, each with the lines that follow it."""

from collections.abc import Iterator


def entries(text: str) -> Iterator[tuple[list[str], str]]:
    """The fields of each header, which ``|`` divides, and its code."""
    for part in text.strip().removeprefix("## ").split("\n## "):
        header, _, code = part.partition("\n")
        yield [field.strip() for field in header.split("|")], code.strip("\n")
