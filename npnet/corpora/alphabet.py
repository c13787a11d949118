"""A remark for an alphabet that is much larger than usual: the network learns every character."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

# A character is rare if it is in at most FEW words, or in at most one of ONE_OF words.
FEW, ONE_OF = 2, 2000
LEAST = 20  # with fewer rare characters, there is no remark about them
SEEN = 5  # a character that occurs at most this often on average is too rare to be learned
EXAMPLES = 5


def remark_on_alphabet(words: Sequence[str]) -> str | None:
    """A sentence about rare characters, if there are more of them than of the usual ones.

    A wrong encoding, capitals, digits or words in another script add characters. Each character has
    a row in the embedding and a column in the last layer.
    """
    counts = Counter(char for word in words for char in {*word})
    most = max(FEW, len(words) // ONE_OF)
    ordered = [char for char, _ in counts.most_common()]
    rare = [char for char in ordered if counts[char] <= most]
    told = f"the words have {len(ordered):,} different characters"
    examples = " ".join(ordered[: -EXAMPLES - 1 : -1])
    if len(rare) >= LEAST and 2 * len(rare) > len(ordered):
        return (
            f"{told}, and {len(rare):,} of them stand in {most:,} words or fewer each, such as "
            f"{examples}: is the encoding right (--encoding)? --fold makes capitals small"
        )
    if len(ordered) >= 2 * LEAST and counts.total() <= SEEN * len(ordered):
        return (
            f"{told}, each in {counts.total() / len(ordered):.0f} words, such as {examples}: too "
            "few to learn them"
        )
    return None
